//! Tests of the whole crate: the format as a table of facts, a naive second implementation, cuts.

mod dialect;
mod format;
mod limits;
mod merge;
mod oracle;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::{Kind, Loaded, Problem, Rules, load};

/// Kinds as the gate has them: one secret, one of personal data.
const OWN: &[Kind<'static>] =
    &[Kind { name: "aws-access-token", is_secret: true }, Kind { name: "CREDIT_CARD", is_secret: false }];

/// Loads `main.toml` of these files.
fn load_files(files: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let mut read = |path: &str| files.get(path).map(|text| (*text).to_owned()).ok_or_else(|| "no such file".to_owned());
    load(&["main.toml".to_owned()], &mut read, OWN).map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

fn load_text(text: &str) -> Result<Loaded, Vec<String>> {
    load_files(&[("main.toml", text)])
}

fn compiled(text: &str) -> Rules {
    let loaded = load_text(text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    Rules::compile(&loaded.rules).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What stands in a text: rule and place, in order.
fn found(rules: &Rules, text: &str) -> Vec<(usize, Range<usize>)> {
    let mut all = Vec::new();
    rules.scan(text.as_bytes(), &mut |rule, span| all.push((rule, span)));
    all.sort_by_key(|(rule, span)| (*rule, span.start, span.end));
    all
}

/// The secrets that stand in a text.
fn secrets<'t>(rules: &Rules, text: &'t str) -> Vec<&'t str> {
    found(rules, text).into_iter().filter_map(|(_, span)| text.get(span)).collect()
}

/// One rule with these lines in it.
fn rule(lines: &str) -> String {
    format!("[[rules]]\nid = \"acme-token\"\n{lines}\n")
}
