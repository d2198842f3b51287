//! The store that is measured: an organisation, its policies and its requests, from a committed seed.
//!
//! Of 100 policies 10 name nothing in their scope (the test stands in `when`), 20 name types, 20 name groups at least four deep,
//! 10 are links of two templates; the rest name single users or groups. Eight guardrails beside them concern every request. The
//! organisation grows with the policies, as organisations do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use model::{Agent, Bundle, Dialect, Group, Level, Model, Name, Party, Registry};

/// The seed.
pub(crate) const SEED: u64 = 0x706f_7274_6375_6c6c;
/// How many groups stand in a group.
const FAN: usize = 4;

/// Random numbers: `SplitMix64`.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// How large everything is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) policies: usize,
    pub(crate) users: usize,
    pub(crate) agents: usize,
    pub(crate) groups: usize,
    pub(crate) models: usize,
}

impl Size {
    pub(crate) fn of(policies: usize) -> Self {
        let (users, agents) = ((policies / 2).max(100), (policies / 10).max(20));
        Self { policies, users, agents, groups: 400, models: (policies / 100).max(20) }
    }
}

/// What a scope says of one entity.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    Any,
    Is(&'static str),
    Equal(&'static str, String),
    In(&'static str, String),
    IsIn(&'static str, &'static str, String),
}

/// Where the scope stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Scope,
    /// At the front of the condition.
    When,
    /// Its entities fill the slots of a template.
    Link,
}

/// One policy, as it can be written in either language.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) is_permit: bool,
    pub(crate) is_challenge: bool,
    pub(crate) form: Form,
    pub(crate) principal: Scope,
    pub(crate) resource: Scope,
    /// In Cedar and in Rego.
    pub(crate) condition: (&'static str, &'static str),
}

const CONDITIONS: [(&str, &str); 4] = [
    ("context.flow.level < 3 && context.chain.depth < 4", "input.context.flow.level < 3; input.context.chain.depth < 4"),
    ("context.request.dialect == \"openai\"", "input.context.request.dialect == \"openai\""),
    ("!context.content.kinds.contains(\"US_SSN\")", "not \"US_SSN\" in input.context.content.kinds"),
    ("context.credential.ageSeconds < 7776000", "input.context.credential.ageSeconds < 7776000"),
];
const FORBIDDING: [(&str, &str); 2] = [
    ("context.content.kinds.contains(\"CREDIT_CARD\")", "\"CREDIT_CARD\" in input.context.content.kinds"),
    ("context.flow.level > 2", "input.context.flow.level > 2"),
];
/// Conditions of what concerns every request; none holds for the requests here.
const GUARDRAILS: [(&str, &str); 8] = [
    ("context.flow.level > 3", "input.context.flow.level > 3"),
    ("context.chain.depth > 6", "input.context.chain.depth > 6"),
    ("context.content.groups.contains(\"secret\")", "\"secret\" in input.context.content.groups"),
    ("context.flow.compartments.contains(\"phi\")", "\"phi\" in input.context.flow.compartments"),
    ("context.flow.integrity < 1 && context.flow.level > 1", "input.context.flow.integrity < 1; input.context.flow.level > 1"),
    ("context.credential.ageSeconds > 31536000", "input.context.credential.ageSeconds > 31536000"),
    (
        "context.chain.kind == \"autonomous\" && context.flow.level > 2",
        "input.context.chain.kind == \"autonomous\"; input.context.flow.level > 2",
    ),
    (
        "context.chain.missing.contains(\"user\") && context.flow.level > 0",
        "\"user\" in input.context.chain.missing; input.context.flow.level > 0",
    ),
];

/// Everything that is asked and answered.
pub(crate) struct Store {
    pub(crate) size: Size,
    pub(crate) registry: Registry,
    pub(crate) policies: Vec<Policy>,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl Store {
    pub(crate) fn new(size: Size) -> Self {
        let mut dice = Dice(SEED);
        let registry = registry(size);
        let mut policies: Vec<Policy> = (0..size.policies.saturating_sub(8)).map(|at| policy(at, size, &mut dice)).collect();
        policies.extend(GUARDRAILS.into_iter().map(|condition| Policy {
            is_permit: false,
            is_challenge: false,
            form: Form::When,
            principal: Scope::Any,
            resource: Scope::Any,
            condition,
        }));
        Self { size, registry, policies }
    }

    /// The policies as a file; links of templates written out.
    pub(crate) fn cedar(&self) -> String {
        let mut text = String::new();
        for (at, policy) in self.policies.iter().enumerate() {
            writeln!(text, "@id(\"p{at}\") {}", policy.cedar()).unwrap();
        }
        text
    }

    pub(crate) fn bundle(&self) -> Bundle {
        Bundle {
            format: 1,
            registry: self.registry.clone(),
            policies: BTreeMap::from([("policies/bench.cedar".to_owned(), self.cedar())]),
            rules: model::RuleFiles::default(),
        }
    }
}

/// Groups in a tree: group `n` stands in group `(n - 1) / FAN`, so most are four and more deep.
fn registry(size: Size) -> Registry {
    let mut registry = Registry::default();
    let above = |number: usize, letter: char| -> BTreeSet<Name> {
        number.checked_sub(1).map(|number| name(&format!("{letter}{}", number / FAN))).into_iter().collect()
    };
    for number in 0..size.groups {
        registry.groups.insert(name(&format!("g{number}")), Group { groups: above(number, 'g') });
    }
    for number in 0..(size.models / 2) {
        registry.model_groups.insert(name(&format!("k{number}")), Group { groups: above(number, 'k') });
    }
    // Parties stand in the lower three quarters of the tree.
    let member = |number: usize| -> BTreeSet<Name> {
        BTreeSet::from([name(&format!("g{}", size.groups / 4 + number % (size.groups - size.groups / 4)))])
    };
    for number in 0..size.users {
        registry.users.insert(name(&format!("u{number}")), Party { groups: member(number) });
    }
    for number in 0..size.agents {
        registry.agents.insert(name(&format!("a{number}")), Agent { groups: member(number * 7), ..Agent::default() });
    }
    for number in 0..size.models {
        let groups = BTreeSet::from([name(&format!("k{}", number % (size.models / 2)))]);
        let model = Model { groups, dialects: BTreeSet::from([Dialect::Openai]), clearance: Level::Restricted };
        registry.models.insert(name(&format!("m{number}")), model);
    }
    registry
}

fn policy(at: usize, size: Size, dice: &mut Dice) -> Policy {
    let user = |dice: &mut Dice| Scope::Equal("User", format!("u{}", dice.below(size.users)));
    let group = |dice: &mut Dice| format!("g{}", 1 + dice.below(size.groups - 1));
    let deep = |dice: &mut Dice| format!("g{}", 85 + dice.below(size.groups - 85));
    let model = |dice: &mut Dice| Scope::Equal("Model", format!("m{}", dice.below(size.models)));
    let models = |dice: &mut Dice| Scope::In("ModelGroup", format!("k{}", 1 + dice.below(size.models / 2 - 1)));
    let kind = if dice.below(2) == 0 { "User" } else { "Agent" };
    let (principal, resource) = match at % 20 {
        // In `when`.
        0 => (Scope::In("Group", deep(dice)), models(dice)),
        1 => (Scope::In("Group", group(dice)), model(dice)),
        // By type.
        2 | 3 => (Scope::IsIn(kind, "Group", group(dice)), models(dice)),
        4 => (Scope::Is(kind), model(dice)),
        5 => (Scope::IsIn(kind, "Group", deep(dice)), Scope::Is("Model")),
        // Deep groups.
        6..=8 => (Scope::In("Group", deep(dice)), models(dice)),
        9 => (Scope::In("Group", deep(dice)), Scope::Any),
        // Links.
        10 => (Scope::In("Group", deep(dice)), models(dice)),
        11 => (user(dice), model(dice)),
        // Users and groups.
        12 | 13 => (user(dice), Scope::Any),
        14 | 15 => (user(dice), models(dice)),
        _ => (Scope::In("Group", group(dice)), model(dice)),
    };
    let is_permit = dice.below(8) != 0;
    let conditions: &[(&str, &str)] = if is_permit { &CONDITIONS } else { &FORBIDDING };
    Policy {
        is_permit,
        is_challenge: !is_permit && dice.below(8) == 0,
        form: match at % 20 {
            0 | 1 => Form::When,
            10 | 11 => Form::Link,
            _ => Form::Scope,
        },
        principal,
        resource,
        condition: conditions.get(dice.below(conditions.len())).copied().unwrap(),
    }
}

impl Scope {
    fn cedar(&self, var: &str) -> String {
        match self {
            Self::Any => var.to_owned(),
            Self::Is(kind) => format!("{var} is Portcullis::{kind}"),
            Self::Equal(kind, id) => format!("{var} == Portcullis::{kind}::\"{id}\""),
            Self::In(kind, id) => format!("{var} in Portcullis::{kind}::\"{id}\""),
            Self::IsIn(kind, group, id) => format!("{var} is Portcullis::{kind} in Portcullis::{group}::\"{id}\""),
        }
    }

    /// Statements of a rule's body. Ancestors come with the input, as the keys of an object: a look-up each.
    fn rego(&self, var: &str) -> Vec<String> {
        let is = |kind: &str| format!("input.{var}.kind == \"{kind}\"");
        let within = |id: &str| format!("input.{var}.above.{id}");
        match self {
            Self::Any => Vec::new(),
            Self::Is(kind) => vec![is(kind)],
            Self::Equal(kind, id) => vec![is(kind), format!("input.{var}.id == \"{id}\"")],
            Self::In(_, id) => vec![within(id)],
            Self::IsIn(kind, _, id) => vec![is(kind), within(id)],
        }
    }
}

impl Policy {
    pub(crate) fn cedar(&self) -> String {
        let (principal, resource) = (self.principal.cedar("principal"), self.resource.cedar("resource"));
        let action = "action == Portcullis::Action::\"callModel\"";
        let challenge = if self.is_challenge { "@challenge(\"approval\") " } else { "" };
        let effect = if self.is_permit { "permit" } else { "forbid" };
        let unless = if self.is_challenge { " unless { context.answered.approval }" } else { "" };
        let condition = self.condition.0;
        let (scope, front) = match (self.form, &self.principal) {
            (Form::When, Scope::Any) => (format!("principal, {action}, resource"), String::new()),
            (Form::When, _) => (format!("principal, {action}, resource"), format!("{principal} && {resource} && ")),
            (Form::Scope | Form::Link, _) => (format!("{principal}, {action}, {resource}"), String::new()),
        };
        format!("{challenge}{effect} ({scope}) when {{ {front}{condition} }}{unless};")
    }

    /// As rules; a challenge counts as a refusal.
    pub(crate) fn rego(&self) -> String {
        let head = if self.is_permit { "permit" } else { "forbid" };
        let mut body = vec!["input.action == \"callModel\"".to_owned()];
        body.extend(self.principal.rego("principal"));
        body.extend(self.resource.rego("resource"));
        body.push(self.condition.1.to_owned());
        format!("{head} if {{ {} }}", body.join("; "))
    }
}
