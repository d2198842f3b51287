//! How long content is kept: keys seal for some days each, and those whose last day is long enough ago are destroyed.
//!
//! Entries are never removed: their headers, hashes and proofs stay, and what was encrypted says nothing any more. Content is
//! there for at least the days that were asked for, and at most an eighth of them (rounded up) and a day longer.

use std::fmt;

use model::UnixMillis;
use serde::{Deserialize, Serialize};

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;
/// Into how many keys per subject the time is divided.
const PARTS: u32 = 8;

/// A day of UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u32);

impl Day {
    /// Later than every other.
    pub(crate) const MAX: Self = Self(u32::MAX);

    /// The day of a time.
    #[must_use]
    pub fn of(at: UnixMillis) -> Self {
        Self(u32::try_from(at.0 / DAY).unwrap_or(u32::MAX))
    }

    /// So many days later.
    #[must_use]
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Its first moment.
    #[must_use]
    pub fn start(self) -> UnixMillis {
        UnixMillis(u64::from(self.0).saturating_mul(DAY))
    }
}

/// How long content is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Whole days, at least 1.
    pub days: u32,
}

impl Retention {
    /// Days for which one key seals.
    #[must_use]
    pub fn period(self) -> u32 {
        self.days.div_ceil(PARTS).max(1)
    }

    /// Keys that have sealed no more since this day are to be erased.
    #[must_use]
    pub fn horizon(self, now: UnixMillis) -> Day {
        Day(Day::of(now).0.saturating_sub(self.days))
    }
}

/// A key whose content is older than it may become.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Aged {
    /// The key.
    pub id: String,
    /// Whose content it is.
    pub subject: String,
    /// The last day on which it sealed.
    pub through: Day,
}

impl fmt::Debug for Aged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Aged({} of {}, day {})", self.id, self.subject, self.through.0)
    }
}

#[cfg(test)]
mod tests {
    use model::UnixMillis;

    use super::{DAY, Day, Retention};

    #[test]
    fn content_is_kept_at_least_as_long_as_was_asked_for_and_not_much_longer() {
        for days in [1, 2, 7, 8, 9, 30, 365, 36_500] {
            let retention = Retention { days };
            let period = retention.period();
            // A key made on day 0 seals through day `period - 1`; it goes when the horizon has passed that day.
            let through = Day(0).plus(period - 1);
            let gone = (0..).find(|day| through < retention.horizon(UnixMillis(u64::from(*day) * DAY))).unwrap();
            assert!(gone > through.0 + days, "the last content is {days} full days old: {gone}");
            assert!(gone <= days + period, "the first content is not much older: {gone}");
        }
    }
}
