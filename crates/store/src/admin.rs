//! Administration: what tightens acts first and is recorded at once after; what loosens waits until its record is durable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use evidence::{Header, RecordError};
use model::{AdminAct, CredentialId, LockKind, LockTarget, PrincipalId, UnixMillis};
use tokio::sync::oneshot;

use crate::bundles::Bundles;
use crate::error::StoreError;
use crate::live::Live;
use crate::log::{Log, Receipt, entry};
use crate::queue::{Class, Job, Reply};

/// Who administers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct By {
    /// The operator; `None` where the gate acts by itself.
    pub operator: Option<PrincipalId>,
    /// The credential that was presented.
    pub credential: Option<CredentialId>,
}

/// An act that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Administered {
    /// Where it is recorded. `None`: in force, not recorded; it is written as soon as the log can be.
    pub recorded: Option<Receipt>,
}

/// Why an act is not in force.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No such credential.
    #[error("no credential has the id `{0}`")]
    UnknownCredential(CredentialId),
    /// The id or the hash is taken.
    #[error("a credential with the id or hash of `{0}` exists already")]
    CredentialExists(CredentialId),
    /// Nothing to unlock.
    #[error("`{0}` is not locked")]
    NotLocked(LockTarget),
    /// A revocation stays.
    #[error("`{0}` is revoked, which is final: only a kill can be unlocked")]
    Revoked(LockTarget),
    /// The bundle is not kept, or was altered.
    #[error("the bundle cannot be applied")]
    Bundle(#[source] StoreError),
    /// Nothing to release.
    #[error("`{0}` is not quarantined")]
    NotQuarantined(String),
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The order of acts: the state in force must be what the log adds up to, whatever overtakes what.
#[derive(Debug, Default)]
struct Order {
    ticket: u64,
    /// Unlocks and releases whose record is being written.
    n_unlocking: usize,
    /// The latest stop of each kind per target since they began, which may have overtaken one of them.
    stopped: HashMap<Stop, u64>,
    /// The latest applied bundle.
    bundle: u64,
}

/// What is stopped, and in which way: a lock and a quarantine of one tool know nothing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stop {
    Lock(LockTarget),
    Quarantine(String),
}

impl Stop {
    /// What an act stops.
    fn begun_by(act: &AdminAct) -> Option<Self> {
        match act {
            AdminAct::Locked { target, .. } => Some(Self::Lock(target.clone())),
            AdminAct::ToolQuarantined { tool, .. } => Some(Self::Quarantine(tool.clone())),
            _ => None,
        }
    }

    /// What an act lets go on.
    fn ended_by(act: &AdminAct) -> Option<Self> {
        match act {
            AdminAct::Unlocked { target } => Some(Self::Lock(target.clone())),
            AdminAct::ToolReleased { tool, .. } => Some(Self::Quarantine(tool.clone())),
            _ => None,
        }
    }
}

/// Performs acts, one at a time.
#[derive(Debug)]
pub(crate) struct Administration {
    pub(crate) live: Arc<Live>,
    log: Log,
    bundles: Bundles,
    order: Mutex<Order>,
}

impl Administration {
    pub(crate) fn new(live: Arc<Live>, log: Log, bundles: Bundles) -> Self {
        Self { live, log, bundles, order: Mutex::default() }
    }

    /// Performs an act. Runs to its end even if the caller stops waiting.
    pub(crate) async fn perform(self: &Arc<Self>, at: UnixMillis, act: AdminAct, by: By) -> Result<Administered, AdminError> {
        let this = Arc::clone(self);
        let acting = tokio::spawn(async move {
            let header = Header { credential: by.credential, ..Header::admin(at, act.clone(), by.operator) };
            if tightens(&act) { this.tighten(act, header).await } else { this.loosen(act, header).await }
        });
        acting.await.map_err(|_| AdminError::Record(RecordError::Closed))?
    }

    async fn tighten(&self, act: AdminAct, header: Header) -> Result<Administered, AdminError> {
        let answered = {
            let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            self.check(&act)?;
            let entry = entry(&header)?;
            order.ticket = order.ticket.saturating_add(1);
            if let Some(stop) = Stop::begun_by(&act).filter(|_| order.n_unlocking > 0) {
                let ticket = order.ticket;
                order.stopped.insert(stop, ticket);
            }
            // In force from here on, whatever becomes of the record.
            self.live.apply(&act, header.at);
            self.push(entry, Class::InForce)
        };
        let recorded = answered.await.ok().and_then(Result::ok).map(|index| Receipt { index });
        Ok(Administered { recorded })
    }

    async fn loosen(&self, act: AdminAct, header: Header) -> Result<Administered, AdminError> {
        let ended = Stop::ended_by(&act);
        let (ticket, answered) = {
            let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            self.check(&act)?;
            let entry = entry(&header)?;
            order.ticket = order.ticket.saturating_add(1);
            order.n_unlocking = order.n_unlocking.saturating_add(usize::from(ended.is_some()));
            (order.ticket, self.push(entry, Class::Admin))
        };
        let answered = answered.await;
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let is_overtaken = match (&act, &ended) {
            // A stop that came after this stands behind it in the log, and is in force already.
            (_, Some(ended)) => order.stopped.get(ended).is_some_and(|stopped| *stopped > ticket),
            (AdminAct::BundleApplied { .. }, None) => order.bundle > ticket,
            _ => false,
        };
        order.n_unlocking = order.n_unlocking.saturating_sub(usize::from(ended.is_some()));
        if order.n_unlocking == 0 {
            order.stopped.clear();
        }
        let index = answered.map_err(|_| RecordError::Closed)??;
        if matches!(&act, AdminAct::BundleApplied { .. }) {
            order.bundle = order.bundle.max(ticket);
        }
        if !is_overtaken {
            self.live.apply(&act, header.at);
        }
        drop(order);
        Ok(Administered { recorded: Some(Receipt { index }) })
    }

    /// Pushed under the lock of the order, so that the log has the order of the tickets.
    fn push(&self, entry: Vec<u8>, class: Class) -> oneshot::Receiver<Result<u64, RecordError>> {
        let (answer, answered) = oneshot::channel();
        self.log.queue.push(Job { entry, content: Vec::new(), class, reply: Reply::Durable(answer), room: None });
        answered
    }

    fn check(&self, act: &AdminAct) -> Result<(), AdminError> {
        match act {
            AdminAct::CredentialCreated { credential } => {
                let is_taken = self.live.credentials.by_id(&credential.id).is_some()
                    || self.live.credentials.lookup(&credential.hash).is_some();
                if is_taken { Err(AdminError::CredentialExists(credential.id.clone())) } else { Ok(()) }
            }
            AdminAct::CredentialExpires { id, .. } => match self.live.credentials.by_id(id) {
                Some(_) => Ok(()),
                None => Err(AdminError::UnknownCredential(id.clone())),
            },
            AdminAct::Unlocked { target } => match self.live.epoch.locks().kind(target) {
                Some(LockKind::Kill) => Ok(()),
                Some(LockKind::Revoke) => Err(AdminError::Revoked(target.clone())),
                None => Err(AdminError::NotLocked(target.clone())),
            },
            AdminAct::ToolReleased { tool, .. } => match self.live.epoch.locks().quarantines().of(tool) {
                Some(_) => Ok(()),
                None => Err(AdminError::NotQuarantined(tool.clone())),
            },
            AdminAct::BundleApplied { digest } => self.bundles.read(digest).map(|_| ()).map_err(AdminError::Bundle),
            AdminAct::Initialised { .. }
            | AdminAct::Started { .. }
            | AdminAct::Stopped
            | AdminAct::TokenKeyMade { .. }
            | AdminAct::ApprovalAsked { .. }
            | AdminAct::ApprovalAnswered { .. }
            | AdminAct::ApprovalUsed { .. }
            | AdminAct::ApprovalCancelled { .. }
            | AdminAct::ToolQuarantined { .. }
            | AdminAct::Locked { .. } => Ok(()),
        }
    }
}

/// Whether an act only ever makes the gate stricter.
const fn tightens(act: &AdminAct) -> bool {
    matches!(act, AdminAct::Locked { .. } | AdminAct::ToolQuarantined { .. } | AdminAct::CredentialExpires { .. })
}
