//! Entry format, Merkle tree, checkpoints, proofs and their verifier; pure.
//!
//! One entry is a plain header that commits, by HMAC, to content that lies encrypted elsewhere. Entries are the leaves of an
//! RFC 6962 tree, kept as C2SP tlog-tiles under checkpoints that are signed notes. Everything here is a function of bytes: this
//! crate knows no file, no clock, no randomness and no encryption of content. It does not decide when an entry is written, and
//! nothing that it returns lets a call through.

mod checkpoint;
mod commitment;
mod content;
mod entry;
mod header;
mod merkle;
mod note;
mod proof;
mod tiles;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use commitment::{CommitmentKey, sha256};
pub use content::{Capped, Capture, EditContent, IntentContent, OutcomeContent, Stored, Timings};
pub use entry::{EntryError, FORMAT, MAX_ENTRY, Peek, decode, decode_trusted, encode, peek};
pub use header::{
    COULD_NOTE, EntryKind, Header, LIST_NOTE, MAX_HEADER_ASKS, Noise, Observed, OutcomeResult, QUESTION_NOTE, RecordError, Sealed,
};
pub use merkle::{
    ProofError, TileFiles, check_consistency, check_inclusion, check_subtree_consistency, check_subtree_inclusion, leaf_hash,
    prove_consistency, prove_inclusion, proven_leaves,
};
pub use note::{KeyTextError, LogSigner, LogVerifier, NoteProblem};
pub use proof::{InclusionProof, ProofTextError};
pub use tiles::{BundleError, TILE_WIDTH, bundle_path, decode_bundle, encode_bundle, tile_path};
pub use tree::{TileData, Tree, TreeError};
pub use verify::{Files, Problem, Verified, verify_log};
