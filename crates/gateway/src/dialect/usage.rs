//! What an answer says of the tokens it took, and which of it a client sees only if it asked.

use std::ops::Range;

use engine::ports::{AnswerView, Reported, Shown, Told};
use model::Usage;
use text::{Document, Kind, NodeId};

use super::api::Api;
use super::lanes::event_type;

/// Adds to a view what the document says of usage.
pub(super) fn note(api: Api, document: &Document<'_>, name: Option<&str>, in_stream: bool, view: &mut AnswerView) {
    let root = document.root();
    let member = |object: NodeId, key: &str| document.get(object, key).filter(|node| document.kind(*node) == Kind::Object);
    match api {
        Api::Chat | Api::Completions | Api::Embeddings => {
            if let Some(usage) = member(root, "usage") {
                view.reported = openai(document, usage, ["prompt_tokens", "completion_tokens"]);
                let choices = document.get(root, "choices").filter(|choices| document.kind(*choices) == Kind::Array);
                if choices.is_some_and(|choices| document.count(choices) == 0) {
                    view.shown = Shown::IfUsageIsAsked;
                }
            } else if in_stream {
                let untold = document.get(root, "usage").filter(|node| document.kind(*node) == Kind::Null);
                view.usage_untold = untold.and_then(|node| whole_member(document, node));
            }
        }
        Api::Responses => {
            let whole = if in_stream { member(root, "response") } else { Some(root) };
            let status = whole.and_then(|whole| document.text(document.get(whole, "status")?));
            view.reported.is_to_come = !in_stream && matches!(status.as_deref(), Some("queued" | "in_progress"));
            let is_to_come = view.reported.is_to_come;
            if let Some(usage) = whole.and_then(|whole| member(whole, "usage")).filter(|_| !is_to_come) {
                view.reported = openai(document, usage, ["input_tokens", "output_tokens"]);
            }
        }
        Api::Messages if !in_stream => {
            if let Some(usage) = member(root, "usage") {
                view.reported = anthropic(document, usage, true);
            }
        }
        Api::Messages => {
            let kind = event_type(document, name);
            let (holder, is_written) = match &*kind {
                // What it says of its own words is only how it begins.
                "message_start" => (member(root, "message"), false),
                "message_delta" => (Some(root), true),
                _ => (None, false),
            };
            if let Some(usage) = holder.and_then(|holder| member(holder, "usage")) {
                view.reported = anthropic(document, usage, is_written);
            }
        }
        Api::CountTokens => {}
    }
    view.told = told(api, document, in_stream);
}

/// Why a text can end, in the words of both providers. Others are not repeated: they are an upstream's texts.
const REASONS: &[&str] = &[
    "stop",
    "length",
    "tool_calls",
    "function_call",
    "content_filter",
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
];

/// Which model a document says that it comes from, and why its texts ended.
fn told(api: Api, document: &Document<'_>, in_stream: bool) -> Told {
    let root = document.root();
    let holder = match api {
        Api::Responses if in_stream => document.get(root, "response"),
        Api::Messages if in_stream => document.get(root, "message"),
        _ => Some(root),
    };
    let model = holder.and_then(|holder| document.get(holder, "model"));
    let reason = |holder: NodeId, key: &str| {
        let told = document.text(document.get(holder, key)?)?;
        Some(REASONS.iter().find(|known| **known == told).copied().unwrap_or("_OTHER"))
    };
    let finish = match api {
        Api::Chat | Api::Completions => {
            let choices = document.get(root, "choices").filter(|choices| document.kind(*choices) == Kind::Array);
            let choices = choices.into_iter().flat_map(|choices| document.children(choices));
            choices.filter_map(|choice| reason(choice, "finish_reason")).collect()
        }
        // It is in progress before it has ended.
        Api::Responses => {
            holder.and_then(|holder| reason(holder, "status")).filter(|told| *told != "_OTHER").into_iter().collect()
        }
        Api::Messages => {
            let holder = if in_stream { document.get(root, "delta") } else { holder };
            holder.and_then(|holder| reason(holder, "stop_reason")).into_iter().collect()
        }
        Api::Embeddings | Api::CountTokens => Vec::new(),
    };
    Told { model, finish, is_announcement: false }
}

/// A count; anything else is not one.
fn count(document: &Document<'_>, object: NodeId, key: &str) -> Option<u64> {
    let node = document.get(object, key).filter(|node| document.kind(*node) == Kind::Number)?;
    document.lexeme(node).parse().ok()
}

/// `OpenAI` counts cached tokens among those that were read, and details below.
fn openai(document: &Document<'_>, usage: NodeId, [read, written]: [&str; 2]) -> Reported {
    let detail = |of: &str, key: &str| {
        let details = document.get(usage, &format!("{of}_details"))?;
        count(document, details, key)
    };
    let (prompt, output) = (count(document, usage, read), count(document, usage, written));
    let all = prompt.unwrap_or(0);
    let cached = detail(read, "cached_tokens").unwrap_or(0).min(all);
    let reasoning = detail(written, "reasoning_tokens").unwrap_or(0);
    let usage = Usage { input: all - cached, cached, cache_write: 0, output: output.unwrap_or(0), reasoning };
    // Embeddings have nothing to say of what is written.
    Reported {
        usage: usage.bounded(),
        is_read: prompt.is_some(),
        is_written: prompt.is_some() || output.is_some(),
        is_to_come: false,
    }
}

/// Anthropic counts what was cached beside what was read anew.
fn anthropic(document: &Document<'_>, usage: NodeId, is_written: bool) -> Reported {
    let read = count(document, usage, "input_tokens");
    let usage = Usage {
        input: read.unwrap_or(0),
        cached: count(document, usage, "cache_read_input_tokens").unwrap_or(0),
        cache_write: count(document, usage, "cache_creation_input_tokens").unwrap_or(0),
        output: count(document, usage, "output_tokens").unwrap_or(0),
        reasoning: 0,
    };
    Reported { usage: usage.bounded(), is_read: read.is_some(), is_written, is_to_come: false }
}

/// A member with its key and one comma beside it, so that what stays is an object still.
fn whole_member(document: &Document<'_>, node: NodeId) -> Option<Range<usize>> {
    let bytes = document.bytes();
    let (mut start, mut end) = (document.key_span(node)?.start, document.span(node).end);
    let behind = bytes.get(end..)?;
    let space = behind.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if behind.get(space) == Some(&b',') {
        end = end.saturating_add(space).saturating_add(1);
        let rest = bytes.get(end..)?;
        end = end.saturating_add(rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count());
        return Some(start..end);
    }
    let before = bytes.get(..start)?;
    let space = before.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    let comma = start.checked_sub(space)?.checked_sub(1)?;
    if bytes.get(comma) == Some(&b',') {
        start = comma;
    }
    Some(start..end)
}
