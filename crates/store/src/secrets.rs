//! Credentials for upstreams that are one user's or one agent's: kept encrypted, listed without what they are.
//!
//! ```text
//! credentials/kept    a line of JSON each: {"told": {"id","upstream","holder","kind","place","made","changed"}, "key", "sealed"}
//! ```
//! AES-256-GCM under a key of its own (`keys/credential-N.key`), everything else in the line bound to the ciphertext: a line cannot be
//! given another holder, upstream or place. With every credential that is taken away the key is made anew, the others are encrypted
//! under it and the old one is destroyed: what lies in copies from before cannot be opened any more.
//!
//! What this does not do: it does not go into backups, neither lines nor key. After a restore people connect again.

use std::fmt;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Name, PrincipalId, UnixMillis};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::keys::{EpochKey, KeyProvider, random};
use crate::layout::{Layout, write_atomic};
use crate::vault::{cipher, decrypt, encrypt};

/// Most credentials that are kept.
pub const MAX_CREDENTIALS: usize = 4096;
/// Longest secret in bytes, with what is needed to renew it.
pub const MAX_SECRET: usize = 24 << 10;
/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// What is told of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptCredential {
    /// Its id: `uc_` and 16 hexadecimal digits. A renewal keeps it.
    pub id: Name,
    /// The upstream's name in the configuration.
    pub upstream: Name,
    /// Whose it is.
    pub holder: PrincipalId,
    /// How it came: `static` or `oauth`.
    pub kind: String,
    /// For which place it was given, as a digest: to another one it is not sent.
    pub place: String,
    /// When it was first kept.
    pub made: UnixMillis,
    /// When it was last renewed.
    pub changed: UnixMillis,
}

/// A credential with its secret, if there is one.
type Found = Option<(KeptCredential, Zeroizing<Vec<u8>>)>;

/// A line of the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    told: KeptCredential,
    key: u32,
    sealed: String,
}

/// All credentials, and the key that they are encrypted under; none before the first.
#[derive(Default, Clone)]
struct State {
    lines: Vec<Line>,
    key: Option<EpochKey>,
}

/// Credentials for upstreams.
pub struct Secrets {
    file: PathBuf,
    provider: Arc<dyn KeyProvider>,
    state: RwLock<State>,
    /// Held while the file is changed. Readers do not wait for the disk.
    writing: Mutex<()>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secrets").field("n_credentials", &self.state().lines.len()).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads what is kept. A change of the key that a crash has interrupted is brought to its end.
    pub(crate) fn open(layout: &Layout, provider: Arc<dyn KeyProvider>) -> Result<Self, StoreError> {
        let file = layout.credentials().join("kept");
        let text = match fs::metadata(&file) {
            Ok(metadata) if metadata.len() > MAX_FILE => return Err(damaged("longer than anything that is kept here")),
            Ok(_) => fs::read(&file).map_err(StoreError::io("read", &file))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::io("read", &file)(error)),
        };
        let mut lines = Vec::new();
        for (number, line) in (1_u32..).zip(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())) {
            let line: Line = serde_json::from_slice(line).map_err(|_| damaged(&format!("line {number} is no credential")))?;
            lines.push(line);
        }
        let keys = provider.credentials()?;
        let used = lines.first().map(|line| line.key);
        if lines.iter().any(|line| Some(line.key) != used) {
            return Err(damaged("lines under several keys"));
        }
        let key = match used {
            Some(used) => keys.iter().find(|key| key.id == used).cloned(),
            None => keys.last().cloned(),
        };
        if used.is_some() && key.is_none() {
            let what = "the key that upstream credentials are encrypted under is not there; without it remove `credentials/kept`";
            return Err(StoreError::Key { path: layout.keys(), what: what.to_owned() });
        }
        for old in keys.iter().filter(|old| key.as_ref().is_none_or(|key| key.id != old.id)) {
            provider.destroy_credentials(old.id)?;
        }
        let state = State { lines, key };
        for line in &state.lines {
            open(line, state.key.as_ref())?;
        }
        Ok(Self { file, provider, state: RwLock::new(state), writing: Mutex::new(()) })
    }

    /// What is kept, sorted by upstream and holder; never a secret.
    #[must_use]
    pub fn list(&self) -> Vec<KeptCredential> {
        let mut all: Vec<KeptCredential> = self.state().lines.iter().map(|line| line.told.clone()).collect();
        all.sort_unstable_by_key(|told| (told.upstream.clone(), told.holder.to_string()));
        all
    }

    /// The credential of a holder at an upstream, with its secret.
    ///
    /// # Errors
    /// [`StoreError`] when it was altered.
    pub fn find(&self, upstream: &Name, holder: &PrincipalId) -> Result<Found, StoreError> {
        let state = self.state();
        let Some(line) = state.lines.iter().find(|line| line.is(upstream, holder)) else { return Ok(None) };
        let secret = open(line, state.key.as_ref())?;
        Ok(Some((line.told.clone(), secret)))
    }

    /// Keeps a credential in the place of the one that the holder had at the upstream, durably. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when there is no room, or it cannot be written; then what was kept before still is.
    pub fn keep(&self, told: KeptCredential, secret: &[u8]) -> Result<(), StoreError> {
        let _writing = self.begin();
        self.put(told, secret)
    }

    /// The caller holds the file.
    fn put(&self, told: KeptCredential, secret: &[u8]) -> Result<(), StoreError> {
        let state = self.state().clone();
        let others: Vec<Line> = state.lines.iter().filter(|line| !line.is(&told.upstream, &told.holder)).cloned().collect();
        if others.len() >= MAX_CREDENTIALS || secret.len() > MAX_SECRET {
            return Err(damaged("no room for one more credential, or it is too long"));
        }
        let key = match &state.key {
            Some(key) => key.clone(),
            None => self.provider.add_credentials()?,
        };
        let mut lines = others;
        lines.push(seal(told, secret, &key)?);
        self.write(&lines)?;
        self.replace(State { lines, key: Some(key) });
        Ok(())
    }

    /// Keeps what a credential was renewed to, if it is still the one that is kept. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Secrets::keep`].
    pub fn renew(&self, told: &KeptCredential, secret: &[u8], now: UnixMillis) -> Result<bool, StoreError> {
        let _writing = self.begin();
        let is_there = self.state().lines.iter().any(|line| line.told.id == told.id);
        if is_there {
            self.put(KeptCredential { changed: now, ..told.clone() }, secret)?;
        }
        Ok(is_there)
    }

    /// Takes away the credential with this id, for good. Blocks on the disk. `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] when what is left cannot be written, or the old key not be destroyed.
    pub fn remove(&self, id: &Name) -> Result<bool, StoreError> {
        Ok(self.take_away(|told| told.id == *id)? > 0)
    }

    /// Takes away every credential of a holder, such as `user:alice`, for good. Blocks on the disk. Gives how many there were.
    ///
    /// # Errors
    /// As [`Secrets::remove`].
    pub fn erase(&self, holder: &str) -> Result<usize, StoreError> {
        self.take_away(|told| told.holder.to_string() == holder)
    }

    /// How many credentials of a holder are kept.
    #[must_use]
    pub fn n_of(&self, holder: &str) -> usize {
        self.state().lines.iter().filter(|line| line.told.holder.to_string() == holder).count()
    }

    fn take_away(&self, is_it: impl Fn(&KeptCredential) -> bool) -> Result<usize, StoreError> {
        let _writing = self.begin();
        let state = self.state().clone();
        let n_before = state.lines.len();
        let left: Vec<&Line> = state.lines.iter().filter(|line| !is_it(&line.told)).collect();
        let n_taken = n_before.saturating_sub(left.len());
        if n_taken == 0 {
            return Ok(0);
        }
        let next = self.provider.add_credentials()?;
        let again = |line: &&Line| seal(line.told.clone(), &open(line, state.key.as_ref())?, &next);
        let lines: Vec<Line> = left.iter().map(again).collect::<Result<_, StoreError>>()?;
        self.write(&lines)?;
        let old = state.key.clone();
        self.replace(State { lines, key: Some(next) });
        old.map_or(Ok(()), |old| self.provider.destroy_credentials(old.id))?;
        Ok(n_taken)
    }

    fn write(&self, lines: &[Line]) -> Result<(), StoreError> {
        let folder = self.file.parent().unwrap_or(&self.file);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(StoreError::io("create", folder))?;
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|_| StoreError::Crypto("a credential cannot be written"))?;
            text.push(b'\n');
        }
        write_atomic(&self.file, &text, 0o600).map_err(StoreError::io("write", &self.file))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on the disk by now.
    fn replace(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn begin(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn is(&self, upstream: &Name, holder: &PrincipalId) -> bool {
        self.told.upstream == *upstream && self.told.holder == *holder
    }
}

impl KeptCredential {
    /// A new id.
    ///
    /// # Errors
    /// [`StoreError`] without randomness.
    pub fn new_id() -> Result<Name, StoreError> {
        let id = format!("uc_{}", hex::encode(random::<8>()?));
        Name::new(&id).map_err(|_| StoreError::Crypto("no name for a credential"))
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::damaged("credentials/kept", what)
}

fn context(told: &KeptCredential, key: u32) -> Result<Vec<u8>, StoreError> {
    let told = serde_json::to_string(told).map_err(|_| StoreError::Crypto("a credential cannot be written"))?;
    Ok(format!("portcullis upstream credential v1\n{key}\n{told}").into_bytes())
}

fn seal(told: KeptCredential, secret: &[u8], key: &EpochKey) -> Result<Line, StoreError> {
    let sealed = encrypt(&cipher(&*key.bytes)?, &context(&told, key.id)?, secret)?;
    Ok(Line { told, key: key.id, sealed: STANDARD.encode(sealed) })
}

fn open(line: &Line, key: Option<&EpochKey>) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let altered = || damaged(&format!("`{}` cannot be opened: it was altered", line.told.id));
    let key = key.filter(|key| key.id == line.key).ok_or_else(altered)?;
    let sealed = STANDARD.decode(&line.sealed).map_err(|_| altered())?;
    decrypt(&cipher(&*key.bytes)?, &context(&line.told, key.id)?, &sealed).map(Zeroizing::new).ok_or_else(altered)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::sync::Arc;

    use model::{Name, UnixMillis};

    use super::{KeptCredential, Secrets};
    use crate::keys::FileKeys;
    use crate::layout::Layout;
    use crate::store::Store;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
    const SECRET: &[u8] = b"a secret of alice at kb";

    fn told(upstream: &str, holder: &str) -> KeptCredential {
        KeptCredential {
            id: KeptCredential::new_id().unwrap(),
            upstream: Name::new(upstream).unwrap(),
            holder: holder.parse().unwrap(),
            kind: "static".to_owned(),
            place: "00".to_owned(),
            made: NOW,
            changed: NOW,
        }
    }

    fn folder() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        Store::init(&dir, NOW).unwrap();
        let layout = Layout::new(&dir);
        (folder, layout)
    }

    fn opened(layout: &Layout) -> Result<Secrets, crate::StoreError> {
        Secrets::open(layout, Arc::new(FileKeys::new(&layout.keys())))
    }

    fn secret(secrets: &Secrets, upstream: &str, holder: &str) -> Option<Vec<u8>> {
        let found = secrets.find(&Name::new(upstream).unwrap(), &holder.parse().unwrap()).unwrap();
        found.map(|(_, secret)| secret.to_vec())
    }

    fn holds(folder: &Path, bytes: &[u8]) -> bool {
        fs::read_dir(folder).unwrap().any(|item| {
            let path = item.unwrap().path();
            if path.is_dir() {
                holds(&path, bytes)
            } else {
                fs::read(path).unwrap().windows(bytes.len()).any(|seen| seen == bytes)
            }
        })
    }

    #[test]
    fn each_holder_has_its_own_over_a_restart() {
        let (_folder, layout) = folder();
        let secrets = opened(&layout).unwrap();
        secrets.keep(told("kb", "user:alice"), SECRET).unwrap();
        secrets.keep(told("kb", "user:bob"), b"bob's").unwrap();
        secrets.keep(told("crm", "user:alice"), b"other").unwrap();
        let again = opened(&layout).unwrap();
        for secrets in [&secrets, &again] {
            assert_eq!(secret(secrets, "kb", "user:alice").as_deref(), Some(SECRET));
            assert_eq!(secret(secrets, "kb", "user:bob").as_deref(), Some(&b"bob's"[..]));
            assert_eq!(secret(secrets, "kb", "agent:alice"), None);
            assert_eq!(secret(secrets, "other", "user:alice"), None);
        }
        assert!(!holds(layout.root(), SECRET));
        assert!(!format!("{secrets:?} {:?}", secrets.list()).contains("secret of"));
        let mode = fs::metadata(layout.credentials().join("kept")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_line_cannot_be_made_anothers() {
        let (_folder, layout) = folder();
        opened(&layout).unwrap().keep(told("kb", "user:alice"), SECRET).unwrap();
        let file = layout.credentials().join("kept");
        let text = fs::read_to_string(&file).unwrap();
        for (from, to) in [("user:alice", "user:mallo"), ("\"kb\"", "\"xx\""), ("\"00\"", "\"01\""), ("static", "stalic")] {
            assert!(text.contains(from), "{from}");
            fs::write(&file, text.replace(from, to)).unwrap();
            assert!(opened(&layout).is_err(), "{from}");
        }
        for at in (0..text.len()).step_by(11) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            fs::write(&file, bytes).unwrap();
            assert!(opened(&layout).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_is_taken_away_cannot_be_opened_from_a_copy() {
        let (_folder, layout) = folder();
        let secrets = opened(&layout).unwrap();
        let alice = told("kb", "user:alice");
        secrets.keep(alice.clone(), SECRET).unwrap();
        secrets.keep(told("crm", "user:alice"), SECRET).unwrap();
        secrets.keep(told("kb", "user:bob"), b"bob's").unwrap();
        let file = layout.credentials().join("kept");
        let copy = fs::read(&file).unwrap();
        assert!(secrets.remove(&alice.id).unwrap() && !secrets.remove(&alice.id).unwrap());
        assert_eq!((secrets.n_of("user:alice"), secrets.erase("user:alice").unwrap()), (1, 1));
        assert_eq!(secret(&opened(&layout).unwrap(), "kb", "user:bob").as_deref(), Some(&b"bob's"[..]));
        assert!(!secrets.renew(&alice, SECRET, NOW).unwrap(), "what was taken away does not come back");
        assert_eq!(secrets.list().len(), 1);
        fs::write(&file, copy).unwrap();
        assert!(opened(&layout).is_err(), "its key is gone");
    }

    #[test]
    fn an_interrupted_change_of_the_key_comes_to_its_end() {
        let (_folder, layout) = folder();
        let keys = || {
            let names = fs::read_dir(layout.keys()).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.starts_with("credential-")).count()
        };
        let secrets = opened(&layout).unwrap();
        secrets.keep(told("kb", "user:alice"), SECRET).unwrap();
        crate::keys::KeyProvider::add_credentials(&FileKeys::new(&layout.keys())).unwrap();
        assert_eq!(keys(), 2);
        assert_eq!(secret(&opened(&layout).unwrap(), "kb", "user:alice").as_deref(), Some(SECRET));
        assert_eq!(keys(), 1);
    }
}
