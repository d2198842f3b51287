//! Why a request was answered as it was: from the log, for a person.

use std::sync::Arc;

use evidence::{COULD_NOTE, EntryKind, Header, IntentContent, OutcomeContent};
use model::{Digest, ReasonCode, Refusal, RequestId};
use policy::{Change, Changes, Explanation, FactsRead, PolicySnapshot};
use serde_json::{Map, Value, json};
use store::{Entry, Plain, StoreError};

use crate::bring;
use crate::gate::Gate;

/// The explanation of one request, from the running gate.
pub(crate) fn request(gate: &Gate, request: RequestId) -> Result<Value, Refusal> {
    let store = &gate.store;
    let unreadable = |_: StoreError| Refusal::because(ReasonCode::Internal, "the log cannot be read");
    let rows = store.by_request(request).map_err(unreadable)?;
    let mut entries = Vec::new();
    for row in rows {
        entries.extend(store.read(row.index).map_err(unreadable)?);
    }
    if entries.is_empty() {
        return Err(Refusal::because(ReasonCode::RouteUnknown, format!("the log has no entry of {request}")));
    }
    Ok(explain(request, &entries, &|digest| policies(gate, digest)))
}

/// The policies of a bundle: those in force, or those of the day.
fn policies(gate: &Gate, digest: &Digest) -> Option<Arc<PolicySnapshot>> {
    let in_force = gate.in_force.load();
    if in_force.snapshot.digest == *digest {
        return Some(Arc::clone(&in_force.snapshot.policy));
    }
    let bundle = gate.store.bundles().read(digest).ok()?;
    bring::compile(&bundle).ok().map(Arc::new)
}

/// Decides once more, by the policies of the day, and says why; none where policy was switched off, of a list, or where this is
/// not the answer that was given: then nothing that is said of it would be true.
fn again(header: &Header, content: &IntentContent<'_>, policies: &Policies<'_>) -> Option<Explanation> {
    if header.notes.iter().any(|note| note == "skipped: policy" || note == COULD_NOTE) {
        return None;
    }
    let explanation = policies(header.snapshot.as_ref()?)?.explanation(&content.input);
    (explanation.answer == *content.answer).then_some(explanation)
}

/// The facts that policies read, as a document.
pub(crate) fn facts(explanation: &Explanation) -> Value {
    let row = |FactsRead { policy, principals, facts }: &FactsRead| {
        let facts: Map<String, Value> = facts.iter().map(|(place, value)| (place.clone(), json!(value))).collect();
        json!({"policy": policy, "principals": principals, "facts": facts})
    };
    explanation.facts.iter().map(row).collect()
}

/// The changes that would flip the verdict, as a document.
pub(crate) fn changes(explanation: &Explanation) -> Value {
    let Changes { found, n_tried, is_cut } = &explanation.changes;
    let row = |Change { parts, verdict }: &Change| {
        let parts: Vec<Value> = parts.iter().map(|(by, text)| json!({"by": by.as_str(), "what": text})).collect();
        json!({"verdict": verdict, "if": parts})
    };
    json!({"found": found.iter().map(row).collect::<Vec<_>>(), "tried": n_tried, "is_cut": is_cut})
}

/// Finds the policies of a bundle.
type Policies<'p> = dyn Fn(&Digest) -> Option<Arc<PolicySnapshot>> + 'p;

/// The explanation as a document; `lines` is what a person reads.
fn explain(request: RequestId, entries: &[Entry], policies: &Policies<'_>) -> Value {
    let mut lines = Vec::new();
    let mut document = json!({"request": request});
    for entry in entries {
        let header = &entry.header;
        let mut set = |key: &str, value: Value| {
            if let Some(fields) = document.as_object_mut() {
                fields.insert(key.to_owned(), value);
            }
        };
        match header.kind {
            EntryKind::Intent => {
                let chain: Vec<String> = header.chain.iter().flat_map(|chain| chain.links()).map(ToString::to_string).collect();
                lines.push(format!(
                    "who      {} with {}",
                    chain.join(" → "),
                    header.credential.as_ref().map_or("", |id| id.as_str())
                ));
                let verdict =
                    header.verdict.map_or_else(|| "-".to_owned(), |verdict| json!(verdict).as_str().unwrap_or("-").to_owned());
                lines.push(format!("verdict  {verdict} ({})", header.reason.map_or("", ReasonCode::as_str)));
                lines.extend(header.task.iter().map(|task| format!("task     {task}")));
                lines.extend(header.notes.iter().map(|note| format!("note     {note}")));
                set("verdict", json!(header.verdict));
                set("reason", json!(header.reason));
                set("chain", json!(header.chain));
                set("task", json!(header.task));
                set("findings", json!(header.findings));
                set("snapshot", json!(header.snapshot));
                if let Some(content) = read::<IntentContent<'_>>(entry) {
                    let again = again(header, &content, policies);
                    let told = again.as_ref().map_or_else(|| policy::explain(&content.answer), Explanation::text);
                    lines.extend(told.into_iter().map(|line| format!("         {line}")));
                    lines.extend(content.shadow.iter().map(|shadow| format!("shadow   {shadow}")));
                    lines.extend(
                        content.findings.iter().map(|found| format!("found    {} at {} (request)", found.kind, found.place)),
                    );
                    set("answer", json!(content.answer));
                    set("shadow", json!(content.shadow));
                    set("facts", again.as_ref().map(facts).unwrap_or_default());
                    set("changes", again.as_ref().map(changes).unwrap_or_default());
                    let outbound = content.outbound.as_ref().and_then(evidence::Capped::bytes);
                    set("outbound", json!(outbound.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())));
                    set("destinations", json!(content.destinations));
                } else if header.content.is_some() {
                    lines.push("content  not readable: erased".to_owned());
                }
            }
            EntryKind::Outcome => {
                let result = header.result.map_or("-", evidence::OutcomeResult::as_str);
                lines.push(format!("outcome  {result} ({})", header.reason.map_or("", ReasonCode::as_str)));
                set("result", json!(header.result));
                set("outcome_reason", json!(header.reason));
                if let Some(content) = read::<OutcomeContent>(entry) {
                    lines.extend(
                        content.findings.iter().map(|found| format!("found    {} at {} (response)", found.kind, found.place)),
                    );
                    lines.push(format!("took     {} µs in all", content.timings.total));
                    let released = content.released.as_ref().and_then(evidence::Capped::bytes);
                    set("released", json!(released.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())));
                    set("upstream_status", json!(content.status));
                }
            }
            EntryKind::Edit => lines.push(format!("edit     {}", json!(header.findings))),
            EntryKind::Admin | EntryKind::Noise => {}
        }
    }
    if let Some(fields) = document.as_object_mut() {
        fields.insert("lines".to_owned(), json!(lines));
    }
    document
}

fn read<T: for<'de> serde::Deserialize<'de>>(entry: &Entry) -> Option<T> {
    match &entry.content {
        Some(Plain::Content(bytes)) => serde_json::from_slice(bytes).ok(),
        Some(Plain::Absent | Plain::Erased) | None => None,
    }
}
