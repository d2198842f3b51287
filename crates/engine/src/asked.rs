//! Calls of tools that a model asks for: which functions a request may offer, and what becomes of a call that an answer holds.
//!
//! The client would run such a call itself, out of the gate's sight, or through the gate a moment later. So it is decided on here, by
//! the same policies and facts as a call through `/mcp`, before the client sees a byte of it. Nothing is charged and no limit counts:
//! that is for the execution. Each decision has an entry of its own in the log, under an id of its own that the client is told.

mod judge;
mod offered;
mod said;
mod weigh;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidence::sha256;
use mcp::Pinned;
use model::{Annotation, Chain, Digest, Name, PrincipalKind};
use serde_json::{Map, Value, json};

pub(crate) use judge::{Asking, decided, governs};
pub(crate) use offered::offered;
pub(crate) use said::{Reads, Said};
pub use weigh::{Trial, trial};

/// Tools that models ask for, as operators declare them.
#[derive(Debug, Clone, Default)]
pub struct ClientTools {
    /// What becomes of what nobody has declared.
    pub mode: ClientMode,
    /// What becomes of a call that is refused.
    pub refused: RefusedCall,
    /// The tools, by the names that models call them by. Tools of several agents may share a name.
    pub tools: BTreeMap<String, Vec<Arc<ClientTool>>>,
    /// Agents that send nothing in the name of their user but what the user has typed.
    pub verbatim: BTreeSet<Name>,
}

/// What becomes of functions and calls that nobody has declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientMode {
    /// Nobody looks at calls in answers.
    #[default]
    Off,
    /// They are recorded, and pass. Calls of declared tools are decided on.
    Observe,
    /// They are refused.
    Enforce,
}

/// What becomes of a call that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefusedCall {
    /// It is taken out of the answer.
    Strip,
    /// A sentence stands in its place.
    #[default]
    Replace,
    /// It passes, and the refusal is only recorded.
    Annotate,
}

/// A tool that a model may ask for.
#[derive(Debug)]
pub struct ClientTool {
    /// The tool server that it is declared with.
    pub server: Name,
    /// Its name there.
    pub tool: String,
    /// Its approved definition.
    pub pinned: Arc<Pinned>,
    /// The agents that may offer it to their models; none named: everybody.
    pub agents: BTreeSet<Name>,
    /// Whether the client runs it: then the gate sees nothing of the execution.
    pub runs_at_client: bool,
    /// What operators say of its results and arguments.
    pub annotation: Annotation,
    /// Whether it changes or sends something.
    pub acts: bool,
    /// The names of all properties that its schema declares: in arguments they are no values.
    pub declared: BTreeSet<String>,
    /// What a request has to say of it.
    said: Digest,
}

impl ClientTool {
    /// A tool that models call `name`.
    #[must_use]
    pub fn new(name: &str, (server, tool): (Name, String), pinned: Arc<Pinned>, agents: BTreeSet<Name>, at_client: bool) -> Self {
        let said = said_of(&pinned, name, &[]);
        let annotation = Annotation::default();
        let schema = serde_json::from_str::<Value>(pinned.definition().canonical()).ok();
        let schema = schema.and_then(|whole| whole.get("inputSchema").map(Value::to_string)).unwrap_or_default();
        let declared = flow::declared(&schema);
        Self { server, tool, pinned, agents, runs_at_client: at_client, annotation, acts: true, declared, said }
    }

    /// Of which operators say so much: its results and arguments, and whether it changes or sends something.
    #[must_use]
    pub fn annotated(self, annotation: Annotation, acts: bool) -> Self {
        Self { annotation, acts, ..self }
    }

    /// Whether a function, by everything that the model is told of it, is this tool.
    fn is(&self, name: &str, description: Option<Value>, schema: Option<Value>, more: Vec<(&'static str, Value)>) -> bool {
        let members: Vec<&'static str> = more.iter().map(|(member, _)| *member).collect();
        let expected = if members.is_empty() { self.said } else { said_of(&self.pinned, name, &members) };
        digest(name, description, schema, more) == expected
    }
}

impl ClientTools {
    /// The one tool of this name that the acting party may offer; none where there are several.
    #[must_use]
    pub fn named(&self, chain: &Chain, name: &str) -> Option<&Arc<ClientTool>> {
        let mut of_party = self.tools.get(name)?.iter().filter(|tool| is_of(tool, chain));
        of_party.next().filter(|_| of_party.next().is_none())
    }

    /// Whether answers to `chain` are looked at: calls that nobody has declared are refused, or some are declared.
    fn governs(&self, chain: &Chain) -> bool {
        match self.mode {
            ClientMode::Off => false,
            ClientMode::Enforce => true,
            ClientMode::Observe => self.tools.values().flatten().any(|tool| is_of(tool, chain)),
        }
    }
}

/// Arguments as a client would send them: none are an empty object.
fn given(arguments: &str) -> &str {
    if arguments.trim().is_empty() { "{}" } else { arguments }
}

fn is_of(tool: &ClientTool, chain: &Chain) -> bool {
    let is_actor = |actor: &model::PrincipalId| actor.kind == PrincipalKind::Agent && tool.agents.contains(&actor.name);
    tool.agents.is_empty() || chain.actor().is_some_and(is_actor)
}

/// The digest of what a model would be told of a pinned tool under a name, with these further members.
fn said_of(pinned: &Pinned, name: &str, members: &[&'static str]) -> Digest {
    let whole: Value = serde_json::from_str(pinned.definition().canonical()).unwrap_or_default();
    let member = |key: &str| whole.get(key).filter(|value| !value.is_null()).cloned();
    let more = members.iter().filter_map(|key| Some((*key, member(key)?))).collect();
    digest(name, member("description"), member("inputSchema"), more)
}

/// The digest of a function in the one form for every dialect (RFC 8785). What is absent and what is empty say the same.
fn digest(name: &str, description: Option<Value>, schema: Option<Value>, more: Vec<(&'static str, Value)>) -> Digest {
    let mut said = Map::new();
    said.insert("name".to_owned(), json!(name));
    said.extend(description.filter(|text| text != "").map(|text| ("description".to_owned(), text)));
    let nothing = || json!({"type": "object", "properties": {}});
    said.insert("inputSchema".to_owned(), schema.unwrap_or_else(nothing));
    said.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
    // What has no canonical form is no tool that anybody has approved.
    let text = serde_json_canonicalizer::to_string(&Value::Object(said)).unwrap_or_default();
    sha256(text.as_bytes())
}

#[cfg(test)]
mod tests;
