//! Every wait of the path, on a clock that stands still until nothing else can happen and then jumps to the next wake-up.

use std::collections::{BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use engine::ports::{
    Accounts, ApprovalError, Approvals, Client, Clock, Credentials, Epoch, Issuers, Issuing, Ledgers, Looked, Protocol, Record,
    Records, ReplyBody, ReplyHead, SendError, Trusted, Upstreams, World,
};
use engine::{Attempt, Event, Limits, Off, Released, Snapshot};
use evidence::RecordError;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{
    Chain, Credential, CredentialId, Digest, Label, LockSet, LockTarget, Name, PrincipalId, ReasonCode, RequestId, UnixMillis,
};
use response::{AskError, Misfit, Standing, Terms, Wanted};

use crate::desk::Meanwhile;
use crate::world::{Happened, NOW, Scripted, Toy, scripted};
use crate::{PERMIT, written};

const NEVER: Duration = Duration::MAX;
const AT_ONCE: Duration = Duration::ZERO;

/// The clock, and when somebody wants to be woken.
#[derive(Debug, Default)]
pub(crate) struct Time {
    now: Mutex<Duration>,
    wakes: Mutex<BTreeSet<Duration>>,
}

impl Time {
    pub(crate) fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    /// Ends when the clock stands at `at` or later.
    async fn reach(&self, at: Duration) {
        poll_fn(|_| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            self.wakes.lock().unwrap().insert(at);
            Poll::Pending
        })
        .await;
    }

    async fn pass(&self, duration: Duration) {
        self.reach(self.now().saturating_add(duration)).await;
    }

    /// To the next wake-up; `false` if nobody waits for any.
    fn jump(&self) -> bool {
        let next = self.wakes.lock().unwrap().pop_first().filter(|next| *next < NEVER);
        next.is_some_and(|next| {
            let mut now = self.now.lock().unwrap();
            *now = next.max(*now);
            true
        })
    }
}

/// Whether somebody who gave way wants to go on.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How long everybody takes.
#[derive(Debug, Clone)]
pub(crate) struct Slow {
    /// Until the request's body is there.
    body: Duration,
    /// Until an upstream's head is there.
    head: Duration,
    /// The pieces of the answer, each with the pause before it.
    pieces: Vec<(Duration, &'static str)>,
    /// Until the client has taken a piece.
    client: Duration,
    /// Until the log has accepted an entry.
    log: Duration,
}

impl Default for Slow {
    fn default() -> Self {
        Self { body: AT_ONCE, head: AT_ONCE, pieces: vec![(AT_ONCE, "{\"text\":\"hi\"}\n")], client: AT_ONCE, log: AT_ONCE }
    }
}

pub(crate) struct Paused {
    pub(crate) scripted: Scripted,
    pub(crate) time: Arc<Time>,
    pub(crate) slow: Slow,
}

impl Clock for Paused {
    fn now(&self) -> UnixMillis {
        self.scripted.now()
    }
    fn monotonic(&self) -> Duration {
        self.time.now()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.time.pass(duration)
    }
}

impl Epoch for Paused {
    fn locks(&self) -> Arc<LockSet> {
        self.scripted.locks()
    }
    async fn moved_past(&self, seen: u64) {
        self.scripted.moved_past(seen).await;
    }
}

impl Credentials for Paused {
    fn credential(&self, hash: &Digest) -> Option<Arc<Credential>> {
        self.scripted.credential(hash)
    }
    fn credential_by_id(&self, id: &Name) -> Option<Arc<Credential>> {
        self.scripted.credential_by_id(id)
    }
    fn credentials_of(&self, subject: &PrincipalId, actor: &PrincipalId) -> Vec<Arc<Credential>> {
        self.scripted.credentials_of(subject, actor)
    }
}

impl Issuers for Paused {
    fn issuer(&self, url: &str) -> Option<Trusted> {
        self.scripted.issuer(url)
    }
    fn has_issuers(&self) -> bool {
        self.scripted.has_issuers()
    }
    fn issuer_urls(&self) -> Vec<String> {
        self.scripted.issuer_urls()
    }
    fn issuer_named(&self, name: &Name) -> Option<Arc<identity::token::IssuerRules>> {
        self.scripted.issuer_named(name)
    }
    async fn renew(&self, url: &str) {
        self.scripted.renew(url).await;
    }
    fn issuing(&self) -> Option<Arc<Issuing>> {
        self.scripted.issuing()
    }
    fn verified(&self) -> &engine::VerifiedTokens {
        self.scripted.verified()
    }
    async fn revoke(&self, target: LockTarget, ends: UnixMillis, by: &Name) -> Result<(), RecordError> {
        self.scripted.revoke(target, ends, by).await
    }
}

impl Ledgers for Paused {
    fn effective(&self, ledger: &Name) -> (Label, u64) {
        self.scripted.effective(ledger)
    }
    fn observe(&self, ledger: &Name, origin: &str, label: Label, at: UnixMillis) -> u64 {
        self.scripted.observe(ledger, origin, label, at)
    }
}

impl Accounts for Paused {
    fn counters(&self) -> &budget::Counters {
        self.scripted.counters()
    }
}

impl Records for Paused {
    async fn accept(&self, record: Record) -> Result<u64, RecordError> {
        self.time.pass(self.slow.log).await;
        self.scripted.accept(record).await
    }
    async fn durable(&self, record: Record) -> Result<u64, RecordError> {
        self.accept(record).await
    }
    fn submit(&self, record: Record) {
        self.scripted.submit(record);
    }
    fn noise(&self, peer: &str, reason: ReasonCode) {
        self.scripted.noise(peer, reason);
    }
    fn is_counted(&self, credential: Option<&CredentialId>, chain: &Chain, reason: ReasonCode, length: usize) -> bool {
        self.scripted.is_counted(credential, chain, reason, length)
    }
}

pub(crate) struct Drip {
    time: Arc<Time>,
    pieces: VecDeque<(Duration, &'static str)>,
    /// When the first piece is there, once it was asked for: a wait that is dropped loses nothing.
    due: Option<Duration>,
}

impl ReplyBody for Drip {
    async fn next(&mut self) -> Option<Result<Bytes, SendError>> {
        let (pause, piece) = self.pieces.front().copied()?;
        let due = *self.due.get_or_insert_with(|| self.time.now().saturating_add(pause));
        self.time.reach(due).await;
        self.due = None;
        self.pieces.pop_front();
        Some(Ok(Bytes::from_static(piece.as_bytes())))
    }
}

impl Upstreams for Paused {
    type Body = Drip;
    async fn send(&self, attempt: Attempt<'_>) -> Result<(ReplyHead, Drip), SendError> {
        self.scripted.log(Happened::Sent(attempt.upstream().unwrap().to_string(), String::new()));
        self.time.pass(self.slow.head).await;
        let is_stream = attempt.body().windows(8).any(|window| window == b"\"stream\"");
        let kind = if is_stream { "text/event-stream" } else { "application/json" };
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let body = Drip { time: Arc::clone(&self.time), pieces: self.slow.pieces.clone().into(), due: None };
        Ok((ReplyHead { status: StatusCode::OK, headers }, body))
    }
    fn is_up(&self, upstream: &Name) -> bool {
        self.scripted.is_up(upstream)
    }
    fn remember(&self, upstream: &Name, is_ok: bool) {
        self.scripted.remember(upstream, is_ok);
    }
}

impl Approvals for Paused {
    type Place = ();
    fn approval(&self, by: &PrincipalId, approval: &str) -> Result<Standing, Misfit> {
        self.scripted.approval(by, approval)
    }
    async fn ask_approval(&self, wanted: Wanted, credential: &CredentialId, terms: &Terms) -> Result<Looked, ApprovalError> {
        self.scripted.ask_approval(wanted, credential, terms).await
    }
    fn approval_request(&self, by: &PrincipalId, id: &str) -> Option<Looked> {
        self.scripted.approval_request(by, id)
    }
    async fn cancel_approval(&self, _: &PrincipalId, _: &CredentialId, _: &str) -> Result<Looked, ApprovalError> {
        Err(AskError::Unknown.into())
    }
    fn approval_of_call(&self, wanted: &Wanted, call: RequestId) -> Option<Standing> {
        self.scripted.approval_of_call(wanted, call)
    }
    async fn use_approval(
        &self,
        standing: &Standing,
        credential: &CredentialId,
        chain: &Chain,
        call: RequestId,
    ) -> Result<(), ApprovalError> {
        self.scripted.use_approval(standing, credential, chain, call).await
    }
    fn is_approved(&self, standing: &Standing, call: RequestId) -> bool {
        self.scripted.is_approved(standing, call)
    }
    fn hold(&self, chain: &Chain) -> Option<()> {
        self.scripted.hold(chain)
    }
    fn approvals_version(&self) -> u64 {
        self.scripted.approvals_version()
    }
    async fn approvals_moved_past(&self, _: u64) -> bool {
        let desk = &self.scripted.desk;
        let next = desk.meanwhile.lock().unwrap().front().cloned();
        let Some((at, what)) = next else { return std::future::pending().await };
        self.time.reach(at).await;
        desk.meanwhile.lock().unwrap().pop_front();
        match what {
            Meanwhile::Yes => desk.say(true, NOW),
            Meanwhile::No => desk.say(false, NOW),
            Meanwhile::Taken => desk.take(NOW),
            Meanwhile::Kill(target) => self.scripted.lock(target),
            Meanwhile::Ends => return false,
            Meanwhile::Nothing => {}
        }
        true
    }
}

impl engine::ports::Lending for Paused {}

impl World for Paused {
    fn random(&self) -> [u8; 10] {
        [self.scripted.desk.next(); 10]
    }
    fn entropy(&self) -> Option<[u8; 32]> {
        self.scripted.entropy()
    }
    fn handles(&self) -> Arc<identity::Handles> {
        self.scripted.handles()
    }
    fn sessions(&self) -> &engine::Sessions {
        self.scripted.sessions()
    }

    fn origins(&self) -> &engine::Origins {
        self.scripted.origins()
    }
    fn snapshot(&self) -> Arc<Snapshot> {
        World::snapshot(&self.scripted)
    }
    fn observe_event(&self, _: &Event<'_>) {}
}

struct SlowClient<'w> {
    world: &'w Paused,
    body: &'static str,
    /// When it leaves.
    leaves: Duration,
}

impl Client for SlowClient<'_> {
    async fn body(&mut self, _: usize) -> Result<Bytes, ReasonCode> {
        self.world.time.pass(self.world.slow.body).await;
        Ok(Bytes::from_static(self.body.as_bytes()))
    }
    fn begin(&mut self, status: StatusCode, _: HeaderMap, _: Option<usize>) {
        self.world.scripted.log(Happened::Begun(status.as_u16()));
    }
    async fn write(&mut self, piece: Released) -> Result<(), ReasonCode> {
        self.world.time.pass(self.world.slow.client).await;
        self.world.scripted.log(Happened::Written(String::from_utf8(piece.into_bytes().to_vec()).unwrap()));
        Ok(())
    }
    fn end(&mut self) {}
    async fn gone(&mut self) {
        self.world.time.reach(self.leaves).await;
    }
    fn hurry(&mut self) {
        self.world.scripted.log(Happened::Hurried);
    }
    fn abort(&mut self) {
        self.world.scripted.log(Happened::Aborted);
    }
}

const WHOLE: &str = "{\"model\":\"small\"}";
const STREAM: &str = "{\"model\":\"small\",\"stream\":true}";
const EVENT: &str = "{\"text\":\"hi\"}\n";
/// One that nothing holds back.
const SAID: &str = "{\"text\":\"hi, \"}\n";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// One interaction: what happened, and where the clock stood at its end.
fn ask(body: &'static str, slow: Slow) -> (Vec<Happened>, Duration) {
    ask_with(body, slow, None)
}

/// The same with a credential that ends so many seconds later.
fn ask_with(body: &'static str, slow: Slow, ends: Option<u64>) -> (Vec<Happened>, Duration) {
    let world = world(slow, ends);
    run(&world, body);
    (world.scripted.happened(), world.time.now())
}

fn world(slow: Slow, ends: Option<u64>) -> Paused {
    let mut scripted = scripted(PERMIT, Off::default());
    Arc::get_mut(&mut scripted.credential).unwrap().expires = ends.map(|seconds| NOW.plus_seconds(seconds));
    let limits = Limits {
        body: seconds(7),
        first_byte: seconds(11),
        idle: seconds(13),
        total: seconds(60),
        client_write: seconds(17),
        ..Limits::default()
    };
    Arc::get_mut(&mut scripted.snapshot).unwrap().limits = limits;
    Paused { scripted, time: Arc::default(), slow }
}

fn run(world: &Paused, body: &'static str) {
    run_with(world, &Toy, body, NEVER);
}

/// One interaction by a protocol, with a client that leaves at some time.
pub(crate) fn run_with<P: Protocol>(world: &Paused, protocol: &P, body: &'static str, leaves: Duration) {
    let mut client = SlowClient { world, body, leaves };
    let head = world.scripted.head();
    let mut call = pin!(engine::interaction(world, protocol, &head, &mut client));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    while call.as_mut().poll(&mut context).is_pending() {
        // Whoever only gave way goes on at once; when nobody can, time passes.
        if !woken.0.swap(false, Ordering::SeqCst) {
            assert!(world.time.jump(), "the interaction hangs at {:?}: {:#?}", world.time.now(), world.scripted.happened());
        }
    }
}

/// The last thing recorded is an outcome, under this code.
fn ended(happened: &[Happened], code: ReasonCode) -> bool {
    let recorded = happened.iter().rev().find_map(|what| if let Happened::Recorded(_, reason) = what { *reason } else { None });
    recorded == Some(code)
}

fn n_sent(happened: &[Happened]) -> usize {
    happened.iter().filter(|what| matches!(what, Happened::Sent(..))).count()
}

#[test]
fn waits_end_at_their_limits_and_not_before() {
    let slow = Slow::default;
    let hang = |after: usize| Slow { pieces: [vec![(seconds(1), EVENT); after], vec![(NEVER, EVENT)]].concat(), ..slow() };
    let facts: [(&str, &str, Slow, ReasonCode, Duration, usize); 9] = [
        ("nobody is slow", WHOLE, slow(), ReasonCode::Permitted, AT_ONCE, 1),
        ("a body at its limit", WHOLE, Slow { body: seconds(6), ..slow() }, ReasonCode::Permitted, seconds(6), 1),
        ("no body", WHOLE, Slow { body: NEVER, ..slow() }, ReasonCode::BodyTimeout, seconds(7), 0),
        // Each of the two destinations has its time.
        ("no head", WHOLE, Slow { head: NEVER, ..slow() }, ReasonCode::UpstreamTimeout, seconds(22), 2),
        ("a late head", WHOLE, Slow { head: seconds(10), ..slow() }, ReasonCode::Permitted, seconds(10), 1),
        ("an answer that stops", WHOLE, hang(0), ReasonCode::UpstreamTimeout, seconds(13), 1),
        ("a stream that stops at once", STREAM, hang(0), ReasonCode::UpstreamTimeout, seconds(13), 1),
        ("a stream that stops later", STREAM, hang(4), ReasonCode::UpstreamTimeout, seconds(17), 1),
        (
            "a drip without end",
            STREAM,
            Slow { pieces: vec![(seconds(12), EVENT); 99], ..slow() },
            ReasonCode::UpstreamTimeout,
            seconds(60),
            1,
        ),
    ];
    for (title, body, slow, code, at, sent) in facts {
        let (happened, now) = ask(body, slow);
        assert!(ended(&happened, code), "{title}: {happened:#?}");
        assert_eq!((now, n_sent(&happened)), (at, sent), "{title}");
        let told = happened.iter().any(|what| matches!(what, Happened::Begun(_)));
        assert!(told, "{title}: the client was told something");
        if code != ReasonCode::Permitted {
            assert!(written(&happened).contains(&code.to_string()), "{title}: {happened:#?}");
        }
    }
}

#[test]
fn silence_in_a_stream_that_breaks_off_is_charged() {
    const LONG: &str = "{\"model\":\"small\",\"stream\":true,\"input\":10,\"cap\":2000}";
    let said = budget::tokens(b"hi");
    let steps = |pieces: &[(u64, usize)], last: Duration| {
        let many = pieces.iter().flat_map(|(pause, n_pieces)| vec![(seconds(*pause), EVENT); *n_pieces]);
        Slow { pieces: many.chain([(last, EVENT)]).collect(), ..Slow::default() }
    };
    let facts: [(&str, Slow, u64); 6] = [
        ("nothing came for 13 seconds", steps(&[], NEVER), 1300),
        // Two destinations, 11 seconds each: never more than was reserved.
        ("no head came", Slow { head: NEVER, ..Slow::default() }, 2000),
        ("a piece a second, then nothing", steps(&[(1, 4)], NEVER), 4 * said + 1200),
        ("thought for six seconds, then a piece", steps(&[(6, 1)], NEVER), said + 500 + 1200),
        ("thoughts between pieces", steps(&[(0, 2), (5, 1)], NEVER), 3 * said + 400 + 1200),
        ("one that came to its end", steps(&[(10, 3)], seconds(10)), 4 * said),
    ];
    for (title, slow, output) in facts {
        let world = world(slow, None);
        run(&world, LONG);
        let script = world.scripted.script.lock().unwrap();
        let charge = script.headers.iter().rev().find_map(|header| header.charge.clone()).unwrap();
        assert_eq!((charge.usage.output, charge.is_estimate), (output.min(2000), true), "{title}");
    }
}

#[test]
fn a_client_that_does_not_read_is_broken_off() {
    let (happened, now) = ask(WHOLE, Slow { client: seconds(16), ..Slow::default() });
    assert!(ended(&happened, ReasonCode::Permitted) && now == seconds(16), "{now:?} {happened:#?}");
    let (happened, now) = ask(WHOLE, Slow { client: NEVER, ..Slow::default() });
    assert!(ended(&happened, ReasonCode::ClientTooSlow) && happened.contains(&Happened::Aborted), "{happened:#?}");
    assert_eq!(now, seconds(17));
}

#[test]
fn a_flood_ends_with_the_total_too() {
    // Events that are there together leave together, some hundreds at a time.
    let pieces = vec![(AT_ONCE, EVENT); 20_000];
    let (happened, now) = ask(STREAM, Slow { pieces, client: seconds(5), ..Slow::default() });
    assert!(ended(&happened, ReasonCode::UpstreamTimeout), "{now:?}");
    // What is on its way when the time is over, and the refusal behind it.
    assert!(now >= seconds(60) && now <= seconds(75), "{now:?}");
}

#[test]
fn a_slow_log_delays_and_loses_nothing() {
    let (happened, now) = ask(WHOLE, Slow { log: seconds(3), ..Slow::default() });
    assert!(ended(&happened, ReasonCode::Permitted), "{happened:#?}");
    assert!(now >= seconds(3), "the intent is waited for: {now:?}");
}

#[test]
fn nothing_outlives_its_credential() {
    let drip = || Slow { pieces: vec![(seconds(2), SAID); 20], ..Slow::default() };
    let facts: [(&str, &str, Slow, u64, usize); 6] = [
        ("between two pieces", STREAM, drip(), 9, 4),
        ("while nothing comes", STREAM, Slow { pieces: vec![(AT_ONCE, SAID), (NEVER, SAID)], ..Slow::default() }, 3, 1),
        ("while the client does not read", STREAM, Slow { client: seconds(15), ..drip() }, 5, 0),
        ("before the head", WHOLE, Slow { head: seconds(10), ..Slow::default() }, 4, 0),
        ("before the body", WHOLE, Slow { body: seconds(6), ..Slow::default() }, 1, 0),
        ("in the middle of a document", WHOLE, Slow { pieces: vec![(seconds(9), "{}")], ..Slow::default() }, 8, 0),
    ];
    for (title, body, slow, ends, n_pieces) in facts {
        let client = slow.client;
        let (happened, now) = ask_with(body, slow, Some(ends));
        assert!(ended(&happened, ReasonCode::CredentialExpired), "{title}: {happened:#?}");
        let is_piece = |what: &&Happened| matches!(what, Happened::Written(text) if text == SAID);
        assert_eq!(happened.iter().filter(is_piece).count(), n_pieces, "{title}: {happened:#?}");
        if client == AT_ONCE {
            assert_eq!(now, seconds(ends), "{title}");
        } else {
            assert!(happened.contains(&Happened::Aborted) && now == seconds(ends), "{title}: {now:?}");
        }
    }
    // What ends in time is not touched, and a flood is cut as well as a drip.
    let (happened, now) = ask_with(STREAM, drip(), Some(41));
    assert!(ended(&happened, ReasonCode::Permitted) && now == seconds(40), "{now:?} {happened:#?}");
    let flood = Slow { pieces: vec![(AT_ONCE, SAID); 20_000], client: seconds(5), ..Slow::default() };
    let (happened, now) = ask_with(STREAM, flood, Some(12));
    assert!(ended(&happened, ReasonCode::CredentialExpired) && now <= seconds(15), "{now:?}");
}
