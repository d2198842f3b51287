//! What is remembered of an upstream: whether its last attempts failed. Passive: no probe is ever sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Failures in a row after which an upstream is passed over.
const FAILURES: u64 = 3;
/// For how long. Then one call tries it, while the others still pass it over; a failure starts the pause anew.
const PAUSE: Duration = Duration::from_secs(5);

/// The memory of one upstream. Two cells that are read one after the other: a call that sees them half-way tries an upstream
/// too often or too rarely by one, which is no harm.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Failures since the last answer.
    n_failed: AtomicU64,
    /// Passed over until then, in milliseconds of the clock that never goes back.
    until: AtomicU64,
}

impl Health {
    /// Whether an attempt at `now` is worth its while. After a pause it says so once, and whoever asked is to try.
    pub(crate) fn is_up(&self, now: Duration) -> bool {
        if self.n_failed.load(Ordering::Relaxed) < FAILURES {
            return true;
        }
        let until = self.until.load(Ordering::Relaxed);
        let next = millis(now.saturating_add(PAUSE));
        // Of those who come after the pause, one moves its end on and is the one to try.
        millis(now) >= until && self.until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Remembers an attempt that ended at `now`; `true` when the upstream is passed over for the first time since its last
    /// answer.
    pub(crate) fn remember(&self, is_ok: bool, now: Duration) -> bool {
        if is_ok {
            if self.n_failed.load(Ordering::Relaxed) > 0 {
                self.n_failed.store(0, Ordering::Relaxed);
            }
            return false;
        }
        let n_failed = self.n_failed.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if n_failed >= FAILURES {
            self.until.store(millis(now.saturating_add(PAUSE)), Ordering::Relaxed);
        }
        n_failed == FAILURES
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Health;

    #[test]
    fn three_failures_in_a_row_pause_it_and_one_answer_ends_that() {
        let (health, second) = (Health::default(), Duration::from_secs);
        for _ in 0..2 {
            assert!(!health.remember(false, second(1)));
        }
        health.remember(true, second(1));
        for _ in 0..2 {
            assert!(!health.remember(false, second(2)), "the answer in between counts");
        }
        assert!(health.is_up(second(2)));
        assert!(health.remember(false, second(3)), "told once");
        assert!(!health.remember(false, second(3)));
        assert!(!health.is_up(second(7)));
        assert!(health.is_up(second(8)), "then it is tried again");
        assert!(!health.is_up(second(8)), "by one");
        assert!(!health.remember(false, second(9)) && !health.is_up(second(13)), "and one failure is enough");
        assert!(health.is_up(second(14)));
        health.remember(true, second(14));
        assert!(health.is_up(second(14)));
    }
}
