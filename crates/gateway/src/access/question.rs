//! Requests of `AuthZEN`, read: strict JSON within bounds, required fields, defaults of a batch. Unknown fields are ignored.

use engine::ports::{Performs, Question, Questions, Said, Subject, Until};
use model::{ReasonCode, Refusal};
use serde_json::{Map, Value};
use text::{Document, JsonError};

/// Most questions of one request.
pub(super) const MAX_QUESTIONS: usize = 100;
/// Deepest nesting: what a batch needs, and some properties.
const MAX_DEPTH: usize = 24;
/// Most values of one request.
const MAX_NODES: usize = 20_000;
/// Longest word for a kind or a verb, in bytes.
const MAX_WORD: usize = 128;
/// Longest id, in bytes.
const MAX_ID: usize = 1024;

/// The type of the obligations profile that every duty of the gate is.
pub(super) const CUSTOM: &str = "custom";
/// The type for a challenge to authenticate anew.
pub(super) const STEP_UP: &str = "step-up";

/// Reads a request to either endpoint.
pub(super) fn read(body: &[u8], limits: &text::Limits, takes_many: bool) -> Result<Questions, Refusal> {
    let request = object(body, limits)?;
    //= https://openid.net/specs/authorization-api-1_0.html#section-7.1
    //# If an evaluations array is NOT present or is empty, the Access Evaluations Request behaves in a backwards-compatible manner
    let many = match request.get("evaluations").filter(|_| takes_many) {
        None => None,
        Some(Value::Array(items)) if items.is_empty() => None,
        Some(Value::Array(items)) => Some(items),
        Some(_) => return Err(wrong("/evaluations", "expected a list")),
    };
    let Some(items) = many else {
        return Ok(Questions { each: vec![Ok(question(&request, &Map::new(), "")?)], until: Until::End, is_list: false });
    };
    if items.len() > MAX_QUESTIONS {
        let what = format!("/evaluations: at most {MAX_QUESTIONS} questions at once");
        return Err(Refusal::because(ReasonCode::BodyTooDeep, what));
    }
    let until = until(&request)?;
    let each = items.iter().enumerate().map(|(number, item)| {
        let place = format!("/evaluations/{number}");
        match item {
            Value::Object(item) => question(item, &request, &place),
            _ => Err(wrong(&place, "expected an object")),
        }
    });
    Ok(Questions { each: each.collect(), until, is_list: true })
}

/// A request's JSON, held to I-JSON: no key twice, no unpaired surrogate, bounded in depth and number.
pub(super) fn object(body: &[u8], limits: &text::Limits) -> Result<Map<String, Value>, Refusal> {
    let bounds = text::Limits { max_depth: limits.max_depth.min(MAX_DEPTH), max_nodes: limits.max_nodes.min(MAX_NODES) };
    Document::parse(body, &bounds).map_err(|error| unreadable(&error))?;
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => {
            known_by_case(&object, &KNOWN, "")?;
            Ok(object)
        }
        Ok(_) => Err(wrong("the body", "expected an object")),
        Err(_) => Err(ReasonCode::BodyMalformed.into()),
    }
}

/// Keys of a request; one that differs from them only by case would be read by another reader.
const KNOWN: [&str; 10] =
    ["subject", "action", "resource", "context", "evaluations", "options", "page", "items", "denial", "callback"];

fn known_by_case(object: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), Refusal> {
    let near = |key: &&String| known.iter().any(|known| key.eq_ignore_ascii_case(known) && key.as_str() != *known);
    match object.keys().find(near) {
        Some(key) => Err(Refusal::because(ReasonCode::KeyConfusable, format!("{place}/{}", key.to_ascii_lowercase()))),
        None => Ok(()),
    }
}

/// One question; what it does not say itself says `defaults`, whole entities at a time.
pub(super) fn question(own: &Map<String, Value>, defaults: &Map<String, Value>, place: &str) -> Result<Question, Refusal> {
    known_by_case(own, &KNOWN, place)?;
    let entity = |key: &str| {
        let found = own.get(key).or_else(|| defaults.get(key));
        let found = found.ok_or_else(|| Refusal::because(ReasonCode::FieldMissing, format!("{place}/{key}")))?;
        Entity::of(found, format!("{place}/{key}"))
    };
    let (subject, action, resource) = (entity("subject")?, entity("action")?, entity("resource")?);
    let context = match own.get("context").or_else(|| defaults.get("context")) {
        None => Map::new(),
        Some(Value::Object(context)) => context.clone(),
        Some(_) => return Err(wrong(&format!("{place}/context"), "expected an object")),
    };
    let agent = match context.get("agent") {
        None | Some(Value::Null) => None,
        Some(Value::String(agent)) => Some(agent.clone()),
        Some(_) => return Err(wrong(&format!("{place}/context/agent"), "expected a string")),
    };
    let approval = match context.get("approval") {
        None | Some(Value::Null) => None,
        Some(approval) => {
            let id = approval.get("id").and_then(Value::as_str).filter(|id| id.len() <= MAX_WORD);
            Some(id.ok_or_else(|| wrong(&format!("{place}/context/approval/id"), "expected the id of an approval"))?.to_owned())
        }
    };
    Ok(Question {
        subject: Subject::Named { kind: subject.text("type", MAX_WORD)?, id: subject.text("id", MAX_ID)?, agent },
        action: action.text("name", MAX_WORD)?,
        kind: resource.text("type", MAX_WORD)?,
        id: resource.text("id", MAX_ID)?,
        performs: performs(&context),
        approval,
        said: Said { subject: subject.properties()?, action: action.properties()?, resource: resource.properties()?, context },
    })
}

/// What the point says that it performs (obligations profile, negotiation). One that says nothing has promised nothing, so no
/// permit rests on it; told what to do about a denial it can be all the same.
fn performs(context: &Map<String, Value>) -> Performs {
    let told = context.get("supported_obligations");
    let holds = |kind: &str| told.and_then(Value::as_array).is_some_and(|list| list.iter().any(|word| word == kind));
    Performs { duties: holds(CUSTOM), step_up: told.is_none() || holds(STEP_UP) }
}

/// Subject, action or resource.
pub(super) struct Entity<'a> {
    object: &'a Map<String, Value>,
    place: String,
}

impl<'a> Entity<'a> {
    pub(super) fn of(value: &'a Value, place: String) -> Result<Self, Refusal> {
        let Value::Object(object) = value else { return Err(wrong(&place, "expected an object")) };
        known_by_case(object, &["type", "id", "name", "properties"], &place)?;
        Ok(Self { object, place })
    }

    pub(super) fn text(&self, key: &str, most: usize) -> Result<String, Refusal> {
        let place = || format!("{}/{key}", self.place);
        match self.object.get(key) {
            None => Err(Refusal::because(ReasonCode::FieldMissing, place())),
            Some(Value::String(text)) if text.len() <= most && !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_)) => Err(wrong(&place(), &format!("expected 1 to {most} bytes"))),
            Some(_) => Err(wrong(&place(), "expected a string")),
        }
    }

    pub(super) fn properties(&self) -> Result<Map<String, Value>, Refusal> {
        match self.object.get("properties") {
            None => Ok(Map::new()),
            Some(Value::Object(properties)) => Ok(properties.clone()),
            Some(_) => Err(wrong(&format!("{}/properties", self.place), "expected an object")),
        }
    }
}

fn until(request: &Map<String, Value>) -> Result<Until, Refusal> {
    let options = match request.get("options") {
        None => return Ok(Until::End),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(wrong("/options", "expected an object")),
    };
    let place = "/options/evaluations_semantic";
    match options.get("evaluations_semantic") {
        None => Ok(Until::End),
        Some(Value::String(word)) => match word.as_str() {
            "execute_all" => Ok(Until::End),
            "deny_on_first_deny" => Ok(Until::FirstDeny),
            "permit_on_first_permit" => Ok(Until::FirstPermit),
            // Another reading of it could permit more.
            _ => Err(wrong(place, "expected execute_all, deny_on_first_deny or permit_on_first_permit")),
        },
        Some(_) => Err(wrong(place, "expected a string")),
    }
}

pub(super) fn wrong(place: &str, what: &str) -> Refusal {
    Refusal::because(ReasonCode::FieldType, format!("{place}: {what}"))
}

fn unreadable(error: &JsonError) -> Refusal {
    let code = match error {
        JsonError::NotUtf8 { .. } => ReasonCode::BodyNotUtf8,
        JsonError::Malformed { .. } => ReasonCode::BodyMalformed,
        JsonError::TooDeep { .. } | JsonError::TooMany { .. } => ReasonCode::BodyTooDeep,
        JsonError::DuplicateKey { .. } => ReasonCode::KeyDuplicate,
        JsonError::Surrogate { .. } => ReasonCode::SurrogateInvalid,
    };
    Refusal::because(code, error.to_string())
}
