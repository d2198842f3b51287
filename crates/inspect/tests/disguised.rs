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
    /// Of which kinds what is found there is.
    found: Vec<String>,
}

/// The kinds of what is found of a group that touches `span`.
fn kinds(scanners: &Scanners, text: &str, group: FindingGroup, span: Span) -> Vec<String> {
    let touches = |found: &Span| found.start < span.end && span.start < found.end;
    let hits = scanners.scan_layers(text);
    let matches = hits.iter().flat_map(inspect::Hit::matches).filter(|(_, found, at)| *found == group && touches(at));
    matches.map(|(kind, ..)| kind.to_string()).collect()
}

/// Where a value stands in a text that is written in disguise as a whole: what would be written otherwise with another value.
fn place(sample: &Sample, write: fn(&str) -> String) -> Span {
    let Sample { text, span, .. } = sample;
    let other = |letter: char| match letter {
        '0'..='8' | 'A'..='Y' | 'a'..='y' => char::from_u32(u32::from(letter) + 1).unwrap(),
        '9' => '0',
        'Z' => 'A',
        'z' => 'a',
        _ => letter,
    };
    let value: String = text.get(span.start..span.end).unwrap().chars().map(other).collect();
    let changed = write(&format!("{}{value}{}", text.get(..span.start).unwrap(), text.get(span.end..).unwrap()));
    let whole = write(text);
    let common = |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(one, other)| one == other).count();
    let start = common(&mut whole.bytes().zip(changed.bytes()));
    let behind = common(&mut whole.bytes().rev().zip(changed.bytes().rev()));
    assert!(start + behind < whole.len(), "a value that is written like another one");
    Span { start, end: whole.len() - behind }
}

fn is_found(scanners: &Scanners, text: &str, group: FindingGroup, span: Span) -> bool {
    !kinds(scanners, text, group, span).is_empty()
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
            if is_enough || group != FindingGroup::Secret && !known.contains(&kind) {
                continue;
            }
            let found = kinds(scanners, text, group, span);
            if !found.is_empty() {
                samples.push(Sample { text: text.to_owned(), span, kind, found });
            }
        }
    }
    samples
}

/// How many of the samples are found under each transform: first written so alone, then in the whole text something of the group, then
/// something of a kind in its place; and what is not.
fn survivors(scanners: &Scanners, samples: &[Sample], group: FindingGroup, write: fn(&str) -> String) -> ([usize; 3], String) {
    let mut found = [0, 0, 0];
    let mut lost = Vec::new();
    for sample in samples {
        let Sample { text, span, kind, found: known } = sample;
        let value = write(text.get(span.start..span.end).unwrap());
        let (before, behind) = (text.get(..span.start).unwrap(), text.get(span.end..).unwrap());
        let alone = format!("{before}{value}{behind}");
        let whole = write(text);
        let everywhere = Span { start: 0, end: whole.len() };
        let results = [
            is_found(scanners, &alone, group, Span { start: span.start, end: span.start + value.len() }),
            is_found(scanners, &whole, group, everywhere),
            kinds(scanners, &whole, group, place(sample, write)).iter().any(|kind| known.contains(kind)),
        ];
        for (count, result) in found.iter_mut().zip(results) {
            *count += usize::from(result);
        }
        lost.extend((results != [true; 3]).then(|| kind.clone()));
    }
    lost.sort();
    lost.dedup();
    (found, lost.join(" "))
}

/// Of a hundred samples, so many are found at least under every transform: the value alone written so, and the whole text, by
/// group and by kind and place.
const LEAST: usize = 98;

#[test]
fn every_transform_keeps_what_is_found_in_the_shared_sets() {
    let scanners = Scanners::all();
    let mut failed = Vec::new();
    let mut all = [0; 4];
    let sets =
        [("secrets/gitleaks_strings.jsonl.xz", FindingGroup::Secret, 4), ("pii/presidio_synth.jsonl.xz", FindingGroup::Pii, 30)];
    for (set, group, most) in sets {
        let samples = samples(&scanners, set, group, most);
        assert!(samples.len() > 150, "{set} has only {} samples", samples.len());
        for (name, write) in evasion::all() {
            let ([alone, whole, placed], lost) = survivors(&scanners, &samples, group, *write);
            println!("{name:22} {alone:4} {whole:4} {placed:4} of {}  {lost}", samples.len());
            if alone.min(whole).min(placed) * 100 < samples.len() * LEAST {
                failed.push((set, name, alone, whole, placed, samples.len()));
            }
            all = [all[0] + alone, all[1] + whole, all[2] + placed, all[3] + samples.len()];
        }
    }
    let ratios = [0, 1, 2].map(|of| ratio(all[of], all[3]));
    println!("all transforms: alone {:.4}, whole texts {:.4}, by kind and place {:.4}", ratios[0], ratios[1], ratios[2]);
    assert!(failed.is_empty(), "{failed:?}");
}

fn ratio(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}
