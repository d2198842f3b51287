//! Answers of the Responses API: whole documents, and events that say in their type what they are.

use engine::ports::AnswerView;
use text::{Document, Kind, NodeId};

use crate::dialect::joined;
use crate::dialect::lanes::{Lanes, event_type};

/// The last event of a stream, whichever it is.
const LAST: &[&str] = &["response.completed", "response.failed", "response.incomplete", "error"];

/// Events with a response in which nothing was said yet.
const EARLY: &[&str] = &["response.created", "response.queued", "response.in_progress"];

/// Texts that come in pieces: the event of a piece, and the member in which the item or part that is begun holds what was said
/// before.
const TEXTS: &[(&str, &str)] = &[
    ("response.output_text.delta", "text"),
    ("response.refusal.delta", "refusal"),
    ("response.reasoning_text.delta", "text"),
    ("response.reasoning_summary_text.delta", "text"),
    ("response.function_call_arguments.delta", "arguments"),
    ("response.mcp_call_arguments.delta", "arguments"),
    ("response.custom_tool_call_input.delta", "input"),
    ("response.code_interpreter_call_code.delta", "code"),
];

/// See [`crate::dialect::view`].
///
/// `X.delta` continues the lane of its item and part, `X.done` and the end of the item end it. Every copy of a finished text is a
/// whole value: it is read like any other, and so comes out as its lane did.
pub(in crate::dialect) fn view(document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    let mut lanes = Lanes::new(document);
    lanes.reads_tokens = true;
    if !in_stream {
        lanes.whole();
        kept(&mut lanes, document, Some(document.root()));
        joined_parts(&mut lanes, document, document.root());
        return lanes.view;
    }
    let kind = event_type(document, name);
    lanes.unknown_event(&kind, 0);
    let root = document.root();
    kept(&mut lanes, document, document.get(root, "response"));
    if let Some(text) = kind.strip_suffix(".done") {
        lanes.end_events(&format!("{text}.delta"));
    }
    match &*kind {
        // Clients add pieces to what the beginning holds already. Nobody says anything there.
        "response.content_part.added" | "response.reasoning_summary_part.added" => {
            says_nothing(&mut lanes, document, document.get(root, "part"))
        }
        "response.output_item.added" => says_nothing(&mut lanes, document, document.get(root, "item")),
        "response.output_item.done" => {
            TEXTS.iter().for_each(|(delta, _)| lanes.end_events(delta));
            let content = document.get(root, "item").and_then(|item| document.get(item, "content"));
            told(&mut lanes, "item", content.map(|content| joined::texts(document, content)).unwrap_or_default());
        }
        // The final copies, each by itself: clients join those of one kind.
        "response.output_text.done" => told(&mut lanes, "text", document.get(root, "text")),
        "response.content_part.done" => {
            told(&mut lanes, "part", document.get(root, "part").and_then(|part| document.get(part, "text")));
        }
        early if EARLY.contains(&early) => {
            let output = document.get(root, "response").and_then(|response| document.get(response, "output"));
            if output.is_some_and(|output| document.children(output).next().is_some()) {
                lanes.ambiguous();
            }
        }
        last if LAST.contains(&last) => {
            lanes.view.is_last = true;
            if let Some(response) = document.get(root, "response") {
                joined_parts(&mut lanes, document, response);
            }
        }
        _ => {}
    }
    lanes.view
}

/// The names under which the provider keeps this answer and the one before.
fn kept(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, response: Option<NodeId>) {
    let names = ["id", "previous_response_id"].into_iter().filter_map(|name| document.get(response?, name));
    lanes.view.handles.extend(names.filter(|node| document.kind(*node) == Kind::String));
}

/// What is begun with a text would be joined with the pieces that follow: such an event can be read in two ways.
fn says_nothing(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, begun: Option<NodeId>) {
    let has_text = |object: NodeId| {
        TEXTS.iter().any(|(_, member)| {
            document.get(object, member).and_then(|node| document.text(node)).is_some_and(|text| !text.is_empty())
        })
    };
    let Some(begun) = begun else { return };
    let lists = ["content", "summary"].into_iter().filter_map(|list| document.get(begun, list));
    let parts = lists.filter(|list| document.kind(*list) == Kind::Array).flat_map(|list| document.children(list));
    if has_text(begun) || parts.into_iter().any(has_text) {
        lanes.ambiguous();
    }
}

/// Finished texts that clients join with those that finished before.
fn told(lanes: &mut Lanes<'_, '_>, copy: &str, texts: impl IntoIterator<Item = NodeId>) {
    lanes.begin(&format!("finished/{copy}"));
    texts.into_iter().for_each(|text| lanes.told(text, ""));
}

/// Clients join the parts of a finished answer to one text.
fn joined_parts(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, response: NodeId) {
    let array = |object: NodeId, name: &str| document.get(object, name).filter(|node| document.kind(*node) == Kind::Array);
    let lists = ["output", "data"].into_iter().filter_map(|list| array(response, list));
    let items = lists.flat_map(|list| document.children(list));
    let texts = items.filter_map(|item| array(item, "content")).flat_map(|content| joined::texts(document, content));
    lanes.view.joined.push(texts.collect());
}
