//! Hashes and proofs of the RFC 6962 tree.

use model::Digest;
use tlog_tiles::{
    EMPTY_HASH, Error, Hash, HashReader as _, Tile, TileHashReader, TileReader, node_hash, record_hash, stored_hash_index,
};

use crate::checkpoint::Checkpoint;
use crate::tiles::tile_path;

/// Height of a tile.
pub(crate) const HEIGHT: u8 = 8;

/// Why a proof does not hold or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Sizes or indexes contradict each other.
    #[error("{0}")]
    Range(&'static str),
    /// It leads to another root.
    #[error("the proof does not lead to the root")]
    Wrong,
    /// A tile is missing or does not belong to the tree.
    #[error("the tiles do not belong to the tree of the checkpoint: {0}")]
    Tiles(String),
}

/// The hash of an entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest(record_hash(entry).0)
}

pub(crate) fn hash(digest: Digest) -> Hash {
    Hash(digest.0)
}

fn hashes(digests: &[Digest]) -> Vec<Hash> {
    digests.iter().map(|digest| Hash(digest.0)).collect()
}

fn digests(hashes: &[Hash]) -> Vec<Digest> {
    hashes.iter().map(|hash| Digest(hash.0)).collect()
}

/// Checks that the leaf at `index` belongs to the tree of `size` entries with `root`.
///
/// # Errors
/// [`ProofError`].
pub fn check_inclusion(proof: &[Digest], size: u64, root: Digest, index: u64, leaf: Digest) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range("the index lies beyond the tree"));
    }
    tlog_tiles::check_record(&hashes(proof), size, hash(root), index, hash(leaf)).map_err(|_| ProofError::Wrong)
}

/// Checks that the tree of `size` entries with `root` begins with the tree of `earlier_size` entries with `earlier_root`.
///
/// # Errors
/// [`ProofError`]. The empty tree is a prefix of every tree and is refused here: a proof of it proves nothing.
pub fn check_consistency(
    proof: &[Digest],
    earlier_size: u64,
    earlier_root: Digest,
    size: u64,
    root: Digest,
) -> Result<(), ProofError> {
    if earlier_size == 0 || earlier_size > size {
        return Err(ProofError::Range("the earlier tree must have at least one entry and not more than the later"));
    }
    tlog_tiles::check_tree(&hashes(proof), size, hash(root), earlier_size, hash(earlier_root)).map_err(|_| ProofError::Wrong)
}

/// Checks that the leaf at `index` belongs to the subtree over entries `start..end` with `root`.
///
/// # Errors
/// [`ProofError`].
pub fn check_subtree_inclusion(
    proof: &[Digest],
    start: u64,
    end: u64,
    root: Digest,
    index: u64,
    leaf: Digest,
) -> Result<(), ProofError> {
    check_subtree(start, end)?;
    if !(start..end).contains(&index) {
        return Err(ProofError::Range("the index lies outside of the subtree"));
    }
    // An aligned subtree is a tree of its own over its entries.
    let (Some(size), Some(position)) = (end.checked_sub(start), index.checked_sub(start)) else {
        return Err(ProofError::Range("the subtree is empty"));
    };
    check_inclusion(proof, size, root, position, leaf)
}

/// Checks that the subtree over entries `start..end` with `subtree_root` is part of the tree of `size` entries with `root`.
///
/// What a witness is asked for by `sign-subtree`; with `start` 0 it is the consistency proof of RFC 6962. The empty subtree has
/// the hash of nothing and an empty proof; it says nothing about the tree.
///
/// # Errors
/// [`ProofError`].
pub fn check_subtree_consistency(
    proof: &[Digest],
    start: u64,
    end: u64,
    subtree_root: Digest,
    size: u64,
    root: Digest,
) -> Result<(), ProofError> {
    if end > size {
        return Err(ProofError::Range("the subtree ends beyond the tree"));
    }
    if start == end {
        let is_empty = proof.is_empty() && subtree_root.0 == EMPTY_HASH.0;
        return if is_empty { Ok(()) } else { Err(ProofError::Wrong) };
    }
    check_subtree(start, end)?;
    let (small, large) = run_subtree(&hashes(proof), start, end, size, Some(hash(subtree_root)))?;
    if small == hash(subtree_root) && large == hash(root) { Ok(()) } else { Err(ProofError::Wrong) }
}

/// `start` must be a multiple of the least power of two that is not below the length.
fn check_subtree(start: u64, end: u64) -> Result<(), ProofError> {
    let wrong = ProofError::Range("not a valid subtree");
    let length = end.checked_sub(start).filter(|length| *length > 0).ok_or_else(|| wrong.clone())?;
    let span = length.checked_next_power_of_two().ok_or_else(|| wrong.clone())?;
    if start.is_multiple_of(span) { Ok(()) } else { Err(wrong) }
}

/// The roots of subtree and tree that the proof implies. `known` is the subtree's root as long as the walk has stayed on its
/// own left border, where the proof does not repeat it. Ends after at most 64 steps: every step halves the tree.
fn run_subtree(proof: &[Hash], start: u64, end: u64, size: u64, known: Option<Hash>) -> Result<(Hash, Hash), ProofError> {
    if start == 0 && end == size {
        return match (known, proof) {
            (Some(root), []) => Ok((root, root)),
            (None, [root]) => Ok((*root, *root)),
            _ => Err(ProofError::Wrong),
        };
    }
    let (last, rest) = proof.split_last().ok_or(ProofError::Wrong)?;
    let half = match size.checked_sub(1).filter(|below| *below > 0) {
        Some(below) => 1_u64 << below.ilog2(),
        None => return Err(ProofError::Wrong),
    };
    if end <= half {
        let (small, large) = run_subtree(rest, start, end, half, known)?;
        return Ok((small, node_hash(large, *last)));
    }
    let right = size.saturating_sub(half);
    if start >= half {
        let (small, large) = run_subtree(rest, start.saturating_sub(half), end.saturating_sub(half), right, known)?;
        return Ok((small, node_hash(*last, large)));
    }
    let (small, large) = run_subtree(rest, 0, end.saturating_sub(half), right, None)?;
    Ok((node_hash(*last, small), node_hash(*last, large)))
}

/// Where tiles are read from: a path below the log's folder to bytes.
pub trait TileFiles {
    /// The bytes of the file, if it exists.
    fn tile(&self, path: &str) -> Option<Vec<u8>>;
}

impl<F: Fn(&str) -> Option<Vec<u8>>> TileFiles for F {
    fn tile(&self, path: &str) -> Option<Vec<u8>> {
        self(path)
    }
}

/// Reads a tile of `width` hashes; where the partial file is gone, the beginning of the full one.
///
//= https://c2sp.org/tlog-tiles#partial-tiles
//# Clients [...] MAY fetch the full tile in parallel as a fallback in case the partial tile is not available anymore.
pub(crate) fn read_tile(files: &impl TileFiles, level: u8, index: u64, width: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(width.checked_mul(32)?).ok()?;
    let exact = files.tile(&tile_path(level, index, width)).filter(|bytes| bytes.len() == length);
    exact.or_else(|| files.tile(&tile_path(level, index, 256))?.get(..length).map(<[u8]>::to_vec))
}

struct Reader<'a, F>(&'a F);

impl<F: TileFiles> TileReader for Reader<'_, F> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| read_tile(self.0, tile.level(), tile.level_index(), u64::from(tile.width()));
        tiles.iter().map(|tile| read(tile).ok_or(Error::InvalidTile)).collect()
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

/// Makes the proof that entry `index` belongs to the tree of `checkpoint`. The tiles are checked against its root on the way.
///
/// # Errors
/// [`ProofError`] when the index lies beyond the tree, or a tile is missing or altered.
pub fn prove_inclusion(files: &impl TileFiles, checkpoint: &Checkpoint, index: u64) -> Result<Vec<Digest>, ProofError> {
    if index >= checkpoint.size {
        return Err(ProofError::Range("the index lies beyond the tree"));
    }
    let reader = Reader(files);
    let tiles = TileHashReader::new(checkpoint.size, hash(checkpoint.root), &reader);
    let proof = tlog_tiles::prove_record(checkpoint.size, index, &tiles);
    proof.map(|proof| digests(&proof)).map_err(|error| ProofError::Tiles(error.to_string()))
}

/// Makes the proof that the tree of `checkpoint` begins with the tree of `earlier_size` entries.
///
/// # Errors
/// [`ProofError`] when the sizes contradict each other, or a tile is missing or altered.
pub fn prove_consistency(files: &impl TileFiles, checkpoint: &Checkpoint, earlier_size: u64) -> Result<Vec<Digest>, ProofError> {
    if earlier_size == 0 || earlier_size > checkpoint.size {
        return Err(ProofError::Range("the earlier tree must have at least one entry and not more than the later"));
    }
    let reader = Reader(files);
    let tiles = TileHashReader::new(checkpoint.size, hash(checkpoint.root), &reader);
    let proof = tlog_tiles::prove_tree(checkpoint.size, earlier_size, &tiles);
    proof.map(|proof| digests(&proof)).map_err(|error| ProofError::Tiles(error.to_string()))
}

/// The leaf hashes of these entries, authenticated: every tile on the way is checked against the checkpoint's root.
///
/// # Errors
/// [`ProofError`] when an index lies beyond the tree, or a tile is missing or altered.
pub fn proven_leaves(files: &impl TileFiles, checkpoint: &Checkpoint, indexes: &[u64]) -> Result<Vec<Digest>, ProofError> {
    if indexes.iter().any(|index| *index >= checkpoint.size) {
        return Err(ProofError::Range("the index lies beyond the tree"));
    }
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    let reader = Reader(files);
    let tiles = TileHashReader::new(checkpoint.size, hash(checkpoint.root), &reader);
    let stored: Vec<u64> = indexes.iter().map(|index| stored_hash_index(0, *index)).collect();
    let found = tiles.read_hashes(&stored);
    found.map(|found| digests(&found)).map_err(|error| ProofError::Tiles(error.to_string()))
}
