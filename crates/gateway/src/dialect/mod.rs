//! What the gate knows of the providers' APIs: OpenAI chat completions, responses, completions and embeddings, Anthropic messages.
//!
//! Pure functions over parsed documents and headers. Requests are read against one table per API that classifies every
//! field, content part, tool type and header; answers are read for which of their strings belong together. Nothing here
//! decides, sends or stores, and what no row names is either plain text, which is inspected like every other string, or refused.

pub(crate) mod allowance;
mod anthropic;
mod api;
mod calls;
mod demand;
mod errors;
mod functions;
mod headers;
mod joined;
mod lanes;
mod openai;
mod remote;
mod stored;
mod table;
#[cfg(test)]
mod tests;
mod turns;
mod usage;
mod walk;
mod words;

use std::collections::BTreeSet;

use budget::Allowance;
use bytes::Bytes;
use engine::ports::{AnswerView, Calls, Shown, Turn, Understood};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{Dialect, Name, ReasonCode, Refusal, RequestId};
use serde_json::{Value, json};
use text::{Document, NodeId};

pub use api::Api;
pub(crate) use remote::destination;
pub use stored::{Act, Stored, at as stored_at};

/// Reads a request. `deployment` is the model if the path names it: then it counts, whatever the body says. `admitted` are names of top-level fields that an operator lets pass although no row knows them.
///
/// # Errors
/// A refusal for everything that is not classified; its detail begins with the JSON Pointer and holds no value.
pub fn understand(
    api: Api,
    deployment: Option<&str>,
    headers: &HeaderMap,
    document: &Document<'_>,
    admitted: &BTreeSet<String>,
) -> Result<Understood, Refusal> {
    let mut understood = walk::understand(api, deployment, document, admitted)?;
    understood.effects.extend(headers::effects(api, headers)?);
    Ok(understood)
}

/// The functions that a request to a model offers, in the form in which tool servers list tools: JSON. None if it offers none.
#[must_use]
pub fn listed(document: &Document<'_>) -> Option<String> {
    functions::listed(document)
}

/// The headers of the request that may reach an upstream: an allow-list, and only values of the expected form.
#[must_use]
pub fn upstream_headers(api: Api, headers: &HeaderMap) -> HeaderMap {
    headers::upstream(api, headers)
}

/// The headers of the answer that may reach the client: an allow-list, and only values of the expected form.
#[must_use]
pub fn client_headers(dialect: Dialect, headers: &HeaderMap) -> HeaderMap {
    headers::client(dialect, headers)
}

/// Says which strings of an answer are pieces of a longer text. `name` is the event's name in a stream.
#[must_use]
pub fn view(api: Api, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    let mut view = pieces(api, document, name, in_stream);
    usage::note(api, document, name, in_stream, &mut view);
    view.speaks_of_calls = speaks_of_calls(api, document, name, in_stream);
    view
}

fn speaks_of_calls(api: Api, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> bool {
    calls::speaks(api, document, name, in_stream)
}

/// The conversation that a request tells.
#[must_use]
pub fn turns(api: Api, document: &Document<'_>) -> Vec<Turn> {
    turns::turns(api, document)
}

/// A reader of the calls that a model asks for in an answer.
#[must_use]
pub fn calls(api: Api, in_stream: bool, limits: text::Limits) -> Option<Box<dyn Calls>> {
    calls::reader(api, in_stream, limits)
}

/// As [`view`], of an answer about a stored response: what was used was told when it was made.
#[must_use]
pub fn view_stored(stored: &Stored, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    let mut view = pieces(Api::Responses, document, name, in_stream);
    let number = document.get(document.root(), "sequence_number").map(|node| document.lexeme(node));
    if in_stream && stored.has(number.and_then(|number| number.parse().ok())) {
        view.shown = Shown::Never;
    }
    view.speaks_of_calls = speaks_of_calls(Api::Responses, document, name, in_stream);
    view
}

fn pieces(api: Api, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    let mut view = lanes_of(api, document, name, in_stream);
    // The texts of several choices are several answers.
    if !matches!(api, Api::Completions | Api::Embeddings) {
        let known: BTreeSet<NodeId> = view.joined.iter().flatten().copied().collect();
        let is_new = |group: &Vec<NodeId>| !group.iter().any(|text| known.contains(text));
        view.joined.extend(joined::lists(document).into_iter().filter(is_new));
    }
    view
}

fn lanes_of(api: Api, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
    match api {
        Api::Chat | Api::Completions => openai::view(document, name, in_stream),
        Api::Responses => openai::view_response(document, name, in_stream),
        Api::Embeddings if !in_stream => openai::view_embeddings(document),
        // Neither streams; should it all the same, everything in it is read like an unknown event of the family.
        Api::Embeddings => openai::view(document, name, in_stream),
        Api::Messages | Api::CountTokens => anthropic::view(document, name, in_stream),
    }
}

/// Whether this data payload is the plain mark that ends a stream. Anthropic has none: its last event is a document.
#[must_use]
pub fn is_end_mark(dialect: Dialect, data: &[u8]) -> bool {
    match dialect {
        Dialect::Openai => data.trim_ascii() == b"[DONE]",
        Dialect::Anthropic => false,
    }
}

/// A refusal in the provider's shape, with a status for which the official SDKs raise their own exceptions.
#[must_use]
pub fn refusal(dialect: Dialect, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
    errors::refusal(dialect, refusal, request)
}

/// The status that goes with a code where a refusal is told by one.
pub(crate) const fn status(code: ReasonCode) -> StatusCode {
    errors::status(code)
}

/// A refusal in the middle of a stream: one event, after which nothing follows.
#[must_use]
pub fn stream_refusal(dialect: Dialect, refusal: &Refusal, request: RequestId) -> Bytes {
    errors::stream_refusal(dialect, refusal, request)
}

/// Whether a key is one of the providers' own names.
#[must_use]
pub fn is_own_word(word: &str) -> bool {
    words::is_known(word)
}

/// Puts what is left of a caller's budgets among the headers of an answer.
pub fn allow(dialect: Dialect, allowance: &Allowance, headers: &mut HeaderMap) {
    allowance::write(dialect, allowance, headers);
}

/// The list of models as the provider would write it.
#[must_use]
pub fn model_list(dialect: Dialect, models: &[Name]) -> (HeaderMap, Bytes) {
    let data: Vec<Value> = models.iter().map(|model| model_row(dialect, model)).collect();
    document(&match dialect {
        Dialect::Openai => json!({"object": "list", "data": data}),
        Dialect::Anthropic => {
            let [first, last] = [models.first(), models.last()].map(|model| model.map(Name::as_str));
            json!({"data": data, "has_more": false, "first_id": first, "last_id": last})
        }
    })
}

/// One model as the provider would write it.
#[must_use]
pub fn model_item(dialect: Dialect, model: &Name) -> (HeaderMap, Bytes) {
    document(&model_row(dialect, model))
}

fn model_row(dialect: Dialect, model: &Name) -> Value {
    let id = model.as_str();
    match dialect {
        Dialect::Openai => json!({"id": id, "object": "model", "created": 0, "owned_by": "portcullis"}),
        Dialect::Anthropic => {
            let epoch = "1970-01-01T00:00:00Z";
            json!({"type": "model", "id": id, "display_name": id, "created_at": epoch, "lifecycle": "active"})
        }
    }
}

fn document(body: &Value) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // It is one caller's: nobody in between keeps it for another.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    (headers, Bytes::from(body.to_string()))
}
