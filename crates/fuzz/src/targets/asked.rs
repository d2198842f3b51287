//! Calls that models ask for: what leaves of an answer where every call was refused, or every call passed.

use bytes::Bytes;
use engine::ports::{Calls, EventReader, Fate, StreamEvent};
use gateway::dialect::{Api, calls, view};
use gateway::sse::SseReader;
use serde_json::Value;
use text::{Document, Limits};

use super::{Outcome, Target, ensure, json, magnitude, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "asked",
    what: "events with calls of tools: refused, a second reader sees none in what leaves; permitted, every event leaves as it came",
    seeds,
    words: json::WORDS,
    max_len: 4096,
    run,
    hostile: &["{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1}]}}]}\n", "{\"choices\":[\n", "[DONE]\n"],
    floor: 300.0,
};

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}
{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
[DONE]"#,
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}],"function_call":{"name":"h","arguments":"{}"}},"finish_reason":"tool_calls"}]}"#,
        r#"{"type":"message_start","message":{"content":[]}}
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}
{"type":"content_block_stop","index":1}
{"type":"message_delta","delta":{"stop_reason":"tool_use"}}
{"type":"message_stop"}"#,
        r#"{"type":"message","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"a","name":"f","input":{"a":1}}],"stop_reason":"tool_use"}"#,
        r#"{"type":"response.created","response":{"output":[]},"sequence_number":0}
{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"a","name":"f","arguments":""}}
{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}
{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{}"}
{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}}
{"type":"response.completed","response":{"output":[{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}]}}"#,
        r#"{"object":"response","output":[{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"message","content":[]}]}"#,
    ])
}

/// What leaves of an answer, with this fate for every call; and how many there were. None if it is not released to its end.
fn released(api: Api, in_stream: bool, documents: &[&[u8]], fate: &Fate) -> Option<(Vec<u8>, usize)> {
    let mut reader = calls(api, in_stream, Limits::default())?;
    let (mut out, mut n_calls) = (Vec::new(), 0);
    let mut give = |reader: &mut Box<dyn Calls>| {
        out.extend_from_slice(&reader.take().ok()?);
        for call in reader.asked() {
            n_calls += 1;
            reader.decide(call.key, fate.clone());
        }
        out.extend_from_slice(&reader.take().ok()?);
        Some(())
    };
    for data in documents {
        let speaks = match Document::parse(data, &Limits::default()) {
            Ok(document) => view(api, &document, None, in_stream).speaks_of_calls,
            // The path refuses what does not read, but for the mark of an end.
            Err(_) if in_stream && data.trim_ascii() == b"[DONE]" => false,
            Err(_) => return None,
        };
        let data = Bytes::copy_from_slice(data);
        reader
            .push(StreamEvent { raw: data.clone(), data: Some(data.clone()), ..StreamEvent::default() }, data, false, speaks)
            .ok()?;
        give(&mut reader)?;
    }
    reader.finish().ok()?;
    give(&mut reader)?;
    (reader.held() == 0).then_some((out, n_calls))
}

/// The documents of what was released.
fn documents(in_stream: bool, bytes: &[u8]) -> Result<Vec<Value>, String> {
    if !in_stream {
        return serde_json::Deserializer::from_slice(bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string());
    }
    let (mut reader, mut events) = (SseReader::new(1 << 20), Vec::new());
    reader.push(bytes, &mut events).map_err(|code| code.as_str().to_owned())?;
    let data = events.into_iter().filter_map(|event| event.data).filter(|data| data.trim_ascii() != b"[DONE]");
    data.map(|data| serde_json::from_slice(&data).map_err(|error| error.to_string())).collect()
}

/// Whether a client would find a call there.
fn has_call(api: Api, in_stream: bool, document: &Value) -> bool {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let below = |outer: &str, inner: &str| list(document.get(outer).and_then(|outer| outer.get(inner)));
    let one = |key: &str| document.get(key).cloned().into_iter().collect();
    let (parts, kind): (Vec<Value>, &str) = match (api, in_stream) {
        (Api::Messages, false) => (list(document.get("content")), "tool_use"),
        (Api::Messages, true) => ([one("content_block"), below("message", "content")].concat(), "tool_use"),
        (Api::Responses, false) => (list(document.get("output")), "function_call"),
        (Api::Responses, true) => ([one("item"), below("response", "output")].concat(), "function_call"),
        _ => {
            return list(document.get("choices")).iter().any(|choice| {
                ["delta", "message"].iter().filter_map(|holder| choice.get(holder)).any(|said| {
                    let is_function = |call: &Value| call.get("function").is_some_and(Value::is_object);
                    let has_older = said.get("function_call").is_some_and(Value::is_object);
                    has_older || list(said.get("tool_calls")).iter().any(is_function)
                })
            });
        }
    };
    parts.iter().any(|part| part.get("type").is_some_and(|of| of == kind))
}

fn run(bytes: &[u8]) -> Outcome {
    let lines: Vec<&[u8]> = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()).take(64).collect();
    // The second reader holds no number of any size; nor do clients.
    let is_read = |line: &&[u8]| line.trim_ascii() == b"[DONE]" || serde_json::from_slice::<Value>(line).is_ok();
    if !lines.iter().all(is_read) {
        return Ok(0);
    }
    let mut ways = Vec::new();
    for api in [Api::Chat, Api::Messages, Api::Responses] {
        for in_stream in [false, true] {
            let all: &[&[u8]] = if in_stream { &lines } else { lines.get(..1).unwrap_or_default() };
            for fate in [Fate::Strip, Fate::Replace("no".to_owned())] {
                let Some((out, n_calls)) = released(api, in_stream, all, &fate) else { continue };
                let left = documents(in_stream, &out)?;
                let found = left.iter().find(|document| has_call(api, in_stream, document));
                ensure(found.is_none(), || format!("{api:?} {in_stream}: {found:?} is left of {n_calls} refused calls"))?;
                ways.push((in_stream, magnitude(n_calls), magnitude(left.len())));
            }
            if let Some((out, _)) = released(api, in_stream, all, &Fate::Pass) {
                let n_left = documents(in_stream, &out)?.len();
                let n_came = all.iter().filter(|line| line.trim_ascii() != b"[DONE]").count();
                ensure(n_left == n_came, || format!("{api:?} {in_stream}: {n_left} of {n_came} documents have left"))?;
            }
        }
    }
    Ok(seen(ways))
}
