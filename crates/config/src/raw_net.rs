//! The network as it is written: listeners, TLS, the proxy to upstreams.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raw::Secret;

/// Where the gate listens.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// Address and port for clients. Port 0 takes a free one.
    pub(crate) data: String,
    /// TLS for clients. Needed beyond this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// Address and port for operators, `/metrics` and health. Port 0 takes a free one.
    pub(crate) admin: String,
    /// TLS for operators. Needed beyond this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_tls: Option<Tls>,
    /// Address and port for Envoy's `ext_authz` over gRPC (`docs/AUTHZEN.md`), on this machine: it speaks HTTP/2 without TLS. Port 0
    /// takes a free one. Without this key nobody listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ext_authz: Option<String>,
    /// Host names by which operators reach the admin API, beside its address and `localhost`; another name in the `Host`
    /// header is refused, so that a web page cannot reach it through the operator's browser.
    pub(crate) hosts: Vec<String>,
    /// Addresses and networks of the proxies in front of the data plane, such as `10.0.0.0/8`. Only they are believed about
    /// the address of a client, which is counted and logged and permits nothing.
    pub(crate) trusted_proxies: Vec<String>,
    /// The header in which they tell it.
    pub(crate) forwarded_header: ForwardedHeader,
}

/// How trusted proxies tell the address of a client.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForwardedHeader {
    /// `X-Forwarded-For: CLIENT, PROXY`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=CLIENT, for=PROXY` (RFC 7239)
    Forwarded,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            data: "127.0.0.1:7700".to_owned(),
            tls: None,
            admin: "127.0.0.1:7701".to_owned(),
            admin_tls: None,
            ext_authz: None,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
        }
    }
}

/// TLS 1.3 and 1.2 with HTTP/1.1 on a listener.
///
/// The files may be replaced while the gate runs: it looks every two seconds, and new connections get the new pair. A pair that
/// cannot be used is told in the log, in `/metrics` and by `doctor`, and the last good one stays.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// PEM file with the certificate and what leads from it to its root, in this order. Relative to this file or absolute.
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) certificate: String,
    /// PEM file with the certificate's private key. Others than the gate's own user must not be able to read it.
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) key: String,
    /// PEM file with the authorities of clients. If given, a client without a certificate from one of them is not connected.
    /// The certificate is no credential: requests carry one all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) client_ca: Option<String>,
}

/// Telemetry: where spans, metrics and log records of calls go, by OTLP over HTTP.
///
/// They hold codes, times, counts, request ids and names from this file, never content, addresses, parties or keys. What a
/// collector does not take in time is lost and counted. Takes effect at the next start.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// The collector's address, such as `https://otel.example:4318`; `/v1/traces` and the like are appended. `http` only to this
    /// machine.
    pub(crate) endpoint: String,
    /// Headers of every request, such as the collector's key. The gate's own: `content-type`, `host` and the like are refused.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Secret>,
    /// PEM file with the authorities that are trusted there, instead of Mozilla's list.
    #[serde(default)]
    pub(crate) ca: Option<String>,
    /// What is sent; all three if left out.
    #[serde(default)]
    pub(crate) signals: Option<Vec<Signal>>,
    /// Longest time that a record waits, in seconds.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 300))]
    pub(crate) interval_seconds: u64,
    /// Tell upstreams the trace (`traceparent`). Its id is 16 bytes that the caller chooses and no scanner reads.
    #[serde(default)]
    pub(crate) propagate: bool,
}

const fn five() -> u64 {
    5
}

/// A kind of telemetry.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signal {
    /// A span per call.
    Traces,
    /// Counts and durations.
    Metrics,
    /// A record per refusal and per attempt that failed.
    Logs,
}

/// The proxy to upstreams.
///
/// It is asked for a tunnel (`CONNECT`) to every upstream that speaks TLS; TLS ends at the upstream, so the proxy sees no key and
/// no content. An upstream on this machine is reached directly. A plain `http` upstream elsewhere cannot be reached through a
/// proxy: except it in `no_proxy`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Proxy {
    /// `environment`: the one in `HTTPS_PROXY`, with the exceptions in `NO_PROXY`, or both in small letters. `HTTP_PROXY` and
    /// `ALL_PROXY` are not read.
    Word(#[schemars(regex(pattern = "^environment$"))] String),
    /// The one described here.
    Written(WrittenProxy),
}

/// A proxy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenProxy {
    /// Its address, such as `http://proxy.example:3128`; `https` if it speaks TLS itself.
    pub(crate) url: String,
    /// The user at the proxy. Needs `password`.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// The user's password at the proxy.
    #[serde(default)]
    pub(crate) password: Option<Secret>,
    /// PEM file with the authorities of a proxy that speaks TLS, instead of Mozilla's list.
    #[serde(default)]
    pub(crate) ca: Option<String>,
    /// Upstreams that are reached directly: host names (and all below them), addresses, networks such as `10.0.0.0/8`, each
    /// with a port or without; `*` for all.
    #[serde(default)]
    pub(crate) no_proxy: Vec<String>,
}
