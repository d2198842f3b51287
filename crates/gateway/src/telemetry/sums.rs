//! Metrics: counts and durations of calls since the start, by operation, model and how they failed. Kept by the one task that
//! exports, so nothing on the path of a call pays for them.

use std::collections::BTreeMap;

use model::ReasonCode;

use super::record::Call;

/// Upper bounds of the histogram of durations, in seconds, as the conventions advise.
pub(super) const BOUNDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Most combinations; further ones are counted without their model.
const MAX_KEYS: usize = 2000;

/// What a call is counted under. All of it comes from closed sets or from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) operation: &'static str,
    pub(super) provider: &'static str,
    pub(super) model: String,
    pub(super) failed: Option<ReasonCode>,
}

/// The durations of the calls of one kind.
#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) count: u64,
    /// Seconds.
    pub(super) sum: f64,
    pub(super) buckets: [u64; BOUNDS.len() + 1],
}

/// Everything since the start.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<Key, Cell>);

impl Sums {
    /// Counts a call of a declared model.
    pub(super) fn add(&mut self, call: &Call) {
        let Some(model) = &call.model else { return };
        let failed = call.is_failed().then_some(call.reason);
        let mut key = Key { operation: call.operation, provider: call.provider, model: model.clone(), failed };
        if self.0.len() >= MAX_KEYS && !self.0.contains_key(&key) {
            "_OTHER".clone_into(&mut key.model);
        }
        let cell = self.0.entry(key).or_default();
        let seconds = call.took.as_secs_f64();
        let position = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        cell.count = cell.count.saturating_add(1);
        cell.sum += seconds;
        if let Some(bucket) = cell.buckets.get_mut(position) {
            *bucket = bucket.saturating_add(1);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Cell)> {
        self.0.iter()
    }
}
