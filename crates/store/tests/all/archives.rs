//! A folder goes into an archive and comes out the same; anything else than that archive is refused, with the place.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use store::{ArchiveError, Audit, Backup, Manifest, Passphrase, Plain, Restore, Restored, Store, backup, restore};
use tempfile::TempDir;

use crate::common::{NOW, folder, intent, open, options, outcome};

const CONFIG: [&str; 2] = ["portcullis.yaml", "policies/a.cedar"];

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery").unwrap()
}

/// A closed folder with some calls in it, more than one bundle of entries if `calls` is above 128.
async fn filled(calls: u64) -> TempDir {
    let dir = folder();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    for path in CONFIG {
        std::fs::write(dir.path().join(path), path).unwrap();
    }
    std::fs::write(dir.path().join("provider.key"), "a secret of the operator").unwrap();
    let store = open(dir.path());
    for number in 0..calls {
        store.log.accept(intent(number)).await.unwrap();
        store.log.submit(outcome(number));
    }
    store.close().unwrap();
    dir
}

fn packed_with(dir: &Path, passphrase: Option<&Passphrase>, seal: store::Seal<'_>) -> (Vec<u8>, Manifest) {
    let config = CONFIG.map(str::to_owned);
    let options = Backup { config: &config, passphrase, version: "test", now: NOW };
    let mut bytes = Vec::new();
    let manifest = backup(dir, &mut bytes, &options, seal, &mut |_| {}).unwrap();
    (bytes, manifest)
}

fn packed(dir: &Path, passphrase: Option<&Passphrase>) -> Vec<u8> {
    packed_with(dir, passphrase, &mut || Err("nobody runs".to_owned())).0
}

fn plan<'a>(passphrase: Option<&'a Passphrase>) -> Restore<'a> {
    Restore {
        passphrase,
        without_keys: false,
        keys: None,
        trusted: None,
        dry_run: false,
        length: None,
        version: "test",
        now: NOW,
    }
}

fn unpacked(bytes: &[u8], dir: &Path, plan: &Restore<'_>) -> Result<Restored, ArchiveError> {
    restore(&mut &bytes[..], dir, plan, &mut |_| {})
}

/// Everything below a folder that is not a folder.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_comes_back_and_serves() {
    let dir = filled(300).await;
    let before = Audit::open_offline(dir.path(), None).unwrap().verify();
    let bytes = packed(dir.path(), Some(&passphrase()));
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("new");
    let dry = unpacked(&bytes, &target, &Restore { dry_run: true, ..plan(Some(&passphrase())) }).unwrap();
    assert_eq!((dry.report.entries, dry.report.contents), (before.entries, before.contents));
    assert!(files(place.path()).is_empty(), "a dry run leaves nothing");
    let restored = unpacked(&bytes, &target, &plan(Some(&passphrase()))).unwrap();
    assert!(restored.has_keys);
    assert_eq!((restored.report.entries, restored.report.contents, restored.report.erased), (before.entries, 600, 0));
    for path in CONFIG {
        assert_eq!(std::fs::read_to_string(target.join(path)).unwrap(), path);
    }
    assert!(!target.join("provider.key").exists(), "nobody named it");
    let store = open(&target);
    assert!(matches!(store.read(5).unwrap().unwrap().content, Some(Plain::Content(_))));
    let goes_on = store.log.durable(intent(1000)).await.unwrap();
    assert!(goes_on.index > before.entries);
    store.close().unwrap();
    let audit = Audit::open_offline(&target, None).unwrap();
    assert_eq!(audit.verify().problems, Vec::<String>::new());
    let remark = audit.entries(before.entries).unwrap().map(Result::unwrap).find(|entry| !entry.header.notes.is_empty()).unwrap();
    assert!(remark.header.notes[0].starts_with("restored: from an archive of 1790000000000 with "), "{:?}", remark.header.notes);
    assert!(matches!(unpacked(&bytes, &target, &plan(Some(&passphrase()))), Err(ArchiveError::Occupied(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_an_archive_holds_no_key_and_no_content_and_is_verified_all_the_same() {
    let dir = filled(3).await;
    for bytes in [packed(dir.path(), None), packed(dir.path(), Some(&passphrase()))] {
        for name in ["keys/log-1.key", "keys/content-1.key"] {
            let key = std::fs::read_to_string(dir.path().join(name)).unwrap();
            // `PRIVATE+KEY+NAME+ID+BASE64`, and BASE64 alone: a plus may stand in that, too.
            let key = key.trim_end();
            let secret = key.strip_prefix("PRIVATE+KEY+").map_or(key, |rest| rest.splitn(3, '+').last().unwrap()).as_bytes();
            assert!(secret.len() > 40, "{name}");
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{name} is in the archive");
        }
        assert!(!bytes.windows(12).any(|window| window == b"a secret of "));
        assert!(!bytes.windows(11).any(|window| window == b"the content"));
    }
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("new");
    let restored = unpacked(&packed(dir.path(), None), &target, &plan(None)).unwrap();
    assert!(!restored.has_keys);
    assert_eq!((restored.report.contents, restored.report.unchecked), (0, 6));
    assert!(Store::open(&target, options()).is_err(), "no gate without its keys");
    // With the keys that were kept apart.
    let target = place.path().join("newer");
    let keys = dir.path().join("keys");
    let restored = unpacked(&packed(dir.path(), None), &target, &Restore { keys: Some(&keys), ..plan(None) }).unwrap();
    assert_eq!((restored.has_keys, restored.report.contents), (true, 6));
    open(&target).close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_out_with_their_passphrase_only() {
    let dir = filled(1).await;
    let bytes = packed(dir.path(), Some(&passphrase()));
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("new");
    let wrong = Passphrase::new("correct horse batterz").unwrap();
    assert!(matches!(unpacked(&bytes, &target, &plan(Some(&wrong))), Err(ArchiveError::PassphraseWrong)));
    assert!(matches!(unpacked(&bytes, &target, &plan(None)), Err(ArchiveError::PassphraseMissing)));
    assert!(matches!(Passphrase::new("  too short  "), Err(ArchiveError::ShortPassphrase { found: 9, .. })));
    assert!(files(place.path()).is_empty());
    let kept = unpacked(&bytes, &target, &Restore { without_keys: true, ..plan(None) }).unwrap();
    assert!(!kept.has_keys);
}

/// Where headers and data of members lie; what is between them is padding that nobody reads.
fn used(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let range = |entry: tar::Entry<'_, &[u8]>| {
        let start = usize::try_from(entry.raw_header_position()).unwrap();
        start..start + 512 + usize::try_from(entry.size()).unwrap()
    };
    entries.map(range).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_cut_off_or_altered_is_refused() {
    let dir = filled(4).await;
    let bytes = packed(dir.path(), None);
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("new");
    for length in (0..bytes.len()).step_by(509).chain([bytes.len() - 1, bytes.len() - 512, bytes.len() - 1024]) {
        let error = unpacked(&bytes[..length], &target, &plan(None)).unwrap_err();
        assert!(matches!(error, ArchiveError::Damaged { .. }), "{length}: {error:?}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(unpacked(&longer, &target, &plan(None)), Err(ArchiveError::Damaged { .. })));
    for range in used(&bytes) {
        for at in range.clone().step_by(211).chain([range.end - 1]) {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let error = unpacked(&altered, &target, &plan(None)).unwrap_err();
            assert!(matches!(error, ArchiveError::Damaged { .. } | ArchiveError::Newer { .. }), "{at}: {error:?}");
        }
    }
    assert!(files(place.path()).is_empty(), "nothing is left behind");
    assert!(!place.path().read_dir().unwrap().any(|_| true));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_no_backup_makes_are_refused() {
    let dir = filled(1).await;
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("new");
    let evil = |path: &str, kind: tar::EntryType| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
        builder.into_inner().unwrap()
    };
    let facts = [
        ("../outside", tar::EntryType::Regular),
        ("/outside", tar::EntryType::Regular),
        ("config/../../outside", tar::EntryType::Regular),
        ("keys/log-1.key", tar::EntryType::Regular),
        ("config/keys/log-1.key", tar::EntryType::Regular),
        ("config/portcullis.yaml", tar::EntryType::Symlink),
        ("config/portcullis.yaml", tar::EntryType::GNULongName),
        ("log", tar::EntryType::Directory),
    ];
    for (path, kind) in facts {
        let error = unpacked(&evil(path, kind), &target, &plan(None)).unwrap_err();
        assert!(matches!(error, ArchiveError::Damaged { .. }), "{path}: {error:?}");
        assert!(error.to_string().contains(path), "{error}");
    }
    // Of another log: whole and signed, but not by the key that the auditors have kept.
    let other = filled(1).await;
    let trusted = std::fs::read_to_string(other.path().join("log/verifier")).unwrap();
    let error = unpacked(&packed(dir.path(), None), &target, &Restore { trusted: Some(&trusted), ..plan(None) }).unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { ref place, .. } if place == "manifest.sig"), "{error:?}");
    assert!(!place.path().read_dir().unwrap().any(|_| true));
}

/// Subjects come and go, and the log grows, while it is copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_of_a_running_gate_is_of_one_moment() {
    let dir = filled(10).await;
    let store = std::sync::Arc::new(open(dir.path()));
    let busy = {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..400_u64 {
                let mut draft = intent(number + 100);
                draft.content.as_mut().unwrap().subject = format!("user:u{}", number % 7);
                store.log.accept(draft).await.unwrap();
                if number % 40 == 39 {
                    store.erase(&format!("user:u{}", number % 7), store::By::default()).await.unwrap();
                }
            }
        })
    };
    let (path, sealed) = (dir.path().to_owned(), std::sync::Arc::clone(&store));
    let archives = tokio::task::spawn_blocking(move || {
        let mut seal = || if sealed.seal() { Ok(()) } else { Err("not sealed".to_owned()) };
        (0..6).map(|_| packed_with(&path, Some(&passphrase()), &mut seal)).collect::<Vec<_>>()
    });
    let archives = archives.await.unwrap();
    busy.await.unwrap();
    let place = tempfile::tempdir().unwrap();
    for (number, (bytes, manifest)) in archives.iter().enumerate() {
        let restored = unpacked(bytes, &place.path().join(number.to_string()), &plan(Some(&passphrase()))).unwrap();
        assert_eq!(restored.report.entries, manifest.entries);
    }
    drop(std::sync::Arc::into_inner(store).unwrap().close());
}

/// Ordinary tools can look into an archive.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_a_tar_file() {
    let dir = filled(1).await;
    let (bytes, manifest) = packed_with(dir.path(), None, &mut || Ok(()));
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut last = String::new();
    let mut n_members = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        last = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        n_members += 1;
    }
    assert_eq!((last.as_str(), n_members), ("manifest.sig", manifest.members.len() + 2));
}
