//! What clients and servers of tools say to each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::ports::{Aim, Head as RequestHead, Voice, Wants};
use engine::{DocumentPlace, Server};
use gateway::mcp::{Mcp, Servers};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{ClientFeature, Label, Name, RequestId, UnixMillis};

use ::mcp::uri::Pattern;
use ::mcp::{Arguments, Body, Definition, Head, Heads, Message, Meta, Pages, Pinned, definition, heads, id_of};
use serde_json::Value;
use text::{Document, Limits, Splices};

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

pub(super) const CALLS: Target = Target {
    name: "calls",
    what: "requests to tool servers, headers and body: a second reader finds the same call, every refusal is a JSON-RPC error",
    seeds: || {
        texts(&[
            "mcp-protocol-version: 2026-07-28\nmcp-method: tools/call\nmcp-name: find\nmcp-param-to: eu\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"find\",\"arguments\":{\"to\":\"eu\",\"n\":1},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{}}}}",
            "mcp-protocol-version: 2025-11-25\nmcp-session-id: s\n\n{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"tools/call\",\"params\":{\"name\":\"find\"}}",
            "\n{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}}",
            "mcp-protocol-version: 2025-06-18\norigin: http://h\nhost: h\n\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}",
            "mcp-protocol-version: 2025-11-25\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
            "mcp-protocol-version: 2025-11-25\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":\"kb://pages/a\"}}",
            "mcp-protocol-version: 2025-11-25\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"completion/complete\",\"params\":{\"ref\":{\"type\":\"ref/prompt\",\"name\":\"review\"},\"argument\":{}}}",
            "mcp-protocol-version: 2025-11-25\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"capabilities\":{\"elicitation\":{\"url\":{}},\"sampling\":{},\"x\":1}}}",
        ])
    },
    words: &[
        "mcp-protocol-version: ",
        "mcp-method: ",
        "mcp-name: ",
        "mcp-param-to: ",
        "mcp-session-id: ",
        "origin: ",
        "=?base64?ZmluZA==?=",
        "\n",
        "\n\n",
        "\"arguments\":",
        "\"name\":\"find\"",
        "\"_meta\":",
        "tools/list",
        "server/discover",
        "prompts/get",
        "2026-07-28",
        "2025-06-18",
        "null",
        "{}",
        ",",
    ],
    max_len: 1500,
    run: call,
    hostile: &["mcp-param-a: b\n", "\n{\"id\":", "mcp-name: ", "{\"a\":"],
    floor: 500.0,
};

pub(super) const ARGUMENTS: Target = Target {
    name: "arguments",
    what: "arguments under the schema of a tool: no schema makes them long, what a closed schema does not name is not taken",
    seeds: || {
        texts(&[
            "{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\",\"pattern\":\"^a+$\"},\"n\":{\"minimum\":1}},\"required\":[\"to\"]}\n{\"to\":\"aa\",\"n\":2}",
            "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"anyOf\":[{\"properties\":{\"c\":{\"$ref\":\"#/$defs/n\"}}},{\"type\":\"null\"}]}}}\n{\"c\":{\"c\":{}}}",
            "{\"patternProperties\":{\"^x\":{\"items\":{\"enum\":[1,2]}}},\"additionalProperties\":{\"not\":{}}}\n{\"x\":[1,2,3]}",
            "{\"if\":{\"required\":[\"a\"]},\"then\":{\"properties\":{\"b\":{}}},\"else\":false,\"unevaluatedProperties\":true}\n{\"a\":1,\"b\":1e5}",
        ])
    },
    words: &[
        "\"$ref\":\"#\"",
        "\"$ref\":\"#/$defs/n\"",
        "\"$defs\":{",
        "\"allOf\":[",
        "\"anyOf\":[",
        "\"properties\":{",
        "\"items\":",
        "\"pattern\":\"(a|a)*b\"",
        "\"additionalProperties\":",
        "\"uniqueItems\":true",
        "\"$schema\":\"http://json-schema.org/draft-07/schema#\"",
        "\"unevaluatedProperties\":",
        "\"type\":\"integer\"",
        "1e999",
        "{}",
        "}",
        "]",
        "\n",
        ",",
    ],
    max_len: 1200,
    run: arguments,
    hostile: &["{\"a\":", "[1,", "{}\n[", "{\"allOf\":["],
    floor: 200.0,
};

fn arguments(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(0) };
    let Some((schema, given)) = text.split_once('\n') else { return Ok(1) };
    let Ok(schema) = serde_json::from_str::<Value>(schema) else { return Ok(2) };
    let held = match Arguments::of(&schema) {
        Ok(held) => held,
        Err(wrong) => return Ok(seen(std::mem::discriminant(&wrong))),
    };
    let fits = held.read(given);
    if let (Ok(()), Ok(Value::Object(mut members))) = (&fits, serde_json::from_str(given)) {
        let says = ["additionalProperties", "unevaluatedProperties", "patternProperties"];
        let is_closed = !says.iter().any(|keyword| schema.to_string().contains(keyword));
        members.insert("nobody has named this".to_owned(), Value::Null);
        let more = held.check(&Value::Object(members));
        let is_object = schema.is_object();
        ensure(!is_closed || !is_object || more.is_err(), || "what no schema names is taken".to_owned())?;
    }
    Ok(seen(fits.map_err(|misfit| std::mem::discriminant(&misfit))))
}

/// Everything that a server may ask.
const ALL: [ClientFeature; 4] =
    [ClientFeature::Sampling, ClientFeature::Elicitation, ClientFeature::ElicitationUrl, ClientFeature::Roots];

fn servers() -> Result<Servers, String> {
    let definition =
        r#"{"inputSchema":{"properties":{"to":{"type":"string","x-mcp-header":"To"}},"type":"object"},"name":"find"}"#;
    let name = Name::new("kb").map_err(|error| error.to_string())?;
    let tools = BTreeMap::from([("find".to_owned(), Arc::new(Pinned::of_canonical(definition)?))]);
    let pattern = Pattern::new("kb://pages/**").map_err(|error| error.to_string())?;
    let pages = engine::Document { place: DocumentPlace::Resource(pattern), label: Label::default() };
    let review = engine::Document { place: DocumentPlace::Prompt("review".to_owned()), label: Label::default() };
    let documents = [("pages", pages), ("review", review)].into_iter();
    let documents = documents.filter_map(|(name, document)| Some((Name::new(name).ok()?, document))).collect();
    let kb = Arc::new(Server {
        upstream: name.clone(),
        place: "https://kb.internal/mcp".to_owned(),
        order: tools.keys().cloned().collect(),
        tools,
        counts: BTreeMap::new(),
        annotations: BTreeMap::new(),
        documents,
        features: ALL.into(),
        revision: None,
        members: None,
        scopes: engine::ServerScopes::default(),
    });
    Ok(BTreeMap::from([(name, kb)]))
}

/// What stands at a place; null where nothing does.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn call(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(0) };
    let Some((lines, body)) = text.split_once("\n\n").or_else(|| text.strip_prefix('\n').map(|body| ("", body))) else {
        return Ok(1);
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.lines().take(64).filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let Ok(document) = Document::parse(body.as_bytes(), &Limits::default()) else { return Ok(seen("no document")) };
    let head = RequestHead { peer: String::new(), is_proxy: false, certificate: None, headers, query: None, trace: None };
    let servers = servers()?;
    let mcp = Mcp::new(Name::new("kb").map_err(|error| error.to_string())?);
    // The second reader holds no number above 1e308.
    let Ok(whole) = serde_json::from_str::<Value>(body) else { return Ok(seen("no value")) };
    let understood = match mcp.read(&head, &document, &servers) {
        Ok(understood) => understood,
        Err(refusal) => {
            let (status, _, told) = mcp.refusal(&refusal, RequestId::new(UnixMillis(0), [0; 10]));
            let told: Value = serde_json::from_slice(&told).map_err(|error| error.to_string())?;
            let is_error = at(&told, "/jsonrpc") == "2.0"
                && at(&told, "/error/code").is_i64()
                && at(&told, "/error/data/reason").is_string();
            ensure(is_error, || format!("refused with {told}"))?;
            let answers = at(&told, "/id");
            let asked = at(&whole, "/id");
            ensure(answers.is_null() || answers == asked, || format!("{answers} is answered, {asked} asked"))?;
            return Ok(seen((refusal.code, status.as_u16(), answers.is_null())));
        }
    };
    let Aim::Server(call) = understood.aim else { return Err("a message to a tool server is aimed at a model".to_owned()) };
    if let Wants::Tool { name, arguments } = &call.wants {
        ensure(at(&whole, "/params/name") == name.as_str(), || format!("`{name}` is not the tool of the body"))?;
        let given = arguments.map(|node| serde_json::from_str::<Value>(document.lexeme(node)));
        let given = given.transpose().map_err(|error| error.to_string())?;
        ensure(given.as_ref() == whole.pointer("/params/arguments"), || "the arguments are not those of the body".to_owned())?;
        let told = call.headers.get("mcp-name");
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure(told.is_none() || !is_plain || told.is_some_and(|told| told == name.as_str()), || {
            "another name goes out".to_owned()
        })?;
    }
    if let Wants::Document { uri: Some(uri), names } = &call.wants {
        // No document is declared that another address would lead to.
        let is_page = uri.starts_with("kb://pages/") && !uri.contains("..");
        ensure(names.is_empty() != is_page, || format!("`{uri}` is {names:?}"))?;
    }
    let mut splices = Splices::new();
    call.edits.iter().for_each(|(span, told)| splices.replace(span.clone(), told.as_str()));
    let sent = splices.apply(body.as_bytes()).map_err(|error| format!("edits do not go together: {error:?}"))?;
    serde_json::from_slice::<Value>(&sent).map_err(|error| format!("what is sent is no JSON: {error}"))?;
    let kind = std::mem::discriminant(&call.wants);
    Ok(seen((kind, call.session.is_some(), call.headers.len())))
}

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
    announced(bytes, &good)?;
    let kinds: Vec<_> = bad.iter().map(std::mem::discriminant).collect();
    Ok(seen((good.len(), kinds)))
}

/// On a page of a server that is asked, a definition is the same.
fn announced(list: &[u8], good: &[Definition]) -> Result<(), String> {
    let page = [br#"{"tools":"#, list, b"}"].concat();
    let Ok(page) = Document::parse(&page, &Limits::default()) else { return Ok(()) };
    let mut pages = Pages::default();
    if pages.take(&page, page.root()).is_err() {
        return Ok(());
    }
    let Ok(announced) = pages.end(true) else { return Ok(()) };
    let is_there = |one: &Definition| announced.tools().get(one.name()).is_some_and(|said| said.digest() == one.digest());
    ensure(good.iter().all(is_there), || "a definition is another one on a page".to_owned())
}
