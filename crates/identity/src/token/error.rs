//! Why a token is not accepted.

use model::ReasonCode;

/// Why a token is not accepted. Texts name no value of the token but names that its sender wrote in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts in base64url, or longer than a token may be.
    #[error("a token is a signed JWT in compact form, of at most 8192 bytes")]
    Form,
    /// The header or the claims are no JSON object that has one reading.
    #[error("header and claims are JSON objects without a member that stands twice")]
    Json,
    /// `none`, HMAC, or a name that nobody knows.
    #[error("`alg` names no asymmetric algorithm that is known here")]
    Algorithm,
    /// The issuer's list of algorithms does not hold it.
    #[error("`alg` is not among the algorithms that this issuer may sign with")]
    AlgorithmNotAllowed,
    /// `crit`, or a header that carries or points to a key.
    #[error("the header has `crit`, or a member that carries or points to a key")]
    HeaderRefused,
    /// Not an access token.
    #[error("`typ` is not `at+jwt`: this is no access token")]
    Type,
    /// A claim is missing or has a wrong type.
    #[error("the claim `{0}` is missing or not of the expected form")]
    Claim(&'static str),
    /// A claim says something that the gate cannot honour, and passing over it would widen the token.
    #[error("the claim `{0}` restricts the token in a way that is not known here")]
    Restricted(&'static str),
    /// Nobody trusts this issuer.
    #[error("`iss` names no issuer that is trusted here")]
    IssuerUnknown,
    /// No key of the issuer has this id, or none fits the algorithm.
    #[error("the issuer has no key of this `kid` for this `alg`")]
    KeyUnknown,
    /// The keys cannot be had, or are older than the operator allows.
    #[error("the issuer's keys are missing or older than is allowed")]
    KeysStale,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// For somebody else.
    #[error("`aud` does not name this gate")]
    Audience,
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// Not begun.
    #[error("`nbf` or `iat` lies in the future")]
    NotYet,
    /// Bound to a key of its sender.
    #[error("`cnf` binds the token to its sender")]
    Bound,
}

impl TokenError {
    /// The stable code.
    #[must_use]
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::Form
            | Self::Json
            | Self::Algorithm
            | Self::HeaderRefused
            | Self::Type
            | Self::Claim(_)
            | Self::Restricted(_) => ReasonCode::TokenMalformed,
            Self::AlgorithmNotAllowed | Self::IssuerUnknown | Self::KeyUnknown | Self::Signature => ReasonCode::TokenUnverified,
            Self::KeysStale => ReasonCode::IssuerKeysStale,
            Self::Audience => ReasonCode::TokenAudienceWrong,
            Self::Expired => ReasonCode::CredentialExpired,
            Self::NotYet => ReasonCode::TokenNotYetValid,
            Self::Bound => ReasonCode::TokenBound,
        }
    }
}
