//! Models, as decisions see them and as routes.

use std::collections::{BTreeMap, BTreeSet};

use model::{Dialect, Level, Model, ModelName, Name};

use crate::check::Report;
use crate::problem::{Path, shown};
use crate::raw;
use crate::settings::Route;

/// What a decision knows of each model.
pub(super) fn models(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<ModelName, Model> {
    report.look_alikes("models");
    let mut models = BTreeMap::new();
    for (key, model) in &file.models {
        let path = Path::of(&["models", key]);
        let groups = report.references(&path.key("groups"), &model.groups, "model_groups", "model group");
        let mut dialects = BTreeSet::new();
        for (index, route) in model.upstreams.iter().enumerate() {
            let at = path.key("upstreams").index(index).key("name");
            if report.reference(&at, &route.name, "upstreams", "upstream").is_some()
                && let Some(upstream) = file.upstreams.get(&route.name)
            {
                let other = match upstream.kind {
                    raw::Kind::Mcp => Some("a tool server (`kind: mcp`)"),
                    raw::Kind::A2a => Some("an agent (`kind: a2a`)"),
                    raw::Kind::Openai | raw::Kind::Anthropic => None,
                };
                if let Some(other) = other {
                    report.problem(&at, format!("`{}` is {other}, and serves no models", shown(&route.name)));
                }
                dialects.extend(dialects_of(upstream));
            }
        }
        let clearance = level(model.clearance);
        if let Some(name) = report.name(&path, key) {
            models.insert(name, Model { groups, dialects, clearance });
        }
    }
    models
}

pub(super) const fn level(raw: raw::Clearance) -> Level {
    match raw {
        raw::Clearance::Public => Level::Public,
        raw::Clearance::Internal => Level::Internal,
        raw::Clearance::Confidential => Level::Confidential,
        raw::Clearance::Restricted => Level::Restricted,
    }
}

/// Where each model is served. References were reported with [`models`].
pub(super) fn routes(file: &raw::File) -> BTreeMap<ModelName, Vec<Route>> {
    let routes_of = |model: &raw::Model| {
        let routes = model.upstreams.iter();
        routes.filter_map(|route| Some(Route { upstream: Name::new(&route.name).ok()?, model: route.model.clone() })).collect()
    };
    file.models.iter().filter_map(|(key, model)| Some((Name::new(key).ok()?, routes_of(model)))).collect()
}

/// What an upstream speaks: what it says, else its kind.
pub(super) fn dialects_of(upstream: &raw::Upstream) -> BTreeSet<Dialect> {
    let listed = upstream.dialects.iter().flatten().filter_map(|kind| dialect(*kind)).collect::<BTreeSet<_>>();
    if listed.is_empty() { dialect(upstream.kind).into_iter().collect() } else { listed }
}

/// The model API that a kind of upstream speaks; a tool server and an agent speak none.
pub(super) const fn dialect(kind: raw::Kind) -> Option<Dialect> {
    match kind {
        raw::Kind::Openai => Some(Dialect::Openai),
        raw::Kind::Anthropic => Some(Dialect::Anthropic),
        raw::Kind::Mcp | raw::Kind::A2a => None,
    }
}
