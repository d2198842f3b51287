//! Type-aware partial evaluation: what can be said of a call while its context is unknown.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::{
    Effect, Entities, Entity, EntityUid, PartialEntities, PartialEntityUid, PartialRequest, Policy, PolicyId, PolicySet, Schema,
};

/// The entities that one link's requests name, as partial evaluation takes them: the principal, every resource of the list, and
/// what stands above them. What a policy names beside these is unknown, so nothing is concluded from it.
#[derive(Debug)]
pub(super) struct Known(PartialEntities);

impl Known {
    /// `None` where the entities do not conform to the schema.
    pub(super) fn new<'a>(entities: &Entities, uids: impl Iterator<Item = &'a EntityUid>, schema: &Schema) -> Option<Self> {
        let mut found: BTreeMap<EntityUid, Entity> = BTreeMap::new();
        for uid in uids {
            let above = entities.ancestors(uid).into_iter().flatten();
            for uid in std::iter::once(uid).chain(above) {
                if let Some(entity) = entities.get(uid) {
                    found.entry(uid.clone()).or_insert_with(|| entity.clone());
                }
            }
        }
        let entities = Entities::from_entities(found.into_values(), None).ok()?;
        PartialEntities::from_concrete(entities, schema).ok().map(Self)
    }
}

/// What a link's policies come to, whatever the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partly {
    /// No context allows it.
    Never,
    /// It depends.
    Open,
}

/// Evaluates `policies` (permits and forbids that no challenge lifts) for one request without its context.
pub(super) fn evaluate<'p>(
    policies: impl Iterator<Item = &'p Policy>,
    [principal, action, resource]: [&EntityUid; 3],
    known: &Known,
    schema: &Schema,
) -> Partly {
    let uid = |uid: &EntityUid| PartialEntityUid::from_concrete(uid.clone());
    let Ok(request) = PartialRequest::new(uid(principal), action.clone(), uid(resource), None, schema) else {
        return Partly::Open;
    };
    let mut set = PolicySet::new();
    let mut permits: HashSet<PolicyId> = HashSet::new();
    for policy in policies {
        if policy.effect() == Effect::Permit {
            permits.insert(policy.id().clone());
        }
        // A link of a template is not added; then a permit is missing, and nothing is concluded.
        if set.add(policy.clone()).is_err() {
            return Partly::Open;
        }
    }
    // A policy that does not conform to the current vocabulary: nothing is concluded from the others either.
    let Ok(response) = set.tpe(&request, &known.0, schema) else { return Partly::Open };
    let is_forbidden = response.true_forbids().next().is_some();
    // Where a policy errs, the gate denies.
    let errs = response.error_permits().chain(response.error_forbids()).next().is_some();
    let n_dead = response.false_permits().count();
    if is_forbidden || errs || n_dead == permits.len() { Partly::Never } else { Partly::Open }
}
