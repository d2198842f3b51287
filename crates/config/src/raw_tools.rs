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
    /// Its resources that may be read, by names of yours: documents in policies, `Portcullis::Document::"SERVER/NAME"`. Others do not
    /// exist.
    #[serde(default)]
    pub(crate) resources: BTreeMap<String, Resource>,
    /// Its prompts that may be asked for, by names of yours: documents in policies too.
    #[serde(default)]
    pub(crate) prompts: BTreeMap<String, Prompt>,
    /// What the server may ask of a client that waits for its answer; nothing, if you say nothing. Who may answer, say policies
    /// (`answerServer`).
    #[serde(default)]
    pub(crate) client_features: Vec<Feature>,
    /// The scopes that a token of an issuer has to have been granted, beside what policies permit; none, if you say nothing. A key
    /// of the gate has no scopes and needs none.
    #[serde(default)]
    pub(crate) scopes: Scopes,
}

/// The scopes that a tool server asks for. A call needs all that apply to it.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scopes {
    /// For everything that is asked of it, the handshake and lists too.
    pub(crate) all: Vec<String>,
    /// For tools that read, for documents and prompts.
    pub(crate) read: Vec<String>,
    /// For tools that change something.
    pub(crate) write: Vec<String>,
    /// For tools that send something out.
    pub(crate) egress: Vec<String>,
    /// For tools that change something for good.
    pub(crate) destructive: Vec<String>,
    /// For tools that handle credentials.
    pub(crate) credential: Vec<String>,
    /// For a tool, by its name.
    pub(crate) tools: BTreeMap<String, Vec<String>>,
}

/// Resources of a tool server under one name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    /// Which these are: an address such as `kb://handbook/*`. `*` stands for any text without `/`, `**` for any text.
    pub(crate) uri: String,
    /// How sensitive they are: what reads one is as sensitive from then on.
    #[serde(default)]
    pub(crate) level: Clearance,
    /// What they belong to, such as `hr`: likewise.
    #[serde(default)]
    pub(crate) compartments: Vec<String>,
}

/// A prompt of a tool server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prompt {
    /// The name that the server gives it, where it is another one than yours.
    #[serde(default)]
    pub(crate) prompt: Option<String>,
    /// How sensitive what it writes is.
    #[serde(default)]
    pub(crate) level: Clearance,
    /// What that belongs to.
    #[serde(default)]
    pub(crate) compartments: Vec<String>,
}

/// What a tool server may ask of a client.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Feature {
    /// To have the client's model write something (`sampling/createMessage`).
    Sampling,
    /// To ask the user for values by a form (`elicitation/create`).
    Elicitation,
    /// To send the user to an address (`elicitation/create` with `mode: url`); `https` only.
    ElicitationUrl,
    /// Which folders the client works in (`roots/list`).
    Roots,
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
