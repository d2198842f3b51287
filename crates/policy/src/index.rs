//! The scope index: which policies can concern a request at all.
//!
//! Cedar evaluates every policy of a set. A policy whose scope does not match can neither be satisfied nor err (a scope holds
//! no expression), so leaving it out changes neither the decision, nor the determining policies, nor the errors; a property
//! test holds this against the full scan. Entities are immutable within a snapshot, so candidate sets are kept.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint,
};

/// Most candidate sets that are kept. Keys come from declared parties and resources, so this is reached only by very large
/// registries; above it sets are built per request.
const MAX_KEPT: usize = 16_384;

/// The policies that can concern one (principal, action, resource).
#[derive(Debug)]
pub(crate) struct Candidates {
    /// All of them.
    pub(crate) all: PolicySet,
    /// Without the forbids that a challenge may lift, if there are such.
    pub(crate) unchallenged: Option<PolicySet>,
}

type Key = (EntityUid, EntityUid, EntityUid);

/// The index over one checked set.
#[derive(Debug)]
pub(crate) struct Index {
    policies: Vec<Scoped>,
    kept: RwLock<HashMap<Key, Arc<Candidates>>>,
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
    /// Indexes `policies`; `is_challengeable` says which forbids a challenge may lift.
    pub(crate) fn new(policies: Vec<Policy>, is_challengeable: impl Fn(&PolicyId) -> bool) -> Self {
        let scoped = policies.into_iter().map(|policy| Scoped {
            principal: policy.principal_constraint(),
            action: policy.action_constraint(),
            resource: policy.resource_constraint(),
            is_challengeable: policy.effect() == Effect::Forbid && is_challengeable(policy.id()),
            policy,
        });
        Self { policies: scoped.collect(), kept: RwLock::new(HashMap::new()) }
    }

    /// The candidates for a request. `is_declared`: whether both principal and resource come from the registry, so that the
    /// number of keys is bounded by what operators declared.
    pub(crate) fn candidates(
        &self,
        entities: &Entities,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &EntityUid,
        is_declared: bool,
    ) -> Arc<Candidates> {
        let key = (principal.clone(), action.clone(), resource.clone());
        // A poisoned lock means that another thread panicked while inserting; the map itself is intact or not used.
        if let Some(found) = self.kept.read().ok().and_then(|kept| kept.get(&key).cloned()) {
            return found;
        }
        let built = Arc::new(self.build(entities, principal, action, resource));
        if is_declared
            && let Ok(mut kept) = self.kept.write()
            && kept.len() < MAX_KEPT
        {
            kept.insert(key, Arc::clone(&built));
        }
        built
    }

    fn build(&self, entities: &Entities, principal: &EntityUid, action: &EntityUid, resource: &EntityUid) -> Candidates {
        let mut all = PolicySet::new();
        let mut unchallenged = PolicySet::new();
        let mut has_challengeable = false;
        for scoped in &self.policies {
            let matches = scoped.concerns_action(action, entities)
                && scoped.concerns_principal(principal, entities)
                && scoped.concerns_resource(resource, entities);
            if !matches {
                continue;
            }
            // Ids are unique in a checked set, so adding cannot fail.
            all.add(scoped.policy.clone()).ok();
            if scoped.is_challengeable {
                has_challengeable = true;
            } else {
                unchallenged.add(scoped.policy.clone()).ok();
            }
        }
        Candidates { all, unchallenged: has_challengeable.then_some(unchallenged) }
    }

    /// The policies whose scope matches, for near misses in explanations.
    pub(crate) fn len(&self) -> usize {
        self.policies.len()
    }
}

impl Scoped {
    fn concerns_action(&self, action: &EntityUid, entities: &Entities) -> bool {
        match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(only) => only == action,
            ActionConstraint::In(any) => any.iter().any(|group| is_in(action, group, entities)),
        }
    }

    fn concerns_principal(&self, principal: &EntityUid, entities: &Entities) -> bool {
        match &self.principal {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(only) => only == principal,
            PrincipalConstraint::In(group) => is_in(principal, group, entities),
            PrincipalConstraint::Is(kind) => is_a(principal, kind),
            PrincipalConstraint::IsIn(kind, group) => is_a(principal, kind) && is_in(principal, group, entities),
        }
    }

    fn concerns_resource(&self, resource: &EntityUid, entities: &Entities) -> bool {
        match &self.resource {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(only) => only == resource,
            ResourceConstraint::In(group) => is_in(resource, group, entities),
            ResourceConstraint::Is(kind) => is_a(resource, kind),
            ResourceConstraint::IsIn(kind, group) => is_a(resource, kind) && is_in(resource, group, entities),
        }
    }
}

fn is_in(entity: &EntityUid, group: &EntityUid, entities: &Entities) -> bool {
    entity == group || entities.is_ancestor_of(group, entity)
}

fn is_a(entity: &EntityUid, kind: &EntityTypeName) -> bool {
    entity.type_name() == kind
}
