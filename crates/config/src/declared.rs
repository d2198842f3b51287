//! Tool servers and agents as the main file declares them, whatever their definitions and cards are: for commands that bring these in.

use std::collections::{BTreeMap, BTreeSet};

use model::ToolEffect;

use crate::check::{self, Report};
use crate::load::read;
use crate::problem::Problem;
use crate::raw;
use crate::source::Source;

/// A tool server, without its definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredServer {
    /// The JSON file with the definitions, relative to the main file; never outside its folder.
    pub definitions: String,
    /// The upstream at which it is reached through the gate; `None` if it is declared for policies alone.
    pub upstream: Option<String>,
    /// The tools that are approved, by the names that the server gives them.
    pub tools: BTreeMap<String, DeclaredTool>,
}

/// An approved tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredTool {
    /// How far it reaches.
    pub effects: BTreeSet<ToolEffect>,
    /// Whether it is denied from now on.
    pub is_withdrawn: bool,
}

/// An agent outside, without its card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredAgent {
    /// The JSON file with the approved card, relative to the main file; never outside its folder.
    pub card: String,
    /// The JSON file with the keys of which one has to have signed it, likewise.
    pub card_keys: Option<String>,
    /// The skills that are approved.
    pub skills: Vec<String>,
}

/// The declared agents outside, as [`declared_tool_servers`].
///
/// # Errors
/// Likewise.
pub fn declared_agents(source: &dyn Source) -> Result<BTreeMap<String, DeclaredAgent>, Vec<Problem>> {
    of_main(source, check::declared_agents)
}

/// The declared tool servers. Reads the main file alone: no definitions, no policies, no secret, no variable. A name may be any text.
///
/// # Errors
/// What keeps the main file from being read, and places of definitions that are none, sorted by position.
pub fn declared_tool_servers(source: &dyn Source) -> Result<BTreeMap<String, DeclaredServer>, Vec<Problem>> {
    of_main(source, check::declared)
}

fn of_main<D>(source: &dyn Source, declared: impl Fn(&raw::File, &mut Report<'_>) -> D) -> Result<D, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some((node, file)) = read(source, &mut problems) else { return Err(problems) };
    let mut report = Report::new(source.main().to_owned(), &node, problems);
    let declared = declared(&file, &mut report);
    let (mut problems, _) = report.finish();
    problems.sort();
    if problems.is_empty() { Ok(declared) } else { Err(problems) }
}

/// The names of the declared virtual servers, sorted. Reads the main file alone.
///
/// # Errors
/// What keeps the main file from being read, sorted by position.
pub fn declared_virtual_servers(source: &dyn Source) -> Result<Vec<String>, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some((_, file)) = read(source, &mut problems) else { return Err(problems) };
    Ok(file.virtual_servers.into_keys().collect())
}
