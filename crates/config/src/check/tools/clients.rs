//! Tools that models ask for: by which names, for which agents, and what becomes of others.

use std::collections::{BTreeMap, BTreeSet};

use model::Name;

use crate::check::Report;
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_client_tools::{Mode, Refused, Runs};
use crate::raw_tools::ToolServer;
use crate::settings::{ClientMode, ClientTool, ClientTools, RefusedCall};

/// What stands for a tool's name in a pattern.
const TOOL: &str = "{tool}";
/// Longest name of a function.
const MAX_NAME: usize = 128;

/// Tools that models ask for, by the names that they have there.
pub(in crate::check) fn client_tools(file: &raw::File, report: &mut Report<'_>) -> ClientTools {
    let mut tools = BTreeMap::<String, Vec<ClientTool>>::new();
    let (mut has_patterns, mut withdrawn) = (false, Vec::new());
    for (key, raw) in &file.tool_servers {
        let path = Path::of(&["tool_servers", key]);
        let patterns = patterns(raw, &path, report);
        let agents = report.references(&path.key("agents"), &raw.agents, "agents", "agent");
        if patterns.is_empty() && !raw.agents.is_empty() {
            report.problem(
                &path.key("agents"),
                "agents are named where models ask for the tools: with `runs: client` or `model_names`",
            );
        }
        let Ok(server) = Name::new(key) else { continue };
        has_patterns |= !patterns.is_empty();
        for (tool, raw_tool) in &raw.tools {
            for pattern in &patterns {
                let name = pattern.replace(TOOL, tool);
                let one = ClientTool {
                    server: server.clone(),
                    tool: tool.clone(),
                    agents: agents.clone(),
                    runs_at_client: raw.runs.is_some(),
                };
                if raw_tool.withdrawn {
                    withdrawn.push((name, one));
                    continue;
                }
                let named = tools.entry(name.clone()).or_default();
                if let Some(other) = named.iter().find(|other| meets(&other.agents, &one.agents)) {
                    let message = format!(
                        "models would call it `{}`, which is `{}/{}` already: name other `agents`, or other `model_names`",
                        shown(&name),
                        other.server,
                        shown(&other.tool)
                    );
                    report.key_problem(&path.key("tools").key(tool), message);
                }
                named.push(one);
            }
        }
    }
    // What is withdrawn is declared still, and denied, where nothing else is called so: unknown it would pass where others do.
    for (name, one) in withdrawn {
        let named = tools.entry(name).or_default();
        if !named.iter().any(|other| meets(&other.agents, &one.agents)) {
            named.push(one);
        }
    }
    let default = if has_patterns { ClientMode::Enforce } else { ClientMode::Off };
    let (mode, refused) = file.client_tools.as_ref().map_or((default, Refused::default()), |raw| {
        let mode = match raw.mode {
            Mode::Observe => ClientMode::Observe,
            Mode::Enforce => ClientMode::Enforce,
        };
        (mode, raw.refused)
    });
    let refused = match refused {
        Refused::Strip => RefusedCall::Strip,
        Refused::Replace => RefusedCall::Replace,
        Refused::Annotate => RefusedCall::Annotate,
    };
    if refused == RefusedCall::Annotate {
        let path = Path::of(&["client_tools", "refused"]);
        report.warn(&path, "refused calls reach the client all the same: what policies say of them is only recorded");
    }
    ClientTools { mode, refused, tools }
}

/// Whether somebody could mean both.
fn meets(one: &BTreeSet<Name>, other: &BTreeSet<Name>) -> bool {
    one.is_empty() || other.is_empty() || !one.is_disjoint(other)
}

/// The names under which models ask for a section's tools, with `{tool}` for each.
fn patterns(raw: &ToolServer, path: &Path, report: &mut Report<'_>) -> BTreeSet<String> {
    if raw.runs == Some(Runs::Client) && raw.upstream.is_some() {
        report.problem(&path.key("runs"), "what the client runs has no `upstream`: leave one of them out");
    }
    let mut patterns = BTreeSet::new();
    for (index, pattern) in raw.model_names.iter().enumerate() {
        let at = path.key("model_names").index(index);
        let rest = pattern.replacen(TOOL, "", 1);
        let is_plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if rest.len() == pattern.len() || !is_plain || pattern.len() > MAX_NAME {
            let what = "expected letters, digits, `_`, `-` and `.` around `{tool}`, such as `mcp__kb__{tool}`";
            report.problem(&at, format!("{what}, found `{}`", shown(pattern)));
        } else if !patterns.insert(pattern.clone()) {
            report.problem(&at, format!("`{}` stands twice in this list", shown(pattern)));
        }
    }
    if patterns.is_empty() && raw.runs.is_some() {
        patterns.insert(TOOL.to_owned());
    }
    patterns
}
