//! Signatures that stand beside what they are over, such as those of agent cards (RFC 7515, section 7.2.2, without the payload).
//!
//! Whose keys may sign is known before: what a header says of where keys are (`jku`, `x5u`), or a key that it brings along (`jwk`,
//! `x5c`), is not looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::jws::{decode, object};
use super::{Algorithm, KeySet, SignError, Signer, TokenError};

/// Longest protected header in bytes, as it is written.
const MAX_HEADER: usize = 8 << 10;
/// What asks for something that is not known here: another form of the payload, or anything that has to be understood.
const REFUSED: [&str; 4] = ["crit", "b64", "zip", "enc"];

/// Checks one signature over `payload` by the key of `keys` that the protected header names. A header that names none is refused.
///
/// # Errors
/// [`TokenError`]: why it is no signature of one of these keys.
pub fn verify_detached(protected: &str, payload: &[u8], signature: &str, keys: &KeySet) -> Result<(), TokenError> {
    if protected.len() > MAX_HEADER {
        return Err(TokenError::Form);
    }
    let header = object(protected)?;
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named).ok_or(TokenError::Algorithm)?;
    if REFUSED.iter().any(|name| header.contains_key(*name)) {
        return Err(TokenError::HeaderRefused);
    }
    let key_id = header.get("kid").and_then(Value::as_str).ok_or(TokenError::KeyUnknown)?;
    let signed = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload));
    keys.check_by(Some(key_id), algorithm, signed.as_bytes(), &decode(signature)?)
}

/// Signs `payload`; the protected header and the signature, both base64url. It is no token: its type is another one.
///
/// # Errors
/// [`SignError`] when the key cannot be used now.
pub fn sign_detached(payload: &[u8], signer: &dyn Signer) -> Result<(String, String), SignError> {
    let header = json!({"alg": Algorithm::EdDsa.as_str(), "kid": signer.key_id(), "typ": "JOSE"});
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let signed = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = signer.sign(signed.as_bytes())?;
    Ok((protected, URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::{sign_detached, verify_detached};
    use crate::token::{Ed25519Signer, KeySet, Signer, TokenError};

    const PAYLOAD: &[u8] = br#"{"name":"Travel"}"#;

    fn signer(seed: u8) -> Ed25519Signer {
        Ed25519Signer::from_seed(&[seed; 32]).unwrap()
    }

    fn keys(of: &[&Ed25519Signer]) -> KeySet {
        let listed: Vec<Value> = of.iter().map(|signer| signer.jwk()).collect();
        KeySet::parse(json!({"keys": listed}).to_string().as_bytes()).unwrap()
    }

    /// A signature of `signer` under a header of any kind.
    fn under(header: &Value, signer: &Ed25519Signer) -> (String, String) {
        let protected = URL_SAFE_NO_PAD.encode(header.to_string());
        let signed = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(PAYLOAD));
        (protected, URL_SAFE_NO_PAD.encode(signer.sign(signed.as_bytes()).unwrap()))
    }

    #[test]
    fn what_is_signed_verifies_by_the_named_key_alone() {
        let (one, two) = (signer(1), signer(2));
        let (protected, signature) = sign_detached(PAYLOAD, &one).unwrap();
        assert_eq!(verify_detached(&protected, PAYLOAD, &signature, &keys(&[&one, &two])), Ok(()));
        assert_eq!(verify_detached(&protected, PAYLOAD, &signature, &keys(&[&two])), Err(TokenError::KeyUnknown));
        assert_eq!(verify_detached(&protected, b"{}", &signature, &keys(&[&one])), Err(TokenError::Signature));
        let (_, other) = sign_detached(PAYLOAD, &two).unwrap();
        assert_eq!(verify_detached(&protected, PAYLOAD, &other, &keys(&[&one, &two])), Err(TokenError::Signature));
    }

    #[test]
    fn a_header_brings_no_key_and_no_algorithm() {
        let (trusted, forger) = (signer(1), signer(2));
        let keys = keys(&[&trusted]);
        let kid = trusted.key_id();
        let facts = [
            (json!({"alg": "none", "kid": kid}), TokenError::Algorithm),
            (json!({"alg": "HS256", "kid": kid}), TokenError::Algorithm),
            (json!({"kid": kid}), TokenError::Algorithm),
            (json!({"alg": "EdDSA"}), TokenError::KeyUnknown),
            (json!({"alg": "EdDSA", "kid": "unknown"}), TokenError::KeyUnknown),
            // The right kind of signature, for a key of another kind.
            (json!({"alg": "ES256", "kid": kid}), TokenError::KeyUnknown),
            (json!({"alg": "EdDSA", "kid": kid, "crit": ["b64"], "b64": false}), TokenError::HeaderRefused),
            (json!({"alg": "EdDSA", "kid": kid, "jwk": forger.jwk()}), TokenError::Signature),
            (json!({"alg": "EdDSA", "kid": kid, "jku": "https://evil.example/jwks"}), TokenError::Signature),
        ];
        for (header, expected) in facts {
            let (protected, signature) = under(&header, &forger);
            assert_eq!(verify_detached(&protected, PAYLOAD, &signature, &keys), Err(expected), "{header}");
        }
        // Where a header says that keys are is nothing that is looked at; nor does it make a good signature a bad one.
        let (protected, signature) = under(&json!({"alg": "EdDSA", "kid": kid, "jku": "https://own.example/jwks"}), &trusted);
        assert_eq!(verify_detached(&protected, PAYLOAD, &signature, &keys), Ok(()));
        for (protected, signature) in [("", "AAAA"), ("e30", ""), ("{}", "AAAA"), (protected.as_str(), "not base64!")] {
            assert!(verify_detached(protected, PAYLOAD, signature, &keys).is_err(), "{protected} {signature}");
        }
    }
}
