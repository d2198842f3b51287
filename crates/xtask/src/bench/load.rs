//! The load generator of `crates/testkit`, run as a program of its own, built in release.

use std::fmt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::run;

/// One run of the generator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// `plain`, `findings`, `stream` or `tool`.
    pub(super) request: &'static str,
    /// Connections.
    pub(super) connections: usize,
    /// Requests per second; 0 is a closed loop.
    pub(super) rate: f64,
    /// Seconds before anything counts.
    pub(super) warmup: f64,
    /// Seconds that count.
    pub(super) seconds: f64,
}

/// What came of it.
#[derive(Debug, Deserialize)]
pub(super) struct Measured {
    requests: u64,
    errors: u64,
    first_error: String,
    pub(super) rps: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) first_byte_p50_us: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.0}/s, p50 {} us, p99 {} us", self.rps, self.p50_us, self.p99_us)
    }
}

impl Load {
    /// Runs it.
    ///
    /// # Errors
    /// When the generator fails, or any request did: a bench that counts refusals as answers measures nothing.
    pub(super) fn run(&self, address: &str, more: &[(&str, &str)]) -> Result<Measured> {
        let mut command = Command::new(run::target()?.join("release/load"));
        command.args(["--address", address, "--case", self.request, "--connections", &self.connections.to_string()]);
        command.args([
            "--rate",
            &self.rate.to_string(),
            "--warmup",
            &self.warmup.to_string(),
            "--seconds",
            &self.seconds.to_string(),
        ]);
        for (name, value) in more {
            command.args([name, value]);
        }
        let output = command.output().context("cannot run the load generator")?;
        ensure!(output.status.success(), "the load generator failed: {}", String::from_utf8_lossy(&output.stderr));
        let measured: Measured = serde_json::from_slice(&output.stdout).context("the load generator's answer cannot be read")?;
        ensure!(measured.errors == 0, "{} requests failed: {}", measured.errors, measured.first_error);
        ensure!(measured.requests > 0, "no request was answered in time");
        Ok(measured)
    }
}
