//! Listening: accept, guard the framing, hand each request to a task of its own, drain.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::ports::Order;
use engine::ports::{Head, Step, World};
use engine::{Base, Endpoint, Opening};
use http::{HeaderMap, Method, Request};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::{Name, ReasonCode, Refusal, RequestId};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::a2a::{self, A2a};
use crate::access::forward::{Forwarded, Line};
use crate::access::{self, AccessVoice, Evaluator, Requester, Searcher, requests};
use crate::client::{Answer, Ending, HttpClient};
use crate::dialect::{self, Act, Api, Stored};
use crate::forwarded::TrustedProxies;
use crate::framing::{FramingGuard, Limits as FramingLimits, Verdict, canned, linger};
use crate::mcp::{self, Mcp};
use crate::oauth::{self, OauthVoice};
use crate::protocols::{ANTHROPIC, Adapter, OPENAI};
use crate::tls::{self, NotOpened, TlsListener};
use crate::trace::Tracing;
use crate::workers::{self, Accepted, Workers};

/// How long a cut connection may take to write its last word; a lock is in effect at the socket within 10 ms.
const MOMENT: Duration = Duration::from_millis(1);
/// Bytes that the system may keep for a slow client; it takes twice as much memory for them.
const SEND_BUFFER: usize = 128 << 10;
/// A body above this length, in bytes, is scanned beside the thread that serves its connection; scanning less takes about a
/// millisecond. Answers that are no stream are scanned on that thread whatever their length.
const LARGE: u64 = 128 << 10;

/// Bounds of the listener.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Most open connections; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Longest time for a request's head to arrive.
    pub head: Duration,
    /// Bounds of a request's head.
    pub framing: FramingLimits,
    /// Longest time that running interactions get when the gate drains.
    pub drain: Duration,
}

/// The interactions that run now, of so many at most. A clone is the same.
#[derive(Debug, Clone)]
pub struct Running {
    slots: Arc<Semaphore>,
    most: usize,
    /// Counted apart: while the gate drains, it holds slots itself.
    count: Arc<AtomicUsize>,
}

/// One that runs; counts itself off, however it ends.
#[derive(Debug)]
struct Slot {
    count: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Running {
    /// None yet, and never more than `most` at once; further ones are refused.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { slots: Arc::new(Semaphore::new(most)), most, count: Arc::default() }
    }

    /// One more, if there is room. What is refused for want of it is not counted.
    fn begin(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(Slot { count: Arc::clone(&self.count), _permit: permit })
    }

    /// How many run: from the head of a request until its outcome is in the log, which may be after its answer has left.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// How the data plane listens.
#[derive(Debug)]
pub struct Listening {
    /// TLS, if it speaks it.
    pub tls: Option<Arc<TlsListener>>,
    /// Who is believed about the address of a client.
    pub trusted: TrustedProxies,
    /// Whether and how calls are traced.
    pub tracing: Option<Tracing>,
    /// Bounds.
    pub limits: ServerLimits,
    /// What runs.
    pub running: Running,
}

/// Serves the data plane, with TLS or without, until `stop` turns true, then drains.
///
/// # Errors
/// When the listener itself fails in a way that does not pass.
pub async fn serve<W: World + 'static>(
    world: Arc<W>,
    listener: TcpListener,
    listening: Listening,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let Listening { tls, trusted, tracing, limits, running } = listening;
    let connections = Arc::new(Semaphore::new(limits.connections));
    let large = LargeCalls::start()?;
    let gate = Arc::new(Gate {
        world,
        tls,
        trusted,
        tracing,
        running: running.clone(),
        stop: stop.clone(),
        large: large.handle.clone(),
    });
    let drain = limits.drain;
    let [all_calls, all_connections] = [running.most, limits.connections].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let workers = Workers::start(
        move |stream, (peer, permit): (SocketAddr, OwnedSemaphorePermit)| {
            let (gate, limits) = (Arc::clone(&gate), limits.clone());
            async move {
                connection(gate, stream, peer.ip().to_canonical(), &limits).await;
                drop(permit);
            }
        },
        // Whatever had its time by then is over.
        Duration::from_millis(100),
    )?;
    loop {
        let permit = tokio::select! {
            () = stopping(&mut stop) => break,
            permit = Arc::clone(&connections).acquire_owned() => permit.map_err(io::Error::other)?,
        };
        let accepted = tokio::select! {
            () = stopping(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of descriptors or a connection that died in the queue: the next accept may work. The pause keeps a
            // listener without descriptors from spinning.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // A stream that cannot leave this thread's poller is of no use; its client sees the connection closed.
        if let Ok(stream) = stream.into_std() {
            workers.give(Accepted { stream, with: (peer, permit) });
        }
    }
    drop(listener);
    // Interactions run in tasks of their own; their outcomes are written before the permits return.
    let ended = tokio::time::timeout(drain, async {
        drop(running.slots.acquire_many(all_calls).await);
        drop(connections.acquire_many(all_connections).await);
    });
    if ended.await.is_err() {
        tracing::warn!("some calls did not end in time");
    }
    workers.join().await;
    Ok(())
}

/// The threads of calls with a large body: neither those that serve connections nor those of the admin API wait for them.
struct LargeCalls {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl LargeCalls {
    fn start() -> io::Result<Self> {
        let mut builder = runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(workers::count()).thread_name("large-bodies").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for LargeCalls {
    fn drop(&mut self) {
        // A runtime may not be waited for where this is dropped; its calls have ended, or had their time.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Ends when the gate stops, or when nobody is left who could stop it.
async fn stopping(stop: &mut watch::Receiver<bool>) {
    if let Ok(is_stopping) = stop.wait_for(|is_stopping| *is_stopping).await {
        drop(is_stopping);
    }
}

struct Gate<W> {
    world: Arc<W>,
    tls: Option<Arc<TlsListener>>,
    trusted: TrustedProxies,
    tracing: Option<Tracing>,
    running: Running,
    stop: watch::Receiver<bool>,
    /// Where calls with a large body run.
    large: Handle,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
struct Peer {
    address: IpAddr,
    /// The certificate that it has shown, DER.
    certificate: Option<Arc<[u8]>>,
}

/// One connection: TLS first if the listener speaks it.
async fn connection<W: World + 'static>(gate: Arc<Gate<W>>, stream: TcpStream, address: IpAddr, limits: &ServerLimits) {
    // Without it, small events of a stream would wait for the peer's acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // The system would let megabytes pile up for a client that does not read. If the bound cannot be set, they do.
    rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER).ok();
    // A second handle, to reset the connection: a slow reader would not see an ordinary end behind what it has not read.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let Some(tls) = &gate.tls else {
        let peer = Peer { address, certificate: None };
        return guarded(gate, stream, socket, peer, limits).await;
    };
    match tls.open(stream).await {
        Ok(stream) => {
            let peer = Peer { address, certificate: tls::client_certificate(&stream) };
            guarded(gate, stream, socket, peer, limits).await;
        }
        Err(NotOpened::Plain(stream)) => {
            gate.world.noise(&address.to_string(), ReasonCode::TlsExpected);
            refuse_plain(stream, socket, RequestId::new(gate.world.now(), gate.world.random())).await;
        }
        Err(NotOpened::Failed) => gate.world.noise(&address.to_string(), ReasonCode::TlsHandshakeFailed),
        Err(NotOpened::Gone) => {}
    }
}

/// Tells a client that speaks plain HTTP to a TLS port what is wrong, in its own words.
async fn refuse_plain(mut stream: TcpStream, socket: OwnedFd, request: RequestId) {
    let answer = canned(ReasonCode::TlsExpected, request);
    // A client that does not read it has missed it.
    drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(&answer)).await);
    linger(socket).await;
}

/// One connection whose bytes are in the clear: HTTP/1.1 behind the framing guard. `socket` is another handle of it.
async fn guarded<W: World + 'static, IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    gate: Arc<Gate<W>>,
    io: IO,
    socket: OwnedFd,
    peer: Peer,
    limits: &ServerLimits,
) {
    let guard = FramingGuard::new(io, limits.framing.clone(), RequestId::new(gate.world.now(), gate.world.random()));
    let verdict = guard.verdict();
    let ending = Arc::new(Ending::default());
    let service = {
        let (gate, ending, peer, verdict) = (Arc::clone(&gate), Arc::clone(&ending), peer.clone(), verdict.clone());
        service_fn(move |request| {
            verdict.begins();
            call(Arc::clone(&gate), Arc::clone(&ending), peer.clone(), request)
        })
    };
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(limits.framing.head_bytes.max(8192) + 8192);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(guard), service));
    let mut stop = gate.stop.clone();
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = ending.now.notified() => return reset(&socket),
        () = ending.soon.notified() => {
            // Whoever reads has the last word within the moment. Whoever does not is reset: an ordinary end would stand
            // behind everything that lies unread in the kernel's buffers, where nobody can see that it was cut.
            let moment = tokio::time::sleep(MOMENT);
            served.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(MOMENT, served.as_mut()).await);
            moment.await;
            return reset(&socket);
        }
        () = last(&mut stop, &verdict) => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served.as_mut() => ended,
                () = ending.now.notified() => return reset(&socket),
                () = ending.soon.notified() => return reset(&socket),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    if let Some(reason) = verdict.reason() {
        gate.world.noise(&peer.address.to_string(), reason);
        linger(socket).await;
    }
}

/// Ends when what runs on the connection is the last: the gate stops, or what came behind it was refused.
async fn last(stop: &mut watch::Receiver<bool>, verdict: &Verdict) {
    tokio::select! {
        () = stopping(stop) => {}
        () = verdict.last_begun() => {}
    }
}

/// Lets the close that follows drop what the client has not read, and tell it at once.
fn reset(socket: &OwnedFd) {
    // If it fails, the connection ends in the ordinary way.
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).ok();
}

/// One request: route, spawn, wait for the head of the answer.
async fn call<W: World + 'static>(
    gate: Arc<Gate<W>>,
    ending: Arc<Ending>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Answer, NoAnswer> {
    let (parts, incoming) = request.into_parts();
    let is_large = incoming.size_hint().upper().is_none_or(|length| length > LARGE);
    let (client, answer) = HttpClient::new(incoming, ending);
    let from = gate.trusted.client(peer.address, &parts.headers);
    let head = Head {
        peer: from.to_string(),
        is_proxy: gate.trusted.trusts(from),
        certificate: peer.certificate,
        trace: gate.tracing.map(|tracing| tracing.trace(&parts.headers, [(); 3].map(|()| gate.world.random()))),
        headers: parts.headers,
        query: parts.uri.query().map(ToOwned::to_owned),
    };
    let slot = gate.running.begin();
    let route =
        if slot.is_none() { Route::Refused(ReasonCode::Overloaded.into()) } else { Route::of(&parts.method, parts.uri.path()) };
    let is_anthropic = speaks_anthropic(&head.headers, parts.uri.path());
    let world = Arc::clone(&gate.world);
    workers::spawn(&gate.large, is_large, async move {
        serve_route(world.as_ref(), route, is_anthropic, &head, client).await;
        drop(slot);
    });
    answer.await.map_err(|_| NoAnswer)
}

/// The interaction's task ended without an answer: the connection is closed.
#[derive(Debug)]
struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("no answer")
    }
}

impl std::error::Error for NoAnswer {}

/// What the data plane serves.
enum Route {
    /// A call, and the model if the path names it.
    Call(Api, Option<String>),
    /// Something that the provider keeps, by its id.
    Stored(Act, String),
    Models,
    /// One model, by its id.
    Model(String),
    /// A message to a tool server.
    Mcp(Name, mcp::Verb),
    /// As much of it as is not there.
    NoMcp(Name, Refusal),
    /// Something about an agent; refused, if that is not how it is asked.
    A2a(Name, a2a::Verb, Option<Refusal>),
    /// What anybody may open.
    Open(Open),
    /// Questions of other enforcement points.
    Access(access::Endpoint),
    /// Requests for approval of other enforcement points.
    AccessRequest(Order),
    /// Another request as a whole, by its method and target: Envoy asks so.
    ExtAuthz(String, String),
    /// As much of it as is not there.
    NoAccess(Refusal),
    /// The gate as an issuer of tokens.
    Issuer(Endpoint),
    /// As much of it as is not there.
    NoIssuer(Refusal),
    Refused(Refusal),
}

/// What is served to whoever asks.
enum Open {
    /// Whose tokens open the tool server at this path.
    Resource(String),
    /// A page for people who connect themselves to an upstream.
    Connect(Step),
}

impl Route {
    fn of(method: &Method, path: &str) -> Self {
        let found = Api::at(path).map(|api| (api, None)).or_else(|| Api::at_azure(path));
        match found {
            Some((api, deployment)) if *method == Method::POST => return Self::Call(api, deployment.map(ToOwned::to_owned)),
            Some(_) => return Self::Refused(Refusal::because(ReasonCode::MethodNotAllowed, "use POST")),
            None => {}
        }
        match dialect::stored_at(path, method) {
            Some(Ok((act, id))) => return Self::Stored(act, id.to_owned()),
            Some(Err(refusal)) => return Self::Refused(refusal),
            None => {}
        }
        match mcp::at(path) {
            Some(Ok(server)) => {
                return match *method {
                    Method::POST => Self::Mcp(server, mcp::Verb::Tell),
                    Method::GET => Self::Mcp(server, mcp::Verb::Hear),
                    Method::DELETE => Self::Mcp(server, mcp::Verb::End),
                    _ => Self::NoMcp(server, Refusal::because(ReasonCode::MethodNotAllowed, "use POST")),
                };
            }
            Some(Err(())) => return Self::Refused(ReasonCode::RouteUnknown.into()),
            None => {}
        }
        match a2a::at(path) {
            Some(Ok((agent, verb))) => {
                let takes = if verb == a2a::Verb::Card { Method::GET } else { Method::POST };
                let wrong = || Refusal::because(ReasonCode::MethodNotAllowed, format!("use {takes}"));
                return Self::A2a(agent, verb, (*method != takes).then(wrong));
            }
            Some(Err(())) => return Self::Refused(ReasonCode::RouteUnknown.into()),
            None => {}
        }
        if let Some(Ok((agent, a2a::Verb::Tell))) = path.strip_prefix(engine::RESOURCE_METADATA).and_then(a2a::at) {
            return match *method {
                Method::GET => Self::Open(Open::Resource(format!("/a2a/{agent}"))),
                _ => Self::NoIssuer(Refusal::because(ReasonCode::MethodNotAllowed, "use GET")),
            };
        }
        if let Some(Ok(server)) = path.strip_prefix(engine::RESOURCE_METADATA).and_then(mcp::at) {
            return match *method {
                Method::GET => Self::Open(Open::Resource(engine::path_of(&server))),
                _ => Self::NoIssuer(Refusal::because(ReasonCode::MethodNotAllowed, "use GET")),
            };
        }
        match oauth::at(path) {
            Some((endpoint, takes)) if takes == *method => return Self::Issuer(endpoint),
            Some((_, takes)) => {
                return Self::NoIssuer(Refusal::because(ReasonCode::MethodNotAllowed, format!("use {takes}")));
            }
            None => {}
        }
        if let Some(step) = oauth::step(path, *method == Method::POST) {
            let only = || Self::NoIssuer(Refusal::because(ReasonCode::MethodNotAllowed, "use GET"));
            let is_asked = matches!(*method, Method::GET | Method::POST);
            return if is_asked { Self::Open(Open::Connect(step)) } else { only() };
        }
        match access::at(path) {
            Some((endpoint, takes)) if takes == *method => return Self::Access(endpoint),
            Some((_, takes)) => {
                return Self::NoAccess(Refusal::because(ReasonCode::MethodNotAllowed, format!("use {takes}")));
            }
            None if requests::at(path).is_some() => {
                return match requests::at(path) {
                    Some((order, takes)) if takes.contains(method) => Self::AccessRequest(order),
                    Some(_) | None => Self::NoAccess(ReasonCode::MethodNotAllowed.into()),
                };
            }
            None if access::ext_authz(path).is_some() => {
                let target = access::ext_authz(path).unwrap_or_default();
                return Self::ExtAuthz(method.to_string(), target.to_owned());
            }
            None if path.starts_with("/access/") => return Self::NoAccess(ReasonCode::RouteUnknown.into()),
            None => {}
        }
        match (path, method) {
            ("/v1/models", &Method::GET) => Self::Models,
            ("/v1/models", _) => Self::Refused(Refusal::because(ReasonCode::MethodNotAllowed, "use GET")),
            _ => match path.strip_prefix("/v1/models/") {
                // Ids are names, which need no percent encoding; one that has it is the id of nothing.
                Some(id) if *method == Method::GET && !id.contains('/') => Self::Model(id.to_owned()),
                Some(_) if *method != Method::GET => Self::Refused(Refusal::because(ReasonCode::MethodNotAllowed, "use GET")),
                Some(_) | None => Self::Refused(ReasonCode::RouteUnknown.into()),
            },
        }
    }
}

/// Whether refusals of what is no call are read by a client of Anthropic: its SDKs say so in a header, and below one path there is
/// nobody else.
fn speaks_anthropic(headers: &HeaderMap, path: &str) -> bool {
    headers.contains_key("anthropic-version")
        || path.strip_prefix("/v1/messages").is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'/')))
}

async fn serve_agent<W: World>(world: &W, a2a: A2a, refused: Option<Refusal>, head: &Head, client: &mut HttpClient) -> RequestId {
    let a2a = a2a.at(Base::here(world, head), Base::of(world, head));
    match refused {
        None => engine::interaction(world, &a2a, head, client).await,
        Some(refusal) => engine::turn_away(world, &a2a, head, client, &refusal).await,
    }
}

async fn serve_open<W: World>(world: &W, open: Open, head: &Head, client: &mut HttpClient) -> RequestId {
    match open {
        Open::Resource(path) => engine::publish_resource(world, &OauthVoice, head, client, &path).await,
        Open::Connect(step) => engine::connect(world, &OauthVoice, head, client, step).await,
    }
}

async fn serve_route<W: World>(world: &W, route: Route, speaks_anthropic: bool, head: &Head, mut client: HttpClient) {
    let client = &mut client;
    let voice = if speaks_anthropic { &ANTHROPIC } else { &OPENAI };
    match route {
        Route::Call(api, deployment) => {
            engine::interaction(world, &Adapter { api, deployment, stored: None }, head, client).await
        }
        Route::Stored(act, id) => {
            let stored = Some(Stored::new(id, act, head.query.as_deref()));
            engine::interaction(world, &Adapter { api: Api::Responses, deployment: None, stored }, head, client).await
        }
        Route::Mcp(server, verb) => {
            let opening = Opening::of(world, head, &engine::path_of(&server), &server);
            engine::interaction(world, &Mcp::by(server, verb).opened_by(opening).named(world.random()), head, client).await
        }
        Route::NoMcp(server, refusal) => {
            let opening = Opening::of(world, head, &engine::path_of(&server), &server);
            engine::turn_away(world, &Mcp::new(server).opened_by(opening), head, client, &refusal).await
        }
        Route::A2a(agent, verb, refused) => serve_agent(world, A2a::new(agent, verb), refused, head, client).await,
        Route::Open(open) => serve_open(world, open, head, client).await,
        Route::Models => engine::list_models(world, voice, head, client).await,
        Route::Model(id) => engine::show_model(world, voice, head, client, &id).await,
        Route::Access(access::Endpoint::Metadata) => {
            engine::publish_access(world, &AccessVoice::new(&head.headers), head, client).await
        }
        Route::Access(access::Endpoint::Forward) => {
            engine::answer_questions(world, &Forwarded::new(&head.headers, Line::InHeaders), head, client).await
        }
        Route::ExtAuthz(method, target) => {
            let asking = Forwarded::new(&head.headers, Line::Own { method, target });
            engine::answer_questions(world, &asking, head, client).await
        }
        Route::Access(access::Endpoint::Search(sought)) => {
            engine::search(world, &Searcher::new(&head.headers, sought), head, client).await
        }
        Route::Access(endpoint) => {
            let asking = Evaluator::new(&head.headers, endpoint == access::Endpoint::Evaluations);
            engine::answer_questions(world, &asking, head, client).await
        }
        Route::AccessRequest(order) => engine::request_access(world, &Requester::new(&head.headers, order), head, client).await,
        Route::NoAccess(refusal) => engine::turn_away(world, &AccessVoice::new(&head.headers), head, client, &refusal).await,
        Route::Issuer(endpoint) => engine::issuer(world, &OauthVoice, head, client, endpoint).await,
        Route::NoIssuer(refusal) => engine::turn_away(world, &OauthVoice, head, client, &refusal).await,
        Route::Refused(refusal) => engine::turn_away(world, voice, head, client, &refusal).await,
    };
}
