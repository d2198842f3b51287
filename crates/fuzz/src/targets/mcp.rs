//! What clients and servers of tools say to each other.

use ::mcp::{Body, Definition, Head, Heads, Message, Meta, definition, heads, id_of};
use serde_json::Value;
use text::{Document, Limits};

use super::{Outcome, Target, ensure, seen, texts};

pub(super) const MESSAGES: Target = Target {
    name: "messages",
    what: "messages of MCP behind the value of a header: what is read says who is answered, and headers say what the body says",
    seeds: || {
        texts(&[
            "send\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"send\",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{},\"progressToken\":7}}}",
            "=?base64?c2VuZA==?=\n{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"resources/read\",\"params\":{\"uri\":\"send\"}}",
            "\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}",
            "\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[]}}",
            "\n{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"no\"}}",
            "\n[]",
        ])
    },
    words: &[
        "\"jsonrpc\":\"2.0\"",
        "\"id\":",
        "\"method\":",
        "\"params\":",
        "\"result\":",
        "\"error\":",
        "\"_meta\":",
        "\"name\":",
        "\"uri\":",
        "=?base64?",
        "?=",
        "-0",
        "1e2",
        "null",
        "{",
        "}",
        "\\u0000",
    ],
    max_len: 1500,
    run: message,
    hostile: &["{\"id\":", "[", "\"a\":1,", "=?base64?"],
    floor: 1000.0,
};

pub(super) const TOOL_LISTS: Target = Target {
    name: "toollists",
    what: "lists of tools of MCP servers: a definition's canonical text reads as the same definition",
    seeds: || {
        texts(&[
            r#"[{"name":"send","description":"Sends `read`.","inputSchema":{"type":"object","properties":{"to":{"type":"string","x-mcp-header":"To"}}}}]"#,
            r#"[{"name":"a","inputSchema":{},"annotations":{"readOnlyHint":true}},{"name":"a","inputSchema":{}},7]"#,
            r#"[{"name":"n","inputSchema":{"minimum":-1.5e3,"maximum":9007199254740993}}]"#,
        ])
    },
    words: &[
        "\"name\":",
        "\"inputSchema\":",
        "\"properties\":",
        "\"x-mcp-header\":",
        "\"type\":\"string\"",
        "\"anyOf\":[",
        "\"annotations\":",
        "\"description\":",
        "1e300",
        "0.1",
        "-0.0",
        "\\ud83d\\ude00",
        "\u{200B}",
        "{",
        "}",
        ",",
    ],
    max_len: 1500,
    run: tools,
    hostile: &["{\"name\":\"a\",\"inputSchema\":{}},", "{\"properties\":", "\"a\",", "send "],
    floor: 20.0,
};

fn message(bytes: &[u8]) -> Outcome {
    let (head, body) = bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &[][..]), |at| {
        let (head, body) = bytes.split_at(at);
        (head, body.get(1..).unwrap_or_default())
    });
    let Ok(document) = Document::parse(body, &Limits::default()) else { return Ok(seen("no document")) };
    let message = match Message::read(&document) {
        Ok(message) => message,
        Err(fault) => return Ok(seen((format!("{fault:?}"), id_of(&document).is_some()))),
    };
    if let Body::Request { id, .. } | Body::Result { id, .. } = &message.body {
        ensure(id_of(&document).as_ref() == Some(id), || {
            "the id of a message is another one when it is asked for alone".to_owned()
        })?;
        ensure(serde_json::from_str::<Value>(&id.to_json()).is_ok(), || "an id is no JSON".to_owned())?;
    }
    let meta = Meta::read(&document, message.params()).map(|meta| meta.version.into_owned());
    let name = message.params().and_then(|params| document.get(params, "name")).and_then(|name| document.text(name));
    let (method, version) = (message.method().unwrap_or_default(), "2026-07-28");
    let given = Heads {
        version: Head::One(version.as_bytes()),
        method: Head::One(method.as_bytes()),
        name: if head.is_empty() { Head::Absent } else { Head::One(head) },
    };
    let checked = heads::check(&given, version, method, name.as_deref());
    if let (Ok(()), Some(name), Head::One(_)) = (&checked, &name, given.name) {
        let written = heads::encode(name);
        let again = Heads { name: Head::One(written.as_bytes()), ..given };
        ensure(heads::check(&again, version, method, Some(name)).is_ok(), || "a name is not read as it was written".to_owned())?;
    }
    Ok(seen((meta.map_err(|wrong| format!("{wrong:?}")), checked.map_err(|wrong| wrong.to_string()))))
}

fn tools(bytes: &[u8]) -> Outcome {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return Ok(seen("no document")) };
    let list = document.root();
    let (good, bad) = definition::read_list(&document, list);
    ensure(good.len() + bad.len() <= document.count(list), || "more was read than there was".to_owned())?;
    let known = ::mcp::Known::new(good.iter().map(|tool| ("one", tool.name())));
    for definition in &good {
        let again = Document::parse(definition.canonical().as_bytes(), &Limits::default()).map_err(|error| error.to_string())?;
        let again = Definition::read(&again, again.root()).map_err(|wrong| wrong.to_string())?;
        ensure(again == *definition, || "a canonical text reads as another definition".to_owned())?;
        let remarks = ::mcp::remarks("one", definition, &known);
        ensure(remarks.is_sorted(), || "remarks are in no order".to_owned())?;
        ensure(!::mcp::propose(definition).effects.is_empty(), || "nothing is proposed".to_owned())?;
    }
    let kinds: Vec<_> = bad.iter().map(std::mem::discriminant).collect();
    Ok(seen((good.len(), kinds)))
}
