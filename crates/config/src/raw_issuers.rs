//! Issuers of tokens, and the gate as one, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An issuer of access tokens that the gate accepts as credentials: an `OpenID` provider or another OAuth authorization server.
///
/// Its users become the principals `user:ISSUER:SUBJECT`, its clients acting for themselves `service:ISSUER:CLIENT`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// The `iss` of its tokens, letter for letter. Its keys are found at `URL/.well-known/openid-configuration`. `http` only on
    /// this machine.
    pub(crate) url: String,
    /// What the `aud` of a token has to hold at least one of: the names by which the issuer knows this gate.
    #[schemars(length(min = 1, max = 16))]
    pub(crate) audiences: Vec<String>,
    /// What it may sign with. Only asymmetric algorithms can be named. Default: `[RS256, PS256, ES256, EdDSA]`.
    #[serde(default)]
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    /// The type in the header of its tokens.
    #[serde(default)]
    pub(crate) typ: Typ,
    /// How far its clock may be off, in seconds.
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 60))]
    pub(crate) clock_skew_seconds: u64,
    /// Where its keys are, if not where discovery says.
    #[serde(default)]
    pub(crate) jwks_uri: Option<String>,
    /// The authorities that sign its certificate, a PEM file, instead of Mozilla's. Its keys are fetched through `proxy` if there
    /// is one.
    #[serde(default)]
    pub(crate) ca: Option<String>,
    /// How its tokens tell the groups of a user. Nobody is in a group that is not mapped here.
    #[serde(default)]
    pub(crate) groups: Option<Groups>,
    /// Time between two fetches of its keys, in seconds.
    #[serde(default = "three_hundred")]
    #[schemars(range(min = 1, max = 86400))]
    pub(crate) refresh_seconds: u64,
    /// Least time between two fetches, in seconds, however many tokens name keys that are not there.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 3600))]
    pub(crate) refetch_seconds: u64,
    /// How long keys hold while the issuer cannot be reached, in seconds. Its tokens are refused from then on.
    #[serde(default = "a_day")]
    #[schemars(range(min = 1, max = 604800))]
    pub(crate) max_key_age_seconds: u64,
}

const fn ten() -> u64 {
    10
}

const fn thirty() -> u64 {
    30
}

const fn three_hundred() -> u64 {
    300
}

const fn a_day() -> u64 {
    86_400
}

/// An algorithm that a token may be signed with.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
pub(crate) enum Algorithm {
    /// RSA PKCS #1 v1.5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSA PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSA PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSA PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// `EdDSA` on edwards25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// The type in a token's header.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
pub(crate) enum Typ {
    /// `at+jwt`: an access token by RFC 9068, and nothing else.
    #[default]
    #[serde(rename = "at+jwt")]
    AccessToken,
    /// Any, or none: for issuers that do not follow RFC 9068. An ID token that names one of `audiences` then passes too.
    #[serde(rename = "any")]
    Any,
}

/// How a claim becomes membership in groups.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Groups {
    /// The claim, such as `groups`; or a JSON Pointer, such as `/realm_access/roles`.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) claim: String,
    /// Value of the claim → a name under `groups`. Other values say nothing.
    pub(crate) map: BTreeMap<String, String>,
}

/// The gate as an issuer of task tokens: `/oauth/token` and its neighbours. Absent, it makes none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    /// The address by which clients know the gate, without a path, such as `https://gate.example.com`: the `iss` and the `aud`
    /// of its tokens.
    pub(crate) url: String,
    /// Longest life of a token, in seconds.
    #[serde(default = "nine_hundred")]
    #[schemars(range(min = 5, max = 86400))]
    pub(crate) lifetime_seconds: u64,
}

const fn nine_hundred() -> u64 {
    900
}
