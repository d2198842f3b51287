//! From policy files to a checked set: parsed, annotated, validated strictly; every problem at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use model::{Bundle, Challenge, Duty, PolicyRef};
use serde_json::Value;

use crate::problem::PolicyProblem;
use crate::statement::{Statement, split};
use crate::vocabulary::{BASELINE, BASELINE_FILE, PARSED, answered};

/// Most policies in a bundle.
const MAX_POLICIES: usize = 100_000;

/// What a policy carries beside its condition.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    pub(crate) place: PolicyRef,
    pub(crate) duties: Vec<Duty>,
    pub(crate) challenge: Option<Challenge>,
}

/// A checked set.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) policies: Vec<Policy>,
    pub(crate) meanings: HashMap<PolicyId, Meaning>,
}

/// Loads the baseline and every file of the bundle.
pub(crate) fn load(bundle: &Bundle, targets: &BTreeSet<String>) -> Result<Loaded, Vec<PolicyProblem>> {
    let mut loaded = Loaded::default();
    let mut problems = Vec::new();
    let mut ids: BTreeMap<String, PolicyRef> = BTreeMap::new();
    let files = std::iter::once((BASELINE_FILE, BASELINE))
        .chain(bundle.policies.iter().map(|(file, text)| (file.as_str(), text.as_str())));
    for (file, text) in files {
        for (number, statement) in split(text).into_iter().enumerate() {
            let place = Place { file, line: statement.line, number: number.saturating_add(1) };
            match one(&place, &statement, targets) {
                Ok((policy, meaning)) => {
                    if let Some(first) = ids.insert(meaning.place.id.clone(), meaning.place.clone()) {
                        let message = format!("policy id `{}` is taken: {}:{}", meaning.place.id, first.file, first.line);
                        problems.push(place.problem(message, Some("give each policy an `@id` of its own")));
                    }
                    loaded.meanings.insert(policy.id().clone(), meaning);
                    loaded.policies.push(policy);
                }
                Err(found) => problems.extend(found),
            }
        }
    }
    if loaded.policies.len() > MAX_POLICIES {
        let place = Place { file: BASELINE_FILE, line: 1, number: 1 };
        problems.push(
            place.problem(format!("a bundle holds at most {MAX_POLICIES} policies, found {}", loaded.policies.len()), None),
        );
    }
    problems.extend(validate(&loaded));
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

struct Place<'a> {
    file: &'a str,
    line: u32,
    number: usize,
}

impl Place<'_> {
    fn problem(&self, message: impl Into<String>, help: Option<&str>) -> PolicyProblem {
        let (file, help) = (self.file.to_owned(), help.map(ToOwned::to_owned));
        PolicyProblem { file, line: self.line, column: 1, message: message.into(), help }
    }
}

/// Parses one statement and reads its annotations.
fn one(
    place: &Place<'_>,
    statement: &Statement<'_>,
    targets: &BTreeSet<String>,
) -> Result<(Policy, Meaning), Vec<PolicyProblem>> {
    let default_id = format!("{}#{}", place.file, place.number);
    let policy = Policy::parse(Some(PolicyId::new(&default_id)), statement.text)
        .map_err(|errors| parse_problems(place, statement, &errors))?;
    let mut problems = Vec::new();
    let mut id = default_id;
    let mut duties = Vec::new();
    let mut challenge = None;
    for (name, value) in policy.annotations() {
        match name {
            "id" if !value.is_empty() && value.len() <= 128 => value.clone_into(&mut id),
            "id" => problems.push(place.problem("`@id` has 1 to 128 bytes", None)),
            "description" => {}
            "obligation" if policy.effect() == Effect::Permit => match parse_duties(value, targets) {
                Ok(parsed) => duties = parsed,
                Err(message) => problems.push(place.problem(message, None)),
            },
            "obligation" => problems
                .push(place.problem("`@obligation` belongs to a permit", Some("a forbid obliges to nothing but refusing"))),
            "challenge" if policy.effect() == Effect::Forbid => match value.parse::<Challenge>() {
                Ok(parsed) if reads_answer(&policy, parsed) => challenge = Some(parsed),
                Ok(parsed) => {
                    let help = format!("add `unless {{ context.answered.{} }}`", answered(parsed));
                    let message = format!(
                        "`@challenge(\"{parsed}\")` could never be lifted: the condition does not read `context.answered.{}`",
                        answered(parsed)
                    );
                    problems.push(place.problem(message, Some(&help)));
                }
                Err(()) => problems
                    .push(place.problem(format!("`{value}` is not a challenge: expected approval, step-up or posture"), None)),
            },
            "challenge" => problems.push(place.problem("`@challenge` belongs to a forbid", None)),
            other => problems.push(place.problem(
                format!("annotation `@{other}` is not known"),
                Some("known: @id, @description, @obligation on permits, @challenge on forbids"),
            )),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let policy = policy.new_id(PolicyId::new(&id));
    duties.sort();
    duties.dedup();
    let place = PolicyRef { id, file: place.file.to_owned(), line: place.line };
    Ok((policy, Meaning { place, duties, challenge }))
}

fn parse_duties(value: &str, targets: &BTreeSet<String>) -> Result<Vec<Duty>, String> {
    let mut duties = Vec::new();
    for text in value.split(',').map(str::trim) {
        let duty: Duty = text.parse().map_err(|error: model::DutyError| error.to_string())?;
        if !targets.contains(&duty.target) && !duty.target.starts_with("uninspected:") {
            return Err(format!("`{}` is no finding kind or group", duty.target));
        }
        duties.push(duty);
    }
    Ok(duties)
}

/// Whether the policy's condition reads the fact that lifts the challenge, looked up in Cedar's own syntax tree.
fn reads_answer(policy: &Policy, challenge: Challenge) -> bool {
    policy.to_json().is_ok_and(|tree| tree.get("conditions").is_some_and(|conditions| reads(conditions, answered(challenge))))
}

fn reads(tree: &Value, fact: &str) -> bool {
    let is_access = tree.get(".").is_some_and(|access| {
        let inner = access.pointer("/left/.");
        access.get("attr").and_then(Value::as_str) == Some(fact)
            && inner.and_then(|inner| inner.get("attr")).and_then(Value::as_str) == Some("answered")
            && inner.and_then(|inner| inner.pointer("/left/Var")).and_then(Value::as_str) == Some("context")
    });
    is_access
        || match tree {
            Value::Array(values) => values.iter().any(|value| reads(value, fact)),
            Value::Object(fields) => fields.values().any(|value| reads(value, fact)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
}

fn parse_problems(place: &Place<'_>, statement: &Statement<'_>, errors: &cedar_policy::ParseErrors) -> Vec<PolicyProblem> {
    use miette::Diagnostic as _;
    let problems = errors.iter().map(|error| {
        let offset = error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
        let before = statement.text.get(..offset).unwrap_or("");
        let n_lines = u32::try_from(before.matches('\n').count()).unwrap_or(0);
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count());
        PolicyProblem {
            file: place.file.to_owned(),
            line: place.line.saturating_add(n_lines),
            column: u32::try_from(column).unwrap_or(0).saturating_add(1),
            message: error.to_string(),
            help: error.help().map(|help| help.to_string()),
        }
    });
    problems.collect()
}

/// Cedar's strict validation against the schema.
fn validate(loaded: &Loaded) -> Vec<PolicyProblem> {
    use miette::Diagnostic as _;
    let Some(schema) = PARSED.clone() else {
        return vec![Place { file: BASELINE_FILE, line: 1, number: 1 }.problem("the schema cannot be read", None)];
    };
    let mut set = PolicySet::new();
    for policy in &loaded.policies {
        // A second policy of one id was reported already.
        set.add(policy.clone()).ok();
    }
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let problems = result.validation_errors().map(|error| {
        let place = loaded.meanings.get(error.policy_id()).map(|meaning| meaning.place.clone());
        let (file, line) = place.map_or((BASELINE_FILE.to_owned(), 1), |place| (place.file, place.line));
        PolicyProblem { file, line, column: 1, message: error.to_string(), help: error.help().map(|help| help.to_string()) }
    });
    problems.collect()
}
