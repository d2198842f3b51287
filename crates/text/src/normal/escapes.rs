//! Percent escapes and quoted-printable: bytes written as hex digits behind a sign.

use std::ops::Range;

use memchr::memchr;

use super::draft::Draft;

/// `text` with `%41` and `%u0041` decoded where what they write is UTF-8. `None` without one.
pub(super) fn url(text: &str, room: usize) -> Option<Draft<'_>> {
    decode(text, room, b'%', |text, at| unicode(text, at).or_else(|| scalar(text, at, b'%', false)))
}

/// `text` with quoted-printable `=41` and soft line breaks decoded; `None` unless it looks like that: a soft line break, two
/// escapes in upper case, or two next to one another in any case. In lower case, an escape that stands alone is none where no two
/// are next to one another: links are full of `&a=bc`. An escape of a control character is taken for no escape.
pub(super) fn quoted_printable(text: &str, room: usize) -> Option<Draft<'_>> {
    let bytes = text.as_bytes();
    let is_soft = |at: usize| matches!(bytes.get(at + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..]));
    let is_escape = |at: usize, is_upper: bool| byte(bytes, at, b'=', is_upper).is_some();
    let is_pair = |at: usize| is_escape(at, false) && is_escape(at + 3, false);
    let has = |test: &dyn Fn(usize) -> bool| memchr::memchr_iter(b'=', bytes).any(test);
    let is_upper = !has(&is_pair);
    if is_upper && !has(&is_soft) && memchr::memchr_iter(b'=', bytes).filter(|at| is_escape(*at, true)).nth(1).is_none() {
        return None;
    }
    decode(text, room, b'=', |text, at| soft_break(text.as_bytes(), at).or_else(|| quoted(text, at, is_upper)))
}

/// Whether an escape of quoted-printable stands in `text`.
pub(super) fn may_be_quoted(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'=', bytes).any(|at| byte(bytes, at, b'=', true).is_some())
}

/// What an escape is read as (nothing for a soft line break), and how many bytes it takes.
type Escape = (Option<char>, usize);

/// `text` with every escape that begins with `sign` as what it stands for. `None` without one.
pub(super) fn decode<'a>(
    text: &'a str,
    room: usize,
    sign: u8,
    escape: impl Fn(&str, usize) -> Option<Escape>,
) -> Option<Draft<'a>> {
    let mut draft = Draft::new(text, room);
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| memchr(sign, rest)) {
        let start = at + found;
        at = start + 1;
        let Some((character, length)) = escape(text, start) else { continue };
        at = start + length;
        draft.keep(kept..start);
        if let Some(character) = character {
            draft.put_char(character, start..at);
        }
        kept = at;
    }
    if kept == 0 {
        return None;
    }
    draft.keep(kept..text.len());
    Some(draft)
}

/// The scalar whose UTF-8 bytes are written from `at` on, each as `sign` and two hex digits.
fn scalar(text: &str, at: usize, sign: u8, is_upper: bool) -> Option<Escape> {
    let bytes = text.as_bytes();
    let first = byte(bytes, at, sign, is_upper)?;
    let length = match first {
        1..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let mut buffer = [0; 4];
    let decoded = buffer.get_mut(..length)?;
    for (nth, slot) in decoded.iter_mut().enumerate() {
        *slot = byte(bytes, at + 3 * nth, sign, is_upper)?;
    }
    let character = std::str::from_utf8(decoded).ok()?.chars().next()?;
    Some((Some(character), 3 * length))
}

/// The byte that the escape at `at` writes.
fn byte(bytes: &[u8], at: usize, sign: u8, is_upper: bool) -> Option<u8> {
    let [first, high, low] = bytes.get(at..at + 3)? else { return None };
    if *first != sign || is_upper && (high.is_ascii_lowercase() || low.is_ascii_lowercase()) {
        return None;
    }
    Some(hex(*high)? << 4 | hex(*low)?)
}

/// The value of a hex digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// `%u0041`, which some servers read.
fn unicode(text: &str, at: usize) -> Option<Escape> {
    let digits: Range<usize> = at + 2..at + 6;
    if !matches!(text.as_bytes().get(at + 1)?, b'u' | b'U') {
        return None;
    }
    let digits = text.get(digits)?;
    let scalar = digits.bytes().try_fold(0, |value, digit| Some(value << 4 | u32::from(hex(digit)?)))?;
    Some((Some(char::from_u32(scalar).filter(|character| *character != '\0')?), 6))
}

fn soft_break(bytes: &[u8], at: usize) -> Option<Escape> {
    match (bytes.get(at + 1)?, bytes.get(at + 2)) {
        (b'\n', _) => Some((None, 2)),
        (b'\r', Some(b'\n')) => Some((None, 3)),
        _ => None,
    }
}

fn quoted(text: &str, at: usize, is_upper: bool) -> Option<Escape> {
    scalar(text, at, b'=', is_upper).filter(|(character, _)| {
        character.is_some_and(|character| !character.is_control() || matches!(character, '\n' | '\r' | '\t'))
    })
}

#[cfg(test)]
mod tests {
    use super::{quoted_printable, url};

    #[test]
    fn percent_escapes_are_decoded_where_they_are_text() {
        let facts = [
            ("%41%62c", Some("Abc")),
            ("%C3%A9%F0%9F%98%80", Some("\u{E9}\u{1F600}")),
            ("%e4%b8%ad", Some("\u{4E2D}")),
            ("%2541", Some("%41")),
            ("%u0041%U00e9", Some("A\u{E9}")),
            ("a+b%20c", Some("a+b c")),
            ("%", None),
            ("%4", None),
            ("%zz 100% %", None),
            ("%C3%28", Some("%C3(")),
            ("%C0%AE%ff%00%ud800", None),
            ("%C3\u{E9}", None),
        ];
        for (text, expected) in facts {
            assert_eq!(url(text, 999).as_ref().map(super::Draft::text), expected, "{text}");
        }
    }

    #[test]
    fn quoted_printable_must_look_like_it() {
        let facts = [
            ("caf=C3=A9", Some("caf\u{E9}")),
            ("pass=\nword", Some("password")),
            ("pass=\r\nword=3D", Some("password=")),
            ("a=41b", None),
            ("a=4a&b=4b", None),
            ("=6b=65y =3d a=4a", Some("key = aJ")),
            ("=c3=a9", Some("\u{E9}")),
            ("x=12&y=34", Some("x=12&y4")),
            ("x=00&y=01", None),
        ];
        for (text, expected) in facts {
            assert_eq!(quoted_printable(text, 999).as_ref().map(super::Draft::text), expected, "{text}");
        }
    }
}
