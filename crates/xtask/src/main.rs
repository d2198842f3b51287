//! Project commands: `cargo xtask {test,check,bench,train,fuzz,soak,conformance,layers,sizes,schema,status,sbom}`.
//!
//! Invariant: this crate knows no crate of the workspace (but for the `schema` binary, behind a feature), so that it
//! builds in seconds and still works when a crate under work does not build.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool: its output is its result")]

mod bench;
mod check;
mod conformance;
mod layers;
mod proofs;
mod robust;
mod run;
mod sandbox;
mod sbom;
mod schema;
mod sizes;
mod status;
mod suites;
mod table;
mod train;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask <command>

  test [--only WORD]                     install what the tests need into .local, run every suite, print a table
  check                                  fmt, clippy, docs, layers, sizes, schema and status drift, cargo deny
  layers                                 who may depend on whom; where each proof type is made
  sizes                                  files with too many production lines
  schema [--check]                       write (or compare) schema/portcullis.schema.json
  status [--check]                       write (or compare) examples/STATUS.md: what of the situations is enforced
  bench gateway [--quick] [--json FILE]  Envoy's plain route against the gate, same run, same upstream; docs/BENCHMARKS.md;
                                         --peers litellm,portkey measures them too: docs/BENCHMARKS_PEERS.md
  bench inspect [--quick] [--json FILE]  the scanners beside Presidio and detect-secrets; docs/BENCHMARKS_INSPECT.md
  bench policy [--quick] [--json FILE]   decisions beside Cedar's own scan and Rego; docs/BENCHMARKS_POLICY.md
  train inject [--check | --card]        the weights of the injection detector; --check compares, --card writes docs/MODEL_INJECTION.md
  fuzz [TARGET] [--seconds N] [--seed N] mutated inputs for every parser of outside bytes; --list names them
  soak [--requests N] [--quick]          mixed requests against an upstream that misbehaves; log, memory, planted values;
                                         without --quick it writes docs/BENCHMARKS_SOAK.md
  conformance                            the MCP conformance suite, directly and through the gate; docs/CONFORMANCE.md
  sbom [FILE]                            write what the binary is made of (CycloneDX 1.6); target/portcullis.cdx.json by default
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command; `false` means it ran and found something wrong.
fn command(words: &[&str]) -> Result<bool> {
    match words {
        ["test", rest @ ..] => suites::test(rest),
        ["check"] => check::check(),
        ["layers"] => layers::layers(),
        ["sizes"] => sizes::sizes(),
        ["schema"] => schema::schema(false),
        ["schema", "--check"] => schema::schema(true),
        ["status"] => status::status(false),
        ["status", "--check"] => status::status(true),
        ["sbom"] => sbom::sbom(None),
        ["sbom", file] => sbom::sbom(Some(file)),
        ["bench", rest @ ..] => bench::bench(rest),
        ["train", rest @ ..] => train::train(rest),
        ["fuzz", rest @ ..] => robust::fuzz(rest),
        ["soak", rest @ ..] => robust::soak(rest),
        ["conformance"] => conformance::conformance(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(true)
        }
        _ => bail!("unknown command `{}`\n{USAGE}", words.join(" ")),
    }
}
