//! Content, encrypted for its subject. Who is erased loses the key; what was encrypted with it stays where it is and says nothing.
//!
//! Where content is kept for a limited time only, a subject's key seals for some days and is followed by another, so that what
//! is old can be erased and what is new stays (decision 0019).

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use evidence::{CommitmentKey, Sealed};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::keys::{EpochKey, KeyProvider, random, random_key};
use crate::layout::{Layout, sync_folder, write_atomic};
use crate::retention::{Aged, Day};
use crate::wrapped::{unwrap, wrap};

/// Domain of the encryption key; the commitment key is derived in another one.
const DOMAIN: &[u8] = b"portcullis content v1";

/// A key of one subject.
pub(crate) struct SubjectKey {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) secret: Zeroizing<[u8; 32]>,
    /// The last day on which it seals; none if it has no end.
    pub(crate) through: Option<Day>,
    cipher: LessSafeKey,
    commitment: CommitmentKey,
}

#[derive(Default)]
struct Keys {
    /// The one of each subject that seals the longest.
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
    /// Days for which a new key seals; 0 for no end.
    period: AtomicU32,
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
        Ok(Self { file, provider, keys: RwLock::new(keys), epoch: Mutex::new(current), period: AtomicU32::new(0) })
    }

    /// Whether [`Vault::seal`] for this subject touches no disk on this day.
    pub(crate) fn knows(&self, subject: &str, day: Day) -> bool {
        self.key(subject).is_some_and(|key| key.seals_on(day))
    }

    /// Encrypts content for its subject. The first use of a subject makes its key, which is durable before it is used.
    pub(crate) fn seal(&self, subject: &str, content: &[u8], day: Day) -> Result<(Sealed, Vec<u8>), StoreError> {
        let key = match self.key(subject).filter(|key| key.seals_on(day)) {
            Some(key) => key,
            None => self.create(subject, day)?,
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

    /// The ids of a subject's keys.
    pub(crate) fn key_ids(&self, subject: &str) -> BTreeSet<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.by_id.values().filter(|key| key.subject == subject).map(|key| key.id.clone()).collect()
    }

    /// How many keys there are.
    pub(crate) fn n_keys(&self) -> usize {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).by_id.len()
    }

    /// The keys that seal no more since `before`, oldest first.
    pub(crate) fn aged(&self, before: Day) -> Vec<Aged> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let old = keys.by_id.values().filter_map(|key| Some((key.through.filter(|through| *through < before)?, key)));
        let mut aged: Vec<Aged> =
            old.map(|(through, key)| Aged { id: key.id.clone(), subject: key.subject.clone(), through }).collect();
        aged.sort_unstable_by(|left, right| (left.through, &left.id).cmp(&(right.through, &right.id)));
        aged
    }

    /// From now on a new key seals for so many days; 0 for no end. Keys without an end get one today, if they need one.
    pub(crate) fn set_period(&self, period: u32, today: Day) -> Result<(), StoreError> {
        self.period.store(period, Ordering::Relaxed);
        if period == 0 {
            return Ok(());
        }
        let epoch = self.lock_file();
        let open: Vec<Arc<SubjectKey>> = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.by_id.values().filter(|key| key.through.is_none()).cloned().collect()
        };
        if open.is_empty() {
            return Ok(());
        }
        let mut closed = HashMap::new();
        for key in open {
            let ended = SubjectKey::new(key.id.clone(), key.subject.clone(), key.secret.clone(), Some(today))?;
            closed.insert(key.id.clone(), Arc::new(ended));
        }
        let left = self.rewrite(&epoch, |key| Some(closed.get(&key.id).unwrap_or(key).clone()))?;
        self.replace(left);
        drop(epoch);
        Ok(())
    }

    /// Erases keys: every other key is wrapped under a new epoch key, and the old epoch key is destroyed. Copies of the file
    /// from before cannot be unwrapped any more. Gives how many there were.
    pub(crate) fn erase(&self, ids: &BTreeSet<String>) -> Result<usize, StoreError> {
        let mut epoch = self.lock_file();
        let found = ids.iter().filter(|id| self.has(id)).count();
        if found == 0 {
            return Ok(0);
        }
        let next = self.provider.add_content()?;
        let left = self.rewrite(&next, |key| Some(Arc::clone(key)).filter(|key| !ids.contains(&key.id)))?;
        let old = std::mem::replace(&mut *epoch, next);
        self.replace(left);
        self.provider.destroy_content(old.id)?;
        Ok(found)
    }

    /// Writes the file anew with what becomes of each key; the caller holds the file.
    fn rewrite(
        &self,
        epoch: &EpochKey,
        becomes: impl Fn(&Arc<SubjectKey>) -> Option<Arc<SubjectKey>>,
    ) -> Result<Vec<Arc<SubjectKey>>, StoreError> {
        let mut left: Vec<Arc<SubjectKey>> = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.by_id.values().filter_map(becomes).collect()
        };
        left.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        let mut lines = Vec::new();
        for key in &left {
            lines.extend_from_slice(&wrap(key, epoch)?);
        }
        write_atomic(&self.file, &lines, 0o600).map_err(StoreError::io("write", &self.file))?;
        Ok(left)
    }

    fn replace(&self, left: Vec<Arc<SubjectKey>>) {
        let mut keys = Keys::default();
        left.into_iter().for_each(|key| keys.add(key));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn key(&self, subject: &str) -> Option<Arc<SubjectKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).by_subject.get(subject).cloned()
    }

    fn lock_file(&self) -> MutexGuard<'_, EpochKey> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self, subject: &str, day: Day) -> Result<Arc<SubjectKey>, StoreError> {
        let epoch = self.lock_file();
        if let Some(key) = self.key(subject).filter(|key| key.seals_on(day)) {
            return Ok(key);
        }
        let id = format!("sk_{}", hex::encode(random::<8>()?));
        let period = self.period.load(Ordering::Relaxed);
        let through = (period > 0).then(|| day.plus(period.saturating_sub(1)));
        let key = Arc::new(SubjectKey::new(id, subject.to_owned(), random_key()?, through)?);
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
        let is_later = self.by_subject.get(&key.subject).is_none_or(|known| known.lasts() <= key.lasts());
        if is_later {
            self.by_subject.insert(key.subject.clone(), Arc::clone(&key));
        }
        self.by_id.insert(key.id.clone(), key);
    }
}

impl SubjectKey {
    pub(crate) fn new(
        id: String,
        subject: String,
        secret: Zeroizing<[u8; 32]>,
        through: Option<Day>,
    ) -> Result<Self, StoreError> {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*secret), DOMAIN);
        let cipher = cipher(derived.as_ref())?;
        let commitment = CommitmentKey::new(&secret);
        Ok(Self { id, subject, secret, through, cipher, commitment })
    }

    fn seals_on(&self, day: Day) -> bool {
        day <= self.lasts()
    }

    fn lasts(&self) -> Day {
        self.through.unwrap_or(Day::MAX)
    }
}

pub(crate) fn cipher(key: &[u8]) -> Result<LessSafeKey, StoreError> {
    let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| StoreError::Crypto("AES-256-GCM key"))?;
    Ok(LessSafeKey::new(unbound))
}

/// Nonce, ciphertext and tag. Nonces are random: a subject's key would have to seal 2^32 contents before they could meet.
pub(crate) fn encrypt(cipher: &LessSafeKey, context: &[u8], content: &[u8]) -> Result<Vec<u8>, StoreError> {
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

pub(crate) fn decrypt(cipher: &LessSafeKey, context: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut content = sealed.to_vec();
    let length = cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut content).ok()?.len();
    content.truncate(length);
    Some(content)
}
