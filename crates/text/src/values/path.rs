//! What stands behind the authority of a web address, in the normal form of RFC 3986 section 6.2.2.

/// Path, query and fragment; only the path is changed.
pub(super) fn tail(rest: &str) -> String {
    let n_path = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, others) = rest.split_at_checked(n_path).unwrap_or((rest, ""));
    without_dots(&path_escapes(path)) + others
}

/// Escapes of unreserved characters decoded, others in capitals; what must be escaped is.
fn path_escapes(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut bytes = path.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        if let Some(byte) = escaped(bytes) {
            bytes = bytes.get(3..).unwrap_or_default();
            push_byte(&mut normal, byte, byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        } else {
            bytes = rest;
            push_byte(&mut normal, *first, first.is_ascii_graphic() && *first != b'%');
        }
    }
    normal
}

fn push_byte(normal: &mut String, byte: u8, is_plain: bool) {
    if is_plain {
        normal.push(char::from(byte));
        return;
    }
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
    normal.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

/// RFC 3986 section 5.2.4, on a path that is empty or begins with `/`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_open = path.is_empty();
    for segment in path.split('/').skip(1) {
        is_open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut normal = String::with_capacity(path.len() + 1);
    for segment in kept {
        normal.push('/');
        normal.push_str(segment);
    }
    if is_open {
        normal.push('/');
    }
    normal
}

/// The byte that a percent escape at the start stands for.
pub(super) fn escaped(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::{escaped, tail};

    #[test]
    fn only_the_path_changes() {
        let facts = [
            ("", "/"),
            ("/.", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/..", "/"),
            ("/a//../b", "/a/b"),
            ("/%41%2f%2F%", "/A%2F%2F%25"),
            ("/%C3%bc", "/%C3%BC"),
            ("/a b", "/a%20b"),
            ("?%41", "/?%41"),
            ("/a#/../%41", "/a#/../%41"),
        ];
        for (rest, expected) in facts {
            assert_eq!(tail(rest), expected, "{rest}");
            assert_eq!(tail(expected), expected, "{rest}");
        }
        assert_eq!(escaped(b"%4aX"), Some(b'J'));
        assert_eq!(escaped(b"%4"), None);
    }
}
