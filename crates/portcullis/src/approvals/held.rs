//! The calls that wait for an approval: bounded in number, of all and of the same parties.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Chain;

/// How many calls wait, and of whom.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// A poisoned lock means that a thread panicked while it held it; counts are changed in one step.
    of: Mutex<HashMap<Chain, usize>>,
    is_closed: AtomicBool,
}

/// The place of one call that waits.
#[derive(Debug)]
pub(crate) struct Place {
    held: Arc<Held>,
    chain: Chain,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<Chain, usize>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if fewer than `most` calls wait, and fewer than `of_parties` of this chain.
    pub(super) fn place(self: &Arc<Self>, chain: &Chain, most: usize, of_parties: usize) -> Option<Place> {
        let mut of = self.lock();
        let n_waiting: usize = of.values().sum();
        let n_own = of.get(chain).copied().unwrap_or(0);
        if !self.is_open() || n_waiting >= most || n_own >= of_parties {
            return None;
        }
        of.insert(chain.clone(), n_own.saturating_add(1));
        Some(Place { held: Arc::clone(self), chain: chain.clone() })
    }

    /// How many calls wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().values().sum()
    }

    /// From now on there are none.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_open(&self) -> bool {
        !self.is_closed.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of = self.held.lock();
        let left = of.get(&self.chain).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            of.remove(&self.chain);
        } else {
            of.insert(self.chain.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Chain;

    use super::Held;

    #[test]
    fn places_are_bounded_and_given_back() {
        let [one, other] = ["user:ada", "user:bob"].map(|link| Chain::new(vec![link.parse().unwrap()]).unwrap());
        let held = Arc::new(Held::default());
        let first = held.place(&one, 3, 2).unwrap();
        let second = held.place(&one, 3, 2).unwrap();
        assert!(held.place(&one, 3, 2).is_none(), "the same parties");
        assert_eq!(held.count(), 2);
        let third = held.place(&other, 3, 2).unwrap();
        assert!(held.place(&other, 3, 2).is_none(), "all of them");
        drop((first, third));
        assert!(held.place(&one, 3, 2).is_some());
        drop(second);
        assert_eq!(held.lock().len(), 0, "nobody is remembered");
        held.close();
        assert!(held.place(&one, 3, 2).is_none());
    }
}
