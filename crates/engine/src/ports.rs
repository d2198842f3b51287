//! What the engine needs from the world. Adapters implement these traits; the engine names no runtime, socket or file.
//!
//! Static dispatch throughout: one `World` and one `Protocol` per call, known when the binary is built.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use budget::{Allowance, Counters};
use bytes::Bytes;
use evidence::{Header, RecordError};
use http::{HeaderMap, Method, StatusCode};
use identity::token::{Gate as TokenGate, IssuerRules, KeySet, Signer};
use model::{
    Chain, Credential, CredentialId, Dialect, Digest, Effect, Label, LockSet, LockTarget, Name, Origin, PrincipalId, ReasonCode,
    Refusal, RequestId, UnixMillis, Usage,
};
use response::{AskError, Misfit, Standing, Terms, Wanted};
use text::{Document, NodeId, Splices};

use crate::act::Attempt;
use crate::event::Event;
use crate::release::Released;
use crate::snapshot::Snapshot;
use crate::verified::VerifiedTokens;

mod asking;

pub use asking::{
    Answered, Asking, Denial, Found, Looked, Order, Page, Performs, Question, Questions, Requestable, Requesting, Said, Search,
    Searching, Sought, StepUp, Subject, Submission, Until,
};

/// Time, from outside.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> UnixMillis;
    /// A clock that never goes back, in nanoseconds since an arbitrary start.
    fn monotonic(&self) -> Duration;
    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Locks and revocations: a monotone epoch, read before every effect and every release.
pub trait Epoch: Send + Sync {
    /// What is stopped now.
    fn locks(&self) -> Arc<LockSet>;
    /// Ends as soon as the epoch is above `seen`; at once if it already is.
    fn moved_past(&self, seen: u64) -> impl Future<Output = ()> + Send;
}

/// Credentials by the hash of what was presented.
pub trait Credentials: Send + Sync {
    /// The credential with this hash, if there is one. Expired and revoked ones are returned too.
    fn credential(&self, hash: &Digest) -> Option<Arc<Credential>>;
    /// The credential with this id: for tokens, which name what they descend from.
    fn credential_by_id(&self, id: &CredentialId) -> Option<Arc<Credential>>;
    /// Every key with which `actor` acts for `subject`, or for itself where it is the same; expired and revoked ones too.
    fn credentials_of(&self, subject: &PrincipalId, actor: &PrincipalId) -> Vec<Arc<Credential>>;
}

/// An issuer that operators trust, with its keys as they are now.
#[derive(Debug, Clone)]
pub struct Trusted {
    /// What is accepted from it.
    pub rules: Arc<IssuerRules>,
    /// Its keys, and when they were fetched; none before the first time.
    pub keys: Option<(Arc<KeySet>, UnixMillis)>,
    /// How old keys may become, in seconds, while newer ones cannot be had.
    pub max_age: u64,
}

/// The gate as an issuer of task tokens.
#[derive(Debug)]
pub struct Issuing {
    /// Its name, and how long its tokens live.
    pub gate: TokenGate,
    /// The public keys of every token that may still be valid.
    pub keys: KeySet,
    /// The key that signs.
    pub signer: Arc<dyn Signer>,
    /// The keys as a JWK Set.
    pub published: serde_json::Value,
}

/// Who issues tokens that are accepted here. Looking something up waits for nobody.
pub trait Issuers: Send + Sync {
    /// The issuer with this `iss`.
    fn issuer(&self, url: &str) -> Option<Trusted>;
    /// The issuer of this name.
    fn issuer_named(&self, name: &Name) -> Option<Arc<IssuerRules>>;
    /// Asks for an issuer's keys anew, for a token names one that is not there. Ends when they have come or it is clear that they
    /// will not come soon; bounded in time, in how often it leads to a request, and in how many wait.
    fn renew(&self, url: &str) -> impl Future<Output = ()> + Send;
    /// Tokens that were verified already.
    fn verified(&self) -> &VerifiedTokens;
    /// The gate as an issuer; none if operators have not made it one.
    fn issuing(&self) -> Option<Arc<Issuing>>;
    /// Ends a token for good, on the word of a client that it belongs to: in force before this waits for its record. `ends`:
    /// when the token would have ended.
    fn revoke(
        &self,
        target: LockTarget,
        ends: UnixMillis,
        by: &CredentialId,
    ) -> impl Future<Output = Result<(), RecordError>> + Send;
}

/// The ledgers of running tasks.
pub trait Ledgers: Send + Sync {
    /// The effective label of a ledger and the version at which it was read.
    fn effective(&self, ledger: &Name) -> (Label, u64);
    /// Joins what was seen; in force before this returns.
    fn observe(&self, ledger: &Name, origin: &str, label: Label, at: UnixMillis) -> u64;
}

/// What is to be recorded: a plain header, and content that will be encrypted for its subject.
#[derive(Debug)]
pub struct Record {
    /// The plain part.
    pub header: Header,
    /// The part that is encrypted: serialised once, here.
    pub content: Option<Vec<u8>>,
}

/// The evidence log.
pub trait Records: Send + Sync {
    /// Ends when the entry is accepted: written, in order, before anything that follows from it.
    fn accept(&self, record: Record) -> impl Future<Output = Result<u64, RecordError>> + Send;
    /// Ends when the entry is durable: for what must not happen without a record that outlives the machine.
    fn durable(&self, record: Record) -> impl Future<Output = Result<u64, RecordError>> + Send;
    /// Hands over an entry whose acceptance nobody waits for. The adapter never drops it silently: if it cannot be
    /// written, the log is marked broken and every later `accept` is refused.
    fn submit(&self, record: Record);
    /// Counts a refusal of a party that is not known.
    fn noise(&self, peer: &str, reason: ReasonCode);
    /// Whether a refusal of a known party, with `length` bytes of content, is only counted, for many of its refusals were recorded
    /// lately; the count comes into the log. `false`: it is the caller's to record. `credential` is the party's key, if it is one.
    fn is_counted(&self, credential: Option<&CredentialId>, chain: &Chain, reason: ReasonCode, length: usize) -> bool;
}

/// How an upstream's answer begins.
#[derive(Debug)]
pub struct ReplyHead {
    /// The upstream's status.
    pub status: StatusCode,
    /// The upstream's headers, not yet filtered.
    pub headers: HeaderMap,
}

/// Why an attempt gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// No connection, or it broke before the first byte of the answer: another attempt may follow.
    Unreachable,
    /// The connection was made but nothing came in time.
    Timeout,
    /// The answer's head is not acceptable.
    Malformed,
}

/// The body of an upstream's answer.
pub trait ReplyBody: Send {
    /// The next piece, decoded from any content encoding and bounded; `None` at the end. A future that is dropped while it
    /// waits loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, SendError>>> + Send;
}

/// Where calls go out. There is no way to send anything but an [`Attempt`], and only a recorded permit hands one out.
pub trait Upstreams: Send + Sync {
    /// The body type.
    type Body: ReplyBody;
    /// Sends one attempt and waits for the head of the answer.
    fn send(&self, attempt: Attempt<'_>) -> impl Future<Output = Result<(ReplyHead, Self::Body), SendError>> + Send;
    /// Whether the last attempts at an upstream give hope for the next one.
    fn is_up(&self, upstream: &Name) -> bool;
    /// Remembers how an attempt went.
    fn remember(&self, upstream: &Name, is_ok: bool);
}

/// What was used of every budget.
pub trait Accounts: Send + Sync {
    /// The counters; they outlive every snapshot.
    fn counters(&self) -> &Counters;
}

/// Why an approval is not asked for or not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// It may not be.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Requests for operators' approval.
pub trait Approvals: Send + Sync {
    /// What an approval that `by` presents holds for, now.
    ///
    /// # Errors
    /// [`Misfit`]: it does not hold.
    fn approval(&self, by: &PrincipalId, approval: &str) -> Result<Standing, Misfit>;
    /// Asks for an approval, or finds the request that is there already. Ends when its record is durable.
    fn ask_approval(
        &self,
        wanted: Wanted,
        credential: &CredentialId,
        terms: &Terms,
    ) -> impl Future<Output = Result<Looked, ApprovalError>> + Send;
    /// A request that `by` made, and how it stands.
    fn approval_request(&self, by: &PrincipalId, id: &str) -> Option<Looked>;
    /// Cancels a request that `by` made: in force before its record is waited for.
    fn cancel_approval(
        &self,
        by: &PrincipalId,
        credential: &CredentialId,
        id: &str,
    ) -> impl Future<Output = Result<Looked, ApprovalError>> + Send;
}

/// Everything at once.
pub trait World: Clock + Epoch + Credentials + Issuers + Ledgers + Accounts + Records + Approvals + Upstreams {
    /// 10 random bytes for a request id.
    fn random(&self) -> [u8; 10];
    /// 32 random bytes for the ids of tokens; none if there is no randomness.
    fn entropy(&self) -> Option<[u8; 32]>;
    /// What operators have put in force.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// What binds the names of what providers keep to tasks.
    fn handles(&self) -> Arc<identity::Handles>;
    /// Tells what happened; for logs and metrics.
    fn observe_event(&self, event: &Event<'_>);
}

/// A request's head as it arrived.
#[derive(Debug)]
pub struct Head {
    /// The client's address without its port, as far as it is known: behind a trusted proxy the one that it tells.
    pub peer: String,
    /// Whether that address is a trusted proxy's: then nobody has told who the client is.
    pub is_proxy: bool,
    /// The certificate that the peer has shown and that the listener verified, DER. No identity yet: nothing decides on it.
    pub certificate: Option<Arc<[u8]>>,
    /// The headers.
    pub headers: HeaderMap,
    /// The query part of the target, if there was one.
    pub query: Option<String>,
    /// Where the call stands in a distributed trace, if calls are traced.
    pub trace: Option<Trace>,
}

impl Head {
    /// Where the request comes from, for policies; none where that is not known.
    pub(crate) fn origin(&self) -> Option<Origin> {
        (!self.is_proxy && !self.peer.is_empty()).then(|| Origin { peer: self.peer.clone(), segment: None })
    }
}

/// A place in a distributed trace (W3C trace context). Nothing decides on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The trace; the caller's own if it told one.
    pub trace: [u8; 16],
    /// The caller's span.
    pub parent: Option<[u8; 8]>,
    /// The span of this call.
    pub span: [u8; 8],
    /// Whether the caller wants it kept.
    pub is_sampled: bool,
    /// Whether upstreams are told.
    pub is_passed_on: bool,
}

/// The client at the other end. What it is sent are [`Released`] pieces and nothing else.
pub trait Client: Send {
    /// Reads the request's body, at most `limit` bytes.
    fn body(&mut self, limit: usize) -> impl Future<Output = Result<Bytes, ReasonCode>> + Send;
    /// Begins the answer. Called once, with the first piece; `length`, in bytes, says that this piece is the whole body.
    fn begin(&mut self, status: StatusCode, headers: HeaderMap, length: Option<usize>);
    /// Sends a piece; waits while the client is slow. `Err` when it has gone.
    fn write(&mut self, piece: Released) -> impl Future<Output = Result<(), ReasonCode>> + Send;
    /// Ends the answer, be it as it should or after [`Client::abort`]: nothing is written any more.
    fn end(&mut self);
    /// Ends when the client has gone; never, while it is there.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
    /// Ends the connection as soon as everything is written, and within a few milliseconds whether it is or not.
    fn hurry(&mut self);
    /// Breaks the connection off, even if the client does not read.
    fn abort(&mut self);
}

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
}

impl Understood {
    /// The call of a model, if it is one.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelCall> {
        match &self.aim {
            Aim::Model(call) => Some(call),
            Aim::Server(_) => None,
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
}

/// A message to a tool server.
#[derive(Debug, Clone)]
pub struct ServerCall {
    /// The server's name in the configuration.
    pub server: Name,
    /// What is wanted of it.
    pub wants: Wants,
    /// The session that it belongs to, as the caller's task knows it; none where the protocol has none.
    pub session: Option<String>,
    /// Headers that go with the message: they repeat what the body says.
    pub headers: HeaderMap,
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
    /// Whatever a party that uses the server at all needs: a handshake, a sign of life, an answer to what it asked.
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
    /// What else it says of itself.
    pub told: Told,
    /// Whether the client is shown it.
    pub shown: Shown,
    /// A member that says that nothing is told yet, with its comma: likewise.
    pub usage_untold: Option<Range<usize>>,
    /// Values in whose place something else is told: what they announce is not served here.
    pub replaced: Vec<(Range<usize>, String)>,
    /// Whether every lane of the stream ends here.
    pub is_last: bool,
    /// Whether two readers could take pieces of it for different lanes: such a document is not released.
    pub is_ambiguous: bool,
}

/// One event of a stream: its raw bytes and the part that is data.
#[derive(Debug, Clone)]
pub struct StreamEvent {
    /// The event exactly as it came, with its terminating blank line.
    pub raw: Bytes,
    /// The `event:` name, if any.
    pub name: Option<String>,
    /// The data payload, lines joined.
    pub data: Option<Bytes>,
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
    /// Writes an event with other data.
    fn rewrite(&self, event: &StreamEvent, data: &[u8]) -> Bytes;
    /// The list of tools that is asked for; `definitions` are JSON objects. Asked of those who understand [`Wants::Tools`].
    fn tool_list(&self, _definitions: &[Arc<str>]) -> (HeaderMap, Bytes) {
        (HeaderMap::new(), Bytes::new())
    }
}

/// Tells which models there are.
pub trait Catalogue: Protocol {
    /// The list of models, as the provider would write it.
    fn model_list(&self, models: &[Name]) -> (HeaderMap, Bytes);
    /// One model, as the provider would write it.
    fn model_item(&self, model: &Name) -> (HeaderMap, Bytes);
}

/// Adds what only a splice can say: `null` in place of a value.
pub(crate) fn null_out(splices: &mut Splices, span: Range<usize>) {
    splices.replace(span, &b"null"[..]);
}
