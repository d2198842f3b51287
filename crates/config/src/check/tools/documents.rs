//! Documents and prompts of tool servers, and what a server may ask of its clients.

use std::collections::{BTreeMap, BTreeSet};

use mcp::uri::Pattern;
use model::{Address, ClientFeature, Document, Name};

use crate::check::{Report, models};
use crate::problem::{Path, shown};
use crate::raw::Clearance;
use crate::raw_tools::{Feature, ToolServer};

/// Most documents and prompts of one server.
const MAX_DOCUMENTS: usize = 500;
/// Longest name of a prompt, in bytes.
const MAX_PROMPT: usize = 256;

/// What is declared of both; a name stands for one thing.
pub(super) fn of(raw: &ToolServer, path: &Path, report: &mut Report<'_>) -> BTreeMap<Name, Document> {
    let mut documents = BTreeMap::new();
    if raw.resources.len().saturating_add(raw.prompts.len()) > MAX_DOCUMENTS {
        report.key_problem(path, format!("more than {MAX_DOCUMENTS} resources and prompts: let one pattern stand for several"));
        return documents;
    }
    for (key, resource) in &raw.resources {
        let path = path.key("resources").key(key);
        if let Err(error) = Pattern::new(&resource.uri) {
            report.problem(&path.key("uri"), format!("`{}`: {error}", shown(&resource.uri)));
        }
        let address = Address::Resource(resource.uri.clone());
        let declared = document(address, resource.level, &resource.compartments, &path, report);
        documents.extend(report.name(&path, key).map(|name| (name, declared)));
    }
    let mut prompts: BTreeSet<&str> = BTreeSet::new();
    for (key, prompt) in &raw.prompts {
        let path = path.key("prompts").key(key);
        let name = prompt.prompt.as_deref().unwrap_or(key);
        if name.is_empty() || name.len() > MAX_PROMPT {
            report.problem(&path.key("prompt"), format!("a prompt's name has 1 to {MAX_PROMPT} bytes"));
        }
        if !prompts.insert(name) {
            report.key_problem(&path, format!("the prompt `{}` has another name already", shown(name)));
        }
        if raw.resources.contains_key(key) {
            report.key_problem(&path, format!("`{}` is a resource already: policies know both as documents", shown(key)));
            continue;
        }
        let declared = document(Address::Prompt(name.to_owned()), prompt.level, &prompt.compartments, &path, report);
        documents.extend(report.name(&path, key).map(|name| (name, declared)));
    }
    documents
}

fn document(address: Address, level: Clearance, compartments: &[String], path: &Path, report: &mut Report<'_>) -> Document {
    let path = path.key("compartments");
    let mut read = BTreeSet::new();
    for (index, written) in compartments.iter().enumerate() {
        match Name::new(written) {
            Ok(name) if read.contains(&name) => report.problem(&path.index(index), format!("`{name}` stands twice in this list")),
            Ok(name) => drop(read.insert(name)),
            Err(error) => report.problem(&path.index(index), error.to_string()),
        }
    }
    Document { address, level: models::level(level), compartments: read }
}

/// What a server may ask of its clients.
pub(super) fn features(raw: &ToolServer, path: &Path, report: &mut Report<'_>) -> BTreeSet<ClientFeature> {
    let path = path.key("client_features");
    let mut features = BTreeSet::new();
    for (index, feature) in raw.client_features.iter().enumerate() {
        let feature = match feature {
            Feature::Sampling => ClientFeature::Sampling,
            Feature::Elicitation => ClientFeature::Elicitation,
            Feature::ElicitationUrl => ClientFeature::ElicitationUrl,
            Feature::Roots => ClientFeature::Roots,
        };
        if !features.insert(feature) {
            report.problem(&path.index(index), "stands twice in this list");
        }
    }
    if !features.is_empty() && raw.upstream.is_none() {
        report.problem(&path, "a server without an `upstream` asks nobody anything");
    }
    features
}
