//! Whatever way of writing hides a key or an address from a plain scan: the readings of the text find it, of a whole one and of
//! one that arrives in pieces.

#![cfg(test)]

mod common;

use std::sync::Arc;

use common::texts::{Random, planted};
use common::{context, run_reading_lane};
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

/// How a text comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    Whole,
    /// In pieces of so many characters.
    Streamed(usize),
}

/// Whether something of this kind was found that touches `span`.
fn finds(scanners: &Arc<Scanners>, comes: Comes, kind: &FindingKind, text: &str, span: &Span) -> bool {
    let touches = |start: usize, end: usize| start < span.end && span.start < end;
    match comes {
        Comes::Whole => {
            let hits = scanners.scan_layers(text);
            hits.iter().any(|hit| hit.matches().any(|(found, _, at)| found == kind && touches(at.start, at.end)))
        }
        Comes::Streamed(length) => {
            let characters: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = characters.chunks(length).map(|piece| piece.iter().collect()).collect();
            let passed = run_reading_lane(scanners, &Arc::default(), pieces.iter().map(String::as_str));
            passed.hits.iter().any(|(found, start, end)| found == kind.as_str() && touches(*start, *end))
        }
    }
}

/// A text with a value written so, and where it stands.
fn embedded(value: &str) -> (String, Span) {
    let before = "Please keep this to yourself: ";
    (format!("{before}{value} is all I have."), Span { start: before.len(), end: before.len() + value.len() })
}

/// What of these kinds together is still found under each transform: first when the value alone is written so, then the whole text.
fn recall(kinds: &[FindingKind], comes: Comes) -> Vec<(&'static str, [usize; 2], usize, Vec<String>)> {
    let scanners = Arc::new(Scanners::all());
    let mut random = Random::new(29);
    let mut values = Vec::new();
    for kind in kinds {
        let found = std::iter::repeat_with(|| planted(kind.as_str(), &mut random)).take(TIMES).filter(|value| {
            let (text, span) = embedded(value);
            finds(&scanners, Comes::Whole, kind, &text, &span)
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
                found.iter_mut().zip([finds(&scanners, comes, kind, &alone, &span), finds(&scanners, comes, kind, &whole, &all)])
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

/// Of a hundred values, how many are found at least under a transform: the value alone written so, and the whole text.
type Least = &'static [(&'static str, [usize; 2])];

/// Checks every transform; 98 of a hundred where nothing else is said.
fn check(told: Told, comes: Comes, least: Least) {
    let mut failed = Vec::new();
    for (name, [alone, whole], all, lost) in recall(&kinds(told), comes) {
        println!("{name:20} {alone:4} {whole:4} of {all}  {}", lost.join(" "));
        let least = least.iter().find(|(known, _)| *known == name).map_or([98, 98], |(_, least)| *least);
        if alone * 100 < all * least[0] || whole * 100 < all * least[1] {
            failed.push((name, alone, whole, all));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn no_transform_hides_more_than_one_value_in_fifty() {
    check(Told::Itself, Comes::Whole, &[]);
}

/// How many of a hundred values with a clue are found at least under the transforms that hide more than two. In leet, letters of the
/// value are digits too, so it is a value of another kind, or of none.
const LEAST: Least = &[("leet", [87, 87])];

/// The same of other personal data. Turned, what is told by its form alone is not told: any number is something that way.
const LEAST_BY_WORDS: Least = &[("leet", [92, 89]), ("rot13", [86, 86]), ("reversed", [81, 81])];

/// Fewer of them survive.
#[test]
fn numbers_with_words_are_read_as_far_as_they_can() {
    check(Told::Words, Comes::Whole, LEAST_BY_WORDS);
}

/// A clue has to be found as well as its value.
#[test]
fn a_clue_is_read_as_its_value_is() {
    check(Told::Context, Comes::Whole, LEAST);
}

#[test]
fn a_stream_hides_no_more_than_a_text() {
    check(Told::Itself, Comes::Streamed(7), &[]);
    check(Told::Words, Comes::Streamed(3), LEAST_BY_WORDS);
    check(Told::Context, Comes::Streamed(3), LEAST);
}
