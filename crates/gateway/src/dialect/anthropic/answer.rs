//! Answers of the messages API: whole documents and the events of a stream.

use engine::ports::AnswerView;
use text::{Document, Kind, NodeId};

use crate::dialect::lanes::{Lanes, Reading, event_type, own_place};

/// Lanes of a content block.
const OF_A_BLOCK: &[&str] = &["/text", "/partial_json", "/thinking", "/content"];

/// Members with which a block may begin what its deltas continue.
const BEGUN: &[&str] = &["text", "thinking", "content"];

/// Members of a delta that are complete, with everything below them.
const WHOLE: &[&str] = &["citation", "stop_details", "container"];

/// See [`crate::dialect::view`].
pub(in crate::dialect) fn view(document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    let mut lanes = Lanes::new(document);
    if !in_stream {
        return lanes.view;
    }
    let kind = event_type(document, name);
    match &*kind {
        "content_block_start" | "content_block_delta" | "content_block_stop" => read_block(&mut lanes, document, &kind),
        "message_delta" => rest(&mut lanes, document, &kind, &["delta"]),
        "message_start" => {
            rest(&mut lanes, document, &kind, &[]);
            // Clients join deltas to the blocks that stand here already.
            let content = document.get(document.root(), "message").and_then(|message| document.get(message, "content"));
            let blocks = content.filter(|content| document.kind(*content) == Kind::Array);
            for (ordinal, block) in blocks.into_iter().flat_map(|blocks| document.children(blocks)).enumerate() {
                begun(&mut lanes, document, block, &format!("block/{ordinal}"));
            }
        }
        "ping" | "error" => rest(&mut lanes, document, &kind, &[]),
        "message_stop" => {
            lanes.view.is_last = true;
            rest(&mut lanes, document, &kind, &[]);
        }
        other => lanes.unknown_event(other, 0),
    }
    if &*kind == "message_delta"
        && let Some(delta) = document.get(document.root(), "delta")
    {
        lanes.begin("message");
        members(&mut lanes, document, delta);
    }
    lanes.view
}

fn read_block(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, kind: &str) {
    let root = document.root();
    lanes.notice_index(root);
    if own_place(document, root).is_none() {
        lanes.ambiguous();
    }
    let prefix = format!("block/{}", own_place(document, root).unwrap_or_else(|| "-".to_owned()));
    rest(lanes, document, kind, &["delta"]);
    lanes.begin(&prefix);
    if let Some(delta) = document.get(root, "delta") {
        members(lanes, document, delta);
    }
    if kind == "content_block_start"
        && let Some(block) = document.get(root, "content_block")
    {
        begun(lanes, document, block, &prefix);
    }
    if kind == "content_block_stop" {
        for place in OF_A_BLOCK {
            lanes.end(place);
        }
    }
}

/// What a block holds when it begins.
fn begun(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, block: NodeId, prefix: &str) {
    lanes.begin(prefix);
    for name in BEGUN {
        if let Some(node) = document.get(block, name) {
            lanes.piece(node, &format!("/{name}"), 0);
        }
    }
    if let Some(node) = document.get(block, "signature") {
        lanes.told(node, "/signature");
    }
}

/// What a delta holds.
fn members(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, delta: NodeId) {
    if document.kind(delta) == Kind::String {
        lanes.piece(delta, "", 0);
        return;
    }
    for child in document.children(delta) {
        let key = document.key(child).unwrap_or_default();
        if !WHOLE.contains(&&*key) {
            lanes.below(child, &key, Reading::Delta, 0);
        }
    }
}

/// The other members of a documented event. They are complete, unless they say otherwise.
fn rest(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, kind: &str, except: &[&str]) {
    lanes.begin(&format!("event/{kind}"));
    for child in document.children(document.root()) {
        let key = document.key(child).unwrap_or_default();
        if !except.contains(&&*key) {
            lanes.below(child, &key, Reading::Whole, 0);
        }
    }
}
