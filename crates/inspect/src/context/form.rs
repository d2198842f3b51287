//! What a value looks like: literals and runs, read from left to right without a choice.

use crate::class::Class;

/// A part of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// Exactly these bytes.
    Text(&'static str),
    /// As many bytes of the class as there are, up to `max`; at least `min`.
    Run { class: Class, min: usize, max: usize },
}

/// Most parts of a value.
const N_ITEMS: usize = 12;

/// What a value looks like. The parts stand for at most 512 bytes. A value holds a digit, and neither a byte of [`GOES_ON`] nor a
/// dot and a letter or digit stands behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) items: [Item; N_ITEMS],
    /// Least Shannon entropy of the value in bits per byte.
    pub(crate) entropy: f64,
    check: Option<fn(&[u8]) -> bool>,
    /// Anything may stand behind the value.
    pub(crate) is_open: bool,
}

/// What can be said of a form at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    No,
    Pending,
    /// It fits up to here.
    To(usize),
}

/// A value that goes on with one of these is another value.
const GOES_ON: Class = Class::URL_SAFE.or(Class::BASE64).or(Class::TILDE).or(Class::AT);

/// A form of these parts.
pub(crate) const fn form<const N: usize>(parts: [Item; N]) -> Form {
    let mut items = [Item::Text(""); N_ITEMS];
    let (mut into, _) = items.split_at_mut(N);
    let mut from = parts.as_slice();
    while let ([place, rest @ ..], [part, parts @ ..]) = (into, from) {
        *place = *part;
        (into, from) = (rest, parts);
    }
    Form { items, entropy: 0.0, check: None, is_open: false }
}

/// Exactly these bytes.
pub(crate) const fn text(text: &'static str) -> Item {
    Item::Text(text)
}

/// `length` bytes of the class.
pub(crate) const fn run(class: Class, length: usize) -> Item {
    Item::Run { class, min: length, max: length }
}

/// Between `min` and `max` bytes of the class.
pub(crate) const fn some(class: Class, min: usize, max: usize) -> Item {
    Item::Run { class, min, max }
}

impl Form {
    /// With at least this Shannon entropy, in bits per byte.
    pub(crate) const fn entropy(mut self, bits: f64) -> Self {
        self.entropy = bits;
        self
    }

    /// With no condition on what stands behind the value.
    pub(crate) const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// With a test of the whole value.
    pub(crate) const fn check(mut self, check: fn(&[u8]) -> bool) -> Self {
        self.check = Some(check);
        self
    }

    /// How many bytes that are neither blank nor a quote every such value begins with, at least.
    pub(crate) fn least(&self) -> usize {
        let mut least = 0;
        for item in &self.items {
            match *item {
                Item::Text("") => break,
                Item::Text(literal) => {
                    let visible = Class::VISIBLE.run(literal.as_bytes());
                    least += visible;
                    if visible < literal.len() {
                        break;
                    }
                }
                Item::Run { class, .. } if class.has(b' ') => break,
                Item::Run { min, .. } => least += min,
            }
        }
        least
    }

    /// Whether `text` begins with such a value, and how long it is.
    pub(crate) fn fit(&self, text: &[u8], is_final: bool) -> Fit {
        let mut at = 0;
        for item in &self.items {
            let rest = text.get(at..).unwrap_or_default();
            match *item {
                Item::Text("") => break,
                Item::Text(literal) if rest.starts_with(literal.as_bytes()) => at += literal.len(),
                Item::Text(literal) if !is_final && literal.as_bytes().starts_with(rest) => return Fit::Pending,
                Item::Text(_) => return Fit::No,
                Item::Run { class, min, max } => {
                    let length = class.run(rest.get(..max).unwrap_or(rest));
                    if length == rest.len() && length < max && !is_final {
                        return Fit::Pending;
                    }
                    if length < min {
                        return Fit::No;
                    }
                    at += length;
                }
            }
        }
        match text.get(at..).unwrap_or_default() {
            _ if self.is_open => {}
            [] | [b'.'] if !is_final => return Fit::Pending,
            [b'.', next, ..] if Class::ALNUM.has(*next) => return Fit::No,
            [next, ..] if GOES_ON.has(*next) => return Fit::No,
            _ => {}
        }
        let value = text.get(..at).unwrap_or_default();
        let holds = value.iter().any(u8::is_ascii_digit)
            && (self.entropy <= 0.0 || has_entropy(value, self.entropy))
            && self.check.is_none_or(|check| check(value));
        if holds { Fit::To(at) } else { Fit::No }
    }
}

/// Whether the Shannon entropy of the bytes is at least `bits` per byte.
pub(crate) fn has_entropy(bytes: &[u8], bits: f64) -> bool {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let entropy: f64 =
        counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total).map(|p| -p * p.log2()).sum();
    // Sums of equal shares are exact in theory and nearly so here.
    entropy >= bits - 1e-9
}
