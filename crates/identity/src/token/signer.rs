//! The key with which the gate signs its own tokens, behind a port.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::jws::short;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why nothing was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The bytes are no key.
    #[error("expected the 32 bytes of an Ed25519 seed")]
    Key,
    /// The key cannot be used now.
    #[error("the key cannot sign")]
    Unavailable,
}

/// Signs tokens with `EdDSA`. A key in a file is one; a key in a device or a service is another.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The key's id in headers and in the published set.
    fn key_id(&self) -> &str;
    /// The 32 bytes of the public key.
    fn public(&self) -> &[u8];
    /// Signs.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The public key as a JWK.
    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.public());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.key_id(), "x": x})
    }
}

/// A key in memory. `Debug` shows its id.
pub struct Ed25519Signer {
    id: String,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ed25519Signer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Ed25519Signer {
    /// The key of a seed. Its id is made from the public key, so no two keys share one.
    ///
    /// # Errors
    /// [`SignError::Key`] if `seed` has not 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SignError::Key)?;
        let id = format!("token-{}", short(pair.public_key().as_ref()));
        Ok(Self { id, pair })
    }
}

impl Signer for Ed25519Signer {
    fn key_id(&self) -> &str {
        &self.id
    }

    fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.pair.try_sign(message).map(|signature| signature.as_ref().to_vec()).map_err(|_| SignError::Unavailable)
    }
}
