//! Tools that models ask for: by which names, for whom, and what holds where nothing is said.

use super::{lines, load_with};
use crate::{ClientMode, ClientTools, RefusedCall, Texts};

const MAIN: &str = "\
operators: {root: admin}
agents: {bot: {}, other: {}}
upstreams: {u: {kind: mcp, base_url: 'http://127.0.0.1:1'}}
tool_servers:
  desk:
    runs: client
    agents: [bot]
    definitions: tools/desk.json
    tools:
      send: {effects: [egress]}
      gone: {effects: [egress], withdrawn: true}
  kb:
    upstream: u
    model_names: ['mcp__kb__{tool}', '{tool}_kb']
    definitions: tools/kb.json
    tools:
      search: {effects: [read]}
";

const DESK: &str =
    r#"{"tools": [{"name": "send", "inputSchema": {"type": "object"}}, {"name": "gone", "inputSchema": {"type": "object"}}]}"#;
const KB: &str = r#"{"tools": [{"name": "search", "inputSchema": {"type": "object"}}]}"#;

fn told(main: &str) -> Result<ClientTools, Vec<String>> {
    let texts = Texts::new().with("policies/a.cedar", "").with("tools/desk.json", DESK).with("tools/kb.json", KB);
    load_with(texts, main).map(|(config, _)| config.settings.client_tools).map_err(|problems| lines(&problems))
}

#[test]
fn tools_have_the_names_that_models_use() {
    let tools = told(MAIN).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let named: Vec<String> = tools
        .tools
        .iter()
        .flat_map(|(name, of)| of.iter().map(move |tool| format!("{name} {}/{} {}", tool.server, tool.tool, tool.runs_at_client)))
        .collect();
    assert_eq!(
        named,
        ["gone desk/gone true", "mcp__kb__search kb/search false", "search_kb kb/search false", "send desk/send true"]
    );
    assert!(tools.tools["send"][0].agents.iter().map(ToString::to_string).eq(["bot"]));
    // Who declares something has decided that it counts; who declares nothing has what was there before.
    assert_eq!((tools.mode, tools.refused), (ClientMode::Enforce, RefusedCall::Replace));
    assert_eq!(told("operators: {root: admin}\n").unwrap().mode, ClientMode::Off);
    for (section, mode, refused) in [
        ("{mode: observe}", ClientMode::Observe, RefusedCall::Replace),
        ("{mode: enforce, refused: strip}", ClientMode::Enforce, RefusedCall::Strip),
        ("{mode: observe, refused: annotate}", ClientMode::Observe, RefusedCall::Annotate),
    ] {
        for main in [MAIN, "operators: {root: admin}\n"] {
            let tools = told(&format!("{main}client_tools: {section}\n")).unwrap();
            assert_eq!((tools.mode, tools.refused), (mode, refused), "{section}");
        }
    }
}

#[test]
fn what_is_wrong_is_told() {
    let facts = [
        ("    runs: client\n", "    runs: client\n    upstream: u\n", "what the client runs has no `upstream`"),
        ("agents: [bot]", "agents: [bit]", "no agent is named `bit`, did you mean `bot`?"),
        ("    runs: client\n", "", "agents are named where models ask for the tools"),
        ("mcp__kb__{tool}", "mcp__kb__", "expected letters, digits, `_`, `-` and `.` around `{tool}`"),
        ("mcp__kb__{tool}", "{tool}{tool}", "expected letters, digits"),
        ("mcp__kb__{tool}", "m\u{441}p_{tool}", "expected letters, digits"),
        ("'{tool}_kb'", "'mcp__kb__{tool}'", "stands twice in this list"),
        ("runs: client", "runs: server", "did you mean"),
    ];
    for (from, to, expected) in facts {
        assert!(MAIN.contains(from), "{from}");
        let problems = told(&MAIN.replacen(from, to, 1)).map(|_| ()).expect_err(to);
        let is_told = problems.iter().any(|line| line.contains(expected));
        assert!(is_told || (to == "runs: server" && !problems.is_empty()), "{to}: {problems:?}");
    }
}

#[test]
fn a_name_means_one_tool_of_an_agent() {
    let both = |agents: &str| {
        let more = "    definitions: tools/desk.json\n    tools: {send: {effects: [read]}}\n";
        told(&format!("{MAIN}  more:\n    runs: client\n{agents}{more}"))
    };
    assert_eq!(both("    agents: [other]\n").unwrap().tools["send"].len(), 2);
    for agents in ["", "    agents: [other, bot]\n"] {
        let problems = both(agents).expect_err("both are the bot's");
        assert!(
            problems.iter().any(|line| line.contains("models would call it `send`, which is `desk/send` already")),
            "{problems:?}"
        );
    }
}
