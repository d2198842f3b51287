//! Identifiers: order numbers, ticket keys, UUIDs, account names with digits.

use super::{card, date, email, host, iban, money, number, phone};

const MIN_LENGTH: usize = 4;
const MAX_LENGTH: usize = 128;

/// A text that is one identifier and no value of a clearer kind; ASCII letters in lower case.
///
/// A UUID may stand in braces or behind `urn:uuid:`. Digits alone are numbers; with a separator inside they are identifiers.
pub(super) fn whole(text: &str) -> Option<String> {
    let bare = uuid(text).unwrap_or(text);
    let is_token = run(bare, MAX_LENGTH) == bare.len() && trimmed(bare).len() == bare.len() && has_shape(bare);
    let normal = bare.to_ascii_lowercase();
    // Both, because the normal form of an identifier must be one too: `Usd5` is no money, `usd5` is.
    (is_token && !is_clearer(bare) && !is_clearer(&normal)).then_some(normal)
}

/// Whether a text is a number, a date, a card and so on.
fn is_clearer(text: &str) -> bool {
    number::at(text, number::Spaces::Group).is_some_and(|found| found.len == text.len())
        || card::at(text).is_some_and(|found| found.len == text.len())
        || iban::at(text).is_some_and(|found| found.len == text.len())
        || date::whole(text).is_some()
        || phone::at(text).is_some_and(|found| found.len == text.len())
        || money::whole(text).is_some()
        || email::whole(text).is_some()
        || host::whole(text).is_some()
}

/// The UUID without braces or its URN prefix.
fn uuid(text: &str) -> Option<&str> {
    let braced = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let named = text.get(..9).filter(|prefix| prefix.eq_ignore_ascii_case("urn:uuid:")).and_then(|_| text.get(9..));
    braced.or(named).filter(|inside| is_uuid(inside))
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').map(str::len).eq(lengths) && text.split('-').all(is_hex)
}

/// How many bytes of a token, separators included, the text begins with; counted up to `max`.
pub(super) fn run(text: &str, max: usize) -> usize {
    text.bytes().take(max).take_while(|byte| is_token_byte(*byte)).count()
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.' | b'/' | b'#')
}

/// The token without separators at its ends.
pub(super) fn trimmed(token: &str) -> &str {
    token.trim_matches(|edge: char| !edge.is_ascii_alphanumeric())
}

/// Whether a trimmed token is an identifier in running text: with a digit, and letters or at least two separators, so that
/// `10-20` is two numbers.
pub(super) fn is_found(token: &str) -> bool {
    let mut separators = token.bytes().filter(|byte| !byte.is_ascii_alphanumeric());
    has_shape(token) && (token.bytes().any(|byte| byte.is_ascii_alphabetic()) || separators.nth(1).is_some())
}

/// The length, a digit, and a letter or separator.
fn has_shape(token: &str) -> bool {
    (MIN_LENGTH..=MAX_LENGTH).contains(&token.len())
        && token.bytes().any(|byte| byte.is_ascii_digit())
        && token.bytes().any(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{is_found, whole};

    #[test]
    fn whole_texts() {
        let uuid = "123e4567-e89b-12d3-a456-426614174000";
        let facts = [
            ("INV-2026-001", Some("inv-2026-001")),
            ("invoice#1234", Some("invoice#1234")),
            ("x86_64", Some("x86_64")),
            ("acct:99/7", Some("acct:99/7")),
            ("123-4567890-1234567", Some("123-4567890-1234567")),
            ("12345-678", Some("12345-678")),
            ("123E4567-E89B-12D3-A456-426614174000", Some(uuid)),
            ("{123e4567-e89b-12d3-a456-426614174000}", Some(uuid)),
            ("urn:uuid:123e4567-e89b-12d3-a456-426614174000", Some(uuid)),
            ("a1b", None),
            ("abcd", None),
            ("1234", None),
            ("1.234.567", None),
            ("2026-02-03", None),
            ("4111-1111-1111-1111", None),
            ("DE89370400440532013000", None),
            ("10.0.0.1", None),
            ("USD5", None),
            ("Usd5", None),
            ("-INV1", None),
            ("INV 1", None),
            ("{INV-1}", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
        assert!(whole(&"a1".repeat(64)).is_some());
        assert!(whole(&"a1".repeat(65)).is_none());
    }

    #[test]
    fn digits_with_one_separator_are_not_found() {
        let facts = [("10-20", false), ("1-2-3", true), ("a-20", true), ("10:30", false)];
        for (token, expected) in facts {
            assert_eq!(is_found(token), expected, "{token}");
        }
    }
}
