//! Calls in responses: items of type `function_call`, told in pieces, then whole, then once more in the final copy of everything.

use engine::ports::Fate;
use model::Refusal;
use serde_json::{Value, json};
use text::{Document, NodeId};

use super::write::{self, Edit};
use super::{Call, Form, Parts, count_of, elements, invalid, is_confusable, is_told_otherwise, member, name_of, text_of};

/// Keys that say which calls there are.
const ROOT: &[&str] = &["type", "output_index", "item", "item_id", "output", "response", "delta", "arguments", "name"];
const ITEM: &[&str] = &["type", "id", "call_id", "name", "namespace", "arguments"];
/// What a call is.
const CALL: &str = "function_call";

/// Reads and writes the calls of responses.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream")]
pub(super) struct Responses {
    in_stream: bool,
    is_awake: bool,
    /// How many items have begun, and whether each in its place.
    n_items: u64,
    is_in_order: bool,
    is_over: bool,
}

impl Responses {
    pub(super) const fn new(in_stream: bool) -> Self {
        Self { in_stream, is_awake: false, n_items: 0, is_in_order: true, is_over: false }
    }
}

/// The final copy in a document: all of it, or what an event holds.
fn output(document: &Document<'_>, in_stream: bool) -> Option<(NodeId, NodeId)> {
    let root = document.root();
    let holder = if in_stream { member(document, root, "response")? } else { root };
    Some((holder, member(document, holder, "output")?))
}

fn is_call(document: &Document<'_>, item: NodeId) -> bool {
    text_of(document, item, "type") == CALL
}

/// See [`super::speaks`].
pub(super) fn speaks(document: &Document<'_>, kind: &str, in_stream: bool) -> bool {
    let root = document.root();
    let item = member(document, root, "item");
    let is_odd = is_confusable(document, root, ROOT) || item.is_some_and(|item| is_confusable(document, item, ITEM));
    if is_odd || kind == "response.output_item.added" || kind.starts_with("response.function_call_arguments") {
        return true;
    }
    if item.is_some_and(|item| is_call(document, item)) {
        return true;
    }
    let holder = if in_stream { member(document, root, "response") } else { None };
    if holder.is_some_and(|holder| is_confusable(document, holder, ROOT)) {
        return true;
    }
    let Some((holder, list)) = output(document, in_stream) else { return false };
    let mut items = elements(document, Some(list));
    is_confusable(document, holder, ROOT) || items.any(|item| is_call(document, item) || is_confusable(document, item, ITEM))
}

/// Whether an event that belongs to a call by its place belongs to another one by its item's id, or names another function: clients join
/// by either.
fn is_of_another(document: &Document<'_>, call: &Call) -> bool {
    let root = document.root();
    let item = member(document, root, "item").map(|item| text_of(document, item, "id")).unwrap_or_default();
    let differs = |told: &str, known: &str| !told.is_empty() && told != known;
    differs(&text_of(document, root, "item_id"), &call.item)
        || differs(&item, &call.item)
        || differs(&name_of(document, root, "name"), call.name.rsplit('.').next().unwrap_or_default())
            && differs(&name_of(document, root, "name"), &call.name)
}

/// A call as a whole item.
fn whole(document: &Document<'_>, item: NodeId, place: u64) -> Call {
    let namespace = text_of(document, item, "namespace");
    let name = name_of(document, item, "name");
    Call {
        place,
        id: text_of(document, item, "call_id"),
        // The name within a namespace is no name of its own.
        name: if namespace.is_empty() { name } else { format!("{namespace}.{name}") },
        item: text_of(document, item, "id"),
        arguments: text_of(document, item, "arguments"),
        is_complete: true,
        ..Call::default()
    }
}

impl Responses {
    /// A whole answer.
    fn document(document: &Document<'_>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        let root = document.root();
        let mut parts = Parts::default();
        let mut is_odd = is_confusable(document, root, ROOT);
        for (ordinal, item) in elements(document, member(document, root, "output")).enumerate() {
            is_odd |= is_confusable(document, item, ITEM);
            if is_call(document, item) {
                parts.waits.push(calls.len());
                calls.push(whole(document, item, u64::try_from(ordinal).unwrap_or(u64::MAX)));
            }
        }
        if is_odd { Err(odd()) } else { Ok(parts) }
    }

    fn added(&mut self, document: &Document<'_>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        let index = count_of(document, document.root(), "output_index");
        self.is_in_order &= index == Some(self.n_items);
        self.n_items = self.n_items.saturating_add(1);
        let item = member(document, document.root(), "item").ok_or_else(odd)?;
        if is_confusable(document, item, ITEM) {
            return Err(odd());
        }
        let is_call = is_call(document, item);
        if (is_call || !calls.is_empty()) && (!self.is_in_order || self.is_over) {
            return Err(invalid("items with calls of tools are not in their order"));
        }
        if !is_call {
            return Ok(Parts::default());
        }
        self.is_awake = true;
        calls.push(Call { is_complete: false, ..whole(document, item, index.unwrap_or_default()) });
        Ok(Parts { waits: vec![calls.len().saturating_sub(1)] })
    }

    fn event(&mut self, document: &Document<'_>, kind: &str, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        let root = document.root();
        let index = count_of(document, root, "output_index");
        let key = calls.iter().position(|call| Some(call.place) == index);
        let waits = Parts { waits: key.into_iter().collect() };
        let call = key.and_then(|key| calls.get_mut(key));
        if call.as_ref().is_some_and(|call| is_of_another(document, call)) {
            return Err(otherwise());
        }
        match kind {
            "response.output_item.added" => return self.added(document, calls),
            "response.function_call_arguments.delta" => {
                let call = call.filter(|call| !call.is_complete).ok_or_else(astray)?;
                call.grow(&text_of(document, root, "delta"));
            }
            "response.function_call_arguments.done" => {
                let told = text_of(document, root, "arguments");
                let call = call.filter(|call| !call.is_complete).ok_or_else(astray)?;
                if call.arguments.is_empty() {
                    call.arguments = told;
                } else if call.arguments != told {
                    return Err(otherwise());
                }
            }
            "response.output_item.done" => {
                let item = member(document, root, "item").ok_or_else(odd)?;
                if is_confusable(document, item, ITEM) {
                    return Err(odd());
                }
                match (is_call(document, item), call) {
                    (false, None) => {}
                    (true, Some(call)) if !call.is_complete => {
                        let told = whole(document, item, call.place);
                        let is_same = call.arguments.is_empty() || call.arguments == told.arguments;
                        if !is_same || (call.id.as_str(), call.name.as_str()) != (told.id.as_str(), told.name.as_str()) {
                            return Err(otherwise());
                        }
                        call.arguments = told.arguments;
                        call.is_complete = true;
                    }
                    _ => return Err(astray()),
                }
            }
            _ if member(document, root, "item").is_some_and(|item| is_call(document, item)) => return Err(astray()),
            _ if output(document, true).is_some() => return self.copy(document, calls),
            _ if member(document, root, "response").is_some_and(|holder| is_confusable(document, holder, ROOT)) => {
                return Err(odd());
            }
            _ => {}
        }
        Ok(waits)
    }

    /// The final copy: each of its calls is one that was told before, in its place.
    fn copy(&mut self, document: &Document<'_>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        let Some((holder, list)) = output(document, true) else { return Ok(Parts::default()) };
        let mut is_odd = is_confusable(document, holder, ROOT);
        for (ordinal, item) in elements(document, Some(list)).enumerate() {
            is_odd |= is_confusable(document, item, ITEM);
            if !is_call(document, item) {
                continue;
            }
            self.is_awake = true;
            let told = whole(document, item, u64::try_from(ordinal).unwrap_or(u64::MAX));
            match calls.iter().find(|call| call.place == told.place) {
                Some(call) if (&call.id, &call.name, &call.arguments) == (&told.id, &told.name, &told.arguments) => {}
                Some(_) => return Err(otherwise()),
                // Nothing of it was told so far.
                None => calls.push(told),
            }
        }
        if is_odd {
            return Err(odd());
        }
        self.is_over |= elements(document, Some(list)).next().is_some();
        Ok(Parts { waits: (0..calls.len()).collect() })
    }

    fn event_written(document: &Document<'_>, kind: &str, calls: &mut [Call]) -> Option<Vec<(Option<String>, String)>> {
        let root = document.root();
        if let Some((holder, list)) = output(document, true) {
            let list = items(document, list, calls);
            let edit = |key: &str, _: NodeId| if key == "output" { Edit::Put(list.clone()) } else { Edit::Keep };
            let response = write::object(document, holder, edit, &[]);
            let edit = |key: &str, _: NodeId| if key == "response" { Edit::Put(response.clone()) } else { Edit::Keep };
            return Some(vec![(Some(kind.to_owned()), write::object(document, root, edit, &[]))]);
        }
        let index = count_of(document, root, "output_index")?;
        let n_gone = calls.iter().filter(|call| call.place < index && call.is_stripped()).count();
        let new_index = index.saturating_sub(u64::try_from(n_gone).unwrap_or(0));
        if let Some(call) = calls.iter_mut().find(|call| call.place == index).filter(|call| call.is_refused()) {
            return Some(in_place(document, kind, new_index, call));
        }
        let edit = |key: &str, _: NodeId| if key == "output_index" { Edit::Put(new_index.to_string()) } else { Edit::Keep };
        Some(vec![(Some(kind.to_owned()), write::object(document, root, edit, &[]))])
    }
}

/// What stands in the place of an event of a refused call: a message that begins, says why, and ends. Its numbers are those of the
/// events that it stands for.
fn in_place(document: &Document<'_>, kind: &str, index: u64, call: &mut Call) -> Vec<(Option<String>, String)> {
    let Some(said) = call.said() else { return Vec::new() };
    let number = count_of(document, document.root(), "sequence_number").unwrap_or_default();
    let id = format!("msg_refused_{}", call.place);
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let event = |kind: &str, number: u64, more: Value| {
        let mut event = json!({"type": kind, "sequence_number": number, "output_index": index});
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        (Some(kind.to_owned()), event.to_string())
    };
    match kind {
        "response.output_item.added" => {
            let item = json!({"type": "message", "id": id, "role": "assistant", "status": "in_progress", "content": []});
            vec![event(kind, number, json!({"item": item}))]
        }
        "response.output_item.done" => {
            let delta = json!({"item_id": id, "content_index": 0, "delta": said, "logprobs": []});
            let text = json!({"item_id": id, "content_index": 0, "text": said, "logprobs": []});
            vec![
                event("response.content_part.added", number, json!({"item_id": id, "content_index": 0, "part": part("")})),
                event("response.output_text.delta", number, delta),
                event("response.output_text.done", number, text),
                event("response.content_part.done", number, json!({"item_id": id, "content_index": 0, "part": part(said)})),
                event(kind, number, json!({"item": message(call.place, said)})),
            ]
        }
        _ => Vec::new(),
    }
}

fn message(place: u64, said: &str) -> Value {
    let part = json!({"type": "output_text", "text": said, "annotations": []});
    json!({"type": "message", "id": format!("msg_refused_{place}"), "role": "assistant", "status": "completed", "content": [part]})
}

/// A list of items without the calls that were refused.
fn items(document: &Document<'_>, list: NodeId, calls: &[Call]) -> String {
    let mut ordinal = 0_u64;
    write::list(document, list, |item| {
        let place = ordinal;
        ordinal = ordinal.saturating_add(1);
        let call = calls.iter().find(|call| call.place == place && is_call(document, item));
        match call.and_then(|call| call.fate.as_ref()) {
            Some(Fate::Strip) => Edit::Drop,
            Some(Fate::Replace(said)) => Edit::Put(message(place, said).to_string()),
            Some(Fate::Pass) | None => Edit::Keep,
        }
    })
}

impl Form for Responses {
    fn is_awake(&self) -> bool {
        self.is_awake
    }

    fn read(&mut self, document: &Document<'_>, event: Option<&str>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        if !self.in_stream {
            return Self::document(document, calls);
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
            return Self::event_written(document, &kind_of(document, event), calls);
        }
        let edit = |key: &str, node: NodeId| match key {
            "output" => Edit::Put(items(document, node, calls)),
            _ => Edit::Keep,
        };
        Some(vec![(None, write::object(document, document.root(), edit, &[]))])
    }
}

fn kind_of(document: &Document<'_>, event: Option<&str>) -> String {
    let told = text_of(document, document.root(), "type");
    if told.is_empty() { event.unwrap_or_default().to_owned() } else { told }
}

fn odd() -> Refusal {
    invalid("keys that some readers take for calls of tools")
}

fn astray() -> Refusal {
    invalid("a piece of a call of a tool belongs to no call, or goes on behind its end")
}

fn otherwise() -> Refusal {
    invalid("a call of a tool is told in two ways")
}
