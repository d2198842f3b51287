//! The form of a token: three parts, a header that is read strictly, claims that nobody has vouched for yet.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Digest;
use serde_json::{Map, Value};
use text::{Document, Limits};

use super::{Algorithm, TokenError};

/// Longest token in bytes.
pub const MAX_TOKEN: usize = 8 << 10;
/// Header members that carry or point to a key, or ask for something that is not known here.
const REFUSED: [&str; 8] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"];
/// Bounds of header and claims.
const JSON: Limits = Limits { max_depth: 16, max_nodes: 2048 };

/// SHA-256 over a token as it was shown, its signature included: with another signature it is another token.
#[must_use]
pub fn digest_of(token: &str) -> Digest {
    sha256(token.as_bytes())
}

/// A token whose form is good and whose signature nobody has looked at. What it claims is not readable from outside.
pub struct Unverified {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) is_access_token: bool,
    pub(super) issuer: String,
    pub(super) claims: Map<String, Value>,
    pub(super) signed: String,
    pub(super) signature: Vec<u8>,
}

impl fmt::Debug for Unverified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Unverified").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Unverified {
    /// Reads a token. Linear in its length.
    ///
    /// # Errors
    /// [`TokenError`] for everything that cannot be a token of an issuer, whoever that is.
    pub fn parse(token: &str) -> Result<Self, TokenError> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Form);
        };
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Form);
        }
        let header = object(header)?;
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named).ok_or(TokenError::Algorithm)?;
        if REFUSED.iter().any(|name| header.contains_key(*name)) {
            return Err(TokenError::HeaderRefused);
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::Json),
        };
        let is_access_token = text("typ")?.is_some_and(|typ| is_access_type(&typ));
        let key_id = text("kid")?;
        let claims = object(claims)?;
        let issuer = claims.get("iss").and_then(Value::as_str).ok_or(TokenError::Claim("iss"))?.to_owned();
        let (signed, _) = token.rsplit_once('.').ok_or(TokenError::Form)?;
        let signature = decode(signature)?;
        Ok(Self { algorithm, key_id, is_access_token, issuer, claims, signed: signed.to_owned(), signature })
    }

    /// Whom it claims to come from: to look the rules up with, and nothing else.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// SHA-256 over what is signed. The signature is left out: of some algorithms there is more than one for the same text.
    pub(super) fn digest(&self) -> Digest {
        sha256(self.signed.as_bytes())
    }
}

//= https://www.rfc-editor.org/rfc/rfc9068#section-4
//# The resource server MUST verify that the "typ" header value is "at+jwt" or "application/at+jwt" and reject tokens carrying any other value.
fn is_access_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = [0_u8; 32];
    for (target, source) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *target = *source;
    }
    Digest(hash)
}

/// The first 128 bits of SHA-256 over `bytes`, in hexadecimal: for ids that must not collide.
pub(super) fn short(bytes: &[u8]) -> String {
    hex::encode(sha256(bytes).0.get(..16).unwrap_or_default())
}

pub(super) fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form)
}

/// One reading: what stands twice, is not UTF-8, or has half a surrogate is refused before anything is looked up.
pub(super) fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    strict(&decode(part)?)
        .and_then(|value| match value {
            Value::Object(members) => Some(members),
            _ => None,
        })
        .ok_or(TokenError::Json)
}

/// JSON that has one reading.
pub(super) fn strict(bytes: &[u8]) -> Option<Value> {
    Document::parse(bytes, &JSON).ok()?;
    serde_json::from_slice(bytes).ok()
}
