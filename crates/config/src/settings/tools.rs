//! What operators say of tools beside their definitions: which models may ask for, and which scopes they need.

use std::collections::{BTreeMap, BTreeSet};

use model::{Name, ToolEffect};

/// Tools that models ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTools {
    /// What becomes of what nobody has declared.
    pub mode: ClientMode,
    /// What becomes of a call that is refused.
    pub refused: RefusedCall,
    /// The declared tools, by the names that models call them by.
    pub tools: BTreeMap<String, Vec<ClientTool>>,
}

/// A tool that a model may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTool {
    /// The section under `tool_servers`.
    pub server: Name,
    /// Its name there.
    pub tool: String,
    /// The agents that may offer it; none named: everybody.
    pub agents: BTreeSet<Name>,
    /// Whether the client runs it.
    pub runs_at_client: bool,
}

/// What becomes of functions and calls that nobody has declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientMode {
    /// Nobody looks.
    Off,
    /// They are recorded, and pass.
    Observe,
    /// They are refused.
    Enforce,
}

/// What becomes of a refused call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedCall {
    /// It is taken out.
    Strip,
    /// A sentence stands in its place.
    Replace,
    /// It passes, and the refusal is recorded.
    Annotate,
}

/// The scopes that a tool server asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolScopes {
    /// For everything.
    pub all: BTreeSet<String>,
    /// For what reads, writes and so on, besides.
    pub effects: BTreeMap<ToolEffect, BTreeSet<String>>,
    /// For a tool, besides.
    pub tools: BTreeMap<String, BTreeSet<String>>,
}
