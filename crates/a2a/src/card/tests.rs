use serde_json::{Value, json};

use super::{Card, signed_form};

fn plain() -> Value {
    json!({
        "name": "Travel", "description": "", "version": "1.2.0",
        "supportedInterfaces": [
            {"url": "https://agent.example/grpc", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
            {"url": "https://agent.example/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
        ],
        "capabilities": {"streaming": true, "pushNotifications": true, "extendedAgentCard": true, "extensions": []},
        "securitySchemes": {"own": {"openIdConnectSecurityScheme": {"openIdConnectUrl": "https://agent.example/oidc"}}},
        "securityRequirements": [{"schemes": {"own": {"list": ["all"]}}}],
        "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
        "documentationUrl": "https://agent.example/docs", "iconUrl": "https://agent.example/icon.png",
        "skills": [
            {"id": "book", "name": "Book", "description": "Books.", "tags": ["t"], "securityRequirements": [{"schemes": {}}]},
            {"id": "search", "name": "Search", "description": "Searches.", "tags": []},
        ],
        "signatures": [{"protected": "eyJ9", "signature": "c2ln", "header": {"x": 1}}],
    })
}

fn read(value: &Value) -> Result<Card, String> {
    Card::read(value.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_card_is_read_without_its_signatures() {
    let card = read(&plain()).unwrap();
    assert_eq!(card.skills(), ["book", "search"]);
    assert!(card.streams());
    assert_eq!(card.signatures().len(), 1);
    assert!(!card.canonical().contains("signatures"));
    // What was approved reads again, as itself.
    assert_eq!(Card::read(card.canonical().as_bytes()).unwrap().canonical(), card.canonical());
    let [written, filled] = card.payloads();
    assert!(written.contains(r#""description":"""#) && written.contains(r#""extensions":[]"#));
    assert!(!filled.contains(r#""description":"""#) && !filled.contains(r#""extensions":[]"#));
    // False is a value, and stays.
    assert_eq!(signed_form(&json!({"b": false, "a": [[], {"x": ""}], "c": [1.0, "é"]})), r#"{"b":false,"c":[1,"é"]}"#);
}

#[test]
fn the_served_card_says_nothing_of_what_is_behind_the_gate() {
    let card = read(&plain()).unwrap();
    let served = card.served("http://gate/a2a/travel", |skill| skill == "book");
    let text = served.to_string();
    for word in ["agent.example", "GRPC", "openId", "search", "signatures", "description\":\"\""] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(
        served["supportedInterfaces"],
        json!([{"url": "http://gate/a2a/travel", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}])
    );
    assert_eq!(served["skills"], json!([{"id": "book", "name": "Book", "description": "Books.", "tags": ["t"]}]));
    let capabilities = json!({"streaming": true, "pushNotifications": false, "extendedAgentCard": false});
    assert_eq!(served["capabilities"], capabilities);
    assert_eq!(served["securityRequirements"], json!([{"schemes": {"gate": {"list": ["sendMessage"]}}}]));
    // Nothing in it is empty: with and without that rule it is the same text.
    assert_eq!(signed_form(&served), serde_json_canonicalizer::to_string(&served).unwrap());
    assert!(card.served("http://gate/a2a/travel", |_| false).get("skills").is_none());
}

#[test]
fn what_is_no_card_for_the_gate_says_why() {
    let with = |name: &str, value: Value| {
        let mut card = plain();
        card[name] = value;
        read(&card).map(drop).unwrap_err()
    };
    let jsonrpc = |more: Value| {
        let mut one = json!({"url": "https://a.example", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([one])
    };
    let facts = [
        ("name", json!(""), "/name: expected a text"),
        ("name", json!(1), "/name: expected a text"),
        ("version", json!(null), "/version: expected a text"),
        ("skills", json!({}), "/skills: expected a list of at most 1000"),
        ("skills", json!([{"name": "x"}]), "/skills/0/id: expected a text of at most 128 bytes"),
        ("skills", json!([{"id": "x"}, {"id": "x"}]), "/skills/1/id: two skills have this id"),
        ("supportedInterfaces", json!([]), "/supportedInterfaces: expected one with `JSONRPC` and version 1.0"),
        ("supportedInterfaces", jsonrpc(json!({"protocolVersion": "0.3"})), "/supportedInterfaces: expected one"),
        ("supportedInterfaces", jsonrpc(json!({"tenant": "t"})), "/supportedInterfaces: a `tenant` is not served yet"),
        ("capabilities", json!({"extensions": [{"uri": "u", "required": true}]}), "/capabilities/extensions: an extension"),
        ("signatures", json!("s"), "/signatures: expected a list of at most 16"),
        ("signatures", json!([{"protected": "p"}]), "/signatures/0: expected `protected` and `signature`"),
        ("extra", json!(9_007_199_254_740_993_u64), "it holds a whole number above 2^53"),
    ];
    for (name, value, expected) in facts {
        let told = with(name, value);
        assert!(told.starts_with(expected), "{told} is not {expected}");
    }
    for bytes in ["[]", "{}", "", "{\"name\": \"a\", \"name\": \"b\"}"] {
        assert!(Card::read(bytes.as_bytes()).is_err(), "{bytes}");
    }
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(40), "]".repeat(40));
    assert!(Card::read(deep.as_bytes()).is_err());
    assert_eq!(Card::read(&vec![b' '; super::MAX_CARD + 1]), Err(super::CardError::TooLong));
}
