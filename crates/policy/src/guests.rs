//! Parties that issuers vouch for, beside the declared ones: interned, so that a party's calls share one entity store.
//!
//! To make a store for a call costs some 100 µs, so the one that was made for a guest is kept with the guests that were put in
//! before. It is copied on write and never changed: who evaluates by one goes on with it. A guest whose groups have changed is
//! put in anew, and what was kept of it before is gone; two tokens of one guest with different groups take turns, each with its
//! own groups. At [`MAX_GUESTS`] all of them are forgotten, and come in again with their next calls.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::Entities;
use model::{Federated, Name, PrincipalId};

use crate::entities;

/// Most guests that are kept; about 1 KB each.
const MAX_GUESTS: usize = 1024;

/// The store with every guest that is kept.
pub(crate) struct Guests {
    kept: RwLock<Kept>,
}

#[derive(Clone)]
struct Kept {
    entities: Arc<Entities>,
    groups: HashMap<PrincipalId, BTreeSet<Name>>,
}

impl fmt::Debug for Guests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        formatter.debug_struct("Guests").field("n_guests", &kept.groups.len()).finish_non_exhaustive()
    }
}

impl Guests {
    /// Nobody yet.
    pub(crate) fn new(declared: &Entities) -> Self {
        Self { kept: RwLock::new(Kept { entities: Arc::new(declared.clone()), groups: HashMap::new() }) }
    }

    /// The declared parties with `guest` in exactly the groups that it has in this call.
    pub(crate) fn with(&self, declared: &Entities, guest: &Federated) -> Result<Arc<Entities>, String> {
        let before = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if kept.groups.get(&guest.principal) == Some(&guest.groups) {
                return Ok(Arc::clone(&kept.entities));
            }
            kept.clone()
        };
        // Made outside of the lock: whoever comes second puts its own in over it, which loses a guest and nothing else.
        let after = before.put(declared, guest)?;
        let entities = Arc::clone(&after.entities);
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = after;
        Ok(entities)
    }
}

impl Kept {
    fn put(self, declared: &Entities, guest: &Federated) -> Result<Self, String> {
        let is_full = self.groups.len() >= MAX_GUESTS;
        let (base, mut groups) = if is_full { (declared, HashMap::new()) } else { (self.entities.as_ref(), self.groups) };
        let entity = entities::guest(&guest.principal, &guest.groups)?;
        let entities = base.clone().upsert_entities([entity], None).map_err(|error| error.to_string())?;
        groups.insert(guest.principal.clone(), guest.groups.clone());
        Ok(Self { entities: Arc::new(entities), groups })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cedar_policy::Entities;
    use model::Federated;

    use super::{Guests, MAX_GUESTS};

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let declared = Entities::empty();
        let guests = Guests::new(&declared);
        for number in 0..(2 * MAX_GUESTS + 100) {
            let principal = format!("user:okta:u{number}").parse().unwrap();
            let with = guests.with(&declared, &Federated { principal, groups: BTreeSet::new() }).unwrap();
            assert!(with.iter().count() <= MAX_GUESTS, "{number}");
            assert!(guests.kept.read().unwrap().groups.len() <= MAX_GUESTS, "{number}");
        }
    }
}
