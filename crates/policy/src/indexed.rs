//! Any Cedar policy set behind the scope index, for whoever decides on other than the gate's own vocabulary, or measures.

use cedar_policy::{Authorizer, Entities, PolicySet, Request, Response};

use crate::index::Index;
use crate::outcome::Outcome;

/// A policy set whose answers are Cedar's own (decision, determining policies, errors), found by evaluating the policies that
/// can concern the request and no others. Immutable; entities may change between requests.
#[derive(Debug)]
pub struct IndexedSet {
    index: Index,
    policies: PolicySet,
    authorizer: Authorizer,
}

impl IndexedSet {
    /// Indexes every policy of the set, links of templates included.
    #[must_use]
    pub fn new(policies: PolicySet) -> Self {
        Self { index: Index::new(&policies), policies, authorizer: Authorizer::new() }
    }

    /// What [`Authorizer::is_authorized`] says over the whole set.
    #[must_use]
    pub fn is_authorized(&self, request: &Request, entities: &Entities) -> Response {
        let (Some(principal), Some(action), Some(resource)) = (request.principal(), request.action(), request.resource()) else {
            return self.authorizer.is_authorized(request, &self.policies, entities);
        };
        let candidates = self.index.candidates(entities, principal, action, resource);
        Outcome::of(candidates, request, entities).response()
    }

    /// How many policies are evaluated for the request.
    #[must_use]
    pub fn n_candidates(&self, request: &Request, entities: &Entities) -> usize {
        let (Some(principal), Some(action), Some(resource)) = (request.principal(), request.action(), request.resource()) else {
            return self.policies.num_of_policies();
        };
        self.index.candidates(entities, principal, action, resource).len()
    }
}
