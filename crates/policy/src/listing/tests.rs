//! The order of the steps, and the bounds: what they leave open is told as unknown, never as refused.

use std::collections::{BTreeMap, BTreeSet};

use model::{Agent, Bundle, Chain, Level, Mandate, Name, Party, Registry, Tool, ToolEffect, ToolServer};

use super::search::MAX_COMBINATIONS as MAX_OF_ONE;
use super::{Asking, Could, Listable, Listed, Lister, MAX_COMBINATIONS, MAX_DECISIONS, MAX_PARTIAL};
use crate::PolicySnapshot;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// One server `s` with tools `t000` and on, a user and her agent.
fn snapshot(n_tools: usize, policies: &str) -> PolicySnapshot {
    let schema = r#"{"type": "object", "properties": {"n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "string"}}},
        "required": ["n", "l"]}"#;
    let tool = |at: usize| {
        let effects = BTreeSet::from([ToolEffect::Read]);
        (format!("t{at:03}"), Tool { effects, input: schema.to_owned(), ..Tool::default() })
    };
    let server = ToolServer { clearance: Level::Restricted, tools: (0..n_tools).map(tool).collect(), ..ToolServer::default() };
    let registry = Registry {
        users: BTreeMap::from([(name("ada"), Party::default())]),
        agents: BTreeMap::from([(name("bot"), Agent::default())]),
        tool_servers: BTreeMap::from([(name("s"), server)]),
        ..Registry::default()
    };
    let policies = BTreeMap::from([("p.cedar".to_owned(), policies.to_owned())]);
    let bundle = Bundle { format: 1, registry, policies, rules: model::RuleFiles::default() };
    PolicySnapshot::load(&bundle, &BTreeSet::new()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn lister(links: &[&str]) -> Lister {
    let links = links.iter().map(|link| link.parse().unwrap()).collect();
    Lister { chain: Chain::new(links).unwrap(), credential: name("c"), mandate: Mandate::default() }
}

/// The list, and what was spent on it: decisions, combinations, partial evaluations.
fn listed(snapshot: &PolicySnapshot, links: &[&str]) -> (Vec<Listed>, [usize; 3]) {
    let lister = lister(links);
    let asks = snapshot.listable(Listable::Tools);
    let mut asking = Asking::new(snapshot, &lister, &asks);
    let list = asks.iter().map(|ask| asking.listed(ask)).collect();
    let effort = &asking.effort;
    (list, [MAX_DECISIONS - effort.decisions, MAX_COMBINATIONS - effort.combinations, asking.n_partial])
}

fn could(list: &[Listed]) -> Vec<Could> {
    list.iter().map(|listed| listed.could).collect()
}

/// `context.input.l` holds each of so many texts.
fn holds_all(n_texts: usize) -> String {
    (0..n_texts).map(|at| format!("context.input.l.contains(\"x{at}\")")).collect::<Vec<_>>().join(" && ")
}

#[test]
fn the_index_stands_in_front_of_partial_evaluation() {
    // A thousand policies of which none can concern the tools of this chain.
    let mut text = String::new();
    for at in 0..500 {
        text.push_str(&format!(
            "permit (principal == Portcullis::User::\"u{at}\", action, resource) when {{ context.flow.level < 2 }};"
        ));
        text.push_str(&format!(
            "forbid (principal, action, resource == Portcullis::Model::\"m{at}\") when {{ context.flow.level < 2 }};"
        ));
    }
    let (list, spent) = listed(&snapshot(20, &text), &["user:ada", "agent:bot"]);
    assert!(could(&list).iter().all(|could| *could == Could::No));
    assert_eq!(spent, [0; 3], "nothing is decided, searched or evaluated partially where the index says no");
    // One of them does, for one tool: that one alone is looked at.
    text.push_str(
        "permit (principal, action == s::Action::\"t007\", resource) when { resource.clearance > 5 && context.flow.level < 9 };",
    );
    let (list, spent) = listed(&snapshot(20, &text), &["user:ada"]);
    assert!(could(&list).iter().all(|could| *could == Could::No));
    assert_eq!(spent, [0, 0, 1]);
}

#[test]
fn too_many_combinations_of_one_are_unknown() {
    assert_eq!(MAX_OF_ONE, 1 << 11);
    for (n_texts, expected) in [(11, Could::No), (12, Could::Unknown)] {
        // What the permit asks for the forbid refuses, so nothing is ever allowed.
        let text = format!(
            "permit (principal, action == s::Action::\"t000\", resource) when {{ {} }};
             forbid (principal, action == s::Action::\"t000\", resource) when {{ context.input.l.contains(\"x0\") }};",
            holds_all(n_texts)
        );
        let (list, _) = listed(&snapshot(1, &text), &["user:ada"]);
        assert_eq!(could(&list), [expected], "{n_texts}");
    }
}

#[test]
fn too_many_combinations_of_a_list_are_unknown() {
    let n_tools = 60;
    let mut text = String::new();
    for at in 0..n_tools {
        text.push_str(&format!(
            "permit (principal, action == s::Action::\"t{at:03}\", resource) when {{ {} }};
             forbid (principal, action == s::Action::\"t{at:03}\", resource) when {{ context.input.l.contains(\"x0\") }};",
            holds_all(11)
        ));
    }
    let (list, [_, n_combinations, _]) = listed(&snapshot(n_tools, &text), &["user:ada"]);
    assert_eq!(n_combinations, MAX_COMBINATIONS);
    let n_told = could(&list).iter().take_while(|could| **could == Could::No).count();
    assert!(n_told > 30 && n_told < n_tools, "{n_told}");
    assert!(could(&list)[n_told..].iter().all(|could| *could == Could::Unknown), "behind the bound nothing is refused");
}

#[test]
fn too_many_decisions_of_a_list_are_unknown() {
    // Each of the first tools takes hundreds of decisions and is not found out; the last is, with one.
    let texts = |n_tools: usize| {
        let mut text = String::new();
        for at in 0..(n_tools - 1) {
            let any = holds_all(8).replace("&&", "||");
            text.push_str(&format!(
                "permit (principal, action == s::Action::\"t{at:03}\", resource) when {{ context.input.n * 0 == 1 && ({any}) }};"
            ));
        }
        let last = n_tools - 1;
        text.push_str(&format!(
            "permit (principal, action == s::Action::\"t{last:03}\", resource) when {{ context.input.n > 5 }};"
        ));
        text
    };
    let of = |n_tools: usize| listed(&snapshot(n_tools, &texts(n_tools)), &["user:ada"]);
    let (list, [n_decisions, ..]) = of(4);
    assert!(n_decisions < MAX_DECISIONS, "{n_decisions}");
    assert_eq!(could(&list), [Could::Unknown, Could::Unknown, Could::Unknown, Could::Yes]);
    let (list, [n_decisions, ..]) = of(40);
    assert_eq!(n_decisions, MAX_DECISIONS);
    assert!(could(&list).iter().all(|could| *could == Could::Unknown), "the last could be, and is not said to be refused");
}

#[test]
fn too_much_partial_evaluation_is_unknown() {
    // Refused by type for the agent, which partial evaluation sees and neither the index nor a search does.
    let permit = "permit (principal, action in Portcullis::Action::\"callTool\", resource) when {
        if principal is Portcullis::User && resource != Portcullis::Tool::\"s/t000\" then context.request.stream == context.flow.tainted else false };\n";
    let n_permits = 100;
    let n_tools = 60;
    let text = permit.repeat(n_permits);
    let (list, [_, _, n_partial]) = listed(&snapshot(n_tools, &text), &["user:ada", "agent:bot"]);
    assert!(n_partial <= MAX_PARTIAL && n_partial > MAX_PARTIAL - n_permits - 10, "{n_partial}");
    let n_told = could(&list).iter().take_while(|could| **could == Could::No).count();
    assert!(n_told >= 40 && n_told < n_tools, "{n_told}: {n_partial}");
    assert!(could(&list)[n_told..].iter().all(|could| *could == Could::Unknown), "behind the bound nothing is refused");
}
