//! Connections to upstreams: TCP, the tunnel through a proxy if there is one, TLS to the upstream itself; all of it within one
//! time.
//!
//! A proxy is asked for a tunnel and for nothing else: TLS ends at the upstream, so a proxy sees a host name and a port, and
//! neither keys nor content.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, Uri};
use hyper_rustls::{DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream, ResolveServerName};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use crate::screen::{Resolver, Screen};
use crate::tls::{UnusableMaterial, mismatch, pair, roots, unusable};

/// Most bytes of a proxy's answer.
const MAX_ANSWER: usize = 8 << 10;
/// Most headers in it.
const MAX_HEADERS: usize = 64;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Wire = MaybeHttpsStream<TokioIo<TcpStream>>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// How the other side of a TLS connection is verified, and what is shown to it: PEM texts.
#[derive(Clone, Copy, Default)]
pub struct Trust<'a> {
    /// The authorities that are trusted, instead of Mozilla's.
    pub ca: Option<&'a [u8]>,
    /// A certificate of our own, and its key.
    pub client: Option<(&'a [u8], &'a [u8])>,
    /// The name that the other side's certificate has to bear and that it is asked for, if not the host's.
    pub server_name: Option<&'a str>,
}

impl fmt::Debug for Trust<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (has_ca, has_client) = (self.ca.is_some(), self.client.is_some());
        formatter.debug_struct("Trust").field("has_ca", &has_ca).field("has_client", &has_client).finish_non_exhaustive()
    }
}

/// A proxy that opens tunnels.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Scheme, host and port.
    pub uri: Uri,
    /// `Proxy-Authorization`; marked sensitive.
    pub authorization: Option<HeaderValue>,
    /// The authorities of its own certificate, if it speaks TLS, instead of Mozilla's: PEM.
    pub ca: Option<Vec<u8>>,
    /// How it is verified by them.
    pub tls: Arc<ClientConfig>,
}

/// What `tls` is made of says more than which one it is.
impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        (&self.uri, &self.authorization, &self.ca) == (&other.uri, &other.authorization, &other.ca)
    }
}

impl Eq for Proxy {}

/// A client's TLS: 1.3 and 1.2.
///
/// # Errors
/// [`UnusableMaterial`].
pub fn client_config(trust: &Trust<'_>) -> Result<Arc<ClientConfig>, UnusableMaterial> {
    let roots = match trust.ca {
        Some(pem) => roots("ca", pem)?,
        None => RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable("ca", error.to_string()))?.with_root_certificates(roots);
    let config = match trust.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, key) = pair(("client_certificate", certificate), ("client_key", key))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| mismatch("client_certificate", &error))?
        }
    };
    Ok(Arc::new(config))
}

/// Speaks TLS as a client with `host` over a connection to it.
///
/// # Errors
/// When the handshake fails, or nothing in `trust` can be used.
pub async fn speak_tls(stream: TcpStream, host: &str, trust: &Trust<'_>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(trust.server_name.unwrap_or(host).to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(client_config(trust).map_err(io::Error::other)?).connect(name, stream).await
}

/// Connects within a time.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: HttpsConnector<Tunnel>,
    patience: Duration,
}

impl Connector {
    /// Connects as `trust` says, through `proxy` if there is one, within `patience`.
    pub(crate) fn new(trust: &Trust<'_>, proxy: Option<Proxy>, patience: Duration) -> Result<Self, UnusableMaterial> {
        Self::with(trust, proxy, patience, None)
    }

    /// The same, for addresses that others may have named: where `screen` allows it.
    pub(crate) fn screened(
        trust: &Trust<'_>,
        proxy: Option<Proxy>,
        patience: Duration,
        screen: Screen,
    ) -> Result<Self, UnusableMaterial> {
        Self::with(trust, proxy, patience, Some(screen))
    }

    fn with(
        trust: &Trust<'_>,
        proxy: Option<Proxy>,
        patience: Duration,
        screen: Option<Screen>,
    ) -> Result<Self, UnusableMaterial> {
        let plain = |resolver| {
            let mut http = HttpConnector::new_with_resolver(resolver);
            http.enforce_http(false);
            http.set_nodelay(true);
            http.set_connect_timeout(Some(patience));
            http
        };
        let http = plain(Resolver::system());
        let screened = screen.map(|screen| (screen.clone(), plain(Resolver::through(screen))));
        let name: Arc<dyn ResolveServerName + Send + Sync> = match trust.server_name {
            None => Arc::new(DefaultServerNameResolver::default()),
            Some(name) => {
                let name = ServerName::try_from(name.to_owned()).map_err(|error| unusable("server_name", error.to_string()))?;
                Arc::new(FixedServerNameResolver::new(name))
            }
        };
        let tunnel = Tunnel { http, screened, proxy: proxy.map(Arc::new) };
        Ok(Self { inner: HttpsConnector::new(tunnel, client_config(trust)?, false, name), patience })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Wire>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.patience, self.inner.call(target));
        Box::pin(async move { connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? })
    }
}

/// A byte stream to the upstream: plain TCP, or a tunnel.
#[derive(Clone)]
struct Tunnel {
    http: HttpConnector<Resolver>,
    /// For addresses that no operator has written.
    screened: Option<(Screen, HttpConnector<Resolver>)>,
    proxy: Option<Arc<Proxy>>,
}

impl Service<Uri> for Tunnel {
    type Response = Wire;
    type Error = BoxError;
    type Future = Connecting<Wire>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let screened = self.screened.as_mut().filter(|(screen, _)| !screen.is_own(&target));
        // A proxy resolves names itself: there it is the proxy that keeps them out of networks.
        if let Some(Err(refused)) = screened.as_ref().map(|(screen, _)| screen.check(&target)) {
            return Box::pin(async move { Err(refused.into()) });
        }
        let Some(proxy) = self.proxy.clone() else {
            let connecting = screened.map_or(&mut self.http, |(_, http)| http).call(target);
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) });
        };
        let name = Arc::new(DefaultServerNameResolver::default());
        let mut to_proxy = HttpsConnector::new(self.http.clone(), Arc::clone(&proxy.tls), false, name);
        let connecting = to_proxy.call(proxy.uri.clone());
        Box::pin(async move {
            let mut wire = TokioIo::new(connecting.await?);
            ask(&mut wire, &target, proxy.authorization.as_ref()).await?;
            Ok(wire.into_inner())
        })
    }
}

//= https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
//# Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will switch to tunnel mode
/// Asks a proxy for a tunnel to `target`.
async fn ask(wire: &mut TokioIo<Wire>, target: &Uri, authorization: Option<&HeaderValue>) -> io::Result<()> {
    let host = target.host().ok_or_else(|| io::Error::other("no host"))?;
    let port = target.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
    let mut request = BytesMut::from(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").as_bytes());
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    wire.write_all(&request).await?;
    wire.flush().await?;
    let mut answer = BytesMut::with_capacity(1 << 10);
    loop {
        if wire.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::other("the proxy closed the connection instead of opening a tunnel"));
        }
        if let Some(status) = tunnel_status(&answer)? {
            if (200..300).contains(&status) {
                return Ok(());
            }
            tracing::warn!(status, "the proxy refused a tunnel");
            return Err(io::Error::other("the proxy refused a tunnel"));
        }
    }
}

/// The status of a proxy's answer, once its head is complete.
///
/// # Errors
/// What is no answer, one longer than 8 KiB, and one with bytes behind the head of a tunnel.
pub fn tunnel_status(answer: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(answer) {
        // An upstream waits for the first word of a client: what stands behind the head of a tunnel is not from it.
        Ok(httparse::Status::Complete(end)) if end < answer.len() && response.code.is_some_and(|code| code < 300) => {
            Err(io::Error::other("the proxy sent bytes of its own into the tunnel"))
        }
        Ok(httparse::Status::Complete(_)) => Ok(response.code),
        Ok(httparse::Status::Partial) if answer.len() < MAX_ANSWER => Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => Err(io::Error::other("the proxy's answer cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_ANSWER, tunnel_status};

    #[test]
    fn answers_of_proxies() {
        let facts: [(&str, Option<Option<u16>>); 9] = [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(Some(200))),
            ("HTTP/1.0 204 x\r\nVia: p\r\n\r\n", Some(Some(204))),
            ("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno", Some(Some(407))),
            ("HTTP/1.1 100 Continue\r\n\r\n", Some(Some(100))),
            ("HTTP/1.1 200 O", Some(None)),
            ("", Some(None)),
            ("HTTP/1.1 200 OK\r\n\r\n\x16", None),
            ("SSH-2.0-x\r\n\r\n", None),
            ("HTTP/1.1 2000 OK\r\n\r\n", None),
        ];
        for (answer, expected) in facts {
            assert_eq!(tunnel_status(answer.as_bytes()).ok(), expected, "{answer:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_ANSWER));
        assert!(tunnel_status(long.as_bytes()).is_err());
    }
}
