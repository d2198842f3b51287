//! What a tool was told, and what calls have written to a server before: nothing of it is better when it comes back.
//!
//! Compared both ways, so that a piece of what was written is known again too, and values that mean the same in normal form.
//! Looser than a search for origins: a match takes here, so only letters and digits beside a value make it a part of another.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::Integrity;

use super::MIN_SEARCHED;
use super::folded::Folded;
use super::index::Index;
use super::value::{self, Key};

/// Most values of one place that are remembered; a place with more vouches for nothing any more.
pub(super) const MAX_WRITTEN: usize = 1024;
/// Most bytes of them.
const MAX_BYTES: usize = 1 << 20;
/// Most places.
const MAX_PLACES: usize = 256;

/// What calls have written, by place.
#[derive(Debug, Default)]
pub(super) struct Written {
    places: BTreeMap<String, Told>,
    /// Whether there were more places than are remembered.
    is_full: bool,
}

impl Written {
    /// Where something was written, and as much of it as is remembered.
    pub(super) fn at(&mut self, place: &str) -> Option<&mut Told> {
        if self.places.len() >= MAX_PLACES && !self.places.contains_key(place) {
            self.is_full = true;
            return None;
        }
        Some(self.places.entry(place.to_owned()).or_default())
    }

    /// What was written to a place, and whether all of it is known.
    pub(super) fn of(&self, place: &str) -> (Option<&Told>, bool) {
        let told = self.places.get(place);
        (told, !self.is_full && told.is_none_or(|told| !told.is_full))
    }
}

/// Values that somebody was told, each as good as it was then.
#[derive(Debug, Default)]
pub(super) struct Told {
    values: Vec<(Folded, Integrity)>,
    within: Index,
    firsts: Index,
    /// Values in normal form: the least integrity, and whether one was all that a value said.
    keys: HashMap<Key, (Integrity, bool)>,
    n_bytes: usize,
    is_full: bool,
}

impl Told {
    pub(super) fn push(&mut self, text: &str, integrity: Integrity) {
        let folded = Folded::new(text);
        if folded.is_empty() || self.is_full {
            return;
        }
        self.n_bytes = self.n_bytes.saturating_add(text.len());
        if self.values.len() >= MAX_WRITTEN || self.n_bytes > MAX_BYTES {
            self.fill();
            return;
        }
        for (key, is_whole) in value::told(text) {
            let known = self.keys.entry(key).or_insert((integrity, is_whole));
            *known = (known.0.min(integrity), known.1 || is_whole);
        }
        self.within.add(self.values.len(), &folded);
        self.firsts.add_first(self.values.len(), &folded);
        self.values.push((folded, integrity));
    }

    /// More came than can be remembered.
    pub(super) fn fill(&mut self) {
        *self = Self { is_full: true, ..Self::default() };
    }

    /// The least integrity of a value that this is or holds; `upper` if that is less.
    pub(super) fn held(&self, leaf: &Folded, upper: Integrity) -> Integrity {
        if self.values.is_empty() {
            return upper;
        }
        let near: BTreeSet<u32> = leaf.words().flat_map(|word| self.firsts.of(word)).copied().collect();
        let is_held = |value: &Folded| leaf == value || value.n_chars() >= MIN_SEARCHED && leaf.has(value);
        self.least(near.iter(), upper, is_held)
    }

    /// The least integrity of a value that holds this, or shares a value of a kind with it; `upper` if that is less.
    pub(super) fn shared(&self, text: &str, leaf: &Folded, upper: Integrity) -> Integrity {
        if self.values.is_empty() {
            return upper;
        }
        let near = self.within.near(leaf).unwrap_or_default();
        let held = self.least(near.iter(), upper, |value| value.has(leaf));
        if self.keys.is_empty() {
            return held;
        }
        let alike = value::told(text).into_iter().flat_map(value::and_host).filter_map(|(key, is_whole)| {
            let (integrity, is_all) = self.keys.get(&key)?;
            (is_whole || *is_all || value::names_one(&key)).then_some(*integrity)
        });
        alike.fold(held, Integrity::min)
    }

    fn least<'a>(&self, numbers: impl Iterator<Item = &'a u32>, upper: Integrity, is_it: impl Fn(&Folded) -> bool) -> Integrity {
        let values = numbers.filter_map(|number| self.values.get(usize::try_from(*number).ok()?));
        values.fold(upper, |least, (value, integrity)| if *integrity < least && is_it(value) { *integrity } else { least })
    }
}
