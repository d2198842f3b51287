//! Everything that is no part of the bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use model::Dialect;

use crate::check::upstreams::{Vault, upstreams};
use crate::check::{Report, issuers, models, url};
use crate::problem::{Path, shown, suggestion};
use crate::raw;
use crate::settings::{Control, Danger, Evidence, Limits, Listen, Logging, Refusals, Settings};
use crate::source::Source;

/// Longest name of a request field.
const MAX_FIELD: usize = 64;

pub(crate) fn settings(
    file: &raw::File,
    source: &dyn Source,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<Settings> {
    let upstreams = upstreams(file, &Vault { source, env }, report);
    let danger = danger(&file.danger, report);
    let fields = [
        (Dialect::Openai, fields(&file.fields.openai, "openai", report)),
        (Dialect::Anthropic, fields(&file.fields.anthropic, "anthropic", report)),
    ];
    let issuers = issuers::issuers(file, report);
    let tokens = issuers::tokens(file, report);
    // Last, for what comes before is checked whether or not the addresses are right.
    let listen = listen(file, &danger, report)?;
    Some(Settings {
        listen,
        upstreams,
        routes: models::routes(file),
        issuers,
        tokens,
        refusals: match file.refusals {
            raw::Refusals::Hide => Refusals::Hide,
            raw::Refusals::ExplainUsers => Refusals::ExplainUsers,
            raw::Refusals::Explain => Refusals::Explain,
        },
        fields: BTreeMap::from(fields),
        limits: limits(&file.limits),
        evidence: Evidence { fsync: Duration::from_millis(file.evidence.fsync_ms), content_cap: size(file.evidence.content_cap) },
        logging: logging(&file.logging),
        danger,
    })
}

fn listen(file: &raw::File, danger: &Danger, report: &mut Report<'_>) -> Option<Listen> {
    let section = Path::of(&["listen"]);
    let data = address(&file.listen.data, &section.key("data"), danger, report);
    let admin = address(&file.listen.admin, &section.key("admin"), danger, report);
    let mut hosts = BTreeSet::new();
    for (index, host) in file.listen.hosts.iter().enumerate() {
        let path = section.key("hosts").index(index);
        match url::host_name(host) {
            Ok(host) if hosts.insert(host.clone()) => {}
            Ok(host) => report.problem(&path, format!("`{host}` stands twice in this list")),
            Err(_) => report.problem(&path, format!("expected a host name without a port, found `{}`", shown(host))),
        }
    }
    let (data, admin) = (data?, admin?);
    if data == admin && data.port() != 0 {
        report.problem(&section.key("admin"), format!("`{admin}` is taken by `listen.data`, the two planes do not share a port"));
    }
    Some(Listen { data, admin, hosts })
}

fn address(written: &str, path: &Path, danger: &Danger, report: &mut Report<'_>) -> Option<SocketAddr> {
    let Ok(address) = written.parse::<SocketAddr>() else {
        let hint = if written.starts_with("localhost") { "; write `127.0.0.1` for `localhost`" } else { "" };
        report
            .problem(path, format!("expected an address and a port such as `127.0.0.1:7700`, found `{}`{hint}", shown(written)));
        return None;
    };
    if address.ip().to_canonical().is_loopback() {
        return Some(address);
    }
    if !danger.plaintext_beyond_loopback {
        let message = format!(
            "`{address}` can be reached from other machines, and the gate does not speak TLS itself: put a TLS proxy in front of a \
             loopback address, or set `danger.plaintext_beyond_loopback: true`"
        );
        report.problem(path, message);
    }
    if !danger.off.is_empty() || !danger.scanners_off.is_empty() {
        let message =
            format!("`{address}` can be reached from other machines, which is refused while controls are off under `danger`");
        report.problem(path, message);
    }
    Some(address)
}

fn danger(raw: &raw::Danger, report: &mut Report<'_>) -> Danger {
    let section = Path::of(&["danger"]);
    let mut off = BTreeSet::new();
    for (index, control) in raw.off.iter().enumerate() {
        let control = match control {
            raw::Control::Inspection => Control::Inspection,
            raw::Control::Policy => Control::Policy,
            raw::Control::Evidence => Control::Evidence,
        };
        if !off.insert(control) {
            report.problem(&section.key("off").index(index), format!("`{}` stands twice in this list", control.as_str()));
        }
    }
    let known = inspect::Scanners::kinds();
    let mut scanners_off = BTreeSet::new();
    for (index, kind) in raw.scanners_off.iter().enumerate() {
        let path = section.key("scanners_off").index(index);
        if !known.iter().any(|(known, _)| known.as_str() == kind) {
            let near = suggestion(kind, known.iter().map(|(known, _)| known.as_str()));
            report.problem(&path, format!("no scanner finds `{}`{near}", shown(kind)));
        } else if !scanners_off.insert(kind.clone()) {
            report.problem(&path, format!("`{kind}` stands twice in this list"));
        }
    }
    let danger = Danger {
        plaintext_beyond_loopback: raw.plaintext_beyond_loopback,
        plaintext_upstreams: raw.plaintext_upstreams,
        off,
        scanners_off,
    };
    for name in danger.names() {
        report.warn(&section, format!("`{name}` is set: the gate is weaker than it could be"));
    }
    danger
}

fn fields(raw: &[String], dialect: &str, report: &mut Report<'_>) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for (index, field) in raw.iter().enumerate() {
        let path = Path::of(&["fields", dialect]).index(index);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if field.is_empty() || field.len() > MAX_FIELD || !field.bytes().all(is_name) {
            report.problem(&path, format!("expected the name of a request field, found `{}`", shown(field)));
        } else if !fields.insert(field.clone()) {
            report.problem(&path, format!("`{field}` stands twice in this list"));
        }
    }
    fields
}

fn limits(raw: &raw::Limits) -> Limits {
    let seconds = Duration::from_secs;
    Limits {
        body_bytes: size(raw.body_bytes),
        header_bytes: size(raw.header_bytes),
        headers: size(raw.headers),
        depth: size(raw.depth),
        nodes: size(raw.nodes),
        concurrent: size(raw.concurrent),
        connections: size(raw.connections),
        answer_bytes: size(raw.answer_bytes),
        stream_bytes: raw.stream_bytes,
        event_bytes: size(raw.event_bytes),
        held_bytes: size(raw.held_bytes),
        head: seconds(raw.head_seconds),
        body: seconds(raw.body_seconds),
        first_byte: seconds(raw.first_byte_seconds),
        idle: seconds(raw.idle_seconds),
        total: seconds(raw.stream_seconds),
        client_write: seconds(raw.client_seconds),
        drain: seconds(raw.drain_seconds),
    }
}

/// A size that the schema bounds far below what any machine can count.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

const fn logging(raw: &raw::Logging) -> Logging {
    let level = match raw.level {
        raw::LogLevel::Error => "error",
        raw::LogLevel::Warn => "warn",
        raw::LogLevel::Info => "info",
        raw::LogLevel::Debug => "debug",
        raw::LogLevel::Trace => "trace",
    };
    Logging { is_json: matches!(raw.format, raw::LogFormat::Json), level }
}
