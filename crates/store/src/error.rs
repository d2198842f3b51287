//! What can go wrong with a data folder.

use std::path::{Path, PathBuf};

use evidence::RecordError;

/// Why the store cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {act} `{path}`")]
    Io {
        /// What was tried, as in "cannot `act` `path`".
        act: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another gate holds the folder.
    #[error("`{0}` is in use by another gate")]
    InUse(PathBuf),
    /// The folder is not a data folder.
    #[error("`{0}` is not a data folder: run `portcullis init` first")]
    NotInitialised(PathBuf),
    /// The folder is one already.
    #[error("`{0}` is a data folder already")]
    AlreadyInitialised(PathBuf),
    /// The folder was written by a later version.
    #[error(
        "`{path}` has format {found}, this version knows formats up to {known}: start the version that wrote it, or a newer one; there is no way back, but a backup made before"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// A key file can be read by others.
    #[error("`{path}` has mode {mode:03o}, expected 600: a key that others can read is no key; run `chmod 600 {path}`")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file does not hold a key.
    #[error("`{path}` does not hold a key: {what}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file of the folder was altered or lost.
    #[error("`{place}` is damaged: {what}; restore the folder from a backup, or look with `portcullis audit verify`")]
    Damaged {
        /// The file, and the place in it.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// The projection failed.
    #[error("the projection failed")]
    Projection(#[from] rusqlite::Error),
    /// The log refused an entry.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Encryption failed; it never does with a sound backend.
    #[error("the cryptographic backend failed: {0}")]
    Crypto(&'static str),
    /// A thread of the store ended before its time.
    #[error("a thread of the store has ended")]
    Thread,
}

impl StoreError {
    /// Adds the act and the path to an error of the operating system.
    pub(crate) fn io<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::Io { act, path: path.to_path_buf(), source }
    }

    pub(crate) fn damaged(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged { place: place.into(), what: what.into() }
    }
}
