//! The gate as one value: what the engine calls its world, put together from store, upstreams, snapshot and clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use budget::Counters;
use config::Config;
use engine::ports::{
    Accounts, Clock, Credentials, Epoch, Issuing, Ledgers, Record, Records, ReplyHead, SendError, Upstreams, World,
};
use engine::{Attempt, Event, Snapshot, VerifiedTokens};
use evidence::RecordError;
use gateway::issuers::IssuerDirectory;
use gateway::metrics::Metrics;
use gateway::server::Running;
use gateway::telemetry::Telemetry;
use gateway::upstream::{HttpReplyBody, HttpUpstreams, UpstreamTable};
use model::{Chain, Credential, CredentialId, Digest, Label, LockSet, Name, PrincipalId, ReasonCode, UnixMillis};
use store::{Content, Draft, Party, Store};
use tokio::sync::Semaphore;

use crate::approvals::Desk;
use crate::bridges::Bridges;
use crate::certificates::Certificates;
use crate::tokens;
use crate::wallet::Wallet;
use crate::watch::Watch;

/// What operators have put in force, with the text it came from.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) config: Config,
}

/// A running gate.
pub(crate) struct Gate {
    pub(crate) data: PathBuf,
    pub(crate) store: Store,
    pub(crate) in_force: ArcSwap<InForce>,
    pub(crate) metrics: Metrics,
    pub(crate) table: Arc<ArcSwap<UpstreamTable>>,
    /// What upstreams over stdio are reached by.
    pub(crate) bridges: Bridges,
    pub(crate) certificates: Certificates,
    pub(crate) telemetry: Option<Telemetry>,
    /// Variables that `quickstart` adds to the process's environment.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) issuers: IssuerDirectory,
    /// The gate as an issuer, if it is one.
    pub(crate) issuing: ArcSwapOption<Issuing>,
    /// Tokens whose signature was looked at.
    pub(crate) verified: VerifiedTokens,
    pub(crate) upstreams: HttpUpstreams,
    /// Started from the log. A poisoned lock means that a thread panicked while it held it; ledgers only grow, so what is
    /// there is still true.
    ledgers: RwLock<flow::Ledgers>,
    /// Binds the names of what providers keep.
    pub(crate) handles: ArcSwap<identity::Handles>,
    pub(crate) sessions: engine::Sessions,
    pub(crate) origins: engine::Origins,
    /// What was used of budgets; told what the log says before the gate serves.
    pub(crate) counters: Counters,
    /// Locks that clients have added.
    pub(crate) shares: tokens::Shares,
    /// What operators are asked to approve.
    pub(crate) desk: Desk,
    /// Credentials for upstreams that are somebody's own.
    pub(crate) wallet: Arc<Wallet>,
    /// What tool servers announce.
    pub(crate) watch: Watch,
    /// Configurations come in force one at a time, in the order of the log.
    pub(crate) applying: Semaphore,
    /// The calls that run now.
    pub(crate) running: Running,
    started: Instant,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gate").field("data", &self.data).finish_non_exhaustive()
    }
}

/// The wall clock.
pub(crate) fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Random bytes from the operating system. A system without randomness cannot run a gate.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ReasonCode> {
    let mut bytes = [0_u8; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ReasonCode::Internal)?;
    Ok(bytes)
}

impl Gate {
    /// Puts a gate together. Reads keys from the disk.
    ///
    /// # Errors
    /// A key cannot be read or made. Inside a runtime that lives as long as the gate: the keys of issuers are fetched there.
    pub(crate) fn new(
        data: &Path,
        store: Store,
        in_force: InForce,
        table: UpstreamTable,
        certificates: Certificates,
        telemetry: Option<Telemetry>,
        environment: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let issuing = tokio::task::block_in_place(|| tokens::issuing(&in_force.config.settings, &store))?;
        let keeper = Arc::new(tokens::Keeper(store.issuer_keys().clone()));
        let issuers = IssuerDirectory::new(tokio::runtime::Handle::current(), now, keeper);
        let trusted = tokens::trusted(&in_force.config.settings);
        issuers.apply(trusted.map_err(|problems| anyhow::anyhow!(problems.join("\n")))?);
        let table = Arc::new(ArcSwap::from_pointee(table));
        let ledgers = RwLock::new(store.ledgers());
        let handles = ArcSwap::from_pointee(identity::Handles::new(&tokio::task::block_in_place(|| store.token_seeds())?));
        let desk = tokio::task::block_in_place(|| Desk::open(&store));
        let wallet = Arc::new(Wallet::new(Arc::clone(store.secrets()), tokio::runtime::Handle::current()));
        let running = Running::new(in_force.config.settings.limits.concurrent);
        Ok(Self {
            data: data.to_owned(),
            store,
            in_force: ArcSwap::from_pointee(in_force),
            metrics: Metrics::default(),
            issuers,
            issuing: ArcSwapOption::new(issuing),
            verified: VerifiedTokens::default(),
            upstreams: HttpUpstreams::new(Arc::clone(&table)),
            table,
            bridges: Bridges::default(),
            certificates,
            telemetry,
            environment,
            ledgers,
            handles,
            sessions: engine::Sessions::default(),
            origins: engine::Origins::default(),
            counters: Counters::default(),
            shares: tokens::Shares::default(),
            desk,
            wallet,
            watch: Watch::default(),
            applying: Semaphore::new(1),
            running,
            started: Instant::now(),
        })
    }

    /// Whether a presented credential would be admitted now.
    pub(crate) fn is_valid_now(&self, presented: &str) -> bool {
        let Ok(presented) = identity::parse(presented.as_bytes()) else { return false };
        let Some(credential) = self.store.credentials().lookup(&presented.hash) else { return false };
        let is_locked = self.store.epoch().locks().kind(&model::LockTarget::Credential(credential.id.clone())).is_some();
        !is_locked && !credential.is_expired(now())
    }
}

impl Clock for Gate {
    fn now(&self) -> UnixMillis {
        now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Epoch for Gate {
    fn locks(&self) -> Arc<LockSet> {
        self.store.epoch().locks()
    }

    async fn moved_past(&self, seen: u64) {
        self.store.epoch().moved_past(seen).await;
    }
}

impl Credentials for Gate {
    fn credential(&self, hash: &Digest) -> Option<Arc<Credential>> {
        self.store.credentials().lookup(hash)
    }

    fn credential_by_id(&self, id: &CredentialId) -> Option<Arc<Credential>> {
        self.store.credentials().by_id(id)
    }

    fn credentials_of(&self, subject: &PrincipalId, actor: &PrincipalId) -> Vec<Arc<Credential>> {
        self.store.credentials().of(subject, actor)
    }
}

impl Ledgers for Gate {
    fn effective(&self, ledger: &Name) -> (Label, u64) {
        self.ledgers.read().unwrap_or_else(PoisonError::into_inner).effective(ledger)
    }

    fn observe(&self, ledger: &Name, origin: &str, label: Label, at: UnixMillis) -> u64 {
        let at = Some(at);
        {
            // A task that has seen this before waits for nobody.
            let ledgers = self.ledgers.read().unwrap_or_else(PoisonError::into_inner);
            if ledgers.holds(ledger, origin, &label, at) {
                return ledgers.ledger(ledger).map_or(0, flow::Ledger::version);
            }
        }
        self.ledgers.write().unwrap_or_else(PoisonError::into_inner).observe(ledger, origin, &label, at)
    }
}

impl Accounts for Gate {
    fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Records for Gate {
    async fn accept(&self, record: Record) -> Result<u64, RecordError> {
        self.store.log.accept(draft(record)).await.map(|receipt| receipt.index)
    }

    async fn durable(&self, record: Record) -> Result<u64, RecordError> {
        self.store.log.durable(draft(record)).await.map(|receipt| receipt.index)
    }

    fn submit(&self, record: Record) {
        self.store.log.submit(draft(record));
    }

    fn noise(&self, peer: &str, reason: ReasonCode) {
        self.store.noise(peer, reason);
    }

    fn is_counted(&self, credential: Option<&CredentialId>, chain: &Chain, reason: ReasonCode, length: usize) -> bool {
        self.store.counts(Party { credential, chain }, reason, length)
    }
}

fn draft(record: Record) -> Draft {
    let content = record.content.map(|bytes| Content::of(&record.header, bytes));
    Draft { header: record.header, content }
}

impl Upstreams for Gate {
    type Body = HttpReplyBody;

    async fn send(&self, attempt: Attempt<'_>) -> Result<(ReplyHead, HttpReplyBody), SendError> {
        self.upstreams.send(attempt).await
    }

    fn is_up(&self, upstream: &Name) -> bool {
        self.upstreams.is_up(upstream, self.started.elapsed())
    }

    fn remember(&self, upstream: &Name, is_ok: bool) {
        self.upstreams.remember(upstream, is_ok, self.started.elapsed());
    }
}

impl World for Gate {
    fn random(&self) -> [u8; 10] {
        // Without randomness ids could collide, never credentials: those are made by `random` above, which can fail.
        random().unwrap_or_default()
    }

    fn entropy(&self) -> Option<[u8; 32]> {
        random().ok()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.in_force.load().snapshot)
    }

    fn handles(&self) -> Arc<identity::Handles> {
        self.handles.load_full()
    }

    fn sessions(&self) -> &engine::Sessions {
        &self.sessions
    }

    fn origins(&self) -> &engine::Origins {
        &self.origins
    }

    fn observe_event(&self, event: &Event<'_>) {
        self.metrics.observe(event);
        if let Some(telemetry) = &self.telemetry {
            telemetry.observe(event, now());
        }
        match event {
            Event::Ended { request, reason, status, timings, .. } => {
                let overhead = timings.overhead.as_micros();
                tracing::debug!(%request, %reason, status, overhead_us = overhead, "ended");
            }
            Event::AttemptFailed { request, upstream, reason } => tracing::warn!(%request, upstream, %reason, "attempt failed"),
            Event::Announced { server } => self.watch.call(server, self.started.elapsed()),
            Event::Decided { .. }
            | Event::Shadowed { .. }
            | Event::Found { .. }
            | Event::Charged { .. }
            | Event::Unidentified { .. } => {}
        }
    }
}
