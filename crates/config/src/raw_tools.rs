//! Tool servers, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raw::Clearance;

/// A tool server: which of its tools are approved, and where their definitions stand.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolServer {
    /// JSON file with the definitions as they were when you approved them, relative to this file: what the server answers to
    /// MCP's `tools/list`, `{"tools": [{"name": …, "inputSchema": {…}}]}`. What the server announces later changes nothing.
    pub(crate) definitions: String,
    /// The upstream (`kind: mcp`) at which it is reached: agents speak to it at `/mcp/{server}`. Without one it is declared for
    /// policies alone, and for other enforcement points.
    #[serde(default)]
    pub(crate) upstream: Option<String>,
    /// The highest level of data that the server may see.
    #[serde(default)]
    pub(crate) clearance: Clearance,
    /// The tools that are approved, by the names that the server gives them. One that is defined and not listed does not exist.
    pub(crate) tools: BTreeMap<String, Tool>,
}

/// An approved tool.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tool {
    /// How far it reaches, as you know it; each is a group of actions in policies: `Portcullis::Action::"write"`.
    #[schemars(length(min = 1))]
    pub(crate) effects: Vec<Effect>,
    /// Whether it is denied from now on, and stays declared only because policies name it.
    #[serde(default)]
    pub(crate) withdrawn: bool,
}

/// How far a tool reaches.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effect {
    /// It reads.
    Read,
    /// It changes something.
    Write,
    /// It sends something out.
    Egress,
    /// It changes something for good.
    Destructive,
    /// It handles credentials.
    Credential,
}
