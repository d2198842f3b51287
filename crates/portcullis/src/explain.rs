//! Why a request was answered as it was: from the log, for a person.

use evidence::{EntryKind, IntentContent, OutcomeContent};
use model::{ReasonCode, Refusal, RequestId};
use serde_json::{Value, json};
use store::{Entry, Plain, Store, StoreError};

/// The explanation of one request, from the running store.
pub(crate) fn request(store: &Store, request: RequestId) -> Result<Value, Refusal> {
    let unreadable = |_: StoreError| Refusal::because(ReasonCode::Internal, "the log cannot be read");
    let rows = store.by_request(request).map_err(unreadable)?;
    let mut entries = Vec::new();
    for row in rows {
        entries.extend(store.read(row.index).map_err(unreadable)?);
    }
    if entries.is_empty() {
        return Err(Refusal::because(ReasonCode::RouteUnknown, format!("the log has no entry of {request}")));
    }
    Ok(explain(request, &entries))
}

/// The explanation as a document; `lines` is what a person reads.
pub(crate) fn explain(request: RequestId, entries: &[Entry]) -> Value {
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
                    lines.extend(policy::explain(&content.answer).into_iter().map(|line| format!("         {line}")));
                    lines.extend(
                        content.findings.iter().map(|found| format!("found    {} at {} (request)", found.kind, found.place)),
                    );
                    set("answer", json!(content.answer));
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
