//! TLS at the listeners: which certificate is shown, and how a handshake is bounded.
//!
//! What stands behind it is the same as on a plain listener: the framing guard reads the decrypted bytes. HTTP/1.1 is the one
//! protocol that is agreed on (decision 0006), TLS 1.3 and 1.2 the versions, without early data, which could be replayed.
//! This module opens no file: whoever does hands over PEM texts, as often as they change.

mod handshakes;
mod validity;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, InconsistentKeys, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use handshakes::Handshakes;
pub use validity::not_after;

/// First byte of a TLS record that carries a handshake.
const HANDSHAKE: u8 = 22;
/// Most certificates in one file.
const MAX_CERTIFICATES: usize = 1000;

/// What a listener shows and asks for: PEM texts.
#[derive(Clone, Copy)]
pub struct Material<'a> {
    /// The certificate, then what leads from it to its root.
    pub certificate: &'a [u8],
    /// The certificate's private key.
    pub key: &'a [u8],
    /// The authorities of clients. If given, a client without a certificate from one of them is not connected.
    pub client_ca: Option<&'a [u8]>,
}

impl fmt::Debug for Material<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Material").field("asks_clients", &self.client_ca.is_some()).finish_non_exhaustive()
    }
}

/// Why PEM texts cannot be used; says which and why, never what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableMaterial {
    /// Which of the files: `certificate`, `key`, `client_ca`, `ca`, `client_certificate` or `client_key`.
    pub part: &'static str,
    /// One line.
    pub why: String,
}

impl fmt::Display for UnusableMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.part, self.why)
    }
}

impl std::error::Error for UnusableMaterial {}

pub(crate) fn unusable(part: &'static str, why: impl Into<String>) -> UnusableMaterial {
    UnusableMaterial { part, why: why.into() }
}

/// What handshakes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HandshakeCounts {
    /// Ended in a connection.
    pub done: u64,
    /// Failed, or took too long.
    pub failed: u64,
    /// Given up because too many were under way.
    pub given_up: u64,
}

/// TLS on one listener. The certificate can be replaced at any time; connections that are there keep theirs.
pub struct TlsListener {
    current: ArcSwap<Shown>,
    handshakes: Handshakes,
    patience: Duration,
    n_done: AtomicU64,
    n_failed: AtomicU64,
    n_given_up: AtomicU64,
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsListener").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// What handshakes go by.
struct Shown {
    config: Arc<ServerConfig>,
    not_after: Option<u64>,
}

/// Why a connection did not come to TLS.
#[derive(Debug)]
pub enum NotOpened {
    /// The client does not speak TLS; nothing of what it sent was read.
    Plain(TcpStream),
    /// It left before its first byte, as probes do.
    Gone,
    /// The handshake failed, took too long or was given up.
    Failed,
}

impl TlsListener {
    /// A listener that shows `material`, with at most `handshakes` under way, each for at most `patience`.
    ///
    /// # Errors
    /// [`UnusableMaterial`].
    pub fn new(material: &Material<'_>, handshakes: usize, patience: Duration) -> Result<Self, UnusableMaterial> {
        Ok(Self {
            current: ArcSwap::from_pointee(shown(material)?),
            handshakes: Handshakes::new(handshakes),
            patience,
            n_done: AtomicU64::new(0),
            n_failed: AtomicU64::new(0),
            n_given_up: AtomicU64::new(0),
        })
    }

    /// Shows `material` from the next handshake on. Sessions that began under the old one cannot be resumed.
    ///
    /// # Errors
    /// [`UnusableMaterial`]; then everything stays as it was.
    pub fn replace(&self, material: &Material<'_>) -> Result<(), UnusableMaterial> {
        self.current.store(Arc::new(shown(material)?));
        Ok(())
    }

    /// When the certificate ends that is shown now, in seconds since 1970 UTC.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        self.current.load().not_after
    }

    /// What handshakes came to since the start.
    #[must_use]
    pub fn counts(&self) -> HandshakeCounts {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        HandshakeCounts { done: read(&self.n_done), failed: read(&self.n_failed), given_up: read(&self.n_given_up) }
    }

    /// The server's side of a handshake.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub async fn open(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, NotOpened> {
        let deadline = Instant::now() + self.patience;
        let mut turn = self.handshakes.begin();
        let opened = tokio::select! {
            biased;
            () = turn.given_up() => {
                self.n_given_up.fetch_add(1, Ordering::Relaxed);
                return Err(NotOpened::Failed);
            }
            opened = timeout_at(deadline, self.handshake(stream)) => opened.unwrap_or(Err(NotOpened::Failed)),
        };
        match &opened {
            Ok(_) => self.n_done.fetch_add(1, Ordering::Relaxed),
            Err(NotOpened::Failed) => self.n_failed.fetch_add(1, Ordering::Relaxed),
            Err(NotOpened::Plain(_) | NotOpened::Gone) => 0,
        };
        opened
    }

    async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, NotOpened> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return Err(NotOpened::Gone),
            Ok(_) if first != [HANDSHAKE] => return Err(NotOpened::Plain(stream)),
            Ok(_) => {}
        }
        TlsAcceptor::from(Arc::clone(&self.current.load().config)).accept(stream).await.map_err(|error: io::Error| {
            tracing::debug!(%error, "a TLS handshake failed");
            NotOpened::Failed
        })
    }
}

/// The certificate that a client has shown and that was verified, DER. It is not an identity.
#[must_use]
pub fn client_certificate(stream: &TlsStream<TcpStream>) -> Option<Arc<[u8]>> {
    let (_, session) = stream.get_ref();
    session.peer_certificates().and_then(<[_]>::first).map(|leaf| Arc::from(leaf.as_ref()))
}

/// Says whether a listener could use `material`, and when its certificate ends, in seconds since 1970 UTC.
///
/// # Errors
/// [`UnusableMaterial`].
pub fn check(material: &Material<'_>) -> Result<Option<u64>, UnusableMaterial> {
    shown(material).map(|shown| shown.not_after)
}

fn shown(material: &Material<'_>) -> Result<Shown, UnusableMaterial> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable("certificate", error.to_string()))?;
    let builder = match material.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots("client_ca", pem)?), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unusable("client_ca", error.to_string()))?)
        }
    };
    let (chain, key) = pair(("certificate", material.certificate), ("key", material.key))?;
    let not_after = chain.iter().filter_map(|certificate| not_after(certificate)).min();
    let mut config = builder.with_single_cert(chain, key).map_err(|error| mismatch("certificate", &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Shown { config: Arc::new(config), not_after })
}

/// A certificate's chain and its key, each with the name of its part.
pub(crate) fn pair(
    (certificate_part, certificate): (&'static str, &[u8]),
    (key_part, key): (&'static str, &[u8]),
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), UnusableMaterial> {
    let chain = certificates(certificate_part, certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        let why = match error {
            pem::Error::NoItemsFound => "no unencrypted private key in PEM form is in it",
            _ => "it is not a PEM file",
        };
        unusable(key_part, why)
    })?;
    Ok((chain, key))
}

/// What a certificate and a key that do not go together are told.
pub(crate) fn mismatch(part: &'static str, error: &rustls::Error) -> UnusableMaterial {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            unusable(part, "the key belongs to another certificate")
        }
        other => unusable(part, other.to_string()),
    }
}

/// Trusted authorities.
pub(crate) fn roots(part: &'static str, pem: &[u8]) -> Result<RootCertStore, UnusableMaterial> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(part, pem)? {
        roots.add(certificate).map_err(|error| unusable(part, error.to_string()))?;
    }
    Ok(roots)
}

/// Every certificate in a PEM text; at least one.
fn certificates(part: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnusableMaterial> {
    let read = CertificateDer::pem_slice_iter(pem).take(MAX_CERTIFICATES.saturating_add(1)).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|_| unusable(part, "it is not a PEM file"))?;
    if certificates.is_empty() {
        return Err(unusable(part, "no certificate in PEM form is in it"));
    }
    if certificates.len() > MAX_CERTIFICATES {
        return Err(unusable(part, format!("more than {MAX_CERTIFICATES} certificates are in it")));
    }
    Ok(certificates)
}
