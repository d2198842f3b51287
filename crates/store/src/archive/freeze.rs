//! One moment of a folder in which a gate may be running: the few files that change are read into memory, everything below the
//! checkpoint never changes.
//!
//! What must hold of the copy: every subject's key that an entry under the checkpoint needs is there, or its erasure is under
//! the checkpoint too. A key is durable before the first entry that needs it, and an erasure is recorded before it is done. So:
//! read the keys, have the log sealed, read the checkpoint, read the keys again. If they only grew meanwhile, the second reading
//! holds; if they were written anew, a subject was erased in between, and it all begins again.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use evidence::{Checkpoint, LogSigner};

use crate::archive::ArchiveError;
use crate::archive::secret::{Keys, read_keys};
use crate::error::StoreError;
use crate::folder::read_checkpoint;
use crate::keys::{FileKeys, KeyProvider as _};
use crate::layout::Layout;
use crate::port::DiskPort;
use crate::resume::read_whole;

/// Attempts before the folder counts as too restless.
const ATTEMPTS: usize = 20;

/// Has the log of the running gate sealed; told whether the keys go along, which the gate records. Does nothing where no gate
/// runs. The error is one line for the operator.
pub type Seal<'a> = &'a mut dyn FnMut() -> Result<(), String>;

/// What changes in a folder, as of one moment.
pub(crate) struct Frozen {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: Vec<u8>,
    pub(crate) resume: Option<Vec<u8>>,
    pub(crate) subjects: Vec<u8>,
    pub(crate) signer: LogSigner,
    /// Empty unless asked for.
    pub(crate) keys: Keys,
}

/// Reads one moment.
pub(crate) fn freeze(layout: &Layout, port: &Arc<DiskPort>, with_keys: bool, seal: Seal<'_>) -> Result<Frozen, ArchiveError> {
    let signer = FileKeys::new(&layout.keys()).log()?;
    let verifier = signer.verifier().map_err(|error| StoreError::damaged("keys", error.to_string()))?;
    for _ in 0..ATTEMPTS {
        let before = read(&layout.subjects())?;
        seal().map_err(ArchiveError::Seal)?;
        // Older than the checkpoint, so it never speaks of more entries than there are.
        let resume = read_whole(port.as_ref(), "resume");
        let checkpoint = read_checkpoint(port.as_ref(), &verifier)?;
        let note = read_whole(port.as_ref(), "checkpoint").unwrap_or_default();
        let subjects = read(&layout.subjects())?;
        let keys = if with_keys { read_keys(&layout.keys())? } else { Keys::new() };
        let has_only_grown = subjects.starts_with(&before) && (!before.is_empty() || subjects.is_empty());
        let is_same_head = Checkpoint::open(&note, &verifier).is_ok_and(|read| read == checkpoint);
        let is_still = !with_keys || read(&layout.subjects())?.starts_with(&subjects);
        if has_only_grown && is_same_head && is_still {
            let whole = subjects.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
            let subjects = subjects.get(..whole).unwrap_or_default().to_vec();
            return Ok(Frozen { checkpoint, note, resume, subjects, signer, keys });
        }
    }
    Err(ArchiveError::Restless)
}

/// A file that may not be there yet.
fn read(path: &Path) -> Result<Vec<u8>, ArchiveError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(ArchiveError::io("read", path)(error)),
    }
}
