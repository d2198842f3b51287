//! The Model Context Protocol over Streamable HTTP: one message in, one answer or stream of events out.
//!
//! Pure translation: which tool of which server is meant, which revision is spoken, and how a refusal is told so that a client's
//! session outlives it. What the body says counts; headers that repeat it are held against it and written anew for the server.
//! Revisions with sessions are passed on as they are, with the session's id bound to the caller's task.

mod read;
mod refuse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use engine::ports::{AnswerView, EventReader, Head, Protocol, StreamEvent, Understood, Voice};
use engine::{Server, Snapshot};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp::{Body, Id, Message, Method, Pinned, Sender, Version};
use model::{Dialect, Name, ReasonCode, Refusal, RequestId};
use text::{Document, Kind, NodeId};

use crate::sse::{self, SseReader};
use crate::trace;

/// What servers may announce that the gate serves: what else they can do is not announced.
const SERVED: [&str; 2] = ["tools", "logging"];

/// Every tool server that can be spoken to.
pub type Servers = BTreeMap<Name, Server>;

/// Messages to one tool server.
#[derive(Debug)]
pub struct Mcp {
    server: Name,
    /// What the one message of this call is, once it has been read.
    asked: OnceLock<Asked>,
    /// Whether the server has answered it.
    is_answered: AtomicBool,
}

/// What a message says of itself, for whoever answers it.
#[derive(Debug, Clone)]
struct Asked {
    /// None for what is not answered, or could not be read so far.
    id: Option<Id>,
    method: Option<Method>,
    version: Option<Version>,
}

impl Mcp {
    /// The adapter for one message to the server of this name.
    #[must_use]
    pub const fn new(server: Name) -> Self {
        Self { server, asked: OnceLock::new(), is_answered: AtomicBool::new(false) }
    }

    /// Reads the message of a request; `servers` for what operators have approved.
    ///
    /// # Errors
    /// Everything that is not a message to a server, in a revision that is spoken here and with headers that say what it says.
    pub fn read(&self, head: &Head, document: &Document<'_>, servers: &Servers) -> Result<Understood, Refusal> {
        read::understood(self, head, document, servers)
    }

    /// Whether a message may come from the server now: notifications, and behind them the one answer to what was asked.
    fn may_come(&self, message: &Message<'_>, in_stream: bool) -> Result<(), &'static str> {
        let Some(Asked { id, version: Some(version), .. }) = self.asked.get() else { return Err("nothing was asked") };
        if self.is_answered.load(Ordering::Relaxed) {
            return Err("a message behind the answer");
        }
        let answers = match &message.body {
            Body::Result { id: answered, .. } => id.as_ref() == Some(answered),
            // A server that could not read what was asked cannot say which request it was.
            Body::Error { id: answered, .. } => answered.is_none() || answered == id,
            Body::Request { .. } | Body::Notification { .. } => {
                let is_alive = message.method() == Some(Method::Ping.as_str());
                let is_told = matches!(message.body, Body::Notification { .. }) || is_alive;
                let is_known = message.asks(Sender::Server, *version).is_ok();
                return if in_stream && is_told && is_known { Ok(()) } else { Err("a message that is not passed on") };
            }
        };
        if !answers {
            return Err("an answer to something that was not asked");
        }
        self.is_answered.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn asks(&self, method: Method) -> bool {
        self.asked.get().is_some_and(|asked| asked.method == Some(method))
    }
}

/// The server that a path names, `/mcp/{server}`; `Err` if no server can have that name.
#[must_use]
pub fn at(path: &str) -> Option<Result<Name, ()>> {
    let name = path.strip_prefix("/mcp/")?;
    Some(Name::new(name).map_err(drop).and_then(|name| if name.as_str().contains('/') { Err(()) } else { Ok(name) }))
}

impl Voice for Mcp {
    fn api(&self) -> Option<(Dialect, &'static str)> {
        None
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        refuse::whole(self.asked.get(), refusal, request)
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        let body = refuse::body(self.asked.get(), refusal, request);
        sse::write(Some("message"), body.to_string().as_bytes())
    }

    fn is_own_word(&self, word: &str) -> bool {
        matches!(word, "jsonrpc" | "id" | "method" | "params" | "name" | "uri" | "arguments" | "_meta" | "result" | "error")
    }
}

impl Protocol for Mcp {
    type Events = Events;

    fn dialect(&self) -> Option<Dialect> {
        None
    }

    fn upstream_path(&self) -> &'static str {
        // An upstream's address is that of its endpoint.
        ""
    }

    fn understand(&self, head: &Head, document: &Document<'_>, snapshot: &Snapshot) -> Result<Understood, Refusal> {
        self.read(head, document, &snapshot.servers)
    }

    fn upstream_headers(&self, head: &Head) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(traceparent) = head.trace.as_ref().and_then(trace::header) {
            headers.insert(trace::TRACEPARENT, traceparent);
        }
        headers
    }

    fn client_headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut passed = HeaderMap::new();
        let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(|value| value.split(';').next());
        let essence = essence.flatten().unwrap_or_default().trim().to_ascii_lowercase();
        let known = ["application/json", "text/event-stream"].into_iter().find(|known| *known == essence);
        passed.extend(known.map(|known| (CONTENT_TYPE, HeaderValue::from_static(known))));
        // An answer is one caller's: nobody in between keeps it for another, or holds it back until it is whole.
        passed.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        passed.insert("x-accel-buffering", HeaderValue::from_static("no"));
        passed
    }

    fn view(&self, document: &Document<'_>, _name: Option<&str>, in_stream: bool) -> AnswerView {
        let Ok(message) = Message::read(document) else {
            return AnswerView { refused: Some("it is no message of MCP"), ..AnswerView::default() };
        };
        let refused = self.may_come(&message, in_stream).and_then(|()| is_passed_on(document, &message)).err();
        let is_handshake = self.asks(Method::Initialize) || self.asks(Method::Discover);
        let result = if let Body::Result { result, .. } = &message.body { Some(*result) } else { None };
        let replaced = result.filter(|_| is_handshake).and_then(|result| announced(document, result)).into_iter().collect();
        let joined = result.map(|result| texts(document, result)).into_iter().collect();
        AnswerView { refused, replaced, joined, ..AnswerView::default() }
    }

    fn ended(&self) -> Result<(), Refusal> {
        let is_due = self.asked.get().is_some_and(|asked| asked.id.is_some());
        if is_due == self.is_answered.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, "a request was not answered, or a notification was"))
    }

    fn is_end_mark(&self, _data: &[u8]) -> bool {
        false
    }

    fn events(&self, limit: usize) -> Events {
        Events(SseReader::new(limit))
    }

    fn rewrite(&self, event: &StreamEvent, data: &[u8]) -> Bytes {
        sse::write(event.name.as_deref(), data)
    }

    fn tool_list(&self, tools: &[Arc<Pinned>]) -> (HeaderMap, Bytes) {
        let asked = self.asked.get();
        let id = asked.and_then(|asked| asked.id.as_ref()).map_or_else(|| "null".to_owned(), Id::to_json);
        // The one list is whole, and as long-lived as the caller's rights: it is asked for anew after a change that is told.
        let is_stateless = asked.and_then(|asked| asked.version).is_some_and(Version::is_stateless);
        let cached = if is_stateless { r#","resultType":"complete","ttlMs":0,"cacheScope":"private""# } else { "" };
        let tools: Vec<&str> = tools.iter().map(|tool| tool.definition().canonical()).collect();
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{}]{cached}}}}}"#, tools.join(","));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        (headers, Bytes::from(body))
    }
}

/// Events, without those that say nothing: servers send one first, so that a client can come back to the stream.
#[derive(Debug)]
pub struct Events(SseReader);

impl EventReader for Events {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ReasonCode> {
        let before = events.len();
        let read = self.0.push(bytes, events);
        let new = events.split_off(before);
        events.extend(new.into_iter().filter(|event| event.data.as_ref().is_some_and(|data| !data.is_empty())));
        read
    }

    fn finish(&mut self) -> Result<(), ReasonCode> {
        self.0.finish()
    }
}

/// Whether an answer is of a kind that is passed on: one that asks the client for something is not.
fn is_passed_on(document: &Document<'_>, message: &Message<'_>) -> Result<(), &'static str> {
    let Body::Result { result, .. } = &message.body else { return Ok(()) };
    let kind = document.get(*result, "resultType");
    let is_complete = kind.is_none_or(|kind| document.text(kind).as_deref() == Some("complete"));
    if is_complete { Ok(()) } else { Err("a result of a kind that is not passed on") }
}

/// The texts of a tool's result, which clients may join.
fn texts(document: &Document<'_>, result: NodeId) -> Vec<NodeId> {
    let content = document.get(result, "content").filter(|node| document.kind(*node) == Kind::Array);
    let parts = content.into_iter().flat_map(|content| document.children(content));
    parts.filter_map(|part| document.get(part, "text").filter(|text| document.kind(*text) == Kind::String)).collect()
}

/// The capabilities of a handshake without those that are not served here, and where they stand.
fn announced(document: &Document<'_>, result: NodeId) -> Option<(std::ops::Range<usize>, String)> {
    let capabilities = document.get(result, "capabilities").filter(|node| document.kind(*node) == Kind::Object)?;
    let is_served = |member: &NodeId| document.key(*member).is_some_and(|key| SERVED.contains(&&*key));
    let member = |member: NodeId| {
        let key = document.key(member).unwrap_or_default();
        // News of other tools are told by nobody yet.
        let value = if key == "tools" { "{}" } else { document.lexeme(member) };
        format!("{}:{value}", text::quote(&key))
    };
    let kept: Vec<String> = document.children(capabilities).filter(is_served).map(member).collect();
    Some((document.span(capabilities), format!("{{{}}}", kept.join(","))))
}
