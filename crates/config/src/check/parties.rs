//! Groups, users, agents, services, operators.

use std::collections::{BTreeMap, BTreeSet};

use model::{Action, Agent, Group, Name, OperatorRole, Party, UserText};

use crate::check::Report;
use crate::problem::{Path, shown};
use crate::raw;

pub(super) fn destinations(raw: &BTreeMap<String, Vec<String>>, report: &mut Report<'_>) -> BTreeMap<String, BTreeSet<Name>> {
    let mut places = BTreeMap::new();
    for (key, segments) in raw {
        let path = Path::of(&["destinations", key]);
        match model::place(key) {
            Some(form) if form == *key => {}
            Some(form) => report.key_problem(&path, format!("is written `{form}`")),
            None => report.key_problem(&path, format!("`{}` is no place: expected HOST or HOST:PORT", shown(key))),
        }
        places.insert(key.clone(), report.references(&path, segments, "segments", "segment"));
    }
    places
}

pub(super) fn groups(raw: &BTreeMap<String, raw::Group>, section: &str, report: &mut Report<'_>) -> BTreeMap<Name, Group> {
    report.look_alikes(section);
    let noun = match section {
        "model_groups" => "model group",
        "segments" => "segment",
        _ => "group",
    };
    let mut groups = BTreeMap::new();
    for (key, group) in raw {
        let path = Path::of(&[section, key]);
        let inner = report.references(&path.key("groups"), &group.groups, section, noun);
        if let Some(name) = report.name(&path, key) {
            groups.insert(name, Group { groups: inner });
        }
    }
    for circle in circles(&groups) {
        let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
        if let [first, ..] = circle.as_slice() {
            report.key_problem(&Path::of(&[section, first.as_str()]), format!("groups in a circle: {}", names.join(" → ")));
        }
    }
    groups
}

/// The circles, each as its path from the first name in order back to itself. Linear in groups and memberships.
fn circles(groups: &BTreeMap<Name, Group>) -> Vec<Vec<Name>> {
    let mut done: BTreeSet<&Name> = BTreeSet::new();
    let mut circles = Vec::new();
    for start in groups.keys() {
        let mut path: Vec<(&Name, Vec<&Name>)> = Vec::new();
        let mut next = Some(start);
        loop {
            if let Some(name) = next.take() {
                if let Some(position) = path.iter().position(|(earlier, _)| *earlier == name) {
                    let mut circle: Vec<Name> = path.iter().skip(position).map(|(name, _)| (*name).clone()).collect();
                    circle.push(name.clone());
                    circles.push(circle);
                } else if !done.contains(name) {
                    let inner = groups.get(name).map(|group| group.groups.iter().collect()).unwrap_or_default();
                    path.push((name, inner));
                }
            }
            let Some((name, rest)) = path.last_mut() else { break };
            next = rest.pop();
            if next.is_none() {
                done.insert(name);
                path.pop();
            }
        }
    }
    circles
}

pub(super) fn parties(raw: &BTreeMap<String, raw::Party>, section: &str, report: &mut Report<'_>) -> BTreeMap<Name, Party> {
    report.look_alikes(section);
    let mut parties = BTreeMap::new();
    for (key, party) in raw {
        let path = Path::of(&[section, key]);
        let groups = report.references(&path.key("groups"), &party.groups, "groups", "group");
        if let Some(name) = report.name(&path, key) {
            parties.insert(name, Party { groups });
        }
    }
    parties
}

pub(super) fn agents(raw: &BTreeMap<String, raw::Agent>, report: &mut Report<'_>) -> BTreeMap<Name, Agent> {
    report.look_alikes("agents");
    let mut agents = BTreeMap::new();
    for (key, agent) in raw {
        let path = Path::of(&["agents", key]);
        let groups = report.references(&path.key("groups"), &agent.groups, "groups", "group");
        let below = report.references(&path.key("below"), &agent.below, "agents", "agent");
        if let Some(index) = agent.below.iter().position(|above| above == key) {
            report.problem(&path.key("below").index(index), "an agent cannot act below itself".to_owned());
        }
        let mut autonomous = BTreeSet::new();
        for (index, action) in agent.autonomous.iter().map(|action| action_of(*action)).enumerate() {
            if !autonomous.insert(action) {
                let at = path.key("autonomous").index(index);
                report.problem(&at, format!("`{}` stands twice in this list", action.as_str()));
            }
        }
        let user_text = match agent.user_text {
            raw::UserText::Mixed => UserText::Mixed,
            raw::UserText::Verbatim => UserText::Verbatim,
        };
        if let Some(name) = report.name(&path, key) {
            agents.insert(name, Agent { groups, autonomous, user_text, below });
        }
    }
    agents
}

const fn action_of(raw: raw::Autonomous) -> Action {
    match raw {
        raw::Autonomous::CallModel => Action::CallModel,
        raw::Autonomous::UseHostedTool => Action::UseHostedTool,
        raw::Autonomous::FetchRemote => Action::FetchRemote,
        raw::Autonomous::StoreRemotely => Action::StoreRemotely,
        raw::Autonomous::UseBeta => Action::UseBeta,
        raw::Autonomous::Access => Action::Access,
        raw::Autonomous::CallTool => Action::CallTool,
    }
}

pub(super) fn operators(raw: &BTreeMap<String, raw::Role>, report: &mut Report<'_>) -> BTreeMap<Name, OperatorRole> {
    report.look_alikes("operators");
    let mut operators = BTreeMap::new();
    for (key, role) in raw {
        let path = Path::of(&["operators", key]);
        let role = match role {
            raw::Role::Viewer => OperatorRole::Viewer,
            raw::Role::Operator => OperatorRole::Operator,
            raw::Role::Approver => OperatorRole::Approver,
            raw::Role::Auditor => OperatorRole::Auditor,
            raw::Role::Admin => OperatorRole::Admin,
        };
        // `local` is who comes over the Unix socket as the gate's own user.
        if key == "local" {
            report.key_problem(&path, format!("the name `{}` is the gate's own, choose another", shown(key)));
        } else if let Some(name) = report.name(&path, key) {
            operators.insert(name, role);
        }
    }
    if !operators.values().any(|role| *role == OperatorRole::Admin) {
        report
            .warn(&Path::of(&["operators"]), "no operator has the role `admin`, so nobody can manage operators over the network");
    }
    operators
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Group, Name};

    use super::circles;

    fn groups(edges: &[(&str, &[&str])]) -> BTreeMap<Name, Group> {
        let name = |text: &&str| Name::new(text).unwrap();
        edges.iter().map(|(from, to)| (name(from), Group { groups: to.iter().map(name).collect() })).collect()
    }

    #[test]
    fn circles_are_found_and_diamonds_are_none() {
        type Edges<'a> = &'a [(&'a str, &'a [&'a str])];
        let facts: [(Edges<'_>, &[&str]); 5] = [
            (&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])], &[]),
            (&[("a", &["a"])], &["a a"]),
            (&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], &["b c b"]),
            (&[("a", &["b"]), ("b", &["a"]), ("c", &["d"]), ("d", &["c"])], &["a b a", "c d c"]),
            (&[("a", &["nowhere"])], &[]),
        ];
        for (edges, expected) in facts {
            let found = circles(&groups(edges));
            let found: Vec<String> =
                found.iter().map(|circle| circle.iter().map(Name::as_str).collect::<Vec<_>>().join(" ")).collect();
            assert_eq!(found, expected, "{edges:?}");
        }
    }

    #[test]
    fn a_long_chain_of_groups_ends_soon() {
        let edges: BTreeMap<Name, Group> = (0..2_000)
            .map(|n: u32| {
                (Name::new(&format!("g{n}")).unwrap(), Group { groups: [Name::new(&format!("g{}", n + 1)).unwrap()].into() })
            })
            .collect();
        assert!(circles(&edges).is_empty());
    }
}
