//! What the engine needs from the world. Adapters implement these traits; the engine names no runtime, socket or file.
//!
//! Static dispatch throughout: one `World` and one `Protocol` per call, known when the binary is built.

use std::borrow::Cow;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use budget::Counters;
use bytes::Bytes;
use evidence::{Header, RecordError};
use http::{HeaderMap, StatusCode};
use identity::Secret;
use identity::token::{Gate as TokenGate, IssuerRules, KeySet, Signer};
use model::{
    Chain, Credential, CredentialId, Digest, Label, LockSet, LockTarget, Name, Origin, PrincipalId, ReasonCode, Refusal,
    RequestId, UnixMillis,
};
use response::{AskError, Misfit, Standing, Terms, Wanted};
use text::Splices;

use crate::act::Attempt;
use crate::event::Event;
use crate::origins::Origins;
use crate::release::Released;
use crate::snapshot::Snapshot;
use crate::streams::Sessions;
use crate::verified::VerifiedTokens;

mod agent;
mod asking;
mod calls;
mod protocol;
mod turns;

pub use agent::AgentCall;
pub use asking::{
    Answered, Asking, Denial, Found, Looked, Order, Page, Performs, Question, Questions, Requestable, Requesting, Said, Search,
    Searching, Sought, StepUp, Subject, Submission, Until,
};
pub use calls::{CallAsked, Calls, Fate, Function, MAX_FUNCTIONS};
pub use protocol::{
    Aim, AnswerView, Catalogue, Demand, EventReader, Form, Kept, LaneId, LeafUse, Mirrored, ModelCall, Place, Protocol, Reported,
    ServerCall, Shown, StreamEvent, Told, Understood, Voice, Wants,
};
pub use turns::Turn;

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
    /// Whether there are any issuers.
    fn has_issuers(&self) -> bool;
    /// The `iss` of every issuer, sorted.
    fn issuer_urls(&self) -> Vec<String>;
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
    /// No connection: nothing was sent, and another attempt may follow.
    Unreachable,
    /// The connection broke before the first byte of the answer. The upstream may have done what it was asked.
    BrokeOff,
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

/// A credential of somebody's own, lent for one call. Nothing of it prints.
#[derive(Debug, Clone)]
pub struct Lent {
    /// Which one, as the log has it.
    pub id: Name,
    /// How it came about: `static`, `oauth` or `exchange`.
    pub kind: &'static str,
    /// Whose it is.
    pub holder: PrincipalId,
    /// For which address it was given: it goes nowhere else.
    pub place: Arc<str>,
    /// What the upstream is shown.
    pub secret: Secret,
}

/// A page on the way to a connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// The first: whoever has been given this ticket is told what comes of it. Nothing comes of the page itself.
    Show(Secret),
    /// Whoever has been told goes on.
    Begin(Secret),
    /// The way back to the upstream of this name, with what the authorization server has put into the query.
    Return(Name),
}

/// A page for a person. Its text holds nothing that a caller has written.
#[derive(Debug, Clone, Default)]
pub struct WebPage {
    /// Where the browser goes on.
    pub location: Option<String>,
    /// By what it is known again.
    pub cookie: Option<String>,
    /// What is shown. Names of the gate's own configuration may stand in it, and nothing that could be markup.
    pub text: Cow<'static, str>,
    /// Whether the person has to say that it goes on.
    pub asks: bool,
}

/// Credentials for upstreams that are a user's or an agent's own.
pub trait Lending: Send + Sync {
    /// The credential that `upstream` is shown in a call of `chain`; none, if it takes none of somebody's own. `token`: what the caller
    /// has shown, where an issuer has made it for the caller.
    fn lend(
        &self,
        _upstream: &Name,
        _chain: &Chain,
        _token: Option<&Secret>,
    ) -> impl Future<Output = Result<Option<Lent>, Refusal>> + Send {
        std::future::ready(Ok(None))
    }
    /// A page; none where there is nothing.
    fn connect(&self, _step: Step, _head: &Head) -> impl Future<Output = Option<WebPage>> + Send {
        std::future::ready(None)
    }
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
    /// A place for a call that waits for an approval; given back when it is dropped.
    type Place: Send;
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
    /// The approval that holds for a call, now; looking uses nothing up.
    fn approval_of_call(&self, wanted: &Wanted, call: RequestId) -> Option<Standing>;
    /// Uses an approval up for one call: from here on it is there for no other, whatever becomes of the record. Ends when that is
    /// durable. Again for the same call nothing more happens.
    ///
    /// # Errors
    /// [`AskError::Closed`]: it is there no longer.
    fn use_approval(
        &self,
        standing: &Standing,
        credential: &CredentialId,
        chain: &Chain,
        call: RequestId,
    ) -> impl Future<Output = Result<(), ApprovalError>> + Send;
    /// Whether an approval that a call has used up was not taken back.
    fn is_approved(&self, standing: &Standing, call: RequestId) -> bool;
    /// A place for a call of these parties that waits; none, if too many wait, or none should.
    fn hold(&self, chain: &Chain) -> Option<Self::Place>;
    /// Grows with whatever could end such a wait: answers, cancellations, other policies.
    fn approvals_version(&self) -> u64;
    /// Ends as soon as that is above `seen`; at once if it already is. `false`: nobody should wait any longer.
    fn approvals_moved_past(&self, seen: u64) -> impl Future<Output = bool> + Send;
}

/// Everything at once.
pub trait World: Clock + Epoch + Credentials + Issuers + Ledgers + Accounts + Records + Approvals + Lending + Upstreams {
    /// 10 random bytes for a request id.
    fn random(&self) -> [u8; 10];
    /// 32 random bytes for the ids of tokens; none if there is no randomness.
    fn entropy(&self) -> Option<[u8; 32]>;
    /// What operators have put in force.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// What binds the names of what providers keep to tasks.
    fn handles(&self) -> Arc<identity::Handles>;
    /// Sessions with tool servers that clients have ended.
    fn sessions(&self) -> &Sessions;
    /// Where the values of calls come from that models have asked for.
    fn origins(&self) -> &Origins;
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

/// Adds what only a splice can say: `null` in place of a value.
pub(crate) fn null_out(splices: &mut Splices, span: Range<usize>) {
    splices.replace(span, &b"null"[..]);
}
