//! Refusals as JSON-RPC errors, as clients of this protocol read them.
//!
//! A refused message is answered with status 200 and an error. `error.data` is a list of objects with `@type`, as the protocol has it:
//! the one of the gate says which reason it is, and under which id it stands in the log. Other statuses are for what the transport
//! gives them: who is not known (401), a page of another origin (403), a gate that serves nobody now (503).

use ::a2a::Method;
use bytes::Bytes;
use engine::Opening;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp::Id;
use model::{ReasonCode, Refusal, RequestId};
use serde_json::{Map, Value, json};

use super::{Asked, Verb};
use crate::access::requests::time;
use crate::dialect;
use crate::mcp::challenge;

/// The gate's own code for everything that JSON-RPC and the protocol have none for; outside of the ranges that these reserve.
const REFUSED: i64 = 1403;
/// The type that the protocol's clients look for among the data of an error.
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// A refusal as a whole answer.
pub(super) fn whole(
    verb: Verb,
    asked: Option<&Asked>,
    metadata: impl FnOnce() -> Option<String>,
    refusal: &Refusal,
    request: RequestId,
) -> (StatusCode, HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let id = HeaderValue::from_str(&request.to_string()).ok();
    headers.extend(id.map(|id| (HeaderName::from_static("x-request-id"), id)));
    if refusal.code == ReasonCode::MethodNotAllowed {
        headers.insert(ALLOW, HeaderValue::from_static(if verb == Verb::Card { "GET" } else { "POST" }));
    }
    let status = status(verb, asked, refusal.code);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, challenge(&Opening { metadata: metadata(), ..Opening::default() }, refusal));
    }
    (status, headers, Bytes::from(body(asked, refusal, request).to_string()))
}

/// A refusal as an error of JSON-RPC.
pub(super) fn body(asked: Option<&Asked>, refusal: &Refusal, request: RequestId) -> Value {
    let code = refusal.code;
    // Values of these are texts, as the protocol's type has it.
    let mut said = Map::new();
    said.insert("reason".to_owned(), json!(code.as_str()));
    said.insert("retryable".to_owned(), json!(code.is_retryable().to_string()));
    said.insert("request".to_owned(), json!(request.to_string()));
    said.insert("docs".to_owned(), json!(format!("docs/reasons/{code}.md")));
    said.extend(refusal.detail.as_ref().map(|detail| ("detail".to_owned(), json!(detail))));
    if let Some(awaited) = &refusal.awaited {
        said.insert("approval".to_owned(), json!(awaited.id));
        said.insert("expires".to_owned(), json!(time(awaited.ends)));
        said.insert("retry_after".to_owned(), json!(awaited.retry_after.to_string()));
    }
    if code == ReasonCode::ProtocolVersionUnsupported {
        said.insert("supported".to_owned(), json!(::a2a::VERSION));
    }
    let reason = code.as_str().replace('-', "_").to_ascii_uppercase();
    let info = json!({"@type": ERROR_INFO, "reason": reason, "domain": "portcullis", "metadata": said});
    let id = match asked.and_then(|asked| asked.id.as_ref()) {
        Some(Id::Number(number)) => json!(number),
        Some(Id::Text(text)) => json!(text),
        None => Value::Null,
    };
    // Clients show the message, and few show more.
    let message = format!("{code}: {}", code.text());
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": number(asked, code), "message": message, "data": [info]}})
}

//= https://a2a-protocol.org/v1.0.0/specification#54-error-code-mappings
//# All A2A-specific errors defined in Section 3.3.2 MUST be mapped to binding-specific error representations.
fn number(asked: Option<&Asked>, code: ReasonCode) -> i64 {
    use ReasonCode as C;
    let method = asked.and_then(|asked| asked.method);
    let is_push = matches!(method, Some(Method::CreatePush | Method::GetPush | Method::ListPush | Method::DeletePush));
    match code {
        C::BodyMalformed | C::BodyNotUtf8 | C::BodyTooDeep | C::KeyDuplicate | C::SurrogateInvalid => -32700,
        C::MessageInvalid => -32600,
        C::RpcMethodUnknown if is_push => -32003,
        C::RpcMethodUnknown if method == Some(Method::ExtendedCard) => -32007,
        // The protocol has it, and the agent behind does not.
        C::RpcMethodUnknown if method.is_some() => -32004,
        C::RpcMethodUnknown => -32601,
        C::FieldMissing | C::FieldType | C::FieldUnknown | C::RemoteMalformed => -32602,
        C::StateUnknown => -32001,
        C::ProtocolVersionUnsupported => -32009,
        C::UpstreamResponseInvalid => -32006,
        C::Internal | C::DutyImpossible => -32603,
        _ => REFUSED,
    }
}

fn status(verb: Verb, asked: Option<&Asked>, code: ReasonCode) -> StatusCode {
    let own = dialect::status(code);
    let is_answered = verb == Verb::Tell && asked.is_some_and(|asked| asked.id.is_some());
    match code {
        ReasonCode::HostNotAllowed => own,
        _ if own == StatusCode::UNAUTHORIZED || code == ReasonCode::Overloaded || code == ReasonCode::Draining => own,
        _ if is_answered => StatusCode::OK,
        _ => own,
    }
}
