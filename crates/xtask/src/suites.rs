//! `cargo xtask test`: everything that can be run here is run, and what cannot is said and fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::table::table;
use crate::{run, sandbox};

/// What came of one suite.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// One line of the table.
#[derive(Debug)]
struct Outcome {
    suite: String,
    counts: Counts,
    took: Duration,
    /// Why it did not run to its end, or why a skipped test counts as failed.
    why_not: String,
}

impl Outcome {
    /// Passed only if something ran, nothing failed and nothing was left out.
    fn ok(&self) -> bool {
        self.why_not.is_empty() && self.counts.failed == 0 && self.counts.skipped == 0
    }
}

/// Runs every suite whose name contains the word after `--only` (all without it); prints the table and a closing line.
pub(crate) fn test(arguments: &[&str]) -> Result<bool> {
    let only = match arguments {
        [] => "",
        ["--only", word] => word,
        _ => bail!("usage: cargo xtask test [--only WORD]"),
    };
    let wanted = |suite: &str| suite.contains(only);
    let mut outcomes = Vec::new();
    if wanted("rust") {
        outcomes.push(timed("rust", rust));
    }
    if wanted("doc") {
        outcomes.push(timed("doc", docs));
    }
    let suites: Vec<PathBuf> = python_suites()?.into_iter().filter(|path| wanted(&suite_name(path))).collect();
    if !suites.is_empty() {
        outcomes.extend(python(&suites));
    }
    if outcomes.is_empty() {
        bail!("no suite has `{only}` in its name");
    }
    Ok(report(&outcomes))
}

fn report(outcomes: &[Outcome]) -> bool {
    let rows: Vec<[String; 5]> = outcomes
        .iter()
        .map(|outcome| {
            let Counts { passed, failed, skipped } = outcome.counts;
            let ran = if skipped == 0 {
                format!("{}", passed + failed)
            } else {
                format!("{} of {}", passed + failed, passed + failed + skipped)
            };
            let result = if outcome.ok() { "ok" } else { "FAILED" };
            let took = format!("{:.1} s", outcome.took.as_secs_f64());
            [outcome.suite.clone(), ran, result.to_owned(), took, outcome.why_not.clone()]
        })
        .collect();
    println!("\n{}", table(["suite", "ran", "result", "took", "why not"], &rows));
    let passed: usize = outcomes.iter().map(|outcome| outcome.counts.passed).sum();
    // A suite that could not run, or left a test out, counts as a failure even when no test of it failed.
    let failed: usize = outcomes.iter().map(|outcome| outcome.counts.failed.max(usize::from(!outcome.ok()))).sum();
    println!("{passed} passed, {failed} failed");
    failed == 0
}

fn timed(suite: &str, run: impl FnOnce() -> Result<Counts>) -> Outcome {
    println!("\n[test] {suite}");
    outcome(suite, run)
}

fn outcome(suite: &str, run: impl FnOnce() -> Result<Counts>) -> Outcome {
    let start = Instant::now();
    let (counts, why_not) = match run() {
        Ok(counts) if counts == Counts::default() => (counts, "no test ran".to_owned()),
        Ok(counts) if counts.skipped > 0 => (counts, "tests were skipped".to_owned()),
        Ok(counts) => (counts, String::new()),
        Err(error) => (Counts::default(), format!("{error:#}").lines().next().unwrap_or_default().to_owned()),
    };
    Outcome { suite: suite.to_owned(), counts, took: start.elapsed(), why_not }
}

fn rust() -> Result<Counts> {
    let mut command = run::cargo();
    let has_nextest = run::has_cargo("nextest");
    if has_nextest {
        command.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--status-level", "fail"]);
        command.args(["--final-status-level", "slow", "--show-progress", "none"]);
    } else {
        println!("[test] cargo-nextest is not installed: falling back to cargo test");
        command.args(["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    }
    let said = run::tee(&mut command)?;
    let counts = if has_nextest { nextest_counts(&said.text) } else { libtest_counts(&said.text) };
    settled(counts, said.ok, "the Rust tests did not build or did not end")
}

fn docs() -> Result<Counts> {
    let said = run::tee(run::cargo().args(["test", "--workspace", "--locked", "--no-fail-fast", "--doc"]))?;
    settled(libtest_counts(&said.text), said.ok, "the doc tests did not build or did not end")
}

/// Counts, unless the run failed without any test failing: then it did not run to its end.
fn settled(counts: Counts, ok: bool, otherwise: &str) -> Result<Counts> {
    if !ok && counts.failed == 0 {
        bail!("{otherwise}");
    }
    Ok(counts)
}

/// The number before a word: `12` in `12 passed`.
fn number_before(text: &str, word: &str) -> usize {
    let words: Vec<&str> =
        text.split(|character: char| character.is_whitespace() || matches!(character, ',' | ';' | ':')).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let position = words.iter().position(|other| *other == word);
    position.and_then(|position| words.get(position.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
}

/// Reads nextest's line `Summary [ 1.2s] 40 tests run: 39 passed (1 slow), 1 failed, 2 skipped`.
fn nextest_counts(text: &str) -> Counts {
    let Some(line) = text.lines().rfind(|line| line.trim_start().starts_with("Summary")) else { return Counts::default() };
    let failed = ["failed", "timed", "exec"].map(|word| number_before(line, word)).iter().sum();
    // `(1 slow)` and `(2 flaky)` follow the number that counts.
    Counts { passed: number_before(line, "passed"), failed, skipped: number_before(line, "skipped") }
}

/// Adds up libtest's lines `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn libtest_counts(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        counts.passed += number_before(line, "passed");
        counts.failed += number_before(line, "failed");
        counts.skipped += number_before(line, "ignored");
    }
    counts
}

/// Every `tests/test_*.py`, sorted.
fn python_suites() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(run::root()?.join("tests")).context("cannot list tests")? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("test_") && path.extension().is_some_and(|extension| extension == "py") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn suite_name(path: &Path) -> String {
    format!("python/{}", path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default())
}

/// Suites that start Node, by how their names begin; the others run without it.
const NODE: [&str; 4] = ["python/test_node", "python/test_mcp_sdk", "python/test_conformance", "python/test_exec"];

/// Whether a suite starts Node.
fn needs_node(suite: &Path) -> bool {
    NODE.iter().any(|name| suite_name(suite).starts_with(name))
}

/// Suites that take minutes: they begin first.
const LONG: [&str; 4] = ["python/test_leaks", "python/test_crash", "python/test_limits", "python/test_bad_input"];
/// Suites about time: nothing else runs beside them.
const ALONE: [&str; 4] = ["python/test_timeouts", "python/test_expiry", "python/test_flood", "python/test_network"];
/// Longest time of a suite. The longest takes seven minutes alone.
const PATIENCE: Duration = Duration::from_mins(20);
/// Suites at once. Most of the time of one is a client and a gate that wait for each other.
const AT_ONCE: usize = 2;

/// Runs the suites, [`AT_ONCE`] at a time; what each has said is printed when it has ended.
fn python(suites: &[PathBuf]) -> Vec<Outcome> {
    let prepared = prepare();
    let node = if suites.iter().any(|suite| needs_node(suite)) { sandbox::node() } else { Ok(()) };
    let run_one = |path: &PathBuf| {
        let name = suite_name(path);
        println!("[test] {name} begins");
        let mut said = String::new();
        let outcome = outcome(&name, || match (&prepared, &node) {
            (Err(error), _) => bail!("{error:#}"),
            (_, Err(error)) if needs_node(path) => bail!("{error:#}"),
            (Ok((python, gate)), _) => pytest(python, gate, path, &mut said),
        });
        println!("\n[test] {name}\n{}", said.trim_end());
        outcome
    };
    let has_place_in = |list: &[&str], path: &Path| list.iter().position(|name| *name == suite_name(path));
    let (alone, mut shared): (Vec<&PathBuf>, Vec<&PathBuf>) =
        suites.iter().partition(|path| has_place_in(&ALONE, path).is_some());
    shared.sort_by_key(|path| has_place_in(&LONG, path).unwrap_or(LONG.len()));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(path) = shared.get(next.fetch_add(1, Ordering::Relaxed)) {
            outcomes.push(run_one(path));
        }
        outcomes
    };
    let mut outcomes: Vec<Outcome> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    outcomes.extend(alone.into_iter().map(run_one));
    // A thread that has died has left its suites out.
    let missing = suites.iter().map(|path| suite_name(path)).filter(|name| outcomes.iter().all(|outcome| outcome.suite != *name));
    let missing: Vec<String> = missing.collect();
    outcomes.extend(missing.into_iter().map(|suite| outcome(&suite, || bail!("its runner has died"))));
    outcomes.sort_by(|one, other| one.suite.cmp(&other.suite));
    outcomes
}

/// The Python environment and the gate's binary.
///
/// # Errors
/// When the environment cannot be made, or the gate does not build.
pub(crate) fn prepare() -> Result<(PathBuf, PathBuf)> {
    let python = sandbox::python()?;
    if let Some(given) = std::env::var_os("PORTCULLIS_BIN") {
        return Ok((python, PathBuf::from(given)));
    }
    println!("[setup] building the gate");
    // With the features that the tests of the workspace were built with: only what depends on them is not built again.
    if !run::tee(run::cargo().args(["build", "--workspace", "--bin", "portcullis", "--locked"]))?.ok {
        bail!("the gate does not build");
    }
    Ok((python, run::target()?.join("debug/portcullis")))
}

fn pytest(python: &Path, gate: &Path, suite: &Path, text: &mut String) -> Result<Counts> {
    let reports = run::root()?.join(".local/reports");
    std::fs::create_dir_all(&reports)?;
    let file = reports.join(suite.with_extension("xml").file_name().context("a suite without a name")?);
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    let mut command = Command::new(python);
    command
        .args(["-m", "pytest", "-q", "--color=no", "--tb=native", "-p", "no:cacheprovider", "--junitxml"])
        .arg(&file)
        .arg(suite);
    command.current_dir(run::root()?.join("tests")).env("PORTCULLIS_BIN", gate);
    let said = run::into_file(&mut command, &file.with_extension("log"), PATIENCE)?;
    text.push_str(&said.text);
    let xml = std::fs::read_to_string(&file).context("pytest wrote no report")?;
    settled(junit_counts(&xml), said.ok, "pytest did not run to its end")
}

/// Reads the attributes of the first `<testsuite …>` of a `JUnit` report.
fn junit_counts(xml: &str) -> Counts {
    let tag = xml.split("<testsuite ").nth(1).and_then(|rest| rest.split('>').next()).unwrap_or_default();
    let attribute = |name: &str| -> usize {
        let value = tag.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    let failed = attribute("failures") + attribute("errors");
    let skipped = attribute("skipped");
    Counts { passed: attribute("tests").saturating_sub(failed + skipped), failed, skipped }
}

#[cfg(test)]
mod tests {
    use super::{ALONE, Counts, LONG, NODE, junit_counts, libtest_counts, nextest_counts, python_suites, suite_name};

    #[test]
    fn suites_that_are_named_are_there() {
        let suites: Vec<String> = python_suites().unwrap().iter().map(|path| suite_name(path)).collect();
        for name in LONG.iter().chain(&ALONE) {
            assert!(suites.iter().any(|suite| suite == name), "{name}");
        }
        for name in NODE {
            assert!(suites.iter().any(|suite| suite.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn summaries_are_read() {
        let facts = [
            (nextest_counts("     Summary [   0.068s] 12 tests run: 12 passed, 0 skipped\n"), (12, 0, 0)),
            (
                nextest_counts("Summary [   3.0s] 40/41 tests run: 38 passed (2 slow), 1 failed, 1 timed out, 3 skipped"),
                (38, 2, 3),
            ),
            (nextest_counts("error: could not compile"), (0, 0, 0)),
            (
                libtest_counts("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s"),
                (3, 0, 1),
            ),
            (libtest_counts("test result: FAILED. 3 passed; 2 failed;\ntest result: ok. 1 passed; 0 failed;"), (4, 2, 0)),
            (
                junit_counts(
                    "<testsuites><testsuite name=\"pytest\" errors=\"1\" failures=\"2\" skipped=\"3\" tests=\"10\" time=\"1\">",
                ),
                (4, 3, 3),
            ),
        ];
        for (counts, (passed, failed, skipped)) in facts {
            assert_eq!(counts, Counts { passed, failed, skipped });
        }
    }
}
