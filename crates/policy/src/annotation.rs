//! What the annotations of one policy say: a closed vocabulary, everything else is a problem.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy};
use model::{Challenge, Duty, Name};
use serde_json::Value;

use crate::problem::nearest;
use crate::vocabulary::answered;

const KNOWN: [&str; 5] = ["id", "description", "obligation", "challenge", "mode"];
const SHADOW: &str = "shadow";
const MODES: [&str; 2] = [SHADOW, "enforce"];
const CHALLENGES: [&str; 3] = ["approval", "step-up", "posture"];

/// The annotations, read.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    pub(crate) id: Option<String>,
    pub(crate) duties: Vec<Duty>,
    pub(crate) challenge: Option<Challenge>,
    /// Whether it is evaluated and recorded, and not enforced.
    pub(crate) is_shadow: bool,
}

/// Whether a policy says that it is not enforced; of one whose annotations were not checked.
pub(crate) fn is_shadow(policy: &Policy) -> bool {
    policy.annotation("mode") == Some(SHADOW)
}

/// What is wrong with one annotation.
#[derive(Debug)]
pub(crate) struct Wrong<'a> {
    /// The annotation's name, without `@`.
    pub(crate) name: &'a str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Reads all annotations of `policy`; what is wrong is left out and told. `targets`: the finding kinds and groups that duties may name.
pub(crate) fn read<'a>(policy: &'a Policy, targets: &BTreeSet<String>) -> (Annotations, Vec<Wrong<'a>>) {
    let mut annotations = Annotations::default();
    let mut wrong = Vec::new();
    for (name, value) in policy.annotations() {
        let mut problem = |message: String, help: Option<String>| wrong.push(Wrong { name, message, help });
        match (name, policy.effect()) {
            // An id shows in logs, in terminals and in refusals, so it is a name.
            ("id", _) => match Name::new(value) {
                Ok(id) => annotations.id = Some(id.to_string()),
                Err(error) => problem(error.to_string(), None),
            },
            ("description", _) => {}
            ("mode", _) if MODES.contains(&value) => annotations.is_shadow = value == SHADOW,
            ("mode", _) => problem(
                format!("`{}` is no mode: expected `shadow` or `enforce`", value.escape_default()),
                did_you_mean(nearest(value, MODES)),
            ),
            ("obligation", Effect::Permit) => match duties(value, targets) {
                Ok(duties) => annotations.duties = duties,
                Err((message, help)) => problem(message, help),
            },
            ("obligation", Effect::Forbid) => {
                problem(
                    "`@obligation` belongs to a permit".to_owned(),
                    Some("a forbid obliges to nothing but refusing".to_owned()),
                );
            }
            ("challenge", Effect::Forbid) => match challenge(policy, value) {
                Ok(challenge) => annotations.challenge = Some(challenge),
                Err((message, help)) => problem(message, help),
            },
            ("challenge", Effect::Permit) => {
                problem("`@challenge` belongs to a forbid".to_owned(), Some("a challenge is what lifts a refusal".to_owned()));
            }
            _ => {
                let help = nearest(name, KNOWN).map_or_else(
                    || "known: @id, @description, @mode, @obligation on permits, @challenge on forbids".to_owned(),
                    |near| format!("did you mean `@{near}`?"),
                );
                problem(format!("annotation `@{}` is not known", name.escape_default()), Some(help));
            }
        }
    }
    (annotations, wrong)
}

type Complaint = (String, Option<String>);

fn did_you_mean(near: Option<&str>) -> Option<String> {
    near.map(|near| format!("did you mean `{near}`?"))
}

/// Duties, separated by commas, sorted, each once.
fn duties(value: &str, targets: &BTreeSet<String>) -> Result<Vec<Duty>, Complaint> {
    let mut duties = Vec::new();
    for text in value.split(',').map(str::trim) {
        let duty: Duty = text.parse().map_err(|error: model::DutyError| (error.to_string(), None))?;
        // Part types come from outside, so they are no closed list.
        let is_known = targets.contains(&duty.target) || duty.target == "uninspected" || duty.target.starts_with("uninspected:");
        if !is_known {
            let near = did_you_mean(nearest(&duty.target, targets.iter().map(String::as_str)));
            return Err((format!("`{}` is no finding kind or group", duty.target.escape_default()), near));
        }
        duties.push(duty);
    }
    duties.sort();
    duties.dedup();
    Ok(duties)
}

/// A challenge, which is only one if the policy's condition reads the fact that lifts it.
fn challenge(policy: &Policy, value: &str) -> Result<Challenge, Complaint> {
    let challenge: Challenge = value.parse().map_err(|()| {
        let message = format!("`{}` is not a challenge: expected `approval`, `step-up` or `posture`", value.escape_default());
        (message, did_you_mean(nearest(value, CHALLENGES)))
    })?;
    let fact = answered(challenge);
    let is_read = policy.to_json().is_ok_and(|tree| tree.get("conditions").is_some_and(|conditions| reads(conditions, fact)));
    if is_read {
        return Ok(challenge);
    }
    let message =
        format!("`@challenge(\"{challenge}\")` could never be lifted: the condition does not read `context.answered.{fact}`");
    Err((message, Some(format!("add `unless {{ context.answered.{fact} }}`"))))
}

/// Whether `context.answered.<fact>` stands anywhere in Cedar's own syntax tree. Not recursive: the depth is the author's.
fn reads(tree: &Value, fact: &str) -> bool {
    let mut todo = vec![tree];
    while let Some(tree) = todo.pop() {
        if is_access(tree, fact) {
            return true;
        }
        match tree {
            Value::Array(values) => todo.extend(values),
            Value::Object(fields) => todo.extend(fields.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

fn is_access(tree: &Value, fact: &str) -> bool {
    let Some(access) = tree.get(".") else { return false };
    let inner = access.pointer("/left/.");
    access.get("attr").and_then(Value::as_str) == Some(fact)
        && inner.and_then(|inner| inner.get("attr")).and_then(Value::as_str) == Some("answered")
        && inner.and_then(|inner| inner.pointer("/left/Var")).and_then(Value::as_str) == Some("context")
}
