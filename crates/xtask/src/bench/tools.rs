//! `cargo xtask bench tools`: what a call of a tool costs, in `docs/BENCHMARKS_TOOLS.md`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::load::{Load, Measured};
use super::systems::{Kind, System, Upstream};
use super::{Effort, Found, median, reload, report};
use crate::{run, sandbox};

/// The most that a call may take beyond a direct one, in microseconds at the median.
const GOAL: f64 = 200.0;
/// Over how many connections it is asked.
const CONNECTIONS: [usize; 2] = [1, 16];
/// Who is measured, in this order; the first is nobody in between.
const SYSTEMS: [(&str, Kind); 4] =
    [("direct", Kind::Direct), ("portcullis", Kind::Portcullis(&[])), ("envoy", Kind::Envoy), ("envoy-mcp", Kind::EnvoyMcp)];

const SERVER: &str = "
tool_servers:
  kb:
    upstream: kb
    definitions: tools/kb.json
    clearance: internal
    tools:
      search: {effects: [read]}
";
const DEFINITIONS: &str = r#"{"tools":[{"name":"search","description":"Searches the knowledge base.","inputSchema":{"type":"object","properties":{"query":{"type":"string","maxLength":4000},"limit":{"type":"integer","minimum":1,"maximum":20}},"required":["query"],"additionalProperties":false}}]}"#;
const POLICIES: &str = r#"
@id("bench-talk")
permit (principal, action == Portcullis::Action::"listTools", resource == Portcullis::ToolServer::"kb");
@id("bench-search")
permit (principal, action == kb::Action::"search", resource) when { context.input has limit && context.input.limit <= 10 && context.input.query like "*bridge*" };
"#;

/// Runs it.
pub(super) fn tools(is_quick: bool) -> Result<bool> {
    let effort =
        if is_quick { Effort { rounds: 1, warmup: 0.3, seconds: 1.0 } } else { Effort { rounds: 7, warmup: 0.5, seconds: 2.0 } };
    let python = sandbox::python()?;
    println!("[bench] building in release");
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--package", "portcullis", "--package", "portcullis-testkit"]);
    ensure!(run::tee(&mut build)?.ok, "the release build failed");
    let root = run::root()?;
    let folder = root.join(".local/bench-tools");
    let upstream = Upstream::start()?;
    let mut systems = Vec::new();
    let mut found = Found::default();
    for (name, kind) in SYSTEMS {
        println!("[bench] starting {name}");
        match System::start(name, kind, &upstream, &folder, &sandbox::envoy(&python)?) {
            Ok(system) => systems.push(system),
            Err(error) if matches!(kind, Kind::EnvoyMcp) => found.lacks(format!("{name}: {error:#}")),
            Err(error) => return Err(error),
        }
    }
    behind(&folder.join("portcullis"), &upstream)?;
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let mut of: Vec<Vec<Measured>> = systems.iter().map(|_| Vec::new()).collect();
        for round in 1..=effort.rounds {
            for (system, of) in systems.iter().zip(&mut of) {
                let load = Load { request: "tool", connections, rate: 0.0, warmup: effort.warmup, seconds: effort.seconds };
                let measured = system.load(&load).with_context(|| format!("{connections} connections on {}", system.name))?;
                println!("[bench] tool/c{connections} {} round {round}: {measured}", system.name);
                of.push(measured);
            }
        }
        rows.extend(systems.iter().zip(of).map(|(system, of)| (connections, system.name.clone(), of)));
    }
    drop(systems);
    std::fs::remove_dir_all(&folder).context("cannot remove the bench's data folders")?;
    let text = markdown(&rows, &found);
    print!("\n{text}");
    if is_quick {
        println!("(a quick run: docs/BENCHMARKS_TOOLS.md is left as it is)");
    } else {
        std::fs::write(root.join("docs/BENCHMARKS_TOOLS.md"), text).context("cannot write docs/BENCHMARKS_TOOLS.md")?;
        println!("wrote docs/BENCHMARKS_TOOLS.md");
    }
    Ok(true)
}

/// Puts the upstream as a tool server behind the gate that runs on this folder.
fn behind(data: &Path, upstream: &Upstream) -> Result<()> {
    let file = data.join("portcullis.yaml");
    let text = std::fs::read_to_string(&file).context("the gate wrote no portcullis.yaml")?;
    let entry = format!("\nupstreams:\n  kb: {{kind: mcp, base_url: 'http://{}/mcp/kb'}}\n", upstream.address());
    ensure!(text.contains("\nupstreams:\n"), "the sample has no section `upstreams`");
    std::fs::write(&file, text.replacen("\nupstreams:\n", &entry, 1) + SERVER)?;
    std::fs::create_dir_all(data.join("tools"))?;
    std::fs::write(data.join("tools/kb.json"), DEFINITIONS)?;
    std::fs::write(data.join("policies/bench.cedar"), POLICIES)?;
    reload::apply(data).map(|_| ())
}

fn markdown(rows: &[(usize, String, Vec<Measured>)], found: &Found) -> String {
    let of = |connections: usize, system: &str, what: fn(&Measured) -> f64| {
        let row = rows.iter().find(|(of, name, _)| *of == connections && name == system)?;
        Some(median(row.2.iter().map(what).collect()))
    };
    let mut page = "# Benchmarks of calls of tools\n\nWritten by `cargo xtask bench tools`; do not edit by hand.\n\n".to_owned();
    _ = writeln!(page, "{}\n", report::machine());
    page.push_str(
        "One run, the systems taking turns within a round, median of the rounds. A `tools/call` of revision 2026-07-28 with 1.5 KB of arguments; \
         the server answers at once with 1.5 KB. *portcullis*: everything on, that is headers held against the body, arguments against the schema and a policy on two of \
         them, inspection both ways, labels, evidence. *envoy*: a plain hop. *envoy-mcp*: the same with the filter `envoy.filters.http.mcp`, which reads the \
         message and decides nothing. Load generator, upstream and system share the cores. Lists of 500 tools under 2,000 policies stand in \
         [BENCHMARKS_POLICY.md](BENCHMARKS_POLICY.md).\n\n",
    );
    let (direct, gate) = (of(1, "direct", |found| found.p50_us), of(1, "portcullis", |found| found.p50_us));
    if let (Some(direct), Some(gate)) = (direct, gate) {
        let added = gate - direct;
        let said = if added <= GOAL { "met" } else { "**missed**" };
        _ = writeln!(page, "| goal | wanted | found | |\n|---|---|--:|---|");
        _ = writeln!(page, "| p50 beyond a direct call, c=1 | ≤ {GOAL:.0} µs | {added:.0} µs | {said} |\n");
    }
    page.push_str("| connections | system | p50 µs | p99 µs | requests/s | p50 beyond direct |\n|--:|---|--:|--:|--:|--:|\n");
    for (connections, system, measured) in rows {
        let value = |what: fn(&Measured) -> f64| median(measured.iter().map(what).collect());
        let direct = of(*connections, "direct", |found| found.p50_us).unwrap_or(f64::NAN);
        let (p50, p99, rps) = (value(|found| found.p50_us), value(|found| found.p99_us), value(|found| found.rps));
        _ = writeln!(page, "| {connections} | {system} | {p50:.0} | {p99:.0} | {rps:.0} | {:.0} |", p50 - direct);
    }
    for why in &found.why_not {
        _ = writeln!(page, "\nNot measured: {why}.");
    }
    page
}
