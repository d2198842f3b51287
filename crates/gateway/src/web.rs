//! Small documents of other servers: asked for within a time, of a bounded length, through a screen, and no redirect is followed.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::connect::{Connector, Proxy, Trust};
use crate::issuers::is_fetchable;
use crate::screen::Screen;
use crate::tls::UnusableMaterial;

/// Most bytes of headers.
const MAX_HEADER_BUFFER: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// Nothing is asked there.
    #[error("`{0}` is neither https nor on this machine")]
    Address(String),
    /// No connection, or a network that is not reached.
    #[error("`{0}` does not answer, or lies in a network that is not reached: see `private_networks`")]
    Unreachable(String),
    /// Too slow.
    #[error("`{0}` does not answer in time")]
    Late(String),
    /// Too long, or broken off.
    #[error("the answer of `{0}` is longer than {1} bytes, or breaks off")]
    TooLong(String, usize),
}

/// A form that is sent.
pub struct Sent<'a> {
    /// The body, of the type `application/x-www-form-urlencoded`.
    pub form: &'a str,
    /// `Authorization`, if any; marked sensitive.
    pub authorization: Option<HeaderValue>,
}

impl fmt::Debug for Sent<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sent({} bytes)", self.form.len())
    }
}

/// Asks other servers; it keeps no connection.
pub struct Web {
    client: Client<Connector, Full<Bytes>>,
    patience: Duration,
}

impl fmt::Debug for Web {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Web").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Web {
    /// Asks within `patience`, where `screen` allows it.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub fn new(ca: Option<&[u8]>, proxy: Option<Proxy>, screen: Screen, patience: Duration) -> Result<Self, UnusableMaterial> {
        let trust = Trust { ca, ..Trust::default() };
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(MAX_HEADER_BUFFER)
            .build(Connector::screened(&trust, proxy, patience, screen)?);
        Ok(Self { client, patience })
    }

    /// Gets a document, or sends a form. `needs_tls`: whoever is reached by TLS does not send the gate where there is none.
    ///
    /// # Errors
    /// [`WebError`]; a status is an answer.
    pub async fn ask(
        &self,
        address: &str,
        needs_tls: bool,
        sent: Option<Sent<'_>>,
        limit: usize,
    ) -> Result<(StatusCode, Bytes), WebError> {
        let wrong = || WebError::Address(address.to_owned());
        let uri: Option<Uri> = address.parse().ok().filter(|_| is_fetchable(address) && (is_tls(address) || !needs_tls));
        let uri = uri.ok_or_else(wrong)?;
        let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()).ok_or_else(wrong)?;
        let mut request = Request::builder()
            .method(if sent.is_some() { Method::POST } else { Method::GET })
            .uri(uri)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(sent.as_ref().map(|sent| Bytes::copy_from_slice(sent.form.as_bytes())).unwrap_or_default()))
            .map_err(|_| wrong())?;
        if let Some(sent) = sent {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            request.headers_mut().extend(sent.authorization.map(|value| (http::header::AUTHORIZATION, value)));
        }
        let whole = async {
            let response = self.client.request(request).await.map_err(|_| WebError::Unreachable(address.to_owned()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), limit).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).map_err(|_| WebError::TooLong(address.to_owned(), limit))?;
            Ok((status, body))
        };
        tokio::time::timeout(self.patience, whole).await.unwrap_or_else(|_| Err(WebError::Late(address.to_owned())))
    }
}

/// Whether an address is one of TLS.
pub(crate) fn is_tls(address: &str) -> bool {
    address.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}
