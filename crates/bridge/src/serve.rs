//! The HTTP side: one endpoint on loopback, for whoever holds the token.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use identity::Secret;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::Settings;
use crate::answer::{self, Body, SESSION, failure};
use crate::message::{self, Sent};
use crate::server::Server;
use crate::table::{NoServer, Table};

/// Most connections at once; the gate keeps one per thread and call.
const CONNECTIONS: usize = 1024;
/// Between two looks for sessions that nobody uses.
const SWEEP: Duration = Duration::from_secs(1);
/// Pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// A bridge that serves; it stops, and its processes end, with this value.
pub struct Bridge {
    settings: Settings,
    address: SocketAddr,
    token: Secret,
    serving: JoinHandle<()>,
}

impl fmt::Debug for Bridge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bridge").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Shared {
    table: Table,
    settings: Settings,
    token: Secret,
}

impl Bridge {
    /// Begins to serve on a free port; starts no process yet. Inside a runtime that lives as long as the bridge.
    ///
    /// # Errors
    /// There is no port, or no randomness.
    pub async fn start(name: &str, settings: Settings) -> io::Result<Self> {
        let mut bytes = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no randomness"))?;
        let token = Secret::new(hex::encode(bytes));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let table = Table::new(name, settings.clone());
        let shared = Arc::new(Shared { table, settings: settings.clone(), token: token.clone() });
        let serving = tokio::spawn(serve(listener, shared));
        Ok(Self { settings, address, token, serving })
    }

    /// The address of its endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a request has to bear as bearer token.
    #[must_use]
    pub const fn token(&self) -> &Secret {
        &self.token
    }

    /// What it was started with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = sweep.tick() => {
                shared.table.sweep(Instant::now());
                continue;
            }
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            stream.set_nodelay(true).ok();
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(answered(&shared, request).await) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
            builder.serve_connection(TokioIo::new(stream), service).await.ok();
            drop(slot);
        });
    }
}

async fn answered(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let presented = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let is_known = presented.is_some_and(|token| verify_slices_are_equal(token, shared.token.expose().as_bytes()).is_ok());
    if !is_known {
        return answer::status(StatusCode::UNAUTHORIZED, "");
    }
    let (parts, body) = request.into_parts();
    let session = parts.headers.get(SESSION).map(|value| value.to_str().unwrap_or_default().to_owned());
    match parts.method {
        Method::POST => {}
        Method::DELETE => {
            let is_closed = session.is_some_and(|session| shared.table.close(&session));
            return answer::status(if is_closed { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }, "");
        }
        _ => {
            let mut response = answer::status(StatusCode::METHOD_NOT_ALLOWED, "");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, DELETE"));
            return response;
        }
    }
    let Ok(body) = Limited::new(body, shared.settings.message_bytes).collect().await else {
        return answer::status(StatusCode::PAYLOAD_TOO_LARGE, "the message is longer than `exec.message_bytes`");
    };
    let body = body.to_bytes();
    match message::sent(&body) {
        Ok(sent) => carried(shared, &body, sent, session).await,
        Err(fault) => answer::status(StatusCode::BAD_REQUEST, &fault.to_string()),
    }
}

/// Takes one message to its process, and what comes of it back.
async fn carried(shared: &Shared, body: &Bytes, sent: Sent, session: Option<String>) -> Response<Body> {
    let opens = matches!(sent, Sent::Request { opens: true, .. });
    let server = match &session {
        _ if opens => shared.table.open(),
        Some(session) => shared.table.of(session),
        None => shared.table.shared(),
    };
    let server = match server {
        Ok(server) => server,
        Err(NoServer::Unknown) => return answer::status(StatusCode::NOT_FOUND, "no such session"),
        Err(why) => return answer::status(StatusCode::SERVICE_UNAVAILABLE, &why.to_string()),
    };
    let Sent::Request { id, at, token, .. } = sent else {
        return match server.tell(body, &sent).await {
            Ok(()) => answer::status(StatusCode::ACCEPTED, ""),
            Err(why) => answer::status(StatusCode::SERVICE_UNAVAILABLE, &why),
        };
    };
    let shown = id.to_json();
    let mut waiting = match server.ask(body, id, &at, token.as_ref()).await {
        Ok(waiting) => waiting,
        Err(why) => return answer::whole(failure(&shown, &why)),
    };
    match tokio::time::timeout(shared.settings.call, waiting.first()).await {
        Err(_) => answer::whole(failure(&shown, "it said nothing in time")),
        Ok(Some(first)) if !opens => answer::stream(first, waiting, shown),
        // What is told before a session exists is told to nobody.
        Ok(_) => match waiting.answer.await.unwrap_or_else(|_| Err("it has ended".to_owned())) {
            Err(why) => answer::whole(failure(&shown, &why)),
            Ok(message) if opens => begun(shared, server, message),
            Ok(message) => answer::whole(message),
        },
    }
}

/// The answer to a handshake, with a session; none if the server refused.
fn begun(shared: &Shared, server: Arc<Server>, message: Bytes) -> Response<Body> {
    let is_taken = matches!(serde_json::from_slice::<serde_json::Value>(&message), Ok(value) if value.get("result").is_some());
    let mut response = answer::whole(message);
    let mut bytes = [0_u8; 16];
    if !is_taken || aws_lc_rs::rand::fill(&mut bytes).is_err() {
        server.end("its handshake failed");
        return response;
    }
    let session = hex::encode(bytes);
    if let Ok(value) = HeaderValue::from_str(&session) {
        response.headers_mut().insert(SESSION, value);
        shared.table.keep(session, server);
    }
    response
}
