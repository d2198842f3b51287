//! Whatever way of writing hides a key or an address from a plain scan: the readings of the text find it.

mod common;

use common::texts::{Random, planted};
use inspect::Scanners;
use model::{FindingKind, Span};
use text::evasion;

/// Values of each kind under each transform.
const TIMES: usize = 6;

fn kinds() -> Vec<FindingKind> {
    Scanners::kinds().into_iter().map(|(kind, _)| kind).collect()
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

/// What of all kinds together is still found under each transform: first when the value alone is written so, then the whole text.
fn recall() -> Vec<(&'static str, [usize; 2], usize, Vec<String>)> {
    let scanners = Scanners::all();
    let mut random = Random::new(29);
    let mut values = Vec::new();
    for kind in kinds() {
        let found = std::iter::repeat_with(|| planted(kind.as_str(), &mut random)).take(TIMES).filter(|value| {
            let (text, span) = embedded(value);
            finds(&scanners, &kind, &text, &span)
        });
        values.extend(found.collect::<Vec<_>>().into_iter().map(|value| (kind.clone(), value)));
    }
    assert!(values.len() * 10 > kinds().len() * TIMES * 9, "{} samples are found as they stand", values.len());
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
    for (name, [alone, whole], all, lost) in recall() {
        println!("{name:20} {alone:4} {whole:4} of {all}  {}", lost.join(" "));
        if alone * 100 < all * 98 || whole * 100 < all * 98 {
            failed.push((name, alone, whole, all));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
