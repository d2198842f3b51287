//! One case per row of the tables, and lists of facts for every rule.

mod answers;
mod facts;
mod refusals;
mod requests;
mod rows;

use std::collections::BTreeSet;

use engine::ports::{AnswerView, LeafUse, Understood};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Dialect, Refusal};
use serde_json::{Value, json};
use text::{Document, Limits};

const DIALECTS: [Dialect; 2] = [Dialect::Openai, Dialect::Anthropic];

/// Reads a request's body.
fn read(dialect: Dialect, body: &Value) -> Result<Understood, Refusal> {
    read_with(dialect, &[], &body.to_string(), &[])
}

fn read_with(dialect: Dialect, headers: &[(&str, &str)], body: &str, admitted: &[&str]) -> Result<Understood, Refusal> {
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let admitted: BTreeSet<String> = admitted.iter().map(|&name| name.to_owned()).collect();
    super::understand(dialect, &header_map(headers), &document, &admitted)
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// The smallest request, with members added or replaced.
fn request(members: &Value) -> Value {
    let mut body = json!({"model": "small", "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in members.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// A view in words: `lane = text` for each piece, then what ends.
fn shown(dialect: Dialect, event: &Value, name: Option<&str>, in_stream: bool) -> Vec<String> {
    let body = event.to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let view: AnswerView = super::view(dialect, &document, name, in_stream);
    let mut lines: Vec<String> = view
        .pieces
        .iter()
        .map(|(node, leaf)| match leaf {
            LeafUse::Piece { lane, choice, .. } => format!("{choice} {} = {}", lane.0, document.text(*node).unwrap()),
            LeafUse::Told { lane } => format!("{} told", lane.0),
            LeafUse::Whole => panic!("whole values are not listed"),
        })
        .collect();
    lines.sort();
    lines.extend(view.token_records.iter().map(|(choice, node)| format!("{choice} record {}", document.pointer(*node))));
    lines
}
