//! The endpoints of the gate as an issuer: their paths, and refusals as RFC 6749 (section 5.2) has them.

use budget::Allowance;
use bytes::Bytes;
use engine::ports::{Step, Voice};
use engine::{Endpoint, Publication};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use identity::Secret;
use model::{Name, ReasonCode, Refusal, RequestId};
use serde_json::json;

use crate::dialect::allowance;

/// The endpoint at a path, and the method that it takes.
#[must_use]
pub fn at(path: &str) -> Option<(Endpoint, Method)> {
    match path {
        "/oauth/token" => Some((Endpoint::Token, Method::POST)),
        "/oauth/introspect" => Some((Endpoint::Introspect, Method::POST)),
        "/oauth/revoke" => Some((Endpoint::Revoke, Method::POST)),
        "/oauth/jwks" => Some((Endpoint::Publish(Publication::Keys), Method::GET)),
        "/.well-known/oauth-authorization-server" => Some((Endpoint::Publish(Publication::Metadata), Method::GET)),
        _ => None,
    }
}

/// The page at a path on the way to a connection with an upstream.
#[must_use]
pub fn step(path: &str, is_post: bool) -> Option<Step> {
    let rest = path.strip_prefix("/oauth/")?;
    if let Some(upstream) = rest.strip_prefix("callback/").filter(|_| !is_post) {
        return Name::new(upstream).ok().map(Step::Return);
    }
    let ticket = rest.strip_prefix("connect/").filter(|ticket| !ticket.contains('/'))?;
    // Whoever knows it is let in, so it is treated as a secret from here on.
    let ticket = Secret::new(ticket.to_owned());
    Some(if is_post { Step::Begin(ticket) } else { Step::Show(ticket) })
}

/// Tells refusals as OAuth clients read them: `error` is the standard's, `code` and `request_id` are ours.
#[derive(Debug, Clone, Copy)]
pub struct OauthVoice;

impl Voice for OauthVoice {
    fn api(&self) -> Option<(model::Dialect, &'static str)> {
        None
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let (status, error) = told(refusal);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"portcullis\""));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        let description = format!("{refusal} (docs/reasons/{}.md)", refusal.code);
        let description: String = description.chars().map(plain).collect();
        let body = json!({"error": error, "error_description": description, "code": refusal.code, "request_id": request});
        (status, headers, Bytes::from(body.to_string()))
    }

    fn allow(&self, allowance: &Allowance, headers: &mut HeaderMap) {
        allowance::retry_after(allowance, headers);
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        // Nothing here is a stream.
        self.refusal(refusal, request).2
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-5.2
//# Values for the "error_description" parameter MUST NOT include characters outside the set %x20-21 / %x23-5B / %x5D-7E.
fn plain(letter: char) -> char {
    match letter {
        '"' | '\\' | '`' => '\'',
        ' '..='~' => letter,
        _ => '?',
    }
}

/// The status and the standard's word for it.
fn told(refusal: &Refusal) -> (StatusCode, &'static str) {
    use ReasonCode as C;
    let parameter = refusal.detail.as_deref().and_then(|detail| detail.split_once(':')).map_or("", |(parameter, _)| parameter);
    let bad = StatusCode::BAD_REQUEST;
    match (refusal.code, parameter) {
        (C::RouteUnknown, _) => (StatusCode::NOT_FOUND, "invalid_request"),
        (C::MethodNotAllowed, _) => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
        (C::BodyTooLarge, _) => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
        (C::BodyTimeout, _) => (StatusCode::REQUEST_TIMEOUT, "invalid_request"),
        (C::Overloaded | C::RequestLimit | C::ConcurrencyLimit | C::BudgetSpent, _) => {
            (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable")
        }
        (C::EvidenceUnavailable | C::Draining, _) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        (C::IssuerKeysStale, _) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        (C::Internal, _) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        (C::GrantMalformed | C::GrantExceeded, _) => (bad, "invalid_authorization_details"),
        (C::ExchangeRefused, "grant_type") => (bad, "unsupported_grant_type"),
        (C::ExchangeRefused, "scope") => (bad, "invalid_scope"),
        (C::ExchangeRefused, "audience" | "resource") => (bad, "invalid_target"),
        (C::ExchangeRefused, "token") => (bad, "unsupported_token_type"),
        //= https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2
        //# If the request itself is not valid or if either the "subject_token" or "actor_token" are invalid for any reason, or are unacceptable based on policy, the authorization server MUST construct an error response, as specified in Section 5.2 of [RFC6749]. The value of the "error" parameter MUST be the "invalid_request" error code.
        (_, "subject_token") | (C::ExchangeRefused | C::TwoCredentials, _) => (bad, "invalid_request"),
        (
            C::CredentialMissing
            | C::CredentialUnknown
            | C::CredentialExpired
            | C::CredentialRevoked
            | C::CredentialLocked
            | C::CredentialWrongPlane
            | C::PrincipalLocked
            | C::GateLocked,
            _,
        ) => (StatusCode::UNAUTHORIZED, "invalid_client"),
        // Policy said no, to a request that is as it should be.
        _ => (bad, "invalid_request"),
    }
}

#[cfg(test)]
mod tests {
    use engine::ports::Voice;
    use model::{ReasonCode, Refusal, RequestId, UnixMillis};
    use serde_json::Value;

    use super::OauthVoice;

    #[test]
    fn refusals_as_oauth_clients_read_them() {
        let facts = [
            (Refusal::new(ReasonCode::CredentialUnknown), 401, "invalid_client"),
            (Refusal::because(ReasonCode::CredentialExpired, "subject_token: the token has expired"), 400, "invalid_request"),
            (Refusal::because(ReasonCode::ExchangeRefused, "grant_type: expected x"), 400, "unsupported_grant_type"),
            (Refusal::because(ReasonCode::ExchangeRefused, "audience: x"), 400, "invalid_target"),
            (Refusal::because(ReasonCode::GrantExceeded, "authorization_details: x"), 400, "invalid_authorization_details"),
            (Refusal::new(ReasonCode::PolicyDenied), 400, "invalid_request"),
            (Refusal::new(ReasonCode::RequestLimit), 429, "temporarily_unavailable"),
            (Refusal::new(ReasonCode::EvidenceUnavailable), 503, "temporarily_unavailable"),
        ];
        let request = RequestId::new(UnixMillis(0), [0; 10]);
        for (refusal, status, error) in facts {
            let (told, headers, body) = OauthVoice.refusal(&refusal, request);
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((told.as_u16(), body["error"].as_str()), (status, Some(error)), "{refusal}");
            assert_eq!(headers["cache-control"], "no-store");
            let description = body["error_description"].as_str().unwrap();
            assert!(description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{description}");
        }
    }
}
