//! Budgets of calls of tools: which tools, and what they are counted in.

use std::collections::BTreeSet;

use budget::{MAX_AMOUNT, Measure};
use model::{Name, ToolEffect};

use crate::check::Report;
use crate::check::tools::effect_of;
use crate::problem::{Path, shown, suggestion};
use crate::raw;
use crate::raw_budgets::Budget;

/// What tools may be counted in, and how much of it, in thousandths.
pub(super) fn counted(budget: &Budget, path: &Path, file: &raw::File, report: &mut Report<'_>) -> Vec<(Name, u64)> {
    let tools = file.tool_servers.values().flat_map(|server| server.tools.values());
    let known: BTreeSet<&str> = tools.flat_map(|tool| tool.counts.keys().map(String::as_str)).collect();
    let mut found = Vec::new();
    for (quantity, written) in &budget.counted {
        let path = path.key("counted").key(quantity);
        if !known.contains(quantity.as_str()) {
            let near = suggestion(quantity, known.iter().copied());
            let message =
                format!("no tool is counted in `{}`{near}: `tool_servers.NAME.tools.TOOL.counts` says so", shown(quantity));
            report.key_problem(&path, message);
        }
        let most = budget::thousandths(written).filter(|most| (1..=MAX_AMOUNT).contains(most) && !written.starts_with('-'));
        if most.is_none() {
            let message = format!("expected a number above 0 and below 17,000,000,000, found `{}`", shown(written));
            report.problem(&path, message);
        }
        found.extend(report.name(&path, quantity).zip(most));
    }
    found
}

/// Which tools a budget is for, as calls of them are charged; none if for all.
pub(super) fn tools(budget: &Budget, path: &Path, file: &raw::File, report: &mut Report<'_>) -> Option<BTreeSet<Name>> {
    let mut wanted = BTreeSet::new();
    let all = || file.tool_servers.iter().flat_map(|(server, raw)| raw.tools.keys().map(move |tool| format!("{server}/{tool}")));
    for (index, written) in budget.tools.iter().enumerate() {
        let path = path.key("tools").index(index);
        if !all().any(|tool| tool == *written) {
            let known: Vec<String> = all().collect();
            let near = suggestion(written, known.iter().map(String::as_str));
            report.problem(&path, format!("`tool_servers` has no tool `{}`{near}: expected `SERVER/TOOL`", shown(written)));
        } else if !wanted.insert(written.clone()) {
            report.problem(&path, format!("`{}` stands twice in this list", shown(written)));
        }
    }
    let servers = report.references(&path.key("tool_servers"), &budget.tool_servers, "tool_servers", "tool server");
    let effects: BTreeSet<ToolEffect> = budget.effects.iter().map(|effect| effect_of(*effect)).collect();
    for (server, raw) in &file.tool_servers {
        let is_server = servers.iter().any(|name| name.as_str() == server);
        let has_effect =
            |effects_of: &[crate::raw_tools::Effect]| effects_of.iter().any(|effect| effects.contains(&effect_of(*effect)));
        let of_server = raw.tools.iter().filter(|(_, tool)| is_server || has_effect(&tool.effects));
        wanted.extend(of_server.map(|(tool, _)| format!("{server}/{tool}")));
    }
    let is_for_all = budget.tools.is_empty() && budget.tool_servers.is_empty() && budget.effects.is_empty();
    let mut names = BTreeSet::new();
    for tool in wanted {
        match budget::charged(&tool) {
            Ok(name) => drop(names.insert(name)),
            Err(_) => {
                let message = format!(
                    "calls of the tool `{}` cannot be told from others of its server: its name has other characters than names have",
                    shown(&tool)
                );
                report.key_problem(path, message);
            }
        }
    }
    (!is_for_all).then_some(names)
}

/// Tools use no tokens, and have no price.
pub(super) fn uncounted(amounts: &[(Measure, u64)], path: &Path, report: &mut Report<'_>) {
    for (measure, _) in amounts {
        if !matches!(measure, Measure::Requests | Measure::Concurrent | Measure::Counted) {
            let message = "calls of tools use no tokens and have no price: expected `requests`, `concurrent` or `counted`";
            report.key_problem(&path.key(measure.as_str()), message);
        }
    }
}
