//! `envoy.service.auth.v3.Authorization/Check`: its request as a question, its answer.

use bytes::Bytes;
use engine::ports::{Answered, Asking, Head, Questions, Until, Voice};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{Point, ReasonCode, Refusal, RequestId, Verdict};

use super::wire::{Fields, Malformed, Message, Value, field};
use crate::access::forward::{about, verdict};
use crate::access::voice::AccessVoice;

/// Most headers of a request that is asked about.
const MAX_HEADERS: usize = 256;
/// `google.rpc.Code.PERMISSION_DENIED`.
const PERMISSION_DENIED: u64 = 7;
/// `HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD`: a header of this name that a client sent is gone.
const OVERWRITE: u64 = 2;

/// The request that is asked about.
#[derive(Debug, Clone)]
pub(super) struct Check {
    voice: AccessVoice,
    method: String,
    /// The path with its query.
    target: String,
    /// Those that may hold a credential.
    headers: HeaderMap,
}

impl Check {
    /// Reads a `CheckRequest`.
    pub(super) fn read(message: &[u8]) -> Result<Self, Malformed> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(ToOwned::to_owned).map_err(|_| Malformed);
        // attributes (1), request (4), http (2)
        let http = field(field(field(message, 1)?, 4)?, 2)?;
        let mut headers = HeaderMap::new();
        let mut n_headers = 0_usize;
        let mut fields = Fields::of(http);
        while let Some((number, value)) = fields.next()? {
            let (3, Value::Bytes(entry)) = (number, value) else { continue };
            n_headers = n_headers.saturating_add(1);
            if n_headers > MAX_HEADERS {
                return Err(Malformed);
            }
            let name = HeaderName::from_bytes(field(entry, 1)?);
            // Pseudo headers are no headers; nothing but credentials is read anyhow.
            let Some(name) = name.ok().filter(is_credential) else { continue };
            headers.append(name, HeaderValue::from_bytes(field(entry, 2)?).map_err(|_| Malformed)?);
        }
        let (method, target) = (text(field(http, 2)?)?, text(field(http, 4)?)?);
        Ok(Self { voice: AccessVoice::new(&HeaderMap::new()), method, target, headers })
    }
}

fn is_credential(name: &HeaderName) -> bool {
    *name == AUTHORIZATION || ["x-api-key", "api-key"].contains(&name.as_str())
}

impl Voice for Check {
    fn api(&self) -> Option<(model::Dialect, &'static str)> {
        self.voice.api()
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        self.voice.refusal(refusal, request)
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        self.voice.stream_refusal(refusal, request)
    }
}

impl Asking for Check {
    fn takes_body(&self) -> bool {
        false
    }

    fn understand(&self, _: &Head, _: &[u8], _: &text::Limits, point: &Point) -> Result<Questions, Refusal> {
        let question = about(point, &self.headers, &self.method, &self.target);
        Ok(Questions { each: vec![question], until: Until::End, is_list: false })
    }

    fn answer(&self, answers: &[Answered], _: bool) -> (StatusCode, HeaderMap, Bytes) {
        let message =
            answers.first().map_or_else(|| denied(StatusCode::FORBIDDEN, &HeaderMap::new(), ReasonCode::Internal), told);
        (StatusCode::OK, HeaderMap::new(), Bytes::from(message))
    }
}

/// A `CheckResponse`: status (1), `denied_response` (2), `ok_response` (3).
fn told(answered: &Answered) -> Vec<u8> {
    let (status, mut headers) = verdict(answered);
    headers.extend(
        HeaderValue::from_str(&answered.request.to_string()).map(|id| (HeaderName::from_static("x-portcullis-request-id"), id)),
    );
    if answered.verdict != Verdict::Permit {
        return denied(status, &headers, answered.refusal.code);
    }
    let ok = each(&headers).fold(Message::default(), |message, header| message.bytes(2, &header)).finish();
    Message::default().bytes(1, &[]).bytes(3, &ok).finish()
}

fn denied(status: StatusCode, headers: &HeaderMap, code: ReasonCode) -> Vec<u8> {
    let rpc = Message::default().number(1, PERMISSION_DENIED).bytes(2, code.as_str().as_bytes()).finish();
    let http = Message::default().number(1, u64::from(status.as_u16())).finish();
    let denied = each(headers).fold(Message::default().bytes(1, &http), |message, header| message.bytes(2, &header));
    Message::default().bytes(1, &rpc).bytes(2, &denied.finish()).finish()
}

/// Each header as a `HeaderValueOption`: header (1) of key (1) and value (2), `append_action` (3).
fn each(headers: &HeaderMap) -> impl Iterator<Item = Vec<u8>> {
    headers.iter().map(|(name, value)| {
        let header = Message::default().bytes(1, name.as_str().as_bytes()).bytes(2, value.as_bytes()).finish();
        Message::default().bytes(1, &header).number(3, OVERWRITE).finish()
    })
}

#[cfg(test)]
mod tests {
    use super::{Check, Message};

    fn request(headers: &[(&str, &str)]) -> Vec<u8> {
        let entry =
            |(name, value): &(&str, &str)| Message::default().bytes(1, name.as_bytes()).bytes(2, value.as_bytes()).finish();
        let http = Message::default().bytes(1, b"id").bytes(2, b"GET").bytes(4, b"/todos?x=1").number(9, 7);
        let http = headers.iter().map(entry).fold(http, |message, entry| message.bytes(3, &entry)).finish();
        let inner = Message::default().bytes(1, b"").bytes(2, &http).finish();
        let attributes = Message::default().bytes(1, b"").bytes(4, &inner).finish();
        Message::default().bytes(1, &attributes).finish()
    }

    #[test]
    fn a_request_is_read_as_far_as_it_matters() {
        let message = request(&[(":path", "/other"), ("authorization", "Bearer x"), ("cookie", "a"), ("x-api-key", "k")]);
        let check = Check::read(&message).unwrap();
        assert_eq!((check.method.as_str(), check.target.as_str()), ("GET", "/todos?x=1"));
        assert_eq!(check.headers.len(), 2);
        for length in 1..message.len() {
            // Whatever is cut off: an error or less, never a panic.
            let cut = Check::read(message.get(..length).unwrap());
            assert!(cut.is_err() || cut.is_ok_and(|cut| cut.headers.len() <= 2), "{length}");
        }
        let many = vec![("a", "b"); 300];
        assert!(Check::read(&request(&many)).is_err());
    }
}
