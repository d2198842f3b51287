//! What is shaped like a name or number that stands for something, and not like a sentence.

use text::{ValueKind, normal_form};

/// Longest identifier, in characters.
const MAX_CHARS: usize = 64;
/// Most words: `Hotel Zum Goldenen Ochsen Basel`.
const MAX_WORDS: usize = 5;

/// Whether a text could stand for somebody or something by itself.
pub(super) fn is_identifier(text: &str) -> bool {
    let text = text.trim();
    let is_sign = |char: char| matches!(char, ' ' | '.' | '-' | '_' | '@' | '+' | '/' | ':' | '#' | '&' | '\'' | '(' | ')' | ',');
    let is_written = text.chars().all(|char| char.is_alphanumeric() || is_sign(char));
    let has_sentence = text.contains(". ") || text.contains(": ");
    !text.is_empty()
        && !is_address(text)
        && text.chars().count() <= MAX_CHARS
        && text.split_whitespace().count() <= MAX_WORDS
        && is_written
        && !has_sentence
}

/// Whether a text leads somewhere: one with a scheme, or a host and what stands behind it. A host alone can be somebody's name.
fn is_address(text: &str) -> bool {
    let lower = text.to_lowercase();
    let has_path = |word: &str| word.split_once(['/', ':']).is_some_and(|(host, _)| normal_form(ValueKind::Host, host).is_some());
    lower.contains("//") || lower.contains("www.") || lower.contains("mailto:") || lower.split_whitespace().any(has_path)
}
