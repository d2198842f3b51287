//! What exactly is to be approved: one canonical text of a question, and its digest.

use std::collections::BTreeSet;

use evidence::sha256;
use model::{Access, Digest, Name, ReasonCode, Refusal, UnixMillis};
use serde_json::{Map, Value, json};

use super::tools::can_be_bound;
use crate::approval::MAX_TEXT;
use crate::ports::{Question, Subject};

/// What is approved, and what is refused.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// The canonical JSON (RFC 8785) of the subject, the action, the resource and what of the context bears on the decision.
    pub(super) text: String,
    /// SHA-256 of it.
    pub(super) digest: Digest,
    /// SHA-256 of action and resource alone.
    pub(super) topic: Digest,
}

/// The members of `context` that bear on the decision: those that operators have declared, and the agent.
pub(super) fn relevant(access: &Access) -> BTreeSet<&str> {
    access.context.keys().map(String::as_str).chain(["agent"]).collect()
}

/// The scope of a question about a party that is named.
///
/// # Errors
/// [`ReasonCode::BodyTooLarge`] for what nobody could read before approving it.
pub(super) fn scope(access: &Access, question: &Question) -> Result<Scope, Refusal> {
    let Subject::Named { kind, id, .. } = &question.subject else { return Err(ReasonCode::ApprovalUnbound.into()) };
    if question.said.n_texts() > MAX_TEXT {
        return Err(too_long(question.said.n_texts()));
    }
    if !can_be_bound(question) {
        let what = "an argument with a point, or with an exponent, has no form of its own: nobody can approve exactly this call";
        return Err(Refusal::because(ReasonCode::ApprovalUnbound, what));
    }
    let relevant = relevant(access);
    let context = question.said.context.iter().filter(|(key, _)| relevant.contains(key.as_str()));
    let context: Map<String, Value> = context.map(|(key, value)| (key.clone(), value.clone())).collect();
    // Who acts is told beside the question as well, and is a link of the chain either way.
    let subject = question.said.subject.iter().filter(|(key, _)| *key != "act");
    let subject: Map<String, Value> = subject.map(|(key, value)| (key.clone(), value.clone())).collect();
    let text = canonical(&json!({
        "subject": {"type": kind, "id": id, "properties": subject},
        "action": {"name": question.action, "properties": question.said.action},
        "resource": {"type": question.kind, "id": question.id, "properties": question.said.resource},
        "context": context,
    }))?;
    if text.len() > MAX_TEXT {
        return Err(too_long(text.len()));
    }
    let topic = canonical(&json!([question.action, question.kind, question.id]))?;
    Ok(Scope { digest: sha256(text.as_bytes()), topic: sha256(topic.as_bytes()), text })
}

/// RFC 8785 writes every number as a double. Numbers that differ only beyond its precision would read the same, so none above 2^53
/// has a scope, whatever it is written as.
fn canonical(value: &Value) -> Result<String, Refusal> {
    if !is_exact(value) {
        return Err(Refusal::because(ReasonCode::ApprovalUnbound, "a whole number above 2^53 has no canonical form"));
    }
    serde_json_canonicalizer::to_string(value).map_err(|_| ReasonCode::Internal.into())
}

fn too_long(n_bytes: usize) -> Refusal {
    let what = format!("what is to be approved has {n_bytes} bytes, at most {MAX_TEXT} can be shown");
    Refusal::because(ReasonCode::BodyTooLarge, what)
}

fn is_exact(value: &Value) -> bool {
    const MOST: u64 = (1 << 53) - 1;
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => whole.unsigned_abs() <= MOST,
            (None, Some(_)) => false,
            (None, None) => number.as_f64().is_some_and(|number| number.abs() < 9_007_199_254_740_992.0),
        },
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Whom a denial that can be lifted is bound to: the point that got it, for exactly this, until then. Ledgers' names, which owners
/// of other handles are, hold no space.
pub(super) fn owner(pep: &Name, scope: &Digest, expires: UnixMillis) -> String {
    format!("access request of pep:{pep} for {scope} until {}", expires.0)
}
