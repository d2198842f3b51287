//! Sets of policies that were built for a request, kept for the next one that leads to the same policies.
//!
//! Bounded in sets and in bytes, whatever clients vary: a set is kept once, under the policies in it. Two halves: what is used
//! goes to the younger one; when that is full the older one is dropped, so that what is in use stays.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Candidates;

/// Most sets.
const MAX_SETS: usize = 8_192;
/// Most bytes, as estimated.
const MAX_BYTES: usize = 16 << 20;

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) sets: usize,
    pub(super) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { sets: MAX_SETS, bytes: MAX_BYTES }
    }
}

/// The sets of one snapshot: it dies with the snapshot, so no set outlives the policies that it was built from.
#[derive(Debug, Default)]
pub(super) struct Kept {
    halves: RwLock<Halves>,
    bounds: Bounds,
}

#[derive(Debug, Default)]
struct Halves {
    young: Half,
    old: Half,
}

#[derive(Debug, Default)]
struct Half {
    sets: HashMap<Box<[u32]>, Arc<Candidates>>,
    bytes: usize,
}

impl Kept {
    #[cfg(test)]
    pub(super) fn bounded(bounds: Bounds) -> Self {
        Self { halves: RwLock::default(), bounds }
    }

    /// The set of these policies; built if it is not there.
    pub(super) fn get(&self, positions: Vec<u32>, build: impl FnOnce(&[u32]) -> Candidates) -> Arc<Candidates> {
        // A poisoned lock means that another thread panicked. A set is complete before it goes in, so whatever is in is whole.
        let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = halves.young.sets.get(positions.as_slice()) {
            return Arc::clone(found);
        }
        let aged = halves.old.sets.get(positions.as_slice()).cloned();
        drop(halves);
        let found = aged.unwrap_or_else(|| Arc::new(build(&positions)));
        self.put(positions.into_boxed_slice(), &found);
        found
    }

    fn put(&self, positions: Box<[u32]>, set: &Arc<Candidates>) {
        // What does not fit into a half is built each time.
        if set.bytes > self.bounds.bytes / 2 {
            return;
        }
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = halves.young.sets.len() >= self.bounds.sets / 2
            || halves.young.bytes.saturating_add(set.bytes) > self.bounds.bytes / 2;
        if is_full {
            halves.old = std::mem::take(&mut halves.young);
        }
        if halves.young.sets.insert(positions, Arc::clone(set)).is_none() {
            halves.young.bytes = halves.young.bytes.saturating_add(set.bytes);
        }
    }

    /// How many sets there are, and their bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let halves = self.halves.read().unwrap();
        (halves.young.sets.len() + halves.old.sets.len(), halves.young.bytes + halves.old.bytes)
    }
}
