//! `cargo xtask conformance`: the MCP conformance suite, the MCP Inspector and the Rust SDK, through a gate.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::{run, sandbox, suites};

/// Runs the suite and writes `docs/CONFORMANCE.md`, then the Inspector (`tests/inspector.py`) and `rmcp` (`tests/rmcp_peer.py`). `false` if a
/// check is lost at the gate that is not known, or one is found again, or if one of the others does not see what it should.
pub(crate) fn conformance() -> Result<bool> {
    let (python, gate) = suites::prepare()?;
    sandbox::node()?;
    sandbox::packages("tests/node/inspector")?;
    let rust = rust_peer()?;
    let folder = run::root()?.join("tests");
    let suite = |arguments: &[&str]| -> Result<bool> {
        let mut command = Command::new(&python);
        command.args(arguments).current_dir(&folder).env("PORTCULLIS_BIN", &gate).env("PORTCULLIS_RMCP", &rust);
        Ok(run::tee(&mut command)?.ok)
    };
    let is_kept = suite(&["conformance.py"])?;
    let pytest = ["-m", "pytest", "-q", "--color=no", "--tb=native", "-p", "no:cacheprovider", "inspector.py", "rmcp_peer.py"];
    Ok(suite(&pytest)? && is_kept)
}

/// Builds the client and server on `rmcp`: some 200 crates of its own, a minute on two cores, so no suite of `cargo xtask test` does.
fn rust_peer() -> Result<PathBuf> {
    let target = run::target()?.join("rmcp");
    println!("[setup] building tests/rmcp");
    let mut build = run::cargo();
    build.args(["build", "--locked", "--manifest-path"]).arg(run::root()?.join("tests/rmcp/Cargo.toml"));
    ensure!(run::tee(build.env("CARGO_TARGET_DIR", &target))?.ok, "tests/rmcp does not build");
    Ok(target.join("debug/portcullis-rmcp-peer"))
}
