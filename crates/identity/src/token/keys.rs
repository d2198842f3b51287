//! The keys of an issuer, out of a JWK Set (RFC 7517).

use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::jws::{Unverified, strict};
use super::{Algorithm, TokenError};

/// Longest JWK Set in bytes.
pub const MAX_KEY_SET: usize = 256 << 10;
/// Most keys in a set.
pub const MAX_KEYS: usize = 64;

/// Why a document is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JWK Set.
    #[error("expected a JSON object with a list `keys`, of at most {MAX_KEY_SET} bytes")]
    Form,
    /// Too many keys.
    #[error("expected at most {MAX_KEYS} keys")]
    TooMany,
    /// No key that could verify a token.
    #[error("no key of the set can verify a token")]
    NoKey,
}

/// One key, ready for every algorithm that it fits.
struct Key {
    id: Option<String>,
    ready: Vec<(Algorithm, ParsedPublicKey)>,
}

/// The keys of one issuer. A key is used only with the algorithms that its own type, curve and `alg` fit.
pub struct KeySet {
    keys: Vec<Key>,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.keys.iter().map(|key| key.id.as_deref().unwrap_or("-"))).finish()
    }
}

impl KeySet {
    /// Reads a set. Keys that cannot verify a token (for encryption, symmetric, of unknown curves, private, too short) are passed
    /// over: sets hold such keys for other readers.
    ///
    /// # Errors
    /// [`KeySetError`] for what is no set, has too many keys, or none that can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let document = Some(bytes).filter(|bytes| bytes.len() <= MAX_KEY_SET).and_then(strict);
        let listed = document.as_ref().and_then(|document| document.get("keys")).and_then(Value::as_array);
        let listed = listed.ok_or(KeySetError::Form)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<Key> = listed.iter().filter_map(key).collect();
        if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self { keys }) }
    }

    /// The gate's own public keys, by their ids.
    #[must_use]
    pub fn of_ed25519<'a>(keys: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let parsed = |public: &[u8]| ParsedPublicKey::new(Algorithm::EdDsa.curve()?, public).ok();
        let key =
            |(id, public): (&str, &[u8])| Some(Key { id: Some(id.to_owned()), ready: vec![(Algorithm::EdDsa, parsed(public)?)] });
        Self { keys: keys.into_iter().filter_map(key).collect() }
    }

    /// Checks the signature by the key that the token's header names, or by the only one that fits if it names none.
    pub(super) fn check(&self, token: &Unverified) -> Result<(), TokenError> {
        self.check_by(token.key_id.as_deref(), token.algorithm, token.signed.as_bytes(), &token.signature)
    }

    /// Likewise for what is no token.
    pub(super) fn check_by(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let fitting = |key: &&Key| key_id.is_none_or(|id| key.id.as_deref() == Some(id));
        let ready = |key: &Key| key.ready.iter().position(|(fitting, _)| *fitting == algorithm);
        let found: Vec<&ParsedPublicKey> =
            self.keys.iter().filter(fitting).filter_map(|key| Some(&key.ready.get(ready(key)?)?.1)).collect();
        // Ids are unique among the keys of one kind; where they are not, or where there is none, nobody said which key is meant.
        let [key] = found.as_slice() else { return Err(TokenError::KeyUnknown) };
        key.verify_sig(signed, signature).map_err(|_| TokenError::Signature)
    }
}

fn key(value: &Value) -> Option<Key> {
    let member = |name: &str| value.get(name);
    let text = |name: &str| member(name).and_then(Value::as_str);
    // A private key in a public set is known to everybody.
    let is_usable = member("d").is_none()
        && member("use").is_none_or(|usage| usage == "sig")
        && member("key_ops").is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
    if !is_usable || member("kid").is_some_and(|kid| !kid.is_string()) {
        return None;
    }
    let named = match member("alg") {
        None => None,
        Some(name) => Some(Algorithm::named(name.as_str()?)?),
    };
    let fits = |algorithm: &Algorithm| named.is_none_or(|named| named == *algorithm);
    let ready: Vec<(Algorithm, ParsedPublicKey)> = match text("kty")? {
        "RSA" => {
            let (n, e) = (number(text("n")?)?, number(text("e")?)?);
            // The library takes any size here and tells only when it verifies.
            let is_strong = n.len() > 256 || (n.len() == 256 && n.first().is_some_and(|first| *first >= 0x80));
            let is_sane = e.len() <= 8 && e.last().is_some_and(|last| last % 2 == 1) && e != [1];
            if !is_strong || !is_sane {
                return None;
            }
            let components = RsaPublicKeyComponents { n, e };
            let parsed = |algorithm: Algorithm| Some((algorithm, components.to_parsed_public_key(algorithm.rsa()?).ok()?));
            Algorithm::ALL.into_iter().filter(fits).filter_map(parsed).collect()
        }
        "EC" => {
            let (algorithm, length) = match text("crv")? {
                "P-256" => (Algorithm::Es256, 32),
                "P-384" => (Algorithm::Es384, 48),
                _ => return None,
            };
            let coordinate = |name: &str| bytes(text(name)?).filter(|bytes| bytes.len() == length);
            let point = [&[4_u8][..], &coordinate("x")?, &coordinate("y")?].concat();
            curve(algorithm, &point).filter(|(algorithm, _)| fits(algorithm)).into_iter().collect()
        }
        "OKP" if text("crv") == Some("Ed25519") => {
            let point = bytes(text("x")?).filter(|bytes| bytes.len() == 32)?;
            curve(Algorithm::EdDsa, &point).filter(|(algorithm, _)| fits(algorithm)).into_iter().collect()
        }
        _ => return None,
    };
    let id = text("kid").map(ToOwned::to_owned);
    (!ready.is_empty()).then_some(Key { id, ready })
}

fn curve(algorithm: Algorithm, point: &[u8]) -> Option<(Algorithm, ParsedPublicKey)> {
    Some((algorithm, ParsedPublicKey::new(algorithm.curve()?, point).ok()?))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A whole number without the zeros in front that some issuers write.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = bytes(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).filter(|rest| !rest.is_empty() && rest.len() <= 1024).map(<[u8]>::to_vec)
}
