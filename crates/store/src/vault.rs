//! Content, encrypted for its subject. Who is erased loses the key; what was encrypted with it stays where it is and says nothing.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidence::{CommitmentKey, Sealed};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::keys::{EpochKey, KeyProvider, random, random_key};
use crate::layout::{Layout, sync_folder, write_atomic};

/// Domain of the encryption key; the commitment key is derived in another one.
const DOMAIN: &[u8] = b"portcullis content v1";

/// The key of one subject.
struct SubjectKey {
    id: String,
    subject: String,
    secret: Zeroizing<[u8; 32]>,
    cipher: LessSafeKey,
    commitment: CommitmentKey,
}

/// A subject's key as it lies on disk, one per line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    id: String,
    subject: String,
    epoch: u32,
    /// Nonce, ciphertext and tag in base64.
    key: String,
}

#[derive(Default)]
struct Keys {
    by_subject: HashMap<String, Arc<SubjectKey>>,
    by_id: HashMap<String, Arc<SubjectKey>>,
}

/// How the note on an erasure begins; the key's id follows.
pub(crate) const ERASED: &str = "erased: ";

/// What became of content.
#[derive(Clone, PartialEq, Eq)]
pub enum Plain {
    /// The entry has none.
    Absent,
    /// Here it is, and it is what the entry commits to.
    Content(Vec<u8>),
    /// Its subject was erased.
    Erased,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => formatter.write_str("Absent"),
            Self::Content(bytes) => write!(formatter, "Content({} bytes)", bytes.len()),
            Self::Erased => formatter.write_str("Erased"),
        }
    }
}

/// The subjects' keys.
pub(crate) struct Vault {
    file: PathBuf,
    provider: Arc<dyn KeyProvider>,
    keys: RwLock<Keys>,
    /// Held while the file is changed. Readers of known keys do not wait for it.
    epoch: Mutex<EpochKey>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vault").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Vault {
    /// Reads and unwraps every key. A torn last line is left out: its key was never used. `may_mend` cuts it, and ends a
    /// rotation that a crash has interrupted.
    pub(crate) fn open(layout: &Layout, provider: Arc<dyn KeyProvider>, may_mend: bool) -> Result<Self, StoreError> {
        let file = layout.subjects();
        let text = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::io("read", &file)(error)),
        };
        let epochs = provider.content()?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
        let mut keys = Keys::default();
        let mut used = None;
        for (number, line) in (1_u32..).zip(text.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n')) {
            let (key, epoch) =
                unwrap(line, &epochs).map_err(|what| StoreError::damaged(format!("content/subjects, line {number}"), what))?;
            used = used.max(Some(epoch));
            keys.add(Arc::new(key));
        }
        let newest = epochs.last().cloned().ok_or_else(|| StoreError::Key {
            path: layout.keys(),
            what: "no content key; what it wraps is lost without it".to_owned(),
        })?;
        let current = used.and_then(|used| epochs.iter().find(|epoch| epoch.id == used).cloned()).unwrap_or(newest);
        if may_mend {
            if whole < text.len() {
                write_atomic(&file, text.get(..whole).unwrap_or_default(), 0o600).map_err(StoreError::io("write", &file))?;
            }
            for epoch in epochs.iter().filter(|epoch| epoch.id != current.id) {
                provider.destroy_content(epoch.id)?;
            }
        }
        Ok(Self { file, provider, keys: RwLock::new(keys), epoch: Mutex::new(current) })
    }

    /// Whether [`Vault::seal`] for this subject touches no disk.
    pub(crate) fn knows(&self, subject: &str) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).by_subject.contains_key(subject)
    }

    /// Encrypts content for its subject. The first use of a subject makes its key, which is durable before it is used.
    pub(crate) fn seal(&self, subject: &str, content: &[u8]) -> Result<(Sealed, Vec<u8>), StoreError> {
        let key = match self.key(subject) {
            Some(key) => key,
            None => self.create(subject)?,
        };
        let sealed = Sealed {
            subject_key: key.id.clone(),
            length: u64::try_from(content.len()).unwrap_or(u64::MAX),
            commitment: key.commitment.commit(content),
        };
        Ok((sealed, encrypt(&key.cipher, key.id.as_bytes(), content)?))
    }

    /// Decrypts content and checks it against what its entry commits to.
    pub(crate) fn open_sealed(&self, sealed: &Sealed, bytes: &[u8]) -> Result<Plain, &'static str> {
        let key = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.by_id.get(&sealed.subject_key).cloned()
        };
        let Some(key) = key else { return Ok(Plain::Erased) };
        let content = decrypt(&key.cipher, key.id.as_bytes(), bytes).ok_or("the content cannot be decrypted: it was altered")?;
        if !key.commitment.verify(&content, &sealed.commitment) {
            return Err("the content is not what the entry commits to");
        }
        Ok(Plain::Content(content))
    }

    /// Whether there is a key with this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).by_id.contains_key(id)
    }

    /// The id of a subject's key, if it has one.
    pub(crate) fn key_id(&self, subject: &str) -> Option<String> {
        self.key(subject).map(|key| key.id.clone())
    }

    /// Erases a subject: every other key is wrapped under a new epoch key, and the old epoch key is destroyed. Copies of the
    /// file from before cannot be unwrapped any more. `false` if the subject's key is not the one with this id, which is the one
    /// whose erasure is on record.
    pub(crate) fn erase(&self, subject: &str, id: &str) -> Result<bool, StoreError> {
        let mut epoch = self.lock_file();
        let Some(erased) = self.key(subject).filter(|key| key.id == id) else { return Ok(false) };
        let next = self.provider.add_content()?;
        let mut lines = Vec::new();
        {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let mut left: Vec<&Arc<SubjectKey>> = keys.by_id.values().filter(|key| key.subject != subject).collect();
            left.sort_unstable_by(|left, right| left.id.cmp(&right.id));
            for key in left {
                lines.extend_from_slice(&wrap(key, &next)?);
            }
        }
        write_atomic(&self.file, &lines, 0o600).map_err(StoreError::io("write", &self.file))?;
        let old = std::mem::replace(&mut *epoch, next);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.by_subject.remove(subject);
        keys.by_id.remove(&erased.id);
        drop(keys);
        self.provider.destroy_content(old.id)?;
        Ok(true)
    }

    fn key(&self, subject: &str) -> Option<Arc<SubjectKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).by_subject.get(subject).cloned()
    }

    fn lock_file(&self) -> MutexGuard<'_, EpochKey> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self, subject: &str) -> Result<Arc<SubjectKey>, StoreError> {
        let epoch = self.lock_file();
        if let Some(key) = self.key(subject) {
            return Ok(key);
        }
        let id = format!("sk_{}", hex::encode(random::<8>()?));
        let key = Arc::new(SubjectKey::new(id, subject.to_owned(), random_key()?)?);
        let line = wrap(&key, &epoch)?;
        let append = || {
            let is_new = !self.file.exists();
            let mut file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.file)?;
            let length = file.metadata()?.len();
            if let Err(error) = file.write_all(&line).and_then(|()| file.sync_all()) {
                // Half a line would spoil the next one.
                file.set_len(length)?;
                return Err(error);
            }
            if is_new { sync_folder(&self.file) } else { Ok(()) }
        };
        append().map_err(StoreError::io("write", &self.file))?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).add(Arc::clone(&key));
        drop(epoch);
        Ok(key)
    }
}

impl Keys {
    fn add(&mut self, key: Arc<SubjectKey>) {
        self.by_subject.insert(key.subject.clone(), Arc::clone(&key));
        self.by_id.insert(key.id.clone(), key);
    }
}

impl SubjectKey {
    fn new(id: String, subject: String, secret: Zeroizing<[u8; 32]>) -> Result<Self, StoreError> {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*secret), DOMAIN);
        let cipher = cipher(derived.as_ref())?;
        let commitment = CommitmentKey::new(&secret);
        Ok(Self { id, subject, secret, cipher, commitment })
    }
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, StoreError> {
    let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| StoreError::Crypto("AES-256-GCM key"))?;
    Ok(LessSafeKey::new(unbound))
}

/// What binds a wrapped key to its line: another id, subject or epoch does not unwrap.
fn wrap_context(id: &str, subject: &str, epoch: u32) -> Vec<u8> {
    format!("portcullis subject key v1\n{id}\n{subject}\n{epoch}").into_bytes()
}

fn wrap(key: &SubjectKey, epoch: &EpochKey) -> Result<Vec<u8>, StoreError> {
    let context = wrap_context(&key.id, &key.subject, epoch.id);
    let wrapped = encrypt(&cipher(&*epoch.bytes)?, &context, &*key.secret)?;
    let line = Wrapped { id: key.id.clone(), subject: key.subject.clone(), epoch: epoch.id, key: STANDARD.encode(wrapped) };
    let mut bytes = serde_json::to_vec(&line).map_err(|_| StoreError::Crypto("a key line cannot be written"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn unwrap(line: &[u8], epochs: &[EpochKey]) -> Result<(SubjectKey, u32), String> {
    let wrapped: Wrapped = serde_json::from_slice(line).map_err(|_| "not a wrapped key".to_owned())?;
    let missing = || format!("`{}` is wrapped under content key {}, which is not there", wrapped.id, wrapped.epoch);
    let epoch = epochs.iter().find(|epoch| epoch.id == wrapped.epoch).ok_or_else(missing)?;
    let bytes = STANDARD.decode(&wrapped.key).map_err(|_| format!("the key of `{}` is not base64", wrapped.id))?;
    let context = wrap_context(&wrapped.id, &wrapped.subject, wrapped.epoch);
    let cipher = cipher(&*epoch.bytes).map_err(|error| error.to_string())?;
    let secret = decrypt(&cipher, &context, &bytes).map(Zeroizing::new);
    let secret = secret.and_then(|secret| <[u8; 32]>::try_from(secret.as_slice()).ok());
    let secret = secret.ok_or_else(|| format!("the key of `{}` cannot be unwrapped: it was altered", wrapped.id))?;
    let key = SubjectKey::new(wrapped.id, wrapped.subject, Zeroizing::new(secret)).map_err(|error| error.to_string())?;
    Ok((key, wrapped.epoch))
}

/// Nonce, ciphertext and tag. Nonces are random: a subject's key would have to seal 2^32 contents before they could meet.
fn encrypt(cipher: &LessSafeKey, context: &[u8], content: &[u8]) -> Result<Vec<u8>, StoreError> {
    let nonce = random::<NONCE_LEN>()?;
    let mut bytes = Vec::with_capacity(content.len().saturating_add(NONCE_LEN).saturating_add(AES_256_GCM.tag_len()));
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(content);
    let plain = bytes.get_mut(NONCE_LEN..).unwrap_or_default();
    let tag = cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), plain);
    let tag = tag.map_err(|_| StoreError::Crypto("AES-256-GCM"))?;
    bytes.extend_from_slice(tag.as_ref());
    Ok(bytes)
}

fn decrypt(cipher: &LessSafeKey, context: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut content = sealed.to_vec();
    let length = cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut content).ok()?.len();
    content.truncate(length);
    Some(content)
}
