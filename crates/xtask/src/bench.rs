//! `cargo xtask bench`: measurements against other programs, in the same run and on the same upstream.

mod flow;
mod inspect;
mod load;
mod peers;
mod policy;
mod reload;
mod report;
mod systems;
mod tools;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::{run, sandbox};
use load::{Load, Measured};
use peers::Peer;
use systems::{Kind, System};

/// One measured value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// The bench: `gateway`.
    bench: &'static str,
    /// What was asked, and over how many connections: `chat/c16`.
    case: String,
    /// Who was measured.
    system: String,
    /// What was measured: `p50_us`, `p99_us`, `rps`, `rss_idle_mb`…
    metric: &'static str,
    /// The median over the rounds.
    value: f64,
    /// Its unit.
    unit: &'static str,
}

/// What is asked of every system, in this order: case, request, connections.
const CASES: [(&str, &str, usize); 6] = [
    ("chat/c1", "plain", 1),
    ("chat/c16", "plain", 16),
    ("findings/c1", "findings", 1),
    ("findings/c16", "findings", 16),
    ("stream/c1", "stream", 1),
    ("stream/c16", "stream", 16),
];
/// The systems; the first is the peer, the second the whole gate.
const SYSTEMS: [(&str, Kind); 7] = [
    ("envoy", Kind::Envoy),
    ("portcullis", Kind::Portcullis(&[])),
    ("portcullis-no-inspection", Kind::Portcullis(&["inspection"])),
    ("portcullis-no-evidence", Kind::Portcullis(&["evidence"])),
    ("portcullis-no-policy", Kind::Portcullis(&["policy"])),
    ("portcullis-no-inspection-no-evidence", Kind::Portcullis(&["inspection", "evidence"])),
    ("direct", Kind::Direct),
];

/// How long and how often.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    warmup: f64,
    seconds: f64,
}

/// What a run found: rows, and what could not be measured, in words.
#[derive(Debug, Default)]
struct Found {
    rows: Vec<Row>,
    why_not: Vec<String>,
}

const USAGE: &str = "usage: cargo xtask bench gateway [--quick] [--json FILE] [--peers litellm,portkey] | inspect|policy [--quick] [--json FILE] | reload|tools [--quick] | flow";

/// Runs one bench; `false` if the run is invalid (missed goals are no failure: they stand in the table).
pub(crate) fn bench(words: &[&str]) -> Result<bool> {
    let [which @ ("flow" | "gateway" | "inspect" | "policy" | "reload" | "tools"), rest @ ..] = words else { bail!("{USAGE}") };
    let (mut is_quick, mut json, mut peers) = (false, None, Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--quick" => is_quick = true,
            "--json" => json = Some(PathBuf::from(rest.next().context("--json needs a file")?)),
            "--peers" if *which == "gateway" => {
                for name in rest.next().context("--peers needs names")?.split(',') {
                    let peer = Peer::ALL.into_iter().find(|(known, _)| *known == name);
                    peers.push(peer.with_context(|| format!("unknown peer `{name}`, expected litellm or portkey"))?);
                }
            }
            other => bail!("unknown option `{other}`\n{USAGE}"),
        }
    }
    match *which {
        "flow" => flow::flow(),
        "inspect" => inspect::inspect(is_quick, json),
        "policy" => policy::policy(is_quick, json),
        "reload" => reload::reload(is_quick),
        "tools" => tools::tools(is_quick),
        _ => gateway(is_quick, json, &peers),
    }
}

fn gateway(is_quick: bool, json: Option<PathBuf>, peers: &[(&'static str, Peer)]) -> Result<bool> {
    let effort =
        if is_quick { Effort { rounds: 1, warmup: 0.3, seconds: 1.0 } } else { Effort { rounds: 5, warmup: 0.5, seconds: 2.0 } };
    let python = sandbox::python()?;
    println!("[bench] building in release");
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--package", "portcullis", "--package", "portcullis-testkit"]);
    ensure!(run::tee(&mut build)?.ok, "the release build failed");

    let folder = run::root()?.join(".local/bench");
    let upstream = systems::Upstream::start()?;
    let mut systems = Vec::new();
    let mut found = Found::default();
    for (name, kind) in SYSTEMS.into_iter().chain(peers.iter().map(|(name, peer)| (*name, Kind::Peer(*peer)))) {
        println!("[bench] starting {name}");
        match System::start(name, kind, &upstream, &folder, &sandbox::envoy(&python)?) {
            Ok(system) => {
                found.rows.extend(system.at_start());
                systems.push(system);
            }
            Err(error) if matches!(kind, Kind::Peer(_)) => found.lacks(format!("{name}: {error:#}")),
            Err(error) => return Err(error),
        }
    }
    measure(&systems, effort, &mut found)?;
    for system in &systems {
        found.rows.extend(system.at_end());
    }
    let (requests, aborts) = if is_quick { (10_000, 100) } else { (200_000, 1_000) };
    for system in systems.iter().filter(|system| system.name == report::GATE) {
        println!("[bench] memory over {requests} requests and {aborts} aborted streams");
        found.rows.extend(system.soak(requests, aborts)?);
    }
    drop(systems);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot remove the bench's data folders")?;
    }
    let is_valid = report::is_valid(&found.rows);
    let text = report::markdown(&found, effort.rounds, effort.seconds, peers);
    print!("\n{text}");
    if let Some(file) = json {
        std::fs::write(&file, serde_json::to_string_pretty(&found.rows)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    // Peers are several busy processes, also while others are measured: a page of their own.
    let page = if peers.is_empty() { "docs/BENCHMARKS.md" } else { "docs/BENCHMARKS_PEERS.md" };
    if is_quick {
        println!("(a quick run: {page} is left as it is)");
    } else {
        std::fs::write(run::root()?.join(page), text).with_context(|| format!("cannot write {page}"))?;
        println!("wrote {page}");
    }
    Ok(is_valid)
}

/// Every case on every system, the systems taking turns within a round so that a slow minute hits all of them.
fn measure(systems: &[System], effort: Effort, all: &mut Found) -> Result<()> {
    for (case, request, connections) in CASES {
        let mut found: Vec<Vec<Measured>> = systems.iter().map(|_| Vec::new()).collect();
        for round in 1..=effort.rounds {
            for (system, found) in systems.iter().zip(&mut found) {
                let load = Load { request, connections, rate: 0.0, warmup: effort.warmup, seconds: effort.seconds };
                match system.load(&load).with_context(|| format!("{case} on {}", system.name)) {
                    Ok(measured) => {
                        println!("[bench] {case} {} round {round}: {measured}", system.name);
                        found.push(measured);
                    }
                    Err(error) if system.is_peer() => all.lacks(format!("{error:#}")),
                    Err(error) => return Err(error),
                }
            }
        }
        for (system, found) in systems.iter().zip(&found).filter(|(_, found)| !found.is_empty()) {
            all.rows.extend(summary(case, &system.name, found, request == "stream"));
        }
    }
    // Open loop: half of what each system itself managed in the closed loop.
    let case = "chat/half-load";
    for system in systems.iter().filter(|system| !system.is_peer()) {
        let rate = value(&all.rows, "chat/c16", &system.name, "rps").unwrap_or(0.0) / 2.0;
        let found: Result<Vec<Measured>> = (0..effort.rounds)
            .map(|_| {
                system.load(&Load { request: "plain", connections: 16, rate, warmup: effort.warmup, seconds: effort.seconds })
            })
            .collect();
        all.rows.extend(summary(case, &system.name, &found.with_context(|| format!("{case} on {}", system.name))?, false));
    }
    Ok(())
}

impl Found {
    fn lacks(&mut self, why: String) {
        println!("[bench] not measured: {why}");
        self.why_not.push(why);
    }
}

fn summary(case: &str, system: &str, found: &[Measured], is_stream: bool) -> Vec<Row> {
    let row = |metric, unit, of: fn(&Measured) -> f64| {
        let value = median(found.iter().map(of).collect());
        Row { bench: "gateway", case: case.to_owned(), system: system.to_owned(), metric, value, unit }
    };
    let mut rows = vec![
        row("p50_us", "us", |measured| measured.p50_us),
        row("p99_us", "us", |measured| measured.p99_us),
        row("rps", "1/s", |measured| measured.rps),
    ];
    if is_stream {
        rows.push(row("first_byte_p50_us", "us", |measured| measured.first_byte_p50_us));
    }
    rows
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value of one row.
fn value(rows: &[Row], case: &str, system: &str, metric: &str) -> Option<f64> {
    rows.iter().find(|row| row.case == case && row.system == system && row.metric == metric).map(|row| row.value)
}
