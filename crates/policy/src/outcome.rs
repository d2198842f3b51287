//! What Cedar's evaluator says of each policy that can concern a request, and Cedar's rule over it.
//!
//! `Authorizer::is_authorized` writes every policy's condition anew at every call, with its scope in front, and clones ids and
//! annotations of all policies into maps; that takes longer than to evaluate them. Here the evaluator of `cedar-policy-core` is
//! asked for the conditions as they were parsed; see decision 0039.

use std::collections::HashSet;

use cedar_policy::{AuthorizationError, Decision, Effect, Entities, Policy, Request, Response};
use cedar_policy_core::ast::{Expr, Literal, ValueKind};
use cedar_policy_core::authorizer;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

/// A policy that can concern a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) open: Open<'a>,
}

/// What is not known yet of whether a candidate is satisfied.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Open<'a> {
    /// Everything, its scope included.
    Whole,
    /// Its scope holds; whether this does. Without any condition it is satisfied.
    Conditions(Option<&'a Expr>),
}

/// What came of the candidates.
#[derive(Debug, Default)]
pub(crate) struct Outcome<'a> {
    /// The permits that are satisfied.
    pub(crate) permits: Vec<&'a Policy>,
    /// The forbids that are satisfied.
    pub(crate) forbids: Vec<&'a Policy>,
    pub(crate) errors: Vec<AuthorizationError>,
}

impl<'a> Outcome<'a> {
    /// Evaluates all of `candidates`: each of them is evaluated whatever came of the others, as Cedar does it.
    pub(crate) fn of(candidates: impl IntoIterator<Item = Candidate<'a>>, request: &Request, entities: &Entities) -> Self {
        let evaluator = Evaluator::new(request.as_ref().clone(), entities.as_ref(), Extensions::all_available());
        let mut outcome = Self::default();
        for Candidate { policy, open } in candidates {
            match is_satisfied(&evaluator, policy, open) {
                Ok(false) => {}
                Ok(true) if policy.effect() == Effect::Permit => outcome.permits.push(policy),
                Ok(true) => outcome.forbids.push(policy),
                Err(error) => outcome.errors.push(*error),
            }
        }
        outcome
    }

    /// Allowed is what a permit permits and no forbid forbids; a policy that errs counts for neither.
    pub(crate) const fn decision(&self) -> Decision {
        if self.forbids.is_empty() && !self.permits.is_empty() { Decision::Allow } else { Decision::Deny }
    }

    /// The policies because of which that is the decision.
    pub(crate) fn determining(&self) -> &[&'a Policy] {
        if self.forbids.is_empty() { &self.permits } else { &self.forbids }
    }

    /// The same in Cedar's form.
    pub(crate) fn response(self) -> Response {
        let reason: HashSet<_> = self.determining().iter().map(|policy| policy.id().clone()).collect();
        Response::new(self.decision(), reason, self.errors)
    }
}

/// Whether a policy is satisfied. What errs is evaluated once more as it was written, so that the error is Cedar's to the letter.
fn is_satisfied(evaluator: &Evaluator<'_>, policy: &Policy, open: Open<'_>) -> Result<bool, Box<AuthorizationError>> {
    let written = policy.as_ref();
    match open {
        Open::Conditions(None) => return Ok(true),
        Open::Conditions(Some(conditions)) => {
            let value = evaluator.interpret(conditions, written.env());
            if let Ok(ValueKind::Lit(Literal::Bool(is_satisfied))) = value.map(|value| value.value) {
                return Ok(is_satisfied);
            }
        }
        Open::Whole => {}
    }
    evaluator.evaluate(written).map_err(|error| {
        let id = written.id().clone();
        Box::new(authorizer::AuthorizationError::PolicyEvaluationError { id, error }.into())
    })
}
