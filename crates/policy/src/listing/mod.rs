//! List-time answers: what a chain could be allowed to do at all, before it has said with which arguments.
//!
//! The question is asked over every call that the chain could make with this credential in this task: any arguments, any time,
//! whatever flows in, each challenge answered. So the answer holds for as long as snapshot, chain and mandate do. For each ask, in
//! this order:
//! 1. the index: a link that no permit can concern is never allowed;
//! 2. the call against which least speaks is decided: if it is allowed, so is the ask;
//! 3. type-aware partial evaluation: a link may be refused whatever the context;
//! 4. [`search`]: a call that is allowed, or the proof that there is none.
//!
//! [`Could::Yes`] and [`Could::No`] are exact. What the bounds leave open is [`Could::Unknown`], and the call decides.

mod atoms;
mod facts;
mod kept;
mod moments;
mod partial;
mod search;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Effect, Entities, EntityUid, Policy, PolicyId};
use model::{Action, Answer, Ask, Chain, CredentialId, DecisionInput, LinkAnswer, Mandate, ReasonCode, Resource, Verdict};

use crate::decide::PolicySnapshot;
use crate::index::Candidates;
use facts::Guess;
pub(crate) use kept::Kept;
use partial::{Known, Partly};
use search::{Effort, Search};

/// Most decisions that one list makes beyond the first of each ask.
const MAX_DECISIONS: usize = 20_000;
/// Most policies that one list evaluates partially.
const MAX_PARTIAL: usize = 20_000;

/// Whose list it is: everything about a caller that no call of it can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lister {
    /// On whose behalf who would act.
    pub chain: Chain,
    /// The credential presented.
    pub credential: CredentialId,
    /// What its token says, the task's grant among it.
    pub mandate: Mandate,
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listable {
    /// Pinned tools of every server, `server/tool`.
    Tools,
    /// Declared models.
    Models,
}

/// Whether there is a call that would be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Could {
    /// There is.
    Yes,
    /// There is none.
    No,
    /// Not found out within the bounds.
    Unknown,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What is asked for.
    pub ask: Ask,
    /// Whether some call of it would be allowed.
    pub could: Could,
    /// Where not: why the call against which least speaks is refused.
    pub reason: Option<ReasonCode>,
}

impl PolicySnapshot {
    /// The list of `what` for `lister`, in the order of names; kept with the snapshot, and made once however many ask at a time.
    /// Making it takes up to some hundred milliseconds and blocks whoever waits for the same one.
    #[must_use]
    pub fn list(&self, lister: &Lister, what: Listable) -> Arc<[Listed]> {
        self.lists.get(lister, what, || self.listed(lister, what).into())
    }

    /// The list, if it has been made.
    #[must_use]
    pub fn list_if_kept(&self, lister: &Lister, what: Listable) -> Option<Arc<[Listed]>> {
        self.lists.peek(lister, what)
    }

    fn listed(&self, lister: &Lister, what: Listable) -> Vec<Listed> {
        let mut asking = Asking::new(self, lister);
        let asks = self.listable(what);
        asking.know(&asks);
        asks.into_iter().map(|ask| asking.listed(ask)).collect()
    }

    fn listable(&self, what: Listable) -> Vec<Ask> {
        let model = |name: &model::ModelName| Ask { action: Action::CallModel, resource: Resource::Model(name.clone()) };
        let tool = |name: &str| Ask { action: Action::CallTool, resource: Resource::Tool(name.to_owned()) };
        match what {
            Listable::Models => self.registry.models.keys().map(model).collect(),
            Listable::Tools => {
                let mut asks: Vec<Ask> = self.tools.offered().map(tool).collect();
                asks.sort_by(|left, right| left.resource.id().cmp(&right.resource.id()));
                asks
            }
        }
    }
}

/// One list in the making.
struct Asking<'a> {
    snapshot: &'a PolicySnapshot,
    lister: &'a Lister,
    /// The declared parties and the guest.
    entities: Option<Arc<Entities>>,
    /// By link, for partial evaluation; empty where there is no schema.
    known: Vec<Option<Known>>,
    readings: HashMap<PolicyId, atoms::Reading>,
    effort: Effort,
    n_partial: usize,
}

impl<'a> Asking<'a> {
    fn new(snapshot: &'a PolicySnapshot, lister: &'a Lister) -> Self {
        let entities = snapshot.entities_for(&lister.mandate).ok().flatten();
        Self {
            snapshot,
            lister,
            entities,
            known: Vec::new(),
            readings: HashMap::new(),
            effort: Effort(MAX_DECISIONS),
            n_partial: 0,
        }
    }

    fn entities(&self) -> &Entities {
        self.entities.as_deref().unwrap_or(&self.snapshot.entities)
    }

    /// Takes in what partial evaluation has to know of all asks.
    fn know(&mut self, asks: &[Ask]) {
        let Some(schema) = self.snapshot.schema() else { return };
        let known = |principal| {
            let uids: Vec<EntityUid> = asks
                .iter()
                .filter_map(|ask| self.snapshot.triple(principal, ask))
                .flat_map(|(principal, _, resource)| [principal, resource])
                .collect();
            Known::new(self.entities(), uids.iter(), schema)
        };
        self.known = self.lister.chain.links().iter().map(known).collect();
    }

    fn listed(&mut self, ask: Ask) -> Listed {
        let record = match &ask.resource {
            Resource::Tool(tool) => self.snapshot.tools.record(tool),
            _ => None,
        };
        let base = Guess::new(&self.lister.credential, &self.lister.mandate, record);
        let links = self.candidates(&ask);
        if links.iter().flatten().any(|link| !link.has_permit()) {
            let reason = Some(ReasonCode::PolicyDenied);
            return Listed { ask, could: Could::No, reason };
        }
        let input = DecisionInput { chain: self.lister.chain.clone(), asks: vec![ask.clone()], facts: base.facts() };
        let answer = self.snapshot.decide(&input);
        if answer.verdict != Verdict::Deny {
            return Listed { ask, could: Could::Yes, reason: None };
        }
        let could = if is_settled(&answer) || links.iter().any(Option::is_none) || self.is_never(&answer, &links) {
            Could::No
        } else {
            self.search(&ask, base, &links)
        };
        let reason = (could != Could::Yes).then_some(answer.reason);
        Listed { ask, could, reason }
    }

    /// By link, the policies that can concern it; none where the vocabulary has no such request.
    fn candidates(&self, ask: &Ask) -> Vec<Option<Link>> {
        let link = |principal| {
            let (principal, mut action, resource) = self.snapshot.triple(principal, ask)?;
            if let Resource::Tool(tool) = &ask.resource {
                action = self.snapshot.tools.action(tool)?;
            }
            let candidates = self.snapshot.index.candidates(self.entities(), &principal, &action, &resource);
            Some(Link { uids: [principal, action, resource], candidates })
        };
        self.lister.chain.links().iter().map(link).collect()
    }

    /// Whether some link is refused whatever the context.
    fn is_never(&mut self, answer: &Answer, links: &[Option<Link>]) -> bool {
        let Some(schema) = self.snapshot.schema() else { return false };
        for ((principal, link), known) in self.lister.chain.links().iter().zip(links).zip(&self.known) {
            let (Some(link), Some(known)) = (link, known) else { continue };
            let is_refused = |of: &&LinkAnswer| of.principal == *principal && of.verdict == Verdict::Deny;
            let Some(of_link) = answer.links.iter().find(is_refused) else { continue };
            // Those forbids that stood in the way, and every permit.
            let is_hard = |policy: &&Policy| {
                let stands = of_link.policies.iter().any(|stands| PolicyId::new(&stands.id) == *policy.id());
                stands && self.snapshot.meanings.get(policy.id()).is_some_and(|meaning| meaning.challenge.is_none())
            };
            let policies: Vec<&Policy> =
                link.candidates.all.policies().filter(|policy| policy.effect() == Effect::Permit || is_hard(policy)).collect();
            self.n_partial = self.n_partial.saturating_add(policies.len());
            if self.n_partial > MAX_PARTIAL {
                return false;
            }
            if partial::evaluate(policies.into_iter(), link.uids.each_ref(), known, schema) == Partly::Never {
                return true;
            }
        }
        false
    }

    fn search(&mut self, ask: &Ask, base: Guess<'a>, links: &[Option<Link>]) -> Could {
        let permits = links.iter().flatten().map(Link::permits).collect();
        let Self { snapshot, lister, readings, effort, .. } = self;
        Search { snapshot, chain: &lister.chain, ask, base, permits, readings, effort }.run()
    }
}

/// One link of the chain and one ask.
struct Link {
    uids: [EntityUid; 3],
    candidates: Arc<Candidates>,
}

impl Link {
    fn has_permit(&self) -> bool {
        self.candidates.all.policies().any(|policy| policy.effect() == Effect::Permit)
    }

    fn permits(&self) -> Vec<PolicyId> {
        let permits = self.candidates.all.policies().filter(|policy| policy.effect() == Effect::Permit);
        let mut permits: Vec<PolicyId> = permits.map(|policy| policy.id().clone()).collect();
        permits.sort();
        permits
    }
}

/// Whether a refusal has nothing to do with how the call is: an unknown party, a grant that does not cover it.
fn is_settled(answer: &Answer) -> bool {
    let is_open = |reason| {
        matches!(
            reason,
            ReasonCode::PolicyDenied | ReasonCode::PolicyForbidden | ReasonCode::PolicyError | ReasonCode::UninspectedDenied
        )
    };
    answer.links.iter().any(|link| link.verdict == Verdict::Deny && !is_open(link.reason))
}
