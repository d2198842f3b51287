//! Tool servers: what is declared is what was approved, and nothing else.

use std::collections::BTreeSet;

use model::{Level, ToolEffect};
use proptest::prelude::*;

use super::{lines, load_with};
use crate::Texts;

const MAIN: &str = "\
operators: {root: admin}
tool_servers:
  kb:
    definitions: tools/kb.json
    clearance: internal
    tools:
      search: {effects: [read]}
      publish: {effects: [write, egress], withdrawn: true}
";

const KB: &str = r#"{"tools": [
  {"name": "search", "description": "text", "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}}},
  {"name": "publish", "inputSchema": {"properties": {}, "type": "object"}, "annotations": {"readOnlyHint": true}},
  {"name": "delete", "inputSchema": {"type": "object"}}
]}"#;

fn texts() -> Texts {
    Texts::new().with("policies/a.cedar", "").with("tools/kb.json", KB)
}

#[test]
fn what_was_approved_is_in_the_bundle() {
    let (config, _) = load_with(texts(), MAIN).unwrap_or_else(|problems| panic!("{:#?}", lines(&problems)));
    let server = &config.bundle.registry.tool_servers[&"kb".parse().unwrap()];
    assert_eq!(server.clearance, Level::Internal);
    assert_eq!(server.tools.keys().collect::<Vec<_>>(), ["publish", "search"], "what is not listed does not exist");
    let (search, publish) = (&server.tools["search"], &server.tools["publish"]);
    assert_eq!(search.input, r#"{"properties":{"query":{"type":"string"}},"type":"object"}"#);
    assert_eq!(publish.effects, BTreeSet::from([ToolEffect::Write, ToolEffect::Egress]), "not what the server says of itself");
    assert!(publish.is_withdrawn && !search.is_withdrawn);
    // The order of keys in the file is no difference; another argument is.
    let again = texts()
        .with("tools/kb.json", KB.replace(r#"{"properties": {}, "type": "object"}"#, r#"{"type":"object","properties":{}}"#));
    assert_eq!(load_with(again, MAIN).unwrap().0.bundle, config.bundle);
    let other = texts().with("tools/kb.json", KB.replace("query", "text"));
    assert_ne!(load_with(other, MAIN).unwrap().0.bundle, config.bundle);
    let written = serde_json::to_string(&config.bundle).unwrap();
    assert_eq!(serde_json::from_str::<model::Bundle>(&written).unwrap(), config.bundle);
}

#[test]
fn what_is_declared_is_read_without_definitions_or_secrets() {
    let texts = |main: &str| Texts::new().with("portcullis.yaml", main);
    let main = format!("{MAIN}upstreams: {{u: {{kind: mcp, base_url: '${{NOWHERE}}'}}}}\n")
        .replace("    clearance", "    upstream: u\n    clearance");
    let servers = crate::declared_tool_servers(&texts(&main)).unwrap_or_else(|problems| panic!("{:#?}", lines(&problems)));
    let server = &servers["kb"];
    assert_eq!((server.definitions.as_str(), server.upstream.as_deref()), ("tools/kb.json", Some("u")));
    assert!(server.tools["publish"].is_withdrawn && !server.tools["search"].is_withdrawn);
    assert_eq!(server.tools["publish"].effects, BTreeSet::from([ToolEffect::Write, ToolEffect::Egress]));
    for (from, to, expected) in [
        ("tools/kb.json", "../kb.json", "is not a JSON file below this file"),
        ("tools/kb.json", "/etc/kb.json", "is not a JSON file below this file"),
        ("effects: [read]", "effect: [read]", "portcullis.yaml:7:"),
    ] {
        let told = lines(&crate::declared_tool_servers(&texts(&MAIN.replace(from, to))).expect_err(to));
        assert!(told.iter().any(|line| line.contains(expected)), "{told:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let changed = |from: &str, to: &str| {
        assert!(MAIN.contains(from), "{from}");
        load_with(texts(), &MAIN.replacen(from, to, 1)).map(|_| ()).map_err(|problems| lines(&problems))
    };
    let facts = [
        ("  kb:", "  k-b:", "portcullis.yaml:3:3: tool_servers.k-b: `k-b` is no name for a tool server"),
        ("search: {", "serch: {", "tool_servers.kb.tools.serch: `tools/kb.json` has no tool `serch`, did you mean `search`?"),
        ("effects: [read]", "effects: []", "expected at least 1 in this list"),
        ("effects: [read]", "effects: [reed]", "did you mean `read`?"),
        ("effects: [read]", "effects: [read, read]", "tool_servers.kb.tools.search.effects[1]: `read` stands twice in this list"),
        ("effects: [read]", "effects: [read], url: x", "the key `url` is not known here"),
        ("tools/kb.json", "../kb.json", "is not a JSON file below this file"),
        ("tools/kb.json", "tools/kb.yaml", "is not a JSON file below this file"),
        ("tools/kb.json", "tools/none.json", "`tools/none.json` cannot be read: no such file"),
        ("    clearance: internal", "    clearance: secret", "expected one of `public`"),
    ];
    for (from, to, expected) in facts {
        let told = changed(from, to).expect_err(to);
        assert!(told.iter().any(|line| line.contains(expected)), "{to}: {told:?}");
    }
}

#[test]
fn a_file_of_definitions_reads_in_one_way_only() {
    let files = [
        ("{\"tools\": [", "expected"),
        ("[]", "expected what a server answers to `tools/list`"),
        (r#"{"tools": [{"name": "search"}]}"#, "/tools/0/inputSchema"),
        (r#"{"tools": [{"inputSchema": {}}]}"#, "/tools/0/name"),
        (r#"{"tools": [{"name": "search", "inputSchema": true}]}"#, "/tools/0/inputSchema"),
        (r#"{"tools": [{"name": "a", "inputSchema": {}}, {"name": "a", "inputSchema": {}}]}"#, "the tool `a` stands twice"),
        (
            r#"{"tools": [{"name": "a", "inputSchema": {"type": "object", "type": "array"}}]}"#,
            "the key at `/tools/0/inputSchema/type` stands twice",
        ),
    ];
    for (text, expected) in files {
        let told = lines(&load_with(texts().with("tools/kb.json", text), MAIN).expect_err(text));
        let is_told = told.iter().any(|line| line.starts_with("tools/kb.json:1:1: ") && line.contains(expected));
        assert!(is_told, "{text}: {told:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in the file: it is read, or told where it stands; and what is read is one of its tools.
    #[test]
    fn any_file_ends_in_a_configuration_or_a_place(at in 0..KB.len(), length in 0..40_usize, junk in "[\\PC{}\\[\\]\":,]{0,6}") {
        let mut bytes = KB.as_bytes().to_vec();
        bytes.splice(at..bytes.len().min(at + length), junk.bytes());
        match load_with(texts().with("tools/kb.json", bytes), MAIN) {
            Ok((config, _)) => {
                let server = &config.bundle.registry.tool_servers[&"kb".parse().unwrap()];
                let are_objects = server.tools.values().all(|tool| tool.input.starts_with('{'));
                prop_assert!(server.tools.len() == 2 && are_objects);
            }
            Err(problems) => prop_assert!(lines(&problems).iter().all(|line| line.starts_with("tools/kb.json:1:1: ") || line.contains("has no tool"))),
        }
    }
}

#[test]
fn tools_of_several_servers_have_names_of_their_own() {
    let main = "operators: {root: admin}\nupstreams: {u: {kind: mcp, base_url: 'http://127.0.0.1:1/mcp'}}\ntool_servers:\n  \
                kb: {upstream: u, definitions: tools/kb.json, revision: '2025-11-25', tools: {search: {effects: [read]}, publish: {effects: [write], withdrawn: true}}}\n  \
                other: {definitions: tools/kb.json, tools: {search: {effects: [read]}}}\n  \
                kb__x: {upstream: u, definitions: tools/kb.json, tools: {search: {effects: [read]}}}\n";
    let with = |more: &str| load_with(texts(), &format!("{main}virtual_servers: {more}\n"));
    let (config, _) = with("{mcp: {members: [kb, kb__x]}}").unwrap_or_else(|problems| panic!("{:#?}", lines(&problems)));
    let of = |server: &str| (server.parse().unwrap(), "search".to_owned());
    let expected = [("kb__search".to_owned(), of("kb")), ("kb__x__search".to_owned(), of("kb__x"))];
    assert_eq!(config.settings.virtual_servers[&"mcp".parse().unwrap()], expected.into());
    assert_eq!(config.settings.tool_revisions, [("kb".parse().unwrap(), mcp::Version::V2025_11_25)].into());
    let server = &config.bundle.registry.tool_servers[&"mcp".parse().unwrap()];
    assert_eq!((server.clearance, server.tools.len()), (Level::Restricted, 0));
    for (more, expected) in [
        ("{kb: {members: [kb__x]}}", "`tool_servers` has one of this name: `/mcp/kb` is one server's address"),
        ("{a-b: {members: [kb]}}", "`a-b` is no name for a virtual server"),
        ("{Portcullis: {members: [kb]}}", "`Portcullis` is no name for a virtual server"),
        ("{mcp: {members: []}}", "expected at least 1 in this list, found 0"),
        ("{mcp: {members: [kb, kb]}}", "`kb` stands twice in this list"),
        ("{mcp: {members: [other]}}", "`other` has no `upstream`: its tools cannot be called through the gate"),
        ("{mcp: {members: [nobody]}}", "nobody"),
        ("{mcp: {members: [kb], prefix: x}}", "prefix"),
    ] {
        let problems = with(more).map(drop).unwrap_err();
        assert!(lines(&problems).iter().any(|line| line.contains(expected)), "{more}: {:#?}", lines(&problems));
    }
}
