//! How much a request may bring about: an estimate of what is read, the most that is written, and where that has to be said.

use std::ops::Range;

use engine::ports::{Demand, Place};
use text::{Document, Kind, NodeId};

use super::api::Api;

/// Members that bound what is written, by whatever name a compatible server takes them. The greatest counts.
const CAPS: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n_predict",
    "num_predict",
    "max_new_tokens",
    "max_gen_len",
    "max_length",
];

/// Members that ask for several answers, likewise.
const ANSWERS: &[&str] = &["n", "best_of", "n_cmpl", "num_return_sequences"];

/// Reads how much a request may bring about. `uninspected` are its parts that are no text.
pub(super) fn demand(api: Api, document: &Document<'_>, uninspected: &[(String, String)]) -> Demand {
    if api == Api::CountTokens {
        return Demand::default();
    }
    let input = input(document, uninspected);
    let Some(member) = member(api) else { return Demand { input, ..Demand::default() } };
    let (cap, uncapped) = caps(document, &member);
    let runs_on = document.get(document.root(), "background").is_some_and(|node| document.kind(node) == Kind::True);
    Demand { input, answers: answers(api, document), cap, uncapped, tells_usage: tells_usage(api, document), runs_on }
}

/// The member with which an API bounds what is written; `embeddings` write nothing.
const fn member(api: Api) -> Option<Member> {
    match api {
        Api::Chat => Some(Member { name: "max_completion_tokens", before: "\"max_completion_tokens\":" }),
        Api::Completions | Api::Messages => Some(Member { name: "max_tokens", before: "\"max_tokens\":" }),
        Api::Responses => Some(Member { name: "max_output_tokens", before: "\"max_output_tokens\":" }),
        Api::Embeddings | Api::CountTokens => None,
    }
}

struct Member {
    name: &'static str,
    /// How it is written.
    before: &'static str,
}

/// The whole body, but for pictures that stand in it: they count by the picture.
fn input(document: &Document<'_>, uninspected: &[(String, String)]) -> u64 {
    let mut tokens = budget::tokens(document.bytes());
    for (pointer, kind) in uninspected.iter().filter(|(_, kind)| kind != "tokens") {
        tokens = tokens.saturating_add(budget::IMAGE);
        if let Some(node) = document.at(pointer).filter(|_| kind == "image") {
            let bytes = document.bytes().get(document.span(node)).unwrap_or_default();
            tokens = tokens.saturating_sub(budget::tokens(bytes));
        }
    }
    tokens
}

/// The most that is said, and the places where one has to be written.
fn caps(document: &Document<'_>, member: &Member) -> (Option<u64>, Vec<Place>) {
    let (mut cap, mut uncapped) = (None, Vec::new());
    for name in CAPS {
        let Some(node) = document.get(document.root(), name) else { continue };
        match document.kind(node) {
            Kind::Number => match document.lexeme(node) {
                // To some servers it means that there is none.
                none if none.starts_with('-') || none == "0" => uncapped.push(in_place(document.span(node))),
                said => cap = cap.max(Some(said.parse().unwrap_or(u64::MAX))),
            },
            // Left out with a word: the word is in the way of another one.
            Kind::Null if *name == member.name => uncapped.push(in_place(document.span(node))),
            _ => {}
        }
    }
    let is_said = cap.is_some() || !uncapped.is_empty();
    if !is_said && document.get(document.root(), member.name).is_none() {
        uncapped.push(Place { span: inside(document, document.root()), before: member.before, after: "," });
    }
    (cap, uncapped)
}

/// How many answers are asked for: for each prompt so many.
fn answers(api: Api, document: &Document<'_>) -> u64 {
    let root = document.root();
    let count = |name: &&str| {
        let node = document.get(root, name).filter(|node| document.kind(*node) == Kind::Number)?;
        let said = document.lexeme(node);
        Some(if said.starts_with('-') { 1 } else { said.parse().unwrap_or(u64::MAX) })
    };
    let each = ANSWERS.iter().filter_map(count).max().unwrap_or(1).max(1);
    let prompts = document.get(root, "prompt").filter(|_| api == Api::Completions).map_or(1, |prompt| prompts(document, prompt));
    each.saturating_mul(prompts)
}

fn prompts(document: &Document<'_>, prompt: NodeId) -> u64 {
    if document.kind(prompt) != Kind::Array {
        return 1;
    }
    let several = document.children(prompt).filter(|child| document.kind(*child) != Kind::Number).count();
    u64::try_from(several).unwrap_or(u64::MAX).max(1)
}

/// The edit after which a stream ends with what was used.
fn tells_usage(api: Api, document: &Document<'_>) -> Option<Place> {
    let root = document.root();
    let is_stream = document.get(root, "stream").is_some_and(|node| document.kind(node) == Kind::True);
    if !is_stream || !matches!(api, Api::Chat | Api::Completions) {
        return None;
    }
    let Some(options) = document.get(root, "stream_options") else {
        let (before, after) = ("\"stream_options\":{\"include_usage\":", "},");
        return Some(Place { span: inside(document, root), before, after });
    };
    if document.kind(options) == Kind::Null {
        return Some(Place { span: document.span(options), before: "{\"include_usage\":", after: "}" });
    }
    match document.get(options, "include_usage") {
        Some(node) if document.kind(node) == Kind::True => None,
        Some(node) => Some(in_place(document.span(node))),
        None => {
            let after = if document.count(options) == 0 { "" } else { "," };
            Some(Place { span: inside(document, options), before: "\"include_usage\":", after })
        }
    }
}

pub(super) const fn in_place(span: Range<usize>) -> Place {
    Place { span, before: "", after: "" }
}

/// The empty place behind an object's opening brace.
pub(super) fn inside(document: &Document<'_>, object: NodeId) -> Range<usize> {
    let at = document.span(object).start.saturating_add(1);
    at..at
}
