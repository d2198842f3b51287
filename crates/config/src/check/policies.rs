//! Policy files: which, and their texts. Cedar itself is read by `policy`.

use std::collections::BTreeMap;

use crate::check::Report;
use crate::problem::{Path, Position, shown};
use crate::raw;
use crate::source::Source;

/// Longest policy file in bytes.
const MAX_FILE: usize = 1 << 20;
/// Most policy files.
const MAX_FILES: usize = 10_000;
/// Where policies are when nothing is said.
const DEFAULT: &str = "policies/*.cedar";

/// The texts of all policy files by name; `None` if one cannot be used.
pub(crate) fn policies(file: &raw::File, source: &dyn Source, report: &mut Report<'_>) -> Option<BTreeMap<String, String>> {
    let section = Path::of(&["policies"]);
    let mut texts = BTreeMap::new();
    let default = [DEFAULT.to_owned()];
    let patterns = file.policies.as_deref().unwrap_or(&default);
    for (index, pattern) in patterns.iter().enumerate() {
        let path = section.index(index);
        let names = match matching(pattern, source) {
            Ok(names) => names,
            Err(message) => {
                report.problem(&path, message);
                continue;
            }
        };
        if names.is_empty() && file.policies.is_some() {
            report.problem(&path, format!("no file matches `{}`", shown(pattern)));
        }
        for name in names {
            if texts.len() >= MAX_FILES {
                report.problem(&path, format!("more than {MAX_FILES} policy files"));
                return None;
            }
            let bytes = match source.read(&name, MAX_FILE) {
                Ok(bytes) => bytes,
                Err(error) => {
                    report.problem(&path, format!("`{}` cannot be read: {error}", shown(&name)));
                    continue;
                }
            };
            match String::from_utf8(bytes) {
                Ok(text) => drop(texts.insert(name, text)),
                Err(_) => report.file_problem(&name, Position::START, "not valid UTF-8"),
            }
        }
    }
    if texts.is_empty() {
        report.warn(&section, "there is no policy, so everything will be refused");
    }
    Some(texts)
}

/// The files that a pattern names, sorted. A star stands only in the last part of the path.
fn matching(pattern: &str, source: &dyn Source) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = pattern.split('/').collect();
    let leaves = parts.iter().any(|part| matches!(*part, "" | "." | "..")) || pattern.contains(['\\', ':', '\0']);
    if leaves {
        return Err(format!("`{}` is not a path below this file: expected such as `{DEFAULT}`", shown(pattern)));
    }
    if !pattern.ends_with(".cedar") {
        return Err(format!("`{}` does not name policies: expected a name that ends in `.cedar`", shown(pattern)));
    }
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if folder.contains('*') {
        return Err(format!("`{}` has a star in a folder's name, it can only stand in the file's name", shown(pattern)));
    }
    if !name.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let listed = source.list(folder).map_err(|error| format!("`{}` cannot be listed: {error}", shown(folder)))?;
    // A hidden file is most often an editor's copy.
    let fitting = listed.into_iter().filter(|file| !file.starts_with('.') && fits(name, file));
    let mut names: Vec<String> = fitting.map(|file| if folder.is_empty() { file } else { format!("{folder}/{file}") }).collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether `name` fits `pattern`, in which a star stands for any characters, also none.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{fits, matching};
    use crate::source::Texts;

    #[test]
    fn patterns() {
        let facts = [
            ("*.cedar", "a.cedar", true),
            ("*.cedar", ".cedar", true),
            ("*.cedar", "a.cedar~", false),
            ("a*b*.cedar", "aXbY.cedar", true),
            ("a*b*.cedar", "aX.cedar", false),
            ("a.cedar", "a.cedar", true),
            ("a.cedar", "aa.cedar", false),
            ("*a*", "xxaxx", true),
            ("**.cedar", "x.cedar", true),
        ];
        for (pattern, name, expected) in facts {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_stays_in_the_folder() {
        let source = Texts::new().with("policies/a.cedar", "").with("policies/.b.cedar", "").with("c.cedar", "");
        assert_eq!(matching("policies/*.cedar", &source), Ok(vec!["policies/a.cedar".to_owned()]));
        assert_eq!(matching("*.cedar", &source), Ok(vec!["c.cedar".to_owned()]));
        for pattern in
            ["../a.cedar", "/etc/a.cedar", "policies/../../a.cedar", "./a.cedar", "a\\b.cedar", "C:a.cedar", "*/a.cedar", "a"]
        {
            assert!(matching(pattern, &source).is_err(), "{pattern}");
        }
    }
}
