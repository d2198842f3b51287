//! What answers say of usage, and what a client that did not ask is not shown.

use engine::ports::{AnswerView, Reported, Shown};
use model::Usage;
use serde_json::{Value, json};
use text::{Document, Limits, Splices};

use super::Api;

fn reported(api: Api, name: Option<&str>, in_stream: bool, body: &Value) -> Reported {
    let body = body.to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    super::super::view(api, &document, name, in_stream).reported
}

#[test]
fn every_form_of_usage() {
    let usage = |input, cached, cache_write, output, reasoning| Usage { input, cached, cache_write, output, reasoning };
    let both = |usage| Reported { usage, is_read: true, is_written: true, is_to_come: false };
    let details = json!({"prompt_tokens": 100, "completion_tokens": 40, "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 30}});
    let response = json!({"input_tokens": 100, "output_tokens": 40, "input_tokens_details": {"cached_tokens": 64},
        "output_tokens_details": {"reasoning_tokens": 30}});
    let message =
        json!({"input_tokens": 36, "cache_read_input_tokens": 64, "cache_creation_input_tokens": 5, "output_tokens": 40});
    let facts = [
        (Api::Chat, None, false, json!({"choices": [], "usage": details}), both(usage(36, 64, 0, 40, 30))),
        (Api::Chat, None, true, json!({"choices": [], "usage": details}), both(usage(36, 64, 0, 40, 30))),
        (Api::Chat, None, true, json!({"choices": [], "usage": null}), Reported::default()),
        (Api::Chat, None, false, json!({"choices": []}), Reported::default()),
        (Api::Chat, None, false, json!({"usage": {"prompt_tokens": "7", "completion_tokens": -1}}), Reported::default()),
        (
            Api::Embeddings,
            None,
            false,
            json!({"data": [], "usage": {"prompt_tokens": 9, "total_tokens": 9}}),
            both(usage(9, 0, 0, 0, 0)),
        ),
        // More cached than read there is not; more than can be is cut.
        (
            Api::Completions,
            None,
            false,
            json!({"usage": {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}, "completion_tokens": u64::MAX}}),
            both(usage(0, 5, 0, 1 << 40, 0)),
        ),
        (Api::Responses, None, false, json!({"object": "response", "usage": response}), both(usage(36, 64, 0, 40, 30))),
        (
            Api::Responses,
            Some("response.completed"),
            true,
            json!({"type": "response.completed", "response": {"output": [], "usage": response}}),
            both(usage(36, 64, 0, 40, 30)),
        ),
        (Api::Responses, None, true, json!({"type": "response.created", "response": {"usage": null}}), Reported::default()),
        // In the background: whatever it says by now, it is not what will have been used.
        (
            Api::Responses,
            None,
            false,
            json!({"status": "in_progress", "usage": response}),
            Reported { is_to_come: true, ..Reported::default() },
        ),
        (Api::Messages, None, false, json!({"type": "message", "usage": message}), both(usage(36, 64, 5, 40, 0))),
        (
            Api::Messages,
            Some("message_start"),
            true,
            json!({"type": "message_start", "message": {"content": [], "usage": message}}),
            Reported { usage: usage(36, 64, 5, 40, 0), is_read: true, is_written: false, is_to_come: false },
        ),
        (
            Api::Messages,
            Some("message_delta"),
            true,
            json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 12}}),
            Reported { usage: usage(0, 0, 0, 12, 0), is_read: false, is_written: true, is_to_come: false },
        ),
        (Api::CountTokens, None, false, json!({"input_tokens": 500}), Reported::default()),
    ];
    for (api, name, in_stream, body, expected) in facts {
        assert_eq!(reported(api, name, in_stream, &body), expected, "{api:?} {body}");
    }
}

/// What a client that did not ask sees of an event; nothing if it is not shown it.
fn seen(body: &str) -> Option<String> {
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let view: AnswerView = super::super::view(Api::Chat, &document, None, true);
    let mut splices = Splices::new();
    if let Some(untold) = view.usage_untold {
        splices.replace(untold, Vec::new());
    }
    (view.shown == Shown::Always).then(|| String::from_utf8(splices.apply(body.as_bytes()).unwrap()).unwrap())
}

#[test]
fn what_is_not_shown() {
    let facts = [
        (
            r#"{"id":"x","choices":[{"index":0,"delta":{}}],"usage":null}"#,
            Some(r#"{"id":"x","choices":[{"index":0,"delta":{}}]}"#),
        ),
        (r#"{"usage":null,"choices":[{"index":0,"delta":{}}]}"#, Some(r#"{"choices":[{"index":0,"delta":{}}]}"#)),
        (r#"{"a":1, "usage" : null , "b":2}"#, Some(r#"{"a":1, "b":2}"#)),
        (r#"{"a":1 , "usage": null }"#, Some(r#"{"a":1  }"#)),
        (r#"{"usage":null}"#, Some("{}")),
        (r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#, None),
        // What stands beside other things was there before.
        (
            r#"{"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
            Some(r#"{"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#),
        ),
        (r#"{"choices":[],"prompt_filter_results":[]}"#, Some(r#"{"choices":[],"prompt_filter_results":[]}"#)),
        (r#"{"choices":[{"index":0,"delta":{"usage":null}}]}"#, Some(r#"{"choices":[{"index":0,"delta":{"usage":null}}]}"#)),
    ];
    for (body, expected) in facts {
        assert_eq!(seen(body).as_deref(), expected, "{body}");
    }
}
