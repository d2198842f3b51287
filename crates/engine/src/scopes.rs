//! Scopes: what a token has to have been granted by its issuer for what is asked of a tool server.
//!
//! They only ever take away. Policies have said yes before anybody looks at scopes, so a scope opens nothing, and who is told which
//! one is missing learns of nothing that policies hide. Where no issuer had a say (a key of the gate), there is nothing to look at.

use std::collections::{BTreeMap, BTreeSet};

use model::{ReasonCode, Refusal};

use crate::admit::Identified;
use crate::inspection::Inspected;
use crate::ports::{Aim, Wants};
use crate::snapshot::Snapshot;

/// The scopes that a tool server asks for, as operators have written them. Empty: it asks for none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerScopes {
    /// For everything.
    pub all: BTreeSet<String>,
    /// For reading documents and prompts, besides.
    pub read: BTreeSet<String>,
    /// For a call of a tool, besides, by its name.
    pub tools: BTreeMap<String, BTreeSet<String>>,
}

impl ServerScopes {
    /// Every scope that something asks for.
    #[must_use]
    pub fn supported(&self) -> BTreeSet<&str> {
        let sets = [&self.all, &self.read].into_iter().chain(self.tools.values());
        sets.flatten().map(String::as_str).collect()
    }

    /// What is needed for this.
    fn needed(&self, wants: &Wants) -> BTreeSet<&str> {
        let besides = match wants {
            Wants::Tool { name, .. } => self.tools.get(name),
            Wants::Document { .. } => Some(&self.read),
            Wants::Tools | Wants::Documents | Wants::Answer | Wants::Talk => None,
        };
        self.all.iter().chain(besides.into_iter().flatten()).map(String::as_str).collect()
    }

    /// The scopes that a token should have in the place of `held` for this; none if nothing is missing. Those that it has for other
    /// things asked of the server are among them: who comes back with the new token can still do what could be done before.
    fn wanted(&self, wants: &Wants, held: &BTreeSet<String>) -> Option<BTreeSet<&str>> {
        let needed = self.needed(wants);
        if needed.iter().all(|scope| held.contains(*scope)) {
            return None;
        }
        let supported = self.supported();
        let kept = supported.into_iter().filter(|scope| held.contains(*scope));
        Some(needed.iter().copied().chain(kept).collect())
    }
}

/// Why the caller's token is not enough for what policies permit. The detail is the value of `scope` in the challenge.
pub(crate) fn lacking(snapshot: &Snapshot, identified: &Identified, inspected: &Inspected<'_>) -> Option<Refusal> {
    let Aim::Server(call) = &inspected.understood().aim else { return None };
    let held = identified.scopes()?;
    let server = snapshot.servers.get(&call.server)?;
    let wanted = server.scopes.wanted(&call.wants, held)?;
    Some(Refusal::because(ReasonCode::InsufficientScope, joined(wanted)))
}

/// As in RFC 6749, section 3.3.
pub(crate) fn joined<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for scope in scopes {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(scope.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{ServerScopes, joined};
    use crate::ports::Wants;

    fn set(text: &str) -> BTreeSet<String> {
        text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let tools = BTreeMap::from([("publish".to_owned(), set("write"))]);
        let scopes = ServerScopes { all: set("kb"), read: set("docs"), tools };
        let tool = |name: &str| Wants::Tool { name: name.to_owned(), arguments: None };
        let document = || Wants::Document { names: Vec::new(), uri: None };
        let facts = [
            (tool("publish"), "kb write", None),
            (tool("publish"), "kb", Some("kb write")),
            (tool("publish"), "kb docs other", Some("docs kb write")),
            (tool("publish"), "", Some("kb write")),
            (tool("publish"), "write", Some("kb write")),
            (tool("search"), "kb", None),
            (tool("search"), "KB", Some("kb")),
            (Wants::Talk, "", Some("kb")),
            (Wants::Tools, "kb", None),
            (document(), "kb", Some("docs kb")),
            (document(), "docs kb", None),
        ];
        for (wants, held, expected) in facts {
            assert_eq!(scopes.wanted(&wants, &set(held)).map(joined).as_deref(), expected, "{wants:?} {held}");
            assert_eq!(ServerScopes::default().wanted(&wants, &set(held)), None);
        }
        assert_eq!(joined(scopes.supported()), "docs kb write");
    }
}
