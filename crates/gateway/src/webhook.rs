//! Signed messages out: one POST, bounded in time, no redirect followed, and nothing of the answer read but its status.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use identity::webhook::WebhookKey;

use crate::connect::{Connector, Proxy, Trust};
use crate::tls::UnusableMaterial;

/// Longest wait for a status.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most bytes of headers of an answer.
const MAX_HEADER_BUFFER: usize = 64 << 10;

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The address, or the message's id, cannot be sent.
    #[error("the address or the id cannot be sent")]
    Unsendable,
    /// Nobody answers.
    #[error("nobody answers there")]
    Unreachable,
    /// Nobody answers in time.
    #[error("nobody answers there within {} seconds", PATIENCE.as_secs())]
    Late,
    /// It was answered with another status than 200 to 299.
    #[error("answered with status {0}, expected 200 to 299")]
    Status(StatusCode),
}

impl DeliveryError {
    /// Whether the receiver wants nothing more of this.
    //= https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability
    //# 410 Gone
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Status(StatusCode::GONE) | Self::Unsendable)
    }
}

/// Whoever is told.
pub struct Receiver {
    client: Client<Connector, Full<Bytes>>,
    uri: String,
    key: WebhookKey,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may be a secret itself.
        formatter.write_str("Receiver(..)")
    }
}

impl Receiver {
    /// A receiver at an absolute address. It keeps no connection.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub fn new(uri: String, key: WebhookKey, ca: Option<&[u8]>, proxy: Option<Proxy>) -> Result<Self, UnusableMaterial> {
        let trust = Trust { ca, ..Trust::default() };
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(MAX_HEADER_BUFFER)
            .build(Connector::new(&trust, proxy, PATIENCE)?);
        Ok(Self { client, uri, key })
    }

    /// Sends a message that is signed now, `at` in seconds since 1970 UTC.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn send(&self, id: &str, at: u64, body: Bytes) -> Result<(), DeliveryError> {
        let request = self.request(id, at, body).ok_or(DeliveryError::Unsendable)?;
        let sent = tokio::time::timeout(PATIENCE, self.client.request(request)).await.map_err(|_| DeliveryError::Late)?;
        let status = sent.map_err(|_| DeliveryError::Unreachable)?.status();
        if status.is_success() { Ok(()) } else { Err(DeliveryError::Status(status)) }
    }

    fn request(&self, id: &str, at: u64, body: Bytes) -> Option<Request<Full<Bytes>>> {
        let uri: Uri = self.uri.parse().ok()?;
        let value = |text: &str| HeaderValue::from_str(text).ok();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, value(uri.authority()?.as_str())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION"))));
        headers.insert("webhook-id", value(id)?);
        headers.insert("webhook-timestamp", HeaderValue::from(at));
        headers.insert("webhook-signature", value(&self.key.sign(id, at, &body))?);
        let mut request = Request::post(uri).body(Full::new(body)).ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }
}
