//! Manual pages, made from the same definitions as the help texts.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::commands::Exit;
use crate::output;

/// Writes `portcullis.1` and a page per command, such as `portcullis-key-create.1`.
pub(crate) fn write(command: &clap::Command, folder: &Path) -> anyhow::Result<Exit> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let mut command = command.clone();
    command.build();
    let n_pages = page(&command, "portcullis", folder)?;
    output::line(&format!("wrote {n_pages} pages to {}", folder.display()));
    Ok(Exit::Ok)
}

fn page(command: &clap::Command, name: &str, folder: &Path) -> anyhow::Result<usize> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name.to_owned()).section("1").render(&mut text)?;
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    let mut n_pages = 1_usize;
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        n_pages = n_pages.saturating_add(page(inner, &format!("{name}-{}", inner.get_name()), folder)?);
    }
    Ok(n_pages)
}
