//! What a message is taken for, and how it is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Server;
use engine::ports::{Aim, Head, Protocol, Voice, Wants};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Name, ReasonCode, Refusal, RequestId, UnixMillis};
use serde_json::{Value, json};
use text::{Document, Limits};

use super::{Mcp, Servers, at};

fn servers() -> Servers {
    let definition = json!({
        "inputSchema": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
        "name": "search",
    });
    let tools = BTreeMap::from([("search".to_owned(), Arc::from(definition.to_string()))]);
    BTreeMap::from([(name("kb"), Server { upstream: name("kb"), tools })])
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
    Ok((call.wants, call.headers))
}

const CALL: [(&str, &str); 3] = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "search")];

#[test]
fn a_path_names_one_server() {
    let facts = [
        ("/mcp/kb", Some(Ok("kb".to_owned()))),
        ("/mcp/", Some(Err(()))),
        ("/mcp/a/b", Some(Err(()))),
        ("/mcp", None),
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
        (vec![("origin", "http://127.0.0.1:7700")], false),
        (vec![("host", "a"), ("origin", "http://a"), ("origin", "http://b")], false),
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
    let facts: [Fact<'_>; 12] = [
        (&[], request("initialize"), Ok(Wants::Talk)),
        (&version, request("ping"), Ok(Wants::Talk)),
        (&version, told("notifications/initialized"), Ok(Wants::Talk)),
        (&version, request("notifications/initialized"), Err(ReasonCode::MessageInvalid)),
        (&version, json!({"jsonrpc": "2.0", "id": 1, "result": {}}), Ok(Wants::Talk)),
        (&version, request("tools/list"), Ok(Wants::Tools)),
        (&version, request("resources/read"), Err(ReasonCode::RpcMethodUnknown)),
        (&version, request("prompts/list"), Err(ReasonCode::RpcMethodUnknown)),
        (&version, request("server/discover"), Err(ReasonCode::RpcMethodUnknown)),
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

#[test]
fn what_is_not_served_is_not_announced() {
    let mcp = Mcp::new(name("kb"));
    let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"}).to_string();
    let document = Document::parse(asked.as_bytes(), &Limits::default()).unwrap();
    mcp.read(&head(&[]), &document, &servers()).unwrap();
    let facts = [
        (r#"{"tools":{"listChanged":true},"resources":{},"logging":{"a":1}}"#, r#"{"tools":{},"logging":{"a":1}}"#),
        (r#"{ "prompts" : {} , "experimental":{"x":1} }"#, "{}"),
        ("{}", "{}"),
    ];
    for (told, shown) in facts {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"capabilities":{told},"serverInfo":{{}}}}}}"#);
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        let view = mcp.view(&document, None, false);
        let [(span, text)] = view.replaced.as_slice() else { panic!("{told}") };
        assert_eq!((body.get(span.clone()), text.as_str()), (Some(told), shown));
    }
    for (body, is_message) in [(r#"{"hello":1}"#, false), (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#, true)]
    {
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        let view = mcp.view(&document, None, false);
        assert_eq!((view.is_ambiguous, view.replaced.len()), (!is_message, 0), "{body}");
    }
}
