//! Answers of chat completions: whole documents and streamed chunks.

use engine::ports::{AnswerView, LeafUse};
use text::{Document, Kind, NodeId};

use crate::dialect::lanes::{Lanes, Reading, event_type, own_place, place};

/// Lanes of a choice that end when the choice does, beside those of its tool calls.
const OF_A_CHOICE: &[&str] = &[
    "/delta/content",
    "/delta/refusal",
    "/delta/reasoning_content",
    "/delta/reasoning",
    "/delta/function_call/name",
    "/delta/function_call/arguments",
    "/delta/audio/transcript",
    "/logprobs/content",
    "/logprobs/refusal",
    "/text",
];

/// Lanes of one tool call.
const OF_A_TOOL_CALL: &[&str] = &["/function/name", "/function/arguments", "/custom/name", "/custom/input"];

/// So many parallel tool calls are ended with their choice; the lanes of more end with the stream.
const TOOL_CALLS: usize = 16;

/// See [`crate::dialect::view`].
pub(in crate::dialect) fn view(document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    let mut lanes = Lanes::new(document);
    let choices = document.get(document.root(), "choices").filter(|choices| document.kind(*choices) == Kind::Array);
    let Some(choices) = choices else {
        if in_stream {
            lanes.unknown_event(&event_type(document, name), 0);
        }
        return lanes.view;
    };
    for (ordinal, choice) in document.children(choices).enumerate() {
        read_choice(&mut lanes, document, choice, ordinal, in_stream);
    }
    if in_stream {
        let kind = event_type(document, name);
        lanes.begin(&format!("event/{kind}"));
        for child in document.children(document.root()).filter(|child| *child != choices) {
            let key = document.key(child).unwrap_or_default();
            lanes.below(child, &key, Reading::of(&kind), 0);
        }
    }
    lanes.view
}

fn read_choice(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, choice: NodeId, ordinal: usize, in_stream: bool) {
    if in_stream {
        lanes.notice_index(choice);
        // Without an index it is the first to some readers, and what it is by its place to others.
        if ordinal > 0 && own_place(document, choice).is_none() {
            lanes.ambiguous();
        }
    }
    let index = place(document, choice, ordinal);
    let number = index.parse().unwrap_or(u32::MAX);
    let prefix = format!("choice/{index}");
    lanes.begin(&prefix);
    let n_before = lanes.view.pieces.len();
    let mut has_ended = false;
    for child in document.children(choice) {
        let key = document.key(child).unwrap_or_default();
        match &*key {
            "logprobs" => read_logprobs(lanes, document, child, number),
            "finish_reason" => has_ended = document.text(child).is_some_and(|reason| !reason.is_empty()),
            "message" if !in_stream => read_arguments(lanes, document, child, number),
            _ if !in_stream => {}
            "text" => lanes.piece(child, "/text", number),
            "delta" => read_delta(lanes, document, child, &prefix, number),
            "message" => lanes.below(child, &key, Reading::Told, number),
            _ => lanes.below(child, &key, Reading::Whole, number),
        }
    }
    // Some servers give a reason in every chunk. Beside words it is no end yet: the lane ends with the next chunk that says nothing
    // more, or with the stream. What comes until then belongs to the same text.
    let is_silent = |(node, place): &(NodeId, LeafUse)| {
        let is_piece = matches!(place, LeafUse::Piece { .. });
        !is_piece || document.text(*node).is_none_or(|text| text.is_empty())
    };
    if in_stream && has_ended && lanes.view.pieces.iter().skip(n_before).all(is_silent) {
        for place in OF_A_CHOICE {
            lanes.end(place);
        }
        for call in 0..TOOL_CALLS {
            for place in OF_A_TOOL_CALL {
                lanes.end(&format!("/delta/tool_calls#{call}{place}"));
            }
        }
    }
}

/// Tool arguments of a whole answer: JSON inside a string, which clients unescape a second time.
fn read_arguments(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, message: NodeId, choice: u32) {
    let arguments = |called: NodeId| document.get(called, "arguments");
    if let Some(node) = document.get(message, "function_call").and_then(arguments) {
        lanes.piece(node, "/message/function_call/arguments", choice);
    }
    let calls = document.get(message, "tool_calls").filter(|calls| document.kind(*calls) == Kind::Array);
    for (ordinal, call) in calls.into_iter().flat_map(|calls| document.children(calls)).enumerate() {
        if let Some(node) = document.get(call, "function").and_then(arguments) {
            lanes.piece(node, &format!("/message/tool_calls#{ordinal}/function/arguments"), choice);
        }
    }
}

fn read_delta(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, delta: NodeId, prefix: &str, choice: u32) {
    lanes.begin(&format!("{prefix}/delta"));
    if document.kind(delta) == Kind::String {
        lanes.piece(delta, "", choice);
    }
    for child in document.children(delta) {
        let key = document.key(child).unwrap_or_default();
        // Sound comes in pieces that are decoded one by one; only what was said is text.
        let sound = if key == "audio" { document.get(child, "data") } else { None };
        lanes.below_except(child, &key, sound, choice);
    }
    // A name is complete once arguments come. Its lane has to end then: a word could be the beginning of something for ever.
    if let Some(call) = document.get(delta, "function_call") {
        end_name(lanes, document, call, "arguments", "/function_call");
    }
    let calls = document.get(delta, "tool_calls").filter(|calls| document.kind(*calls) == Kind::Array);
    for (ordinal, call) in calls.into_iter().flat_map(|calls| document.children(calls)).enumerate() {
        let at = place(document, call, ordinal);
        for (form, arguments) in [("function", "arguments"), ("custom", "input")] {
            if let Some(called) = document.get(call, form) {
                end_name(lanes, document, called, arguments, &format!("/tool_calls#{at}/{form}"));
            }
        }
    }
    lanes.begin(prefix);
}

fn end_name(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, called: NodeId, arguments: &str, place: &str) {
    let arguments = document.get(called, arguments).and_then(|arguments| document.text(arguments));
    if arguments.is_some_and(|arguments| !arguments.is_empty()) {
        lanes.end(&format!("{place}/name"));
    }
}

/// Every list of tokens is a text of its own; the record as a whole is given up when anything of the choice was edited,
/// because `bytes` and the alternatives spell the same text.
fn read_logprobs(lanes: &mut Lanes<'_, '_>, document: &Document<'_>, record: NodeId, choice: u32) {
    if document.kind(record) == Kind::Null {
        return;
    }
    lanes.view.token_records.push((choice, record));
    for list in document.children(record).filter(|list| document.kind(*list) == Kind::Array) {
        let place = format!("/logprobs/{}", document.key(list).unwrap_or_default());
        for entry in document.children(list) {
            lanes.piece(document.get(entry, "token").unwrap_or(entry), &place, choice);
        }
    }
}
