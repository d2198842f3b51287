//! The admin API: who runs the gate talks to it here, over loopback TCP with an operator's credential or over a Unix
//! socket of the same user. Loopback is not trusted: Host and Origin are checked, every call names an operator, and no
//! data-plane credential is valid.

mod tools;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use engine::ports::{Clock, Credentials, Epoch};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use identity::{Plane, Secret};
use model::{
    ApprovalAnswer, Credential, Holder, LockKind, LockTarget, Name, OperatorAct, OperatorRole, PrincipalId, PrincipalKind,
    ReasonCode, Refusal,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use tools::{ReleaseSpec, ToolsOrder};

/// Longest body of an admin request.
const MAX_BODY: usize = 256 << 10;
/// Longest signed answer: it is read before anybody is known.
const MAX_SIGNED: usize = 16 << 10;

/// Who is asking, after authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The operator's name.
    pub name: Name,
    /// What the operator may do.
    pub role: OperatorRole,
    /// The credential, or `socket` for the Unix socket.
    pub credential: Name,
}

/// What a new credential is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// `user:NAME`, `agent:NAME`, `service:NAME` or `operator:NAME`.
    pub principal: String,
    /// For an agent's or service's key: the user on whose behalf it always acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Seconds until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

/// What is to be put in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApplySpec {
    /// Only say what would change.
    pub dry_run: bool,
    /// A bundle that was in force before, by its digest, at least eight digits of it, or `previous`; the files on disk, if absent.
    pub bundle: Option<String>,
    /// Forbids may be lost by it. Without this, losing one is refused.
    pub allow_removal: bool,
}

/// A filter on the log; absent fields match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogQuery {
    /// One interaction.
    pub request: Option<String>,
    /// A principal, anywhere in the chain.
    pub principal: Option<String>,
    /// A verdict.
    pub verdict: Option<String>,
    /// A reason code.
    pub reason: Option<String>,
    /// Entries at or after this time, in milliseconds since 1970 UTC.
    pub since: Option<u64>,
    /// Most rows; 100 by default, 1,000 at most.
    pub limit: Option<u32>,
}

/// What is asked of usage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsageQuery {
    /// `user`, `agent`, `model` or `task`; `user` by default.
    pub by: Option<String>,
    /// Calls that began at or after this time, in milliseconds since 1970 UTC; all, if absent.
    pub since: Option<u64>,
}

/// What is done with credentials for upstreams that are somebody's own.
#[derive(Debug)]
pub enum CredentialOrder {
    /// Lists them, without what they are.
    List,
    /// Keeps a fixed one.
    Keep(KeepSpec),
    /// Begins to connect somebody.
    Connect(ConnectSpec),
    /// Says how far that has come.
    Look(String),
    /// Takes one away for good.
    Remove(RemoveSpec),
}

/// A fixed credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepSpec {
    /// The upstream.
    pub upstream: Name,
    /// Whose it is: `user:NAME` or `agent:NAME`, or the name alone.
    pub holder: String,
    /// What it is.
    #[serde(deserialize_with = "secret")]
    pub secret: Secret,
}

impl std::fmt::Debug for KeepSpec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KeepSpec").field("upstream", &self.upstream).field("holder", &self.holder).finish_non_exhaustive()
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Who is to be connected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectSpec {
    /// To which upstream.
    pub upstream: Name,
    /// As in [`KeepSpec::holder`].
    pub holder: String,
}

/// What is taken away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveSpec {
    /// Its id.
    pub id: Name,
}

/// The policy administrator of NIST SP 800-207, as the admin API needs it. Answers are JSON documents for people and
/// programs; none holds a secret but the one that `create_key` and `rotate_key` hand to their caller.
pub trait Administrator: Clock + Credentials + Epoch + Send + Sync + 'static {
    /// The role that the configuration in force gives an operator; `None` for one that it does not declare.
    fn role(&self, operator: &Name) -> Option<OperatorRole>;
    /// What state the gate is in.
    fn status(&self) -> Value;
    /// Whether the gate can serve: the log is writable and a bundle is in force.
    fn is_ready(&self) -> bool;
    /// Metrics in the Prometheus text format.
    fn metrics(&self) -> String;
    /// Every lock.
    fn list_locks(&self) -> Value;
    /// Every credential without its hash.
    fn list_keys(&self) -> Value;
    /// Stops something; in force when this returns, recorded if `recorded` says so.
    fn stop(&self, by: &Operator, target: LockTarget, kind: LockKind) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Every request for approval that is kept, the latest first, without what it asks for in full.
    fn approvals(&self) -> Value;
    /// Who says what in a signed message, by its headers and its body; each message once.
    ///
    /// # Errors
    /// Nobody who may has signed it, or not lately, or it was taken before, or is no answer.
    fn signed(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Operator, ApprovalAnswer), Refusal>;
    /// One of them in full, for whoever answers; reading it is recorded first.
    fn approval(&self, by: &Operator, id: &str) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Approves, after it is durably recorded; or refuses, at once.
    fn answer(&self, by: &Operator, answer: ApprovalAnswer) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Takes a kill back, after it is durably recorded.
    fn unlock(&self, by: &Operator, target: LockTarget) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Makes a credential.
    fn create_key(&self, by: &Operator, spec: KeySpec) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Makes a successor that keeps the ledger; the old one ends after `overlap` seconds.
    fn rotate_key(&self, by: &Operator, id: Name, overlap: u64) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Ends a credential.
    fn expire_key(&self, by: &Operator, id: Name, in_seconds: u64) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Makes a new key for the gate's own tokens; the one before it still verifies them, the one before that no longer does.
    fn rotate_token_key(&self, by: &Operator) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Credentials for upstreams that are somebody's own. Keeping and taking away are recorded before they are done.
    fn credentials(&self, by: &Operator, order: CredentialOrder) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// What tool servers announce, and what is quarantined for it.
    fn tools(&self, by: &Operator, order: ToolsOrder) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Puts a configuration in force: all or nothing.
    fn apply(&self, by: &Operator, spec: &ApplySpec) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Every bundle that came in force, newest first.
    ///
    /// # Errors
    /// [`Refusal`] when the log cannot be read.
    fn bundles(&self) -> Result<Value, Refusal>;
    /// Why a request was answered as it was.
    fn explain(&self, by: &Operator, request: &str) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Where the values of a task's calls came from.
    fn flow(&self, by: &Operator, task: &str) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Records that a backup is made, with or without keys, and seals the log: whoever copies the folder then finds everything
    /// that was accepted until now under a checkpoint.
    fn backup(&self, by: &Operator, keys: bool) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// What content is older than it may become; unless `dry_run`, destroys its keys after recording it.
    fn retain(&self, by: &Operator, dry_run: bool) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// How many keys the content of a subject has; unless `dry_run`, destroys them after recording it. There is no way back.
    fn erase(&self, by: &Operator, subject: &str, dry_run: bool) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// What was used, and what is left of budgets.
    fn usage(&self, by: &Operator, query: UsageQuery) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// Headers of the log.
    fn query(&self, by: &Operator, query: LogQuery) -> impl Future<Output = Result<Value, Refusal>> + Send;
}

/// How a connection reached the admin API.
#[derive(Debug, Clone)]
pub enum Origin {
    /// TCP: an operator's credential is required.
    Tcp {
        /// Host must be one of these.
        hosts: Arc<Vec<String>>,
        /// `http` or `https`: the scheme of the pages that may ask.
        scheme: &'static str,
    },
    /// A Unix socket whose peer runs as the gate's own user: the operator `local`, role admin.
    OwnUser,
}

/// Answers one admin request.
///
/// # Errors
/// Never; the type is what the HTTP library asks for.
pub async fn answer<A: Administrator>(
    admin: Arc<A>,
    origin: Origin,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let answered = route(admin.as_ref(), &origin, request).await;
    Ok(match answered {
        Ok(Body::Json(value)) => respond(StatusCode::OK, "application/json", value.to_string()),
        Ok(Body::Text(text)) => respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
        Ok(Body::NotReady) => respond(StatusCode::SERVICE_UNAVAILABLE, "application/json", json!({"ready": false}).to_string()),
        Err(refusal) => {
            let error = json!({"error": {"code": refusal.code, "message": refusal.to_string(), "fault": refusal.code.fault()}});
            respond(status_of(refusal.code), "application/json", error.to_string())
        }
    })
}

enum Body {
    Json(Value),
    Text(String),
    NotReady,
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The admin API's own mapping of reason codes to statuses.
fn status_of(code: ReasonCode) -> StatusCode {
    match code {
        ReasonCode::CredentialMissing
        | ReasonCode::CredentialUnknown
        | ReasonCode::CredentialExpired
        | ReasonCode::CredentialRevoked
        | ReasonCode::CredentialWrongPlane
        | ReasonCode::TwoCredentials => StatusCode::UNAUTHORIZED,
        ReasonCode::RoleInsufficient
        | ReasonCode::PrincipalUnknown
        | ReasonCode::HostNotAllowed
        | ReasonCode::CredentialLocked
        | ReasonCode::PrincipalLocked => StatusCode::FORBIDDEN,
        ReasonCode::RouteUnknown | ReasonCode::ModelNotFound | ReasonCode::ApprovalUnknown => StatusCode::NOT_FOUND,
        ReasonCode::ApprovalClosed => StatusCode::CONFLICT,
        ReasonCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ReasonCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ReasonCode::EvidenceUnavailable | ReasonCode::Draining | ReasonCode::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ReasonCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

async fn route<A: Administrator>(admin: &A, origin: &Origin, request: Request<Incoming>) -> Result<Body, Refusal> {
    let (parts, body) = request.into_parts();
    check_host(origin, &parts.headers, parts.uri.authority().map(Authority::as_str))?;
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    // Probes carry no state and no secret; everything else names an operator.
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["healthz", "live"]) => return Ok(Body::Json(json!({"live": true}))),
        (&Method::GET, ["healthz", "ready"]) if admin.is_ready() => return Ok(Body::Json(json!({"ready": true}))),
        (&Method::GET, ["healthz", "ready"]) => return Ok(Body::NotReady),
        _ => {}
    }
    // The signature says who answers; a credential beside it would be a second one.
    if (&parts.method, segments.as_slice()) == (&Method::POST, &["admin", "v1", "approvals", "answers"]) {
        return signed(admin, &parts.headers, body).await.map(Body::Json);
    }
    let by = authenticate(admin, origin, &parts.headers)?;
    let may = |act: OperatorAct| if by.role.may(act) { Ok(()) } else { Err(lacking(&by, act)) };
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["metrics"]) => may(OperatorAct::ReadState).map(|()| Body::Text(admin.metrics())),
        (&Method::GET, ["admin", "v1", "status"]) => may(OperatorAct::ReadState).map(|()| Body::Json(admin.status())),
        (&Method::GET, ["admin", "v1", "locks"]) => may(OperatorAct::ReadState).map(|()| Body::Json(admin.list_locks())),
        (&Method::GET, ["admin", "v1", "bundles"]) => may(OperatorAct::ReadState).and_then(|()| admin.bundles().map(Body::Json)),
        (&Method::GET, ["admin", "v1", "keys"]) => may(OperatorAct::ReadState).map(|()| Body::Json(admin.list_keys())),
        (&Method::GET, ["admin", "v1", "credentials"]) => {
            may(OperatorAct::ReadState)?;
            admin.credentials(&by, CredentialOrder::List).await.map(Body::Json)
        }
        (&Method::GET, ["admin", "v1", "credentials", "connect", id]) => {
            may(OperatorAct::ManageKeys)?;
            admin.credentials(&by, CredentialOrder::Look((*id).to_owned())).await.map(Body::Json)
        }
        (&Method::GET, ["admin", "v1", "tools"]) => {
            may(OperatorAct::ReadState)?;
            admin.tools(&by, ToolsOrder::List).await.map(Body::Json)
        }
        (&Method::GET, ["admin", "v1", "approvals"]) => may(OperatorAct::ReadState).map(|()| Body::Json(admin.approvals())),
        (&Method::GET, ["admin", "v1", "approvals", id]) => {
            may(OperatorAct::AnswerApprovals)?;
            admin.approval(&by, id).await.map(Body::Json)
        }
        (&Method::GET, ["admin", "v1", "explain", request]) => {
            may(OperatorAct::ReadContent)?;
            admin.explain(&by, request).await.map(Body::Json)
        }
        (&Method::GET, ["admin", "v1", "flow", task]) => {
            may(OperatorAct::ReadContent)?;
            admin.flow(&by, task).await.map(Body::Json)
        }
        (&Method::POST, ["admin", "v1", ..]) => {
            check_content_type(&parts.headers)?;
            change(admin, &by, &segments, body).await.map(Body::Json)
        }
        (method, _) if method != Method::GET && method != Method::POST => Err(ReasonCode::MethodNotAllowed.into()),
        _ => Err(Refusal::because(ReasonCode::RouteUnknown, "the admin API lives under /admin/v1")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StopBody {
    target: LockTarget,
    kind: LockKind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnlockBody {
    target: LockTarget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    id: Name,
    #[serde(default)]
    overlap: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpireBody {
    id: Name,
    #[serde(default)]
    in_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyBody {
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseBody {
    subject: String,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupBody {
    #[serde(default)]
    keys: bool,
}

async fn change<A: Administrator>(admin: &A, by: &Operator, segments: &[&str], body: Incoming) -> Result<Value, Refusal> {
    let may = |act: OperatorAct| if by.role.may(act) { Ok(()) } else { Err(lacking(by, act)) };
    match segments {
        ["admin", "v1", "locks"] => {
            may(OperatorAct::Stop)?;
            let StopBody { target, kind } = read(body).await?;
            admin.stop(by, target, kind).await
        }
        ["admin", "v1", "approvals"] => {
            may(OperatorAct::AnswerApprovals)?;
            let answer: ApprovalAnswer = read(body).await?;
            admin.answer(by, answer).await
        }
        ["admin", "v1", "unlock"] => {
            may(OperatorAct::Unlock)?;
            let UnlockBody { target } = read(body).await?;
            admin.unlock(by, target).await
        }
        ["admin", "v1", "keys"] => {
            let spec: KeySpec = read(body).await?;
            may(if spec.principal.starts_with("operator:") { OperatorAct::ManageOperators } else { OperatorAct::ManageKeys })?;
            admin.create_key(by, spec).await
        }
        ["admin", "v1", "keys", "rotate"] => {
            may(OperatorAct::ManageKeys)?;
            let RotateBody { id, overlap } = read(body).await?;
            admin.rotate_key(by, id, overlap).await
        }
        ["admin", "v1", "keys", "expire"] => {
            may(OperatorAct::ManageKeys)?;
            let ExpireBody { id, in_seconds } = read(body).await?;
            admin.expire_key(by, id, in_seconds).await
        }
        ["admin", "v1", "tokens", "rotate"] => {
            may(OperatorAct::ManageKeys)?;
            admin.rotate_token_key(by).await
        }
        ["admin", "v1", "apply"] => {
            may(OperatorAct::Apply)?;
            let spec: ApplySpec = read(body).await?;
            admin.apply(by, &spec).await
        }
        ["admin", "v1", "credentials", rest @ ..] => {
            may(OperatorAct::ManageKeys)?;
            admin.credentials(by, order(rest, body).await?).await
        }
        ["admin", "v1", "usage"] => {
            may(OperatorAct::ReadState)?;
            let query: UsageQuery = read(body).await?;
            admin.usage(by, query).await
        }
        ["admin", "v1", "query"] => {
            may(OperatorAct::ReadState)?;
            let query: LogQuery = read(body).await?;
            admin.query(by, query).await
        }
        _ => keep(admin, by, segments, body).await,
    }
}

/// What is to be done with credentials for upstreams.
async fn order(rest: &[&str], body: Incoming) -> Result<CredentialOrder, Refusal> {
    match rest {
        [] => read(body).await.map(CredentialOrder::Keep),
        ["connect"] => read(body).await.map(CredentialOrder::Connect),
        ["remove"] => read(body).await.map(CredentialOrder::Remove),
        _ => Err(ReasonCode::RouteUnknown.into()),
    }
}

/// What is about tool servers, and about content that was recorded: copying it, and ending it.
async fn keep<A: Administrator>(admin: &A, by: &Operator, segments: &[&str], body: Incoming) -> Result<Value, Refusal> {
    let may = |act: OperatorAct| if by.role.may(act) { Ok(()) } else { Err(lacking(by, act)) };
    match segments {
        ["admin", "v1", "tools", rest @ ..] => tools::posted(admin, by, rest, body).await,
        ["admin", "v1", "backup"] => {
            may(OperatorAct::Backup)?;
            let BackupBody { keys } = read(body).await?;
            admin.backup(by, keys).await
        }
        ["admin", "v1", "retention"] => {
            let ApplyBody { dry_run } = read(body).await?;
            may(if dry_run { OperatorAct::ReadState } else { OperatorAct::EraseContent })?;
            admin.retain(by, dry_run).await
        }
        ["admin", "v1", "erase"] => {
            let EraseBody { subject, dry_run } = read(body).await?;
            may(if dry_run { OperatorAct::ReadState } else { OperatorAct::EraseContent })?;
            admin.erase(by, &subject, dry_run).await
        }
        _ => Err(ReasonCode::RouteUnknown.into()),
    }
}

/// An answer that an operator has signed: from here on it is as good as one with a credential, and no better.
async fn signed<A: Administrator>(admin: &A, headers: &HeaderMap, body: Incoming) -> Result<Value, Refusal> {
    check_content_type(headers)?;
    if headers.contains_key(http::header::AUTHORIZATION) {
        return Err(ReasonCode::TwoCredentials.into());
    }
    let whole = Limited::new(body, MAX_SIGNED).collect().await.map_err(|_| Refusal::new(ReasonCode::BodyTooLarge))?.to_bytes();
    let (by, answer) = admin.signed(headers, &whole)?;
    if !by.role.may(OperatorAct::AnswerApprovals) {
        return Err(lacking(&by, OperatorAct::AnswerApprovals));
    }
    check_locks(admin, &by)?;
    admin.answer(&by, answer).await
}

fn lacking(by: &Operator, act: OperatorAct) -> Refusal {
    Refusal::because(ReasonCode::RoleInsufficient, format!("role `{}` may not `{}`", by.role, act.as_str()))
}

async fn read<T: for<'de> Deserialize<'de>>(body: Incoming) -> Result<T, Refusal> {
    let whole = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Refusal::new(ReasonCode::BodyTooLarge))?.to_bytes();
    let whole = if whole.is_empty() { Bytes::from_static(b"{}") } else { whole };
    serde_json::from_slice(&whole).map_err(|error| Refusal::because(ReasonCode::BodyMalformed, error.to_string()))
}

/// A browser page of another origin, or a name rebound to loopback, is not an operator.
fn check_host(origin: &Origin, headers: &HeaderMap, target: Option<&str>) -> Result<(), Refusal> {
    let Origin::Tcp { hosts: allowed, scheme } = origin else { return Ok(()) };
    let is_allowed = |name: &str| allowed.iter().any(|known| known.eq_ignore_ascii_case(name));
    let mut hosts = headers.get_all(HOST).iter().map(|value| value.to_str().unwrap_or(""));
    let is_one = hosts.next().is_some_and(is_allowed) && hosts.next().is_none();
    if !is_one || !target.is_none_or(is_allowed) {
        return Err(Refusal::because(ReasonCode::HostNotAllowed, "the Host header names another machine"));
    }
    match headers.get(ORIGIN).map(|value| value.to_str().unwrap_or("")) {
        None => Ok(()),
        Some(page) if page.split_once("://").is_some_and(|(with, host)| with == *scheme && is_allowed(host)) => Ok(()),
        Some(_) => Err(Refusal::because(ReasonCode::HostNotAllowed, "the Origin header names another page")),
    }
}

/// What a page can send without asking first is not what this API reads.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let told = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or(""));
    let is_json = told.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") || headers.contains_key(TRANSFER_ENCODING);
    if is_json || (told.is_empty() && !has_body) {
        return Ok(());
    }
    Err(Refusal::because(ReasonCode::ContentTypeRefused, "the admin API reads application/json"))
}

fn authenticate<A: Administrator>(admin: &A, origin: &Origin, headers: &HeaderMap) -> Result<Operator, Refusal> {
    let has_credential = headers.contains_key(http::header::AUTHORIZATION);
    if matches!(origin, Origin::OwnUser) && !has_credential {
        let local = Name::new("local").map_err(|_| Refusal::new(ReasonCode::Internal))?;
        let socket = Name::new("socket").map_err(|_| Refusal::new(ReasonCode::Internal))?;
        return Ok(Operator { name: local, role: OperatorRole::Admin, credential: socket });
    }
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let presented = identity::credential_from_headers(headers)?;
    let presented = identity::parse(presented).map_err(|error| Refusal::new(error.reason()))?;
    let credential = admin.credential(&presented.hash);
    identity::verify(&presented, credential.as_deref(), admin.now(), Plane::Admin)?;
    let mut operator = operator_of(credential.as_deref().ok_or(ReasonCode::CredentialUnknown)?)?;
    // What holds is what is declared now: whoever was taken out or demoted has no power left from the day the key was made.
    operator.role = admin.role(&operator.name).ok_or(ReasonCode::PrincipalUnknown)?;
    check_locks(admin, &operator)?;
    Ok(operator)
}

/// An operator can be stopped like everyone else; `all` is about the data plane and leaves the way back open.
fn check_locks<A: Administrator>(admin: &A, operator: &Operator) -> Result<(), Refusal> {
    let locks = admin.locks();
    match locks.kind(&LockTarget::Credential(operator.credential.clone())) {
        Some(LockKind::Revoke) => return Err(ReasonCode::CredentialRevoked.into()),
        Some(LockKind::Kill) => return Err(ReasonCode::CredentialLocked.into()),
        None => {}
    }
    let party = PrincipalId::new(PrincipalKind::Operator, operator.name.clone());
    locks.kind(&LockTarget::Principal(party)).map_or(Ok(()), |_| Err(ReasonCode::PrincipalLocked.into()))
}

fn operator_of(credential: &Credential) -> Result<Operator, Refusal> {
    match &credential.holder {
        Holder::Admin { operator, role } => {
            Ok(Operator { name: operator.clone(), role: *role, credential: credential.id.clone() })
        }
        Holder::Data { .. } => Err(ReasonCode::CredentialWrongPlane.into()),
    }
}
