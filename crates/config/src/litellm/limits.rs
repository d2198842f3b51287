//! What a deployment may be used for in a minute, as a budget of its model.
//!
//! LiteLLM counts these for each deployment of its own and spreads calls by them. Here a model has its destinations in one order,
//! so the most that all of them together could take becomes a budget that all callers of the model share. If one deployment of
//! a model has no such limit, there is none of the model either.

use std::collections::BTreeMap;

use crate::litellm::{Fate, Import};
use crate::problem::{Path, Position};
use crate::yaml::{Node, Value};

/// The keys that are read, what they are here, and the largest amount.
pub(super) const LIMITS: [(&str, &str, i128); 3] = [
    ("rpm", "requests", 1_000_000_000_000),
    ("tpm", "tokens", 1_000_000_000_000),
    ("max_parallel_requests", "concurrent", 100_000),
];

/// One limit of one deployment.
#[derive(Debug, Clone)]
struct Limit {
    /// What it is here.
    measure: &'static str,
    amount: i128,
    position: Position,
    path: Path,
}

/// The limits of each deployment of each model, in their order.
#[derive(Debug, Default)]
pub(super) struct Limits(BTreeMap<String, Vec<Vec<Limit>>>);

/// Amounts by measure, and the models whose calls count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) amounts: BTreeMap<&'static str, i128>,
    pub(super) models: Vec<String>,
}

impl Import {
    /// Notes what `litellm_params` allow a deployment that was taken over.
    pub(super) fn limit(&mut self, model: &str, parameters: &Node, path: &Path) {
        let mut limits = Vec::new();
        for (key, measure, most) in LIMITS {
            let Some(entry) = parameters.entry(key) else { continue };
            let (position, path) = (entry.position, path.key(key));
            match &entry.node.value {
                Value::Integer(amount) if (1..=most).contains(amount) => {
                    limits.push(Limit { measure, amount: *amount, position, path });
                }
                _ => self.remark(position, &path, Fate::Left, format!("expected a number from 1 to {most}")),
            }
        }
        self.limits.0.entry(model.to_owned()).or_default().push(limits);
    }

    /// Names the limits of a deployment that was not taken over.
    pub(super) fn leave_limits(&mut self, parameters: &Node, path: &Path) {
        for entry in parameters.entries().iter().filter(|entry| LIMITS.iter().any(|(key, ..)| *key == entry.key)) {
            self.leave(entry, &path.key(&entry.key), "its deployment is not taken over");
        }
    }

    /// The budgets by the names of their models, now that every deployment is known; `aliases` stand for the same deployments.
    pub(super) fn budgets(&mut self, aliases: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Budget> {
        let mut budgets = BTreeMap::new();
        for (model, deployments) in std::mem::take(&mut self.limits).0 {
            let mut amounts = BTreeMap::new();
            for limit in deployments.iter().flatten() {
                let is_everywhere = deployments.iter().all(|limits| limits.iter().any(|other| other.measure == limit.measure));
                if is_everywhere {
                    let amount: &mut i128 = amounts.entry(limit.measure).or_default();
                    *amount = amount.saturating_add(limit.amount);
                    let message = format!(
                        "in the budget `{model}`, of all deployments and all callers together; there it steers where calls go"
                    );
                    self.remark(limit.position, &limit.path, Fate::Changed, message);
                } else {
                    let why = "another deployment of the model has no such limit, so the model has none; see `budgets`";
                    self.remark(limit.position, &limit.path, Fate::Left, why);
                }
            }
            let of_all = LIMITS.iter().map(|(_, measure, most)| (*measure, *most));
            for (measure, most) in of_all {
                amounts.entry(measure).and_modify(|amount| *amount = (*amount).min(most));
            }
            if !amounts.is_empty() {
                let models = std::iter::once(&model).chain(aliases.get(&model).into_iter().flatten()).cloned().collect();
                budgets.insert(model, Budget { amounts, models });
            }
        }
        budgets
    }
}
