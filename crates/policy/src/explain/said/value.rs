//! Values that callers say, and those that could stand in their place.

use std::collections::BTreeSet;

use model::{PrincipalId, PrincipalKind};

use super::super::reads::Literal;

/// A text that no policy is likely to name.
const OTHER: &str = "other-than-named";
/// Longest text of a policy that is told, in characters.
const MAX_TEXT: usize = 128;

/// What kind of value a place has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Flag,
    Number,
    Text,
    Party(PrincipalKind),
}

/// One value, or a set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) sort: Sort,
    pub(super) is_set: bool,
}

/// A value that is none of others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Flag(bool),
    Number(i64),
    Text(String),
    Party(PrincipalId),
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    One(Item),
    Many(BTreeSet<Item>),
    /// An object with as little in it as there can be.
    Least,
}

/// The other values that are worth a try, the nearest first, each with what is told of it. `links` are the parties of the call.
pub(super) fn others(
    form: Option<Form>,
    now: Option<&Given>,
    literals: &BTreeSet<Literal>,
    links: &[PrincipalId],
) -> Vec<(Given, String)> {
    let Some(Form { sort, is_set }) = form else { return Vec::new() };
    let mut named: BTreeSet<Item> = literals.iter().filter_map(|literal| item(sort, literal)).collect();
    if let Sort::Party(kind) = sort {
        named.extend(links.iter().filter(|link| link.kind == kind).cloned().map(Item::Party));
    }
    if is_set {
        let nothing = BTreeSet::new();
        return sets(if let Some(Given::Many(items)) = now { items } else { &nothing }, &named, now.is_some());
    }
    let now = if let Some(Given::One(item)) = now { Some(item) } else { None };
    let mut items: Vec<(Item, String)> = match sort {
        Sort::Flag => [true, false].map(|flag| (Item::Flag(flag), format!("were {flag}"))).to_vec(),
        Sort::Number => numbers(&named, now),
        Sort::Text | Sort::Party(_) => named.into_iter().map(|item| (item.clone(), format!("were {}", told(&item)))).collect(),
    };
    if sort == Sort::Text {
        items.push((Item::Text(OTHER.to_owned()), format!("were another text, such as \"{OTHER}\"")));
    }
    items.into_iter().filter(|(item, _)| Some(item) != now).map(|(item, text)| (Given::One(item), text)).collect()
}

fn item(sort: Sort, literal: &Literal) -> Option<Item> {
    match (sort, literal) {
        (Sort::Number, Literal::Number(number)) => Some(Item::Number(*number)),
        (Sort::Text, Literal::Text(text)) => Some(Item::Text(text.clone())),
        (Sort::Party(kind), Literal::Entity(named, id)) => {
            let party: PrincipalId = format!("{}:{id}", kind.as_str()).parse().ok()?;
            let of_kind = match kind {
                PrincipalKind::User => "Portcullis::User",
                PrincipalKind::Agent => "Portcullis::Agent",
                PrincipalKind::Service => "Portcullis::Service",
                PrincipalKind::Operator | PrincipalKind::Pep => return None,
            };
            (named == of_kind).then_some(Item::Party(party))
        }
        _ => None,
    }
}

/// Those that are named, their neighbours, and nothing; the nearest to `now` first.
fn numbers(named: &BTreeSet<Item>, now: Option<&Item>) -> Vec<(Item, String)> {
    let named: Vec<i64> =
        named.iter().filter_map(|item| if let Item::Number(number) = item { Some(*number) } else { None }).collect();
    let beside = named.iter().flat_map(|number| [number.saturating_sub(1), number.saturating_add(1)]);
    let all: BTreeSet<i64> = named.iter().copied().chain(beside).chain([0]).collect();
    let mut all: Vec<i64> = all.into_iter().collect();
    match now {
        Some(Item::Number(now)) => all.sort_by_key(|number| number.abs_diff(*now)),
        // What a policy names means something.
        _ => all.sort_by_key(|number| !named.contains(number)),
    }
    all.into_iter().map(|number| (Item::Number(number), format!("were {number}"))).collect()
}

/// One member more, or one less; then several.
fn sets(now: &BTreeSet<Item>, named: &BTreeSet<Item>, is_there: bool) -> Vec<(Given, String)> {
    let list = |items: &[&Item]| items.iter().map(|item| told(item)).collect::<Vec<_>>().join(", ");
    let mut found: Vec<(BTreeSet<Item>, String)> = Vec::new();
    let (inside, missing): (Vec<&Item>, Vec<&Item>) = named.iter().partition(|item| now.contains(item));
    for item in &inside {
        found.push((now.iter().filter(|other| other != item).cloned().collect(), format!("did not hold {}", told(item))));
    }
    for item in &missing {
        found.push((now.iter().chain([*item]).cloned().collect(), format!("held {}", told(item))));
    }
    if inside.len() > 1 {
        found.push((now.difference(named).cloned().collect(), format!("held none of {}", list(&inside))));
    }
    if missing.len() > 1 {
        found.push((now.union(named).cloned().collect(), format!("held {}", list(&missing))));
    }
    if inside.len() < now.len() && !named.is_empty() {
        let text = if inside.is_empty() { "were empty".to_owned() } else { format!("held only {}", list(&inside)) };
        found.push((inside.iter().map(|item| (*item).clone()).collect(), text));
    }
    if !is_there || !now.is_empty() {
        found.push((BTreeSet::new(), "were empty".to_owned()));
    }
    found.into_iter().map(|(items, text)| (Given::Many(items), text)).collect()
}

/// A value as it is told, on one line.
fn told(item: &Item) -> String {
    match item {
        Item::Flag(flag) => flag.to_string(),
        Item::Number(number) => number.to_string(),
        Item::Text(text) => {
            let short: String = text.chars().take(MAX_TEXT).collect();
            let rest = if short.len() < text.len() { "…" } else { "" };
            format!("\"{}{rest}\"", short.escape_debug())
        }
        Item::Party(party) => party.to_string(),
    }
}
