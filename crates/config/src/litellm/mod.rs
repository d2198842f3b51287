//! From the `config.yaml` of a LiteLLM proxy to a configuration of this gate.
//!
//! Taken over is what means the same here, or nearly, and then the remark says what differs. Everything else is named with its
//! line, down to the last key: nothing is guessed, and nothing is dropped in silence. A secret in the source is neither copied
//! nor quoted; a placeholder `${NAME}` stands in its place.
//!
//! What LiteLLM's keys mean was read off its public documentation (`proxy/config_settings`, as of 2026).

mod limits;
mod provider;
mod reasons;
mod render;
mod route;

use std::collections::{BTreeMap, BTreeSet};

use model::ModelName;

use crate::problem::{Path, Position, Problem};
use crate::yaml::{self, Entry, Node, Value};
use limits::Limits;
use route::{Route, Upstreams};

/// What became of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It means the same here.
    Taken,
    /// It was taken over, and something differs.
    Changed,
    /// It was not taken over.
    Left,
}

impl Fate {
    /// The fate in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Changed => "changed",
            Self::Left => "left",
        }
    }
}

/// A key of the source, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// The line in the source, from 1.
    pub line: u32,
    /// The key, such as `model_list[0].litellm_params.rpm`.
    pub field: String,
    /// What became of it.
    pub fate: Fate,
    /// Why, or what differs. Never holds a value of the source but names of models and variables.
    pub message: String,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// `portcullis.yaml`, its schema, and policies, by path.
    pub files: BTreeMap<String, String>,
    /// What became of every key, by line.
    pub remarks: Vec<Remark>,
    /// The environment variables that the result needs.
    pub variables: BTreeSet<String>,
    /// How many models there are in it.
    pub n_models: usize,
}

/// Reads a LiteLLM configuration; `name` is what problems call the file.
///
/// # Errors
/// What keeps the file from being read: it is no YAML, or YAML that reads two ways (anchors, duplicate keys).
pub fn import(name: &str, text: &str) -> Result<Imported, Vec<Problem>> {
    let mut problems = Vec::new();
    let node = yaml::read(name, text, &mut problems);
    let Some(node) = node.filter(|_| problems.is_empty()) else {
        if problems.is_empty() {
            let message = "the file is empty".to_owned();
            problems.push(Problem { file: name.to_owned(), position: Position::START, field: String::new(), message });
        }
        return Err(problems);
    };
    let mut import = Import::default();
    import.file(&node);
    Ok(import.finish())
}

/// Most destinations of one model that are taken over. A list of fallbacks can name every model once more for each model.
const MOST_DESTINATIONS: usize = 64;

/// Why one more is left.
const TOO_MANY: &str = "a model has 64 destinations here at most";

/// What is known so far.
#[derive(Default)]
pub(crate) struct Import {
    remarks: Vec<Remark>,
    upstreams: Upstreams,
    /// Names of models by what they are in small letters.
    names: BTreeMap<String, String>,
    /// Destinations of each model, in order of preference.
    models: BTreeMap<String, Vec<Route>>,
    limits: Limits,
    /// The aliases of each model that were taken over.
    aliased: BTreeMap<String, Vec<String>>,
    /// Destinations that an alias takes from other models when its own fail; read when all models are known.
    fallbacks: Vec<(String, String, Position, Path)>,
    aliases: Vec<(String, String, Position, Path)>,
}

impl Import {
    fn remark(&mut self, position: Position, path: &Path, fate: Fate, message: impl Into<String>) {
        self.remarks.push(Remark { line: position.line, field: path.to_string(), fate, message: message.into() });
    }

    /// Names every key below an entry that is not taken over.
    fn leave(&mut self, entry: &Entry, path: &Path, why: &str) {
        match &entry.node.value {
            Value::Map(entries) if !entries.is_empty() => {
                entries.iter().for_each(|inner| self.leave(inner, &path.key(&inner.key), why));
            }
            Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Map(_))) => {
                for (index, item) in items.iter().enumerate() {
                    let path = path.index(index);
                    match &item.value {
                        Value::Map(entries) => entries.iter().for_each(|inner| self.leave(inner, &path.key(&inner.key), why)),
                        _ => self.remark(item.position, &path, Fate::Left, why),
                    }
                }
            }
            _ => self.remark(entry.position, path, Fate::Left, why),
        }
    }

    fn file(&mut self, node: &Node) {
        if !matches!(node.value, Value::Map(_)) {
            self.remark(node.position, &Path::default(), Fate::Left, "expected a mapping with `model_list`");
        }
        for entry in node.entries() {
            let path = Path::of(&[&entry.key]);
            match (entry.key.as_str(), &entry.node.value) {
                ("model_list", Value::List(items)) => {
                    items.iter().enumerate().for_each(|(index, item)| self.deployment(item, &path.index(index)));
                }
                ("router_settings" | "litellm_settings", Value::Map(entries)) => {
                    entries.iter().for_each(|inner| self.setting(inner, &path.key(&inner.key)));
                }
                (section, Value::Map(entries)) => {
                    for inner in entries {
                        self.leave(inner, &path.key(&inner.key), reasons::of(section, &inner.key));
                    }
                }
                (section, _) => self.leave(entry, &path, reasons::of(section, "")),
            }
        }
    }

    /// A key of `router_settings` or `litellm_settings`.
    fn setting(&mut self, entry: &Entry, path: &Path) {
        match (entry.key.as_str(), &entry.node.value) {
            ("fallbacks", Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    for from in item.entries() {
                        self.fallback(from, &path.index(index).key(&from.key));
                    }
                }
            }
            ("model_group_alias", Value::Map(entries)) => {
                for alias in entries {
                    let target = match &alias.node.value {
                        Value::Map(_) => alias.node.entry("model").map(|entry| &entry.node.value),
                        other => Some(other),
                    };
                    let path = path.key(&alias.key);
                    match target {
                        Some(Value::Text(model)) => {
                            self.aliases.push((alias.key.clone(), model.clone(), alias.position, path.clone()));
                        }
                        _ => self.leave(alias, &path, "expected the name of a model"),
                    }
                    for other in alias.node.entries().iter().filter(|other| other.key != "model") {
                        self.leave(other, &path.key(&other.key), reasons::of("model_group_alias", &other.key));
                    }
                }
            }
            ("json_logs", Value::Bool(true)) => self.remark(entry.position, path, Fate::Taken, "`logging.format: json`"),
            (key, _) => self.leave(entry, path, reasons::of("settings", key)),
        }
    }

    fn fallback(&mut self, from: &Entry, path: &Path) {
        let Value::List(targets) = &from.node.value else {
            return self.leave(from, path, "expected a list of models");
        };
        for (index, target) in targets.iter().enumerate() {
            match &target.value {
                Value::Text(model) => {
                    self.fallbacks.push((from.key.clone(), model.clone(), target.position, path.index(index)));
                }
                _ => self.remark(target.position, &path.index(index), Fate::Left, "expected the name of a model"),
            }
        }
    }

    /// One deployment of `model_list`.
    fn deployment(&mut self, item: &Node, path: &Path) {
        let name = match item.entry("model_name").map(|entry| (&entry.node.value, entry.position)) {
            Some((Value::Text(name), position)) => self.model_name(name, position, &path.key("model_name")),
            Some((_, position)) => {
                self.remark(position, &path.key("model_name"), Fate::Left, "expected a text");
                None
            }
            None => {
                self.remark(item.position, path, Fate::Left, "a deployment without `model_name`");
                None
            }
        };
        let parameters = item.entry("litellm_params");
        let at = item.entry("model_name").map_or(item.position, |entry| entry.position);
        let field = path.key("model_name");
        match (name, parameters) {
            (Some(name), Some(parameters)) if self.models.get(&name).is_some_and(|routes| routes.len() >= MOST_DESTINATIONS) => {
                self.leave(parameters, &path.key("litellm_params"), TOO_MANY);
            }
            (Some(name), Some(parameters)) => match self.route(&parameters.node, &path.key("litellm_params")) {
                Some(route) => {
                    self.limit(&name, &parameters.node, &path.key("litellm_params"));
                    self.destination(&name, route, at, &field);
                }
                None => {
                    self.leave_limits(&parameters.node, &path.key("litellm_params"));
                    self.remark(at, &field, Fate::Left, "this deployment is not taken over: see its `litellm_params`");
                }
            },
            (Some(_), None) => self.remark(at, &field, Fate::Left, "a deployment without `litellm_params`"),
            (None, Some(parameters)) => self.leave(parameters, &path.key("litellm_params"), "its model is not taken over"),
            (None, None) => {}
        }
        for entry in item.entries().iter().filter(|entry| !["model_name", "litellm_params"].contains(&entry.key.as_str())) {
            self.leave(entry, &path.key(&entry.key), reasons::of("deployment", &entry.key));
        }
    }

    /// One more place where a model is served.
    fn destination(&mut self, name: &str, route: Route, position: Position, path: &Path) {
        self.names.entry(name.to_ascii_lowercase()).or_insert_with(|| name.to_owned());
        let routes = self.models.entry(name.to_owned()).or_default();
        routes.push(route);
        let (fate, message) = match routes.len() {
            1 => (Fate::Taken, format!("model `{name}`")),
            n_routes => (
                Fate::Changed,
                format!("destination {n_routes} of `{name}`: tried in this order, LiteLLM spreads calls over them"),
            ),
        };
        self.remark(position, path, fate, message);
    }

    /// A name that models here can have; else a remark.
    fn model_name(&mut self, name: &str, position: Position, path: &Path) -> Option<String> {
        let why = if name.contains('*') {
            "a pattern of names: each model has to be named"
        } else if ModelName::new(name).is_err() {
            "not a name that models have here: up to 128 letters, digits and `._-@:/`, beginning with a letter or digit"
        } else if self.names.get(&name.to_ascii_lowercase()).is_some_and(|known| known != name) {
            "differs from another model's name only by case"
        } else {
            return Some(name.to_owned());
        };
        self.remark(position, path, Fate::Left, why);
        None
    }

    /// Fallbacks and aliases, now that every model is known.
    fn resolve(&mut self) {
        for (alias, model, position, path) in std::mem::take(&mut self.aliases) {
            let routes = self.models.get(&model).cloned();
            match (routes, self.model_name(&alias, position, &path)) {
                (Some(routes), Some(alias)) if !self.models.contains_key(&alias) => {
                    self.models.insert(alias.clone(), routes);
                    self.names.insert(alias.to_ascii_lowercase(), alias.clone());
                    self.aliased.entry(model.clone()).or_default().push(alias.clone());
                    self.remark(position, &path, Fate::Taken, format!("model `{alias}`, served where `{model}` is"));
                }
                (Some(_), Some(_)) => self.remark(position, &path, Fate::Left, "a model has this name"),
                (None, Some(_)) => self.remark(position, &path, Fate::Left, "the model that it stands for is not taken over"),
                (_, None) => {}
            }
        }
        let own = self.models.clone();
        for (from, to, position, path) in std::mem::take(&mut self.fallbacks) {
            match (self.models.get_mut(&from), own.get(&to)) {
                (Some(routes), Some(more)) if routes.len().saturating_add(more.len()) > MOST_DESTINATIONS => {
                    self.remark(position, &path, Fate::Left, TOO_MANY);
                }
                (Some(routes), Some(more)) => {
                    routes.extend(more.iter().cloned());
                    let message = format!(
                        "`{from}` is then served where `{to}` is: only if no destination of its own can be reached, and still as `{from}` to policies"
                    );
                    self.remark(position, &path, Fate::Changed, message);
                }
                _ => self.remark(position, &path, Fate::Left, "one of the two models is not taken over"),
            }
        }
    }

    fn finish(mut self) -> Imported {
        self.resolve();
        let aliased = std::mem::take(&mut self.aliased);
        let budgets = self.budgets(&aliased);
        let used: BTreeSet<&str> = self.models.values().flatten().map(|route| route.upstream.as_str()).collect();
        let files = render::files(&self.upstreams, &used, &self.models, &budgets);
        let variables = self.upstreams.variables(&used);
        self.remarks.sort();
        self.remarks.dedup();
        Imported { files, remarks: self.remarks, variables, n_models: self.models.len() }
    }
}

#[cfg(test)]
mod tests;
