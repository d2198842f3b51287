//! The scope index: which policies can concern a request at all.
//!
//! Cedar evaluates every policy of a set. A policy that needs something of the request which it has not ([`Needs`]) can neither
//! be satisfied nor err, so leaving it out changes neither the decision, nor the determining policies, nor the errors; tests
//! hold this against Cedar's own full scan. Each policy is filed by what it names of principal, resource and action ([`Shelves`]): an
//! entity, a group, else a type, else nothing. What is found under the entities of a request and their ancestors is then
//! checked in full.
//!
//! What stands in a scope is all among its needs, so the scope of a candidate holds, and is not evaluated again (decision 0039).
//!
//! The index knows policies, not entities: groups may change while it stays as it is. Nothing is kept of a request.

mod needs;
mod shelf;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use cedar_policy::{Effect, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet};
use cedar_policy_core::ast::Expr;

use crate::outcome::{Candidate, Open};

use needs::{Need, Needs};
use shelf::{Shelves, places};

/// A policy more or less, for the sake of an explanation.
#[derive(Debug, Clone)]
pub(crate) enum Amendment {
    /// As if it were not there.
    Without(PolicyId),
    /// As if it were enforced too.
    With(Box<Policy>),
}

/// How a permit that is no candidate misses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Miss {
    /// In nothing: it is a candidate.
    Nothing,
    /// In the principal alone.
    Principal,
    /// In the resource alone.
    Resource,
}

/// The index over one checked set.
#[derive(Debug, Default)]
pub(crate) struct Index {
    policies: Vec<Indexed>,
    uids: Uids,
    types: Numbered<EntityTypeName>,
    shelves: Shelves,
}

/// Small numbers for entities that policies name. Looked up by id: a type's name is several strings, which are never hashed here, and
/// compared only where policies name something of the same id.
#[derive(Debug, Default)]
struct Uids {
    by_id: HashMap<EntityId, Vec<(EntityTypeName, u32)>>,
    next: u32,
}

/// Small numbers for things that policies name: compared and looked up in no time.
#[derive(Debug)]
struct Numbered<T>(HashMap<T, u32>);

#[derive(Debug)]
struct Indexed {
    policy: Policy,
    principal: Vec<Check>,
    action: Vec<Check>,
    resource: Vec<Check>,
    /// What stands behind its scope.
    conditions: Option<Arc<Expr>>,
}

/// A [`Need`] in numbers.
#[derive(Debug, PartialEq, Eq)]
enum Check {
    Same(u32),
    Within(Vec<u32>),
    Kind(u32),
}

/// An entity of a request in numbers; what no policy names has none.
#[derive(Debug)]
struct Facet {
    this: Option<u32>,
    kind: Option<u32>,
    /// Itself and its ancestors.
    within: Vec<u32>,
}

/// The three entities of a request.
struct Facets {
    principal: Facet,
    action: Facet,
    resource: Facet,
}

impl Index {
    /// Indexes every policy of `set`, links of templates included.
    pub(crate) fn new(set: &PolicySet) -> Self {
        let mut index = Self::default();
        let mut policies: Vec<&Policy> = set.policies().collect();
        policies.sort_by(|left, right| left.id().cmp(right.id()));
        for policy in policies {
            let needs = Needs::of(policy);
            let (principal, action, resource) =
                (index.checks(needs.principal), index.checks(needs.action), index.checks(needs.resource));
            let conditions = policy.as_ref().non_scope_constraints_arc().cloned();
            index.policies.push(Indexed { policy: policy.clone(), principal, action, resource, conditions });
        }
        index.file_all();
        index
    }

    /// All of them.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter().map(|indexed| &indexed.policy)
    }

    /// The policy of this id.
    pub(crate) fn policy(&self, id: &PolicyId) -> Option<&Policy> {
        let at = self.policies.binary_search_by(|indexed| indexed.policy.id().cmp(id)).ok()?;
        self.policies.get(at).map(|indexed| &indexed.policy)
    }

    /// The policies that can concern a request, by number, ascending; nothing is built.
    pub(crate) fn concerning(
        &self,
        entities: &Entities,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &EntityUid,
    ) -> Vec<u32> {
        self.matching(entities, principal, action, resource)
    }

    /// The policy of this number.
    pub(crate) fn numbered(&self, at: u32) -> Option<&Policy> {
        self.indexed(at).map(|indexed| &indexed.policy)
    }

    /// The candidates for a request.
    pub(crate) fn candidates(
        &self,
        entities: &Entities,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &EntityUid,
    ) -> Vec<Candidate<'_>> {
        let positions = self.matching(entities, principal, action, resource);
        positions.into_iter().filter_map(|at| self.indexed(at)).map(Indexed::candidate).collect()
    }

    /// Permits for `action` that are candidates, or miss in one place; for explanations, a scan of everything.
    pub(crate) fn near_permits(
        &self,
        entities: &Entities,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &EntityUid,
    ) -> impl Iterator<Item = (&PolicyId, Miss)> {
        let facets = self.facets(entities, principal, action, resource);
        let permits = self.policies.iter().filter(|indexed| indexed.policy.effect() == Effect::Permit);
        permits.filter_map(move |indexed| {
            let meets_action = facets.action.meets(&indexed.action);
            let miss = match (facets.principal.meets(&indexed.principal), facets.resource.meets(&indexed.resource)) {
                (true, true) => Miss::Nothing,
                (false, true) => Miss::Principal,
                (true, false) => Miss::Resource,
                (false, false) => return None,
            };
            meets_action.then_some((indexed.policy.id(), miss))
        })
    }

    /// The positions of all candidates, ascending.
    fn matching(&self, entities: &Entities, principal: &EntityUid, action: &EntityUid, resource: &EntityUid) -> Vec<u32> {
        let facets = self.facets(entities, principal, action, resource);
        let mut found = Vec::with_capacity(64);
        self.shelves.find(&facets, |at| {
            if self.indexed(at).is_some_and(|indexed| facets.meet(indexed)) {
                found.push(at);
            }
        });
        // A policy may be filed under several of a list, and a request lie below several of them.
        found.sort_unstable();
        found.dedup();
        found
    }

    fn indexed(&self, at: u32) -> Option<&Indexed> {
        self.policies.get(usize::try_from(at).ok()?)
    }

    fn facets(&self, entities: &Entities, principal: &EntityUid, action: &EntityUid, resource: &EntityUid) -> Facets {
        let facet = |uid| self.facet(entities, uid);
        Facets { principal: facet(principal), action: facet(action), resource: facet(resource) }
    }

    fn facet(&self, entities: &Entities, uid: &EntityUid) -> Facet {
        let this = self.uids.number(uid);
        let above = entities.ancestors(uid).into_iter().flatten().filter_map(|ancestor| self.uids.number(ancestor));
        let mut within = Vec::with_capacity(16);
        within.extend(this.into_iter().chain(above));
        Facet { this, kind: self.types.number(uid.type_name()), within }
    }

    fn checks(&mut self, needs: Vec<Need>) -> Vec<Check> {
        let check = |need| match need {
            Need::Same(uid) => Check::Same(self.uids.add(&uid)),
            Need::Within(groups) => {
                let mut numbers: Vec<u32> = groups.iter().map(|group| self.uids.add(group)).collect();
                numbers.sort_unstable();
                numbers.dedup();
                Check::Within(numbers)
            }
            Need::Kind(kind) => Check::Kind(self.types.add(kind)),
        };
        needs.into_iter().map(check).collect()
    }

    fn file_all(&mut self) {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for indexed in &self.policies {
            for number in indexed.checks().into_iter().flatten().flat_map(Check::named) {
                let count = counts.entry(*number).or_default();
                *count = count.saturating_add(1);
            }
        }
        let crowd =
            |check: &Check| -> usize { check.named().iter().map(|number| counts.get(number).copied().unwrap_or_default()).sum() };
        let places = self.policies.iter().zip(0_u32..).flat_map(|(indexed, at)| places(at, indexed.checks(), crowd));
        self.shelves = Shelves::new(places.collect());
    }
}

impl Indexed {
    /// As a candidate of a request that meets every test of its scope: nothing but its conditions is open.
    fn candidate(&self) -> Candidate<'_> {
        Candidate { policy: &self.policy, open: Open::Conditions(self.conditions.as_deref()) }
    }

    /// Of the principal, the action, the resource.
    fn checks(&self) -> [&[Check]; 3] {
        [&self.principal, &self.action, &self.resource]
    }
}

impl Facets {
    fn meet(&self, indexed: &Indexed) -> bool {
        self.principal.meets(&indexed.principal) && self.resource.meets(&indexed.resource) && self.action.meets(&indexed.action)
    }
}

impl Facet {
    fn meets(&self, checks: &[Check]) -> bool {
        checks.iter().all(|check| match check {
            Check::Same(number) => self.this == Some(*number),
            // Sorted: a policy may list many, and an entity stands below few.
            Check::Within(numbers) => self.within.iter().any(|number| numbers.binary_search(number).is_ok()),
            Check::Kind(number) => self.kind == Some(*number),
        })
    }
}

impl Check {
    /// The entities that it names.
    fn named(&self) -> &[u32] {
        match self {
            Self::Same(number) => std::slice::from_ref(number),
            Self::Within(numbers) => numbers,
            Self::Kind(_) => &[],
        }
    }
}

impl Uids {
    fn number(&self, of: &EntityUid) -> Option<u32> {
        let (_, number) = self.by_id.get(of.id())?.iter().find(|(kind, _)| kind == of.type_name())?;
        Some(*number)
    }

    /// There are fewer than 2³² policies, by far, and each names a bounded number of things.
    fn add(&mut self, of: &EntityUid) -> u32 {
        if let Some(number) = self.number(of) {
            return number;
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.by_id.entry(of.id().clone()).or_default().push((of.type_name().clone(), number));
        number
    }
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Numbered<T> {
    fn number(&self, of: &T) -> Option<u32> {
        self.0.get(of).copied()
    }

    /// There are fewer than 2³² policies, by far, and each names a bounded number of things.
    fn add(&mut self, of: T) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(of).or_insert(next)
    }
}

#[cfg(test)]
mod tests;
