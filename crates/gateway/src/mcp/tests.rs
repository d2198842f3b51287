//! What a message is taken for, and how it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::mcp::{Pinned, Version};
use engine::Server;
use engine::ports::{Aim, EventReader, Head, Protocol, Voice, Wants};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Name, ReasonCode, Refusal, RequestId, UnixMillis};
use serde_json::{Value, json};
use text::{Document, Limits, Splices};

use super::{Mcp, Servers, at};

fn servers() -> Servers {
    let definition = json!({
        "inputSchema": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
        "name": "search",
    });
    let tools = BTreeMap::from([("search".to_owned(), Arc::new(Pinned::of_canonical(&definition.to_string()).unwrap()))]);
    BTreeMap::from([(name("kb"), Arc::new(server(tools)))])
}

fn server(tools: BTreeMap<String, Arc<Pinned>>) -> Server {
    Server {
        upstream: name("kb"),
        place: "https://kb.internal/mcp".to_owned(),
        order: tools.keys().cloned().collect(),
        tools,
        counts: BTreeMap::new(),
        annotations: BTreeMap::new(),
        documents: BTreeMap::new(),
        features: BTreeSet::new(),
        revision: None,
        members: None,
        scopes: engine::ServerScopes::default(),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn head(headers: &[(&str, &str)]) -> Head {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Head { peer: "127.0.0.1".to_owned(), is_proxy: false, certificate: None, headers: map, query: None, trace: None }
}

/// The call of a tool in the revision without sessions, with whatever headers.
fn stateless(headers: &[(&str, &str)], arguments: &Value) -> Result<(Wants, HeaderMap), ReasonCode> {
    let version = "io.modelcontextprotocol/protocolVersion";
    let meta = json!({version: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"name": "search", "arguments": arguments, "_meta": meta});
    read(headers, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
}

fn read(headers: &[(&str, &str)], message: &Value) -> Result<(Wants, HeaderMap), ReasonCode> {
    let body = message.to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let understood = Mcp::new(name("kb")).read(&head(headers), &document, &servers()).map_err(|refusal| refusal.code)?;
    let Aim::Server(call) = understood.aim else { panic!("no message to a server") };
    let mut headers = call.headers;
    headers.extend(call.mirrors.map_err(|refusal| refusal.code)?.into_iter().map(|mirrored| (mirrored.name, mirrored.value)));
    Ok((call.wants, headers))
}

const CALL: [(&str, &str); 3] = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "search")];

#[test]
fn a_path_names_one_server() {
    let facts = [
        ("/mcp/kb", Some(Ok("kb".to_owned()))),
        ("/mcp/", Some(Err(()))),
        ("/mcp/a/b", Some(Err(()))),
        ("/mcp", Some(Ok("mcp".to_owned()))),
        ("/mcpkb", None),
    ];
    for (path, expected) in facts {
        assert_eq!(at(path).map(|found| found.map(|name| name.to_string())), expected, "{path}");
    }
}

#[test]
fn headers_are_held_against_the_body_and_written_anew() {
    let with = |more: &[(&'static str, &'static str)]| [&CALL, more].concat();
    let region = json!({"region": "eu"});
    let (wants, headers) = stateless(&with(&[("mcp-param-region", "eu"), ("x-other", "1")]), &region).unwrap();
    assert!(matches!(wants, Wants::Tool { name, arguments: Some(_) } if name == "search"));
    let mut told: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    told.sort_unstable();
    let expected = [
        ("mcp-method", "tools/call"),
        ("mcp-name", "search"),
        ("mcp-param-region", "eu"),
        ("mcp-protocol-version", "2026-07-28"),
    ];
    assert_eq!(told, expected);
    let facts: [(Vec<(&str, &str)>, Value); 6] = [
        (with(&[("mcp-param-region", "us")]), region.clone()),
        (with(&[]), region.clone()),
        (with(&[("mcp-param-region", "eu"), ("mcp-param-other", "eu")]), region.clone()),
        (with(&[("mcp-param-region", "eu"), ("mcp-param-region", "eu")]), region.clone()),
        (with(&[("mcp-param-region", "eu"), ("mcp-name", "search")]), region),
        (CALL[..2].to_vec(), json!({})),
    ];
    for (headers, arguments) in facts {
        assert_eq!(stateless(&headers, &arguments).unwrap_err(), ReasonCode::HeaderMismatch, "{headers:?}");
    }
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let facts = [
        (vec![], true),
        (vec![("host", "127.0.0.1:7700"), ("origin", "http://127.0.0.1:7700")], true),
        (vec![("host", "127.0.0.1:7700"), ("origin", "http://127.0.0.1:7701")], false),
        (vec![("host", "127.0.0.1:7700"), ("origin", "null")], false),
        (vec![("host", "rebound.example"), ("origin", "http://evil.example")], false),
        (vec![("host", "rebound.example:7700"), ("origin", "http://rebound.example:7700")], false),
        (vec![("host", "localhost:7700"), ("origin", "http://localhost:7700")], true),
        (vec![("origin", "http://127.0.0.1:7700")], false),
        (vec![("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://b")], false),
    ];
    for (headers, is_taken) in facts {
        let told = stateless(&[&CALL, &*headers].concat(), &json!({}));
        let expected = (!is_taken).then_some(ReasonCode::HostNotAllowed);
        assert_eq!(told.err(), expected, "{headers:?}");
    }
}

#[test]
fn every_revision_has_its_own_methods() {
    let version = [("mcp-protocol-version", "2025-11-25")];
    let request = |method: &str| json!({"jsonrpc": "2.0", "id": 1, "method": method});
    let told = |method: &str| json!({"jsonrpc": "2.0", "method": method});
    type Fact<'f> = (&'f [(&'f str, &'f str)], Value, Result<Wants, ReasonCode>);
    let facts: [Fact<'_>; 18] = [
        (&[], request("initialize"), Ok(Wants::Talk)),
        (&version, request("ping"), Ok(Wants::Talk)),
        (&version, told("notifications/initialized"), Ok(Wants::Talk)),
        (&version, request("notifications/initialized"), Err(ReasonCode::MessageInvalid)),
        (&version, json!({"jsonrpc": "2.0", "id": 1, "result": {}}), Err(ReasonCode::SessionUnknown)),
        (
            &[("mcp-protocol-version", "2025-11-25"), ("mcp-session-id", "s")],
            json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
            Ok(Wants::Talk),
        ),
        (&version, request("tools/list"), Ok(Wants::Tools)),
        // Nobody has declared a document or a prompt of this server.
        (&version, request("resources/read"), Err(ReasonCode::RpcMethodUnknown)),
        (&version, request("prompts/list"), Err(ReasonCode::RpcMethodUnknown)),
        (&version, request("tasks/list"), Err(ReasonCode::RpcMethodUnknown)),
        (&version, request("subscriptions/listen"), Err(ReasonCode::RpcMethodUnknown)),
        (&version, request("server/discover"), Err(ReasonCode::RpcMethodUnknown)),
        (&version, told("notifications/cancelled"), Err(ReasonCode::SessionUnknown)),
        (&[("mcp-protocol-version", "2025-11-25"), ("mcp-session-id", "s")], told("notifications/cancelled"), Ok(Wants::Talk)),
        (
            &[("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/call")],
            request("ping"),
            Err(ReasonCode::HeaderMismatch),
        ),
        (&version, request("sampling/createMessage"), Err(ReasonCode::RpcMethodUnknown)),
        (&[], request("ping"), Err(ReasonCode::HeaderMismatch)),
        (&[("mcp-protocol-version", "2024-11-05")], request("ping"), Err(ReasonCode::ProtocolVersionUnsupported)),
    ];
    for (headers, message, expected) in facts {
        assert_eq!(read(headers, &message).map(|(wants, _)| wants), expected, "{headers:?} {message}");
    }
}

#[test]
fn a_refusal_names_what_it_answers() {
    let request = RequestId::new(UnixMillis(0), [0; 10]);
    let told = |mcp: &Mcp, code: ReasonCode| {
        let (status, _, body) = mcp.refusal(&Refusal::because(code, "why"), request);
        (status.as_u16(), serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (status, body) = told(&Mcp::new(name("kb")), ReasonCode::PolicyDenied);
    assert_eq!((status, &body["id"]), (403, &Value::Null), "what was not read is answered by the status");
    for (headers, message, code, expected) in [
        (
            &CALL[..1],
            json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "search"}}),
            ReasonCode::PolicyDenied,
            (200, 1403),
        ),
        (&CALL[..1], json!({"jsonrpc": "2.0", "id": "a", "method": "made/up"}), ReasonCode::CredentialExpired, (401, 1403)),
        (
            &[("mcp-protocol-version", "2025-11-25")],
            json!({"jsonrpc": "2.0", "id": "a", "method": "made/up"}),
            ReasonCode::RpcMethodUnknown,
            (200, -32601),
        ),
    ] {
        let body = message.to_string();
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        let mcp = Mcp::new(name("kb"));
        drop(mcp.read(&head(headers), &document, &servers()));
        let (status, body) = told(&mcp, code);
        assert_eq!((status, body["error"]["code"].as_i64().unwrap()), expected, "{message}");
        assert_eq!((&body["id"], &body["error"]["data"]["reason"]), (&json!("a"), &json!(code.as_str())));
        assert_eq!(body["error"]["data"]["detail"], json!("why"));
    }
}

/// What is said of a message of the server, and whether everything is answered then.
fn coming(asked: &Value, headers: &[(&str, &str)], messages: &[(&Value, bool)]) -> (Vec<bool>, bool) {
    let mcp = Mcp::new(name("kb"));
    let body = asked.to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    mcp.read(&head(headers), &document, &servers()).unwrap();
    let comes = |(message, in_stream): &(&Value, bool)| {
        let body = message.to_string();
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        mcp.view(&document, None, *in_stream).refused.is_none()
    };
    (messages.iter().map(comes).collect(), mcp.ended().is_ok())
}

#[test]
fn only_the_answer_to_what_was_asked_comes_and_nothing_behind_it() {
    let version = [("mcp-protocol-version", "2025-11-25"), ("mcp-session-id", "s")];
    let asked = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answer = |id: Value| json!({"jsonrpc": "2.0", "id": id, "result": {"tools": []}});
    let error = json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "m"}});
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
    let ask = |method: &str| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
    let (seven, eight, text) = (answer(json!(7)), answer(json!(8)), answer(json!("7")));
    let (ping, sample, made_up) = (ask("ping"), ask("sampling/createMessage"), ask("made/up"));
    let wants_input = json!({"jsonrpc": "2.0", "id": 7, "result": {"resultType": "input_required"}});
    type Fact<'f> = (&'f Value, &'f [(&'f Value, bool)], &'f [bool], bool);
    let facts: [Fact<'_>; 13] = [
        (&asked, &[(&seven, false)], &[true], true),
        (&asked, &[(&progress, true), (&ping, true), (&seven, true)], &[true, true, true], true),
        (&asked, &[(&eight, true), (&seven, true)], &[false, true], true),
        (&asked, &[(&text, false)], &[false], false),
        (&asked, &[(&seven, true), (&seven, true)], &[true, false], true),
        (&asked, &[(&seven, true), (&progress, true)], &[true, false], true),
        (&asked, &[(&progress, true)], &[true], false),
        (&asked, &[], &[], false),
        (&asked, &[(&progress, false)], &[false], false),
        (&asked, &[(&sample, true), (&made_up, true)], &[false, false], false),
        (&asked, &[(&wants_input, false)], &[false], true),
        (&asked, &[(&error, false)], &[true], true),
        (&told, &[(&seven, false)], &[false], true),
    ];
    for (asked, messages, expected, is_ended) in facts {
        assert_eq!(coming(asked, &version, messages), (expected.to_vec(), is_ended), "{asked} {messages:?}");
    }
    assert!(!coming(&told, &version, &[(&error, false)]).1, "a notification is not answered");
}

#[test]
fn what_others_could_read_otherwise_or_is_not_served_is_not_taken() {
    let call = |more: Value| {
        let mut params = json!({"name": "search", "arguments": {}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    };
    let version = [("mcp-protocol-version", "2025-11-25")];
    assert!(read(&version, &call(json!({"_meta": {"progressToken": 1}}))).is_ok());
    let facts = [
        json!({"Name": "other"}),
        json!({"Arguments": {}}),
        json!({"argument\u{17f}": {}}),
        json!({"requestState": "x"}),
        json!({"inputResponses": {}}),
        json!({"task": {}}),
    ];
    for more in facts {
        assert_eq!(read(&version, &call(more.clone())).unwrap_err(), ReasonCode::FieldUnknown, "{more}");
    }
}

#[test]
fn servers_are_told_of_nothing_that_is_not_passed_on() {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}, "roots": {"listChanged": true}}, "clientInfo": {}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let understood = Mcp::new(name("kb")).read(&head(&[]), &document, &servers()).unwrap();
    let Aim::Server(call) = understood.aim else { panic!("no message to a server") };
    assert_eq!(edited(&body, &call.edits).pointer("/params/capabilities"), Some(&json!({})), "{:?}", call.edits);
}

#[test]
fn events_that_say_nothing_are_no_messages() {
    let mut events = Vec::new();
    let mut reader = Mcp::new(name("kb")).events(1024);
    reader.push(b"data:\n\nid: 1\ndata:\n\nid: 2\nretry: 50\ndata: {}\n\nid: a b\ndata:\n\n", &mut events).unwrap();
    // What has a name that a client can come back by says that much; one that no header can hold is none.
    let told: Vec<_> = events.iter().map(|event| (event.id.as_deref(), event.retry, event.data.clone().unwrap())).collect();
    assert_eq!(told, [(Some("1"), None, "".into()), (Some("2"), Some(50), "{}".into())]);
}

fn edited(body: &str, edits: &[(std::ops::Range<usize>, String)]) -> Value {
    let mut splices = Splices::new();
    edits.iter().for_each(|(span, told)| splices.replace(span.clone(), told.as_str()));
    serde_json::from_slice(&splices.apply(body.as_bytes()).unwrap()).unwrap()
}

#[test]
fn what_is_not_served_is_not_announced() {
    let view = |body: &str| {
        let mcp = Mcp::new(name("kb"));
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"}).to_string();
        let document = Document::parse(asked.as_bytes(), &Limits::default()).unwrap();
        mcp.read(&head(&[]), &document, &servers()).unwrap();
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        mcp.view(&document, None, false)
    };
    let facts = [
        (
            json!({"tools": {"listChanged": true}, "resources": {}, "logging": {"a": 1}}),
            json!({"tools": {"listChanged": true}, "logging": {"a": 1}}),
        ),
        (json!({"prompts": {}, "completions": {}, "experimental": {"x": 1}}), json!({})),
        (json!({}), json!({})),
    ];
    for (told, shown) in facts {
        let body = json!({"jsonrpc": "2.0", "id": 1, "result": {"capabilities": told, "serverInfo": {}}}).to_string();
        assert_eq!(edited(&body, &view(&body).replaced).pointer("/result/capabilities"), Some(&shown), "{body}");
    }
    for (body, is_message) in [(r#"{"hello":1}"#, false), (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#, true)]
    {
        let view = view(body);
        assert_eq!((view.refused.is_none(), view.replaced.len()), (is_message, 0), "{body}");
    }
}

/// What a server behind a joined address is told of a call: headers and body.
fn turned(speaks: Version, headers: &[(&str, &str)], message: &Value) -> Result<(HeaderMap, Value, Option<Version>), ReasonCode> {
    let mut servers = servers();
    let spoken = Server { revision: Some(speaks), ..(*servers[&name("kb")]).clone() };
    servers.insert(name("kb"), Arc::new(spoken));
    let tools = BTreeMap::from([("kb__search".to_owned(), (name("kb"), "search".to_owned()))]);
    servers.insert(name("mcp"), Arc::new(Server::joined(name("mcp"), &tools, &servers)));
    let body = message.to_string();
    let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
    let mcp = Mcp::new(name("mcp")).named([0x01; 10]);
    let understood = mcp.read(&head(headers), &document, &servers).map_err(|refusal| refusal.code)?;
    let Aim::Server(call) = understood.aim else { panic!("no message to a server") };
    assert_eq!((call.server.as_str(), call.is_own), ("kb", false));
    assert!(matches!(&call.wants, Wants::Tool { name, .. } if name == "search"));
    let mut told = call.headers;
    told.extend(call.mirrors.map_err(|refusal| refusal.code)?.into_iter().map(|mirror| (mirror.name, mirror.value)));
    let mut splices = Splices::new();
    call.edits.into_iter().for_each(|(span, text)| splices.replace(span, text));
    let body = splices.apply(body.as_bytes()).unwrap();
    // No reader of what is told could take it for something else.
    Document::parse(&body, &Limits::default()).unwrap();
    Ok((told, serde_json::from_slice(&body).unwrap(), call.introduces))
}

#[test]
fn a_call_is_told_in_the_revision_of_its_server() {
    let (version, capabilities) = ("io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities");
    let legacy = [("mcp-protocol-version", "2025-06-18")];
    let plain = |meta: Option<Value>| {
        let mut params = json!({"name": "kb__search", "arguments": {"query": "x", "region": "eu"}});
        params.as_object_mut().unwrap().extend(meta.map(|meta| ("_meta".to_owned(), meta)));
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    };
    for meta in [None, Some(json!({})), Some(json!({"progressToken": 3}))] {
        let (headers, body, introduces) = turned(Version::V2026_07_28, &legacy, &plain(meta.clone())).unwrap();
        assert_eq!(
            (&headers["mcp-protocol-version"], &headers["mcp-param-region"]),
            (&"2026-07-28".parse().unwrap(), &"eu".parse().unwrap())
        );
        assert_eq!((&headers["mcp-method"], &headers["mcp-name"]), (&"tools/call".parse().unwrap(), &"search".parse().unwrap()));
        let mut expected = json!({version: "2026-07-28", capabilities: {}});
        expected.as_object_mut().unwrap().extend(meta.into_iter().flat_map(|meta| meta.as_object().unwrap().clone()));
        assert_eq!((&body["params"]["name"], &body["params"]["_meta"]), (&json!("search"), &expected));
        assert_eq!(introduces, None);
    }
    let stateless = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "kb__search"),
        ("mcp-param-region", "eu"),
    ];
    let meta = json!({version: "2026-07-28", capabilities: {"sampling": {}}, "progressToken": "p", "io.modelcontextprotocol/clientInfo": {}});
    let (headers, body, introduces) = turned(Version::V2025_11_25, &stateless, &plain(Some(meta.clone()))).unwrap();
    assert_eq!((headers.len(), &headers["mcp-protocol-version"]), (1, &"2025-11-25".parse().unwrap()));
    // In a session that is not the caller's its names could be another caller's, too.
    let own = json!("ab".repeat(10));
    assert_eq!((&body["params"]["_meta"], introduces), (&json!({"progressToken": own}), Some(Version::V2025_11_25)));
    assert_eq!(body["id"], own);
    let (headers, body, introduces) = turned(Version::V2026_07_28, &stateless, &plain(Some(meta))).unwrap();
    assert_eq!((&headers["mcp-name"], &body["params"]["name"], introduces), (&"search".parse().unwrap(), &json!("search"), None));
    // A session with sessions, without one of the caller's.
    let (headers, body, introduces) = turned(Version::V2025_11_25, &legacy, &plain(None)).unwrap();
    assert_eq!((headers.len(), introduces, &body["id"]), (1, Some(Version::V2025_11_25), &own));
}

#[test]
fn what_a_caller_says_of_its_revision_is_said_once_and_by_the_gate() {
    let (version, capabilities) = ("io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities");
    let says = |more: &str| {
        let meta = format!(r#"{{ {more} }}"#);
        let params = format!(r#"{{"name":"kb__search","arguments":{{"query":"x"}},"_meta":{meta}}}"#);
        serde_json::from_str::<Value>(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)).unwrap()
    };
    let legacy = [("mcp-protocol-version", "2025-11-25")];
    let spoken = format!(r#""{version}":"2025-11-25""#);
    let able = format!(r#""{capabilities}":{{"sampling":{{}}}}"#);
    let alike = r#""io.modelcontextprotocol/ProtocolVersion":"2026-07-28","io.modelcontextprotocol/LOGLEVEL":"debug""#;
    for (more, kept) in [
        (spoken.clone(), json!({})),
        (able.clone(), json!({})),
        (format!("{spoken},{able},{alike}"), json!({})),
        (format!(r#""a":1,{spoken},"b":[{{}}],{able}"#), json!({"a": 1, "b": [{}]})),
        (format!(r#"{able},"a":1"#), json!({"a": 1})),
    ] {
        for speaks in [Version::V2026_07_28, Version::V2025_11_25] {
            let (_, body, _) = turned(speaks, &legacy, &says(&more)).unwrap();
            let mut expected = kept.clone();
            if speaks.is_stateless() {
                expected
                    .as_object_mut()
                    .unwrap()
                    .extend([(version.to_owned(), json!("2026-07-28")), (capabilities.to_owned(), json!({}))]);
            }
            assert_eq!(body["params"]["_meta"], expected, "{more} {speaks}");
        }
    }
}

#[test]
fn headers_are_held_against_the_name_that_the_caller_knows() {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "kb__search", "arguments": {"query": "x"}, "_meta": meta}});
    let told = |name: &str| {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", name)];
        turned(Version::V2026_07_28, &headers, &call).map(|_| ())
    };
    assert_eq!(told("kb__search"), Ok(()));
    for wrong in ["search", "kb__Search", ""] {
        assert_eq!(told(wrong), Err(ReasonCode::HeaderMismatch), "{wrong}");
    }
}

#[test]
fn a_call_in_a_session_of_the_gate_is_answered_under_its_own_name_and_told_under_the_callers() {
    let mut servers = servers();
    let spoken = Server { revision: Some(Version::V2025_11_25), ..(*servers[&name("kb")]).clone() };
    servers.insert(name("kb"), Arc::new(spoken));
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let view = |token: Option<Value>, comes: &Value| {
        let mut meta = meta.clone();
        meta.as_object_mut().unwrap().extend(token.map(|token| ("progressToken".to_owned(), token)));
        let params = json!({"name": "search", "arguments": {"query": "x"}, "_meta": meta});
        let asked = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).to_string();
        let document = Document::parse(asked.as_bytes(), &Limits::default()).unwrap();
        let mcp = Mcp::new(name("kb")).named([0x01; 10]);
        mcp.read(&head(&CALL), &document, &servers).unwrap();
        let comes = comes.to_string();
        let document = Document::parse(comes.as_bytes(), &Limits::default()).unwrap();
        let view = mcp.view(&document, None, true);
        let is_told = view.refused.is_none() && view.shown == engine::ports::Shown::Always;
        is_told.then(|| edited(&comes, &view.replaced))
    };
    let own = "ab".repeat(10);
    let answer = |id: Value| json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}});
    let failure = |id: Value| json!({"jsonrpc": "2.0", "id": id, "error": {"code": 1, "message": "m"}});
    let progress = |token: Value| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}});
    assert_eq!(view(None, &answer(json!(own))).unwrap()["id"], json!(7));
    assert_eq!(view(None, &failure(json!(own))).unwrap()["id"], json!(7));
    for foreign in [json!(7), json!("7"), json!("ba".repeat(10)), json!(0)] {
        assert_eq!((view(None, &answer(foreign.clone())), view(None, &failure(foreign.clone()))), (None, None), "{foreign}");
        assert_eq!(view(Some(json!("p")), &progress(foreign.clone())), None, "{foreign}");
    }
    for token in [json!("p"), json!(3), json!(1.5)] {
        assert_eq!(view(Some(token.clone()), &progress(json!(own))).unwrap()["params"]["progressToken"], token);
    }
    // Who wants no news hears none, and nobody here was asked for anything that could be cancelled.
    assert_eq!(view(None, &progress(json!(own))), None);
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(view(None, &cancelled), None);
}

#[test]
fn nothing_is_said_in_a_session_of_the_gate_without_a_name_for_it() {
    let mut servers = servers();
    let spoken = Server { revision: Some(Version::V2025_11_25), ..(*servers[&name("kb")]).clone() };
    servers.insert(name("kb"), Arc::new(spoken));
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"name": "search", "arguments": {}, "_meta": meta});
    let asked = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).to_string();
    let document = Document::parse(asked.as_bytes(), &Limits::default()).unwrap();
    let told = |mcp: Mcp| mcp.read(&head(&CALL), &document, &servers).map(drop).map_err(|refusal| refusal.code);
    assert_eq!(told(Mcp::new(name("kb"))), Err(ReasonCode::Internal));
    assert_eq!(told(Mcp::new(name("kb")).named([7; 10])), Ok(()));
}
