//! Escapes in text that some reader will parse as JSON, leniently: what is no escape stands for itself.

/// The escape at the beginning of `text`, which is a backslash: its length in bytes, and what it stands for. `None` while it is
/// not complete. A backslash that begins no escape stands for itself, half a surrogate pair for the replacement character.
#[must_use]
pub fn lenient_escape(text: &str) -> Option<(usize, char)> {
    let plain = match text.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return lenient_unicode(text),
        _ => return Some((1, '\\')),
    };
    Some((2, plain))
}

fn lenient_unicode(text: &str) -> Option<(usize, char)> {
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A sign is no digit, though `from_str_radix` takes one.
    let unit = |at: usize| {
        let digits = text.get(at..at.saturating_add(4))?;
        Some(is_hex(digits).then(|| u32::from_str_radix(digits, 16).ok()).flatten().ok_or(()))
    };
    let is_short = |at: usize| text.len() < at.saturating_add(4) && text.get(at..).is_some_and(is_hex);
    let first = match unit(2) {
        Some(Ok(first)) => first,
        None if is_short(2) => return None,
        Some(Err(_)) | None => return Some((1, '\\')),
    };
    if !(0xD800..0xDC00).contains(&first) {
        return Some((6, char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    let rest = text.get(6..).unwrap_or_default();
    match (rest.as_bytes().first(), rest.as_bytes().get(1)) {
        (None, _) | (Some(b'\\'), None) => return None,
        (Some(b'\\'), Some(b'u')) => {}
        _ => return Some((6, char::REPLACEMENT_CHARACTER)),
    }
    match unit(8) {
        Some(Ok(second)) if (0xDC00..0xE000).contains(&second) => {
            let scalar = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            Some((12, char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER)))
        }
        None if is_short(8) => None,
        _ => Some((6, char::REPLACEMENT_CHARACTER)),
    }
}

#[cfg(test)]
mod tests {
    use super::lenient_escape;

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        let facts = [
            ("\\n.", Some((2, '\n'))),
            ("\\u0041.", Some((6, 'A'))),
            ("\\ud83d\\ude00", Some((12, '\u{1f600}'))),
            ("\\ud83dx", Some((6, '\u{fffd}'))),
            ("\\ud83d\\u0041", Some((6, '\u{fffd}'))),
            ("\\u+041", Some((1, '\\'))),
            ("\\u004g", Some((1, '\\'))),
            ("\\q", Some((1, '\\'))),
            ("\\", None),
            ("\\u00", None),
            ("\\ud83d\\u00", None),
        ];
        for (text, expected) in facts {
            assert_eq!(lenient_escape(text), expected, "{text}");
        }
    }
}
