//! What was used, by everybody: a table in shards that calls read without a lock.
//!
//! A shard is an immutable map behind an atomic pointer. Looking a bucket up is two loads; a bucket that is new is added to a
//! copy, under the shard's lock. The table is bounded: where a shard is full, buckets in which nothing counts any more are
//! taken out, and if there are none, whoever comes later shares one part of the budget with everybody else who did.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use model::UnixMillis;

use crate::bucket::Bucket;
use crate::level::{Allowance, Level, Line};
use crate::period::Window;
use crate::rule::{Caller, Key, KeyRef, Measure, Past, Rule, Rules};

/// Shards; a power of two.
const SHARDS: usize = 256;
/// Most buckets per shard.
const PER_SHARD: usize = 256;
/// Most parts of budgets that are told apart.
pub const MAX_KEYS: usize = SHARDS * PER_SHARD;

type Table = HashMap<u64, Arc<Bucket>>;

#[derive(Debug, Default)]
struct Shard {
    table: ArcSwap<Table>,
    adding: Mutex<()>,
}

/// Everything that was used.
#[derive(Debug)]
pub struct Counters {
    shards: Vec<Shard>,
    /// One part per budget for those who have no room of their own; as many as there are budgets.
    rest: Shard,
    hasher: RandomState,
    per_shard: usize,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new(PER_SHARD)
    }
}

impl Counters {
    /// Nothing used yet; at most `per_shard` parts of budgets in each of 256 shards.
    #[must_use]
    pub fn new(per_shard: usize) -> Self {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        Self { shards, rest: Shard::default(), hasher: RandomState::new(), per_shard }
    }

    /// The bucket of a key; made if it is new.
    pub(crate) fn bucket(&self, key: KeyRef<'_>, now: UnixMillis) -> Arc<Bucket> {
        let hash = self.hasher.hash_one(key);
        let Some(shard) = usize::try_from(hash % 256).ok().and_then(|at| self.shards.get(at)) else { return self.rest(key) };
        if let Some(found) = shard.table.load().get(&hash)
            && !found.is_retired()
        {
            // Two keys with one hash: the second has no room of its own.
            return if key.is(&found.key) { Arc::clone(found) } else { self.rest(key) };
        }
        self.add(shard, hash, key, now).unwrap_or_else(|| self.rest(key))
    }

    /// The bucket that a call would take from, as it is: none where nobody has taken anything yet. Makes nothing.
    pub(crate) fn find(&self, key: KeyRef<'_>) -> Option<Arc<Bucket>> {
        let hash = self.hasher.hash_one(key);
        let shard = usize::try_from(hash % 256).ok().and_then(|at| self.shards.get(at))?;
        let table = shard.table.load();
        match table.get(&hash) {
            Some(found) if key.is(&found.key) => Some(Arc::clone(found)),
            None if table.len() < self.per_shard => None,
            // No room of its own.
            Some(_) | None => self.rest.table.load().get(&self.hasher.hash_one(key.rest())).map(Arc::clone),
        }
    }

    /// What is left to a caller of every measure that has a window: of each the budget of which least is left. Takes nothing.
    #[must_use]
    pub fn left(&self, rules: &Rules, caller: Caller<'_>, now: UnixMillis) -> Allowance {
        let mut allowance = Allowance { at: now, ..Allowance::default() };
        let is_told = |rule: &&Rule| !matches!(rule.measure, Measure::Concurrent | Measure::Counted);
        for rule in rules.applying(caller).filter(is_told) {
            let window = rule.period.window(now);
            for key in rule.keys(caller) {
                let used = self.find(key).map_or(0, |bucket| bucket.used(rule.period, &window, now));
                let level = Level { most: rule.most, left: rule.most.saturating_sub(used), reset: window.left(now) };
                allowance.note(rule.measure, level);
            }
        }
        allowance
    }

    /// Adds a bucket; none if there is no room.
    fn add(&self, shard: &Shard, hash: u64, key: KeyRef<'_>, now: UnixMillis) -> Option<Arc<Bucket>> {
        let _adding = shard.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&shard.table.load());
        if let Some(found) = table.get(&hash) {
            return key.is(&found.key).then(|| Arc::clone(found));
        }
        if table.len() >= self.per_shard {
            table.retain(|_, bucket| !retire(bucket, now));
        }
        let bucket = (table.len() < self.per_shard).then(|| Arc::new(Bucket::new(key.to_key())));
        table.extend(bucket.iter().map(|bucket| (hash, Arc::clone(bucket))));
        shard.table.store(Arc::new(table));
        bucket
    }

    /// The part of a budget that is shared by those who have none of their own.
    fn rest(&self, key: KeyRef<'_>) -> Arc<Bucket> {
        let hash = self.hasher.hash_one(key.rest());
        if let Some(found) = self.rest.table.load().get(&hash) {
            return Arc::clone(found);
        }
        let _adding = self.rest.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&self.rest.table.load());
        let shared = Key { is_rest: true, ..key.rest().to_key() };
        let bucket = Arc::clone(table.entry(hash).or_insert_with(|| Arc::new(Bucket::new(shared))));
        self.rest.table.store(Arc::new(table));
        bucket
    }

    /// Adds what was used before the gate began, to the windows in which it still counts; in any order, each call once.
    /// `is_due` says for which budgets; whoever says so twice counts twice ([`Self::change`]).
    pub fn restore(&self, rules: &Rules, past: &Past, now: UnixMillis, is_due: impl Fn(&Rule) -> bool) {
        let caller = past.caller();
        for rule in rules.applying(caller).filter(|rule| is_due(rule)) {
            let amount = match rule.measure {
                Measure::Requests => past.requests,
                Measure::InputTokens => past.usage.read(),
                Measure::OutputTokens => past.usage.output,
                Measure::Tokens => past.usage.total(),
                Measure::Cost => past.cost,
                Measure::Counted => rule.quantity.as_ref().and_then(|name| past.counted.get(name)).copied().unwrap_or(0),
                // Nothing runs when a gate begins.
                Measure::Concurrent => continue,
            };
            let (window, present) = (rule.period.window(past.at), rule.period.window(now));
            let is_before = rule.period.slides() && window.number.saturating_add(1) == present.number;
            if amount > 0 && (window.number == present.number || is_before) {
                rule.keys(caller).for_each(|key| self.bucket(key, now).restore(window.number, amount));
            }
        }
    }

    /// Brings other budgets in force. One that counts as before goes on, also with another most. What is no budget any more is
    /// forgotten; what is new, or counts otherwise than before, begins with `past` and nothing else, so nothing counts twice.
    ///
    /// A call that runs meanwhile settles in what is forgotten: a new budget may miss as many calls as run now.
    pub fn change(&self, before: &Rules, after: &Rules, past: &[Past], now: UnixMillis) {
        let goes_on: Vec<&Rule> =
            after.all().iter().filter(|rule| before.all().iter().any(|old| old.counts_like(rule))).collect();
        let is_due = |rule: &Rule| !goes_on.iter().any(|old| old.counts_like(rule));
        let fresh = Self { hasher: self.hasher.clone(), ..Self::new(self.per_shard) };
        past.iter().for_each(|past| fresh.restore(after, past, now, is_due));
        let stays = |bucket: &Bucket| {
            let runs = bucket.key.measure == Measure::Concurrent && bucket.running() > 0;
            runs || goes_on.iter().any(|rule| bucket.key.is_of(rule))
        };
        let fresh_shards = fresh.shards.iter().chain([&fresh.rest]);
        for (shard, fresh) in self.shards.iter().chain([&self.rest]).zip(fresh_shards) {
            let _adding = shard.adding.lock().unwrap_or_else(PoisonError::into_inner);
            let mut table = Table::clone(&shard.table.load());
            table.retain(|_, bucket| {
                let stays = stays(bucket);
                // Who reserves in it now sees that, gives back, and looks up again.
                bucket.retire(!stays);
                stays
            });
            for (hash, bucket) in fresh.table.load().iter() {
                table.entry(*hash).or_insert_with(|| Arc::clone(bucket));
            }
            shard.table.store(Arc::new(table));
        }
    }

    /// How many parts of budgets are told apart now.
    #[must_use]
    pub fn n_keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.table.load().len()).sum()
    }

    /// Every part of every budget of `rules` in which something counts, in the order of the budgets, the fullest first.
    #[must_use]
    pub fn lines(&self, rules: &Rules, now: UnixMillis) -> Vec<Line> {
        let mut lines = Vec::new();
        for rule in rules.all() {
            let mut of_rule: Vec<Line> = Vec::new();
            for shard in self.shards.iter().chain([&self.rest]) {
                let table = shard.table.load();
                of_rule.extend(table.values().filter(|bucket| bucket.key.is_of(rule)).map(|bucket| line(rule, bucket, now)));
            }
            of_rule.retain(|line| line.used > 0);
            of_rule.sort_by(|left, right| (right.used, &left.whose).cmp(&(left.used, &right.whose)));
            lines.extend(of_rule);
        }
        lines
    }
}

fn line(rule: &Rule, bucket: &Bucket, now: UnixMillis) -> Line {
    let window: Window = rule.period.window(now);
    let (used, resets) = match rule.measure {
        Measure::Concurrent => (bucket.running(), None),
        _ => (bucket.used(rule.period, &window, now), Some(window.end)),
    };
    Line { rule: rule.clone(), whose: bucket.key.shown(), used, left: rule.most.saturating_sub(used), resets }
}

/// Takes a bucket out of use if nothing counts in it; `false` if it stays. Marked before it is looked at: who reserves looks at
/// the mark afterwards, so one of the two sees the other.
fn retire(bucket: &Bucket, now: UnixMillis) -> bool {
    bucket.retire(true);
    let is_idle = bucket.is_idle(bucket.key.period, now);
    if !is_idle {
        bucket.retire(false);
    }
    is_idle
}
