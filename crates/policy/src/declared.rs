//! What registrations say, in front of the policies: who and what is declared, agents on their own, other enforcement points.

use model::{
    Action, Address, Ask, DecisionInput, LinkAnswer, Name, PrincipalId, PrincipalKind, ReasonCode, Registry, Resource, host_of,
    place,
};

use crate::decide::{Call, permitted, refused};

/// What an agent has to be registered for to do something alone. Greeting a tool server and seeing its list goes with calling: the list
/// shows only what could be called.
pub(crate) fn alone_as(action: Action) -> Action {
    if action == Action::ListTools { Action::CallTool } else { action }
}

/// Whether operators have declared a user, an agent or a service of this name.
pub(crate) fn has(registry: &Registry, principal: &PrincipalId) -> bool {
    match principal.kind {
        PrincipalKind::User => registry.users.contains_key(&principal.name),
        PrincipalKind::Agent => registry.agents.contains_key(&principal.name),
        PrincipalKind::Service => registry.services.contains_key(&principal.name),
        PrincipalKind::Operator | PrincipalKind::Pep => false,
    }
}

/// Where somebody else asks: whether it may, for every ask. A link of the decision like any other.
pub(crate) fn may_ask(registry: &Registry, input: &DecisionInput) -> Vec<LinkAnswer> {
    let Some(asked) = &input.facts.mandate.asked_by else { return Vec::new() };
    let id = PrincipalId::new(PrincipalKind::Pep, asked.pep.clone());
    let point = registry.access.points.get(&asked.pep);
    let may = |ask: &Ask| {
        point.is_some_and(|point| {
            point.subjects.holds(&asked.subject)
                && point.actions.holds(ask.verb())
                && point.resources.holds(ask.resource.type_name())
        })
    };
    let link =
        |ask: &Ask| if may(ask) { permitted(&id, ask) } else { refused(&id, ask, ReasonCode::QuestionRefused, Vec::new()) };
    input.asks.iter().map(link).collect()
}

/// An enforcement point for itself does nothing but search, if its registration says so.
pub(crate) fn may_search(registry: &Registry, principal: &PrincipalId, ask: &Ask) -> LinkAnswer {
    let point = registry.access.points.get(&principal.name);
    let is_search = ask.action == Action::Search && ask.resource == Resource::Gate;
    match point {
        None => refused(principal, ask, ReasonCode::PrincipalUnknown, Vec::new()),
        Some(point) if is_search && point.searches > 0 => permitted(principal, ask),
        Some(_) => refused(principal, ask, ReasonCode::QuestionRefused, Vec::new()),
    }
}

/// Whether a place is written in another way than places are, or is another port of one that operators have declared: it lies in none
/// of the segments that they have put that one in, and a forbid by segment would not hold for it.
fn is_elsewhere(registry: &Registry, id: &str) -> bool {
    let is_declared = |id: &str| registry.destinations.contains_key(id);
    let is_other_port = || host_of(id).is_some_and(is_declared) && !is_declared(id);
    place(id).as_deref() != Some(id) || is_other_port()
}

/// Whether operators have declared a document that this can be done with: resources are read, and prompts are written.
fn is_document(registry: &Registry, action: Action, id: &str) -> bool {
    let of_server = |(server, name): (&str, &str)| {
        let (server, name) = (Name::new(server).ok()?, Name::new(name).ok()?);
        registry.tool_servers.get(&server)?.documents.get(&name)
    };
    id.split_once('/').and_then(of_server).is_some_and(|document| match document.address {
        Address::Resource(_) => action == Action::ReadResource,
        Address::Prompt(_) => action == Action::GetPrompt,
    })
}

/// What is refused before any policy is asked: parties and models that nobody declared, agents on their own
/// or out of their place in the chain.
pub(crate) fn unknown(principal: &PrincipalId, ask: &Ask, call: &Call<'_>) -> Option<ReasonCode> {
    let registry = call.view.registry;
    let agent = registry.agents.get(&principal.name).filter(|_| principal.kind == PrincipalKind::Agent);
    let is_guest = call.facts.mandate.federated.as_ref().is_some_and(|guest| {
        guest.principal == *principal && matches!(principal.kind, PrincipalKind::User | PrincipalKind::Service)
    });
    let is_known = is_guest || has(registry, principal);
    if !is_known {
        return Some(ReasonCode::PrincipalUnknown);
    }
    if matches!(&ask.resource, Resource::Model(name) if !registry.models.contains_key(name)) {
        return Some(ReasonCode::ModelNotFound);
    }
    // Messages go to agents that nobody has a key of, too.
    let is_remote = |name: &Name| ask.action == Action::SendMessage && registry.remote_agents.contains_key(name);
    if matches!(&ask.resource, Resource::Agent(name) if !registry.agents.contains_key(name) && !is_remote(name)) {
        return Some(ReasonCode::PrincipalUnknown);
    }
    if matches!(&ask.resource, Resource::Foreign(foreign) if !registry.access.knows(foreign)) {
        return Some(ReasonCode::QuestionUnknown);
    }
    if matches!(&ask.resource, Resource::Destination(id) if is_elsewhere(registry, id)) {
        return Some(ReasonCode::PlaceUndeclared);
    }
    let is_server = |name: &Name| registry.tool_servers.contains_key(name);
    let is_undeclared = match &ask.resource {
        Resource::ToolServer(name) => !is_server(name),
        Resource::Document(id) => !is_document(registry, ask.action, id),
        // Nobody declares these yet, so nobody knows what they hold.
        Resource::Collection(_) | Resource::Dataset(_) => true,
        _ => false,
    };
    if is_undeclared {
        return Some(ReasonCode::PolicyDenied);
    }
    let misses_user = call.shape.missing.iter().any(|missing| missing == "user");
    let needs_user = agent.is_some_and(|agent| !agent.autonomous.contains(&alone_as(ask.action)));
    if misses_user && needs_user {
        return Some(ReasonCode::AgentWithoutUser);
    }
    let stands = agent.is_none_or(|agent| {
        let before = || call.chain.before(principal).filter(|before| before.kind == PrincipalKind::Agent);
        agent.below.is_empty() || before().is_some_and(|before| agent.below.contains(&before.name))
    });
    (!stands).then_some(ReasonCode::LinkMissing)
}
