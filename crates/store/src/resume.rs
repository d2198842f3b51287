//! What a start has to know of the whole log, and the signed remark that spares it from reading all of it.
//!
//! The remark says: of the first N entries these are acts of administration, these intents have no outcome yet, and this is in
//! the ledgers. It is made from the log, signed with the log's key, and every entry that it names is checked against the signed root before it counts.
//! An older remark put in its place only makes a start read more; without one a start reads and checks everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use evidence::{
    Checkpoint, EntryError, EntryKind, Header, LogSigner, LogVerifier, Observed, Peek, TILE_WIDTH, bundle_path, decode,
    decode_bundle, leaf_hash, peek, proven_leaves, verify_log,
};
use flow::Ledgers;
use model::RequestId;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::port::FilePort;

/// Most tasks with a ledger of their own; those that come later share one.
const MAX_LEDGERS: usize = 65_536;

/// What is known of the log below `through`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Summary {
    /// How many entries were read.
    pub(crate) through: u64,
    /// Which of them are acts of administration.
    pub(crate) admin: Vec<u64>,
    /// Permitted intents without an outcome.
    pub(crate) open: BTreeMap<RequestId, u64>,
    /// The join of everything that the entries add to ledgers. A copy is made only when one of two owners adds something.
    pub(crate) ledgers: Arc<Ledgers>,
}

impl Default for Summary {
    /// Of a log without entries.
    fn default() -> Self {
        Self { through: 0, admin: Vec::new(), open: BTreeMap::new(), ledgers: Arc::new(Ledgers::new(MAX_LEDGERS)) }
    }
}

/// The first bytes of entries that need not be looked into; an edit only if it adds nothing to a ledger.
const EDIT: &[u8] = b"\x01{\"kind\":\"edit\"";
const NOISE: &[u8] = b"\x01{\"kind\":\"noise\"";
/// A field's name. Inside a string its quotes would be escaped.
const OBSERVED: &[u8] = b"\"observed\":";

fn is_passed_over(entry: &[u8]) -> bool {
    let adds = || entry.windows(OBSERVED.len()).any(|bytes| bytes == OBSERVED);
    entry.starts_with(NOISE) || (entry.starts_with(EDIT) && !adds())
}

impl Summary {
    /// Takes the next entry.
    pub(crate) fn add(&mut self, entry: &[u8]) -> Result<(), EntryError> {
        if !is_passed_over(entry) {
            self.note(&peek(entry)?);
        }
        self.through = self.through.saturating_add(1);
        Ok(())
    }

    fn note(&mut self, entry: &Peek) {
        for Observed { ledger, origin, label } in &entry.observed {
            if !self.ledgers.holds(ledger, origin, label, Some(entry.at)) {
                Arc::make_mut(&mut self.ledgers).observe(ledger, origin, label, Some(entry.at));
            }
        }
        match (entry.kind, entry.request) {
            (EntryKind::Admin, _) => self.admin.push(self.through),
            (EntryKind::Intent, Some(request)) if entry.expects_outcome => {
                self.open.insert(request, self.through);
            }
            (EntryKind::Outcome, Some(request)) => {
                self.open.remove(&request);
            }
            (EntryKind::Intent | EntryKind::Outcome | EntryKind::Edit | EntryKind::Noise, _) => {}
        }
    }

    /// The signed form.
    pub(crate) fn sign(&self, signer: &LogSigner) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_string(self).map_err(|error| StoreError::damaged("log/resume", error.to_string()))?;
        let text = format!("{}/resume\n{json}\n", signer.name());
        signer.sign(text.as_bytes()).map_err(|error| StoreError::damaged("log/resume", error.to_string()))
    }

    /// Reads the signed form; anything that is not one counts as none.
    pub(crate) fn open(note: &[u8], verifier: &LogVerifier) -> Option<Self> {
        let text = String::from_utf8(verifier.open(note).ok()?).ok()?;
        let json = text.strip_prefix(verifier.name())?.strip_prefix("/resume\n")?;
        serde_json::from_str(json).ok()
    }

    /// What is known of the entries under the checkpoint, every one of which is checked against its root.
    pub(crate) fn load(port: &dyn FilePort, verifier: &LogVerifier, checkpoint: &Checkpoint) -> Result<Self, StoreError> {
        let files = |path: &str| read_whole(port, path);
        let note = read_whole(port, "resume").and_then(|note| Self::open(&note, verifier));
        let Some(mut summary) = note.filter(|summary| summary.through <= checkpoint.size) else {
            return Self::read_all(&files, verifier, checkpoint);
        };
        let tail: Vec<u64> = (summary.through..checkpoint.size).collect();
        let leaves =
            proven_leaves(&files, checkpoint, &tail).map_err(|error| StoreError::damaged("log/tile", error.to_string()))?;
        let mut bundle = Bundle::default();
        for (index, leaf) in tail.into_iter().zip(leaves) {
            let entry = bundle.entry(&files, checkpoint.size, index)?;
            if leaf_hash(entry) != leaf {
                return Err(altered(index));
            }
            summary.add(entry).map_err(|error| StoreError::damaged(format!("entry {index}"), error.to_string()))?;
        }
        Ok(summary)
    }

    fn read_all(
        files: &impl Fn(&str) -> Option<Vec<u8>>,
        verifier: &LogVerifier,
        checkpoint: &Checkpoint,
    ) -> Result<Self, StoreError> {
        let mut summary = Self::default();
        if checkpoint.size == 0 {
            return Ok(summary);
        }
        let verified = verify_log(files, verifier, |_, _, header| {
            summary.note(&Peek::from(header));
            summary.through = summary.through.saturating_add(1);
        });
        match verified.problems.into_iter().next() {
            None => Ok(summary),
            Some(problem) => Err(StoreError::damaged(format!("log/{}", problem.place), problem.what)),
        }
    }

    /// The acts of administration under the checkpoint, in order, each checked against the root.
    pub(crate) fn admin_headers(&self, port: &dyn FilePort, checkpoint: &Checkpoint) -> Result<Vec<Header>, StoreError> {
        let files = |path: &str| read_whole(port, path);
        let leaves = proven_leaves(&files, checkpoint, &self.admin);
        let leaves = leaves.map_err(|error| StoreError::damaged("log/tile", error.to_string()))?;
        let mut bundle = Bundle::default();
        let mut headers = Vec::with_capacity(leaves.len());
        for (index, leaf) in self.admin.iter().copied().zip(leaves) {
            let entry = bundle.entry(&files, checkpoint.size, index)?;
            if leaf_hash(entry) != leaf {
                return Err(altered(index));
            }
            headers.push(decode(entry).map_err(|error| StoreError::damaged(format!("entry {index}"), error.to_string()))?);
        }
        Ok(headers)
    }
}

fn altered(index: u64) -> StoreError {
    StoreError::damaged(
        format!("log/{}, entry {index}", bundle_path(index / TILE_WIDTH, TILE_WIDTH)),
        "not the entry that was signed",
    )
}

/// Reads a whole file of the log.
pub(crate) fn read_whole(port: &dyn FilePort, name: &str) -> Option<Vec<u8>> {
    let length = port.length(name).ok()??;
    port.read_at(name, 0, usize::try_from(length).ok()?).ok()
}

/// The bundle that was read last.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    index: Option<u64>,
    entries: Vec<Vec<u8>>,
}

impl Bundle {
    /// One entry of a log of `size` entries.
    pub(crate) fn entry(&mut self, files: &impl Fn(&str) -> Option<Vec<u8>>, size: u64, index: u64) -> Result<&[u8], StoreError> {
        let bundle = index / TILE_WIDTH;
        if self.index != Some(bundle) {
            let width = size.saturating_sub(bundle.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
            let path = bundle_path(bundle, width);
            let bytes = files(&path).or_else(|| files(&bundle_path(bundle, TILE_WIDTH)));
            let bytes = bytes.ok_or_else(|| StoreError::damaged(format!("log/{path}"), "missing"))?;
            let entries = decode_bundle(&bytes).map_err(|error| StoreError::damaged(format!("log/{path}"), error.to_string()))?;
            self.entries = entries.into_iter().map(<[u8]>::to_vec).collect();
            self.index = Some(bundle);
        }
        let position = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let missing =
            || StoreError::damaged(format!("log/{}", bundle_path(bundle, TILE_WIDTH)), format!("entry {index} is missing"));
        self.entries.get(position).map(Vec::as_slice).ok_or_else(missing)
    }
}
