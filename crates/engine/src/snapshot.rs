//! What operators change, as one immutable version: taken once per evaluation and named in the record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use budget::{Prices, Rules};
use inspect::Scanners;
use mcp::uri::Pattern;
use mcp::{Pinned, Version};
use model::{Address, Annotation, Chain, ClientFeature, Dialect, Digest, Label, ModelName, Name, PrincipalKind, ReasonCode};
use policy::PolicySnapshot;
use response::Terms;

use crate::asked::ClientTools;
use crate::counted::Counts;
use crate::ports::StepUp;
use crate::scopes::ServerScopes;

/// One version of everything an evaluation reads.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The digest of the bundle.
    pub digest: Digest,
    /// Parties, models and policies, compiled.
    pub policy: Arc<PolicySnapshot>,
    /// Every alias that can be asked for, with where it is served.
    pub routes: BTreeMap<ModelName, Vec<Route>>,
    /// Every tool server that can be spoken to.
    pub servers: BTreeMap<Name, Arc<Server>>,
    /// Tools that models ask for.
    pub client_tools: Arc<ClientTools>,
    /// Every agent outside that can be spoken to.
    pub agents: BTreeMap<Name, Arc<RemoteAgent>>,
    /// The scanners in force.
    pub scanners: Scanning,
    /// Request fields beyond the tables that an operator admits, per dialect.
    pub admitted: BTreeMap<Dialect, BTreeSet<String>>,
    /// Bounds.
    pub limits: Limits,
    /// How much callers may use.
    pub budgets: Budgets,
    /// Whether a caller is told which policy said no.
    pub refusals: Candour,
    /// The address by which other enforcement points know the gate, without a path; none if it is told to nobody.
    pub access_url: Option<Arc<str>>,
    /// On which terms operators approve.
    pub approvals: Terms,
    /// The authentication that enforcement points are told to ask for where a policy challenges to step up.
    pub step_up: Option<Arc<StepUp>>,
    /// Controls that an operator has switched off.
    pub off: Off,
}

/// The scanners, once they are there.
#[derive(Debug, Clone)]
pub enum Scanning {
    /// They are in force.
    Ready(Arc<Scanners>),
    /// Operators' own rules are still being compiled: nothing is inspected, and so nothing passes.
    Pending,
}

impl Scanning {
    /// The scanners.
    ///
    /// # Errors
    /// They are not there yet: whoever needs them refuses.
    pub const fn ready(&self) -> Result<&Arc<Scanners>, ReasonCode> {
        match self {
            Self::Ready(scanners) => Ok(scanners),
            Self::Pending => Err(ReasonCode::RulesPending),
        }
    }
}

/// How much callers may use, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budgets {
    /// The budgets.
    pub rules: Rules,
    /// What models cost.
    pub prices: Prices,
    /// The most that a model may write where a request does not say and a budget counts it, in tokens.
    pub caps: BTreeMap<ModelName, u64>,
}

/// The most that a model may write where neither the request nor the configuration says, in tokens.
const CAP: u64 = 4096;

impl Budgets {
    /// The most that `model` may write where a request does not say.
    #[must_use]
    pub fn cap(&self, model: &ModelName) -> u64 {
        self.caps.get(model).copied().unwrap_or(CAP)
    }
}

/// Where an alias is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The upstream's name in the configuration.
    pub upstream: Name,
    /// The model's name there.
    pub model: String,
    /// What the upstream speaks.
    pub dialects: BTreeSet<Dialect>,
    /// Whether it is told to keep nothing where a request does not say.
    pub declines_store: bool,
}

/// A tool server.
#[derive(Debug, Clone)]
pub struct Server {
    /// The upstream's name in the configuration.
    pub upstream: Name,
    /// Where that is, for those who approve calls: its address, or how it is started.
    pub place: String,
    /// Its approved tools, by the names that it gives them. Those that are withdrawn are not among them.
    pub tools: BTreeMap<String, Arc<Pinned>>,
    /// The names of these, in the order in which they are shown.
    pub order: Vec<String>,
    /// What calls of those are counted in that are counted in anything.
    pub counts: BTreeMap<String, Counts>,
    /// What operators say of the results and arguments of those of which they say anything.
    pub annotations: BTreeMap<String, Annotation>,
    /// Its documents and prompts, by the names that operators give them.
    pub documents: BTreeMap<Name, Document>,
    /// What it may ask of its clients.
    pub features: BTreeSet<ClientFeature>,
    /// The revision that it speaks, where operators say so; else that of each client.
    pub revision: Option<Version>,
    /// The tools of others, where the gate itself is the server and these stand behind it.
    pub members: Option<Members>,
    /// The scopes that tokens of issuers need.
    pub scopes: ServerScopes,
}

/// Tools of several servers under one address.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// By their names there.
    pub tools: BTreeMap<String, Member>,
    /// These names, in the order in which they are shown.
    pub order: Vec<String>,
}

/// A tool under another name.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its own server.
    pub server: Name,
    /// Its own name.
    pub tool: String,
    /// What callers are shown: its definition under the other name.
    pub definition: String,
}

/// An agent outside.
#[derive(Debug, Clone)]
pub struct RemoteAgent {
    /// The upstream's name in the configuration.
    pub upstream: Name,
    /// Its approved card.
    pub card: a2a::Card,
    /// Its approved skills.
    pub skills: BTreeSet<String>,
}

/// Documents of a tool server under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Which these are.
    pub place: DocumentPlace,
    /// What a task that has read one carries from then on.
    pub label: Label,
}

/// Where documents are found, or what writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentPlace {
    /// Every resource with such an address.
    Resource(Pattern),
    /// The prompt of this name.
    Prompt(String),
}

impl Document {
    /// A document as it is declared; none if its pattern no longer reads.
    #[must_use]
    pub fn of(declared: &model::Document) -> Option<Self> {
        let place = match &declared.address {
            Address::Resource(pattern) => DocumentPlace::Resource(Pattern::new(pattern).ok()?),
            Address::Prompt(name) => DocumentPlace::Prompt(name.clone()),
        };
        let (level, compartments) = (declared.level, declared.compartments.clone());
        Some(Self { place, label: Label { level, compartments, ..Label::default() } })
    }
}

impl Server {
    /// The names of those documents that an address fits.
    pub fn at<'s>(&'s self, uri: &'s str) -> impl Iterator<Item = &'s Name> {
        let fits = |document: &Document| matches!(&document.place, DocumentPlace::Resource(pattern) if pattern.fits(uri));
        self.documents.iter().filter(move |(_, document)| fits(document)).map(|(name, _)| name)
    }

    /// The names of those documents of which an address could begin so.
    pub fn below<'s>(&'s self, beginning: &'s str) -> impl Iterator<Item = &'s Name> {
        let could =
            |document: &Document| matches!(&document.place, DocumentPlace::Resource(pattern) if pattern.could_begin(beginning));
        self.documents.iter().filter(move |(_, document)| could(document)).map(|(name, _)| name)
    }

    /// The name of a prompt, by the one that the server gives it.
    #[must_use]
    pub fn prompt(&self, name: &str) -> Option<&Name> {
        let is_it = |document: &Document| matches!(&document.place, DocumentPlace::Prompt(prompt) if prompt == name);
        self.documents.iter().find(|(_, document)| is_it(document)).map(|(name, _)| name)
    }
}

/// How much a refused caller learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Candour {
    /// A forbidden model looks like one that does not exist.
    #[default]
    Hide,
    /// As `Explain` where a user holds the connection, as `Hide` for everybody else.
    ExplainUsers,
    /// The reason is told.
    Explain,
}

impl Candour {
    /// Whether `chain` is told why.
    #[must_use]
    pub fn explains(self, chain: &Chain) -> bool {
        match self {
            Self::Hide => false,
            Self::ExplainUsers => chain.actor().is_some_and(|actor| actor.kind == PrincipalKind::User),
            Self::Explain => true,
        }
    }
}

/// Controls switched off under `danger`; every proof made without one says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Off {
    /// No scanner runs.
    pub inspection: bool,
    /// No policy is asked: every identified call is permitted.
    pub policy: bool,
    /// Nothing is recorded.
    pub evidence: bool,
}

impl Off {
    /// The names of the controls that are off, as recorded.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let all = [(self.inspection, "inspection"), (self.policy, "policy"), (self.evidence, "evidence")];
        all.into_iter().filter(|(is_off, _)| *is_off).map(|(_, name)| name.to_owned()).collect()
    }
}

/// Bounds of one interaction. Bytes are bytes on the wire before any decoding, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest request body.
    pub body_bytes: usize,
    /// Deepest nesting of JSON, both ways.
    pub depth: usize,
    /// Most values in one JSON document, both ways.
    pub nodes: usize,
    /// Longest answer that is not a stream.
    pub answer_bytes: usize,
    /// Longest stream.
    pub stream_bytes: u64,
    /// Longest event of a stream.
    pub event_bytes: usize,
    /// Most bytes of events held back while a scanner is undecided.
    pub held_bytes: usize,
    /// Most bytes of content kept per entry of the log.
    pub content_bytes: usize,
    /// Longest wait for a request's body.
    pub body: Duration,
    /// Longest wait for an answer's first byte.
    pub first_byte: Duration,
    /// Longest silence in the middle of an answer.
    pub idle: Duration,
    /// Longest whole answer.
    pub total: Duration,
    /// Longest wait for a slow client.
    pub client_write: Duration,
    /// Longest wait of a call for an approval; zero: no call waits.
    pub held: Duration,
    /// Most calls that wait for approvals at the same time.
    pub n_held: usize,
}

impl Limits {
    /// The bounds of the JSON reader.
    #[must_use]
    pub const fn json(&self) -> text::Limits {
        text::Limits { max_depth: self.depth, max_nodes: self.nodes }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            depth: 64,
            nodes: 200_000,
            answer_bytes: 16 << 20,
            stream_bytes: 64 << 20,
            event_bytes: 1 << 20,
            held_bytes: 1 << 20,
            content_bytes: 64 << 10,
            body: Duration::from_secs(60),
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(1800),
            client_write: Duration::from_secs(30),
            held: Duration::ZERO,
            n_held: 64,
        }
    }
}
