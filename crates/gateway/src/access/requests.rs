//! Requests for approval as `AuthZEN` has them (access request and approval profile, draft 1), read and written.

use bytes::Bytes;
use engine::ports::{Denial, Head, Looked, Order, Question, Requesting, Submission, Voice};
use http::header::{CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{ReasonCode, Refusal, RequestId, UnixMillis};
use response::{Closed, Status};
use serde_json::{Map, Value, json};

use super::question::{object, question, wrong};
use super::voice::AccessVoice;

/// The key by which a sender knows its request again.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest such key, in bytes.
const MAX_KEY: usize = 256;
/// Longest text of what a point says beside, in bytes.
const MAX_SAID: usize = 4096;
/// Longest token of a denial, in bytes.
const MAX_TOKEN: usize = 512;
/// Shortest time between two looks at a request, in seconds.
const PAUSE: u64 = 5;
/// Before the problem's own name.
const PROBLEM: &str = "urn:openid:authzen:access-request:error:";

/// One request to one of the endpoints.
#[derive(Debug, Clone)]
pub struct Requester {
    voice: AccessVoice,
    order: Order,
}

impl Requester {
    /// For a request with these headers.
    #[must_use]
    pub fn new(headers: &HeaderMap, order: Order) -> Self {
        Self { voice: AccessVoice::new(headers), order }
    }
}

/// The order at a path, if it is one of these endpoints, and the methods that it takes.
#[must_use]
pub fn at(path: &str) -> Option<(Order, &'static [http::Method])> {
    use http::Method;
    const POST: &[Method] = &[Method::POST];
    const GET: &[Method] = &[Method::GET];
    const END: &[Method] = &[Method::POST, Method::DELETE];
    let rest = path.strip_prefix("/access/v1/requests")?;
    if rest.is_empty() {
        return Some((Order::Submit, POST));
    }
    let rest = rest.strip_prefix('/')?;
    match rest.strip_suffix("/cancel") {
        Some(id) if !id.contains('/') => Some((Order::Cancel(id.to_owned()), END)),
        None if !rest.contains('/') => Some((Order::Show(rest.to_owned()), GET)),
        Some(_) | None => None,
    }
}

impl Voice for Requester {
    fn api(&self) -> Option<(model::Dialect, &'static str)> {
        None
    }

    //= authzen-access-request-approval-profile-1_0#error-responses
    //# MUST use application/problem+json as defined by RFC 9457
    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let (status, mut headers, plain) = self.voice.refusal(refusal, request);
        let Some((problem, status)) = problem(refusal.code) else { return (status, headers, plain) };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let body = json!({
            "type": format!("{PROBLEM}{problem}"), "title": refusal.code.text(), "status": status.as_u16(),
            "detail": refusal.to_string(), "instance": request, "reason": refusal.code,
        });
        (status, headers, Bytes::from(body.to_string()))
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        self.voice.stream_refusal(refusal, request)
    }

    fn is_own_word(&self, word: &str) -> bool {
        self.voice.is_own_word(word)
    }
}

/// The profile's name of a problem, and its status.
const fn problem(code: ReasonCode) -> Option<(&'static str, StatusCode)> {
    use ReasonCode as C;
    match code {
        C::ApprovalNotRequestable => Some(("not_requestable", StatusCode::BAD_REQUEST)),
        C::ApprovalUnbound => Some(("invalid_denial_binding", StatusCode::BAD_REQUEST)),
        C::ApprovalDenialExpired => Some(("expired_denial", StatusCode::GONE)),
        C::ApprovalUnknown => Some(("unknown_task", StatusCode::NOT_FOUND)),
        C::ApprovalClosed => Some(("invalid_task_state", StatusCode::CONFLICT)),
        C::ApprovalKeyTaken => Some(("duplicate_request", StatusCode::CONFLICT)),
        _ => None,
    }
}

impl Requesting for Requester {
    fn order(&self) -> Order {
        self.order.clone()
    }

    fn understand(&self, head: &Head, body: &[u8], limits: &text::Limits) -> Result<Submission, Refusal> {
        self.voice.check()?;
        let request = object(body, limits)?;
        if request.contains_key("callback") {
            return Err(wrong("/callback", "no endpoint is registered for callbacks: ask at the status endpoint"));
        }
        let each = match request.get("items") {
            None => vec![(question(&request, &Map::new(), "")?, denial(request.get("denial"), "/denial")?)],
            Some(_) if request.contains_key("resource") || request.contains_key("action") => {
                return Err(wrong("/items", "stands in the place of /resource and /action"));
            }
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(index, item)| one_of(item, &request, index)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong("/items", "expected a list")),
        };
        for (question, _) in &each {
            actor(&request, question)?;
        }
        Ok(Submission { said: said(&request)?, key: key(&head.headers)?, is_list: request.contains_key("items"), each })
    }

    fn answer(&self, looked: &Looked, url: &str) -> (StatusCode, HeaderMap, Bytes) {
        let Looked { request, status, steps: (n_approved, quorum), .. } = looked;
        let mut headers = self.voice.headers(None);
        let own = format!("{url}/access/v1/requests/{}", request.ask.id);
        let expires = if *status == Status::Pending { request.ask.ends } else { request.forgotten() };
        let mut task =
            json!({"id": request.ask.id, "status": word(*status), "status_endpoint": own, "expires_at": time(expires)});
        let mut set = |key: &str, value: Value| {
            if let Some(task) = task.as_object_mut() {
                task.insert(key.to_owned(), value);
            }
        };
        if *status == Status::Pending {
            set("links", json!({"cancel": format!("{own}/cancel")}));
            if *quorum > 1 && !request.ask.is_list {
                let step = n_approved.saturating_add(1);
                set("progress", json!({"current_step": step, "total_steps": quorum, "step_name": "approval"}));
            }
            headers.insert(RETRY_AFTER, HeaderValue::from(PAUSE));
        }
        let mut body = Map::new();
        if request.ask.is_list {
            set("items", (0..looked.each.len()).map(|index| of_item(looked, index)).collect());
        } else {
            body.extend(result(looked, 0).map(|result| ("result".to_owned(), result)));
        }
        body.insert("task".to_owned(), task);
        let code = match self.order {
            Order::Submit if *status == Status::Pending => StatusCode::ACCEPTED,
            Order::Submit => StatusCode::CREATED,
            Order::Show(_) | Order::Cancel(_) => StatusCode::OK,
        };
        if self.order == Order::Submit {
            headers.extend(HeaderValue::from_str(&own).ok().map(|own| (LOCATION, own)));
        }
        (code, headers, Bytes::from(Value::Object(body).to_string()))
    }
}

/// One thing of several: what it does not say itself says the request.
fn one_of(item: &Value, request: &Map<String, Value>, index: usize) -> Result<(Question, Denial), Refusal> {
    let place = format!("/items/{index}");
    let Value::Object(item) = item else { return Err(wrong(&place, "expected an object")) };
    if item.contains_key("subject") || item.contains_key("context") {
        return Err(wrong(&place, "all are of one subject and one context"));
    }
    // The gate binds every denial by itself: there is none of several.
    let denial = denial(item.get("denial"), &format!("{place}/denial"))?;
    Ok((question(item, request, &place)?, denial))
}

fn denial(told: Option<&Value>, place: &str) -> Result<Denial, Refusal> {
    let unbound = |what: &str| Refusal::because(ReasonCode::ApprovalUnbound, format!("{place}{what}"));
    let Some(Value::Object(told)) = told else { return Err(unbound(" is missing: give back what the denial has told")) };
    let text = |key: &str| told.get(key).and_then(Value::as_str);
    let token =
        text("binding_token").filter(|token| token.len() <= MAX_TOKEN).ok_or_else(|| unbound("/binding_token is missing"))?;
    let expires = text("expires_at").and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let expires = expires.and_then(|expires| u64::try_from(expires.as_millisecond()).ok()).map(UnixMillis);
    let expires = expires.ok_or_else(|| unbound("/expires_at is no time of RFC 3339"))?;
    Ok(Denial { token: token.to_owned(), expires, evaluation: text("evaluation_id").map(ToOwned::to_owned) })
}

/// A point may name who acts at once; it has to be the agent of the question, and nobody else.
//= authzen-access-request-approval-profile-1_0#delegation
//# MUST reject submissions whose claimed chain cannot be verified
fn actor(request: &Map<String, Value>, question: &Question) -> Result<(), Refusal> {
    let Some(actor) = request.get("client").and_then(|client| client.get("actor")) else { return Ok(()) };
    let agent = match &question.subject {
        engine::ports::Subject::Named { agent, .. } => agent.as_deref(),
        engine::ports::Subject::Shown(_) => None,
    };
    let told = actor.get("id").and_then(Value::as_str);
    if actor.get("act").is_some() || told.is_none() || told != agent {
        return Err(Refusal::because(
            ReasonCode::ApprovalUnbound,
            "/client/actor is not the agent of the question (/context/agent)",
        ));
    }
    Ok(())
}

fn key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Refusal> {
    let mut told = headers.get_all(KEY).iter();
    let what = || Refusal::because(ReasonCode::HeaderRefused, format!("idempotency-key: expected one of 1 to {MAX_KEY} bytes"));
    match (told.next(), told.next()) {
        (None, _) => Ok(None),
        (Some(key), None) if (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key.as_bytes().to_vec())),
        (Some(_), _) => Err(what()),
    }
}

/// What the point says beside the question, for people: untrusted. Nothing of it is cut, for the point would choose what is lost.
fn said(request: &Map<String, Value>) -> Result<String, Refusal> {
    let has_members = |value: &&Value| value.as_object().is_some_and(|value| !value.is_empty());
    let told = ["context", "requested_access", "client"].into_iter();
    let told = told.filter_map(|key| Some((key.to_owned(), request.get(key).filter(has_members)?.clone())));
    let said: Map<String, Value> = told.collect();
    if said.is_empty() {
        return Ok(String::new());
    }
    let text = Value::Object(said).to_string();
    if text.len() > MAX_SAID {
        let what = format!("/context, /requested_access and /client: at most {MAX_SAID} bytes, for people have to read them");
        return Err(Refusal::because(ReasonCode::BodyTooLarge, what));
    }
    Ok(text)
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        // A state that ended a request stays; that the approval holds no longer is told where it is presented.
        Status::Approved { .. } | Status::TakenBack { .. } => "approved",
        Status::Closed(Closed::Refused) => "denied",
        Status::Closed(Closed::Cancelled) => "cancelled",
        Status::Closed(Closed::Expired) => "expired",
        Status::Partial => "partial",
    }
}

/// What an approval is good for: asking again.
fn result(looked: &Looked, index: usize) -> Option<Value> {
    let (Status::Approved { at, until } | Status::TakenBack { at, until }) = looked.each.get(index)? else { return None };
    let approval = &looked.request.ask.items.get(index)?.approval;
    Some(json!({"mode": "reevaluate", "approval": {"id": approval, "approved_at": time(*at), "approved_until": time(*until)}}))
}

fn of_item(looked: &Looked, index: usize) -> Value {
    let wanted = looked.request.wanted.as_ref().and_then(|wanted| wanted.items.get(index));
    let asked: Value = wanted.and_then(|item| serde_json::from_str(&item.text).ok()).unwrap_or_default();
    let status = looked.each.get(index).copied().map_or("failed", word);
    let mut item = json!({"resource": asked.get("resource"), "action": asked.get("action"), "status": status});
    if let (Some(item), Some(result)) = (item.as_object_mut(), result(looked, index)) {
        item.insert("result".to_owned(), result);
    }
    item
}

/// A time as RFC 3339 writes it, in whole seconds.
pub(crate) fn time(at: UnixMillis) -> String {
    let timestamp = i64::try_from(at.seconds()).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| "9999-12-31T23:59:59Z".to_owned(), |timestamp| timestamp.to_string())
}
