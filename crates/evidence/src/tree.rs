//! The growing tree: only its right edge is kept in memory, at most 255 hashes per level.

use model::Digest;
use tlog_tiles::{EMPTY_HASH, Error, Hash, HashReader, Tile, tree_hash};

use crate::checkpoint::Checkpoint;
use crate::merkle::{HEIGHT, TileFiles, read_tile};
use crate::tiles::TILE_WIDTH;

/// Why the right edge cannot be taken up again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tile of the right edge is missing or has a wrong length.
    #[error("tile `{0}` is missing or has a wrong length")]
    Missing(String),
    /// The tiles lead to another root than the checkpoint's.
    #[error("the tiles on the right edge lead to root {found}, the checkpoint says {expected}")]
    Root {
        /// The root that the tiles lead to.
        found: Digest,
        /// The root of the checkpoint.
        expected: Digest,
    },
}

/// One tile and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileData {
    /// Level, from 0 for leaf hashes.
    pub level: u8,
    /// Index within the level.
    pub index: u64,
    /// Number of hashes, 1 to 256.
    pub width: u64,
    /// The hashes, one after the other.
    pub bytes: Vec<u8>,
}

/// A tree that grows at its right edge.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    /// Per level, the bytes of the unfinished tile.
    edge: Vec<Vec<u8>>,
}

impl Tree {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a tree up again from its tiles, and checks them against the checkpoint's root.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn load(checkpoint: &Checkpoint, files: &impl TileFiles) -> Result<Self, TreeError> {
        let mut tree = Self { size: checkpoint.size, edge: Vec::new() };
        let mut width_left = checkpoint.size;
        let mut level = 0_u8;
        while width_left > 0 {
            let (index, width) = (width_left / TILE_WIDTH, width_left % TILE_WIDTH);
            let bytes = match width {
                0 => Vec::new(),
                _ => read_tile(files, level, index, width)
                    .ok_or_else(|| TreeError::Missing(crate::tiles::tile_path(level, index, width)))?,
            };
            tree.edge.push(bytes);
            width_left = index;
            level = level.saturating_add(1);
        }
        match tree.root() {
            found if found == checkpoint.root => Ok(tree),
            found => Err(TreeError::Root { found, expected: checkpoint.root }),
        }
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Tiles that it completes are appended to `finished`.
    pub fn push(&mut self, leaf: Digest, finished: &mut Vec<TileData>) {
        self.size = self.size.saturating_add(1);
        let mut carried = leaf;
        let mut index = self.size.saturating_sub(1);
        for level in 0_u8..=HEIGHT {
            index /= TILE_WIDTH;
            let position = usize::from(level);
            if self.edge.len() <= position {
                self.edge.push(Vec::new());
            }
            let Some(tile) = self.edge.get_mut(position) else { return };
            tile.extend_from_slice(&carried.0);
            if tile.len() < FULL {
                return;
            }
            let bytes = std::mem::take(tile);
            carried = Digest(Tile::subtree_hash(&bytes).0);
            finished.push(TileData { level, index, width: TILE_WIDTH, bytes });
        }
    }

    /// The unfinished tiles of the right edge.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<TileData> {
        let mut tiles = Vec::new();
        let mut index = self.size;
        for (level, bytes) in (0_u8..).zip(&self.edge) {
            index /= TILE_WIDTH;
            let width = u64::try_from(bytes.len() / 32).unwrap_or(0);
            if width > 0 {
                tiles.push(TileData { level, index, width, bytes: bytes.clone() });
            }
        }
        tiles
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        // INVARIANT: the edge holds every hash that the root of `size` leaves is made of; `read_hashes` below cannot fail.
        Digest(tree_hash(self.size, self).unwrap_or(EMPTY_HASH).0)
    }
}

/// Bytes of a full tile.
const FULL: usize = 8192;

impl HashReader for Tree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let read = |index: u64| {
            let tile = Tile::from_index(HEIGHT, index);
            let bytes = self.edge.get(usize::from(tile.level())).ok_or(Error::IndexesNotInTree)?;
            tile.hash_at_index(bytes, index)
        };
        indexes.iter().map(|index| read(*index)).collect()
    }
}
