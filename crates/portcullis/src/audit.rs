//! The log, offline: verify, prove, replay. Reads the data folder; starts nothing and trusts nothing that is in memory.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use evidence::{COULD_NOTE, EntryKind, IntentContent};
use model::{Answer, Digest, RequestId, ShadowAnswer};
use policy::PolicySnapshot;
use serde_json::{Value, json};
use store::{Audit, Plain};

use crate::bring;

/// Verifies everything; a line for people. `Err` names every problem.
pub(crate) fn verify_text(data: &Path) -> anyhow::Result<String> {
    let report = verify(data)?;
    let number = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or(0);
    Ok(format!(
        "{} entries under the signed checkpoint, {} contents match their commitments, {} erased on record, {} not sealed yet, 0 problems",
        number("entries"),
        number("contents"),
        number("erased"),
        number("unsealed")
    ))
}

/// Verifies everything.
pub(crate) fn verify(data: &Path) -> anyhow::Result<Value> {
    let report = open(data)?.verify();
    if !report.problems.is_empty() {
        bail!("the log is damaged:\n  {}", report.problems.join("\n  "));
    }
    Ok(json!({
        "entries": report.entries, "contents": report.contents, "erased": report.erased, "unchecked": report.unchecked,
        "unsealed": report.unsealed, "open": report.open,
    }))
}

fn open(data: &Path) -> anyhow::Result<Audit> {
    Audit::open_offline(data, None).with_context(|| format!("cannot read the log in `{}`", data.display()))
}

/// Inclusion proofs of every entry of a request that is under the checkpoint, in the C2SP tlog-proof form.
pub(crate) fn prove(data: &Path, request: &str) -> anyhow::Result<Vec<(u64, String)>> {
    let request: RequestId = request.parse()?;
    let audit = open(data)?;
    let entries = audit.by_request(request)?;
    if entries.is_empty() {
        bail!("the log has no entry of {request}");
    }
    let sealed = audit.checkpoint()?.size;
    let mut proofs = Vec::new();
    for entry in entries.iter().filter(|entry| entry.index < sealed) {
        let proof = audit.prove(entry.index)?;
        proofs.push((entry.index, String::from_utf8(proof.to_text())?));
    }
    if proofs.is_empty() {
        bail!("the entries of {request} are not under a checkpoint yet: try again in a second");
    }
    Ok(proofs)
}

/// What replaying found.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) equal: u64,
    pub(crate) different: Vec<String>,
    pub(crate) erased: u64,
    /// Decided while policy was switched off, or refused before a decision.
    pub(crate) undecided: u64,
    /// What was decided now: request, verdict, reason.
    pub(crate) decisions: Vec<Value>,
}

/// Decides every recorded call again, from the data folder alone: recorded inputs, and bundles by their digest.
pub(crate) fn replay(data: &Path, only: Option<&str>) -> anyhow::Result<Replayed> {
    let only: Option<RequestId> = only.map(str::parse).transpose()?;
    let audit = open(data)?;
    let mut snapshots: HashMap<Digest, Arc<PolicySnapshot>> = HashMap::new();
    let mut replayed = Replayed::default();
    for entry in audit.entries(0)? {
        let entry = entry?;
        let header = &entry.header;
        // Without a verdict it is a remark, such as on an introspection: nothing was decided.
        let is_decision = header.kind == EntryKind::Intent && header.verdict.is_some();
        if !is_decision || only.is_some_and(|only| header.request != Some(only)) {
            continue;
        }
        let content: IntentContent<'_> = match &entry.content {
            Some(Plain::Content(bytes)) => {
                serde_json::from_slice(bytes).with_context(|| format!("entry {} cannot be read", entry.index))?
            }
            Some(Plain::Erased) => {
                replayed.erased = replayed.erased.saturating_add(1);
                continue;
            }
            Some(Plain::Absent) => {
                replayed.undecided = replayed.undecided.saturating_add(1);
                continue;
            }
            None => bail!("the keys of `{}` are not at hand", data.display()),
        };
        if header.notes.iter().any(|note| note == "skipped: policy") {
            replayed.undecided = replayed.undecided.saturating_add(1);
            continue;
        }
        let digest = header.snapshot.with_context(|| format!("entry {} names no bundle", entry.index))?;
        let snapshot = match snapshots.get(&digest) {
            Some(snapshot) => Arc::clone(snapshot),
            None => {
                let snapshot = Arc::new(load(&audit, &digest)?);
                snapshots.insert(digest, Arc::clone(&snapshot));
                snapshot
            }
        };
        // The stored answer takes no part in this evaluation; it is only what the new one is compared with.
        let is_list = header.notes.iter().any(|note| note == COULD_NOTE);
        let again = if is_list { snapshot.decide_list(&content.input) } else { snapshot.decide(&content.input) };
        // What could be allowed at all is no decision on a call, and shadow policies are not asked.
        let shadow = if is_list { None } else { snapshot.shadow(&content.input, &again) };
        replayed.decisions.push(json!({"request": header.request, "verdict": again.verdict, "reason": again.reason}));
        let what = difference(&again, &content.answer).or_else(|| shadow_difference(shadow.as_ref(), content.shadow.as_ref()));
        match what {
            None => replayed.equal = replayed.equal.saturating_add(1),
            Some(what) => {
                let request = header.request.map(|request| request.to_string()).unwrap_or_default();
                replayed.different.push(format!("entry {} ({request}): {what}", entry.index));
            }
        }
    }
    Ok(replayed)
}

fn load(audit: &Audit, digest: &Digest) -> anyhow::Result<PolicySnapshot> {
    let bundle = audit.bundles().read(digest).with_context(|| format!("bundle {digest} cannot be read"))?;
    bring::compile(&bundle).map_err(|problems| anyhow::anyhow!("bundle {digest}: {}", problems.join("\n")))
}

fn shadow_difference(again: Option<&ShadowAnswer>, stored: Option<&ShadowAnswer>) -> Option<String> {
    let shown = |answer: Option<&ShadowAnswer>| answer.map_or_else(|| "not concerned".to_owned(), ToString::to_string);
    (again != stored).then(|| format!("shadow policies: recorded {}, decided again {}", shown(stored), shown(again)))
}

fn difference(again: &Answer, stored: &Answer) -> Option<String> {
    if again == stored {
        return None;
    }
    let shown = |answer: &Answer| format!("{} ({})", json!(answer.verdict).as_str().unwrap_or("?"), answer.reason);
    Some(format!("recorded {}, decided again {}", shown(stored), shown(again)))
}
