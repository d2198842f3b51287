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
mod read;
mod search;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Effect, Entities, EntityUid, Policy, PolicyId, Schema};
use model::{
    Action, Address, Answer, Ask, Chain, CredentialId, DecisionInput, Document, Facts, Foreign, LinkAnswer, Mandate, Name,
    ReasonCode, Resource, ToolServer, Verdict,
};

use crate::decide::{PolicySnapshot, permitted, refused};
use crate::tools;
use facts::Guess;
pub(crate) use kept::Kept;
use partial::{Known, Partly};
use search::{Effort, Search};

/// Most decisions that one list makes beyond the first of each ask.
const MAX_DECISIONS: usize = 5_000;
/// Most combinations of values that one list looks at.
const MAX_COMBINATIONS: usize = 200_000;
/// Most policies that one list evaluates partially.
const MAX_PARTIAL: usize = 5_000;

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
    /// Documents and whatever else is declared for other enforcement points: each action on each listed resource, by kind and id.
    Documents,
    /// Documents and prompts of tool servers, `server/name`.
    Resources,
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

    /// Decides by lists instead of by the facts: every ask for which no call is allowed is refused, every other permitted, what was
    /// not found out too: who hides that does not ask it. One link per ask, the chain's last.
    #[must_use]
    pub fn decide_list(&self, input: &DecisionInput) -> Answer {
        let Facts { credential, mandate, .. } = &input.facts;
        let lister = Lister { chain: input.chain.clone(), credential: credential.clone(), mandate: mandate.clone() };
        let Some(actor) = input.chain.actor() else { return Answer::meet(Vec::new()) };
        let mut could: HashSet<(Listable, String)> = HashSet::new();
        for what in [Listable::Models, Listable::Tools] {
            if input.asks.iter().any(|ask| listable(ask) == Some(what)) {
                let list = self.list(&lister, what);
                let open = list.iter().filter(|listed| listed.could != Could::No);
                could.extend(open.map(|listed| (what, listed.ask.resource.id().to_owned())));
            }
        }
        let link = |ask: &Ask| match listable(ask) {
            Some(what) if could.contains(&(what, ask.resource.id().to_owned())) => permitted(actor, ask),
            _ => refused(actor, ask, ReasonCode::PolicyDenied, Vec::new()),
        };
        Answer::meet(input.asks.iter().map(link).collect())
    }

    /// The list, if it has been made.
    #[must_use]
    pub fn list_if_kept(&self, lister: &Lister, what: Listable) -> Option<Arc<[Listed]>> {
        self.lists.peek(lister, what)
    }

    fn listed(&self, lister: &Lister, what: Listable) -> Vec<Listed> {
        let asks = self.listable(what);
        let mut asking = Asking::new(self, lister, &asks);
        asks.iter().map(|ask| asking.listed(ask)).collect()
    }

    /// Everything of a tool or model that policies which do not name it can see.
    fn look(&self, resource: &Resource) -> Option<String> {
        match resource {
            Resource::Tool(tool) => {
                let (server, name) = tool.split_once('/')?;
                let (name_of_server, server) = self.registry.tool_servers.iter().find(|(of, _)| of.as_str() == server)?;
                Some(format!("{name_of_server} {:?} {:?}", server.clearance, server.tools.get(name)?.effects))
            }
            Resource::Model(name) => self.registry.models.get(name).map(|model| format!("{model:?}")),
            _ => None,
        }
    }

    /// Every document and prompt of every tool server.
    fn resources(&self) -> Vec<Ask> {
        let of = |(server, declared): (&Name, &ToolServer)| -> Vec<Ask> {
            let ask = |(name, document): (&Name, &Document)| {
                let action = match document.address {
                    Address::Resource(_) => Action::ReadResource,
                    Address::Prompt(_) => Action::GetPrompt,
                };
                Ask { action, resource: Resource::Document(format!("{server}/{name}")) }
            };
            declared.documents.iter().map(ask).collect()
        };
        self.registry.tool_servers.iter().flat_map(of).collect()
    }

    /// Every action on every listed resource.
    fn documents(&self) -> Vec<Ask> {
        let access = &self.registry.access;
        let mut all: Vec<Foreign> = Vec::new();
        for (action, verb) in &access.actions {
            let kinds = verb.resources.iter().filter_map(|kind| Some((kind, access.resources.get(kind)?)));
            let one = |kind: &String, id: &String| Foreign { action: action.clone(), kind: kind.clone(), id: id.clone() };
            all.extend(kinds.flat_map(|(kind, declared)| declared.entities.keys().map(move |id| one(kind, id))));
        }
        all.sort_by(|left, right| (&left.kind, &left.id, &left.action).cmp(&(&right.kind, &right.id, &right.action)));
        all.into_iter().map(|foreign| Ask { action: Action::Access, resource: Resource::Foreign(foreign) }).collect()
    }

    fn listable(&self, what: Listable) -> Vec<Ask> {
        let model = |name: &model::ModelName| Ask { action: Action::CallModel, resource: Resource::Model(name.clone()) };
        let tool = |name: &str| Ask { action: Action::CallTool, resource: Resource::Tool(name.to_owned()) };
        match what {
            Listable::Models => self.registry.models.keys().map(model).collect(),
            Listable::Documents => self.documents(),
            Listable::Resources => self.resources(),
            Listable::Tools => {
                let mut asks: Vec<Ask> = self.tools.offered().map(tool).collect();
                asks.sort_by(|left, right| left.resource.id().cmp(right.resource.id()));
                asks
            }
        }
    }
}

/// The list that an ask stands in.
const fn listable(ask: &Ask) -> Option<Listable> {
    match (ask.action, &ask.resource) {
        (Action::CallTool, Resource::Tool(_)) => Some(Listable::Tools),
        (Action::CallModel, Resource::Model(_)) => Some(Listable::Models),
        _ => None,
    }
}

/// One list in the making.
struct Asking<'a> {
    snapshot: &'a PolicySnapshot,
    lister: &'a Lister,
    /// The declared parties and the guest.
    entities: Option<Arc<Entities>>,
    asks: &'a [Ask],
    /// By link of the chain, what partial evaluation has to know of all asks; made when it is needed.
    known: Vec<OnceCell<Option<Known>>>,
    readings: HashMap<PolicyId, atoms::Reading>,
    /// By number of a policy, whether it is [`read::is_general`].
    general: HashMap<u32, bool>,
    /// What was found out for asks that are alike.
    alike: HashMap<Alike, (Could, Option<ReasonCode>)>,
    effort: Effort,
    /// How many policies were evaluated partially.
    n_partial: usize,
}

/// What asks have in common if the same can be said of them: by link the policies that can concern them, and how the resource looks
/// to these.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alike {
    concerning: Vec<Vec<u32>>,
    look: String,
}

/// One link of the chain and one ask.
struct Link<'a> {
    uids: [EntityUid; 3],
    /// All policies that can concern it, by number.
    concerning: Vec<u32>,
    /// The permits of these.
    permits: Vec<&'a Policy>,
}

impl<'a> Asking<'a> {
    fn new(snapshot: &'a PolicySnapshot, lister: &'a Lister, asks: &'a [Ask]) -> Self {
        Self {
            snapshot,
            lister,
            entities: snapshot.entities_for(&lister.mandate).ok().flatten(),
            asks,
            known: lister.chain.links().iter().map(|_| OnceCell::new()).collect(),
            readings: HashMap::new(),
            general: HashMap::new(),
            alike: HashMap::new(),
            effort: Effort { decisions: MAX_DECISIONS, combinations: MAX_COMBINATIONS },
            n_partial: 0,
        }
    }

    fn listed(&mut self, ask: &Ask) -> Listed {
        let (could, reason) = self.could(ask);
        Listed { ask: ask.clone(), could, reason }
    }

    /// The answer; for asks that are alike it is found out once.
    fn could(&mut self, ask: &Ask) -> (Could, Option<ReasonCode>) {
        // What a task was granted is said by name: it tells asks apart that policies do not.
        if self.lister.mandate.task.as_ref().is_some_and(|task| !task.grant.covers(ask)) {
            return (Could::No, Some(ReasonCode::GrantExceeded));
        }
        let Some(links) = self.links(ask) else { return (Could::No, Some(ReasonCode::PolicyDenied)) };
        let Some(alike) = self.alike(ask, &links) else { return self.found_out(ask, &links) };
        if let Some(found) = self.alike.get(&alike) {
            return *found;
        }
        let found = self.found_out(ask, &links);
        self.alike.insert(alike, found);
        found
    }

    /// `None` if some policy tells this one from others that look like it.
    fn alike(&mut self, ask: &Ask, links: &[Link<'a>]) -> Option<Alike> {
        for number in links.iter().flat_map(|link| &link.concerning) {
            let policy = self.snapshot.index.numbered(*number);
            let is_general = self.general.entry(*number).or_insert_with(|| policy.is_some_and(read::is_general));
            if !*is_general {
                return None;
            }
        }
        let look = self.snapshot.look(&ask.resource)?;
        Some(Alike { concerning: links.iter().map(|link| link.concerning.clone()).collect(), look })
    }

    fn found_out(&mut self, ask: &Ask, links: &[Link<'a>]) -> (Could, Option<ReasonCode>) {
        let record = match &ask.resource {
            Resource::Tool(tool) => self.snapshot.tools.record(tool),
            Resource::Document(_) if ask.action == Action::ReadResource => Some(tools::document()),
            _ => None,
        };
        let in_dialect = matches!(ask.resource, Resource::Model(_));
        let base = Guess::new(&self.lister.credential, &self.lister.mandate, record, in_dialect);
        let hears = self.hears(ask, links);
        let input = DecisionInput { chain: self.lister.chain.clone(), asks: vec![ask.clone()], facts: base.facts() };
        let answer = self.snapshot.decide(&input);
        if answer.verdict != Verdict::Deny {
            return (if hears { Could::Unknown } else { Could::Yes }, None);
        }
        let could = if is_settled(&answer) || self.is_never(&answer, links) {
            Could::No
        } else if hears {
            Could::Unknown
        } else {
            let permits = links.iter().map(Link::ids).collect();
            let Self { snapshot, lister, readings, effort, .. } = self;
            Search { snapshot, chain: &lister.chain, ask, base, permits, readings, effort }.run()
        };
        (could, (could != Could::Yes).then_some(answer.reason))
    }

    /// Whether what an enforcement point may say of a resource makes a difference: no guess is made of that.
    fn hears(&self, ask: &Ask, links: &[Link<'a>]) -> bool {
        let policies = || links.iter().flat_map(|link| &link.concerning).filter_map(|at| self.snapshot.index.numbered(*at));
        matches!(ask.resource, Resource::Foreign(_)) && policies().any(read::hears)
    }

    /// The links of the chain. `None` if one of them has no permit that can concern the ask.
    fn links(&self, ask: &Ask) -> Option<Vec<Link<'a>>> {
        let entities = self.entities.as_deref().unwrap_or(&self.snapshot.entities);
        let link = |principal| {
            let (principal, mut action, resource) = self.snapshot.triple(principal, ask)?;
            if let Resource::Tool(tool) = &ask.resource {
                action = self.snapshot.tools.action(tool)?;
            }
            let concerning = self.snapshot.index.concerning(entities, &principal, &action, &resource);
            let policies = concerning.iter().filter_map(|at| self.snapshot.index.numbered(*at));
            let permits: Vec<&Policy> = policies.filter(|policy| policy.effect() == Effect::Permit).collect();
            (!permits.is_empty()).then_some(Link { uids: [principal, action, resource], concerning, permits })
        };
        self.lister.chain.links().iter().map(link).collect()
    }

    /// Whether some link is refused whatever the context.
    fn is_never(&mut self, answer: &Answer, links: &[Link<'a>]) -> bool {
        let Some(schema) = self.snapshot.schema() else { return false };
        for (at, (principal, link)) in self.lister.chain.links().iter().zip(links).enumerate() {
            let is_refused = |of: &&LinkAnswer| of.principal == *principal && of.verdict == Verdict::Deny;
            let Some(of_link) = answer.links.iter().find(is_refused) else { continue };
            let Some(known) = self.known(at, &link.uids[0], schema) else { continue };
            // Those forbids that stood in the way, and every permit.
            let is_hard = |id: &PolicyId| self.snapshot.meanings.get(id).is_some_and(|meaning| meaning.challenge.is_none());
            let ids = of_link.policies.iter().map(|stands| PolicyId::new(&stands.id)).filter(is_hard);
            let forbids = ids.filter_map(|id| self.snapshot.index.policy(&id));
            let policies: Vec<&Policy> = link.permits.iter().copied().chain(forbids.filter(is_forbid)).collect();
            let n_partial = self.n_partial.saturating_add(policies.len());
            if n_partial > MAX_PARTIAL {
                return false;
            }
            let partly = partial::evaluate(policies.into_iter(), link.uids.each_ref(), known, schema);
            self.n_partial = n_partial;
            if partly == Partly::Never {
                return true;
            }
        }
        false
    }

    fn known(&self, at: usize, principal: &EntityUid, schema: &Schema) -> Option<&Known> {
        let entities = self.entities.as_deref().unwrap_or(&self.snapshot.entities);
        let known = || {
            let of_link = self.lister.chain.links().get(at)?;
            let resources =
                self.asks.iter().filter_map(|ask| self.snapshot.triple(of_link, ask)).map(|(_, _, resource)| resource);
            let uids: Vec<EntityUid> = std::iter::once(principal.clone()).chain(resources).collect();
            Known::new(entities, uids.iter(), schema)
        };
        self.known.get(at)?.get_or_init(known).as_ref()
    }
}

impl Link<'_> {
    fn ids(&self) -> Vec<PolicyId> {
        self.permits.iter().map(|policy| policy.id().clone()).collect()
    }
}

fn is_forbid(policy: &&Policy) -> bool {
    policy.effect() == Effect::Forbid
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

#[cfg(test)]
mod tests;
