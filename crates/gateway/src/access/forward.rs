//! Questions that proxies ask by forwarding the head of a request: nginx (`auth_request`), Traefik (`ForwardAuth`), Envoy
//! (`ext_authz` over HTTP).
//!
//! Whom it is about says the credential of that request, which the gate looks at itself; the proxy shows its own key in a header
//! beside it. The action is the method, the resource is a `route`: the proxy's first template that fits the path. Nothing else of
//! the request is believed, and a path that two servers could read in two ways is denied.

use bytes::Bytes;
use engine::ports::{Answered, Asking, Head, Performs, Question, Questions, Said, Subject, Until, Voice};
use http::header::{AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{Point, ReasonCode, Refusal, RequestId, Verdict};
use serde_json::{Map, Value, json};

use super::voice::AccessVoice;

/// Where a proxy shows its own key.
pub const PEP_KEY: HeaderName = HeaderName::from_static("x-portcullis-pep");
/// Who was let through, for whoever stands behind the proxy.
const SUBJECT: HeaderName = HeaderName::from_static("x-portcullis-subject");
/// Why not.
const REASON: HeaderName = HeaderName::from_static("x-portcullis-reason");
/// The kind of resource that a path is.
pub(super) const ROUTE: &str = "route";
/// The headers of a request that may hold its credential.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];
/// Longest path, in bytes.
const MAX_PATH: usize = 4096;

/// Where the forwarded request line stands.
#[derive(Debug, Clone)]
pub enum Line {
    /// In `X-Original-Method` and `X-Original-URI`, or in `X-Forwarded-Method` and `X-Forwarded-Uri`.
    InHeaders,
    /// It is that of the question itself, behind a prefix.
    Own {
        /// The method.
        method: String,
        /// The path with its query.
        target: String,
    },
}

/// One forwarded request.
#[derive(Debug, Clone)]
pub struct Forwarded {
    voice: AccessVoice,
    line: Line,
}

impl Forwarded {
    /// For a request with these headers.
    #[must_use]
    pub fn new(headers: &HeaderMap, line: Line) -> Self {
        Self { voice: AccessVoice::new(headers), line }
    }
}

impl Voice for Forwarded {
    fn api(&self) -> Option<(model::Dialect, &'static str)> {
        self.voice.api()
    }

    /// A proxy hands 401 and 403 on to its client. That the proxy's own key is wrong is nothing that its client could mend.
    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let (status, mut headers, body) = self.voice.refusal(refusal, request);
        headers.remove(WWW_AUTHENTICATE);
        let is_known = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST);
        (if is_known { StatusCode::FORBIDDEN } else { status }, headers, body)
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        self.voice.stream_refusal(refusal, request)
    }
}

impl Asking for Forwarded {
    fn key<'h>(&self, head: &'h Head) -> Option<&'h [u8]> {
        // Without it there is no key: the credential beside it is its client's, and is not taken for the proxy's.
        Some(head.headers.get(PEP_KEY).map_or(&[][..], HeaderValue::as_bytes))
    }

    fn takes_body(&self) -> bool {
        false
    }

    fn understand(&self, head: &Head, _: &[u8], _: &text::Limits, point: &Point) -> Result<Questions, Refusal> {
        if head.headers.get_all(PEP_KEY).iter().count() != 1 {
            return Err(ReasonCode::TwoCredentials.into());
        }
        let (method, target) = match &self.line {
            Line::Own { method, target } => (method.clone(), target.clone()),
            Line::InHeaders => told(&head.headers)?,
        };
        let question = about(point, &head.headers, &method, &target);
        Ok(Questions { each: vec![question], until: Until::End, is_list: false })
    }

    fn answer(&self, answers: &[Answered], _: bool) -> (StatusCode, HeaderMap, Bytes) {
        let answered = answers.first();
        let mut headers = self.voice.headers(answered.map(|answered| answered.request));
        let (status, more) = answered.map_or((StatusCode::FORBIDDEN, HeaderMap::new()), verdict);
        headers.extend(more);
        (status, headers, Bytes::new())
    }
}

/// The status that a proxy understands, and what it may hand on.
pub(super) fn verdict(answered: &Answered) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    let code = answered.refusal.code;
    if answered.verdict == Verdict::Permit {
        let actor =
            answered.chain.as_ref().map(|chain| chain.links().iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        headers.extend(actor.and_then(|actor| HeaderValue::from_str(&actor).ok()).map(|actor| (SUBJECT, actor)));
        return (StatusCode::OK, headers);
    }
    headers.insert(REASON, HeaderValue::from_static(code.as_str()));
    if super::voice::status(code) == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"portcullis\""));
        return (StatusCode::UNAUTHORIZED, headers);
    }
    (StatusCode::FORBIDDEN, headers)
}

/// The question about one request line, asked with a point's templates.
pub(super) fn about(point: &Point, headers: &HeaderMap, method: &str, target: &str) -> Result<Question, Refusal> {
    let unreadable = |what: &str| Refusal::because(ReasonCode::QuestionUnknown, what.to_owned());
    let is_method = !method.is_empty() && method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_method {
        return Err(unreadable("the method is none"));
    }
    let path = target.split_once(['?', '#']).map_or(target, |(path, _)| path);
    if !is_plain(path) {
        return Err(unreadable("the path can be read in two ways"));
    }
    let template = point.routes.iter().find(|template| fits(template, path));
    let template = template.ok_or_else(|| unreadable("the path fits none of the enforcement point's `routes`"))?;
    let mut shown = HeaderMap::new();
    for name in &CREDENTIALS {
        for value in headers.get_all(name) {
            shown.append(name.clone(), value.clone());
        }
    }
    let mut resource: Map<String, Value> = Map::new();
    resource.insert("path".to_owned(), json!(path));
    Ok(Question {
        subject: Subject::Shown(shown),
        action: method.to_owned(),
        kind: ROUTE.to_owned(),
        id: template.clone(),
        said: Said { resource, ..Said::default() },
        performs: Performs::default(),
        approval: None,
    })
}

/// The request line in headers, each once. Two pairs that differ, one of them perhaps a client's own, are refused.
fn told(headers: &HeaderMap) -> Result<(String, String), Refusal> {
    let wrong = |name: &str| Refusal::because(ReasonCode::HeaderRefused, format!("{name}: expected once, and plain"));
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(|text| Some(text.to_owned())).map_err(|_| wrong(name)),
            (Some(_), Some(_)) => Err(wrong(name)),
        }
    };
    let pair = |method: &str, target: &str| match (one(method)?, one(target)?) {
        (Some(method), Some(target)) => Ok(Some((method, target))),
        (None, None) => Ok(None),
        _ => Err(wrong(&format!("{method} and {target}"))),
    };
    let original = pair("x-original-method", "x-original-uri")?;
    let forwarded = pair("x-forwarded-method", "x-forwarded-uri")?;
    match (original, forwarded) {
        (Some(original), Some(forwarded)) if original != forwarded => Err(wrong("x-original-uri beside x-forwarded-uri")),
        (Some(line), _) | (None, Some(line)) => Ok(line),
        (None, None) => Err(Refusal::because(ReasonCode::FieldMissing, "x-original-method and x-original-uri")),
    }
}

/// Whether every server reads a path alike: no empty part, no dots, no escape, no other byte that servers treat differently.
fn is_plain(path: &str) -> bool {
    let is_part = |part: &str| {
        part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte))
    };
    let Some(rest) = path.strip_prefix('/').filter(|_| path.len() <= MAX_PATH) else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    path == "/" || rest.split('/').all(|part| !part.is_empty() && is_part(part))
}

/// Whether a path fits a template: part by part, a part in braces fits every one. A slash at the end counts.
fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut parts) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return true,
            (Some(wanted), Some(part)) if wanted == part || (wanted.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{fits, is_plain, told};

    #[test]
    fn paths_that_read_in_one_way() {
        let facts = [
            ("/", true),
            ("/todos", true),
            ("/todos/", true),
            ("/todos/a-b_c.d~e", true),
            ("", false),
            ("todos", false),
            ("//", false),
            ("/todos//1", false),
            ("/todos/.", false),
            ("/todos/../admin", false),
            ("/todos/%2e%2e/admin", false),
            ("/todos/%61", false),
            ("/todos;v=1/x", false),
            ("/todos\\x", false),
            ("/to dos", false),
            ("/é", false),
        ];
        for (path, expected) in facts {
            assert_eq!(is_plain(path), expected, "{path}");
        }
        assert!(!is_plain(&format!("/{}", "a".repeat(5000))));
    }

    #[test]
    fn templates() {
        let facts = [
            ("/todos/{id}", "/todos/1", true),
            ("/todos/{id}", "/todos/", false),
            ("/todos/{id}", "/todos", false),
            ("/todos/{id}", "/todos/1/x", false),
            ("/todos/{id}", "/Todos/1", false),
            ("/todos", "/todos", true),
            ("/todos", "/todos/", false),
            ("/", "/", true),
            ("/{a}/{b}", "/x/y", true),
        ];
        for (template, path, expected) in facts {
            assert_eq!(fits(template, path), expected, "{template} {path}");
        }
    }

    #[test]
    fn a_request_line_is_told_once() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            told(&headers).ok()
        };
        let nginx = [("x-original-method", "GET"), ("x-original-uri", "/a?b")];
        let line = Some(("GET".to_owned(), "/a?b".to_owned()));
        assert_eq!(read(&nginx), line);
        assert_eq!(read(&[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a?b")]), line);
        assert_eq!(read(&[nginx[0], nginx[1], ("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a?b")]), line);
        // A client's own header beside the proxy's.
        assert_eq!(read(&[nginx[0], nginx[1], ("x-forwarded-method", "GET"), ("x-forwarded-uri", "/free")]), None);
        assert_eq!(read(&[nginx[0], nginx[1], ("x-forwarded-uri", "/a?b")]), None);
        assert_eq!(read(&[nginx[0], nginx[1], ("x-original-uri", "/free")]), None);
        assert_eq!(read(&[]), None);
    }
}
