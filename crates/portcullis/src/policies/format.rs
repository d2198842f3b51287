//! `portcullis policy fmt`: policies in Cedar's own form.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cedar_policy_formatter::{Config, policies_str_to_pretty};

use crate::commands::Exit;
use crate::files;
use crate::output;

/// As long as the other texts of this project.
const FORM: Config = Config { line_width: 120, indent_width: 4 };
/// Most bytes of one file.
const MAX_FILE: usize = 16 << 20;

/// Formats files, or every policy of the folder; with `check` it only tells.
pub(super) fn format(data: &Path, files: &[PathBuf], check: bool) -> anyhow::Result<Exit> {
    let found = if files.is_empty() { policies(data)? } else { files.to_vec() };
    let (mut n_other, mut is_invalid) = (0_usize, false);
    for path in &found {
        let shown = path.display();
        let text = files::read_text(path, MAX_FILE).with_context(|| format!("cannot read `{shown}`"))?;
        let excess = policy::excess(&shown.to_string(), &text);
        if !excess.is_empty() {
            is_invalid = true;
            excess.iter().for_each(|problem| output::note(&problem.to_string()));
            continue;
        }
        match policies_str_to_pretty(&text, &FORM) {
            Ok(pretty) if pretty == text => {}
            Ok(pretty) => {
                n_other = n_other.saturating_add(1);
                if !check {
                    files::replace(path, pretty.as_bytes())?;
                }
                output::line(&format!("{shown}: {}", if check { "not in this form" } else { "formatted" }));
            }
            Err(error) => {
                is_invalid = true;
                output::note(&format!("{shown}: {error:#}"));
            }
        }
    }
    output::line(&format!("{} files, {n_other} {}", found.len(), if check { "in another form" } else { "changed" }));
    Ok(match (is_invalid, check && n_other > 0) {
        (true, _) => Exit::Invalid,
        (false, true) => Exit::Failure,
        (false, false) => Exit::Ok,
    })
}

fn policies(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = data.join("policies");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .collect();
    files.sort();
    Ok(files)
}
