//! What is shaped like a name or number that stands for something, and not like a sentence.

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
        && text.chars().count() <= MAX_CHARS
        && text.split_whitespace().count() <= MAX_WORDS
        && is_written
        && !has_sentence
}
