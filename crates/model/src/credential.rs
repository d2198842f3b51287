//! Credentials as the gate knows them: never the secret, only its hash.

use serde::{Deserialize, Serialize};

use crate::{Chain, CredentialId, Digest, Name, OperatorRole, UnixMillis};

/// What a credential stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "plane", rename_all = "lowercase")]
pub enum Holder {
    /// Valid on the data plane: acts as this chain.
    Data {
        /// Subject first, the credential's principal last.
        chain: Chain,
    },
    /// Valid on the admin API only.
    Admin {
        /// The operator's name.
        operator: Name,
        /// The operator's role.
        role: OperatorRole,
    },
}

/// One credential. `ledger` survives rotation; only a new credential starts a clean ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The public part, shown in lists and logs.
    pub id: CredentialId,
    /// SHA-256 over the whole presented credential, which holds at least 256 random bits.
    pub hash: Digest,
    /// Whom it stands for.
    pub holder: Holder,
    /// The ledger key of the implicit task: the id of the first credential of the rotation.
    pub ledger: Name,
    /// When it was made.
    pub created: UnixMillis,
    /// When it ends; never, if absent.
    pub expires: Option<UnixMillis>,
}

impl Credential {
    /// Whether it has ended at `now`; the instant of expiry itself counts as ended.
    #[must_use]
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}
