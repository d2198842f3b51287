//! The conversation that a request tells, the same in every API.

use engine::ports::Turn;
use serde_json::{Value, json};
use text::{Document, Limits};

use super::Api;
use crate::dialect::turns;

fn read(api: Api, body: &Value) -> Vec<Turn> {
    let body = body.to_string();
    turns(api, &Document::parse(body.as_bytes(), &Limits::default()).unwrap())
}

fn system(text: &str) -> Turn {
    Turn::System(text.to_owned())
}

fn user(text: &str) -> Turn {
    Turn::User(text.to_owned())
}

fn asked(id: &str, name: &str, arguments: &str) -> Turn {
    Turn::Asked { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn answered(id: &str, text: &str) -> Turn {
    Turn::Answered { id: id.to_owned(), text: text.to_owned() }
}

#[test]
fn one_conversation_reads_the_same_in_every_api() {
    let expected = vec![
        system("be brief"),
        user("pay\nthis"),
        Turn::Unread,
        asked("c1", "read", r#"{"path":"bill"}"#),
        asked("c2", "look", "{}"),
        answered("c1", "a bill\nof 10"),
        answered("c2", "nothing"),
        Turn::Unread,
        user("well?"),
    ];
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    let chat = json!({"messages": [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "pay"}, {"type": "text", "text": "this"}, image]},
        {"role": "assistant", "content": "I look", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "read", "arguments": r#"{"path":"bill"}"#}},
            {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a bill"}, {"type": "text", "text": "of 10"}]},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "nothing"}, {"type": "file", "file": {}}]},
        {"role": "user", "content": "well?"},
    ]});
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}});
    let message = json!({"system": [{"type": "text", "text": "be brief"}], "messages": [
        {"role": "user", "content": [{"type": "text", "text": "pay"}, {"type": "text", "text": "this"}, picture]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "I look"},
            {"type": "tool_use", "id": "c1", "name": "read", "input": {"path": "bill"}},
            {"type": "tool_use", "id": "c2", "name": "look", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a bill"}, {"type": "text", "text": "of 10"}]},
            {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "nothing"}, picture]},
            {"type": "text", "text": "well?"}]},
    ]});
    let response = json!({"instructions": "be brief", "input": [
        {"role": "user", "content": [
            {"type": "input_text", "text": "pay"}, {"type": "input_text", "text": "this"}, {"type": "input_image", "image_url": "x"}]},
        {"type": "reasoning", "id": "r", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "read", "arguments": r#"{"path":"bill"}"#},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "a bill\nof 10"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "nothing"}, {"type": "input_file", "file_id": "f"}]},
        {"type": "message", "role": "user", "content": "well?"},
    ]});
    for (api, body) in [(Api::Chat, chat), (Api::Messages, message), (Api::Responses, response)] {
        assert_eq!(read(api, &body), expected, "{api:?}");
    }
}

#[test]
fn what_was_said_elsewhere_or_by_nobody_known_is_no_word_of_the_user() {
    let facts = [
        (Api::Responses, json!({"input": "hi", "previous_response_id": "resp_1"}), vec![Turn::Unread, user("hi")]),
        (Api::Responses, json!({"input": "hi", "conversation": "conv_1"}), vec![Turn::Unread, user("hi")]),
        (Api::Responses, json!({"input": "hi", "prompt": {"id": "p"}}), vec![Turn::Unread, user("hi")]),
        (
            Api::Responses,
            json!({"input": [{"type": "item_reference", "id": "x"}, {"type": "web_search_call"}]}),
            vec![Turn::Unread; 2],
        ),
        (
            Api::Responses,
            json!({"input": [{"type": "function_call", "call_id": "c", "namespace": "crm", "name": "find", "arguments": "{}"}]}),
            vec![asked("c", "crm.find", "{}")],
        ),
        (Api::Chat, json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}), vec![answered("", "x")]),
        (
            Api::Chat,
            json!({"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}, "tool_calls": [
                {"id": "c", "type": "custom", "custom": {"name": "g", "input": "x"}}]}]}),
            vec![asked("", "f", "{}"), Turn::Unread],
        ),
        (
            Api::Messages,
            json!({"messages": [{"role": "assistant", "content": [{"type": "web_search_tool_result", "content": []}]}]}),
            vec![Turn::Unread],
        ),
        (
            Api::Messages,
            json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "well"}]}),
            vec![user("hi")],
        ),
        (
            Api::Messages,
            json!({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "x", "is_error": true}]}]}),
            vec![answered("c", "x")],
        ),
        (Api::Completions, json!({"prompt": "hi"}), vec![]),
    ];
    for (api, body, expected) in facts {
        assert_eq!(read(api, &body), expected, "{body}");
    }
}
