//! The network as it is written: listeners, TLS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Host names by which operators reach the admin API, beside its address and `localhost`; another name in the `Host`
    /// header is refused, so that a web page cannot reach it through the operator's browser.
    pub(crate) hosts: Vec<String>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            data: "127.0.0.1:7700".to_owned(),
            tls: None,
            admin: "127.0.0.1:7701".to_owned(),
            admin_tls: None,
            hosts: Vec::new(),
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
