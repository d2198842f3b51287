//! Reserve before, settle on usage.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Name, ReasonCode, UnixMillis, Usage};

use crate::bucket::{Bucket, Full, Place};
use crate::counters::Counters;
use crate::level::{Allowance, Level};
use crate::period::{Period, Window};
use crate::rule::{Caller, KeyRef, Measure, Rule, Rules};

/// How often a bucket that was just taken out of the table is looked up again.
const TRIES: usize = 8;

/// How much a call uses, or may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Calls: 1, or 0 for one that never left.
    pub requests: u64,
    /// Tokens that the model reads.
    pub input: u64,
    /// Tokens that the model writes.
    pub output: u64,
    /// Millionths of the currency; none where the model has no price.
    pub cost: Option<u64>,
    /// What its tool is counted in, in thousandths; none of a quantity of which it is not known. What is not here is nothing.
    pub counted: BTreeMap<Name, Option<u64>>,
}

impl Amounts {
    /// One call with this usage.
    #[must_use]
    pub const fn of(usage: &Usage, cost: Option<u64>) -> Self {
        Self { requests: 1, input: usage.read(), output: usage.output, cost, counted: BTreeMap::new() }
    }

    /// How much of what a budget counts; none where it is not known.
    #[must_use]
    pub fn get(&self, measure: Measure, quantity: Option<&Name>) -> Option<u64> {
        match measure {
            Measure::Counted => quantity.and_then(|name| self.counted.get(name)).copied().unwrap_or(Some(0)),
            Measure::Requests | Measure::Concurrent => Some(self.requests),
            Measure::InputTokens => Some(self.input),
            Measure::OutputTokens => Some(self.output),
            Measure::Tokens => Some(self.input.saturating_add(self.output)),
            Measure::Cost => self.cost,
        }
    }
}

/// Why there is no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// The budget.
    pub rule: Name,
    /// What it counts.
    pub measure: Measure,
    /// What that is called, where tools are counted in it.
    pub quantity: Option<Name>,
    /// The window.
    pub period: Period,
    /// The most in a window.
    pub most: u64,
    /// What counts as used.
    pub used: u64,
    /// What was asked for; none where it is not known.
    pub wanted: Option<u64>,
    /// What is left of everything, and when to come again.
    pub allowance: Allowance,
}

impl Exceeded {
    /// The reason that a caller is told.
    #[must_use]
    pub const fn reason(&self) -> ReasonCode {
        match (self.measure, self.wanted) {
            (Measure::Cost, None) => ReasonCode::PriceUnknown,
            (Measure::Counted, None) => ReasonCode::AmountUnknown,
            (Measure::Counted, _) => ReasonCode::AmountLimit,
            (Measure::Concurrent, _) => ReasonCode::ConcurrencyLimit,
            (Measure::Cost, _) => ReasonCode::BudgetSpent,
            _ if !self.period.slides() => ReasonCode::BudgetSpent,
            (Measure::Requests, _) => ReasonCode::RequestLimit,
            (Measure::InputTokens | Measure::OutputTokens | Measure::Tokens, _) => ReasonCode::TokenLimit,
        }
    }
}

/// What one call holds until it has ended.
///
/// Dropped without being settled it keeps what was reserved, but for its place among those that run.
#[derive(Debug)]
#[must_use = "a reservation that is dropped stays charged as a whole"]
pub struct Reservation {
    held: Vec<Held>,
    at: UnixMillis,
    allowance: Allowance,
}

#[derive(Debug)]
struct Held {
    bucket: Arc<Bucket>,
    /// None for what runs.
    place: Option<Place>,
    measure: Measure,
    quantity: Option<Name>,
    amount: u64,
}

impl Reservation {
    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> UnixMillis {
        self.at
    }

    /// What is left, this call deducted.
    #[must_use]
    pub const fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Whether no budget applies.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Puts what was used in the place of what was reserved. What is not known stays as it was reserved.
    pub fn settle(mut self, used: &Amounts) {
        for held in &mut self.held {
            if let (Some(place), Some(used)) = (held.place, used.get(held.measure, held.quantity.as_ref())) {
                held.bucket.adjust(place, held.amount, used);
                held.amount = used;
            }
        }
    }

    /// Gives everything back: the call never left.
    pub fn release(self) {
        self.settle(&Amounts { cost: Some(0), ..Amounts::default() });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.held.iter().filter(|held| held.place.is_none()).for_each(|held| held.bucket.leave());
    }
}

impl Counters {
    /// Reserves the most that a call may use, in every budget that applies to it: all or nothing.
    ///
    /// # Errors
    /// [`Exceeded`] names the budget that takes longest until there is room.
    pub fn reserve(
        &self,
        rules: &Rules,
        caller: Caller<'_>,
        wanted: &Amounts,
        now: UnixMillis,
    ) -> Result<Reservation, Box<Exceeded>> {
        let mut reservation = Reservation { held: Vec::new(), at: now, allowance: Allowance { at: now, ..Allowance::default() } };
        let mut exceeded: Option<(Wait, Exceeded)> = None;
        for rule in rules.applying(caller) {
            for key in rule.keys(caller) {
                let amount = wanted.get(rule.measure, rule.quantity.as_ref());
                let Err(full) = self.hold(&mut reservation, key, amount, now) else { continue };
                let window = rule.period.window(now);
                let level = Level { most: rule.most, left: rule.most.saturating_sub(full.used), reset: window.left(now) };
                reservation.allowance.note(rule.measure, level);
                let wait = self.wait(key, amount, now);
                if exceeded.as_ref().is_none_or(|(longest, _)| wait > *longest) {
                    exceeded = Some((wait, exceed(rule, full.used, amount)));
                }
            }
        }
        let Some((wait, mut exceeded)) = exceeded else { return Ok(reservation) };
        exceeded.allowance = reservation.allowance;
        exceeded.allowance.retry_after = wait.0;
        reservation.release();
        Err(Box::new(exceeded))
    }

    /// Takes from one budget.
    fn hold(&self, reservation: &mut Reservation, key: KeyRef<'_>, wanted: Option<u64>, now: UnixMillis) -> Result<(), Full> {
        let rule = key.rule;
        let Some(wanted) = wanted else { return Err(Full { used: rule.most }) };
        let window = rule.period.window(now);
        for _ in 0..TRIES {
            let bucket = self.bucket(key, now);
            let (place, used) = if rule.measure == Measure::Concurrent {
                (None, bucket.enter(rule.most)?)
            } else {
                let (place, used) = bucket.take(rule.period, &window, now, wanted, rule.most)?;
                (Some(place), used)
            };
            let held = Held { bucket, place, measure: rule.measure, quantity: rule.quantity.clone(), amount: wanted };
            if !held.bucket.is_retired() {
                let level = Level { most: rule.most, left: rule.most.saturating_sub(used), reset: window.left(now) };
                reservation.allowance.note(rule.measure, level);
                reservation.held.push(held);
                return Ok(());
            }
            // It is being looked at, or nobody counts in it any more: given back, and looked up again.
            match held.place {
                Some(place) => held.bucket.adjust(place, wanted, 0),
                None => held.bucket.leave(),
            }
        }
        Err(Full { used: rule.most })
    }

    /// How long until there is room.
    fn wait(&self, key: KeyRef<'_>, wanted: Option<u64>, now: UnixMillis) -> Wait {
        let rule = key.rule;
        if rule.measure == Measure::Concurrent {
            return Wait(Some(1000));
        }
        let Some(room) = wanted.and_then(|wanted| rule.most.checked_sub(wanted)) else { return Wait(None) };
        let bucket = self.bucket(key, now);
        let window = rule.period.window(now);
        let present = bucket.used(rule.period, &window, window.end);
        if !rule.period.slides() {
            return Wait(Some(window.left(now)));
        }
        let carried = bucket.used(rule.period, &window, window.start).saturating_sub(present);
        if present <= room {
            // It fits as soon as enough of the window before has faded.
            return Wait(Some(faded(&window, carried, room - present).since(now)));
        }
        let next = rule.period.window(window.end);
        Wait(Some(faded(&next, present, room).since(now)))
    }
}

/// When no more than `room` of `before` counts.
fn faded(window: &Window, before: u64, room: u64) -> UnixMillis {
    let length = u128::from(window.length());
    let left = u128::from(room.min(before)).saturating_mul(length) / u128::from(before.max(1));
    UnixMillis(window.end.0.saturating_sub(u64::try_from(left).unwrap_or(u64::MAX)))
}

fn exceed(rule: &Rule, used: u64, wanted: Option<u64>) -> Exceeded {
    let (measure, period, most) = (rule.measure, rule.period, rule.most);
    let quantity = rule.quantity.clone();
    Exceeded { rule: rule.name.clone(), measure, quantity, period, most, used, wanted, allowance: Allowance::default() }
}

/// Milliseconds until there is room; never is longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait(Option<u64>);

impl PartialOrd for Wait {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        let key = |wait: &Self| (wait.0.is_none(), wait.0);
        Some(key(self).cmp(&key(other)))
    }
}
