//! A disk that is full or broken: everything is refused, nothing is half done, and it goes on when the disk does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::{AdminAct, LockKind};
use store::{AdminError, Audit, By, Filter, LogError, Options, Store};
use tempfile::TempDir;

use crate::common::{FailPort, folder, intent, open, options, outcome, request};

fn failing() -> (TempDir, Arc<FailPort>, Store) {
    let dir = folder();
    let port = Arc::new(FailPort::new(dir.path()));
    let options = Options { port: Some(Arc::clone(&port) as _), reserve: 1000, ..options() };
    let store = Store::open(dir.path(), options).unwrap();
    (dir, port, store)
}

fn kill(target: &str) -> AdminAct {
    AdminAct::Locked { target: target.parse().unwrap(), kind: LockKind::Kill, until: None }
}

/// Waits, without a clock, until the log can be written again: calls are refused until then.
async fn until_accepted(store: &Store, number: u64) -> u64 {
    loop {
        match store.log.accept(intent(number)).await {
            Ok(receipt) => return receipt.index,
            Err(LogError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_everything_and_recovers() {
    let (dir, port, store) = failing();
    let before = store.log.accept(intent(0)).await.unwrap().index;
    port.is_full.store(true, Ordering::SeqCst);
    for number in 1..20 {
        assert!(matches!(store.log.accept(intent(number)).await, Err(LogError::Unavailable(_))), "{number}");
        assert!(matches!(store.log.durable(intent(number)).await, Err(LogError::Unavailable(_))), "{number}");
    }
    assert!(store.log.status().broken.is_some());
    // What has happened is kept; a lock is in force although it cannot be recorded; what loosens is refused.
    store.log.submit(outcome(0));
    let locked = store.administer(kill("user:alice"), By::default()).await.unwrap();
    assert_eq!(locked.recorded, None);
    assert_eq!(store.epoch().locks().kind(&"user:alice".parse().unwrap()), Some(LockKind::Kill));
    let unlocked = store.administer(AdminAct::Unlocked { target: "user:alice".parse().unwrap() }, By::default()).await;
    assert!(matches!(unlocked, Err(AdminError::Record(LogError::Unavailable(_)))), "{unlocked:?}");
    assert_eq!(store.epoch().locks().kind(&"user:alice".parse().unwrap()), Some(LockKind::Kill));

    port.is_full.store(false, Ordering::SeqCst);
    let after = until_accepted(&store, 50).await;
    // The kept outcome and the kept lock stand before it, and nothing that was refused.
    assert_eq!(after, before + 3);
    assert_eq!(store.log.status().broken, None);
    store.close().unwrap();
    let report = Audit::open_offline(dir.path(), None).unwrap().verify();
    assert_eq!(report.problems, Vec::<String>::new());
    let store = open(dir.path());
    assert_eq!(store.epoch().locks().kind(&"user:alice".parse().unwrap()), Some(LockKind::Kill));
    assert_eq!(store.by_request(request(0)).unwrap().len(), 2);
    for number in 1..20 {
        assert!(store.by_request(request(number)).unwrap().is_empty(), "{number} was refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fsync_refuses_everything_and_what_it_may_have_dropped_is_written_again() {
    let (dir, port, store) = failing();
    for number in 0..5 {
        store.log.accept(intent(number)).await.unwrap();
    }
    port.sync_fails.store(true, Ordering::SeqCst);
    assert!(matches!(store.log.durable(intent(5)).await, Err(LogError::Unavailable(_))));
    while store.log.status().broken.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(store.log.accept(intent(6)).await, Err(LogError::Unavailable(_))));
    // What a kernel may do after a failed fsync: the pages since the last good one are gone.
    let segment = crate::common::last_segment(dir.path());
    let length = std::fs::metadata(&segment).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(length - 1500).unwrap();
    port.sync_fails.store(false, Ordering::SeqCst);
    until_accepted(&store, 7).await;
    store.log.durable(intent(8)).await.unwrap();
    store.close().unwrap();
    let report = Audit::open_offline(dir.path(), None).unwrap().verify();
    assert_eq!(report.problems, Vec::<String>::new());
    let store = open(dir.path());
    for number in [0, 1, 2, 3, 4, 7, 8] {
        assert!(!store.by_request(request(number)).unwrap().is_empty(), "{number} was accepted");
    }
    assert!(store.by_request(request(6)).unwrap().is_empty(), "6 was refused");
}

/// The tree and the table follow the journal while the disk fills and empties again: they never hold what was refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_in_no_tree_and_no_table() {
    let dir = folder();
    let port = Arc::new(FailPort::new(dir.path()));
    let options = Options { port: Some(Arc::clone(&port) as _), seal_every: std::time::Duration::from_millis(1), ..options() };
    let store = Store::open(dir.path(), options).unwrap();
    let mut accepted = std::collections::BTreeSet::new();
    for turn in 0..12_u64 {
        until_accepted(&store, turn * 100).await;
        port.is_full.store(true, Ordering::SeqCst);
        // Together: half of the batch reaches the disk.
        let calls: Vec<_> = (1..8)
            .map(|number| {
                let log = store.log.clone();
                tokio::spawn(async move { log.accept(intent(turn * 100 + number)).await.is_ok() })
            })
            .collect();
        for (call, number) in calls.into_iter().zip(1..) {
            if call.await.unwrap() {
                accepted.insert(turn * 100 + number);
            }
        }
        port.is_full.store(false, Ordering::SeqCst);
        until_accepted(&store, turn * 100 + 50).await;
        accepted.extend([turn * 100, turn * 100 + 50]);
    }
    let all = Filter { limit: 10_000, ..Filter::default() };
    let from_table: Vec<_> = store.query(&all).unwrap().into_iter().filter_map(|row| row.request).collect();
    store.close().unwrap();
    let audit = Audit::open_offline(dir.path(), None).unwrap();
    assert_eq!(audit.verify().problems, Vec::<String>::new());
    let from_log: Vec<_> = audit.query(&all).unwrap().into_iter().filter_map(|row| row.request).collect();
    assert_eq!(from_table, from_log);
    let expected: Vec<_> = accepted.iter().rev().map(|number| request(*number).to_string()).collect();
    assert_eq!(from_log.iter().collect::<std::collections::BTreeSet<_>>(), expected.iter().collect());
}

/// An act that loosens and is written, but not durable, is not in force, and is not told to have failed either.
#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_waits_until_it_is_durable() {
    let (_dir, port, store) = failing();
    store.administer(kill("user:alice"), By::default()).await.unwrap();
    let store = Arc::new(store);
    port.sync_fails.store(true, Ordering::SeqCst);
    let unlocking = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.administer(AdminAct::Unlocked { target: "user:alice".parse().unwrap() }, By::default()).await
        })
    };
    while store.log.status().broken.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.epoch().locks().kind(&"user:alice".parse().unwrap()), Some(LockKind::Kill));
    assert!(!unlocking.is_finished());
    port.sync_fails.store(false, Ordering::SeqCst);
    until_accepted(&store, 1).await;
    assert!(unlocking.await.unwrap().unwrap().recorded.is_some());
    assert_eq!(store.epoch().locks().kind(&"user:alice".parse().unwrap()), None);
}

/// A lock that comes while an unlock waits for the disk stands behind it in the log, and stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_not_lifted_by_an_unlock_from_before() {
    let (dir, port, store) = failing();
    store.administer(kill("user:alice"), By::default()).await.unwrap();
    let store = Arc::new(store);
    port.sync_fails.store(true, Ordering::SeqCst);
    let unlocking = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.administer(AdminAct::Unlocked { target: "user:alice".parse().unwrap() }, By::default()).await
        })
    };
    while store.log.status().broken.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.administer(kill("user:alice"), By::default()).await.unwrap().recorded, None);
    port.sync_fails.store(false, Ordering::SeqCst);
    until_accepted(&store, 1).await;
    assert!(unlocking.await.unwrap().unwrap().recorded.is_some());
    assert_eq!(store.epoch().locks().kind(&"user:alice".parse().unwrap()), Some(LockKind::Kill));
    drop(store);
    assert_eq!(open(dir.path()).epoch().locks().kind(&"user:alice".parse().unwrap()), Some(LockKind::Kill));
}

/// A signed checkpoint never covers what a loss of power could take back.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sealed_that_is_not_durable() {
    let dir = folder();
    let port = Arc::new(FailPort::new(dir.path()));
    let options = Options { port: Some(Arc::clone(&port) as _), seal_every: std::time::Duration::from_millis(1), ..options() };
    let store = Store::open(dir.path(), options).unwrap();
    assert!(store.seal());
    let sealed = store.log.status().sealed;
    port.sync_fails.store(true, Ordering::SeqCst);
    while store.log.status().broken.is_none() {
        drop(store.log.accept(intent(1)).await);
    }
    for _ in 0..200 {
        // Time for the integrator to do the wrong thing: every refused call costs the writer a turn.
        assert!(store.log.accept(intent(2)).await.is_err());
        let status = store.log.status();
        assert!(status.accepted > status.durable);
        assert_eq!(Audit::open_offline(dir.path(), None).unwrap().checkpoint().unwrap().size, sealed);
        assert!(status.sealed <= status.durable, "{status:?}");
    }
    port.sync_fails.store(false, Ordering::SeqCst);
    until_accepted(&store, 3).await;
    assert!(store.seal());
    assert!(store.log.status().sealed > sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_reserve_only_administration_is_recorded() {
    let (_dir, port, store) = failing();
    let accepted = store.log.accept(intent(1)).await.unwrap().index;
    port.free.store(999, Ordering::SeqCst);
    loop {
        // The free space is looked at again after a moment.
        match store.log.accept(intent(2)).await {
            Err(LogError::Reserve) => break,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    store.log.submit(outcome(1));
    assert!(store.administer(kill("all"), By::default()).await.unwrap().recorded.is_some());
    assert!(
        store.administer(AdminAct::Unlocked { target: "all".parse().unwrap() }, By::default()).await.unwrap().recorded.is_some()
    );
    assert!(matches!(store.log.accept(intent(3)).await, Err(LogError::Reserve)));
    assert_eq!(store.by_request(request(1)).unwrap().len(), 2, "what has happened is recorded");
    assert_eq!(store.log.status().broken, None);
    assert!(store.log.status().is_space_low && store.log.status().accepted > accepted);
    // It becomes worse, then good again: what is told ends with what holds, without any call that asks for it.
    port.is_full.store(true, Ordering::SeqCst);
    while store.log.status().broken.is_none() {
        store.log.submit(outcome(2));
        tokio::task::yield_now().await;
    }
    port.free.store(u64::MAX, Ordering::SeqCst);
    port.is_full.store(false, Ordering::SeqCst);
    while store.log.status().broken.is_some() || store.log.status().is_space_low {
        tokio::task::yield_now().await;
    }
    store.log.accept(intent(4)).await.unwrap();
}
