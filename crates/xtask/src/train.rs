//! `cargo xtask train inject`: the weights of the detector of injections, from the shared texts.
//!
//! The trainer is an example of `inspect`, for it has to see texts as the detector does. It runs in the profile of development, in
//! which that crate is optimised.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run;

const WEIGHTS: &str = "crates/inspect/src/signal/injection.weights";
const CARD: &str = "docs/MODEL_INJECTION.md";
const USAGE: &str = "usage: cargo xtask train inject [--data DIR] [--check | --card | --without SOURCE…]";

/// Trains, or compares; `false` when the committed weights are not what training gives.
pub(crate) fn train(words: &[&str]) -> Result<bool> {
    let ["inject", rest @ ..] = words else { bail!("{USAGE}") };
    let root = run::root()?;
    let mut data = shared(&root).join("data/text");
    let mut rest = rest;
    if let ["--data", folder, behind @ ..] = rest {
        (data, rest) = (PathBuf::from(folder), behind);
    }
    ensure!(data.is_dir(), "{} is no folder: name it with --data", data.display());
    let mut command = run::cargo();
    command.args(["run", "--quiet", "--locked", "--package", "portcullis-inspect", "--example", "train_inject", "--"]);
    command.arg(&data).arg(root.join(WEIGHTS));
    match rest {
        [] => {}
        ["--check"] => {
            command.arg("--check");
        }
        ["--card"] => {
            command.arg("--card").arg(root.join(CARD)).arg(commit(&root)?);
        }
        ["--without", sources @ ..] => {
            command.arg("--try").args(sources);
        }
        _ => bail!("{USAGE}"),
    }
    Ok(run::tee(&mut command)?.ok)
}

/// What is checked out: numbers are numbers of a commit.
fn commit(root: &Path) -> Result<String> {
    let git = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("git").args(arguments).current_dir(root).output().context("cannot run git")?;
        ensure!(output.status.success(), "git {} failed", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let is_changed = !git(&["status", "--porcelain", "--", "crates/inspect", "crates/text"])?.is_empty();
    Ok(git(&["rev-parse", "--short=12", "HEAD"])? + if is_changed { " with changes" } else { "" })
}

/// The folder of shared data: `PORTCULLIS_SHARED`, or the `shared` folder beside one that holds this checkout.
pub(crate) fn shared(root: &Path) -> PathBuf {
    let given = std::env::var_os("PORTCULLIS_SHARED").map(PathBuf::from);
    let beside = || root.ancestors().map(|folder| folder.join("shared")).find(|folder| folder.join("data").is_dir());
    given.or_else(beside).unwrap_or_else(|| root.join("shared"))
}
