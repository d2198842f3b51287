//! Answers of embeddings.

use engine::ports::AnswerView;
use text::{Document, Kind, NodeId};

/// Vectors are not read: chance spells card numbers in their digits and keys in their base64, and an edit would spoil them.
/// What is no vector is read like everything else.
pub(in crate::dialect) fn view(document: &Document<'_>) -> AnswerView {
    let data = document.get(document.root(), "data").filter(|data| document.kind(*data) == Kind::Array);
    let rows = data.into_iter().flat_map(|data| document.children(data));
    let vectors = rows.filter_map(|row| document.get(row, "embedding")).filter(|vector| is_vector(document, *vector));
    AnswerView { opaque: vectors.collect(), ..AnswerView::default() }
}

/// Numbers below a thousand, or numbers in base64.
fn is_vector(document: &Document<'_>, node: NodeId) -> bool {
    match document.kind(node) {
        Kind::Array => {
            document.children(node).all(|child| document.kind(child) == Kind::Number && is_component(document.lexeme(child)))
        }
        Kind::String => document.text(node).is_some_and(|text| is_base64(&text)),
        _ => false,
    }
}

/// A component of a vector: next to nothing before the point, so that no digits stand there that say anything.
fn is_component(lexeme: &str) -> bool {
    let whole = lexeme.split(['.', 'e', 'E']).next().unwrap_or(lexeme);
    whole.len() <= 4
}

/// Base64 of 32-bit numbers.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
        && (digits.len() * 3 / 4).is_multiple_of(4)
}
