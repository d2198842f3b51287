//! The scopes that tool servers ask for: words that a challenge can name, of tools that there are.

use std::collections::{BTreeMap, BTreeSet};

use model::{Name, ToolEffect};

use crate::check::Report;
use crate::problem::{Path, shown, suggestion};
use crate::raw;
use crate::settings::ToolScopes;

/// Longest scope, and most in one list.
const MAX_SCOPE: usize = 128;
const MAX_SCOPES: usize = 32;

/// What each server asks for; servers that ask for nothing are left out.
pub(in crate::check) fn scopes(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<Name, ToolScopes> {
    let mut servers = BTreeMap::new();
    for (key, raw) in &file.tool_servers {
        let section = Path::of(&["tool_servers", key, "scopes"]);
        let mut scopes = ToolScopes { all: list(&raw.scopes.all, &section.key("all"), report), ..ToolScopes::default() };
        let effects = [
            (ToolEffect::Read, "read", &raw.scopes.read),
            (ToolEffect::Write, "write", &raw.scopes.write),
            (ToolEffect::Egress, "egress", &raw.scopes.egress),
            (ToolEffect::Destructive, "destructive", &raw.scopes.destructive),
            (ToolEffect::Credential, "credential", &raw.scopes.credential),
        ];
        for (effect, word, written) in effects.into_iter().filter(|(.., written)| !written.is_empty()) {
            scopes.effects.insert(effect, list(written, &section.key(word), report));
        }
        for (tool, written) in &raw.scopes.tools {
            let path = section.key("tools").key(tool);
            if !raw.tools.contains_key(tool) {
                let near = suggestion(tool, raw.tools.keys().map(String::as_str));
                report.key_problem(&path, format!("`{}` is no approved tool of this server{near}", shown(tool)));
            }
            scopes.tools.insert(tool.clone(), list(written, &path, report));
        }
        if let (Ok(name), true) = (Name::new(key), scopes != ToolScopes::default()) {
            servers.insert(name, scopes);
        }
    }
    servers
}

fn list(written: &[String], path: &Path, report: &mut Report<'_>) -> BTreeSet<String> {
    if written.len() > MAX_SCOPES {
        report.problem(path, format!("expected at most {MAX_SCOPES} scopes"));
    }
    for (index, scope) in written.iter().enumerate().filter(|(_, scope)| !is_scope(scope)) {
        let what = format!("`{}` is no scope: expected 1 to {MAX_SCOPE} visible characters without `\"` and `\\`", shown(scope));
        report.problem(&path.index(index), what);
    }
    written.iter().cloned().collect()
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-3.3
//# scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
/// Whether a text is one scope.
pub(in crate::check) fn is_scope(text: &str) -> bool {
    (1..=MAX_SCOPE).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::is_scope;

    #[test]
    fn what_a_challenge_can_name() {
        for scope in ["kb", "kb:read", "https://a.example/b", "!", "~"] {
            assert!(is_scope(scope), "{scope}");
        }
        for text in ["", "a b", "a\"b", "a\\b", "\u{e9}", "a\n", &"a".repeat(129)] {
            assert!(!is_scope(text), "{text}");
        }
    }
}
