//! A call that nobody has made: its facts, and how one of them is made another.

use std::collections::BTreeSet;

use model::{
    Around, Challenge, CredentialId, Dialect, Facts, FindingCount, FindingGroup, Integrity, Label, Level, Mandate, Name, Origin,
    Posture, Remaining, Risk, SignIn, Spent, TaskBudget, UnixMillis,
};
use serde_json::{Map, Value as Json};

use super::atoms::{OTHER, Val, Var};
use super::read::is_budget;
use crate::tools::Record;
use crate::tools::edit::{get, least, least_of, put, remove, shape};

/// A budget that nobody will use up.
const UNUSED: Remaining = Remaining { most: u64::MAX, left: u64::MAX };

/// The time of a call that nobody has made: 2026-01-01 12:00 UTC, a Thursday.
const NOON: UnixMillis = UnixMillis(1_767_268_800_000);

/// A call to be tried.
#[derive(Debug, Clone)]
pub(super) struct Guess<'a> {
    facts: Facts,
    arguments: Map<String, Json>,
    /// The arguments that the tool has; none where no tool is called.
    record: Option<&'a Record>,
    in_dialect: bool,
}

impl<'a> Guess<'a> {
    /// A call against which as little as possible speaks: a managed device, a fresh sign-in, no risk, nothing found, every
    /// challenge answered; of the arguments only the required ones, each as little as its type can be.
    /// Only models are called in a dialect of a model API.
    pub(super) fn new(credential: &CredentialId, mandate: &Mandate, record: Option<&'a Record>, in_dialect: bool) -> Self {
        let posture = Name::new("device").ok().map(|device| Posture { device, is_managed: true, facts: BTreeSet::new(), age: 0 });
        let around = Around {
            sign_in: Some(SignIn { class: String::new(), means: BTreeSet::new(), age: 0 }),
            posture,
            risk: Some(Risk { user: 0, agent: 0, task: 0 }),
            origin: None,
            spent: Some(Spent { calls: 0, tokens: 0, micros: 0 }),
            budget: Some(every_budget()),
            untrusted: BTreeSet::new(),
            sinks: None,
            traced: Vec::new(),
        };
        let facts = Facts {
            now: NOON,
            credential: credential.clone(),
            credential_age: 0,
            dialect: in_dialect.then_some(Dialect::Openai),
            stream: false,
            findings: Default::default(),
            label: Label::default(),
            ledger_version: 0,
            answered: BTreeSet::from([Challenge::Approval, Challenge::StepUp, Challenge::Posture]),
            mandate: mandate.clone(),
            arguments: None,
            around,
        };
        Self { facts, arguments: record.map(least_of).unwrap_or_default(), record, in_dialect }
    }

    /// The facts of the call.
    pub(super) fn facts(&self) -> Facts {
        let arguments = self.record.map(|_| Json::Object(self.arguments.clone()).to_string());
        Facts { arguments, ..self.facts.clone() }
    }

    /// Makes `var` be `value`. `None`: no call can be like that.
    pub(super) fn set(&mut self, var: &Var, value: &Val) -> Option<()> {
        match (var, value) {
            (Var::Present(path), Val::Bool(is_present)) if is_budget(path) => self.budgeted(path, *is_present),
            (Var::Present(path), Val::Bool(is_present)) => self.present(input(path)?, *is_present),
            (Var::Member(path, member), Val::Bool(is_in)) => self.member(path, member, *is_in),
            (Var::Value(path), value) => match input(path) {
                Some(names) => put(&mut self.arguments, self.record?, names, json(value)),
                None => self.fact(path, value),
            },
            (Var::Present(_) | Var::Member(..), _) => None,
        }
    }

    /// Whether budgets apply, or one of some measure.
    fn budgeted(&mut self, path: &[String], is_present: bool) -> Option<()> {
        let budget = &mut self.facts.around.budget;
        match path {
            [_, _] => *budget = is_present.then(|| budget.unwrap_or_else(every_budget)),
            [_, _, name] => {
                let part = budget.as_mut()?.part(name)?;
                *part = is_present.then(|| part.unwrap_or(UNUSED));
            }
            _ => return None,
        }
        Some(())
    }

    fn present(&mut self, names: &[String], is_present: bool) -> Option<()> {
        let record = self.record?;
        match (is_present, get(&self.arguments, names)) {
            (true, Some(_)) | (false, None) => Some(()),
            (true, None) => put(&mut self.arguments, record, names, least(shape(record, names)?)),
            (false, Some(_)) => remove(&mut self.arguments, record, names),
        }
    }

    fn member(&mut self, path: &[String], member: &Val, is_in: bool) -> Option<()> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        if let ["input", ..] = names.as_slice() {
            let names = input(path)?;
            let mut items = get(&self.arguments, names).and_then(Json::as_array).cloned().unwrap_or_default();
            change(&mut items, json(member), is_in);
            return put(&mut self.arguments, self.record?, names, Json::Array(items));
        }
        let Val::Text(text) = member else { return None };
        match names.as_slice() {
            ["unmodelled"] => return self.unmodelled(text, is_in),
            // Something that no policy names.
            ["content", "groups" | "kinds"] if text == OTHER => self.find(OTHER, FindingGroup::Pii, is_in),
            ["content", "kinds"] => self.find(text, group_of(text), is_in),
            ["content", "groups"] => {
                let groups = [FindingGroup::Secret, FindingGroup::Pii, FindingGroup::Uninspected];
                match groups.into_iter().find(|group| group.as_str() == text) {
                    // Of the group's kinds, one that no policy names.
                    Some(group) => self.find(&format!("{}:{OTHER}", group.as_str()), group, is_in),
                    None => return (!is_in).then_some(()),
                }
            }
            ["flow", "compartments"] => match Name::new(text) {
                Ok(name) => toggle(&mut self.facts.label.compartments, name, is_in),
                // What is no name is in no set.
                Err(_) if !is_in => {}
                Err(_) => return None,
            },
            ["flow", "untrusted"] => toggle(&mut self.facts.around.untrusted, text.clone(), is_in),
            ["auth", "amr"] => toggle(&mut self.facts.around.sign_in.as_mut()?.means, text.clone(), is_in),
            ["device", "facts"] => toggle(&mut self.facts.around.posture.as_mut()?.facts, text.clone(), is_in),
            _ => return None,
        }
        Some(())
    }

    fn find(&mut self, kind: &str, group: FindingGroup, is_found: bool) {
        if is_found {
            self.facts.findings.insert(kind.to_owned(), FindingCount { group, count: 1 });
        } else {
            self.facts.findings.remove(kind);
        }
    }

    /// An argument that policies cannot see, by name.
    fn unmodelled(&mut self, name: &str, is_there: bool) -> Option<()> {
        let record = self.record?;
        let names: Vec<String> = name.split('.').map(ToOwned::to_owned).collect();
        if shape(record, &names).is_some() {
            // What has a type is seen.
            return (!is_there).then_some(());
        }
        let (last, above) = names.split_last()?;
        let fields = above.iter().try_fold(&mut self.arguments, |fields, name| fields.get_mut(name)?.as_object_mut());
        match (fields, is_there) {
            (Some(fields), true) => _ = fields.insert(last.clone(), Json::Bool(true)),
            (Some(fields), false) => _ = fields.remove(last),
            (None, true) => return None,
            (None, false) => {}
        }
        Some(())
    }

    fn fact(&mut self, path: &[String], value: &Val) -> Option<()> {
        let Facts { now, credential_age, dialect, stream, label, ledger_version, answered, around, .. } = &mut self.facts;
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match (names.as_slice(), value) {
            (["now"], Val::Long(millis)) => *now = UnixMillis(u64::try_from(*millis).ok()?),
            (["credential", "ageSeconds"], Val::Long(age)) => *credential_age = u64::try_from(*age).ok()?,
            (["request", "stream"], Val::Bool(is_stream)) => *stream = *is_stream,
            (["request", "dialect"], Val::Text(text)) => {
                let known = [Dialect::Openai, Dialect::Anthropic].into_iter().find(|dialect| dialect.as_str() == text);
                match (self.in_dialect, known) {
                    (true, Some(known)) => *dialect = Some(known),
                    (false, None) if text.is_empty() => *dialect = None,
                    _ => return None,
                }
            }
            (["flow", "level"], Val::Long(level)) => {
                label.level = of([Level::Public, Level::Internal, Level::Confidential, Level::Restricted], *level)?;
            }
            (["flow", "integrity"], Val::Long(integrity)) => {
                let all = [Integrity::Untrusted, Integrity::Identifier, Integrity::Trusted, Integrity::User];
                label.integrity = of(all, *integrity)?;
            }
            (["flow", "version"], Val::Long(version)) => *ledger_version = u64::try_from(*version).ok()?,
            (["answered", name], Val::Bool(is_answered)) => {
                let challenge = match *name {
                    "approval" => Challenge::Approval,
                    "stepUp" => Challenge::StepUp,
                    "posture" => Challenge::Posture,
                    _ => return None,
                };
                toggle(answered, challenge, *is_answered);
            }
            (names, value) => return around_fact(around, names, value),
        }
        Some(())
    }
}

fn around_fact(around: &mut Around, names: &[&str], value: &Val) -> Option<()> {
    let Around { sign_in, posture, risk, origin, spent, budget, .. } = around;
    match (names, value) {
        (["task", "budget", name, what], Val::Long(value)) => {
            let (value, part) = (u64::try_from(*value).ok()?, budget.as_mut()?.part(name)?.as_mut()?);
            match *what {
                "left" => part.left = value,
                // No more is left than there is. What is left comes in front, by its name.
                "most" if part.left == UNUSED.left || value >= part.left => {
                    *part = Remaining { most: value, left: part.left.min(value) };
                }
                _ => return None,
            }
        }
        (["auth", "acr"], Val::Text(class)) => sign_in.as_mut()?.class.clone_from(class),
        (["auth", "ageSeconds"], Val::Long(age)) => sign_in.as_mut()?.age = u64::try_from(*age).ok()?,
        // Nobody vouches for the device.
        (["device", "id"], Val::Text(id)) if id.is_empty() => *posture = None,
        (["device", "id"], Val::Text(id)) => posture.as_mut()?.device = Name::new(id).ok()?,
        (["device", "managed"], Val::Bool(false)) if posture.is_none() => {}
        (["device", "managed"], Val::Bool(is_managed)) => posture.as_mut()?.is_managed = *is_managed,
        (["device", "ageSeconds"], Val::Long(age)) => posture.as_mut()?.age = u64::try_from(*age).ok()?,
        (["risk", part], Val::Long(value)) => {
            let value = u8::try_from(*value).ok().filter(|value| *value <= 100)?;
            let risk = risk.as_mut()?;
            match *part {
                "user" => risk.user = value,
                "agent" => risk.agent = value,
                "task" => risk.task = value,
                _ => return None,
            }
        }
        (["network", "peer"], Val::Text(peer)) => somewhere(origin).peer.clone_from(peer),
        (["network", "segment"], Val::Text(segment)) => somewhere(origin).segment = text_or_none(segment)?,
        (["usage", part], Val::Long(value)) => {
            let (value, spent) = (u64::try_from(*value).ok()?, spent.as_mut()?);
            match *part {
                "calls" => spent.calls = value,
                "tokens" => spent.tokens = value,
                "micros" => spent.micros = value,
                _ => return None,
            }
        }
        _ => return None,
    }
    Some(())
}

fn every_budget() -> TaskBudget {
    let mut all = TaskBudget::default();
    for (_, part) in all.parts() {
        *part = Some(UNUSED);
    }
    all
}

fn somewhere(origin: &mut Option<Origin>) -> &mut Origin {
    origin.get_or_insert_with(|| Origin { peer: OTHER.to_owned(), segment: None })
}

/// The name of a segment; an address that has none is possible too.
fn text_or_none(segment: &str) -> Option<Option<Name>> {
    if segment.is_empty() { Some(None) } else { Name::new(segment).ok().map(Some) }
}

/// The group that a kind of finding is in, as far as its name tells; what is no part that nobody understands counts as personal.
fn group_of(kind: &str) -> FindingGroup {
    if kind.starts_with("uninspected") { FindingGroup::Uninspected } else { FindingGroup::Pii }
}

fn of<T: Copy>(all: [T; 4], at: i64) -> Option<T> {
    all.get(usize::try_from(at).ok()?).copied()
}

fn toggle<T: Ord>(set: &mut BTreeSet<T>, member: T, is_in: bool) {
    if is_in {
        set.insert(member);
    } else {
        set.remove(&member);
    }
}

fn change(items: &mut Vec<Json>, member: Json, is_in: bool) {
    items.retain(|item| *item != member);
    if is_in {
        items.push(member);
    }
}

fn json(value: &Val) -> Json {
    match value {
        Val::Bool(value) => Json::Bool(*value),
        Val::Long(value) => Json::from(*value),
        Val::Text(value) => Json::String(value.clone()),
    }
}

/// Below `input`, if it is there.
fn input(path: &[String]) -> Option<&[String]> {
    path.split_first().filter(|(first, rest)| *first == "input" && !rest.is_empty()).map(|(_, rest)| rest)
}
