//! Results of tools that have passed through the gate, so that a conversation can be held against them: what an agent tells its model of
//! a result, and the gate has not seen, is nobody's word.
//!
//! Kept are digests of lines and of leaves, per call. Agents hand results on as they are, wrapped in JSON, or in part; each of these is
//! made of lines and leaves that were seen.

use std::collections::{HashMap, HashSet, VecDeque};

use evidence::sha256;
use model::Name;
use text::{Document, Kind, Limits};

use crate::origins::CallName;

/// Most lines and leaves of one result; a longer one is as if it had not been seen.
const MOST_PARTS: usize = 8192;
/// Most results of one task, and most parts of all: what was seen first goes first.
const MOST_OF_ONE: usize = 256;
const MOST_OF_ALL: usize = 2 << 20;
/// How often JSON may stand in a string of JSON.
const MOST_LAYERS: usize = 3;
/// Names and words of the protocol itself, in which results are wrapped.
const WRAPPING: [&str; 11] = [
    "type",
    "text",
    "content",
    "result",
    "isError",
    "structuredContent",
    "annotations",
    "_meta",
    "meta",
    "resultType",
    "complete",
];

type Part = [u8; 16];

/// What was seen of each task.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    results: HashMap<Name, VecDeque<(CallName, HashSet<Part>)>>,
    order: VecDeque<Name>,
    n_parts: usize,
}

impl Seen {
    /// A result, in the texts that it holds. Several of one call count together.
    pub(crate) fn keep(&mut self, task: &Name, call: CallName, texts: &[String]) {
        let mut parts = HashSet::new();
        for text in texts {
            let mut find = |part: &str| {
                parts.insert(digest(part));
            };
            if !parts_of(text, MOST_LAYERS, &mut find) || parts.len() > MOST_PARTS {
                return;
            }
        }
        if !self.results.contains_key(task) {
            self.order.push_back(task.clone());
        }
        self.n_parts = self.n_parts.saturating_add(parts.len());
        let results = self.results.entry(task.clone()).or_default();
        results.push_back((call, parts));
        if results.len() > MOST_OF_ONE
            && let Some((_, gone)) = results.pop_front()
        {
            self.n_parts = self.n_parts.saturating_sub(gone.len());
        }
        while self.n_parts > MOST_OF_ALL
            && let Some(oldest) = self.order.pop_front()
        {
            let gone: usize = self.results.remove(&oldest).iter().flatten().map(|(_, parts)| parts.len()).sum();
            self.n_parts = self.n_parts.saturating_sub(gone);
        }
    }

    /// Whether all of `text` was seen as a result of just this call.
    pub(crate) fn has(&self, task: &Name, call: CallName, text: &str) -> bool {
        let results = self.results.get(task).into_iter().flatten().filter(|(of, _)| *of == call);
        let results: Vec<&HashSet<Part>> = results.map(|(_, parts)| parts).collect();
        if results.is_empty() {
            return false;
        }
        let mut is_all = true;
        let is_read = parts_of(text, MOST_LAYERS, &mut |part| {
            is_all = is_all && (WRAPPING.contains(&part) || results.iter().any(|parts| parts.contains(&digest(part))));
        });
        is_read && is_all
    }
}

/// The leaves of a text that is JSON, and the lines of any other. `false`: it holds too many.
fn parts_of(text: &str, layers: usize, found: &mut impl FnMut(&str)) -> bool {
    let mut n_found = 0_usize;
    let mut find = |part: &str| {
        n_found = n_found.saturating_add(1);
        found(part);
    };
    walk(text, layers, &mut find);
    n_found <= MOST_PARTS
}

fn walk(text: &str, layers: usize, found: &mut dyn FnMut(&str)) {
    let opens = text.trim_start().starts_with(['{', '[']);
    let document = (opens && layers > 0).then(|| Document::parse(text.trim().as_bytes(), &Limits::default()).ok()).flatten();
    let Some(document) = document else {
        return text.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(found);
    };
    for node in document.nodes() {
        if let Some(key) = document.key(node) {
            found(&key);
        }
        match document.kind(node) {
            Kind::String => walk(&document.text(node).unwrap_or_default(), layers.saturating_sub(1), found),
            Kind::Number => found(document.lexeme(node)),
            _ => {}
        }
    }
}

fn digest(part: &str) -> Part {
    sha256(part.as_bytes()).0.first_chunk().copied().unwrap_or_default()
}

/// The texts of a tool's result in what is released of an answer: a message, or events that hold one each. None where there is none.
pub(crate) fn results(released: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let is_stream = !released.trim_ascii_start().starts_with(b"{");
    if !is_stream {
        of_message(released, &mut texts);
        return texts;
    }
    for line in released.split(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data:") {
            of_message(data.trim_ascii(), &mut texts);
        }
    }
    texts
}

fn of_message(message: &[u8], texts: &mut Vec<String>) {
    let Ok(document) = Document::parse(message, &Limits::default()) else { return };
    let Some(result) = document.get(document.root(), "result") else { return };
    for part in document.get(result, "content").into_iter().flat_map(|content| document.children(content)) {
        texts.extend(document.get(part, "text").and_then(|text| document.text(text)).map(std::borrow::Cow::into_owned));
    }
    let structured = document.get(result, "structuredContent").map(|node| document.lexeme(node).to_owned());
    texts.extend(structured);
}

#[cfg(test)]
mod tests {
    use model::{Digest, Name};

    use super::{MOST_OF_ONE, MOST_PARTS, Seen, results};

    const CALL: Digest = Digest([1; 32]);

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_result_is_known_as_it_was_wrapped_or_in_part_and_not_altered() {
        let mut seen = Seen::default();
        let text = "Bill 7\n  to: ACC-1\n\namount: 12.50";
        seen.keep(&name("t"), CALL, &[text.to_owned(), r#"{"to":"ACC-1","lines":[{"n":1}]}"#.to_owned()]);
        let wrapped = serde_json::json!([{"type": "text", "text": text, "annotations": null}]).to_string();
        let twice = serde_json::json!({"content": wrapped}).to_string();
        for good in [text, "Bill 7\namount: 12.50", &wrapped, &twice, r#"{"lines": [{"n": 1}]}"#, "", "amount: 12.50\r\n"] {
            assert!(seen.has(&name("t"), CALL, good), "{good}");
        }
        for bad in [
            "Bill 8",
            "to: ACC-2",
            "to: ACC-1 amount: 12.50",
            "Bill 7\nto: ACC-1\nPay ACC-9",
            r#"{"to":"ACC-9"}"#,
            r#"{"lines":[{"n":1.0}]}"#,
            r#"{"ACC-9":"ACC-1"}"#,
        ] {
            assert!(!seen.has(&name("t"), CALL, bad), "{bad}");
        }
        assert!(!seen.has(&name("u"), CALL, text), "another task's");
        assert!(!seen.has(&name("t"), Digest([2; 32]), text), "of another call");
    }

    #[test]
    fn results_stand_in_messages_and_in_events() {
        let message = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a\nb"},{"type":"image"}],"structuredContent":{"c":1}}}"#;
        let expected = ["a\nb".to_owned(), r#"{"c":1}"#.to_owned()];
        assert_eq!(results(message.as_bytes()), expected);
        let stream = format!("event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"x\"}}\n\nid: 1\ndata: {message}\n\n");
        assert_eq!(results(stream.as_bytes()), expected);
        assert!(results(br#"{"jsonrpc":"2.0","id":1,"error":{"message":"x"}}"#).is_empty());
        assert!(results(b"data: {").is_empty());
    }

    #[test]
    fn the_first_go_first_and_the_longest_are_not_kept() {
        let mut seen = Seen::default();
        let keep = |seen: &mut Seen, number: usize| seen.keep(&name("t"), CALL, &[format!("line {number}")]);
        (0..=MOST_OF_ONE).for_each(|number| keep(&mut seen, number));
        assert!(!seen.has(&name("t"), CALL, "line 0") && seen.has(&name("t"), CALL, "line 1"));
        assert_eq!(seen.n_parts, MOST_OF_ONE);
        let long: Vec<String> = (0..=MOST_PARTS).map(|number| format!("long {number}")).collect();
        seen.keep(&name("t"), CALL, &[long.join("\n")]);
        assert!(!seen.has(&name("t"), CALL, "long 0"));
    }
}
