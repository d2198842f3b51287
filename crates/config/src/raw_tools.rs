//! Tool servers, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raw::Clearance;
use crate::raw_client_tools::Runs;

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
    /// The revision of MCP that the server speaks, in quotes: then a caller's call of a tool is told in that one, whichever the caller
    /// speaks. Without it the server hears what the caller speaks.
    #[serde(default)]
    pub(crate) revision: Option<Revision>,
    /// How often the gate looks at what the server announces, in seconds (10 to 86,400; 300 if you say nothing), or `off`. A tool of
    /// which something else is said than was approved is quarantined: nobody can call it until you have looked at it.
    #[serde(default)]
    pub(crate) watch: Option<Watch>,
    /// Where the tools run, if not at an upstream: in the client, which calls them when a model asks for it. The gate decides on such
    /// a call where it stands in the model's answer. `definitions` are what clients tell models: name, description, schema.
    #[serde(default)]
    pub(crate) runs: Option<Runs>,
    /// The agents that may offer these tools to their models. Default: everybody.
    #[serde(default)]
    pub(crate) agents: Vec<String>,
    /// By which names models ask for the tools, with `{tool}` for the tool's own: such as `mcp__kb__{tool}`, where a client puts the
    /// server's tools into its requests. Default: none, and the tool's own name where the client runs it.
    #[serde(default)]
    pub(crate) model_names: Vec<String>,
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

/// How often a tool server is asked what it announces.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Watch {
    /// Every so many seconds.
    Seconds(#[schemars(range(min = 10, max = 86_400))] u64),
    /// `off`: never.
    Word(#[schemars(regex(pattern = "^off$"))] String),
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

/// A revision of the Model Context Protocol.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
pub(crate) enum Revision {
    /// With sessions.
    #[serde(rename = "2025-06-18")]
    June2025,
    /// With sessions.
    #[serde(rename = "2025-11-25")]
    November2025,
    /// Without.
    #[serde(rename = "2026-07-28")]
    July2026,
}

/// Several tool servers under one address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VirtualServer {
    /// Whose tools these are: names of `tool_servers` that have an `upstream`.
    #[schemars(length(min = 1))]
    pub(crate) members: Vec<String>,
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
    /// What its calls are counted in beside their number, by names of yours: `money: {sum: /amount}`. Budgets say how much of it may
    /// be used (`counted`).
    #[serde(default)]
    pub(crate) counts: BTreeMap<String, Count>,
    /// How far its results can be trusted: what of them may say where something goes. Without this key nothing of them.
    #[serde(default)]
    pub(crate) output: Output,
    /// With `output: mixed`: names of fields in which outsiders write what they like, such as a subject or a body.
    #[serde(default)]
    pub(crate) free: Vec<String>,
    /// With `output: mixed`: names of fields in which outsiders stand by a name or number of theirs, such as a sender. What is not shaped
    /// like one there counts as free text.
    #[serde(default)]
    pub(crate) ident: Vec<String>,
    /// What its arguments decide, by name: `{recipient: payee}`. A call is held where such a value does not come from where it may come from.
    #[serde(default)]
    pub(crate) sinks: BTreeMap<String, Sink>,
}

/// How far the results of a tool can be trusted.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Output {
    /// Anybody may have written any of it.
    #[default]
    Untrusted,
    /// You vouch for all of it: nobody outside can set any part.
    Trusted,
    /// You vouch for it but for the fields under `free` and `ident`.
    Mixed,
    /// Every field is a name or number by which somebody stands, such as a list of members.
    Identifiers,
}

/// What an argument decides.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sink {
    /// Who is paid. In the user's own words only.
    Payee,
    /// What opens something afterwards: a password, a key. In the user's own words only.
    Credential,
    /// Where something goes, or who gets access: a recipient, a channel, an address.
    Destination,
    /// What is changed or deleted.
    Target,
    /// An address that is read and nothing more.
    Fetch,
    /// What others will read: links in it lead them somewhere.
    Content,
}

/// How much of something one call of a tool is: exactly one of `sum`, `entries` and `rows`. Places are JSON Pointers, in which `*` stands
/// for every entry of an array: `/payments/*/amount`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    /// The numbers that stand there in the arguments, added up, each without its sign.
    #[serde(default)]
    pub(crate) sum: Option<String>,
    /// How many entries stand there in the arguments: those of an array, or one value.
    #[serde(default)]
    pub(crate) entries: Option<String>,
    /// How many entries stand there in the result (`structuredContent`, or a text that is JSON); `absent` says how many a call needs
    /// room for.
    #[serde(default)]
    pub(crate) rows: Option<String>,
    /// What counts where nothing stands there. Without it a call that cannot be counted is refused by budgets that count it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000_u64))]
    pub(crate) absent: Option<u64>,
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
