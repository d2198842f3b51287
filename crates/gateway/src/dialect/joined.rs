//! Which texts are read as one although they stand in several values.

use text::{Document, Kind, NodeId};

/// The lists of parts that have a text each, in documents of both providers: the content of a message, of a tool's result, of a
/// system prompt.
pub(super) fn lists(document: &Document<'_>) -> Vec<Vec<NodeId>> {
    let lists = document.nodes().filter(|node| document.kind(*node) == Kind::Array && document.count(*node) > 1);
    lists.map(|list| texts(document, list)).filter(|texts| texts.len() > 1).collect()
}

/// The texts of the parts in a list.
pub(super) fn texts(document: &Document<'_>, list: NodeId) -> Vec<NodeId> {
    let parts = document.children(list).filter(|part| document.kind(*part) == Kind::Object);
    let texts = parts.filter_map(|part| document.get(part, "text"));
    texts.filter(|text| document.kind(*text) == Kind::String).collect()
}
