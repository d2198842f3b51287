//! Rules of one's own for a scan.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inspect::Scanners;

use crate::files;
use crate::output;

/// Longest rule file in bytes.
const MAX_FILE: usize = 1 << 20;

/// Every scanner, with the rules of these files.
pub(super) fn scanners(paths: &[PathBuf]) -> Result<Scanners, Vec<String>> {
    if paths.is_empty() {
        return Ok(Scanners::all());
    }
    let told = |problems: Vec<rulefile::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut names = Vec::new();
    for path in paths {
        let Some(name) = path.to_str() else { return Err(vec![format!("{}: its name is not text", path.display())]) };
        names.push(name.to_owned());
    }
    let mut read = |name: &str| files::read_text(Path::new(name), MAX_FILE).map_err(|error| error.to_string());
    let loaded = inspect::load_rules(&names, &mut read).map_err(told)?;
    loaded.warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    let rules = rulefile::Rules::compile(&loaded.rules).map_err(told)?;
    Ok(Scanners::all().with(Arc::new(rules)))
}
