//! Keys of the log and of the content, behind a port; the file form lies in `DIR/keys`, readable by the owner alone.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidence::LogSigner;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::layout::{sync_folder, write_atomic};

/// A key that wraps the keys of the subjects. It lies outside of everything that it wraps.
#[derive(Clone)]
pub struct EpochKey {
    /// Its number; grows with every rotation.
    pub id: u32,
    /// The 256 bits.
    pub bytes: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EpochKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where keys come from. The log's key and the content's keys are separate: who reads content need not be able to sign.
pub trait KeyProvider: Send + Sync + std::fmt::Debug {
    /// The key that signs checkpoints.
    ///
    /// # Errors
    /// [`StoreError`] when there is none, or it is not acceptable.
    fn log(&self) -> Result<LogSigner, StoreError>;

    /// Every content key that there is, oldest first. More than one only while a rotation is under way.
    ///
    /// # Errors
    /// [`StoreError`] when a key is not acceptable.
    fn content(&self) -> Result<Vec<EpochKey>, StoreError>;

    /// Makes the next content key, durably.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be kept.
    fn add_content(&self) -> Result<EpochKey, StoreError>;

    /// The seeds of the keys that sign the gate's own tokens, oldest first; the newest signs. None before the first was made.
    ///
    /// # Errors
    /// [`StoreError`] when a key is not acceptable.
    fn tokens(&self) -> Result<Vec<Zeroizing<[u8; 32]>>, StoreError>;

    /// Makes the next key for tokens, durably.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be kept.
    fn add_token(&self) -> Result<(), StoreError>;

    /// Every key that credentials for upstreams are encrypted under, oldest first. More than one only while it is changed.
    ///
    /// # Errors
    /// [`StoreError`] when a key is not acceptable.
    fn credentials(&self) -> Result<Vec<EpochKey>, StoreError>;

    /// Makes the next key for credentials, durably.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be kept.
    fn add_credentials(&self) -> Result<EpochKey, StoreError>;

    /// Destroys a key for credentials; what only it opens is gone for ever.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be destroyed.
    fn destroy_credentials(&self, id: u32) -> Result<(), StoreError>;

    /// Destroys a content key; what only it wraps is gone for ever.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be destroyed.
    fn destroy_content(&self, id: u32) -> Result<(), StoreError>;
}

/// Keys as files: `log-N.key`, `content-N.key`, `token-N.key` and `credential-N.key`, mode 600.
#[derive(Debug, Clone)]
pub struct FileKeys {
    folder: PathBuf,
}

/// First words of a token key's file.
const TOKEN_FORM: &str = "portcullis-token-key+";
/// First words of a content key's file.
const CONTENT_FORM: &str = "portcullis-content-key+";
/// First words of the file of a key for credentials.
const CREDENTIAL_FORM: &str = "portcullis-credential-key+";

impl FileKeys {
    /// The keys in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Makes the first log key, under a new random name, and the first content key.
    ///
    /// # Errors
    /// [`StoreError`] when a file cannot be written.
    pub fn create(&self) -> Result<(), StoreError> {
        let name = format!("portcullis.invalid/log/{}", hex::encode(random::<8>()?));
        let text = LogSigner::text_from_seed(&name, &*random_key()?);
        let text = Zeroizing::new(text.map_err(|error| wrong(&self.file("log", 1), error.to_string()))?);
        write(&self.file("log", 1), &text)?;
        self.add_content()?;
        Ok(())
    }

    fn file(&self, kind: &str, id: u32) -> PathBuf {
        self.folder.join(format!("{kind}-{id}.key"))
    }

    /// Ids of the keys of a kind, ascending.
    fn ids(&self, kind: &str) -> Result<Vec<u32>, StoreError> {
        let mut ids = Vec::new();
        for item in fs::read_dir(&self.folder).map_err(StoreError::io("list", &self.folder))? {
            let name = item.map_err(StoreError::io("list", &self.folder))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix(kind)?.strip_prefix('-')?.strip_suffix(".key"));
            ids.extend(id.and_then(|id| id.parse::<u32>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn read_all(&self, kind: &str, form: &str) -> Result<Vec<EpochKey>, StoreError> {
        let read = |id| Ok(EpochKey { id, bytes: self.read_key(kind, form, id)? });
        self.ids(kind)?.into_iter().map(read).collect()
    }

    fn add(&self, kind: &str, form: &str) -> Result<EpochKey, StoreError> {
        let id = self.ids(kind)?.pop().unwrap_or(0).saturating_add(1);
        let bytes = random_key()?;
        let text = Zeroizing::new(format!("{form}{id}+{}", STANDARD.encode(*bytes)));
        write(&self.file(kind, id), &text)?;
        Ok(EpochKey { id, bytes })
    }

    fn destroy(&self, kind: &str, id: u32) -> Result<(), StoreError> {
        let path = self.file(kind, id);
        // Overwritten first: what stands in the same blocks is gone even if the file system keeps them.
        let length = fs::metadata(&path).map_err(StoreError::io("destroy", &path))?.len();
        let zeroes = vec![0_u8; usize::try_from(length).unwrap_or(0)];
        let overwrite = || {
            let mut file = fs::OpenOptions::new().write(true).open(&path)?;
            std::io::Write::write_all(&mut file, &zeroes)?;
            file.sync_all()?;
            fs::remove_file(&path)?;
            sync_folder(&path)
        };
        overwrite().map_err(StoreError::io("destroy", &path))
    }

    fn read_key(&self, kind: &str, form: &str, id: u32) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let path = self.file(kind, id);
        let text = read(&path)?;
        let encoded = text.strip_prefix(form).and_then(|rest| rest.strip_prefix(&format!("{id}+")));
        let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok()).map(Zeroizing::new);
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        let bytes = bytes.ok_or_else(|| wrong(&path, format!("expected `{form}{id}+` and 32 bytes in base64")))?;
        Ok(Zeroizing::new(bytes))
    }
}

impl KeyProvider for FileKeys {
    fn log(&self) -> Result<LogSigner, StoreError> {
        let newest = self.ids("log")?.pop().unwrap_or(1);
        let path = self.file("log", newest);
        let text = read(&path)?;
        LogSigner::parse(&text).map_err(|error| wrong(&path, error.to_string()))
    }

    fn content(&self) -> Result<Vec<EpochKey>, StoreError> {
        self.read_all("content", CONTENT_FORM)
    }

    fn add_content(&self) -> Result<EpochKey, StoreError> {
        self.add("content", CONTENT_FORM)
    }

    fn credentials(&self) -> Result<Vec<EpochKey>, StoreError> {
        self.read_all("credential", CREDENTIAL_FORM)
    }

    fn add_credentials(&self) -> Result<EpochKey, StoreError> {
        self.add("credential", CREDENTIAL_FORM)
    }

    fn destroy_credentials(&self, id: u32) -> Result<(), StoreError> {
        self.destroy("credential", id)
    }

    fn tokens(&self) -> Result<Vec<Zeroizing<[u8; 32]>>, StoreError> {
        self.ids("token")?.into_iter().map(|id| self.read_key("token", TOKEN_FORM, id)).collect()
    }

    fn add_token(&self) -> Result<(), StoreError> {
        let id = self.ids("token")?.pop().unwrap_or(0).saturating_add(1);
        let text = Zeroizing::new(format!("{TOKEN_FORM}{id}+{}", STANDARD.encode(*random_key()?)));
        write(&self.file("token", id), &text)
    }

    fn destroy_content(&self, id: u32) -> Result<(), StoreError> {
        self.destroy("content", id)
    }
}

fn wrong(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Key { path: path.to_path_buf(), what: what.into() }
}

fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    let line = Zeroizing::new(format!("{text}\n"));
    write_atomic(path, line.as_bytes(), 0o600).map_err(StoreError::io("write", path))
}

fn read(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    let mode = fs::metadata(path).map_err(StoreError::io("read", path))?.mode() & 0o777;
    if mode & 0o177 != 0 {
        return Err(StoreError::Permissions { path: path.to_path_buf(), mode });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(StoreError::io("read", path))?);
    Ok(Zeroizing::new(text.trim_end().to_owned()))
}

/// 32 random bytes.
pub(crate) fn random_key() -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut()).map_err(|_| StoreError::Crypto("no randomness"))?;
    Ok(bytes)
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0_u8; N];
    rand::fill(&mut bytes).map_err(|_| StoreError::Crypto("no randomness"))?;
    Ok(bytes)
}
