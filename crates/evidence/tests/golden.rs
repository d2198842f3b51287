//! The bytes of one entry of every kind, fixed for ever. A change here is a change of the format: it needs a new version byte.

#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test reads files and the environment")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use evidence::{EntryKind, Header, Noise, Observed, OutcomeResult, Peek, Sealed, decode, decode_trusted, encode, peek};
use model::{
    Action, AdminAct, ApprovalAnswer, ApprovalAsk, ApprovalItem, Ask, Chain, Charge, Digest, Integrity, Label, Level, LockKind,
    LockTarget, Origins, PrincipalId, Readers, ReasonCode, RequestId, Resource, UnixMillis, Usage, Verdict,
};

const AT: UnixMillis = UnixMillis(1_790_000_000_123);

fn request() -> Option<RequestId> {
    Some(RequestId::new(AT, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))
}

fn sealed(length: u64) -> Option<Sealed> {
    Some(Sealed { subject_key: "sk_0123456789abcdef".to_owned(), length, commitment: Digest([0xAB; 32]) })
}

fn seen(origin: &str, label: Label) -> Observed {
    Observed { ledger: "k7Qm2x9Lp0aZ".parse().unwrap(), origin: origin.to_owned(), label }
}

/// Everything about one request for approval.
fn approvals(chain: Option<Chain>) -> BTreeMap<&'static str, Header> {
    let root = || Some("operator:root".parse().unwrap());
    let item = ApprovalItem { approval: "apr_00".parse().unwrap(), commitment: Digest([0x21; 32]), request: request().unwrap() };
    let ask = ApprovalAsk {
        id: "arq_00".parse().unwrap(),
        items: vec![item],
        is_list: false,
        policies: Digest([0x11; 32]),
        quorum: 2,
        ends: UnixMillis(AT.0 + 3_600_000),
        holds: 900,
        is_single_use: false,
    };
    let asked = Header {
        chain,
        content: sealed(256),
        ..Header::admin(AT, AdminAct::ApprovalAsked { ask }, Some("pep:desk".parse().unwrap()))
    };
    let answer =
        ApprovalAnswer { id: "arq_00".parse().unwrap(), item: Some(0), shown: vec![Digest([0x21; 32])], is_approved: true };
    let answered = Header::admin(AT, AdminAct::ApprovalAnswered { answer }, root());
    let cancelled = Header::admin(AT, AdminAct::ApprovalCancelled { id: "arq_00".parse().unwrap() }, root());
    let once = ApprovalAsk { is_single_use: true, ..ask_of(&asked) };
    let called = Header { request: request(), admin: Some(AdminAct::ApprovalAsked { ask: once }), ..asked.clone() };
    let act = AdminAct::ApprovalUsed { id: "arq_00".parse().unwrap(), approval: "apr_00".parse().unwrap() };
    let used = Header { request: request(), chain: asked.chain.clone(), ..Header::admin(AT, act, None) };
    BTreeMap::from([
        ("admin-approval-asked-once", called),
        ("admin-approval-used", used),
        ("admin-approval-asked", asked),
        ("admin-approval-answered", answered),
        ("admin-approval-cancelled", cancelled),
    ])
}

fn ask_of(header: &Header) -> ApprovalAsk {
    let Some(AdminAct::ApprovalAsked { ask }) = &header.admin else { panic!("nothing is asked for") };
    ask.clone()
}

fn every_kind() -> BTreeMap<&'static str, Header> {
    let links: Vec<PrincipalId> = ["user:alice", "agent:travel"].map(|link| link.parse().unwrap()).into();
    let chain = Some(Chain::new(links).unwrap());
    let call = Ask { action: Action::CallModel, resource: Resource::Model("small".parse().unwrap()) };
    let beta = Ask { action: Action::UseBeta, resource: Resource::Beta("anthropic/files-api-2025-04-14".to_owned()) };
    let intent = Header {
        request: request(),
        credential: Some("k7Qm2x9Lp0aZ".parse().unwrap()),
        chain: chain.clone(),
        verdict: Some(Verdict::Permit),
        reason: Some(ReasonCode::Permitted),
        findings: BTreeMap::from([("CREDIT_CARD".to_owned(), 2), ("aws-access-token".to_owned(), 1)]),
        snapshot: Some(Digest([0x11; 32])),
        epoch: Some(7),
        ledger_version: Some(3),
        notes: vec!["inspection skipped by danger.inspection".to_owned()],
        content: sealed(2048),
        ..Header::new(EntryKind::Intent, AT)
    }
    .with_asks(&[call.clone(), beta]);
    let outcome = Header {
        request: request(),
        credential: Some("k7Qm2x9Lp0aZ".parse().unwrap()),
        chain,
        result: Some(OutcomeResult::Executed),
        epoch: Some(7),
        content: sealed(512),
        ..Header::new(EntryKind::Outcome, AT)
    };
    let edit = Header {
        request: request(),
        reason: Some(ReasonCode::ContentDenied),
        findings: BTreeMap::from([("private-key".to_owned(), 1)]),
        ..Header::new(EntryKind::Edit, AT)
    };
    let act = AdminAct::Locked { target: "agent:travel".parse::<LockTarget>().unwrap(), kind: LockKind::Kill, until: None };
    let many = vec![call; 20];
    let refused = Noise {
        peer: "k7Qm2x9Lp0aZ".to_owned(),
        reason: ReasonCode::PolicyDenied,
        second: 1_790_000_000,
        count: 4711,
        until: Some(1_790_000_010),
    };
    let flood = Header { credential: intent.credential.clone(), chain: intent.chain.clone(), ..Header::noise(AT, refused) };
    let alice: PrincipalId = "user:alice".parse().unwrap();
    let strict = Label {
        level: Level::Confidential,
        compartments: ["pii", "secret"].map(|name| name.parse().unwrap()).into(),
        readers: Readers::Only([alice].into()),
        integrity: Integrity::Untrusted,
        origins: Origins::These(["upload".to_owned()].into()),
    };
    let trusted = Label { integrity: Integrity::Trusted, origins: Origins::Many, ..Label::default() };
    let observed = [("request", strict), ("model:small", trusted)].map(|(origin, label)| seen(origin, label));
    let labelled = Header { observed: observed.into(), ..intent.clone() };
    let reserved = Charge {
        at: UnixMillis(AT.0 + 1),
        model: "small".parse().unwrap(),
        task: "k7Qm2x9Lp0aZ".parse().unwrap(),
        usage: Usage { input: 31, output: 4096, ..Usage::default() },
        cost: None,
        counted: BTreeMap::new(),
        is_estimate: true,
    };
    let used = Charge {
        usage: Usage { input: 20, cached: 5, cache_write: 3, output: 12, reasoning: 7 },
        cost: Some(1234),
        is_estimate: false,
        ..reserved.clone()
    };
    let charged = Header { charge: Some(reserved), ..intent.clone() };
    let settled = Header { charge: Some(used), ..outcome.clone() };
    let asked = approvals(intent.chain.clone());
    let all = [
        ("intent-charge", charged),
        ("outcome-charge", settled),
        ("intent", intent),
        ("outcome", outcome),
        ("edit", edit),
        ("admin", Header::admin(AT, act, Some("operator:root".parse().unwrap()))),
        (
            "noise",
            Header::noise(
                AT,
                Noise {
                    peer: "127.0.0.1".to_owned(),
                    reason: ReasonCode::CredentialUnknown,
                    second: 1_790_000_000,
                    count: 41,
                    until: None,
                },
            ),
        ),
        ("noise-known", flood),
        ("intent-observed", labelled),
        ("intent-many-asks", Header::new(EntryKind::Intent, AT).with_asks(&many)),
    ];
    all.into_iter().chain(asked).collect()
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.entry"))
}

#[test]
fn every_kind_has_its_golden_bytes() {
    let entries = every_kind();
    for kind in EntryKind::ALL {
        assert!(entries.contains_key(kind.as_str()), "no golden entry of kind {}", kind.as_str());
    }
    for (name, header) in entries {
        let bytes = encode(&header).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden(name), &bytes).unwrap();
        }
        let expected = std::fs::read(golden(name)).unwrap_or_else(|error| panic!("golden file of `{name}`: {error}"));
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&expected), "{name}");
        assert_eq!(bytes, expected, "{name}");
        assert_eq!(decode(&expected).unwrap(), header, "{name}");
        assert_eq!(decode_trusted(&expected).unwrap(), header, "{name}");
        assert_eq!(peek(&expected).unwrap(), Peek::from(&header), "{name}");
    }
}

#[test]
fn only_the_canonical_form_is_read() {
    let header = every_kind().remove("admin").unwrap();
    let bytes = encode(&header).unwrap();
    let text = String::from_utf8(bytes[1..].to_vec()).unwrap();
    let altered = [
        text.replace("\"at\":1790000000123", "\"at\": 1790000000123"),
        text.replace("\"kind\":\"admin\",\"at\":1790000000123", "\"at\":1790000000123,\"kind\":\"admin\""),
        text.replace("\"kind\":\"admin\"", "\"kind\":\"admin\",\"extra\":1"),
        text.replace("\"kind\":\"admin\"", "\"kind\":\"admin\",\"kind\":\"admin\""),
        text.replace("\"act\":\"locked\"", "\"act\":\"locked\",\"extra\":1"),
        text.replace("\"kind\":\"admin\"", "\"kind\":\"admin\",\"verdict\":null"),
        text.replace("agent:travel", "agent:trave\\u006c"),
        format!("{text} "),
    ];
    for json in altered {
        assert_ne!(json, text);
        let mut entry = vec![1];
        entry.extend_from_slice(json.as_bytes());
        assert!(decode(&entry).is_err(), "{json}");
    }
    let mut other_version = bytes;
    other_version[0] = 2;
    assert!(decode(&other_version).is_err());
    assert!(decode(&[]).is_err());
}
