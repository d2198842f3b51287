//! Single changes: of the chain, of what is asked for, of what operators declare.

use std::collections::BTreeSet;

use model::{Chain, DecisionInput, ModelName, Name, PrincipalId, PrincipalKind, Resource};

use super::trial::{By, Candidate, Edit};

pub(super) fn input(by: By, topic: &str, text: String, edit: impl Fn(&mut DecisionInput) + 'static) -> Candidate {
    Candidate { by, topic: topic.to_owned(), text, edit: Edit::Input(Box::new(edit)) }
}

pub(super) fn registration(topic: &str, text: String, edit: impl Fn(&mut model::Registry) + 'static) -> Candidate {
    Candidate { by: By::Registration, topic: topic.to_owned(), text, edit: Edit::Registry(Box::new(edit)) }
}

/// Somebody else in the place of a link.
pub(super) fn renamed(was: &PrincipalId, now: &PrincipalId) -> Candidate {
    let text = format!("{now} were meant, not {was}");
    let (was, now) = (was.clone(), now.clone());
    input(By::Caller, "name", text, move |input| {
        let links = input.chain.links().iter().map(|link| if *link == was { now.clone() } else { link.clone() });
        if let Ok(chain) = Chain::new(links.collect()) {
            input.chain = chain;
        }
    })
}

/// Something else that is asked for.
pub(super) fn aimed(topic: &str, was: &Resource, now: Resource) -> Candidate {
    let text = format!("the call asked for {} instead", shown(&now));
    let was = was.clone();
    input(By::Caller, &format!("other {topic}"), text, move |input| {
        for ask in &mut input.asks {
            if ask.resource == was {
                ask.resource = now.clone();
            }
        }
    })
}

/// A party that an issuer vouches for, in a group.
pub(super) fn guest_in_group(party: &PrincipalId, group: &Name) -> Candidate {
    let text = format!("the issuer put {party} in group `{group}`");
    let group = group.clone();
    input(By::Circumstances, &format!("group {group}"), text, move |input| {
        if let Some(guest) = &mut input.facts.mandate.federated {
            guest.groups.insert(group.clone());
        }
    })
}

/// A declared party in a group.
pub(super) fn in_group(party: &PrincipalId, group: &Name) -> Candidate {
    let text = format!("{party} were in group `{group}`");
    edited_groups(party, &format!("group {group}"), text, {
        let group = group.clone();
        move |groups| {
            groups.insert(group.clone());
        }
    })
}

/// The party not in a group, where it is in it directly.
pub(super) fn not_in_group(party: &PrincipalId, group: &Name) -> Candidate {
    let text = format!("{party} were not in group `{group}`");
    edited_groups(party, &format!("group {group}"), text, {
        let group = group.clone();
        move |groups| {
            groups.remove(&group);
        }
    })
}

fn edited_groups(party: &PrincipalId, topic: &str, text: String, edit: impl Fn(&mut BTreeSet<Name>) + 'static) -> Candidate {
    let party = party.clone();
    registration(&format!("{topic} {party}"), text, move |registry| {
        let groups = match party.kind {
            PrincipalKind::User => registry.users.get_mut(&party.name).map(|user| &mut user.groups),
            PrincipalKind::Service => registry.services.get_mut(&party.name).map(|service| &mut service.groups),
            PrincipalKind::Agent => registry.agents.get_mut(&party.name).map(|agent| &mut agent.groups),
            PrincipalKind::Operator | PrincipalKind::Pep => None,
        };
        if let Some(groups) = groups {
            edit(groups);
        }
    })
}

pub(super) fn model_in_group(model: &ModelName, group: &Name) -> Candidate {
    let text = format!("Model `{model}` were in model group `{group}`");
    let (model, group) = (model.clone(), group.clone());
    registration(&format!("model group {group}"), text, move |registry| {
        if let Some(model) = registry.models.get_mut(&model) {
            model.groups.insert(group.clone());
        }
    })
}

pub(super) fn tagged(party: &PrincipalId, tag: &str, value: &str) -> Candidate {
    let text = format!("{party} had the attribute \"{}\" = \"{}\"", tag.escape_debug(), value.escape_debug());
    let (party, tag, value) = (party.clone(), tag.to_owned(), value.to_owned());
    registration(&format!("attribute {tag}"), text, move |registry| {
        registry.access.tags.entry(party.clone()).or_default().insert(tag.clone(), value.clone());
    })
}

pub(super) fn shown(resource: &Resource) -> String {
    format!("{} `{}`", resource.type_name().escape_debug(), resource.id().escape_debug())
}

pub(super) const fn word(level: model::Level) -> &'static str {
    match level {
        model::Level::Public => "public",
        model::Level::Internal => "internal",
        model::Level::Confidential => "confidential",
        model::Level::Restricted => "restricted",
    }
}
