//! What is left after the process, or the power, was taken away.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use evidence::Header;
use store::{Audit, Content, Draft, Options, Store, StoreError};

use crate::common::{PowerPort, Survivor, copy, folder, intent, last_segment, open, options, outcome, request};

fn requests(dir: &std::path::Path) -> BTreeSet<u64> {
    let audit = Audit::open_offline(dir, None).unwrap();
    let by_id: std::collections::BTreeMap<_, _> = (0..2000).map(|number| (request(number), number)).collect();
    let entries = audit.entries(0).unwrap().map(Result::unwrap);
    entries.filter_map(|entry| by_id.get(&entry.header.request?).copied()).collect()
}

/// As short as an intent can be, so that every byte of it can be tried.
fn small(number: u64) -> Draft {
    let Draft { header, content } = intent(number);
    let header = Header { request: header.request, verdict: header.verdict, ..Header::new(header.kind, header.at) };
    Draft { header, content: content.map(|content| Content { bytes: vec![7], ..content }) }
}

/// A process that is killed leaves a prefix of its last write. Whatever the prefix: whole entries stay, the torn one goes.
#[tokio::test(flavor = "multi_thread")]
async fn every_prefix_of_the_last_write_recovers() {
    let dir = folder();
    let store = open(dir.path());
    for number in 0..3 {
        store.log.accept(intent(number)).await.unwrap();
    }
    let sound = std::fs::metadata(last_segment(dir.path())).unwrap().len();
    // One batch: handed over together.
    for number in 3..5 {
        store.log.submit(small(number));
    }
    while store.log.status().accepted < 7 {
        tokio::task::yield_now().await;
    }
    let frozen = copy(dir.path());
    drop(store);

    let whole = std::fs::read(last_segment(frozen.path())).unwrap();
    let (mut n_cut, mut ends) = (0, BTreeSet::new());
    for length in usize::try_from(sound).unwrap()..=whole.len() {
        let copied = copy(frozen.path());
        std::fs::write(last_segment(copied.path()), &whole[..length]).unwrap();
        let store = Store::open(copied.path(), options()).unwrap_or_else(|error| panic!("{length}: {error}"));
        n_cut += usize::from(store.opened().cut.is_some());
        let n_left = store.opened().unknown;
        ends.insert(n_left);
        store.close().unwrap();
        let expected: BTreeSet<u64> = (0..n_left).collect();
        assert_eq!(requests(copied.path()), expected, "{length}");
        let report = Audit::open_offline(copied.path(), None).unwrap().verify();
        assert_eq!((report.problems, report.open), (Vec::new(), 0), "{length}");
    }
    assert_eq!(ends, (3..=5).collect());
    // Three prefixes end between records; every other one is torn.
    assert_eq!(n_cut, whole.len() - usize::try_from(sound).unwrap() + 1 - 3);
}

/// Damage is not a torn end: what was durable, or is signed, is never cut off.
#[tokio::test(flavor = "multi_thread")]
async fn damage_is_refused_and_nothing_is_cut() {
    let dir = folder();
    let store = open(dir.path());
    for number in 0..20 {
        store.log.durable(intent(number)).await.unwrap();
    }
    let unsealed = copy(dir.path());
    store.close().unwrap();
    let sealed = copy(dir.path());

    for (name, frozen) in [("unsealed", &unsealed), ("sealed", &sealed)] {
        let whole = std::fs::read(last_segment(frozen.path())).unwrap();
        // In an unsealed log the last entries may be torn for all that anybody can know; the first half cannot.
        let end = if name == "sealed" { whole.len() } else { whole.len() / 2 };
        for at in (0..end).step_by(97) {
            let copied = copy(frozen.path());
            let mut altered = whole.clone();
            altered[at] ^= 0x20;
            std::fs::write(last_segment(copied.path()), &altered).unwrap();
            let error = Store::open(copied.path(), options()).map(drop).expect_err(&format!("{name} {at}"));
            assert!(matches!(error, StoreError::Damaged { .. }), "{name} {at}: {error}");
            assert!(error.to_string().contains("journal"), "{name} {at}: {error}");
            assert_eq!(std::fs::read(last_segment(copied.path())).unwrap(), altered, "nothing is cut");
        }
    }
    // Shorter than what is signed.
    let whole = std::fs::read(last_segment(sealed.path())).unwrap();
    std::fs::write(last_segment(sealed.path()), &whole[..whole.len() - 1]).unwrap();
    let error = Store::open(sealed.path(), options()).map(drop).unwrap_err();
    assert!(error.to_string().contains("signed checkpoint"), "{error}");
}

/// Cuts the power while callers are being answered, in every way, and looks whether anything that was called durable is gone.
#[test]
fn nothing_that_was_called_durable_is_lost_with_the_power() {
    let survivors = [Survivor::Nothing, Survivor::Prefix(77), Survivor::Prefix(200), Survivor::Hole(90), Survivor::Hole(255)];
    let mut n_promised = 0;
    for round in 0..30_u64 {
        let dir = folder();
        let port = Arc::new(PowerPort::new(dir.path()));
        let options =
            Options { port: Some(Arc::clone(&port) as _), seal_every: std::time::Duration::from_millis(1), ..options() };
        let store = Store::open(dir.path(), options).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
        let promised = Arc::new(Mutex::new(BTreeSet::new()));
        let calls: Vec<_> = (0..8_u64)
            .map(|caller| {
                let (log, promised) = (store.log.clone(), Arc::clone(&promised));
                runtime.spawn(async move {
                    for number in (caller * 200)..(caller * 200 + 200) {
                        let is_guarded = number % 3 != 0;
                        let recorded =
                            if is_guarded { log.durable(intent(number)).await } else { log.accept(intent(number)).await };
                        match recorded {
                            Ok(_) if is_guarded => drop(promised.lock().unwrap().insert(number)),
                            Ok(_) => log.submit(outcome(number)),
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        let wanted = 20 + round * 13;
        while u64::try_from(promised.lock().unwrap().len()).unwrap() < wanted {
            std::thread::yield_now();
        }
        port.cut_power(survivors[usize::try_from(round).unwrap() % survivors.len()]);
        runtime.block_on(async {
            for call in calls {
                call.await.unwrap();
            }
        });
        drop(store);

        let store = open(dir.path());
        store.close().unwrap();
        let found = requests(dir.path());
        let promised = promised.lock().unwrap();
        let lost: Vec<_> = promised.difference(&found).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        n_promised += promised.len();
        let report = Audit::open_offline(dir.path(), None).unwrap().verify();
        assert_eq!((report.problems, report.open), (Vec::new(), 0), "round {round}");
    }
    assert!(n_promised > 30 * 20);
}

/// The same folder through many starts and segments: indexes go on, everything stays readable.
#[tokio::test(flavor = "multi_thread")]
async fn segments_follow_one_another() {
    let dir = folder();
    for turn in 0..3_u64 {
        let store = open(dir.path());
        for number in 0..12_u64 {
            let mut draft = intent(turn * 100 + number);
            draft.content.as_mut().unwrap().bytes = vec![b'x'; 2 * 1024 * 1024];
            store.log.accept(draft).await.unwrap();
            store.log.submit(outcome(turn * 100 + number));
        }
        store.close().unwrap();
    }
    assert!(std::fs::read_dir(dir.path().join("log/journal")).unwrap().count() >= 4);
    let audit = Audit::open_offline(dir.path(), None).unwrap();
    let report = audit.verify();
    assert_eq!((report.problems, report.contents, report.open), (Vec::new(), 72, 0));
    let store = open(dir.path());
    for (position, entry) in audit.entries(0).unwrap().enumerate() {
        let entry = entry.unwrap();
        assert_eq!(entry.index, position as u64);
        assert_eq!(store.read(entry.index).unwrap(), Some(entry));
    }
}
