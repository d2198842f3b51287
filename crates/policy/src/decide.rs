//! The decision: for every ask and every link one evaluation, and the meet over all of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{AuthorizationError, Context, Decision, Entities, EntityUid, Policy, PolicyId, Request, Schema};
use model::{
    Access, Action, Answer, Ask, Bundle, Chain, ChainShape, Challenge, DecisionInput, Duty, DutySide, Facts, FindingGroup, Level,
    LinkAnswer, Mandate, Name, PolicyRef, PrincipalId, PrincipalKind, ReasonCode, Registry, Resource, ToolServer, Verdict,
};

use crate::context;
use crate::declared::{has, may_ask, may_search, unknown};
use crate::entities;
use crate::foreign::Words;
use crate::guests::Guests;
use crate::index::{Amendment, Index};
use crate::listing;
use crate::load::{self, Meaning};
use crate::outcome::{Candidate, Open, Outcome};
use crate::problem::PolicyProblem;
use crate::shadow::Shadow;
use crate::tools::{self, ToolReport, Tools};
use crate::vocabulary::{action_uid, applies, principal_uid, resource_uid};

/// One bundle, compiled: immutable, shared by every evaluation.
#[derive(Debug)]
pub struct PolicySnapshot {
    pub(crate) registry: Registry,
    pub(crate) entities: Entities,
    pub(crate) index: Index,
    pub(crate) meanings: HashMap<PolicyId, Meaning>,
    /// The policies that are recorded and not enforced, if there are any.
    pub(crate) shadow: Option<Shadow>,
    guests: Guests,
    pub(crate) words: Words,
    pub(crate) tools: Tools,
    pub(crate) lists: listing::Kept,
    reads_budgets: bool,
}

/// What decisions are made from: the bundle itself, or an explanation's variation of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) entities: &'a Entities,
    pub(crate) guests: &'a Guests,
    pub(crate) index: &'a Index,
    pub(crate) amendments: &'a [Amendment],
}

impl PolicySnapshot {
    /// Every policy: its id and where it stands, in the order of the files.
    #[must_use]
    pub fn places(&self) -> Vec<PolicyRef> {
        let mut places: Vec<PolicyRef> = self.meanings.values().map(|meaning| meaning.place.clone()).collect();
        places.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
        places
    }

    /// Compiles a bundle. `targets` are the finding kinds and groups that duties may name; `uninspected` and `uninspected:…`
    /// may be named always.
    ///
    /// # Errors
    /// Every problem of every file at once, sorted by file and place.
    pub fn load(bundle: &Bundle, targets: &BTreeSet<String>) -> Result<Self, Vec<PolicyProblem>> {
        let of_registry = |message| vec![PolicyProblem::of_registry(message)];
        let words = Words::of(&bundle.registry.access).map_err(of_registry)?;
        let tools = Tools::new(&bundle.registry, words.text());
        let schema = tools.schema.as_ref().or_else(|| words.schema());
        let loaded = load::load(bundle, targets, schema, &tools)?;
        let entities = entities::build(&bundle.registry, &words, schema).map_err(of_registry)?;
        let meanings = loaded.meanings;
        let is_shadow = |id: &PolicyId| meanings.get(id).is_some_and(|meaning| meaning.is_shadow);
        let (enforced, shadow) = Shadow::apart(loaded.policies, is_shadow).map_err(of_registry)?;
        let index = Index::new(&enforced);
        let guests = Guests::new(&entities);
        let registry = bundle.registry.clone();
        Ok(Self {
            registry,
            entities,
            index,
            meanings,
            shadow,
            guests,
            words,
            tools,
            lists: listing::Kept::default(),
            reads_budgets: bundle.policies.values().any(|text| may_name(text, "budget")),
        })
    }

    /// What was found in the definitions of tools: servers that are disabled, and arguments that policies cannot see.
    #[must_use]
    pub fn tool_reports(&self) -> &[ToolReport] {
        &self.tools.reports
    }

    /// How many policies there are, the baseline and shadow policies included.
    #[must_use]
    pub fn n_policies(&self) -> usize {
        self.meanings.len()
    }

    /// Whether some policy, be it a shadow, may read `context.task.budget`; where none does, nobody has to find out.
    #[must_use]
    pub const fn reads_budgets(&self) -> bool {
        self.reads_budgets
    }

    /// Decides. Total: whatever cannot be evaluated is a deny that says so. Pure: equal inputs give equal answers.
    #[must_use]
    pub fn decide(&self, input: &DecisionInput) -> Answer {
        self.decide_in(self.view(), input)
    }

    /// Decides by a variation of the bundle.
    pub(crate) fn decide_in(&self, view: View<'_>, input: &DecisionInput) -> Answer {
        let call = view.call(&input.chain, &input.facts);
        let links = input.asks.iter().flat_map(|ask| input.chain.links().iter().map(|link| self.link(&call, link, ask)));
        Answer::meet(links.chain(input.beyond_grant()).chain(may_ask(view.registry, input)).collect())
    }

    /// The bundle itself.
    pub(crate) const fn view(&self) -> View<'_> {
        let Self { registry, entities, guests, index, .. } = self;
        View { registry, entities, guests, index, amendments: &[] }
    }

    /// The names of every declared party of a kind, sorted; none for operators and enforcement points.
    #[must_use]
    pub fn declared(&self, kind: PrincipalKind) -> Vec<String> {
        let names = |names: &mut dyn Iterator<Item = &Name>| names.map(ToString::to_string).collect();
        match kind {
            PrincipalKind::User => names(&mut self.registry.users.keys()),
            PrincipalKind::Agent => names(&mut self.registry.agents.keys()),
            PrincipalKind::Service => names(&mut self.registry.services.keys()),
            PrincipalKind::Operator | PrincipalKind::Pep => Vec::new(),
        }
    }

    /// The ids of every declared resource of a kind of the gate's own, sorted, withdrawn tools included; none of a kind of which
    /// nobody declares any, such as `HostedTool` and `Beta`.
    #[must_use]
    pub fn declared_resources(&self, kind: &str) -> Vec<String> {
        let servers = &self.registry.tool_servers;
        match kind {
            "Destination" => self.registry.destinations.keys().cloned().collect(),
            "ToolServer" => servers.keys().map(ToString::to_string).collect(),
            "Tool" => {
                let of = |(server, declared): (&Name, &ToolServer)| {
                    declared.tools.keys().map(|tool| format!("{server}/{tool}")).collect::<Vec<_>>()
                };
                let mut tools: Vec<String> = servers.iter().flat_map(of).collect();
                tools.sort_unstable();
                tools
            }
            _ => Vec::new(),
        }
    }

    /// What was declared for other enforcement points.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.registry.access
    }

    /// The declared parties and the guest that an issuer vouches for; none if there is no guest.
    pub(crate) fn entities_for(&self, mandate: &Mandate) -> Result<Option<Arc<Entities>>, String> {
        self.view().entities_for(mandate)
    }

    /// The schema that requests conform to.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.tools.schema.as_ref().or_else(|| self.words.schema())
    }

    /// Whether operators have declared a user, an agent or a service of this name.
    #[must_use]
    pub fn is_declared(&self, principal: &PrincipalId) -> bool {
        has(&self.registry, principal)
    }

    /// The answer for one link and one ask.
    fn link(&self, call: &Call<'_>, principal: &PrincipalId, ask: &Ask) -> LinkAnswer {
        if principal.kind == PrincipalKind::Pep {
            return may_search(call.view.registry, principal, ask);
        }
        match self.pose(call, principal, ask) {
            Ok((request, entities)) => {
                let outcome = Outcome::of(call.view.candidates(entities, &request), &request, entities);
                guard_uninspected(self.read(principal, ask, &outcome), call.facts)
            }
            Err(refused) => *refused,
        }
    }

    /// The question for Cedar, of one link and one ask; the refusal where it never comes to that.
    pub(crate) fn pose<'c>(
        &self,
        call: &'c Call<'_>,
        principal: &PrincipalId,
        ask: &Ask,
    ) -> Result<(Request, &'c Entities), Box<LinkAnswer>> {
        if let Some(reason) = unknown(principal, ask, call) {
            return Err(Box::new(refused(principal, ask, reason, Vec::new())));
        }
        let error = |message: String| Box::new(refused(principal, ask, ReasonCode::PolicyError, vec![message]));
        let context = match &call.context {
            Ok(context) => context,
            Err(message) => return Err(error(message.clone())),
        };
        let entities = match &call.entities {
            Ok(with_guest) => with_guest.as_deref().unwrap_or(call.view.entities),
            Err(message) => return Err(error(message.clone())),
        };
        let Some(mut triple) = self.triple(principal, ask) else {
            return Err(error(format!("`{}` does not apply to {}", ask.verb(), ask.resource.type_name())));
        };
        let mut context = context.clone();
        let arguments = call.facts.arguments.as_deref();
        match (&ask.resource, ask.action) {
            (Resource::Tool(tool), _) => {
                let tool = self.tools.call(tool, arguments, &context).map_err(error)?;
                (triple.1, context) = (tool.action, tool.context);
            }
            (Resource::Agent(_), Action::SendMessage) => context = tools::said(arguments, context).map_err(error)?,
            (Resource::Document(_), Action::ReadResource) => context = tools::read(arguments, context).map_err(error)?,
            _ => {}
        }
        // Without a schema: a test holds the requests that are built here against the schema.
        let request = Request::new(triple.0, triple.1, triple.2, context, None);
        request.map(|request| (request, entities)).map_err(|failure| error(failure.to_string()))
    }

    /// The policies that fail to evaluate for one link and one ask.
    pub(crate) fn erring(&self, call: &Call<'_>, principal: &PrincipalId, ask: &Ask) -> Vec<PolicyId> {
        let Ok((request, entities)) = self.pose(call, principal, ask) else { return Vec::new() };
        let outcome = Outcome::of(call.view.candidates(entities, &request), &request, entities);
        let id = |error: &AuthorizationError| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id().clone(),
        };
        outcome.errors.iter().map(id).collect()
    }

    /// Reads what came of the policies. Cedar skips a policy that errs; here any error is a deny.
    fn read(&self, principal: &PrincipalId, ask: &Ask, outcome: &Outcome<'_>) -> LinkAnswer {
        let determining = || outcome.determining().iter().filter_map(|policy| self.meanings.get(policy.id()));
        let mut policies: Vec<PolicyRef> = determining().map(|meaning| meaning.place.clone()).collect();
        policies.sort();
        let mut errors: Vec<String> = outcome.errors.iter().map(ToString::to_string).collect();
        errors.sort();
        let answer = LinkAnswer { policies, ..refused(principal, ask, ReasonCode::PolicyDenied, errors) };
        if !answer.errors.is_empty() {
            return LinkAnswer { reason: ReasonCode::PolicyError, ..answer };
        }
        if outcome.decision() == Decision::Allow {
            let duties = self.duties(outcome);
            return LinkAnswer { verdict: Verdict::Permit, reason: ReasonCode::Permitted, duties, ..answer };
        }
        if outcome.forbids.is_empty() {
            return answer;
        }
        let answer = LinkAnswer { reason: ReasonCode::PolicyForbidden, ..answer };
        // `None` as soon as one forbid has no challenge.
        let challenge = |policy: &&Policy| self.meanings.get(policy.id()).and_then(|meaning| meaning.challenge);
        let challenges: Option<BTreeSet<Challenge>> = outcome.forbids.iter().map(challenge).collect();
        let challenges: Vec<Challenge> = challenges.unwrap_or_default().into_iter().collect();
        // Only challengeable forbids stand in the way. Does anything permit it behind them? Those that are not satisfied change
        // nothing, and nothing erred, so what Cedar would say without all of them is what the permits say.
        match challenges.first() {
            Some(first) if !outcome.permits.is_empty() => {
                let (reason, duties) = (required(*first), self.duties(outcome));
                LinkAnswer { verdict: Verdict::Challenge, reason, duties, challenges, ..answer }
            }
            _ => answer,
        }
    }

    /// What the permits that are satisfied oblige to.
    fn duties(&self, outcome: &Outcome<'_>) -> Vec<Duty> {
        let meanings = outcome.permits.iter().filter_map(|policy| self.meanings.get(policy.id()));
        let mut duties: Vec<Duty> = meanings.flat_map(|meaning| meaning.duties.iter().cloned()).collect();
        duties.sort();
        duties.dedup();
        duties
    }

    /// The same as policies see it: a tool's call is an action of its own.
    pub(crate) fn concerned(&self, principal: &PrincipalId, ask: &Ask) -> Option<(EntityUid, EntityUid, EntityUid)> {
        let (principal, action, resource) = self.triple(principal, ask)?;
        let own = if let Resource::Tool(tool) = &ask.resource { self.tools.action(tool) } else { None };
        Some((principal, own.unwrap_or(action), resource))
    }

    /// Principal, action and resource in Cedar's form; `None` for a pair that the vocabulary does not have.
    pub(crate) fn triple(&self, principal: &PrincipalId, ask: &Ask) -> Option<(EntityUid, EntityUid, EntityUid)> {
        if !applies(ask.action, &ask.resource) {
            return None;
        }
        let (action, resource) = match &ask.resource {
            Resource::Foreign(foreign) => self.words.pair(foreign)?,
            resource => (action_uid(ask.action)?, resource_uid(resource)?),
        };
        Some((principal_uid(principal)?, action, resource))
    }
}

impl<'a> View<'a> {
    /// What all links and asks share: context and entities. A party that an issuer vouches for is put beside those that
    /// operators declare.
    pub(crate) fn call(self, chain: &'a Chain, facts: &'a Facts) -> Call<'a> {
        let shape = chain.shape();
        let context = context::of(&shape, facts);
        Call { view: self, chain, shape, facts, context, entities: self.entities_for(&facts.mandate) }
    }

    fn entities_for(self, mandate: &Mandate) -> Result<Option<Arc<Entities>>, String> {
        let Some(guest) = &mandate.federated else { return Ok(None) };
        let undeclared = guest.groups.iter().find(|group| !self.registry.groups.contains_key(*group));
        match undeclared {
            // A group that nobody declares may have been one that a policy forbids something to.
            Some(group) => Err(format!("`{group}` is no declared group")),
            None if has(self.registry, &guest.principal) => {
                Err(format!("`{}` is declared, and vouched for by an issuer", guest.principal))
            }
            None => self.guests.with(self.entities, guest).map(Some),
        }
    }

    /// The policies that can concern a request.
    pub(crate) fn candidates(self, entities: &Entities, request: &Request) -> Vec<Candidate<'a>> {
        let (Some(principal), Some(action), Some(resource)) = (request.principal(), request.action(), request.resource()) else {
            // Every request here names all three.
            return Vec::new();
        };
        let mut candidates = self.index.candidates(entities, principal, action, resource);
        for amendment in self.amendments {
            match amendment {
                Amendment::Without(id) => candidates.retain(|candidate| candidate.policy.id() != id),
                // It need not concern the request: Cedar looks.
                Amendment::With(policy) if candidates.iter().all(|candidate| candidate.policy.id() != policy.id()) => {
                    candidates.push(Candidate { policy, open: Open::Whole });
                }
                Amendment::With(_) => {}
            }
        }
        candidates
    }
}

/// What all links and asks of one decision share.
pub(crate) struct Call<'a> {
    pub(crate) view: View<'a>,
    pub(crate) chain: &'a Chain,
    pub(crate) shape: ChainShape,
    pub(crate) facts: &'a Facts,
    context: Result<Context, String>,
    /// The declared parties and the guest; none if there is no guest.
    entities: Result<Option<Arc<Entities>>, String>,
}

/// Above `internal`, a part that no scanner understands passes only if a satisfied permit of this very link and ask names it.
/// Also in front of a challenge: nobody is asked to approve what stays refused.
fn guard_uninspected(answer: LinkAnswer, facts: &Facts) -> LinkAnswer {
    if answer.verdict == Verdict::Deny || facts.label.level <= Level::Internal {
        return answer;
    }
    let is_named = |kind: &str| {
        let names = |duty: &Duty| duty.side != DutySide::Response && (duty.target == kind || duty.target == "uninspected");
        answer.duties.iter().any(names)
    };
    let mut kinds = facts.findings.iter().filter(|(_, count)| count.group == FindingGroup::Uninspected).map(|(kind, _)| kind);
    match kinds.find(|kind| !is_named(kind)) {
        None => answer,
        Some(kind) => {
            let detail = format!("the data is above `internal`, and no satisfied permit names `{}`", kind.escape_default());
            let policies = Vec::new();
            let (challenges, duties) = (Vec::new(), Vec::new());
            let (verdict, reason) = (Verdict::Deny, ReasonCode::UninspectedDenied);
            LinkAnswer { verdict, reason, policies, errors: vec![detail], challenges, duties, ..answer }
        }
    }
}

/// Whether policies may name an attribute: as it is, or by the escapes that Cedar's texts can have.
fn may_name(text: &str, attribute: &str) -> bool {
    text.contains(attribute) || text.contains("\\u") || text.contains("\\x")
}

const fn required(challenge: Challenge) -> ReasonCode {
    match challenge {
        Challenge::Approval => ReasonCode::ApprovalRequired,
        Challenge::StepUp => ReasonCode::StepUpRequired,
        Challenge::Posture => ReasonCode::PostureRequired,
    }
}

pub(crate) fn permitted(principal: &PrincipalId, ask: &Ask) -> LinkAnswer {
    LinkAnswer { verdict: Verdict::Permit, ..refused(principal, ask, ReasonCode::Permitted, Vec::new()) }
}

pub(crate) fn refused(principal: &PrincipalId, ask: &Ask, reason: ReasonCode, errors: Vec<String>) -> LinkAnswer {
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
