//! The issuers that operators trust, and their keys: fetched in the background, read without waiting.
//!
//! One task per issuer fetches: when the keys are due, and when a token names a key that is not there, but never more often than
//! [`IssuerConfig::least_gap`]. So a flood of made-up key ids makes no flood of fetches. Who waits for a fetch waits a bounded
//! time, and few wait at once. While an issuer cannot be reached, the last good keys stay; how long they hold is for the engine
//! to say, which knows the time.

mod fetch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use engine::ports::Trusted;
use identity::token::{IssuerRules, KeySet};
use model::{Name, UnixMillis};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use fetch::Fetcher;
pub use fetch::is_fetchable;

/// Longest wait of a call for keys that are being fetched.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most calls that wait for the keys of one issuer.
const MAX_WAITING: usize = 32;
/// Longest pause between attempts at an issuer that cannot be reached.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// One issuer as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// What is accepted from it.
    pub rules: IssuerRules,
    /// Where its keys are; by discovery if nobody says.
    pub jwks_uri: Option<String>,
    /// Between two fetches when all is well.
    pub refresh: Duration,
    /// Between two fetches at least.
    pub least_gap: Duration,
    /// How old keys may become while newer ones cannot be had.
    pub max_age: Duration,
}

/// How far an issuer's task has come.
#[derive(Debug, Clone, Copy, Default)]
struct Phase {
    /// Fetches that have ended, well or not.
    ended: u64,
    /// Whether the next one has to wait for the least gap.
    is_resting: bool,
}

struct Shared {
    config: IssuerConfig,
    rules: Arc<IssuerRules>,
    keys: ArcSwapOption<(Arc<KeySet>, UnixMillis)>,
    wanted: Notify,
    phase: watch::Sender<Phase>,
    waiting: Semaphore,
}

/// An issuer with its task; the task ends with it.
struct Entry {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Every issuer, swapped as one when a configuration is applied.
pub struct IssuerDirectory {
    runtime: Handle,
    clock: fn() -> UnixMillis,
    entries: ArcSwap<BTreeMap<String, Arc<Entry>>>,
}

impl fmt::Debug for IssuerDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.entries.load().keys()).finish()
    }
}

impl IssuerDirectory {
    /// No issuer yet. Fetches run on `runtime`; `clock` tells when keys came.
    #[must_use]
    pub fn new(runtime: Handle, clock: fn() -> UnixMillis) -> Self {
        Self { runtime, clock, entries: ArcSwap::default() }
    }

    /// Puts a configuration in force. An issuer that stays as it was keeps its keys; for the others fetching begins anew.
    pub fn apply(&self, configs: Vec<IssuerConfig>) {
        let before = self.entries.load_full();
        let mut after = BTreeMap::new();
        for config in configs {
            let url = config.rules.url.clone();
            let kept = before.get(&url).filter(|entry| entry.shared.config == config).cloned();
            after.insert(url, kept.unwrap_or_else(|| Arc::new(self.start(config))));
        }
        self.entries.store(Arc::new(after));
    }

    fn start(&self, config: IssuerConfig) -> Entry {
        let shared = Arc::new(Shared {
            rules: Arc::new(config.rules.clone()),
            config,
            keys: ArcSwapOption::empty(),
            wanted: Notify::new(),
            phase: watch::Sender::new(Phase::default()),
            waiting: Semaphore::new(MAX_WAITING),
        });
        let task = self.runtime.spawn(keep(Arc::clone(&shared), self.clock)).abort_handle();
        Entry { shared, task }
    }

    /// The issuer with this `iss`.
    #[must_use]
    pub fn issuer(&self, url: &str) -> Option<Trusted> {
        let entries = self.entries.load();
        let shared = &entries.get(url)?.shared;
        let keys = shared.keys.load_full().map(|keys| (Arc::clone(&keys.0), keys.1));
        Some(Trusted { rules: Arc::clone(&shared.rules), keys, max_age: shared.config.max_age.as_secs() })
    }

    /// The issuer of this name.
    #[must_use]
    pub fn named(&self, name: &Name) -> Option<Arc<IssuerRules>> {
        let entries = self.entries.load();
        entries.values().find(|entry| entry.shared.rules.name == *name).map(|entry| Arc::clone(&entry.shared.rules))
    }

    /// Asks for an issuer's keys anew, and waits for them if they can come soon.
    pub async fn renew(&self, url: &str) {
        let shared = self.entries.load().get(url).map(|entry| Arc::clone(&entry.shared));
        let Some(shared) = shared else { return };
        let Ok(_place) = shared.waiting.try_acquire() else { return };
        let mut phase = shared.phase.subscribe();
        let seen = *phase.borrow_and_update();
        shared.wanted.notify_one();
        if seen.is_resting {
            return;
        }
        // Whether it came in time shows when the keys are looked up again.
        drop(tokio::time::timeout(PATIENCE, phase.wait_for(|phase| phase.ended > seen.ended)).await);
    }
}

/// Fetches the keys of one issuer for as long as it is configured.
async fn keep(shared: Arc<Shared>, clock: fn() -> UnixMillis) {
    let config = &shared.config;
    let fetcher = match Fetcher::new() {
        Ok(fetcher) => fetcher,
        // No keys, so nothing of this issuer is accepted.
        Err(error) => {
            tracing::error!(issuer = %config.rules.name, %error, "the keys of an issuer cannot be fetched at all");
            return;
        }
    };
    let mut n_failed = 0_u32;
    loop {
        let begun = Instant::now();
        let asked_at = clock();
        match fetcher.keys(config).await {
            Ok(keys) => {
                n_failed = 0;
                shared.keys.store(Some(Arc::new((Arc::new(keys), asked_at))));
            }
            Err(error) => {
                n_failed = n_failed.saturating_add(1);
                tracing::warn!(issuer = %config.rules.name, %error, "the keys of an issuer cannot be fetched; the last good ones stay");
            }
        }
        shared.phase.send_modify(|phase| *phase = Phase { ended: phase.ended.saturating_add(1), is_resting: true });
        tokio::time::sleep_until(begun + config.least_gap).await;
        shared.phase.send_modify(|phase| phase.is_resting = false);
        let pause = match n_failed {
            0 => config.refresh,
            n => config.least_gap.saturating_mul(1 << n.min(6)).min(MAX_PAUSE),
        };
        drop(tokio::time::timeout(pause, shared.wanted.notified()).await);
    }
}
