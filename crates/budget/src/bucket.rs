//! What was used of one budget by one party: two windows and a count of what runs, in three atomics.
//!
//! A slot holds the tag of its window in the upper 20 bits and the amount in the lower 44, so that a window and its amount
//! change together. Windows take turns between the two slots. Tags repeat after 2^21 windows, 24 days of seconds: a budget
//! that was not used for exactly so long finds an old amount in its slot, and is too strict until that window ends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use model::UnixMillis;

use crate::period::{Period, Window};
use crate::rule::Key;

const AMOUNT_BITS: u32 = 44;
/// Largest amount that is counted, 2^44 - 1: 17 million units of a currency in millionths.
pub const MAX_AMOUNT: u64 = (1 << AMOUNT_BITS) - 1;
const TAGS: u64 = 1 << 20;

/// One party's part of one rule.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) key: Key,
    slots: [AtomicU64; 2],
    running: AtomicU64,
    /// Taken out of the table: what is reserved here now would be forgotten.
    is_retired: AtomicBool,
}

/// Where an amount was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    slot: usize,
    tag: u64,
}

impl Place {
    fn of(number: u64) -> Self {
        Self { slot: usize::from(!number.is_multiple_of(2)), tag: (number / 2) % TAGS }
    }
}

/// No room: how much was used already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) used: u64,
}

const fn pack(tag: u64, amount: u64) -> u64 {
    (tag << AMOUNT_BITS) | if amount > MAX_AMOUNT { MAX_AMOUNT } else { amount }
}

const fn unpack(packed: u64) -> (u64, u64) {
    (packed >> AMOUNT_BITS, packed & MAX_AMOUNT)
}

/// Whether `left` is a later window than `right`, as far as tags tell.
const fn is_later(left: u64, right: u64) -> bool {
    let ahead = left.wrapping_sub(right) % TAGS;
    ahead != 0 && ahead < TAGS / 2
}

impl Bucket {
    pub(crate) fn new(key: Key) -> Self {
        Self { key, slots: Default::default(), running: AtomicU64::new(0), is_retired: AtomicBool::new(false) }
    }

    fn slot(&self, place: Place) -> &AtomicU64 {
        let [even, odd] = &self.slots;
        if place.slot == 0 { even } else { odd }
    }

    fn amount(&self, number: u64) -> u64 {
        let place = Place::of(number);
        let (tag, amount) = unpack(self.slot(place).load(Ordering::Acquire));
        // A clock that went back reads what stands ahead of it: too strict, never too generous.
        if tag == place.tag || is_later(tag, place.tag) { amount } else { 0 }
    }

    /// What still counts of the window before.
    fn carried(&self, period: Period, window: &Window, now: UnixMillis) -> u64 {
        match window.number.checked_sub(1) {
            Some(before) if period.slides() => {
                let place = Place::of(before);
                let (tag, amount) = unpack(self.slot(place).load(Ordering::Acquire));
                if tag == place.tag { window.carried(amount, now) } else { 0 }
            }
            Some(_) | None => 0,
        }
    }

    /// What counts as used at `now`.
    pub(crate) fn used(&self, period: Period, window: &Window, now: UnixMillis) -> u64 {
        self.amount(window.number).saturating_add(self.carried(period, window, now))
    }

    /// Takes `n` if no more than `most` are used then; gives the place, and how much is used now.
    pub(crate) fn take(&self, period: Period, window: &Window, now: UnixMillis, n: u64, most: u64) -> Result<(Place, u64), Full> {
        let carried = self.carried(period, window, now);
        let mut place = Place::of(window.number);
        let slot = self.slot(place);
        let mut packed = slot.load(Ordering::Acquire);
        loop {
            let (tag, amount) = unpack(packed);
            let amount = if tag == place.tag || is_later(tag, place.tag) { amount } else { 0 };
            let tag = if is_later(tag, place.tag) { tag } else { place.tag };
            let used = amount.saturating_add(carried);
            let after = used.saturating_add(n);
            if after > most {
                return Err(Full { used });
            }
            match slot.compare_exchange_weak(packed, pack(tag, amount.saturating_add(n)), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    place.tag = tag;
                    return Ok((place, after));
                }
                Err(now_there) => packed = now_there,
            }
        }
    }

    /// Puts `to` where `from` was taken. A window that is over keeps what it has.
    pub(crate) fn adjust(&self, place: Place, from: u64, to: u64) {
        // An error says that the window has gone, and so has the need.
        self.slot(place)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
                let (tag, amount) = unpack(packed);
                (tag == place.tag).then(|| pack(tag, amount.saturating_sub(from).saturating_add(to)))
            })
            .ok();
    }

    /// Adds what was used in `number` before the gate began; in any order.
    pub(crate) fn restore(&self, number: u64, n: u64) {
        let place = Place::of(number);
        self.slot(place)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
                let (tag, amount) = unpack(packed);
                let amount = if tag == place.tag { amount } else { 0 };
                (!is_later(tag, place.tag)).then(|| pack(place.tag, amount.saturating_add(n)))
            })
            .ok();
    }

    /// One more that runs, if there are fewer than `most`; gives how many run then.
    pub(crate) fn enter(&self, most: u64) -> Result<u64, Full> {
        let entered =
            self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, |running| (running < most).then(|| running + 1));
        entered.map(|before| before + 1).map_err(|used| Full { used })
    }

    /// One less that runs.
    pub(crate) fn leave(&self) {
        self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, |running| running.checked_sub(1)).ok();
    }

    /// How many run.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Acquire)
    }

    /// Whether nothing of it counts at `now`.
    pub(crate) fn is_idle(&self, period: Period, now: UnixMillis) -> bool {
        let window = period.window(now);
        let before = window.number.checked_sub(1).filter(|_| period.slides()).map_or(0, |before| self.amount(before));
        self.running() == 0 && self.amount(window.number) == 0 && before == 0
    }

    /// Marks it as taken out; undone by `false`.
    pub(crate) fn retire(&self, is_retired: bool) {
        self.is_retired.store(is_retired, Ordering::SeqCst);
        // The amounts are looked at behind the mark, on every machine.
        fence(Ordering::SeqCst);
    }

    /// Whether it was taken out.
    pub(crate) fn is_retired(&self) -> bool {
        // The mark is looked at behind what was reserved.
        fence(Ordering::SeqCst);
        self.is_retired.load(Ordering::SeqCst)
    }
}
