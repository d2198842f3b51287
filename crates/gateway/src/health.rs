//! What is remembered of an upstream: whether its last attempts failed. Passive: no probe is ever sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Failures in a row after which an upstream is passed over.
const FAILURES: u64 = 3;
/// For how long. Then one call after the other tries it again; the first failure passes it over once more.
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
    /// Whether an attempt at `now` is worth its while.
    pub(crate) fn is_up(&self, now: Duration) -> bool {
        self.n_failed.load(Ordering::Relaxed) < FAILURES || millis(now) >= self.until.load(Ordering::Relaxed)
    }

    /// Remembers an attempt that ended at `now`; `true` if the upstream is passed over from now on and was not before.
    pub(crate) fn remember(&self, is_ok: bool, now: Duration) -> bool {
        if is_ok {
            if self.n_failed.load(Ordering::Relaxed) > 0 {
                self.n_failed.store(0, Ordering::Relaxed);
            }
            return false;
        }
        let n_failed = self.n_failed.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let was_up = millis(now) >= self.until.load(Ordering::Relaxed);
        if n_failed < FAILURES {
            return false;
        }
        self.until.store(millis(now.saturating_add(PAUSE)), Ordering::Relaxed);
        was_up
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
        assert!(health.remember(false, second(8)) && !health.is_up(second(9)), "and one failure is enough");
        health.remember(true, second(14));
        assert!(health.is_up(second(14)));
    }
}
