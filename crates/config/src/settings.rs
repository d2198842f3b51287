//! What the gate needs beside the bundle: where to listen, where models are served, bounds. Checked; plain data.
//!
//! Nothing here takes part in a decision (that is the bundle), so nothing here is needed to decide again later.

mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use budget::{Prices, Rules};
use identity::Secret;
use identity::token::{Gate, IssuerRules};
use identity::webhook::WebhookKey;
use ipnet::IpNet;
use model::{Dialect, ModelName, Name};
use response::Terms;

use crate::exec::SandboxProfile;

pub use tools::{ClientMode, ClientTool, ClientTools, RefusedCall, ToolScopes};

/// Everything that is no part of the bundle.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// The upstreams by name.
    pub upstreams: BTreeMap<Name, Upstream>,
    /// Networks beside the public internet in which addresses may lie that others have named.
    pub private_networks: Vec<IpNet>,
    /// Where each alias is served, in order of preference; never empty.
    pub routes: BTreeMap<ModelName, Vec<Route>>,
    /// Whose tokens are taken.
    pub issuers: Vec<Issuer>,
    /// The gate as an issuer, if it is one.
    pub tokens: Option<Gate>,
    /// The address by which other enforcement points know the gate, without a path.
    pub access_url: Option<String>,
    /// On which terms operators approve.
    pub approvals: Terms,
    /// How they are told of what waits, and how they may answer.
    pub approving: Approving,
    /// The authentication that they are told to ask for where a policy challenges to step up.
    pub step_up: Option<StepUp>,
    /// The upstream of each tool server that can be spoken to.
    pub tool_upstreams: BTreeMap<Name, Name>,
    /// The revision of MCP that it speaks, of those of which operators say so.
    pub tool_revisions: BTreeMap<Name, mcp::Version>,
    /// How long after one look each tool server with an upstream is asked again what it announces; `None`: never.
    pub tool_watch: BTreeMap<Name, Option<Duration>>,
    /// Several tool servers under one name: the name of each tool there, its server, its own name.
    pub virtual_servers: BTreeMap<Name, BTreeMap<String, (Name, String)>>,
    /// Tools that models ask for.
    pub client_tools: ClientTools,
    /// The upstream of each agent that can be spoken to.
    pub agent_upstreams: BTreeMap<Name, Name>,
    /// The scopes that tokens of issuers need at tool servers. They only ever take away from what the bundle allows.
    pub tool_scopes: BTreeMap<Name, ToolScopes>,
    /// How much a refused caller is told.
    pub refusals: Refusals,
    /// Unknown request fields that may pass, per dialect.
    pub fields: BTreeMap<Dialect, BTreeSet<String>>,
    /// Bounds.
    pub limits: Limits,
    /// How much callers may use.
    pub budgets: Budgets,
    /// The log of evidence.
    pub evidence: Evidence,
    /// How long content is kept.
    pub retention: Retention,
    /// The gate's own messages.
    pub logging: Logging,
    /// Where telemetry goes.
    pub telemetry: Option<Telemetry>,
    /// What is weakened.
    pub danger: Danger,
}

/// How operators are told of what waits for them, and how they may answer.
#[derive(Debug, Clone)]
pub struct Approving {
    /// How long a call waits for an answer; zero: not at all.
    pub held: Duration,
    /// Most calls that wait at the same time.
    pub n_held: usize,
    /// Who is told.
    pub webhook: Option<Webhook>,
    /// Whose signed answers are taken.
    pub signers: BTreeMap<Name, WebhookKey>,
}

/// Whoever is told that something waits.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where.
    pub url: BaseUrl,
    /// What signs the messages.
    pub key: WebhookKey,
    /// Whether they hold what exactly is to be approved.
    pub tells_content: bool,
    /// The authorities that are trusted there, instead of Mozilla's: PEM.
    pub ca: Option<Vec<u8>>,
    /// The proxy on the way.
    pub proxy: Option<Arc<Proxy>>,
}

/// The authentication that answers a challenge to step up, in the words of the issuer at which people sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    /// The authentication context class (`acr`).
    pub acr: String,
    /// The methods (`amr`); may be empty.
    pub amr: Vec<String>,
}

/// Where telemetry goes.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// The collector.
    pub endpoint: BaseUrl,
    /// Headers of every request; names in lower case.
    pub headers: BTreeMap<String, Secret>,
    /// The authorities that are trusted there, instead of Mozilla's: PEM.
    pub ca: Option<Vec<u8>>,
    /// The proxy on the way.
    pub proxy: Option<Arc<Proxy>>,
    /// What is sent.
    pub signals: BTreeSet<Signal>,
    /// Longest time that a record waits.
    pub interval: Duration,
    /// Whether upstreams are told the trace.
    pub is_propagated: bool,
}

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Counts and durations.
    Metrics,
    /// Log records.
    Logs,
}

/// An issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// What is accepted from it.
    pub rules: IssuerRules,
    /// Where its keys are, if not where discovery says.
    pub jwks_uri: Option<String>,
    /// The authorities of its certificate, instead of Mozilla's: PEM.
    pub ca: Option<Vec<u8>>,
    /// The proxy on the way to its keys.
    pub proxy: Option<Arc<Proxy>>,
    /// Between two fetches of its keys.
    pub refresh: Duration,
    /// Between two fetches at least.
    pub least_gap: Duration,
    /// How old keys may become while newer ones cannot be had.
    pub max_key_age: Duration,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The data plane.
    pub data: SocketAddr,
    /// TLS for it.
    pub tls: Option<Tls>,
    /// The admin API.
    pub admin: SocketAddr,
    /// TLS for it.
    pub admin_tls: Option<Tls>,
    /// Envoy's `ext_authz` over gRPC, on this machine.
    pub ext_authz: Option<SocketAddr>,
    /// Further host names of the admin API, lower case, without a port.
    pub hosts: BTreeSet<String>,
    /// The networks of the proxies in front of the data plane, none wider than /8.
    pub trusted_proxies: Vec<IpNet>,
    /// How they tell the address of a client.
    pub forwarded_header: ForwardedHeader,
}

/// The header in which trusted proxies tell the address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

/// TLS on a listener: paths of PEM files, relative to the configuration's folder or absolute. Each could be read when the
/// configuration was; what is in them is for whoever listens to judge, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate's chain.
    pub certificate: String,
    /// Its private key, for the gate's own user only.
    pub key: String,
    /// The authorities of clients, if clients need a certificate.
    pub client_ca: Option<String>,
}

/// The header in which a key is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// `x-api-key: KEY`
    XApiKey,
    /// `api-key: KEY`
    ApiKey,
}

/// A tool server over stdio, in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The file of its profile, relative to the configuration's folder or absolute.
    pub file: String,
    /// What it may reach.
    pub profile: SandboxProfile,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// Most processes at the same time.
    pub children: usize,
    /// How long a session that nobody uses stays.
    pub idle: Duration,
    /// Longest message in bytes.
    pub message_bytes: usize,
    /// Longest time until it says something about a call.
    pub call: Duration,
}

/// One upstream.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Decides how the key is presented.
    pub kind: Option<Dialect>,
    /// What it speaks; never empty.
    pub dialects: BTreeSet<Dialect>,
    /// What the API's path is appended to. Stands for nothing where there is `exec`.
    pub base_url: BaseUrl,
    /// How it is started, if it is a process.
    pub exec: Option<Exec>,
    /// The gate's credential there.
    pub api_key: Option<Secret>,
    /// Where a credential of somebody's own comes from, in the place of that.
    pub lending: Option<Lending>,
    /// How it is presented.
    pub key_header: KeyHeader,
    /// Whether it is told to keep nothing where a chat completion does not say.
    pub declines_store: bool,
    /// How it is verified, and what is shown to it.
    pub trust: Trust,
    /// The proxy on the way, if there is one.
    pub proxy: Option<Arc<Proxy>>,
    /// Longest wait for a connection.
    pub connect: Duration,
}

/// A credential of somebody's own, for an upstream.
#[derive(Debug, Clone)]
pub struct Lending {
    /// Whose it is.
    pub per: Per,
    /// Where it comes from.
    pub source: LendingSource,
}

/// Whose a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// The user's at the head of the chain.
    User,
    /// The agent's that holds the connection.
    Agent,
}

/// Where a credential of somebody's own comes from.
#[derive(Debug, Clone)]
pub enum LendingSource {
    /// An operator has handed it over.
    Static,
    /// An authorization server hands it out, once the user has allowed it.
    Oauth(Box<OauthSettings>),
    /// An authorization server gives it for the caller's own token.
    Exchange(Box<OauthSettings>),
}

/// The gate as a client of an authorization server.
#[derive(Debug, Clone)]
pub struct OauthSettings {
    /// The server's issuer identifier.
    pub issuer: String,
    /// Where people are sent, if not where its metadata say.
    pub authorization_endpoint: Option<String>,
    /// Its token endpoint, if not where its metadata say.
    pub token_endpoint: Option<String>,
    /// The gate's name there.
    pub client_id: String,
    /// Its secret there.
    pub client_secret: Option<Secret>,
    /// Whether that stands in the form.
    pub secret_in_form: bool,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// For which resource.
    pub resource: String,
    /// For which audience, where a token is exchanged.
    pub audience: Option<String>,
    /// The authorities of the server's certificate, instead of Mozilla's: PEM.
    pub ca: Option<Vec<u8>>,
    /// The proxy on the way.
    pub proxy: Option<Arc<Proxy>>,
}

/// How an upstream is verified, and what is shown to it: PEM texts that nobody has parsed yet.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The authorities that are trusted, instead of Mozilla's.
    pub ca: Option<Vec<u8>>,
    /// The gate's certificate there, and its key.
    pub client: Option<(Vec<u8>, Secret)>,
    /// The name that its certificate has to bear, if not the host's; lower case.
    pub server_name: Option<String>,
}

/// A proxy to upstreams.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Whether it speaks TLS itself.
    pub is_tls: bool,
    /// Lower case; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// User and password there.
    pub credentials: Option<(String, Secret)>,
    /// The authorities of its own certificate, instead of Mozilla's.
    pub ca: Option<Vec<u8>>,
}

/// Two configurations are compared on the machine of who wrote both.
impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        let Self { is_tls, host, port, credentials, ca } = self;
        let is_same_user = match (credentials, &other.credentials) {
            (None, None) => true,
            (Some((user, password)), Some((other, others))) => user == other && password.expose() == others.expose(),
            (Some(_), None) | (None, Some(_)) => false,
        };
        (is_tls, host, port, ca) == (&other.is_tls, &other.host, &other.port, &other.ca) && is_same_user
    }
}

impl Eq for Proxy {}

/// Scheme, host, port and path prefix; no user, query or fragment, no slash at the end, no `/v1` at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether it is `https`.
    pub is_tls: bool,
    /// Lower case; an IPv6 address without its brackets.
    pub host: String,
    /// The port, also if it is the scheme's own.
    pub port: u16,
    /// Empty, or begins with a slash and does not end with one.
    pub prefix: String,
}

impl BaseUrl {
    /// Whether it names this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, own_port) = if self.is_tls { ("https", 443) } else { ("http", 80) };
        formatter.write_str(scheme)?;
        if self.host.contains(':') {
            write!(formatter, "://[{}]", self.host)?;
        } else {
            write!(formatter, "://{}", self.host)?;
        }
        if self.port != own_port {
            write!(formatter, ":{}", self.port)?;
        }
        formatter.write_str(&self.prefix)
    }
}

/// One place where an alias is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The upstream.
    pub upstream: Name,
    /// The model's name there.
    pub model: String,
}

/// How much a refused caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// A forbidden model looks like one that does not exist.
    Hide,
    /// The reason is told where the one who asks is a user; agents and services are told as little as with `Hide`.
    ExplainUsers,
    /// The reason is told.
    Explain,
}

/// Bounds; see `limits` in the reference for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest request body in bytes.
    pub body_bytes: usize,
    /// Longest request head in bytes.
    pub header_bytes: usize,
    /// Most headers in a request.
    pub headers: usize,
    /// Deepest JSON.
    pub depth: usize,
    /// Most values in a JSON document.
    pub nodes: usize,
    /// Most interactions at once.
    pub concurrent: usize,
    /// Most open connections.
    pub connections: usize,
    /// Longest answer that is not a stream, in bytes.
    pub answer_bytes: usize,
    /// Longest stream in bytes.
    pub stream_bytes: u64,
    /// Longest event in bytes.
    pub event_bytes: usize,
    /// Most bytes held back per stream.
    pub held_bytes: usize,
    /// Most TLS handshakes at once.
    pub handshakes: usize,
    /// Longest TLS handshake.
    pub handshake: Duration,
    /// Longest time for a request's head.
    pub head: Duration,
    /// Longest time for a request's body.
    pub body: Duration,
    /// Longest wait for an answer's first byte.
    pub first_byte: Duration,
    /// Longest silence in an answer.
    pub idle: Duration,
    /// Longest whole answer.
    pub total: Duration,
    /// Longest wait for a slow client.
    pub client_write: Duration,
    /// Longest time to finish at the end.
    pub drain: Duration,
}

/// How much callers may use, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budgets {
    /// The budgets.
    pub rules: Rules,
    /// What models cost.
    pub prices: Prices,
    /// Of which day the prices are; none without a price file.
    pub priced: Option<Priced>,
    /// The most that a model may write where a request does not say, in tokens.
    pub caps: BTreeMap<ModelName, u64>,
}

/// How old a price file is, and may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The day, counted from 1970.
    pub day: u64,
    /// Days after which an operator is told.
    pub stale_after_days: u64,
    /// The file, as written.
    pub file: String,
    /// Where the prices were looked up.
    pub source: String,
}

/// The log of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Longest wait before accepted entries are made durable.
    pub fsync: Duration,
    /// Most bytes of content per entry.
    pub content_cap: usize,
}

/// How long content is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Whole days for which content can be read, 1 to 36,500; `None` for as long as its subject is not erased.
    pub content_days: Option<u32>,
}

/// The gate's own messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// One JSON object per line instead of text.
    pub is_json: bool,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
}

/// What is weakened; all empty and false unless somebody wrote it under `danger`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Danger {
    /// Listens beyond this machine without TLS.
    pub plaintext_beyond_loopback: bool,
    /// Talks to other machines without TLS.
    pub plaintext_upstreams: bool,
    /// Controls that do not run.
    pub off: BTreeSet<Control>,
    /// Kinds of findings that are not looked for.
    pub scanners_off: BTreeSet<String>,
}

impl Danger {
    /// Every switch that is thrown, as written in the file; for the start banner, `/metrics` and `doctor`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let flags =
            [(self.plaintext_beyond_loopback, "plaintext_beyond_loopback"), (self.plaintext_upstreams, "plaintext_upstreams")];
        let flags = flags.into_iter().filter(|(is_on, _)| *is_on).map(|(_, name)| name.to_owned());
        let off = self.off.iter().map(|control| format!("off:{}", control.as_str()));
        let scanners = self.scanners_off.iter().map(|kind| format!("scanners_off:{kind}"));
        flags.chain(off).chain(scanners).collect()
    }
}

/// A control that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// Scanning and redaction.
    Inspection,
    /// Policies.
    Policy,
    /// The log.
    Evidence,
}

impl Control {
    /// The control as written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inspection => "inspection",
            Self::Policy => "policy",
            Self::Evidence => "evidence",
        }
    }
}
