//! Erasing content: recorded durably first, then the keys are destroyed.

use std::collections::BTreeSet;
use std::sync::Arc;

use evidence::{EntryKind, Header};

use crate::admin::By;
use crate::error::StoreError;
use crate::log::Draft;
use crate::retention::{Aged, Day, Retention};
use crate::store::Store;
use crate::vault::ERASED;

/// Most keys that one entry names as erased, and most that are erased at once.
const ERASED_PER_ENTRY: usize = 1000;
const MAX_ERASED: usize = 8 * ERASED_PER_ENTRY;
/// Longest name of a subject in a remark, in characters.
const MAX_SUBJECT: usize = 300;

impl Store {
    /// Erases a subject, such as `user:alice`: records it durably, then destroys its keys and takes its credentials for upstreams
    /// away. Blocks on the disk while it rewraps the other keys. `false` if there was nothing of the subject.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be recorded, or the keys cannot be written.
    pub async fn erase(&self, subject: &str, by: By) -> Result<bool, StoreError> {
        let keys = self.vault.key_ids(subject);
        let shown = subject.chars().take(MAX_SUBJECT).collect::<String>();
        let n_credentials = self.secrets.n_of(subject);
        if n_credentials > 0 {
            let header = Header {
                operator: by.operator.clone(),
                credential: by.credential.clone(),
                notes: vec![format!("erasure: {shown}, {n_credentials} credentials for upstreams")],
                ..Header::new(EntryKind::Admin, (self.clock)())
            };
            self.log.durable(Draft::plain(header)).await?;
            let (secrets, holder) = (Arc::clone(&self.secrets), subject.to_owned());
            tokio::task::spawn_blocking(move || secrets.erase(&holder)).await.map_err(|_| StoreError::Thread)??;
        }
        let remark = format!("erasure: {shown}, {} keys", keys.len());
        Ok(self.erase_keys(&keys, by, vec![remark]).await? > 0 || n_credentials > 0)
    }

    /// How many keys the content of a subject has: none, if there is nothing of it.
    #[must_use]
    pub fn n_keys_of(&self, subject: &str) -> usize {
        self.vault.key_ids(subject).len()
    }

    /// How long content is kept from now on; `None` for as long as the log. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when the keys cannot be written.
    pub fn set_retention(&self, retention: Option<Retention>) -> Result<(), StoreError> {
        self.vault.set_period(retention.map_or(0, Retention::period), Day::of((self.clock)()))
    }

    /// The keys whose content is older than it may become, oldest first, and how many keys there are in all.
    #[must_use]
    pub fn aged(&self, retention: Retention) -> (Vec<Aged>, usize) {
        (self.vault.aged(retention.horizon((self.clock)())), self.vault.n_keys())
    }

    /// Erases content that is older than it may become: records it durably, then destroys the keys, oldest first and at most
    /// 8,000 at once. Gives how many were erased.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be recorded, or the keys cannot be written.
    pub async fn erase_aged(&self, retention: Retention, by: By) -> Result<usize, StoreError> {
        let (aged, _) = self.aged(retention);
        let keys: BTreeSet<String> = aged.into_iter().take(MAX_ERASED).map(|key| key.id).collect();
        let remark = format!("retention: content older than {} days, {} keys", retention.days, keys.len());
        self.erase_keys(&keys, by, vec![remark]).await
    }

    /// An entry names at most [`ERASED_PER_ENTRY`] keys; none is destroyed before all of them are named.
    async fn erase_keys(&self, keys: &BTreeSet<String>, by: By, remarks: Vec<String>) -> Result<usize, StoreError> {
        let ids: Vec<&String> = keys.iter().collect();
        for part in ids.chunks(ERASED_PER_ENTRY) {
            let mut notes = remarks.clone();
            notes.extend(part.iter().map(|key| format!("{ERASED}{key}")));
            let (operator, credential) = (by.operator.clone(), by.credential.clone());
            let header = Header { operator, credential, notes, ..Header::new(EntryKind::Admin, (self.clock)()) };
            self.log.durable(Draft::plain(header)).await?;
        }
        if keys.is_empty() {
            return Ok(0);
        }
        let (vault, keys) = (Arc::clone(&self.vault), keys.clone());
        tokio::task::spawn_blocking(move || vault.erase(&keys)).await.map_err(|_| StoreError::Thread)?
    }
}
