//! A target as the tests run it: the same inputs everywhere, or as many as fit into a time.

use std::time::Duration;

use crate::run::{Budget, Report, fuzz};
use crate::speed::speed;
use crate::targets::Target;

/// Longest time for the inputs of a test: they take seconds, but other programs may run beside it.
const MAX_TIME: Duration = Duration::from_secs(120);
/// Fewest outcomes; below it the inputs reach nothing.
const LEAST_OUTCOMES: usize = 4;

/// Runs `inputs` inputs under a fixed seed, then the hostile patterns. With `seconds` it runs for so long instead, under a seed
/// of its own.
///
/// # Errors
/// What failed, in words: the input made small, too few inputs in time, too few outcomes, or a pattern that took too long.
pub fn smoke(target: &Target, inputs: u64, seconds: Option<u64>) -> Result<Report, String> {
    let budget = match seconds {
        None => Budget { inputs, time: MAX_TIME, seed: 22 },
        Some(seconds) => Budget { inputs: u64::MAX, time: Duration::from_secs(seconds), seed: seconds },
    };
    let report = fuzz(target, budget).map_err(|failure| failure.to_string())?;
    if report.inputs < inputs {
        return Err(format!("{}: only {} inputs in time", target.name, report.inputs));
    }
    if report.outcomes < LEAST_OUTCOMES {
        return Err(format!("{}: {} outcomes, the inputs reach nothing", target.name, report.outcomes));
    }
    speed(target).map_err(|slow| slow.to_string())?;
    Ok(report)
}
