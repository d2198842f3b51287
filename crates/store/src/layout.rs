//! Where things lie below the data folder.
//!
//! ```text
//! format                     `portcullis-data+N`: which version of this layout
//! lock                       held by the running gate
//! keys/log-N.key             Ed25519, signs checkpoints (0600)
//! keys/token-N.key           Ed25519, signs task tokens (0600)
//! keys/content-N.key         AES-256, wraps the subjects' keys (0600)
//! keys/credential-N.key      AES-256, encrypts credentials for upstreams (0600)
//! content/subjects           the subjects' keys, wrapped
//! credentials/kept           credentials for upstreams, encrypted
//! log/journal/FIRST.seg      the truth: entries and their encrypted content, append-only
//! log/tile/...               C2SP tlog-tiles: hashes and entry bundles, made from the journal
//! log/checkpoint             the signed head of the tree
//! log/verifier               the public key of the log, for auditors
//! log/resume                 signed remark of where a start may begin to read
//! bundles/SHA256.json        every bundle that was ever in force
//! issuers/NAME.keys          the last keys of each issuer of tokens, signed; can be deleted, is fetched anew
//! projection.db              SQLite, can be deleted at any time
//! ```

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The paths of one data folder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("format")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub(crate) fn content(&self) -> PathBuf {
        self.root.join("content")
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.root.join("credentials")
    }

    pub(crate) fn subjects(&self) -> PathBuf {
        self.root.join("content/subjects")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    pub(crate) fn issuers(&self) -> PathBuf {
        self.root.join("issuers")
    }

    pub(crate) fn projection(&self) -> PathBuf {
        self.root.join("projection.db")
    }

    /// Makes every folder, for the owner alone.
    pub(crate) fn create(&self) -> Result<(), StoreError> {
        let journal = self.log().join("journal");
        for folder in [self.root.clone(), self.keys(), self.content(), self.log(), journal, self.bundles()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(StoreError::io("create", &folder))?;
        }
        Ok(())
    }
}

/// Writes a file so that after a crash there is either the old content or the new, and after the return the new one.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let (file, temporary) = write_beside(path, bytes, mode)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(path)
}

/// Writes what is to become `path` to a file beside it, and gives that back with its name; nothing is durable yet.
pub(crate) fn write_beside(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<(fs::File, PathBuf)> {
    let temporary = path.with_added_extension("tmp");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    Ok((file, temporary))
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
