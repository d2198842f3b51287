//! The loop: mutate, read, keep what was new, stop at the first failure.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::mutate::mutate;
use crate::random::Random;
use crate::shrink::shrink;
use crate::targets::Target;

/// Longest time for one input; they are short, so this is a hang.
const MAX_TIME: Duration = Duration::from_secs(5);
/// Most inputs that are kept to be mutated.
const MAX_KEPT: usize = 4096;

/// How long to run: both bounds hold.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Most inputs.
    pub inputs: u64,
    /// Most time.
    pub time: Duration,
    /// Where chance begins.
    pub seed: u64,
}

/// What came of a run without failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Inputs read.
    pub inputs: u64,
    /// Different outcomes seen.
    pub outcomes: usize,
    /// Bytes read.
    pub bytes: u64,
}

/// An input under which a target failed, made small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The target's name.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
    /// What went wrong.
    pub said: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, input, said } = self;
        write!(formatter, "{target}: {said}\ninput, {} bytes: b\"{}\"", input.len(), input.escape_ascii())
    }
}

/// Runs a target until its budget is spent or something fails.
///
/// # Errors
/// The first failing input, made small.
pub fn fuzz(target: &Target, budget: Budget) -> Result<Report, Failure> {
    let started = Instant::now();
    let mut random = Random::new(budget.seed);
    let mut kept = (target.seeds)();
    let mut seen = HashSet::new();
    let mut report = Report { inputs: 0, outcomes: 0, bytes: 0 };
    for input in &kept {
        seen.insert(read(target, input)?);
    }
    while report.inputs < budget.inputs && started.elapsed() < budget.time {
        let from = random.one(&kept).map_or(&[][..], Vec::as_slice);
        let input = mutate(from, &kept, target.words, target.max_len, &mut random);
        report.inputs += 1;
        report.bytes += u64::try_from(input.len()).unwrap_or(0);
        if seen.insert(read(target, &input)?) && kept.len() < MAX_KEPT {
            kept.push(input);
        }
    }
    report.outcomes = seen.len();
    Ok(report)
}

/// Reads one input.
///
/// # Errors
/// The input as it is, if it fails.
pub fn replay(target: &Target, input: &[u8]) -> Result<u64, Failure> {
    attempt(target, input).map_err(|said| Failure { target: target.name, input: input.to_vec(), said })
}

fn read(target: &Target, input: &[u8]) -> Result<u64, Failure> {
    attempt(target, input).map_err(|first| {
        let small = shrink(input, |shorter| attempt(target, shorter).is_err());
        let said = attempt(target, &small).err().unwrap_or(first);
        Failure { target: target.name, input: small, said }
    })
}

fn attempt(target: &Target, input: &[u8]) -> Result<u64, String> {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", said.unwrap_or("without words")))
    })?;
    if started.elapsed() > MAX_TIME {
        return Err(format!("took {:.1} s", started.elapsed().as_secs_f64()));
    }
    Ok(outcome)
}
