//! Reading a data folder without a gate: verify, prove, search, and the inputs for deciding again. Starts nothing, writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evidence::{
    Checkpoint, EntryKind, Header, InclusionProof, LogVerifier, TILE_WIDTH, Verified, bundle_path, prove_inclusion, sha256,
    tile_path, verify_log,
};
use model::{AdminAct, Digest, RequestId, UnixMillis};

use crate::bundles::Bundles;
use crate::error::StoreError;
use crate::folder::{lock, read_checkpoint};
use crate::journal::{Follower, Item};
use crate::keys::FileKeys;
use crate::layout::Layout;
use crate::migrate::{FORMAT, format};
use crate::port::{DiskPort, FilePort};
use crate::recover::inspect;
use crate::resume::{Summary, read_whole};
use crate::retention::{Aged, Retention};
use crate::row::{Filter, Row};
use crate::vault::{ERASED, Plain, Vault};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// The plain part.
    pub header: Header,
    /// The encrypted part; `None` where the keys are not at hand.
    pub content: Option<Plain>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The newest signed head of the tree, if it is one.
    pub checkpoint: Option<Checkpoint>,
    /// Entries that were read and hashed.
    pub entries: u64,
    /// Contents that were decrypted and compared with what their entries commit to.
    pub contents: u64,
    /// Contents whose subject was erased.
    pub erased: u64,
    /// Contents that were not looked into, because the keys are not at hand.
    pub unchecked: u64,
    /// Entries that are written, but not under a checkpoint yet.
    pub unsealed: u64,
    /// Permitted calls under the checkpoint without an outcome; those under way, or cut short by a crash.
    pub open: u64,
    /// Everything that is wrong: what and where. The folder is sound if this is empty.
    pub problems: Vec<String>,
}

/// A data folder, read only.
#[derive(Debug)]
pub struct Audit {
    layout: Layout,
    port: Arc<dyn FilePort>,
    verifier: LogVerifier,
    /// Why there is no vault, if there is none.
    vault: Result<Vault, String>,
    bundles: Bundles,
}

impl Audit {
    /// Opens a folder for reading, whether a gate runs or not. Takes the log's public key from `log/verifier`; an auditor who
    /// does not trust the folder hands in the key that he has kept.
    ///
    /// # Errors
    /// [`StoreError`] when the folder is not a data folder or has no readable public key.
    pub fn open_offline(dir: &Path, trusted: Option<&str>) -> Result<Self, StoreError> {
        let layout = Layout::new(dir);
        if !layout.log().is_dir() {
            return Err(StoreError::NotInitialised(dir.to_path_buf()));
        }
        format(&layout)?;
        let path = layout.log().join("verifier");
        let text = match trusted {
            Some(text) => text.to_owned(),
            None => fs::read_to_string(&path).map_err(StoreError::io("read", &path))?,
        };
        let verifier = LogVerifier::parse(&text).map_err(|error| StoreError::damaged("log/verifier", error.to_string()))?;
        let vault = read_vault(&layout).map_err(|error| error.to_string());
        let port = Arc::new(DiskPort::new(&layout.log()));
        let bundles = Bundles::new(&layout);
        Ok(Self { layout, port, verifier, vault, bundles })
    }

    /// The format of the folder, and the one that this version would bring it to.
    ///
    /// # Errors
    /// [`StoreError`] when it is damaged or newer.
    pub fn format(&self) -> Result<(u32, u32), StoreError> {
        Ok((format(&self.layout)?, FORMAT))
    }

    /// How many keys of subjects there are, and those whose content is older than it may become.
    ///
    /// # Errors
    /// What keeps the keys from being read, in one line.
    pub fn aged(&self, retention: Retention, now: UnixMillis) -> Result<(usize, Vec<Aged>), String> {
        let vault = self.vault.as_ref().map_err(Clone::clone)?;
        Ok((vault.n_keys(), vault.aged(retention.horizon(now))))
    }

    /// Whether a gate holds the folder.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(lock(&self.layout), Err(StoreError::InUse(_)))
    }

    /// The bundles.
    #[must_use]
    pub const fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing or not signed by the log.
    pub fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        read_checkpoint(self.port.as_ref(), &self.verifier)
    }

    /// The proof that an entry is in the log, with the entry itself as its extra data.
    ///
    /// # Errors
    /// [`StoreError`] when the entry is not under a checkpoint, or the tiles are damaged.
    pub fn prove(&self, index: u64) -> Result<InclusionProof, StoreError> {
        let damaged = |what: String| StoreError::damaged("log/tile", what);
        let note =
            read_whole(self.port.as_ref(), "checkpoint").ok_or_else(|| StoreError::damaged("log/checkpoint", "missing"))?;
        let checkpoint = Checkpoint::open(&note, &self.verifier);
        let checkpoint = checkpoint.map_err(|error| StoreError::damaged("log/checkpoint", error.to_string()))?;
        let files = |path: &str| read_whole(self.port.as_ref(), path);
        let path = prove_inclusion(&files, &checkpoint, index).map_err(|error| damaged(error.to_string()))?;
        let mut bundle = crate::resume::Bundle::default();
        let entry = bundle.entry(&files, checkpoint.size, index)?.to_vec();
        let proof = InclusionProof { extra: Some(entry.clone()), index, path, checkpoint: note };
        proof.verify(&entry, &self.verifier).map_err(|error| damaged(error.to_string()))?;
        Ok(proof)
    }

    /// Every entry that was written, from `first` on, in order; ends at the first `Err`.
    ///
    /// # Errors
    /// [`StoreError`] when the journal is damaged.
    pub fn entries(&self, first: u64) -> Result<impl Iterator<Item = Result<Entry, StoreError>> + '_, StoreError> {
        let end = inspect(self.port.as_ref(), self.checkpoint()?.size)?.next;
        let mut follower = Follower::new(Arc::clone(&self.port), first.min(end))?;
        let vault = self.vault.as_ref().ok();
        let mut is_over = false;
        Ok(std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let next = follower.read(end).transpose()?.and_then(|item| Entry::new(&item, vault));
            is_over = next.is_err();
            Some(next)
        }))
    }

    /// Every entry of one interaction.
    ///
    /// # Errors
    /// [`StoreError`] when the journal is damaged.
    pub fn by_request(&self, request: RequestId) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        for entry in self.entries(0)? {
            let entry = entry?;
            if entry.header.request == Some(request) {
                found.push(entry);
            }
        }
        Ok(found)
    }

    /// As [`crate::Store::query`], by reading the whole log.
    ///
    /// # Errors
    /// [`StoreError`] when the journal is damaged.
    pub fn query(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        let mut found = std::collections::VecDeque::new();
        for entry in self.entries(0)? {
            let entry = entry?;
            let row = Row::new(entry.index, &entry.header);
            if filter.matches(&row) {
                found.push_front(row);
                found.truncate(filter.limit());
            }
        }
        Ok(found.into())
    }

    /// Checks everything: signature, tree, every entry, every content, keys, bundles, and the remark for the next start.
    #[must_use]
    pub fn verify(&self) -> Report {
        self.check(false)
    }

    /// As [`Audit::verify`] where the keys are kept elsewhere: contents are counted, not looked into.
    #[must_use]
    pub fn verify_without_keys(&self) -> Report {
        self.check(true)
    }

    fn check(&self, may_lack_keys: bool) -> Report {
        let mut check = Check {
            audit: self,
            may_lack_keys,
            report: Report::default(),
            follower: None,
            summary: Summary::default(),
            remark: None,
            seen: Seen::default(),
        };
        check.run();
        check.report
    }
}

/// What the entries speak of.
#[derive(Debug, Default)]
struct Seen {
    /// Bundles, with the first entry that names each.
    bundles: BTreeMap<Digest, u64>,
    /// Keys that are not there, with how many contents need each.
    missing: BTreeMap<String, u64>,
    /// Keys whose erasure is recorded.
    erased: BTreeSet<String>,
}

struct Check<'a> {
    audit: &'a Audit,
    may_lack_keys: bool,
    report: Report,
    follower: Option<Follower>,
    summary: Summary,
    remark: Option<Summary>,
    seen: Seen,
}

impl Check<'_> {
    fn run(&mut self) {
        let audit = self.audit;
        if let Some(what) = audit.vault.as_ref().err().filter(|_| !self.may_lack_keys) {
            self.report.problems.push(format!("contents cannot be checked: {what}"));
        }
        self.follower = match Follower::new(Arc::clone(&audit.port), 0) {
            Ok(follower) => Some(follower),
            Err(error) => self.problem(&error),
        };
        self.remark = self.read_remark();
        let size = audit.checkpoint().map_or(0, |checkpoint| checkpoint.size);
        let files = |path: &str| read_whole(audit.port.as_ref(), path);
        let verified = verify_log(&files, &audit.verifier, |index, entry, header| self.entry(index, size, entry, header));
        let Verified { checkpoint, entries, problems } = verified;
        self.report.entries = entries;
        self.report.problems.extend(problems.iter().map(|problem| format!("log/{problem}")));
        if let Some(checkpoint) = &checkpoint {
            self.tail(checkpoint.size);
            self.stale_files(checkpoint.size);
        }
        self.report.open = u64::try_from(self.summary.open.len()).unwrap_or(u64::MAX);
        self.missing_keys(size);
        self.report.checkpoint = checkpoint;
        self.bundles();
    }

    /// A key may be missing because an operator erased its subject, and for no other reason.
    fn missing_keys(&mut self, size: u64) {
        // An erasure may be durable and not under a checkpoint yet.
        match self.audit.entries(size) {
            Ok(entries) => entries.for_each(|entry| match entry {
                Ok(entry) => self.notice_erasure(&entry.header),
                Err(error) => self.problem(&error).unwrap_or_default(),
            }),
            Err(error) => self.problem(&error).unwrap_or_default(),
        }
        if self.seen.missing.is_empty() {
            return;
        }
        // Beside a running gate, subjects may have come since the keys were read.
        let vault = read_vault(&self.audit.layout).ok();
        let is_there = |key: &str| vault.as_ref().is_some_and(|vault| vault.has(key));
        let Seen { missing, erased, .. } = &self.seen;
        for (key, contents) in missing.iter().filter(|(key, _)| !erased.contains(*key) && !is_there(key)) {
            self.report.problems.push(format!(
                "content/subjects: key {key} is missing, its erasure is not recorded, and {contents} contents cannot be read without it"
            ));
        }
    }

    fn notice_erasure(&mut self, header: &Header) {
        if header.kind == EntryKind::Admin {
            let keys = header.notes.iter().filter_map(|note| note.strip_prefix(ERASED));
            self.seen.erased.extend(keys.map(str::to_owned));
        }
    }

    fn problem<T>(&mut self, error: &StoreError) -> Option<T> {
        let what = match error {
            StoreError::Damaged { place, what } => format!("{place}: {what}"),
            StoreError::Io { source, .. } => format!("{error}: {source}"),
            other => other.to_string(),
        };
        self.report.problems.push(what);
        None
    }

    fn entry(&mut self, index: u64, size: u64, entry: &[u8], header: &Header) {
        // The summary counts by itself; entries that could not be read are told of elsewhere.
        self.summary.through = index;
        if self.summary.add(entry).is_err() {
            return;
        }
        self.compare_remark();
        if let Some(digest) = header.snapshot {
            self.seen.bundles.entry(digest).or_insert(index);
        }
        self.notice_erasure(header);
        if let Some(AdminAct::BundleApplied { digest }) = &header.admin {
            self.seen.bundles.entry(*digest).or_insert(index);
        }
        if let Some(item) = self.journal_item(index, size) {
            self.compare(&item, entry, header);
        }
    }

    /// The same entry in the journal.
    fn journal_item(&mut self, index: u64, size: u64) -> Option<Item> {
        loop {
            match self.follower.as_mut()?.read(size) {
                Ok(Some(item)) if item.index < index => {}
                Ok(found) => return found,
                Err(error) => {
                    let is_checksum = matches!(&error, StoreError::Damaged { what, .. } if what.contains("checksum"));
                    if !is_checksum {
                        self.follower = None;
                    }
                    return self.problem(&error);
                }
            }
        }
    }

    fn compare(&mut self, item: &Item, entry: &[u8], header: &Header) {
        if item.entry != entry {
            self.report.problems.push(format!("entry {}: the journal and the signed bundle differ", item.index));
        }
        let Some(sealed) = &header.content else {
            if !item.content.is_empty() {
                self.report.problems.push(format!("entry {}: content that the entry does not commit to", item.index));
            }
            return;
        };
        let Ok(vault) = &self.audit.vault else {
            self.report.unchecked = self.report.unchecked.saturating_add(1);
            return;
        };
        match vault.open_sealed(sealed, &item.content) {
            Ok(Plain::Erased) => {
                self.report.erased = self.report.erased.saturating_add(1);
                let contents = self.seen.missing.entry(sealed.subject_key.clone()).or_default();
                *contents = contents.saturating_add(1);
            }
            Ok(Plain::Content(_) | Plain::Absent) => self.report.contents = self.report.contents.saturating_add(1),
            Err(what) => self.report.problems.push(format!("entry {}: {what}", item.index)),
        }
    }

    fn read_remark(&mut self) -> Option<Summary> {
        let note = read_whole(self.audit.port.as_ref(), "resume")?;
        let remark = Summary::open(&note, &self.audit.verifier);
        if remark.is_none() {
            self.report.problems.push("log/resume: not signed by the log".to_owned());
        }
        remark
    }

    fn compare_remark(&mut self) {
        if let Some(remark) = self.remark.take_if(|remark| remark.through == self.summary.through)
            && remark != self.summary
        {
            self.report.problems.push("log/resume: does not say what the entries say".to_owned());
        }
    }

    /// What is written behind the checkpoint.
    fn tail(&mut self, size: u64) {
        match inspect(self.audit.port.as_ref(), size) {
            Err(error) => self.problem(&error),
            Ok(found) => {
                self.report.unsealed = found.next.saturating_sub(size);
                match found.cut.filter(|_| !self.audit.is_in_use()) {
                    Some(cut) => {
                        self.report
                            .problems
                            .push(format!("{}: {} bytes of a torn write; the next start cuts them off", cut.place, cut.bytes));
                        None
                    }
                    None => None::<()>,
                }
            }
        };
    }

    /// Partial files of earlier checkpoints must be beginnings of the present ones; other files have no business here.
    fn stale_files(&mut self, size: u64) {
        let root = self.audit.layout.log();
        let mut folders = vec![root.join("tile")];
        while let Some(folder) = folders.pop() {
            let Ok(items) = fs::read_dir(&folder) else { continue };
            for item in items.flatten() {
                let path = item.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(what) = self.stale_file(&root, &path, size) {
                    let place = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
                    self.report.problems.push(format!("log/{place}: {what}"));
                }
            }
        }
    }

    fn stale_file(&self, root: &Path, path: &PathBuf, size: u64) -> Option<&'static str> {
        let name = path.strip_prefix(root).ok()?.to_str()?;
        if name.ends_with(".tmp") {
            return None;
        }
        let Some((kind, index, width)) = parse_path(name) else { return Some("an unexpected file") };
        let shift = kind.map_or(0, u32::from).saturating_mul(8);
        let hashes = size.checked_shr(shift).unwrap_or(0);
        let present = hashes.saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        if width >= present {
            // The present file was checked with the tree; a wider one is not under the checkpoint yet.
            return None;
        }
        let whole = match kind {
            Some(level) => tile_path(level, index, present),
            None => bundle_path(index, present),
        };
        let whole = read_whole(self.audit.port.as_ref(), &whole).or_else(|| {
            read_whole(
                self.audit.port.as_ref(),
                &kind.map_or_else(|| bundle_path(index, 256), |level| tile_path(level, index, 256)),
            )
        })?;
        let part = fs::read(path).ok()?;
        let has_width = match kind {
            Some(_) => u64::try_from(part.len()).ok() == width.checked_mul(32),
            None => evidence::decode_bundle(&part).is_ok_and(|entries| u64::try_from(entries.len()).ok() == Some(width)),
        };
        if has_width && whole.starts_with(&part) {
            None
        } else {
            Some("an earlier partial file that is not the beginning of the present one")
        }
    }

    fn bundles(&mut self) {
        let named = std::mem::take(&mut self.seen.bundles);
        let mut told = BTreeSet::new();
        for (digest, index) in &named {
            if let Err(StoreError::Damaged { place, what }) = self.audit.bundles.read(digest) {
                self.report.problems.push(format!("{place}: {what}; entry {index} names it"));
                told.insert(format!("{digest}.json"));
            }
        }
        let Ok(items) = fs::read_dir(self.audit.layout.bundles()) else { return };
        for item in items.flatten() {
            let name = item.file_name().to_string_lossy().into_owned();
            let bytes = fs::read(item.path()).unwrap_or_default();
            if !told.contains(&name) && !name.ends_with(".tmp") && name != format!("{}.json", sha256(&bytes)) {
                self.report.problems.push(format!("bundles/{name}: the content does not have the digest that it is named by"));
            }
        }
    }
}

fn read_vault(layout: &Layout) -> Result<Vault, StoreError> {
    Vault::open(layout, Arc::new(FileKeys::new(&layout.keys())), false)
}

/// Level (none for entries), index and width of a file below `tile/`.
fn parse_path(name: &str) -> Option<(Option<u8>, u64, u64)> {
    let rest = name.strip_prefix("tile/")?;
    let (kind, rest) = rest.split_once('/')?;
    let kind = if kind == "entries" { None } else { Some(kind.parse::<u8>().ok()?) };
    let (digits, width) = match rest.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().ok()?),
        None => (rest, TILE_WIDTH),
    };
    let index: u64 = digits.split('/').map(|part| part.trim_start_matches('x')).collect::<String>().parse().ok()?;
    let expected = kind.map_or_else(|| bundle_path(index, width), |level| tile_path(level, index, width));
    (expected == name).then_some((kind, index, width))
}
