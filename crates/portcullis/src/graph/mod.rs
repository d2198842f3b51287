//! `portcullis flow`: which sources the values of a task's calls came from. Out of the log, so for tasks that are long over, too.
//!
//! ```text
//! sources ─► values ─► calls
//! ```
//! Nothing here shows a value: where it stood, as what it was used, and what became of the call.

mod draw;

use std::collections::BTreeSet;

use clap::ValueEnum;
use evidence::{EntryKind, IntentContent};
use model::{Action, ArgumentOrigin, Integrity, Name, ReasonCode, Refusal, RequestId, UnixMillis, Verdict};
use serde::{Deserialize, Serialize};
use store::{Filter, Plain, Row, StoreError};

use crate::gate::Gate;

pub(crate) use draw::{dot, svg, text};

/// Most calls of one task that are shown: the last ones.
const MOST_CALLS: usize = 500;
/// Most entries of the log that are read for them.
const MOST_READ: usize = 5_000;

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// The graph of one task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Graph {
    /// The credential, or the task of a task token.
    pub(crate) task: String,
    /// Who has said what was used, in the order of first use; `nowhere` for what stood nowhere.
    pub(crate) sources: Vec<String>,
    /// The calls, in the order in which they were decided on.
    pub(crate) calls: Vec<Call>,
    /// Whether there were more calls before.
    pub(crate) is_cut: bool,
}

/// One call of a tool.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) request: Option<RequestId>,
    pub(crate) at: UnixMillis,
    /// `server/tool`.
    pub(crate) tool: String,
    pub(crate) verdict: Verdict,
    pub(crate) reason: ReasonCode,
    /// Whether it is what a model asked for, not the call itself.
    pub(crate) is_asked: bool,
    /// Where its values came from; empty where nobody had asked for the call, or the content is erased.
    pub(crate) values: Vec<ArgumentOrigin>,
}

/// The source of a value, as graphs name it.
fn source(origin: &ArgumentOrigin) -> &str {
    origin.from.as_deref().unwrap_or("nowhere")
}

const fn integrity(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Untrusted => "untrusted",
        Integrity::Identifier => "identifier",
        Integrity::Trusted => "trusted",
        Integrity::User => "user",
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permit => "permit",
        Verdict::Challenge => "challenge",
        Verdict::Deny => "deny",
    }
}

/// The graph of a task, from the running gate's log. Blocks on the disk.
///
/// # Errors
/// The log cannot be read, or knows no such task.
pub(crate) fn of(gate: &Gate, task: &str) -> Result<Graph, Refusal> {
    let unreadable = |_: StoreError| Refusal::because(ReasonCode::Internal, "the log cannot be read");
    let name = Name::new(task).map_err(|error| Refusal::because(ReasonCode::FieldType, error.to_string()))?;
    let intents = Filter { kind: Some(EntryKind::Intent), limit: MOST_READ, ..Filter::default() };
    let of_credential = Filter { credential: Some(task.to_owned()), ..intents.clone() };
    let mut rows = gate.store.query(&of_credential).map_err(unreadable)?;
    let is_task = rows.is_empty();
    if is_task {
        rows = gate.store.query(&intents).map_err(unreadable)?;
    }
    let is_call = |row: &Row| row.action.as_deref() == Some(Action::CallTool.as_str());
    let mut calls = Vec::new();
    let mut is_cut = rows.len() >= MOST_READ;
    // Newest first.
    for row in rows.iter().filter(|row| is_call(row)) {
        if calls.len() >= MOST_CALLS {
            is_cut = true;
            break;
        }
        let Some(entry) = gate.store.read(row.index).map_err(unreadable)? else { continue };
        let header = &entry.header;
        if is_task && header.task.as_ref() != Some(&name) {
            continue;
        }
        let content = entry.content.as_ref().and_then(|content| match content {
            Plain::Content(bytes) => serde_json::from_slice::<IntentContent<'_>>(bytes).ok(),
            _ => None,
        });
        let (Some(verdict), Some(reason)) = (header.verdict, header.reason) else { continue };
        calls.push(Call {
            request: header.request,
            at: header.at,
            tool: row.resource.clone().unwrap_or_default(),
            verdict,
            reason,
            is_asked: header.notes.iter().any(|note| note.starts_with("asked for by a model")),
            values: content.map(|content| content.input.facts.around.traced.clone()).unwrap_or_default(),
        });
    }
    if calls.is_empty() {
        let what =
            format!("the log has no call of a tool by `{name}`: `portcullis audit query` shows credentials, `explain` the task");
        return Err(Refusal::because(ReasonCode::RouteUnknown, what));
    }
    calls.reverse();
    let mut seen = BTreeSet::new();
    let named = calls.iter().flat_map(|call| &call.values).map(source).filter(|source| seen.insert((*source).to_owned()));
    let sources = named.map(str::to_owned).collect();
    Ok(Graph { task: task.to_owned(), sources, calls, is_cut })
}
