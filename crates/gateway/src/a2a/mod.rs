//! The `Agent2Agent` protocol, JSON-RPC binding, version 1.0: one message in, one answer or stream of events out; and the card.
//!
//! Pure translation: what is asked of which agent, which values are ids, words and files, and how a refusal is told so that a client
//! outlives it. None of the client's own headers reaches the agent, nor its credential.

mod come;
mod read;
mod refuse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use ::a2a::{Card, Course, Method, VERSION};
use bytes::Bytes;
use engine::ports::{AnswerView, Head, Protocol, StreamEvent, Understood, Voice};
use engine::{Base, Snapshot};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp::Id;
use model::{Dialect, Name, ReasonCode, Refusal, RequestId};
use serde_json::Value;
use text::Document;

use crate::mcp::Events;
use crate::sse::SseReader;
use crate::{sse, trace};

/// Which version of the protocol is spoken.
const VERSION_HEADER: HeaderName = HeaderName::from_static("a2a-version");
/// Where an agent's card stands below its address.
const CARD: &str = "/.well-known/agent-card.json";

/// What is wanted of an agent, by the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Say something.
    Tell,
    /// Read its card.
    Card,
}

/// What is said to one agent.
#[derive(Debug)]
pub struct A2a {
    agent: Name,
    verb: Verb,
    /// The address of the gate, as far as it is known.
    base: Option<Base>,
    /// The same, if tokens of some issuer open the agent: there stands whose.
    opened_by: Option<Base>,
    /// What the one message of this call is, once it has been read.
    asked: OnceLock<Asked>,
    /// What the ids of the request are: as the agent writes each, and as the caller does.
    ids: OnceLock<Vec<(String, String)>>,
    /// How far the answer has come.
    course: Mutex<Option<Course>>,
    /// Whether the agent has answered at all.
    is_answered: AtomicBool,
    /// Whether it has said that it does not.
    has_failed: AtomicBool,
}

/// What a message says of itself, for whoever answers it.
#[derive(Debug, Clone, Default)]
struct Asked {
    /// None if it could not be read.
    id: Option<Id>,
    method: Option<Method>,
    /// The task that it is about, as the caller knows it.
    task: Option<String>,
    /// Likewise the context.
    context: Option<String>,
}

impl A2a {
    /// The adapter for one request about the agent of this name.
    #[must_use]
    pub const fn new(agent: Name, verb: Verb) -> Self {
        Self {
            agent,
            verb,
            base: None,
            opened_by: None,
            asked: OnceLock::new(),
            ids: OnceLock::new(),
            course: Mutex::new(None),
            is_answered: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        }
    }

    /// The same with the address of the gate, and that at which stands whose tokens open the agent (RFC 9728).
    #[must_use]
    pub fn at(self, base: Option<Base>, opened_by: Option<Base>) -> Self {
        Self { base, opened_by, ..self }
    }

    fn path(&self) -> String {
        format!("/a2a/{}", self.agent)
    }
}

/// The agent that a path names, `/a2a/{agent}` or its card below; `Err` if no agent can have that name.
#[must_use]
pub fn at(path: &str) -> Option<Result<(Name, Verb), ()>> {
    let name = path.strip_prefix("/a2a/")?;
    let (name, verb) = name.strip_suffix(CARD).map_or((name, Verb::Tell), |name| (name, Verb::Card));
    let name = Name::new(name).map_err(drop);
    Some(name.and_then(|name| if name.as_str().contains('/') { Err(()) } else { Ok((name, verb)) }))
}

impl Voice for A2a {
    fn api(&self) -> Option<(Dialect, &'static str)> {
        None
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let metadata = || self.opened_by.as_ref().map(|base| base.metadata(&self.path()));
        refuse::whole(self.verb, self.asked.get(), metadata, refusal, request)
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        sse::write(None, refuse::body(self.asked.get(), refusal, request).to_string().as_bytes())
    }

    fn is_own_word(&self, word: &str) -> bool {
        const WORDS: [&str; 29] = [
            "jsonrpc",
            "id",
            "method",
            "params",
            "result",
            "error",
            "message",
            "configuration",
            "metadata",
            "skillId",
            "messageId",
            "contextId",
            "taskId",
            "role",
            "parts",
            "extensions",
            "referenceTaskIds",
            "text",
            "raw",
            "url",
            "data",
            "filename",
            "mediaType",
            "historyLength",
            "acceptedOutputModes",
            "returnImmediately",
            "task",
            "artifacts",
            "status",
        ];
        WORDS.contains(&word)
    }
}

impl Protocol for A2a {
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

    fn understand(&self, head: &Head, document: &Document<'_>, _snapshot: &Snapshot) -> Result<Understood, Refusal> {
        read::understood(self, head, document)
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
        passed.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
        passed
    }

    fn view(&self, document: &Document<'_>, _name: Option<&str>, in_stream: bool) -> AnswerView {
        come::view(self, document, in_stream)
    }

    fn ended(&self) -> Result<(), Refusal> {
        if self.is_answered.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, "a request was not answered"))
    }

    fn is_end_mark(&self, _data: &[u8]) -> bool {
        false
    }

    fn events(&self, limit: usize) -> Events {
        Events::over(SseReader::new(limit))
    }

    fn rewrite(&self, _event: &StreamEvent, data: &[u8]) -> Bytes {
        // Events of this protocol have no names, and nobody comes back to one by its id.
        sse::write(None, data)
    }

    fn opened(&self, names: &[(String, String)]) {
        let ids = self.ids.get_or_init(|| names.to_vec());
        let own = |sealed: Option<&String>| ids.iter().find(|(_, known)| Some(known) == sealed).map(|(id, _)| id.clone());
        let asked = self.asked.get().cloned().unwrap_or_default();
        let expected = ::a2a::Expected { task: own(asked.task.as_ref()), context: own(asked.context.as_ref()) };
        let course = asked.method.map(|method| Course::new(method, expected));
        *self.course.lock().unwrap_or_else(PoisonError::into_inner) = course;
    }

    fn agent_card(&self, card: &Card, skills: &BTreeSet<String>) -> Option<Value> {
        let url = self.base.as_ref()?.url(&self.path());
        Some(card.served(&url, |skill| skills.contains(skill)))
    }
}
