//! `cargo xtask fuzz` and `cargo xtask soak`: what finds more the longer it runs. The tests run both for seconds.

use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::{run, sandbox};

/// Targets in the binary, where its parsers are; a test runs them.
const IN_BINARY: [&str; 2] = ["cases", "rows"];

/// Runs the fuzz targets, all of them or one; the words go to the harness as they are.
///
/// Without optimisation of its own: then overflow is checked, and what reads bytes is optimised all the same.
pub(crate) fn fuzz(words: &[&str]) -> Result<bool> {
    let target = words.first().filter(|word| !word.starts_with("--"));
    let is_in_binary = target.is_some_and(|target| IN_BINARY.contains(target));
    let mut ok = true;
    if !is_in_binary {
        let mut command = run::cargo();
        command.args(["run", "--quiet", "--locked", "--package", "portcullis-fuzz", "--bin", "fuzz", "--"]).args(words);
        ok = run::tee(&mut command)?.ok;
    }
    if target.is_none() || is_in_binary {
        let seconds = words.iter().skip_while(|word| **word != "--seconds").nth(1).unwrap_or(&"10");
        let mut command = run::cargo();
        let test = format!("{}_hold_under_mutated_inputs", target.copied().unwrap_or_default());
        command.args(["test", "--quiet", "--locked", "--package", "portcullis", "--bins", "--", test.as_str()]);
        ok &= run::tee(command.env("PORTCULLIS_FUZZ_SECONDS", seconds))?.ok;
    }
    Ok(ok)
}

/// Where the page of a soak is.
const PAGE: &str = "docs/BENCHMARKS_SOAK.md";

/// Soaks the gate: the release build, and writes the page; or with `--quick` the debug build for a few thousand requests.
pub(crate) fn soak(words: &[&str]) -> Result<bool> {
    let (mut requests, mut seed, mut is_quick) = ("200000", "3", false);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match (*word, rest.clone().next()) {
            ("--quick", _) => (requests, is_quick) = ("3000", true),
            ("--requests", Some(count)) => {
                requests = count;
                rest.next();
            }
            ("--seed", Some(number)) => {
                seed = number;
                rest.next();
            }
            _ => bail!("usage: cargo xtask soak [--requests N] [--seed N] [--quick]"),
        }
    }
    let python = sandbox::python()?;
    let mut build = run::cargo();
    build.args(["build", "--locked", "--package", "portcullis"]);
    if !is_quick {
        build.arg("--release");
    }
    ensure!(run::tee(&mut build)?.ok, "the gate does not build");
    let gate = run::target()?.join(if is_quick { "debug/portcullis" } else { "release/portcullis" });
    let mut command = Command::new(python);
    command.args(["soak.py", "--requests", requests, "--seed", seed]);
    if !is_quick {
        command.arg("--report").arg(run::root()?.join(PAGE));
    }
    command.current_dir(run::root()?.join("tests")).env("PORTCULLIS_BIN", gate);
    Ok(run::tee(&mut command)?.ok)
}
