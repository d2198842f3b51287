//! Bodies of requests and answers, against `serde_json` as a second reader.

use serde_json::Value;
use text::{Document, JsonError, Kind, Limits, NodeId, Splices, quote};

use super::{Outcome, Target, ensure, magnitude, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "json",
    what: "strict JSON (requests, answers, events, nested JSON): agrees with serde_json, spans, splices",
    seeds,
    words: WORDS,
    max_len: 4096,
    run,
    hostile: &[
        "[",
        "{\"a\":",
        "[[],",
        "\"\\u0041",
        "\\",
        "1,",
        "{\"\\u0061\":1,",
        "\"",
        " ",
        "\u{fffd}",
        "[{\"k\":\"v\"},",
        "-",
        "[\"\\ud83d\\ude00\",",
    ],
    floor: 2000.0,
};

/// Words of JSON.
pub(super) const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\\"",
    "\\u",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    "\\n",
    "true",
    "false",
    "null",
    "-0",
    "1e5",
    "1E+",
    "0.",
    "{\"a\":1}",
    "[[[[",
    "]]]]",
    "\"a\":",
    "\"\":\"\"",
    "\n",
    "\t",
    "/",
    "\u{feff}",
];

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.25,"stream":true,"n":null}"#,
        r#"{"a":{"b":[1,-2.5e-3,"\u00e9\ud83d\ude00\\\"\/",[],{},""]},"A":false}"#,
        "[\"\u{e9}\u{1f600}\",\"\\u0061\",{\"\\u0062\":{\"b\":1}}]",
        " 0 ",
        r#""{\"nested\":\"{\\\"deep\\\":1}\"}""#,
    ])
}

fn run(bytes: &[u8]) -> Outcome {
    let limits = Limits { max_depth: 32, max_nodes: 2000 };
    let other = serde_json::from_slice::<Value>(bytes);
    let document = match Document::parse(bytes, &limits) {
        Ok(document) => document,
        Err(error) => return refused(&error, other.is_ok()),
    };
    let root = document.nodes().next().ok_or("an accepted document without a value")?;
    match &other {
        Ok(value) => same(&document, root, value)?,
        // The second reader makes numbers of what is a lexeme here.
        Err(error) => ensure(error.to_string().starts_with("number out of range"), || format!("accepted, but: {error}"))?,
    }
    spliced(bytes, &document)?;
    let deepest = document.nodes().map(|node| document.pointer(node).len()).max().unwrap_or(0);
    let kinds: Vec<Kind> = document.nodes().take(4).map(|node| document.kind(node)).collect();
    Ok(seen((magnitude(document.nodes().len()), magnitude(deepest), format!("{kinds:?}"))))
}

/// What the other reader takes may be refused for four reasons only.
fn refused(error: &JsonError, other_takes_it: bool) -> Outcome {
    let is_stricter = matches!(error, JsonError::TooDeep { .. } | JsonError::TooMany { .. } | JsonError::DuplicateKey { .. });
    ensure(is_stricter || !other_takes_it, || format!("refused, but serde_json takes it: {error}"))?;
    let expected = if let JsonError::Malformed { expected, .. } = error { expected } else { "" };
    Ok(seen((std::mem::discriminant(error), expected)))
}

fn same(document: &Document<'_>, node: NodeId, value: &Value) -> Result<(), String> {
    let differs = || format!("another value at `{}`", document.pointer(node));
    let is_same = match (document.kind(node), value) {
        (Kind::String, Value::String(text)) => document.text(node).as_deref() == Some(text.as_str()),
        (Kind::Array | Kind::Object, _) => return same_members(document, node, value),
        _ => serde_json::from_str::<Value>(document.lexeme(node)).is_ok_and(|read| read == *value),
    };
    ensure(is_same, differs)?;
    if let Value::String(text) = value {
        ensure(serde_json::from_str(&quote(text)).is_ok_and(|read: String| read == *text), || {
            "`quote` changes a text".to_owned()
        })?;
    }
    let found = document.at(&document.pointer(node));
    ensure(found == Some(node), || format!("the pointer `{}` leads elsewhere", document.pointer(node)))
}

fn same_members(document: &Document<'_>, node: NodeId, value: &Value) -> Result<(), String> {
    let children: Vec<NodeId> = document.children(node).collect();
    let members: Vec<(Option<&str>, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Object(members) => members.iter().map(|(key, item)| (Some(key.as_str()), item)).collect(),
        _ => return Err(format!("another kind at `{}`", document.pointer(node))),
    };
    ensure(children.len() == members.len() && document.count(node) == members.len(), || "another count of members".to_owned())?;
    for (at, (key, item)) in members.into_iter().enumerate() {
        // Objects are compared by key: the other reader sorts them.
        let child = match key {
            Some(key) => document.get(node, key).ok_or_else(|| "a key is missing".to_owned())?,
            None => children.get(at).copied().ok_or("an item is missing")?,
        };
        ensure(document.parent(child) == Some(node) && document.key(child).as_deref() == key, || {
            "another parent or key".to_owned()
        })?;
        same(document, child, item)?;
    }
    Ok(())
}

/// A splice of every string by itself changes nothing; spans lie inside and are literals.
fn spliced(bytes: &[u8], document: &Document<'_>) -> Result<(), String> {
    let mut splices = Splices::default();
    for node in document.nodes().filter(|node| document.kind(*node) == Kind::String) {
        let text = document.text(node).ok_or("a string without a text")?;
        ensure(bytes.get(document.span(node)).is_some_and(|raw| raw.starts_with(b"\"")), || {
            "a span that is no literal".to_owned()
        })?;
        splices.replace(document.span(node), quote(&text));
    }
    let spliced = splices.apply(bytes).map_err(|error| format!("splices that do not fit: {error:?}"))?;
    let same = match (serde_json::from_slice::<Value>(bytes), serde_json::from_slice::<Value>(&spliced)) {
        (Ok(before), Ok(after)) => before == after,
        (before, after) => before.is_err() && after.is_err(),
    };
    ensure(same, || "a splice of every string by itself changed the value".to_owned())
}
