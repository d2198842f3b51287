//! Tokens: the issuers that are trusted, and the gate as one.

use std::sync::Arc;

use config::Settings;
use engine::ports::{Issuers, Issuing, Trusted};
use evidence::RecordError;
use gateway::issuers::IssuerConfig;
use identity::token::{Ed25519Signer, IssuerRules, KeySet, Signer};
use model::{AdminAct, CredentialId, LockKind, LockTarget, Name};
use serde_json::{Value, json};
use store::{AdminError, By, Store};

use crate::gate::Gate;

/// Most keys of the gate that verify tokens: the one that signs, and the one before it. So a second rotation ends what the first
/// has replaced.
const MAX_KEYS: usize = 2;

/// Most locks while clients may add more: each is looked at in every call, and none is ever removed. Operators may go on.
const MAX_LOCKS: usize = 50_000;

/// The issuers of a configuration.
pub(crate) fn trusted(settings: &Settings) -> Vec<IssuerConfig> {
    let config = |issuer: &config::Issuer| IssuerConfig {
        rules: issuer.rules.clone(),
        jwks_uri: issuer.jwks_uri.clone(),
        refresh: issuer.refresh,
        least_gap: issuer.least_gap,
        max_age: issuer.max_key_age,
    };
    settings.issuers.iter().map(config).collect()
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

    fn issuer_named(&self, name: &Name) -> Option<Arc<IssuerRules>> {
        self.issuers.named(name)
    }

    async fn renew(&self, url: &str) {
        self.issuers.renew(url).await;
    }

    fn issuing(&self) -> Option<Arc<Issuing>> {
        self.issuing.load_full()
    }

    async fn revoke(&self, target: LockTarget, by: &CredentialId) -> Result<(), RecordError> {
        if self.store.epoch().locks().iter().count() >= MAX_LOCKS {
            return Err(RecordError::Unavailable("too many revocations".to_owned()));
        }
        let by = By { operator: None, credential: Some(by.clone()) };
        match self.store.administer(AdminAct::Locked { target, kind: LockKind::Revoke }, by).await {
            // It is in force, whether or not the log can be written now.
            Ok(_) => Ok(()),
            Err(AdminError::Record(error)) => Err(error),
            Err(_) => Err(RecordError::Closed),
        }
    }
}
