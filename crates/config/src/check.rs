//! From what is written to what is meant: names, references, addresses, secrets.
//!
//! Each part looks at everything and reports what it finds; none stops at the first. Whether a name exists is asked of the tree,
//! not of the entries that passed, so that one wrong entry does not make everything that refers to it wrong too.

mod access;
mod budgets;
mod issuers;
mod listen;
mod models;
mod parties;
mod policies;
mod prices;
mod proxy;
mod rules;
mod settings;
mod telemetry;
mod tools;
mod upstreams;
pub(crate) mod url;

use std::collections::{BTreeMap, BTreeSet};

use model::{Name, Registry};

use crate::problem::{Path, Position, Problem, Warning, shown, suggestion};
use crate::raw;
use crate::source::Source;
use crate::yaml::Node;

pub(crate) use policies::policies;
pub(crate) use rules::rules;
pub(crate) use settings::settings;

/// What was found so far, and the tree to find positions in.
pub(crate) struct Report<'a> {
    file: String,
    tree: &'a Node,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl<'a> Report<'a> {
    pub(crate) const fn new(file: String, tree: &'a Node, problems: Vec<Problem>) -> Self {
        Self { file, tree, problems, warnings: Vec::new() }
    }

    pub(crate) fn finish(self) -> (Vec<Problem>, Vec<Warning>) {
        (self.problems, self.warnings)
    }

    fn entry(&self, path: &Path, position: Position, message: String) -> Problem {
        Problem { file: self.file.clone(), position, field: path.to_string(), message }
    }

    /// A problem with the value at `path`.
    fn problem(&mut self, path: &Path, message: impl Into<String>) {
        let problem = self.entry(path, self.tree.position_of(path), message.into());
        self.problems.push(problem);
    }

    /// A problem with the last key of `path` rather than with its value.
    fn key_problem(&mut self, path: &Path, message: impl Into<String>) {
        let problem = self.entry(path, self.tree.key_position_of(path), message.into());
        self.problems.push(problem);
    }

    /// A problem with another file.
    fn file_problem(&mut self, file: &str, position: Position, message: impl Into<String>) {
        self.problems.push(Problem { file: file.to_owned(), position, field: String::new(), message: message.into() });
    }

    fn warn(&mut self, path: &Path, message: impl Into<String>) {
        let warning = Warning(self.entry(path, self.tree.key_position_of(path), message.into()));
        self.warnings.push(warning);
    }

    /// The keys written under `section`, whether or not their values are right.
    fn declared(&self, section: &str) -> BTreeSet<String> {
        let entries = self.tree.entry(section).map(|entry| entry.node.entries()).unwrap_or_default();
        entries.iter().map(|entry| entry.key.clone()).collect()
    }

    /// A key as a name.
    fn name(&mut self, path: &Path, key: &str) -> Option<Name> {
        let name = Name::new(key);
        if let Err(error) = &name {
            self.key_problem(path, error.to_string());
        }
        name.ok()
    }

    /// A value that has to name an entry of `section`; `noun` is what such an entry is called.
    fn reference(&mut self, path: &Path, written: &str, section: &str, noun: &str) -> Option<Name> {
        let declared = self.declared(section);
        if !declared.contains(written) {
            let near = suggestion(written, declared.iter().map(String::as_str));
            let hint = if near.is_empty() { format!(", declare it under `{section}`") } else { near };
            self.problem(path, format!("no {noun} is named `{}`{hint}", shown(written)));
            return None;
        }
        // A wrong name is reported where it is declared.
        Name::new(written).ok()
    }

    /// A list of references, each once.
    fn references(&mut self, path: &Path, written: &[String], section: &str, noun: &str) -> BTreeSet<Name> {
        let mut names = BTreeSet::new();
        for (index, item) in written.iter().enumerate() {
            let at = path.index(index);
            if let Some(name) = self.reference(&at, item, section, noun)
                && !names.insert(name)
            {
                self.problem(&at, format!("`{}` stands twice in this list", shown(item)));
            }
        }
        names
    }

    /// Reports names of one section that differ only by letter case: people and policies would mix them up.
    fn look_alikes(&mut self, section: &str) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for key in self.declared(section) {
            if let Some(earlier) = seen.insert(key.to_lowercase(), key.clone()) {
                let message = format!("`{}` and `{}` differ only by letter case", shown(&earlier), shown(&key));
                self.key_problem(&Path::of(&[section, &key]), message);
            }
        }
    }
}

/// Everything that decisions know of.
pub(crate) fn registry(file: &raw::File, source: &dyn Source, report: &mut Report<'_>) -> Option<Registry> {
    Some(Registry {
        groups: parties::groups(&file.groups, "groups", report),
        users: parties::parties(&file.users, "users", report),
        services: parties::parties(&file.services, "services", report),
        agents: parties::agents(&file.agents, report),
        model_groups: parties::groups(&file.model_groups, "model_groups", report),
        models: models::models(file, report),
        operators: parties::operators(&file.operators, report),
        access: access::access(file, report),
        tool_servers: tools::tool_servers(file, source, report),
    })
}
