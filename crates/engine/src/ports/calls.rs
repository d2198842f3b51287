//! Calls of tools that a model asks for: what a protocol adapter reads of them, and what becomes of them.

use bytes::Bytes;
use model::Refusal;
use text::NodeId;

use super::StreamEvent;

/// Most functions of a request that are looked at one by one; more are one too many for every provider.
pub const MAX_FUNCTIONS: usize = 4096;

/// A function of the client that a request offers to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The object that it is, for messages.
    pub node: NodeId,
    /// What the model calls it by.
    pub name: String,
    /// What the model is told of it.
    pub description: Option<NodeId>,
    /// The schema of its arguments; none where it takes any, or where the provider has it.
    pub schema: Option<NodeId>,
    /// What else the model is told of it, by a name that is the same in every dialect.
    pub more: Vec<(&'static str, NodeId)>,
    /// Whether the provider itself describes it to the model.
    pub is_described_elsewhere: bool,
}

/// A call that a model asks for, complete, as it would leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallAsked {
    /// Its number in the answer.
    pub key: usize,
    /// The function, by the name that the model has written.
    pub name: String,
    /// Its arguments: the text that the client would parse.
    pub arguments: String,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is released as it came.
    Pass,
    /// It is taken out of the answer.
    Strip,
    /// This is said in its place.
    Replace(String),
}

/// The calls of one answer. Events go in as they would leave; what could be a call, and everything behind it, comes out once the
/// fate of every call in it is known.
pub trait Calls: Send {
    /// Takes an event with the data that it would leave with. `is_hidden`: the client is not shown it. `speaks`: it may hold a call.
    ///
    /// # Errors
    /// A refusal if two readers could see different calls in it.
    fn push(&mut self, event: StreamEvent, data: Bytes, is_hidden: bool, speaks: bool) -> Result<(), Refusal>;
    /// No more events will come.
    ///
    /// # Errors
    /// A call has no end.
    fn finish(&mut self) -> Result<(), Refusal>;
    /// The calls that are complete and were not handed out yet.
    fn asked(&mut self) -> Vec<CallAsked>;
    /// Says what becomes of a call.
    fn decide(&mut self, key: usize, fate: Fate);
    /// What may leave now.
    ///
    /// # Errors
    /// It cannot be written without the calls that were refused.
    fn take(&mut self) -> Result<Bytes, Refusal>;
    /// How many bytes wait.
    fn held(&self) -> usize;
}
