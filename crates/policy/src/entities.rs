//! The registry as one immutable Cedar entity store, built once per bundle.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression, Schema};
use model::{Agent, Level, Name, PrincipalId, PrincipalKind, Registry, UserText};

use crate::foreign::Words;
use crate::vocabulary::uid;

/// Builds the store, with the resources that `words` lists.
///
/// With `schema`, which holds the actions and their groups too.
pub(crate) fn build(registry: &Registry, words: &Words, schema: Option<&Schema>) -> Result<Entities, String> {
    let mut entities = words.entities(&registry.access)?;
    for (name, group) in &registry.groups {
        entities.push(plain("Group", name, "Group", &group.groups)?);
    }
    for (name, group) in &registry.model_groups {
        entities.push(plain("ModelGroup", name, "ModelGroup", &group.groups)?);
    }
    for (name, segment) in &registry.segments {
        entities.push(plain("Segment", name, "Segment", &segment.groups)?);
    }
    for (id, segments) in &registry.destinations {
        entities.push(entity("Destination", id, HashMap::new(), parents("Segment", segments)?)?);
    }
    for (name, user) in &registry.users {
        let party = PrincipalId::new(PrincipalKind::User, name.clone());
        entities.push(tagged(registry, &party, plain("User", name, "Group", &user.groups)?)?);
    }
    for (name, service) in &registry.services {
        let party = PrincipalId::new(PrincipalKind::Service, name.clone());
        entities.push(tagged(registry, &party, plain("Service", name, "Group", &service.groups)?)?);
    }
    let nobody = Agent::default();
    let remote = registry.remote_agents.keys().filter(|name| !registry.agents.contains_key(*name)).map(|name| (name, &nobody));
    for (name, agent) in registry.agents.iter().chain(remote) {
        let autonomous = strings(agent.autonomous.iter().map(|action| action.as_str()));
        let user_text = match agent.user_text {
            UserText::Mixed => "mixed",
            UserText::Verbatim => "verbatim",
        };
        let mut attributes = HashMap::from([
            ("autonomous".to_owned(), autonomous),
            ("userText".to_owned(), RestrictedExpression::new_string(user_text.to_owned())),
        ]);
        let clearance = registry.remote_agents.get(name).map(|remote| RestrictedExpression::new_long(level(remote.clearance)));
        attributes.extend(clearance.map(|clearance| ("clearance".to_owned(), clearance)));
        let party = PrincipalId::new(PrincipalKind::Agent, name.clone());
        let entity = with_attributes("Agent", name, attributes, parents("Group", &agent.groups)?)?;
        entities.push(tagged(registry, &party, entity)?);
    }
    for (name, model) in &registry.models {
        let attributes = HashMap::from([
            ("dialects".to_owned(), strings(model.dialects.iter().map(|dialect| dialect.as_str()))),
            ("clearance".to_owned(), RestrictedExpression::new_long(level(model.clearance))),
        ]);
        entities.push(with_attributes("Model", name, attributes, parents("ModelGroup", &model.groups)?)?);
    }
    for (name, server) in &registry.tool_servers {
        let clearance = || ("clearance".to_owned(), RestrictedExpression::new_long(level(server.clearance)));
        entities.push(with_attributes("ToolServer", name, HashMap::from([clearance()]), HashSet::new())?);
        let above = HashSet::from([uid("ToolServer", name.as_str()).ok_or_else(|| format!("`{name}` is no entity"))?]);
        for (tool, pinned) in &server.tools {
            let attributes = HashMap::from([
                ("effects".to_owned(), strings(pinned.effects.iter().map(|effect| effect.as_str()))),
                clearance(),
            ]);
            entities.push(entity("Tool", &format!("{name}/{tool}"), attributes, above.clone())?);
        }
        for (document, declared) in &server.documents {
            let attributes = HashMap::from([
                ("level".to_owned(), RestrictedExpression::new_long(level(declared.level))),
                ("compartments".to_owned(), strings(declared.compartments.iter().map(Name::as_str))),
                clearance(),
            ]);
            entities.push(entity("Document", &format!("{name}/{document}"), attributes, above.clone())?);
        }
    }
    Entities::from_entities(entities, schema).map_err(|error| with_sources(&error))
}

/// One party that nobody declares; as plain as a declared one of its kind.
pub(crate) fn guest(principal: &PrincipalId, groups: &BTreeSet<Name>) -> Result<Entity, String> {
    match principal.kind {
        PrincipalKind::User => plain("User", &principal.name, "Group", groups),
        PrincipalKind::Service => plain("Service", &principal.name, "Group", groups),
        PrincipalKind::Agent | PrincipalKind::Operator | PrincipalKind::Pep => {
            Err(format!("no issuer vouches for `{principal}`"))
        }
    }
}

/// An error with everything behind it: which groups stand in a circle is told by the last source only.
fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

/// The same party with what operators say of it beside its groups.
fn tagged(registry: &Registry, party: &PrincipalId, entity: Entity) -> Result<Entity, String> {
    let Some(tags) = registry.access.tags.get(party) else { return Ok(entity) };
    let (uid, attributes, parents) = entity.into_inner();
    let tags = tags.iter().map(|(name, value)| (name.clone(), RestrictedExpression::new_string(value.clone())));
    Entity::new_with_tags(uid, attributes, parents, tags).map_err(|error| error.to_string())
}

/// A level as policies see it.
pub(crate) const fn level(level: Level) -> i64 {
    match level {
        Level::Public => 0,
        Level::Internal => 1,
        Level::Confidential => 2,
        Level::Restricted => 3,
    }
}

pub(crate) fn strings<'a>(values: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.map(|value| RestrictedExpression::new_string(value.to_owned())))
}

fn parents(kind: &str, names: &BTreeSet<Name>) -> Result<HashSet<EntityUid>, String> {
    names.iter().map(|name| uid(kind, name.as_str()).ok_or_else(|| format!("`{name}` is no entity"))).collect()
}

fn plain(kind: &str, name: &Name, parent_kind: &str, groups: &BTreeSet<Name>) -> Result<Entity, String> {
    with_attributes(kind, name, HashMap::new(), parents(parent_kind, groups)?)
}

fn with_attributes(
    kind: &str,
    name: &Name,
    attributes: HashMap<String, RestrictedExpression>,
    parents: HashSet<EntityUid>,
) -> Result<Entity, String> {
    entity(kind, name.as_str(), attributes, parents)
}

fn entity(
    kind: &str,
    id: &str,
    attributes: HashMap<String, RestrictedExpression>,
    parents: HashSet<EntityUid>,
) -> Result<Entity, String> {
    let uid = uid(kind, id).ok_or_else(|| format!("`{}` is no entity", id.escape_debug()))?;
    Entity::new(uid, attributes, parents).map_err(|error| error.to_string())
}
