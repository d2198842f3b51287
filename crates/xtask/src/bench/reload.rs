//! `cargo xtask bench reload`: what callers notice of an apply, in `docs/BENCHMARKS_RELOAD.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::load::{Load, Measured};
use super::systems::{Kind, System, Upstream};
use super::{median, report};
use crate::run;

/// Requests a second, far below what the gate can do, so that what is measured is waiting.
const RATE: f64 = 1_000.0;
/// How long one measurement lasts, in seconds. An apply falls within it.
const SECONDS: f64 = 4.0;
/// How long after the beginning the apply begins.
const BEFORE: Duration = Duration::from_millis(1_000);

/// One round: without an apply, and with one that took so long.
struct Round {
    quiet: Measured,
    applying: Measured,
    took: Duration,
}

/// Runs it.
pub(super) fn reload(is_quick: bool) -> Result<bool> {
    let root = run::root()?;
    println!("[bench] building in release");
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--package", "portcullis", "--package", "portcullis-testkit"]);
    ensure!(run::tee(&mut build)?.ok, "the release build failed");
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--package", "portcullis-policy", "--example", "bench"]);
    ensure!(run::tee(&mut build)?.ok, "the release build failed");

    let folder = root.join(".local/bench-reload");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let upstream = Upstream::start()?;
    let system = System::start("portcullis", Kind::Portcullis(&[]), &upstream, &folder, Path::new(""))?;
    let data = folder.join("portcullis");
    enlarge(&data)?;
    apply(&data)?;
    let n_rounds: u32 = if is_quick { 1 } else { 7 };
    let mut rounds = Vec::new();
    for number in 1..=n_rounds {
        let round = round(&system, &data, number)?;
        println!("[bench] quiet {}; applying {}; the apply took {:?}", round.quiet, round.applying, round.took);
        rounds.push(round);
    }
    drop(system);
    std::fs::remove_dir_all(&folder).context("cannot remove the bench's data folder")?;
    let text = markdown(&rounds);
    print!("\n{text}");
    if is_quick {
        println!("(a quick run: docs/BENCHMARKS_RELOAD.md is left as it is)");
    } else {
        std::fs::write(root.join("docs/BENCHMARKS_RELOAD.md"), text).context("cannot write docs/BENCHMARKS_RELOAD.md")?;
        println!("wrote docs/BENCHMARKS_RELOAD.md");
    }
    Ok(true)
}

/// Puts the large organisation and its policies beside what quickstart wrote.
fn enlarge(data: &Path) -> Result<()> {
    let store = data.join("store");
    let mut command = Command::new(run::target()?.join("release/examples/bench"));
    let written = command.arg(&store).args(["1", "store"]).status().context("cannot write the store")?;
    ensure!(written.success(), "the store was not written");
    let file = data.join("portcullis.yaml");
    let mut text = std::fs::read_to_string(&file)?;
    for kind in ["groups", "users", "agents"] {
        let more = std::fs::read_to_string(store.join(format!("{kind}.yaml")))?;
        let heading = format!("\n{kind}:\n");
        text = match text.split_once(&heading) {
            Some((before, after)) => format!("{before}{heading}{more}{after}"),
            None => format!("{text}{heading}{more}"),
        };
    }
    std::fs::write(file, text)?;
    std::fs::copy(store.join("bench.cedar"), data.join("policies/bench.cedar"))?;
    Ok(())
}

pub(super) fn apply(data: &Path) -> Result<Duration> {
    let binary: PathBuf = run::target()?.join("release/portcullis");
    let start = Instant::now();
    let output = Command::new(binary).args(["apply", "--data"]).arg(data).stdin(Stdio::null()).output();
    let output = output.context("cannot run portcullis apply")?;
    ensure!(output.status.success(), "the apply failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(start.elapsed())
}

fn round(system: &System, data: &Path, number: u32) -> Result<Round> {
    let load = Load { request: "plain", connections: 16, rate: RATE, warmup: 0.5, seconds: SECONDS };
    let quiet = system.load(&load)?;
    // Something else each time: what has not changed is not brought in force.
    let file = data.join("policies/round.cedar");
    std::fs::write(file, format!("// {number}\n"))?;
    let (applying, took) = std::thread::scope(|scope| {
        let applied = scope.spawn(|| {
            std::thread::sleep(BEFORE);
            apply(data)
        });
        let measured = system.load(&load);
        (measured, applied.join())
    });
    let took = took.map_err(|_| anyhow::anyhow!("the apply panicked"))??;
    Ok(Round { quiet, applying: applying?, took })
}

fn markdown(rounds: &[Round]) -> String {
    let mut page =
        "# What callers notice of an apply\n\nWritten by `cargo xtask bench reload`; do not edit by hand.\n\n".to_owned();
    _ = writeln!(page, "{}\n", report::machine());
    let of = |what: fn(&Round) -> f64| median(rounds.iter().map(what).collect());
    let took = of(|round| round.took.as_secs_f64() * 1e3);
    _ = writeln!(
        page,
        "Open loop, {RATE} requests of 2 KB a second over 16 connections for {SECONDS} s, everything on; then the same while 5,000 policies \
         over 2,000 agents and 10,000 users are applied once ({took:.0} ms from the command to its end, compiling on the same cores as the \
         calls). Median of {} rounds, latency counted from when a request was due.\n",
        rounds.len()
    );
    page.push_str("| | p50 µs | p99 µs |\n|---|--:|--:|\n");
    _ = writeln!(page, "| without | {:.0} | {:.0} |", of(|round| round.quiet.p50_us), of(|round| round.quiet.p99_us));
    _ = writeln!(page, "| with an apply | {:.0} | {:.0} |", of(|round| round.applying.p50_us), of(|round| round.applying.p99_us));
    page
}
