//! Refusals in the providers' shapes: one place maps reason codes to statuses, and one per dialect writes the body.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::ReasonCode as C;
use model::{Dialect, ReasonCode, Refusal, RequestId};
use serde_json::{Value, json};

/// The status for a code.
///
/// Chosen so that the official SDKs raise their own exceptions: 401 `AuthenticationError`, 403 `PermissionDeniedError`,
/// 404 `NotFoundError`, 400 `BadRequestError`, 429 `RateLimitError`, from 500 on `InternalServerError`.
#[expect(clippy::too_many_lines, reason = "a table: one row per code")]
pub(super) const fn status(code: ReasonCode) -> StatusCode {
    match code {
        C::CredentialMissing
        | C::CredentialUnknown
        | C::CredentialExpired
        | C::CredentialRevoked
        | C::CredentialWrongPlane
        | C::TokenMalformed
        | C::TokenUnverified
        | C::TokenAudienceWrong
        | C::TokenNotYetValid
        | C::TokenBound => StatusCode::UNAUTHORIZED,
        C::CredentialLocked
        | C::ToolLocked
        | C::ToolQuarantined
        | C::PrincipalUnknown
        | C::PrincipalLocked
        | C::ModelLocked
        | C::GateLocked
        | C::RoleInsufficient
        | C::HostNotAllowed
        | C::PepUnregistered
        | C::QuestionRefused
        | C::QuestionUnknown
        | C::ClientToolUnknown
        | C::ClientToolChanged
        | C::PolicyDenied
        | C::PolicyForbidden
        | C::PolicyError
        | C::AgentWithoutUser
        | C::PlaceUndeclared
        | C::LinkMissing
        | C::GrantExceeded
        | C::InsufficientScope
        | C::ConnectionMissing
        | C::ConnectionEnded
        | C::ApprovalRequired
        | C::ApprovalRefused
        | C::ApprovalNotRequestable
        | C::StepUpRequired
        | C::PostureRequired
        | C::PriceUnknown
        | C::ContentDenied
        | C::UninspectedDenied => StatusCode::FORBIDDEN,
        C::RouteUnknown
        | C::ModelNotFound
        | C::ToolNotFound
        | C::DocumentNotFound
        | C::AgentNotFound
        | C::RpcMethodUnknown
        | C::SessionUnknown
        | C::StoredNotFound
        | C::StoredUpstreamGone
        | C::ApprovalUnknown => StatusCode::NOT_FOUND,
        C::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        C::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        C::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        C::ContentTypeRefused | C::EncodingRefused => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        C::TwoCredentials
        | C::FramingAmbiguous
        | C::TlsExpected
        | C::TlsHandshakeFailed
        | C::HeaderRefused
        | C::BodyMalformed
        | C::BodyNotUtf8
        | C::BodyTooDeep
        | C::KeyDuplicate
        | C::KeyConfusable
        | C::SurrogateInvalid
        | C::FieldMissing
        | C::FieldType
        | C::FieldUnknown
        | C::PartUnknown
        | C::ToolTypeUnknown
        | C::StatefulIdRefused
        | C::BetaRefused
        | C::RemoteMalformed
        | C::GrantMalformed
        | C::ApprovalUnbound
        | C::ApprovalDenialExpired
        | C::ApprovalClosed
        | C::ApprovalKeyTaken
        | C::ExchangeRefused
        | C::MessageInvalid
        | C::ArgumentsInvalid
        | C::AmountUnknown
        | C::AddressInvalid
        | C::StateUnknown
        | C::ProtocolVersionUnsupported
        | C::HeaderMismatch
        | C::DialectNotSpoken => StatusCode::BAD_REQUEST,
        C::BodyTimeout | C::ClientTooSlow | C::ClientGone => StatusCode::REQUEST_TIMEOUT,
        C::Overloaded
        | C::SearchLimit
        | C::ApprovalLimit
        | C::RequestLimit
        | C::TokenLimit
        | C::ConcurrencyLimit
        | C::BudgetSpent
        | C::AmountLimit => StatusCode::TOO_MANY_REQUESTS,
        C::EvidenceUnavailable | C::RulesPending | C::Draining | C::IssuerKeysStale => StatusCode::SERVICE_UNAVAILABLE,
        C::UpstreamUnavailable
        | C::UpstreamRefusedGate
        | C::UpstreamResponseInvalid
        | C::UpstreamResponseTooLarge
        | C::UpstreamBrokeOff => StatusCode::BAD_GATEWAY,
        C::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        // Nothing was refused, so nothing should have come here.
        C::DutyImpossible | C::Internal | C::Permitted => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// See [`super::refusal`].
pub(super) fn refusal(dialect: Dialect, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), id.clone());
        if dialect == Dialect::Anthropic {
            headers.insert(HeaderName::from_static("request-id"), id);
        }
    }
    if refusal.code == ReasonCode::MethodNotAllowed
        && let Some(method) = refusal.detail.as_deref().and_then(|detail| detail.strip_prefix("use "))
        && let Ok(method) = HeaderValue::from_str(method)
    {
        headers.insert(ALLOW, method);
    }
    if let Some(seconds) = delay(refusal.code) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if !refusal.code.is_retryable() {
        headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
    }
    (status(refusal.code), headers, Bytes::from(body(dialect, refusal, request).to_string()))
}

/// See [`super::stream_refusal`].
pub(super) fn stream_refusal(dialect: Dialect, refusal: &Refusal, request: RequestId) -> Bytes {
    let body = body(dialect, refusal, request);
    Bytes::from(match dialect {
        Dialect::Openai => format!("data: {body}\n\n"),
        Dialect::Anthropic => format!("event: error\ndata: {body}\n\n"),
    })
}

/// Seconds after which another attempt makes sense.
const fn delay(code: ReasonCode) -> Option<u16> {
    match code {
        ReasonCode::Overloaded | ReasonCode::RulesPending | ReasonCode::UpstreamUnavailable => Some(1),
        ReasonCode::Draining | ReasonCode::EvidenceUnavailable | ReasonCode::IssuerKeysStale => Some(5),
        _ => None,
    }
}

fn body(dialect: Dialect, refusal: &Refusal, request: RequestId) -> Value {
    let message = format!("{refusal} (docs/reasons/{}.md)", refusal.code);
    match dialect {
        Dialect::Openai => {
            let (kind, code) = openai_names(refusal.code);
            json!({"error": {"message": message, "type": kind, "param": parameter(refusal), "code": code}})
        }
        Dialect::Anthropic => {
            let kind = anthropic_type(status(refusal.code));
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": request.to_string()})
        }
    }
}

/// The JSON Pointer with which the detail begins.
fn parameter(refusal: &Refusal) -> Option<&str> {
    let detail = refusal.detail.as_deref().filter(|detail| detail.starts_with('/'))?;
    detail.split(':').next()
}

/// Type and code. Clients of this API compare a few codes; everywhere else ours says more.
const fn openai_names(code: ReasonCode) -> (&'static str, &'static str) {
    match code {
        ReasonCode::ModelNotFound => (openai_type(StatusCode::NOT_FOUND), "model_not_found"),
        ReasonCode::RequestLimit | ReasonCode::ConcurrencyLimit => ("requests", "rate_limit_exceeded"),
        ReasonCode::TokenLimit => ("tokens", "rate_limit_exceeded"),
        ReasonCode::BudgetSpent => ("insufficient_quota", "insufficient_quota"),
        _ => (openai_type(status(code)), code.as_str()),
    }
}

const fn openai_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

const fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
