//! What calls of a tool are counted in: every place is one, and the tool has such an argument.

use std::collections::BTreeMap;

use model::{Count, Counted, Name};
use serde_json::Value;

use crate::check::Report;
use crate::problem::{Path, shown, suggestion};
use crate::raw_tools::{self, Tool};

/// Most quantities of one tool.
const MOST: usize = 8;
/// Most steps of a place.
const MOST_STEPS: usize = 8;
/// Longest place in bytes.
const LONGEST: usize = 256;

/// What a tool is counted in.
pub(super) fn of(tool: &Tool, input: &str, path: &Path, report: &mut Report<'_>) -> BTreeMap<Name, Count> {
    if tool.counts.len() > MOST {
        report.key_problem(path, format!("at most {MOST} quantities, found {}", tool.counts.len()));
    }
    let schema: Value = serde_json::from_str(input).unwrap_or_default();
    let mut found = BTreeMap::new();
    for (quantity, raw) in &tool.counts {
        let path = path.key(quantity);
        let name = report.name(&path, quantity);
        found.extend(name.zip(count(raw, &schema, &path, report)));
    }
    found
}

fn count(raw: &raw_tools::Count, schema: &Value, path: &Path, report: &mut Report<'_>) -> Option<Count> {
    let (key, place, of): (&str, &String, fn(String) -> Counted) = match (&raw.sum, &raw.entries, &raw.rows) {
        (Some(place), None, None) => ("sum", place, Counted::Sum),
        (None, Some(place), None) => ("entries", place, Counted::Entries),
        (None, None, Some(place)) => ("rows", place, Counted::Rows),
        _ => {
            report.key_problem(path, "expected exactly one of `sum`, `entries` and `rows`");
            return None;
        }
    };
    let at = path.key(key);
    if let Err(what) = is_place(place) {
        report.problem(&at, format!("`{}` is no place: {what}", shown(place)));
        return None;
    }
    if matches!(of(String::new()), Counted::Rows(_)) {
        if raw.absent.is_none() {
            report.key_problem(path, "the key `absent` is missing: how many rows a call needs room for before they are counted");
        } else if raw.absent == Some(0) {
            let what =
                "a call that needs no room passes when there is none, and counts as nothing where its result shows no rows";
            report.problem(&path.key("absent"), format!("{what}: expected 1 or more"));
        }
    } else if let Some(message) = is_unknown(place, schema) {
        report.problem(&at, message);
    }
    Some(Count { of: of(place.clone()), absent: raw.absent.map(|absent| absent.saturating_mul(1000)) })
}

fn is_place(place: &str) -> Result<(), String> {
    let steps = place.strip_prefix('/').ok_or("expected a JSON Pointer such as `/amount`")?;
    let n_steps = steps.split('/').count();
    let n_all = steps.split('/').filter(|step| *step == "*").count();
    match () {
        () if place.len() > LONGEST || n_steps > MOST_STEPS => Err(format!("longer than {MOST_STEPS} steps or {LONGEST} bytes")),
        () if n_all > 2 => Err("`*` stands in it more than twice".to_owned()),
        () if steps.split('/').any(str::is_empty) => Err("a step is empty".to_owned()),
        () => Ok(()),
    }
}

/// Whether the schema names its arguments and not this one.
pub(super) fn is_unknown(place: &str, schema: &Value) -> Option<String> {
    let known = schema.get("properties")?.as_object()?;
    let first = place.split('/').nth(1)?.replace("~1", "/").replace("~0", "~");
    if known.contains_key(&first) {
        return None;
    }
    let near = suggestion(&first, known.keys().map(String::as_str));
    Some(format!("the tool has no argument `{}`{near}", shown(&first)))
}
