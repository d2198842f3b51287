//! Talks to the admin API of a running gate: over the Unix socket in the data folder, or over TCP with an operator's
//! credential from `PORTCULLIS_OPERATOR` when `PORTCULLIS_ADMIN_URL` is set. An `https` URL is verified by Mozilla's list of
//! authorities, or by the PEM file that `PORTCULLIS_ADMIN_CA` names.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use gateway::connect::{Trust, speak_tls};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::files;

/// Longest answer that is read.
const MAX_ANSWER: usize = 16 << 20;

/// The admin API's answer: a document, or a refusal with its code.
#[derive(Debug)]
pub(crate) enum AdminAnswer {
    /// What was asked for.
    Done(Value),
    /// Not done, and why.
    Refused {
        /// The reason code.
        code: String,
        /// One line.
        message: String,
    },
}

/// Sends one request to the gate that runs on `data`, over its socket.
pub(crate) async fn call_socket(data: &Path, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<AdminAnswer> {
    let socket = data.join("admin.sock");
    let stream = UnixStream::connect(&socket).await.with_context(|| {
        format!("no gate runs on `{}`: start it with `portcullis run --data {}`", data.display(), data.display())
    })?;
    exchange(stream, "localhost", None, method, path, body).await
}

/// Sends one request to the gate: over TCP if the environment names one, else over the socket of `data`.
pub(crate) async fn call(data: &Path, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<AdminAnswer> {
    if let Ok(url) = std::env::var("PORTCULLIS_ADMIN_URL") {
        let token =
            std::env::var("PORTCULLIS_OPERATOR").context("PORTCULLIS_ADMIN_URL is set, but PORTCULLIS_OPERATOR is not")?;
        return over_tcp(&url, &token, method, path, body).await;
    }
    call_socket(data, method, path, body).await
}

/// Sends one request over TCP as an operator.
pub(crate) async fn over_tcp(
    url: &str,
    token: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<AdminAnswer> {
    let uri: Uri = url.parse().with_context(|| format!("`{url}` is not an admin URL: expected https://HOST:PORT"))?;
    let (host, authority) = (uri.host().unwrap_or_default(), uri.authority().map(Authority::as_str).unwrap_or_default());
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => bail!("`{url}` is not an admin URL: expected https://HOST:PORT, or http:// on this machine"),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let host = host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, port)).await.with_context(|| format!("no gate answers at {url}"))?;
    if !is_tls {
        return exchange(stream, authority, Some(token), method, path, body).await;
    }
    let ca = std::env::var_os("PORTCULLIS_ADMIN_CA").map(PathBuf::from);
    let read = |path: &PathBuf| files::read_bounded(path, 1 << 20).with_context(|| format!("cannot read `{}`", path.display()));
    let ca = ca.as_ref().map(read).transpose()?;
    let trust = Trust { ca: ca.as_deref(), ..Trust::default() };
    let stream = speak_tls(stream, host, &trust)
        .await
        .with_context(|| format!("no TLS with {url}; if its authority is your own, name its file in PORTCULLIS_ADMIN_CA"))?;
    exchange(stream, authority, Some(token), method, path, body).await
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    host: &str,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<AdminAnswer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange; its errors surface at the request below.
    tokio::spawn(async move { connection.await.ok() });
    let mut request = Request::builder().method(method).uri(path).header(HOST, host).header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let payload = body.map(Value::to_string).unwrap_or_default();
    let response = sender.send_request(request.body(Full::new(Bytes::from(payload)))?).await?;
    let status = response.status();
    let whole =
        Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    let value: Value =
        serde_json::from_slice(&whole).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&whole).into_owned()));
    if status.is_success() {
        return Ok(AdminAnswer::Done(value));
    }
    let text = |key: &str| value.pointer(&format!("/error/{key}")).and_then(Value::as_str).map(ToOwned::to_owned);
    match (text("code"), text("message")) {
        (Some(code), Some(message)) => Ok(AdminAnswer::Refused { code, message }),
        _ => bail!("the admin API answered {status} without saying why"),
    }
}
