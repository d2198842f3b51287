//! A bound on handshakes under way that slow clients cannot turn against others: for one too many, the oldest is given up.
//!
//! A bound at which newcomers wait would let whoever opens connections and says nothing lock everybody out for as long as a
//! handshake may take. Here they push out each other: an honest handshake takes a few round trips, and is only pushed out if as
//! many others as the bound begin in that time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The handshakes under way.
#[derive(Debug)]
pub(super) struct Handshakes {
    most: usize,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    turns: BTreeMap<u64, Arc<Notify>>,
}

impl Handshakes {
    /// At most `most` at once; at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), under_way: Mutex::default() }
    }

    /// Begins one more.
    pub(super) fn begin(&self) -> Turn<'_> {
        let mut under_way = self.lock();
        if under_way.turns.len() >= self.most
            && let Some((_, oldest)) = under_way.turns.pop_first()
        {
            oldest.notify_one();
        }
        let number = under_way.next;
        under_way.next = number.saturating_add(1);
        let given_up = Arc::new(Notify::new());
        under_way.turns.insert(number, Arc::clone(&given_up));
        Turn { handshakes: self, number, given_up }
    }

    /// Nothing that could panic happens under the lock; what is in it stays true.
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One handshake under way; counts itself off, however it ends.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    handshakes: &'a Handshakes,
    number: u64,
    given_up: Arc<Notify>,
}

impl Turn<'_> {
    /// Ends when the handshake is to be given up.
    pub(super) async fn given_up(&mut self) {
        self.given_up.notified().await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.handshakes.lock().turns.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::{Handshakes, Turn};

    fn is_given_up(turn: &mut Turn<'_>) -> bool {
        pin!(turn.given_up()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_oldest_is_given_up_for_one_too_many() {
        let handshakes = Handshakes::new(2);
        let [mut first, mut second] = [handshakes.begin(), handshakes.begin()];
        assert!(!is_given_up(&mut first) && !is_given_up(&mut second));
        let mut third = handshakes.begin();
        assert!(is_given_up(&mut first));
        drop(first);
        assert!(!is_given_up(&mut second) && !is_given_up(&mut third));
        drop(third);
        let mut fourth = handshakes.begin();
        assert!(!is_given_up(&mut second), "one had ended");
        let _fifth = handshakes.begin();
        assert!(is_given_up(&mut second) && !is_given_up(&mut fourth));
        assert_eq!(handshakes.lock().turns.len(), 2);
    }
}
