//! Refusals as JSON-RPC errors: what a client's session outlives.
//!
//! A refused message is answered with status 200 and an error, like one that a server has failed at. Other statuses are for what
//! the transport gives them: who is not known (401), a page of another origin (403), what is no message of a revision that is
//! spoken (400), a method that nobody has (404), a session that has ended (404), a gate that serves nobody now (503).

use bytes::Bytes;
use engine::Opening;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp::{Id, Version};
use model::{ReasonCode, Refusal, RequestId};
use serde_json::{Map, Value, json};

use super::Asked;
use crate::access::requests::time;
use crate::dialect;

/// The gate's own code for everything that JSON-RPC and MCP have none for; outside of the ranges that these reserve. What exactly,
/// says `data.reason`.
const REFUSED: i64 = 1403;

/// A refusal as a whole answer.
pub(super) fn whole(
    asked: Option<&Asked>,
    opening: &Opening,
    refusal: &Refusal,
    request: RequestId,
) -> (StatusCode, HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
        .extend(HeaderValue::from_str(&request.to_string()).ok().map(|id| (http::HeaderName::from_static("x-request-id"), id)));
    if refusal.code == ReasonCode::MethodNotAllowed {
        headers.insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    }
    let status = status(asked, refusal.code);
    if status == StatusCode::UNAUTHORIZED || refusal.code == ReasonCode::InsufficientScope {
        headers.insert(http::header::WWW_AUTHENTICATE, challenge(opening, refusal));
    }
    (status, headers, Bytes::from(body(asked, refusal, request).to_string()))
}

/// Which credential is wanted (RFC 6750, section 3), with which scopes, and where stands whose (RFC 9728, section 5.1).
pub(crate) fn challenge(opening: &Opening, refusal: &Refusal) -> HeaderValue {
    let plain = HeaderValue::from_static("Bearer");
    let Some(metadata) = &opening.metadata else { return plain };
    let (error, scopes) = match refusal.code {
        // Who has shown nothing is told of no error.
        ReasonCode::CredentialMissing => ("", opening.scopes.as_str()),
        ReasonCode::InsufficientScope => (r#"error="insufficient_scope", "#, refusal.detail.as_deref().unwrap_or_default()),
        _ => (r#"error="invalid_token", "#, opening.scopes.as_str()),
    };
    let scope = if scopes.is_empty() { String::new() } else { format!(r#"scope="{scopes}", "#) };
    HeaderValue::from_str(&format!(r#"Bearer {error}{scope}resource_metadata="{metadata}""#)).unwrap_or(plain)
}

/// A refusal as an error of JSON-RPC.
pub(super) fn body(asked: Option<&Asked>, refusal: &Refusal, request: RequestId) -> Value {
    let code = refusal.code;
    let mut data = Map::new();
    data.insert("reason".to_owned(), json!(code.as_str()));
    data.insert("retryable".to_owned(), json!(code.is_retryable()));
    data.insert("request".to_owned(), json!(request.to_string()));
    data.insert("docs".to_owned(), json!(format!("docs/reasons/{code}.md")));
    data.extend(refusal.detail.as_ref().map(|detail| ("detail".to_owned(), json!(detail))));
    if let Some(awaited) = &refusal.awaited {
        // The same call again, in the same task, finds out what was answered.
        data.insert("approval".to_owned(), json!(awaited.id));
        data.insert("expires".to_owned(), json!(time(awaited.ends)));
        data.insert("retry_after".to_owned(), json!(awaited.retry_after));
    }
    if code == ReasonCode::ProtocolVersionUnsupported {
        // Older revisions are agreed on in a handshake, not request by request.
        let supported = Version::ALL
            .into_iter()
            .filter(|version| asked.is_none_or(|asked| asked.requested.is_none()) || version.is_stateless());
        data.insert("supported".to_owned(), json!(supported.map(Version::as_str).collect::<Vec<_>>()));
        data.extend(asked.and_then(|asked| asked.requested.as_ref()).map(|told| ("requested".to_owned(), json!(told))));
    }
    if matches!(code, ReasonCode::DocumentNotFound | ReasonCode::AddressInvalid) {
        data.extend(asked.and_then(|asked| asked.uri.as_ref()).map(|uri| ("uri".to_owned(), json!(uri))));
    }
    let mut body = Map::new();
    body.insert("jsonrpc".to_owned(), json!("2.0"));
    match asked.and_then(|asked| asked.id.as_ref()) {
        Some(Id::Number(number)) => drop(body.insert("id".to_owned(), json!(number))),
        Some(Id::Text(text)) => drop(body.insert("id".to_owned(), json!(text))),
        // Revision 2026-07-28 leaves the id off where it could not be read; JSON-RPC itself says null.
        None if is_stateless(asked) => {}
        None => drop(body.insert("id".to_owned(), Value::Null)),
    }
    body.insert("error".to_owned(), json!({"code": number(asked, code), "message": code.text(), "data": data}));
    Value::Object(body)
}

fn is_stateless(asked: Option<&Asked>) -> bool {
    asked.and_then(|asked| asked.version).is_some_and(Version::is_stateless)
}

fn number(asked: Option<&Asked>, code: ReasonCode) -> i64 {
    use ReasonCode as C;
    match code {
        // A number of its own until 2026-07-28, and for resources alone.
        C::DocumentNotFound if !is_stateless(asked) && asked.is_some_and(|asked| asked.uri.is_some()) => -32002,
        C::BodyMalformed | C::BodyNotUtf8 | C::BodyTooDeep | C::KeyDuplicate | C::SurrogateInvalid => -32700,
        C::MessageInvalid => -32600,
        C::RpcMethodUnknown => -32601,
        C::FieldMissing | C::FieldType | C::DocumentNotFound | C::AddressInvalid | C::StateUnknown => -32602,
        C::HeaderMismatch => -32020,
        C::ProtocolVersionUnsupported => -32022,
        C::Internal | C::DutyImpossible => -32603,
        _ => REFUSED,
    }
}

fn status(asked: Option<&Asked>, code: ReasonCode) -> StatusCode {
    use ReasonCode as C;
    let own = dialect::status(code);
    let is_answered = asked.is_some_and(|asked| asked.id.is_some());
    match code {
        // Before 2026-07-28 an unknown method is an error like every other.
        C::RpcMethodUnknown if is_stateless(asked) || !is_answered => own,
        C::HeaderMismatch | C::ProtocolVersionUnsupported | C::MessageInvalid | C::SessionUnknown | C::HostNotAllowed => own,
        // Asks the client's OAuth for more, and ends no session.
        C::InsufficientScope => own,
        C::FieldMissing if is_stateless(asked) => own,
        _ if own == StatusCode::UNAUTHORIZED || code == C::Overloaded || code == C::Draining => own,
        _ if is_answered => StatusCode::OK,
        _ => own,
    }
}
