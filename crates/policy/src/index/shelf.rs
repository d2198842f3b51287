//! Where policies are filed: by what they need of the principal, below that of the resource, below that of the action.

use super::{Check, Facet, Facets};

/// Most places in which one policy is filed; lists that would need more are filed as if they named nothing, and checked later.
const MAX_PLACES: usize = 1_024;

/// What a policy needs of one entity, as far as it is filed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// Nothing.
    Any,
    /// This type.
    Kind(u32),
    /// Exactly this.
    Same(u32),
    /// This, or what is below it.
    Within(u32),
}

/// Entries by slot, sorted.
#[derive(Debug)]
struct Shelf<T>(Vec<(Slot, T)>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    principals: Shelf<Shelf<Shelf<Vec<u32>>>>,
    /// What a test has taken out.
    #[cfg(test)]
    pub(super) dropped: Option<super::tests::Bucket>,
}

/// Where one policy is filed: by principal, resource, action; its position.
pub(super) type Place = (Slot, Slot, Slot, u32);

/// The places of the policy at `at`, by the needs of its three entities. `crowd` tells how many policies name a thing: of several
/// tests of one entity the one counts that fewest others have.
pub(super) fn places(at: u32, checks: [&[Check]; 3], crowd: impl Fn(&Check) -> usize) -> Vec<Place> {
    let slots = |checks: &[Check], room: usize| -> Vec<Slot> {
        let named = checks.iter().filter(|check| !matches!(check, Check::Kind(_)));
        let chosen = named.min_by_key(|check| crowd(check)).or_else(|| checks.first());
        let slots = match chosen {
            None => vec![Slot::Any],
            Some(Check::Kind(number)) => vec![Slot::Kind(*number)],
            Some(Check::Same(number)) => vec![Slot::Same(*number)],
            Some(Check::Within(numbers)) => numbers.iter().copied().map(Slot::Within).collect(),
        };
        if slots.len() > room { vec![Slot::Any] } else { slots }
    };
    let [principal, action, resource] = checks;
    let principals = slots(principal, MAX_PLACES);
    let room = MAX_PLACES.checked_div(principals.len()).unwrap_or(MAX_PLACES);
    let resources = slots(resource, room);
    let actions = slots(action, room.checked_div(resources.len()).unwrap_or(room));
    let mut places = Vec::new();
    for principal in principals {
        for resource in &resources {
            places.extend(actions.iter().map(|action| (principal, *resource, *action, at)));
        }
    }
    places
}

impl Shelves {
    /// Files everything.
    pub(super) fn new(mut places: Vec<Place>) -> Self {
        places.sort_unstable();
        let by_action = |places: &[Place]| {
            let entries = places.chunk_by(|left, right| left.2 == right.2);
            Shelf(entries.filter_map(|same| Some((same.first()?.2, same.iter().map(|place| place.3).collect()))).collect())
        };
        let by_resource = |places: &[Place]| {
            let entries = places.chunk_by(|left, right| left.1 == right.1);
            Shelf(entries.filter_map(|same| Some((same.first()?.1, by_action(same)))).collect())
        };
        let entries = places.chunk_by(|left, right| left.0 == right.0);
        let principals = Shelf(entries.filter_map(|same| Some((same.first()?.0, by_resource(same)))).collect());
        Self {
            principals,
            #[cfg(test)]
            dropped: None,
        }
    }

    /// Calls `each` with every policy that is filed under something of the request; with some of them more than once.
    pub(super) fn find(&self, facets: &Facets, mut each: impl FnMut(u32)) {
        self.principals.under(
            &facets.principal,
            |slot| self.has(0, &facets.principal, slot),
            |shelf| {
                shelf.under(
                    &facets.resource,
                    |slot| self.has(2, &facets.resource, slot),
                    |shelf| {
                        shelf.under(
                            &facets.action,
                            |slot| self.has(1, &facets.action, slot),
                            |filed| {
                                filed.iter().copied().for_each(&mut each);
                            },
                        );
                    },
                );
            },
        );
    }

    #[cfg(test)]
    fn has(&self, which: usize, facet: &Facet, slot: Slot) -> bool {
        self.dropped != Some(super::tests::Bucket::of(which, facet, slot))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the same function as in tests, where something may be taken out")]
    const fn has(&self, _: usize, _: &Facet, _: Slot) -> bool {
        true
    }
}

impl<T> Shelf<T> {
    /// What stands under the slots of an entity: by looking them up, or by looking at all that is here, whichever is less.
    fn under(&self, facet: &Facet, has: impl Fn(Slot) -> bool, mut each: impl FnMut(&T)) {
        if self.0.len() <= facet.within.len().saturating_add(3) {
            return self.0.iter().filter(|(slot, _)| facet.fills(*slot) && has(*slot)).for_each(|(_, entry)| each(entry));
        }
        let own = [Some(Slot::Any), facet.kind.map(Slot::Kind), facet.this.map(Slot::Same)];
        let slots = own.into_iter().flatten().chain(facet.within.iter().copied().map(Slot::Within));
        for slot in slots.filter(|slot| has(*slot)) {
            let found = self.0.binary_search_by(|(other, _)| other.cmp(&slot)).ok();
            if let Some((_, entry)) = found.and_then(|at| self.0.get(at)) {
                each(entry);
            }
        }
    }
}

impl Facet {
    fn fills(&self, slot: Slot) -> bool {
        match slot {
            Slot::Any => true,
            Slot::Kind(number) => self.kind == Some(number),
            Slot::Same(number) => self.this == Some(number),
            Slot::Within(number) => self.within.contains(&number),
        }
    }
}
