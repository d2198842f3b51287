use serde_json::{Value, json};
use text::{Document, Limits};

use super::{Course, Expected};
use crate::Method;

/// Reads results one after the other: the places of ids, words, pieces and files of each, or why not.
fn read(method: Method, expected: &Expected, results: &[Value]) -> Vec<Result<String, &'static str>> {
    let mut course = Course::new(method, expected.clone());
    let each = results.iter().map(|result| {
        let whole = result.to_string();
        let document = Document::parse(whole.as_bytes(), &Limits::default()).unwrap();
        course.read(&document, document.root()).map(|answer| {
            let places = |nodes: &[text::NodeId]| nodes.iter().map(|node| document.pointer(*node)).collect::<Vec<_>>().join(" ");
            let joined: Vec<String> = answer.joined.iter().map(|words| places(words)).collect();
            let pieces: Vec<String> =
                answer.pieces.iter().map(|(node, id)| format!("{id}:{}", document.pointer(*node))).collect();
            format!("{} | {} | {} | {}", places(&answer.ids), joined.join(","), pieces.join(" "), places(&answer.files))
        })
    });
    each.collect()
}

fn about(task: Option<&str>, context: Option<&str>) -> Expected {
    Expected { task: task.map(ToOwned::to_owned), context: context.map(ToOwned::to_owned) }
}

#[test]
fn ids_words_and_files_are_found() {
    let task = json!({
        "id": "t", "contextId": "c",
        "status": {"state": "TASK_STATE_WORKING", "message": {"taskId": "t", "contextId": "c", "parts": [{"text": "a"}, {"text": "b"}]}},
        "artifacts": [{"artifactId": "x", "parts": [{"raw": "AAAA"}, {"text": "d"}]}],
        "history": [{"messageId": "m", "referenceTaskIds": ["r"], "parts": [{"text": "e"}], "metadata": {"taskId": "other"}}],
    });
    let told = read(Method::Send, &about(None, None), &[json!({"task": task})]);
    // Whose task `r` is nobody knows: it is told to nobody.
    let ids = "/task/id /task/contextId /task/status/message/taskId /task/status/message/contextId";
    let words = "/task/status/message/parts/0/text /task/status/message/parts/1/text,/task/artifacts/0/parts/1/text,\
                 /task/history/0/parts/0/text";
    assert_eq!(told, [Ok(format!("{ids} | {words} |  | /task/artifacts/0/parts/0/raw"))]);
}

#[test]
fn a_stream_is_about_one_task() {
    let own = json!({"taskId": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}});
    let piece =
        json!({"taskId": "t", "contextId": "c", "artifact": {"artifactId": "x", "parts": [{"text": "sec"}, {"text": "ret"}]}});
    let foreign = json!({"taskId": "u", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}});
    let results = [json!({"statusUpdate": own}), json!({"artifactUpdate": piece}), json!({"statusUpdate": foreign})];
    let told = read(Method::SendStreaming, &about(None, None), &results);
    assert_eq!(told[0], Ok("/statusUpdate/taskId /statusUpdate/contextId |  |  | ".to_owned()));
    let pieces = "x:/artifactUpdate/artifact/parts/0/text x:/artifactUpdate/artifact/parts/1/text";
    assert_eq!(told[1], Ok(format!("/artifactUpdate/taskId /artifactUpdate/contextId |  | {pieces} | ")));
    assert_eq!(told[2], Err("an answer about another task or context"));
}

#[test]
fn what_was_not_asked_for_is_no_answer() {
    let task = |id: &str, context: &str| json!({"id": id, "contextId": context, "status": {"state": "TASK_STATE_WORKING"}});
    let other = "an answer about another task or context";
    let facts = [
        (Method::GetTask, about(Some("t"), None), task("u", "c"), other),
        (Method::CancelTask, about(Some("t"), None), task("u", "c"), other),
        (Method::Send, about(None, Some("c")), json!({"task": task("t", "d")}), other),
        (Method::Send, about(None, Some("c")), json!({"task": {"id": "t"}}), "a task without the context that was asked for"),
        (Method::Send, about(Some("t"), None), json!({"message": {"taskId": "u", "parts": []}}), other),
        (Method::Send, about(None, None), json!({"task": task("t", "c"), "message": {}}), "a result that is not one thing"),
        (Method::Send, about(None, None), json!({}), "a result that is not one thing"),
        (Method::Send, about(None, None), json!({"statusUpdate": {"taskId": "t"}}), "a result of a kind that is not known"),
        (Method::SendStreaming, about(None, None), json!({"push": {}}), "a result of a kind that is not known"),
        (Method::GetTask, about(Some("t"), None), json!({"contextId": "c"}), "a task without an id"),
        (Method::GetTask, about(Some("t"), None), json!({"id": 7}), "an id that is no text"),
        (Method::GetTask, about(None, None), json!({"id": "a b"}), "an id that is no plain word"),
        (Method::GetTask, about(None, None), json!({"id": "x".repeat(257)}), "an id that is no plain word"),
        (Method::GetTask, about(Some("t"), None), json!({"id": ""}), "an id that is no plain word"),
        (
            Method::Send,
            about(None, Some("c")),
            json!({"task": {"id": "t", "contextId": ""}}),
            "a task without the context that was asked for",
        ),
        (Method::GetTask, about(Some("t"), None), json!({"id": "t", "status": 1}), "something that is no object"),
        (Method::GetTask, about(Some("t"), None), json!({"id": "t", "history": {}}), "a list that is none, or too long"),
        (
            Method::SendStreaming,
            about(None, None),
            json!({"artifactUpdate": {"taskId": "t", "artifact": {"parts": []}}}),
            "a piece of an artifact without its id",
        ),
        (Method::GetTask, about(Some("t"), None), json!({"id": "t", "context_id": "d"}), "a member in another spelling"),
        (Method::GetTask, about(Some("t"), None), json!({"id": "t", "Status": {}}), "a member in another spelling"),
        (Method::Send, about(None, None), json!({"Task": task("t", "c")}), "a member in another spelling"),
    ];
    for (method, expected, result, why) in facts {
        assert_eq!(read(method, &expected, std::slice::from_ref(&result)), [Err(why)], "{result}");
    }
    let list = json!({"tasks": [task("t", "c"), task("u", "c")], "nextPageToken": ""});
    assert_eq!(read(Method::ListTasks, &about(None, Some("c")), &[list]).len(), 1);
    let list = json!({"tasks": [task("t", "c"), task("u", "d")]});
    assert_eq!(read(Method::ListTasks, &about(None, Some("c")), &[list]), [Err(other)]);
}
