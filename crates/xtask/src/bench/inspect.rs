//! `cargo xtask bench inspect`: the scanners beside Presidio and detect-secrets; `docs/BENCHMARKS_INSPECT.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::report;
use crate::{run, sandbox, train};

/// One measured value, or why there is none.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Row {
    bench: String,
    case: String,
    system: String,
    metric: String,
    value: Option<f64>,
    unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Runs it; missed goals are no failure: they stand in the table.
pub(super) fn inspect(is_quick: bool, json: Option<PathBuf>) -> Result<bool> {
    let root = run::root()?;
    let python = sandbox::peer_python("scanners")?;
    println!("[bench] building in release");
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--package", "portcullis-inspect", "--example", "bench"]);
    ensure!(run::tee(&mut build)?.ok, "the release build failed");
    let folder = root.join(".local/bench-inspect");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let mut command = Command::new(python);
    command.arg("bench_inspect.py").current_dir(root.join("tests")).stderr(Stdio::inherit());
    command.arg("--program").arg(run::target()?.join("release/examples/bench")).arg("--folder").arg(&folder);
    command.arg("--shared").arg(train::shared(&root)).args(is_quick.then_some("--quick"));
    let output = command.output().context("cannot run the bench")?;
    ensure!(output.status.success(), "tests/bench_inspect.py failed");
    std::fs::remove_dir_all(&folder).context("cannot remove the bench's texts")?;
    let rows: Vec<Row> = serde_json::from_slice(&output.stdout).context("the bench's rows cannot be read")?;
    let text = markdown(&rows);
    print!("\n{text}");
    if let Some(file) = json {
        std::fs::write(&file, serde_json::to_string_pretty(&rows)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if is_quick {
        println!("(a quick run: docs/BENCHMARKS_INSPECT.md is left as it is)");
    } else {
        std::fs::write(root.join("docs/BENCHMARKS_INSPECT.md"), text).context("cannot write docs/BENCHMARKS_INSPECT.md")?;
        println!("wrote docs/BENCHMARKS_INSPECT.md");
    }
    Ok(true)
}

fn value(rows: &[Row], case: &str, system: &str, metric: &str) -> Option<f64> {
    rows.iter().find(|row| row.case == case && row.system == system && row.metric == metric)?.value
}

fn markdown(rows: &[Row]) -> String {
    let mut page = "# Benchmarks of the scanners\n\nWritten by `cargo xtask bench inspect`; do not edit by hand.\n\n".to_owned();
    _ = writeln!(page, "{}\n", report::machine());
    page.push_str(
        "One run, one core at a time, the same texts for all. *portcullis*: the control tier, that is the scanners over the text, over what \
         stands behind layers of JSON escapes, and over every other way to read it that the normaliser gives; *portcullis-scan*: the text \
         as it is. *portcullis-lane-16*, *portcullis-lane-4k*: a stream of the text through a lane as answers have it, disguises included, in \
         pieces of 16 bytes and of 4 KB. *signal-injection*: the detector of injections over the text in every reading (docs/MODEL_INJECTION.md). Presidio: all predefined recognisers for English that need no model, over `NoOpNlpEngine`, so without \
         names, places and context words of the text. detect-secrets: all plugins and filters as they come, line by line, without \
         verification over the network. The versions are pinned in tests/peers/scanners.txt. The three look for different things: speed \
         is not comparable without the second table, and the second table only where both have the type.\n",
    );
    page.push_str(&goals(rows));
    page.push_str(&speeds(rows));
    page.push_str(&qualities(rows));
    page
}

fn goals(rows: &[Row]) -> String {
    let of = |case: &str, metric: &str| value(rows, case, "portcullis", metric).unwrap_or(f64::NAN);
    let worst = |systems: &str, cases: &str| {
        let is_meant = |row: &&Row| row.system.starts_with(systems) && row.metric == "mb_s" && row.case.starts_with(cases);
        // What did not end in time has no value.
        rows.iter().filter(is_meant).map(|row| row.value.unwrap_or(0.0)).fold(f64::INFINITY, f64::min)
    };
    let signal = |case: &str| value(rows, case, "signal-injection", "p50_us").unwrap_or(f64::NAN);
    let streamed = |case: &str| worst("portcullis-lane", case);
    let goals = [
        ("2 KB of prose, p50", of("prose-2k", "p50_us"), "µs", 40.0, true),
        ("2 KB of JSON chat, p50", of("chat-2k", "p50_us"), "µs", 40.0, true),
        ("2 KB with findings, p50", of("findings-2k", "p50_us"), "µs", 40.0, true),
        ("2 KB of prose, injection signal, p50", signal("prose-2k"), "µs", 300.0, true),
        ("2 KB of JSON chat, injection signal, p50", signal("chat-2k"), "µs", 300.0, true),
        ("slowest hostile text, injection signal", worst("signal", "hostile"), "MB/s", 1.0, false),
        ("1 MB of prose, one core", of("prose-1m", "mb_s"), "MB/s", 50.0, false),
        ("1 MB of code, one core", of("code-1m", "mb_s"), "MB/s", 50.0, false),
        ("1 MB of notes full of numbers and links, one core", of("notes-1m", "mb_s"), "MB/s", 50.0, false),
        ("slowest hostile text", worst("portcullis", "hostile"), "MB/s", 1.0, false),
        ("1 MB of prose as a stream, one core", streamed("prose-1m"), "MB/s", 50.0, false),
        ("1 MB of code as a stream, one core", streamed("code-1m"), "MB/s", 50.0, false),
        ("1 MB of notes full of numbers and links as a stream", streamed("notes-1m"), "MB/s", 50.0, false),
    ];
    let mut text = "\n## Goals\n\n| goal | wanted | found | |\n|---|---|--:|---|\n".to_owned();
    for (name, found, unit, goal, is_less_better) in goals {
        let (sign, is_met) = if is_less_better { ("≤", found <= goal) } else { ("≥", found >= goal) };
        _ = writeln!(
            text,
            "| {name} | {sign} {goal:.0} {unit} | {found:.1} {unit} | {} |",
            if is_met { "met" } else { "**missed**" }
        );
    }
    text
}

fn names(rows: &[Row], of: fn(&Row) -> &str, is_speed: bool) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let rows = rows.iter().filter(|row| (row.unit != "1") == is_speed);
    rows.map(of).filter(|name| seen.insert(*name)).collect()
}

fn speeds(rows: &[Row]) -> String {
    let mut text = "\n## Speed\n\n| text | system | p50 µs | p99 µs | MB/s |\n|---|---|--:|--:|--:|\n".to_owned();
    for case in names(rows, |row| &row.case, true) {
        for system in names(rows, |row| &row.system, true) {
            let of = |metric| value(rows, case, system, metric);
            if let (Some(p50), Some(p99), Some(rate)) = (of("p50_us"), of("p99_us"), of("mb_s")) {
                _ = writeln!(text, "| {case} | {system} | {p50:.1} | {p99:.1} | {rate:.2} |");
            } else if let Some(why) =
                rows.iter().find(|row| row.case == case && row.system == system).and_then(|row| row.why.as_ref())
            {
                _ = writeln!(text, "| {case} | {system} | {why} | | |");
            }
        }
    }
    text
}

fn qualities(rows: &[Row]) -> String {
    let mut text = "\n## What is found\n\nOn the shared sets `data/pii` (a span counts as found when a finding of its type touches it) and `data/secrets` \
         (when any finding touches it; precision over the rows that hold no secret of any rule).\n\n\
         | set and type | system | precision | recall | F1 |\n|---|---|--:|--:|--:|\n"
        .to_owned();
    for case in names(rows, |row| &row.case, false) {
        for system in names(rows, |row| &row.system, false) {
            let of = |metric| value(rows, case, system, metric);
            if let (Some(precision), Some(recall), Some(both)) = (of("precision"), of("recall"), of("f1")) {
                _ = writeln!(text, "| {case} | {system} | {precision:.3} | {recall:.3} | {both:.3} |");
            }
        }
    }
    text
}
