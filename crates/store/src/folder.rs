//! Opening a data folder: lock, keys, checkpoint, recovery, replay. In this order, and nothing is written before all of it holds.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use evidence::{Checkpoint, EntryKind, Header, LogSigner, LogVerifier, Tree, decode};
use model::AdminAct;

use crate::approvals::Collected;
use crate::error::StoreError;
use crate::journal::{Follower, segment, segments};
use crate::keys::{FileKeys, KeyProvider};
use crate::layout::{Layout, write_atomic};
use crate::live::Replay;
use crate::log::entry;
use crate::migrate::{FORMAT, format, migrate, write_format};
use crate::options::Options;
use crate::port::{DiskPort, FilePort};
use crate::record;
use crate::recover::{Recovered, recover};
use crate::resume::{Summary, read_whole};
use crate::vault::Vault;

/// A folder that was opened and checked, before any thread runs.
pub(crate) struct Folder {
    pub(crate) layout: Layout,
    /// Held as long as the folder is in use.
    pub(crate) lock: File,
    pub(crate) port: Arc<dyn FilePort>,
    pub(crate) signer: LogSigner,
    pub(crate) keys: Arc<dyn KeyProvider>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) recovered: Recovered,
    /// What is known of the entries under the checkpoint.
    pub(crate) sealed: Summary,
    /// What is known of the whole journal.
    pub(crate) all: Summary,
    pub(crate) replay: Replay,
    pub(crate) approvals: Collected,
    /// The format that it had before it was opened, if that was an older one.
    pub(crate) migrated_from: Option<u32>,
}

/// Makes a data folder: keys, an empty signed tree, and the first entry.
pub(crate) fn create(dir: &Path, version: String, now: model::UnixMillis) -> Result<(), StoreError> {
    let layout = Layout::new(dir);
    if layout.log().join("checkpoint").exists() || layout.keys().join("log-1.key").exists() {
        return Err(StoreError::AlreadyInitialised(dir.to_path_buf()));
    }
    layout.create()?;
    let _lock = lock(&layout)?;
    let keys = FileKeys::new(&layout.keys());
    keys.create()?;
    let signer = keys.log()?;
    let verifier = layout.log().join("verifier");
    write_atomic(&verifier, format!("{}\n", signer.verifier_text()).as_bytes(), 0o644)
        .map_err(StoreError::io("write", &verifier))?;
    let port = DiskPort::new(&layout.log());
    let mut bytes = Vec::new();
    record::write(&mut bytes, 0, 0, &entry(&Header::admin(now, AdminAct::Initialised { version }, None))?, &[]);
    let first = segment(0);
    let written = port.append(&first, &bytes).and_then(|()| port.sync(&first));
    written.map_err(StoreError::io("write", Path::new(&first)))?;
    write_format(&layout, FORMAT)?;
    // Last: a folder without a checkpoint is not a data folder.
    let empty = Checkpoint { origin: signer.name().to_owned(), size: 0, root: Tree::new().root() };
    let note = empty.sign(&signer).map_err(|error| StoreError::damaged("log/checkpoint", error.to_string()))?;
    port.replace("checkpoint", &note).map_err(StoreError::io("write", Path::new("log/checkpoint")))
}

/// Opens and checks a data folder.
pub(crate) fn open(dir: &Path, options: &Options) -> Result<Folder, StoreError> {
    let layout = Layout::new(dir);
    if !layout.keys().is_dir() || !layout.log().is_dir() {
        return Err(StoreError::NotInitialised(dir.to_path_buf()));
    }
    let lock = lock(&layout)?;
    let keys: Arc<dyn KeyProvider> = options.keys.clone().unwrap_or_else(|| Arc::new(FileKeys::new(&layout.keys())));
    let port: Arc<dyn FilePort> = options.port.clone().unwrap_or_else(|| Arc::new(DiskPort::new(&layout.log())));
    format(&layout)?;
    let signer = keys.log()?;
    let verifier = signer.verifier().map_err(|error| StoreError::damaged("keys", error.to_string()))?;
    let checkpoint = read_checkpoint(port.as_ref(), &verifier)?;
    let migrated_from = migrate(&layout, keys.as_ref())?;
    let vault = Arc::new(Vault::open(&layout, Arc::clone(&keys), true)?);
    let recovered = recover(port.as_ref(), checkpoint.size)?;
    let sealed = Summary::load(port.as_ref(), &verifier, &checkpoint)?;
    let mut replay = Replay::default();
    let mut approvals = Collected::new((options.clock)());
    for (index, header) in sealed.admin.iter().zip(sealed.admin_headers(port.as_ref(), &checkpoint)?) {
        header.admin.iter().for_each(|act| replay.apply(act));
        approvals.take(*index, &header);
    }
    let mut all = sealed.clone();
    let mut follower = Follower::new(Arc::clone(&port), checkpoint.size)?;
    while let Some(item) = follower.read(recovered.next)? {
        let unreadable = |error: evidence::EntryError| StoreError::damaged(format!("entry {}", item.index), error.to_string());
        all.add(&item.entry).map_err(unreadable)?;
        if all.admin.last() == Some(&item.index) {
            let header = decode(&item.entry).map_err(unreadable)?;
            header.admin.iter().filter(|_| header.kind == EntryKind::Admin).for_each(|act| replay.apply(act));
            approvals.take(item.index, &header);
        }
    }
    sync_tail(port.as_ref(), checkpoint.size)?;
    Ok(Folder { layout, lock, port, signer, keys, vault, checkpoint, recovered, sealed, all, replay, approvals, migrated_from })
}

/// After the end of a process its last writes may still be in the cache only.
fn sync_tail(port: &dyn FilePort, sealed: u64) -> Result<(), StoreError> {
    let all = segments(port)?;
    let begin = all.iter().copied().take_while(|first| *first <= sealed).last().unwrap_or(0);
    for first in all.into_iter().filter(|first| *first >= begin) {
        let name = segment(first);
        port.sync(&name).map_err(StoreError::io("sync", Path::new(&name)))?;
    }
    Ok(())
}

/// Reads the signed head of the tree.
pub(crate) fn read_checkpoint(port: &dyn FilePort, verifier: &LogVerifier) -> Result<Checkpoint, StoreError> {
    let note = read_whole(port, "checkpoint").ok_or_else(|| StoreError::damaged("log/checkpoint", "missing"))?;
    Checkpoint::open(&note, verifier).map_err(|error| StoreError::damaged("log/checkpoint", error.to_string()))
}

/// Takes the folder for this process; the system gives it back when the process ends, however it ends.
pub(crate) fn lock(layout: &Layout) -> Result<File, StoreError> {
    let path = layout.lock();
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(layout.root().to_path_buf())),
        Err(TryLockError::Error(source)) => Err(StoreError::io("lock", &path)(source)),
    }
}
