//! Windows of time: calendar seconds, minutes, hours, days and months, in UTC.

use model::UnixMillis;

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// From midnight to midnight, UTC.
    Day,
    /// A month of the Gregorian calendar, UTC.
    Month,
}

/// One window of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Counts windows of the period from 1970 on; the next one has the next number.
    pub number: u64,
    /// When it begins.
    pub start: UnixMillis,
    /// When the next one begins.
    pub end: UnixMillis,
}

const DAY: u64 = 86_400_000;

impl Period {
    /// Every period.
    pub const ALL: [Self; 5] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Month];

    /// The period as written in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Whether what was used in the window before still counts, less and less until this one ends. What runs by the day or the
    /// month is a budget, and begins anew at midnight.
    #[must_use]
    pub const fn slides(self) -> bool {
        matches!(self, Self::Second | Self::Minute | Self::Hour)
    }

    /// The window that holds `at`.
    #[must_use]
    pub const fn window(self, at: UnixMillis) -> Window {
        let length = match self {
            Self::Second => 1000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => DAY,
            Self::Month => return month(at),
        };
        let number = at.0 / length;
        let start = number.saturating_mul(length);
        Window { number, start: UnixMillis(start), end: UnixMillis(start.saturating_add(length)) }
    }
}

impl Window {
    /// Milliseconds until it ends.
    #[must_use]
    pub const fn left(&self, now: UnixMillis) -> u64 {
        self.end.since(now)
    }

    /// Its length in milliseconds; at least 1.
    pub(crate) const fn length(&self) -> u64 {
        let length = self.end.since(self.start);
        if length == 0 { 1 } else { length }
    }

    /// How much of what was used in the window before still counts at `now`, rounded up.
    pub(crate) fn carried(&self, before: u64, now: UnixMillis) -> u64 {
        let left = u128::from(self.left(now).min(self.length()));
        let carried = u128::from(before).saturating_mul(left).div_ceil(u128::from(self.length()));
        u64::try_from(carried).unwrap_or(u64::MAX)
    }
}

/// Days in a month, by its number since January 1970.
const fn days_in(number: u64) -> u64 {
    let year = 1970 + number / 12;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match number % 12 {
        1 if is_leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the beginning of a year.
const fn days_before(year: u64) -> u64 {
    let past = year.saturating_sub(1);
    let leaps = past / 4 - past / 100 + past / 400;
    // Up to 1969 there were 477 leap years.
    year.saturating_sub(1970).saturating_mul(365).saturating_add(leaps).saturating_sub(477)
}

/// The day of a date of the Gregorian calendar, counted from 1970 on; none for a date that is not there, or lies before.
#[must_use]
pub const fn day_number(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1 {
        return None;
    }
    let first = (year - 1970) * 12;
    if day > days_in(first + month - 1) {
        return None;
    }
    let mut days = days_before(year);
    let mut number = first;
    while number < first + month - 1 {
        days += days_in(number);
        number += 1;
    }
    Some(days + day - 1)
}

const fn month(at: UnixMillis) -> Window {
    let day = at.0 / DAY;
    // A year has at least 365 days, so this is the year, or one of the few behind it.
    let mut year = 1970 + day / 366;
    while days_before(year + 1) <= day {
        year += 1;
    }
    let mut number = (year - 1970) * 12;
    let mut first = days_before(year);
    while first + days_in(number) <= day {
        first += days_in(number);
        number += 1;
    }
    let end = first.saturating_add(days_in(number));
    Window { number, start: UnixMillis(first.saturating_mul(DAY)), end: UnixMillis(end.saturating_mul(DAY)) }
}

#[cfg(test)]
mod tests {
    use model::UnixMillis;

    use super::{DAY, Period, day_number};

    #[test]
    fn months_of_the_calendar() {
        // Dates as `date -u` writes them: first day of the month, seconds since 1970, days.
        let facts = [
            (0, 0, 31),
            (1, 2_678_400, 28),
            (12 * 2 + 1, 65_750_400, 29),
            (12 * 30, 946_684_800, 31),
            (12 * 30 + 1, 949_363_200, 29),
            (12 * 56 + 10, 1_793_491_200, 30),
            (12 * 130 + 1, 4_105_123_200, 28),
        ];
        for (number, start, days) in facts {
            let first = UnixMillis(start * 1000);
            for at in [first, UnixMillis(first.0 + days * DAY - 1)] {
                let window = Period::Month.window(at);
                assert_eq!((window.number, window.start, window.end.0), (number, first, first.0 + days * DAY), "{at:?}");
            }
            if start > 0 {
                assert_eq!(Period::Month.window(UnixMillis(first.0 - 1)).number, number - 1);
            }
        }
    }

    #[test]
    fn days_of_dates() {
        let facts = [
            ((1970, 1, 1), Some(0)),
            ((2026, 11, 1), Some(20_758)),
            ((2024, 2, 29), Some(19_782)),
            ((2023, 2, 29), None),
            ((2023, 13, 1), None),
            ((2023, 0, 1), None),
            ((2023, 4, 31), None),
            ((1969, 12, 31), None),
        ];
        for ((year, month, day), expected) in facts {
            assert_eq!(day_number(year, month, day), expected, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn windows_meet() {
        for period in Period::ALL {
            let mut window = period.window(UnixMillis(1_700_000_000_123));
            for _ in 0..5000 {
                let next = period.window(window.end);
                assert_eq!((next.number, next.start), (window.number + 1, window.end), "{period:?}");
                window = next;
            }
        }
    }

    #[test]
    fn what_is_carried_fades() {
        let window = Period::Minute.window(UnixMillis(60_000));
        let facts = [(60_000, 100), (75_000, 75), (90_000, 50), (90_001, 50), (119_999, 1), (120_000, 0), (0, 100)];
        for (now, carried) in facts {
            assert_eq!(window.carried(100, UnixMillis(now)), carried, "{now}");
        }
    }
}
