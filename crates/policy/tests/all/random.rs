//! Random organisations, policies and calls.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Action, Agent, Around, Ask, Bundle, Chain, Challenge, DecisionInput, Dialect, Facts, FindingCount, FindingGroup, Group,
    Integrity, Label, Level, Mandate, Model, Name, Origins, Party, Readers, Registry, Remaining, Resource, TaskBudget,
    UnixMillis, UserText,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngSeed};

use crate::world::{chain, name};

/// The same cases at every run.
pub(crate) fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(0x706f_7274), failure_persistence: None, ..Config::default() }
}

/// Instants, and what policies see of them: whole seconds.
pub(crate) const INSTANTS: [(u64, &str); 3] =
    [(0, "1970-01-01"), (1_795_219_199_999, "2026-11-20T23:59:59Z"), (1_709_164_800_001, "2024-02-29T00:00:00Z")];

const CHAINS: [&[&str]; 9] = [
    &["user:u0"],
    &["user:u1"],
    &["service:s0"],
    &["user:u0", "agent:a0"],
    &["user:u2", "agent:a1", "agent:a0"],
    &["user:ghost", "agent:a0"],
    &["service:s0", "agent:a1"],
    &["agent:a1"],
    &["agent:a2", "agent:a1"],
];

const PRINCIPALS: [&str; 18] = [
    "principal",
    "principal",
    "principal == Portcullis::User::\"u0\"",
    "principal == Portcullis::User::\"ghost\"",
    "principal == Portcullis::Agent::\"a0\"",
    "principal == Portcullis::Agent::\"a1\"",
    "principal in Portcullis::User::\"u0\"",
    "principal in Portcullis::Group::\"g0\"",
    "principal in Portcullis::Group::\"g1\"",
    "principal in Portcullis::Group::\"g3\"",
    "principal in Portcullis::Group::\"g6\"",
    "principal in Portcullis::Group::\"ghosts\"",
    "principal is Portcullis::User",
    "principal is Portcullis::Agent",
    "principal is Portcullis::Service",
    "principal is Portcullis::User in Portcullis::Group::\"g0\"",
    "principal is Portcullis::Agent in Portcullis::Group::\"g1\"",
    "principal is Portcullis::Agent in Portcullis::Group::\"g4\"",
];

/// Actions, and resources that go with them.
const MODEL_ACTIONS: [&str; 5] = [
    "action",
    "action == Portcullis::Action::\"callModel\"",
    "action == Portcullis::Action::\"storeRemotely\"",
    "action in Portcullis::Action::\"callModel\"",
    "action in [Portcullis::Action::\"useBeta\", Portcullis::Action::\"callModel\"]",
];
const MODELS: [&str; 9] = [
    "resource",
    "resource == Portcullis::Model::\"m0\"",
    "resource == Portcullis::Model::\"ghost\"",
    "resource in Portcullis::Model::\"m1\"",
    "resource in Portcullis::ModelGroup::\"k0\"",
    "resource in Portcullis::ModelGroup::\"k2\"",
    "resource is Portcullis::Model",
    "resource is Portcullis::Model in Portcullis::ModelGroup::\"k0\"",
    "resource is Portcullis::Model in Portcullis::ModelGroup::\"k1\"",
];
const REMOTE_ACTIONS: [&str; 3] = [
    "action",
    "action == Portcullis::Action::\"fetchRemote\"",
    "action in [Portcullis::Action::\"fetchRemote\", Portcullis::Action::\"callModel\"]",
];
const REMOTES: [&str; 3] = ["resource", "resource == Portcullis::Destination::\"host0\"", "resource is Portcullis::Destination"];

/// Conditions that read nothing of the chain, the label or the answers, so that they cannot tell two calls apart which differ
/// in those alone.
pub(crate) const PLAIN: [&str; 7] = [
    "",
    "",
    "when { context.request.stream }",
    "when { context.request.dialect == \"openai\" }",
    "when { context.now > datetime(\"2024-02-29\") }",
    "unless { principal in Portcullis::Group::\"g2\" }",
    "when { context.credential.ageSeconds + 9223372036854775800 > 0 }",
];
const READING: [&str; 14] = [
    "when { context.task has budget.tokens.left && context.task.budget.tokens.left > 1 }",
    "unless { context.task has budget && context.task.budget has micros && context.task.budget.micros.left == 0 }",
    "when { context.flow.level > 1 }",
    "when { context.flow.compartments.contains(\"pii\") }",
    "unless { context.flow.integrity >= 2 }",
    "when { context.flow.version < 5 }",
    "when { context.chain.depth > 1 }",
    "unless { context.chain.missing.contains(\"user\") }",
    "when { context.chain.kind == \"delegated\" }",
    "when { context.content.kinds.contains(\"CREDIT_CARD\") }",
    "unless { context.content.groups.containsAny([\"pii\", \"uninspected\"]) }",
    "when { context.answered.approval }",
    "when { resource is Portcullis::Model && resource.clearance > 1 && resource.dialects.contains(\"openai\") }",
    "when { principal is Portcullis::Agent && principal.autonomous.contains(\"callModel\") && principal.userText == \"mixed\" }",
];

/// Which conditions a random policy may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Anything,
    /// Only what does not change when a link, an answer or a label does.
    Little,
}

/// One policy, without its `@id`.
pub(crate) fn policy(reads: Reads) -> impl Strategy<Value = String> {
    let conditions: Vec<&str> = match reads {
        Reads::Anything => PLAIN.into_iter().chain(READING).collect(),
        Reads::Little => PLAIN.to_vec(),
    };
    let aim = prop_oneof![3 => (select(&MODEL_ACTIONS), select(&MODELS)), 1 => (select(&REMOTE_ACTIONS), select(&REMOTES))];
    (select(&PRINCIPALS), aim, select(conditions), 0..10_u8).prop_map(|(principal, (action, resource), condition, kind)| {
        let head = match kind {
            0..=4 => "permit",
            5 => "@obligation(\"both:redact:pii\") permit",
            6 => "@obligation(\"response:deny:secret, request:allow:uninspected:image\") permit",
            7 => "forbid",
            8 => "@challenge(\"approval\") forbid",
            _ => "@challenge(\"step-up\") forbid",
        };
        let answer = match kind {
            8 => "unless { context.answered.approval }",
            9 => "unless { context.answered.stepUp }",
            _ => "",
        };
        format!("{head} ({principal}, {action}, {resource}) {condition} {answer};")
    })
}

/// An organisation: groups of any depth up to seven, with diamonds.
pub(crate) fn registry() -> impl Strategy<Value = Registry> {
    let mask = || any::<u8>();
    (proptest::array::uniform7(mask()), proptest::array::uniform5(mask()), proptest::array::uniform10(mask())).prop_map(
        |(groups, model_groups, members)| {
            // A group stands in groups of a lower number only, so there is no circle.
            let below = |letter: char, mask: u8, limit: usize| -> BTreeSet<Name> {
                (0..limit).filter(|bit| mask >> bit & 1 == 1).map(|bit| name(&format!("{letter}{bit}"))).collect()
            };
            let nest = |letter: char, masks: &[u8]| -> BTreeMap<Name, Group> {
                let group =
                    |(at, mask): (usize, &u8)| (name(&format!("{letter}{at}")), Group { groups: below(letter, *mask, at) });
                masks.iter().enumerate().map(group).collect()
            };
            let party = |at: usize| Party { groups: below('g', members[at], 7) };
            let agent = |at: usize| Agent {
                groups: below('g', members[at], 7),
                autonomous: Action::ALL
                    .into_iter()
                    .enumerate()
                    .filter(|(bit, _)| u32::from(members[at]) >> (bit + 2) & 1 == 1)
                    .map(|(_, action)| action)
                    .collect(),
                user_text: if members[at] & 1 == 1 { UserText::Verbatim } else { UserText::Mixed },
                below: BTreeSet::new(),
            };
            let levels = [Level::Public, Level::Internal, Level::Confidential, Level::Restricted];
            let model = |at: usize| Model {
                groups: below('k', members[at], 5),
                dialects: [Dialect::Openai, Dialect::Anthropic].into_iter().take(1 + usize::from(members[at] >> 7)).collect(),
                clearance: levels[usize::from(members[at] >> 5 & 3)],
            };
            Registry {
                remote_agents: Default::default(),
                groups: nest('g', &groups),
                users: (0..3).map(|at| (name(&format!("u{at}")), party(at))).collect(),
                services: BTreeMap::from([(name("s0"), party(3))]),
                agents: (0..3).map(|at| (name(&format!("a{at}")), agent(4 + at))).collect(),
                model_groups: nest('k', &model_groups),
                models: (0..3).map(|at| (name(&format!("m{at}")), model(7 + at))).collect(),
                operators: BTreeMap::new(),
                access: Default::default(),
                tool_servers: BTreeMap::new(),
                segments: BTreeMap::new(),
                destinations: BTreeMap::new(),
            }
        },
    )
}

/// A bundle of up to `most` policies, each with the id `p<n>`, in two files.
pub(crate) fn bundle(reads: Reads, most: usize) -> impl Strategy<Value = Bundle> {
    (registry(), proptest::collection::vec(policy(reads), 0..most)).prop_map(|(registry, texts)| {
        let mut policies = BTreeMap::new();
        for (number, text) in texts.iter().enumerate() {
            let file = if number % 2 == 0 { "policies/even.cedar" } else { "policies/odd.cedar" };
            policies.entry(file.to_owned()).or_insert_with(String::new).push_str(&format!("@id(\"p{number}\") {text}\n"));
        }
        Bundle { format: 1, registry, policies, rules: model::RuleFiles::default() }
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let model = |model: &str| Resource::Model(name(model));
    let to_model = (select(vec![Action::CallModel, Action::StoreRemotely]), select(vec!["m0", "m1", "m2", "ghost"]))
        .prop_map(move |(action, id)| Ask { action, resource: model(id) });
    let remote = select(vec!["host0", "host1", "\" || true"])
        .prop_map(|host| Ask { action: Action::FetchRemote, resource: Resource::Destination(host.to_owned()) });
    let tool = Just(Ask { action: Action::UseHostedTool, resource: Resource::HostedTool("openai/web_search".to_owned()) });
    let beta = Just(Ask { action: Action::UseBeta, resource: Resource::Beta("anthropic/files".to_owned()) });
    let token =
        select(vec!["a0", "a1"]).prop_map(|agent| Ask { action: Action::IssueToken, resource: Resource::Agent(name(agent)) });
    prop_oneof![6 => to_model, 2 => remote, 1 => tool, 1 => beta, 1 => token]
}

fn label() -> impl Strategy<Value = Label> {
    let level = select(vec![Level::Public, Level::Internal, Level::Confidential, Level::Restricted]);
    let integrity = select(vec![Integrity::Untrusted, Integrity::Identifier, Integrity::Trusted, Integrity::User]);
    (level, integrity, subsequence(vec!["pii", "finance"], 0..=2)).prop_map(|(level, integrity, compartments)| Label {
        level,
        integrity,
        compartments: compartments.into_iter().map(name).collect(),
        readers: Readers::Everyone,
        origins: Origins::Many,
    })
}

fn findings() -> impl Strategy<Value = BTreeMap<String, FindingCount>> {
    let all = vec![
        ("CREDIT_CARD", FindingGroup::Pii),
        ("aws-access-token", FindingGroup::Secret),
        ("uninspected:image", FindingGroup::Uninspected),
    ];
    subsequence(all, 0..=3)
        .prop_map(|found| found.into_iter().map(|(kind, group)| (kind.to_owned(), FindingCount { group, count: 1 })).collect())
}

pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let answered = subsequence(vec![Challenge::Approval, Challenge::StepUp, Challenge::Posture], 0..=3);
    let dialect = select(vec![None, Some(Dialect::Openai), Some(Dialect::Anthropic)]);
    let may_act = any::<bool>().prop_map(|may_act| Mandate { may_act, ..Mandate::default() });
    let times = (select(&INSTANTS), select(vec![0, 60, u64::MAX]), proptest::option::of(budget()));
    (times, dialect, any::<bool>(), findings(), label(), 0..9_u64, answered, may_act).prop_map(
        |((now, credential_age, budget), dialect, stream, findings, label, ledger_version, answered, mandate)| Facts {
            now: UnixMillis(now.0),
            credential: name("pk_1"),
            credential_age,
            dialect,
            stream,
            findings,
            label,
            ledger_version,
            answered: answered.into_iter().collect(),
            mandate,
            arguments: None,
            around: Around { budget, ..Around::default() },
        },
    )
}

/// What is left of some measures.
fn budget() -> impl Strategy<Value = TaskBudget> {
    let part = || proptest::option::of(0..4_u64).prop_map(|left| left.map(|left| Remaining { most: 4, left }));
    (part(), part(), part(), part(), part()).prop_map(|(requests, input, output, tokens, micros)| TaskBudget {
        requests,
        input,
        output,
        tokens,
        micros,
    })
}

pub(crate) fn some_chain() -> impl Strategy<Value = Chain> {
    select(&CHAINS).prop_map(chain)
}

pub(crate) fn input() -> impl Strategy<Value = DecisionInput> {
    (some_chain(), proptest::collection::vec(ask(), 1..3), facts()).prop_map(|(chain, asks, facts)| DecisionInput {
        chain,
        asks,
        facts,
    })
}
