//! `portcullis policy diff`: which recorded decisions would have been others, had these policies been in force.

use std::collections::BTreeMap;
use std::path::Path;

use evidence::{COULD_NOTE, EntryKind, IntentContent};
use model::{DecisionInput, RequestId, UnixMillis};
use serde_json::json;
use store::{Audit, Plain};

use super::{Ready, ids, word};
use crate::cli::{Cli, seconds};
use crate::commands::Exit;
use crate::gate::now;
use crate::output;

/// Most kinds of changes that are kept apart.
const MAX_KINDS: usize = 10_000;
/// Requests that are named per kind.
const MAX_EXAMPLES: usize = 3;

/// A change, and how often it would have happened.
#[derive(Debug, Default)]
struct Change {
    count: u64,
    examples: Vec<RequestId>,
}

/// What was compared.
#[derive(Debug, Default)]
struct Compared {
    n_decisions: u64,
    /// Of erased subjects, or decided while policy was switched off.
    n_left_out: u64,
    changes: BTreeMap<String, Change>,
}

/// Decides every recorded call of `data` again with the policies that are `ready`, and shows what changes.
pub(super) fn diff(cli: &Cli, data: &Path, ready: &Ready, since: Option<&str>) -> anyhow::Result<Exit> {
    let since = match since.map(seconds).transpose() {
        Ok(since) => since.map_or(UnixMillis(0), |since| UnixMillis(now().0.saturating_sub(since.saturating_mul(1000)))),
        Err(message) => {
            output::note(&message);
            return Ok(Exit::Invalid);
        }
    };
    let compared = compare(data, ready, since)?;
    let mut changes: Vec<(&String, &Change)> = compared.changes.iter().collect();
    changes.sort_by_key(|(what, change)| (std::cmp::Reverse(change.count), what.as_str()));
    if cli.json {
        let rows: Vec<_> = changes
            .iter()
            .map(|(what, change)| json!({"change": what, "count": change.count, "examples": change.examples}))
            .collect();
        output::line(&json!({"decisions": compared.n_decisions, "left_out": compared.n_left_out, "changes": rows}).to_string());
    } else {
        for (what, Change { count, examples }) in &changes {
            let examples: Vec<String> = examples.iter().map(ToString::to_string).collect();
            output::line(&format!("{count:>7}  {what}\n         such as {}", examples.join(", ")));
        }
        let n_changed: u64 = changes.iter().map(|(_, change)| change.count).sum();
        output::line(&format!(
            "{n_changed} of {} recorded decisions would be others{}",
            compared.n_decisions,
            if compared.n_left_out > 0 { format!("; {} cannot be decided again", compared.n_left_out) } else { String::new() }
        ));
    }
    Ok(if compared.changes.is_empty() { Exit::Ok } else { Exit::Failure })
}

fn compare(data: &Path, ready: &Ready, since: UnixMillis) -> anyhow::Result<Compared> {
    let audit = Audit::open_offline(data, None)?;
    let mut compared = Compared::default();
    for entry in audit.entries(0)? {
        let entry = entry?;
        let header = &entry.header;
        if header.kind != EntryKind::Intent || header.verdict.is_none() || header.at < since {
            continue;
        }
        let is_skipped = header.notes.iter().any(|note| note == "skipped: policy");
        let content: Option<IntentContent<'_>> = match &entry.content {
            Some(Plain::Content(bytes)) if !is_skipped => serde_json::from_slice(bytes).ok(),
            _ => None,
        };
        let (Some(content), Some(request)) = (content, header.request) else {
            compared.n_left_out = compared.n_left_out.saturating_add(1);
            continue;
        };
        compared.n_decisions = compared.n_decisions.saturating_add(1);
        let is_list = header.notes.iter().any(|note| note == COULD_NOTE);
        let new = if is_list { ready.policies.decide_list(&content.input) } else { ready.policies.decide(&content.input) };
        let old = &content.answer;
        let is_same = (old.verdict, old.reason, old.duties()) == (new.verdict, new.reason, new.duties());
        if is_same {
            continue;
        }
        let told = |answer: &model::Answer| format!("{} ({}) {}", word(answer.verdict), answer.reason, ids(answer).join(","));
        let what = format!("{}: {} → {}", call(&content.input), told(old).trim_end(), told(&new).trim_end());
        let is_known = compared.changes.contains_key(&what);
        let what = if is_known || compared.changes.len() < MAX_KINDS { what } else { "others".to_owned() };
        let change = compared.changes.entry(what).or_default();
        change.count = change.count.saturating_add(1);
        if change.examples.len() < MAX_EXAMPLES {
            change.examples.push(request);
        }
    }
    Ok(compared)
}

fn call(input: &DecisionInput) -> String {
    let who: Vec<String> = input.chain.links().iter().map(ToString::to_string).collect();
    let asks: Vec<String> = input
        .asks
        .iter()
        .map(|ask| format!("{} {}:{}", ask.verb().escape_debug(), ask.resource.type_name(), ask.resource.id().escape_debug()))
        .collect();
    format!("{} {}", who.join("→"), asks.join(" + "))
}
