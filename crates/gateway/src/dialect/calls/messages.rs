//! Calls in messages: blocks of type `tool_use`, one behind the other.

use engine::ports::Fate;
use model::Refusal;
use serde_json::json;
use text::{Document, NodeId};

use super::write::{self, Edit};
use super::{Call, Form, Parts, count_of, elements, invalid, is_confusable, is_told_otherwise, member, name_of, text_of};

/// Keys that say which calls there are.
const ROOT: &[&str] = &["type", "index", "content", "content_block", "delta", "message", "stop_reason"];
const BLOCK: &[&str] = &["type", "id", "name", "input", "partial_json", "stop_reason"];

/// Reads and writes the calls of messages.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream")]
pub(super) struct Messages {
    in_stream: bool,
    is_awake: bool,
    /// How many blocks have begun, and whether each in its place.
    n_blocks: u64,
    is_in_order: bool,
    has_begun: bool,
    is_over: bool,
}

impl Messages {
    pub(super) const fn new(in_stream: bool) -> Self {
        Self { in_stream, is_awake: false, n_blocks: 0, is_in_order: true, has_begun: false, is_over: false }
    }
}

/// See [`super::speaks`].
pub(super) fn speaks(document: &Document<'_>, kind: &str, in_stream: bool) -> bool {
    let root = document.root();
    if is_confusable(document, root, ROOT) {
        return true;
    }
    let holds = |key| member(document, root, key).is_some_and(|node| is_confusable(document, node, BLOCK));
    match (in_stream, kind) {
        // Every block counts: calls are found by their places.
        (true, "content_block_start" | "message_start") => true,
        (true, "content_block_delta") => {
            let delta = member(document, root, "delta");
            holds("delta") || delta.is_some_and(|delta| member(document, delta, "partial_json").is_some())
        }
        // What no reader should take for a call, and one that goes by the form does.
        (true, _) => {
            begins_with_call(document) || member(document, root, "content_block").is_some_and(|block| is_call(document, block))
        }
        (false, _) => elements(document, document.get(root, "content"))
            .any(|block| is_call(document, block) || is_confusable(document, block, BLOCK)),
    }
}

fn is_call(document: &Document<'_>, block: NodeId) -> bool {
    text_of(document, block, "type") == "tool_use"
}

/// Whether a message that an event tells as a whole has blocks: clients count those that follow behind them.
fn has_blocks(document: &Document<'_>) -> bool {
    let message = member(document, document.root(), "message");
    elements(document, message.and_then(|message| document.get(message, "content"))).next().is_some()
}

/// Whether a message that an event tells as a whole, or a block of it, has keys that some readers take for others.
fn is_odd_message(document: &Document<'_>) -> bool {
    let Some(message) = member(document, document.root(), "message") else { return false };
    let mut blocks = elements(document, document.get(message, "content"));
    is_confusable(document, message, ROOT) || blocks.any(|block| is_confusable(document, block, BLOCK))
}

/// Whether a message that an event tells as a whole holds a call.
fn begins_with_call(document: &Document<'_>) -> bool {
    let message = member(document, document.root(), "message");
    let blocks = message.and_then(|message| document.get(message, "content"));
    elements(document, blocks).any(|block| is_call(document, block))
}

impl Messages {
    /// A whole answer: every block is complete.
    fn whole(document: &Document<'_>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        let mut parts = Parts::default();
        let mut is_odd = is_confusable(document, document.root(), ROOT);
        for (ordinal, block) in elements(document, document.get(document.root(), "content")).enumerate() {
            is_odd |= is_confusable(document, block, BLOCK);
            if !is_call(document, block) {
                continue;
            }
            let input = member(document, block, "input");
            let arguments = input.map_or("{}", |input| document.lexeme(input)).to_owned();
            parts.waits.push(calls.len());
            calls.push(Call {
                place: u64::try_from(ordinal).unwrap_or(u64::MAX),
                name: name_of(document, block, "name"),
                arguments,
                is_complete: true,
                ..Call::default()
            });
        }
        if is_odd { Err(odd()) } else { Ok(parts) }
    }

    /// Whether a piece of arguments is of a block that has not begun.
    fn is_early(&self, document: &Document<'_>, index: Option<u64>) -> bool {
        let delta = member(document, document.root(), "delta");
        let is_piece = delta.is_some_and(|delta| member(document, delta, "partial_json").is_some());
        is_piece && index.is_none_or(|index| index >= self.n_blocks)
    }

    fn start(&mut self, document: &Document<'_>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        let index = count_of(document, document.root(), "index");
        self.is_in_order &= index == Some(self.n_blocks);
        self.n_blocks = self.n_blocks.saturating_add(1);
        let block = member(document, document.root(), "content_block").ok_or_else(odd)?;
        let is_call = is_call(document, block);
        if is_confusable(document, block, BLOCK) {
            return Err(odd());
        }
        if !is_call && calls.is_empty() {
            return Ok(Parts::default());
        }
        let is_open = calls.iter().any(|call| !call.is_complete);
        if !self.is_in_order || is_open || self.is_over {
            return Err(invalid("blocks with calls of tools are not in their order"));
        }
        if !is_call {
            return Ok(Parts::default());
        }
        self.is_awake = true;
        let input = member(document, block, "input").map(|input| document.lexeme(input)).filter(|input| !is_nothing(input));
        calls.push(Call {
            place: index.unwrap_or_default(),
            name: name_of(document, block, "name"),
            arguments: input.unwrap_or_default().to_owned(),
            // What stands here already is no piece of what follows.
            id: input.map(|_| "whole".to_owned()).unwrap_or_default(),
            ..Call::default()
        });
        Ok(Parts { waits: vec![calls.len().saturating_sub(1)] })
    }

    fn event(&mut self, document: &Document<'_>, kind: &str, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        let root = document.root();
        let index = count_of(document, root, "index");
        let has_block = member(document, root, "content_block").is_some_and(|block| is_call(document, block));
        if (has_block && kind != "content_block_start") || (begins_with_call(document) && kind != "message_start") {
            return Err(odd());
        }
        let call = calls.iter_mut().enumerate().find(|(_, call)| Some(call.place) == index);
        match (kind, call) {
            ("message_start", _) => {
                if std::mem::replace(&mut self.has_begun, true) || begins_with_call(document) {
                    return Err(invalid("a message begins twice, or with a call of a tool"));
                }
                if is_odd_message(document) {
                    return Err(odd());
                }
                self.is_in_order &= !has_blocks(document);
                Ok(Parts::default())
            }
            ("content_block_start", _) => self.start(document, calls),
            // Arguments of a block that nobody has begun: some clients put them before those that are told later.
            ("content_block_delta", None) if self.is_early(document, index) => Err(odd()),
            ("content_block_delta", Some((key, call))) => {
                let delta = member(document, root, "delta").ok_or_else(odd)?;
                let is_piece = text_of(document, delta, "type") == "input_json_delta";
                let piece = text_of(document, delta, "partial_json");
                let is_twice = !call.id.is_empty() && !piece.is_empty();
                if !is_piece || call.is_complete || is_twice || is_confusable(document, delta, BLOCK) {
                    return Err(invalid("a call of a tool goes on behind its end, or as something else"));
                }
                call.grow(&piece);
                Ok(Parts { waits: vec![key] })
            }
            ("content_block_stop", Some((key, call))) => {
                if call.arguments.is_empty() {
                    "{}".clone_into(&mut call.arguments);
                }
                call.is_complete = true;
                Ok(Parts { waits: vec![key] })
            }
            ("message_delta" | "message_stop", _) => {
                self.is_over = true;
                if calls.iter().any(|call| !call.is_complete) {
                    return Err(invalid("a call of a tool has no end"));
                }
                Ok(Parts { waits: (0..calls.len()).collect() })
            }
            _ => Ok(Parts::default()),
        }
    }

    /// The events in the place of one.
    fn events(document: &Document<'_>, kind: &str, calls: &mut [Call]) -> Option<Vec<(Option<String>, String)>> {
        let root = document.root();
        if kind == "message_delta" {
            let delta = member(document, root, "delta")?;
            let delta = stopped(document, delta, calls)?;
            let edit = |key: &str, _: NodeId| if key == "delta" { Edit::Put(delta.clone()) } else { Edit::Keep };
            return Some(vec![(Some(kind.to_owned()), write::object(document, root, edit, &[]))]);
        }
        if !kind.starts_with("content_block_") {
            return None;
        }
        let index = count_of(document, root, "index")?;
        let n_gone = calls.iter().filter(|call| call.place < index && call.is_stripped()).count();
        let new_index = index.saturating_sub(u64::try_from(n_gone).unwrap_or(0));
        let call = calls.iter_mut().find(|call| call.place == index);
        if let Some(call) = call.filter(|call| call.is_refused()) {
            if std::mem::replace(&mut call.is_told, true) {
                return Some(Vec::new());
            }
            return Some(call.said().map(|said| block(new_index, said)).unwrap_or_default());
        }
        let edit = |key: &str, _: NodeId| if key == "index" { Edit::Put(new_index.to_string()) } else { Edit::Keep };
        Some(vec![(Some(kind.to_owned()), write::object(document, root, edit, &[]))])
    }
}

impl Form for Messages {
    fn is_awake(&self) -> bool {
        self.is_awake
    }

    fn read(&mut self, document: &Document<'_>, event: Option<&str>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        if !self.in_stream {
            return Self::whole(document, calls);
        }
        if is_confusable(document, document.root(), ROOT) || is_told_otherwise(document, event) {
            return Err(odd());
        }
        self.event(document, &kind_of(document, event), calls)
    }

    fn end(&mut self, _: &mut Vec<Call>) -> Result<(), Refusal> {
        self.is_over = true;
        Ok(())
    }

    fn write(
        &mut self,
        document: &Document<'_>,
        event: Option<&str>,
        calls: &mut [Call],
    ) -> Option<Vec<(Option<String>, String)>> {
        if self.in_stream {
            return Self::events(document, &kind_of(document, event), calls);
        }
        let root = document.root();
        let content = member(document, root, "content")?;
        let mut ordinal = 0_u64;
        let list = write::list(document, content, |_| {
            let call = calls.iter().find(|call| call.place == ordinal);
            ordinal = ordinal.saturating_add(1);
            match call.and_then(|call| call.fate.as_ref()) {
                Some(Fate::Strip) => Edit::Drop,
                Some(Fate::Replace(said)) => Edit::Put(json!({"type": "text", "text": said}).to_string()),
                Some(Fate::Pass) | None => Edit::Keep,
            }
        });
        let stopped = is_stopped(document, root, calls);
        let edit = |key: &str, _: NodeId| match key {
            "content" => Edit::Put(list.clone()),
            "stop_reason" if stopped => Edit::Put("\"end_turn\"".to_owned()),
            _ => Edit::Keep,
        };
        Some(vec![(None, write::object(document, root, edit, &[]))])
    }
}

/// Whether an answer that ended in calls of tools has none left.
fn is_stopped(document: &Document<'_>, holder: NodeId, calls: &[Call]) -> bool {
    text_of(document, holder, "stop_reason") == "tool_use" && calls.iter().all(Call::is_refused)
}

fn stopped(document: &Document<'_>, delta: NodeId, calls: &[Call]) -> Option<String> {
    let edit = |key: &str, _: NodeId| if key == "stop_reason" { Edit::Put("\"end_turn\"".to_owned()) } else { Edit::Keep };
    is_stopped(document, delta, calls).then(|| write::object(document, delta, edit, &[]))
}

/// A block of text, as its events.
fn block(index: u64, said: &str) -> Vec<(Option<String>, String)> {
    let event = |kind: &str, document: serde_json::Value| (Some(kind.to_owned()), document.to_string());
    vec![
        event(
            "content_block_start",
            json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
        ),
        event(
            "content_block_delta",
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": said}}),
        ),
        event("content_block_stop", json!({"type": "content_block_stop", "index": index})),
    ]
}

/// What an event is: what its data says. One that is named otherwise is read otherwise by somebody.
fn kind_of(document: &Document<'_>, event: Option<&str>) -> String {
    let told = text_of(document, document.root(), "type");
    if told.is_empty() { event.unwrap_or_default().to_owned() } else { told }
}

fn is_nothing(input: &str) -> bool {
    input.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}'))
}

fn odd() -> Refusal {
    invalid("keys that some readers take for calls of tools")
}
