//! What the tests of the store share: a data folder, drafts, and ports that fail.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use evidence::{EntryKind, Header, OutcomeResult};
use model::{Action, Ask, Chain, PrincipalId, ReasonCode, RequestId, Resource, UnixMillis, Verdict};
use store::{Content, DiskPort, Draft, FilePort, Options, Store};
use tempfile::TempDir;

pub(crate) const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

/// An initialised data folder.
pub(crate) fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Store::init(dir.path(), NOW).unwrap();
    dir
}

/// Options with a fixed clock and no reserve. Checkpoints come only when asked for, or at the end.
pub(crate) fn options() -> Options {
    Options { clock: Arc::new(|| NOW), reserve: 0, seal_every: Duration::from_secs(3600), ..Options::default() }
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

pub(crate) fn request(number: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RequestId::new(NOW, random)
}

pub(crate) fn chain(links: &[&str]) -> Chain {
    let links: Vec<PrincipalId> = links.iter().map(|link| link.parse().unwrap()).collect();
    Chain::new(links).unwrap()
}

/// An intent of alice's agent, with content.
pub(crate) fn intent(number: u64) -> Draft {
    let ask = Ask { action: Action::CallModel, resource: Resource::Model("small".parse().unwrap()) };
    let header = Header {
        request: Some(request(number)),
        credential: Some("k1".parse().unwrap()),
        chain: Some(chain(&["user:alice", "agent:travel"])),
        verdict: Some(Verdict::Permit),
        reason: Some(ReasonCode::Permitted),
        ..Header::new(EntryKind::Intent, UnixMillis(NOW.0 + number))
    }
    .with_asks(&[ask]);
    let content = Content::of(&header, format!("the content of intent {number}").into_bytes());
    Draft { header, content: Some(content) }
}

pub(crate) fn outcome(number: u64) -> Draft {
    let header = Header {
        request: Some(request(number)),
        chain: Some(chain(&["user:alice", "agent:travel"])),
        result: Some(OutcomeResult::Executed),
        ..Header::new(EntryKind::Outcome, UnixMillis(NOW.0 + number))
    };
    let content = Content::of(&header, format!("the content of outcome {number}").into_bytes());
    Draft { header, content: Some(content) }
}

/// The last segment of the journal.
pub(crate) fn last_segment(dir: &Path) -> PathBuf {
    let mut segments: Vec<PathBuf> =
        std::fs::read_dir(dir.join("log/journal")).unwrap().map(|item| item.unwrap().path()).collect();
    segments.sort();
    segments.pop().unwrap()
}

/// Copies a data folder, without its lock.
pub(crate) fn copy(from: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_into(from, dir.path());
    dir
}

fn copy_into(from: &Path, to: &Path) {
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_into(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), &target).unwrap();
        }
    }
}

/// How much of what was not fsynced survives a loss of power.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Survivor {
    Nothing,
    /// This share of the unsynced bytes, in 1/256, from their beginning.
    Prefix(u8),
    /// Everything behind this share; what lies before it reads as zeroes.
    Hole(u8),
}

/// A disk whose power can be cut: what was not fsynced is gone, and nothing works any more.
#[derive(Debug)]
pub(crate) struct PowerPort {
    disk: DiskPort,
    root: PathBuf,
    is_off: RwLock<bool>,
    synced: Mutex<HashMap<String, u64>>,
    put: Mutex<Vec<String>>,
}

impl PowerPort {
    pub(crate) fn new(dir: &Path) -> Self {
        let root = dir.join("log");
        let mut synced = HashMap::new();
        for item in std::fs::read_dir(root.join("journal")).unwrap() {
            let item = item.unwrap();
            synced.insert(format!("journal/{}", item.file_name().to_str().unwrap()), item.metadata().unwrap().len());
        }
        Self { disk: DiskPort::new(&root), root, is_off: RwLock::new(false), synced: Mutex::new(synced), put: Mutex::default() }
    }

    pub(crate) fn cut_power(&self, survivor: Survivor) {
        let mut is_off = self.is_off.write().unwrap();
        *is_off = true;
        let synced = self.synced.lock().unwrap();
        for item in std::fs::read_dir(self.root.join("journal")).unwrap() {
            let item = item.unwrap();
            let durable = synced.get(&format!("journal/{}", item.file_name().to_str().unwrap())).copied().unwrap_or(0);
            let mut bytes = std::fs::read(item.path()).unwrap();
            let durable = usize::try_from(durable).unwrap();
            let share = |share: u8| durable + (bytes.len() - durable) * usize::from(share) / 256;
            match survivor {
                Survivor::Nothing => bytes.truncate(durable),
                Survivor::Prefix(part) => bytes.truncate(share(part)),
                Survivor::Hole(part) => {
                    let end = share(part);
                    bytes[durable..end].fill(0);
                }
            }
            std::fs::write(item.path(), bytes).unwrap();
        }
        for name in self.put.lock().unwrap().drain(..) {
            // It is beside its place, and torn.
            let path = self.root.join(name);
            let beside = path.with_added_extension("tmp");
            let bytes = std::fs::read(&beside).unwrap();
            std::fs::write(beside, &bytes[..bytes.len() / 2]).unwrap();
            assert!(!path.exists(), "{} is there and not durable", path.display());
        }
    }

    fn with_power<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let is_off = self.is_off.read().unwrap();
        if *is_off {
            return Err(io::Error::other("no power"));
        }
        act()
    }
}

impl FilePort for PowerPort {
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with_power(|| self.disk.append(name, bytes))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.with_power(|| {
            let length = self.disk.length(name)?.unwrap_or(0);
            self.synced.lock().unwrap().insert(name.to_owned(), length);
            Ok(())
        })
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.with_power(|| self.disk.read_at(name, offset, length))
    }

    fn length(&self, name: &str) -> io::Result<Option<u64>> {
        self.with_power(|| self.disk.length(name))
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.with_power(|| self.disk.truncate(name, length))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with_power(|| {
            self.disk.put(name, bytes)?;
            let mut put = self.put.lock().unwrap();
            if !put.iter().any(|known| known == name) {
                put.push(name.to_owned());
            }
            Ok(())
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with_power(|| {
            self.disk.replace(name, bytes)?;
            self.put.lock().unwrap().clear();
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with_power(|| self.disk.remove(name))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.with_power(|| self.disk.remove_folder(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.with_power(|| self.disk.list(folder))
    }

    fn free(&self) -> io::Result<u64> {
        self.with_power(|| self.disk.free())
    }
}

/// A disk that can be full or broken.
#[derive(Debug)]
pub(crate) struct FailPort {
    disk: DiskPort,
    pub(crate) is_full: AtomicBool,
    pub(crate) sync_fails: AtomicBool,
    pub(crate) free: AtomicU64,
}

impl FailPort {
    pub(crate) fn new(dir: &Path) -> Self {
        let disk = DiskPort::new(&dir.join("log"));
        Self { disk, is_full: AtomicBool::new(false), sync_fails: AtomicBool::new(false), free: AtomicU64::new(u64::MAX) }
    }

    fn full() -> io::Error {
        io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
    }
}

impl FilePort for FailPort {
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            // A full disk takes what still fits.
            self.disk.append(name, &bytes[..bytes.len() / 2])?;
            return Err(Self::full());
        }
        self.disk.append(name, bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        if self.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        self.disk.sync(name)
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.disk.read_at(name, offset, length)
    }

    fn length(&self, name: &str) -> io::Result<Option<u64>> {
        self.disk.length(name)
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.disk.truncate(name, length)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) { Err(Self::full()) } else { self.disk.put(name, bytes) }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) { Err(Self::full()) } else { self.disk.replace(name, bytes) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.disk.remove_folder(name)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn free(&self) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}
