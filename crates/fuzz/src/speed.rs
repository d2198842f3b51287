//! Linear time, measured on what is worst for a reader: one pattern, repeated to a megabyte.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::targets::Target;

/// How long the repeated inputs are, in bytes. Whoever needs quadratic time for one needs hours.
const LENGTH: usize = 1 << 20;
/// Bytes in a millisecond that [`yardstick`] takes on the machine on which the floors were set, in a debug build.
const YARDSTICK: f64 = 75_000.0;
/// How slow a machine may be beside that one: on one that is slower still, floors are missed rather than say nothing.
const SLOWEST: f64 = 0.5;
/// How often a pattern below its floor is measured: a neighbour on the machine can only make it slower, and goes away again.
const TRIES: usize = 3;

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
/// A pattern that is read more slowly than the target's floor, or an input that fails. Floors are those of one machine: on a slower
/// one they are lower by as much as a plain reader is slower there.
pub fn speed(target: &Target) -> Result<(&'static str, f64), Slow> {
    let mut slowest = ("", f64::INFINITY);
    for pattern in target.hostile {
        let input: Vec<u8> = pattern.bytes().cycle().take(LENGTH.max(pattern.len())).collect();
        let found = measured(target, pattern, &input)?;
        if found < slowest.1 {
            slowest = (pattern, found);
        }
    }
    Ok(slowest)
}

/// The speed of one input; the last of [`TRIES`] if none reaches the floor.
fn measured(target: &Target, pattern: &'static str, input: &[u8]) -> Result<f64, Slow> {
    let mut slow = Slow { target: target.name, pattern, found: 0.0, wanted: target.floor };
    for _ in 0..TRIES {
        // What is wrong in other ways is for `fuzz`.
        slow.found = bytes_per_ms(input, |input| drop((target.run)(input)));
        if slow.found >= slow.wanted {
            return Ok(slow.found);
        }
        // The machine is looked at right beside what was slow on it.
        slow.wanted = target.floor * (bytes_per_ms(input, yardstick) / YARDSTICK).clamp(SLOWEST, 1.0);
        if slow.found >= slow.wanted {
            return Ok(slow.found);
        }
    }
    Err(slow)
}

/// How many bytes `read` takes in a millisecond of this thread.
fn bytes_per_ms(input: &[u8], read: impl FnOnce(&[u8])) -> f64 {
    let started = cpu_time();
    read(input);
    let took = cpu_time().saturating_sub(started).as_secs_f64() * 1e3;
    f64::from(u32::try_from(input.len()).unwrap_or(u32::MAX)) / took.max(1e-6)
}

/// What a plain reader does with bytes: looks at each, keeps each, and remembers what it saw. Its speed is the machine's.
fn yardstick(input: &[u8]) {
    let (mut kept, mut sum) = (Vec::new(), 0_u64);
    for byte in input {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        kept.push(*byte);
    }
    std::hint::black_box((kept, sum));
}
