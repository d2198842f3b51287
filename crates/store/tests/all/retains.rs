//! What is old is erased and the rest stays; folders of older formats are brought forward, newer ones are left alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::UnixMillis;
use store::{Audit, By, Options, Plain, Retention, Store, StoreError};

use crate::common::{NOW, copy, folder, intent, options};

const DAY: u64 = 86_400_000;

/// A clock that a test moves.
fn clocked() -> (Arc<AtomicU64>, Options) {
    let time = Arc::new(AtomicU64::new(NOW.0));
    let clock = Arc::clone(&time);
    (time, Options { clock: Arc::new(move || UnixMillis(clock.load(Ordering::Relaxed))), ..options() })
}

fn content(store: &Store, index: u64) -> Plain {
    store.read(index).unwrap().unwrap().content.unwrap()
}

async fn call(store: &Store, number: u64, at: u64) -> u64 {
    let mut draft = intent(number);
    draft.header.at = UnixMillis(at);
    store.log.durable(draft).await.unwrap().index
}

#[tokio::test(flavor = "multi_thread")]
async fn old_content_goes_and_new_content_of_the_same_subject_stays() {
    let dir = folder();
    let (time, options) = clocked();
    let store = Store::open(dir.path(), options.clone()).unwrap();
    let retention = Retention { days: 30 };
    // Before anybody asked for an end; then under keys of four days each.
    let first = call(&store, 0, NOW.0).await;
    store.set_retention(Some(retention)).unwrap();
    let mut calls = vec![first];
    for day in 1..=40_u64 {
        time.store(NOW.0 + day * DAY, Ordering::Relaxed);
        calls.push(call(&store, day, NOW.0 + day * DAY).await);
        let (aged, _) = store.aged(retention);
        let erased = store.erase_aged(retention, By::default()).await.unwrap();
        assert_eq!(erased, aged.len());
        for (then, index) in calls.iter().enumerate() {
            let age = day - u64::try_from(then).unwrap();
            match content(&store, *index) {
                Plain::Content(_) => assert!(age <= 30 + 4, "day {day}: content of day {then} is still there"),
                Plain::Erased => assert!(age > 30, "day {day}: content of day {then} is gone"),
                Plain::Absent => panic!("never sealed"),
            }
        }
    }
    let (_, keys) = store.aged(retention);
    assert!((8..=11).contains(&keys), "{keys} keys for one subject");
    store.close().unwrap();
    let report = Audit::open_offline(dir.path(), None).unwrap().verify();
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.erased >= 6 && report.contents >= 31, "{report:?}");
    let audit = Audit::open_offline(dir.path(), None).unwrap();
    let remarks: Vec<String> = audit.entries(0).unwrap().flat_map(|entry| entry.unwrap().header.notes).collect();
    assert!(remarks.iter().any(|note| note == "retention: content older than 30 days, 1 keys"), "{remarks:?}");

    // Without an end again: keys that have one run out, and what comes then is kept.
    let store = Store::open(dir.path(), options).unwrap();
    store.set_retention(None).unwrap();
    time.store(NOW.0 + 100 * DAY, Ordering::Relaxed);
    let kept = call(&store, 100, NOW.0 + 100 * DAY).await;
    time.store(NOW.0 + 1000 * DAY, Ordering::Relaxed);
    assert!(store.erase_aged(retention, By::default()).await.unwrap() > 0);
    assert!(matches!(content(&store, kept), Plain::Content(_)));
    assert!(store.erase("user:alice", By::default()).await.unwrap());
    assert!(matches!(content(&store, kept), Plain::Erased));
    store.close().unwrap();
    assert_eq!(Audit::open_offline(dir.path(), None).unwrap().verify().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_day_cannot_be_altered() {
    let dir = folder();
    let store = Store::open(dir.path(), options()).unwrap();
    store.set_retention(Some(Retention { days: 8 })).unwrap();
    call(&store, 1, NOW.0).await;
    store.close().unwrap();
    let path = dir.path().join("content/subjects");
    let line = std::fs::read_to_string(&path).unwrap();
    let day = format!("\"through\":{}", NOW.0 / DAY);
    assert!(line.contains(&day), "{line}");
    for other in ["\"through\":99999".to_owned(), "\"through\":null".to_owned(), String::new()] {
        let altered = line.replace(&day, &other).replace(",}", "}");
        std::fs::write(&path, altered).unwrap();
        let error = Store::open(dir.path(), options()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { ref place, .. } if place == "content/subjects, line 1"), "{error}");
    }
}

/// A folder as the first version left it.
fn first_format() -> tempfile::TempDir {
    let dir = copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1"));
    // What a checkout does not keep.
    for item in std::fs::read_dir(dir.path().join("keys")).unwrap() {
        std::fs::set_permissions(item.unwrap().path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

#[test]
fn a_folder_of_the_first_version_is_read_and_brought_forward() {
    let dir = first_format();
    let subjects = dir.path().join("content/subjects");
    let before = std::fs::read(&subjects).unwrap();
    let audit = Audit::open_offline(dir.path(), None).unwrap();
    assert_eq!(audit.format().unwrap(), (1, 2));
    let report = audit.verify();
    assert_eq!((report.problems, report.entries, report.contents), (Vec::new(), 20, 8), "read as it is");
    assert_eq!(std::fs::read(&subjects).unwrap(), before, "reading changes nothing");

    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.opened().migrated_from, Some(1));
    store.set_retention(Some(Retention { days: 30 })).unwrap();
    store.close().unwrap();
    assert_eq!(std::fs::read(dir.path().join("content/subjects.format-1")).unwrap(), before, "a copy is kept");
    assert_eq!(std::fs::read_to_string(dir.path().join("format")).unwrap(), "portcullis-data+2\n");
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.opened().migrated_from, None);
    store.close().unwrap();
    let report = Audit::open_offline(dir.path(), None).unwrap().verify();
    assert_eq!((report.problems, report.contents), (Vec::new(), 8));
}

/// Wherever a crash breaks the step off, the next start goes on.
#[test]
fn a_step_that_was_broken_off_is_taken_again() {
    for is_rewritten in [false, true] {
        let dir = first_format();
        let subjects = dir.path().join("content/subjects");
        let before = std::fs::read(&subjects).unwrap();
        Store::open(dir.path(), options()).unwrap().close().unwrap();
        std::fs::remove_file(dir.path().join("format")).unwrap();
        if !is_rewritten {
            std::fs::write(&subjects, &before).unwrap();
        }
        let store = Store::open(dir.path(), options()).unwrap();
        assert_eq!(store.opened().migrated_from, Some(1));
        store.close().unwrap();
        assert_eq!(std::fs::read(dir.path().join("content/subjects.format-1")).unwrap(), before);
        assert_eq!(Audit::open_offline(dir.path(), None).unwrap().verify().problems, Vec::<String>::new());
    }
}

#[test]
fn a_folder_of_a_newer_version_is_left_alone() {
    let dir = folder();
    assert_eq!(Audit::open_offline(dir.path(), None).unwrap().format().unwrap(), (2, 2));
    std::fs::write(dir.path().join("format"), "portcullis-data+3\n").unwrap();
    let expected = "has format 3, this version knows formats up to 2: start the version that wrote it";
    for error in [
        Store::open(dir.path(), options()).map(|_| ()).unwrap_err(),
        Audit::open_offline(dir.path(), None).map(|_| ()).unwrap_err(),
    ] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    for text in ["", "portcullis-data+0", "portcullis-data+x", "format 2"] {
        std::fs::write(dir.path().join("format"), text).unwrap();
        assert!(matches!(Store::open(dir.path(), options()), Err(StoreError::Damaged { .. })), "{text}");
    }
}
