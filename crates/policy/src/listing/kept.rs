//! Lists that were made, kept with the snapshot that they were made from.
//!
//! Bounded in lists and in entries, whoever asks: two halves of which the older is dropped when the younger is full. Who asks for a
//! list that another is making waits for that one.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::{Listable, Listed, Lister};

/// Most lists.
const MAX_LISTS: usize = 2_048;
/// Most entries of all lists together; some 200 bytes each.
const MAX_ENTRIES: usize = 100_000;

type Cell = Arc<OnceLock<Arc<[Listed]>>>;

/// The lists of one snapshot.
#[derive(Debug, Default)]
pub(crate) struct Kept(RwLock<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: Half,
    old: Half,
}

#[derive(Debug, Default)]
struct Half {
    lists: HashMap<Key, Cell>,
    entries: usize,
}

/// A lister in a form that can be looked up: what it says as JSON, which is the same for the same lister.
type Key = (Listable, Box<str>);

fn key(lister: &Lister, what: Listable) -> Option<Key> {
    let text = serde_json::to_string(&(&lister.chain, &lister.credential, &lister.mandate)).ok()?;
    Some((what, text.into()))
}

impl Kept {
    /// The list; made by `make` if it is not there.
    pub(super) fn get(&self, lister: &Lister, what: Listable, make: impl FnOnce() -> Arc<[Listed]>) -> Arc<[Listed]> {
        let Some(key) = key(lister, what) else { return make() };
        let cell = self.cell(&key);
        let mut is_new = false;
        let list = Arc::clone(cell.get_or_init(|| {
            is_new = true;
            make()
        }));
        if is_new {
            self.count(&key, list.len());
        }
        list
    }

    /// The list, if it is there.
    pub(super) fn peek(&self, lister: &Lister, what: Listable) -> Option<Arc<[Listed]>> {
        let key = key(lister, what)?;
        let halves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        halves.young.lists.get(&key).or_else(|| halves.old.lists.get(&key))?.get().cloned()
    }

    /// The place of a list: of those that are there, else a new one.
    fn cell(&self, key: &Key) -> Cell {
        // A poisoned lock means that another thread panicked while it moved cells; each of them is whole.
        if let Some(cell) = self.0.read().unwrap_or_else(PoisonError::into_inner).young.lists.get(key) {
            return Arc::clone(cell);
        }
        let mut halves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let cell = halves.young.lists.get(key).or_else(|| halves.old.lists.get(key)).cloned().unwrap_or_default();
        if halves.young.lists.len() >= MAX_LISTS / 2 {
            halves.old = std::mem::take(&mut halves.young);
        }
        let n_entries = cell.get().map_or(0, |list| list.len());
        halves.young.entries = halves.young.entries.saturating_add(n_entries);
        halves.young.lists.insert(key.clone(), Arc::clone(&cell));
        cell
    }

    /// Counts what a new list takes, and makes room.
    fn count(&self, key: &Key, n_entries: usize) {
        let mut halves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_kept = halves.young.lists.contains_key(key);
        if n_entries > MAX_ENTRIES / 2 {
            halves.young.lists.remove(key);
        } else if is_kept {
            halves.young.entries = halves.young.entries.saturating_add(n_entries);
            if halves.young.entries > MAX_ENTRIES / 2 {
                halves.old = std::mem::take(&mut halves.young);
            }
        }
    }

    /// How many lists there are, and entries.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let halves = self.0.read().unwrap();
        let entries = |half: &Half| half.lists.values().filter_map(|cell| cell.get()).map(|list| list.len()).sum::<usize>();
        (halves.young.lists.len() + halves.old.lists.len(), entries(&halves.young) + entries(&halves.old))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use model::{Action, Ask, Chain, Mandate, Name, Resource};

    use super::super::{Could, Listable, Listed, Lister};
    use super::{Kept, MAX_ENTRIES, MAX_LISTS};

    fn lister(number: usize) -> Lister {
        let chain = Chain::new(vec!["user:ada".parse().unwrap()]).unwrap();
        Lister { chain, credential: Name::new(&format!("c{number}")).unwrap(), mandate: Mandate::default() }
    }

    fn list(n_entries: usize) -> Arc<[Listed]> {
        let ask = Ask { action: Action::CallTool, resource: Resource::Gate };
        vec![Listed { ask, could: Could::No, reason: None }; n_entries].into()
    }

    #[test]
    fn a_list_is_made_once_for_all_who_ask_meanwhile() {
        let (kept, n_made, together) = (Kept::default(), AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    kept.get(&lister(0), Listable::Tools, || {
                        n_made.fetch_add(1, Ordering::Relaxed);
                        // Long enough for the others to have come: each of them gives way to whoever has not.
                        (0..10_000).for_each(|_| std::thread::yield_now());
                        list(1)
                    });
                });
            }
        });
        assert_eq!(n_made.into_inner(), 1);
    }

    #[test]
    fn lists_are_bounded_and_those_in_use_stay() {
        let kept = Kept::default();
        let busy = kept.get(&lister(0), Listable::Tools, || list(1));
        for number in 1..(3 * MAX_LISTS) {
            kept.get(&lister(number), Listable::Tools, || list(1));
            let again = kept.get(&lister(0), Listable::Tools, || panic!("made twice"));
            assert!(Arc::ptr_eq(&busy, &again));
        }
        assert!(kept.size().0 <= MAX_LISTS + 1, "{:?}", kept.size());
        let kept = Kept::default();
        for number in 0..400 {
            kept.get(&lister(number), Listable::Tools, || list(1_000));
        }
        assert!(kept.size().1 <= MAX_ENTRIES + 2_000, "{:?}", kept.size());
        kept.get(&lister(0), Listable::Models, || list(MAX_ENTRIES));
        assert!(kept.peek(&lister(0), Listable::Models).is_none(), "what is larger than a half is made each time");
    }
}
