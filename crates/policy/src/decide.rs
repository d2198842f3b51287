//! The decision: for every ask and every link one evaluation, and the meet over all of them.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicyId, Request, Response};
use model::{
    Answer, Ask, Bundle, ChainShape, Challenge, DecisionInput, Duty, FindingGroup, Level, LinkAnswer, PolicyRef, PrincipalId,
    PrincipalKind, ReasonCode, Registry, Resource, Verdict,
};

use crate::context;
use crate::entities;
use crate::index::{Candidates, Index};
use crate::load::{self, Meaning};
use crate::problem::PolicyProblem;
use crate::vocabulary::{action_uid, principal_uid, resource_uid};

/// One bundle, compiled: immutable, shared by every evaluation.
#[derive(Debug)]
pub struct PolicySnapshot {
    registry: Registry,
    entities: Entities,
    index: Index,
    meanings: std::collections::HashMap<PolicyId, Meaning>,
    authorizer: Authorizer,
}

impl PolicySnapshot {
    /// Compiles a bundle. `targets` are the finding kinds and groups that duties may name.
    ///
    /// # Errors
    /// Every problem of every file at once.
    pub fn load(bundle: &Bundle, targets: &BTreeSet<String>) -> Result<Self, Vec<PolicyProblem>> {
        let loaded = load::load(bundle, targets)?;
        let entities = entities::build(&bundle.registry).map_err(|message| {
            vec![PolicyProblem { file: "portcullis.yaml".to_owned(), line: 1, column: 1, message, help: None }]
        })?;
        let meanings = loaded.meanings;
        let index = Index::new(loaded.policies, |id| meanings.get(id).is_some_and(|meaning| meaning.challenge.is_some()));
        Ok(Self { registry: bundle.registry.clone(), entities, index, meanings, authorizer: Authorizer::new() })
    }

    /// How many policies there are, the baseline included.
    #[must_use]
    pub fn n_policies(&self) -> usize {
        self.index.len()
    }

    /// Decides. Total: whatever cannot be evaluated is a deny that says so.
    #[must_use]
    pub fn decide(&self, input: &DecisionInput) -> Answer {
        let shape = input.chain.shape();
        let context = context::build(input);
        let mut links = Vec::with_capacity(input.asks.len().saturating_mul(input.chain.links().len()));
        for ask in &input.asks {
            for principal in input.chain.links() {
                let answer = match &context {
                    Ok(context) => self.link(principal, ask, &shape, context, input),
                    Err(error) => refused(principal, ask, ReasonCode::PolicyError, vec![error.clone()]),
                };
                links.push(answer);
            }
        }
        Answer::meet(links)
    }

    /// The answer for one link and one ask.
    fn link(
        &self,
        principal: &PrincipalId,
        ask: &Ask,
        shape: &ChainShape,
        context: &Context,
        input: &DecisionInput,
    ) -> LinkAnswer {
        if let Some(reason) = self.unknown(principal, ask, shape) {
            return refused(principal, ask, reason, Vec::new());
        }
        let (Some(subject), Some(action), Some(resource)) =
            (principal_uid(principal), action_uid(ask.action), resource_uid(&ask.resource))
        else {
            return refused(principal, ask, ReasonCode::PolicyError, vec!["the request has no Cedar form".to_owned()]);
        };
        let is_declared = matches!(ask.resource, Resource::Model(_));
        let candidates = self.index.candidates(&self.entities, &subject, &action, &resource, is_declared);
        let mut answer = self.evaluate(principal, ask, &candidates, (subject, action, resource), context);
        if answer.verdict == Verdict::Permit
            && let Some(kind) = unnamed_uninspected(input, &answer.duties)
        {
            answer.verdict = Verdict::Deny;
            answer.reason = ReasonCode::UninspectedDenied;
            answer.errors.push(kind);
        }
        answer
    }

    fn evaluate(
        &self,
        principal: &PrincipalId,
        ask: &Ask,
        candidates: &Candidates,
        (subject, action, resource): (EntityUid, EntityUid, EntityUid),
        context: &Context,
    ) -> LinkAnswer {
        // Without a schema: the request is built from our own types, and a test holds every one against the schema.
        let request = match Request::new(subject, action, resource, context.clone(), None) {
            Ok(request) => request,
            Err(error) => return refused(principal, ask, ReasonCode::PolicyError, vec![error.to_string()]),
        };
        let response = self.authorizer.is_authorized(&request, &candidates.all, &self.entities);
        let mut answer = self.read(principal, ask, &response);
        if !answer.challenges.is_empty() {
            // Only challengeable forbids stood in the way: does anything permit it behind them?
            let lifted = candidates.unchallenged.as_ref().map(|set| self.authorizer.is_authorized(&request, set, &self.entities));
            let is_permitted = lifted
                .is_some_and(|lifted| lifted.decision() == Decision::Allow && lifted.diagnostics().errors().next().is_none());
            if is_permitted {
                answer.verdict = Verdict::Challenge;
                answer.reason = answer.challenges.first().map_or(ReasonCode::PolicyForbidden, |challenge| required(*challenge));
            } else {
                answer.challenges.clear();
            }
        }
        answer
    }

    /// Reads Cedar's response. Cedar skips a policy that errs; here any error is a deny.
    fn read(&self, principal: &PrincipalId, ask: &Ask, response: &Response) -> LinkAnswer {
        let determining: Vec<&Meaning> = response.diagnostics().reason().filter_map(|id| self.meanings.get(id)).collect();
        let mut policies: Vec<PolicyRef> = determining.iter().map(|meaning| meaning.place.clone()).collect();
        policies.sort();
        let mut errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        errors.sort();
        let answer = LinkAnswer { policies, ..refused(principal, ask, ReasonCode::PolicyDenied, errors) };
        if !answer.errors.is_empty() {
            return LinkAnswer { reason: ReasonCode::PolicyError, ..answer };
        }
        if response.decision() == Decision::Allow {
            let mut duties: Vec<Duty> = determining.iter().flat_map(|meaning| meaning.duties.iter().cloned()).collect();
            duties.sort();
            duties.dedup();
            return LinkAnswer { verdict: Verdict::Permit, reason: ReasonCode::Permitted, duties, ..answer };
        }
        if determining.is_empty() {
            return answer;
        }
        let challenges: Option<BTreeSet<Challenge>> = determining.iter().map(|meaning| meaning.challenge).collect();
        let challenges = challenges.unwrap_or_default().into_iter().collect();
        LinkAnswer { reason: ReasonCode::PolicyForbidden, challenges, ..answer }
    }

    /// What is refused before any policy is asked: parties and models that nobody declared, agents on their own.
    fn unknown(&self, principal: &PrincipalId, ask: &Ask, shape: &ChainShape) -> Option<ReasonCode> {
        let is_known = match principal.kind {
            PrincipalKind::User => self.registry.users.contains_key(&principal.name),
            PrincipalKind::Agent => self.registry.agents.contains_key(&principal.name),
            PrincipalKind::Service => self.registry.services.contains_key(&principal.name),
            PrincipalKind::Operator => false,
        };
        if !is_known {
            return Some(ReasonCode::PrincipalUnknown);
        }
        if matches!(&ask.resource, Resource::Model(name) if !self.registry.models.contains_key(name)) {
            return Some(ReasonCode::ModelNotFound);
        }
        let misses_user = shape.missing.iter().any(|missing| missing == "user");
        let is_autonomous =
            || self.registry.agents.get(&principal.name).is_some_and(|agent| agent.autonomous.contains(&ask.action));
        (misses_user && principal.kind == PrincipalKind::Agent && !is_autonomous()).then_some(ReasonCode::AgentWithoutUser)
    }
}

/// The first uninspected part that no duty names, for data above `internal`.
fn unnamed_uninspected(input: &DecisionInput, duties: &[Duty]) -> Option<String> {
    if input.facts.label.level <= Level::Internal {
        return None;
    }
    let uninspected = input.facts.findings.iter().filter(|(_, count)| count.group == FindingGroup::Uninspected);
    uninspected.map(|(kind, _)| kind).find(|kind| !duties.iter().any(|duty| duty.target == **kind)).cloned()
}

const fn required(challenge: Challenge) -> ReasonCode {
    match challenge {
        Challenge::Approval => ReasonCode::ApprovalRequired,
        Challenge::StepUp => ReasonCode::StepUpRequired,
        Challenge::Posture => ReasonCode::PostureRequired,
    }
}

fn refused(principal: &PrincipalId, ask: &Ask, reason: ReasonCode, errors: Vec<String>) -> LinkAnswer {
    LinkAnswer {
        principal: principal.clone(),
        action: ask.action,
        resource: ask.resource.clone(),
        verdict: Verdict::Deny,
        reason,
        policies: Vec::new(),
        errors,
        challenges: Vec::new(),
        duties: Vec::new(),
    }
}
