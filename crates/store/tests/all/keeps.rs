//! What a store keeps: entries, content, administration, and answers to questions.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use crate::common::{NOW, chain, copy, folder, intent, open, options, outcome, request};
use evidence::{EntryKind, Header, OutcomeResult};
use model::{
    AdminAct, Bundle, Credential, Differing, Digest, Holder, LockKind, LockTarget, OperatorRole, ReasonCode, Registry, Release,
    UnixMillis,
};
use store::{AdminError, Administered, Audit, By, Draft, Filter, Options, Plain, Receipt, Row, Store, StoreError};

fn by() -> By {
    By { operator: Some("operator:root".parse().unwrap()), credential: None }
}

fn credential(id: &str, hash: u8) -> Credential {
    Credential {
        id: id.parse().unwrap(),
        hash: Digest([hash; 32]),
        holder: Holder::Data { chain: chain(&["user:alice"]) },
        ledger: id.parse().unwrap(),
        created: NOW,
        expires: None,
    }
}

fn locked(target: &str, kind: LockKind) -> AdminAct {
    AdminAct::Locked { target: target.parse().unwrap(), kind, until: None }
}

fn bundle(policy: &str) -> Bundle {
    let policies = [("a.cedar".to_owned(), policy.to_owned())].into();
    Bundle { format: 1, registry: Registry::default(), policies, rules: model::RuleFiles::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_on_what_has_ended_are_forgotten_and_no_others() {
    let dir = folder();
    let targets = |store: &Store| store.epoch().locks().iter().map(|(target, _)| target.to_string()).collect::<Vec<_>>();
    let until = |target: &str, seconds: u64| AdminAct::Locked {
        target: target.parse().unwrap(),
        kind: LockKind::Revoke,
        until: Some(NOW.plus_seconds(seconds)),
    };
    let store = open(dir.path());
    for act in [until("credential:tok_1", 10), until("credential:tok_2", 100), locked("user:alice", LockKind::Kill)] {
        store.administer(act, by()).await.unwrap();
    }
    let version = store.epoch().version();
    assert_eq!(targets(&store), ["credential:tok_1", "credential:tok_2", "user:alice"]);
    store.close().unwrap();
    let later = NOW.plus_seconds(10);
    let store = Store::open(dir.path(), Options { clock: Arc::new(move || later), ..options() }).unwrap();
    assert_eq!(
        (targets(&store), store.epoch().version()),
        (vec!["credential:tok_2".to_owned(), "user:alice".to_owned()], version)
    );
    // A later lock on the same target is longer, never shorter.
    store.administer(until("credential:tok_2", 50), by()).await.unwrap();
    store.close().unwrap();
    let later = NOW.plus_seconds(60);
    let store = Store::open(dir.path(), Options { clock: Arc::new(move || later), ..options() }).unwrap();
    assert_eq!(targets(&store), ["credential:tok_2", "user:alice"]);
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_read_back_with_their_content() {
    let dir = folder();
    let store = open(dir.path());
    let first = store.log.accept(intent(1)).await.unwrap();
    let second = store.log.durable(outcome(1)).await.unwrap();
    assert_eq!(second.index, first.index + 1);
    assert!(store.log.status().durable > second.index);
    let entry = store.read(first.index).unwrap().unwrap();
    assert_eq!(entry.header.request, Some(request(1)));
    assert_eq!(entry.content, Some(Plain::Content(b"the content of intent 1".to_vec())));
    assert_eq!(store.read(second.index + 1).unwrap(), None);
    store.close().unwrap();

    let audit = Audit::open_offline(dir.path(), None).unwrap();
    let report = audit.verify();
    assert_eq!(report.problems, Vec::<String>::new());
    // Initialised, started, intent, outcome, stopped.
    assert_eq!((report.entries, report.contents, report.unsealed, report.open), (5, 2, 0, 0));
    let entries: Vec<_> = audit.entries(0).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries[2], entry);
    let proof = audit.prove(2).unwrap();
    assert_eq!(proof.extra.as_deref().and_then(|entry| evidence::decode(entry).ok()), Some(entry.header));
    assert!(audit.prove(5).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_submission_is_the_order_of_the_log() {
    let dir = folder();
    let store = open(dir.path());
    store.log.accept(intent(0)).await.unwrap();
    for number in 0..500 {
        if number % 2 == 0 {
            store.log.submit(outcome(number));
        } else {
            store.log.accept(intent(number)).await.unwrap();
        }
    }
    store.close().unwrap();
    let audit = Audit::open_offline(dir.path(), None).unwrap();
    let numbers: Vec<_> = audit.entries(3).unwrap().filter_map(|entry| entry.unwrap().header.request).collect();
    assert_eq!(numbers, (0..500).map(request).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_survives_a_restart() {
    let dir = folder();
    let store = open(dir.path());
    assert!(store.credentials().lookup(&Digest([1; 32])).is_none());
    for (id, hash) in [("k1", 1), ("k2", 2), ("k3", 3)] {
        let created = store.administer(AdminAct::CredentialCreated { credential: credential(id, hash) }, by()).await.unwrap();
        assert!(created.recorded.is_some());
    }
    store.administer(AdminAct::CredentialExpires { id: "k2".parse().unwrap(), at: UnixMillis(7) }, by()).await.unwrap();
    // Only ever earlier.
    store.administer(AdminAct::CredentialExpires { id: "k2".parse().unwrap(), at: UnixMillis(9) }, by()).await.unwrap();
    for (target, kind) in [("agent:a", LockKind::Kill), ("agent:b", LockKind::Kill), ("credential:k3", LockKind::Revoke)] {
        store.administer(locked(target, kind), by()).await.unwrap();
    }
    store.administer(AdminAct::Unlocked { target: "agent:a".parse().unwrap() }, by()).await.unwrap();
    let digest = store.bundles().put(&bundle("permit(principal, action, resource);")).unwrap();
    store.administer(AdminAct::BundleApplied { digest }, by()).await.unwrap();
    let before = (store.epoch().locks(), store.credentials().list(), store.applied());
    drop(store);

    // Once from the signed remark, once without it, once without a clean end.
    for remark in [true, false] {
        if !remark {
            std::fs::remove_file(dir.path().join("log/resume")).unwrap();
        }
        let store = open(dir.path());
        assert_eq!((store.epoch().locks(), store.credentials().list(), store.applied()), before);
        let locks = store.epoch().locks();
        assert_eq!(locks.kind(&"agent:a".parse().unwrap()), None);
        assert_eq!(locks.kind(&"agent:b".parse().unwrap()), Some(LockKind::Kill));
        assert_eq!(store.epoch().version(), 4);
        assert_eq!(store.credentials().lookup(&Digest([2; 32])).unwrap().expires, Some(UnixMillis(7)));
        assert_eq!(store.applied_bundle().unwrap(), Some(bundle("permit(principal, action, resource);")));
        store.close().unwrap();
    }
    let report = Audit::open_offline(dir.path(), None).unwrap().verify();
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_that_make_no_sense_are_refused_and_not_recorded() {
    let dir = folder();
    let store = open(dir.path());
    store.administer(AdminAct::CredentialCreated { credential: credential("k1", 1) }, by()).await.unwrap();
    store.administer(locked("all", LockKind::Revoke), by()).await.unwrap();
    let before = store.log.status().accepted;
    let refused: [AdminAct; 6] = [
        AdminAct::CredentialCreated { credential: credential("k1", 2) },
        AdminAct::CredentialCreated { credential: credential("k2", 1) },
        AdminAct::CredentialExpires { id: "k9".parse().unwrap(), at: NOW },
        AdminAct::Unlocked { target: "all".parse().unwrap() },
        AdminAct::Unlocked { target: "user:alice".parse().unwrap() },
        AdminAct::BundleApplied { digest: Digest([9; 32]) },
    ];
    for act in refused {
        let shown = format!("{act:?}");
        let result = store.administer(act, by()).await;
        assert!(!matches!(result, Ok(_) | Err(AdminError::Record(_))), "{shown}: {result:?}");
    }
    assert_eq!(store.log.status().accepted, before);
}

/// The pipeline runs on any thread of the runtime: what it waits for must be able to move.
#[test]
fn futures_can_move_between_threads() {
    fn can_move<T: Send>(value: T) -> T {
        value
    }
    let dir = folder();
    let store = open(dir.path());
    drop(can_move(store.log.accept(intent(1))));
    drop(can_move(store.log.durable(intent(1))));
    drop(can_move(store.epoch().moved_past(0)));
    drop(can_move(store.administer(AdminAct::Stopped, by())));
    drop(can_move(store.erase("user:alice", by())));
    drop(can_move(store));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_wakes_who_waits_for_the_epoch() {
    let dir = folder();
    let store = open(dir.path());
    let seen = store.epoch().version();
    let (administered, ()) =
        tokio::join!(store.administer(locked("user:alice", LockKind::Kill), by()), store.epoch().moved_past(seen));
    assert!(administered.unwrap().recorded.is_some());
    store.epoch().moved_past(seen).await;
    assert_eq!(store.epoch().version(), seen + 1);
}

/// Whatever overtakes what, the state in force equals what the log adds up to.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn locks_and_unlocks_at_once_end_as_the_log_says() {
    let dir = folder();
    let store = open(dir.path());
    for _ in 0..40 {
        let target: LockTarget = "user:alice".parse().unwrap();
        drop(store.administer(locked("user:alice", LockKind::Kill), by()).await);
        let acts = [
            AdminAct::Unlocked { target: target.clone() },
            locked("user:alice", LockKind::Kill),
            AdminAct::Unlocked { target: target.clone() },
            locked("user:alice", LockKind::Kill),
            AdminAct::Unlocked { target },
        ];
        let [a, b, c, d, e] = acts.map(|act| store.administer(act, by()));
        drop(tokio::join!(a, b, c, d, e));
    }
    let locks: Vec<_> = store.epoch().locks().iter().map(|(target, kind)| (target.clone(), kind)).collect();
    drop(store);
    let store = open(dir.path());
    let replayed: Vec<_> = store.epoch().locks().iter().map(|(target, kind)| (target.clone(), kind)).collect();
    assert_eq!(locks, replayed);
}

/// The same for quarantines, and for locks on the same tool beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quarantines_and_releases_at_once_end_as_the_log_says() {
    let dir = folder();
    let store = open(dir.path());
    let tool = || "kb/search".to_owned();
    let differing = |announced: u8| Differing { approved: Digest([1; 32]), announced: Digest([announced; 32]) };
    let quarantined = |announced: u8| AdminAct::ToolQuarantined { tool: tool(), differing: differing(announced) };
    let released = |tolerated: Option<Differing>| {
        let because = Release::Operator("looked at".to_owned());
        AdminAct::ToolReleased { tool: tool(), because, tolerated }
    };
    let target: LockTarget = "tool:kb/search".parse().unwrap();
    for round in 0..40 {
        drop(store.administer(quarantined(2), by()).await);
        drop(store.administer(locked("tool:kb/search", LockKind::Kill), by()).await);
        let acts = [
            released(Some(differing(2))),
            AdminAct::Unlocked { target: target.clone() },
            quarantined(3),
            released((round % 2 == 0).then(|| differing(3))),
            locked("tool:kb/search", LockKind::Kill),
        ];
        let [a, b, c, d, e] = acts.map(|act| store.administer(act, by()));
        drop(tokio::join!(a, b, c, d, e));
    }
    let stands = |store: &Store| {
        let locks = store.epoch().locks();
        (locks.kind(&target), locks.quarantines().clone())
    };
    let before = stands(&store);
    drop(store);
    assert_eq!(stands(&open(dir.path())), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_is_in_force_before_it_is_recorded_and_outlives_a_restart() {
    let dir = folder();
    let store = open(dir.path());
    let seen = store.epoch().version();
    let differing = Differing { approved: Digest([1; 32]), announced: Digest([2; 32]) };
    let act = AdminAct::ToolQuarantined { tool: "kb/search".to_owned(), differing };
    let (administered, ()) = tokio::join!(store.administer(act, by()), store.epoch().moved_past(seen));
    assert!(administered.unwrap().recorded.is_some());
    store.close().unwrap();
    let store = open(dir.path());
    assert_eq!(store.epoch().locks().quarantines().of("kb/search"), Some(differing));
    let unlocked = store.administer(AdminAct::Unlocked { target: "tool:kb/search".parse().unwrap() }, by()).await;
    assert!(matches!(unlocked, Err(AdminError::NotLocked(_))), "{unlocked:?}");
    let other = AdminAct::ToolReleased { tool: "kb/write".to_owned(), because: Release::Approved, tolerated: None };
    assert!(matches!(store.administer(other, by()).await, Err(AdminError::NotQuarantined(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_a_stop_left_open_end_as_unknown() {
    let dir = folder();
    let store = open(dir.path());
    for number in 0..5 {
        store.log.accept(intent(number)).await.unwrap();
    }
    store.log.accept(outcome(2)).await.unwrap();
    let mut denied = intent(7);
    denied.header.verdict = Some(model::Verdict::Deny);
    let mut list = intent(8);
    list.header.notes.push(evidence::LIST_NOTE.to_owned());
    store.log.accept(denied).await.unwrap();
    store.log.durable(list).await.unwrap();
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.opened().unknown, 4);
    for number in [0, 1, 3, 4] {
        let rows = store.by_request(request(number)).unwrap();
        assert_eq!(rows.iter().filter_map(|row| row.result.as_deref()).collect::<Vec<_>>(), ["unknown"], "{number}");
    }
    for number in [2, 7, 8] {
        let unknown = store.by_request(request(number)).unwrap().into_iter().any(|row| row.result.as_deref() == Some("unknown"));
        assert!(!unknown, "{number}");
    }
    drop(store);
    assert_eq!(open(dir.path()).opened().unknown, 0, "only once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_subject_says_nothing_any_more() {
    let dir = folder();
    let store = open(dir.path());
    let alice = store.log.durable(intent(1)).await.unwrap();
    let mut other = intent(2);
    other.header.chain = Some(chain(&["user:bob"]));
    other.content.as_mut().unwrap().subject = "user:bob".to_owned();
    let bob = store.log.durable(other).await.unwrap();
    let before = copy(&dir.path().join("content"));
    let old_key = std::fs::read(dir.path().join("keys/content-1.key")).unwrap();
    assert!(!store.erase("user:carol", by()).await.unwrap());
    assert!(store.erase("user:alice", by()).await.unwrap());
    assert_eq!(store.read(alice.index).unwrap().unwrap().content, Some(Plain::Erased));
    // She may come back; then under another key.
    let again = store.log.durable(intent(3)).await.unwrap();
    store.close().unwrap();
    assert!(!dir.path().join("keys/content-1.key").exists(), "the old epoch key is destroyed");

    let store = open(dir.path());
    assert_eq!(store.read(alice.index).unwrap().unwrap().content, Some(Plain::Erased));
    assert!(matches!(store.read(bob.index).unwrap().unwrap().content, Some(Plain::Content(_))));
    assert!(matches!(store.read(again.index).unwrap().unwrap().content, Some(Plain::Content(_))));
    store.close().unwrap();
    let report = Audit::open_offline(dir.path(), None).unwrap().verify();
    assert_eq!((report.problems, report.erased, report.contents), (Vec::new(), 1, 2));

    // A copy of the wrapped keys from before is of no use without the epoch key, and is with it: the key is what was destroyed.
    std::fs::copy(before.path().join("subjects"), dir.path().join("content/subjects")).unwrap();
    assert!(matches!(Store::open(dir.path(), options()), Err(StoreError::Damaged { .. })));
    std::fs::write(dir.path().join("keys/content-1.key"), old_key).unwrap();
    std::fs::set_permissions(dir.path().join("keys/content-1.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let audit = Audit::open_offline(dir.path(), None).unwrap();
    let entry = audit.entries(alice.index).unwrap().next().unwrap().unwrap();
    assert_eq!(entry.content, Some(Plain::Content(b"the content of intent 1".to_vec())));
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_have_the_same_answer_from_the_table_and_from_the_log() {
    let dir = folder();
    let store = open(dir.path());
    for number in 0..30 {
        store.log.accept(intent(number)).await.unwrap();
        store.log.submit(outcome(number));
    }
    store.administer(locked("user:bob", LockKind::Kill), by()).await.unwrap();
    store.noise("10.0.0.1", ReasonCode::CredentialUnknown);
    store.close().unwrap();

    let filters = [
        Filter::default(),
        Filter { request: Some(request(3)), ..Filter::default() },
        Filter { kind: Some(EntryKind::Intent), limit: 7, ..Filter::default() },
        Filter { kind: Some(EntryKind::Noise), ..Filter::default() },
        Filter { principal: Some("user:alice".to_owned()), before: Some(20), ..Filter::default() },
        Filter { principal: Some("agent:travel".to_owned()), ..Filter::default() },
        Filter { principal: Some("agent:trave".to_owned()), ..Filter::default() },
        Filter { principal: Some("operator:root".to_owned()), ..Filter::default() },
        Filter { credential: Some("k1".to_owned()), resource: Some("small".to_owned()), ..Filter::default() },
        Filter { verdict: Some("permit".to_owned()), reason: Some("permitted".to_owned()), ..Filter::default() },
        Filter { result: Some(OutcomeResult::Executed), since: Some(UnixMillis(NOW.0 + 5)), ..Filter::default() },
        Filter { until: Some(UnixMillis(NOW.0 + 5)), ..Filter::default() },
        Filter { verdict: Some("' OR 1 = 1 --".to_owned()), ..Filter::default() },
    ];
    let end = Audit::open_offline(dir.path(), None).unwrap().checkpoint().unwrap().size;
    let filters = filters.map(|filter| Filter { before: Some(filter.before.unwrap_or(end)), ..filter });
    let from_log: Vec<Vec<Row>> = {
        let audit = Audit::open_offline(dir.path(), None).unwrap();
        filters.iter().map(|filter| audit.query(filter).unwrap()).collect()
    };
    let counts: Vec<usize> = from_log.iter().map(Vec::len).collect();
    assert_eq!(counts, [65, 2, 7, 1, 18, 60, 0, 1, 30, 30, 25, 15, 0]);

    // As it is, deleted, spoilt, or of another log: it says the same.
    let other = folder();
    let store = open(other.path());
    for number in 100..200 {
        store.log.accept(intent(number)).await.unwrap();
    }
    store.close().unwrap();
    let path = dir.path().join("projection.db");
    let spoil: [(&str, &dyn Fn()); 4] = [
        ("as it is", &|| {}),
        ("deleted", &|| std::fs::remove_file(&path).unwrap()),
        ("spoilt", &|| std::fs::write(&path, b"not a database, but long enough to be looked at as one").unwrap()),
        ("of another log", &|| {
            std::fs::copy(other.path().join("projection.db"), &path).unwrap();
        }),
    ];
    for (how, act) in spoil {
        act();
        let store = open(dir.path());
        for (filter, expected) in filters.iter().zip(&from_log) {
            assert_eq!(&store.query(filter).unwrap(), expected, "{how}: {filter:?}");
        }
        assert_eq!(store.projected().unwrap(), store.log.status().accepted, "{how}");
    }
}

#[test]
fn one_folder_one_gate() {
    let dir = folder();
    let store = open(dir.path());
    assert!(matches!(Store::open(dir.path(), options()), Err(StoreError::InUse(_))));
    assert!(matches!(Store::init(dir.path(), NOW), Err(StoreError::AlreadyInitialised(_))));
    let audit = Audit::open_offline(dir.path(), None).unwrap();
    assert!(audit.is_in_use());
    assert_eq!(audit.verify().problems, Vec::<String>::new(), "verify works beside a running gate");
    drop(store);
    assert!(!audit.is_in_use());
    drop(open(dir.path()));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open(empty.path(), options()), Err(StoreError::NotInitialised(_))));
    assert!(matches!(Audit::open_offline(empty.path(), None), Err(StoreError::NotInitialised(_))));
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let dir = folder();
    for name in ["log-1.key", "content-1.key"] {
        let path = dir.path().join("keys").join(name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Store::open(dir.path(), options()).unwrap_err();
        assert!(matches!(error, StoreError::Permissions { mode: 0o640, .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    drop(open(dir.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_do_not_fit_a_leaf_are_refused_but_what_happened_is_recorded() {
    let dir = folder();
    let store = open(dir.path());
    let mut long = Header::new(EntryKind::Outcome, NOW);
    long.request = Some(request(1));
    long.notes = vec!["x".repeat(70_000)];
    assert!(matches!(store.log.accept(Draft::plain(long.clone())).await, Err(store::LogError::TooLarge { .. })));
    store.log.submit(Draft::plain(long));
    let Receipt { index } = store.log.durable(intent(2)).await.unwrap();
    let kept = store.read(index - 1).unwrap().unwrap().header;
    assert_eq!(kept.request, Some(request(1)));
    assert!(kept.notes[0].contains("left off"), "{:?}", kept.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_keep_their_plane() {
    let dir = folder();
    let store = open(dir.path());
    let holder = Holder::Admin { operator: "root".parse().unwrap(), role: OperatorRole::Admin };
    let credential = Credential { holder, ..credential("op1", 8) };
    let Administered { recorded } =
        store.administer(AdminAct::CredentialCreated { credential: credential.clone() }, By::default()).await.unwrap();
    assert!(recorded.is_some());
    drop(store);
    let store = open(dir.path());
    assert_eq!(*store.credentials().lookup(&Digest([8; 32])).unwrap(), credential);
}
