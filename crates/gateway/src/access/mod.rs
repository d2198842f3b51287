//! Questions of other enforcement points over HTTP: `OpenID` `AuthZEN` Authorization API 1.0.
//!
//! These modules translate. Who may ask, what is asked and what is answered is `engine::access`'s concern.

mod answer;
pub mod forward;
pub mod grpc;
mod question;
pub mod requests;
mod search;
mod voice;

use bytes::Bytes;
use engine::ports::{Answered, Asking, Head, Questions, Sought, Voice};
use http::{HeaderMap, Method, StatusCode};
use model::{Point, Refusal, RequestId};

pub use requests::Requester;
pub use search::Searcher;
pub use voice::{AccessVoice, REQUEST_ID};

/// What is asked for at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// One question.
    Evaluation,
    /// Many.
    Evaluations,
    /// A search.
    Search(Sought),
    /// The head of another request, told in headers.
    Forward,
    /// What there is, for everybody.
    Metadata,
}

/// The endpoint at a path, and the method that it takes.
#[must_use]
pub fn at(path: &str) -> Option<(Endpoint, Method)> {
    match path {
        "/access/v1/evaluation" => Some((Endpoint::Evaluation, Method::POST)),
        "/access/v1/evaluations" => Some((Endpoint::Evaluations, Method::POST)),
        "/access/v1/forward" => Some((Endpoint::Forward, Method::GET)),
        "/access/v1/search/subject" => Some((Endpoint::Search(Sought::Subjects), Method::POST)),
        "/access/v1/search/resource" => Some((Endpoint::Search(Sought::Resources), Method::POST)),
        "/access/v1/search/action" => Some((Endpoint::Search(Sought::Actions), Method::POST)),
        "/.well-known/authzen-configuration" => Some((Endpoint::Metadata, Method::GET)),
        _ => None,
    }
}

/// The target behind the prefix under which Envoy asks with the request's own method and path.
#[must_use]
pub fn ext_authz(path: &str) -> Option<&str> {
    path.strip_prefix("/access/v1/ext_authz").filter(|rest| rest.starts_with('/'))
}

/// Evaluation and evaluations.
#[derive(Debug, Clone)]
pub struct Evaluator {
    voice: AccessVoice,
    takes_many: bool,
}

impl Evaluator {
    /// For one request to one of the two endpoints.
    #[must_use]
    pub fn new(headers: &HeaderMap, takes_many: bool) -> Self {
        Self { voice: AccessVoice::new(headers), takes_many }
    }
}

impl Voice for Evaluator {
    fn api(&self) -> Option<(model::Dialect, &'static str)> {
        self.voice.api()
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        self.voice.refusal(refusal, request)
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        self.voice.stream_refusal(refusal, request)
    }

    fn is_own_word(&self, word: &str) -> bool {
        self.voice.is_own_word(word)
    }
}

impl Asking for Evaluator {
    fn understand(&self, _: &Head, body: &[u8], limits: &text::Limits, _: &Point) -> Result<Questions, Refusal> {
        self.voice.check()?;
        question::read(body, limits, self.takes_many)
    }

    fn answer(&self, answers: &[Answered], is_list: bool) -> (StatusCode, HeaderMap, Bytes) {
        let body = answer::decisions(answers, is_list);
        (StatusCode::OK, self.voice.headers(answers.first().map(|answered| answered.request)), body)
    }
}
