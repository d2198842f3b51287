//! Where the configuration's files come from: a port, so that this crate opens none of them.

use std::collections::BTreeMap;
use std::fmt;

/// Why a file could not be read; shown to the operator as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// The configuration's folder. Paths use `/`; those of policies and of the main file are relative to the folder and never leave
/// it, those of secrets may be absolute.
pub trait Source {
    /// The main file's name, `portcullis.yaml`.
    fn main(&self) -> &str {
        "portcullis.yaml"
    }

    /// The bytes of a file. An implementation stops reading above `limit` bytes and says so.
    ///
    /// # Errors
    /// One line that says why: not there, not allowed, too large.
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError>;

    /// The names of the files in a folder, `""` for the configuration's own, in any order.
    ///
    /// # Errors
    /// One line that says why. A folder that does not exist is an empty one.
    fn list(&self, folder: &str) -> Result<Vec<String>, SourceError>;

    /// The bytes of a file that holds a secret. An implementation on a file system also refuses a file that others can read.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn read_secret(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        self.read(path, limit)
    }
}

/// A configuration in memory: the samples of [`crate::templates`], tests.
#[derive(Clone, Default)]
pub struct Texts(BTreeMap<String, Vec<u8>>);

impl Texts {
    /// No file at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or replaces it.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.into(), bytes.into());
        self
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: a file may hold a secret.
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Source for Texts {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        let bytes = self.0.get(path).ok_or_else(|| SourceError("no such file".to_owned()))?;
        if bytes.len() > limit {
            return Err(SourceError(format!("larger than {limit} bytes")));
        }
        Ok(bytes.clone())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        Ok(inside.filter(|name| !name.contains('/')).map(ToOwned::to_owned).collect())
    }
}
