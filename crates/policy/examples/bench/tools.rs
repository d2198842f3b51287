//! Lists of tools: 500 of ten servers, 2,000 policies in the same proportions as the other stores, chains of three links.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::{Bundle, Level, Tool, ToolEffect, ToolServer};
use policy::Lister;
use serde_json::json;

use crate::store::{Dice, SEED, Size, Store, name};

const SERVERS: usize = 10;
const TOOLS: usize = 50;
const EFFECTS: [ToolEffect; 5] =
    [ToolEffect::Read, ToolEffect::Write, ToolEffect::Egress, ToolEffect::Destructive, ToolEffect::Credential];
/// Conditions of what concerns many tools.
const WIDE: [&str; 4] =
    ["context.flow.level < 3", "!context.flow.tainted", "context.device.managed", "context.auth.ageSeconds < 3600"];
/// Conditions of what concerns every call.
const GUARDRAILS: [&str; 8] = [
    "context.flow.level > 2",
    "context.chain.depth > 6",
    "context.content.groups.contains(\"secret\")",
    "context.risk.user > 80",
    "context.risk.agent > 80",
    "context.usage.calls > 10000",
    "context.flow.compartments.contains(\"phi\") && !context.device.managed",
    "context.flow.tainted && context.flow.level > 1",
];
/// Conditions of what concerns one tool.
const NARROW: [&str; 4] = [
    "context.input.amount < 1000",
    "context.input.to like \"*@example.com\"",
    "context.input has tags && context.input.tags.contains(\"approved\")",
    "context.input.amount < 100 && context.input.to != \"all\"",
];

/// The organisation with its tools and the policies about them.
pub(crate) fn bundle(size: Size) -> Bundle {
    let mut bundle = Store::new(size).bundle();
    let schema = json!({
        "type": "object",
        "properties": {
            "amount": {"type": "integer"}, "to": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["amount", "to"],
    });
    for server in 0..SERVERS {
        let tool = |at: usize| {
            let effects = [EFFECTS[at % 5]].into_iter().collect();
            (format!("t{at}"), Tool { effects, input: schema.to_string(), ..Tool::default() })
        };
        let tools: BTreeMap<String, Tool> = (0..TOOLS).map(tool).collect();
        bundle
            .registry
            .tool_servers
            .insert(name(&format!("s{server}")), ToolServer { clearance: Level::Restricted, tools, ..ToolServer::default() });
    }
    let mut dice = Dice::new(SEED + 2);
    let mut text = String::new();
    for guardrail in GUARDRAILS {
        writeln!(text, "forbid (principal, action in Portcullis::Action::\"callTool\", resource) when {{ {guardrail} }};")
            .unwrap();
    }
    for at in 0..(size.policies - GUARDRAILS.len()) {
        writeln!(text, "@id(\"p{at}\") {}", policy(at, size, &mut dice)).unwrap();
    }
    bundle.policies = BTreeMap::from([("policies/bench.cedar".to_owned(), text)]);
    bundle
}

fn policy(at: usize, size: Size, dice: &mut Dice) -> String {
    let (server, tool) = (dice.below(SERVERS), dice.below(TOOLS));
    let group = format!("Portcullis::Group::\"g{}\"", 1 + dice.below(size.groups - 1));
    let deep = format!("Portcullis::Group::\"g{}\"", 85 + dice.below(size.groups - 85));
    let one = format!("action == s{server}::Action::\"t{tool}\", resource");
    let all = "action in Portcullis::Action::\"callTool\"";
    let of_server = format!("{all}, resource in Portcullis::ToolServer::\"s{server}\"");
    let effect = format!("action in Portcullis::Action::\"{}\", resource", EFFECTS[dice.below(5)].as_str());
    let kind = ["User", "Agent"][dice.below(2)];
    let (wide, narrow) = (WIDE[dice.below(4)], NARROW[dice.below(4)]);
    let verb = if dice.below(8) == 0 { "forbid" } else { "permit" };
    match at % 20 {
        0 => format!("{verb} (principal, {all}, resource) when {{ principal in {deep} && {wide} }};"),
        1 => format!(
            "{verb} (principal, {all}, resource) when {{ principal is Portcullis::{kind} && principal in {group} && {wide} }};"
        ),
        2..=4 => format!("{verb} (principal is Portcullis::{kind} in {group}, {effect}) when {{ {wide} }};"),
        5 => format!("{verb} (principal is Portcullis::{kind}, {one}) when {{ {narrow} }};"),
        6..=9 => format!("{verb} (principal in {deep}, {of_server}) when {{ {wide} }};"),
        10 | 11 => format!("{verb} (principal in {deep}, {one}) when {{ {narrow} }};"),
        12 | 13 => format!("{verb} (principal == Portcullis::User::\"u{}\", {of_server});", dice.below(size.users)),
        14 | 15 => format!("{verb} (principal == Portcullis::User::\"u{}\", {one}) when {{ {narrow} }};", dice.below(size.users)),
        _ => format!("{verb} (principal in {group}, {one}) when {{ {narrow} }};"),
    }
}

/// Chains of three links, each with a credential of its own.
pub(crate) fn listers(size: Size, count: usize) -> Vec<Lister> {
    let mut dice = Dice::new(SEED + 3);
    let mut lister = || {
        let agent = dice.below(size.agents - 1);
        let links = [format!("user:u{}", dice.below(size.users)), format!("agent:a{agent}"), format!("agent:a{}", agent + 1)];
        let links = links.iter().map(|link| link.parse().unwrap()).collect();
        Lister { chain: model::Chain::new(links).unwrap(), credential: name("pk_list"), mandate: model::Mandate::default() }
    };
    (0..count).map(|_| lister()).collect()
}
