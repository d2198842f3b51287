//! A log in memory: tiles, proofs, and a verifier that notices every altered byte.

#![cfg(test)]

use std::collections::BTreeMap;

use evidence::{
    Checkpoint, EntryKind, Header, InclusionProof, LogSigner, Tree, bundle_path, check_consistency, decode, encode,
    encode_bundle, leaf_hash, prove_consistency, prove_inclusion, proven_leaves, sha256, tile_path, verify_log,
};
use model::{Digest, UnixMillis};
use proptest::prelude::*;

type Folder = BTreeMap<String, Vec<u8>>;

fn signer() -> LogSigner {
    LogSigner::from_seed("example.com/log", &[5; 32]).unwrap()
}

fn entry(index: u64) -> Vec<u8> {
    encode(&Header::new(EntryKind::Edit, UnixMillis(index))).unwrap()
}

/// The root as RFC 6962 section 2.1 defines it, by plain recursion: the oracle.
fn oracle(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => sha256(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let mut bytes = vec![1];
            bytes.extend_from_slice(&oracle(left).0);
            bytes.extend_from_slice(&oracle(right).0);
            sha256(&bytes)
        }
    }
}

fn build(size: u64) -> (Folder, Checkpoint) {
    let entries: Vec<Vec<u8>> = (0..size).map(entry).collect();
    let mut folder = Folder::new();
    let mut tree = Tree::new();
    let mut tiles = Vec::new();
    for entry in &entries {
        tree.push(leaf_hash(entry), &mut tiles);
    }
    tiles.extend(tree.partial_tiles());
    for tile in tiles {
        folder.insert(tile_path(tile.level, tile.index, tile.width), tile.bytes);
    }
    for (index, chunk) in (0_u64..).zip(entries.chunks(256)) {
        folder.insert(bundle_path(index, chunk.len() as u64), encode_bundle(chunk.iter().map(Vec::as_slice)).unwrap());
    }
    let checkpoint = Checkpoint { origin: "example.com/log".to_owned(), size, root: tree.root() };
    folder.insert("checkpoint".to_owned(), checkpoint.sign(&signer()).unwrap());
    (folder, checkpoint)
}

fn problems(folder: &Folder) -> Vec<String> {
    let verified = verify_log(&|path: &str| folder.get(path).cloned(), &signer().verifier().unwrap(), |_, _, _| {});
    verified.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn roots_equal_the_definition_and_the_edge_is_taken_up_again() {
    let leaves: Vec<Digest> = (0..70_000).map(|index| leaf_hash(&entry(index))).collect();
    let mut tree = Tree::new();
    let mut folder = Folder::new();
    for (length, leaf) in (1_usize..).zip(&leaves) {
        let size = length as u64;
        let mut finished = Vec::new();
        tree.push(*leaf, &mut finished);
        for tile in finished {
            folder.insert(tile_path(tile.level, tile.index, tile.width), tile.bytes);
        }
        let is_border = [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 70_000].contains(&size);
        if size > 40 && !is_border {
            continue;
        }
        assert_eq!(tree.root(), oracle(&leaves[..length]), "{size}");
        let mut with_edge = folder.clone();
        for tile in tree.partial_tiles() {
            with_edge.insert(tile_path(tile.level, tile.index, tile.width), tile.bytes);
        }
        let checkpoint = Checkpoint { origin: String::new(), size, root: tree.root() };
        let loaded = Tree::load(&checkpoint, &|path: &str| with_edge.get(path).cloned()).unwrap();
        assert_eq!((loaded.size(), loaded.root(), loaded.partial_tiles()), (size, tree.root(), tree.partial_tiles()));
    }
    // The example of the specification: a tree of size 70,000.
    let partial: Vec<(u8, u64)> = tree.partial_tiles().iter().map(|tile| (tile.level, tile.width)).collect();
    assert_eq!(partial, [(0, 112), (1, 17), (2, 1)]);
    assert_eq!(folder.len(), 273 + 1);
}

#[test]
fn a_sound_log_verifies_and_proves_every_entry() {
    for size in [0, 1, 255, 256, 257, 700] {
        let (folder, checkpoint) = build(size);
        assert_eq!(problems(&folder), Vec::<String>::new(), "{size}");
        let files = |path: &str| folder.get(path).cloned();
        for index in (0..size).step_by(37) {
            let path = prove_inclusion(&files, &checkpoint, index).unwrap();
            let proof = InclusionProof { extra: Some(entry(index)), index, path, checkpoint: folder["checkpoint"].clone() };
            let read = InclusionProof::from_text(&proof.to_text()).unwrap();
            assert_eq!(read, proof);
            let verifier = signer().verifier().unwrap();
            assert_eq!(read.verify(&entry(index), &verifier).unwrap(), checkpoint);
            assert!(read.verify(&entry(index + 1), &verifier).is_err());
        }
        let all: Vec<u64> = (0..size).collect();
        let expected: Vec<Digest> = all.iter().map(|index| leaf_hash(&entry(*index))).collect();
        assert_eq!(proven_leaves(&files, &checkpoint, &all).unwrap(), expected);
        assert!(prove_inclusion(&files, &checkpoint, size).is_err());
        for earlier_size in [1, 2, 255, 256, 300].into_iter().filter(|earlier_size| *earlier_size <= size) {
            let earlier = build(earlier_size).1;
            let proof = prove_consistency(&files, &checkpoint, earlier_size).unwrap();
            check_consistency(&proof, earlier_size, earlier.root, size, checkpoint.root).unwrap();
        }
    }
}

#[test]
fn proof_texts_that_are_not_proofs_are_refused() {
    let sound = b"c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/log\n".to_vec();
    assert!(InclusionProof::from_text(&sound).is_ok());
    let zeroes = "A".repeat(43) + "=\n";
    let facts = [
        String::new(),
        "c2sp.org/tlog-proof@v2\nindex 0\n\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 00\n\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex -1\n\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nextra AA==\nextra AA==\nindex 0\n\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 0\n".to_owned(),
        format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\n", zeroes.repeat(65)),
    ];
    for text in facts {
        assert!(InclusionProof::from_text(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_verifier_says_what_is_wrong_and_where() {
    let (folder, _) = build(700);
    let facts: [(&str, &[&str]); 8] = [
        ("checkpoint", &["checkpoint: the checkpoint is"]),
        ("tile/entries/001", &["tile/entries/001, entry 256: does not have the hash"]),
        ("tile/entries/002.p/188", &["tile/entries/002.p/188, entry 512: does not have the hash"]),
        ("tile/0/000", &["tile/entries/000, entry 0: does not have the hash that tile/0/000 holds"]),
        ("tile/0/002.p/188", &["entry 512: does not have the hash that tile/0/002.p/188 holds"]),
        ("tile/1/000.p/2", &["tile/1/000.p/2: does not hold the hashes of the tiles below"]),
        ("tile/entries/000", &["tile/entries/000, entry 0", "checkpoint: the entries have root"]),
        ("tile/entries/001", &["entry 256"]),
    ];
    for (path, expected) in facts {
        let mut altered = folder.clone();
        // The third byte of a bundle is the first of its first entry.
        altered.get_mut(path).unwrap_or_else(|| panic!("{path}"))[2] ^= 0x10;
        let found = problems(&altered).join("\n");
        for text in expected {
            assert!(found.contains(text), "{path}: {found}");
        }
    }
    for path in folder.keys() {
        let mut altered = folder.clone();
        altered.remove(path);
        let found = problems(&altered).join("\n");
        assert!(found.contains(path.as_str()) && found.contains("missing"), "{path}: {found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: proptest::test_runner::RngSeed::Fixed(12), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_of_a_log_can_change_unnoticed(which in 0_usize..1000, at in 0_usize..100_000, bit in 0_u8..8) {
        let (mut folder, _) = build(300);
        let path = folder.keys().nth(which % folder.len()).unwrap().clone();
        let bytes = folder.get_mut(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(!problems(&folder).is_empty(), "{} byte {} bit {}", path, at, bit);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(Checkpoint::open(&bytes, &signer().verifier().unwrap()).is_err());
        prop_assert!(InclusionProof::from_text(&bytes).is_err());
        drop(evidence::decode_bundle(&bytes));
    }
}
