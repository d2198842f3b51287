//! The list of parsers holds: what it names is there, and what parses is on it.

#![cfg(test)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fuzz::targets;

/// What a file that takes bytes apart has in it. A new way to parse belongs here.
const MARKS: [&str; 17] = [
    "serde_json::from_",
    "Document::parse(",
    "PemObject",
    "httparse::",
    "toml::",
    "granit_parser",
    "Policy::parse(",
    "PolicySet::from_str",
    "from_cedarschema",
    "policies_str_to_pretty",
    "tar::",
    "flate2::",
    ".decode(",
    "hex::decode",
    "from_str_radix",
    "from_utf8(",
    "Row::read",
];
/// Crates that are no part of the product.
const OTHERS: [&str; 3] = ["fuzz", "testkit", "xtask"];
/// Targets in the binary: where its parsers are, and nobody else reaches them.
const IN_BINARY: [(&str, &str); 2] =
    [("cases", "portcullis/src/policies/cases/fuzzed.rs"), ("rows", "portcullis/src/scan/fuzzed.rs")];

#[derive(Debug)]
struct Row {
    file: String,
    function: String,
    targets: BTreeSet<String>,
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(crates().join("fuzz/PARSERS.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [file, function, whose, targets] = cells.as_slice() else { panic!("four cells: {line}") };
        assert!(!whose.is_empty(), "{line}");
        let targets = targets.split('`').filter(|word| word.chars().any(char::is_alphabetic)).map(str::to_owned).collect();
        Row { file: file.trim_matches('`').to_owned(), function: function.trim_matches('`').to_owned(), targets }
    })
    .collect()
}

/// A source without its inline tests.
fn source(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "fuzzed.rs" {
            found.push(path);
        }
    }
}

#[test]
fn what_the_list_names_is_there() {
    let known: BTreeSet<String> =
        targets::ALL.iter().map(|target| target.name).chain(IN_BINARY.map(|(name, _)| name)).map(str::to_owned).collect();
    let mut used = BTreeSet::new();
    for row in rows() {
        let text = source(&crates().join(&row.file));
        let has_it = [format!("fn {}(", row.function), format!("fn {}<", row.function)].iter().any(|word| text.contains(word));
        assert!(has_it, "`{}` is no function of {}", row.function, row.file);
        for target in &row.targets {
            assert!(known.contains(target), "`{target}` of {} is no target", row.file);
        }
        used.extend(row.targets);
    }
    assert_eq!(used, known, "every target is on the list");
    for (name, file) in IN_BINARY {
        let text = std::fs::read_to_string(crates().join(file)).unwrap();
        let is_run = text.contains(&format!("name: \"{name}\"")) && text.contains("#[test]") && text.contains("fuzz::smoke(&");
        assert!(is_run, "`{name}` is not run by {file}");
    }
}

#[test]
fn what_parses_is_on_the_list() {
    let listed: BTreeSet<String> = rows().into_iter().map(|row| row.file).collect();
    let mut found = Vec::new();
    for item in std::fs::read_dir(crates()).unwrap() {
        let path = item.unwrap().path();
        let is_product = !OTHERS.iter().any(|other| path.ends_with(other));
        if is_product && path.join("src").is_dir() {
            sources(&path.join("src"), &mut found);
        }
    }
    assert!(found.len() > 200, "{} sources", found.len());
    for path in found {
        let text = source(&path);
        let name = path.strip_prefix(crates()).unwrap().to_string_lossy().into_owned();
        let mark = MARKS.iter().find(|mark| text.contains(**mark));
        assert!(
            mark.is_none() || listed.contains(&name),
            "{name} has `{}`: it belongs into PARSERS.md, with a target",
            mark.unwrap()
        );
    }
}
