//! `portcullis policy test`: every table of cases, and the golden matrix.

use std::collections::BTreeSet;
use std::path::PathBuf;

use model::Answer;
use serde_json::json;

use super::cases::{Case, Known, parse};
use super::{Ready, ids, matrix, shadow, word};
use crate::cli::Cli;
use crate::commands::Exit;
use crate::files;
use crate::output;

/// Most bytes of one file of cases.
const MAX_FILE: usize = 16 << 20;
/// How the names of such files end.
const ENDING: &str = ".cases.md";

/// Tests `only`, or everything in `policies/`.
pub(super) fn test(cli: &Cli, ready: &Ready, only: &[PathBuf]) -> anyhow::Result<Exit> {
    let (mut n_cases, mut failed, mut invalid, mut decisive) = (0_usize, Vec::new(), Vec::new(), BTreeSet::new());
    let files = if only.is_empty() { beside(ready) } else { only.to_vec() };
    for path in &files {
        let shown = path.display();
        let text = match files::read_text(path, MAX_FILE) {
            Ok(text) => text,
            Err(error) => {
                invalid.push(format!("{shown}: {error}"));
                continue;
            }
        };
        let cases = match parse(&text, &Known { group_of: &|kind| ready.group_of(kind), access: &ready.bundle.registry.access }) {
            Ok(cases) => cases,
            Err(wrong) => {
                invalid.extend(wrong.iter().map(|wrong| format!("{shown}:{}: {}", wrong.line, wrong.message)));
                continue;
            }
        };
        if cases.is_empty() {
            invalid.push(format!("{shown}: no table with the columns who, does, to and expect"));
        }
        for case in &cases {
            n_cases = n_cases.saturating_add(1);
            let answer = ready.policies.decide(&case.input);
            let shadow = ready.policies.shadow(&case.input, &answer);
            decisive.extend(ids(&answer).into_iter().map(ToOwned::to_owned));
            decisive.extend(shadow.iter().flat_map(|shadow| &shadow.policies).map(|policy| policy.id.clone()));
            let of_shadow = || shadow::difference(case.expect.shadow.as_ref()?, shadow.as_ref());
            if let Some(what) = difference(case, &answer).or_else(of_shadow) {
                let why = ready.policies.explain(&answer).into_iter().map(|line| format!("\n    {line}")).collect::<String>();
                failed.push(format!("{shown}:{}: {what}{why}", case.line));
            }
        }
    }
    let golden = if only.is_empty() { matrix::compare(ready)? } else { None };
    let differs = golden.as_ref().map(|golden| golden.differences.clone()).unwrap_or_default();
    let policies = ready.policies.places();
    // What is compiled in is not the author's to test.
    let own = policies.iter().filter(|policy| ready.bundle.policies.contains_key(&policy.file));
    let never: Vec<String> = own.filter(|policy| !decisive.contains(&policy.id)).map(ToString::to_string).collect();
    if cli.json {
        output::line(
            &json!({
                "ok": failed.is_empty() && invalid.is_empty() && differs.is_empty(), "cases": n_cases, "failed": failed,
                "invalid": invalid, "matrix": golden.map(|golden| golden.n_lines), "matrix_differences": differs,
                "never_decisive": never,
            })
            .to_string(),
        );
    } else {
        [&invalid, &failed, &differs].into_iter().flatten().for_each(|line| output::line(line));
        if n_cases > 0 && !never.is_empty() {
            output::line(&format!("in no case decisive: {}", never.join(", ")));
        }
        let matrix = golden.map(|golden| format!(", {} decisions of the matrix compared", golden.n_lines)).unwrap_or_default();
        output::line(&format!("{n_cases} cases, {} failed{matrix}", failed.len()));
    }
    if n_cases == 0 && invalid.is_empty() && only.is_empty() {
        output::note(&format!("no cases: write tables into policies/*{ENDING} (see docs/POLICIES.md)"));
    }
    Ok(match (invalid.is_empty(), failed.is_empty() && differs.is_empty()) {
        (false, _) => Exit::Invalid,
        (true, false) => Exit::Failure,
        (true, true) => Exit::Ok,
    })
}

/// The files of cases beside the policies.
fn beside(ready: &Ready) -> Vec<PathBuf> {
    let folder = ready.folder.join("policies");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.to_str().is_some_and(|path| path.ends_with(ENDING))).collect();
    files.sort();
    files
}

/// What is not as expected, in one line.
fn difference(case: &Case, answer: &Answer) -> Option<String> {
    let expect = &case.expect;
    let found = ids(answer);
    let duties: BTreeSet<String> = answer.links.iter().flat_map(|link| &link.duties).map(ToString::to_string).collect();
    let is_reason = expect.reason.is_none_or(|reason| reason == answer.reason);
    let missing: Vec<&String> = expect.because.iter().filter(|id| !found.contains(&id.as_str())).collect();
    let undone: Vec<String> = expect.duties.iter().map(ToString::to_string).filter(|duty| !duties.contains(duty)).collect();
    if expect.verdict == Some(answer.verdict) && is_reason && missing.is_empty() && undone.is_empty() {
        return None;
    }
    let wanted = expect.verdict.map_or("", word);
    let wanted = expect.reason.map_or_else(|| wanted.to_owned(), |reason| format!("{wanted} ({reason})"));
    let mut text = format!("expected {wanted}, decided {} ({})", word(answer.verdict), answer.reason);
    if !missing.is_empty() {
        text.push_str(&format!("; not because of {}", json!(missing)));
    }
    if !undone.is_empty() {
        text.push_str(&format!("; without the duty {}", undone.join(", ")));
    }
    Some(text)
}
