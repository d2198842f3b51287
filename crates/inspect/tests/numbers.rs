//! Structured personal data of the types that the shared set does not have: valid values made by their issuers' rules, in
//! sentences, beside what only looks like them. F1 is asserted type by type.
//!
//! The rules are written down here a second time, from their sources and not from the scanners.

#![cfg(test)]

mod common;
mod made;

use std::collections::BTreeMap;

use common::texts::Random;
use inspect::{Hit, Scanners};
use made::{Made, TYPES};
use model::FindingGroup;

/// Values of each type.
const TIMES: usize = 60;
/// Least F1 of a type, in thousandths.
const LEAST: usize = 970;
/// Least precision of telephone numbers.
const LEAST_OF_PHONES: usize = 900;

#[derive(Debug, Default, Clone, Copy)]
struct Score {
    found: usize,
    missed: usize,
    extra: usize,
}

impl Score {
    /// In thousandths.
    fn f1(self) -> usize {
        2000 * self.found / (2 * self.found + self.missed + self.extra).max(1)
    }

    fn precision(self) -> usize {
        1000 * self.found / (self.found + self.extra).max(1)
    }
}

/// A text, and where a value of a type stands in it, if one does.
struct Sample {
    text: String,
    value: Option<(&'static str, usize, usize)>,
}

impl Sample {
    fn of(template: &str, value: &str, kind: Option<&'static str>) -> Self {
        let start = template.find("{}").unwrap();
        let span = kind.map(|kind| (kind, start, start + value.len()));
        Self { text: template.replacen("{}", value, 1), value: span }
    }
}

/// Every value in its sentences, the same with a wrong check digit, and what other numbers there are.
fn samples(random: &mut Random) -> Vec<Sample> {
    let mut samples = Vec::new();
    for Made { kind, make, break_it, places } in TYPES {
        for _ in 0..TIMES {
            let value = make(random);
            if let Some(break_it) = break_it {
                samples.push(Sample::of(random.pick::<&str>(places), &break_it(&value, random), None));
            }
            samples.push(Sample::of(random.pick::<&str>(places), &value, Some(kind)));
        }
    }
    for _ in 0..TIMES * 10 {
        samples.push(Sample::of(random.pick::<&str>(made::OTHER_PLACES), &made::other(random), None));
    }
    for text in made::NO_VALUES {
        samples.push(Sample { text: (*text).to_owned(), value: None });
    }
    samples
}

fn scores(scanners: &Scanners, samples: &[Sample]) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for sample in samples {
        let hits = scanners.scan(&sample.text);
        let found: Vec<_> = hits.iter().flat_map(Hit::matches).filter(|(_, group, _)| *group == FindingGroup::Pii).collect();
        if let Some((kind, start, end)) = sample.value {
            let is_found = found.iter().any(|(known, _, at)| known.as_str() == kind && at.start <= start && end <= at.end);
            let score = scores.entry(kind.to_owned()).or_default();
            *(if is_found { &mut score.found } else { &mut score.missed }) += 1;
            if !is_found {
                println!("missed {kind}: {}", sample.text);
            }
        }
        for (kind, _, at) in found {
            let is_value =
                sample.value.is_some_and(|(known, start, end)| known == kind.as_str() && start < at.end && at.start < end);
            if !is_value && TYPES.iter().any(|made| made.kind == kind.as_str()) {
                println!("extra {kind}: {}", sample.text);
                scores.entry(kind.to_string()).or_default().extra += 1;
            }
        }
    }
    scores
}

#[test]
fn every_type_is_found_and_what_looks_like_it_is_not() {
    let scores = scores(&Scanners::all(), &samples(&mut Random::new(71)));
    for (kind, score) in &scores {
        println!("{kind:20} {score:?} F1 {} precision {}", score.f1(), score.precision());
    }
    assert_eq!(scores.len(), TYPES.len());
    for (kind, score) in scores {
        assert!(score.found + score.missed >= TIMES);
        if kind == "PHONE_NUMBER" {
            assert!(score.precision() >= LEAST_OF_PHONES && score.found * 10 >= TIMES * 9, "{score:?}");
        } else {
            assert!(score.f1() >= LEAST, "{kind} {score:?}");
        }
    }
}

/// Every type of personal data is in the shared set or here.
#[test]
fn no_type_is_left_out() {
    let shared = ["CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS", "IP_ADDRESS", "DOMAIN_NAME", "US_DRIVER_LICENSE"];
    let kinds = Scanners::kinds().into_iter().filter(|(_, group)| *group == FindingGroup::Pii);
    let left: Vec<String> = kinds
        .map(|(kind, _)| kind.to_string())
        .filter(|kind| !shared.contains(&kind.as_str()) && !TYPES.iter().any(|made| made.kind == kind))
        .collect();
    assert_eq!(left, [""; 0]);
}

/// Nor in any other reading, quoted or not.
#[test]
fn what_only_looks_turned_is_no_number() {
    let scanners = Scanners::all();
    let plain = made::LOOK_TURNED.iter().map(|text| text.replace(['»', '«'], ""));
    let texts = plain.chain(made::LOOK_TURNED.iter().chain(made::NO_VALUES).map(|text| (*text).to_owned()));
    let is_wrong = |text: &String| {
        let hits = scanners.scan_layers(text);
        hits.iter().flat_map(Hit::matches).any(|(kind, ..)| ["IP_ADDRESS", "PHONE_NUMBER"].contains(&kind.as_str()))
    };
    assert_eq!(texts.filter(is_wrong).collect::<Vec<_>>(), [""; 0]);
}

/// However many numbers an ordinary document holds, all of it is read.
#[test]
fn long_lists_of_numbers_are_read_in_full() {
    let scanners = Scanners::all();
    let lines = ["2001:db8::1000 up", "100000+", "OID 1.3.300.500", "lib 1.431.12.2", "1.2.3.999", "1::9", "ip 1.2.3.999 up"];
    for line in lines.into_iter().chain(made::LOOK_TURNED.iter().copied()) {
        let text = format!("{line}\n").repeat(5000);
        assert!(!scanners.scan_whole(&text).is_cut, "{line}");
    }
}

/// A scanner that is off has no F1.
#[test]
fn no_type_can_be_off() {
    let samples = samples(&mut Random::new(73));
    for Made { kind, .. } in TYPES {
        let own: Vec<Sample> = samples
            .iter()
            .filter(|sample| sample.value.is_some_and(|(known, ..)| known == *kind))
            .map(|sample| Sample { text: sample.text.clone(), value: sample.value })
            .collect();
        let score = scores(&Scanners::all().without(&[kind]), &own).remove(*kind).unwrap_or_default();
        assert!(own.len() >= TIMES && score.f1() < LEAST, "{kind} {score:?}");
    }
}
