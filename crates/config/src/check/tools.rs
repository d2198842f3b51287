//! Tool servers: every approved tool has a definition, and every definition is read in one way only.
//!
//! Whether policies can see a tool's arguments is found out where policies are compiled, and told as a warning.

mod annotation;
mod clients;
mod counts;
mod documents;
mod joined;
mod scopes;
mod watch;

use std::collections::BTreeMap;

use model::{Level, Name, Tool, ToolEffect, ToolServer};
use serde_json::Value;
use text::{Document, Limits};

use crate::check::access::word_of;
use crate::check::{Report, models};
use crate::declared::{DeclaredServer, DeclaredTool};
use crate::problem::{Path, Position, shown, suggestion};
use crate::raw;
use crate::raw_tools::{self, Effect};
use crate::schema::sorted;
use crate::source::Source;

pub(super) use clients::client_tools;
pub(super) use joined::virtual_servers;
pub(super) use scopes::{is_scope, scopes};
pub(super) use watch::watched;

/// Longest file of definitions in bytes.
const MAX_FILE: usize = 4 << 20;

/// Names that policies cannot have for a namespace.
const RESERVED: [&str; 11] = ["Portcullis", "true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"];

/// The declared servers, with the definitions of their approved tools.
pub(super) fn tool_servers(file: &raw::File, source: &dyn Source, report: &mut Report<'_>) -> BTreeMap<Name, ToolServer> {
    report.look_alikes("tool_servers");
    let mut servers = BTreeMap::new();
    for (key, raw) in &file.tool_servers {
        let path = Path::of(&["tool_servers", key]);
        if !is_identifier(key) {
            let what = "expected letters, digits and `_`, beginning with a letter: it is a namespace of policies";
            report.key_problem(&path, format!("`{}` is no name for a tool server: {what}", shown(key)));
        } else if RESERVED.contains(&key.as_str()) {
            report.key_problem(&path, format!("`{key}` means something else in policies: take another name"));
        }
        let Some(definitions) = definitions(&raw.definitions, &path.key("definitions"), source, report) else { continue };
        let tools = tools(raw, &definitions, &path.key("tools"), report);
        if raw.upstream.is_some() || raw.runs.is_some() || !raw.model_names.is_empty() {
            pinned(&tools, &path.key("tools"), report);
        }
        let clearance: Level = models::level(raw.clearance);
        let documents = documents::of(raw, &path, report);
        let features = documents::features(raw, &path, report);
        if let Ok(name) = Name::new(key) {
            servers.insert(name, ToolServer { clearance, tools, documents, features });
        }
    }
    // The gate itself is their server: nothing of what they are told leaves it.
    let nothing = || ToolServer { clearance: Level::Restricted, ..ToolServer::default() };
    let joined = file.virtual_servers.keys().filter(|name| !file.tool_servers.contains_key(*name));
    servers.extend(joined.filter_map(|name| Some((Name::new(name).ok()?, nothing()))));
    servers
}

/// The revision that each tool server speaks of which operators say so.
pub(super) fn revisions(file: &raw::File) -> BTreeMap<Name, mcp::Version> {
    let version = |revision| match revision {
        raw_tools::Revision::June2025 => mcp::Version::V2025_06_18,
        raw_tools::Revision::November2025 => mcp::Version::V2025_11_25,
        raw_tools::Revision::July2026 => mcp::Version::V2026_07_28,
    };
    let told = file.tool_servers.iter().filter_map(|(name, server)| Some((Name::new(name).ok()?, version(server.revision?))));
    told.collect()
}

/// Where each tool server is reached.
pub(super) fn upstreams(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<Name, Name> {
    let mut upstreams = BTreeMap::new();
    for (key, raw) in &file.tool_servers {
        let Some(written) = &raw.upstream else { continue };
        let path = Path::of(&["tool_servers", key, "upstream"]);
        let Some(upstream) = report.reference(&path, written, "upstreams", "upstream") else { continue };
        if file.upstreams.get(written).is_some_and(|upstream| !matches!(upstream.kind, raw::Kind::Mcp)) {
            report.problem(&path, format!("`{}` serves models: expected an upstream with `kind: mcp`", shown(written)));
        }
        if let Ok(server) = Name::new(key) {
            upstreams.insert(server, upstream);
        }
    }
    upstreams
}

/// What is shown to callers has one form that every reader reads alike, and that an operator has seen.
fn pinned(tools: &BTreeMap<String, Tool>, section: &Path, report: &mut Report<'_>) {
    for (name, tool) in tools {
        if tool.definition.is_empty() {
            let message = "its definition cannot be shown to callers: it is longer than 64 KiB, nested deeper than 32 levels, \
                           holds a whole number above 2^53, or is not of the form that MCP has for tools";
            report.key_problem(&section.key(name), message);
        } else if let Err(message) = mcp::Pinned::of_canonical(&tool.definition) {
            report.key_problem(&section.key(name), format!("arguments cannot be checked: {}", shown(&message)));
        }
    }
}

fn is_identifier(key: &str) -> bool {
    key.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The approved tools. Which definition was approved is a matter of the file, so it stands in the bundle as it is read here.
fn tools(
    raw: &raw_tools::ToolServer,
    definitions: &BTreeMap<String, Defined>,
    section: &Path,
    report: &mut Report<'_>,
) -> BTreeMap<String, Tool> {
    let mut tools = BTreeMap::new();
    for (name, tool) in &raw.tools {
        let path = section.key(name);
        word_of(name, &path, report);
        for (index, effect) in tool.effects.iter().enumerate() {
            let is_double = tool.effects.iter().take(index).any(|earlier| effect_of(*earlier) == effect_of(*effect));
            if is_double {
                let word = effect_of(*effect).as_str();
                report.problem(&path.key("effects").index(index), format!("`{word}` stands twice in this list"));
            }
        }
        let Some(Defined { input, whole, position }) = definitions.get(name) else {
            let near = suggestion(name, definitions.keys().map(String::as_str));
            report.key_problem(&path, format!("`{}` has no tool `{}`{near}", shown(&raw.definitions), shown(name)));
            continue;
        };
        let effects = tool.effects.iter().map(|effect| effect_of(*effect)).collect();
        let counts = counts::of(tool, input, &path.key("counts"), report);
        let annotation = annotation::of(tool, input, &path, report);
        let (input, definition) = (input.clone(), whole.clone());
        let tool = Tool { effects, input, definition, position: *position, is_withdrawn: tool.withdrawn, counts, annotation };
        tools.insert(name.clone(), tool);
    }
    tools
}

pub(super) const fn effect_of(raw: Effect) -> ToolEffect {
    match raw {
        Effect::Read => ToolEffect::Read,
        Effect::Write => ToolEffect::Write,
        Effect::Egress => ToolEffect::Egress,
        Effect::Destructive => ToolEffect::Destructive,
        Effect::Credential => ToolEffect::Credential,
    }
}

/// What a server says of one tool.
struct Defined {
    /// The schema of its arguments in one form: compact, keys sorted.
    input: String,
    /// Everything, as one text (RFC 8785); empty if it has no such form.
    whole: String,
    /// Where it stands in the list.
    position: u32,
}

/// Tool servers as they are declared: what their definitions are is left aside.
pub(crate) fn declared(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<String, DeclaredServer> {
    let mut servers = BTreeMap::new();
    for (key, raw) in &file.tool_servers {
        let path = Path::of(&["tool_servers", key]);
        is_below(&raw.definitions, &path.key("definitions"), report);
        let tool = |tool: &raw_tools::Tool| DeclaredTool {
            effects: tool.effects.iter().map(|effect| effect_of(*effect)).collect(),
            is_withdrawn: tool.withdrawn,
        };
        let tools = raw.tools.iter().map(|(name, raw)| (name.clone(), tool(raw))).collect();
        let server = DeclaredServer { definitions: raw.definitions.clone(), upstream: raw.upstream.clone(), tools };
        servers.insert(key.clone(), server);
    }
    servers
}

/// Whether a file of definitions stands below the main file; told if not.
fn is_below(written: &str, path: &Path, report: &mut Report<'_>) -> bool {
    let leaves = written.split('/').any(|part| matches!(part, "" | "." | "..")) || written.contains(['\\', ':', '\0']);
    let is_below = !leaves && written.ends_with(".json");
    if !is_below {
        let message = format!("`{}` is not a JSON file below this file: expected such as `tools/kb.json`", shown(written));
        report.problem(path, message);
    }
    is_below
}

fn definitions(written: &str, path: &Path, source: &dyn Source, report: &mut Report<'_>) -> Option<BTreeMap<String, Defined>> {
    if !is_below(written, path, report) {
        return None;
    }
    let bytes = match source.read(written, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.problem(path, format!("`{}` cannot be read: {error}", shown(written)));
            return None;
        }
    };
    match listed(&bytes) {
        Ok(definitions) => Some(definitions),
        Err(message) => {
            report.file_problem(written, Position::START, message);
            None
        }
    }
}

fn listed(bytes: &[u8]) -> Result<BTreeMap<String, Defined>, String> {
    // Two readers of one file have to see the same definition: nothing stands in it twice.
    let document = Document::parse(bytes, &Limits::default()).map_err(|error| error.to_string())?;
    let read = document.get(document.root(), "tools").map(|tools| mcp::definition::read_list(&document, tools).0);
    let mut pinned: BTreeMap<String, String> =
        read.iter().flatten().map(|one| (one.name().to_owned(), one.canonical().to_owned())).collect();
    let whole: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let shape = "expected what a server answers to `tools/list`: `{\"tools\": [{\"name\": …, \"inputSchema\": {…}}]}`";
    let tools = whole.get("tools").and_then(Value::as_array).ok_or(shape)?;
    let mut definitions = BTreeMap::new();
    for (index, tool) in tools.iter().enumerate() {
        let name = tool.get("name").and_then(Value::as_str).ok_or_else(|| format!("/tools/{index}/name: {shape}"))?;
        let input = tool.get("inputSchema").filter(|input| input.is_object());
        let input = input.ok_or_else(|| format!("/tools/{index}/inputSchema: {shape}"))?;
        let whole = pinned.remove(name).unwrap_or_default();
        let position = u32::try_from(index).unwrap_or(u32::MAX);
        let defined = Defined { input: sorted(input.clone()).to_string(), whole, position };
        if definitions.insert(name.to_owned(), defined).is_some() {
            return Err(format!("/tools/{index}: the tool `{}` stands twice in this file", shown(name)));
        }
    }
    Ok(definitions)
}
