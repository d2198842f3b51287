//! What calls of tools are counted in beside their number: money that is paid, entries that are deleted, rows that are read.
//!
//! Operators say where it stands ([`model::Count`]), budgets how much of it there may be. What a call says it will use is reserved before
//! it leaves; rows are counted when they have come.

use std::collections::BTreeMap;

use model::{Count, Counted, Name};
use text::{Document, Kind, NodeId};

use crate::inspection::Inspected;
use crate::ports::{Aim, Wants};
use crate::snapshot::Snapshot;

/// Most values that one place may stand for; with more it is not known how much they are.
const MOST_VALUES: usize = 10_000;

/// What a tool is counted in.
pub type Counts = BTreeMap<Name, Count>;

/// How much of each quantity a call may use, in thousandths; none of one of which that is not known.
pub(crate) fn demanded(snapshot: &Snapshot, inspected: &Inspected<'_>) -> BTreeMap<Name, Option<u64>> {
    let Aim::Server(call) = &inspected.understood().aim else { return BTreeMap::new() };
    let Wants::Tool { name, arguments } = &call.wants else { return BTreeMap::new() };
    let counts = snapshot.servers.get(&call.server).and_then(|server| server.counts.get(name));
    let document = inspected.document();
    let demanded = |(quantity, count): (&Name, &Count)| (quantity.clone(), demand(document, *arguments, count));
    counts.into_iter().flatten().map(demanded).collect()
}

fn demand(document: &Document<'_>, arguments: Option<NodeId>, count: &Count) -> Option<u64> {
    let (place, of): (_, fn(&Document<'_>, NodeId) -> Option<u64>) = match &count.of {
        Counted::Sum(place) => (place, amount),
        Counted::Entries(place) => (place, entries),
        Counted::Rows(_) => return count.absent,
    };
    let found = arguments.map_or_else(|| Ok(Found::default()), |arguments| at(document, arguments, place)).ok()?;
    let absent = |n: u64| (n == 0).then_some(0).or_else(|| Some(count.absent?.saturating_mul(n)));
    if found.nodes.is_empty() && found.n_missing == 0 {
        return count.absent;
    }
    // An entry that says nothing may be anything: a server has its own idea of what is left out.
    let missing = absent(found.n_missing)?;
    found.nodes.into_iter().try_fold(missing, |sum, node| Some(sum.saturating_add(of(document, node)?)))
}

/// How many rows a result holds, in thousandths: entries of the array at a place of it, or the number there. None where nothing of the kind
/// stands there.
#[must_use]
pub fn rows(document: &Document<'_>, result: NodeId, place: &str) -> Option<u64> {
    let found = match at(document, result, place) {
        Ok(found) => found.nodes,
        // More than are looked at is more than any room.
        Err(Unknown::TooMany) => return Some(u64::MAX),
        Err(Unknown::Ambiguous) => return None,
    };
    let count = |node: NodeId| match document.kind(node) {
        Kind::Array => entries(document, node),
        Kind::Number => amount(document, node),
        _ => None,
    };
    if found.is_empty() {
        return None;
    }
    found.into_iter().try_fold(0_u64, |sum, node| Some(sum.saturating_add(count(node)?)))
}

/// The number that a value is: a number, or a text that is one.
fn amount(document: &Document<'_>, node: NodeId) -> Option<u64> {
    match document.kind(node) {
        Kind::Number => budget::thousandths(document.lexeme(node)),
        Kind::String => document.text(node).filter(|text| !reads_two_ways(text)).and_then(|text| budget::thousandths(&text)),
        _ => None,
    }
}

/// Whether readers of texts take it for different numbers: `9999e-9` is 9999 for one that stops at the first letter, `1.000` is a thousand
/// where points stand between groups.
fn reads_two_ways(text: &str) -> bool {
    let is_grouped = text
        .trim_start_matches('-')
        .split_once('.')
        .is_some_and(|(whole, decimals)| decimals.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0'));
    text.contains(['e', 'E']) || is_grouped
}

/// How many a value is: one, or as many as stand in an array.
#[expect(clippy::unnecessary_wraps, reason = "it stands beside `amount`")]
fn entries(document: &Document<'_>, node: NodeId) -> Option<u64> {
    let n = if document.kind(node) == Kind::Array { document.count(node) } else { 1 };
    Some(u64::try_from(n).unwrap_or(u64::MAX).saturating_mul(1000))
}

/// What stands at a place.
#[derive(Debug, Default)]
struct Found {
    /// The values; null is none.
    nodes: Vec<NodeId>,
    /// How many entries of arrays on the way have nothing there.
    n_missing: u64,
}

/// Why it is not known what stands at a place.
#[derive(Debug)]
enum Unknown {
    /// More than [`MOST_VALUES`].
    TooMany,
    /// Another name differs by letter case alone: some readers take the one, some the other.
    Ambiguous,
}

/// The values at a place.
fn at(document: &Document<'_>, within: NodeId, place: &str) -> Result<Found, Unknown> {
    let mut found = Found { nodes: vec![within], n_missing: 0 };
    let mut is_below_entries = false;
    for step in place.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        let mut reached = Vec::new();
        for node in std::mem::take(&mut found.nodes) {
            let before = reached.len();
            match document.kind(node) {
                Kind::Array if step == "*" => reached.extend(document.children(node).take(MOST_VALUES + 1)),
                Kind::Array => reached.extend(name.parse().ok().and_then(|n: usize| document.children(node).nth(n))),
                Kind::Object => reached.extend(member(document, node, &name)?),
                _ => {}
            }
            let is_nothing = reached.len() == before && !(step == "*" && document.kind(node) == Kind::Array);
            found.n_missing = found.n_missing.saturating_add(u64::from(is_below_entries && is_nothing));
            if reached.len() > MOST_VALUES {
                return Err(Unknown::TooMany);
            }
        }
        is_below_entries |= step == "*";
        found.nodes = reached;
    }
    // Null says as little as nothing.
    let n_all = found.nodes.len();
    found.nodes.retain(|node| document.kind(*node) != Kind::Null);
    if is_below_entries {
        let n_null = n_all.saturating_sub(found.nodes.len());
        found.n_missing = found.n_missing.saturating_add(u64::try_from(n_null).unwrap_or(u64::MAX));
    }
    Ok(found)
}

fn member(document: &Document<'_>, node: NodeId, name: &str) -> Result<Option<NodeId>, Unknown> {
    let is_like = |child: NodeId| document.key(child).is_some_and(|key| key != name && key.to_lowercase() == name.to_lowercase());
    if document.children(node).any(is_like) {
        return Err(Unknown::Ambiguous);
    }
    Ok(document.get(node, name))
}

#[cfg(test)]
mod tests {
    use model::{Count, Counted};
    use text::{Document, Limits};

    use super::{demand, rows};

    fn demanded(arguments: &str, of: Counted, absent: Option<u64>) -> Option<u64> {
        let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
        demand(&document, Some(document.root()), &Count { of, absent })
    }

    #[test]
    fn sums_are_of_numbers_and_of_texts_that_are_numbers() {
        let sum = |place: &str| Counted::Sum(place.to_owned());
        let facts = [
            (r#"{"amount":12.5}"#, "/amount", Some(12_500)),
            (r#"{"amount":"12.50"}"#, "/amount", Some(12_500)),
            (r#"{"amount":-12.5}"#, "/amount", Some(12_500)),
            (r#"{"payments":[{"amount":1},{"amount":"2"},{"amount":3e0}]}"#, "/payments/*/amount", Some(6_000)),
            (r#"{"payments":[{"amount":1},{"note":"none"}]}"#, "/payments/*/amount", None),
            (r#"{"payments":[{"amount":1},{"amount":null}]}"#, "/payments/*/amount", None),
            (r#"{"payments":[{"amount":1},7]}"#, "/payments/*/amount", None),
            (r#"{"payments":[{"amount":1,"Amount":1000000}]}"#, "/payments/*/amount", None),
            (r#"{"amount":1,"AMOUNT":1000000}"#, "/amount", None),
            (r#"{"amount":"9999e-9"}"#, "/amount", None),
            (r#"{"amount":"1.000"}"#, "/amount", None),
            (r#"{"amount":"-1.000"}"#, "/amount", None),
            (r#"{"amount":"1000.000"}"#, "/amount", Some(1_000_000)),
            (r#"{"amount":1.000}"#, "/amount", Some(1_000)),
            (r#"{"a/b":{"~":7}}"#, "/a~1b/~0", Some(7_000)),
            (r#"{"amount":"all of it"}"#, "/amount", None),
            (r#"{"amount":"1,000"}"#, "/amount", None),
            (r#"{"amount":[1]}"#, "/amount", None),
            (r#"{"amount":true}"#, "/amount", None),
            (r#"{"other":1}"#, "/amount", None),
            (r#"{"amount":null}"#, "/amount", None),
            (r#"{"amount":1e400}"#, "/amount", Some(u64::MAX)),
            (r#"{"list":[1e400,1e400]}"#, "/list/*", Some(u64::MAX)),
        ];
        for (arguments, place, expected) in facts {
            assert_eq!(demanded(arguments, sum(place), None), expected, "{arguments}");
        }
        assert_eq!(demanded("{}", sum("/amount"), Some(5_000)), Some(5_000));
        let two = r#"{"payments":[{"amount":1},{"note":"none"},{"amount":null}]}"#;
        assert_eq!(demanded(two, sum("/payments/*/amount"), Some(5_000)), Some(11_000));
        assert_eq!(demanded(r#"{"payments":[]}"#, sum("/payments/*/amount"), Some(5_000)), Some(5_000));
        assert_eq!(
            demanded(r#"{"amount":"x"}"#, sum("/amount"), Some(5_000)),
            None,
            "what stands there and is no number is not absent"
        );
    }

    #[test]
    fn entries_are_those_of_lists_and_single_values() {
        let entries = || Counted::Entries("/to".to_owned());
        assert_eq!(demanded(r#"{"to":["a","b","c"]}"#, entries(), None), Some(3_000));
        assert_eq!(demanded(r#"{"to":"a"}"#, entries(), None), Some(1_000));
        assert_eq!(demanded(r#"{"to":[]}"#, entries(), None), Some(0));
        assert_eq!(demanded("{}", entries(), None), None);
    }

    #[test]
    fn too_many_values_are_not_known() {
        let many = format!(r#"{{"list":[{}1]}}"#, "1,".repeat(10_000));
        assert_eq!(demanded(&many, Counted::Sum("/list/*".to_owned()), None), None);
    }

    #[test]
    fn rows_are_counted_in_what_came() {
        let told = |result: &str, place: &str| {
            let document = Document::parse(result.as_bytes(), &Limits::default()).unwrap();
            rows(&document, document.root(), place)
        };
        assert_eq!(told(r#"{"rows":[1,2]}"#, "/rows"), Some(2_000));
        assert_eq!(told(r#"{"total":17}"#, "/total"), Some(17_000));
        assert_eq!(told(r#"{"tables":[{"rows":[1]},{"rows":[1,2]}]}"#, "/tables/*/rows"), Some(3_000));
        assert_eq!(told(r#"{"rows":"many"}"#, "/rows"), None);
        assert_eq!(told("{}", "/rows"), None);
    }
}
