//! Calls to upstreams: pooled HTTP/1.1 connections per upstream and thread, keys added here and nowhere else. How a connection
//! comes about is [`crate::connect`]'s concern.
//!
//! INVARIANT: nothing leaves through this module but an [`Attempt`], whose headers come from an allow-list, so that the client's own
//! credential is not in it; and a [`Question`], of which [`crate::announced`] makes every byte, with the gate's own credential.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use engine::Attempt;
use engine::ports::{ReplyBody, ReplyHead, SendError};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use model::Name;

use crate::announced::Question;
use crate::connect::{Connector, Proxy, Trust};
use crate::health::Health;
use crate::inflate::{Inflate, InflateError};
use crate::tls::{UnusableMaterial, unusable};
use crate::workers;

/// Most bytes of headers an upstream may answer with; the HTTP library refuses more.
const MAX_HEADER_BUFFER: usize = 64 << 10;
/// Connections kept open per upstream and thread.
const IDLE_PER_UPSTREAM: usize = 64;

type HttpsClient = Client<Connector, Full<Bytes>>;

/// How an upstream takes its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer`.
    Bearer,
    /// `x-api-key`.
    XApiKey,
    /// `api-key`.
    ApiKey,
}

/// How an upstream is reached.
#[derive(Debug)]
pub struct Reach<'a> {
    /// How it is verified, and what is shown to it.
    pub trust: Trust<'a>,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// Longest wait for a connection, TLS and proxy included.
    pub connect: Duration,
}

/// One upstream as configured, with its connections and what is remembered of it.
pub struct Upstream {
    /// Scheme, authority and path prefix, without a trailing slash.
    base_url: String,
    /// The gate's credential there, as a header; marked sensitive.
    key: Option<(HeaderName, HeaderValue)>,
    /// How it is shown a credential of somebody's own, if it takes that in its place.
    lends: Option<KeyHeader>,
    /// One client per slot of [`workers`]: a connection belongs to the thread whose poller it is registered with.
    clients: Vec<HttpsClient>,
    health: Health,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").field("base_url", &self.base_url).field("has_key", &self.key.is_some()).finish()
    }
}

impl Upstream {
    /// Puts an upstream together; the key never prints.
    ///
    /// # Errors
    /// When the key holds characters that a header cannot, or a certificate cannot be used.
    pub fn new(base_url: &str, key: Option<(&str, KeyHeader)>, reach: Reach<'_>) -> Result<Self, UnusableMaterial> {
        let unprintable = |_| unusable("api_key", "it holds characters that no header can");
        let key = key.map(|(key, form)| header(key, form)).transpose().map_err(unprintable)?;
        let connector = Connector::new(&reach.trust, reach.proxy, reach.connect)?;
        let clients = std::iter::repeat_n(connector, workers::n_slots()).map(client).collect();
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { base_url, key, lends: None, clients, health: Health::default() })
    }

    /// The same, which is shown a credential of somebody's own, in this form.
    #[must_use]
    pub fn lending(self, form: KeyHeader) -> Self {
        Self { lends: Some(form), key: None, ..self }
    }
}

fn client(connector: Connector) -> HttpsClient {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(IDLE_PER_UPSTREAM)
        .http1_max_buf_size(MAX_HEADER_BUFFER)
        .build(connector)
}

fn header(key: &str, form: KeyHeader) -> Result<(HeaderName, HeaderValue), http::header::InvalidHeaderValue> {
    let (name, text) = match form {
        KeyHeader::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
        KeyHeader::XApiKey => (HeaderName::from_static("x-api-key"), key.to_owned()),
        KeyHeader::ApiKey => (HeaderName::from_static("api-key"), key.to_owned()),
    };
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Every upstream, swapped as one when a bundle is applied.
pub type UpstreamTable = BTreeMap<Name, Upstream>;

/// The way to every upstream.
#[derive(Debug)]
pub struct HttpUpstreams {
    table: Arc<ArcSwap<UpstreamTable>>,
}

impl HttpUpstreams {
    /// Calls to the upstreams in `table`, as it then stands.
    #[must_use]
    pub const fn new(table: Arc<ArcSwap<UpstreamTable>>) -> Self {
        Self { table }
    }

    /// Whether the last attempts at an upstream give hope for the next one, at `now` on a clock that never goes back.
    #[must_use]
    pub fn is_up(&self, upstream: &Name, now: Duration) -> bool {
        self.table.load().get(upstream).is_some_and(|upstream| upstream.health.is_up(now))
    }

    /// Remembers how an attempt went.
    pub fn remember(&self, upstream: &Name, is_ok: bool, now: Duration) {
        if let Some(found) = self.table.load().get(upstream)
            && found.health.remember(is_ok, now)
        {
            tracing::warn!(%upstream, "an upstream is passed over for a while: its last attempts failed");
        }
    }

    /// Sends one attempt and waits for the head of the answer.
    ///
    /// # Errors
    /// [`SendError`] when no acceptable head came back.
    pub async fn send(&self, attempt: Attempt<'_>) -> Result<(ReplyHead, HttpReplyBody), SendError> {
        let table = self.table.load_full();
        // A route to an upstream that a newer bundle no longer names is not served.
        let upstream = attempt.upstream().and_then(|name| table.get(name)).ok_or(SendError::Unreachable)?;
        let request = request(upstream, &attempt).ok_or(SendError::Malformed)?;
        exchange(upstream, request).await
    }

    /// Asks an upstream something that is nobody's call. One that takes credentials of somebody's own is not asked.
    ///
    /// # Errors
    /// [`SendError`] when no acceptable head came back.
    pub(crate) async fn ask(&self, upstream: &Name, question: &Question) -> Result<(ReplyHead, HttpReplyBody), SendError> {
        let table = self.table.load_full();
        let upstream = table.get(upstream).filter(|upstream| upstream.lends.is_none()).ok_or(SendError::Unreachable)?;
        let mut headers = question.headers.clone();
        headers.extend(upstream.key.clone());
        let told = Outgoing { method: &question.method, path: "", headers, body: question.body.clone() };
        exchange(upstream, told.to(upstream).ok_or(SendError::Malformed)?).await
    }
}

async fn exchange(upstream: &Upstream, request: Request<Full<Bytes>>) -> Result<(ReplyHead, HttpReplyBody), SendError> {
    let client = upstream.clients.get(workers::slot()).ok_or(SendError::Unreachable)?;
    let response = client.request(request).await.map_err(|error| classify(&error))?;
    let (parts, body) = response.into_parts();
    let inflate = Inflate::for_headers(&parts.headers).map_err(|InflateError| SendError::Malformed)?;
    Ok((ReplyHead { status: parts.status, headers: parts.headers }, HttpReplyBody { body, inflate }))
}

fn request(upstream: &Upstream, attempt: &Attempt<'_>) -> Option<Request<Full<Bytes>>> {
    let mut headers: HeaderMap = attempt.headers();
    match (upstream.lends, attempt.lent()) {
        (None, None) => headers.extend(upstream.key.clone()),
        // Operators may have given the upstream another address since it was lent.
        (Some(form), Some(lent)) if *lent.place == *upstream.base_url => {
            let (name, value) = header(lent.secret.expose(), form).ok()?;
            headers.insert(name, value);
        }
        // Without the one that it is to be shown, or with one that is for another upstream, nothing is sent.
        _ => return None,
    }
    Outgoing { method: attempt.method(), path: attempt.path(), headers, body: attempt.body() }.to(upstream)
}

/// What leaves, without what every request bears.
struct Outgoing<'a> {
    method: &'a http::Method,
    path: &'a str,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing<'_> {
    fn to(self, upstream: &Upstream) -> Option<Request<Full<Bytes>>> {
        let Self { method, path, mut headers, body } = self;
        let uri: Uri = format!("{}{path}", upstream.base_url).parse().ok()?;
        headers.insert(HOST, HeaderValue::from_str(uri.authority()?.as_str()).ok()?);
        // The client's own name for itself is free text and stays here.
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION"))));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // Scanners read plain text; an upstream that compresses all the same is inflated under a bound.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut request = Request::builder().method(method).uri(uri).body(Full::new(body)).ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }
}

fn classify(error: &hyper_util::client::legacy::Error) -> SendError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return SendError::Malformed;
        }
        source = inner.source();
    }
    // What was written may have been read, and done.
    if error.is_connect() { SendError::Unreachable } else { SendError::BrokeOff }
}

/// The body of an upstream's answer, inflated if need be.
#[derive(Debug)]
pub struct HttpReplyBody {
    body: Incoming,
    inflate: Inflate,
}

impl ReplyBody for HttpReplyBody {
    async fn next(&mut self) -> Option<Result<Bytes, SendError>> {
        loop {
            let Some(frame) = self.body.frame().await else {
                return self.inflate.finish().err().map(|InflateError| Err(SendError::Malformed));
            };
            let Ok(frame) = frame else { return Some(Err(SendError::Unreachable)) };
            let Ok(data) = frame.into_data() else { continue };
            match self.inflate.push(data) {
                Ok(plain) if plain.is_empty() => {}
                Ok(plain) => return Some(Ok(plain)),
                Err(InflateError) => return Some(Err(SendError::Malformed)),
            }
        }
    }
}
