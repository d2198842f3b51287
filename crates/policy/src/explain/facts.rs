//! The facts that policies read, with the values that they had: what operators and the gate know, and what callers said.

use std::collections::BTreeSet;

use cedar_policy::{Entities, EntityUid, EvalResult, Policy, PolicyId, PrincipalConstraint, Request, ResourceConstraint};
use model::{Answer, Ask, DecisionInput, LinkAnswer, PolicyRef, PrincipalId, ReasonCode};

use super::reads::{Literal, Path, Reads, Step};
use super::search::MAX_LINKS;
use crate::context;
use crate::decide::{Call, PolicySnapshot};
use crate::vocabulary::uid;

/// Most values that are told per policy.
const MAX_FACTS: usize = 16;
/// Most policies of which values are told.
const MAX_POLICIES: usize = 8;
/// Most elements of a set that are shown.
const MAX_ELEMENTS: usize = 8;
/// Longest text that is shown, in characters.
const MAX_TEXT: usize = 64;

/// How much is shown of what callers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// Arguments of tools and what enforcement points tell, shortened.
    Everything,
    /// Of both only yes or no: something was found in the call, and a duty may have taken it out of everything else.
    Flags,
}

/// What one policy read for one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsRead {
    /// The policy.
    pub policy: PolicyRef,
    /// Whose links.
    pub principals: Vec<PrincipalId>,
    /// Place and value, such as `context.flow.level` and `3`; at most 16. Values are shortened, and those that callers say
    /// (arguments of tools, what enforcement points tell) are shown as far as the explanation says.
    pub facts: Vec<(String, String)>,
}

/// What the policies behind the verdict read, for the links that gave it; at most 8 policies.
pub(super) fn read(snapshot: &PolicySnapshot, input: &DecisionInput, answer: &Answer, shows: Shows) -> Vec<FactsRead> {
    let call = snapshot.view().call(&input.chain, &input.facts);
    let links = answer.links.iter().filter(|link| link.verdict == answer.verdict).take(MAX_LINKS);
    let mut found: Vec<FactsRead> = Vec::new();
    for read in links.flat_map(|link| of_link(snapshot, &call, link, shows)).filter(|read| !read.facts.is_empty()) {
        match found.iter_mut().find(|other| other.policy == read.policy && other.facts == read.facts) {
            Some(other) => other
                .principals
                .extend(read.principals.into_iter().filter(|one| !other.principals.contains(one)).collect::<Vec<_>>()),
            None => found.push(read),
        }
    }
    found.truncate(MAX_POLICIES);
    found
}

fn of_link(snapshot: &PolicySnapshot, call: &Call<'_>, link: &LinkAnswer, shows: Shows) -> Vec<FactsRead> {
    let ask = Ask { action: link.action, resource: link.resource.clone() };
    let Ok((request, entities)) = snapshot.pose(call, &link.principal, &ask) else { return Vec::new() };
    let behind = match link.reason {
        ReasonCode::PolicyError => snapshot.erring(call, &link.principal, &ask),
        ReasonCode::PolicyDenied => snapshot.failed_permits(link),
        _ => link.policies.iter().map(|policy| PolicyId::new(&policy.id)).collect(),
    };
    let read = |id: &PolicyId| {
        let policy = snapshot.index.policy(id)?;
        let place = snapshot.meanings.get(id)?.place.clone();
        Some(FactsRead {
            policy: place,
            principals: vec![link.principal.clone()],
            facts: values(policy, call, (&request, entities), shows),
        })
    };
    behind.iter().take(MAX_POLICIES).filter_map(read).collect()
}

fn values(policy: &Policy, call: &Call<'_>, (request, entities): (&Request, &Entities), shows: Shows) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let scope =
        [("principal", principal_group(policy), request.principal()), ("resource", resource_group(policy), request.resource())];
    for (name, group, this) in scope {
        let (Some(group), Some(this)) = (group, this) else { continue };
        facts.push(membership(name, &group, this, entities));
    }
    for (path, literals) in Reads::of(policy).0 {
        if path.steps.is_empty() {
            facts.extend(memberships(&path, &literals, request, entities));
            continue;
        }
        let is_now = path.in_context().is_some_and(|names| names == ["now"]);
        let value = if is_now { context::instant(call.facts.now) } else { value(&path, request, entities, shows) };
        facts.push((path.to_string(), value));
    }
    facts.truncate(MAX_FACTS);
    facts
}

fn principal_group(policy: &Policy) -> Option<EntityUid> {
    match policy.principal_constraint() {
        PrincipalConstraint::In(group) | PrincipalConstraint::IsIn(_, group) => Some(group),
        PrincipalConstraint::Any | PrincipalConstraint::Eq(_) | PrincipalConstraint::Is(_) => None,
    }
}

fn resource_group(policy: &Policy) -> Option<EntityUid> {
    match policy.resource_constraint() {
        ResourceConstraint::In(group) | ResourceConstraint::IsIn(_, group) => Some(group),
        ResourceConstraint::Any | ResourceConstraint::Eq(_) | ResourceConstraint::Is(_) => None,
    }
}

/// `principal in Group "staff"`: yes or no.
fn membership(name: &str, group: &EntityUid, this: &EntityUid, entities: &Entities) -> (String, String) {
    let kind = group.type_name().to_string();
    let kind = kind.strip_prefix("Portcullis::").unwrap_or(&kind);
    let is_in = group == this || entities.is_ancestor_of(group, this);
    (format!("{name} in {kind} \"{}\"", group.id().unescaped().escape_debug()), is_in.to_string())
}

/// The groups that a condition names.
fn memberships<'a>(
    path: &'a Path,
    literals: &'a BTreeSet<Literal>,
    request: &'a Request,
    entities: &'a Entities,
) -> impl Iterator<Item = (String, String)> + 'a {
    let this = root(&path.root, request);
    let group = |literal: &'a Literal| match literal {
        Literal::Entity(kind, id) => uid(kind.strip_prefix("Portcullis::")?, id),
        Literal::Text(_) | Literal::Number(_) => None,
    };
    literals.iter().filter_map(group).filter_map(move |group| Some(membership(&path.root, &group, this?, entities)))
}

fn root<'r>(name: &str, request: &'r Request) -> Option<&'r EntityUid> {
    match name {
        "principal" => request.principal(),
        "action" => request.action(),
        "resource" => request.resource(),
        _ => None,
    }
}

fn value(path: &Path, request: &Request, entities: &Entities, shows: Shows) -> String {
    let absent = || "absent".to_owned();
    if let Some(names) = path.in_context() {
        let Some((first, rest)) = names.split_first() else { return absent() };
        let found = request.context().and_then(|context| context.get(first)).and_then(|found| below(found, rest));
        let Some(found) = found else { return absent() };
        // The names of arguments are the caller's, too.
        let is_said = matches!(names.as_slice(), ["input", _, ..] | ["unmodelled", ..] | ["flow", "untrusted", ..])
            || matches!(names.as_slice(), ["pep", part, ..] if *part != "name");
        return match &found {
            EvalResult::Bool(_) | EvalResult::Record(_) => shown(&found),
            _ if is_said && shows == Shows::Flags => "not shown: something was found in the call".to_owned(),
            // Said as it is: none of them stands for what is not known.
            EvalResult::Long(number) if is_said => number.to_string(),
            found => shown(found),
        };
    }
    let entity = root(&path.root, request).and_then(|uid| entities.get(uid));
    let (Some(entity), Some((first, rest))) = (entity, path.steps.split_first()) else { return absent() };
    let found = match first {
        Step::Attribute(name) => entity.attr(name),
        Step::Tag(name) => entity.tag(name),
    };
    let rest: Option<Vec<&str>> =
        rest.iter().map(|step| if let Step::Attribute(name) = step { Some(name.as_str()) } else { None }).collect();
    let found = found.and_then(Result::ok).zip(rest).and_then(|(found, rest)| below(found, &rest));
    found.map_or_else(absent, |found| shown(&found))
}

fn below(value: EvalResult, rest: &[&str]) -> Option<EvalResult> {
    let Some((first, rest)) = rest.split_first() else { return Some(value) };
    match value {
        EvalResult::Record(record) => below(record.get(first)?.clone(), rest),
        _ => None,
    }
}

/// A value on one short line; nothing in it moves a terminal.
fn shown(value: &EvalResult) -> String {
    match value {
        EvalResult::Bool(flag) => flag.to_string(),
        EvalResult::Long(i64::MAX) => "unknown, taken for the largest number".to_owned(),
        EvalResult::Long(number) => number.to_string(),
        EvalResult::String(text) => {
            let short: String = text.chars().take(MAX_TEXT).collect();
            let rest = if short.len() < text.len() { "…" } else { "" };
            format!("\"{}{rest}\"", short.escape_debug())
        }
        EvalResult::EntityUid(uid) => {
            let kind = uid.type_name().to_string();
            format!(
                "{} {}",
                kind.strip_prefix("Portcullis::").unwrap_or(&kind),
                shown(&EvalResult::String(uid.id().unescaped().to_owned()))
            )
        }
        EvalResult::Set(set) => {
            let mut elements: Vec<String> = set.iter().take(MAX_ELEMENTS).map(shown).collect();
            let n_more = set.len().saturating_sub(MAX_ELEMENTS);
            elements.extend((n_more > 0).then(|| format!("and {n_more} more")));
            format!("[{}]", elements.join(", "))
        }
        EvalResult::Record(_) => "a record".to_owned(),
        // What Cedar prints of a date, a duration, a decimal.
        EvalResult::ExtensionValue(text) => text.chars().filter(|letter| !letter.is_control()).take(MAX_TEXT).collect(),
    }
}
