//! One small organisation, and calls in it.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Action, Agent, Ask, Bundle, Chain, DecisionInput, Dialect, Facts, FindingCount, FindingGroup, Group, Label, Level, Model,
    Name, Party, PrincipalId, Registry, Resource, UnixMillis, UserText,
};
use policy::PolicySnapshot;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn names(texts: &[&str]) -> BTreeSet<Name> {
    texts.iter().map(|text| name(text)).collect()
}

pub(crate) fn registry() -> Registry {
    let group = |parents: &[&str]| Group { groups: names(parents) };
    let agent = |autonomous: &[Action]| Agent {
        groups: names(&["bots"]),
        autonomous: autonomous.iter().copied().collect(),
        user_text: UserText::Mixed,
        below: BTreeSet::new(),
    };
    let model =
        |groups: &[&str], clearance| Model { groups: names(groups), dialects: BTreeSet::from([Dialect::Openai]), clearance };
    Registry {
        remote_agents: Default::default(),
        groups: BTreeMap::from([
            (name("all"), group(&[])),
            (name("staff"), group(&["all"])),
            (name("bots"), group(&[])),
            (name("deep1"), group(&["staff"])),
            (name("deep2"), group(&["deep1", "all"])),
        ]),
        users: BTreeMap::from([
            (name("ada"), Party { groups: names(&["staff"]) }),
            (name("eve"), Party::default()),
            (name("deep"), Party { groups: names(&["deep2"]) }),
        ]),
        services: BTreeMap::from([(name("cron"), Party::default())]),
        agents: BTreeMap::from([
            (name("bot"), agent(&[])),
            (name("sub"), agent(&[])),
            (name("free"), agent(&[Action::CallModel])),
        ]),
        model_groups: BTreeMap::from([(name("open"), group(&[])), (name("inner"), group(&["open"]))]),
        models: BTreeMap::from([
            (name("small"), model(&["inner"], Level::Internal)),
            (name("large"), model(&[], Level::Restricted)),
        ]),
        operators: BTreeMap::new(),
        access: Default::default(),
        tool_servers: BTreeMap::new(),
        segments: BTreeMap::new(),
        destinations: BTreeMap::new(),
    }
}

pub(crate) fn targets() -> BTreeSet<String> {
    ["secret", "pii", "CREDIT_CARD"].into_iter().map(ToOwned::to_owned).collect()
}

pub(crate) fn bundle(text: &str) -> Bundle {
    Bundle {
        format: 1,
        registry: registry(),
        policies: BTreeMap::from([("policies/p.cedar".to_owned(), text.to_owned())]),
        rules: model::RuleFiles::default(),
    }
}

pub(crate) fn compiled(bundle: &Bundle) -> PolicySnapshot {
    PolicySnapshot::load(bundle, &targets()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(crate) fn load(text: &str) -> PolicySnapshot {
    compiled(&bundle(text))
}

pub(crate) fn chain(links: &[&str]) -> Chain {
    Chain::new(links.iter().map(|link| link.parse::<PrincipalId>().unwrap()).collect()).unwrap()
}

pub(crate) fn call(model: &str) -> Ask {
    Ask { action: Action::CallModel, resource: Resource::Model(name(model)) }
}

pub(crate) fn input(links: &[&str], model: &str) -> DecisionInput {
    DecisionInput {
        chain: chain(links),
        asks: vec![call(model)],
        facts: Facts {
            now: UnixMillis(1_795_000_000_000),
            credential: name("abc"),
            credential_age: 60,
            dialect: Some(Dialect::Openai),
            stream: false,
            findings: BTreeMap::new(),
            label: Label::default(),
            ledger_version: 0,
            answered: BTreeSet::new(),
            mandate: Default::default(),
            arguments: None,
            around: Default::default(),
        },
    }
}

/// An image that nothing looked into, in data of `level`.
pub(crate) fn with_image(mut input: DecisionInput, level: Level) -> DecisionInput {
    let count = FindingCount { group: FindingGroup::Uninspected, count: 1 };
    input.facts.findings.insert("uninspected:image".to_owned(), count);
    input.facts.label.level = level;
    input
}
