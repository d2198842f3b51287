//! Fetching keys: discovery, then the set. Bounded in bytes and time, over https or on this machine, no redirect followed.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use identity::token::{KeySet, KeySetError, MAX_KEY_SET};
use serde_json::Value;
use text::Document;

use super::IssuerConfig;
use crate::screen::Screen;
use crate::tls::UnusableMaterial;
use crate::web::{Web, WebError, is_tls};

/// Longest fetch of one document.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("`{0}` answers {1}, expected 200")]
    Status(String, StatusCode),
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
    web: Web,
}

impl Fetcher {
    /// # Errors
    /// The issuer's authorities cannot be used.
    pub(super) fn new(config: &IssuerConfig) -> Result<Self, UnusableMaterial> {
        let own = [Some(config.rules.url.as_str()), config.jwks_uri.as_deref()];
        let screen = Screen::new(&config.networks, own.into_iter().flatten());
        Ok(Self { web: Web::new(config.ca.as_deref(), config.proxy.clone(), screen, PATIENCE)? })
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
        let (status, body) = self.web.ask(address, needs_tls, None, MAX_KEY_SET).await?;
        if status == StatusCode::OK { Ok(body) } else { Err(FetchError::Status(address.to_owned(), status)) }
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
