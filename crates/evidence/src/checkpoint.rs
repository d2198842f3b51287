//! Checkpoints (C2SP tlog-checkpoint): size and root of the tree, signed by the log.

use model::Digest;
use tlog_tiles::Hash;

use crate::note::{LogSigner, LogVerifier, NoteProblem};

/// The head of the tree at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity, equal to the name of its key.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the RFC 6962 tree over them.
    pub root: Digest,
}

/// Why a checkpoint is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is not acceptable.
    #[error("the checkpoint is {0}")]
    Note(#[from] NoteProblem),
    /// The note's text is not a checkpoint.
    #[error("the signed text is not a checkpoint")]
    Malformed,
    /// Another log's checkpoint under our key.
    #[error("the checkpoint is of log `{found}`, expected `{expected}`")]
    Origin {
        /// The origin found.
        found: String,
        /// The origin of the key.
        expected: String,
    },
}

impl Checkpoint {
    /// Writes and signs it.
    ///
    /// # Errors
    /// [`CheckpointError`] when origin and key name differ or cannot stand in a note.
    pub fn sign(&self, signer: &LogSigner) -> Result<Vec<u8>, CheckpointError> {
        self.check_origin(signer.name())?;
        let body = tlog_tiles::Checkpoint::new(&self.origin, self.size, Hash(self.root.0), "");
        let body = body.map_err(|_| CheckpointError::Malformed)?;
        Ok(signer.sign(&body.to_bytes())?)
    }

    /// Reads a signed checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &[u8], verifier: &LogVerifier) -> Result<Self, CheckpointError> {
        let text = verifier.open(note)?;
        let body = tlog_tiles::Checkpoint::from_bytes(&text).map_err(|_| CheckpointError::Malformed)?;
        let checkpoint = Self { origin: body.origin().to_owned(), size: body.size(), root: Digest(body.hash().0) };
        checkpoint.check_origin(verifier.name())?;
        Ok(checkpoint)
    }

    fn check_origin(&self, expected: &str) -> Result<(), CheckpointError> {
        if self.origin == expected {
            return Ok(());
        }
        Err(CheckpointError::Origin { found: self.origin.clone(), expected: expected.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use model::Digest;

    use super::{Checkpoint, CheckpointError};
    use crate::note::LogSigner;

    #[test]
    fn it_reads_back_and_no_byte_may_change() {
        let signer = LogSigner::from_seed("example.com/log", &[3; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "example.com/log".to_owned(), size: 70_000, root: Digest([9; 32]) };
        let note = checkpoint.sign(&signer).unwrap();
        let verifier = signer.verifier().unwrap();
        assert_eq!(Checkpoint::open(&note, &verifier).unwrap(), checkpoint);
        for at in 0..note.len() {
            let mut altered = note.clone();
            altered[at] ^= 1;
            assert!(Checkpoint::open(&altered, &verifier).is_err(), "byte {at}");
        }
    }

    #[test]
    fn another_logs_checkpoint_is_refused() {
        let signer = LogSigner::from_seed("example.com/log", &[3; 32]).unwrap();
        let note = signer.sign(b"example.com/other\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").unwrap();
        let found = Checkpoint::open(&note, &signer.verifier().unwrap());
        assert!(matches!(found, Err(CheckpointError::Origin { .. })), "{found:?}");
    }
}
