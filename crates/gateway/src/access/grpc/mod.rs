//! Envoy's `ext_authz` over gRPC, on a listener of its own: HTTP/2 without TLS, one method, messages bounded.
//!
//! The data plane speaks HTTP/1.1 behind the framing guard and stays as it is. Each check runs in a task of its own, so that what
//! it decided is recorded even if Envoy has gone.

mod check;
mod wire;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use engine::Released;
use engine::ports::{Client, Head, World};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::ReasonCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};

use self::check::Check;

/// The one method.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Most connections: an Envoy opens one per worker.
const MAX_CONNECTIONS: usize = 256;
/// Most checks at once.
const MAX_RUNNING: usize = 1024;
/// Most checks at once on one connection.
const MAX_STREAMS: u32 = 128;
/// Longest message, in bytes; what Envoy sends of a request's body is not read.
const MAX_MESSAGE: usize = 256 << 10;
/// Longest time for a message to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before each message: a byte that says whether it is compressed, and four of its length.
const PREFIX: usize = 5;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves checks until `stop` turns true; what runs then has a moment to end.
///
pub async fn serve<W: World + 'static>(world: Arc<W>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let running = Arc::new(Semaphore::new(MAX_RUNNING));
    loop {
        let accepted = tokio::select! {
            () = stopping(&mut stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Above the bound a connection is closed at once: Envoy comes back.
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let (world, running, stop) = (Arc::clone(&world), Arc::clone(&running), stop.clone());
        tokio::spawn(async move {
            connection(world, running, stream, peer, stop).await;
            drop(permit);
        });
    }
}

async fn connection<W: World + 'static>(
    world: Arc<W>,
    running: Arc<Semaphore>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    // Whoever connects and says nothing gives its place back.
    let speaks = tokio::time::timeout(PATIENCE, stream.readable()).await.is_ok_and(|readable| readable.is_ok());
    if !speaks || stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let (world, running) = (Arc::clone(&world), Arc::clone(&running));
        async move {
            Ok::<_, Infallible>(match running.try_acquire_owned() {
                Ok(_slot) => call(world, peer, request).await,
                Err(_) => failed(Status::ResourceExhausted, "too many checks at once"),
            })
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(16 << 10);
    builder.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(PATIENCE);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopping(&mut stop) => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(PATIENCE, served.as_mut()).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection for checks ended early");
    }
}

/// Whether a message reads as a `CheckRequest`.
#[must_use]
pub fn is_check(message: &[u8]) -> bool {
    Check::read(message).is_ok()
}

/// Ends when the gate stops, or when nobody is left who could stop it.
async fn stopping(stop: &mut watch::Receiver<bool>) {
    if let Ok(is_stopping) = stop.wait_for(|is_stopping| *is_stopping).await {
        drop(is_stopping);
    }
}

/// One check.
async fn call<W: World + 'static>(world: Arc<W>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    let is_grpc = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == b"application/grpc" || kind.as_bytes() == b"application/grpc+proto");
    if parts.uri.path() != CHECK || parts.method != Method::POST || !is_grpc {
        return failed(Status::Unimplemented, "this port serves envoy.service.auth.v3.Authorization/Check");
    }
    let message = match tokio::time::timeout(PATIENCE, message(incoming)).await {
        Ok(Some(message)) => message,
        Ok(None) => return failed(Status::InvalidArgument, "the message is too long, compressed, or cut"),
        Err(_) => return failed(Status::DeadlineExceeded, "the message did not arrive in time"),
    };
    let Ok(check) = Check::read(&message) else {
        return failed(Status::InvalidArgument, "the message is no CheckRequest");
    };
    let head = Head {
        peer: peer.ip().to_canonical().to_string(),
        is_proxy: false,
        certificate: None,
        headers: parts.headers,
        query: None,
        trace: None,
    };
    let (sender, answer) = oneshot::channel();
    tokio::spawn(async move {
        let mut client = Caller { answer: Some(sender), head: None };
        engine::answer_questions(world.as_ref(), &check, &head, &mut client).await;
    });
    match answer.await {
        Ok((StatusCode::OK, _, message)) => answered(&message),
        Ok((status, headers, _)) => {
            let reason = headers.get("x-portcullis-reason").and_then(|reason| reason.to_str().ok()).unwrap_or("refused");
            failed(Status::of(status), reason)
        }
        Err(_) => failed(Status::Unavailable, "no answer"),
    }
}

/// The one message of a call, without its prefix.
async fn message(incoming: Incoming) -> Option<Bytes> {
    let body = Limited::new(incoming, MAX_MESSAGE + PREFIX).collect().await.ok()?.to_bytes();
    let ([compressed, length @ ..], message) = body.split_first_chunk::<PREFIX>()?;
    let is_whole = *compressed == 0 && usize::try_from(u32::from_be_bytes(*length)).ok()? == message.len();
    is_whole.then(|| body.slice(PREFIX..))
}

/// gRPC's codes, as far as they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    InvalidArgument,
    DeadlineExceeded,
    PermissionDenied,
    ResourceExhausted,
    Unimplemented,
    Unavailable,
    Unauthenticated,
}

impl Status {
    const fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::PermissionDenied,
            StatusCode::TOO_MANY_REQUESTS => Self::ResourceExhausted,
            StatusCode::BAD_REQUEST => Self::InvalidArgument,
            _ => Self::Unavailable,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::InvalidArgument => "3",
            Self::DeadlineExceeded => "4",
            Self::PermissionDenied => "7",
            Self::ResourceExhausted => "8",
            Self::Unimplemented => "12",
            Self::Unavailable => "14",
            Self::Unauthenticated => "16",
        }
    }
}

fn answered(message: &[u8]) -> Response<Body> {
    let mut framed = BytesMut::with_capacity(message.len().saturating_add(PREFIX));
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(framed.freeze()).with_trailers(ready(Some(Ok(trailers))));
    with_type(Response::new(body.boxed_unsync()))
}

/// A call that came to no answer. Envoy takes it for a no, unless `failure_mode_allow` says otherwise.
fn failed(status: Status, message: &str) -> Response<Body> {
    let mut response = with_type(Response::new(Full::new(Bytes::new()).boxed_unsync()));
    response.headers_mut().insert(GRPC_STATUS, HeaderValue::from_static(status.code()));
    if let Ok(message) = HeaderValue::from_str(message) {
        response.headers_mut().insert(GRPC_MESSAGE, message);
    }
    response
}

fn with_type(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

type Told = (StatusCode, HeaderMap, Bytes);

/// Whoever waits for the one answer.
#[derive(Debug)]
struct Caller {
    answer: Option<oneshot::Sender<Told>>,
    head: Option<(StatusCode, HeaderMap)>,
}

impl Client for Caller {
    fn body(&mut self, _: usize) -> impl Future<Output = Result<Bytes, ReasonCode>> + Send {
        // The message was read before anybody was asked.
        ready(Ok(Bytes::new()))
    }

    fn begin(&mut self, status: StatusCode, headers: HeaderMap, _: Option<usize>) {
        self.head = Some((status, headers));
    }

    async fn write(&mut self, piece: Released) -> Result<(), ReasonCode> {
        let (Some(answer), Some((status, headers))) = (self.answer.take(), self.head.take()) else {
            return Err(ReasonCode::Internal);
        };
        answer.send((status, headers, piece.into_bytes())).map_err(|_| ReasonCode::ClientGone)
    }

    fn end(&mut self) {
        // An answer without a body is told by its head alone.
        if let (Some(answer), Some((status, headers))) = (self.answer.take(), self.head.take()) {
            drop(answer.send((status, headers, Bytes::new())));
        }
    }

    async fn gone(&mut self) {
        if let Some(answer) = &mut self.answer {
            answer.closed().await;
        }
    }

    fn hurry(&mut self) {}

    fn abort(&mut self) {
        self.answer = None;
    }
}
