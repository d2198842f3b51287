//! What is asked for: an action on a resource, with the effects that ride along.

use serde::{Deserialize, Serialize};

use crate::{Foreign, ModelName, Name};

/// Which provider's wire format a call speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `OpenAI` chat completions.
    Openai,
    /// Anthropic messages.
    Anthropic,
}

impl Dialect {
    /// The dialect as written in configuration and policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// The verb of a decision; each is a Cedar action of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Send a prompt to a model and read its answer.
    CallModel,
    /// Let the provider run one of its own tools beside the model.
    UseHostedTool,
    /// Let the provider fetch a remote URL or file on the caller's behalf.
    FetchRemote,
    /// Let the provider keep the exchange.
    StoreRemotely,
    /// Switch on a provider feature that is not part of the stable API.
    UseBeta,
    /// Hand a task token to an agent that acts on somebody's behalf.
    IssueToken,
    /// Run a tool of a tool server.
    CallTool,
    /// Ask a tool server which tools it has, and whatever else a party that uses it at all has to say.
    ListTools,
    /// Answer what a tool server asks of its client: to have a model write something, to ask the user, which folders there are.
    AnswerServer,
    /// Have a tool server write a prompt.
    GetPrompt,
    /// Read one document.
    ReadResource,
    /// Search a collection.
    Retrieve,
    /// Send a message to another agent.
    SendMessage,
    /// Open a connection to a destination.
    Connect,
    /// Release the key of a sealed model.
    ReleaseKey,
    /// Train on a data set.
    StartTraining,
    /// Do something elsewhere that an enforcement point asks about; which, says the resource.
    Access,
    /// Search for what an enforcement point could ask about.
    Search,
    /// Change or read the gate itself.
    Administer,
}

impl Action {
    /// Every action, for coverage tests.
    pub const ALL: [Self; 19] = [
        Self::CallModel,
        Self::UseHostedTool,
        Self::FetchRemote,
        Self::StoreRemotely,
        Self::UseBeta,
        Self::IssueToken,
        Self::CallTool,
        Self::ListTools,
        Self::AnswerServer,
        Self::GetPrompt,
        Self::ReadResource,
        Self::Retrieve,
        Self::SendMessage,
        Self::Connect,
        Self::ReleaseKey,
        Self::StartTraining,
        Self::Access,
        Self::Search,
        Self::Administer,
    ];

    /// The action's name in Cedar and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallModel => "callModel",
            Self::UseHostedTool => "useHostedTool",
            Self::FetchRemote => "fetchRemote",
            Self::StoreRemotely => "storeRemotely",
            Self::UseBeta => "useBeta",
            Self::IssueToken => "issueToken",
            Self::CallTool => "callTool",
            Self::ListTools => "listTools",
            Self::AnswerServer => "answerServer",
            Self::GetPrompt => "getPrompt",
            Self::ReadResource => "readResource",
            Self::Retrieve => "retrieve",
            Self::SendMessage => "sendMessage",
            Self::Connect => "connect",
            Self::ReleaseKey => "releaseKey",
            Self::StartTraining => "startTraining",
            Self::Access => "access",
            Self::Search => "search",
            Self::Administer => "administer",
        }
    }
}

/// What an action is aimed at; each variant is a Cedar entity type of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "type", content = "id")]
pub enum Resource {
    /// A model alias.
    Model(ModelName),
    /// A tool that runs at the provider, `openai/web_search`.
    HostedTool(String),
    /// A host (and port, if not the default) on the network, lower case.
    Destination(String),
    /// A provider feature, `anthropic/files-api-2025-04-14`.
    Beta(String),
    /// An agent, as the receiver of a task token or of a message.
    Agent(Name),
    /// A tool, `server/tool`.
    Tool(String),
    /// A tool server.
    ToolServer(Name),
    /// A document or a prompt of a tool server, by the name that operators have given it: `server/name`.
    Document(String),
    /// A collection of documents.
    Collection(Name),
    /// A data set.
    Dataset(Name),
    /// Something elsewhere, with what is to be done with it: both in words that operators have declared.
    Foreign(Foreign),
    /// The gate itself.
    Gate,
}

impl Resource {
    /// The Cedar entity type's base name.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Model(_) => "Model",
            Self::HostedTool(_) => "HostedTool",
            Self::Destination(_) => "Destination",
            Self::Beta(_) => "Beta",
            Self::Agent(_) => "Agent",
            Self::Tool(_) => "Tool",
            Self::ToolServer(_) => "ToolServer",
            Self::Document(_) => "Document",
            Self::Collection(_) => "Collection",
            Self::Dataset(_) => "Dataset",
            Self::Foreign(foreign) => &foreign.kind,
            Self::Gate => "Gate",
        }
    }

    /// The verb that `action` is on this resource: what is done elsewhere has its own.
    #[must_use]
    pub fn verb(&self, action: Action) -> &str {
        match self {
            Self::Foreign(foreign) => &foreign.action,
            _ => action.as_str(),
        }
    }

    /// The entity id within its type.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Model(name) | Self::Agent(name) | Self::ToolServer(name) | Self::Collection(name) | Self::Dataset(name) => {
                name.as_str()
            }
            Self::HostedTool(id) | Self::Destination(id) | Self::Beta(id) | Self::Tool(id) | Self::Document(id) => id,
            Self::Foreign(foreign) => &foreign.id,
            Self::Gate => "gate",
        }
    }
}

/// What kind of consequence a request field has beyond the model call itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// A tool that runs at the provider.
    HostedTool,
    /// A URL or file that the provider fetches.
    Remote,
    /// The provider keeps the exchange.
    Store,
    /// A beta feature.
    Beta,
}

/// One consequence that a request asks for; decided as an interaction of its own next to the model call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Effect {
    /// Which kind.
    pub kind: EffectKind,
    /// The action that is decided.
    pub action: Action,
    /// The resource that is decided on.
    pub resource: Resource,
}

impl Effect {
    /// The provider keeps the exchange of `model`.
    #[must_use]
    pub const fn store(model: ModelName) -> Self {
        Self { kind: EffectKind::Store, action: Action::StoreRemotely, resource: Resource::Model(model) }
    }

    /// The provider runs `tool`, given as `dialect/type`.
    #[must_use]
    pub const fn hosted_tool(tool: String) -> Self {
        Self { kind: EffectKind::HostedTool, action: Action::UseHostedTool, resource: Resource::HostedTool(tool) }
    }

    /// The provider fetches something from `host`.
    #[must_use]
    pub const fn remote(host: String) -> Self {
        Self { kind: EffectKind::Remote, action: Action::FetchRemote, resource: Resource::Destination(host) }
    }

    /// The request switches on `beta`, given as `dialect/name`.
    #[must_use]
    pub const fn beta(beta: String) -> Self {
        Self { kind: EffectKind::Beta, action: Action::UseBeta, resource: Resource::Beta(beta) }
    }
}
