//! Other enforcement points and what they ask about, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An enforcement point: another gateway or application that asks here before it acts (`docs/AUTHZEN.md`). Its key is made with
/// `portcullis key create pep:NAME`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnforcementPoint {
    /// The kinds of subjects that it may ask about, such as `user`; `["*"]` for all.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) subjects: Vec<String>,
    /// The actions that it may ask about; `["*"]` for all.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) actions: Vec<String>,
    /// The kinds of resources that it may ask about, of `access.resources` or of the gate's own: `Model`, `HostedTool`,
    /// `Destination`, `Beta`, `Agent`, `Tool`, `ToolServer`; `["*"]` for all.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) resources: Vec<String>,
    /// Whether a string `context.agent` of its questions names the agent that acts for the subject (COAZ): then both have to be
    /// permitted. Without it `context.agent` says nothing.
    #[serde(default)]
    pub(crate) agent_in_context: bool,
    /// How often a minute it may search for subjects, resources or actions. 0: it may not.
    #[serde(default)]
    #[schemars(range(max = 100_000))]
    pub(crate) searches_per_minute: u32,
    /// Path templates such as `/todos/{id}`, for a proxy that asks by the path of a request (`/access/v1/forward`, `ext_authz`):
    /// the first that fits is the id of the resource, of kind `route`. A path that fits none is denied.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub(crate) routes: Vec<String>,
}

/// What other enforcement points can ask about beside the gate's own models and tools.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Access {
    /// The address by which they know the gate, without a path: `https://gate.example.com`. It stands in
    /// `/.well-known/authzen-configuration`, which is not served without it.
    pub(crate) url: Option<String>,
    /// The authentication that a point is told to ask its subject for where a policy says `@challenge("step-up")`: the obligation
    /// `step-up` of the obligations profile. Without it the denial alone names the challenge.
    pub(crate) step_up: Option<StepUp>,
    /// Further words for kinds of subjects, such as `identity: user`. `user`, `agent` and `service` are known.
    pub(crate) subjects: BTreeMap<String, PartyKind>,
    /// Kinds of resources, by the word for them: letters, digits and `_`. In policies `Access::NAME`.
    pub(crate) resources: BTreeMap<String, ResourceKind>,
    /// Actions, by the word for them. In policies `Access::Action::"NAME"`.
    pub(crate) actions: BTreeMap<String, Action>,
    /// Properties of subjects that policies see as `context.pep.subject.NAME`, as an enforcement point tells them.
    pub(crate) subject_properties: BTreeMap<String, Told>,
    /// Members of a question's `context` that policies see as `context.pep.context.NAME`.
    pub(crate) context: BTreeMap<String, Told>,
}

/// An authentication, in the words of the issuer at which people sign in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    /// The authentication context class that has to be reached, as its tokens say it in `acr`: `phr`, `urn:example:loa:3`.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) acr: String,
    /// The methods that have to be used, as its tokens say them in `amr`: `[mfa, hwk]`.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(crate) amr: Vec<String>,
}

/// What kind of party a subject is.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PartyKind {
    /// One of `users`.
    User,
    /// One of `agents`.
    Agent,
    /// One of `services`.
    Service,
}

/// A kind of resource.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResourceKind {
    /// Whether resources may be asked about that are not listed under `entities`. They have no attributes.
    pub(crate) open: bool,
    /// What you say of resources: seen as `resource.NAME`, each only after `resource has NAME`.
    pub(crate) attributes: BTreeMap<String, Kept>,
    /// What an enforcement point says of one: seen as `context.pep.resource.NAME`, each only after `has`.
    pub(crate) properties: BTreeMap<String, Told>,
    /// The resources, by id, with their attributes.
    pub(crate) entities: BTreeMap<String, BTreeMap<String, Value>>,
}

/// An action.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    /// The kinds of resources that it applies to.
    #[schemars(length(min = 1))]
    pub(crate) resources: Vec<String>,
    /// What an enforcement point says of it: seen as `context.pep.action.NAME`, each only after `has`.
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, Told>,
}

/// What values a property has that an enforcement point tells. A question with another value is denied.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Told {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A set of texts.
    Strings,
}

/// What values an attribute has that you write here.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kept {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    Strings,
    /// The name of a user.
    User,
    /// A list of users.
    Users,
    /// The name of an agent.
    Agent,
    /// A list of agents.
    Agents,
    /// The name of a service.
    Service,
    /// A list of services.
    Services,
}

/// One value of an attribute.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Value {
    /// A text, or the name of a party.
    Text(String),
    /// A whole number.
    Number(u64),
    /// `true` or `false`.
    Flag(bool),
    /// Several texts or names.
    Texts(Vec<String>),
}
