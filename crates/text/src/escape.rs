//! String escapes of RFC 8259 section 7, both ways.

use std::borrow::Cow;

use memchr::memchr;

/// Why an escape sequence is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EscapeFault {
    /// Not one of the nine forms.
    Malformed,
    /// Half of a surrogate pair stands alone.
    Surrogate,
}

/// The character that the escape at the start of `bytes` (a backslash) stands for, and the escape's length in bytes.
pub(crate) fn escape(bytes: &[u8]) -> Result<(char, usize), EscapeFault> {
    let simple = match bytes.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes),
        _ => return Err(EscapeFault::Malformed),
    };
    Ok((simple, 2))
}

fn unicode(bytes: &[u8]) -> Result<(char, usize), EscapeFault> {
    let first = hex4(bytes.get(2..6)).ok_or(EscapeFault::Malformed)?;
    if !(0xD800..0xE000).contains(&first) {
        return char::from_u32(first).map(|decoded| (decoded, 6)).ok_or(EscapeFault::Malformed);
    }
    //= https://www.rfc-editor.org/rfc/rfc8259#section-7
    //# the character is represented as a 12-character sequence, encoding the UTF-16 surrogate pair
    if first >= 0xDC00 || bytes.get(6..8) != Some(br"\u") {
        return Err(EscapeFault::Surrogate);
    }
    let second = hex4(bytes.get(8..12)).ok_or(EscapeFault::Malformed)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(EscapeFault::Surrogate);
    }
    let scalar = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(scalar).map(|decoded| (decoded, 12)).ok_or(EscapeFault::Surrogate)
}

fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0u32, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// The decoded form of the inside of a string literal that the parser has accepted.
pub(crate) fn decode(inside: &str) -> Cow<'_, str> {
    let mut rest = inside;
    let Some(mut backslash) = memchr(b'\\', rest.as_bytes()) else { return Cow::Borrowed(inside) };
    let mut decoded = String::with_capacity(inside.len());
    loop {
        let (plain, escaped) = rest.split_at_checked(backslash).unwrap_or((rest, ""));
        decoded.push_str(plain);
        let Ok((character, length)) = escape(escaped.as_bytes()) else { break };
        decoded.push(character);
        rest = escaped.get(length..).unwrap_or_default();
        backslash = memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
    }
    Cow::Owned(decoded)
}

/// The characters of the inside of an accepted string literal, decoded one at a time.
pub(crate) struct Decoded<'a> {
    rest: &'a str,
}

impl<'a> Decoded<'a> {
    pub(crate) const fn new(inside: &'a str) -> Self {
        Self { rest: inside }
    }

    /// The next character, with the number of bytes that it takes in the literal.
    pub(crate) fn step(&mut self) -> Option<(char, usize)> {
        let first = self.rest.chars().next()?;
        let (character, length) = if first == '\\' { escape(self.rest.as_bytes()).ok()? } else { (first, first.len_utf8()) };
        self.rest = self.rest.get(length..).unwrap_or_default();
        Some((character, length))
    }
}

impl Iterator for Decoded<'_> {
    type Item = char;
    fn next(&mut self) -> Option<char> {
        self.step().map(|(character, _)| character)
    }
}

/// `text` as a JSON string literal, quotes included. Escapes only what RFC 8259 demands: `"`, `\` and U+0000 to U+001F.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                quoted.push_str(if u32::from(control) < 0x10 { "\\u000" } else { "\\u001" });
                quoted.extend(char::from_digit(u32::from(control) & 15, 16));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
