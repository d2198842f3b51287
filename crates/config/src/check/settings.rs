//! Everything that is no part of the bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Dialect;

use crate::check::listen::{listen, private_networks};
use crate::check::proxy::proxy;
use crate::check::telemetry::telemetry;
use crate::check::upstreams::{Vault, upstreams};
use crate::check::{Report, access, agents, approvals, budgets, issuers, models, tools};
use crate::problem::{Path, shown, suggestion};
use crate::raw;
use crate::settings::{Control, Danger, Evidence, Limits, Logging, Refusals, Retention, Settings};
use crate::source::Source;

/// Longest name of a request field.
const MAX_FIELD: usize = 64;
/// Longest time that content is kept: a hundred years.
const MAX_DAYS: u32 = 36_500;

pub(crate) fn settings(
    file: &raw::File,
    source: &dyn Source,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<Settings> {
    let vault = Vault { source, env };
    let proxied = proxy(file, &vault, report);
    let upstreams = upstreams(file, proxied.as_ref(), &vault, report);
    let telemetry = file.telemetry.as_ref().and_then(|raw| telemetry(raw, proxied.as_ref(), &vault, report));
    let danger = danger(&file.danger, report);
    let fields = [
        (Dialect::Openai, fields(&file.fields.openai, "openai", report)),
        (Dialect::Anthropic, fields(&file.fields.anthropic, "anthropic", report)),
    ];
    let retention = retention(&file.retention, report);
    let issuers = issuers::issuers(file, proxied.as_ref(), &vault, report);
    let tokens = issuers::tokens(file, report);
    let budgets = budgets::budgets(file, source, report);
    let access_url = access::url(file, report);
    let step_up = access::step_up(file, report);
    let approving = approvals::approving(file, proxied.as_ref(), &vault, report);
    // Last, for what comes before is checked whether or not the addresses are right.
    let private_networks = private_networks(&file.private_networks, report);
    let listen = listen(file, &danger, &vault, report)?;
    Some(Settings {
        listen,
        upstreams,
        private_networks,
        routes: models::routes(file),
        tool_upstreams: tools::upstreams(file, report),
        tool_revisions: tools::revisions(file),
        tool_watch: tools::watched(file, report),
        virtual_servers: tools::virtual_servers(file, report),
        client_tools: tools::client_tools(file, report),
        agent_upstreams: agents::upstreams(file, report),
        tool_scopes: tools::scopes(file, report),
        issuers,
        tokens,
        access_url,
        approvals: approvals::terms(&file.approvals),
        approving,
        step_up,
        refusals: match file.refusals {
            raw::Refusals::Hide => Refusals::Hide,
            raw::Refusals::ExplainUsers => Refusals::ExplainUsers,
            raw::Refusals::Explain => Refusals::Explain,
        },
        fields: BTreeMap::from(fields),
        limits: limits(&file.limits),
        budgets,
        evidence: Evidence { fsync: Duration::from_millis(file.evidence.fsync_ms), content_cap: size(file.evidence.content_cap) },
        retention,
        logging: logging(&file.logging),
        telemetry,
        danger,
    })
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

fn retention(raw: &raw::Retention, report: &mut Report<'_>) -> Retention {
    let Some(written) = &raw.content else { return Retention::default() };
    let days = written.strip_suffix('d').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let days = days.and_then(|digits| digits.parse().ok()).filter(|days| (1..=MAX_DAYS).contains(days));
    if days.is_none() {
        let message = format!("expected a number of days such as `30d`, from `1d` to `{MAX_DAYS}d`, found `{}`", shown(written));
        report.problem(&Path::of(&["retention", "content"]), message);
    }
    Retention { content_days: days }
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
        handshakes: size(raw.handshakes),
        handshake: seconds(raw.handshake_seconds),
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
pub(super) fn size(bytes: u64) -> usize {
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
