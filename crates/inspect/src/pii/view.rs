//! A text that may still grow, looked at byte by byte.

use std::cell::{Cell, RefCell};

use crate::class::Class;
use crate::pii::words::{Near, Words};

/// Bytes of a text, and whether it ends with them. It remembers if somebody asked for a byte that is not there yet: what was
/// concluded then is worth nothing, and has to be asked again when there is more text.
pub(super) struct View<'t> {
    bytes: &'t [u8],
    is_final: bool,
    has_reached_end: Cell<bool>,
    /// The words before an offset: several rules ask for the same ones.
    near: Cell<Option<(usize, Near)>>,
    words: RefCell<Words>,
}

impl<'t> View<'t> {
    pub(super) fn new(bytes: &'t [u8], is_final: bool) -> Self {
        Self { bytes, is_final, has_reached_end: Cell::new(false), near: Cell::new(None), words: RefCell::default() }
    }

    /// Whether something was asked that only more text can answer; forgets it.
    pub(super) fn take_reached_end(&self) -> bool {
        self.has_reached_end.take()
    }

    /// The byte at an offset.
    pub(super) fn at(&self, at: usize) -> Option<u8> {
        let byte = self.bytes.get(at).copied();
        if byte.is_none() && !self.is_final {
            self.has_reached_end.set(true);
        }
        byte
    }

    /// The byte before an offset.
    pub(super) fn before(&self, at: usize) -> Option<u8> {
        self.bytes.get(at.checked_sub(1)?).copied()
    }

    pub(super) fn has(&self, at: usize, class: Class) -> bool {
        self.at(at).is_some_and(|byte| class.has(byte))
    }

    pub(super) fn has_before(&self, at: usize, class: Class) -> bool {
        self.before(at).is_some_and(|byte| class.has(byte))
    }

    /// How many bytes from an offset on belong to the class, counted up to `most`.
    pub(super) fn run(&self, from: usize, class: Class, most: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        let length = class.run(rest.get(..most).unwrap_or(rest));
        if length == rest.len() && length < most && !self.is_final {
            self.has_reached_end.set(true);
        }
        length
    }

    /// Whether nothing follows.
    pub(super) const fn is_final(&self) -> bool {
        self.is_final
    }

    /// The text between two offsets that were seen.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'t [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The number that the decimal digits between two offsets are; at most nine digits.
    pub(super) fn number(&self, start: usize, end: usize) -> u32 {
        decimal(self.slice(start, end))
    }

    /// The words before an offset.
    pub(super) fn near(&self, at: usize) -> Near {
        if let Some((_, near)) = self.near.get().filter(|(known, _)| *known == at) {
            return near;
        }
        let near = self.words.borrow_mut().near(self.bytes, at);
        self.near.set(Some((at, near)));
        near
    }

    /// Whether a number that begins here belongs to nothing in front of it.
    pub(super) fn stands_apart_before(&self, start: usize) -> bool {
        match self.before(start) {
            Some(byte) if Class::WORD.has(byte) || byte == b'$' => false,
            Some(byte) if JOINTS.contains(&byte) => !self.has_before(start - 1, Class::WORD),
            _ => true,
        }
    }

    /// Whether a number that ends here belongs to nothing behind it.
    pub(super) fn stands_apart_behind(&self, end: usize) -> bool {
        match self.at(end) {
            Some(byte) if Class::WORD.has(byte) => false,
            Some(byte) if JOINTS.contains(&byte) => !self.has(end + 1, Class::WORD),
            _ => true,
        }
    }
}

/// Bytes that make one thing of what stands on both sides.
const JOINTS: &[u8] = b".-/,+@&~";

/// The number that at most nine decimal digits are.
pub(super) fn decimal(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit.wrapping_sub(b'0')))
}
