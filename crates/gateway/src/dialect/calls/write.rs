//! Objects and lists written again with some of their members otherwise.

use text::{Document, NodeId};

/// What becomes of a member.
pub(super) enum Edit {
    /// It stays, byte for byte.
    Keep,
    /// It goes.
    Drop,
    /// Something else stands there.
    Put(String),
}

/// An object with other members; `added` come behind them.
pub(super) fn object(
    document: &Document<'_>,
    node: NodeId,
    mut edit: impl FnMut(&str, NodeId) -> Edit,
    added: &[(&str, String)],
) -> String {
    let mut members = Vec::new();
    for child in document.children(node) {
        let key = document.key(child).unwrap_or_default();
        match edit(&key, child) {
            Edit::Keep => members.push(format!("{}:{}", text::quote(&key), document.lexeme(child))),
            Edit::Drop => {}
            Edit::Put(value) => members.push(format!("{}:{value}", text::quote(&key))),
        }
    }
    members.extend(added.iter().map(|(key, value)| format!("{}:{value}", text::quote(key))));
    format!("{{{}}}", members.join(","))
}

/// A list with other elements.
pub(super) fn list(document: &Document<'_>, node: NodeId, mut edit: impl FnMut(NodeId) -> Edit) -> String {
    let elements = document.children(node).filter_map(|child| match edit(child) {
        Edit::Keep => Some(document.lexeme(child).to_owned()),
        Edit::Drop => None,
        Edit::Put(value) => Some(value),
    });
    let elements: Vec<String> = elements.collect();
    format!("[{}]", elements.join(","))
}
