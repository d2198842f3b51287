use proptest::prelude::{ProptestConfig, any, proptest};
use serde_json::{Value, json};
use text::{Document, Limits};

use super::{Request, What};
use crate::Method;

/// What was read, as words; or what is wrong, and where.
fn read(method: Method, params: &Value) -> Result<String, (What, String)> {
    let whole = json!({"params": params}).to_string();
    let document = Document::parse(whole.as_bytes(), &Limits::default()).unwrap();
    let read = Request::read(&document, method, document.get(document.root(), "params"));
    let place = |node| document.pointer(node);
    read.map_err(|fault| (fault.what, fault.place)).map(|request| {
        let ids: Vec<String> = request.ids().map(place).collect();
        let open: Vec<String> = request.open.iter().map(|node| place(*node)).collect();
        let words = request.joined.iter().flatten().count();
        let parts: Vec<&str> = request.parts.iter().copied().collect();
        let (files, links) = (request.files.len(), request.links.len());
        format!(
            "ids {ids:?} open {open:?} words {words} parts {parts:?} files {files} links {links} {:?} {}",
            request.skill, request.is_blocking
        )
    })
}

fn message(more: &Value) -> Value {
    let mut message = json!({"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "a"}]});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"message": message})
}

#[test]
fn everything_that_a_message_names_is_found() {
    let parts = json!([
        {"text": "a", "mediaType": "text/plain"}, {"data": {"x": 1}, "metadata": {"k": "v"}},
        {"raw": "AAAA", "filename": "f"}, {"url": "https://files.example/x"},
    ]);
    let mut params = message(&json!({"parts": parts, "taskId": "t", "contextId": "c", "referenceTaskIds": ["r", "s"]}));
    params["configuration"] = json!({"acceptedOutputModes": ["text/plain"], "returnImmediately": true, "historyLength": 3});
    params["metadata"] = json!({"skillId": "book"});
    let expected = "ids [\"/params/message/taskId\", \"/params/message/contextId\", \"/params/message/referenceTaskIds/0\", \
                    \"/params/message/referenceTaskIds/1\"] open [\"/params/metadata\", \"/params/message/parts/0/text\", \
                    \"/params/message/parts/1/metadata\", \"/params/message/parts/1/data\"] words 1 \
                    parts [\"data\", \"file\", \"link\", \"text\"] files 1 links 1 Some(\"book\") false";
    assert_eq!(read(Method::Send, &params).unwrap(), expected);
    let plain = "ids [] open [\"/params/message/parts/0/text\"] words 1 parts [\"text\"] files 0 links 0 None ";
    assert_eq!(read(Method::Send, &message(&json!({}))).unwrap(), format!("{plain}true"));
    assert_eq!(read(Method::SendStreaming, &message(&json!({}))).unwrap(), format!("{plain}false"));
    // What is empty is not there, to every reader.
    let mut empty = message(&json!({"taskId": "", "contextId": "", "extensions": [], "referenceTaskIds": []}));
    empty["tenant"] = json!("");
    assert_eq!(read(Method::Send, &empty).unwrap(), format!("{plain}true"));
    let task = read(Method::GetTask, &json!({"id": "t", "historyLength": 1})).unwrap();
    assert!(task.starts_with("ids [\"/params/id\"]"), "{task}");
    let list = read(Method::ListTasks, &json!({"contextId": "c", "pageSize": 2, "includeArtifacts": true})).unwrap();
    assert!(list.starts_with("ids [\"/params/contextId\"]"), "{list}");
}

#[test]
fn what_could_be_read_otherwise_is_not_read() {
    let part = |part: Value| message(&json!({"parts": [part]}));
    let beside = |name: &str, value: Value| {
        let mut params = message(&json!({}));
        params[name] = value;
        params
    };
    let two = {
        let mut params = message(&json!({"metadata": {"skillId": "a"}}));
        params["metadata"] = json!({"skillId": "b"});
        params
    };
    let push = json!({"taskPushNotificationConfig": {"url": "https://evil.example"}});
    let sent = [
        (json!({}), What::Missing, "/params/message"),
        (message(&json!({"task_id": "t"})), What::Unknown, "/params/message"),
        (message(&json!({"TaskId": "t"})), What::Unknown, "/params/message"),
        (message(&json!({"taskId": null})), What::Type, "/params/message/taskId"),
        (message(&json!({"taskId": "x".repeat(513)})), What::Type, "/params/message/taskId"),
        (message(&json!({"referenceTaskIds": [1]})), What::Type, "/params/message/referenceTaskIds/0"),
        (message(&json!({"role": 1})), What::Type, "/params/message/role"),
        (message(&json!({"role": "ROLE_AGENT"})), What::Type, "/params/message/role"),
        (message(&json!({"parts": []})), What::Missing, "/params/message/parts"),
        (message(&json!({"parts": vec![json!({"text": "a"}); 257]})), What::Type, "/params/message/parts"),
        (message(&json!({"extensions": ["https://x.example"]})), What::Type, "/params/message/extensions"),
        (part(json!({"text": "a", "url": "https://x.example"})), What::Type, "/params/message/parts/0"),
        (part(json!({"text": null})), What::Type, "/params/message/parts/0/text"),
        (part(json!({"mediaType": "text/plain"})), What::Type, "/params/message/parts/0"),
        (part(json!({"text": "a", "Raw": "AAAA"})), What::Unknown, "/params/message/parts/0"),
        (part(json!("a")), What::Type, "/params/message/parts/0"),
        (beside("tenant", json!("t")), What::Unknown, "/params"),
        (beside("configuration", push), What::Unknown, "/params/configuration"),
        (beside("configuration", json!({"returnImmediately": 1})), What::Type, "/params/configuration/returnImmediately"),
        (beside("metadata", json!({"skillId": 7})), What::Type, "/params/metadata/skillId"),
        (two, What::Type, "/params/message/metadata/skillId"),
    ];
    for (params, what, place) in sent {
        assert_eq!(read(Method::Send, &params), Err((what, place.to_owned())), "{params}");
    }
    let others = [
        (Method::GetTask, json!({}), What::Missing, "/params/id"),
        (Method::GetTask, json!({"id": "t", "name": "tasks/t"}), What::Unknown, "/params"),
        (Method::GetTask, json!({"id": ""}), What::Type, "/params/id"),
        (Method::GetTask, json!({"id": "t", "tenant": 1}), What::Type, "/params/tenant"),
        (Method::ListTasks, json!({"contextId": ""}), What::Type, "/params/contextId"),
        (Method::ListTasks, json!({}), What::Missing, "/params/contextId"),
        (Method::Subscribe, json!({"id": "t", "tenant": "x"}), What::Unknown, "/params"),
        (Method::CancelTask, json!({"id": 1}), What::Type, "/params/id"),
    ];
    for (method, params, what, place) in others {
        assert_eq!(read(method, &params), Err((what, place.to_owned())), "{params}");
    }
}

#[test]
fn methods_are_a_closed_list() {
    for method in Method::ALL {
        assert_eq!(Method::named(method.as_str()), Some(method));
    }
    for name in ["message/send", "sendMessage", "SendMessage ", "tasks/get", ""] {
        assert_eq!(Method::named(name), None, "{name}");
    }
    let served: Vec<&str> = Method::ALL.into_iter().filter(|method| method.is_served()).map(Method::as_str).collect();
    assert_eq!(served, ["SendMessage", "SendStreamingMessage", "GetTask", "ListTasks", "CancelTask", "SubscribeToTask"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn nothing_that_is_taken_names_something_that_is_not_found(key in "[a-zA-Z_]{1,12}", text in any::<String>()) {
        let taken = ["messageId", "contextId", "taskId", "role", "parts", "metadata", "extensions", "referenceTaskIds"];
        let params = message(&json!({key.clone(): text}));
        if !taken.contains(&key.as_str()) {
            assert_eq!(read(Method::Send, &params), Err((What::Unknown, "/params/message".to_owned())));
        }
    }
}
