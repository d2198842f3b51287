//! Checks a whole log: signature, root, every tile, every bundle, every entry. Reads bytes, knows no file.

use model::Digest;

use crate::checkpoint::Checkpoint;
use crate::entry::decode;
use crate::header::Header;
use crate::merkle::{leaf_hash, read_tile};
use crate::note::LogVerifier;
use crate::tiles::{TILE_WIDTH, bundle_path, decode_bundle, tile_path};
use crate::tree::{TileData, Tree};

/// Where the log's files are read from.
pub trait Files {
    /// The bytes of the file at a path below the log's folder, if it exists.
    fn file(&self, path: &str) -> Option<Vec<u8>>;
}

impl<F: Fn(&str) -> Option<Vec<u8>>> Files for F {
    fn file(&self, path: &str) -> Option<Vec<u8>> {
        self(path)
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A path below the log's folder, an entry, or both.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// The result of a check. The log is sound if there is no problem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The checkpoint, if it is signed by the log.
    pub checkpoint: Option<Checkpoint>,
    /// How many entries were read and hashed.
    pub entries: u64,
    /// Everything that is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
}

/// Most problems that are told; a log in ruins needs no complete list.
const MAX_PROBLEMS: usize = 100;

/// Checks the log below the newest checkpoint. `each` sees every entry that could be read: index, bytes, header.
pub fn verify_log(files: &impl Files, verifier: &LogVerifier, mut each: impl FnMut(u64, &[u8], &Header)) -> Verified {
    let mut check = Check { files, result: Verified::default(), tree: Tree::new() };
    let opened = match files.file("checkpoint") {
        Some(note) => Checkpoint::open(&note, verifier).map_err(|error| error.to_string()),
        None => Err("missing".to_owned()),
    };
    let checkpoint = match opened {
        Ok(checkpoint) => checkpoint,
        Err(what) => {
            check.problem("checkpoint".to_owned(), what);
            return check.result;
        }
    };
    check.result.checkpoint = Some(checkpoint.clone());
    let mut first = 0;
    while first < checkpoint.size {
        let width = checkpoint.size.saturating_sub(first).min(TILE_WIDTH);
        if !check.bundle(first, width, &mut each) {
            return check.result;
        }
        first = first.saturating_add(width);
    }
    check.right_edge(&checkpoint);
    check.result
}

struct Check<'a, F> {
    files: &'a F,
    result: Verified,
    tree: Tree,
}

impl<F: Files> Check<'_, F> {
    fn problem(&mut self, place: String, what: String) {
        if self.result.problems.len() < MAX_PROBLEMS {
            self.result.problems.push(Problem { place, what });
        }
    }

    /// Checks the bundle that begins at entry `first`; `false` if nothing behind it can be checked any more.
    fn bundle(&mut self, first: u64, width: u64, each: &mut impl FnMut(u64, &[u8], &Header)) -> bool {
        let index = first / TILE_WIDTH;
        let path = bundle_path(index, width);
        let Some(bytes) = self.files.file(&path).or_else(|| self.files.file(&bundle_path(index, TILE_WIDTH))) else {
            self.problem(path, "missing".to_owned());
            return false;
        };
        let entries = match decode_bundle(&bytes) {
            Ok(entries) if u64::try_from(entries.len()).is_ok_and(|found| found >= width) => entries,
            Ok(entries) => {
                self.problem(path, format!("holds {} entries, the checkpoint needs {width}", entries.len()));
                return false;
            }
            Err(error) => {
                self.problem(path, error.to_string());
                return false;
            }
        };
        let tile = tile_path(0, index, width);
        let expected = read_tile(&|path: &str| self.files.file(path), 0, index, width);
        if expected.is_none() {
            self.problem(tile.clone(), "missing or of a wrong length".to_owned());
        }
        let mut expected = expected.as_deref().unwrap_or_default().chunks_exact(32);
        for (entry, position) in entries.into_iter().zip(first..first.saturating_add(width)) {
            let leaf = leaf_hash(entry);
            if expected.next().is_some_and(|expected| expected != leaf.0) {
                self.problem(format!("{path}, entry {position}"), format!("does not have the hash that {tile} holds"));
            }
            self.entry(position, entry, leaf, &path, each);
        }
        true
    }

    fn entry(&mut self, index: u64, entry: &[u8], leaf: Digest, path: &str, each: &mut impl FnMut(u64, &[u8], &Header)) {
        match decode(entry) {
            Ok(header) => each(index, entry, &header),
            Err(error) => self.problem(format!("{path}, entry {index}"), error.to_string()),
        }
        let mut finished = Vec::new();
        self.tree.push(leaf, &mut finished);
        for tile in finished {
            self.tile(&tile);
        }
        self.result.entries = self.result.entries.saturating_add(1);
    }

    /// Compares a tile above level 0 with the file; level 0 was compared entry by entry.
    fn tile(&mut self, tile: &TileData) {
        if tile.level == 0 {
            return;
        }
        let found = read_tile(&|path: &str| self.files.file(path), tile.level, tile.index, tile.width);
        let path = tile_path(tile.level, tile.index, tile.width);
        match found {
            Some(bytes) if bytes == tile.bytes => {}
            Some(_) => self.problem(path, "does not hold the hashes of the tiles below".to_owned()),
            None => self.problem(path, "missing or of a wrong length".to_owned()),
        }
    }

    fn right_edge(&mut self, checkpoint: &Checkpoint) {
        for tile in self.tree.partial_tiles() {
            self.tile(&tile);
        }
        let root: Digest = self.tree.root();
        if root != checkpoint.root {
            let what = format!("the entries have root {root}, the checkpoint says {}", checkpoint.root);
            self.problem("checkpoint".to_owned(), what);
        }
    }
}
