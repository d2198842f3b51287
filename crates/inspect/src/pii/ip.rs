//! Internet addresses.

use std::ops::Range;

use memchr::memchr2;

use crate::bounded::Input;
use crate::class::Class;
use crate::pii::view::View;
use crate::pii::words;

/// Groups of an IPv6 address.
const N_GROUPS: usize = 8;
/// Most hex digits of a group.
const MAX_GROUP: usize = 4;

/// A finder: see [`crate::bounded::Find`].
pub(crate) fn scan(input: Input<'_>, report: &mut dyn FnMut(usize, usize, usize)) -> usize {
    let Input { text, from, is_final, .. } = input;
    let view = &View::new(text, is_final);
    let mut at = from;
    while let Some(offset) = memchr2(b'.', b':', text.get(at..).unwrap_or_default()) {
        let sign = at + offset;
        at = sign + 1;
        // A group of an address before the sign: all of it, or more than a group can have.
        let start = sign - Class::HEX.run_back(view.slice(0, sign), MAX_GROUP + 1);
        let end = match sign - start {
            1..=MAX_GROUP if view.at(sign) == Some(b'.') => v4(view, start),
            1..=MAX_GROUP => v6(view, start, sign),
            _ => None,
        };
        if view.take_reached_end() {
            return start;
        }
        if let Some(end) = end {
            report(0, start, end);
            at = end;
        }
    }
    if is_final { text.len() } else { (text.len() - Class::HEX.run_back(text, MAX_GROUP)).max(from) }
}

/// The first address in a whole text that begins at or behind `from`.
pub(crate) fn first(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut found = None;
    scan(Input { text, from, is_final: true, enabled: 1 }, &mut |_, start, end| found = found.take().or(Some(start..end)));
    found
}

/// The end of the IPv4 address that begins with a digit at `start`.
fn v4(view: &View<'_>, start: usize) -> Option<usize> {
    if !may_begin_v4(view, start) {
        return None;
    }
    let mut octets = [0_u32; 4];
    let mut at = start;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            if view.at(at) != Some(b'.') {
                return None;
            }
            at += 1;
        }
        let length = view.run(at, Class::DIGIT, 4);
        let has_zero = length > 1 && view.at(at) == Some(b'0');
        *octet = view.number(at, at + length);
        if !(1..=3).contains(&length) || has_zero || *octet > 255 {
            return None;
        }
        at += length;
    }
    let is_apart = match view.at(at) {
        Some(byte) if Class::WORD.has(byte) => false,
        Some(b'.') => !view.has(at + 1, Class::WORD),
        Some(b'-') => !view.has(at + 1, Class::LETTER),
        _ => true,
    };
    (is_apart && is_told(view, start, octets)).then_some(at)
}

/// Not inside a longer number or name, nor behind a name's slash (`Chrome/10.0.0.1`).
fn may_begin_v4(view: &View<'_>, start: usize) -> bool {
    match view.before(start) {
        Some(byte) if Class::WORD.has(byte) || byte == b'.' => false,
        Some(b'-') => !view.has_before(start - 1, Class::LETTER),
        Some(b'/') => view.before(start - 1) == Some(b'/'),
        _ => true,
    }
}

/// Whether it is the address of something: not of this host, of nothing, or of everything, and no version or section.
fn is_told(view: &View<'_>, start: usize, octets: [u32; 4]) -> bool {
    let [first, ..] = octets;
    if matches!(first, 0 | 255) || octets == [127, 0, 0, 1] {
        return false;
    }
    let near = view.near(start);
    let is_small = octets.iter().all(|octet| *octet < 10);
    !near.is_version && (!is_small || near.topics.has(words::NETWORK))
}

/// The end of the IPv6 address that begins at `start`, with its first colon at `colon`.
fn v6(view: &View<'_>, start: usize, colon: usize) -> Option<usize> {
    let is_joined = view.before(start).is_some_and(|byte| Class::WORD.has(byte) || matches!(byte, b':' | b'.' | b'-'));
    if is_joined {
        return None;
    }
    let (end, groups) = read_v6(view, start)?;
    let is_apart = match view.at(end) {
        Some(byte) if Class::WORD.has(byte) || byte == b':' => false,
        Some(b'.' | b'-') => !view.has(end + 1, Class::WORD),
        _ => true,
    };
    (is_apart && groups.is_address(view.slice(start, colon))).then_some(end)
}

/// What an IPv6 address is made of.
#[derive(Default)]
struct Groups {
    n: usize,
    /// How many of them have two digits.
    n_pairs: usize,
    is_compressed: bool,
}

impl Groups {
    fn is_address(&self, first: &[u8]) -> bool {
        if !self.is_compressed {
            // Eight pairs are a hardware address.
            return self.n == N_GROUPS && self.n_pairs < N_GROUPS;
        }
        let value = first.iter().fold(0, |value, byte| value * 16 + char::from(*byte).to_digit(16).unwrap_or(0));
        let is_given_out = matches!(value, 0x2000..=0x3fff | 0xfc00..=0xfdff | 0xfe80..=0xfebf | 0xff00..=0xff0f);
        self.n < N_GROUPS && first.len() == 4 && is_given_out
    }
}

/// Groups of one to four hex digits between colons, of which one may be doubled.
fn read_v6(view: &View<'_>, start: usize) -> Option<(usize, Groups)> {
    let mut groups = Groups::default();
    let mut at = start;
    loop {
        let length = view.run(at, Class::HEX, 5);
        if length > 4 || (length == 0 && !groups.is_compressed) {
            return None;
        }
        at += length;
        groups.n += usize::from(length > 0);
        groups.n_pairs += usize::from(length == 2);
        if length == 0 || groups.n == N_GROUPS || view.at(at) != Some(b':') {
            return Some((at, groups));
        }
        let is_double = view.at(at + 1) == Some(b':');
        if !is_double && !view.has(at + 1, Class::HEX) {
            return Some((at, groups));
        }
        if is_double && groups.is_compressed {
            return None;
        }
        groups.is_compressed |= is_double;
        at += 1 + usize::from(is_double);
    }
}
