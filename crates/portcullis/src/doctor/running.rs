//! What has to be asked: the running gate, and whether upstreams can be reached.

use std::path::Path;
use std::time::Duration;

use config::{Config, Settings, Upstream};
use http::Method;
use model::AdminAct;
use serde_json::Value;
use store::{Audit, Bundles};

use crate::admin_client::{self, AdminAnswer};
use crate::doctor::{Findings, State};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The address that stands for the built-in sample while it does not run.
const NO_SAMPLE: u16 = 9;

/// Whether a gate runs, how it is, and whether what is in force is what is on disk.
pub(super) async fn gate(data: &Path, config: Option<&Config>, findings: &mut Findings) {
    let asked = admin_client::call_socket(data, Method::GET, "/admin/v1/status", None);
    let status = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(AdminAnswer::Done(status))) => Some(status),
        Ok(Ok(AdminAnswer::Refused { code, message })) => {
            findings.add("gate", State::Bad, format!("refuses to say how it is: {code}: {message}"), "");
            None
        }
        Ok(Err(_)) => {
            findings.note("gate", "does not run");
            None
        }
        Err(_) => {
            findings.add("gate", State::Bad, "does not answer on its socket", "look at its messages");
            None
        }
    };
    if let Some(status) = &status {
        health(status, findings);
        tools(status, findings);
    }
    let on_disk = config.and_then(|config| Bundles::canonical(&config.bundle).ok()).map(|(_, digest)| digest.to_string());
    let in_force = match &status {
        Some(status) => status.get("bundle").and_then(Value::as_str).map(ToOwned::to_owned),
        None => applied(data).await,
    };
    match (on_disk, in_force) {
        (Some(disk), Some(force)) if disk == force => findings.ok("drift", "what was applied is what stands on disk"),
        (Some(_), Some(force)) => {
            let message =
                format!("the files on disk are not the bundle that was applied ({}…)", force.get(..12).unwrap_or(&force));
            findings.add("drift", State::Warn, message, "portcullis apply --dry-run, then apply");
        }
        _ => findings.note("drift", "nothing was applied yet, or it cannot be told"),
    }
}

fn health(status: &Value, findings: &mut Findings) {
    let version = status.get("version").and_then(Value::as_str).unwrap_or("?");
    let broken = status.pointer("/log/broken").and_then(Value::as_str);
    let is_low = status.pointer("/log/space_low").and_then(Value::as_bool).unwrap_or(false);
    match (broken, is_low) {
        (Some(what), _) => {
            findings.add("gate", State::Bad, format!("runs, and cannot write its log: {what}"), "nothing passes until it can")
        }
        (None, true) => findings.add("gate", State::Bad, "runs, and refuses calls for want of space", "make room"),
        (None, false) => findings.ok("gate", format!("runs, version {version}")),
    }
}

/// Whether tool servers say what was approved of them.
fn tools(status: &Value, findings: &mut Findings) {
    let names = |key: &str| -> Vec<&str> {
        status.pointer(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let quarantined = names("/tools/quarantined");
    if let Some(first) = quarantined.first() {
        let server = first.split_once('/').map_or("", |(server, _)| server);
        let message = format!("quarantined, for their servers say something else than was approved: {}", quarantined.join(", "));
        findings.add("tools", State::Warn, message, format!("portcullis tools diff --server {server}"));
    }
    let gone = names("/tools/gone");
    if !gone.is_empty() {
        findings.add(
            "tools",
            State::Warn,
            format!("approved, and no longer named: {}", gone.join(", ")),
            "portcullis tools diff",
        );
    }
    for (server, why) in status.pointer("/tools/unasked").and_then(Value::as_object).into_iter().flatten() {
        let why = why.as_str().unwrap_or_default();
        let message = format!("{server}: what it announces is not compared with what was approved: {why}");
        findings.add("tools", State::Warn, message, "its address, its credential, `watch`?");
    }
}

/// The bundle that was applied last, by the log.
async fn applied(data: &Path) -> Option<String> {
    let data = data.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let audit = Audit::open_offline(&data, None).ok()?;
        let acts = audit.entries(0).ok()?.map_while(Result::ok).filter_map(|entry| entry.header.admin);
        let digests =
            acts.filter_map(|act| if let AdminAct::BundleApplied { digest } = act { Some(digest.to_string()) } else { None });
        digests.last()
    });
    read.await.ok().flatten()
}

/// Whether a connection to each upstream comes about. Nothing is sent.
pub(super) async fn upstreams(settings: &Settings, findings: &mut Findings) {
    // All at once: each may take its time.
    let remote = settings.upstreams.iter().filter(|(_, upstream)| upstream.exec.is_none());
    let tries: Vec<_> = remote.map(|(name, upstream)| (name, upstream, tokio::spawn(reach(first_hop(upstream))))).collect();
    let mut reached = Vec::new();
    for (name, upstream, trying) in tries {
        reached.push((name, upstream, trying.await.unwrap_or_else(|error| Err(error.to_string()))));
    }
    if reached.is_empty() {
        findings.note("upstreams", "none is declared");
    }
    for (name, upstream, reached) in reached {
        let url = &upstream.base_url;
        let way = if upstream.proxy.is_some() { " (its proxy)" } else { "" };
        match reached {
            _ if url.is_loopback() && url.port == NO_SAMPLE => {
                findings.note("upstreams", format!("{name}: the built-in sample, which runs with quickstart only"))
            }
            Ok(()) => findings.ok("upstreams", format!("{name}: {url}{way} can be reached")),
            Err(what) => {
                let message = format!("{name}: {url}{way} cannot be reached from here: {what}");
                findings.add("upstreams", State::Warn, message, "name, firewall, proxy?");
            }
        }
    }
}

/// Where the first connection goes: host and port.
fn first_hop(upstream: &Upstream) -> (String, u16) {
    let direct = || (upstream.base_url.host.clone(), upstream.base_url.port);
    upstream.proxy.as_ref().map_or_else(direct, |proxy| (proxy.host.clone(), proxy.port))
}

async fn reach((host, port): (String, u16)) -> Result<(), String> {
    let connecting = tokio::net::TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
    }
}
