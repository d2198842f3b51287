//! Readings of a whole text: letters moved on by thirteen, digits for letters, from the end.

use std::borrow::Cow;

use super::lanes::first_byte;

/// Fewest letters and digits of a text that is read in these ways.
const FEWEST: usize = 12;

/// Whether `text` has enough letters and digits to say something.
pub(super) fn says_something(text: &str) -> bool {
    let count = |chunk: &[u8]| chunk.iter().map(|byte| usize::from(byte.is_ascii_alphanumeric())).sum::<usize>();
    let mut counted = 0;
    let is_enough = text.as_bytes().chunks(64).any(|chunk| {
        counted += count(chunk);
        counted >= FEWEST
    });
    is_enough
        || counted + text.chars().filter(|character| !character.is_ascii() && character.is_alphanumeric()).take(FEWEST).count()
            >= FEWEST
}

/// `text` with ASCII letters moved on by thirteen.
pub(super) fn rot13(text: &str) -> String {
    map_bytes(text, |byte| {
        let from = (byte | 0x20).wrapping_sub(b'a');
        if from >= 26 {
            byte
        } else if from < 13 {
            byte + 13
        } else {
            byte - 13
        }
    })
}

/// `text` with each byte mapped; ASCII must stay ASCII and the rest as it is.
fn map_bytes(text: &str, map: impl Fn(u8) -> u8) -> String {
    String::from_utf8(text.bytes().map(map).collect()).unwrap_or_default()
}

/// `text` from its last scalar to its first.
pub(super) fn reversed(text: &str) -> String {
    if text.is_ascii() {
        return String::from_utf8(text.bytes().rev().collect()).unwrap_or_default();
    }
    text.chars().rev().collect()
}

/// What a digit or sign is read as.
const fn letter(sign: u8, one: u8) -> Option<u8> {
    Some(match sign {
        b'0' => b'o',
        b'1' => one,
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        b'8' => b'b',
        b'!' => b'i',
        b'|' => b'l',
        _ => return None,
    })
}

/// `text` with digits and signs for letters as these letters, in words (runs without whitespace) that have an ASCII letter; `1`
/// is `one`. `!` and `|` only before a letter or digit, `@` not where it is that of an address. Capital in words without a small letter. As many bytes as `text`; `None` when nothing
/// changes.
pub(super) fn leet(text: &str, one: u8) -> Option<String> {
    let bytes = text.as_bytes();
    let mut read: Cow<'_, [u8]> = Cow::Borrowed(bytes);
    let mut at = 0;
    while let Some(sign) = bytes.get(at..).and_then(next_sign) {
        let sign = at + sign;
        let start = bytes
            .get(at..sign)
            .map_or(at, |before| before.iter().rposition(u8::is_ascii_whitespace).map_or(at, |space| at + space + 1));
        let end =
            bytes.get(sign..).map_or(sign, |rest| sign + rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len()));
        let word = bytes.get(start..end).unwrap_or_default();
        if word.iter().any(u8::is_ascii_alphabetic) && changes(word) {
            let is_small = word.iter().any(u8::is_ascii_lowercase);
            let into = read.to_mut().get_mut(start..end).unwrap_or_default();
            read_word(word, into, one, is_small);
        }
        at = end;
    }
    match read {
        Cow::Borrowed(_) => None,
        Cow::Owned(read) => String::from_utf8(read).ok(),
    }
}

/// Whether some sign of the word is read as a letter.
fn changes(word: &[u8]) -> bool {
    (0..word.len()).any(|at| read_sign(word, at, b'l').is_some())
}

fn read_sign(word: &[u8], at: usize, one: u8) -> Option<u8> {
    let sign = *word.get(at)?;
    if sign == b'@' && is_address(word, at) {
        return None;
    }
    if matches!(sign, b'!' | b'|')
        && !word.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || matches!(next, b'$' | b'@'))
    {
        return None;
    }
    letter(sign, one)
}

/// Bytes of an address on either side of its `@`.
const LONGEST: usize = 64;

/// Whether the `@` at `at` is the only one near, with a dot behind it.
fn is_address(word: &[u8], at: usize) -> bool {
    let near = |part: Option<&[u8]>, sign| part.is_some_and(|part| memchr::memchr(sign, part).is_some());
    // An address is not long; nor is what is looked at for each sign.
    let (start, end) = (at.saturating_sub(LONGEST), word.len().min(at + LONGEST));
    !near(word.get(start..at), b'@') && !near(word.get(at + 1..end), b'@') && near(word.get(at..end), b'.')
}

fn read_word(word: &[u8], into: &mut [u8], one: u8, is_small: bool) {
    for (at, slot) in into.iter_mut().enumerate() {
        if let Some(read) = read_sign(word, at, one) {
            *slot = if is_small { read } else { read.to_ascii_uppercase() };
        }
    }
}

/// The place of the first byte that may be read as a letter.
fn next_sign(bytes: &[u8]) -> Option<usize> {
    let is_sign = |byte: u8| (byte.wrapping_sub(b'0') < 9) | (byte == b'@') | (byte == b'$') | (byte == b'!') | (byte == b'|');
    first_byte(bytes, 0, is_sign)
}

#[cfg(test)]
mod tests {
    use super::{leet, reversed, rot13, says_something};

    #[test]
    fn letters_are_read_for_signs() {
        let facts = [
            ("1gn0r3 4ll pr3v10us", Some("ignore all previous"), Some("lgnore all prevlous")),
            ("P4$$W0RD!", Some("PASSWORD!"), Some("PASSWORD!")),
            ("h!dden p|an |", Some("hidden plan |"), Some("hidden plan |")),
            ("k\u{e9}y5", Some("k\u{e9}ys"), Some("k\u{e9}ys")),
            ("j4n3@3x4mpl3.c0m", Some("jane@example.com"), Some("jane@example.com")),
            ("p@ss.w@rd", Some("pass.ward"), Some("pass.ward")),
            ("in 2024, 13.50 hello! 6b9", None, None),
            ("", None, None),
        ];
        for (text, as_i, as_l) in facts {
            assert_eq!(leet(text, b'i').as_deref(), as_i, "{text}");
            assert_eq!(leet(text, b'l').as_deref(), as_l, "{text}");
        }
        for before in 0..70 {
            let text = "x ".repeat(before) + "s3cret";
            assert_eq!(leet(&text, b'i').unwrap(), "x ".repeat(before) + "secret");
        }
    }

    #[test]
    fn rot13_and_reversal_undo_themselves() {
        for text in ["Hello, World! az AZ 019", "h\u{e9}llo \u{1F600}"] {
            assert_ne!(rot13(text), text);
            assert_eq!(rot13(&rot13(text)), text);
            assert_eq!(reversed(&reversed(text)), text);
        }
        assert_eq!(rot13("Uryyb"), "Hello");
        assert_eq!(reversed("a\u{e9}b"), "b\u{e9}a");
    }

    #[test]
    fn little_says_nothing() {
        for (text, expected) in [
            ("hello world", false),
            ("hello worlds1", true),
            ("\u{43F}\u{440}\u{438}\u{432}\u{435}\u{442} hello you", true),
            ("............... ", false),
        ] {
            assert_eq!(says_something(text), expected, "{text}");
        }
    }
}
