//! What could be otherwise, for one refusing link: by the reason of the refusal, and by the policies that came near.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId};
use model::{
    Ask, Chain, DecisionInput, Grant, LinkAnswer, ModelName, Name, Party, PrincipalId, PrincipalKind, Reach, ReasonCode,
    Resource, UserText, Verdict,
};

use super::circumstances::{self, challenges, findings, flow};
use super::edits::{
    aimed, guest_in_group, in_group, input, model_in_group, not_in_group, registration, renamed, shown, tagged, word,
};
use super::reads::{Literal, Path, Reads, Step};
use super::said;
use super::trial::{By, Candidate, Edit};
use crate::decide::PolicySnapshot;
use crate::declared;
use crate::index::{Amendment, Miss};
use crate::problem::nearest;
use crate::vocabulary::BASELINE_FILE;

/// Most permits that came near and are looked at.
const MAX_NEAR: usize = 40;
/// Most groups that policies name and are looked at.
const MAX_NAMED: usize = 200;
/// Most other models, users or groups that are tried.
const MAX_OTHERS: usize = 20;

/// Everything that could be otherwise so that `link` refuses no longer; not all of it helps.
pub(super) fn of(snapshot: &PolicySnapshot, input: &DecisionInput, link: &LinkAnswer) -> Vec<Candidate> {
    let one = One { snapshot, input, link };
    let mut found = match link.reason {
        ReasonCode::PrincipalUnknown => one.unknown_party(),
        ReasonCode::ModelNotFound => one.other_models(),
        ReasonCode::AgentWithoutUser => one.without_user(),
        ReasonCode::LinkMissing => one.out_of_place(),
        ReasonCode::GrantExceeded => one.granted(),
        ReasonCode::QuestionRefused => one.may_ask(),
        ReasonCode::UninspectedDenied => findings(input).into_iter().chain(flow(input)).collect(),
        ReasonCode::PolicyError => one.by_policies(&snapshot.erring_policies(input, link)),
        ReasonCode::PolicyDenied => one.permitted_by_none(),
        _ => one.forbidden(),
    };
    found.extend(one.less());
    found
}

/// One refusing link of a decision.
struct One<'a> {
    snapshot: &'a PolicySnapshot,
    input: &'a DecisionInput,
    link: &'a LinkAnswer,
}

impl One<'_> {
    fn ask(&self) -> Ask {
        Ask { action: self.link.action, resource: self.link.resource.clone() }
    }

    /// A name that is not declared: the nearest one that is, or a declaration.
    fn unknown_party(&self) -> Vec<Candidate> {
        let party = &self.link.principal;
        let known = self.snapshot.declared(party.kind);
        let mut found = Vec::new();
        if !known.contains(&party.name.to_string()) {
            let near = nearest(party.name.as_str(), known.iter().map(String::as_str)).and_then(|near| Name::new(near).ok());
            found.extend(near.map(|near| renamed(party, &PrincipalId::new(party.kind, near))));
            found.extend(self.declarations());
        }
        if let Resource::Agent(agent) = &self.link.resource {
            let agents = self.snapshot.declared(PrincipalKind::Agent);
            let near = nearest(agent.as_str(), agents.iter().map(String::as_str)).and_then(|near| Name::new(near).ok());
            found.extend(near.map(|near| aimed("agent", &self.link.resource, Resource::Agent(near))));
        }
        found
    }

    /// The party declared, in no group or in one that a permit names.
    fn declarations(&self) -> Vec<Candidate> {
        let party = &self.link.principal;
        let groups = self.groups_of(&self.near_permits());
        let alone = std::iter::once(None).chain(groups.into_iter().map(Some));
        let declared = |group: Option<Name>| {
            let text = group
                .as_ref()
                .map_or_else(|| format!("{party} were declared"), |group| format!("{party} were declared, in group `{group}`"));
            let party = party.clone();
            registration("declared", text, move |registry| {
                let groups: BTreeSet<Name> = group.iter().cloned().collect();
                match party.kind {
                    PrincipalKind::User => drop(registry.users.insert(party.name.clone(), Party { groups })),
                    PrincipalKind::Service => drop(registry.services.insert(party.name.clone(), Party { groups })),
                    PrincipalKind::Agent => {
                        let agent = model::Agent { groups, ..model::Agent::default() };
                        registry.agents.insert(party.name.clone(), agent);
                    }
                    PrincipalKind::Operator | PrincipalKind::Pep => {}
                }
            })
        };
        alone.map(declared).collect()
    }

    /// Other models: the nearest name first where the one that was asked for is none.
    fn other_models(&self) -> Vec<Candidate> {
        let Resource::Model(asked) = &self.link.resource else { return Vec::new() };
        let models = &self.snapshot.registry.models;
        let near = nearest(asked.as_str(), models.keys().map(ModelName::as_str));
        let mut others: Vec<&ModelName> = models.keys().filter(|model| *model != asked).collect();
        others.sort_by_key(|model| Some(model.as_str()) != near);
        let is_misspelt = !models.contains_key(asked);
        let other = |model: &ModelName| {
            let aimed = aimed("model", &self.link.resource, Resource::Model(model.clone()));
            // Another model is another question, unless what was asked for is none.
            let by = if is_misspelt { By::Caller } else { By::Question };
            Candidate { by, ..aimed }
        };
        others.into_iter().take(MAX_OTHERS).map(other).collect()
    }

    /// An agent alone: a user behind it, or the right to act alone.
    fn without_user(&self) -> Vec<Candidate> {
        let registry = &self.snapshot.registry;
        let agent = &self.link.principal;
        let groups = self.groups_of(&self.near_permits());
        let mut users: Vec<(&Name, &Party)> = registry.users.iter().collect();
        users.sort_by_key(|(_, user)| user.groups.is_disjoint(&groups));
        let behind = |(name, _): (&Name, &Party)| {
            let user = PrincipalId::new(PrincipalKind::User, name.clone());
            let mut links = vec![user.clone()];
            links.extend(self.input.chain.links().iter().cloned());
            let chain = Chain::new(links).ok()?;
            let text = format!("{agent} acted on behalf of a user, such as {user}");
            Some(input(By::Caller, "chain", text, move |input| input.chain = chain.clone()))
        };
        let mut found: Vec<Candidate> = users.into_iter().take(MAX_OTHERS).filter_map(behind).collect();
        let (name, action) = (agent.name.clone(), declared::alone_as(self.link.action));
        let text = format!("{agent} were registered as autonomous for {}", action.as_str());
        found.push(registration("autonomous", text, move |registry| {
            if let Some(agent) = registry.agents.get_mut(&name) {
                agent.autonomous.insert(action);
            }
        }));
        found
    }

    /// An agent that is registered below others: one of them in front of it, or no such registration.
    fn out_of_place(&self) -> Vec<Candidate> {
        let agent = &self.link.principal;
        let Some(registered) = self.snapshot.registry.agents.get(&agent.name) else { return Vec::new() };
        let below = |name: &Name| {
            let above = PrincipalId::new(PrincipalKind::Agent, name.clone());
            let mut links = self.input.chain.links().to_vec();
            let at = links.iter().position(|link| link == agent)?;
            links.insert(at, above.clone());
            let chain = Chain::new(links).ok()?;
            let text = format!("{agent} acted below {above}");
            Some(input(By::Caller, "chain", text, move |input| input.chain = chain.clone()))
        };
        let mut found: Vec<Candidate> = registered.below.iter().take(MAX_OTHERS).filter_map(below).collect();
        let name = agent.name.clone();
        found.push(registration("below", format!("{agent} were not registered below another agent"), move |registry| {
            if let Some(agent) = registry.agents.get_mut(&name) {
                agent.below.clear();
            }
        }));
        found
    }

    /// A task token that grants what is asked.
    fn granted(&self) -> Vec<Candidate> {
        let (action, Some(reach)) = (self.link.action, Grant::exactly(&self.ask())) else { return Vec::new() };
        let named: Vec<&str> = reach.names().collect();
        let text = format!("the task token granted {}:{}", action.as_str(), named.join(" ").escape_debug());
        vec![input(By::Circumstances, "grant", text, move |input| {
            if let Some(task) = &mut input.facts.mandate.task {
                task.grant.add(action, reach.clone()).ok();
            }
        })]
    }

    /// A registration that lets the enforcement point ask.
    fn may_ask(&self) -> Vec<Candidate> {
        let (point, ask) = (self.link.principal.name.clone(), self.ask());
        let Some(asked) = self.input.facts.mandate.asked_by.as_deref() else { return Vec::new() };
        let (subject, verb, kind) = (asked.subject.clone(), ask.verb().to_owned(), ask.resource.type_name().to_owned());
        let text = format!(
            "enforcement point `{point}` were registered to ask about `{}`, `{}`, `{}`",
            subject.escape_debug(),
            verb.escape_debug(),
            kind.escape_debug()
        );
        vec![registration("point", text, move |registry| {
            if let Some(point) = registry.access.points.get_mut(&point) {
                for (reach, word) in [(&mut point.subjects, &subject), (&mut point.actions, &verb), (&mut point.resources, &kind)]
                {
                    if let Ok(wider) = Reach::new(reach.names().map(ToOwned::to_owned).chain([word.clone()])) {
                        *reach = wider;
                    }
                }
            }
        })]
    }

    /// Nothing permits it: a fact that a permit asks for, a group that one names, a permit that is not enforced yet.
    fn permitted_by_none(&self) -> Vec<Candidate> {
        let near = self.near_permits();
        let mut found = Vec::new();
        for (policy, miss) in &near {
            if *miss == Miss::Nothing {
                found.extend(self.by_reads(policy));
            }
        }
        let party = &self.link.principal;
        let is_guest = self.input.facts.mandate.federated.as_ref().is_some_and(|guest| guest.principal == *party);
        let member = if is_guest { guest_in_group } else { in_group };
        found.extend(self.groups_of(&near).iter().map(|group| member(party, group)));
        if let Resource::Model(model) = &self.link.resource {
            let declared = |group: &&Name| self.snapshot.registry.model_groups.contains_key(*group);
            let groups = named(near.iter().map(|(policy, _)| *policy), "ModelGroup");
            found.extend(groups.iter().filter(declared).take(MAX_OTHERS).map(|group| model_in_group(model, group)));
        }
        found.extend(self.direct());
        found.extend(self.other_models());
        found.extend(self.unenforced());
        found
    }

    /// Something forbids it, and perhaps a challenge would lift that.
    fn forbidden(&self) -> Vec<Candidate> {
        let deciding: Vec<PolicyId> = self.link.policies.iter().map(|policy| PolicyId::new(&policy.id)).collect();
        let mut found: Vec<Candidate> = Vec::new();
        found
            .extend(challenges(self.input).into_iter().filter(|(one, _)| self.link.challenges.contains(one)).map(|(_, one)| one));
        found.extend(self.by_policies(&deciding));
        found.extend(self.direct());
        found.extend(self.other_models());
        found
    }

    /// What these policies read, and that they were not there.
    fn by_policies(&self, ids: &[PolicyId]) -> Vec<Candidate> {
        let mut found = Vec::new();
        let policies: Vec<&Policy> = ids.iter().filter_map(|id| self.snapshot.index.policy(id)).take(MAX_OTHERS).collect();
        for policy in &policies {
            found.extend(self.by_reads(policy));
        }
        let groups = named(policies.iter().copied(), "Group");
        found.extend(groups.iter().take(MAX_OTHERS).map(|group| not_in_group(&self.link.principal, group)));
        for policy in policies {
            // What is compiled in is nobody's to take out.
            let Some(place) = self.snapshot.meanings.get(policy.id()).map(|meaning| &meaning.place) else { continue };
            if place.file != BASELINE_FILE {
                let is_error = self.link.reason == ReasonCode::PolicyError;
                let text = format!("policy {place} were {}", if is_error { "mended, or gone" } else { "gone" });
                let edit = Edit::Policies(Amendment::Without(policy.id().clone()));
                found.push(Candidate { by: By::Policies, topic: place.id.clone(), text, edit });
            }
        }
        found
    }

    fn by_reads(&self, policy: &Policy) -> Vec<Candidate> {
        let reads = Reads::of(policy);
        let mut found = said::of(&self.beside(&reads), self.snapshot, self.input, &self.link.resource);
        found.extend(circumstances::of(&reads, self.input));
        for path in reads.0.keys() {
            found.extend(self.by_entity(path));
        }
        let tags = reads.0.iter().filter_map(|(path, literals)| match path.steps.as_slice() {
            [Step::Tag(tag)] if path.root == "principal" => Some((tag, literals)),
            _ => None,
        });
        for (tag, literals) in tags {
            for literal in literals {
                if let Literal::Text(value) = literal {
                    found.push(tagged(&self.link.principal, tag, value));
                }
            }
        }
        found
    }

    /// Of what callers say the places that `reads` has, each with all numbers that any policy on this call holds it against: a
    /// value has to suit the others too, and the nearest may be one that another policy names.
    fn beside(&self, reads: &Reads) -> Reads {
        let mut all =
            Reads(reads.0.iter().filter(|(path, _)| said::is_said(path)).map(|(path, of)| (path.clone(), of.clone())).collect());
        if all.0.is_empty() {
            return all;
        }
        let call = self.snapshot.view().call(&self.input.chain, &self.input.facts);
        let Ok((request, entities)) = self.snapshot.pose(&call, &self.link.principal, &self.ask()) else { return all };
        for candidate in call.view.candidates(entities, &request).into_iter().take(MAX_NEAR) {
            for (path, literals) in Reads::of(candidate.policy).0 {
                if let Some(known) = all.0.get_mut(&path) {
                    known.extend(literals.into_iter().filter(|literal| matches!(literal, Literal::Number(_))));
                }
            }
        }
        all
    }

    /// What operators declare of a model or an agent.
    fn by_entity(&self, path: &Path) -> Option<Candidate> {
        let [Step::Attribute(attribute)] = path.steps.as_slice() else { return None };
        match (path.root.as_str(), attribute.as_str(), &self.link.resource) {
            ("resource", "clearance", Resource::Model(model)) => {
                let (model, level) = (model.clone(), self.input.facts.label.level);
                let text = format!("Model `{model}` were cleared for `{}`", word(level));
                Some(registration("clearance", text, move |registry| {
                    if let Some(model) = registry.models.get_mut(&model) {
                        model.clearance = level;
                    }
                }))
            }
            ("resource", "clearance", Resource::Tool(tool)) => {
                let server = Name::new(tool.split_once('/')?.0).ok()?;
                let level = self.input.facts.label.level;
                let text = format!("tool server `{server}` were cleared for `{}`", word(level));
                Some(registration("clearance", text, move |registry| {
                    if let Some(server) = registry.tool_servers.get_mut(&server) {
                        server.clearance = level;
                    }
                }))
            }
            ("principal", "userText", _) if self.link.principal.kind == PrincipalKind::Agent => {
                let name = self.link.principal.name.clone();
                let text = format!("{} were registered with `user_text: verbatim`", self.link.principal);
                Some(registration("user-text", text, move |registry| {
                    if let Some(agent) = registry.agents.get_mut(&name) {
                        agent.user_text = UserText::Verbatim;
                    }
                }))
            }
            _ => None,
        }
    }

    /// The user without the agents, where an agent is what is refused.
    fn direct(&self) -> Option<Candidate> {
        let user = self.input.chain.user().filter(|_| self.link.principal.kind == PrincipalKind::Agent)?.clone();
        let chain = Chain::new(vec![user.clone()]).ok()?;
        let text = format!("{user} called directly, without {}", self.link.principal);
        Some(input(By::Circumstances, "chain", text, move |input| input.chain = chain.clone()))
    }

    /// The call without what rides along, where that is what is refused.
    fn less(&self) -> Option<Candidate> {
        let ask = self.ask();
        let at = self.input.asks.iter().position(|other| *other == ask).filter(|at| *at > 0)?;
        let text = format!("the call did not also ask for {} {}", ask.verb().escape_debug(), shown(&ask.resource));
        Some(input(By::Caller, &format!("less {at}"), text, move |input| input.asks.retain(|other| *other != ask)))
    }

    /// Permits that are not enforced yet.
    fn unenforced(&self) -> Vec<Candidate> {
        let Some(shadow) = &self.snapshot.shadow else { return Vec::new() };
        let permits = shadow.alone().policies().filter(|policy| policy.effect() == Effect::Permit);
        let one = |policy: &Policy| {
            let id = AsRef::<str>::as_ref(policy.id());
            let place = &self.snapshot.meanings.get(policy.id())?.place;
            let edit = Edit::Policies(self.snapshot.enforcing(id)?);
            let text = format!("shadow policy {place} were enforced");
            Some(Candidate { by: By::Policies, topic: place.id.clone(), text, edit })
        };
        permits.filter_map(one).take(MAX_NEAR).collect()
    }

    /// The permits that came near, the nearest first.
    fn near_permits(&self) -> Vec<(&Policy, Miss)> {
        let snapshot = self.snapshot;
        let Some(triple) = snapshot.concerned(&self.link.principal, &self.ask()) else { return Vec::new() };
        let near = snapshot.index.near_permits(&snapshot.entities, &triple.0, &triple.1, &triple.2);
        let mut near: Vec<(&PolicyId, Miss)> = near.collect();
        near.sort_by_key(|(_, miss)| match miss {
            Miss::Nothing => 0,
            Miss::Principal => 1,
            Miss::Resource => 2,
        });
        // Of each kind some, however many there are of the others.
        let mut n_of_kind = [0_usize; 3];
        near.retain(|(_, miss)| {
            let [nothing, principal, resource] = &mut n_of_kind;
            let count = match miss {
                Miss::Nothing => nothing,
                Miss::Principal => principal,
                Miss::Resource => resource,
            };
            *count = count.saturating_add(1);
            *count <= MAX_NEAR
        });
        let policy = |(id, miss): (&PolicyId, Miss)| Some((snapshot.index.policy(id)?, miss));
        near.into_iter().filter_map(policy).collect()
    }

    /// The declared groups that these permits name.
    fn groups_of(&self, near: &[(&Policy, Miss)]) -> BTreeSet<Name> {
        let groups = named(near.iter().filter(|(_, miss)| *miss != Miss::Resource).map(|(policy, _)| *policy), "Group");
        let registry = &self.snapshot.registry;
        let has_place = |group: &Name| registry.groups.contains_key(group) && is_for(registry, group, self.link.principal.kind);
        groups.into_iter().take(MAX_NAMED).filter(has_place).take(MAX_OTHERS).collect()
    }
}

/// Whether a party of this kind has its place in a group: unless only parties of other kinds are in it.
fn is_for(registry: &model::Registry, group: &Name, kind: PrincipalKind) -> bool {
    let has = |groups: &BTreeSet<Name>| groups.contains(group);
    let members = [
        (PrincipalKind::User, registry.users.values().any(|user| has(&user.groups))),
        (PrincipalKind::Service, registry.services.values().any(|service| has(&service.groups))),
        (PrincipalKind::Agent, registry.agents.values().any(|agent| has(&agent.groups))),
    ];
    let is_empty = members.iter().all(|(_, has)| !has);
    is_empty || members.iter().any(|(of, has)| *of == kind && *has)
}

/// The ids of the entities of one of our own types that policies name.
fn named<'a>(policies: impl Iterator<Item = &'a Policy>, kind: &str) -> BTreeSet<Name> {
    let kind = format!("Portcullis::{kind}");
    let literals = policies.flat_map(Policy::entity_literals);
    literals.filter(|uid| uid.type_name().to_string() == kind).filter_map(|uid| Name::new(uid.id().unescaped()).ok()).collect()
}

/// Whether a link stands in the way.
pub(super) const fn refuses(link: &LinkAnswer) -> bool {
    !matches!(link.verdict, Verdict::Permit)
}
