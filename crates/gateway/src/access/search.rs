//! Searches of `AuthZEN`: what each asks for, and pages of what was found.

use bytes::Bytes;
use engine::ports::{Found, Head, Page, Search, Searching, Sought, Subject, Voice};
use http::{HeaderMap, StatusCode};
use model::{ReasonCode, Refusal, RequestId};
use serde_json::{Map, Value, json};

use super::answer::obligations;
use super::question::{object, question, wrong};
use super::voice::AccessVoice;

/// Longest token of a page, in bytes.
const MAX_TOKEN: usize = 128;

/// One of the three searches.
#[derive(Debug, Clone)]
pub struct Searcher {
    voice: AccessVoice,
    sought: Sought,
}

impl Searcher {
    /// For one request.
    #[must_use]
    pub fn new(headers: &HeaderMap, sought: Sought) -> Self {
        Self { voice: AccessVoice::new(headers), sought }
    }
}

impl Voice for Searcher {
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

impl Searching for Searcher {
    fn understand(&self, _: &Head, body: &[u8], limits: &text::Limits) -> Result<Search, Refusal> {
        self.voice.check()?;
        let mut request = object(body, limits)?;
        let (token, limit) = page(&request)?;
        //= https://openid.net/specs/authorization-api-1_0.html#section-8.4.1
        //# the Subject id SHOULD be omitted, and if present, MUST be ignored
        match self.sought {
            Sought::Subjects => leave_out(&mut request, "subject", "id"),
            Sought::Resources => leave_out(&mut request, "resource", "id"),
            Sought::Actions => drop(request.insert("action".to_owned(), json!({"name": "*"}))),
        }
        let question = question(&request, &Map::new(), "")?;
        Ok(Search { sought: self.sought, question, token, limit })
    }

    fn answer(&self, search: &Search, page: &Page, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let kind = match (self.sought, &search.question.subject) {
            (Sought::Subjects, Subject::Named { kind, .. }) => kind.as_str(),
            _ => search.question.kind.as_str(),
        };
        let result = |Found { id, duties }: &Found| {
            let mut result = if self.sought == Sought::Actions { json!({"name": id}) } else { json!({"type": kind, "id": id}) };
            if let (Some(result), false) = (result.as_object_mut(), duties.is_empty()) {
                result.insert("obligations".to_owned(), Value::Array(obligations(duties)));
            }
            result
        };
        let results: Vec<Value> = page.found.iter().map(result).collect();
        let body = json!({
            "page": {"next_token": page.next, "count": results.len()},
            "context": {"request_id": request},
            "results": results,
        });
        (StatusCode::OK, self.voice.headers(Some(request)), Bytes::from(body.to_string()))
    }
}

/// Puts a word that names nothing in the place of what is sought, so that the rest is read as in a question.
fn leave_out(request: &mut Map<String, Value>, entity: &str, key: &str) {
    if let Some(Value::Object(entity)) = request.get_mut(entity) {
        entity.insert(key.to_owned(), json!("*"));
    }
}

fn page(request: &Map<String, Value>) -> Result<(Option<String>, Option<usize>), Refusal> {
    let page = match request.get("page") {
        None => return Ok((None, None)),
        Some(Value::Object(page)) => page,
        Some(_) => return Err(wrong("/page", "expected an object")),
    };
    let token = match page.get("token") {
        None => None,
        Some(Value::String(token)) if token.len() <= MAX_TOKEN => Some(token.clone()),
        Some(_) => return Err(wrong("/page/token", "expected one that this gate has told")),
    };
    let limit = match page.get("limit") {
        None => None,
        Some(limit) => {
            let number = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
            let what = || Refusal::because(ReasonCode::FieldType, "/page/limit: expected a whole number");
            Some(number.ok_or_else(what)?)
        }
    };
    Ok((token, limit))
}
