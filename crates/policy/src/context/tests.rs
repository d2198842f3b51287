//! What policies see of a call.

use std::collections::BTreeSet;

use cedar_policy::{Context, RestrictedExpression};
use model::{
    Around, ChainKind, ChainShape, Challenge, Dialect, Facts, FindingCount, FindingGroup, Integrity, Label, Level, Mandate, Name,
    Origin, Posture, Remaining, Risk, SignIn, Spent, TaskBudget, UnixMillis,
};
use serde_json::json;

use super::{evaluated, of, parse_instant, timestamp, with};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn shape(kind: ChainKind, depth: u8, missing: &[&str]) -> ChainShape {
    ChainShape { kind, depth, missing: missing.iter().map(ToString::to_string).collect() }
}

fn facts(around: Around, label: Label) -> Facts {
    Facts {
        now: UnixMillis(1_795_219_199_999),
        credential: name("key-1"),
        credential_age: 7,
        dialect: None,
        stream: false,
        findings: [].into(),
        label,
        ledger_version: 0,
        answered: BTreeSet::new(),
        mandate: Mandate::default(),
        arguments: None,
        around,
    }
}

fn around() -> Around {
    Around {
        sign_in: Some(SignIn { class: "phr".to_owned(), means: ["hwk".to_owned(), "pin".to_owned()].into(), age: 60 }),
        posture: Some(Posture { device: name("laptop"), is_managed: true, facts: ["disk-encrypted".to_owned()].into(), age: 30 }),
        risk: Some(Risk { user: 10, agent: 20, task: 0 }),
        origin: Some(Origin { peer: "10.0.0.1".to_owned(), segment: Some(name("office")) }),
        spent: Some(Spent { calls: 3, tokens: 1_000, micros: u64::MAX }),
        budget: Some(TaskBudget { tokens: Some(Remaining { most: 100, left: 40 }), ..TaskBudget::default() }),
        untrusted: ["body".to_owned()].into(),
        sinks: Some([(model::Sink::Payee, Integrity::Identifier), (model::Sink::Content, Integrity::User)].into()),
        traced: Vec::new(),
    }
}

/// The values that are made here are those that Cedar makes of the same facts written down.
#[test]
fn contexts_are_what_cedar_reads() {
    let unknown = facts(Around::default(), Label::default());
    let label = Label {
        level: Level::Confidential,
        integrity: Integrity::Untrusted,
        compartments: [name("pii")].into(),
        ..Label::default()
    };
    let known = Facts {
        dialect: Some(Dialect::Openai),
        stream: true,
        findings: [("US_SSN".to_owned(), FindingCount { group: FindingGroup::Pii, count: 2 })].into(),
        ledger_version: 9,
        answered: [Challenge::StepUp].into(),
        ..facts(around(), label)
    };
    let now = json!({"__extn": {"fn": "datetime", "arg": "2026-11-20T23:59:59.000Z"}});
    let least = json!({
        "credential": {"id": "key-1", "ageSeconds": 7},
        "chain": {"kind": "direct", "depth": 1, "missing": []},
        "request": {"dialect": "", "stream": false},
        "content": {"kinds": [], "groups": []},
        "flow": {"level": 0, "compartments": [], "integrity": 3, "version": 0, "tainted": false, "untrusted": []},
        "answered": {"approval": false, "stepUp": false, "posture": false},
        "task": {"id": "", "purpose": "", "grant": [], "mayAct": false},
        "auth": {"acr": "", "amr": [], "ageSeconds": i64::MAX},
        "device": {"id": "", "managed": false, "facts": [], "ageSeconds": i64::MAX},
        "risk": {"user": 100, "agent": 100, "task": 100},
        "network": {"peer": "", "segment": ""},
        "usage": {"calls": i64::MAX, "tokens": i64::MAX, "micros": i64::MAX},
        "now": now,
    });
    let most = json!({
        "credential": {"id": "key-1", "ageSeconds": 7},
        "chain": {"kind": "delegated", "depth": 2, "missing": ["user"]},
        "request": {"dialect": "openai", "stream": true},
        "content": {"kinds": ["US_SSN"], "groups": ["pii"]},
        "flow": {"level": 2, "compartments": ["pii"], "integrity": 0, "version": 9, "tainted": true, "untrusted": ["body"], "sinks": {"payee": 1, "links": 3}},
        "answered": {"approval": false, "stepUp": true, "posture": false},
        "task": {"id": "", "purpose": "", "grant": [], "mayAct": false, "budget": {"tokens": {"most": 100, "left": 40}}},
        "auth": {"acr": "phr", "amr": ["hwk", "pin"], "ageSeconds": 60},
        "device": {"id": "laptop", "managed": true, "facts": ["disk-encrypted"], "ageSeconds": 30},
        "risk": {"user": 10, "agent": 20, "task": 0},
        "network": {"peer": "10.0.0.1", "segment": "office"},
        "usage": {"calls": 3, "tokens": 1000, "micros": i64::MAX},
        "now": now,
    });
    let rows = [(shape(ChainKind::Direct, 1, &[]), unknown, least), (shape(ChainKind::Delegated, 2, &["user"]), known, most)];
    for (shape, facts, expected) in rows {
        let expected = Context::from_json_value(expected, None).unwrap();
        assert_eq!(of(&shape, &facts).unwrap().as_ref(), expected.as_ref());
    }
}

#[test]
fn nothing_stands_twice() {
    let context = of(&shape(ChainKind::Direct, 1, &[]), &facts(Around::default(), Label::default())).unwrap();
    let own = |name: &str| evaluated([(name.to_owned(), RestrictedExpression::new_bool(true))]).unwrap();
    assert!(with(context.clone(), &own("now")).unwrap_err().contains("`now`"));
    assert_ne!(with(context.clone(), &own("input")).unwrap().as_ref(), context.as_ref());
}

#[test]
fn timestamps() {
    let facts = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_219_199_999, "2026-11-20T23:59:59.999Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
    ];
    for (millis, text) in facts {
        assert_eq!(timestamp(millis), text);
        assert_eq!(parse_instant(text), Some(millis));
    }
    for (text, millis) in [("2000-02-29", Some(951_782_400_000)), ("2000-02-29T00:00:01Z", Some(951_782_401_000))] {
        assert_eq!(parse_instant(text), millis);
    }
    for text in ["", "2000", "2000-13-01", "1969-12-31", "+2000-01-01", "2000-01-01T00:00:00", "2000-01-01T00:00:00+0100"] {
        assert_eq!(parse_instant(text), None, "{text}");
    }
}
