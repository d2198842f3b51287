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

/// What each transform leaves of them: first written so alone, then the whole text.
fn report(set: &str, group: FindingGroup, most: usize) {
    let scanners = Scanners::all();
    let samples = samples(&scanners, set, group, most);
    for (name, write) in evasion::all() {
        let mut found = [0, 0];
        let mut lost = Vec::new();
        for Sample { text, span, kind } in &samples {
            let value = write(text.get(span.start..span.end).unwrap());
            let (before, behind) = (text.get(..span.start).unwrap(), text.get(span.end..).unwrap());
            let alone = format!("{before}{value}{behind}");
            let whole = write(text);
            let everywhere = Span { start: 0, end: whole.len() };
            let results = [
                is_found(&scanners, &alone, group, Span { start: span.start, end: span.start + value.len() }),
                is_found(&scanners, &whole, group, everywhere),
            ];
            for (count, result) in found.iter_mut().zip(results) {
                *count += usize::from(result);
            }
            if name == &"leet" && group == FindingGroup::Pii && !results[1] {
                println!("LOST {kind} {whole} <{value}>");
            }
            if !results[0] || !results[1] {
                lost.push(format!("{kind}{}{}", if results[0] { "" } else { "/a" }, if results[1] { "" } else { "/w" }));
            }
        }
        lost.sort();
        lost.dedup();
        lost.truncate(14);
        let percent = found.map(|found| found * 1000 / samples.len());
        println!("{name:18} {:4} {:4} of 1000 ({})  {}", percent[0], percent[1], samples.len(), lost.join(" "));
    }
}

#[test]
fn secrets_in_disguise() {
    report("secrets/gitleaks_strings.jsonl.xz", FindingGroup::Secret, 4);
}

#[test]
fn personal_data_in_disguise() {
    report("pii/presidio_synth.jsonl.xz", FindingGroup::Pii, 30);
}
