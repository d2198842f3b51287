//! Metrics: counts and durations of calls since the start, and the tokens that they used, by operation, model and how they failed.
//! Kept by the one task that exports, so nothing on the path of a call pays for them.

use std::collections::BTreeMap;

use model::ReasonCode;

use super::record::{Call, Used};

/// Upper bounds of a histogram.
pub(super) type Bounds = [f64; 14];
/// Those of durations, in seconds, as the conventions advise.
const SECONDS: Bounds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Those of tokens, as the conventions advise.
const TOKENS: Bounds = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Most combinations of each metric; further ones are counted without their model.
const MAX_KEYS: usize = 2000;
/// In place of a model for which there was no room.
const OTHER: &str = "_OTHER";

/// What a call is counted under. All of it comes from closed sets or from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) operation: &'static str,
    pub(super) provider: &'static str,
    pub(super) model: String,
    pub(super) failed: Option<ReasonCode>,
}

/// What tokens are counted under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenKey {
    pub(super) operation: &'static str,
    pub(super) provider: &'static str,
    pub(super) model: String,
    /// `input` or `output`.
    pub(super) kind: &'static str,
    /// The gate's own count, where the provider told none.
    pub(super) is_estimate: bool,
}

/// The distribution of what was measured under one key.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) bounds: &'static Bounds,
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) buckets: [u64; 15],
}

impl Cell {
    const fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, count: 0, sum: 0.0, buckets: [0; 15] }
    }

    //= https://opentelemetry.io/docs/specs/otel/metrics/data-model/#histogram
    //# bounds [...] are inclusive of the upper bound
    fn add(&mut self, value: f64) {
        let position = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.count = self.count.saturating_add(1);
        self.sum += value;
        if let Some(bucket) = self.buckets.get_mut(position) {
            *bucket = bucket.saturating_add(1);
        }
    }
}

/// Everything since the start.
#[derive(Debug, Default)]
pub(super) struct Sums {
    durations: BTreeMap<Key, Cell>,
    tokens: BTreeMap<TokenKey, Cell>,
}

impl Sums {
    /// Counts a call of a declared model.
    pub(super) fn add(&mut self, call: &Call) {
        let Some(model) = &call.model else { return };
        let failed = call.is_failed().then_some(call.reason);
        let mut key = Key { operation: call.operation, provider: call.provider, model: model.clone(), failed };
        if self.durations.len() >= MAX_KEYS && !self.durations.contains_key(&key) {
            OTHER.clone_into(&mut key.model);
        }
        self.durations.entry(key).or_insert(Cell::new(&SECONDS)).add(call.took.as_secs_f64());
        if let Some(used) = &call.used {
            self.add_tokens(call, model, used);
        }
    }

    /// Counts what a call used. No token of a kind is nothing measured: embeddings write none.
    fn add_tokens(&mut self, call: &Call, model: &str, used: &Used) {
        for (kind, tokens) in [("input", used.input), ("output", used.output)].into_iter().filter(|(_, tokens)| *tokens > 0) {
            let (operation, provider, is_estimate) = (call.operation, call.provider, used.is_estimate);
            let mut key = TokenKey { operation, provider, model: model.to_owned(), kind, is_estimate };
            if self.tokens.len() >= MAX_KEYS && !self.tokens.contains_key(&key) {
                OTHER.clone_into(&mut key.model);
            }
            let tokens = f64::from(u32::try_from(tokens).unwrap_or(u32::MAX));
            self.tokens.entry(key).or_insert(Cell::new(&TOKENS)).add(tokens);
        }
    }

    /// Durations and counts of calls.
    pub(super) fn durations(&self) -> impl Iterator<Item = (&Key, &Cell)> {
        self.durations.iter()
    }

    /// Tokens.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&TokenKey, &Cell)> {
        self.tokens.iter()
    }
}
