//! `portcullis tools list`: every declared tool, and what to look at in it.

use std::path::Path;

use config::DeclaredTool;
use mcp::Known;
use model::Digest;
use serde_json::{Value, json};

use super::gate::Known as Running;
use super::remarks;
use super::said::Said;
use super::server::{Declared, Server, declared, known};
use super::shown::{ascii, name, plain};
use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::output;
use crate::scan::visible;

/// Digits of a digest that are shown to people.
const SHORT: usize = 12;

/// The front of a digest.
pub(super) fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(SHORT).collect()
}

/// Lists what is declared in the folder.
pub(super) fn list(cli: &Cli, data: &Path, running: &Running) -> Result<Exit, Problems> {
    let declared = declared(data)?;
    let known = known(&declared, "", &Said::default());
    let (mut servers, mut problems) = (Vec::new(), Problems::new());
    for (name, server) in &declared {
        match Server::read(data, server) {
            Ok(server) => servers.push((name.as_str(), server)),
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if cli.json {
        let servers: Vec<Value> = servers.iter().map(|(name, server)| document(name, server, &known, running)).collect();
        output::line(&ascii(&json!({"servers": servers}).to_string()));
        return Ok(Exit::Ok);
    }
    servers.iter().flat_map(|(name, server)| lines(name, server, &known, running)).for_each(|line| output::line(&line));
    tell_if_none(&declared);
    Ok(Exit::Ok)
}

fn tell_if_none(declared: &Declared) {
    if declared.is_empty() {
        output::note("no tool server is declared: `portcullis tools propose` makes a section to begin with");
    }
}

fn effects(tool: &DeclaredTool) -> Vec<&'static str> {
    tool.effects.iter().map(|effect| effect.as_str()).collect()
}

/// Why there is no digest.
fn absence(server: &Server, tool: &str) -> String {
    let file = visible(&server.declared.definitions);
    match server.approved.refusal(tool) {
        Some(why) => format!("cannot be pinned: {}", plain(why)),
        None if server.bytes.is_none() => format!("`{file}` is not there: `portcullis tools approve` writes it"),
        None => format!("no definition in `{file}`: `portcullis tools approve` brings one in"),
    }
}

fn lines(called: &str, server: &Server, known: &Known, running: &Running) -> Vec<String> {
    let reached = match &server.declared.upstream {
        Some(upstream) => format!("called through the gate, at the upstream `{}`", name(upstream)),
        None => "for policies alone, no `upstream`".to_owned(),
    };
    let tools = &server.declared.tools;
    let width = |of: fn(&str, &DeclaredTool) -> usize| tools.iter().map(|(tool, at)| of(tool, at)).max().unwrap_or(0);
    let (names, groups) = (width(|tool, _| name(tool).len()), width(|_, at| effects(at).join(" ").len()));
    let mut lines = vec![format!("{}: {reached}; {}", name(called), visible(&server.declared.definitions))];
    let unasked = running.unasked.get(called);
    lines.extend(unasked.map(|why| format!("  not compared with what the server announces: {}", plain(why))));
    for (tool, at) in tools {
        let definition = server.approved.tools.get(tool).map(|announced| &announced.definition);
        let digest = definition.map_or_else(|| "-".repeat(SHORT), |definition| short(&definition.digest()));
        let withdrawn = if at.is_withdrawn { "  withdrawn" } else { "" };
        lines.push(format!("  {:<names$}  {:<groups$}  {digest}{withdrawn}", name(tool), effects(at).join(" ")));
        if let Some(announced) = running.quarantined.get(&format!("{called}/{tool}")) {
            let said = plain(announced.get(..SHORT).unwrap_or(announced));
            let look = format!("portcullis tools diff --server {}", name(called));
            lines.push(format!("    quarantined, nobody can call it: the server says {said}; {look}"));
        }
        match definition {
            Some(definition) => {
                let remarks = remarks::on(called, definition, known);
                lines.extend(remarks.iter().map(|remark| format!("    look: {}", remarks::line(remark))));
            }
            None => lines.push(format!("    {}", absence(server, tool))),
        }
    }
    lines
}

fn document(called: &str, server: &Server, known: &Known, running: &Running) -> Value {
    let tool = |(tool, at): (&String, &DeclaredTool)| {
        let definition = server.approved.tools.get(tool).map(|announced| &announced.definition);
        let quarantined = running.quarantined.get(&format!("{called}/{tool}"));
        let is_callable = quarantined.is_none() && server.declared.upstream.is_some() && !at.is_withdrawn && definition.is_some();
        json!({
            "tool": tool, "effects": effects(at), "withdrawn": at.is_withdrawn, "callable": is_callable, "quarantined": quarantined,
            "sha256": definition.map(|definition| definition.digest().to_string()),
            "because": definition.is_none().then(|| absence(server, tool)),
            "remarks": definition.map(|definition| remarks::documents(&remarks::on(called, definition, known))).unwrap_or_default(),
        })
    };
    let tools: Vec<Value> = server.declared.tools.iter().map(tool).collect();
    json!({"server": called, "upstream": server.declared.upstream, "definitions": server.declared.definitions, "tools": tools})
}
