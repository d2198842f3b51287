//! Which strings of an answer belong together: every documented event of both providers, and what nobody documents.

use model::Dialect::{Anthropic, Openai};
use serde_json::{Value, json};
use text::{Document, Limits};

use super::super::Api;
use super::super::{is_end_mark, view};
use super::{DIALECTS, shown};

fn chunk(delta: &Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": "f",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null, "logprobs": null}]})
}

fn check(dialect: model::Dialect, event: &Value, expected: &[&str]) {
    assert_eq!(shown(dialect, event, None, true), expected, "{event}");
}

fn ends(dialect: model::Dialect, event: &Value) -> (Vec<String>, bool) {
    let body = event.to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let view = view(dialect.into(), &document, None, true);
    (view.ends.into_iter().map(|lane| lane.0).collect(), view.is_last)
}

#[test]
fn streamed_texts_of_a_choice() {
    for (delta, expected) in [
        (json!({"role": "assistant", "content": ""}), vec!["0 choice/0/delta/content = ", "choice/0/delta/role told"]),
        (json!({"content": "a"}), vec!["0 choice/0/delta/content = a"]),
        (json!({"refusal": "a"}), vec!["0 choice/0/delta/refusal = a"]),
        (json!({"reasoning_content": "a"}), vec!["0 choice/0/delta/reasoning_content = a"]),
        (json!({"reasoning": "a"}), vec!["0 choice/0/delta/reasoning = a"]),
        (json!({"content": null, "reasoning": "a"}), vec!["0 choice/0/delta/reasoning = a"]),
        (
            json!({"function_call": {"name": "f", "arguments": "{"}}),
            vec!["0 choice/0/delta/function_call/arguments = {", "0 choice/0/delta/function_call/name = f"],
        ),
        (
            json!({"audio": {"id": "a", "data": "AAAA", "transcript": "hi", "expires_at": 1}}),
            vec!["0 choice/0/delta/audio/transcript = hi", "choice/0/delta/audio/id told"],
        ),
        (
            json!({"new_text": "a", "deep": {"list": ["b", "c"]}, "message_id": "m"}),
            vec![
                "0 choice/0/delta/deep/list#0 = b",
                "0 choice/0/delta/deep/list#1 = c",
                "0 choice/0/delta/new_text = a",
                "choice/0/delta/message_id told",
            ],
        ),
        (
            json!({"reasoning_details": [{"type": "t", "index": 4, "text": "a"}]}),
            vec!["0 choice/0/delta/reasoning_details#4/text = a"],
        ),
        (json!("a"), vec!["0 choice/0/delta = a"]),
        (json!({}), vec![]),
    ] {
        check(Openai, &chunk(&delta), &expected);
    }
}

#[test]
fn tool_calls_are_told_apart_by_their_index() {
    let calls = json!({"tool_calls": [
        {"index": 1, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a"}},
        {"index": 0, "type": "custom", "custom": {"name": "g", "input": "x"}},
        {"function": {"arguments": "y"}}]});
    check(
        Openai,
        &chunk(&calls),
        &[
            "0 choice/0/delta/tool_calls#0/custom/input = x",
            "0 choice/0/delta/tool_calls#0/custom/name = g",
            "0 choice/0/delta/tool_calls#1/function/arguments = {\"a",
            "0 choice/0/delta/tool_calls#1/function/name = f",
            "0 choice/0/delta/tool_calls#2/function/arguments = y",
            "choice/0/delta/tool_calls#1/id told",
        ],
    );
    // A name ends when its arguments begin, and not before.
    let (ended, _) = ends(Openai, &chunk(&calls));
    assert_eq!(
        ended,
        [
            "choice/0/delta/tool_calls#1/function/name",
            "choice/0/delta/tool_calls#0/custom/name",
            "choice/0/delta/tool_calls#2/function/name",
        ]
    );
    let begun = chunk(&json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}));
    assert_eq!(ends(Openai, &begun).0, Vec::<String>::new());
    let legacy = chunk(&json!({"function_call": {"arguments": "{"}}));
    assert_eq!(ends(Openai, &legacy).0, ["choice/0/delta/function_call/name"]);
}

#[test]
fn a_reason_beside_words_is_no_end_yet() {
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]});
    // (what the chunk says, whether the choice ends with it).
    let facts = [
        (delta(json!({})), true),
        (delta(json!({"content": ""})), true),
        (delta(json!({"content": null, "tool_calls": []})), true),
        (delta(json!({"role": "assistant", "content": ""})), true),
        (delta(json!({"content": "b"})), false),
        (delta(json!({"reasoning_content": "b"})), false),
        (delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]})), false),
        (json!({"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]}), false),
        (json!({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}), true),
    ];
    for (event, has_ended) in facts {
        let ended = ends(Openai, &event).0;
        assert_eq!(ended.iter().any(|lane| lane == "choice/0/delta/content"), has_ended, "{event}");
    }
}

#[test]
fn choices_are_told_apart_and_end_alone() {
    let event = json!({"choices": [
        {"index": 3, "delta": {"content": "a"}, "finish_reason": null},
        {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"},
        {"delta": {"content": "c"}},
        {"index": "x", "delta": {"content": "d"}},
        {"index": -1, "delta": {"content": "e"}},
    ]});
    check(
        Openai,
        &event,
        &[
            "0 choice/0/delta/content = ",
            "2 choice/2/delta/content = c",
            "3 choice/3/delta/content = a",
            "4294967295 choice/?/delta/content = d",
            "4294967295 choice/?/delta/content = e",
        ],
    );
    let (ended, is_last) = ends(Openai, &event);
    assert!(!is_last && ended.iter().all(|lane| lane.starts_with("choice/0/")));
    for lane in [
        "delta/content",
        "delta/refusal",
        "delta/reasoning",
        "delta/reasoning_content",
        "delta/function_call/arguments",
        "delta/audio/transcript",
        "logprobs/content",
        "logprobs/refusal",
        "delta/tool_calls#0/function/arguments",
        "delta/tool_calls#15/function/name",
        "delta/tool_calls#2/custom/input",
    ] {
        assert!(ended.contains(&format!("choice/0/{lane}")), "{lane}");
    }
}

#[test]
fn tokens_are_lanes_and_their_record_is_named() {
    let entry =
        |token: &str| json!({"token": token, "logprob": -0.1, "bytes": [65], "top_logprobs": [{"token": "alt", "bytes": [66]}]});
    let logprobs = json!({"content": [entry("a"), entry("b")], "refusal": [entry("c")]});
    let streamed = json!({"choices": [{"index": 2, "delta": {}, "logprobs": logprobs}]});
    let whole = json!({"choices": [{"index": 2, "message": {"role": "assistant", "content": "ab"}, "finish_reason": "stop", "logprobs": logprobs}]});
    let expected = [
        "2 choice/2/logprobs/content = a",
        "2 choice/2/logprobs/content = b",
        "2 choice/2/logprobs/refusal = c",
        "2 record /choices/0/logprobs",
    ];
    assert_eq!(shown(Openai, &streamed, None, true), expected);
    assert_eq!(shown(Openai, &whole, None, false), expected);
    let legacy = json!({"choices": [{"text": "ab", "logprobs": {"tokens": ["a", "b"], "token_logprobs": [0.1, 0.2]}}]});
    assert_eq!(
        shown(Openai, &legacy, None, true),
        [
            "0 choice/0/logprobs/tokens = a",
            "0 choice/0/logprobs/tokens = b",
            "0 choice/0/text = ab",
            "0 record /choices/0/logprobs",
        ]
    );
    assert_eq!(shown(Openai, &json!({"choices": [{"index": 0, "logprobs": null}]}), None, true), Vec::<String>::new());
}

#[test]
fn documents_are_whole_but_for_tool_arguments() {
    let chat = json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {"content": "x"}, "message": {"content": "a",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}], "usage": {}});
    // JSON inside a string is read a second time by clients, so it is a lane of its own.
    assert_eq!(shown(Openai, &chat, None, false), ["0 choice/0/message/tool_calls#0/function/arguments = {}"]);
    let message = json!({"type": "message", "content": [{"type": "text", "text": "a"}], "delta": "x"});
    assert_eq!(shown(Anthropic, &message, None, false), Vec::<String>::new());
    for dialect in DIALECTS {
        for body in [json!([1]), json!("x"), json!(null), json!({}), json!({"choices": 5}), json!({"choices": [5, null, "x"]})] {
            assert_eq!(shown(dialect, &body, None, false), Vec::<String>::new());
            assert_eq!(shown(dialect, &body, None, true), Vec::<String>::new());
        }
    }
}

#[test]
fn every_event_of_a_message_stream() {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 1, "delta": delta});
    let start = |block: Value| json!({"type": "content_block_start", "index": 1, "content_block": block});
    for (event, expected) in [
        (
            json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "model": "x", "content": [], "usage": {}}}),
            vec![],
        ),
        (json!({"type": "ping"}), vec![]),
        (json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}), vec![]),
        (start(json!({"type": "text", "text": ""})), vec!["0 block/1/text = "]),
        (
            start(json!({"type": "thinking", "thinking": "a", "signature": "s"})),
            vec!["0 block/1/thinking = a", "block/1/signature told"],
        ),
        (start(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})), vec![]),
        (start(json!({"type": "redacted_thinking", "data": "d"})), vec![]),
        (
            start(
                json!({"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"type": "web_search_result", "title": "t"}]}),
            ),
            vec![],
        ),
        (delta(json!({"type": "text_delta", "text": "a"})), vec!["0 block/1/text = a"]),
        (delta(json!({"type": "input_json_delta", "partial_json": "{"})), vec!["0 block/1/partial_json = {"]),
        (delta(json!({"type": "thinking_delta", "thinking": "a", "estimated_tokens": 1})), vec!["0 block/1/thinking = a"]),
        (delta(json!({"type": "signature_delta", "signature": "s"})), vec!["block/1/signature told"]),
        (
            delta(
                json!({"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "t", "document_title": "d"}}),
            ),
            vec![],
        ),
        (
            delta(json!({"type": "compaction_delta", "content": "a", "encrypted_content": "e"})),
            vec!["0 block/1/content = a", "block/1/encrypted_content told"],
        ),
        (delta(json!({"type": "future_delta", "words": {"more": ["a"]}})), vec!["0 block/1/words/more#0 = a"]),
        (json!({"type": "content_block_stop", "index": 1}), vec![]),
        (json!({"type": "content_block_stop", "index": 1, "content_block": {"type": "text", "text": "all"}}), vec![]),
        (
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": "x", "container": {"id": "c"},
            "stop_details": {"explanation": "e"}}, "usage": {"service_tier": "s"}}),
            vec!["message/stop_reason told", "message/stop_sequence told"],
        ),
        (json!({"type": "message_delta", "delta": {"future": "a"}}), vec!["0 message/future = a"]),
        (json!({"type": "message_stop"}), vec![]),
    ] {
        check(Anthropic, &event, &expected);
    }
}

#[test]
fn blocks_end_alone_and_the_message_ends_all() {
    let (ended, is_last) = ends(Anthropic, &json!({"type": "content_block_stop", "index": 4}));
    assert_eq!(ended, ["block/4/text", "block/4/partial_json", "block/4/thinking", "block/4/content"]);
    assert!(!is_last);
    assert!(ends(Anthropic, &json!({"type": "message_stop"})).1);
    for event in ["message_start", "message_delta", "content_block_start", "content_block_delta", "ping"] {
        assert_eq!(ends(Anthropic, &json!({"type": event, "index": 0})), (vec![], false), "{event}");
    }
    // The data's own type counts; the event's name stands in when there is none.
    let body = b"{}";
    let document = Document::parse(body, &Limits::default()).unwrap();
    assert!(view(Anthropic.into(), &document, Some("message_stop"), true).is_last);
    let body = br#"{"type":"ping"}"#;
    let document = Document::parse(body, &Limits::default()).unwrap();
    assert!(!view(Anthropic.into(), &document, Some("message_stop"), true).is_last);
}

#[test]
fn what_nobody_documents() {
    for dialect in DIALECTS {
        for (event, expected) in [
            (json!({"type": "brand_new_event", "payload": {"deep": ["a"]}}), vec![]),
            (
                json!({"type": "brand_new", "payload": {"delta": {"deep": "a", "type": "t", "id": "i"}}}),
                vec!["0 event/brand_new/payload/delta/deep = a"],
            ),
            (json!({"type": "brand_new", "text_delta": "a"}), vec!["0 event/brand_new/text_delta = a"]),
            (
                json!({"type": "response.output_text.delta", "delta": "a", "item_id": "i", "output_index": 2, "content_index": 0}),
                vec!["0 event/response.output_text.delta#output_index=2#content_index=0/delta = a"],
            ),
            (json!({"type": "brand_new_delta", "words": "a", "role": "r"}), vec!["0 event/brand_new_delta/words = a"]),
            (json!({"type": "a secret.delta", "words": "a"}), vec!["0 event/?.delta/words = a"]),
            (json!({"error": {"message": "m"}}), vec![]),
            (json!(["a"]), vec![]),
        ] {
            check(dialect, &event, &expected);
        }
        let named = json!({"words": "a"});
        assert_eq!(shown(dialect, &named, Some("brand_new_delta"), true), ["0 event/brand_new_delta/words = a"]);
    }
    // Beside the choices, and in a choice beside its delta.
    let event = json!({"choices": [{"index": 0, "delta": {}, "more": {"delta": "a"}, "message": {"content": "whole"}}], "extra_delta": "b", "extra": "whole"});
    check(Openai, &event, &["0 choice/0/more/delta = a", "0 event//extra_delta = b", "choice/0/message/content told"]);
}

#[test]
fn keys_cannot_take_the_name_of_a_place() {
    let of_array = shown(Openai, &chunk(&json!({"a": ["x"]})), None, true);
    let of_keys =
        [json!({"a#0": "x"}), json!({"a": {"0": "x"}}), json!({"a": {"#0": "x"}}), json!({"a/0": "x"}), json!({"a~20": "x"})];
    let mut all: Vec<String> =
        of_keys.iter().flat_map(|delta| shown(Openai, &chunk(delta), None, true)).chain(of_array).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6, "{all:?}");
}

#[test]
fn the_end_mark() {
    assert!(is_end_mark(Openai, b"[DONE]") && is_end_mark(Openai, b" [DONE] "));
    for data in [&b"DONE"[..], b"[done]", b"{}", b"", b"[DONE]x"] {
        assert!(!is_end_mark(Openai, data));
    }
    assert!(!is_end_mark(Anthropic, b"[DONE]"));
}

#[test]
fn vectors_are_not_read_and_everything_else_is() {
    let answer = |embedding: Value| json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": embedding}], "model": "m"});
    for vector in [json!([0.004_532_071_216_424_424, -1.0, 1e-9, 3]), json!([]), json!("AAAAAAAAgD8="), json!("AAAAAAAAgD8AAAAA")]
    {
        assert_eq!(shown(Api::Embeddings, &answer(vector.clone()), None, false), ["/data/0/embedding opaque"], "{vector}");
    }
    for other in [
        json!([0.5, "x"]),
        json!([4_532_071_216_424_424_u64]),
        json!("a@b.co"),
        json!("AAAAA"),
        json!({"a": [1]}),
        json!([[0.5]]),
    ] {
        assert_eq!(shown(Api::Embeddings, &answer(other.clone()), None, false), [] as [&str; 0], "{other}");
    }
}

#[test]
fn events_of_a_response() {
    let of = |event: Value| shown(Api::Responses, &event, None, true);
    let delta = json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 2, "delta": "a",
        "logprobs": [{"token": "a", "logprob": -1}], "sequence_number": 4, "obfuscation": "x"});
    let lane = "event/response.output_text.delta#output_index=0#content_index=2";
    assert_eq!(of(delta), [format!("0 {lane}/delta = a"), format!("0 {lane}/logprobs = a"), "0 record /logprobs".to_owned()]);
    let done =
        json!({"type": "response.output_text.done", "item_id": "msg_1", "output_index": 0, "content_index": 2, "text": "ab"});
    assert_eq!(of(done), ["finished/text told".to_owned(), format!("{lane} ends")]);
    let item =
        json!({"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]});
    let finished = of(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    assert_eq!(finished.iter().filter(|line| *line == "finished/item told").count(), 2, "{finished:?}");
    let arguments =
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1, "delta": "{\"a"});
    assert_eq!(of(arguments), ["0 event/response.function_call_arguments.delta#output_index=1/delta = {\"a (json)"]);
    for (event, is_last) in
        [("response.created", false), ("response.completed", true), ("response.failed", true), ("response.incomplete", true)]
    {
        let output = json!([{"content": [{"text": "a"}]}, {"type": "reasoning"}, {"content": [{"text": "b"}]}]);
        let body = json!({"type": event, "response": {"id": "resp_1", "output": output}}).to_string();
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        let view = view(Api::Responses, &document, None, true);
        // What the parts of a finished answer say is read as one, and what a beginning says is refused.
        assert_eq!((view.is_last, view.joined.len(), view.is_ambiguous), (is_last, usize::from(is_last), !is_last), "{event}");
    }
}

#[test]
fn parts_that_are_read_as_one() {
    let parts = |texts: &[&str]| -> Value { texts.iter().map(|text| json!({"type": "text", "text": text})).collect() };
    let message = |texts: &[&str]| json!({"type": "message", "content": parts(texts)});
    let facts = [
        (Api::Messages, json!({"content": parts(&["a", "b", "c"])}), vec![vec!["a", "b", "c"]]),
        (Api::Messages, json!({"content": parts(&["a"])}), vec![]),
        (
            Api::Messages,
            json!({"content": [{"text": "a"}, {"type": "tool_use", "input": {}}, {"text": "b"}]}),
            vec![vec!["a", "b"]],
        ),
        (Api::Chat, json!({"choices": [{"message": {"content": parts(&["a", "b"])}}]}), vec![vec!["a", "b"]]),
        // Several answers are not one.
        (Api::Completions, json!({"choices": [{"text": "a"}, {"text": "b"}]}), vec![]),
        (
            Api::Responses,
            json!({"output": [message(&["a"]), {"type": "reasoning"}, message(&["b", "c"])]}),
            vec![vec!["a", "b", "c"]],
        ),
        (
            Api::Responses,
            json!({"output": [{"type": "reasoning", "summary": parts(&["x", "y"])}, message(&["a"])]}),
            vec![vec!["a"], vec!["x", "y"]],
        ),
        (Api::Responses, json!({"object": "list", "data": [message(&["a"]), message(&["b"])]}), vec![vec!["a", "b"]]),
    ];
    for (api, body, expected) in facts {
        let body = body.to_string();
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        let groups = view(api, &document, None, false).joined;
        let texts: Vec<Vec<String>> =
            groups.iter().map(|group| group.iter().map(|node| document.text(*node).unwrap().into_owned()).collect()).collect();
        assert_eq!(texts, expected, "{body}");
    }
}
