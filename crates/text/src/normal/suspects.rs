//! Whether a text could be written in some other way at all, at the speed of memory.

use std::ops::Range;

use memchr::{memchr2, memchr3};

use super::blocks::{next_long, next_row};

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

/// Bytes looked at together.
const LANES: usize = 32;

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
    let rest = bytes.get(from..)?;
    let second = rest.get(1..)?;
    let mut start = 0;
    while start < second.len() {
        let end = (start + LANES).min(second.len());
        let pairs = rest.get(start..end)?.iter().zip(second.get(start..end)?);
        if pairs.clone().fold(0u8, |any, (one, other)| any | u8::from(is_mixed(*one, *other))) != 0
            && let Some(nth) = pairs.into_iter().position(|(one, other)| is_mixed(*one, *other))
        {
            return Some(from + start + nth);
        }
        start = end;
    }
    None
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
    let rest = bytes.get(from..)?;
    let (second, third) = (rest.get(3..)?, rest.get(6..)?);
    let mut start = 0;
    while start < third.len() {
        let end = (start + LANES).min(third.len());
        let lanes = rest.get(start..end)?.iter().zip(second.get(start..end)?).zip(third.get(start..end)?);
        let mut hits = lanes.map(|((first, second), third)| is_between(*first) & (first == second) & (first == third));
        // The digits are looked at only where the separators are.
        if hits.clone().fold(0u8, |any, hit| any | u8::from(hit)) != 0 {
            let is_row = |at: usize| {
                let digits = |place: usize| rest.get(place).copied().is_some_and(is_hex);
                [1, 2, 4, 5].into_iter().all(|ahead| digits(at + ahead))
            };
            let mut nth = start;
            while let Some(hit) = hits.position(|hit| hit) {
                nth += hit;
                if is_row(nth) {
                    return Some(from + nth);
                }
                nth += 1;
            }
        }
        start = end;
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
    use super::{Suspects, is_letter, letter_lane, next_full, next_pair};

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
