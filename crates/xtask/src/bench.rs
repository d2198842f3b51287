//! `cargo xtask bench`: measurements against other programs in the same run.

use anyhow::{Result, bail};

pub(crate) fn bench(words: &[&str]) -> Result<bool> {
    bail!("unknown bench `{}`", words.join(" "))
}
