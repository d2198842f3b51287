//! What the engine needs from a protocol: what a request is aimed at, what the strings of an answer are, how a refusal is told.

use std::collections::BTreeSet;
use std::ops::Range;

use budget::Allowance;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mcp::Version;
use model::{Dialect, Effect, Name, ReasonCode, Refusal, RequestId, Usage};
use text::{Document, NodeId};

use super::{AgentCall, Calls, Function, Head, Turn};
use crate::snapshot::{DocumentPlace, Snapshot};

/// What a protocol adapter understood of a request.
#[derive(Debug, Clone)]
pub struct Understood {
    /// What it is aimed at.
    pub aim: Aim,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Consequences beyond the call itself.
    pub effects: Vec<Effect>,
    /// Content parts that no scanner understands: JSON Pointer and type.
    pub uninspected: Vec<(String, String)>,
    /// String values that are read as one text, in this order: the parts of a message.
    pub joined: Vec<Vec<NodeId>>,
}

/// What a request is aimed at.
#[derive(Debug, Clone)]
pub enum Aim {
    /// A model.
    Model(ModelCall),
    /// A tool server, or one of its tools.
    Server(ServerCall),
    /// An agent outside.
    Agent(AgentCall),
}

impl Understood {
    /// The call of a model, if it is one.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelCall> {
        match &self.aim {
            Aim::Model(call) => Some(call),
            Aim::Server(_) | Aim::Agent(_) => None,
        }
    }
}

/// A call of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCall {
    /// The model alias as the client wrote it.
    pub model: String,
    /// The JSON string that holds it. Empty where the body has none: there it is put, as a member with another one behind it.
    pub model_span: Range<usize>,
    /// String values that name something that the provider keeps for the caller's task.
    pub handles: Vec<NodeId>,
    /// What is asked for, if it is something that the provider keeps: the model is the one that it was made by then.
    pub kept: Option<Kept>,
    /// Where `false` says that the provider is to keep nothing, where the request does not say.
    pub unstored: Option<Place>,
    /// How much it may bring about.
    pub demand: Demand,
    /// The functions of the client that it offers to the model.
    pub functions: Vec<Function>,
}

/// A message to a tool server.
#[derive(Debug, Clone)]
pub struct ServerCall {
    /// The server's name in the configuration.
    pub server: Name,
    /// The virtual server under whose address it came, if it came under one: who stops that stops the call too.
    pub through: Option<Name>,
    /// What is wanted of it.
    pub wants: Wants,
    /// The session that it belongs to, as the caller's task knows it; none where the protocol has none.
    pub session: Option<String>,
    /// Headers that go with the message: they repeat what the body says.
    pub headers: HeaderMap,
    /// Headers that repeat arguments; or what is wrong with those that came, for whoever may use the tool at all.
    pub mirrors: Result<Vec<Mirrored>, Refusal>,
    /// Values in whose place something else is told: the server is to ask for nothing that is not passed on.
    pub edits: Vec<(Range<usize>, String)>,
    /// How it is told: `POST`; `GET` for news and `DELETE` for the end of a session, without a body.
    pub method: Method,
    /// Values of which findings can be taken out: elsewhere the message would be another one, or a header would say it all the same.
    pub open: Vec<NodeId>,
    /// What the client tells the server of what this asked: an object.
    pub told: Option<NodeId>,
    /// The state of a request that goes on, as the caller's task knows it.
    pub state: Option<NodeId>,
    /// Whether it can go on: whether the server may ask the client for something before it answers.
    pub goes_on: bool,
    /// The last event of a stream that the client comes back to, as its task knows it.
    pub last_event: Option<String>,
    /// Whether news are asked for, which come for as long as the answer is open: it has no end of its own.
    pub is_standing: bool,
    /// Whether the gate itself answers it.
    pub is_own: bool,
    /// The revision of the session in which it is told whose caller has none.
    pub introduces: Option<Version>,
}

/// A header that repeats an argument.
#[derive(Debug, Clone)]
pub struct Mirrored {
    /// The header.
    pub name: HeaderName,
    /// What it says.
    pub value: HeaderValue,
    /// The argument.
    pub node: NodeId,
}

/// What is wanted of a tool server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// Run a tool.
    Tool {
        /// The name that the server gives it.
        name: String,
        /// Its arguments, an object; none if there are none.
        arguments: Option<NodeId>,
    },
    /// Say which tools there are: the gate answers that itself.
    Tools,
    /// Read a document, have a prompt written, or something about one of these.
    Document {
        /// The declared documents that it can be, by the names of operators; none if there are none.
        names: Vec<Name>,
        /// The address; none for a prompt.
        uri: Option<String>,
    },
    /// Say which documents or prompts there are: the server answers, and is told on as far as they are declared and open to the caller.
    Documents,
    /// Take the answer to what the server asked.
    Answer,
    /// Whatever a party that uses the server at all needs: a handshake, a sign of life.
    Talk,
}

/// A request for something that a provider keeps. It goes out without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name as the caller's task knows it.
    pub name: String,
    /// What is done with it, for the record: one word.
    pub act: &'static str,
    /// How.
    pub method: Method,
    /// The path at the upstream before the name.
    pub before: &'static str,
    /// The path behind it, and the query.
    pub after: String,
}

/// How much a request may bring about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// An estimate of the tokens that the model reads; 0 where nothing is charged for them.
    pub input: u64,
    /// How many answers are asked for, each with its own most; 0 where the model writes nothing.
    pub answers: u64,
    /// The most tokens of one answer, if the request says.
    pub cap: Option<u64>,
    /// Where a most has to be written, so that there is one.
    pub uncapped: Vec<Place>,
    /// The edit after which a stream tells what was used, where the client did not ask for it.
    pub tells_usage: Option<Place>,
    /// Whether the provider goes on when nobody waits for the answer any more.
    pub runs_on: bool,
}

/// A place in a request, and what is written there around a value: before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bytes that are replaced.
    pub span: Range<usize>,
    /// What stands before the value.
    pub before: &'static str,
    /// What stands behind it.
    pub after: &'static str,
}

/// What an upstream says was used, and how much of it is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reported {
    /// The counts.
    pub usage: Usage,
    /// Whether those of what was read are told.
    pub is_read: bool,
    /// Whether those of what was written are told.
    pub is_written: bool,
    /// Whether the answer is still to come: nothing of what will be used was seen.
    pub is_to_come: bool,
}

/// One stream of text inside an answer. Equal ids mean: the pieces belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub String);

/// What a string leaf of an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeafUse {
    /// A whole value.
    Whole,
    /// A whole value that some clients join all the same with what was told in its place before: nothing may be found across.
    Told {
        /// Which place.
        lane: LaneId,
    },
    /// A piece of a lane. `choice` groups lanes whose token records must vanish together.
    Piece {
        /// Which lane.
        lane: LaneId,
        /// Which choice, for token records.
        choice: u32,
        /// What kind of text it is.
        form: Form,
    },
}

/// What kind of text a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// Text that clients join with that of other lanes of this form, in the order in which it arrives.
    Said,
    /// JSON inside a string, such as tool arguments: clients unescape it a second time.
    Json,
    /// A name. Its lane ends when what it names begins, and some upstreams tell it again.
    Name,
}

/// What an answer says of itself, for telemetry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Where it names the model that made it.
    pub model: Option<NodeId>,
    /// Why its texts ended, in words of the protocol's own.
    pub finish: Vec<&'static str>,
    /// Whether it is the word of a tool server that its tools are others now.
    pub is_announcement: bool,
}

/// Whether a client is shown a document of an answer. All of them are inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// It is.
    #[default]
    Always,
    /// It says only what was used: a client that did not ask for it is not shown it.
    IfUsageIsAsked,
    /// The client has it already.
    Never,
}

/// What a protocol adapter says of one document of an answer.
#[derive(Debug, Default)]
pub struct AnswerView {
    /// Every string leaf whose use is not [`LeafUse::Whole`].
    pub pieces: Vec<(NodeId, LeafUse)>,
    /// Lanes that end with this document.
    pub ends: Vec<LaneId>,
    /// Every lane whose name is one of these, or goes on behind one of these with `/` or `#`, ends with this document.
    pub ended_below: Vec<String>,
    /// Token records (`logprobs`) that become null when anything of their choice was edited.
    pub token_records: Vec<(u32, NodeId)>,
    /// Values that are not text, such as vectors: nothing that stands in them is a finding.
    pub opaque: Vec<NodeId>,
    /// String values that name something that the provider keeps from now on.
    pub handles: Vec<NodeId>,
    /// Whole string values that clients join to one text, in this order.
    pub joined: Vec<Vec<NodeId>>,
    /// What was used.
    pub reported: Reported,
    /// What a tool's result adds up to, in thousandths, where operators have that counted.
    pub counted: Vec<(Name, u64)>,
    /// What else it says of itself.
    pub told: Told,
    /// Whether the client is shown it.
    pub shown: Shown,
    /// A member that says that nothing is told yet, with its comma: likewise.
    pub usage_untold: Option<Range<usize>>,
    /// Values in whose place something else is told: what they announce is not served here.
    pub replaced: Vec<(Range<usize>, String)>,
    /// Values that no scanner understands, and what they are: findings of their own.
    pub uninspected: Vec<(NodeId, &'static str)>,
    /// Whether every lane of the stream ends here.
    pub is_last: bool,
    /// Whether two readers could take pieces of it for different lanes: such a document is not released.
    pub is_ambiguous: bool,
    /// Why it is not released, if it is nothing that may come now.
    pub refused: Option<&'static str>,
    /// Whether it may hold a part of a call that the model asks for.
    pub speaks_of_calls: bool,
}

/// One event of a stream: its raw bytes and the part that is data.
#[derive(Debug, Clone, Default)]
pub struct StreamEvent {
    /// The event exactly as it came, with its terminating blank line.
    pub raw: Bytes,
    /// The `event:` name, if any.
    pub name: Option<String>,
    /// The data payload, lines joined.
    pub data: Option<Bytes>,
    /// By what a client can come back to what follows, where that is possible: then it may have no data.
    pub id: Option<String>,
    /// How long a client is to wait before, in milliseconds.
    pub retry: Option<u32>,
}

/// Cuts a byte stream into events.
pub trait EventReader: Send {
    /// Takes bytes and gives the events that are complete.
    ///
    /// # Errors
    /// A code when the stream exceeds a bound or is not readable.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ReasonCode>;
    /// What is left at the end of the stream; an incomplete event is an error.
    ///
    /// # Errors
    /// A code when bytes of an unfinished event remain.
    fn finish(&mut self) -> Result<(), ReasonCode>;
}

/// How refusals are told.
pub trait Voice: Send + Sync {
    /// The dialect and the path at the provider of what it speaks for; `None` for the gate's own endpoints.
    fn api(&self) -> Option<(Dialect, &'static str)>;
    /// A refusal as a whole answer.
    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes);
    /// A refusal in the middle of a stream.
    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes;
    /// Whether a key of a request is a name of the protocol's own. Every other is a text of the client's.
    fn is_own_word(&self, _word: &str) -> bool {
        false
    }
    /// The name of the resource that is spoken for (RFC 8707), where it is one of its own: tokens for it alone count there.
    fn resource(&self) -> Option<&str> {
        None
    }
    /// Puts what is left of budgets among the headers of an answer; what an upstream says of its own goes. Nothing, where no
    /// budget ever applies.
    fn allow(&self, _allowance: &Allowance, _headers: &mut HeaderMap) {}
}

/// A protocol adapter: translates, and decides nothing.
pub trait Protocol: Voice {
    /// The reader of its streams.
    type Events: EventReader;
    /// Which dialect it speaks, if it is a model API.
    fn dialect(&self) -> Option<Dialect>;
    /// The path at the upstream, appended to its base URL.
    fn upstream_path(&self) -> &'static str;
    /// Whether its requests have a body. One without is read as an empty object.
    fn takes_body(&self) -> bool {
        true
    }
    /// Reads a request; by `snapshot`, for what operators declare and admit.
    ///
    /// # Errors
    /// A refusal for everything that is not classified.
    fn understand(&self, head: &Head, document: &Document<'_>, snapshot: &Snapshot) -> Result<Understood, Refusal>;
    /// The headers of the request that may reach an upstream.
    fn upstream_headers(&self, head: &Head) -> HeaderMap;
    /// The headers of the answer that may reach the client.
    fn client_headers(&self, headers: &HeaderMap) -> HeaderMap;
    /// Says what the leaves of a document of an answer are; `name` is the event's name in a stream.
    fn view(&self, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView;
    /// Whether this data payload is the protocol's plain end mark.
    fn is_end_mark(&self, data: &[u8]) -> bool;
    /// A reader for a stream.
    fn events(&self, limit: usize) -> Self::Events;
    /// Whether what was asked has been answered; asked behind the last document of an answer.
    ///
    /// # Errors
    /// It has not.
    fn ended(&self) -> Result<(), Refusal> {
        Ok(())
    }
    /// Writes an event with other data.
    fn rewrite(&self, event: &StreamEvent, data: &[u8]) -> Bytes;
    /// The stream goes on that answers the request of this id, JSON. Told before the answer comes.
    fn goes_on(&self, _asked: &str) {}
    /// Which documents and prompts the caller is shown. Told to those who understand [`Wants::Documents`], before the answer comes.
    fn may_show(&self, _places: Vec<DocumentPlace>) {}
    /// What the ids of a request are: as the agent writes each, and as the caller does. Told before the answer comes.
    fn opened(&self, _names: &[(String, String)]) {}
    /// The card of an agent as it is served here, with the skills that are shown; none if the gate has no address. Asked of those who
    /// understand an [`AgentCall`].
    fn agent_card(&self, _card: &a2a::Card, _skills: &BTreeSet<String>) -> Option<serde_json::Value> {
        None
    }
    /// A reader of the calls that a model asks for in an answer; none where answers hold none.
    fn calls(&self, _in_stream: bool, _limits: text::Limits) -> Option<Box<dyn Calls>> {
        None
    }
    /// The conversation that a request to a model tells, in its order. Asked of those who have a reader of calls.
    fn turns(&self, _document: &Document<'_>) -> Vec<Turn> {
        Vec::new()
    }
    /// The list of tools that is asked for, from their definitions as JSON. Asked of those who understand [`Wants::Tools`].
    fn tool_list(&self, _tools: &[&str]) -> (HeaderMap, Bytes) {
        (HeaderMap::new(), Bytes::new())
    }
    /// What the gate itself answers, where that is no list. Asked of those who say [`ServerCall::is_own`].
    fn own_answer(&self) -> Option<(StatusCode, HeaderMap, Bytes)> {
        None
    }
    /// How the gate begins a session with a server: a request, and a notification behind its answer. Asked of those who say
    /// [`ServerCall::introduces`].
    fn introduction(&self, _version: Version) -> [Bytes; 2] {
        [Bytes::new(), Bytes::new()]
    }
    /// The revision that a message agrees on, if it is the answer to the first of these: none within for one that is not spoken with
    /// sessions, or an error.
    fn agreed(&self, _document: &Document<'_>) -> Option<Option<Version>> {
        None
    }
}

/// Tells which models there are.
pub trait Catalogue: Protocol {
    /// The list of models, as the provider would write it.
    fn model_list(&self, models: &[Name]) -> (HeaderMap, Bytes);
    /// One model, as the provider would write it.
    fn model_item(&self, model: &Name) -> (HeaderMap, Bytes);
}
