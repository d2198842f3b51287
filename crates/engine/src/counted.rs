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
    let found = arguments.map_or_else(|| Some(Vec::new()), |arguments| at(document, arguments, place))?;
    // Null says as little as nothing.
    let mut found = found.into_iter().filter(|node| document.kind(*node) != Kind::Null).peekable();
    if found.peek().is_none() {
        return count.absent;
    }
    found.try_fold(0_u64, |sum, node| Some(sum.saturating_add(of(document, node)?)))
}

/// How many rows a result holds, in thousandths: entries of the array at a place of it, or the number there. None where nothing of the kind
/// stands there.
#[must_use]
pub fn rows(document: &Document<'_>, result: NodeId, place: &str) -> Option<u64> {
    let found = at(document, result, place)?;
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
        Kind::String => budget::thousandths(&document.text(node)?),
        _ => None,
    }
}

/// How many a value is: one, or as many as stand in an array.
#[expect(clippy::unnecessary_wraps, reason = "it stands beside `amount`")]
fn entries(document: &Document<'_>, node: NodeId) -> Option<u64> {
    let n = if document.kind(node) == Kind::Array { document.count(node) } else { 1 };
    Some(u64::try_from(n).unwrap_or(u64::MAX).saturating_mul(1000))
}

/// The values at a place; none if they are too many to be looked at.
fn at(document: &Document<'_>, within: NodeId, place: &str) -> Option<Vec<NodeId>> {
    let mut found = vec![within];
    for step in place.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        let next = |node: NodeId| -> Vec<NodeId> {
            match document.kind(node) {
                Kind::Array if step == "*" => document.children(node).take(MOST_VALUES + 1).collect(),
                Kind::Array => name.parse().ok().and_then(|n: usize| document.children(node).nth(n)).into_iter().collect(),
                Kind::Object => document.get(node, &name).into_iter().collect(),
                _ => Vec::new(),
            }
        };
        let mut reached = Vec::new();
        for node in found {
            reached.extend(next(node));
            if reached.len() > MOST_VALUES {
                return None;
            }
        }
        found = reached;
    }
    Some(found)
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
            (r#"{"payments":[{"amount":1},{"note":"none"}]}"#, "/payments/*/amount", Some(1_000)),
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
