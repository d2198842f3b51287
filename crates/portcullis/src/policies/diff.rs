//! `portcullis policy diff`: which recorded decisions would have been others, had these policies been in force; or which would be
//! others by one set of policies than by another.

use std::collections::BTreeMap;
use std::path::Path;

use evidence::{COULD_NOTE, EntryKind, IntentContent};
use model::{Answer, DecisionInput, RequestId, UnixMillis};
use serde_json::{Value, json};
use store::{Audit, Plain};

use super::{Ready, ids, shadow, word};
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
pub(super) struct Compared {
    pub(super) n_decisions: u64,
    /// Of erased subjects, or decided while policy was switched off.
    pub(super) n_left_out: u64,
    /// Recorded without what was left of budgets, which policies of either side read: decided as if there were none.
    n_without_budgets: u64,
    changes: BTreeMap<String, Change>,
}

impl Compared {
    /// How many would be others.
    pub(super) fn n_changed(&self) -> u64 {
        self.changes.values().map(|change| change.count).sum()
    }

    /// Counts one decision that would be another.
    pub(super) fn add(&mut self, input: &DecisionInput, old: &Answer, new: &Answer, request: RequestId) {
        let told = |answer: &Answer| format!("{} ({}) {}", word(answer.verdict), answer.reason, ids(answer).join(","));
        let what = format!("{}: {} → {}", call(input), told(old).trim_end(), told(new).trim_end());
        let is_known = self.changes.contains_key(&what);
        let what = if is_known || self.changes.len() < MAX_KINDS { what } else { "others".to_owned() };
        let change = self.changes.entry(what).or_default();
        change.count = change.count.saturating_add(1);
        if change.examples.len() < MAX_EXAMPLES {
            change.examples.push(request);
        }
    }

    /// The changes as documents, the most frequent first.
    pub(super) fn rows(&self) -> Vec<Value> {
        let row =
            |(what, change): (&String, &Change)| json!({"change": what, "count": change.count, "examples": change.examples});
        self.sorted().into_iter().map(row).collect()
    }

    /// The changes for people, the most frequent first.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(what, Change { count, examples }): (&String, &Change)| {
            let examples: Vec<String> = examples.iter().map(ToString::to_string).collect();
            format!("{count:>7}  {what}\n         such as {}", examples.join(", "))
        };
        self.sorted().into_iter().map(line).collect()
    }

    fn sorted(&self) -> Vec<(&String, &Change)> {
        let mut changes: Vec<(&String, &Change)> = self.changes.iter().collect();
        changes.sort_by_key(|(what, change)| (std::cmp::Reverse(change.count), what.as_str()));
        changes
    }
}

/// Decides every recorded call of `data` again with the policies of `new`, and shows what changes: against what was decided, or
/// against what the policies of `old` say.
pub(super) fn diff(
    cli: &Cli,
    data: &Path,
    old: Option<&Ready>,
    ready: &Ready,
    since: Option<&str>,
    enforce_shadow: Option<&str>,
) -> anyhow::Result<Exit> {
    let since = match since.map(seconds).transpose() {
        Ok(since) => since.map_or(UnixMillis(0), |since| UnixMillis(now().0.saturating_sub(since.saturating_mul(1000)))),
        Err(message) => {
            output::note(&message);
            return Ok(Exit::Invalid);
        }
    };
    if let Some(id) = enforce_shadow {
        return shadow::rehearse(cli, data, ready, id, since);
    }
    let mut compared = Compared::default();
    let reads_budgets = old.into_iter().chain([ready]).any(|side| side.policies.reads_budgets());
    compared.n_left_out = each_decision(data, since, |request, content, is_list| {
        compared.n_decisions = compared.n_decisions.saturating_add(1);
        let is_without = reads_budgets && content.input.facts.around.budget.is_none();
        compared.n_without_budgets = compared.n_without_budgets.saturating_add(u64::from(is_without));
        let decide = |ready: &Ready| match is_list {
            true => ready.policies.decide_list(&content.input),
            false => ready.policies.decide(&content.input),
        };
        let (before, after) = (old.map(decide), decide(ready));
        let before = before.as_ref().unwrap_or(&content.answer);
        if !is_same(before, &after) {
            compared.add(&content.input, before, &after, request);
        }
    })?;
    if cli.json {
        let Compared { n_decisions, n_left_out, n_without_budgets, .. } = compared;
        let told = json!({
            "decisions": n_decisions, "left_out": n_left_out, "without_budgets": n_without_budgets, "changes": compared.rows(),
        });
        output::line(&told.to_string());
    } else {
        compared.lines().iter().for_each(|line| output::line(line));
        output::line(&format!(
            "{} of {} recorded decisions would be others{}",
            compared.n_changed(),
            compared.n_decisions,
            if compared.n_left_out > 0 { format!("; {} cannot be decided again", compared.n_left_out) } else { String::new() }
        ));
    }
    if !cli.json && compared.n_without_budgets > 0 {
        output::note(&format!(
            "{} decisions were recorded without what was left of budgets (no policy asked for it then, or none applied): they are decided \
             here as if there were no budgets",
            compared.n_without_budgets
        ));
    }
    Ok(if compared.changes.is_empty() { Exit::Ok } else { Exit::Failure })
}

/// Whether two answers do the same to a call.
pub(super) fn is_same(old: &Answer, new: &Answer) -> bool {
    (old.verdict, old.reason, old.duties()) == (new.verdict, new.reason, new.duties())
}

/// Calls `each` with every recorded decision since then that can be taken again, and whether it is one on a list; how many
/// cannot.
pub(super) fn each_decision(
    data: &Path,
    since: UnixMillis,
    mut each: impl FnMut(RequestId, &IntentContent<'_>, bool),
) -> anyhow::Result<u64> {
    let audit = Audit::open_offline(data, None)?;
    let mut n_left_out = 0_u64;
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
        match content.zip(header.request) {
            Some((content, request)) => each(request, &content, header.notes.iter().any(|note| note == COULD_NOTE)),
            None => n_left_out = n_left_out.saturating_add(1),
        }
    }
    Ok(n_left_out)
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
