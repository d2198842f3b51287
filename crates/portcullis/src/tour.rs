//! The tour of `quickstart`: five HTTP calls to the running gate, each verdict read back from the log by its request id.
//!
//! Nothing is shown from memory: a control that is broken by configuration makes its step fail.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::admin_client::{self, AdminAnswer};

/// Longest wait for anything in the tour.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest answer that is read.
const MAX_ANSWER: usize = 4 << 20;
/// Looks like an AWS access key id; made up, and never valid.
const FAKE_SECRET: &str = "AKIAQ3EGRVYP2TQ7XN5K";

/// What the tour needs to know of the gate.
#[derive(Debug)]
pub(crate) struct Tour<'a> {
    /// `http://127.0.0.1:PORT` of the data plane.
    pub(crate) url: &'a str,
    /// The data folder.
    pub(crate) data: &'a Path,
    /// A key that may call `model`.
    pub(crate) key: &'a str,
    /// A model that the key may call.
    pub(crate) model: &'a str,
    /// A model that it may not.
    pub(crate) forbidden: &'a str,
}

struct Reply {
    status: u16,
    request: String,
    overhead: Option<String>,
    body: Incoming,
}

impl Tour<'_> {
    /// Walks through all steps; stops at the first that does not hold.
    pub(crate) async fn walk(&self) -> anyhow::Result<()> {
        self.step(1, "an allowed call reaches the model", self.allowed()).await?;
        self.step(2, "a model that policy does not open is not there", self.denied()).await?;
        self.step(3, "a secret in the prompt never leaves", self.redacted()).await?;
        self.step(4, "a revocation cuts a running stream", self.cut()).await?;
        self.step(5, "the log verifies, from the files alone", self.verified()).await
    }

    async fn step(&self, number: u8, title: &str, shown: impl Future<Output = anyhow::Result<String>>) -> anyhow::Result<()> {
        let shown = tokio::time::timeout(PATIENCE, shown).await.context("no answer within two minutes").flatten();
        match shown {
            Ok(shown) => {
                crate::output::line(&format!("  {number}. {title}\n{}", indent(&shown)));
                Ok(())
            }
            Err(error) => Err(error.context(format!("step {number} of the tour failed: {title}"))),
        }
    }

    async fn allowed(&self) -> anyhow::Result<String> {
        let reply = self.chat(self.key, self.model, "Say hello in five words.", json!({"max_tokens": 24})).await?;
        let overhead = reply.overhead.clone().unwrap_or_default();
        let (status, request) = (reply.status, reply.request.clone());
        let answer = read(reply).await?;
        ensure!(status == 200, "expected status 200, found {status}: {answer}");
        let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or("").trim().to_owned();
        let row = self.logged(&request, "intent").await?;
        ensure!(row.verdict == "permit", "the log says `{}` instead of `permit`", row.verdict);
        Ok(format!("answer   {}\nlog      {request} {} ({} ms added by the gate)", short(&text), row.verdict, overhead))
    }

    async fn denied(&self) -> anyhow::Result<String> {
        let reply = self.chat(self.key, self.forbidden, "Hello.", json!({"max_tokens": 8})).await?;
        let (status, request) = (reply.status, reply.request.clone());
        let answer = read(reply).await?;
        ensure!(status == 404, "expected status 404 for `{}`, found {status}: {answer}", self.forbidden);
        let row = self.logged(&request, "intent").await?;
        ensure!(row.verdict == "deny", "the log says `{}` instead of `deny`", row.verdict);
        Ok(format!("client   {status} {}\nlog      {request} {} {}", short(&message(&answer)), row.verdict, row.reason))
    }

    async fn redacted(&self) -> anyhow::Result<String> {
        let prompt = format!("Please remember my key {FAKE_SECRET} for later.");
        let reply = self.chat(self.key, self.model, &prompt, json!({"max_tokens": 32})).await?;
        let (status, request) = (reply.status, reply.request.clone());
        let answer = read(reply).await?;
        ensure!(status == 200, "expected status 200, found {status}: {answer}");
        ensure!(!answer.to_string().contains(FAKE_SECRET), "the answer holds the secret");
        let explained = self.admin(Method::GET, &format!("/admin/v1/explain/{request}"), None).await?;
        let outbound = explained.get("outbound").and_then(Value::as_str).unwrap_or("").to_owned();
        ensure!(!outbound.is_empty(), "the log does not hold what was sent");
        ensure!(!outbound.contains(FAKE_SECRET), "the secret was sent to the upstream");
        ensure!(outbound.contains("[redacted:"), "what was sent shows no redaction: {}", short(&outbound));
        let row = self.logged(&request, "intent").await?;
        let around = outbound.find("Please").and_then(|at| outbound.get(at..)).unwrap_or(&outbound);
        Ok(format!(
            "sent on  {}\nlog      {request} {} findings {}",
            short(around),
            row.verdict,
            explained.get("findings").cloned().unwrap_or_default()
        ))
    }

    async fn cut(&self) -> anyhow::Result<String> {
        // A key of its own: a revocation is final.
        let spec = json!({"principal": "user:alice", "expires_in": 3600});
        let made = self.admin(Method::POST, "/admin/v1/keys", Some(&spec)).await?;
        let text =
            |key: &str| made.get(key).and_then(Value::as_str).map(ToOwned::to_owned).with_context(|| format!("no `{key}`"));
        let (id, secret) = (text("id")?, text("secret")?);
        let extra = json!({"max_tokens": 400, "stream": true});
        let mut reply = self.chat(&secret, self.model, "Tell me a very long story about a castle gate.", extra).await?;
        ensure!(reply.status == 200, "expected a stream, found status {}", reply.status);
        let request = reply.request.clone();
        let first = reply.body.frame().await.context("the stream ended before its first event")?;
        ensure!(first.is_ok(), "the stream broke before its first event");
        let begun = Instant::now();
        self.admin(Method::POST, "/admin/v1/locks", Some(&json!({"target": format!("credential:{id}"), "kind": "revoke"})))
            .await?;
        let mut seen = String::new();
        while let Some(Ok(frame)) = reply.body.frame().await {
            if let Ok(data) = frame.into_data() {
                seen.push_str(&String::from_utf8_lossy(&data));
            }
        }
        let took = begun.elapsed();
        ensure!(!seen.contains("[DONE]"), "the stream ran to its end in spite of the revocation");
        let row = self.logged(&request, "outcome").await?;
        ensure!(row.reason == "credential-revoked", "the log says `{}` instead of `credential-revoked`", row.reason);
        let millis = took.as_secs_f64() * 1000.0;
        Ok(format!(
            "client   cut {millis:.1} ms after the order to revoke {id}\nlog      {request} {} {}",
            row.result, row.reason
        ))
    }

    async fn verified(&self) -> anyhow::Result<String> {
        let accepted = self.log_size("accepted").await?;
        for _ in 0..200 {
            if self.log_size("sealed").await? >= accepted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        crate::audit::verify_text(self.data)
    }

    async fn log_size(&self, key: &str) -> anyhow::Result<u64> {
        let status = self.admin(Method::GET, "/admin/v1/status", None).await?;
        status.pointer(&format!("/log/{key}")).and_then(Value::as_u64).context("the gate does not say how long its log is")
    }

    async fn chat(&self, key: &str, model: &str, prompt: &str, extra: Value) -> anyhow::Result<Reply> {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": prompt}]});
        if let (Some(fields), Some(more)) = (body.as_object_mut(), extra.as_object()) {
            fields.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let authority = self.url.strip_prefix("http://").context("the gate's URL is not http")?;
        let stream = TcpStream::connect(authority).await.context("the gate does not answer")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move { connection.await.ok() });
        let request = Request::post("/v1/chat/completions")
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .body(Full::new(Bytes::from(body.to_string())))?;
        let response = sender.send_request(request).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let request = header("x-request-id").context("the answer has no x-request-id")?;
        Ok(Reply {
            status: response.status().as_u16(),
            request,
            overhead: header("x-portcullis-overhead-ms"),
            body: response.into_body(),
        })
    }

    async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        match admin_client::call_socket(self.data, method, path, body).await? {
            AdminAnswer::Done(value) => Ok(value),
            AdminAnswer::Refused { code, message } => bail!("the admin API refused: {code}: {message}"),
        }
    }

    /// The row of the log; the projection may be a moment behind.
    async fn logged(&self, request: &str, kind: &str) -> anyhow::Result<Row> {
        for _ in 0..200 {
            let found = self.admin(Method::POST, "/admin/v1/query", Some(&json!({"request": request, "limit": 10}))).await?;
            let rows = found.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
            if let Some(row) = rows.iter().find(|row| row.get("kind").and_then(Value::as_str) == Some(kind)) {
                let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
                return Ok(Row { verdict: text("verdict"), reason: text("reason"), result: text("result") });
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the log has no {kind} of {request}")
    }
}

struct Row {
    verdict: String,
    reason: String,
    result: String,
}

async fn read(reply: Reply) -> anyhow::Result<Value> {
    let whole = Limited::new(reply.body, MAX_ANSWER).collect().await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    serde_json::from_slice(&whole).context("the answer is not JSON")
}

fn message(answer: &Value) -> String {
    answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("").to_owned()
}

/// One line of at most 100 characters.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if line.chars().count() <= 100 { line } else { format!("{}…", line.chars().take(99).collect::<String>()) }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("     {line}")).collect::<Vec<_>>().join("\n")
}
