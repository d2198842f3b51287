//! What operators declare: parties, models, policies. One immutable, content-addressed bundle.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Access, Action, Annotation, Dialect, Level, ModelName, Name, OperatorRole};

/// A group of principals; may stand in other groups, without a circle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Group {
    /// The groups that this one belongs to.
    pub groups: BTreeSet<Name>,
}

/// A user or a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Party {
    /// The groups that it belongs to directly.
    pub groups: BTreeSet<Name>,
}

/// How much of what an agent sends under the role `user` is the user's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserText {
    /// The agent mixes other sources into it.
    #[default]
    Mixed,
    /// Exactly what the user typed.
    Verbatim,
}

/// An agent's registration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Agent {
    /// The groups that it belongs to directly.
    pub groups: BTreeSet<Name>,
    /// What it may do without a user in the chain; nothing by default.
    pub autonomous: BTreeSet<Action>,
    /// Whose words its `user` messages are.
    pub user_text: UserText,
    /// The agents that it acts directly below; anywhere, if empty. Absent where it is, so a bundle without any keeps the digest that
    /// it had.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub below: BTreeSet<Name>,
}

/// A model alias, as far as decisions see it. Where it is served is a matter of the gateway's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The model groups that it belongs to directly.
    pub groups: BTreeSet<Name>,
    /// The dialects that its upstreams speak.
    pub dialects: BTreeSet<Dialect>,
    /// The highest level of data it may see.
    pub clearance: Level,
}

/// How far a tool reaches; each is a group of actions in policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolEffect {
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

impl ToolEffect {
    /// The effect as written in policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Egress => "egress",
            Self::Destructive => "destructive",
            Self::Credential => "credential",
        }
    }
}

/// A tool's definition, as somebody approved it. What a server announces later changes nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tool {
    /// How far it reaches.
    pub effects: BTreeSet<ToolEffect>,
    /// The JSON Schema of its arguments, as text.
    pub input: String,
    /// Everything that its server says of it, as one text (RFC 8785): what callers are shown. Empty where it has no such form; absent
    /// then, so a bundle of before keeps the digest that it had.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub definition: String,
    /// Where it stands in its server's list: callers are shown that order. Absent at the first place; a bundle of before, which has none,
    /// keeps its digest, and the next `apply` of the same files makes another one.
    #[serde(default, skip_serializing_if = "is_first")]
    pub position: u32,
    /// Whether it has vanished or was put aside: then it is denied, and stays only because policies name it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_withdrawn: bool,
    /// What its calls are counted in beside their number, by names of operators: `money`, `rows`. Absent where in nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<Name, Count>,
    /// How far its results can be trusted, and what its arguments decide. Absent where nobody has said anything.
    #[serde(default, skip_serializing_if = "Annotation::is_silent")]
    pub annotation: Annotation,
}

/// How much of a quantity one call of a tool is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What is counted.
    pub of: Counted,
    /// What counts where nothing stands there, in thousandths; absent: that is not known, and a budget of it refuses the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<u64>,
}

/// What of a call is counted. Places are JSON Pointers in which `*` stands for every entry of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// The numbers that stand there in the arguments, added up, each without its sign.
    Sum(String),
    /// How many entries stand there in the arguments: those of an array, or one value.
    Entries(String),
    /// How many entries stand there in the result; until that has come, `absent`.
    Rows(String),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_first(position: &u32) -> bool {
    *position == 0
}

/// Where documents are found, or what writes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// Every resource whose URI fits this pattern: `*` stands for any text without `/`, `**` for any text.
    Resource(String),
    /// The prompt of this name.
    Prompt(String),
}

/// Documents of a tool server under one name: decided on together, told apart by `context.input.uri`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Document {
    /// Which these are.
    pub address: Address,
    /// How sensitive they are; a task that has read one is as sensitive from then on.
    pub level: Level,
    /// What they belong to; likewise.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub compartments: BTreeSet<Name>,
}

/// What a tool server may ask of its client, while that waits for an answer of it (client features of MCP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientFeature {
    /// To have the client's model write something.
    Sampling,
    /// To ask the user for values by a form.
    Elicitation,
    /// To send the user to an address.
    ElicitationUrl,
    /// Which folders the client works in.
    Roots,
}

/// A tool server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolServer {
    /// The highest level of data it may see.
    pub clearance: Level,
    /// Its tools, by the names that it gives them.
    pub tools: BTreeMap<String, Tool>,
    /// Its documents and prompts, by the names that operators give them. Absent where there are none, so a bundle without any keeps
    /// the digest that it had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<Name, Document>,
    /// What it may ask of its clients; nothing else is passed on, or announced to it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub features: BTreeSet<ClientFeature>,
}

/// An agent outside that messages go to. As a party of the vocabulary it is `Agent::"NAME"`, whether or not one of that name acts
/// through the gate too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RemoteAgent {
    /// The highest level of data it may see.
    pub clearance: Level,
    /// Its card as it was approved, without signatures, as one text (RFC 8785). What it says of itself later changes nothing here.
    pub card: String,
    /// Those of its skills that are approved.
    pub skills: BTreeSet<String>,
}

/// Every declared party and model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Registry {
    /// Groups of principals.
    pub groups: BTreeMap<Name, Group>,
    /// Users.
    pub users: BTreeMap<Name, Party>,
    /// Services.
    pub services: BTreeMap<Name, Party>,
    /// Agents.
    pub agents: BTreeMap<Name, Agent>,
    /// Model groups.
    pub model_groups: BTreeMap<Name, Group>,
    /// Models.
    pub models: BTreeMap<ModelName, Model>,
    /// Operators of the gate.
    pub operators: BTreeMap<Name, OperatorRole>,
    /// Enforcement points, and what they may ask about. Absent where there are none, so a bundle without any keeps the digest
    /// that it had.
    #[serde(default, skip_serializing_if = "Access::is_empty")]
    pub access: Access,
    /// Tool servers. Absent where there are none, so a bundle without any keeps the digest that it had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tool_servers: BTreeMap<Name, ToolServer>,
    /// Agents that messages go to. Absent where there are none, as above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remote_agents: BTreeMap<Name, RemoteAgent>,
    /// Segments that places outside lie in, such as a region. Absent where there are none, as above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub segments: BTreeMap<Name, Group>,
    /// Places outside, by the id that decisions have for them, with the segments that each lies in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destinations: BTreeMap<String, BTreeSet<Name>>,
}

/// Everything a decision depends on besides the call itself. Its canonical form is compact JSON with sorted keys
/// (every map here is a `BTreeMap`); its digest is SHA-256 over that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Version of this format, 1.
    pub format: u32,
    /// Parties and models.
    pub registry: Registry,
    /// Policy files: name relative to the configuration's folder, and text.
    pub policies: BTreeMap<String, String>,
    /// Operators' own rules for secrets. Absent where there are none, so a bundle without any keeps the digest that it had.
    #[serde(default, skip_serializing_if = "RuleFiles::is_empty")]
    pub rules: RuleFiles,
}

/// Files with operators' own rules for secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuleFiles {
    /// The files that the configuration names, in its order.
    pub files: Vec<String>,
    /// Those, and the files that they extend: name relative to the configuration's folder, and text.
    pub texts: BTreeMap<String, String>,
}

impl RuleFiles {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}
