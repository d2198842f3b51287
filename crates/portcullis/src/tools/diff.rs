//! `portcullis tools diff`: what a server says now, held against what is approved of it.

use std::collections::BTreeSet;
use std::path::Path;

use config::DeclaredTool;
use mcp::{Definition, Known, Remark};
use model::Digest;
use serde_json::{Value, json};

use super::changes::{Change, changes};
use super::gate::Heard;
use super::said::Said;
use super::server::{Server, declared, known};
use super::shown::{ascii, name, plain};
use super::{list, remarks};
use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::output;

/// Most changes of one tool that are shown.
const MAX_CHANGES: usize = 40;

/// How a tool stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// As approved.
    Same,
    /// Otherwise than approved.
    Changed(Vec<Change>),
    /// Declared, and there is no definition of it that is approved; why.
    Undefined(String),
    /// Declared, and no longer named by the server.
    Gone,
    /// Declared, and what the server says of it cannot be pinned; why.
    Refused(String),
    /// Not declared: it does not exist for callers.
    New,
}

/// One tool.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) tool: String,
    /// Denied whatever its definition is.
    pub(super) is_withdrawn: bool,
    pub(super) standing: Standing,
    pub(super) approved: Option<Digest>,
    pub(super) now: Option<Digest>,
    /// What to look at in what the server says now.
    pub(super) remarks: Vec<Remark>,
}

impl Row {
    /// Whether something that callers rely on is no longer so.
    pub(super) fn is_different(&self) -> bool {
        !self.is_withdrawn && !matches!(self.standing, Standing::Same | Standing::New)
    }

    /// Whether approving brings in what the server says of it now.
    pub(super) fn is_to_write(&self) -> bool {
        self.now.is_some() && !self.is_withdrawn && matches!(self.standing, Standing::Changed(_) | Standing::Undefined(_))
    }

    /// One word for how it stands.
    pub(super) const fn word(&self) -> &'static str {
        match self.standing {
            Standing::Same => "same",
            Standing::Changed(_) => "changed",
            Standing::Undefined(_) => "undefined",
            Standing::Gone => "gone",
            Standing::Refused(_) => "refused",
            Standing::New => "new",
        }
    }

    const fn rank(&self) -> u8 {
        match self.standing {
            Standing::Changed(_) => 0,
            Standing::Gone => 1,
            Standing::Refused(_) => 2,
            Standing::Undefined(_) => 3,
            Standing::New => 4,
            Standing::Same => 5,
        }
    }

    fn document(&self) -> Value {
        let changes = if let Standing::Changed(changes) = &self.standing { changes.as_slice() } else { &[] };
        let because = match &self.standing {
            Standing::Undefined(why) | Standing::Refused(why) => Some(why),
            _ => None,
        };
        json!({
            "tool": self.tool, "standing": self.word(), "withdrawn": self.is_withdrawn, "because": because,
            "approved": self.approved.map(|digest| digest.to_string()), "now": self.now.map(|digest| digest.to_string()),
            "changes": changes.iter().map(Change::document).collect::<Vec<_>>(), "remarks": remarks::documents(&self.remarks),
        })
    }

    /// The tool for people; nothing if it is as approved.
    fn lines(&self) -> Vec<String> {
        let short = |digest: Option<Digest>| digest.map_or_else(|| "-".to_owned(), |digest| list::short(&digest));
        let withdrawn = if self.is_withdrawn { " (withdrawn: denied whatever it says)" } else { "" };
        let about = match &self.standing {
            Standing::Same => return Vec::new(),
            Standing::Changed(_) => format!("approved {}, now {}", short(self.approved), short(self.now)),
            Standing::Undefined(why) | Standing::Refused(why) => why.clone(),
            Standing::Gone => "approved, and the server does not name it".to_owned(),
            Standing::New => "not approved, so nobody can call it".to_owned(),
        };
        let mut lines = vec![format!("  {:<9} {}: {about}{withdrawn}", self.word(), name(&self.tool))];
        if let Standing::Changed(changes) = &self.standing {
            lines.extend(changes.iter().take(MAX_CHANGES).flat_map(Change::lines));
            if changes.len() > MAX_CHANGES {
                let n_more = changes.len().saturating_sub(MAX_CHANGES);
                lines.push(format!("    … [cut: {n_more} changes more; --json has all]"));
            }
        }
        lines.extend(self.remarks.iter().map(|remark| format!("    look: {}", remarks::line(remark))));
        lines
    }
}

/// All tools of one server, on either side.
#[derive(Debug)]
pub(super) struct Compared {
    /// What callers may notice first, then by name.
    pub(super) rows: Vec<Row>,
    /// What to know of the comparison itself.
    pub(super) warnings: Vec<String>,
}

impl Compared {
    /// Holds what a server says now against what is approved.
    pub(super) fn new(server: &str, approved: &Server, said: &Said, known: &Known) -> Self {
        let names: BTreeSet<&String> = approved.declared.tools.keys().chain(said.tools.keys()).collect();
        let row = |tool: &String| row(server, tool, approved, said, known);
        let mut rows: Vec<Row> = names.into_iter().map(row).collect();
        // Whatever a server adds, it does not come before what it has changed.
        rows.sort_by_key(Row::rank);
        Self { rows, warnings: warnings(approved, said) }
    }

    /// Whether anything that is approved changed or is gone.
    pub(super) fn is_different(&self) -> bool {
        self.rows.iter().any(Row::is_different)
    }

    /// For people.
    pub(super) fn lines(&self, server: &str) -> Vec<String> {
        let count = |word: &str| self.rows.iter().filter(|row| row.word() == word).count();
        let words = ["changed", "gone", "refused", "undefined", "new"];
        let mut parts: Vec<String> =
            words.iter().filter(|word| count(word) > 0).map(|word| format!("{} {word}", count(word))).collect();
        parts.push(format!("{} as approved", count("same")));
        let mut lines = vec![format!("{}: {}", name(server), parts.join(", "))];
        lines.extend(self.rows.iter().flat_map(Row::lines));
        lines
    }

    /// As a document.
    pub(super) fn document(&self, server: &str, file: &str) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::document).collect();
        json!({"server": server, "file": file, "different": self.is_different(), "warnings": self.warnings, "tools": rows})
    }
}

/// Shows what differs.
pub(super) fn command(cli: &Cli, data: &Path, heard: &Heard, server: &str) -> Result<Exit, Problems> {
    let declared = declared(data)?;
    let approved = Server::named(data, &declared, server)?;
    let said = &heard.said;
    let mut compared = Compared::new(server, &approved, said, &known(&declared, server, said));
    compared.warnings.splice(0..0, heard.warnings.iter().cloned());
    if cli.json {
        output::line(&ascii(&compared.document(server, &heard.called).to_string()));
    } else {
        compared.warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
        compared.lines(server).iter().for_each(|line| output::line(line));
    }
    Ok(if compared.is_different() { Exit::Failure } else { Exit::Ok })
}

fn row(server: &str, tool: &str, approved: &Server, said: &Said, known: &Known) -> Row {
    let declared = approved.declared.tools.get(tool);
    let old = approved.approved.tools.get(tool).map(|announced| &announced.definition).filter(|_| declared.is_some());
    let new = said.tools.get(tool).map(|announced| &announced.definition);
    let standing = standing(tool, declared, old, new, approved, said);
    let remarks = match (&standing, new) {
        (Standing::Changed(_) | Standing::Undefined(_) | Standing::New, Some(new)) => remarks::on(server, new, known),
        _ => Vec::new(),
    };
    Row {
        tool: tool.to_owned(),
        is_withdrawn: declared.is_some_and(|tool| tool.is_withdrawn),
        standing,
        approved: old.map(Definition::digest),
        now: new.map(Definition::digest),
        remarks,
    }
}

fn standing(
    tool: &str,
    declared: Option<&DeclaredTool>,
    old: Option<&Definition>,
    new: Option<&Definition>,
    approved: &Server,
    said: &Said,
) -> Standing {
    let refusal = said.refusal(tool).map(|why| format!("what the server says of it cannot be pinned: {why}"));
    match (declared, old, new) {
        (None, _, _) => Standing::New,
        (Some(_), Some(old), Some(new)) if old.digest() == new.digest() => Standing::Same,
        (Some(_), Some(old), Some(new)) => Standing::Changed(changes(old, new)),
        (Some(_), _, None) => refusal.map_or(Standing::Gone, Standing::Refused),
        (Some(_), None, Some(_)) => Standing::Undefined(match approved.approved.refusal(tool) {
            Some(why) => format!("what is approved of it cannot be pinned: {why}"),
            None => "declared, and no definition of it is approved yet".to_owned(),
        }),
    }
}

fn warnings(approved: &Server, said: &Said) -> Vec<String> {
    let mut warnings = Vec::new();
    if said.has_more {
        warnings.push("this is one page of several (`nextCursor`): what is on the others looks as if it were gone".to_owned());
    }
    let strangers = said
        .refused
        .iter()
        .filter(|refused| refused.tool.as_ref().is_none_or(|tool| !approved.declared.tools.contains_key(tool)));
    warnings.extend(strangers.map(|refused| format!("not approved, and cannot be pinned: {}", plain(&refused.reason))));
    warnings
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;

    use config::{DeclaredServer, DeclaredTool};
    use mcp::Known;

    use super::{Compared, Said, Server};

    type Fact<'f> = (&'f [&'f str], &'f [&'f str], bool, &'f str, bool, bool);

    fn server(tools: &[(&str, bool)], definitions: &str) -> Server {
        let tool = |is_withdrawn| DeclaredTool { effects: BTreeSet::new(), is_withdrawn };
        let tools: BTreeMap<_, _> = tools.iter().map(|(name, withdrawn)| ((*name).to_owned(), tool(*withdrawn))).collect();
        let declared = DeclaredServer { definitions: "tools/a.json".to_owned(), upstream: None, tools };
        let approved = Said::read(definitions.as_bytes()).unwrap();
        Server { declared, path: PathBuf::new(), bytes: Some(definitions.as_bytes().to_vec()), approved }
    }

    #[test]
    fn every_standing() {
        let tool = |name: &str, more: &str| format!(r#"{{"name":"{name}","inputSchema":{{}}{more}}}"#);
        let list = |tools: &[&str]| format!(r#"{{"tools":[{}]}}"#, tools.join(","));
        let (old, new) = (tool("a", ""), tool("a", r#","title":"A""#));
        let big = tool("a", r#","_meta":9007199254740993"#);
        let (old, new, big) = (old.as_str(), new.as_str(), big.as_str());
        // Approved definitions, what is said now, whether it is withdrawn: how it stands, whether that is different, and written.
        let facts: [Fact<'_>; 11] = [
            (&[old], &[old], false, "same", false, false),
            (&[old], &[new], false, "changed", true, true),
            (&[old], &[new], true, "changed", false, false),
            (&[old], &[], false, "gone", true, false),
            (&[old], &[], true, "gone", false, false),
            (&[old], &[big], false, "refused", true, false),
            (&[old], &[old, old], false, "refused", true, false),
            (&[], &[new], false, "undefined", true, true),
            (&[big], &[new], false, "undefined", true, true),
            (&[big], &[big], false, "refused", true, false),
            (&[], &[], false, "gone", true, false),
        ];
        for (approved, said, withdrawn, expected, is_different, is_to_write) in facts {
            let (approved, said) = (list(approved), list(said));
            let approved_server = server(&[("a", withdrawn)], &approved);
            let compared = Compared::new("s", &approved_server, &Said::read(said.as_bytes()).unwrap(), &Known::default());
            let [row] = compared.rows.as_slice() else { panic!("{compared:?}") };
            let found = (row.word(), row.is_different(), row.is_to_write(), compared.is_different());
            assert_eq!(found, (expected, is_different, is_to_write, is_different), "{approved} {said} {withdrawn}");
        }
    }

    #[test]
    fn what_is_not_declared_is_new_whatever_the_file_of_definitions_has() {
        let list = r#"{"tools":[{"name":"a","inputSchema":{}}],"nextCursor":"x"}"#;
        let compared = Compared::new("s", &server(&[], list), &Said::read(list.as_bytes()).unwrap(), &Known::default());
        assert_eq!(compared.rows.first().map(|row| (row.word(), row.approved)), Some(("new", None)));
        assert!(!compared.is_different());
        assert!(compared.warnings.iter().any(|warning| warning.contains("nextCursor")), "{:?}", compared.warnings);
        assert_eq!(compared.lines("s"), ["s: 1 new, 0 as approved", "  new       a: not approved, so nobody can call it"]);
    }
}
