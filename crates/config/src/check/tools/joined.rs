//! Several tool servers under one address.

use std::collections::BTreeMap;

use model::Name;

use super::{RESERVED, is_identifier};
use crate::check::Report;
use crate::problem::{Path, shown};
use crate::raw;

/// Between the name of a server and that of its tool. Clients hand names on to models whose APIs take letters, digits, `_` and `-`.
const SEAM: &str = "__";
/// Longest name of a tool, in bytes.
const LONGEST: usize = 128;

/// The tools of each virtual server, by their names there.
pub(in crate::check) fn virtual_servers(
    file: &raw::File,
    report: &mut Report<'_>,
) -> BTreeMap<Name, BTreeMap<String, (Name, String)>> {
    report.look_alikes("virtual_servers");
    let mut found = BTreeMap::new();
    for (key, raw) in &file.virtual_servers {
        let path = Path::of(&["virtual_servers", key]);
        if !is_identifier(key) || RESERVED.contains(&key.as_str()) {
            let what = "expected letters, digits and `_`, beginning with a letter, and no word of policies";
            report.key_problem(&path, format!("`{}` is no name for a virtual server: {what}", shown(key)));
            continue;
        }
        if file.tool_servers.keys().any(|name| name.eq_ignore_ascii_case(key)) {
            report.key_problem(&path, format!("`tool_servers` has one of this name: `/mcp/{key}` is one server's address"));
            continue;
        }
        let at = path.key("members");
        let members = report.references(&at, &raw.members, "tool_servers", "tool server");
        for (index, member) in raw.members.iter().enumerate() {
            if file.tool_servers.get(member).is_some_and(|server| server.upstream.is_none()) {
                let message = format!("`{}` has no `upstream`: its tools cannot be called through the gate", shown(member));
                report.problem(&at.index(index), message);
            }
        }
        let tools = joined(file, &members, &at, report);
        found.extend(Name::new(key).ok().map(|name| (name, tools)));
    }
    found
}

fn joined<'n>(
    file: &raw::File,
    members: impl IntoIterator<Item = &'n Name>,
    path: &Path,
    report: &mut Report<'_>,
) -> BTreeMap<String, (Name, String)> {
    let mut tools: BTreeMap<String, (Name, String)> = BTreeMap::new();
    for member in members {
        let declared = file.tool_servers.get(member.as_str()).into_iter().flat_map(|server| &server.tools);
        for (tool, _) in declared.filter(|(_, tool)| !tool.withdrawn) {
            let name = format!("{member}{SEAM}{tool}");
            if name.len() > LONGEST {
                report.problem(path, format!("`{}` is longer than {LONGEST} bytes", shown(&name)));
            }
            if let Some((other, of)) = tools.insert(name.clone(), (member.clone(), tool.clone())) {
                let message =
                    format!("`{}` would stand for `{other}/{}` and `{member}/{}`", shown(&name), shown(&of), shown(tool));
                report.problem(path, message);
            }
        }
    }
    tools
}
