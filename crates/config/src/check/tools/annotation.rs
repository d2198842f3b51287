//! What operators say of a tool's results and arguments: every argument is one that the tool has.

use std::collections::{BTreeMap, BTreeSet};

use model::{Annotation, Output, Sink};
use serde_json::Value;

use super::counts;
use crate::check::Report;
use crate::problem::{Path, shown};
use crate::raw_tools::{self, Tool};

/// Most fields that are named, of each kind.
const MOST: usize = 128;
/// Longest name of a field, in bytes.
const LONGEST: usize = 128;

/// The annotation of a tool.
pub(super) fn of(tool: &Tool, input: &str, path: &Path, report: &mut Report<'_>) -> Annotation {
    let (free, ident) = (fields(&tool.free, &path.key("free"), report), fields(&tool.ident, &path.key("ident"), report));
    if let Some(name) = free.intersection(&ident).next() {
        report.key_problem(&path.key("ident"), format!("`{}` stands under `free` too: which of both is it?", shown(name)));
    }
    let is_mixed = tool.output == raw_tools::Output::Mixed;
    if !is_mixed && !(free.is_empty() && ident.is_empty()) {
        report.key_problem(path, "`free` and `ident` say which fields of `output: mixed` you do not vouch for: that is missing");
    }
    if is_mixed && free.is_empty() && ident.is_empty() {
        report.problem(
            &path.key("output"),
            "you vouch for all but what stands under `free` and `ident`, and nothing does: expected \
                                             such fields, or `trusted`",
        );
    }
    let output = match tool.output {
        raw_tools::Output::Untrusted => Output::Untrusted,
        raw_tools::Output::Trusted => Output::Trusted,
        raw_tools::Output::Identifiers => Output::Identifiers,
        raw_tools::Output::Mixed => Output::Mixed { free, ident },
    };
    Annotation { output, sinks: sinks(tool, input, &path.key("sinks"), report) }
}

fn fields(written: &[String], path: &Path, report: &mut Report<'_>) -> BTreeSet<String> {
    if written.len() > MOST {
        report.key_problem(path, format!("at most {MOST} fields, found {}", written.len()));
    }
    for (index, name) in written.iter().enumerate().filter(|(_, name)| name.is_empty() || name.len() > LONGEST) {
        report.problem(&path.index(index), format!("`{}` is no name of a field: expected 1 to {LONGEST} bytes", shown(name)));
    }
    written.iter().cloned().collect()
}

fn sinks(tool: &Tool, input: &str, path: &Path, report: &mut Report<'_>) -> BTreeMap<String, Sink> {
    let schema: Value = serde_json::from_str(input).unwrap_or_default();
    let mut sinks = BTreeMap::new();
    for (argument, sink) in &tool.sinks {
        let place = format!("/{}", argument.replace('~', "~0").replace('/', "~1"));
        if let Some(message) = counts::is_unknown(&place, &schema) {
            report.key_problem(&path.key(argument), message);
        }
        sinks.insert(argument.clone(), sink_of(*sink));
    }
    sinks
}

const fn sink_of(raw: raw_tools::Sink) -> Sink {
    match raw {
        raw_tools::Sink::Payee => Sink::Payee,
        raw_tools::Sink::Credential => Sink::Credential,
        raw_tools::Sink::Destination => Sink::Destination,
        raw_tools::Sink::Target => Sink::Target,
        raw_tools::Sink::Fetch => Sink::Fetch,
        raw_tools::Sink::Content => Sink::Content,
    }
}
