//! What agents say of themselves, and what is said to them and by them.

use a2a::{Card, Course, Expected, Method, Request, signed_form};
use identity::token::{Ed25519Signer, KeySet, Signer, sign_detached, verify_detached};
use serde_json::{Value, json};
use text::{Document, Limits, NodeId};

use super::{Outcome, Target, ensure, seen, texts};

pub(super) const CARDS: Target = Target {
    name: "cards",
    what: "agent cards behind a signature: what was approved reads again as itself, what is served names nothing behind the gate, and \
           nobody's signature is anybody else's",
    seeds: || {
        texts(&[
            "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ\nc2ln\n{\"name\":\"T\",\"version\":\"1\",\"supportedInterfaces\":[{\"url\":\"http://behind\",\"protocolBinding\":\"JSONRPC\",\"protocolVersion\":\"1.0\"}],\"capabilities\":{\"streaming\":true},\"skills\":[{\"id\":\"a\",\"name\":\"A\",\"tags\":[]}],\"signatures\":[{\"protected\":\"e30\",\"signature\":\"\"}]}",
            "\n\n{\"name\":\"T\",\"version\":\"1\",\"supportedInterfaces\":[{\"protocolBinding\":\"JSONRPC\",\"protocolVersion\":\"1.0.1\",\"tenant\":\"\"}],\"provider\":{\"organization\":\"\",\"url\":1.5}}",
            "e30\n\n{}",
        ])
    },
    words: &[
        "\"name\":",
        "\"skills\":[",
        "\"id\":\"a\"",
        "\"signatures\":[",
        "\"supportedInterfaces\":[",
        "\"capabilities\":{",
        "\"extensions\":[{\"required\":true}]",
        "\"url\":\"http://behind\"",
        "\"provider\":{",
        "eyJhbGciOiJub25lIiwia2lkIjoiayJ9",
        "null",
        "1e300",
        "\"\"",
        "[]",
        "{}",
        "\n",
        ",",
    ],
    max_len: 1500,
    run: card,
    hostile: &["{\"a\":", "[", "{\"id\":\"a\"},", "\"a\":1,"],
    floor: 200.0,
};

pub(super) const SAID: Target = Target {
    name: "said",
    what: "what is said to agents: every id that a second reader finds is known, and every part is of one kind",
    seeds: || {
        texts(&[
            "SendMessage\n{\"message\":{\"messageId\":\"m\",\"role\":\"ROLE_USER\",\"parts\":[{\"text\":\"a\"},{\"raw\":\"AAAA\"},{\"url\":\"https://h\"},{\"data\":{}}],\"taskId\":\"t\",\"contextId\":\"c\",\"referenceTaskIds\":[\"r\"],\"metadata\":{\"skillId\":\"s\"}},\"configuration\":{\"returnImmediately\":true,\"historyLength\":1}}",
            "GetTask\n{\"id\":\"t\",\"historyLength\":1}",
            "ListTasks\n{\"contextId\":\"c\",\"includeArtifacts\":false}",
            "SubscribeToTask\n{\"id\":\"t\"}",
        ])
    },
    words: &[
        "\"message\":{",
        "\"parts\":[",
        "\"text\":\"a\"",
        "\"taskId\":\"t\"",
        "\"task_id\":\"t\"",
        "\"contextId\":",
        "\"referenceTaskIds\":[",
        "\"role\":\"ROLE_USER\"",
        "\"tenant\":",
        "\"metadata\":{",
        "\"skillId\":",
        "SendStreamingMessage\n",
        "CancelTask\n",
        "null",
        "true",
        "{",
        "}",
        "]",
        ",",
    ],
    max_len: 1200,
    run: said,
    hostile: &["SendMessage\n{\"message\":{\"parts\":[{\"text\":\"a\"},", "{\"a\":", "[", "\"r\","],
    floor: 1000.0,
};

pub(super) const HEARD: Target = Target {
    name: "heard",
    what: "what agents answer: every id that a second reader finds is bound, and none is of another task than was asked for",
    seeds: || {
        texts(&[
            "GetTask t c\n{\"id\":\"t\",\"contextId\":\"c\",\"status\":{\"state\":\"S\",\"message\":{\"taskId\":\"t\",\"parts\":[{\"text\":\"a\"}]}},\"artifacts\":[{\"artifactId\":\"x\",\"parts\":[{\"raw\":\"AAAA\"}]}],\"history\":[{\"referenceTaskIds\":[\"r\"]}]}",
            "SendStreamingMessage - -\n{\"artifactUpdate\":{\"taskId\":\"t\",\"contextId\":\"c\",\"artifact\":{\"artifactId\":\"x\",\"parts\":[{\"text\":\"a\"}]}}}",
            "SendMessage - c\n{\"message\":{\"messageId\":\"m\",\"contextId\":\"c\",\"parts\":[{\"text\":\"a\"}]}}",
            "ListTasks - c\n{\"tasks\":[{\"id\":\"t\",\"contextId\":\"c\"},{\"id\":\"u\",\"contextId\":\"c\"}],\"nextPageToken\":\"\"}",
        ])
    },
    words: &[
        "\"task\":{",
        "\"statusUpdate\":{",
        "\"artifactUpdate\":{",
        "\"id\":\"t\"",
        "\"taskId\":\"u\"",
        "\"contextId\":\"c\"",
        "\"status\":{\"message\":{",
        "\"history\":[",
        "\"parts\":[",
        "\"text\":",
        "SubscribeToTask t -\n",
        "null",
        "{",
        "}",
        "]",
        ",",
    ],
    max_len: 1200,
    run: heard,
    hostile: &["ListTasks - c\n{\"tasks\":[{\"id\":\"t\",\"contextId\":\"c\"},", "{\"a\":", "[", "{\"text\":\"a\"},"],
    floor: 1000.0,
};

fn card(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(0) };
    let mut lines = text.splitn(3, '\n');
    let (Some(protected), Some(signature), Some(card)) = (lines.next(), lines.next(), lines.next()) else { return Ok(1) };
    let signer = Ed25519Signer::from_seed(&[7; 32]).map_err(|error| error.to_string())?;
    let keys = KeySet::parse(json!({"keys": [signer.jwk()]}).to_string().as_bytes()).map_err(|error| error.to_string())?;
    let forged = verify_detached(protected, card.as_bytes(), signature, &keys);
    ensure(forged.is_err(), || "a signature that nobody made is taken".to_owned())?;
    let read = match Card::read(card.as_bytes()) {
        Ok(read) => read,
        Err(wrong) => return Ok(seen((std::mem::discriminant(&wrong), forged.err().map(|error| error.to_string())))),
    };
    let again = Card::read(read.canonical().as_bytes()).map_err(|error| format!("what was approved is no card: {error}"))?;
    ensure(again.canonical() == read.canonical(), || "what was approved reads as something else".to_owned())?;
    ensure(again.signatures().is_empty(), || "a signature was approved".to_owned())?;
    let served = read.served("http://gate/a2a/t", |skill| skill == "a");
    ensure(served.to_string().matches("protocolBinding").count() <= card.matches("protocolBinding").count().max(1), || {
        "another address is served".to_owned()
    })?;
    ensure(served.pointer("/supportedInterfaces/0/url") == Some(&Value::from("http://gate/a2a/t")), || "no address".to_owned())?;
    ensure(served.get("signatures").is_none(), || "another's signature is served".to_owned())?;
    let payload = signed_form(&served);
    ensure(serde_json::from_str::<Value>(&payload).ok() == Some(served), || {
        "something else is signed than is served".to_owned()
    })?;
    let (protected, signature) = sign_detached(payload.as_bytes(), &signer).map_err(|error| error.to_string())?;
    verify_detached(&protected, payload.as_bytes(), &signature, &keys).map_err(|error| error.to_string())?;
    Ok(seen((read.skills().len().min(3), read.signatures().len().min(2), read.streams())))
}

/// The texts that stand at some nodes.
fn told(document: &Document<'_>, nodes: impl Iterator<Item = NodeId>) -> Vec<String> {
    nodes.filter_map(|node| document.text(node)).map(std::borrow::Cow::into_owned).collect()
}

fn said(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(0) };
    let Some((method, params)) = text.split_once('\n') else { return Ok(1) };
    let Some(method) = Method::named(method).filter(|method| method.is_served()) else { return Ok(2) };
    let Ok(document) = Document::parse(params.as_bytes(), &Limits::default()) else { return Ok(3) };
    let Ok(whole) = serde_json::from_str::<Value>(params) else { return Ok(4) };
    if !whole.is_object() {
        return Ok(5);
    }
    let request = match Request::read(&document, method, Some(document.root())) {
        Ok(request) => request,
        Err(fault) => return Ok(seen((fault.what as u8, fault.why))),
    };
    let known = told(&document, request.ids());
    let places = ["/id", "/contextId", "/message/taskId", "/message/contextId"];
    let references = whole.pointer("/message/referenceTaskIds").and_then(Value::as_array).into_iter().flatten();
    for id in places.iter().filter_map(|place| whole.pointer(place)).chain(references) {
        ensure(id.as_str().is_some_and(|id| id.is_empty() || known.iter().any(|known| known == id)), || {
            format!("{id} is not known")
        })?;
    }
    let parts = whole.pointer("/message/parts").and_then(Value::as_array).map_or(0, Vec::len);
    let kinds = request.joined.iter().flatten().count() + request.files.len() + request.links.len();
    ensure(kinds <= parts, || "a part is of two kinds".to_owned())?;
    Ok(seen((method, known.len(), request.parts.len(), request.skill.is_some(), request.is_blocking)))
}

fn heard(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(0) };
    let Some((asked, result)) = text.split_once('\n') else { return Ok(1) };
    let mut words = asked.split(' ');
    let Some(method) = words.next().and_then(Method::named) else { return Ok(2) };
    let mut word = || words.next().filter(|word| *word != "-").map(ToOwned::to_owned);
    let expected = Expected { task: word(), context: word() };
    let Ok(document) = Document::parse(result.as_bytes(), &Limits::default()) else { return Ok(3) };
    let Ok(whole) = serde_json::from_str::<Value>(result) else { return Ok(4) };
    let answer = match Course::new(method, expected.clone()).read(&document, document.root()) {
        Ok(answer) => answer,
        Err(why) => return Ok(seen(why)),
    };
    let bound = told(&document, answer.ids.iter().copied());
    let own = ["/id", "/task/id", "/message/taskId", "/statusUpdate/taskId", "/artifactUpdate/taskId", "/status/message/taskId"];
    let is_streamed_or_message = !matches!(method, Method::GetTask | Method::CancelTask | Method::ListTasks);
    for place in own {
        let is_wrapped = place.matches('/').count() > 1 && !place.starts_with("/status/");
        let Some(id) = whole.pointer(place).filter(|_| is_wrapped == is_streamed_or_message && method != Method::ListTasks)
        else {
            continue;
        };
        if id == "" {
            continue;
        }
        ensure(id.as_str().is_some_and(|id| bound.iter().any(|bound| bound == id)), || format!("{id} is not bound"))?;
        let is_asked = expected.task.as_ref().is_none_or(|task| id == task.as_str());
        ensure(is_asked, || format!("{id} is of another task"))?;
    }
    for task in whole.get("tasks").and_then(Value::as_array).into_iter().flatten().filter(|_| method == Method::ListTasks) {
        let is_asked = expected.context.as_ref().is_none_or(|context| task["contextId"] == context.as_str());
        ensure(is_asked, || "a task of another context".to_owned())?;
    }
    Ok(seen((method, bound.len(), answer.joined.len(), answer.pieces.len(), answer.files.len())))
}
