//! Operators' own rules for secrets: which files, and whether they can be read. They are compiled elsewhere.

use model::RuleFiles;

use crate::check::Report;
use crate::problem::{Path, Position, Problem, Warning, shown};
use crate::raw;
use crate::source::Source;

/// Longest rule file in bytes.
const MAX_FILE: usize = 1 << 20;

/// The texts of the rule files, and of what they extend. Empty if there are none, or if something is wrong with one.
pub(crate) fn rules(file: &raw::File, source: &dyn Source, report: &mut Report<'_>) -> RuleFiles {
    let section = Path::of(&["inspection", "rule_files"]);
    let mut files: Vec<String> = Vec::new();
    for (index, name) in file.inspection.rule_files.iter().enumerate() {
        let path = section.index(index);
        let leaves = name.split('/').any(|part| matches!(part, "" | "." | "..")) || name.contains(['\\', ':', '\0']);
        if leaves || !name.ends_with(".toml") {
            let message = format!("`{}` is not a rule file below this file: expected such as `rules/own.toml`", shown(name));
            report.problem(&path, message);
        } else if files.contains(name) {
            report.problem(&path, format!("`{}` stands twice in this list", shown(name)));
        } else if let Err(error) = source.read(name, MAX_FILE) {
            report.problem(&path, format!("`{}` cannot be read: {error}", shown(name)));
        } else {
            files.push(name.clone());
        }
    }
    let mut read = |name: &str| {
        let bytes = source.read(name, MAX_FILE).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| "not valid UTF-8".to_owned())
    };
    match inspect::load_rules(&files, &mut read) {
        Ok(loaded) => {
            report.warnings.extend(loaded.warnings.into_iter().map(|warning| Warning(entry(warning))));
            RuleFiles { files, texts: loaded.texts }
        }
        Err(problems) => {
            report.problems.extend(problems.into_iter().map(entry));
            RuleFiles::default()
        }
    }
}

fn entry(problem: rulefile::Problem) -> Problem {
    let rulefile::Problem { place, message } = problem;
    let position = Position { line: place.line, column: place.column };
    Problem { file: place.file.to_string(), position, field: String::new(), message }
}
