//! The Model Context Protocol over Streamable HTTP: one message in, one answer or stream of events out.
//!
//! Pure translation: which tool of which server is meant, which revision is spoken, and how a refusal is told so that a client's
//! session outlives it. What the body says counts; headers that repeat it are held against it and written anew for the server.
//! Revisions with sessions are passed on as they are, with the session's id bound to the caller's task.

mod come;
mod features;
mod front;
mod members;
mod read;
mod refuse;
#[cfg(test)]
mod tests;
mod wants;

pub(crate) use front::introduction;
pub(crate) use read::{one, origin};
pub(crate) use refuse::challenge;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use engine::ports::{AnswerView, EventReader, Head, Protocol, StreamEvent, Understood, Voice};
use engine::{DocumentPlace, Opening, Server, Snapshot};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp::{Id, Method, Version};
use model::{Dialect, Name, ReasonCode, Refusal, RequestId};
use text::Document;

use crate::sse::{self, SseReader};
use crate::trace;

/// Every tool server that can be spoken to.
pub type Servers = BTreeMap<Name, Arc<Server>>;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One message (POST).
    Tell,
    /// What is new in a session (GET).
    Hear,
    /// The end of a session (DELETE).
    End,
}

/// Messages to one tool server.
#[derive(Debug)]
pub struct Mcp {
    server: Name,
    verb: Verb,
    /// By whose tokens it is opened.
    opening: Opening,
    /// By what it is known in a session that is not the caller's: of no other call.
    name: Option<String>,
    /// The server as operators have it now: a message that is judged anew is held against what holds then.
    serving: Mutex<Option<Arc<Server>>>,
    /// What the one message of this call is, once it has been read.
    asked: OnceLock<Asked>,
    /// Which documents and prompts are shown, where these are asked for.
    shown: OnceLock<Vec<DocumentPlace>>,
    /// The request whose answer goes on in this stream.
    resumed: OnceLock<Id>,
    /// Whether the client has been told by what it can come back.
    is_resumable: AtomicBool,
    /// Whether the server has answered it.
    is_answered: AtomicBool,
}

/// What a message says of itself, for whoever answers it.
#[derive(Debug, Clone, Default)]
struct Asked {
    /// None for what is not answered, or could not be read so far.
    id: Option<Id>,
    method: Option<Method>,
    version: Option<Version>,
    /// The revision that it asks for, where that is not spoken.
    requested: Option<String>,
    /// The tool that it calls.
    tool: Option<String>,
    /// The address of the document that it names.
    uri: Option<String>,
    /// The declared documents that this can be.
    names: Vec<Name>,
    /// The revision of a handshake.
    agreed: Option<Version>,
    /// Whether the server speaks to the gate: what it asks reaches no client.
    is_turned: bool,
    /// By what it is known there, in a session that is not the caller's.
    own: Option<front::Own>,
    /// Whether its answer goes on without an end of its own.
    is_standing: bool,
    /// Whether the client names streams in front of documents among what it takes.
    prefers_streams: bool,
}

impl Mcp {
    /// The adapter for one message to the server of this name.
    #[must_use]
    pub fn new(server: Name) -> Self {
        Self::by(server, Verb::Tell)
    }

    /// The adapter for one request to the server of this name.
    #[must_use]
    pub fn by(server: Name, verb: Verb) -> Self {
        Self {
            server,
            verb,
            opening: Opening::default(),
            name: None,
            serving: Mutex::new(None),
            asked: OnceLock::new(),
            shown: OnceLock::new(),
            resumed: OnceLock::new(),
            is_resumable: AtomicBool::new(false),
            is_answered: AtomicBool::new(false),
        }
    }

    /// The same with whose tokens open the server (RFC 9728).
    #[must_use]
    pub fn opened_by(self, opening: Opening) -> Self {
        Self { opening, ..self }
    }

    /// The same with a name that no other call has: `random` is fresh. Without one nothing is said in a session of the gate's own.
    #[must_use]
    pub fn named(self, random: [u8; 10]) -> Self {
        // Letters alone, so that chance writes no number into it that could be somebody's.
        let letters = random.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(b'a'.saturating_add(half)));
        Self { name: Some(letters.collect()), ..self }
    }

    /// The server as it was when the message was judged last.
    fn serving(&self) -> Option<Arc<Server>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the message of a request; `servers` for what operators have approved.
    ///
    /// # Errors
    /// Everything that is not a message to a server, in a revision that is spoken here and with headers that say what it says.
    pub fn read(&self, head: &Head, document: &Document<'_>, servers: &Servers) -> Result<Understood, Refusal> {
        read::understood(self, head, document, servers)
    }
}

/// The server that a path names, `/mcp/{server}`; `Err` if no server can have that name.
#[must_use]
pub fn at(path: &str) -> Option<Result<Name, ()>> {
    let name = if path == "/mcp" { engine::MAIN } else { path.strip_prefix("/mcp/")? };
    Some(Name::new(name).map_err(drop).and_then(|name| if name.as_str().contains('/') { Err(()) } else { Ok(name) }))
}

impl Voice for Mcp {
    fn api(&self) -> Option<(Dialect, &'static str)> {
        None
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        refuse::whole(self.asked.get(), &self.opening, refusal, request)
    }

    fn resource(&self) -> Option<&str> {
        self.opening.resource.as_deref()
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

    fn takes_body(&self) -> bool {
        self.verb == Verb::Tell
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
        come::view(self, document, in_stream)
    }

    fn ended(&self) -> Result<(), Refusal> {
        let asked = self.asked.get();
        let is_due = asked.is_some_and(|asked| asked.id.is_some());
        // What is not answered here is answered when the client comes back.
        let is_open = asked.is_some_and(|asked| asked.is_standing) || self.is_resumable.load(Ordering::Relaxed);
        if is_open || is_due == self.is_answered.load(Ordering::Relaxed) {
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
        let id = event.id.as_deref().map(|id| (id, event.retry));
        self.is_resumable.fetch_or(id.is_some(), Ordering::Relaxed);
        sse::write_with(id, event.name.as_deref(), data)
    }

    fn goes_on(&self, asked: &str) {
        drop(Id::from_json(asked).map(|id| self.resumed.set(id)));
    }

    fn may_show(&self, places: Vec<DocumentPlace>) {
        // A call that is judged anew has not been told anything yet.
        drop(self.shown.set(places));
    }

    fn own_answer(&self) -> Option<(StatusCode, HeaderMap, Bytes)> {
        front::answer(self.asked.get()?)
    }

    fn introduction(&self, version: Version) -> [Bytes; 2] {
        introduction(version)
    }

    fn agreed(&self, document: &Document<'_>) -> Option<Option<Version>> {
        front::agreed_by(document)
    }

    fn tool_list(&self, tools: &[&str]) -> (HeaderMap, Bytes) {
        let asked = self.asked.get();
        // The one list is whole, and as long-lived as the caller's rights: it is asked for anew after a change that is told.
        let is_stateless = asked.and_then(|asked| asked.version).is_some_and(Version::is_stateless);
        let cached = if is_stateless { r#","resultType":"complete","ttlMs":0,"cacheScope":"private""# } else { "" };
        front::told(asked, &format!(r#"{{"tools":[{}]{cached}}}"#, tools.join(",")))
    }
}

/// Events, without those that say nothing at all.
#[derive(Debug)]
pub struct Events(SseReader);

impl Events {
    /// The same for another protocol.
    pub(crate) const fn over(reader: SseReader) -> Self {
        Self(reader)
    }
}

impl EventReader for Events {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ReasonCode> {
        let before = events.len();
        let read = self.0.push(bytes, events);
        let new = events.split_off(before);
        let says = |event: &StreamEvent| event.id.is_some() || event.data.as_ref().is_some_and(|data| !data.is_empty());
        events.extend(new.into_iter().filter(says));
        read
    }

    fn finish(&mut self) -> Result<(), ReasonCode> {
        self.0.finish()
    }
}
