//! `portcullis tools annotate`: what operators could say of approved tools, for somebody to read and mend.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use config::DeclaredTool;
use mcp::{Annotation, Definition, annotate};
use serde_json::{Value, json};

use super::propose::is_bare;
use super::server::{Declared, Server, declared};
use super::shown::{ascii, name, plain};
use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::output;
use crate::scan::visible;

/// Longest name of an argument that is proposed, in bytes; as in the configuration.
const MAX_ARGUMENT: usize = 128;
/// Most arguments of a tool that are proposed.
const MAX_ARGUMENTS: usize = 64;

/// Prints the proposal, or writes it into a new file.
pub(super) fn command(
    cli: &Cli,
    data: &Path,
    only: Option<&str>,
    write: Option<&Path>,
) -> Result<anyhow::Result<Exit>, Problems> {
    let declared = declared(data)?;
    let servers = servers(data, &declared, only)?;
    let text = if cli.json {
        let servers: Vec<Value> = servers.iter().map(|(name, server)| document(name, server)).collect();
        ascii(&json!({"servers": servers}).to_string())
    } else {
        lines(&servers).join("\n")
    };
    let Some(file) = write else {
        output::line(&text);
        return Ok(Ok(Exit::Ok));
    };
    Ok(written(file, &text).map(|()| {
        output::note(&format!(
            "wrote {}: read every line, mend it, put it into portcullis.yaml",
            visible(&file.to_string_lossy())
        ));
        Exit::Ok
    }))
}

fn servers<'d>(data: &Path, declared: &'d Declared, only: Option<&'d str>) -> Result<Vec<(&'d str, Server)>, Problems> {
    if let Some(named) = only {
        return Ok(vec![(named, Server::named(data, declared, named)?)]);
    }
    declared.iter().map(|(name, server)| Ok((name.as_str(), Server::read(data, server)?))).collect()
}

/// Never over a file that is there.
fn written(file: &Path, text: &str) -> anyhow::Result<()> {
    let shown = visible(&file.to_string_lossy());
    let mut made =
        OpenOptions::new().write(true).create_new(true).open(file).with_context(|| format!("cannot make `{shown}`"))?;
    made.write_all(format!("{text}\n").as_bytes()).with_context(|| format!("cannot write `{shown}`"))
}

/// Whether a name can stand as a key: nothing in it needs an escape that readers of YAML and JSON know differently.
fn is_plain(argument: &str) -> bool {
    let is_usual = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    (1..=MAX_ARGUMENT).contains(&argument.len()) && argument.bytes().all(is_usual)
}

fn key(text: &str) -> String {
    if is_bare(text) { text.to_owned() } else { format!("\"{text}\"") }
}

fn lines(servers: &[(&str, Server)]) -> Vec<String> {
    let mut lines: Vec<String> = [
        "# A proposal for review: guessed from names, types, formats and descriptions that the servers wrote themselves.",
        "# A server's hints are suggestions, and marked. Read every line, mend it, put it into portcullis.yaml.",
        "tool_servers:",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    for (called, server) in servers {
        lines.push(format!("  {}:\n    tools:", key(called)));
        for (tool, at) in &server.declared.tools {
            match server.approved.tools.get(tool) {
                Some(announced) => lines.extend(tool_lines(tool, at, &announced.definition)),
                None => lines.push(format!("      # {}: no definition of it is approved", name(tool))),
            }
        }
    }
    lines
}

/// One tool, with a reason behind each line.
fn tool_lines(tool: &str, at: &DeclaredTool, definition: &Definition) -> Vec<String> {
    let annotation = annotate(definition);
    let mut lines = vec![format!("      {}:", key(tool))];
    let reasons = annotation.effects.values().map(|reason| {
        let hint = if reason.is_hint { " (a hint: its own word)" } else { "" };
        format!("{}: {}{hint}", reason.effect.as_str(), plain(&reason.why))
    });
    let because: Vec<String> = reasons.collect();
    lines.push(format!("        effects: [{}]  # {}", effects(&annotation).join(", "), because.join("; ")));
    let difference = difference(at, &annotation);
    lines.extend(
        (!difference.is_empty()).then(|| format!("        # LOOK: portcullis.yaml has [{}]: {difference}", now(at).join(", "))),
    );
    lines.push(
        "        output: untrusted  # nothing says who writes its results; `trusted` only if nobody outside can set any part"
            .to_owned(),
    );
    lines.extend(mixed(&annotation));
    let (good, odd): (Vec<_>, Vec<_>) = annotation.sinks.iter().partition(|(argument, _)| is_plain(argument));
    if !good.is_empty() {
        lines.push("        sinks:".to_owned());
    }
    for (argument, (sink, because)) in good.iter().take(MAX_ARGUMENTS) {
        lines.push(format!("          {}: {}  # {}", key(argument), sink.as_str(), plain(because)));
    }
    let n_left = odd.len().saturating_add(good.len().saturating_sub(MAX_ARGUMENTS));
    lines.extend((n_left > 0).then(|| {
        format!("        # LOOK: {n_left} more, with names that cannot stand here or beyond the first {MAX_ARGUMENTS}")
    }));
    lines
}

/// What could be vouched for in part, where the server names the fields of its results.
fn mixed(annotation: &Annotation) -> Option<String> {
    let list = |fields: &[String]| {
        let fields: Vec<String> =
            fields.iter().filter(|field| is_plain(field)).take(MAX_ARGUMENTS).map(|field| key(field)).collect();
        fields.join(", ")
    };
    let (free, ident) = (list(&annotation.free), list(&annotation.ident));
    (!free.is_empty() || !ident.is_empty())
        .then(|| format!("        # if you vouch for the other fields: output: mixed, free: [{free}], ident: [{ident}]"))
}

fn effects(annotation: &Annotation) -> Vec<&'static str> {
    annotation.effects.keys().map(|effect| effect.as_str()).collect()
}

fn now(at: &DeclaredTool) -> Vec<&'static str> {
    at.effects.iter().map(|effect| effect.as_str()).collect()
}

/// In which the proposal and what is declared differ.
fn difference(at: &DeclaredTool, annotation: &Annotation) -> String {
    let missing: Vec<&str> =
        annotation.effects.keys().filter(|effect| !at.effects.contains(effect)).map(|effect| effect.as_str()).collect();
    let more: Vec<&str> =
        at.effects.iter().filter(|effect| !annotation.effects.contains_key(effect)).map(|effect| effect.as_str()).collect();
    let part = |effects: &[&str], what: &str| (!effects.is_empty()).then(|| format!("{} {what}", effects.join(", ")));
    let parts = [part(&missing, "would be new"), part(&more, "is your own word and would be lost")];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn document(called: &str, server: &Server) -> Value {
    let tool = |(tool, at): (&String, &DeclaredTool)| {
        let Some(announced) = server.approved.tools.get(tool) else { return json!({"tool": tool, "effects": null}) };
        let annotation = annotate(&announced.definition);
        let effects = annotation.effects.values();
        let effects: Vec<Value> =
            effects.map(|reason| json!({"effect": reason.effect, "because": reason.why, "hint": reason.is_hint})).collect();
        let sinks = annotation.sinks.iter();
        let sinks: Vec<Value> =
            sinks.map(|(argument, (sink, because))| json!({"argument": argument, "sink": sink, "because": because})).collect();
        json!({
            "tool": tool, "declared": now(at), "effects": effects, "output": "untrusted", "free": annotation.free,
            "ident": annotation.ident, "sinks": sinks,
        })
    };
    let tools: Vec<Value> = server.declared.tools.iter().map(tool).collect();
    json!({"server": called, "tools": tools})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use config::DeclaredTool;
    use model::ToolEffect;

    use super::super::said::Said;
    use super::tool_lines;

    #[test]
    fn every_line_says_why_and_nothing_that_a_server_wrote_leaves_its_place() {
        let list = r#"{"tools":[{"name":"send_mail","annotations":{"readOnlyHint":true},
            "inputSchema":{"type":"object","properties":{"to":{"type":"string"},"no":{"format":"email"},"a\nb: to\u001b":{"format":"email"},
            "x\"":{"format":"email"},"on":{"type":"boolean"}}},
            "outputSchema":{"type":"object","properties":{"subject":{"type":"string"},"sender":{}}}}]}"#;
        let said = Said::read(list.as_bytes()).unwrap();
        let at = DeclaredTool { effects: BTreeSet::from([ToolEffect::Egress, ToolEffect::Credential]), is_withdrawn: false };
        let found = tool_lines("send_mail", &at, &said.tools["send_mail"].definition);
        let expected = [
            "      send_mail:",
            "        effects: [read, egress]  # read: the server says `readOnlyHint: true` (a hint: its own word); egress: the name holds `send`",
            "        # LOOK: portcullis.yaml has [egress, credential]: read would be new; credential is your own word and would be lost",
            "        output: untrusted  # nothing says who writes its results; `trusted` only if nobody outside can set any part",
            "        # if you vouch for the other fields: output: mixed, free: [subject], ident: [sender]",
            "        sinks:",
            "          \"no\": destination  # its format is `email`",
            "          to: destination  # its name holds `to`",
            "        # LOOK: 2 more, with names that cannot stand here or beyond the first 64",
        ];
        assert_eq!(found, expected);
    }
}
