//! The shared data sets in every disguise of [`text::evasion`]: what is found in them as they stand is found in disguise.

#![cfg(test)]

mod common;

use common::shared::{rows, spans};
use inspect::Scanners;
use model::{FindingGroup, Span};
use text::evasion;

/// A text with something in it that is found as it stands.
struct Sample {
    text: String,
    span: Span,
    kind: String,
}

fn is_found(scanners: &Scanners, text: &str, group: FindingGroup, span: Span) -> bool {
    let touches = |found: &Span| found.start < span.end && span.start < found.end;
    scanners.scan_layers(text).iter().any(|hit| hit.matches().any(|(_, found, at)| found == group && touches(&at)))
}

/// Every span of the rows in which something of the group is found; of each kind so many.
fn samples(scanners: &Scanners, set: &str, group: FindingGroup, most: usize) -> Vec<Sample> {
    let known: Vec<String> = Scanners::kinds().iter().map(|(kind, _)| kind.to_string()).collect();
    let mut samples: Vec<Sample> = Vec::new();
    for row in rows(set) {
        let text = row["text"].as_str().unwrap();
        for (kind, start, end) in spans(&row) {
            let span = Span { start, end };
            let is_enough = samples.iter().filter(|sample| sample.kind == kind).count() >= most;
            if !is_enough && (group == FindingGroup::Secret || known.contains(&kind)) && is_found(scanners, text, group, span) {
                samples.push(Sample { text: text.to_owned(), span, kind });
            }
        }
    }
    samples
}

/// How many of the samples are found under each transform: first written so alone, then the whole text; and what is not.
fn survivors(scanners: &Scanners, samples: &[Sample], group: FindingGroup, write: fn(&str) -> String) -> ([usize; 2], String) {
    let mut found = [0, 0];
    let mut lost = Vec::new();
    for Sample { text, span, kind } in samples {
        let value = write(text.get(span.start..span.end).unwrap());
        let (before, behind) = (text.get(..span.start).unwrap(), text.get(span.end..).unwrap());
        let alone = format!("{before}{value}{behind}");
        let whole = write(text);
        let everywhere = Span { start: 0, end: whole.len() };
        let results = [
            is_found(scanners, &alone, group, Span { start: span.start, end: span.start + value.len() }),
            is_found(scanners, &whole, group, everywhere),
        ];
        for (count, result) in found.iter_mut().zip(results) {
            *count += usize::from(result);
        }
        lost.extend((results != [true, true]).then(|| kind.clone()));
    }
    lost.sort();
    lost.dedup();
    (found, lost.join(" "))
}

/// Of a hundred samples, so many are found at least under every transform: the value alone written so, and the whole text.
const LEAST: usize = 98;

#[test]
fn every_transform_keeps_what_is_found_in_the_shared_sets() {
    let scanners = Scanners::all();
    let mut failed = Vec::new();
    let mut all = [0, 0, 0];
    let sets =
        [("secrets/gitleaks_strings.jsonl.xz", FindingGroup::Secret, 4), ("pii/presidio_synth.jsonl.xz", FindingGroup::Pii, 30)];
    for (set, group, most) in sets {
        let samples = samples(&scanners, set, group, most);
        assert!(samples.len() > 150, "{set} has only {} samples", samples.len());
        for (name, write) in evasion::all() {
            let ([alone, whole], lost) = survivors(&scanners, &samples, group, *write);
            println!("{name:18} {alone:4} {whole:4} of {}  {lost}", samples.len());
            if alone.min(whole) * 100 < samples.len() * LEAST {
                failed.push((set, name, alone, whole, samples.len()));
            }
            all = [all[0] + alone, all[1] + whole, all[2] + samples.len()];
        }
    }
    println!("all transforms: alone {:.4}, whole texts {:.4}", ratio(all[0], all[2]), ratio(all[1], all[2]));
    assert!(failed.is_empty(), "{failed:?}");
}

fn ratio(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}
