//! The store of a running gate.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::Guard;
use evidence::{EntryKind, Header, OutcomeResult, decode};
use flow::Ledgers;
use model::{AdminAct, Bundle, Digest, ReasonCode, RequestId, UnixMillis};
use zeroize::Zeroizing;

use crate::admin::{AdminError, Administered, Administration, By};
use crate::approvals::AskedBefore;
use crate::audit::Entry;
use crate::bundles::Bundles;
use crate::error::StoreError;
use crate::flood::Party;
use crate::folder::{self, Folder};
use crate::integrate::Integrator;
use crate::issuers::IssuerKeys;
use crate::journal::{Follower, Item};
use crate::keys::KeyProvider;
use crate::live::{Credentials, Epoch, Live};
use crate::log::{Log, entry};
use crate::noise::NoiseCounter;
use crate::options::{Clock, Options};
use crate::port::FilePort;
use crate::progress::{Progress, State, run_syncer};
use crate::projection::{self, Projection, Projector};
use crate::queue::{Class, Job, Queue, Reply};
use crate::recover::Cut;
use crate::row::{Filter, Row};
use crate::secrets::Secrets;
use crate::usage::{UsageBy, UsageRow};
use crate::vault::{Plain, Vault};
use crate::writer::{Writer, run_writer};

mod erase;

/// Longest wait for the disk when a store is opened or closed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// A torn end that was cut off the journal.
    pub cut: Option<Cut>,
    /// Calls that were under way when the gate last stopped; each now has an outcome `unknown`.
    pub unknown: u64,
    /// The format that the folder had, if it was brought to a newer one.
    pub migrated_from: Option<u32>,
}

/// One data folder in use.
pub struct Store {
    /// The way into the log.
    pub log: Log,
    administration: Arc<Administration>,
    bundles: Bundles,
    projection: Projection,
    noise: Arc<NoiseCounter>,
    port: Arc<dyn FilePort>,
    vault: Arc<Vault>,
    keys: Arc<dyn KeyProvider>,
    issuers: IssuerKeys,
    secrets: Arc<Secrets>,
    clock: Clock,
    opened: Opened,
    /// As of the start.
    ledgers: Arc<Ledgers>,
    /// As of the start.
    approvals: Vec<AskedBefore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The last to go: nobody else opens the folder before the threads have ended.
    _lock: File,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a data folder. Works while no gate runs.
    ///
    /// # Errors
    /// [`StoreError`] when the folder is one already or cannot be written.
    pub fn init(dir: &Path, now: UnixMillis) -> Result<(), StoreError> {
        folder::create(dir, env!("CARGO_PKG_VERSION").to_owned(), now)
    }

    /// Opens a data folder: recovers the journal, replays administration, closes calls that a stop has left open, and starts
    /// the threads of the log. Blocks on the disk; not for an async task.
    ///
    /// # Errors
    /// [`StoreError`] when the folder is in use, damaged, or a key is missing.
    pub fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        let folder = folder::open(dir, &options)?;
        if let Some(digest) = &folder.replay.bundle {
            Bundles::new(&folder.layout).read(digest)?;
        }
        let secrets = Arc::new(Secrets::open(&folder.layout, Arc::clone(&folder.keys))?);
        let connection = projection::open(&folder.layout.projection())?;
        let Folder {
            layout,
            lock,
            port,
            signer,
            keys,
            vault,
            checkpoint,
            recovered,
            sealed,
            all,
            replay,
            approvals,
            migrated_from,
        } = folder;
        let progress = Arc::new(Progress::new(recovered.next, recovered.next, checkpoint.size));
        let queue = Arc::new(Queue::new(options.queue));
        let noise = Arc::new(NoiseCounter::new(Arc::clone(&options.clock)));
        let writer = Writer::new(Arc::clone(&port), Arc::clone(&progress), Arc::clone(&noise), &recovered, options.reserve);
        let writer = Arc::new(Mutex::new(writer));
        let integrator =
            Integrator::new(Arc::clone(&port), Arc::clone(&progress), signer, &checkpoint, sealed, options.seal_every)?;
        let projector = Projector::new(connection, Arc::clone(&port), Arc::clone(&progress))?;
        let projection = Projection::new(&layout.projection(), Arc::clone(&progress))?;
        let log = Log {
            queue: Arc::clone(&queue),
            writer: Arc::clone(&writer),
            progress: Arc::clone(&progress),
            vault: Arc::clone(&vault),
        };
        let live = Arc::new(Live::new(replay, (options.clock)()));
        let bundles = Bundles::new(&layout);
        let administration = Arc::new(Administration::new(live, log.clone(), bundles.clone()));
        let unknown = u64::try_from(all.open.len()).unwrap_or(u64::MAX);
        let store = Self {
            log,
            administration,
            bundles,
            projection,
            noise,
            port: Arc::clone(&port),
            vault,
            issuers: IssuerKeys::new(&layout, Arc::clone(&keys)),
            secrets,
            keys,
            clock: options.clock,
            opened: Opened { cut: recovered.cut.clone(), unknown, migrated_from },
            ledgers: Arc::clone(&all.ledgers),
            approvals: approvals.list(),
            threads: Mutex::default(),
            _lock: lock,
        };
        let for_writer = Arc::clone(&progress);
        store.spawn("log-writer", move || run_writer(&writer, &queue, &for_writer))?;
        let for_syncer = Arc::clone(&progress);
        store.spawn("log-syncer", move || run_syncer(port.as_ref(), &for_syncer))?;
        store.spawn("log-integrator", move || in_background(|| integrator.run()))?;
        store.spawn("log-projector", move || in_background(|| projector.run()))?;
        store.begin(options.version, recovered.next, &all.open)?;
        Ok(store)
    }

    /// What opening found.
    #[must_use]
    pub const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The ledgers of all tasks as the log had them when the store was opened: every label of every call that was recorded,
    /// whether or not it came to its end. What is recorded from then on is the caller's to add.
    #[must_use]
    pub fn ledgers(&self) -> Ledgers {
        Ledgers::clone(&self.ledgers)
    }

    /// Requests for approval as the log had them when the store was opened, oldest first; of the last ten days.
    #[must_use]
    pub fn approvals(&self) -> &[AskedBefore] {
        &self.approvals
    }

    /// Credentials by hash.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.administration.live.credentials
    }

    /// Locks and revocations.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.administration.live.epoch
    }

    /// The bundle that was applied last, if one was.
    #[must_use]
    pub fn applied(&self) -> Option<Digest> {
        let applied: Guard<Arc<Option<Digest>>> = self.administration.live.bundle.load();
        **applied
    }

    /// Every bundle that was ever kept.
    #[must_use]
    pub const fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// The bundle that was applied last, read from the folder and checked.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing or was altered.
    pub fn applied_bundle(&self) -> Result<Option<Bundle>, StoreError> {
        self.applied().map(|digest| self.bundles.read(&digest)).transpose()
    }

    /// Performs an act of administration. Locks and expiries are in force before this waits for anything; everything else is
    /// in force when its record is durable. Runs to its end even if the caller stops waiting. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`AdminError`] when the act makes no sense, or loosens and cannot be recorded.
    pub async fn administer(&self, act: AdminAct, by: By) -> Result<Administered, AdminError> {
        self.administration.perform((self.clock)(), act, by).await
    }

    /// The seeds of the keys that sign the gate's own tokens, oldest first; at least one, which is made if there is none. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when a key is not acceptable or cannot be kept.
    pub fn token_seeds(&self) -> Result<Vec<Zeroizing<[u8; 32]>>, StoreError> {
        let seeds = self.keys.tokens()?;
        if !seeds.is_empty() {
            return Ok(seeds);
        }
        self.keys.add_token()?;
        self.keys.tokens()
    }

    /// The keys of issuers, over a restart.
    #[must_use]
    pub const fn issuer_keys(&self) -> &IssuerKeys {
        &self.issuers
    }

    /// Credentials for upstreams.
    #[must_use]
    pub const fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// Makes the next key for tokens. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be kept.
    pub fn add_token_key(&self) -> Result<(), StoreError> {
        self.keys.add_token()
    }

    /// Writes a remark of the gate itself into the log, as an act of administration. Does not wait for it.
    ///
    /// # Errors
    /// [`StoreError`] when the remark is longer than an entry.
    pub fn note(&self, remark: String) -> Result<(), StoreError> {
        let header = Header { notes: vec![remark], ..Header::new(EntryKind::Admin, (self.clock)()) };
        self.push(entry(&header)?, Class::Admin);
        Ok(())
    }

    /// Counts a refusal of a party that is not known.
    pub fn noise(&self, peer: &str, reason: ReasonCode) {
        self.noise.count(peer, reason);
    }

    /// Whether a refusal of a known party, with `length` bytes of content, is only counted, for many of its refusals were written
    /// lately. The count then comes into the log within seconds. `false`: the caller writes the refusal.
    #[must_use]
    pub fn counts(&self, party: Party<'_>, reason: ReasonCode, length: usize) -> bool {
        self.noise.counts(party, reason, length)
    }

    /// Reads one entry with its content. Blocks on the disk. `None` beyond the end of the log.
    ///
    /// # Errors
    /// [`StoreError`] when the entry or its content is damaged.
    pub fn read(&self, index: u64) -> Result<Option<Entry>, StoreError> {
        self.log.flush();
        let accepted = self.log.status().accepted;
        if index >= accepted {
            return Ok(None);
        }
        let item = Follower::new(Arc::clone(&self.port), index)?.read(accepted)?;
        item.map(|item| Entry::new(&item, Some(&self.vault))).transpose()
    }

    /// Looks for entries, newest first. Blocks on the disk; finds everything that was accepted before the call.
    ///
    /// # Errors
    /// [`StoreError`] when the projection fails.
    pub fn query(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        self.log.flush();
        self.projection.query(filter)
    }

    /// What calls have used that reserved at or after `since`, the most tokens first. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when the projection fails.
    pub fn usage(&self, by: UsageBy, since: UnixMillis) -> Result<Vec<UsageRow>, StoreError> {
        self.log.flush();
        self.projection.usage(by, since)
    }

    /// Everything that counts in a window of a budget at `now`, each call once; what is older is added up by the hour. Waits
    /// until the projection holds the whole log, and blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when the projection fails or does not follow the log.
    pub fn past(&self, now: UnixMillis) -> Result<Vec<budget::Past>, StoreError> {
        self.log.flush();
        self.projection.past(now)
    }

    /// Every entry of one interaction, oldest first. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when the projection fails.
    pub fn by_request(&self, request: RequestId) -> Result<Vec<Row>, StoreError> {
        self.log.flush();
        self.projection.by_request(request)
    }

    /// How many entries the projection holds.
    ///
    /// # Errors
    /// [`StoreError`] when the projection fails.
    pub fn projected(&self) -> Result<u64, StoreError> {
        self.projection.through()
    }

    /// Waits until everything accepted so far is under a signed checkpoint. Blocks; `false` if that takes too long.
    #[must_use]
    pub fn seal(&self) -> bool {
        self.log.flush();
        let progress = &self.log.progress;
        let accepted = progress.update(|state| {
            state.wanted.seal = true;
            state.accepted
        });
        progress.wait(PATIENCE, |state| state.sealed >= accepted || state.ended.integrator).sealed >= accepted
    }

    /// Records the stop, seals everything and ends the threads. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when a thread has panicked.
    pub fn close(self) -> Result<(), StoreError> {
        let stopped = entry(&Header::admin((self.clock)(), AdminAct::Stopped, None))?;
        self.push(stopped, Class::Admin);
        self.end()
    }

    fn end(&self) -> Result<(), StoreError> {
        self.log.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = threads.into_iter().map(JoinHandle::join).fold(Ok(()), Result::and);
        ended.map_err(|_| StoreError::Thread)
    }

    /// Records the start, closes what a stop has left open, and waits until that is durable.
    /// Nobody knows what became of those calls, so they are charged with what they had reserved.
    fn begin(&self, version: String, next: u64, open: &BTreeMap<RequestId, u64>) -> Result<(), StoreError> {
        let now = (self.clock)();
        self.push(entry(&Header::admin(now, AdminAct::Started { version }, None))?, Class::Admin);
        let mut expected = next.saturating_add(1);
        for (request, index) in open {
            let intent = Follower::new(Arc::clone(&self.port), *index)?.read_entry(next)?;
            let intent = intent.map(|(_, entry)| decode(&entry)).transpose();
            let intent = intent.map_err(|error| StoreError::damaged(format!("entry {index}"), error.to_string()))?;
            let (chain, charge) = intent.map(|intent| (intent.chain, intent.charge)).unwrap_or_default();
            let header = Header {
                request: Some(*request),
                chain,
                charge,
                result: Some(OutcomeResult::Unknown),
                notes: vec!["the gate stopped before it could record an outcome".to_owned()],
                ..Header::new(EntryKind::Outcome, now)
            };
            self.push(entry(&header)?, Class::Happened);
            expected = expected.saturating_add(1);
        }
        // Nobody rings for an acceptance.
        let end = Instant::now().checked_add(PATIENCE);
        let is_over = |state: &State| state.accepted >= expected || state.broken.is_some();
        while !is_over(&self.log.progress.wait(Duration::from_millis(1), is_over)) && end.is_some_and(|end| Instant::now() < end)
        {
        }
        self.log.progress.update(|state| state.wanted.sync = true);
        let state = self.log.progress.wait(PATIENCE, |state| state.durable >= expected || state.broken.is_some());
        if state.durable >= expected {
            return Ok(());
        }
        let what = state.broken.clone().unwrap_or_else(|| "fsync takes too long".to_owned());
        Err(evidence::RecordError::Unavailable(what).into())
    }

    fn push(&self, entry: Vec<u8>, class: Class) {
        self.log.queue.push(Job { entry, content: Vec::new(), class, reply: Reply::Nobody, room: None });
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|_| StoreError::Thread)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }
}

/// Runs work that nobody waits for: calls go first where cores are few. Without it everything works as well, only later.
fn in_background(work: impl FnOnce()) {
    // Elsewhere the call would speak of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "a thread of the log keeps its priority");
    }
    work();
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the store did not end in order");
        }
    }
}

impl Entry {
    pub(crate) fn new(item: &Item, vault: Option<&Vault>) -> Result<Self, StoreError> {
        let damaged = |what: String| StoreError::damaged(format!("entry {}", item.index), what);
        let header = decode(&item.entry).map_err(|error| damaged(error.to_string()))?;
        let content = match (&header.content, vault) {
            (None, _) => Some(Plain::Absent),
            (Some(_), None) => None,
            (Some(sealed), Some(vault)) => {
                Some(vault.open_sealed(sealed, &item.content).map_err(|what| damaged(what.to_owned()))?)
            }
        };
        Ok(Self { index: item.index, header, content })
    }
}
