//! The published RFC 6962/9162 vectors: 518 cases, most of which must be refused.

#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test reads files and the environment")]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidence::{check_consistency, check_inclusion, check_subtree_consistency, check_subtree_inclusion, sha256};
use model::Digest;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    #[serde(default)]
    tree_size: u64,
    #[serde(default)]
    start: u64,
    #[serde(default)]
    end: u64,
    root: Option<String>,
    leaf_hash: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    #[serde(default)]
    size1: u64,
    #[serde(default)]
    size2: u64,
    #[serde(default)]
    start: u64,
    #[serde(default)]
    end: u64,
    #[serde(default)]
    size: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// The folder with material that projects share: named by the environment, or a sibling on the way up.
fn shared() -> PathBuf {
    if let Some(named) = std::env::var_os("PORTCULLIS_SHARED") {
        return PathBuf::from(named);
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|folder| folder.join("shared")).find(|folder| folder.join("vectors/merkle").is_dir());
    found.expect("no folder `shared` beside or above the project: set PORTCULLIS_SHARED to the folder that holds `vectors`")
}

fn cases<T: for<'de> Deserialize<'de>>(kind: &str) -> Vec<(String, T)> {
    let mut folders = vec![shared().join("vectors/merkle/testdata").join(kind)];
    let mut cases = Vec::new();
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let case =
                serde_json::from_slice(&fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            cases.push((path.display().to_string(), case));
        }
    }
    cases
}

/// Some cases use short words as roots that nobody has to look into; they stand for themselves by their digest. An empty hash
/// cannot be said in our types at all: that is a refusal.
fn hash(text: Option<&String>) -> Option<Digest> {
    let bytes = STANDARD.decode(text?).ok().filter(|bytes| !bytes.is_empty())?;
    Some(<[u8; 32]>::try_from(bytes.as_slice()).map_or_else(|_| sha256(&bytes), Digest))
}

fn path(proof: Option<&Vec<String>>) -> Option<Vec<Digest>> {
    proof.map_or(Some(Vec::new()), |proof| proof.iter().map(|text| hash(Some(text))).collect())
}

fn tally(name: &str, accepted: bool, want_err: bool, counts: &mut (usize, usize)) {
    assert_eq!(accepted, !want_err, "{name}");
    if accepted { counts.0 += 1 } else { counts.1 += 1 }
}

#[test]
fn inclusion() {
    let mut counts = (0, 0);
    for (name, case) in cases::<Inclusion>("inclusion") {
        let parts = (hash(case.root.as_ref()), hash(case.leaf_hash.as_ref()), path(case.proof.as_ref()));
        let (Some(root), Some(leaf), Some(proof)) = parts else {
            tally(&name, false, case.want_err, &mut counts);
            continue;
        };
        let accepted = check_inclusion(&proof, case.tree_size, root, case.leaf_idx, leaf).is_ok();
        tally(&name, accepted, case.want_err, &mut counts);
    }
    assert_eq!(counts.0 + counts.1, 98, "{counts:?}");
    assert!(counts.0 > 0);
}

#[test]
fn subtree_inclusion() {
    let mut counts = (0, 0);
    for (name, case) in cases::<Inclusion>("subtreeinclusion") {
        let parts = (hash(case.root.as_ref()), hash(case.leaf_hash.as_ref()), path(case.proof.as_ref()));
        let (Some(root), Some(leaf), Some(proof)) = parts else {
            tally(&name, false, case.want_err, &mut counts);
            continue;
        };
        let accepted = check_subtree_inclusion(&proof, case.start, case.end, root, case.leaf_idx, leaf).is_ok();
        tally(&name, accepted, case.want_err, &mut counts);
    }
    assert_eq!(counts.0 + counts.1, 204, "{counts:?}");
    assert!(counts.0 > 0);
}

#[test]
fn consistency() {
    let mut counts = (0, 0);
    for (name, case) in cases::<Consistency>("consistency") {
        let parts = (hash(case.root1.as_ref()), hash(case.root2.as_ref()), path(case.proof.as_ref()));
        let (Some(earlier), Some(later), Some(proof)) = parts else {
            tally(&name, false, case.want_err, &mut counts);
            continue;
        };
        let accepted = check_consistency(&proof, case.size1, earlier, case.size2, later).is_ok();
        tally(&name, accepted, case.want_err, &mut counts);
        if case.size1 == 0 {
            continue;
        }
        let as_subtree = check_subtree_consistency(&proof, 0, case.size1, earlier, case.size2, later).is_ok();
        assert_eq!(as_subtree, accepted, "{name}: a subtree from 0 is the earlier tree");
    }
    assert_eq!(counts.0 + counts.1, 98, "{counts:?}");
    assert!(counts.0 > 0);
}

#[test]
fn subtree_consistency() {
    let mut counts = (0, 0);
    for (name, case) in cases::<Consistency>("subtreeconsistency") {
        let parts = (hash(case.root1.as_ref()), hash(case.root2.as_ref()), path(case.proof.as_ref()));
        let (Some(small), Some(large), Some(proof)) = parts else {
            tally(&name, false, case.want_err, &mut counts);
            continue;
        };
        let accepted = check_subtree_consistency(&proof, case.start, case.end, small, case.size, large).is_ok();
        tally(&name, accepted, case.want_err, &mut counts);
    }
    assert_eq!(counts.0 + counts.1, 118, "{counts:?}");
    assert!(counts.0 > 0);
}
