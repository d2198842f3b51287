//! The functions that a request offers to a model, held against what operators have approved.

use evidence::sha256;
use model::{ReasonCode, Refusal};
use serde_json::Value;
use text::{Document, NodeId};

use super::ClientMode;
use crate::admit::Identified;
use crate::inspection::Inspected;
use crate::ports::{Function, MAX_FUNCTIONS};
use crate::snapshot::Snapshot;

/// Most functions that the record of a request names one by one.
const MAX_NOTES: usize = 32;

/// What the record says of the functions of a request, where nothing is refused.
///
/// # Errors
/// [`ReasonCode::ClientToolUnknown`], [`ReasonCode::ClientToolChanged`]: nobody has approved it for this agent, or not so. The detail
/// is its place.
pub(crate) fn offered(snapshot: &Snapshot, identified: &Identified, inspected: &Inspected<'_>) -> Result<Vec<String>, Refusal> {
    let tools = &snapshot.client_tools;
    let functions = inspected.understood().model().map(|call| call.functions.as_slice()).unwrap_or_default();
    if tools.mode == ClientMode::Off || functions.is_empty() {
        return Ok(Vec::new());
    }
    // Behind so many nobody has read on.
    if tools.mode == ClientMode::Enforce && functions.len() > MAX_FUNCTIONS {
        return Err(Refusal::because(ReasonCode::ClientToolUnknown, format!("more than {MAX_FUNCTIONS} functions")));
    }
    let document = inspected.document();
    let mut notes = Vec::new();
    for function in functions.iter().filter(|function| !function.is_described_elsewhere) {
        let standing = match tools.named(identified.chain(), &function.name) {
            Some(tool) if is_it(document, function, tool) => "approved",
            Some(_) => "changed",
            None => "unknown",
        };
        let place = document.pointer(function.node);
        match (tools.mode, standing) {
            (ClientMode::Enforce, "changed") => return Err(Refusal::because(ReasonCode::ClientToolChanged, place)),
            (ClientMode::Enforce, "unknown") => return Err(Refusal::because(ReasonCode::ClientToolUnknown, place)),
            _ if notes.len() < MAX_NOTES => notes.push(note(document, function, standing)),
            _ => {}
        }
    }
    if functions.len() > MAX_NOTES {
        notes.push(format!("functions: {} in all", functions.len()));
    }
    Ok(notes)
}

fn is_it(document: &Document<'_>, function: &Function, tool: &super::ClientTool) -> bool {
    let (description, schema, more) = members(document, function);
    tool.is(&function.name, description, schema, more)
}

type Members = (Option<Value>, Option<Value>, Vec<(&'static str, Value)>);

fn members(document: &Document<'_>, function: &Function) -> Members {
    let value = |node: NodeId| serde_json::from_str(document.lexeme(node)).unwrap_or(Value::Bool(false));
    let more = function.more.iter().map(|(key, node)| (*key, value(*node))).collect();
    (function.description.map(value), function.schema.map(value), more)
}

/// A name is a text of the client's: one that is no plain word stands as the beginning of its digest.
fn note(document: &Document<'_>, function: &Function, standing: &str) -> String {
    let (description, schema, more) = members(document, function);
    let said = super::digest(&function.name, description, schema, more);
    format!("function: {} sha256:{said} {standing}", shown(&function.name))
}

/// A name of a function as records show it.
pub(super) fn shown(name: &str) -> String {
    let is_plain =
        (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_plain { name.to_owned() } else { format!("~{}", sha256(name.as_bytes()).to_string().get(..8).unwrap_or_default()) }
}
