//! What callers say could be otherwise: arguments of tools, and what enforcement points tell.
//!
//! Each value that a policy holds one against is one to try, and beside a number its neighbours; the nearest to what was said
//! comes first, so that the first that helps is the smallest change. Nothing that a caller has chosen stands in a candidate.

mod place;
mod value;

use std::collections::BTreeSet;

use model::{DecisionInput, Resource};

use super::reads::{Literal, Path, Reads};
use super::trial::{By, Candidate, Edit};
use crate::decide::PolicySnapshot;
use crate::tools::edit::strip;
use place::Place;
use value::Given;

/// Most values of one place that are tried.
const MAX_VALUES: usize = 48;

/// What could have been said instead, for every place of the call that `reads` names.
pub(super) fn of(reads: &Reads, snapshot: &PolicySnapshot, input: &DecisionInput, resource: &Resource) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (path, literals) in &reads.0 {
        found.extend(of_place(path, literals, (snapshot, input, resource)));
    }
    found
}

/// Whether callers say what stands at a place.
pub(super) fn is_said(path: &Path) -> bool {
    path.in_context()
        .is_some_and(|names| matches!(names.as_slice(), ["input" | "unmodelled" | "pep", ..] | ["flow", "untrusted", ..]))
}

type Asked<'a> = (&'a PolicySnapshot, &'a DecisionInput, &'a Resource);

fn of_place(path: &Path, literals: &BTreeSet<Literal>, (snapshot, input, resource): Asked<'_>) -> Vec<Candidate> {
    let Some(names) = path.in_context() else { return Vec::new() };
    match names.as_slice() {
        ["unmodelled", ..] => unmodelled(literals, (snapshot, input, resource)),
        ["flow", "untrusted", ..] => untrusted(literals, input),
        names => Place::of(names, snapshot, resource).map(|place| values(&place, literals, input)).unwrap_or_default(),
    }
}

/// Every value that is worth a try at one place.
fn values(place: &Place, literals: &BTreeSet<Literal>, input: &DecisionInput) -> Vec<Candidate> {
    let now = place.now(input);
    let others = value::others(place.form(), now.as_ref(), literals, input.chain.links()).into_iter().take(MAX_VALUES);
    let others = others.map(|(given, text)| (Some(given), text));
    let gone = (now.is_some() && place.is_optional()).then(|| (None, "were not there".to_owned()));
    // What is not there may do by being there, whatever it holds.
    let there = (now.is_none() && place.form().is_none())
        .then(|| (Some(Given::Least), "were there, with as little in it as there can be".to_owned()));
    let topic = format!("said {place}");
    let one = |(given, text): (Option<Given>, String)| {
        let edit = place.edit(given);
        Candidate { by: place.by(), topic: topic.clone(), text: format!("{place} {text}"), edit: Edit::Input(edit) }
    };
    others.chain(there).chain(gone).map(one).collect()
}

/// A call without the arguments that no policy can see: one that a policy names, or all of them.
fn unmodelled(literals: &BTreeSet<Literal>, (snapshot, input, resource): Asked<'_>) -> Vec<Candidate> {
    let Resource::Tool(tool) = resource else { return Vec::new() };
    let (Some(record), Some(_)) = (snapshot.tools.record(tool), &input.facts.arguments) else { return Vec::new() };
    let without = |name: Option<&str>, text: String| {
        let (record, name) = (record.clone(), name.map(ToOwned::to_owned));
        let edit = move |input: &mut DecisionInput| {
            let Some(mut fields) = place::arguments(input) else { return };
            strip(&mut fields, &record, &|path| name.as_ref().is_none_or(|name| name == path));
            input.facts.arguments = Some(serde_json::Value::Object(fields).to_string());
        };
        Candidate { by: By::Caller, topic: "unmodelled".to_owned(), text, edit: Edit::Input(Box::new(edit)) }
    };
    let named = texts(literals).map(|name| {
        let text = format!("the call had no argument `{}`", name.escape_debug());
        without(Some(name), text)
    });
    let all = without(None, "the call had no argument that policies cannot see".to_owned());
    named.chain([all]).collect()
}

/// Arguments that do not come from untrusted content: one that a policy names, or all of them.
fn untrusted(literals: &BTreeSet<Literal>, input: &DecisionInput) -> Vec<Candidate> {
    let untrusted = &input.facts.around.untrusted;
    let trusted = |name: Option<&str>, text: String| {
        let name = name.map(ToOwned::to_owned);
        let edit = move |input: &mut DecisionInput| {
            input.facts.around.untrusted.retain(|other| name.as_ref().is_some_and(|name| name != other));
        };
        Candidate { by: By::Circumstances, topic: "untrusted".to_owned(), text, edit: Edit::Input(Box::new(edit)) }
    };
    let named = texts(literals)
        .filter(|name| untrusted.contains(*name))
        .map(|name| trusted(Some(name), format!("argument `{}` came from nothing untrusted", name.escape_debug())));
    let all = (!untrusted.is_empty()).then(|| trusted(None, "no argument came from anything untrusted".to_owned()));
    named.chain(all).collect()
}

fn texts(literals: &BTreeSet<Literal>) -> impl Iterator<Item = &str> {
    literals.iter().filter_map(|literal| if let Literal::Text(text) = literal { Some(text.as_str()) } else { None })
}
