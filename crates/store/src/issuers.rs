//! The keys of issuers, kept over a restart: public keys, but whoever could choose them could make tokens. So each file is signed
//! with the log's key, and says whose keys it holds, where they came from, and when.

use std::fmt;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use model::{Name, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::keys::KeyProvider;
use crate::layout::{Layout, write_atomic};

/// What stands in front of the document under the signature.
const DOMAIN: &str = "/issuer-keys";
/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 2 << 20;

/// Where the keys of issuers are kept.
#[derive(Clone)]
pub struct IssuerKeys {
    folder: PathBuf,
    keys: Arc<dyn KeyProvider>,
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IssuerKeys").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What is signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    issuer: Name,
    source: String,
    fetched: UnixMillis,
    document: String,
}

impl IssuerKeys {
    pub(crate) fn new(layout: &Layout, keys: Arc<dyn KeyProvider>) -> Self {
        Self { folder: layout.issuers(), keys }
    }

    /// Keeps a document in the place of the one before it. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be signed or written, or is no text.
    pub fn keep(&self, issuer: &Name, source: &str, document: &[u8], fetched: UnixMillis) -> Result<(), StoreError> {
        let unwritable = |what: String| StoreError::damaged(format!("issuers/{issuer}"), what);
        let document = std::str::from_utf8(document).map_err(|error| unwritable(error.to_string()))?.to_owned();
        let kept = Kept { issuer: issuer.clone(), source: source.to_owned(), fetched, document };
        let json = serde_json::to_string(&kept).map_err(|error| unwritable(error.to_string()))?;
        let signer = self.keys.log()?;
        let note = signer.sign(format!("{}{DOMAIN}\n{json}\n", signer.name()).as_bytes());
        let note = note.map_err(|error| unwritable(error.to_string()))?;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(StoreError::io("create", &self.folder))?;
        let path = self.path(issuer)?;
        write_atomic(&path, &note, 0o600).map_err(StoreError::io("write", &path))
    }

    /// The document that was kept for an issuer from this source, and when it was fetched; `None` if there is none. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read, or is not what was kept: nothing of it may be used then.
    pub fn kept(&self, issuer: &Name, source: &str) -> Result<Option<(Vec<u8>, UnixMillis)>, StoreError> {
        let path = self.path(issuer)?;
        let altered = |what: &str| StoreError::damaged(format!("issuers/{issuer}"), what);
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        if length > MAX_FILE {
            return Err(altered("longer than anything that is kept here"));
        }
        let note = fs::read(&path).map_err(StoreError::io("read", &path))?;
        let verifier = self.keys.log()?.verifier().map_err(|error| altered(&error.to_string()))?;
        let text = verifier.open(&note).map_err(|error| altered(&error.to_string()))?;
        let json = text.strip_prefix(format!("{}{DOMAIN}\n", verifier.name()).as_bytes());
        let kept: Option<Kept> = json.and_then(|json| serde_json::from_slice(json).ok());
        let kept = kept.filter(|kept| kept.issuer == *issuer).ok_or_else(|| altered("not the keys of this issuer"))?;
        // The operator has said since that they come from elsewhere.
        Ok((kept.source == source).then(|| (kept.document.into_bytes(), kept.fetched)))
    }

    /// Names of issuers are plain; one that is not has no file.
    fn path(&self, issuer: &Name) -> Result<PathBuf, StoreError> {
        let is_plain = issuer.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if is_plain { Ok(self.folder.join(format!("{issuer}.keys"))) } else { Err(StoreError::damaged("issuers", "a name")) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use model::{Name, UnixMillis};

    use super::IssuerKeys;
    use crate::keys::FileKeys;
    use crate::layout::Layout;
    use crate::store::Store;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    #[test]
    fn what_is_kept_comes_back_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        Store::init(&dir, NOW).unwrap();
        let layout = Layout::new(&dir);
        let open = || IssuerKeys::new(&layout, Arc::new(FileKeys::new(&layout.keys())));
        let (okta, other) = (Name::new("okta").unwrap(), Name::new("other").unwrap());
        let document = "{\"keys\":[\n{\"kid\":\"\u{e9}\"}]}".as_bytes();
        assert_eq!(open().kept(&okta, "source").unwrap(), None);
        open().keep(&okta, "source", document, NOW).unwrap();
        assert_eq!(open().kept(&okta, "source").unwrap(), Some((document.to_vec(), NOW)));
        assert_eq!(open().kept(&okta, "another source").unwrap(), None);
        let path = layout.issuers().join("okta.keys");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Another issuer's file, an altered one, and none at all.
        fs::copy(&path, layout.issuers().join("other.keys")).unwrap();
        assert!(open().kept(&other, "source").is_err());
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(open().kept(&okta, "source").is_err(), "byte {at}");
        }
        fs::write(&path, whole.get(..whole.len() / 2).unwrap()).unwrap();
        assert!(open().kept(&okta, "source").is_err());
        assert!(open().keep(&Name::new("okta/x").unwrap(), "source", document, NOW).is_err());
        assert!(open().keep(&okta, "source", b"\xff", NOW).is_err());
    }
}
