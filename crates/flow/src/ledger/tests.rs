//! Laws of ledgers.

use std::collections::BTreeSet;

use model::{Digest, Integrity, Label, Level, Name, Origins, PrincipalId, Readers, Resource, UnixMillis};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

use super::{Ledger, MAX_OBSERVATIONS, MAX_ORIGIN_BYTES};
use crate::act::{ActKind, MAX_ACTS, NamedAct};

/// One thing that happens to a ledger.
#[derive(Debug, Clone)]
enum Step {
    Observe(String, Label, Option<UnixMillis>),
    /// So many origins at once that a few of these hit the bound.
    Crowd(usize, Label),
    Act(NamedAct),
    /// So many acts at once that a few of these hit the bound.
    Acts(u64),
}

fn label() -> impl Strategy<Value = Label> {
    let level = select(vec![Level::Public, Level::Internal, Level::Confidential, Level::Restricted]);
    let integrity = select(vec![Integrity::Untrusted, Integrity::Identifier, Integrity::Trusted, Integrity::User]);
    let compartments = proptest::collection::btree_set("[a-c]", 0..3);
    let readers = proptest::option::of(proptest::collection::btree_set("user:[a-c]", 0..3));
    let origins = proptest::option::weighted(0.9, proptest::collection::btree_set("[a-z]{2}", 0..20));
    (level, integrity, compartments, readers, origins).prop_map(|(level, integrity, compartments, readers, origins)| Label {
        level,
        integrity,
        compartments: compartments.iter().map(|name: &String| name.parse().unwrap()).collect(),
        readers: readers.map_or(Readers::Everyone, |names: BTreeSet<String>| {
            Readers::Only(names.iter().map(|name| name.parse().unwrap()).collect())
        }),
        origins: origins.map_or(Origins::Many, Origins::These),
    })
}

fn named(kind: ActKind, expires: u64, value: u8, sink: &str) -> NamedAct {
    NamedAct {
        expires: UnixMillis(expires),
        kind,
        value: Digest([value; 32]),
        sink: Resource::Destination(sink.to_owned()),
        task: Name::new("task").unwrap(),
        by: "operator:olga".parse::<PrincipalId>().unwrap(),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let origin = prop_oneof![9 => "[a-z]{1,2}", 1 => Just(String::new()), 1 => Just("x".repeat(MAX_ORIGIN_BYTES + 1))];
    let at = proptest::option::of((0..100_u64).prop_map(UnixMillis));
    let kind = select(vec![ActKind::Redaction, ActKind::Endorsement, ActKind::Approval]);
    prop_oneof![
        8 => (origin, label(), at).prop_map(|(origin, label, at)| Step::Observe(origin, label, at)),
        2 => (0..4_usize, label()).prop_map(|(from, label)| Step::Crowd(from, label)),
        3 => (kind, 0..300_u64, 0..2_u8, "[ab]").prop_map(|(kind, expires, value, sink)| Step::Act(named(kind, expires, value, &sink))),
        1 => (0..3_u64).prop_map(Step::Acts),
    ]
}

fn take(ledger: &mut Ledger, step: &Step) -> u64 {
    match step {
        Step::Observe(origin, label, at) => ledger.observe_at(origin, label, *at),
        Step::Crowd(from, label) => {
            for number in from * 150..from * 150 + 150 {
                ledger.observe(&format!("crowd {number}"), label);
            }
            ledger.version()
        }
        Step::Act(act) => ledger.act(act.clone()),
        Step::Acts(from) => {
            for expires in from * 150..from * 150 + 150 {
                ledger.act(named(ActKind::Approval, expires, 9, "crowd"));
            }
            ledger.version()
        }
    }
}

fn ledger(steps: &[Step]) -> Ledger {
    let mut ledger = Ledger::default();
    for step in steps {
        take(&mut ledger, step);
    }
    ledger
}

fn merged(left: &Ledger, right: &Ledger) -> Ledger {
    let mut left = left.clone();
    left.merge(right);
    left
}

/// The effective label as it is defined, without anything kept.
fn defined(ledger: &Ledger) -> Label {
    let seen = ledger.observations().fold(Label::default(), |label, seen| label.join(&seen.label));
    ledger.summary.iter().fold(seen, |label, summary| label.join(summary))
}

fn covers(more: &Label, less: &Label) -> bool {
    more.clone().join(less) == *more
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 0..12)
}

proptest! {
    #![proptest_config(Config { cases: 300, rng_seed: RngSeed::Fixed(28), failure_persistence: None, ..Config::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(steps in steps().prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle()))) {
        let (steps, mut shuffled) = steps;
        shuffled.extend(steps.iter().take(3).cloned());
        let (one, other) = (ledger(&steps), ledger(&shuffled));
        prop_assert!(one.holds_the_same(&other));
        prop_assert_eq!(one.effective(), other.effective());
    }

    #[test]
    fn merging_is_a_join(a in steps(), b in steps(), c in steps()) {
        let (x, y, z) = (ledger(&a), ledger(&b), ledger(&c));
        prop_assert!(merged(&x, &y).holds_the_same(&merged(&y, &x)));
        prop_assert_eq!(merged(&x, &y).version(), merged(&y, &x).version());
        prop_assert!(merged(&merged(&x, &y), &z).holds_the_same(&merged(&x, &merged(&y, &z))));
        prop_assert_eq!(&merged(&x, &x), &x);
        prop_assert!(merged(&x, &y).holds_the_same(&ledger(&[a, b].concat())), "merging is taking the steps of both");
        prop_assert!(covers(&merged(&x, &y).effective(), &x.effective().join(&y.effective())));
    }

    #[test]
    fn versions_grow_exactly_with_the_set(a in steps(), b in steps()) {
        let mut grown = Ledger::default();
        for step in &a {
            let before = grown.clone();
            let version = take(&mut grown, step);
            if let Step::Observe(origin, label, at) = step {
                prop_assert_eq!(before.holds(origin, label, *at), before == grown);
                prop_assert!(grown.holds(origin, label, *at));
            }
            prop_assert_eq!(version, grown.version());
            prop_assert_eq!(version > before.version(), !grown.holds_the_same(&before));
            prop_assert!(version >= before.version());
            prop_assert!(covers(&grown.effective(), &before.effective()), "nothing is ever lost");
        }
        let other = ledger(&b);
        let both = merged(&grown, &other);
        for copy in [&grown, &other] {
            prop_assert!(both.version() >= copy.version());
            prop_assert_eq!(both.version() == copy.version() && !both.holds_the_same(copy), false);
        }
        let mut child = other.clone();
        child.inherit(&grown);
        prop_assert!(covers(&child.effective(), &grown.effective()) && child.version() >= other.version());
        prop_assert_eq!(&child.acts, &other.acts, "acts stay behind");
    }

    /// What is known covers what comes in all parts but one, which is as it happens to be.
    #[test]
    fn what_is_held_is_what_would_change_nothing(known in label(), new in label(), part in 0..7_u8, since in 0..3_u64, at in 0..3_u64) {
        let both = known.clone().join(&new);
        let known = match part {
            0 => Label { level: known.level, ..both },
            1 => Label { compartments: known.compartments, ..both },
            2 => Label { readers: known.readers, ..both },
            3 => Label { integrity: known.integrity, ..both },
            4 => Label { origins: known.origins, ..both },
            _ => both,
        };
        let mut ledger = Ledger::default();
        prop_assert!(!ledger.holds("o", &new, None));
        ledger.observe_at("o", &known, (since > 0).then_some(UnixMillis(since)));
        let at = (at > 0).then_some(UnixMillis(at));
        let held = ledger.holds("o", &new, at);
        let before = ledger.version();
        prop_assert_eq!(held, ledger.observe_at("o", &new, at) == before);
    }

    #[test]
    fn what_is_kept_is_what_is_defined(steps in steps()) {
        let ledger = ledger(&steps);
        prop_assert_eq!(ledger.effective(), defined(&ledger));
        prop_assert!(ledger.seen.len() <= MAX_OBSERVATIONS && ledger.acts.iter().count() <= MAX_ACTS);
        prop_assert!(ledger.summary.is_none() || ledger.seen.is_empty());
        let read: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
        prop_assert_eq!(read, ledger);
    }
}

#[test]
fn at_the_bound_taint_stays_and_grounding_is_lost() {
    let mut ledger = Ledger::default();
    let secret = Label { level: Level::Restricted, integrity: Integrity::Untrusted, ..Label::default() };
    ledger.observe("secret", &secret);
    for number in 0..MAX_OBSERVATIONS {
        ledger.observe(&format!("origin {number}"), &Label::default());
    }
    let label = ledger.effective();
    assert_eq!((label.level, label.integrity, label.origins), (Level::Restricted, Integrity::Untrusted, Origins::Many));
    assert_eq!(ledger.observations().count(), 0);
    let version = ledger.version();
    assert_eq!(ledger.observe("secret", &Label::default()), version, "nothing new");
    assert_eq!(ledger.observe("another", &Label::default()), version, "nor does one more name tell anything");
}

#[test]
fn an_act_speaks_of_its_value_sink_task_and_time_alone() {
    let mut ledger = Ledger::default();
    let before = ledger.effective();
    ledger.act(named(ActKind::Approval, 100, 1, "bank.example"));
    assert_eq!(ledger.effective(), before, "no act washes the task");
    let (value, sink, task) = (Digest([1; 32]), Resource::Destination("bank.example".to_owned()), Name::new("task").unwrap());
    let count = |value: &Digest, sink: &Resource, task: &Name, now| ledger.standing(value, sink, task, UnixMillis(now)).count();
    assert_eq!(count(&value, &sink, &task, 99), 1);
    assert_eq!(count(&value, &sink, &task, 100), 0, "at the instant of its end it has ended");
    assert_eq!(count(&Digest([2; 32]), &sink, &task, 0), 0);
    assert_eq!(count(&value, &Resource::Destination("evil.example".to_owned()), &task, 0), 0);
    assert_eq!(count(&value, &sink, &Name::new("other").unwrap(), 0), 0);
}

#[test]
fn at_the_bound_the_acts_that_end_last_stay() {
    let mut ledger = Ledger::default();
    for expires in (0..2_000).rev() {
        ledger.act(named(ActKind::Approval, expires, 1, "a"));
    }
    let kept: Vec<u64> = ledger.acts.iter().map(|act| act.expires.0).collect();
    assert_eq!(kept, (2_000 - MAX_ACTS as u64..2_000).collect::<Vec<_>>());
}

#[test]
fn a_written_ledger_is_a_golden_form_and_is_read_within_bounds() {
    let mut ledger = Ledger::default();
    let label = Label { level: Level::Internal, ..Label::default() };
    ledger.observe_at("model:small", &label, Some(UnixMillis(5)));
    ledger.act(named(ActKind::Redaction, 9, 0, "a"));
    let zeros = "0".repeat(64);
    let expected = format!(
        r#"{{"version":2,"observations":[{{"origin":"model:small","label":{{"level":"internal","compartments":[],"readers":"everyone","integrity":"user","origins":{{"these":["model:small"]}}}},"since":5}}],"summary":null,"acts":[{{"expires":9,"kind":"redaction","value":"{zeros}","sink":{{"type":"Destination","id":"a"}},"task":"task","by":"operator:olga"}}]}}"#
    );
    assert_eq!(serde_json::to_string(&ledger).unwrap(), expected);
    let one = r#"{"origin":"o","label":{"level":"restricted","compartments":[],"readers":"everyone","integrity":"user","origins":{"these":[]}},"since":null}"#;
    let many: Vec<String> = (0..1_000).map(|number| one.replace("\"o\"", &format!("\"o{number}\""))).collect();
    let text = format!(r#"{{"version":7,"observations":[{}],"summary":null,"acts":[]}}"#, many.join(","));
    let read: Ledger = serde_json::from_str(&text).unwrap();
    assert_eq!((read.seen.len(), read.effective().level, read.version()), (0, Level::Restricted, 7));
}
