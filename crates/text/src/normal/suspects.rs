//! Whether a text could be written in some other way at all, at the speed of memory.

use std::ops::Range;

use memchr::{memchr2, memchr3};

use super::blocks::{next_long, next_row};
use super::lanes::{self, LANES};

/// What a text has that some reading needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Suspects {
    /// Characters that are not ASCII.
    pub(super) wide: bool,
    /// `&`, `<`, `%` or `=`.
    pub(super) signs: bool,
    /// A run of encoded characters, or pairs of hex digits.
    pub(super) blocks: bool,
}

impl Suspects {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let signs = memchr3(b'&', b'<', b'%', bytes).is_some() || memchr2(b'=', b'\\', bytes).is_some();
        Self { wide: !bytes.is_ascii(), signs, blocks: has_blocks(bytes) }
    }

    pub(super) const fn any(self) -> bool {
        self.wide || self.signs || self.blocks
    }
}

fn has_blocks(bytes: &[u8]) -> bool {
    next_long(bytes, 0).is_some()
        || next_pair(bytes, 0).is_some()
        || next_short(bytes, 0).is_some()
        || next_row(bytes, 0).is_some()
}

/// Fewest letters of a run that is short, and encoded all the same: seven bytes of base64.
pub(super) const SHORT: usize = 10;

/// The next run of at least [`SHORT`] letters of base64, at or behind `from`, that no word is written like: a capital behind a
/// small letter, or a digit beside a letter. What begins before `from` is cut there.
pub(super) fn next_short(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let mixed = next_mixed(bytes, at)?;
        let before = bytes.get(at..mixed)?.iter().rev().take_while(|byte| is_letter(**byte)).count();
        let behind = bytes.get(mixed..)?.iter().take_while(|byte| is_letter(**byte)).count();
        let run = mixed - before..mixed + behind;
        if run.len() >= SHORT {
            return Some(run);
        }
        at = run.end.max(mixed + 1);
    }
}

/// The first of the next two neighbours that are small letter and capital, or letter and digit.
pub(super) fn next_mixed(bytes: &[u8], from: usize) -> Option<usize> {
    lanes::first_pair(bytes, from, 1, is_mixed)
}

/// Without branches, as [`letter_lane`].
fn is_mixed(one: u8, other: u8) -> bool {
    let is_digit = |byte: u8| byte.wrapping_sub(b'0') < 10;
    let is_small = |byte: u8| byte.wrapping_sub(b'a') < 26;
    let is_capital = |byte: u8| byte.wrapping_sub(b'A') < 26;
    let is_alphabetic = |byte: u8| is_small(byte) | is_capital(byte);
    (is_small(one) & is_capital(other)) | (is_digit(one) & is_alphabetic(other)) | (is_alphabetic(one) & is_digit(other))
}

/// The letters of base64, both alphabets; those of base32 and hex are among them.
pub(super) const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// 1 for a letter of base64. Arithmetic without branches, which the compiler does for many bytes at once.
fn letter_lane(byte: u8) -> u8 {
    let is_alphabetic = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-` 2D, `.` 2E, `/` 2F, digits: all but the dot.
    let is_low = (byte.wrapping_sub(b'-') < 13) & (byte != b'.');
    u8::from(is_alphabetic | is_low | (byte == b'+') | (byte == b'_'))
}

/// The next place at or behind `from`, a multiple of 8, from which 8 bytes are letters of base64. Every run of 15 has one.
pub(super) fn next_full(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.next_multiple_of(8);
    let rest = bytes.get(start..)?;
    let (chunks, tail) = rest.as_chunks::<LANES>();
    for (nth, chunk) in chunks.iter().enumerate() {
        let lanes = chunk.map(letter_lane);
        let is_full = |group: &[u8; 8]| u64::from_ne_bytes(*group) == 0x0101_0101_0101_0101;
        let (groups, _) = lanes.as_chunks::<8>();
        if let Some(group) = groups.iter().position(is_full) {
            return Some(start + nth * LANES + group * 8);
        }
    }
    let (groups, _) = tail.as_chunks::<8>();
    let group = groups.iter().position(|group| group.iter().all(|byte| is_letter(*byte)))?;
    Some(start + chunks.len() * LANES + group * 8)
}

/// The next place at or behind `from` of two hex pairs between three equal separators.
pub(super) fn next_pair(bytes: &[u8], from: usize) -> Option<usize> {
    let (second, third) = (bytes.get(3..)?, bytes.get(6..)?);
    let look = |at: usize| {
        let chunk = |bytes: &'_ [u8]| bytes.get(at..)?.first_chunk::<LANES>().copied();
        let (first, second, third) = (chunk(bytes)?, chunk(second)?, chunk(third)?);
        let mut lanes = [0; LANES];
        for (lane, ((first, second), third)) in lanes.iter_mut().zip(first.iter().zip(&second).zip(&third)) {
            *lane = u8::from(is_between(*first) & (first == second) & (first == third));
        }
        Some(lanes)
    };
    let is_row = |at: usize| {
        let between = bytes.get(at).copied();
        let digits = |place: usize| bytes.get(place).copied().is_some_and(is_hex);
        between.is_some_and(is_between)
            && [3, 6].into_iter().all(|ahead| bytes.get(at + ahead).copied() == between)
            && [1, 2, 4, 5].into_iter().all(|ahead| digits(at + ahead))
    };
    let mut at = from;
    // The digits are looked at only where the separators are.
    while let Some(hit) = lanes::first(at, third.len(), look, is_row) {
        if is_row(hit) {
            return Some(hit);
        }
        at = hit + 1;
    }
    None
}

const fn is_between(byte: u8) -> bool {
    (byte == b' ') | (byte == b':') | (byte == b'-') | (byte == b',')
}

const fn is_hex(byte: u8) -> bool {
    (byte.wrapping_sub(b'0') < 10) | ((byte | 0x20).wrapping_sub(b'a') < 6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Suspects, is_between, is_hex, is_letter, is_mixed, letter_lane, next_full, next_mixed, next_pair};

    proptest! {
        /// Many bytes at once are looked at as one by one.
        #[test]
        fn pairs_and_mixed_letters_are_found(text in "([0-9a-g]{2}[ :]|[ :,-]|[a-zA-Z0-9]|[0-9a-f]{2}-[0-9a-f]{2}-){0,60}", from in 0..120_usize) {
            let bytes = text.as_bytes();
            let at = |place: usize| bytes.get(place).copied();
            let is_row = |place: &usize| {
                is_between(bytes[*place])
                    && [3, 6].iter().all(|ahead| at(place + ahead) == at(*place))
                    && [1, 2, 4, 5].iter().all(|ahead| at(place + ahead).is_some_and(is_hex))
            };
            prop_assert_eq!(next_pair(bytes, from), (from..bytes.len()).find(is_row));
            let is_change = |place: &usize| at(place + 1).is_some_and(|next| is_mixed(bytes[*place], next));
            prop_assert_eq!(next_mixed(bytes, from), (from..bytes.len()).find(is_change));
        }
    }

    #[test]
    fn lanes_agree_with_the_letters() {
        for byte in 0..=u8::MAX {
            assert_eq!(letter_lane(byte) == 1, is_letter(byte), "{byte}");
        }
    }

    #[test]
    fn every_run_of_fifteen_is_found_and_no_run_of_seven() {
        for before in 0..80 {
            let text = " ".repeat(before) + &"a".repeat(15) + " ";
            let found = next_full(text.as_bytes(), 0).unwrap();
            assert!((before..before + 8).contains(&found));
            let short = " ".repeat(before) + &"a".repeat(7) + " and no more";
            assert_eq!(next_full(short.as_bytes(), 0), None);
            let pairs = "x".repeat(before) + "41:42:43:44";
            assert_eq!(next_pair(pairs.as_bytes(), 0), Some(before + 2));
        }
        assert_eq!(next_pair(b"the fox is on it, and so am I: a-b-c", 0), None);
    }

    #[test]
    fn plain_prose_is_not_suspect() {
        assert!(!Suspects::of("The quick brown fox jumps over the lazy dog, 12 times.").any());
        for text in ["caf\u{e9}", "a & b", "<", "100%", "a=b", "c2VjcmV0IHRva2VuIGhlcmU", "41 42 43 44 45", r"\x41"] {
            assert!(Suspects::of(text).any(), "{text}");
        }
    }
}
