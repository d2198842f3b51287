//! `cargo xtask bench policy`: the index beside Cedar's own scan and Rego; `docs/BENCHMARKS_POLICY.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::report;
use crate::run;

/// One measured value.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Row {
    #[serde(default = "bench")]
    bench: String,
    case: String,
    system: String,
    metric: String,
    value: f64,
    unit: String,
}

fn bench() -> String {
    "policy".to_owned()
}

/// What is wanted of the gate, in the unit of the metric.
const GOALS: [(&str, &str, &str, &str, f64); 17] = [
    ("evaluate/200", "portcullis", "p50_us", "µs", 10.0),
    ("evaluate/2000", "portcullis", "p50_us", "µs", 30.0),
    ("evaluate/20000", "portcullis", "p50_us", "µs", 60.0),
    ("decide/200/1", "portcullis", "p50_us", "µs", 35.0),
    ("decide/2000/1", "portcullis", "p50_us", "µs", 60.0),
    ("decide/200/3", "portcullis", "p50_us", "µs", 100.0),
    ("decide/2000/3", "portcullis", "p50_us", "µs", 150.0),
    ("evaluate/200", "portcullis-wide", "p50_us", "µs", 10.0),
    ("evaluate/2000", "portcullis-wide", "p50_us", "µs", 30.0),
    ("evaluate/20000", "portcullis-wide", "p50_us", "µs", 60.0),
    ("decide/200/1", "portcullis-wide", "p50_us", "µs", 35.0),
    ("decide/2000/1", "portcullis-wide", "p50_us", "µs", 60.0),
    ("decide/200/3", "portcullis-wide", "p50_us", "µs", 100.0),
    ("decide/2000/3", "portcullis-wide", "p50_us", "µs", 150.0),
    ("load/5000", "portcullis", "p50_ms", "ms", 1000.0),
    ("list/2000/3", "portcullis-cold", "p50_us", "µs", 100_000.0),
    ("list/2000/3", "portcullis", "p50_us", "µs", 200.0),
];

/// Runs it; missed goals are no failure: they stand in the table. Systems that answer differently are one.
pub(super) fn policy(is_quick: bool, json: Option<PathBuf>) -> Result<bool> {
    let root = run::root()?;
    println!("[bench] building in release");
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--package", "portcullis-policy", "--example", "bench"]);
    ensure!(run::tee(&mut build)?.ok, "the release build failed");
    // A workspace of its own: nobody but this bench builds it.
    let peers = run::target()?.join("peers");
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--manifest-path", "tests/peers/rego/Cargo.toml"]);
    ensure!(run::tee(build.env("CARGO_TARGET_DIR", &peers))?.ok, "the peer's build failed");
    let folder = root.join(".local/bench-policy");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let seconds = if is_quick { "0.5" } else { "5" };
    let mut rows = measured(&run::target()?.join("release/examples/bench"), &folder, seconds)?;
    rows.extend(measured(&peers.join("release/peer-rego"), &folder, seconds)?);
    std::fs::remove_dir_all(&folder).context("cannot remove the bench's stores")?;
    let text = markdown(&rows);
    print!("\n{text}");
    if let Some(file) = json {
        std::fs::write(&file, serde_json::to_string_pretty(&rows)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if is_quick {
        println!("(a quick run: docs/BENCHMARKS_POLICY.md is left as it is)");
    } else {
        std::fs::write(root.join("docs/BENCHMARKS_POLICY.md"), text).context("cannot write docs/BENCHMARKS_POLICY.md")?;
        println!("wrote docs/BENCHMARKS_POLICY.md");
    }
    Ok(true)
}

fn measured(program: &Path, folder: &Path, seconds: &str) -> Result<Vec<Row>> {
    println!("[bench] {}", program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default());
    let output = Command::new(program).arg(folder).arg(seconds).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{} failed", program.display());
    let text = String::from_utf8(output.stdout).context("rows are not text")?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not a row: {line}"))).collect()
}

fn value(rows: &[Row], case: &str, system: &str, metric: &str) -> Option<f64> {
    Some(rows.iter().find(|row| row.case == case && row.system == system && row.metric == metric)?.value)
}

fn markdown(rows: &[Row]) -> String {
    let mut page = "# Benchmarks of decisions\n\nWritten by `cargo xtask bench policy`; do not edit by hand.\n\n".to_owned();
    _ = writeln!(page, "{}\n", report::machine());
    page.push_str(
        "One run, one thread. Stores by a committed seed (`crates/policy/examples/bench/store.rs`), 200 to 20,000 policies: 10 % name nothing in their scope \
         (the test stands in `when`), 20 % name types, 20 % groups at least four deep, 10 % are links of templates (written out for *decide*, as policy files hold no \
         templates); eight guardrails concern every request; the organisation grows with the policies. *portcullis*, *cedar* and *regorus*: 64 requests, asked again and again, as busy callers do; *portcullis-wide*: 4,096 requests, evenly over all users and models, \
         so that most find nothing in the processor's caches. *evaluate*: the request is built. *decide*: from the model's types to the answer for one or three links, for Cedar from JSON. *portcullis-first-time*: each \
         request once, nothing kept. *cedar*: `cedar-policy` over the whole set, the same version that the gate uses. *regorus*: one rule per policy, compiled, input \
         with its ancestors looked up before: a value for *evaluate*, JSON for *decide* (ancestors included); it tells yes or no, the others also which policies determined that. All give the same decisions; the bench fails if not.\n",
    );
    page.push_str(&goals(rows));
    page.push_str(&candidates(rows));
    page.push_str(&lists(rows));
    page.push_str(&speeds(rows));
    page
}

fn goals(rows: &[Row]) -> String {
    let mut text = "\n## Goals\n\n| case | wanted | found | |\n|---|---|--:|---|\n".to_owned();
    for (case, system, metric, unit, goal) in GOALS {
        let found = value(rows, case, system, metric).unwrap_or(f64::NAN);
        let said = if found <= goal { "met" } else { "**missed**" };
        _ = writeln!(text, "| {case}, {system}, p50 | ≤ {goal:.0} {unit} | {found:.1} {unit} | {said} |");
    }
    text.push_str(
        "\nThe goals were set for callers that ask again (*portcullis*). *portcullis-wide* is held to the same figures: every call by another user on another model, so policies and entities come from \
         memory and not from the processor's caches. What is missed there is missed by calls of an organisation in which nobody asks twice.\n",
    );
    text
}

fn candidates(rows: &[Row]) -> String {
    let mut text =
        "\n## Candidates\n\nPolicies that are evaluated per decision.\n\n| case | p50 | p99 |\n|---|--:|--:|\n".to_owned();
    for row in rows.iter().filter(|row| row.metric == "candidates_p50") {
        let most = value(rows, &row.case, &row.system, "candidates_p99").unwrap_or(f64::NAN);
        _ = writeln!(text, "| {} | {:.0} | {most:.0} |", row.case, row.value);
    }
    text
}

fn lists(rows: &[Row]) -> String {
    let found = |metric: &str| value(rows, "list/2000/3", "portcullis", metric).unwrap_or(f64::NAN);
    format!(
        "\n## Lists\n\nWhich of 500 tools a chain of three links could call at all, with any arguments, under 2,000 policies in the same proportions; 24 chains. \
         *portcullis-first-time*: the first list of a snapshot; *portcullis-cold*: of another chain; *portcullis*: the same again. \
         {:.0} tools are listed, {:.0} hidden, of {:.0} it is not found out.\n",
        found("listed"),
        found("hidden"),
        found("unknown")
    )
}

fn speeds(rows: &[Row]) -> String {
    let mut text = "\n## Speed\n\n| case | system | p50 µs | p99 µs |\n|---|---|--:|--:|\n".to_owned();
    let mut seen = BTreeSet::new();
    for case in rows.iter().map(|row| row.case.as_str()).filter(|case| seen.insert(*case)) {
        for row in rows.iter().filter(|row| row.case == case && row.metric == "p50_us") {
            let p99 = value(rows, case, &row.system, "p99_us").unwrap_or(f64::NAN);
            _ = writeln!(text, "| {case} | {} | {:.1} | {p99:.1} |", row.system, row.value);
        }
    }
    text
}
