//! The parsers of outside bytes, and what has to hold for each.

mod addresses;
mod agents;
mod answers;
mod approvals;
mod archives;
mod asked;
mod certificates;
mod checks;
mod config;
mod folder;
mod forms;
mod guard;
mod inflate;
mod issuers;
mod json;
mod keys;
mod lanes;
mod log;
mod mcp;
mod normal;
mod operators;
mod origins;
mod policies;
mod proxied;
mod questions;
mod requests;
mod rules;
mod servers;
mod settings;
mod sse;
mod stdio;
mod tokens;
mod values;
mod webhooks;

use std::hash::{DefaultHasher, Hash, Hasher};

/// What came of one input: a number that is the same for inputs that took the same way, or what went wrong.
pub type Outcome = Result<u64, String>;

/// One parser.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What reads the bytes, and where they come from.
    pub what: &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language.
    pub words: &'static [&'static str],
    /// Longest input, in bytes.
    pub max_len: usize,
    /// Reads one input and checks everything that must hold.
    pub run: fn(&[u8]) -> Outcome,
    /// What is repeated to a megabyte to find more than linear time.
    pub hostile: &'static [&'static str],
    /// Bytes in a millisecond, checks included, below which a repeated pattern counts as more than linear.
    pub floor: f64,
}

/// Every target.
pub const ALL: [Target; 53] = [
    json::TARGET,
    normal::TARGET,
    values::TARGET,
    lanes::TARGET,
    lanes::DOCUMENTS,
    lanes::OWN_RULES,
    guard::TARGET,
    sse::TARGET,
    inflate::TARGET,
    requests::TARGET,
    requests::HEADERS,
    requests::QUERIES,
    proxied::TARGET,
    proxied::TUNNELS,
    questions::TARGET,
    approvals::TARGET,
    checks::TARGET,
    answers::TARGET,
    asked::TARGET,
    origins::TARGET,
    tokens::TARGET,
    tokens::CLAIMS,
    issuers::TARGET,
    issuers::DISCOVERY,
    servers::METADATA,
    servers::TOKENS,
    forms::TARGET,
    config::TARGET,
    settings::PRICES,
    settings::DEFINITIONS,
    settings::LITELLM,
    policies::TARGET,
    policies::TOOLS,
    rules::TARGET,
    certificates::TARGET,
    keys::TARGET,
    keys::HANDLES,
    operators::TARGET,
    webhooks::TARGET,
    mcp::MESSAGES,
    mcp::TOOL_LISTS,
    mcp::CALLS,
    mcp::ARGUMENTS,
    agents::CARDS,
    agents::SAID,
    agents::HEARD,
    addresses::TARGET,
    stdio::LINES,
    stdio::PROFILES,
    log::TARGET,
    folder::TARGET,
    folder::OPENED,
    archives::TARGET,
];

/// The number of an outcome.
pub fn seen(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Fails with words unless a property holds.
fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Seeds from text.
fn texts(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

/// The magnitude of a count: enough to tell ways apart.
fn magnitude(count: usize) -> u32 {
    count.checked_ilog2().map_or(0, |magnitude| magnitude + 1)
}
