//! `cargo xtask conformance`: the MCP conformance suite against a tool server, directly and through a gate in front of it.

use std::process::Command;

use anyhow::Result;

use crate::{run, sandbox, suites};

/// Runs the suite and writes `docs/CONFORMANCE.md`. `false` if a check is lost at the gate that is not known, or one is found again.
pub(crate) fn conformance() -> Result<bool> {
    let (python, gate) = suites::prepare()?;
    sandbox::node()?;
    let mut command = Command::new(python);
    command.arg("conformance.py").current_dir(run::root()?.join("tests")).env("PORTCULLIS_BIN", gate);
    Ok(run::tee(&mut command)?.ok)
}
