//! Every bundle that was ever in force, by its digest: what a decision can be taken again from.

use std::fs;
use std::path::PathBuf;

use evidence::sha256;
use model::{Bundle, Digest};

use crate::error::StoreError;
use crate::layout::{Layout, write_atomic};

/// The folder of bundles.
#[derive(Debug, Clone)]
pub struct Bundles {
    folder: PathBuf,
}

impl Bundles {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self { folder: layout.bundles() }
    }

    /// The canonical form of a bundle, compact JSON with sorted keys, and its digest.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written as JSON.
    pub fn canonical(bundle: &Bundle) -> Result<(Vec<u8>, Digest), StoreError> {
        let bytes = serde_json::to_vec(bundle).map_err(|error| StoreError::damaged("the bundle", error.to_string()))?;
        let digest = sha256(&bytes);
        Ok((bytes, digest))
    }

    /// Keeps a bundle, durably. Keeping it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn put(&self, bundle: &Bundle) -> Result<Digest, StoreError> {
        let (bytes, digest) = Self::canonical(bundle)?;
        let path = self.path(&digest);
        if fs::read(&path).is_ok_and(|found| found == bytes) {
            return Ok(digest);
        }
        write_atomic(&path, &bytes, 0o600).map_err(StoreError::io("write", &path))?;
        Ok(digest)
    }

    /// Reads a bundle and checks it against its digest.
    ///
    /// # Errors
    /// [`StoreError`] when it is not there or was altered.
    pub fn read(&self, digest: &Digest) -> Result<Bundle, StoreError> {
        let place = format!("bundles/{digest}.json");
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::damaged(place, "missing")),
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        if sha256(&bytes) != *digest {
            return Err(StoreError::damaged(place, "the content does not have the digest that it is named by"));
        }
        serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(place, error.to_string()))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}.json"))
    }
}
