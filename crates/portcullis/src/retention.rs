//! Content that is older than it may become: found, told of, and erased in the background.

use std::sync::Arc;
use std::time::Duration;

use config::Settings;
use model::{ReasonCode, Refusal};
use serde_json::{Value, json};
use store::{Aged, By, Retention, StoreError};
use tokio::sync::watch;

use crate::gate::Gate;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(3600);
/// Most keys that an answer names; the number of all is told beside them.
const MAX_SHOWN: usize = 200;

/// How long content is kept by these settings.
pub(crate) fn of(settings: &Settings) -> Option<Retention> {
    settings.retention.content_days.map(|days| Retention { days })
}

/// Erases what is old, now and every hour, until the gate stops. Keys are destroyed at most 8,000 at once; what is left over
/// goes next time.
pub(crate) async fn watch(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    loop {
        let retention = of(&gate.in_force.load().config.settings);
        if let Some(retention) = retention {
            match erase_aged(&gate, retention, By::default()).await {
                Ok(0) => {}
                Ok(keys) => tracing::info!(keys, days = retention.days, "content that is older than it may become was erased"),
                Err(error) => tracing::error!(%error, "old content cannot be erased"),
            }
        }
        tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Erases what is old, in the log and in memory.
async fn erase_aged(gate: &Gate, retention: Retention, by: By) -> Result<usize, StoreError> {
    let (aged, _) = gate.store.aged(retention);
    let erased = gate.store.erase_aged(retention, by).await?;
    for Aged { subject, through, .. } in &aged {
        gate.desk.erase(subject, Some(through.start().plus_seconds(86_400))).await;
    }
    Ok(erased)
}

/// What is old; erases it unless this is a dry run.
pub(crate) async fn retain(gate: &Gate, by: By, dry_run: bool) -> Result<Value, Refusal> {
    let Some(retention) = of(&gate.in_force.load().config.settings) else {
        return Ok(
            json!({"content_days": null, "keys": gate.store.aged(Retention { days: u32::MAX }).1, "aged": [], "n_aged": 0, "erased": 0}),
        );
    };
    let (aged, keys) = gate.store.aged(retention);
    let erased = match dry_run {
        true => 0,
        false => {
            let erased = erase_aged(gate, retention, by).await;
            erased.map_err(|error| Refusal::because(ReasonCode::EvidenceUnavailable, error.to_string()))?
        }
    };
    let shown: Vec<Value> = aged.iter().take(MAX_SHOWN).map(row).collect();
    Ok(json!({"content_days": retention.days, "period_days": retention.period(), "keys": keys, "aged": shown,
        "n_aged": aged.len(), "erased": erased}))
}

/// Whether there is anything of a subject; destroys its keys unless this is a dry run. Who nobody knows is told, for a name that
/// is misspelt erases nothing.
pub(crate) async fn erase(gate: &Gate, by: By, subject: &str, dry_run: bool) -> Result<Value, Refusal> {
    let keys = gate.store.n_keys_of(subject);
    let credentials = gate.store.secrets().n_of(subject);
    if keys == 0 && credentials == 0 {
        let what = "nothing is kept of this subject: expected `user:NAME`, `agent:NAME`, `service:NAME` or `node`, as in the log";
        return Err(Refusal::because(ReasonCode::FieldType, what));
    }
    if !dry_run {
        let erased = gate.store.erase(subject, by).await;
        erased.map_err(|error| Refusal::because(ReasonCode::EvidenceUnavailable, error.to_string()))?;
        gate.desk.erase(subject, None).await;
    }
    Ok(json!({"subject": subject, "keys": keys, "credentials": credentials, "erased": !dry_run}))
}

fn row(aged: &Aged) -> Value {
    json!({"key": aged.id, "subject": aged.subject, "through": aged.through.start()})
}
