//! Telephone numbers: E.164 where the country is written, the bare digits where it is not.

use super::Found;
use super::reader::{Reader, is_space};

/// E.164 allows this many, country code included.
const MAX_DIGITS: usize = 15;
const MIN_DIGITS: usize = 7;

/// The number that the text begins with, written with `+` or `00`.
pub(super) fn at(text: &str) -> Option<Found> {
    let mut reader = Reader::new(text);
    if !reader.eat('+') {
        let has_prefix = reader.eat('0') && reader.eat('0');
        has_prefix.then(|| reader.eat_if(is_space))?;
    }
    if !reader.peek().is_some_and(|first| matches!(first, '1'..='9')) {
        return None;
    }
    let (digits, end) = groups(reader, Trunk::Drop);
    (digits.len() >= MIN_DIGITS).then(|| Found { len: end, normal: format!("+{digits}") })
}

/// A text that is one number: as [`at`], or a national one.
pub(super) fn whole(text: &str) -> Option<String> {
    if text.starts_with('+') || text.starts_with("00") {
        return at(text).filter(|found| found.len == text.len()).map(|found| found.normal);
    }
    let (digits, end) = groups(Reader::new(text), Trunk::Keep);
    let is_whole = end == text.len() && digits.len() >= MIN_DIGITS && !digits.starts_with("00");
    is_whole.then_some(digits)
}

/// What becomes of a `(0)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trunk {
    /// It is not dialled from abroad.
    Drop,
    Keep,
}

/// The digits of the groups that come next, as many whole groups as fit, and where the last one ends. One separator stands
/// between two groups; one group may stand in parentheses.
fn groups(mut reader: Reader<'_>, trunk: Trunk) -> (String, usize) {
    let mut digits = String::with_capacity(MAX_DIGITS);
    let (mut n_kept, mut end) = (0, 0);
    let mut has_parentheses = false;
    loop {
        reader.eat_if(is_separator);
        let in_parentheses = !has_parentheses && reader.eat('(');
        let group = reader.digits(MAX_DIGITS + 1);
        if group.is_empty() || digits.len() + group.len() > MAX_DIGITS || (in_parentheses && !reader.eat(')')) {
            break;
        }
        has_parentheses |= in_parentheses;
        if !(in_parentheses && group == "0" && trunk == Trunk::Drop) {
            digits.push_str(group);
        }
        if reader.is_word_end() {
            (n_kept, end) = (digits.len(), reader.at());
        }
    }
    digits.truncate(n_kept);
    (digits, end)
}

const fn is_separator(character: char) -> bool {
    is_space(character) || matches!(character, '-' | '.' | '/' | '\u{2011}')
}

#[cfg(test)]
mod tests {
    use super::{at, whole};

    #[test]
    fn whole_texts() {
        let facts = [
            ("+49 30 1234567", Some("+49301234567")),
            ("+49 (0)30 / 1234567", None),
            ("+49 (0)30/1234567", Some("+49301234567")),
            ("+49 (0) 30 1234567", Some("+49301234567")),
            ("0049 30 1234567", Some("+49301234567")),
            ("00 49 30 1234567", Some("+49301234567")),
            ("+1 (555) 123-4567", Some("+15551234567")),
            ("+1.555.123.4567", Some("+15551234567")),
            ("(030) 123 45 67", Some("0301234567")),
            ("555-1234", Some("5551234")),
            ("0-0 49 30 123456", None),
            ("+0 30 1234567", None),
            ("+49 30 12", None),
            ("+1234567890123456", None),
            ("555-123", None),
            ("+49 30 (12345", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn running_text_ends_a_number() {
        let facts = [
            ("+49 30 1234567, or", Some(14)),
            ("+49 30 1234567. 5 people", Some(14)),
            ("+49 30 1234567 (5 people)", Some(14)),
            ("+49 30 1234567 3rd", Some(14)),
            ("+49 30 1234567 12345678", Some(14)),
            ("030 1234567", None),
            ("+49x", None),
        ];
        for (text, expected) in facts {
            assert_eq!(at(text).map(|found| found.len), expected, "{text}");
        }
    }
}
