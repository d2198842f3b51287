//! Tokens: the issuers that are trusted, and the gate as one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use config::Settings;
use engine::VerifiedTokens;
use engine::ports::{Issuers, Issuing, Trusted};
use evidence::RecordError;
use gateway::issuers::{IssuerConfig, KeyKeeper};
use identity::token::{Ed25519Signer, IssuerRules, KeySet, Signer, TASK, TASK_TOKEN};
use model::{AdminAct, CredentialId, LockKind, LockTarget, Name, UnixMillis};
use serde_json::{Value, json};
use store::{AdminError, By, IssuerKeys, Store, StoreError};

use crate::bring::{self, Problems};
use crate::gate::{Gate, now};

/// Most keys of the gate that verify tokens: the one that signs, and the one before it. So a second rotation ends what the first
/// has replaced.
const MAX_KEYS: usize = 2;

/// Most locks while clients may add more: every lock is copied with each new one. Operators may go on.
const MAX_LOCKS: usize = 50_000;

/// Most locks of one client that have not ended: nobody uses up what others may need.
const MAX_OF_ONE: usize = 1000;

/// When the locks of each client end that it has added since the start. Bounded by the keys that operators have made, and by
/// [`MAX_OF_ONE`].
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<HashMap<CredentialId, Vec<UnixMillis>>>);

impl Shares {
    /// Notes one more lock of a client; `false` if it has too many.
    fn take(&self, client: &CredentialId, until: UnixMillis, now: UnixMillis) -> bool {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = shares.entry(client.clone()).or_default();
        ends.retain(|end| *end > now);
        let has_room = ends.len() < MAX_OF_ONE;
        if has_room {
            ends.push(until);
        }
        has_room
    }
}

/// How long the lock on a token is kept when the token has ended, in seconds: as long as a clock may be set back unnoticed.
const LINGER: u64 = 3600;
/// Longest life of a task token that can be configured, in seconds.
const MAX_LIFETIME: u64 = 86_400;

/// When a lock on this has nothing to stop any more; none where that cannot be told. What an operator names was made before
/// `now`, and what descends from it does not outlive it.
pub(crate) fn ends(target: &LockTarget, now: UnixMillis) -> Option<UnixMillis> {
    let is_token = match target {
        LockTarget::Credential(id) => id.as_str().starts_with(TASK_TOKEN),
        LockTarget::Task(id) => id.as_str().starts_with(TASK),
        LockTarget::Principal(_) | LockTarget::Model(_) | LockTarget::Server(_) | LockTarget::Tool(_) | LockTarget::All => false,
    };
    is_token.then(|| now.plus_seconds(MAX_LIFETIME + LINGER))
}

/// The issuers of a configuration, each with a way to its keys that can be gone.
pub(crate) fn trusted(settings: &Settings) -> Result<Vec<IssuerConfig>, Problems> {
    let config = |issuer: &config::Issuer| {
        let proxy = issuer.proxy.as_deref().map(bring::proxy).transpose().map_err(|problem| vec![format!("proxy.{problem}")])?;
        let config = IssuerConfig {
            rules: issuer.rules.clone(),
            jwks_uri: issuer.jwks_uri.clone(),
            ca: issuer.ca.clone(),
            proxy,
            networks: settings.private_networks.clone(),
            refresh: issuer.refresh,
            least_gap: issuer.least_gap,
            max_age: issuer.max_key_age,
        };
        config.check().map_err(|problem| vec![format!("issuers.{}.{problem}", issuer.rules.name)])?;
        Ok(config)
    };
    settings.issuers.iter().map(config).collect()
}

/// Keeps the keys of issuers in the data folder.
#[derive(Debug)]
pub(crate) struct Keeper(pub(crate) IssuerKeys);

impl KeyKeeper for Keeper {
    fn kept(&self, issuer: &Name, source: &str) -> Option<(Vec<u8>, UnixMillis)> {
        let told = |error: StoreError| tracing::error!(%issuer, %error, "the kept keys of an issuer cannot be used");
        self.0.kept(issuer, source).map_err(told).ok().flatten()
    }

    fn keep(&self, issuer: &Name, source: &str, document: &[u8], fetched: UnixMillis) {
        if let Err(error) = self.0.keep(issuer, source, document, fetched) {
            tracing::warn!(%issuer, %error, "the keys of an issuer cannot be kept for the next start");
        }
    }
}

/// The gate as an issuer, with the keys of its data folder; none if the configuration does not make it one. The first key is made
/// here. Blocks on the disk.
pub(crate) fn issuing(settings: &Settings, store: &Store) -> anyhow::Result<Option<Arc<Issuing>>> {
    let Some(gate) = settings.tokens.clone() else { return Ok(None) };
    let seeds = store.token_seeds()?;
    let signers: Result<Vec<Ed25519Signer>, _> =
        seeds.iter().rev().take(MAX_KEYS).map(|seed| Ed25519Signer::from_seed(seed.as_slice())).collect();
    let signers = signers?;
    let keys = KeySet::of_ed25519(signers.iter().map(|signer| (signer.key_id(), signer.public())));
    let published = json!({"keys": signers.iter().map(Signer::jwk).collect::<Vec<Value>>()});
    let newest = signers.into_iter().next().ok_or_else(|| anyhow::anyhow!("the data folder has no key for tokens"))?;
    Ok(Some(Arc::new(Issuing { gate, keys, signer: Arc::new(newest), published })))
}

impl Issuers for Gate {
    fn issuer(&self, url: &str) -> Option<Trusted> {
        self.issuers.issuer(url)
    }

    fn has_issuers(&self) -> bool {
        !self.issuers.is_empty()
    }

    fn issuer_urls(&self) -> Vec<String> {
        self.issuers.urls()
    }

    fn issuer_named(&self, name: &Name) -> Option<Arc<IssuerRules>> {
        self.issuers.named(name)
    }

    async fn renew(&self, url: &str) {
        self.issuers.renew(url).await;
    }

    fn verified(&self) -> &VerifiedTokens {
        &self.verified
    }

    fn issuing(&self) -> Option<Arc<Issuing>> {
        self.issuing.load_full()
    }

    async fn revoke(&self, target: LockTarget, ends: UnixMillis, by: &CredentialId) -> Result<(), RecordError> {
        let locks = self.store.epoch().locks();
        // Said before: nothing changes, and nobody has to be woken.
        if locks.kind(&target) == Some(LockKind::Revoke) {
            return Ok(());
        }
        let until = ends.plus_seconds(LINGER);
        if locks.n_locks() >= MAX_LOCKS || !self.shares.take(by, until, now()) {
            return Err(RecordError::Unavailable("too many revocations".to_owned()));
        }
        let by = By { operator: None, credential: Some(by.clone()) };
        let until = Some(until);
        match self.store.administer(AdminAct::Locked { target, kind: LockKind::Revoke, until }, by).await {
            // It is in force, whether or not the log can be written now.
            Ok(_) => Ok(()),
            Err(AdminError::Record(error)) => Err(error),
            Err(_) => Err(RecordError::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::UnixMillis;

    use super::{MAX_OF_ONE, Shares, ends};

    #[test]
    fn a_client_has_a_share_and_gets_it_back() {
        let (shares, one, other) = (Shares::default(), "pcl_1".parse().unwrap(), "pcl_2".parse().unwrap());
        let end = UnixMillis(1000);
        assert!((0..MAX_OF_ONE).all(|_| shares.take(&one, end, UnixMillis(0))));
        assert!(!shares.take(&one, end, UnixMillis(999)) && shares.take(&other, end, UnixMillis(999)));
        assert!(shares.take(&one, UnixMillis(2000), end), "those that have ended count no more");
    }

    #[test]
    fn only_locks_on_tokens_end() {
        let facts = [
            ("credential:tok_0f", true),
            ("task:tsk_0f", true),
            ("credential:pcl_0f", false),
            ("credential:at.okta.0f", false),
            ("task:other", false),
            ("user:tok_0f", false),
            ("model:tok_0f", false),
            ("all", false),
        ];
        for (target, has_end) in facts {
            assert_eq!(ends(&target.parse().unwrap(), UnixMillis(0)).is_some(), has_end, "{target}");
        }
    }
}
