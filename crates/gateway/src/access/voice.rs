//! Refusals of whole requests as `AuthZEN` has them, and the caller's own request id.

use bytes::Bytes;
use engine::ports::Voice;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{ReasonCode, Refusal, RequestId};

/// The caller's id of a request, told back as it came.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The gate's own id of a request, under which it stands in the log.
const OWN_ID: HeaderName = HeaderName::from_static("x-portcullis-request-id");
/// Longest id of a caller's, in bytes.
const MAX_ID: usize = 256;

/// Speaks to one request.
#[derive(Debug, Clone)]
pub struct AccessVoice {
    /// The caller's id, if it told one.
    echo: Option<HeaderValue>,
    /// Whether it told one that cannot be told back.
    is_odd: bool,
}

impl AccessVoice {
    /// For a request with these headers.
    #[must_use]
    pub fn new(headers: &HeaderMap) -> Self {
        let mut told = headers.get_all(REQUEST_ID).iter();
        let (first, second) = (told.next(), told.next());
        let is_plain =
            |value: &&HeaderValue| value.len() <= MAX_ID && value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~'));
        let echo = first.filter(|value| is_plain(value) && second.is_none()).cloned();
        Self { is_odd: first.is_some() && echo.is_none(), echo }
    }

    /// Refuses an id that cannot be told back.
    ///
    /// # Errors
    /// It is too long, not plain ASCII, or there are two.
    pub fn check(&self) -> Result<(), Refusal> {
        let what =
            || Refusal::because(ReasonCode::HeaderRefused, format!("x-request-id: expected one of at most {MAX_ID} bytes"));
        if self.is_odd { Err(what()) } else { Ok(()) }
    }

    /// The headers of every answer.
    //= https://openid.net/specs/authorization-api-1_0.html#section-10.1.3
    //# The request identifier value returned by the PDP MUST be identical
    #[must_use]
    pub fn headers(&self, request: Option<RequestId>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let own = request.and_then(|id| HeaderValue::from_str(&id.to_string()).ok());
        if let Some(id) = self.echo.clone().or_else(|| own.clone()) {
            headers.insert(REQUEST_ID, id);
        }
        headers.extend(own.map(|id| (OWN_ID, id)));
        headers
    }
}

impl Voice for AccessVoice {
    fn api(&self) -> Option<(model::Dialect, &'static str)> {
        None
    }

    //= https://openid.net/specs/authorization-api-1_0.html#section-10.1.2
    //# An error message string
    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let status = status(refusal.code);
        let mut headers = self.headers(Some(request));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(HeaderName::from_static("x-portcullis-reason"), HeaderValue::from_static(refusal.code.as_str()));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"portcullis\""));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        let code = refusal.code;
        let text = format!("{code}: {refusal} ({request}, docs/reasons/{code}.md)\n");
        (status, headers, Bytes::from(text))
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        // Nothing here is a stream.
        self.refusal(refusal, request).2
    }

    fn is_own_word(&self, word: &str) -> bool {
        const WORDS: [&str; 14] = [
            "subject",
            "action",
            "resource",
            "context",
            "properties",
            "type",
            "id",
            "name",
            "evaluations",
            "options",
            "evaluations_semantic",
            "page",
            "limit",
            "token",
        ];
        WORDS.contains(&word)
    }
}

/// The status of a refusal. What a policy says is no refusal of a request: it is an answer.
pub(super) const fn status(code: ReasonCode) -> StatusCode {
    use ReasonCode as C;
    match code {
        C::CredentialMissing
        | C::CredentialUnknown
        | C::CredentialExpired
        | C::CredentialRevoked
        | C::CredentialLocked
        | C::CredentialWrongPlane
        | C::TokenMalformed
        | C::TokenUnverified
        | C::TokenAudienceWrong
        | C::TokenNotYetValid
        | C::TokenBound
        | C::TwoCredentials => StatusCode::UNAUTHORIZED,
        C::PepUnregistered | C::QuestionRefused | C::PrincipalLocked | C::GateLocked => StatusCode::FORBIDDEN,
        C::RouteUnknown | C::QuestionUnknown | C::PrincipalUnknown => StatusCode::NOT_FOUND,
        C::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        C::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        C::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        C::Overloaded | C::SearchLimit | C::ApprovalLimit => StatusCode::TOO_MANY_REQUESTS,
        C::EvidenceUnavailable | C::RulesPending | C::Draining | C::IssuerKeysStale => StatusCode::SERVICE_UNAVAILABLE,
        C::Internal | C::PolicyError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}
