//! Answers of upstreams: which of their strings belong together.

use std::collections::BTreeSet;

use gateway::dialect::{Api, is_end_mark, view};
use text::{Document, Kind, Limits, NodeId};

use super::{Outcome, Target, ensure, json, magnitude, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "answers",
    what: "documents and events of answers, for every API: pieces are strings of the document, each taken once",
    seeds,
    words: json::WORDS,
    max_len: 4096,
    run,
    hostile: &["{\"choices\":[", "[\"a\",", "{\"delta\":"],
    floor: 500.0,
};

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a","tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{"}}]},"logprobs":{"content":[{"token":"a"}]},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x","refusal":null,"audio":{"data":"AA==","transcript":"t"}},"finish_reason":"stop"}],"usage":{"total_tokens":3}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}"#,
        r#"{"type":"message_start","message":{"id":"m","content":[{"type":"text","text":"a"}],"usage":{"input_tokens":1}}}"#,
        r#"{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"x","sequence_number":4,"logprobs":[]}"#,
        r#"{"type":"response.completed","response":{"id":"r","output":[{"type":"message","id":"i","content":[{"type":"output_text","text":"x","annotations":[]}]}]}}"#,
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,0.2]}],"usage":{}}"#,
        r#"{"choices":[{"text":"x","index":0,"logprobs":{"tokens":["x"],"top_logprobs":[{"x":-1}]}}]}"#,
    ])
}

fn run(bytes: &[u8]) -> Outcome {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return Ok(0) };
    let name = document.at("/type").and_then(|node| document.text(node));
    let mut ways = Vec::new();
    for api in Api::ALL {
        for in_stream in [false, true] {
            let view = view(api, &document, name.as_deref(), in_stream);
            let known: BTreeSet<NodeId> = document.nodes().collect();
            let mut taken = BTreeSet::new();
            for (node, _) in &view.pieces {
                ensure(document.kind(*node) == Kind::String, || format!("{api:?}: `{}` is no string", document.pointer(*node)))?;
                ensure(taken.insert(*node), || format!("{api:?}: `{}` is taken twice", document.pointer(*node)))?;
            }
            let others = view.token_records.iter().map(|(_, node)| node).chain(&view.opaque);
            ensure(others.into_iter().all(|node| known.contains(node)), || "a node of another document".to_owned())?;
            ways.push((magnitude(view.pieces.len()), view.ends.len(), view.is_last, view.is_ambiguous, view.token_records.len()));
        }
        ensure(!is_end_mark(api.dialect(), bytes) || bytes.trim_ascii() == b"[DONE]", || {
            "a document ends the stream".to_owned()
        })?;
    }
    Ok(seen(ways))
}
