//! Fetching keys: discovery, then the set. Bounded in bytes and time, over https or on this machine, no redirect followed.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use identity::token::{KeySet, KeySetError, MAX_KEY_SET};
use serde_json::Value;
use text::Document;

use super::IssuerConfig;
use crate::connect::{Connector, Trust};
use crate::tls::UnusableMaterial;

/// Longest fetch of one document.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of headers.
const MAX_HEADER_BUFFER: usize = 64 << 10;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("`{0}` is neither https nor on this machine")]
    Address(String),
    #[error("`{0}` does not answer")]
    Unreachable(String),
    #[error("`{0}` does not answer in time")]
    Late(String),
    #[error("`{0}` answers {1}, expected 200")]
    Status(String, StatusCode),
    #[error("`{0}` is no document that can be read, of at most {MAX_KEY_SET} bytes")]
    Document(String),
    #[error("{0}")]
    Discovery(DiscoveryError),
    #[error("{0}")]
    Keys(KeySetError),
}

/// Why a discovery document does not lead to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// No JSON, or JSON that reads two ways.
    #[error("the discovery document is no JSON that has one reading")]
    Form,
    /// What it says is not about the issuer that was asked.
    #[error("the discovery document is that of another issuer")]
    OtherIssuer,
    /// It does not say where keys are.
    #[error("the discovery document names no `jwks_uri`")]
    NoKeySet,
}

/// A client of issuers; it keeps no connection.
pub(super) struct Fetcher {
    client: Client<Connector, Empty<Bytes>>,
}

impl Fetcher {
    /// # Errors
    /// The issuer's authorities cannot be used.
    pub(super) fn new(config: &IssuerConfig) -> Result<Self, UnusableMaterial> {
        let trust = Trust { ca: config.ca.as_deref(), ..Trust::default() };
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(MAX_HEADER_BUFFER)
            .build(Connector::new(&trust, config.proxy.clone(), PATIENCE)?);
        Ok(Self { client })
    }

    /// The keys as they are now, and the document that they were read from.
    pub(super) async fn keys(&self, config: &IssuerConfig) -> Result<(KeySet, Bytes), FetchError> {
        let address = match &config.jwks_uri {
            Some(address) => address.clone(),
            None => self.discover(&config.rules.url).await?,
        };
        let bytes = self.document(&address, is_tls(&config.rules.url)).await?;
        let keys = KeySet::parse(&bytes).map_err(FetchError::Keys)?;
        Ok((keys, bytes))
    }

    async fn discover(&self, issuer: &str) -> Result<String, FetchError> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let bytes = self.document(&address, is_tls(issuer)).await?;
        key_set_address(&bytes, issuer).map_err(FetchError::Discovery)
    }

    /// One document. An issuer that is reached by TLS does not send the gate where there is none.
    async fn document(&self, address: &str, needs_tls: bool) -> Result<Bytes, FetchError> {
        let uri: Option<Uri> = address.parse().ok().filter(|_| is_fetchable(address) && (is_tls(address) || !needs_tls));
        let uri = uri.ok_or_else(|| FetchError::Address(address.to_owned()))?;
        let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let request = Request::get(uri)
            .header(HOST, host.ok_or_else(|| FetchError::Address(address.to_owned()))?)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|_| FetchError::Address(address.to_owned()))?;
        let whole = async {
            let response = self.client.request(request).await.map_err(|_| FetchError::Unreachable(address.to_owned()))?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(address.to_owned(), response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_KEY_SET).collect().await;
            body.map(http_body_util::Collected::to_bytes).map_err(|_| FetchError::Document(address.to_owned()))
        };
        tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err(FetchError::Late(address.to_owned())))
    }
}

/// Where an issuer's discovery document says that its keys are. Whether they may be fetched there says [`is_fetchable`].
///
/// # Errors
/// [`DiscoveryError`].
//= https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation
//# The issuer value returned MUST be identical to the Issuer URL that was used as the prefix to /.well-known/openid-configuration
pub fn key_set_address(document: &[u8], issuer: &str) -> Result<String, DiscoveryError> {
    // One reading, as everywhere.
    let limits = text::Limits { max_depth: 16, max_nodes: 4096 };
    let value: Option<Value> = Document::parse(document, &limits).ok().and_then(|_| serde_json::from_slice(document).ok());
    let value = value.ok_or(DiscoveryError::Form)?;
    if value.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(DiscoveryError::OtherIssuer);
    }
    value.get("jwks_uri").and_then(Value::as_str).map(ToOwned::to_owned).ok_or(DiscoveryError::NoKeySet)
}

fn is_tls(address: &str) -> bool {
    address.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

/// Whether something may be fetched there: by https, or by http from this machine.
#[must_use]
pub fn is_fetchable(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let host = uri.host().unwrap_or_default();
    // Brackets are an address's; a name that has some is none.
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let is_here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    match uri.scheme_str() {
        Some("https") => !has_user && !host.is_empty(),
        Some("http") => !has_user && is_here,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_fetchable;

    #[test]
    fn where_keys_are_fetched() {
        for address in ["https://idp.example/keys", "http://127.0.0.1:1/keys", "http://[::1]:1/", "http://localhost/keys"] {
            assert!(is_fetchable(address), "{address}");
        }
        for address in [
            "http://idp.example/keys",
            "file:///etc/passwd",
            "ftp://x",
            "/keys",
            "",
            "https://user@x/",
            "http://127.0.0.1@x/",
            "http://10.0.0.1/",
            "http://169.254.169.254/",
            "http://localhost[]",
            "http://]localhost[/",
        ] {
            assert!(!is_fetchable(address), "{address}");
        }
    }
}
