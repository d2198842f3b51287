//! The scope index: which policies can concern a request at all.
//!
//! Cedar evaluates every policy of a set. A policy whose scope does not match can neither be satisfied nor err (a scope holds
//! no expression), so leaving it out changes neither the decision, nor the determining policies, nor the errors; a property
//! test holds this against Cedar's own full scan. A request is looked up by action and by principal (itself and its
//! ancestors); what is found is checked against the whole scope. Entities are immutable within a snapshot, so the sets that
//! were built are kept, each once, however many requests lead to it: what a client can vary does not make the memory grow.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint,
};
use model::Action;

use crate::vocabulary::action_uid;

/// Most policies in all kept sets together, a policy counted once per set; about 1 KB each. A bundle so large that four of its
/// sets would not fit may keep those four.
const MAX_KEPT: usize = 65_536;

/// The policies whose scope matches one request.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// All of them.
    pub(crate) all: PolicySet,
    /// Without the forbids that a challenge may lift, if there are such.
    pub(crate) unchallenged: Option<PolicySet>,
}

/// How a scope that fails misses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Miss {
    /// In nothing: the scope matches.
    Nothing,
    /// In the principal alone.
    Principal,
    /// In the resource alone.
    Resource,
}

/// The index over one checked set.
#[derive(Debug)]
pub(crate) struct Index {
    policies: Vec<Scoped>,
    by_action: HashMap<EntityUid, ByPrincipal>,
    kept: RwLock<Kept>,
    max_kept: usize,
}

/// Positions in `Index::policies`, by what the principal scope names.
#[derive(Debug, Default)]
struct ByPrincipal {
    unnamed: Vec<usize>,
    named: HashMap<EntityUid, Vec<usize>>,
    typed: HashMap<EntityTypeName, Vec<usize>>,
}

#[derive(Debug, Default)]
struct Kept {
    sets: HashMap<Box<[usize]>, Arc<Candidates>>,
    n_policies: usize,
}

#[derive(Debug)]
struct Scoped {
    policy: Policy,
    principal: PrincipalConstraint,
    action: ActionConstraint,
    resource: ResourceConstraint,
    is_challengeable: bool,
}

impl Index {
    /// Indexes `policies`, for the gate's own actions and `more`; `is_challengeable` says which forbids a challenge may lift.
    pub(crate) fn new(
        policies: Vec<Policy>,
        entities: &Entities,
        more: impl Iterator<Item = EntityUid>,
        is_challengeable: impl Fn(&PolicyId) -> bool,
    ) -> Self {
        let scoped = policies.into_iter().map(|policy| Scoped {
            principal: policy.principal_constraint(),
            action: policy.action_constraint(),
            resource: policy.resource_constraint(),
            is_challengeable: policy.effect() == Effect::Forbid && is_challengeable(policy.id()),
            policy,
        });
        let policies: Vec<Scoped> = scoped.collect();
        let mut by_action = HashMap::new();
        for action in Action::ALL.into_iter().filter_map(action_uid).chain(more) {
            let mut by_principal = ByPrincipal::default();
            for (at, scoped) in policies.iter().enumerate().filter(|(_, scoped)| scoped.has_action(&action, entities)) {
                by_principal.add(&scoped.principal, at);
            }
            by_action.insert(action, by_principal);
        }
        let max_kept = MAX_KEPT.max(policies.len().saturating_mul(4));
        Self { policies, by_action, kept: RwLock::default(), max_kept }
    }

    /// How many policies there are.
    pub(crate) const fn len(&self) -> usize {
        self.policies.len()
    }

    /// The candidates for a request.
    pub(crate) fn candidates(
        &self,
        entities: &Entities,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &EntityUid,
    ) -> Arc<Candidates> {
        let matching = self.matching(entities, principal, action, resource);
        // A poisoned lock means that another thread panicked. A set is complete before it goes in, so whatever is in the map is
        // whole.
        let found = self.kept.read().unwrap_or_else(PoisonError::into_inner).sets.get(matching.as_slice()).cloned();
        if let Some(found) = found {
            return found;
        }
        let built = Arc::new(self.build(&matching));
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // All go when the bound is hit: the ones in use come back at their next request.
        if kept.n_policies.saturating_add(matching.len()) > self.max_kept {
            *kept = Kept::default();
        }
        let n_policies = matching.len();
        if kept.sets.insert(matching.into_boxed_slice(), Arc::clone(&built)).is_none() {
            kept.n_policies = kept.n_policies.saturating_add(n_policies).saturating_add(1);
        }
        built
    }

    /// Permits for `action` whose scope matches, or misses in one place; for explanations, a scan of everything.
    pub(crate) fn near_permits<'a>(
        &'a self,
        entities: &'a Entities,
        principal: &'a EntityUid,
        action: &'a EntityUid,
        resource: &'a EntityUid,
    ) -> impl Iterator<Item = (&'a PolicyId, Miss)> {
        let permits = self.policies.iter().filter(|scoped| scoped.policy.effect() == Effect::Permit);
        permits.filter(|scoped| scoped.has_action(action, entities)).filter_map(|scoped| {
            let miss = match (scoped.has_principal(principal, entities), scoped.has_resource(resource, entities)) {
                (true, true) => Miss::Nothing,
                (false, true) => Miss::Principal,
                (true, false) => Miss::Resource,
                (false, false) => return None,
            };
            Some((scoped.policy.id(), miss))
        })
    }

    /// The positions of all policies whose scope matches, ascending.
    fn matching(&self, entities: &Entities, principal: &EntityUid, action: &EntityUid, resource: &EntityUid) -> Vec<usize> {
        let Some(by_principal) = self.by_action.get(action) else { return Vec::new() };
        let mut matching = by_principal.unnamed.clone();
        matching.extend(by_principal.typed.get(principal.type_name()).into_iter().flatten());
        matching.extend(by_principal.named.get(principal).into_iter().flatten());
        // INVARIANT: an entity is no ancestor of itself (the store refuses circles), so nothing is found twice.
        for ancestor in entities.ancestors(principal).into_iter().flatten() {
            matching.extend(by_principal.named.get(ancestor).into_iter().flatten());
        }
        matching.retain(|at| {
            let scoped = self.policies.get(*at);
            scoped.is_some_and(|scoped| scoped.has_principal(principal, entities) && scoped.has_resource(resource, entities))
        });
        matching.sort_unstable();
        matching
    }

    fn build(&self, matching: &[usize]) -> Candidates {
        let mut all = PolicySet::new();
        let mut unchallenged = PolicySet::new();
        let mut has_challengeable = false;
        for scoped in matching.iter().filter_map(|at| self.policies.get(*at)) {
            // Ids are unique in a checked set, so adding cannot fail.
            all.add(scoped.policy.clone()).ok();
            has_challengeable |= scoped.is_challengeable;
            if !scoped.is_challengeable {
                unchallenged.add(scoped.policy.clone()).ok();
            }
        }
        Candidates { all, unchallenged: has_challengeable.then_some(unchallenged) }
    }
}

impl ByPrincipal {
    fn add(&mut self, principal: &PrincipalConstraint, at: usize) {
        match principal {
            PrincipalConstraint::Any => self.unnamed.push(at),
            PrincipalConstraint::Is(kind) => self.typed.entry(kind.clone()).or_default().push(at),
            PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
                self.named.entry(uid.clone()).or_default().push(at);
            }
        }
    }
}

impl Scoped {
    fn has_action(&self, action: &EntityUid, entities: &Entities) -> bool {
        match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(only) => only == action,
            ActionConstraint::In(any) => any.iter().any(|group| is_in(action, group, entities)),
        }
    }

    fn has_principal(&self, principal: &EntityUid, entities: &Entities) -> bool {
        match &self.principal {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(only) => only == principal,
            PrincipalConstraint::In(group) => is_in(principal, group, entities),
            PrincipalConstraint::Is(kind) => principal.type_name() == kind,
            PrincipalConstraint::IsIn(kind, group) => principal.type_name() == kind && is_in(principal, group, entities),
        }
    }

    fn has_resource(&self, resource: &EntityUid, entities: &Entities) -> bool {
        match &self.resource {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(only) => only == resource,
            ResourceConstraint::In(group) => is_in(resource, group, entities),
            ResourceConstraint::Is(kind) => resource.type_name() == kind,
            ResourceConstraint::IsIn(kind, group) => resource.type_name() == kind && is_in(resource, group, entities),
        }
    }
}

fn is_in(entity: &EntityUid, group: &EntityUid, entities: &Entities) -> bool {
    entity == group || entities.is_ancestor_of(group, entity)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap, HashSet};

    use cedar_policy::{Entities, Entity, EntityUid, Policy, PolicyId};

    use super::Index;
    use crate::vocabulary::uid;

    #[test]
    fn what_clients_vary_does_not_make_it_grow() {
        let policies: Vec<Policy> = (0..40)
            .map(|number| {
                let scope = if number < 20 {
                    format!("resource == Portcullis::Destination::\"host{number}\"")
                } else {
                    "resource".to_owned()
                };
                let text = format!("permit (principal, action == Portcullis::Action::\"fetchRemote\", {scope});");
                Policy::parse(Some(PolicyId::new(format!("p{number}"))), text).unwrap()
            })
            .collect();
        let entities = Entities::empty();
        let mut index = Index::new(policies, &entities, std::iter::empty(), |_| false);
        index.max_kept = 100;
        let (ada, fetch) = (uid("User", "ada").unwrap(), uid("Action", "fetchRemote").unwrap());
        let mut sizes = BTreeSet::new();
        for number in 0..2000 {
            let host = uid("Destination", &format!("host{number}")).unwrap();
            let n_candidates = index.candidates(&entities, &ada, &fetch, &host).all.num_of_policies();
            assert_eq!(n_candidates, if number < 20 { 21 } else { 20 });
            let kept = index.kept.read().unwrap();
            assert!(kept.n_policies <= 101 && kept.sets.len() <= 5, "{} policies in {} sets", kept.n_policies, kept.sets.len());
            sizes.insert(kept.sets.len());
        }
        assert!(sizes.len() > 1, "the bound was hit and sets were dropped: {sizes:?}");
        let n_sets = index.kept.read().unwrap().sets.len();
        let unknown = uid("Destination", "another").unwrap();
        index.candidates(&entities, &ada, &fetch, &unknown);
        assert_eq!(index.kept.read().unwrap().sets.len(), n_sets, "hosts that no policy names share one set");
    }

    /// More candidates than needed would give the same answers, only later: so exactness has a test of its own.
    #[test]
    fn candidates_are_those_whose_whole_scope_matches() {
        let scopes = [
            "principal is Portcullis::User in Portcullis::Group::\"staff\", action, resource",
            "principal is Portcullis::Agent in Portcullis::Group::\"staff\", action, resource",
            "principal, action, resource is Portcullis::Model in Portcullis::ModelGroup::\"open\"",
            "principal, action, resource is Portcullis::Destination in Portcullis::ModelGroup::\"open\"",
            "principal, action == Portcullis::Action::\"storeRemotely\", resource",
            "principal in Portcullis::Group::\"other\", action, resource in Portcullis::ModelGroup::\"other\"",
        ];
        let parse = |(at, scope)| Policy::parse(Some(PolicyId::new(format!("p{at}"))), format!("permit ({scope});")).unwrap();
        let member = |kind: &str, id: &str, group: EntityUid| {
            Entity::new(uid(kind, id).unwrap(), HashMap::new(), HashSet::from([group])).unwrap()
        };
        let entities = [
            member("User", "ada", uid("Group", "staff").unwrap()),
            member("Agent", "bot", uid("Group", "staff").unwrap()),
            member("Model", "small", uid("ModelGroup", "open").unwrap()),
        ];
        let entities = Entities::from_entities(entities, None).unwrap();
        let index = Index::new(scopes.into_iter().enumerate().map(parse).collect(), &entities, std::iter::empty(), |_| false);
        let matching = |principal: (&str, &str), action, model| {
            let (principal, action) = (uid(principal.0, principal.1).unwrap(), uid("Action", action).unwrap());
            index.matching(&entities, &principal, &action, &uid("Model", model).unwrap())
        };
        assert_eq!(matching(("User", "ada"), "callModel", "small"), [0, 2]);
        assert_eq!(matching(("Agent", "bot"), "callModel", "small"), [1, 2]);
        assert_eq!(matching(("Agent", "bot"), "storeRemotely", "large"), [1, 4]);
        assert_eq!(matching(("User", "eve"), "callModel", "large"), [] as [usize; 0]);
    }
}
