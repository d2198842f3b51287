//! What every call reads: credentials and locks. Snapshots in memory; a reader waits for nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use model::{AdminAct, Credential, CredentialId, Digest, Holder, LockSet, PrincipalId, UnixMillis};
use tokio::sync::watch;

/// Credentials by the hash of what was presented.
#[derive(Debug, Default)]
pub struct Credentials {
    known: ArcSwap<Known>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    by_hash: HashMap<Digest, Arc<Credential>>,
    by_id: HashMap<CredentialId, Arc<Credential>>,
    /// By the two ends of the chain: on whose behalf, and who.
    by_ends: HashMap<(PrincipalId, PrincipalId), BTreeSet<CredentialId>>,
}

impl Known {
    fn put(&mut self, credential: Credential) {
        let credential = Arc::new(credential);
        self.by_hash.insert(credential.hash, Arc::clone(&credential));
        if let Holder::Data { chain } = &credential.holder
            && let (Some(subject), Some(actor)) = (chain.subject(), chain.actor())
        {
            self.by_ends.entry((subject.clone(), actor.clone())).or_default().insert(credential.id.clone());
        }
        self.by_id.insert(credential.id.clone(), credential);
    }
}

impl Credentials {
    /// The credential with this hash. Expired and revoked ones are given too: whether it holds is for the caller to check.
    ///
    /// The map is keyed by SHA-256 of a secret with 256 random bits. How long a lookup takes may tell something of that hash,
    /// and a hash that one has not the secret to tells nothing of a secret that one could present; the map's own hashing is
    /// keyed besides. The comparison of the hashes themselves takes constant time all the same.
    #[must_use]
    pub fn lookup(&self, hash: &Digest) -> Option<Arc<Credential>> {
        let found = self.known.load().by_hash.get(hash).cloned()?;
        verify_slices_are_equal(&found.hash.0, &hash.0).is_ok().then_some(found)
    }

    /// The credential with this id.
    #[must_use]
    pub fn by_id(&self, id: &CredentialId) -> Option<Arc<Credential>> {
        self.known.load().by_id.get(id).cloned()
    }

    /// Every credential with which `actor` acts for `subject`, sorted by id. Expired and revoked ones are given too.
    #[must_use]
    pub fn of(&self, subject: &PrincipalId, actor: &PrincipalId) -> Vec<Arc<Credential>> {
        let known = self.known.load();
        let ids = known.by_ends.get(&(subject.clone(), actor.clone()));
        ids.into_iter().flatten().filter_map(|id| known.by_id.get(id).cloned()).collect()
    }

    /// Every credential, sorted by id.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Credential>> {
        let mut all: Vec<Arc<Credential>> = self.known.load().by_hash.values().cloned().collect();
        all.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        all
    }

    fn set(&self, credential: &Credential) {
        let mut next = Known::clone(&self.known.load());
        next.put(credential.clone());
        self.known.store(Arc::new(next));
    }
}

/// What is stopped. Its version grows with every change, also over restarts.
#[derive(Debug)]
pub struct Epoch {
    locks: ArcSwap<LockSet>,
    version: watch::Sender<u64>,
}

impl Epoch {
    fn new(locks: LockSet) -> Self {
        let version = watch::Sender::new(locks.version());
        Self { locks: ArcSwap::from_pointee(locks), version }
    }

    /// What is stopped now.
    #[must_use]
    pub fn locks(&self) -> Arc<LockSet> {
        self.locks.load_full()
    }

    /// The current version, without touching the set.
    #[must_use]
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Ends as soon as the version is above `seen`; at once if it already is.
    pub async fn moved_past(&self, seen: u64) {
        let mut version = self.version.subscribe();
        // The sender lives as long as `self`, so the wait cannot fail.
        drop(version.wait_for(|version| *version > seen).await);
    }

    fn set(&self, locks: LockSet) {
        let version = locks.version();
        // The set first: who is woken must see it.
        self.locks.store(Arc::new(locks));
        self.version.send_replace(version);
    }
}

/// Everything that acts of administration add up to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Replay {
    pub(crate) credentials: BTreeMap<CredentialId, Credential>,
    pub(crate) locks: LockSet,
    pub(crate) bundle: Option<Digest>,
}

impl Replay {
    /// Takes the next act in the order of the log.
    pub(crate) fn apply(&mut self, act: &AdminAct) {
        match act {
            AdminAct::Initialised { .. }
            | AdminAct::Started { .. }
            | AdminAct::Stopped
            | AdminAct::TokenKeyMade { .. }
            | AdminAct::ApprovalAsked { .. }
            | AdminAct::ApprovalAnswered { .. }
            | AdminAct::ApprovalUsed { .. }
            | AdminAct::ApprovalCancelled { .. } => {}
            AdminAct::CredentialCreated { credential } => {
                self.credentials.insert(credential.id.clone(), credential.clone());
            }
            AdminAct::CredentialExpires { id, at } => {
                if let Some(credential) = self.credentials.get_mut(id) {
                    expire(credential, *at);
                }
            }
            AdminAct::Locked { target, kind, until } => self.locks.stop(target.clone(), *kind, *until),
            AdminAct::Unlocked { target } => {
                if let Some(locks) = self.locks.without(target) {
                    self.locks = locks;
                }
            }
            AdminAct::ToolQuarantined { tool, differing } => self.locks.quarantine(tool.clone(), *differing),
            AdminAct::ToolReleased { tool, tolerated, .. } => {
                if let Some(locks) = self.locks.released(tool, *tolerated) {
                    self.locks = locks;
                }
            }
            AdminAct::BundleApplied { digest } => self.bundle = Some(*digest),
        }
    }
}

/// Only ever earlier than before.
fn expire(credential: &mut Credential, at: UnixMillis) {
    credential.expires = Some(credential.expires.map_or(at, |earlier| earlier.min(at)));
}

/// The live form of [`Replay`].
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) credentials: Credentials,
    pub(crate) epoch: Epoch,
    pub(crate) bundle: ArcSwap<Option<Digest>>,
}

impl Live {
    pub(crate) fn new(mut replay: Replay, now: UnixMillis) -> Self {
        replay.locks.forget_ended(now);
        let mut known = Known::default();
        replay.credentials.into_values().for_each(|credential| known.put(credential));
        Self {
            credentials: Credentials { known: ArcSwap::from_pointee(known) },
            epoch: Epoch::new(replay.locks),
            bundle: ArcSwap::from_pointee(replay.bundle),
        }
    }

    /// Puts an act in force at `now`. Callers hold the lock of administration: changes come one at a time.
    pub(crate) fn apply(&self, act: &AdminAct, now: UnixMillis) {
        match act {
            AdminAct::Initialised { .. }
            | AdminAct::Started { .. }
            | AdminAct::Stopped
            | AdminAct::TokenKeyMade { .. }
            | AdminAct::ApprovalAsked { .. }
            | AdminAct::ApprovalAnswered { .. }
            | AdminAct::ApprovalUsed { .. }
            | AdminAct::ApprovalCancelled { .. } => {}
            AdminAct::CredentialCreated { credential } => self.credentials.set(credential),
            AdminAct::CredentialExpires { id, at } => {
                if let Some(found) = self.credentials.by_id(id) {
                    let mut credential = Credential::clone(&found);
                    expire(&mut credential, *at);
                    self.credentials.set(&credential);
                }
            }
            AdminAct::Locked { target, kind, until } => {
                let mut locks = LockSet::clone(&self.epoch.locks());
                locks.forget_ended(now);
                locks.stop(target.clone(), *kind, *until);
                self.epoch.set(locks);
            }
            AdminAct::Unlocked { target } => {
                if let Some(locks) = self.epoch.locks().without(target) {
                    self.epoch.set(locks);
                }
            }
            AdminAct::ToolQuarantined { tool, differing } => {
                let mut locks = LockSet::clone(&self.epoch.locks());
                locks.quarantine(tool.clone(), *differing);
                self.epoch.set(locks);
            }
            AdminAct::ToolReleased { tool, tolerated, .. } => {
                if let Some(locks) = self.epoch.locks().released(tool, *tolerated) {
                    self.epoch.set(locks);
                }
            }
            AdminAct::BundleApplied { digest } => self.bundle.store(Arc::new(Some(*digest))),
        }
    }
}
