//! From what is written to what is meant: names, references, addresses, secrets.
//!
//! Each part looks at everything and reports what it finds; none stops at the first. Whether a name exists is asked of the tree,
//! not of the entries that passed, so that one wrong entry does not make everything that refers to it wrong too.

mod access;
mod agents;
mod approvals;
mod budgets;
mod credentials;
mod exec;
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

use crate::problem::{Path, Position, Problem, Step, Warning, shown, suggestion};
use crate::raw;
use crate::source::Source;
use crate::yaml::{Entry, Node, Place};

pub(crate) use agents::declared as declared_agents;
pub use agents::is_signed;
pub(crate) use exec::profile;
pub(crate) use policies::policies;
pub(crate) use rules::rules;
pub(crate) use settings::settings;
pub(crate) use tools::declared;

/// What was found so far, and the tree to find positions in.
pub(crate) struct Report<'a> {
    file: String,
    tree: &'a Node,
    /// The entries of every section: names are asked for by the thousand.
    sections: BTreeMap<&'a str, BTreeMap<&'a str, &'a Entry>>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: String, tree: &'a Node, problems: Vec<Problem>) -> Self {
        let index = |node: &'a Node| node.entries().iter().map(|entry| (entry.key.as_str(), entry)).collect();
        let sections = tree.entries().iter().map(|section| (section.key.as_str(), index(&section.node))).collect();
        Self { file, tree, sections, problems, warnings: Vec::new() }
    }

    pub(crate) fn finish(self) -> (Vec<Problem>, Vec<Warning>) {
        (self.problems, self.warnings)
    }

    fn entry(&self, path: &Path, position: Position, message: String) -> Problem {
        Problem { file: self.file.clone(), position, field: path.to_string(), message }
    }

    /// A problem with the value at `path`.
    fn problem(&mut self, path: &Path, message: impl Into<String>) {
        let problem = self.entry(path, self.place(path).value, message.into());
        self.problems.push(problem);
    }

    /// A problem with the last key of `path` rather than with its value.
    fn key_problem(&mut self, path: &Path, message: impl Into<String>) {
        let problem = self.entry(path, self.place(path).key, message.into());
        self.problems.push(problem);
    }

    /// A problem with another file.
    fn file_problem(&mut self, file: &str, position: Position, message: impl Into<String>) {
        self.problems.push(Problem { file: file.to_owned(), position, field: String::new(), message: message.into() });
    }

    fn warn(&mut self, path: &Path, message: impl Into<String>) {
        let warning = Warning(self.entry(path, self.place(path).key, message.into()));
        self.warnings.push(warning);
    }

    /// Where `path` stands, or as much of it as is written.
    fn place(&self, path: &Path) -> Place {
        if let [Step::Key(section), Step::Key(key), rest @ ..] = path.steps()
            && let Some(entry) = self.sections.get(section.as_str()).and_then(|entries| entries.get(key.as_str()))
        {
            return entry.node.place(rest, entry.position);
        }
        self.tree.place(path.steps(), self.tree.position)
    }

    /// The keys written under `section`, in order, whether or not their values are right.
    fn declared(&self, section: &str) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        self.sections.get(section).into_iter().flat_map(|entries| entries.keys().copied())
    }

    fn is_declared(&self, section: &str, key: &str) -> bool {
        self.sections.get(section).is_some_and(|entries| entries.contains_key(key))
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
        if !self.is_declared(section, written) {
            let near = suggestion(written, self.declared(section));
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
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let alike = |key: &'a str| Some((seen.insert(key.to_lowercase(), key)?, key));
        let alike: Vec<(&str, &str)> = self.declared(section).filter_map(alike).collect();
        for (earlier, key) in alike {
            let message = format!("`{}` and `{}` differ only by letter case", shown(earlier), shown(key));
            self.key_problem(&Path::of(&[section, key]), message);
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
        remote_agents: agents::remote_agents(file, source, report),
        segments: parties::groups(&file.segments, "segments", report),
        destinations: parties::destinations(&file.destinations, report),
    })
}
