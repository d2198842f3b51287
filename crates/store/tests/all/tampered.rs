//! Every kind of file, altered: the check says what is wrong, and where.

use std::path::{Path, PathBuf};

use model::{AdminAct, Bundle, Registry};
use store::{Audit, By, Store};

use crate::common::{copy, folder, intent, open, options, outcome};

/// A closed folder with one of everything: full and partial tiles, contents, a bundle, a remark.
async fn sound() -> tempfile::TempDir {
    let dir = folder();
    let store = open(dir.path());
    for number in 0..300 {
        store.log.accept(intent(number)).await.unwrap();
        store.log.submit(outcome(number));
        if number == 10 || number == 290 {
            assert!(store.seal(), "partial tiles of earlier checkpoints");
        }
    }
    let bundle = Bundle {
        format: 1,
        registry: Registry::default(),
        policies: [("a.cedar".to_owned(), "permit(principal, action, resource);".to_owned())].into(),
        rules: model::RuleFiles::default(),
    };
    let digest = store.bundles().put(&bundle).unwrap();
    store.administer(AdminAct::BundleApplied { digest }, By::default()).await.unwrap();
    store.close().unwrap();
    dir
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut folders = vec![dir.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.into_iter().map(|file| file.strip_prefix(dir).unwrap().to_path_buf()).collect()
}

fn problems(dir: &Path) -> String {
    match Audit::open_offline(dir, None) {
        Ok(audit) => audit.verify().problems.join("\n"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_altered_file_is_noticed_and_named() {
    let dir = sound().await;
    assert_eq!(problems(dir.path()), "");
    let mut kinds = std::collections::BTreeSet::new();
    for file in files(dir.path()) {
        let name = file.to_str().unwrap().to_owned();
        // Derived, or holding nothing.
        if name.starts_with("projection.db") || name == "lock" {
            continue;
        }
        let whole = std::fs::read(dir.path().join(&file)).unwrap();
        for at in [whole.len() / 3, whole.len() / 2, whole.len() - 2] {
            let copied = copy(dir.path());
            let mut altered = whole.clone();
            altered[at] ^= 0x04;
            std::fs::write(copied.path().join(&file), altered).unwrap();
            let found = problems(copied.path());
            // Another key is not a damaged key: what it signed or wrapped then does not fit.
            let place = match name.as_str() {
                "keys/log-1.key" => continue,
                "keys/content-1.key" => "subject",
                "log/verifier" => "verifier",
                name => name.strip_prefix("log/").unwrap_or(name),
            };
            let is_named = found.contains(place)
                || (name == "log/verifier" && found.contains("checkpoint"))
                || (name == "keys/content-1.key" && found.contains("content-1.key"));
            assert!(is_named, "{name} byte {at}: `{found}`");
        }
        kinds.insert(name.split(|c: char| c.is_ascii_digit()).next().unwrap().to_owned());
    }
    let expected = [
        "bundles/",
        "content/subjects",
        "keys/content-",
        "keys/log-",
        "log/checkpoint",
        "log/journal/",
        "log/resume",
        "log/tile/",
        "log/tile/entries/",
        "log/verifier",
    ];
    for kind in expected {
        assert!(kinds.iter().any(|found| found.starts_with(kind)), "no file of kind {kind}: {kinds:?}");
    }
}

/// Keys vanish by a recorded erasure, or it is damage.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_no_erasure() {
    let dir = sound().await;
    let subjects = |dir: &Path| dir.join("content/subjects");
    let whole = std::fs::read_to_string(subjects(dir.path())).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for left in 0..lines.len() {
        let copied = copy(dir.path());
        std::fs::write(subjects(copied.path()), lines[..left].concat()).unwrap();
        assert!(problems(copied.path()).contains("its erasure is not recorded"), "{left} of {} keys", lines.len());
    }
    let copied = copy(dir.path());
    std::fs::remove_file(subjects(copied.path())).unwrap();
    assert!(problems(copied.path()).contains("its erasure is not recorded"), "without the file");
}

/// Whoever can write the folder, but not sign, cannot hide an act of administration from the next start.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_act_of_administration_stops_the_start() {
    let dir = sound().await;
    for (remark, what) in [(true, "with the remark"), (false, "without the remark")] {
        let copied = copy(dir.path());
        if !remark {
            std::fs::remove_file(copied.path().join("log/resume")).unwrap();
        }
        drop(open(copied.path()));
        let copied = copy(dir.path());
        if !remark {
            std::fs::remove_file(copied.path().join("log/resume")).unwrap();
        }
        let bundle = copied.path().join("log/tile/entries/002.p");
        let bundle = std::fs::read_dir(&bundle)
            .unwrap()
            .map(|item| item.unwrap().path())
            .max_by_key(|path| std::fs::metadata(path).unwrap().len())
            .unwrap();
        let mut bytes = std::fs::read(&bundle).unwrap();
        let at = bytes.windows(14).rposition(|window| window == b"bundle-applied").unwrap();
        bytes[at..at + 14].copy_from_slice(b"bundle-applieb");
        std::fs::write(&bundle, bytes).unwrap();
        let error = Store::open(copied.path(), options()).map(drop).expect_err(what);
        assert!(error.to_string().contains("tile/entries/002"), "{what}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_foreign_bundle_stops_the_start() {
    let dir = sound().await;
    let path = files(dir.path()).into_iter().find(|file| file.starts_with("bundles")).unwrap();
    std::fs::write(dir.path().join(&path), b"{}").unwrap();
    assert!(Store::open(dir.path(), options()).map(drop).unwrap_err().to_string().contains("bundles/"));
    std::fs::remove_file(dir.path().join(&path)).unwrap();
    assert!(Store::open(dir.path(), options()).map(drop).unwrap_err().to_string().contains("missing"));
}

/// Contents that are exchanged between two records, each under a right checksum, do not pass.
#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_brings_his_own_key() {
    let dir = sound().await;
    let kept = std::fs::read_to_string(dir.path().join("log/verifier")).unwrap();
    assert_eq!(Audit::open_offline(dir.path(), Some(&kept)).unwrap().verify().problems, Vec::<String>::new());
    let other = folder();
    let foreign = std::fs::read_to_string(other.path().join("log/verifier")).unwrap();
    let found = Audit::open_offline(dir.path(), Some(&foreign)).unwrap().verify().problems;
    assert!(found.iter().any(|problem| problem.contains("log/checkpoint")), "{found:?}");
}
