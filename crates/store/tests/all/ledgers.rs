//! What calls add to ledgers survives every kind of stop.

use std::path::Path;

use evidence::{EntryKind, Header, Observed};
use flow::{Ledger, Ledgers};
use model::{Integrity, Label, Name, UnixMillis};
use store::{Audit, Draft, Store};

use crate::common::{NOW, copy, folder, intent, open, outcome, request};

fn observed(task: &str, origin: &str, compartment: Option<&str>) -> Observed {
    let compartments = compartment.iter().map(|name| name.parse().unwrap()).collect();
    let label = Label { compartments, integrity: Integrity::Trusted, ..Label::default() };
    Observed { ledger: task.parse().unwrap(), origin: origin.to_owned(), label }
}

/// One call that adds what an intent and an edit name.
async fn call(store: &Store, number: u64, intends: &[Observed], edits: &[Observed]) {
    let mut draft = intent(number);
    draft.header.observed = intends.to_vec();
    store.log.accept(draft).await.unwrap();
    let at = UnixMillis(NOW.0 + number);
    let edit = Header { request: Some(request(number)), observed: edits.to_vec(), ..Header::new(EntryKind::Edit, at) };
    store.log.accept(Draft::plain(edit)).await.unwrap();
    store.log.submit(outcome(number));
}

/// Every ledger that a start from this folder finds, with the times of the log.
fn found(dir: &Path) -> Vec<(Name, Ledger)> {
    let store = open(dir);
    let ledgers = store.ledgers();
    store.close().unwrap();
    assert_eq!(Audit::open_offline(dir, None).unwrap().verify().problems, Vec::<String>::new());
    listed(&ledgers)
}

fn listed(ledgers: &Ledgers) -> Vec<(Name, Ledger)> {
    ledgers.iter().map(|(task, ledger)| (task.clone(), ledger.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_survive_a_stop_whatever_is_on_disk() {
    // Below the remark, between the remark and the checkpoint, and in the journal alone; the last adds nothing new.
    let calls = [
        ([observed("k1", "request", Some("pii"))], [observed("k1", "model:small", None)]),
        ([observed("k2", "model:small", None)], [observed("k2", "model:small", Some("secret"))]),
        ([observed("k1", "model:large", None)], [observed("k1", "model:small", Some("finance"))]),
        ([observed("k1", "request", None)], [observed("k2", "model:small", Some("secret"))]),
    ];
    let mut expected = Ledgers::new(100);
    for (number, (intends, edits)) in calls.iter().enumerate() {
        for Observed { ledger, origin, label } in intends.iter().chain(edits) {
            expected.observe(ledger, origin, label, Some(UnixMillis(NOW.0 + number as u64)));
        }
    }
    let expected = listed(&expected);
    assert_eq!(expected.len(), 2);

    let dir = folder();
    let store = open(dir.path());
    assert_eq!(listed(&store.ledgers()), []);
    call(&store, 0, &calls[0].0, &calls[0].1).await;
    assert!(store.seal());
    call(&store, 1, &calls[1].0, &calls[1].1).await;
    assert!(store.seal());
    let remark = std::fs::read_to_string(dir.path().join("log/resume")).unwrap();
    assert!(remark.contains("pii") && !remark.contains("secret"), "the second call is behind the remark: {remark}");
    call(&store, 2, &calls[2].0, &calls[2].1).await;
    call(&store, 3, &calls[3].0, &calls[3].1).await;
    // As a process leaves it that is killed: nothing sealed, nothing closed.
    let killed = copy(dir.path());
    assert_eq!(listed(&store.ledgers()), [], "as of the start");
    store.close().unwrap();

    for (title, frozen) in [("killed", &killed), ("closed", &dir)] {
        for has_remark in [true, false] {
            let copied = copy(frozen.path());
            if !has_remark {
                std::fs::remove_file(copied.path().join("log/resume")).unwrap();
            }
            for start in 0..2 {
                assert_eq!(found(copied.path()), expected, "{title}, remark {has_remark}, start {start}");
            }
        }
    }
}

/// The intent stands before the effect, so a call that never ended has tainted its task.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_an_end_has_added_what_it_may_have() {
    let dir = folder();
    let store = open(dir.path());
    let mut draft = intent(1);
    draft.header.observed = vec![observed("k1", "model:small", None)];
    store.log.accept(draft).await.unwrap();
    let killed = copy(dir.path());
    store.close().unwrap();
    let store = open(killed.path());
    assert_eq!(store.opened().unknown, 1);
    assert_eq!(store.ledgers().effective(&"k1".parse().unwrap()).0.integrity, Integrity::Trusted);
}
