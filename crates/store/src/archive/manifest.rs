//! What an archive says of itself, and which members it may have.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};
use evidence::{LogSigner, LogVerifier, sha256};
use model::{Digest, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::archive::ArchiveError;
use crate::error::StoreError;

/// The form of archives that this version makes.
pub(crate) const FORM: u32 = 1;
/// The member with the sealed keys.
pub(crate) const KEYS: &str = "keys.sealed";
/// The member with the manifest.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The last member.
pub(crate) const SIGNATURE: &str = "manifest.sig";
/// What members of the configuration begin with.
pub(crate) const CONFIG: &str = "config/";
/// Longest manifest: about two million members.
pub(crate) const MAX_MANIFEST: u64 = 256 << 20;
/// Longest path of a member; a plain tar header holds it.
const MAX_PATH: usize = 250;

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path in the archive.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the archive.
    pub form: u32,
    /// When it was made.
    pub made: UnixMillis,
    /// The version that made it.
    pub version: String,
    /// The log's name.
    pub origin: String,
    /// Entries under the signed checkpoint.
    pub entries: u64,
    /// Whether the keys are in it, sealed.
    pub has_keys: bool,
    /// Every member but the manifest and its signature, in their order.
    pub members: Vec<Member>,
}

impl Manifest {
    /// The bytes of the manifest and of its signature.
    pub(crate) fn sign(&self, signer: &LogSigner) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        let unwritable = |error: String| StoreError::damaged(MANIFEST, error);
        let bytes = serde_json::to_vec(self).map_err(|error| unwritable(error.to_string()))?;
        let text = format!("{}/backup\n{}\n", signer.name(), sha256(&bytes));
        let signature = signer.sign(text.as_bytes()).map_err(|error| unwritable(error.to_string()))?;
        Ok((bytes, signature))
    }

    /// Reads a manifest that the log has signed.
    pub(crate) fn open(bytes: &[u8], signature: &[u8], verifier: &LogVerifier) -> Result<Self, ArchiveError> {
        let expected = format!("{}/backup\n{}\n", verifier.name(), sha256(bytes));
        let signed = verifier.open(signature).map_err(|error| ArchiveError::damaged(SIGNATURE, error.to_string()))?;
        if signed != expected.as_bytes() {
            return Err(ArchiveError::damaged(MANIFEST, "it is not the manifest that was signed"));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| ArchiveError::damaged(MANIFEST, error.to_string()))?;
        match manifest.form {
            FORM => Ok(manifest),
            found => Err(ArchiveError::Newer { found, known: FORM }),
        }
    }
}

/// The length that a member with this path may have at most; `None` for a path that no archive has.
///
/// The list is closed: whatever else an archive holds, it cannot put a file anywhere.
pub(crate) fn longest(path: &str) -> Option<u64> {
    const SMALL: u64 = 64 << 20;
    const LARGE: u64 = 1 << 30;
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    if path.len() > MAX_PATH || !path.split('/').all(is_plain) {
        return None;
    }
    match path {
        KEYS => Some(1 << 20),
        MANIFEST => Some(MAX_MANIFEST),
        SIGNATURE | "log/checkpoint" | "log/verifier" | "format" => Some(64 << 10),
        "log/resume" | "content/subjects" => Some(LARGE),
        _ => {
            let is_segment = path.strip_prefix("log/journal/").is_some_and(|name| name.ends_with(".seg") && !name.contains('/'));
            let is_bundle = path.strip_prefix("bundles/").is_some_and(|name| name.ends_with(".json") && !name.contains('/'));
            let is_other = is_bundle || path.starts_with("log/tile/") || is_configuration(path);
            if is_segment { Some(LARGE) } else { is_other.then_some(SMALL) }
        }
    }
}

/// Whether an archive can hold a file of the configuration at this path, relative to the folder and without `.` and `..`.
#[must_use]
pub fn holds(path: &str) -> bool {
    longest(&format!("{CONFIG}{path}")).is_some()
}

/// Below `config/`, and not where the folder keeps its own files.
fn is_configuration(path: &str) -> bool {
    const OWN: [&str; 10] =
        ["keys", "log", "content", "credentials", "bundles", "issuers", "lock", "format", "admin.sock", "projection.db"];
    path.strip_prefix(CONFIG).and_then(|rest| rest.split('/').next()).is_some_and(|first| !OWN.contains(&first))
}

/// Counts and digests what goes through.
pub(crate) struct Measured<R> {
    inner: R,
    context: Context,
    length: u64,
}

impl<R> Measured<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, context: Context::new(&SHA256), length: 0 }
    }

    /// What went through: its length and SHA-256.
    pub(crate) fn end(self) -> (u64, Digest) {
        let digest = self.context.finish();
        let bytes = <[u8; 32]>::try_from(digest.as_ref()).unwrap_or_default();
        (self.length, Digest(bytes))
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(buffer.get(..count).unwrap_or_default());
        self.length = self.length.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::longest;

    #[test]
    fn an_archive_names_only_what_it_may() {
        let facts = [
            ("log/checkpoint", true),
            ("log/journal/00000000000000000000.seg", true),
            ("log/tile/0/000.p/20", true),
            ("bundles/ab.json", true),
            ("content/subjects", true),
            ("config/portcullis.yaml", true),
            ("config/policies/models.cedar", true),
            ("keys.sealed", true),
            ("keys/log-1.key", false),
            ("config/keys/log-1.key", false),
            ("config/log/checkpoint", false),
            ("config/issuers/okta.keys", false),
            ("config/admin.sock", false),
            ("config/../keys/log-1.key", false),
            ("/etc/passwd", false),
            ("log/tile/../../x", false),
            ("log//checkpoint", false),
            ("config/", false),
            ("config", false),
            ("log/journal/a/b.seg", false),
            ("projection.db", false),
            ("", false),
        ];
        for (path, is_allowed) in facts {
            assert_eq!(longest(path).is_some(), is_allowed, "{path}");
        }
    }
}
