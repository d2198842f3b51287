//! What the guard found, shared between it, whoever holds the connection, and the service behind it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use model::ReasonCode;
use tokio::sync::Notify;

/// What the guard of one connection found.
#[derive(Debug, Clone, Default)]
pub struct Verdict(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    reason: OnceLock<ReasonCode>,
    n_passed: AtomicU64,
    n_begun: AtomicU64,
    last_begun: Notify,
}

impl Verdict {
    /// Why the connection was ended, if the guard ended it.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        self.0.reason.get().copied()
    }

    /// The service tells that it was given a request. Called once per request, before it is answered.
    pub fn begins(&self) {
        self.0.n_begun.fetch_add(1, Ordering::SeqCst);
        self.tell();
    }

    /// Ends when something was refused and the service was given every request before it. Then the connection is to be shut
    /// down gracefully: what runs is answered, and nothing follows.
    ///
    /// Never ends while nothing is refused. For one waiter.
    pub async fn last_begun(&self) {
        self.0.last_begun.notified().await;
    }

    /// One more head was judged good.
    pub(super) fn passes(&self) {
        self.0.n_passed.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether any head was judged good.
    pub(super) fn has_passed(&self) -> bool {
        self.0.n_passed.load(Ordering::SeqCst) > 0
    }

    /// The first reason stays; there is no second.
    pub(super) fn refuses(&self, reason: ReasonCode) {
        self.0.reason.set(reason).ok();
        self.tell();
    }

    fn tell(&self) {
        let is_last = self.0.n_begun.load(Ordering::SeqCst) >= self.0.n_passed.load(Ordering::SeqCst);
        if self.reason().is_some() && is_last {
            self.0.last_begun.notify_one();
        }
    }
}
