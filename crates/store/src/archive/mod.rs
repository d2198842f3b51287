//! A data folder as one file, and back: a plain tar archive whose last two members say what the others are.
//!
//! ```text
//! config/...            portcullis.yaml, its schema, the policies and whatever else the configuration reads; never a secret
//! log/..., bundles/..., content/subjects   as they lie in the folder, as of one signed checkpoint
//! keys.sealed           only if asked for: the key files, encrypted under a passphrase
//! manifest.json         every member before it with its length and SHA-256
//! manifest.sig          the manifest's SHA-256, signed with the log's key
//! ```
//! The manifest comes last because its digests are known last: nothing is read twice and nothing is held in memory. So an
//! archive that ends early has no manifest and is none.
//!
//! What this does not do: it does not compress (content is encrypted, hashes are random), and it does not keep an archive
//! secret. Headers of the log are plain: who was allowed what. Keep archives as you keep the folder.

mod freeze;
mod manifest;
mod pack;
mod secret;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

pub use freeze::Seal;
pub use manifest::{Manifest, Member, holds};
pub use pack::{Backup, backup};
pub use secret::Passphrase;
pub use unpack::{Restore, Restored, restore};

use crate::error::StoreError;

/// How far long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Bytes that were copied.
    pub bytes: u64,
    /// Bytes in all, if that is known.
    pub of: Option<u64>,
}

/// Why there is no archive, or no folder from one.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The data folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive was altered, cut off, or is none.
    #[error("the archive is not whole: {place}: {what}; nothing was restored, take another copy")]
    Damaged {
        /// The member, and the byte at which its header stands.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The archive is whole, but what is in it is not a sound log.
    #[error("the archive is whole, but the log in it is damaged:\n  {}", .0.join("\n  "))]
    Unsound(Vec<String>),
    /// There is something where the folder is to come.
    #[error("`{0}` is there and not empty: a restore never overwrites; name a folder that does not exist")]
    Occupied(PathBuf),
    /// Too short to keep keys.
    #[error("the passphrase has {found} characters, expected at least {least}: it is all that protects the keys")]
    ShortPassphrase {
        /// How many it has.
        found: usize,
        /// How many it needs.
        least: usize,
    },
    /// The archive holds keys, and nothing was given to open them.
    #[error("the archive holds keys: name the passphrase that they were sealed with, or leave them out with `--without-keys`")]
    PassphraseMissing,
    /// Not the passphrase, or altered.
    #[error("`keys.sealed` cannot be opened: not the passphrase that it was sealed with, or it was altered")]
    PassphraseWrong,
    /// The folder keeps changing.
    #[error("subjects come and go faster than they can be copied: try again")]
    Restless,
    /// The gate could not be asked to seal its log.
    #[error("the running gate did not seal its log: {0}")]
    Seal(String),
    /// The archive is of a later form.
    #[error("the archive has form {found}, this version knows {known}: restore it with the version that made it, or a newer one")]
    Newer {
        /// What it says.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// The operating system refused.
    #[error("cannot {act} `{path}`")]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ArchiveError {
    pub(crate) fn io<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { act, path: path.to_path_buf(), source }
    }

    pub(crate) fn damaged(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged { place: place.into(), what: what.into() }
    }
}
