//! The issuers that operators trust, and their keys: fetched in the background, read without waiting.
//!
//! One task per issuer fetches: when the keys are due, and when a token names a key that is not there, but never more often than
//! [`IssuerConfig::least_gap`]. So a flood of made-up key ids makes no flood of fetches. Who waits for a fetch waits a bounded
//! time, and few wait at once. While an issuer cannot be reached, the last good keys stay; how long they hold is for the engine
//! to say, which knows the time. A gate that starts while an issuer cannot be reached asks its keeper for them: only then, so
//! that keys which the issuer has withdrawn meanwhile are not taken where it can be asked.

mod fetch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use engine::ports::Trusted;
use identity::token::{IssuerRules, KeySet};
use ipnet::IpNet;
use model::{Name, UnixMillis};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::connect::Proxy;
use crate::tls::UnusableMaterial;
use fetch::Fetcher;
pub use fetch::{DiscoveryError, is_fetchable, key_set_address};

/// Longest wait of a call for keys that are being fetched.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most calls that wait for the keys of one issuer.
const MAX_WAITING: usize = 32;
/// Keys that have not changed are handed to the keeper again no sooner than this.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// Longest pause between attempts at an issuer that cannot be reached.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// One issuer as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// What is accepted from it.
    pub rules: IssuerRules,
    /// Where its keys are; by discovery if nobody says.
    pub jwks_uri: Option<String>,
    /// The authorities of its certificate, instead of Mozilla's: PEM.
    pub ca: Option<Vec<u8>>,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// Networks beside the public internet in which its documents may name addresses.
    pub networks: Vec<IpNet>,
    /// Between two fetches when all is well.
    pub refresh: Duration,
    /// Between two fetches at least.
    pub least_gap: Duration,
    /// How old keys may become while newer ones cannot be had.
    pub max_age: Duration,
}

impl IssuerConfig {
    /// Says whether the authorities can be used.
    ///
    /// # Errors
    /// [`UnusableMaterial`].
    pub fn check(&self) -> Result<(), UnusableMaterial> {
        Fetcher::new(self).map(drop)
    }

    /// Where its keys come from and by whose word, as a text: keys of another source are others.
    #[must_use]
    pub fn source(&self) -> String {
        let ca = self.ca.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        format!("{} {} {ca}", self.rules.url, self.jwks_uri.as_deref().unwrap_or("-"))
    }
}

/// Keeps the keys of issuers over a restart. May wait for a disk. What it gives back is what it was given, or nothing.
pub trait KeyKeeper: Send + Sync {
    /// The document with the keys of an issuer from this source, and when it was fetched.
    fn kept(&self, issuer: &Name, source: &str) -> Option<(Vec<u8>, UnixMillis)>;
    /// Keeps a document in the place of the one before it. Whether it could is the keeper's to tell.
    fn keep(&self, issuer: &Name, source: &str, document: &[u8], fetched: UnixMillis);
}

/// The keys of an issuer, and when they were fetched.
type Keys = Option<Arc<(Arc<KeySet>, UnixMillis)>>;

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
    keeper: Arc<dyn KeyKeeper>,
    entries: ArcSwap<BTreeMap<String, Arc<Entry>>>,
}

impl fmt::Debug for IssuerDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.entries.load().keys()).finish()
    }
}

impl IssuerDirectory {
    /// No issuer yet. Fetches run on `runtime`; `clock` tells when keys came, `keeper` has them over a restart.
    #[must_use]
    pub fn new(runtime: Handle, clock: fn() -> UnixMillis, keeper: Arc<dyn KeyKeeper>) -> Self {
        Self { runtime, clock, keeper, entries: ArcSwap::default() }
    }

    /// Puts a configuration in force. An issuer whose keys come from where they came from keeps them; for one that is not as it
    /// was fetching begins anew.
    pub fn apply(&self, configs: Vec<IssuerConfig>) {
        let before = self.entries.load_full();
        let mut after = BTreeMap::new();
        for config in configs {
            let url = config.rules.url.clone();
            let known = before.get(&url).filter(|entry| entry.shared.config.source() == config.source());
            let kept = known.filter(|entry| entry.shared.config == config).cloned();
            let keys = known.and_then(|entry| entry.shared.keys.load_full());
            after.insert(url, kept.unwrap_or_else(|| Arc::new(self.start(config, keys))));
        }
        self.entries.store(Arc::new(after));
    }

    fn start(&self, config: IssuerConfig, keys: Keys) -> Entry {
        let shared = Arc::new(Shared {
            rules: Arc::new(config.rules.clone()),
            config,
            keys: ArcSwapOption::new(keys),
            wanted: Notify::new(),
            phase: watch::Sender::new(Phase::default()),
            waiting: Semaphore::new(MAX_WAITING),
        });
        let task = self.runtime.spawn(keep(Arc::clone(&shared), self.clock, Arc::clone(&self.keeper))).abort_handle();
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

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.load().is_empty()
    }

    /// The `iss` of every issuer, sorted.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let mut urls: Vec<String> = self.entries.load().keys().map(ToString::to_string).collect();
        urls.sort_unstable();
        urls
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
async fn keep(shared: Arc<Shared>, clock: fn() -> UnixMillis, keeper: Arc<dyn KeyKeeper>) {
    let config = &shared.config;
    let fetcher = match Fetcher::new(config) {
        Ok(fetcher) => fetcher,
        // No keys, so nothing of this issuer is accepted.
        Err(error) => {
            tracing::error!(issuer = %config.rules.name, %error, "the keys of an issuer cannot be fetched at all");
            return;
        }
    };
    let mut n_failed = 0_u32;
    let mut handed: Option<(Bytes, Instant)> = None;
    loop {
        let begun = Instant::now();
        let asked_at = clock();
        match fetcher.keys(config).await {
            Ok((keys, document)) => {
                n_failed = 0;
                shared.keys.store(Some(Arc::new((Arc::new(keys), asked_at))));
                if handed.as_ref().is_none_or(|(before, at)| *before != document || at.elapsed() >= KEEP_EVERY) {
                    handed = Some((document.clone(), begun));
                    hand_over(&shared, &keeper, document, asked_at).await;
                }
            }
            Err(error) => {
                n_failed = n_failed.saturating_add(1);
                tracing::warn!(issuer = %config.rules.name, %error, "the keys of an issuer cannot be fetched; the last good ones stay");
                if shared.keys.load().is_none() {
                    take_back(&shared, &keeper, clock).await;
                }
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

/// Hands keys to the keeper.
async fn hand_over(shared: &Arc<Shared>, keeper: &Arc<dyn KeyKeeper>, document: Bytes, fetched: UnixMillis) {
    let (shared, keeper) = (Arc::clone(shared), Arc::clone(keeper));
    let keeping = move || keeper.keep(&shared.config.rules.name, &shared.config.source(), &document, fetched);
    drop(tokio::task::spawn_blocking(keeping).await);
}

/// Takes the keys that were kept, with the time at which they were fetched: their age goes on.
async fn take_back(shared: &Arc<Shared>, keeper: &Arc<dyn KeyKeeper>, clock: fn() -> UnixMillis) {
    let (asking, keeper) = (Arc::clone(shared), Arc::clone(keeper));
    let asked = move || keeper.kept(&asking.config.rules.name, &asking.config.source());
    let Ok(Some((document, fetched))) = tokio::task::spawn_blocking(asked).await else { return };
    // What is kept from a later time than now says nothing of its age.
    let keys = KeySet::parse(&document).ok().filter(|_| fetched <= clock());
    if let Some(keys) = keys {
        tracing::warn!(issuer = %shared.config.rules.name, "the keys from before the start hold until newer ones can be had");
        shared.keys.store(Some(Arc::new((Arc::new(keys), fetched))));
    }
}
