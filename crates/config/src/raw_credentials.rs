//! Credentials for upstreams that are somebody's own, as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raw::Secret;

/// Where the credential comes from that an upstream is shown: exactly one of these. A call for which there is none is refused before
/// anything is sent.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Credential {
    /// A fixed secret that an operator has handed over: `portcullis credential set UPSTREAM --for WHO`.
    #[serde(rename = "static")]
    pub(crate) fixed: Option<Fixed>,
    /// Tokens of an authorization server, which the user has allowed once: `portcullis credential connect UPSTREAM --for WHO`.
    pub(crate) oauth: Option<Oauth>,
    /// The caller's own token of an issuer, exchanged for one that is for the upstream (RFC 8693).
    pub(crate) exchange: Option<Exchange>,
}

/// A fixed secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixed {
    /// Whose it is.
    pub(crate) per: Per,
}

/// Whose a credential is.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    /// The user at the head of the chain. Whoever acts for no user has none.
    User,
    /// The agent that holds the connection.
    Agent,
}

/// Tokens of an authorization server, by a code with PKCE (S256), renewed as needed. The address at which people come back is
/// `access.url`, else `tokens.url`, with `/oauth/callback/UPSTREAM` behind it, by the name of the upstream: register exactly that.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Oauth {
    /// Whose they are.
    pub(crate) per: Per,
    /// The server's issuer identifier: what its metadata and its answers have to name, and where these are found
    /// (`/.well-known/oauth-authorization-server`, else `openid-configuration`). `http` only on this machine.
    pub(crate) issuer: String,
    /// Where people are sent, if not where its metadata say. Needs `token_endpoint`.
    #[serde(default)]
    pub(crate) authorization_endpoint: Option<String>,
    /// Its token endpoint, if not where its metadata say.
    #[serde(default)]
    pub(crate) token_endpoint: Option<String>,
    /// The gate's name there.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) client_id: String,
    /// The gate's secret there, if it has one.
    #[serde(default)]
    pub(crate) client_secret: Option<Secret>,
    /// Where that stands: `header` (`Authorization: Basic`), or `form`.
    #[serde(default)]
    pub(crate) secret_in: SecretIn,
    /// What is asked for.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// For which resource (RFC 8707). Default: the upstream's `base_url`.
    #[serde(default)]
    pub(crate) resource: Option<String>,
    /// PEM file with the authorities that sign the server's certificate, instead of Mozilla's list.
    #[serde(default)]
    pub(crate) ca: Option<String>,
}

/// The caller's own token of an issuer, exchanged (RFC 8693). Whoever shows a key or a task token of the gate has none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// The server's issuer identifier: what its metadata and its answers have to name, and where these are found
    /// (`/.well-known/oauth-authorization-server`, else `openid-configuration`). `http` only on this machine.
    pub(crate) issuer: String,
    /// Its token endpoint, if not where its metadata say.
    #[serde(default)]
    pub(crate) token_endpoint: Option<String>,
    /// The gate's name there.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) client_id: String,
    /// The gate's secret there, if it has one.
    #[serde(default)]
    pub(crate) client_secret: Option<Secret>,
    /// Where that stands: `header` (`Authorization: Basic`), or `form`.
    #[serde(default)]
    pub(crate) secret_in: SecretIn,
    /// What is asked for.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// For which resource (RFC 8707). Default: the upstream's `base_url`.
    #[serde(default)]
    pub(crate) resource: Option<String>,
    /// For which audience, in the server's own words.
    #[serde(default)]
    pub(crate) audience: Option<String>,
    /// PEM file with the authorities that sign the server's certificate, instead of Mozilla's list.
    #[serde(default)]
    pub(crate) ca: Option<String>,
}

/// Where a client's secret stands.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecretIn {
    /// `Authorization: Basic`
    #[default]
    Header,
    /// `client_secret` in the form.
    Form,
}
