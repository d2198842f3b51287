//! `portcullis.yaml` as it is written. The comments here are the reference manual: they become the JSON Schema.
//!
//! Nothing here is checked beyond its shape; see `check`. A type that is not listed in the schema cannot be written, because
//! the loader reads the file by the schema (see `shape`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use crate::raw_access::{Access, EnforcementPoint};
pub(crate) use crate::raw_agents::RemoteAgent;
pub(crate) use crate::raw_approvals::Approvals;
pub(crate) use crate::raw_budgets::{Budget, Prices};
pub(crate) use crate::raw_client_tools::ClientTools;
pub(crate) use crate::raw_credentials::Credential;
pub(crate) use crate::raw_exec::Exec;
pub(crate) use crate::raw_issuers::{Algorithm, Issuer, Tokens, Typ};
pub(crate) use crate::raw_limits::{Evidence, Limits, Retention};
pub(crate) use crate::raw_net::{Listen, Proxy, Telemetry};
pub(crate) use crate::raw_tools::{ToolServer, VirtualServer};

/// The configuration of a Portcullis gate: who exists, which models exist, where they are served, which policies hold.
///
/// Secrets never stand in this file: write `${NAME}` for an environment variable or `{file: PATH}`. Unknown keys, duplicate
/// keys, anchors, aliases and tags are refused.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "portcullis.yaml")]
pub(crate) struct File {
    /// Where the gate listens.
    pub(crate) listen: Listen,
    /// The model providers, by a name of your choice.
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    /// Networks beside the public internet in which addresses may lie that others have named, such as the key set in an issuer's
    /// metadata: `10.0.0.0/8`. An address that you have written yourself, and what else its host names on the same port, needs no
    /// such entry.
    pub(crate) private_networks: Vec<String>,
    /// The proxy through which upstreams are reached. Without this key none is used, whatever the environment says.
    pub(crate) proxy: Option<Proxy>,
    /// The models that clients can ask for, by the name that they ask with.
    pub(crate) models: BTreeMap<String, Model>,
    /// Groups of models, for policies: `resource in Portcullis::ModelGroup::"NAME"`.
    pub(crate) model_groups: BTreeMap<String, Group>,
    /// Places outside that the gate reaches or has reached, by host name, with the segments that each lies in.
    pub(crate) destinations: BTreeMap<String, Vec<String>>,
    /// Segments of places outside, such as a region, for policies: `resource in Portcullis::Segment::"NAME"`. A place that nobody
    /// lists under `destinations` lies in none.
    pub(crate) segments: BTreeMap<String, Group>,
    /// Groups of users, agents and services, for policies: `principal in Portcullis::Group::"NAME"`.
    pub(crate) groups: BTreeMap<String, Group>,
    /// Human beings.
    pub(crate) users: BTreeMap<String, Party>,
    /// Programs that plan and act with a model. An agent without a user behind it is refused unless it is autonomous.
    pub(crate) agents: BTreeMap<String, Agent>,
    /// Programs with fixed behaviour.
    pub(crate) services: BTreeMap<String, Party>,
    /// Who runs the gate, with their role. Their credentials are valid on the admin API only.
    pub(crate) operators: BTreeMap<String, Role>,
    /// Whose access tokens are taken as credentials, by a name of your choice: lower-case letters, digits and `-`.
    pub(crate) issuers: BTreeMap<String, Issuer>,
    /// The gate as an issuer of task tokens. Absent, it makes none.
    pub(crate) tokens: Option<Tokens>,
    /// Other gateways and applications that ask here before they act, by a name of your choice.
    pub(crate) enforcement_points: BTreeMap<String, EnforcementPoint>,
    /// What they can ask about.
    pub(crate) access: Access,
    /// How operators approve what policies ask an approval for.
    pub(crate) approvals: Approvals,
    /// Servers of tools, by a name of your choice: letters, digits and `_`. In policies a tool is `NAME::Action::"TOOL"`. Calls of
    /// those without an `upstream` do not pass through the gate: policies and their cases are about what it would decide.
    pub(crate) tool_servers: BTreeMap<String, ToolServer>,
    /// Several tool servers under one address, `/mcp/NAME`; that of `mcp` is `/mcp` itself. Their tools are called `SERVER__TOOL` there.
    /// In policies each is a tool server of its own, for the handshake and the list; calls are those of the tools' own servers.
    pub(crate) virtual_servers: BTreeMap<String, VirtualServer>,
    /// What becomes of functions and calls in the requests and answers of models.
    pub(crate) client_tools: Option<ClientTools>,
    /// Agents outside that messages go to, by a name of your choice. In policies such a one is `Portcullis::Agent::"NAME"`, whether or
    /// not `agents` has one of that name, which acts through the gate too.
    pub(crate) remote_agents: BTreeMap<String, RemoteAgent>,
    /// Cedar policy files, relative to this file; `*` stands for any part of a file's name. Nothing is allowed unless a
    /// policy permits it. Default: `[policies/*.cedar]`.
    pub(crate) policies: Option<Vec<String>>,
    /// What is looked for beside what the gate's own scanners find.
    pub(crate) inspection: Inspection,
    /// How much a refused caller is told.
    pub(crate) refusals: Refusals,
    /// Request fields that the gate does not know and that may pass all the same, per API. Strings and numbers pass without;
    /// this list is for `true`, objects and arrays.
    pub(crate) fields: Fields,
    /// Bounds. Exceeding one is a refusal, never a silent cut.
    pub(crate) limits: Limits,
    /// How much callers may use, by a name of your choice: requests, tokens, money, calls at the same time. Policies say
    /// whether, budgets say how much.
    pub(crate) budgets: BTreeMap<String, Budget>,
    /// What models cost.
    pub(crate) prices: Option<Prices>,
    /// The evidence log.
    pub(crate) evidence: Evidence,
    /// How long content is kept.
    pub(crate) retention: Retention,
    /// What the gate tells about itself on standard error.
    pub(crate) logging: Logging,
    /// Where telemetry goes; nowhere without this key.
    pub(crate) telemetry: Option<Telemetry>,
    /// What weakens the gate. Each switch is named in the start banner, in `/metrics` and in `doctor`.
    pub(crate) danger: Danger,
}

/// A provider's wire format.
#[derive(Debug, Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// `OpenAI`: `/v1/chat/completions`, key as `Authorization: Bearer`.
    Openai,
    /// Anthropic: `/v1/messages`, key as `x-api-key`.
    Anthropic,
    /// A tool server that speaks the Model Context Protocol over Streamable HTTP: `base_url` is its whole endpoint, key as
    /// `Authorization: Bearer`. `tool_servers` say which tools it has.
    Mcp,
    /// An agent that speaks the `Agent2Agent` protocol (JSON-RPC binding): `base_url` is its whole endpoint, key as
    /// `Authorization: Bearer`. `remote_agents` say which card it has.
    A2a,
}

/// A model provider.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// What it speaks, and how it takes its key.
    pub(crate) kind: Kind,
    /// What it speaks if that is more than its kind says: llama.cpp and vLLM answer both.
    #[serde(default)]
    pub(crate) dialects: Option<Vec<Kind>>,
    /// The address that the API's path is appended to, such as `https://api.openai.com`. A path is allowed; a trailing
    /// `/v1` says nothing, the gate appends `/v1/…` itself. `http` only to this machine. `${NAME}` takes the whole address
    /// from an environment variable. A tool server has this key or `exec`.
    #[serde(default)]
    pub(crate) base_url: Option<String>,
    /// A tool server over stdio, in the place of `base_url`: the gate starts it in a sandbox (`docs/EXEC.md`).
    #[serde(default)]
    pub(crate) exec: Option<Exec>,
    /// The gate's own credential there. Clients never see it. May be left out for a server that asks for none.
    #[serde(default)]
    pub(crate) api_key: Option<Secret>,
    /// A credential of each user's or each agent's own, in the place of `api_key`; for tool servers. No agent ever sees it.
    #[serde(default)]
    pub(crate) credential: Option<Credential>,
    /// The header in which the key is presented; its kind's own if left out. Azure OpenAI takes `api-key`.
    #[serde(default)]
    pub(crate) key_header: Option<KeyHeader>,
    /// Whether a chat completion that does not say `store` goes there with `"store": false`. If left out, only to
    /// `api.openai.com`, which may keep what is not declined; other servers may not know the field.
    #[serde(default)]
    pub(crate) decline_store: Option<bool>,
    /// PEM file with the authorities that are trusted there, instead of Mozilla's list. Like the other files of an upstream it
    /// is read at the start and at `apply`.
    #[serde(default)]
    pub(crate) ca: Option<String>,
    /// PEM file with the certificate, and what leads to its root, that the gate shows there. Needs `client_key`.
    #[serde(default)]
    pub(crate) client_certificate: Option<String>,
    /// PEM file with that certificate's private key. Others than the gate's own user must not be able to read it.
    #[serde(default)]
    pub(crate) client_key: Option<String>,
    /// The host name that the upstream's certificate has to bear and that TLS asks for, if not the one in `base_url`.
    #[serde(default)]
    pub(crate) server_name: Option<String>,
    /// Longest wait for a connection, with TLS and the proxy's tunnel, in seconds.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 300))]
    pub(crate) connect_seconds: u64,
}

const fn ten() -> u64 {
    10
}

/// How a key is presented.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyHeader {
    /// `Authorization: Bearer KEY`
    Authorization,
    /// `x-api-key: KEY`
    XApiKey,
    /// `api-key: KEY`
    ApiKey,
}

/// Where a secret is kept: never here.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Secret {
    /// An environment variable, written `${NAME}`.
    Variable(#[schemars(regex(pattern = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"))] String),
    /// A file that holds nothing else.
    File(SecretFile),
}

/// A file that holds a secret and nothing else; white space at its end is ignored.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretFile {
    /// The path, relative to this file or absolute. Others than the gate's own user must not be able to read it.
    pub(crate) file: String,
}

/// A model as clients see it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// Where it is served, in order of preference: the next is tried when one cannot be reached before the first byte of its
    /// answer. Naming one twice tries it twice.
    #[schemars(length(min = 1))]
    pub(crate) upstreams: Vec<Route>,
    /// The highest level of data that it may see.
    #[serde(default)]
    pub(crate) clearance: Clearance,
    /// The model groups that it belongs to.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// The most that it may write where a request does not say and a budget counts what is written, in tokens; the gate then
    /// writes it into the request. 4096 if left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(crate) max_output_tokens: Option<u64>,
}

/// One place where a model is served.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// A name under `upstreams`.
    pub(crate) name: String,
    /// What the provider calls the model.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) model: String,
}

/// How secret data may be, from least to most.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clearance {
    /// Anyone may see it.
    #[default]
    Public,
    /// Members of the organisation.
    Internal,
    /// A named circle.
    Confidential,
    /// Named persons.
    Restricted,
}

/// A group.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// The groups that this one belongs to. No circles.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// A user or a service.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Party {
    /// The groups that it belongs to.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// What else policies know of it, as texts: `principal.hasTag("email") && principal.getTag("email") == …`.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

/// An agent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    /// The groups that it belongs to.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// What it may do without a user in the chain, if a policy permits it too. Nothing by default.
    #[serde(default)]
    pub(crate) autonomous: Vec<Autonomous>,
    /// Whose words its `user` messages are.
    #[serde(default)]
    pub(crate) user_text: UserText,
    /// The agents that it acts directly below: without one of them in front of it in the chain it is refused, also where it is
    /// autonomous. Anywhere, if there is none.
    #[serde(default)]
    pub(crate) below: Vec<String>,
    /// What else policies know of it, as texts: `principal.hasTag("owner") && principal.getTag("owner") == …`.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

/// What an agent may do alone.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Autonomous {
    /// Send a prompt to a model.
    CallModel,
    /// Let the provider run one of its own tools.
    UseHostedTool,
    /// Let the provider fetch a remote URL or file.
    FetchRemote,
    /// Let the provider keep the exchange.
    StoreRemotely,
    /// Switch on a beta feature of the provider.
    UseBeta,
    /// Do what another enforcement point asks about.
    Access,
    /// Run a tool of a tool server, and see which there are.
    CallTool,
}

/// Whose words an agent's `user` messages are.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserText {
    /// The agent mixes other sources into them.
    #[default]
    Mixed,
    /// Exactly what the user typed.
    Verbatim,
}

/// The role of an operator.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Sees state, no content.
    Viewer,
    /// Locks, revokes, applies bundles, manages data-plane keys.
    Operator,
    /// Answers approvals.
    Approver,
    /// Reads the log with its content.
    Auditor,
    /// Everything, and operators' own credentials.
    Admin,
}

/// How much a refused caller is told.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Refusals {
    /// A model that may not be used looks like one that does not exist.
    #[default]
    Hide,
    /// The reason is told to users, not to agents and services.
    ExplainUsers,
    /// The reason is told.
    Explain,
}

/// What is looked for beside what the gate's own scanners find.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inspection {
    /// Files with rules for secrets in the TOML format of gitleaks, relative to this file. What a rule finds is a secret, and
    /// its kind is the rule's id in capitals, with `_` for everything that is neither letter nor digit. See `docs/SCANNERS.md`
    /// for what of the format is taken.
    #[schemars(length(max = 32))]
    pub(crate) rule_files: Vec<String>,
}

/// Request fields that may pass although the gate does not know them.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fields {
    /// In requests of the `OpenAI` APIs.
    pub(crate) openai: Vec<String>,
    /// In requests of the Anthropic APIs.
    pub(crate) anthropic: Vec<String>,
}

/// What the gate tells about itself.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logging {
    /// The form of a line.
    pub(crate) format: LogFormat,
    /// The least important level that is told.
    pub(crate) level: LogLevel,
}

/// The form of a log line.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How important a log line has to be.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// Only what keeps the gate from working.
    Error,
    /// And what somebody should look at.
    Warn,
    /// And what happens in the large.
    #[default]
    Info,
    /// And every step.
    Debug,
    /// And every detail. Never content.
    Trace,
}

/// What weakens the gate.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Danger {
    /// Listen beyond this machine without TLS: credentials and content can then be read on the network.
    pub(crate) plaintext_beyond_loopback: bool,
    /// Talk to upstreams on other machines without TLS: keys and content can then be read on the network.
    pub(crate) plaintext_upstreams: bool,
    /// Controls that do not run. Refused if the gate listens beyond this machine.
    pub(crate) off: Vec<Control>,
    /// Kinds of findings that are not looked for, such as `EMAIL_ADDRESS`. Refused if the gate listens beyond this machine.
    pub(crate) scanners_off: Vec<String>,
}

/// A control that can be switched off.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Control {
    /// No content is scanned, nothing is redacted.
    Inspection,
    /// No policy is asked: whoever has a credential may do everything.
    Policy,
    /// Nothing is recorded.
    Evidence,
}
