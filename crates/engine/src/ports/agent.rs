//! What the engine needs to know of something that is said to an agent.

use http::HeaderMap;
use model::Name;
use text::NodeId;

/// Something that is said to an agent outside, or asked about a task of it.
#[derive(Debug, Clone)]
pub struct AgentCall {
    /// The agent's name in the configuration.
    pub agent: Name,
    /// Whether the agent's card is asked for, which the gate tells itself.
    pub is_card: bool,
    /// The skill that it is meant for, if it says so.
    pub skill: Option<String>,
    /// What policies see of it as `context.input`: JSON.
    pub input: String,
    /// Headers that go with it.
    pub headers: HeaderMap,
    /// Values out of which findings can be taken.
    pub open: Vec<NodeId>,
    /// Ids of tasks and contexts, as the caller's task knows them.
    pub handles: Vec<NodeId>,
}
