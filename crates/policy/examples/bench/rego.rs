//! The same policies and questions for Regorus.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::Question;
use crate::store::{Policy, Store, name};

/// The policies as files of one package, each smaller than what Regorus takes.
pub(crate) fn files(store: &Store) -> Vec<String> {
    let rules: Vec<String> = store.policies.iter().map(Policy::rego).collect();
    let file = |(at, rules): (usize, &[String])| {
        let head = if at == 0 { "default allow := false\nallow if { permit; not forbid }\n" } else { "" };
        format!("package portcullis\n\n{head}{}\n", rules.join("\n"))
    };
    rules.chunks(2_000).enumerate().map(file).collect()
}

/// What a peer is asked for one link of a chain: the party and the model, with everything above them, and the context.
pub(crate) fn input(store: &Store, question: &Question, link: usize, n_links: usize) -> Value {
    let above = |groups: &BTreeMap<model::Name, model::Group>, direct: &BTreeSet<model::Name>| {
        let mut all: BTreeMap<String, bool> = BTreeMap::new();
        let mut todo: Vec<model::Name> = direct.iter().cloned().collect();
        while let Some(group) = todo.pop() {
            todo.extend(groups.get(&group).into_iter().flat_map(|group| group.groups.iter().cloned()));
            all.insert(group.to_string(), true);
        }
        all
    };
    let (registry, model) = (&store.registry, name(&question.model));
    let (kind, id) = question.links[link].split_once(':').unwrap();
    let id = name(id);
    let (kind, groups) =
        if kind == "user" { ("User", &registry.users[&id].groups) } else { ("Agent", &registry.agents[&id].groups) };
    json!({
        "principal": {"kind": kind, "id": id, "above": above(&registry.groups, groups)},
        "resource": {"kind": "Model", "id": model, "above": above(&registry.model_groups, &registry.models[&model].groups)},
        "action": "callModel",
        "context": question.context(n_links),
    })
}
