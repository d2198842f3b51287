//! The proof that one entry is in the log, as a text that verifies offline (C2SP tlog-proof).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Digest;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::merkle::{ProofError, check_inclusion, leaf_hash};
use crate::note::LogVerifier;

/// The first line.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Most hashes in a proof: one per level of a tree of 2^64 leaves.
const MAX_PATH: usize = 64;

/// Index, path and signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Opaque extra data. Not authenticated; we put the entry itself here, so that the proof stands alone.
    pub extra: Option<Vec<u8>>,
    /// The entry's index, from 0.
    pub index: u64,
    /// Hashes from the leaf's sibling up.
    pub path: Vec<Digest>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: Vec<u8>,
}

/// Why a proof does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofTextError {
    /// The text is not a proof.
    #[error("line {line} of the proof is not {expected}")]
    Text {
        /// The line, from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// The checkpoint is not acceptable.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead to the root.
    #[error(transparent)]
    Path(#[from] ProofError),
}

impl InclusionProof {
    /// Writes the text.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = format!("{MAGIC}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            text.push_str(&format!("{}\n", STANDARD.encode(hash.0)));
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.checkpoint);
        bytes
    }

    /// Reads the text.
    ///
    /// # Errors
    /// [`ProofTextError::Text`].
    pub fn from_text(bytes: &[u8]) -> Result<Self, ProofTextError> {
        let at = |line, expected| ProofTextError::Text { line, expected };
        let text = std::str::from_utf8(bytes).map_err(|_| at(1, "UTF-8"))?;
        let mut rest = text;
        let mut line_number = 0_usize;
        let mut next = |expected| {
            line_number = line_number.saturating_add(1);
            let (line, tail) = rest.split_once('\n').ok_or_else(|| at(line_number, expected))?;
            rest = tail;
            Ok::<_, ProofTextError>((line_number, line, tail))
        };
        let (line, magic, _) = next("the name of the format")?;
        if magic != MAGIC {
            return Err(at(line, "`c2sp.org/tlog-proof@v1`"));
        }
        let (mut line, mut content, _) = next("`index`")?;
        let mut extra = None;
        if let Some(encoded) = content.strip_prefix("extra ") {
            extra = Some(STANDARD.decode(encoded).map_err(|_| at(line, "`extra` and base64"))?);
            (line, content, _) = next("`index`")?;
        }
        let digits = content.strip_prefix("index ").ok_or_else(|| at(line, "`index` and a number"))?;
        let index = decimal(digits).ok_or_else(|| at(line, "`index` and a number"))?;
        let mut path = Vec::new();
        loop {
            let (line, content, tail) = next("a hash, or an empty line before the checkpoint")?;
            if content.is_empty() {
                return Ok(Self { extra, index, path, checkpoint: tail.as_bytes().to_vec() });
            }
            let hash = STANDARD.decode(content).ok().and_then(|hash| <[u8; 32]>::try_from(hash).ok());
            path.push(Digest(hash.ok_or_else(|| at(line, "32 bytes in base64"))?));
            if path.len() > MAX_PATH {
                return Err(at(line, "one of at most 64 hashes"));
            }
        }
    }

    /// Checks that `entry` is in the log whose key `verifier` holds, and gives the checkpoint that says so.
    ///
    /// # Errors
    /// [`ProofTextError`].
    pub fn verify(&self, entry: &[u8], verifier: &LogVerifier) -> Result<Checkpoint, ProofTextError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        check_inclusion(&self.path, checkpoint.size, checkpoint.root, self.index, leaf_hash(entry))?;
        Ok(checkpoint)
    }
}

/// ASCII decimal without leading zeroes.
fn decimal(digits: &str) -> Option<u64> {
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}
