use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mcp::Pinned;
use model::{Chain, Name};
use serde_json::{Value, json};

use super::{ClientMode, ClientTool, ClientTools};

const DEFINITION: &str = r#"{"annotations":{"title":"x"},"description":"Sends.","inputSchema":{"type":"object"},"name":"send","outputSchema":{"type":"object"}}"#;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn tool(called: &str, agents: &[&str]) -> Arc<ClientTool> {
    let pinned = Arc::new(Pinned::of_canonical(DEFINITION).unwrap());
    let agents: BTreeSet<Name> = agents.iter().map(|agent| name(agent)).collect();
    Arc::new(ClientTool::new(called, (name("desk"), "send".to_owned()), pinned, agents, true))
}

fn chain(links: &[&str]) -> Chain {
    Chain::new(links.iter().map(|link| link.parse().unwrap()).collect()).unwrap()
}

#[test]
fn a_function_is_all_that_the_model_is_told_of_it() {
    let tool = tool("desk_send", &[]);
    let schema = || Some(json!({"type": "object"}));
    let says = |text: &str| Some(json!(text));
    let output = |value: Value| vec![("outputSchema", value)];
    assert!(tool.is("desk_send", says("Sends."), schema(), vec![]));
    assert!(tool.is("desk_send", says("Sends."), schema(), output(json!({"type": "object"}))));
    let others = [
        tool.is("send", says("Sends."), schema(), vec![]),
        tool.is("desk_send", says("Sends. "), schema(), vec![]),
        tool.is("desk_send", None, schema(), vec![]),
        tool.is("desk_send", says("Sends."), None, vec![]),
        tool.is("desk_send", says("Sends."), Some(json!({"type": "object", "title": "x"})), vec![]),
        tool.is("desk_send", says("Sends."), schema(), output(json!({}))),
        tool.is("desk_send", says("Sends."), schema(), vec![("inputExamples", json!([{"to": "rival"}]))]),
        tool.is("desk_send", Some(json!(["Sends."])), schema(), vec![]),
    ];
    assert_eq!(others, [false; 8]);
}

#[test]
fn a_name_means_one_tool_of_the_acting_agent() {
    let tools = ClientTools {
        mode: ClientMode::Observe,
        tools: BTreeMap::from([
            ("send".to_owned(), vec![tool("send", &["bot"]), tool("send", &["other"])]),
            ("twice".to_owned(), vec![tool("twice", &["bot"]), tool("twice", &[])]),
        ]),
        ..ClientTools::default()
    };
    let facts = [
        (&["user:ada", "agent:bot"][..], "send", true),
        (&["agent:other"], "send", true),
        (&["user:ada"], "send", false),
        (&["user:bot"], "send", false),
        (&["agent:bot", "agent:third"], "send", false),
        (&["agent:bot"], "Send", false),
        (&["agent:bot"], "twice", false),
        (&["agent:third"], "twice", true),
    ];
    for (links, called, expected) in facts {
        assert_eq!(tools.named(&chain(links), called).is_some(), expected, "{links:?} {called}");
    }
}

#[test]
fn answers_are_looked_at_where_something_could_be_decided() {
    let of = |mode, tools: Vec<Arc<ClientTool>>| ClientTools {
        mode,
        tools: BTreeMap::from([("send".to_owned(), tools)]),
        ..ClientTools::default()
    };
    let bot = chain(&["agent:bot"]);
    assert!(!of(ClientMode::Off, vec![tool("send", &[])]).governs(&bot));
    assert!(!of(ClientMode::Observe, vec![tool("send", &["other"])]).governs(&bot));
    assert!(of(ClientMode::Observe, vec![tool("send", &["bot"])]).governs(&bot));
    assert!(of(ClientMode::Enforce, Vec::new()).governs(&bot));
    assert_eq!(ClientTools::default().mode, ClientMode::Off, "nothing changes for whoever says nothing");
}
