//! Calls of tools that a model asks for: held until they are complete, handed out to be decided on, and released, taken out or
//! replaced so that the official packages read what is left.
//!
//! Events come here as they would leave, behind inspection and redaction: what is decided on is what the client would run. They leave
//! in the order in which they came, so whatever follows an undecided call waits with it. What two readers could take for different
//! calls (two ids under one index, a text that goes on behind its end, keys in other letters) is refused.

mod chat;
mod messages;
mod responses;
mod write;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use engine::ports::{CallAsked, Calls, Fate, StreamEvent};
use model::{ReasonCode, Refusal};
use text::{Document, Kind, Limits, NodeId};

use super::api::Api;
use crate::sse;

/// Most calls of one answer.
const MAX_CALLS: usize = 128;
/// Longest name of a function that is kept, in bytes.
const MAX_NAME: usize = 256;

/// A reader of the calls in an answer of `api`; none where answers hold none.
pub(super) fn reader(api: Api, in_stream: bool, limits: Limits) -> Option<Box<dyn Calls>> {
    let form: Box<dyn Form> = match api {
        Api::Chat => Box::new(chat::Chat::new(in_stream)),
        Api::Messages => Box::new(messages::Messages::new(in_stream)),
        Api::Responses => Box::new(responses::Responses::new(in_stream)),
        Api::Completions | Api::Embeddings | Api::CountTokens => return None,
    };
    Some(Box::new(Answer { form, in_stream, limits, queue: VecDeque::new(), held: 0, calls: Vec::new() }))
}

/// Whether a document of an answer may hold a call, or something that a reader could take for one.
pub(super) fn speaks(api: Api, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> bool {
    let told = text_of(document, document.root(), "type");
    let kind = if told.is_empty() { name.unwrap_or_default().to_owned() } else { told };
    match api {
        Api::Chat => chat::speaks(document),
        Api::Messages => is_told_otherwise(document, name) || messages::speaks(document, &kind, in_stream),
        Api::Responses => is_told_otherwise(document, name) || responses::speaks(document, &kind, in_stream),
        Api::Completions | Api::Embeddings | Api::CountTokens => false,
    }
}

/// Whether an event's name says something else than what stands in it: clients go by either.
fn is_told_otherwise(document: &Document<'_>, event: Option<&str>) -> bool {
    let told = text_of(document, document.root(), "type");
    event.is_some_and(|event| !event.is_empty() && !told.is_empty() && event != told)
}

/// One call of an answer.
#[derive(Debug, Default)]
struct Call {
    /// In which choice, where there are several.
    choice: u64,
    /// Its place there, as the upstream counts.
    place: u64,
    id: String,
    /// The id of the item that it is, where items have ids.
    item: String,
    name: String,
    arguments: String,
    is_complete: bool,
    was_asked: bool,
    /// What becomes of it; known at once for what nobody decides on.
    fate: Option<Fate>,
    /// Whether the refusal was told in its place.
    is_told: bool,
}

impl Call {
    /// Whether it is taken out of where it stands.
    const fn is_refused(&self) -> bool {
        matches!(self.fate, Some(Fate::Strip | Fate::Replace(_)))
    }

    /// Whether nothing stands in its place.
    const fn is_stripped(&self) -> bool {
        matches!(self.fate, Some(Fate::Strip))
    }

    /// What is said in its place.
    fn said(&self) -> Option<&str> {
        if let Some(Fate::Replace(said)) = &self.fate { Some(said) } else { None }
    }

    fn grow(&mut self, piece: &str) {
        self.arguments.push_str(piece);
    }
}

/// What one event has to do with calls.
#[derive(Debug, Default)]
struct Parts {
    /// The calls whose fate it waits for.
    waits: Vec<usize>,
}

/// How one API writes calls.
trait Form: Send {
    /// Whether calls were seen, so that every event has to be read.
    fn is_awake(&self) -> bool;
    /// Reads a document.
    fn read(&mut self, document: &Document<'_>, event: Option<&str>, calls: &mut Vec<Call>) -> Result<Parts, Refusal>;
    /// The plain mark of an end, or the end itself.
    fn end(&mut self, calls: &mut Vec<Call>) -> Result<(), Refusal>;
    /// The documents that leave in the place of one, each with the name of its event; none as it came.
    fn write(
        &mut self,
        document: &Document<'_>,
        event: Option<&str>,
        calls: &mut [Call],
    ) -> Option<Vec<(Option<String>, String)>>;
    /// Whether what nobody refused is written anew all the same.
    fn rewrites(&self) -> bool {
        false
    }
}

struct Waiting {
    event: StreamEvent,
    data: Bytes,
    is_hidden: bool,
    /// Whether it is a document that has to be read where something was refused.
    is_read: bool,
    waits: Vec<usize>,
}

/// One answer.
struct Answer {
    form: Box<dyn Form>,
    in_stream: bool,
    limits: Limits,
    queue: VecDeque<Waiting>,
    held: usize,
    calls: Vec<Call>,
}

impl Calls for Answer {
    fn push(&mut self, event: StreamEvent, data: Bytes, is_hidden: bool, speaks: bool) -> Result<(), Refusal> {
        let is_mark = self.in_stream && data.trim_ascii() == b"[DONE]";
        let is_read = !is_mark && !data.is_empty() && (speaks || self.form.is_awake());
        let mut waits = Vec::new();
        if is_mark {
            self.form.end(&mut self.calls)?;
        }
        if is_read {
            let document = Document::parse(&data, &self.limits).map_err(|_| invalid("an event does not read after redaction"))?;
            waits = self.form.read(&document, event.name.as_deref(), &mut self.calls)?.waits;
            if self.calls.len() > MAX_CALLS {
                return Err(Refusal::because(
                    ReasonCode::UpstreamResponseTooLarge,
                    format!("more than {MAX_CALLS} calls of tools"),
                ));
            }
        }
        self.held = self.held.saturating_add(data.len());
        self.queue.push_back(Waiting { event, data, is_hidden, is_read, waits });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Refusal> {
        self.form.end(&mut self.calls)?;
        let is_open = self.calls.iter().any(|call| !call.is_complete && call.fate.is_none());
        if is_open { Err(invalid("a call of a tool has no end")) } else { Ok(()) }
    }

    fn asked(&mut self) -> Vec<CallAsked> {
        let open =
            self.calls.iter_mut().enumerate().filter(|(_, call)| call.is_complete && !call.was_asked && call.fate.is_none());
        let ask = |(key, call): (usize, &mut Call)| {
            call.was_asked = true;
            CallAsked { key, name: call.name.clone(), arguments: call.arguments.clone() }
        };
        open.map(ask).collect()
    }

    fn decide(&mut self, key: usize, fate: Fate) {
        if let Some(call) = self.calls.get_mut(key) {
            call.fate = Some(fate);
        }
    }

    fn take(&mut self) -> Result<Bytes, Refusal> {
        let mut out = BytesMut::new();
        while let Some(waiting) = self.queue.pop_front() {
            let is_decided = |key: &usize| self.calls.get(*key).is_none_or(|call| call.fate.is_some());
            if !waiting.waits.iter().all(is_decided) {
                self.queue.push_front(waiting);
                break;
            }
            self.held = self.held.saturating_sub(waiting.data.len());
            let bytes = self.write(waiting)?;
            if out.is_empty() && self.queue.is_empty() {
                return Ok(bytes);
            }
            out.extend_from_slice(&bytes);
        }
        Ok(out.freeze())
    }

    fn held(&self) -> usize {
        self.held
    }
}

impl Answer {
    fn write(&mut self, waiting: Waiting) -> Result<Bytes, Refusal> {
        let Waiting { event, data, is_hidden, is_read, .. } = waiting;
        let mut written = None;
        if is_read && (self.form.rewrites() || self.calls.iter().any(Call::is_refused)) {
            let document = Document::parse(&data, &self.limits).map_err(|_| invalid("an event does not read after redaction"))?;
            written = self.form.write(&document, event.name.as_deref(), &mut self.calls);
        }
        Ok(match written {
            _ if is_hidden => Bytes::new(),
            None if self.in_stream => sse::write(event.name.as_deref(), &data),
            None => data,
            Some(documents) => {
                let mut out = BytesMut::new();
                for (name, document) in documents {
                    match self.in_stream {
                        true => out.extend_from_slice(&sse::write(name.as_deref(), document.as_bytes())),
                        false => out.extend_from_slice(document.as_bytes()),
                    }
                }
                out.freeze()
            }
        })
    }
}

fn invalid(what: &str) -> Refusal {
    Refusal::because(ReasonCode::UpstreamResponseInvalid, what.to_owned())
}

/// A member of `object` that is there and not `null`.
fn member(document: &Document<'_>, object: NodeId, key: &str) -> Option<NodeId> {
    document.get(object, key).filter(|node| document.kind(*node) != Kind::Null)
}

/// The text of a member; empty where there is none.
fn text_of(document: &Document<'_>, object: NodeId, key: &str) -> String {
    member(document, object, key).and_then(|node| document.text(node)).unwrap_or_default().into_owned()
}

/// The name of a function. A longer one is none that anybody has declared.
fn name_of(document: &Document<'_>, object: NodeId, key: &str) -> String {
    let name = text_of(document, object, key);
    let end = name.floor_char_boundary(MAX_NAME);
    name.get(..end).unwrap_or_default().to_owned()
}

/// A member that counts, as clients do.
fn count_of(document: &Document<'_>, object: NodeId, key: &str) -> Option<u64> {
    let node = member(document, object, key)?;
    if document.kind(node) == Kind::Number { document.lexeme(node).parse().ok() } else { None }
}

/// The elements of a list; what is no list has none.
fn elements<'d>(document: &'d Document<'_>, list: Option<NodeId>) -> impl Iterator<Item = NodeId> + 'd {
    let list = list.filter(|list| document.kind(*list) == Kind::Array);
    list.into_iter().flat_map(|list| document.children(list))
}

/// Whether some reader takes a key of `object` for one of `names` and another does not: there are readers that ignore case.
fn is_confusable(document: &Document<'_>, object: NodeId, names: &[&str]) -> bool {
    document.children(object).any(|child| {
        let key = document.key(child).unwrap_or_default();
        let has_capitals = key.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii());
        has_capitals && {
            let folded: String = key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
            names.contains(&folded.as_str())
        }
    })
}
