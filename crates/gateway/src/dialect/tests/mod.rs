//! One case per row of the tables, and lists of facts for every rule.

mod answers;
mod demand;
mod facts;
mod refusals;
mod requests;
mod rows;
mod turns;
mod usage;

use std::collections::BTreeSet;

use engine::ports::{AnswerView, Form, LeafUse, Understood};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Dialect, Refusal};
use serde_json::{Value, json};
use text::{Document, Limits};

use super::Api;

const DIALECTS: [Dialect; 2] = [Dialect::Openai, Dialect::Anthropic];

/// Where a provider is meant, its first API is.
impl From<Dialect> for Api {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Openai => Self::Chat,
            Dialect::Anthropic => Self::Messages,
        }
    }
}

/// Reads a request's body.
fn read(api: impl Into<Api>, body: &Value) -> Result<Understood, Refusal> {
    read_with(api, &[], &body.to_string(), &[])
}

fn read_with(api: impl Into<Api>, headers: &[(&str, &str)], body: &str, admitted: &[&str]) -> Result<Understood, Refusal> {
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let admitted: BTreeSet<String> = admitted.iter().map(|&name| name.to_owned()).collect();
    super::understand(api.into(), None, &header_map(headers), &document, &admitted)
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// The smallest request of the first APIs, with members added or replaced.
fn request(members: &Value) -> Value {
    request_of(Api::Chat, members)
}

fn request_of(api: Api, members: &Value) -> Value {
    let mut body = match api {
        Api::Chat | Api::Messages | Api::CountTokens => {
            json!({"model": "small", "messages": [{"role": "user", "content": "hi"}]})
        }
        Api::Responses => json!({"model": "small", "input": "hi", "store": false}),
        Api::Completions => json!({"model": "small", "prompt": "hi"}),
        Api::Embeddings => json!({"model": "small", "input": "hi"}),
    };
    for (key, value) in members.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// A view in words: `lane = text` for each piece, then what ends.
fn shown(api: impl Into<Api>, event: &Value, name: Option<&str>, in_stream: bool) -> Vec<String> {
    let body = event.to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let view: AnswerView = super::view(api.into(), &document, name, in_stream);
    let mut lines: Vec<String> = view
        .pieces
        .iter()
        .map(|(node, leaf)| match leaf {
            LeafUse::Piece { lane, choice, form: Form::Json } if lane.0.ends_with("/delta") => {
                format!("{choice} {} = {} (json)", lane.0, document.text(*node).unwrap())
            }
            LeafUse::Piece { lane, choice, .. } => format!("{choice} {} = {}", lane.0, document.text(*node).unwrap()),
            LeafUse::Told { lane } => format!("{} told", lane.0),
            LeafUse::Whole => panic!("whole values are not listed"),
        })
        .collect();
    lines.sort();
    lines.extend(view.ended_below.iter().map(|prefix| format!("{prefix} ends")));
    lines.extend(view.opaque.iter().map(|node| format!("{} opaque", document.pointer(*node))));
    lines.extend(view.token_records.iter().map(|(choice, node)| format!("{choice} record {}", document.pointer(*node))));
    lines
}
