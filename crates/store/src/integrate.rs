//! The thread that turns the journal into the tree: hashes, tiles, bundles, and a signed checkpoint about twice a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evidence::{Checkpoint, LogSigner, TILE_WIDTH, TileData, Tree, bundle_path, encode_bundle, leaf_hash, tile_path};

use crate::error::StoreError;
use crate::journal::Follower;
use crate::port::FilePort;
use crate::progress::{Progress, breathe};
use crate::resume::{Bundle, Summary, read_whole};

/// Most entries under one new checkpoint, so that the time to a checkpoint stays bounded.
const MAX_AT_ONCE: u64 = 16_384;
/// Entries after which the remark for the next start is written anew.
const RESUME_EVERY: u64 = 8_192;

/// The state of the integrator.
#[derive(Debug)]
pub(crate) struct Integrator {
    port: Arc<dyn FilePort>,
    progress: Arc<Progress>,
    signer: LogSigner,
    every: Duration,
    tree: Tree,
    /// The entries of the unfinished bundle.
    bundle: Vec<Vec<u8>>,
    /// Stands behind the last sealed entry; none after a failure.
    follower: Option<Follower>,
    summary: Summary,
    /// Entries that the remark on disk covers, and how many acts of administration it names.
    remarked: (u64, usize),
}

impl Integrator {
    /// Takes the tree up again from its tiles.
    pub(crate) fn new(
        port: Arc<dyn FilePort>,
        progress: Arc<Progress>,
        signer: LogSigner,
        checkpoint: &Checkpoint,
        summary: Summary,
        every: Duration,
    ) -> Result<Self, StoreError> {
        let files = |path: &str| read_whole(port.as_ref(), path);
        let tree = Tree::load(checkpoint, &files).map_err(|error| StoreError::damaged("log", error.to_string()))?;
        let mut bundle = Vec::new();
        let mut last = Bundle::default();
        for index in checkpoint.size.saturating_sub(checkpoint.size % TILE_WIDTH)..checkpoint.size {
            bundle.push(last.entry(&files, checkpoint.size, index)?.to_vec());
        }
        Ok(Self { port, progress, signer, every, tree, bundle, follower: None, summary, remarked: (0, 0) })
    }

    /// Runs until the writer has ended and everything is sealed.
    pub(crate) fn run(mut self) {
        let mut is_behind = false;
        loop {
            let started = Instant::now();
            let (is_last, has_more) = {
                let patience = if is_behind { Duration::ZERO } else { self.every };
                let state = self.progress.wait(patience, |state| state.ended.writer || state.wanted.seal);
                (state.ended.writer, state.accepted > self.tree.size())
            };
            let before = self.tree.size();
            if has_more && let Err(error) = self.seal() {
                // The journal keeps everything; the next turn, or the next start, goes on from here.
                tracing::error!(%error, "the log cannot be sealed");
                if is_last {
                    break;
                }
                drop(self.progress.wait(self.every, |state| state.ended.writer));
                continue;
            }
            // A turn that took all it may has left something over.
            is_behind = self.tree.size().saturating_sub(before) >= MAX_AT_ONCE;
            tracing::trace!(size = self.tree.size(), took = ?started.elapsed(), "sealed");
            let is_done = self.progress.update(|state| {
                let is_done = self.tree.size() >= state.accepted;
                state.wanted.seal &= !is_done;
                is_done
            });
            if is_last && is_done {
                break;
            }
        }
        if let Err(error) = self.remark() {
            tracing::warn!(%error, "the remark for the next start cannot be written: it will read more");
        }
        self.progress.update(|state| state.ended.integrator = true);
    }

    /// Seals what was accepted so far, at most [`MAX_AT_ONCE`] entries.
    pub(crate) fn seal(&mut self) -> Result<(), StoreError> {
        let accepted = self.progress.update(|state| {
            state.wanted.sync |= state.durable < state.accepted;
            state.accepted
        });
        let target = accepted.min(self.tree.size().saturating_add(MAX_AT_ONCE));
        // INVARIANT: a checkpoint never covers an entry that a loss of power could take back.
        let is_durable = self.progress.wait(Duration::from_secs(30), |state| state.durable >= target || state.broken.is_some());
        if is_durable.durable < target {
            let what = is_durable.broken.clone().unwrap_or_else(|| "fsync takes too long".to_owned());
            return Err(StoreError::Record(evidence::RecordError::Unavailable(what)));
        }
        drop(is_durable);
        // On a copy: a failure in the middle leaves the state as it was, and the next turn writes the same files again.
        let mut next = Turn { tree: self.tree.clone(), bundle: self.bundle.clone(), full: Vec::new() };
        let mut summary = self.summary.clone();
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => Follower::new(Arc::clone(&self.port), self.tree.size())?,
        };
        while let Some((index, entry)) = follower.read_entry(target)? {
            breathe(index);
            summary.add(&entry).map_err(|error| StoreError::damaged(format!("entry {index}"), error.to_string()))?;
            next.add(self.port.as_ref(), entry)?;
        }
        let root = next.tree.root();
        next.write_edge(self.port.as_ref())?;
        let checkpoint = Checkpoint { origin: self.signer.name().to_owned(), size: next.tree.size(), root };
        let note = checkpoint.sign(&self.signer).map_err(|error| StoreError::damaged("log/checkpoint", error.to_string()))?;
        self.port.replace("checkpoint", &note).map_err(failed("checkpoint"))?;
        next.remove_obsolete(self.port.as_ref());
        (self.tree, self.bundle, self.summary, self.follower) = (next.tree, next.bundle, summary, Some(follower));
        self.progress.update(|state| state.sealed = checkpoint.size);
        let is_far = self.summary.through.saturating_sub(self.remarked.0) >= RESUME_EVERY;
        if is_far || self.summary.admin.len() > self.remarked.1 { self.remark() } else { Ok(()) }
    }

    fn remark(&mut self) -> Result<(), StoreError> {
        let note = self.summary.sign(&self.signer)?;
        self.port.replace("resume", &note).map_err(failed("resume"))?;
        self.remarked = (self.summary.through, self.summary.admin.len());
        Ok(())
    }
}

/// One turn: what becomes of the state if everything can be written.
struct Turn {
    tree: Tree,
    bundle: Vec<Vec<u8>>,
    /// Folders of partial files whose full file is there now.
    full: Vec<String>,
}

impl Turn {
    fn add(&mut self, port: &dyn FilePort, entry: Vec<u8>) -> Result<(), StoreError> {
        let index = self.tree.size() / TILE_WIDTH;
        let mut finished = Vec::new();
        self.tree.push(leaf_hash(&entry), &mut finished);
        self.bundle.push(entry);
        if self.tree.size().is_multiple_of(TILE_WIDTH) {
            self.write_bundle(port, index, TILE_WIDTH)?;
            self.bundle.clear();
        }
        for tile in &finished {
            put_tile(port, tile)?;
            self.full.push(format!("{}.p", tile_path(tile.level, tile.index, TILE_WIDTH)));
        }
        Ok(())
    }

    fn write_bundle(&mut self, port: &dyn FilePort, index: u64, width: u64) -> Result<(), StoreError> {
        let path = bundle_path(index, width);
        let bytes = encode_bundle(self.bundle.iter().map(Vec::as_slice));
        let bytes = bytes.map_err(|error| StoreError::damaged(format!("log/{path}"), error.to_string()))?;
        port.put(&path, &bytes).map_err(failed(&path))?;
        if width == TILE_WIDTH {
            self.full.push(format!("{path}.p"));
        }
        Ok(())
    }

    /// The partial files of the right edge.
    fn write_edge(&mut self, port: &dyn FilePort) -> Result<(), StoreError> {
        for tile in self.tree.partial_tiles() {
            put_tile(port, &tile)?;
        }
        let width = self.tree.size() % TILE_WIDTH;
        if width > 0 { self.write_bundle(port, self.tree.size() / TILE_WIDTH, width) } else { Ok(()) }
    }

    //= https://c2sp.org/tlog-tiles#partial-tiles
    //# [Logs] MAY delete any partial tile once the corresponding full tile is [...] available
    fn remove_obsolete(&self, port: &dyn FilePort) {
        for folder in &self.full {
            if let Err(error) = port.remove_folder(folder) {
                tracing::debug!(%error, folder, "partial tiles stay");
            }
        }
    }
}

fn put_tile(port: &dyn FilePort, tile: &TileData) -> Result<(), StoreError> {
    let path = tile_path(tile.level, tile.index, tile.width);
    port.put(&path, &tile.bytes).map_err(failed(&path))
}

fn failed(name: &str) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
    let path = format!("log/{name}").into();
    move |source| StoreError::Io { act: "write", path, source }
}
