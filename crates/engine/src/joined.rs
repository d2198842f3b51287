//! Several tool servers under one address, of which the gate itself is the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::Name;
use text::{Document, Limits, Splices, quote};

use crate::scopes::ServerScopes;
use crate::snapshot::{Member, Members, Server};

impl Server {
    /// The server of this name that has those tools of `servers`: by their names there, their server and their own name. What is none
    /// of theirs any more is left out.
    #[must_use]
    pub fn joined(name: Name, tools: &BTreeMap<String, (Name, String)>, servers: &BTreeMap<Name, Arc<Self>>) -> Self {
        let mut members = Members::default();
        let mut places = BTreeMap::new();
        for (there, (server, tool)) in tools {
            let Some(declared) = servers.get(server) else { continue };
            let Some(pinned) = declared.tools.get(tool) else { continue };
            let Some(definition) = renamed(pinned.definition().canonical(), there) else { continue };
            let place = declared.order.iter().position(|of| of == tool);
            places.insert((server.clone(), place), there.clone());
            members.tools.insert(there.clone(), Member { server: server.clone(), tool: tool.clone(), definition });
        }
        members.order = places.into_values().collect();
        Self {
            upstream: name,
            place: String::new(),
            tools: BTreeMap::new(),
            order: Vec::new(),
            counts: BTreeMap::new(),
            documents: BTreeMap::new(),
            annotations: BTreeMap::new(),
            features: BTreeSet::new(),
            revision: None,
            members: Some(members),
            scopes: ServerScopes::default(),
        }
    }
}

/// A definition under another name, every other byte as it was.
fn renamed(canonical: &str, name: &str) -> Option<String> {
    let document = Document::parse(canonical.as_bytes(), &Limits::default()).ok()?;
    let mut splices = Splices::new();
    splices.replace(document.span(document.get(document.root(), "name")?), quote(name));
    String::from_utf8(splices.apply(canonical.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn a_definition_keeps_everything_but_its_name() {
        let approved =
            r#"{"description":"name: \u001b\"x\"","inputSchema":{"properties":{"name":{}},"type":"object"},"name":"find"}"#;
        assert_eq!(renamed(approved, "kb__find").unwrap(), approved.replace(r#""find""#, r#""kb__find""#));
        assert_eq!(renamed("{}", "x"), None);
    }
}
