//! Starting other programs, and where things lie.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The root of the checkout: the folder that holds `crates/xtask`.
pub(crate) fn root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).context("crates/xtask has no grandparent folder")
}

/// The `cargo` that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Variables that cargo sets for this crate would make the children rebuild or misname things.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_CRATE_NAME"] {
        command.env_remove(name);
    }
    if let Ok(root) = root() {
        command.current_dir(root);
    }
    command
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Ok(root()?.join("target")),
    }
}

/// What a program said, and whether it ended well.
#[derive(Debug)]
pub(crate) struct Said {
    /// Both of its streams, in the order of arrival by line.
    pub(crate) text: String,
    /// Whether its exit code was 0.
    pub(crate) ok: bool,
}

/// Runs a program, passing on what it prints while keeping it.
pub(crate) fn tee(command: &mut Command) -> Result<Said> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;
    let errors = child.stderr.take().context("no stderr")?;
    let output = child.stdout.take().context("no stdout")?;
    let beside = thread::spawn(move || pass_on(errors));
    let mut text = pass_on(output);
    text.push_str(&beside.join().unwrap_or_default());
    let ok = child.wait().with_context(|| format!("cannot wait for `{name}`"))?.success();
    Ok(Said { text, ok })
}

/// Runs a program, with what it prints into a file: what it leaves behind may hold that open, and nobody waits for it. Killed after
/// `most`; then it has not ended well.
pub(crate) fn into_file(command: &mut Command, file: &Path, most: Duration) -> Result<Said> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = File::create(file).with_context(|| format!("cannot write `{}`", file.display()))?;
    let errors = output.try_clone().context("cannot share a file")?;
    let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
    let mut child = child.with_context(|| format!("cannot start `{name}`"))?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for `{name}`"))? {
            break Some(status);
        }
        if start.elapsed() > most {
            child.kill().and_then(|()| child.wait()).with_context(|| format!("cannot stop `{name}`"))?;
            break None;
        }
        thread::sleep(Duration::from_millis(50));
    };
    let mut text = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
    if status.is_none() {
        text.push_str(&format!("\nstopped after {} s\n", most.as_secs()));
    }
    Ok(Said { text, ok: status.is_some_and(|status| status.success()) })
}

fn pass_on(stream: impl Read) -> String {
    let mut kept = String::new();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return kept,
            Ok(_) => {
                let mut out = std::io::stdout().lock();
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    return kept;
                }
                kept.push_str(&String::from_utf8_lossy(&line));
            }
        }
    }
}

/// Whether a cargo subcommand such as `nextest` is installed.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    cargo()
        .args([subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
