//! `cargo xtask fuzz` and `cargo xtask soak`: what finds more the longer it runs. The tests run both for seconds.

use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::{run, sandbox};

/// Runs the fuzz targets, all of them or one; the words go to the harness as they are.
///
/// Without optimisation of its own: then overflow is checked, and what reads bytes is optimised all the same.
pub(crate) fn fuzz(words: &[&str]) -> Result<bool> {
    let mut command = run::cargo();
    command.args(["run", "--quiet", "--locked", "--package", "portcullis-fuzz", "--bin", "fuzz", "--"]).args(words);
    Ok(run::tee(&mut command)?.ok)
}

/// Soaks the gate: the release build, or with `--quick` the debug build for a few thousand requests.
pub(crate) fn soak(words: &[&str]) -> Result<bool> {
    let (mut requests, mut is_quick) = ("200000", false);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match (*word, rest.clone().next()) {
            ("--quick", _) => (requests, is_quick) = ("3000", true),
            ("--requests", Some(count)) => {
                requests = count;
                rest.next();
            }
            _ => bail!("usage: cargo xtask soak [--requests N] [--quick]"),
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
    command.args(["soak.py", "--requests", requests]).current_dir(run::root()?.join("tests")).env("PORTCULLIS_BIN", gate);
    Ok(run::tee(&mut command)?.ok)
}
