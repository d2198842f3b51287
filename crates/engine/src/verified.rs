//! Tokens whose signature was looked at already.
//!
//! A signature costs more than the rest of admit together, and an agent shows the same token with every call. What is kept is
//! what verifying has given, under the SHA-256 of the whole token, never the token. It is a pure function of the token, the
//! rules and the keys, but for the time: so it is used again only while rules and keys are the very same (a fetch, a rotation or
//! an `apply` makes new ones) and the time lies between when it was verified and when the token ends. Everything else is looked
//! at in every call: for whom it is, how old the keys are, whether what the token descends from still stands, and locks.
//!
//! INVARIANT: only tokens that were accepted are kept. A reader takes no lock: a shard is an immutable map behind an atomic
//! pointer, and who adds copies it. Shards are bounded; for one too many the one that ends first is forgotten.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use identity::token::{Bearer, IssuerRules, KeySet};
use model::{Digest, UnixMillis};

use crate::ports::Issuing;

/// Shards; a power of two.
const SHARDS: usize = 64;
/// Most tokens per shard.
const PER_SHARD: usize = 64;

/// By whose word a token was accepted.
#[derive(Debug, Clone)]
pub(crate) enum Basis {
    /// An issuer's.
    Issuer(Arc<IssuerRules>, Arc<KeySet>),
    /// The gate's own.
    Gate(Arc<Issuing>),
}

impl Basis {
    /// Whether both are the very same rules and keys, not only equal ones.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Issuer(rules, keys), Self::Issuer(other_rules, other_keys)) => {
                Arc::ptr_eq(rules, other_rules) && Arc::ptr_eq(keys, other_keys)
            }
            (Self::Gate(issuing), Self::Gate(other)) => Arc::ptr_eq(issuing, other),
            (Self::Issuer(..), Self::Gate(_)) | (Self::Gate(_), Self::Issuer(..)) => false,
        }
    }
}

/// A token that was accepted.
pub(crate) struct Kept {
    pub(crate) bearer: Bearer,
    pub(crate) basis: Basis,
    /// When it was verified.
    from: UnixMillis,
    /// When it ends. An issuer's skew is not granted again: in it the token is verified anew.
    until: UnixMillis,
}

impl Kept {
    /// Whether the times that were looked at then are still what they were.
    pub(crate) fn holds_at(&self, now: UnixMillis) -> bool {
        self.from <= now && now < self.until
    }
}

type Table = HashMap<Digest, Arc<Kept>>;

#[derive(Default)]
struct Shard {
    table: ArcSwap<Table>,
    adding: Mutex<()>,
}

/// At most 4,096 tokens that were accepted.
pub struct VerifiedTokens {
    shards: Vec<Shard>,
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifiedTokens").field("n_tokens", &self.n_tokens()).finish()
    }
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(Shard::default).take(SHARDS).collect() }
    }
}

impl VerifiedTokens {
    /// How many are kept.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.shards.iter().map(|shard| shard.table.load().len()).sum()
    }

    /// What is kept of a token; whether it still holds is for the caller to say.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Arc<Kept>> {
        self.shard(digest)?.table.load().get(digest).cloned()
    }

    /// Keeps a token that was accepted at `now`.
    pub(crate) fn keep(&self, digest: Digest, bearer: &Bearer, basis: Basis, now: UnixMillis) {
        let (Some(shard), Some(until)) = (self.shard(&digest), bearer.credential.expires) else { return };
        let kept = Arc::new(Kept { bearer: bearer.clone(), basis, from: now, until });
        let _adding = shard.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&shard.table.load());
        table.remove(&digest);
        if table.len() >= PER_SHARD {
            table.retain(|_, kept| now < kept.until);
        }
        if table.len() >= PER_SHARD
            && let Some(first) = table.iter().min_by_key(|(_, kept)| kept.until).map(|(digest, _)| *digest)
        {
            table.remove(&first);
        }
        table.insert(digest, kept);
        shard.table.store(Arc::new(table));
    }

    fn shard(&self, digest: &Digest) -> Option<&Shard> {
        let [first, ..] = digest.0;
        self.shards.get(usize::from(first) % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    use identity::token::{Audience, Bearer, Ed25519Signer, Gate, KeySet, Signer};
    use model::{Chain, Credential, Digest, Holder, Mandate, Name, UnixMillis};
    use serde_json::Value;

    use super::{Arc, Basis, Issuing, PER_SHARD, VerifiedTokens};

    fn bearer(ends: u64) -> Bearer {
        let chain = Chain::new(vec!["user:okta:ada".parse().unwrap()]).unwrap();
        let credential = Credential {
            id: Name::new("at.okta.0").unwrap(),
            hash: Digest([0; 32]),
            holder: Holder::Data { chain },
            ledger: Name::new("subject_0").unwrap(),
            created: UnixMillis(0),
            expires: Some(UnixMillis(ends)),
        };
        let (mandate, audience) = (Mandate::default(), Audience::Gate);
        Bearer { credential, parents: Vec::new(), mandate, may_act: None, issuer: None, audience, scopes: None }
    }

    fn basis() -> Basis {
        let signer = Ed25519Signer::from_seed(&[7; 32]).unwrap();
        let keys = KeySet::of_ed25519([(signer.key_id(), signer.public())]);
        let gate = Gate { url: "https://gate.example".to_owned(), lifetime: 900 };
        Basis::Gate(Arc::new(Issuing { gate, keys, signer: Arc::new(signer), published: Value::Null }))
    }

    /// Digests of one shard.
    fn digest(number: u8) -> Digest {
        let mut bytes = [0; 32];
        bytes[31] = number;
        Digest(bytes)
    }

    #[test]
    fn what_is_kept_holds_in_its_time_and_on_its_basis_only() {
        let (tokens, one, other) = (VerifiedTokens::default(), basis(), basis());
        tokens.keep(digest(1), &bearer(1000), one.clone(), UnixMillis(500));
        assert!(tokens.find(&digest(2)).is_none());
        let kept = tokens.find(&digest(1)).unwrap();
        let facts = [(499, false), (500, true), (999, true), (1000, false), (u64::MAX, false)];
        for (now, expected) in facts {
            assert_eq!(kept.holds_at(UnixMillis(now)), expected, "{now}");
        }
        assert!(kept.basis.is(&one) && !kept.basis.is(&other), "equal keys are not the same keys");
    }

    #[test]
    fn a_shard_is_bounded_and_forgets_what_ends_first() {
        let (tokens, basis) = (VerifiedTokens::default(), basis());
        let room = u8::try_from(PER_SHARD).unwrap();
        for number in 0..room {
            tokens.keep(digest(number), &bearer(1000 + u64::from(number)), basis.clone(), UnixMillis(0));
        }
        tokens.keep(digest(room), &bearer(5000), basis.clone(), UnixMillis(0));
        assert_eq!(tokens.n_tokens(), PER_SHARD);
        assert!(tokens.find(&digest(0)).is_none() && tokens.find(&digest(1)).is_some() && tokens.find(&digest(room)).is_some());
        // Those that have ended make room for all.
        tokens.keep(digest(room + 1), &bearer(6000), basis, UnixMillis(4000));
        assert_eq!(tokens.n_tokens(), 2);
        assert_eq!(format!("{tokens:?}"), "VerifiedTokens { n_tokens: 2 }");
    }
}
