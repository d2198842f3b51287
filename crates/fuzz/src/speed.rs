//! Linear time, measured on what is worst for a reader: one pattern, repeated to a megabyte.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::targets::Target;

/// How long the repeated inputs are, in bytes. Whoever needs quadratic time for one needs hours.
const LENGTH: usize = 1 << 20;

/// A target that was too slow.
#[derive(Debug, Clone, PartialEq)]
pub struct Slow {
    /// The target's name.
    pub target: &'static str,
    /// What was repeated.
    pub pattern: &'static str,
    /// Bytes in a millisecond of this thread's time.
    pub found: f64,
    /// How many there must be.
    pub wanted: f64,
}

impl fmt::Display for Slow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, pattern, found, wanted } = self;
        write!(formatter, "{target}: {found:.0} bytes/ms on repeated {pattern:?}, at least {wanted:.0} are wanted")
    }
}

/// The time that this thread has spent on a core: what other programs do does not count.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    Duration::new(seconds, nanoseconds)
}

/// Bytes per millisecond of the slowest pattern, with the pattern.
///
/// # Errors
/// A pattern that is read more slowly than the target's floor, or an input that fails.
pub fn speed(target: &Target) -> Result<(&'static str, f64), Slow> {
    let mut slowest = ("", f64::INFINITY);
    for pattern in target.hostile {
        let input: Vec<u8> = pattern.bytes().cycle().take(LENGTH.max(pattern.len())).collect();
        let started = cpu_time();
        // What is wrong in other ways is for `fuzz`.
        _ = (target.run)(&input);
        let took = cpu_time().saturating_sub(started).as_secs_f64() * 1e3;
        let found = f64::from(u32::try_from(input.len()).unwrap_or(u32::MAX)) / took.max(1e-6);
        if found < target.floor {
            return Err(Slow { target: target.name, pattern, found, wanted: target.floor });
        }
        if found < slowest.1 {
            slowest = (pattern, found);
        }
    }
    Ok(slowest)
}
