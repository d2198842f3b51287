//! Telemetry: where it goes, and with which headers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::check::proxy::{Proxied, pem};
use crate::check::upstreams::{Vault, resolved};
use crate::check::{Report, url};
use crate::problem::{Path, shown};
use crate::raw_net;
use crate::settings::{Signal, Telemetry};

/// Most headers.
const MAX_HEADERS: usize = 16;
/// Headers that belong to the request itself.
const OWN: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "user-agent",
];

pub(super) fn telemetry(
    raw: &raw_net::Telemetry,
    proxied: Option<&Proxied>,
    vault: &Vault<'_>,
    report: &mut Report<'_>,
) -> Option<Telemetry> {
    let path = Path::of(&["telemetry"]);
    let headers = headers(raw, &path.key("headers"), vault, report);
    let ca = raw.ca.as_ref().and_then(|file| pem(file, &path.key("ca"), vault, report));
    let endpoint = url::base_url(&raw.endpoint);
    let endpoint = endpoint.map_err(|message| {
        report.problem(&path.key("endpoint"), format!("not the address of a collector: {message}"));
    });
    let endpoint = endpoint.ok()?;
    if !endpoint.is_tls && !endpoint.is_loopback() {
        report.problem(
            &path.key("endpoint"),
            "`http` to another machine would show what the gate does to the network: write `https`",
        );
    }
    if raw.ca.is_some() && !endpoint.is_tls {
        report.problem(&path.key("ca"), "the collector's address is `http`: there is no certificate to verify");
    }
    let written = raw.signals.as_deref().unwrap_or(&[raw_net::Signal::Traces, raw_net::Signal::Metrics, raw_net::Signal::Logs]);
    let signals: BTreeSet<Signal> = written
        .iter()
        .map(|signal| match signal {
            raw_net::Signal::Traces => Signal::Traces,
            raw_net::Signal::Metrics => Signal::Metrics,
            raw_net::Signal::Logs => Signal::Logs,
        })
        .collect();
    if signals.is_empty() {
        report.problem(&path.key("signals"), "expected at least one of `traces`, `metrics`, `logs`, or no such key");
    }
    let proxy = proxied.and_then(|proxied| proxied.proxy_for(&endpoint));
    let interval = Duration::from_secs(raw.interval_seconds);
    Some(Telemetry { endpoint, headers, ca, proxy, signals, interval, is_propagated: raw.propagate })
}

fn headers(
    raw: &raw_net::Telemetry,
    path: &Path,
    vault: &Vault<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<String, identity::Secret> {
    let mut headers = BTreeMap::new();
    if raw.headers.len() > MAX_HEADERS {
        report.problem(path, format!("more than {MAX_HEADERS} headers"));
    }
    for (name, secret) in &raw.headers {
        let at = path.key(name);
        let lower = name.to_ascii_lowercase();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token) || OWN.contains(&lower.as_str()) {
            report.key_problem(&at, format!("`{}` is not a header that can be set here", shown(name)));
        } else if let Some(secret) = resolved(secret, &at, vault, report)
            && headers.insert(lower, secret).is_some()
        {
            report.key_problem(&at, format!("the header `{}` stands twice", shown(name)));
        }
    }
    headers
}
