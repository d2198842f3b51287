//! What is left: for the headers of an answer, and for people who ask.

use model::UnixMillis;

use crate::rule::{Measure, Rule};

/// The state of one budget for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The most in a window.
    pub most: u64,
    /// What is left of it.
    pub left: u64,
    /// Milliseconds until the window ends.
    pub reset: u64,
}

/// What a caller is told with its answer: of each measure the budget of which least is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// When that was so.
    pub at: UnixMillis,
    /// Calls.
    pub requests: Option<Level>,
    /// Tokens that models read.
    pub input: Option<Level>,
    /// Tokens that models write.
    pub output: Option<Level>,
    /// Both.
    pub tokens: Option<Level>,
    /// Money, in millionths; for policies, there is no header for it.
    pub cost: Option<Level>,
    /// For a refusal: milliseconds after which the same call can have room; none where it never has.
    pub retry_after: Option<u64>,
}

impl Allowance {
    /// Notes a budget; the one with less left stays.
    pub(crate) fn note(&mut self, measure: Measure, level: Level) {
        let place = match measure {
            Measure::Requests => &mut self.requests,
            Measure::InputTokens => &mut self.input,
            Measure::OutputTokens => &mut self.output,
            Measure::Tokens => &mut self.tokens,
            Measure::Cost => &mut self.cost,
            // What runs at once has no window; what tools are counted in is nothing that clients of models know of.
            Measure::Concurrent | Measure::Counted => return,
        };
        let is_tighter = place.is_none_or(|before| (level.left, before.reset) < (before.left, level.reset));
        if is_tighter {
            *place = Some(level);
        }
    }
}

/// One part of one budget, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The budget.
    pub rule: Rule,
    /// Whose part.
    pub whose: String,
    /// What counts as used now.
    pub used: u64,
    /// What is left.
    pub left: u64,
    /// When the window ends; none for what runs at once.
    pub resets: Option<UnixMillis>,
}
