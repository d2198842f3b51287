//! What a tool server announces, asked by the gate itself: nobody's call, nobody's credential but the gate's own.
//!
//! INVARIANT: nothing is sent here but constant texts, the name of a session and the cursor that the server has given for the next
//! page of its list; nothing that comes back reaches a caller.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use engine::ports::{EventReader, ReplyBody, ReplyHead, SendError};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mcp::{Announced, Body, Id, MAX_ANNOUNCED, Message, PageError, Pages, Version, meta};
use model::Name;
use serde_json::{Value, json};
use text::{Document, Limits, NodeId};

use crate::mcp::introduction;
use crate::sse::SseReader;
use crate::upstream::{HttpReplyBody, HttpUpstreams};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Longest name of a session, in bytes.
const LONGEST_SESSION: usize = 256;
/// Longest time for all pages.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest time for the end of a session, of which nobody needs to know.
const FAREWELL: Duration = Duration::from_secs(2);
/// Room for what stands around a list.
const AROUND: usize = 64 << 10;

/// One thing that the gate asks of a tool server by itself.
#[derive(Debug)]
pub struct Question {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a server could not be asked. Holds nothing that the server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// No connection, or it broke off.
    #[error("it cannot be reached")]
    Unreachable,
    /// Too slow.
    #[error("it does not answer in time")]
    Late,
    /// Its credential is somebody's own, and the gate has none.
    #[error("it takes no credential but those of users or agents, so nobody can ask for all of them")]
    Credential,
    /// Another status than one of success.
    #[error("it answers with status {0}")]
    Status(u16),
    /// It says that it does not know what it was asked.
    #[error("it answers with an error")]
    Error,
    /// Bytes that are no answer, or none to the question.
    #[error("its answer cannot be read")]
    Unreadable,
    /// Its list is none, or has no end.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl Unasked {
    /// Whether it may speak another revision than it was asked in.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::Status(_) | Self::Error | Self::Unreadable | Self::Page(PageError::NoList))
    }
}

/// What was heard, and why it is not everything.
#[derive(Debug)]
pub struct Heard {
    /// The tools on the pages that came.
    pub announced: Announced,
    /// Why there is not more; `None` if this is everything.
    pub missing: Option<Unasked>,
}

/// Asks a server for all pages of its list, in this revision.
///
/// # Errors
/// [`Unasked`]: not even the first page came.
pub async fn ask(upstreams: &HttpUpstreams, upstream: &Name, version: Version) -> Result<Heard, Unasked> {
    let asking = Asking { upstreams, upstream };
    let late = |_| Unasked::Late;
    if version.is_stateless() {
        let told = Told { version, session: None };
        let mut pages = Pages::default();
        let read = tokio::time::timeout(PATIENCE, asking.pages(&told, &mut pages)).await;
        return heard(pages, read.map_err(late).flatten());
    }
    let told = tokio::time::timeout(PATIENCE, asking.begin(version)).await.map_err(late).flatten()?;
    let mut pages = Pages::default();
    let read = tokio::time::timeout(PATIENCE, asking.pages(&told, &mut pages)).await;
    // Whatever came of it: a server that keeps sessions does not keep one more for each look.
    tokio::time::timeout(FAREWELL, asking.end(&told)).await.ok();
    heard(pages, read.map_err(late).flatten())
}

fn heard(pages: Pages, read: Result<(), Unasked>) -> Result<Heard, Unasked> {
    match read {
        Ok(()) => Ok(Heard { announced: pages.end(true)?, missing: None }),
        Err(missing) if pages.has_begun() => Ok(Heard { announced: pages.end(false)?, missing: Some(missing) }),
        Err(missing) => Err(missing),
    }
}

/// In which revision and session a question is told.
#[derive(Debug)]
struct Told {
    version: Version,
    session: Option<HeaderValue>,
}

impl Told {
    fn headers(&self, method: Option<&'static str>) -> HeaderMap {
        let mut headers = plain();
        headers.insert(VERSION, HeaderValue::from_static(self.version.as_str()));
        if self.version.is_stateless() {
            headers.extend(method.map(|method| (METHOD, HeaderValue::from_static(method))));
        }
        headers.extend(self.session.clone().map(|session| (SESSION, session)));
        headers
    }
}

fn plain() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"))])
}

struct Asking<'a> {
    upstreams: &'a HttpUpstreams,
    upstream: &'a Name,
}

impl Asking<'_> {
    /// Follows the pages to the last one.
    async fn pages(&self, told: &Told, pages: &mut Pages) -> Result<(), Unasked> {
        let mut cursor = None;
        for number in 1_i64.. {
            let body = Bytes::from(list(told.version, number, cursor.as_deref()).to_string());
            let question = Question { method: Method::POST, headers: told.headers(Some("tools/list")), body };
            let (head, reply) = self.send(question).await?;
            let take = |document: &Document<'_>, result: NodeId| pages.take(document, result).map_err(Unasked::from);
            cursor = answered(&head, reply, number, take).await?;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Begins a session.
    async fn begin(&self, version: Version) -> Result<Told, Unasked> {
        let [begin, end] = introduction(version);
        let (head, reply) = self.send(Question { method: Method::POST, headers: plain(), body: begin }).await?;
        let session = head.headers.get(SESSION).cloned();
        let is_plain = |session: &HeaderValue| {
            (1..=LONGEST_SESSION).contains(&session.len()) && session.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        if !session.as_ref().is_none_or(is_plain) {
            return Err(Unasked::Unreadable);
        }
        let agreed = answered(&head, reply, 0, |document, result| {
            let told = document.get(result, "protocolVersion").and_then(|told| document.text(told));
            told.and_then(|told| Version::named(&told)).filter(|told| !told.is_stateless()).ok_or(Unasked::Unreadable)
        });
        let told = Told { version: agreed.await?, session };
        let (head, _) = self.send(Question { method: Method::POST, headers: told.headers(None), body: end }).await?;
        if head.status.is_success() { Ok(told) } else { Err(Unasked::Status(head.status.as_u16())) }
    }

    async fn end(&self, told: &Told) {
        if told.session.is_some() {
            let question = Question { method: Method::DELETE, headers: told.headers(None), body: Bytes::new() };
            self.send(question).await.ok();
        }
    }

    async fn send(&self, question: Question) -> Result<(ReplyHead, HttpReplyBody), Unasked> {
        self.upstreams.ask(self.upstream, &question).await.map_err(of_send)
    }
}

const fn of_send(error: SendError) -> Unasked {
    match error {
        SendError::Unreachable | SendError::BrokeOff => Unasked::Unreachable,
        SendError::Timeout => Unasked::Late,
        SendError::Malformed => Unasked::Unreadable,
    }
}

/// The question for a page.
fn list(version: Version, number: i64, cursor: Option<&str>) -> Value {
    let mut params = json!({});
    if version.is_stateless() {
        params = json!({"_meta": {meta::PROTOCOL_VERSION: version.as_str(), meta::CLIENT_CAPABILITIES: {}}});
    }
    if let (Some(cursor), Some(params)) = (cursor, params.as_object_mut()) {
        params.insert("cursor".to_owned(), cursor.into());
    }
    json!({"jsonrpc": "2.0", "id": number, "method": mcp::Method::ListTools.as_str(), "params": params})
}

/// What `read` makes of the result that answers the question of this number. Of a stream nothing else counts.
async fn answered<T>(
    head: &ReplyHead,
    mut body: HttpReplyBody,
    number: i64,
    mut read: impl FnMut(&Document<'_>, NodeId) -> Result<T, Unasked>,
) -> Result<T, Unasked> {
    if head.status != StatusCode::OK {
        return Err(Unasked::Status(head.status.as_u16()));
    }
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_stream = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream");
    let most = MAX_ANNOUNCED.saturating_add(AROUND);
    let mut reader = SseReader::new(most);
    let (mut whole, mut events, mut n_bytes) = (BytesMut::new(), Vec::new(), 0_usize);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(of_send)?;
        n_bytes = n_bytes.saturating_add(piece.len());
        if n_bytes > most {
            return Err(PageError::TooLong.into());
        }
        if !is_stream {
            whole.extend_from_slice(&piece);
            continue;
        }
        reader.push(&piece, &mut events).map_err(|_| Unasked::Unreadable)?;
        for data in events.drain(..).filter_map(|event| event.data).filter(|data| !data.is_empty()) {
            if let Some(answer) = result_of(&data, number, &mut read) {
                return answer;
            }
        }
    }
    if is_stream { Err(Unasked::Unreadable) } else { result_of(&whole, number, &mut read).unwrap_or(Err(Unasked::Unreadable)) }
}

/// `None` for a message that is no answer.
fn result_of<T>(
    message: &[u8],
    number: i64,
    read: &mut impl FnMut(&Document<'_>, NodeId) -> Result<T, Unasked>,
) -> Option<Result<T, Unasked>> {
    let Ok(document) = Document::parse(message, &Limits::default()) else { return Some(Err(Unasked::Unreadable)) };
    let Ok(message) = Message::read(&document) else { return Some(Err(Unasked::Unreadable)) };
    match &message.body {
        Body::Result { id, result } if *id == Id::Number(number) => Some(read(&document, *result)),
        Body::Error { .. } => Some(Err(Unasked::Error)),
        Body::Result { .. } => Some(Err(Unasked::Unreadable)),
        Body::Request { .. } | Body::Notification { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use mcp::Version;

    use super::{Unasked, list, result_of};

    #[test]
    fn only_the_answer_to_the_question_is_read() {
        let read =
            |message: &str| result_of(message.as_bytes(), 2, &mut |document, result| Ok(document.lexeme(result).to_owned()));
        let facts = [
            (r#"{"jsonrpc":"2.0","id":2,"result":{"a":1}}"#, Some(Ok(r#"{"a":1}"#.to_owned()))),
            (r#"{"jsonrpc":"2.0","id":3,"result":{}}"#, Some(Err(Unasked::Unreadable))),
            (r#"{"jsonrpc":"2.0","id":"2","result":{}}"#, Some(Err(Unasked::Unreadable))),
            (r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"x"}}"#, Some(Err(Unasked::Error))),
            (r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":2,"id":2,"result":{}}"#, Some(Err(Unasked::Unreadable))),
            ("[]", Some(Err(Unasked::Unreadable))),
            ("", Some(Err(Unasked::Unreadable))),
        ];
        for (message, expected) in facts {
            assert_eq!(read(message), expected, "{message}");
        }
    }

    #[test]
    fn a_question_says_its_revision_and_where_it_goes_on() {
        let meta =
            r#""_meta":{"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let facts = [
            (Version::V2025_11_25, None, "{}".to_owned()),
            (Version::V2025_06_18, Some("a\"\u{1b}"), r#"{"cursor":"a\"\u001b"}"#.to_owned()),
            (Version::V2026_07_28, None, format!("{{{meta}}}")),
            (Version::V2026_07_28, Some("x"), format!(r#"{{{meta},"cursor":"x"}}"#)),
        ];
        for (version, cursor, params) in facts {
            let expected = format!(r#"{{"id":7,"jsonrpc":"2.0","method":"tools/list","params":{params}}}"#);
            let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
            assert_eq!(list(version, 7, cursor), expected, "{version} {cursor:?}");
        }
    }
}
