//! How long one decision takes: one link, 20 and 200 policies, over a registry of 1,000 users. Run with `--release`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "an example that prints and measures; no part of the gate"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use model::{
    Action, Agent, Ask, Bundle, Chain, DecisionInput, Dialect, Facts, Group, Label, Level, Model, Name, Party, PrincipalId,
    Registry, Resource, UnixMillis, Verdict,
};
use policy::PolicySnapshot;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    for number in 0..50 {
        let parents = (number >= 10).then(|| name(&format!("group{}", number % 10)));
        registry.groups.insert(name(&format!("group{number}")), Group { groups: parents.into_iter().collect() });
        let parents = (number >= 10).then(|| name(&format!("models{}", number % 10)));
        registry.model_groups.insert(name(&format!("models{number}")), Group { groups: parents.into_iter().collect() });
        let model = Model {
            groups: BTreeSet::from([name(&format!("models{number}"))]),
            dialects: BTreeSet::from([Dialect::Openai]),
            clearance: Level::Restricted,
        };
        registry.models.insert(name(&format!("model{number}")), model);
    }
    for number in 0..1000 {
        let groups = BTreeSet::from([name(&format!("group{}", number % 50))]);
        registry.users.insert(name(&format!("user{number}")), Party { groups: groups.clone() });
        let agent = Agent { groups, ..Agent::default() };
        registry.agents.insert(name(&format!("agent{number}")), agent);
    }
    registry
}

/// A tenth unscoped, a fifth by type, the rest by group or party; one in eight forbids.
fn policies(n_policies: usize) -> String {
    let mut text = String::new();
    for number in 0..n_policies {
        let (group, model) = (number % 50, number * 7 % 50);
        let principal = match number % 10 {
            0 => "principal".to_owned(),
            1 => "principal is Portcullis::User".to_owned(),
            2 => "principal is Portcullis::Agent".to_owned(),
            3 => format!("principal == Portcullis::User::\"user{number}\""),
            _ => format!("principal in Portcullis::Group::\"group{group}\""),
        };
        let resource = match number % 3 {
            0 => "resource".to_owned(),
            1 => format!("resource in Portcullis::ModelGroup::\"models{model}\""),
            _ => format!("resource == Portcullis::Model::\"model{model}\""),
        };
        let (effect, condition) = if number % 8 == 7 {
            ("forbid", "context.flow.level > 2 && context.content.kinds.contains(\"CREDIT_CARD\")")
        } else {
            ("permit", "context.flow.level < 3 && context.chain.depth < 4")
        };
        writeln!(
            text,
            "@id(\"p{number}\") {effect} ({principal}, action == Portcullis::Action::\"callModel\", {resource}) when {{ {condition} }};"
        )
        .unwrap();
    }
    text
}

fn input(links: &[String], model: &str) -> DecisionInput {
    let links: Vec<PrincipalId> = links.iter().map(|link| link.parse().unwrap()).collect();
    DecisionInput {
        chain: Chain::new(links).unwrap(),
        asks: vec![Ask { action: Action::CallModel, resource: Resource::Model(name(model)) }],
        facts: Facts {
            now: UnixMillis(1_795_000_000_000),
            credential: name("pk_7f3a"),
            credential_age: 86_400,
            dialect: Some(Dialect::Openai),
            stream: true,
            findings: BTreeMap::new(),
            label: Label::default(),
            ledger_version: 3,
            answered: BTreeSet::new(),
            mandate: Default::default(),
        },
    }
}

fn main() {
    const ROUNDS: usize = 20_000;
    println!("{:>8} {:>6} {:>9} {:>9} {:>9}", "policies", "links", "p50 µs", "p99 µs", "load ms");
    for n_policies in [20, 200, 2000] {
        let text = policies(n_policies);
        let bundle = Bundle {
            format: 1,
            registry: registry(),
            policies: BTreeMap::from([("policies/bench.cedar".to_owned(), text)]),
            rules: model::RuleFiles::default(),
        };
        let begun = Instant::now();
        let snapshot = PolicySnapshot::load(&bundle, &BTreeSet::new()).unwrap();
        let load = begun.elapsed().as_secs_f64() * 1e3;
        for n_links in [1, 3] {
            let mut took = Vec::with_capacity(ROUNDS);
            for round in 0..ROUNDS {
                let (user, model) = (round * 13 % 1000, round * 17 % 50);
                let links =
                    [format!("user:user{user}"), format!("agent:agent{user}"), format!("agent:agent{}", (user + 1) % 1000)];
                let asked = input(links.get(..n_links).unwrap(), &format!("model{model}"));
                let begun = Instant::now();
                let answer = black_box(snapshot.decide(black_box(&asked)));
                took.push(begun.elapsed().as_secs_f64() * 1e6);
                assert_ne!(answer.verdict, Verdict::Challenge);
            }
            took.sort_by(f64::total_cmp);
            let at = |share: usize| took.get(ROUNDS * share / 100).copied().unwrap_or(f64::NAN);
            println!("{n_policies:>8} {n_links:>6} {:>9.1} {:>9.1} {load:>9.1}", at(50), at(99));
        }
    }
}
