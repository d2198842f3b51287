//! `cargo xtask conformance`: the MCP conformance suite and the MCP Inspector, through a gate.

use std::process::Command;

use anyhow::Result;

use crate::{run, sandbox, suites};

/// Runs the suite and writes `docs/CONFORMANCE.md`, then runs the Inspector (`tests/inspector.py`). `false` if a check is lost at the gate
/// that is not known, or one is found again, or if the Inspector does not see what it should.
pub(crate) fn conformance() -> Result<bool> {
    let (python, gate) = suites::prepare()?;
    sandbox::node()?;
    sandbox::packages("tests/node/inspector")?;
    let folder = run::root()?.join("tests");
    let suite = |arguments: &[&str]| -> Result<bool> {
        Ok(run::tee(Command::new(&python).args(arguments).current_dir(&folder).env("PORTCULLIS_BIN", &gate))?.ok)
    };
    let is_kept = suite(&["conformance.py"])?;
    let is_seen = suite(&["-m", "pytest", "-q", "--color=no", "--tb=native", "-p", "no:cacheprovider", "inspector.py"])?;
    Ok(is_kept && is_seen)
}
