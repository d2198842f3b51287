//! Deciding once more with something else: an input, a registration, a policy more or less.

use std::collections::{BTreeMap, BTreeSet};

use model::{Answer, DecisionInput, Group, Name, PrincipalId, PrincipalKind, Registry, Resource};

use crate::decide::{PolicySnapshot, View};
use crate::entities;
use crate::guests::Guests;
use crate::index::Amendment;

/// Most decisions that are made for one explanation.
pub(super) const MAX_TRIALS: usize = 200;

/// Most of them that are confirmed by everything that is declared, which takes longest.
const MAX_CONFIRMED: usize = 12;

/// Who could bring a change about. The order is that in which changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Whoever calls: by asking otherwise, answering a challenge, signing in anew.
    Caller,
    /// Whoever hands out tasks and tokens, or the passing of time.
    Circumstances,
    /// Operators, by what they declare.
    Registration,
    /// Whoever calls, by asking for something else.
    Question,
    /// Operators, by their policies.
    Policies,
}

impl By {
    /// In one word, for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller | Self::Question => "caller",
            Self::Circumstances => "circumstances",
            Self::Registration => "registration",
            Self::Policies => "policies",
        }
    }

    /// For a person: whom to turn to.
    #[must_use]
    pub const fn whom(self) -> &'static str {
        match self {
            Self::Caller | Self::Question => "caller",
            Self::Circumstances => "task or time",
            Self::Registration | Self::Policies => "operators",
        }
    }
}

/// One thing that could be otherwise.
pub(super) struct Candidate {
    pub(super) by: By,
    /// Of what kind; of one kind only the first that helps is told.
    pub(super) topic: String,
    /// As the end of "if …".
    pub(super) text: String,
    pub(super) edit: Edit,
}

/// What it changes.
pub(super) enum Edit {
    Input(Box<dyn Fn(&mut DecisionInput)>),
    Registry(Box<dyn Fn(&mut Registry)>),
    Policies(Amendment),
}

/// Decides variations of one decision, at most [`MAX_TRIALS`] of them.
pub(super) struct Trials<'a> {
    snapshot: &'a PolicySnapshot,
    input: &'a DecisionInput,
    /// What is declared of the parties of the call, without the rest: quickly made anew.
    small: Registry,
    pub(super) n_tried: usize,
    n_confirmed: usize,
}

impl<'a> Trials<'a> {
    pub(super) fn new(snapshot: &'a PolicySnapshot, input: &'a DecisionInput) -> Self {
        Self { snapshot, input, small: small(&snapshot.registry, input), n_tried: 0, n_confirmed: 0 }
    }

    /// Whether there may be another one.
    pub(super) const fn has_room(&self) -> bool {
        self.n_tried < MAX_TRIALS
    }

    /// The answer with all of `candidates`; `None` where it cannot be made, or there is no room left.
    pub(super) fn decide(&mut self, candidates: &[&Candidate]) -> Option<Answer> {
        if !self.has_room() {
            return None;
        }
        self.n_tried = self.n_tried.saturating_add(1);
        let mut registry = Self::edited(candidates, &self.small);
        if let Some(registry) = &mut registry {
            registry.groups = above(&parties_groups(registry, self.input), &self.snapshot.registry.groups);
            let model_groups = registry.models.values().flat_map(|model| model.groups.iter().cloned()).collect();
            registry.model_groups = above(&model_groups, &self.snapshot.registry.model_groups);
        }
        self.answer(candidates, registry.as_ref())
    }

    /// The same by everything that is declared: what is told has to be so.
    pub(super) fn confirm(&mut self, candidates: &[&Candidate]) -> Option<Answer> {
        if self.n_confirmed >= MAX_CONFIRMED {
            return None;
        }
        self.n_confirmed = self.n_confirmed.saturating_add(1);
        let registry = Self::edited(candidates, &self.snapshot.registry);
        self.answer(candidates, registry.as_ref())
    }

    /// `base` with what `candidates` change in it, if they change anything in it.
    fn edited(candidates: &[&Candidate], base: &Registry) -> Option<Registry> {
        let mut registry = None;
        for candidate in candidates {
            if let Edit::Registry(edit) = &candidate.edit {
                edit(registry.get_or_insert_with(|| base.clone()));
            }
        }
        registry
    }

    fn answer(&self, candidates: &[&Candidate], registry: Option<&Registry>) -> Option<Answer> {
        let mut input = self.input.clone();
        let mut amendments = Vec::new();
        for candidate in candidates {
            match &candidate.edit {
                Edit::Input(edit) => edit(&mut input),
                Edit::Policies(amendment) => amendments.push(amendment.clone()),
                Edit::Registry(_) => {}
            }
        }
        let view = View { amendments: &amendments, ..self.snapshot.view() };
        let Some(registry) = registry else { return Some(self.snapshot.decide_in(view, &input)) };
        let words = &self.snapshot.words;
        let schema = self.snapshot.schema();
        let entities = entities::build(registry, words, schema).ok()?;
        let guests = Guests::new(&entities);
        let view = View { registry, entities: &entities, guests: &guests, ..view };
        Some(self.snapshot.decide_in(view, &input))
    }
}

/// What is declared of the parties and resources of one call.
fn small(registry: &Registry, input: &DecisionInput) -> Registry {
    let links: BTreeSet<&PrincipalId> = input.chain.links().iter().collect();
    let of = |kind: PrincipalKind, name: &Name| links.contains(&PrincipalId::new(kind, name.clone()));
    let is_asked = |wanted: &Resource| input.asks.iter().any(|ask| ask.resource == *wanted);
    let is_server = |name: &Name| {
        is_asked(&Resource::ToolServer(name.clone()))
            || input.asks.iter().any(|ask| matches!(&ask.resource, Resource::Tool(tool) if tool.split_once('/').is_some_and(|(server, _)| server == name.as_str())))
    };
    let mut access = registry.access.clone();
    access.tags.retain(|party, _| links.contains(party));
    Registry {
        users: some(&registry.users, |name| of(PrincipalKind::User, name)),
        services: some(&registry.services, |name| of(PrincipalKind::Service, name)),
        agents: some(&registry.agents, |name| of(PrincipalKind::Agent, name) || is_asked(&Resource::Agent(name.clone()))),
        remote_agents: some(&registry.remote_agents, |name| is_asked(&Resource::Agent(name.clone()))),
        models: some(&registry.models, |name| is_asked(&Resource::Model(name.clone()))),
        tool_servers: some(&registry.tool_servers, is_server),
        segments: registry.segments.clone(),
        destinations: registry.destinations.clone(),
        access,
        ..Registry::default()
    }
}

fn some<V: Clone>(all: &BTreeMap<Name, V>, is_wanted: impl Fn(&Name) -> bool) -> BTreeMap<Name, V> {
    all.iter().filter(|(name, _)| is_wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn parties_groups(registry: &Registry, input: &DecisionInput) -> BTreeSet<Name> {
    let parties = registry.users.values().chain(registry.services.values()).flat_map(|party| &party.groups);
    let agents = registry.agents.values().flat_map(|agent| &agent.groups);
    let guest = input.facts.mandate.federated.iter().flat_map(|guest| &guest.groups);
    parties.chain(agents).chain(guest).cloned().collect()
}

/// These groups and all that they stand in.
fn above(names: &BTreeSet<Name>, all: &BTreeMap<Name, Group>) -> BTreeMap<Name, Group> {
    let mut found = BTreeMap::new();
    let mut todo: Vec<Name> = names.iter().cloned().collect();
    while let Some(name) = todo.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let Some(group) = all.get(&name) else { continue };
        todo.extend(group.groups.iter().cloned());
        found.insert(name, group.clone());
    }
    found
}
