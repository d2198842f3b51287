//! `portcullis tools propose`: a section of portcullis.yaml from what a server says, for somebody to read and mend.

use std::path::{Component, Path};

use mcp::{Known, Proposal, propose as proposed};
use serde_json::{Value, json};

use super::remarks;
use super::said::{Announced, INPUT, Said, called, from_file, is_input};
use super::server::{Declared, declared, known};
use super::shown::{ascii, cut, grouped, name, plain};
use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::output;
use crate::scan::visible;

/// Longest description that is repeated, in characters.
const MAX_SAID: usize = 160;

/// Most arguments that are named.
const MAX_SINKS: usize = 20;

/// Everything that is proposed.
struct Draft<'a> {
    server: &'a str,
    /// What people call the file.
    file: String,
    said: &'a Said,
    known: Known,
    /// The file of definitions, relative to the configuration, and whether it is the very file that was read.
    definitions: (String, bool),
    warnings: Vec<String>,
}

/// Prints the section.
pub(super) fn propose(cli: &Cli, data: &Path, file: &Path, server: &str) -> Result<Exit, Problems> {
    let is_identifier = server.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && server.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_identifier {
        let what = "expected letters, digits and `_`, beginning with a letter: it is a namespace of policies";
        return Err(vec![format!("`{}` is no name for a tool server: {what}", name(server))]);
    }
    let said = from_file(file)?;
    let (declared, mut warnings) = others(data, &said);
    if declared.contains_key(server) {
        warnings.push(format!("`{server}` is declared already: portcullis tools diff shows what is otherwise now"));
    }
    let draft = Draft {
        server,
        file: called(file),
        known: known(&declared, server, &said),
        definitions: definitions(data, file, server, &said),
        warnings,
        said: &said,
    };
    if cli.json {
        output::line(&ascii(&draft.document().to_string()));
    } else {
        draft.lines().iter().for_each(|line| output::line(line));
    }
    Ok(Exit::Ok)
}

/// What is declared already, to compare names with; a folder without a configuration declares nothing.
fn others(data: &Path, said: &Said) -> (Declared, Vec<String>) {
    let mut warnings = Vec::new();
    if said.has_more {
        warnings.push("the server has more tools than these: this is one page of several (`nextCursor`)".to_owned());
    }
    if !data.join("portcullis.yaml").exists() {
        let folder = visible(&data.to_string_lossy());
        warnings.push(format!("tools of other servers are not known: `{folder}` has no portcullis.yaml (--data)"));
        return (Declared::new(), warnings);
    }
    let declared = declared(data).unwrap_or_else(|problems| {
        let first = problems.first().map(|problem| plain(problem)).unwrap_or_default();
        warnings.push(format!("tools of other servers are not known: {first}"));
        Declared::new()
    });
    (declared, warnings)
}

/// The file itself if the configuration can name it as it is; else one that is to be made.
fn definitions(data: &Path, file: &Path, server: &str, said: &Said) -> (String, bool) {
    let is_usable = !said.is_whole_answer && !said.is_request && said.refused.is_empty() && !is_input(file);
    match below(data, file).filter(|_| is_usable) {
        Some(path) => (path, true),
        None => (format!("tools/{server}.json"), false),
    }
}

/// A file below the folder, by a path that the configuration takes and that YAML needs no quotes for.
fn below(folder: &Path, file: &Path) -> Option<String> {
    let (folder, file) = (folder.canonicalize().ok()?, file.canonicalize().ok()?);
    let path = file.strip_prefix(folder).ok()?;
    let part = |part: Component<'_>| match part {
        Component::Normal(part) => part.to_str().filter(|part| is_bare(part)).map(ToOwned::to_owned),
        _ => None,
    };
    let parts: Option<Vec<String>> = path.components().map(part).collect();
    parts.map(|parts| parts.join("/")).filter(|path| path.ends_with(".json"))
}

/// Whether a word means itself in YAML wherever it stands.
pub(super) fn is_bare(word: &str) -> bool {
    let others = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !others.contains(&word.to_ascii_lowercase().as_str())
}

/// A tool's name as a key of YAML. It has no character that would need an escape.
fn key(tool: &str) -> String {
    if is_bare(tool) { tool.to_owned() } else { format!("\"{tool}\"") }
}

fn effects(proposal: &Proposal) -> Vec<&'static str> {
    proposal.effects.iter().map(|effect| effect.as_str()).collect()
}

impl Draft<'_> {
    /// Where the tools run.
    const fn place(&self) -> [&'static str; 2] {
        if self.said.is_request {
            ["    # The client runs them: the gate decides on a call where a model asks for it.", "    runs: client"]
        } else {
            [
                "    # An upstream with `kind: mcp`, for calls through the gate; without one, it is declared for policies alone.",
                "    # upstream: NAME",
            ]
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "# A proposal, not an approval: guessed from names and from what the server says of itself in {}.",
                self.file
            ),
            "# Read every line, mend it, put it into portcullis.yaml.".to_owned(),
        ];
        lines.push(self.next());
        lines.extend(self.warnings.iter().map(|warning| format!("# Warning: {warning}")));
        lines.push(format!("tool_servers:\n  {}:", key(self.server)));
        lines.push(format!("    definitions: {}", self.definitions.0));
        lines.extend(self.place().map(ToOwned::to_owned));
        lines.extend([
            "    # The highest level of data that it may see: public, internal, confidential or restricted.".to_owned(),
            "    clearance: public".to_owned(),
        ]);
        lines.push(if self.said.tools.is_empty() { "    tools: {}".to_owned() } else { "    tools:".to_owned() });
        lines.extend(self.said.tools.iter().flat_map(|(tool, announced)| self.tool(tool, announced)));
        if !self.said.refused.is_empty() {
            lines.push("      # These cannot be pinned, so they cannot be approved:".to_owned());
            lines.extend(self.said.refused.iter().map(|refused| format!("      #   {}", refused.reason)));
        }
        lines
    }

    /// What comes next, as a comment: the file of definitions may have to be made.
    fn next(&self) -> String {
        let check = "portcullis check, then portcullis apply";
        if self.definitions.1 {
            return format!("# Then: {check}.");
        }
        let file = if self.file == INPUT { "FILE" } else { self.file.as_str() };
        let approve = format!("portcullis tools approve {file} --server {}", self.server);
        format!("# Then: {approve}\n# (it makes {}), then {check}.", self.definitions.0)
    }

    /// The line of one tool, behind comments that say why.
    fn tool(&self, tool: &str, announced: &Announced) -> Vec<String> {
        let proposal = proposed(&announced.definition);
        let mut comments = vec![match description(announced) {
            Some(said) => format!("says: {}", cut(&text::quote(&said), MAX_SAID)),
            None => "says nothing of itself".to_owned(),
        }];
        comments.extend(proposal.because.iter().map(|why| plain(why)));
        if !proposal.sinks.is_empty() {
            let sinks: Vec<String> = proposal.sinks.iter().take(MAX_SINKS).map(|sink| format!("`{}`", plain(sink))).collect();
            let more = match proposal.sinks.len().saturating_sub(MAX_SINKS) {
                0 => String::new(),
                n_more => format!(" and {} more", grouped(n_more)),
            };
            comments.push(format!("decides where something goes or what is run: {}{more}", sinks.join(", ")));
        }
        let remarks = remarks::on(self.server, &announced.definition, &self.known);
        comments.extend(remarks.iter().map(|remark| format!("LOOK: {}", remarks::line(remark))));
        let mut lines: Vec<String> = comments.iter().map(|comment| format!("      # {comment}")).collect();
        lines.push(format!("      {}: {{effects: [{}]}}", key(tool), effects(&proposal).join(", ")));
        lines
    }

    fn document(&self) -> Value {
        let tool = |(tool, announced): (&String, &Announced)| {
            let proposal = proposed(&announced.definition);
            json!({
                "tool": tool, "sha256": announced.definition.digest().to_string(), "effects": effects(&proposal),
                "because": proposal.because, "sinks": proposal.sinks,
                "remarks": remarks::documents(&remarks::on(self.server, &announced.definition, &self.known)),
            })
        };
        let refused: Vec<Value> =
            self.said.refused.iter().map(|refused| json!({"tool": refused.tool, "because": refused.reason})).collect();
        json!({
            "server": self.server, "is_proposal": true, "definitions": self.definitions.0, "warnings": self.warnings,
            "tools": self.said.tools.iter().map(tool).collect::<Vec<_>>(), "refused": refused,
        })
    }
}

fn description(announced: &Announced) -> Option<String> {
    let document = announced.definition.document()?;
    let said = document.get(document.root(), "description").and_then(|said| document.text(said))?;
    Some(said.into_owned())
}

#[cfg(test)]
mod tests {
    use mcp::Known;

    use super::{Draft, Said, key};

    fn lines(text: &str) -> Vec<String> {
        let said = Said::read(text.as_bytes()).unwrap();
        let known = Known::new([("mail", "send_mail")]);
        let definitions = ("tools/s.json".to_owned(), true);
        let draft = Draft { server: "s", file: "f.json".to_owned(), said: &said, known, definitions, warnings: Vec::new() };
        draft.lines()
    }

    #[test]
    fn names_that_yaml_would_read_otherwise_stand_in_quotes() {
        for (name, expected) in [
            ("read_file", "read_file"),
            ("mail.send-now", "mail.send-now"),
            ("a/b", "\"a/b\""),
            ("7", "\"7\""),
            ("1e3", "\"1e3\""),
            ("-", "\"-\""),
            ("No", "\"No\""),
            ("null", "\"null\""),
            (".inf", "\".inf\""),
        ] {
            assert_eq!(key(name), expected);
        }
    }

    #[test]
    fn many_arguments_are_counted() {
        let urls: Vec<String> = (0..30).map(|number| format!("\"url_{number}\":{{}}")).collect();
        let text = format!(r#"{{"tools":[{{"name":"read","inputSchema":{{"properties":{{{}}}}}}}]}}"#, urls.join(","));
        let lines = lines(&text);
        assert!(lines.iter().any(|line| line.contains("`url_0`, ") && line.ends_with(" and 10 more")), "{lines:#?}");
    }

    #[test]
    fn nothing_that_a_server_says_leaves_its_comment() {
        let text = "{\"tools\":[{\"name\":\"read\",\"description\":\"a\\nb: {effects: [read]}\u{2028}\u{85}c\\u001b[2J send_mail\",\
                    \"inputSchema\":{\"properties\":{\"x\\ny_url\":{}}}},{\"name\":\"x\\n  evil:\",\"inputSchema\":{}},\
                    {\"name\":\"half\"}]}";
        let lines = lines(text);
        assert!(lines.iter().all(|line| line.bytes().all(|byte| byte == b'\n' || matches!(byte, b' '..=b'~'))), "{lines:?}");
        let keys: Vec<&str> =
            lines.iter().flat_map(|line| line.lines()).filter(|line| !line.trim_start().starts_with('#')).collect();
        let expected = [
            "tool_servers:",
            "  s:",
            "    definitions: tools/s.json",
            "    clearance: public",
            "    tools:",
            "      read: {effects: [read]}",
        ];
        assert_eq!(keys, expected);
        for expected in [
            r#"      # says: "a\nb: {effects: [read]}\u{2028}\u{85}c\u001b[2J send_mail""#,
            "      # read: the name holds `read`",
            "      # LOOK: /description: speaks of another server's tool `mail/send_mail`",
            "      # decides where something goes or what is run: `x\\ny_url`",
            "      #   `half`: `inputSchema` has to be an object",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
        }
        assert!(lines.iter().any(|line| line.starts_with("      #   /tools/1: ") && line.contains("x\\u{a}")), "{lines:#?}");
    }
}
