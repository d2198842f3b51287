//! Whatever way of writing hides a key or an address from a plain scan: the readings of the text find it.

#![cfg(test)]

mod common;

use common::context;
use common::texts::{Random, planted};
use inspect::Scanners;
use model::{FindingGroup, FindingKind, Span};
use text::evasion;

/// Values of each kind under each transform.
const TIMES: usize = 6;

/// What tells a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Its own form: tokens, cards, accounts, addresses of mail.
    Itself,
    /// What stands before it.
    Context,
    /// Its form and words: other personal data.
    Words,
}

fn kinds(told: Told) -> Vec<FindingKind> {
    let by_context: Vec<String> = context::kinds().collect();
    let tells = |kind: &FindingKind, group| match kind.as_str() {
        context if by_context.iter().any(|known| known == context) => Told::Context,
        "CREDIT_CARD" | "IBAN_CODE" | "US_SSN" | "EMAIL_ADDRESS" => Told::Itself,
        _ if group == FindingGroup::Secret => Told::Itself,
        _ => Told::Words,
    };
    Scanners::kinds().into_iter().filter(|(kind, group)| tells(kind, *group) == told).map(|(kind, _)| kind).collect()
}

/// Whether something of this kind was found that touches `span`.
fn finds(scanners: &Scanners, kind: &FindingKind, text: &str, span: &Span) -> bool {
    let touches = |found: &Span| found.start < span.end && span.start < found.end;
    scanners.scan_layers(text).iter().any(|hit| hit.matches().any(|(found, _, at)| found == kind && touches(&at)))
}

/// A text with a value written so, and where it stands.
fn embedded(value: &str) -> (String, Span) {
    let before = "Please keep this to yourself: ";
    (format!("{before}{value} is all I have."), Span { start: before.len(), end: before.len() + value.len() })
}

/// What of these kinds together is still found under each transform: first when the value alone is written so, then the whole text.
fn recall(kinds: &[FindingKind]) -> Vec<(&'static str, [usize; 2], usize, Vec<String>)> {
    let scanners = Scanners::all();
    let mut random = Random::new(29);
    let mut values = Vec::new();
    for kind in kinds {
        let found = std::iter::repeat_with(|| planted(kind.as_str(), &mut random)).take(TIMES).filter(|value| {
            let (text, span) = embedded(value);
            finds(&scanners, kind, &text, &span)
        });
        values.extend(found.collect::<Vec<_>>().into_iter().map(|value| (kind.clone(), value)));
    }
    assert!(values.len() * 10 > kinds.len() * TIMES * 9, "{} samples are found as they stand", values.len());
    let rows = evasion::all().iter().map(|(name, write)| {
        let mut found = [0, 0];
        let mut lost = Vec::new();
        for (kind, value) in &values {
            let (alone, span) = embedded(&write(value));
            let whole = write(&embedded(value).0);
            let all = Span { start: 0, end: whole.len() };
            for (count, is_found) in
                found.iter_mut().zip([finds(&scanners, kind, &alone, &span), finds(&scanners, kind, &whole, &all)])
            {
                *count += usize::from(is_found);
                if !is_found {
                    lost.push(kind.as_str().to_owned());
                }
            }
        }
        lost.sort();
        lost.dedup();
        (*name, found, values.len(), lost)
    });
    rows.collect()
}

#[test]
fn no_transform_hides_more_than_one_value_in_fifty() {
    let mut failed = Vec::new();
    for (name, [alone, whole], all, lost) in recall(&kinds(Told::Itself)) {
        println!("{name:20} {alone:4} {whole:4} of {all}  {}", lost.join(" "));
        if alone * 100 < all * 98 || whole * 100 < all * 98 {
            failed.push((name, alone, whole, all));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// How many of a hundred values with a clue are found at least under the transforms that hide more than two. In leet, letters of the
/// value are digits too, so it is a value of another kind, or of none.
const LEAST: &[(&str, [usize; 2])] = &[("leet", [87, 87])];

/// The same of other personal data. Turned, what is told by its form alone is not told: any number is something that way.
const LEAST_BY_WORDS: &[(&str, [usize; 2])] = &[("leet", [92, 89]), ("rot13", [86, 86]), ("reversed", [81, 81])];

/// Fewer of them survive.
#[test]
fn numbers_with_words_are_read_as_far_as_they_can() {
    let mut failed = Vec::new();
    for (name, [alone, whole], all, lost) in recall(&kinds(Told::Words)) {
        println!("{name:20} {alone:4} {whole:4} of {all}  {}", lost.join(" "));
        let least = LEAST_BY_WORDS.iter().find(|(known, _)| *known == name).map_or([98, 98], |(_, least)| *least);
        if alone * 100 < all * least[0] || whole * 100 < all * least[1] {
            failed.push((name, alone * 100 / all, whole * 100 / all));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// A clue has to be found as well as its value.
#[test]
fn a_clue_is_read_as_its_value_is() {
    let mut failed = Vec::new();
    for (name, [alone, whole], all, lost) in recall(&kinds(Told::Context)) {
        println!("{name:20} {alone:4} {whole:4} of {all}  {}", lost.join(" "));
        let least = LEAST.iter().find(|(known, _)| *known == name).map_or([98, 98], |(_, least)| *least);
        if alone * 100 < all * least[0] || whole * 100 < all * least[1] {
            failed.push((name, alone, whole, all));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
