//! A scripted world: every port in memory, every event in one ordered list, no clock that runs by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use engine::ports::{
    Accounts, Aim, AnswerView, ApprovalError, Approvals, Catalogue, Client, Clock, Credentials, Demand, Epoch, EventReader, Form,
    Head, Issuers, Issuing, LaneId, LeafUse, Ledgers, Looked, ModelCall, Place, Protocol, Record, Records, ReplyBody, ReplyHead,
    Reported, SendError, StreamEvent, Trusted, Understood, Upstreams, Voice, World,
};
use engine::{Attempt, Budgets, Candour, Event, Limits, Off, Released, Route, Scanning, Snapshot};
use evidence::{EntryKind, Header, RecordError};
use flow::Ledger;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{
    Agent, Bundle, Chain, Credential, CredentialId, Dialect, Digest, Group, Holder, Label, Level, LockKind, LockSet, LockTarget,
    Model, Name, Party, PrincipalId, ReasonCode, Refusal, Registry, RequestId, UnixMillis, Usage,
};
use policy::PolicySnapshot;
use response::{AskError, Misfit, Standing, Terms, Wanted};
use text::Document;

use crate::desk::Desk;

pub(crate) const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    Recorded(EntryKind, Option<ReasonCode>),
    Observed(String),
    Sent(String, String),
    Begun(u16),
    Written(String),
    Noise(ReasonCode),
    /// An approval is asked for.
    Asked(String),
    /// One is used up.
    UsedUp(String),
    Hurried,
    Aborted,
}

/// One scripted step of an upstream's answer.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Piece(&'static str),
    /// Nothing comes until the test goes on; the lock is set while the gate waits.
    Lock(&'static str),
    /// Nothing has come yet; the next step is there when the gate looks again.
    Pause,
    Break,
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) happened: Vec<Happened>,
    pub(crate) locks: LockSet,
    pub(crate) steps: VecDeque<Step>,
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) fail_records: bool,
    /// Refusals are counted and not recorded.
    pub(crate) is_flood: bool,
    /// Edits that are waited for fail.
    pub(crate) fail_edits: bool,
    /// The headers of every entry, in order.
    pub(crate) headers: Vec<Header>,
    /// What was decided on, of every entry that says so: the input.
    pub(crate) inputs: Vec<model::DecisionInput>,
    pub(crate) lock_after_record: Option<&'static str>,
    /// What operators bring in force while the first entry is written, and what then is.
    pub(crate) apply_after_record: Option<Arc<Snapshot>>,
    pub(crate) applied: Option<Arc<Snapshot>>,
    pub(crate) unreachable: BTreeSet<&'static str>,
    /// Upstreams whose last attempt failed.
    pub(crate) down: BTreeSet<String>,
    /// Set while the client is being written to.
    pub(crate) lock_at_write: Option<&'static str>,
    /// Waits at least this short end at once; longer ones never do. In seconds.
    pub(crate) sleeps_end: u64,
    pub(crate) ledger: Ledger,
}

pub(crate) struct Scripted {
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) credential: Arc<Credential>,
    pub(crate) key: String,
    pub(crate) counters: budget::Counters,
    pub(crate) verified: engine::VerifiedTokens,
    pub(crate) sessions: engine::Sessions,
    pub(crate) origins: engine::Origins,
    pub(crate) desk: Desk,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A bundle with two models, one person and one agent.
pub(crate) fn bundle(policies: &str) -> Bundle {
    let model = |clearance| Model { groups: BTreeSet::new(), dialects: [Dialect::Openai].into(), clearance };
    let registry = Registry {
        groups: BTreeMap::from([(name("staff"), Group::default())]),
        users: BTreeMap::from([(name("ada"), Party { groups: [name("staff")].into() })]),
        agents: BTreeMap::from([(name("bot"), Agent::default())]),
        models: BTreeMap::from([(name("small"), model(Level::Internal)), (name("large"), model(Level::Internal))]),
        ..Registry::default()
    };
    Bundle {
        format: 1,
        registry,
        policies: BTreeMap::from([("p.cedar".to_owned(), policies.to_owned())]),
        rules: model::RuleFiles::default(),
    }
}

pub(crate) fn scripted(policies: &str, off: Off) -> Scripted {
    let bundle = bundle(policies);
    let targets = ["secret", "pii", "EMAIL_ADDRESS"].map(ToOwned::to_owned).into();
    let route = |upstream: &str| Route {
        upstream: name(upstream),
        model: "real-model".to_owned(),
        dialects: [Dialect::Openai].into(),
        declines_store: false,
    };
    let snapshot = Snapshot {
        agents: BTreeMap::new(),
        digest: Digest([7; 32]),
        policy: Arc::new(PolicySnapshot::load(&bundle, &targets).unwrap()),
        servers: BTreeMap::new(),
        client_tools: Arc::default(),
        routes: BTreeMap::from([(name("small"), vec![route("first"), route("second")]), (name("large"), vec![route("first")])]),
        scanners: Scanning::Ready(Arc::new(if off.inspection { all_off() } else { inspect::Scanners::all() })),
        admitted: BTreeMap::new(),
        limits: Limits { body_bytes: 10_000, ..Limits::default() },
        budgets: Budgets::default(),
        refusals: Candour::Hide,
        access_url: None,
        approvals: Terms::default(),
        step_up: None,
        off,
    };
    let chain = Chain::new(vec!["user:ada".parse().unwrap(), "agent:bot".parse().unwrap()]).unwrap();
    let issued = identity::issue([3; identity::ENTROPY], Holder::Data { chain }, UnixMillis(NOW.0 - 1000), None);
    let script = Script { status: 200, content_type: "application/json", ..Script::default() };
    Scripted {
        script: Arc::new(Mutex::new(script)),
        snapshot: Arc::new(snapshot),
        credential: Arc::new(issued.credential),
        key: issued.secret.expose().to_owned(),
        counters: budget::Counters::default(),
        verified: engine::VerifiedTokens::default(),
        sessions: engine::Sessions::default(),
        origins: engine::Origins::default(),
        desk: Desk::default(),
    }
}

fn all_off() -> inspect::Scanners {
    let kinds = inspect::Scanners::kinds();
    let kinds: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    inspect::Scanners::all().without(&kinds)
}

impl Scripted {
    pub(crate) fn log(&self, what: Happened) {
        self.script.lock().unwrap().happened.push(what);
    }

    pub(crate) fn happened(&self) -> Vec<Happened> {
        self.script.lock().unwrap().happened.clone()
    }

    pub(crate) fn lock(&self, target: &str) {
        let mut script = self.script.lock().unwrap();
        script.locks = script.locks.with(target.parse::<LockTarget>().unwrap(), LockKind::Kill);
    }

    pub(crate) fn head(&self) -> Head {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {}", self.key)).unwrap());
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        Head { peer: "127.0.0.1".to_owned(), is_proxy: false, certificate: None, headers, query: None, trace: None }
    }
}

impl Clock for Scripted {
    fn now(&self) -> UnixMillis {
        NOW
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    async fn sleep(&self, duration: Duration) {
        if duration >= Duration::from_secs(self.script.lock().unwrap().sleeps_end) {
            std::future::pending::<()>().await;
        }
    }
}

impl Epoch for Scripted {
    fn locks(&self) -> Arc<LockSet> {
        Arc::new(self.script.lock().unwrap().locks.clone())
    }
    async fn moved_past(&self, seen: u64) {
        poll_fn(|_| if self.script.lock().unwrap().locks.version() > seen { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

impl Credentials for Scripted {
    fn credential(&self, hash: &Digest) -> Option<Arc<Credential>> {
        (self.credential.hash == *hash).then(|| Arc::clone(&self.credential))
    }
    fn credential_by_id(&self, id: &Name) -> Option<Arc<Credential>> {
        (self.credential.id == *id).then(|| Arc::clone(&self.credential))
    }
    fn credentials_of(&self, _: &PrincipalId, _: &PrincipalId) -> Vec<Arc<Credential>> {
        vec![Arc::clone(&self.credential)]
    }
}

/// Nobody issues tokens here.
impl Issuers for Scripted {
    fn issuer(&self, _: &str) -> Option<Trusted> {
        None
    }
    fn has_issuers(&self) -> bool {
        false
    }
    fn issuer_urls(&self) -> Vec<String> {
        Vec::new()
    }
    fn issuer_named(&self, _: &Name) -> Option<Arc<identity::token::IssuerRules>> {
        None
    }
    async fn renew(&self, _: &str) {}
    fn verified(&self) -> &engine::VerifiedTokens {
        &self.verified
    }
    fn issuing(&self) -> Option<Arc<Issuing>> {
        None
    }
    async fn revoke(&self, _: LockTarget, _: UnixMillis, _: &Name) -> Result<(), RecordError> {
        Err(RecordError::Closed)
    }
}

impl Ledgers for Scripted {
    fn effective(&self, _: &Name) -> (Label, u64) {
        let script = self.script.lock().unwrap();
        (script.ledger.effective(), script.ledger.version())
    }
    fn observe(&self, _: &Name, origin: &str, label: Label, _: UnixMillis) -> u64 {
        let version = self.script.lock().unwrap().ledger.observe(origin, &label);
        self.log(Happened::Observed(origin.to_owned()));
        version
    }
}

impl Accounts for Scripted {
    fn counters(&self) -> &budget::Counters {
        &self.counters
    }
}

impl Records for Scripted {
    async fn accept(&self, record: Record) -> Result<u64, RecordError> {
        let mut script = self.script.lock().unwrap();
        if script.fail_records || (script.fail_edits && record.header.kind == EntryKind::Edit) {
            return Err(RecordError::Unavailable("scripted".to_owned()));
        }
        script.happened.push(Happened::Recorded(record.header.kind, record.header.reason));
        script.headers.push(record.header);
        let content = record.content.and_then(|content| serde_json::from_slice::<serde_json::Value>(&content).ok());
        script
            .inputs
            .extend(content.and_then(|content| serde_json::from_value(content.get("input").cloned().unwrap_or_default()).ok()));
        if let Some(target) = script.lock_after_record.take() {
            script.locks = script.locks.with(target.parse::<LockTarget>().unwrap(), LockKind::Kill);
        }
        if let Some(snapshot) = script.apply_after_record.take() {
            script.applied = Some(snapshot);
        }
        if self.desk.refuses_after_record.swap(false, Ordering::SeqCst) {
            self.desk.take_back(NOW);
        }
        Ok(1)
    }
    async fn durable(&self, record: Record) -> Result<u64, RecordError> {
        self.accept(record).await
    }
    fn submit(&self, record: Record) {
        self.log(Happened::Recorded(record.header.kind, record.header.reason));
        self.script.lock().unwrap().headers.push(record.header);
    }
    fn noise(&self, _: &str, reason: ReasonCode) {
        self.log(Happened::Noise(reason));
    }
    fn is_counted(&self, _: Option<&CredentialId>, _: &Chain, _: ReasonCode, _: usize) -> bool {
        self.script.lock().unwrap().is_flood
    }
}

pub(crate) struct Body(Arc<Mutex<Script>>);

impl ReplyBody for Body {
    async fn next(&mut self) -> Option<Result<Bytes, SendError>> {
        poll_fn(|_| {
            let mut script = self.0.lock().unwrap();
            match script.steps.front().cloned() {
                None => Poll::Ready(None),
                Some(Step::Piece(text)) => {
                    script.steps.pop_front();
                    Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes()))))
                }
                Some(Step::Pause) => {
                    script.steps.pop_front();
                    Poll::Pending
                }
                Some(Step::Break) => {
                    script.steps.pop_front();
                    Poll::Ready(Some(Err(SendError::Unreachable)))
                }
                Some(Step::Lock(target)) => {
                    script.steps.pop_front();
                    script.locks = script.locks.with(target.parse::<LockTarget>().unwrap(), LockKind::Kill);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Upstreams for Scripted {
    type Body = Body;
    async fn send(&self, attempt: Attempt<'_>) -> Result<(ReplyHead, Body), SendError> {
        let upstream = attempt.upstream().unwrap().to_string();
        self.log(Happened::Sent(upstream.clone(), String::from_utf8(attempt.body().to_vec()).unwrap()));
        let script = self.script.lock().unwrap();
        if script.unreachable.contains(upstream.as_str()) {
            return Err(SendError::Unreachable);
        }
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(script.content_type));
        Ok((ReplyHead { status: StatusCode::from_u16(script.status).unwrap(), headers }, Body(Arc::clone(&self.script))))
    }
    fn is_up(&self, upstream: &Name) -> bool {
        !self.script.lock().unwrap().down.contains(upstream.as_str())
    }
    fn remember(&self, upstream: &Name, is_ok: bool) {
        let mut script = self.script.lock().unwrap();
        if is_ok {
            script.down.remove(upstream.as_str())
        } else {
            script.down.insert(upstream.to_string())
        };
    }
}

impl Approvals for Scripted {
    type Place = ();
    fn approval(&self, _: &PrincipalId, _: &str) -> Result<Standing, Misfit> {
        Err(Misfit::Unknown)
    }
    async fn ask_approval(&self, wanted: Wanted, _: &CredentialId, _: &Terms) -> Result<Looked, ApprovalError> {
        let looked = self.desk.ask(wanted, NOW)?;
        self.log(Happened::Asked(looked.request.ask.id.to_string()));
        Ok(looked)
    }
    fn approval_request(&self, _: &PrincipalId, id: &str) -> Option<Looked> {
        self.desk.look(id, NOW)
    }
    async fn cancel_approval(&self, _: &PrincipalId, _: &CredentialId, _: &str) -> Result<Looked, ApprovalError> {
        Err(AskError::Unknown.into())
    }
    fn approval_of_call(&self, wanted: &Wanted, call: RequestId) -> Option<Standing> {
        self.desk.of_call(wanted, call, NOW)
    }
    async fn use_approval(&self, standing: &Standing, _: &CredentialId, _: &Chain, call: RequestId) -> Result<(), ApprovalError> {
        self.desk.use_up(&standing.approval, call, NOW)?;
        if self.desk.fails.load(Ordering::SeqCst) {
            return Err(RecordError::Closed.into());
        }
        self.log(Happened::UsedUp(standing.approval.to_string()));
        Ok(())
    }
    fn is_approved(&self, standing: &Standing, call: RequestId) -> bool {
        self.desk.is_there(&standing.approval, call, NOW)
    }
    fn hold(&self, _: &Chain) -> Option<()> {
        Some(())
    }
    fn approvals_version(&self) -> u64 {
        self.desk.version()
    }
    async fn approvals_moved_past(&self, _: u64) -> bool {
        std::future::pending().await
    }
}

impl engine::ports::Lending for Scripted {}

impl World for Scripted {
    fn random(&self) -> [u8; 10] {
        [9; 10]
    }
    fn entropy(&self) -> Option<[u8; 32]> {
        Some([9; 32])
    }
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.script.lock().unwrap().applied.as_ref().unwrap_or(&self.snapshot))
    }
    fn handles(&self) -> Arc<identity::Handles> {
        Arc::new(identity::Handles::new(&[[7; 32].into()]))
    }
    fn sessions(&self) -> &engine::Sessions {
        &self.sessions
    }

    fn origins(&self) -> &engine::Origins {
        &self.origins
    }
    fn observe_event(&self, _: &Event<'_>) {}
}

pub(crate) struct TestClient<'w> {
    pub(crate) world: &'w Scripted,
    pub(crate) body: Bytes,
    pub(crate) is_slow: bool,
    /// What was said of the length of the body.
    pub(crate) length: Option<usize>,
}

impl Client for TestClient<'_> {
    async fn body(&mut self, limit: usize) -> Result<Bytes, ReasonCode> {
        if self.body.len() > limit { Err(ReasonCode::BodyTooLarge) } else { Ok(self.body.clone()) }
    }
    fn begin(&mut self, status: StatusCode, headers: HeaderMap, length: Option<usize>) {
        assert!(headers.contains_key("x-request-id"), "every answer names its request");
        self.length = length;
        self.world.log(Happened::Begun(status.as_u16()));
    }
    async fn write(&mut self, piece: Released) -> Result<(), ReasonCode> {
        if self.is_slow {
            let target = self.world.script.lock().unwrap().lock_at_write.take();
            if let Some(target) = target {
                self.world.lock(target);
            }
            std::future::pending::<()>().await;
        }
        if let Some(length) = self.length.take() {
            assert_eq!(length, piece.len(), "the piece is the whole body");
        }
        self.world.log(Happened::Written(String::from_utf8(piece.into_bytes().to_vec()).unwrap()));
        Ok(())
    }
    fn end(&mut self) {}
    async fn gone(&mut self) {
        std::future::pending::<()>().await;
    }
    fn hurry(&mut self) {
        self.world.log(Happened::Hurried);
    }
    fn abort(&mut self) {
        self.world.log(Happened::Aborted);
    }
}

/// A protocol of four lines: requests `{"model","stream","text"}`, answers `{"text","note"}`, events `data: {"text"}`.
pub(crate) struct Toy;

/// What `cap` and the length of `text` say.
fn demand(document: &Document<'_>) -> Demand {
    let number = |key: &str| document.get(document.root(), key).and_then(|node| document.lexeme(node).parse().ok());
    // Something that is written where the text stands: beside an edit of the text, that cannot be done.
    let clash = document.get(document.root(), "clash").and_then(|_| document.get(document.root(), "text"));
    let tells_usage = clash.map(|text| Place { span: document.span(text), before: "", after: "" });
    Demand { input: number("input").unwrap_or(0), answers: 1, cap: number("cap").or(Some(0)), tells_usage, ..Demand::default() }
}

#[derive(Default)]
pub(crate) struct ToyEvents(Vec<u8>);

impl EventReader for ToyEvents {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ReasonCode> {
        self.0.extend_from_slice(bytes);
        while let Some(at) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=at).collect();
            let data = Bytes::copy_from_slice(line.strip_suffix(b"\n").unwrap());
            events.push(StreamEvent { raw: data.clone(), data: Some(data), ..StreamEvent::default() });
        }
        Ok(())
    }
    fn finish(&mut self) -> Result<(), ReasonCode> {
        if self.0.is_empty() { Ok(()) } else { Err(ReasonCode::UpstreamBrokeOff) }
    }
}

impl Voice for Toy {
    fn api(&self) -> Option<(Dialect, &'static str)> {
        Some((Dialect::Openai, "/toy"))
    }
    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_str(&request.to_string()).unwrap());
        (StatusCode::FORBIDDEN, headers, Bytes::from(refusal.code.to_string()))
    }
    fn stream_refusal(&self, refusal: &Refusal, _: RequestId) -> Bytes {
        Bytes::from(format!("!{}", refusal.code))
    }
    fn allow(&self, allowance: &budget::Allowance, headers: &mut HeaderMap) {
        if let Some(level) = allowance.tokens {
            headers.insert("left", HeaderValue::from(level.left));
        }
    }
}

impl Protocol for Toy {
    type Events = ToyEvents;
    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Openai)
    }
    fn upstream_path(&self) -> &'static str {
        "/toy"
    }
    fn understand(&self, _: &Head, document: &Document<'_>, _: &Snapshot) -> Result<Understood, Refusal> {
        let model = document.get(document.root(), "model").ok_or(ReasonCode::FieldMissing)?;
        let stream = document.get(document.root(), "stream").is_some();
        let text = document.text(model).ok_or(ReasonCode::FieldType)?.into_owned();
        let call = ModelCall {
            model: text,
            model_span: document.span(model),
            handles: Vec::new(),
            kept: None,
            unstored: None,
            demand: demand(document),
            functions: Vec::new(),
        };
        Ok(Understood { aim: Aim::Model(call), stream, effects: Vec::new(), uninspected: Vec::new(), joined: Vec::new() })
    }
    fn upstream_headers(&self, _: &Head) -> HeaderMap {
        HeaderMap::new()
    }
    fn client_headers(&self, _: &HeaderMap) -> HeaderMap {
        HeaderMap::new()
    }
    fn view(&self, document: &Document<'_>, _: Option<&str>, in_stream: bool) -> AnswerView {
        let lane = LeafUse::Piece { lane: LaneId("text".to_owned()), choice: 0, form: Form::Text };
        let text = document.get(document.root(), "text").filter(|_| in_stream);
        let count = |key: &str| {
            document.get(document.root(), key).and_then(|node| document.lexeme(node).parse::<u64>().ok()).unwrap_or(0)
        };
        let usage = Usage { input: count("read"), output: count("wrote"), ..Usage::default() };
        let reported = Reported { usage, is_read: usage.input > 0, is_written: usage.output > 0, is_to_come: false };
        let usage_untold = text.filter(|_| document.get(document.root(), "clash").is_some()).map(|text| document.span(text));
        let pieces = text.map(|node| (node, lane)).into_iter().collect();
        AnswerView { pieces, reported, usage_untold, ..AnswerView::default() }
    }
    fn is_end_mark(&self, data: &[u8]) -> bool {
        data == b"END"
    }
    fn events(&self, _: usize) -> ToyEvents {
        ToyEvents(Vec::new())
    }
    fn rewrite(&self, _: &StreamEvent, data: &[u8]) -> Bytes {
        Bytes::from([data, b"\n"].concat())
    }
}

impl Catalogue for Toy {
    fn model_list(&self, models: &[Name]) -> (HeaderMap, Bytes) {
        let names: Vec<&str> = models.iter().map(Name::as_str).collect();
        (HeaderMap::new(), Bytes::from(names.join(",")))
    }
    fn model_item(&self, model: &Name) -> (HeaderMap, Bytes) {
        (HeaderMap::new(), Bytes::from(format!("only {model}")))
    }
}

/// Polls until done. Every scripted wait is ready or becomes so by the script; a future that stays pending is a defect.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the interaction hangs");
}
