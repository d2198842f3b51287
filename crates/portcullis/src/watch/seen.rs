//! What was heard of tool servers last, and how that is told. What a server says is kept only as far as somebody may look at it.

use std::collections::BTreeMap;

use mcp::Standings;
use model::{Differing, Digest, Name, UnixMillis};
use serde_json::{Value, json};

/// Longest list that is kept for operators whose server cannot be asked again, in bytes.
const MAX_KEPT: usize = 1 << 20;
/// Most names of one kind that are told.
const MAX_TOLD: usize = 100;

/// How one server stands.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// When it was asked last, whatever came of it.
    pub(super) asked: Option<UnixMillis>,
    /// When it answered last.
    pub(super) heard: Option<UnixMillis>,
    /// Why there is no whole answer.
    pub(super) problem: Option<String>,
    /// How what it said stands to what is approved.
    pub(super) standings: Standings,
    /// The digests of what it says of approved tools.
    announced: BTreeMap<String, Digest>,
    /// Elements of its list without a name.
    n_nameless: usize,
    /// Its list as it came.
    kept: Option<String>,
}

impl Seen {
    /// Takes what was heard.
    pub(super) fn hear(
        &mut self,
        at: UnixMillis,
        standings: Standings,
        approved: &BTreeMap<String, Option<Digest>>,
        heard: &[mcp::Announced],
    ) {
        let same = standings.same.iter().filter_map(|tool| Some((tool.clone(), (*approved.get(tool)?)?)));
        self.announced = same.chain(standings.changed.iter().map(|(tool, digest)| (tool.clone(), *digest))).collect();
        self.standings = standings;
        self.n_nameless = heard.first().map_or(0, mcp::Announced::n_nameless);
        self.kept = heard.first().map(mcp::Announced::list).filter(|list| list.len() <= MAX_KEPT).map(ToOwned::to_owned);
        self.heard = Some(at);
    }

    /// What it says of an approved tool.
    pub(super) fn announced(&self, tool: &str) -> Option<Digest> {
        self.announced.get(tool).copied()
    }

    /// Its list as it came.
    pub(super) fn list(&self) -> Option<&str> {
        self.kept.as_deref()
    }

    /// As a document.
    pub(super) fn document(&self, server: &Name, watch: &Value) -> Value {
        let told = |names: Vec<&String>| names.into_iter().take(MAX_TOLD).cloned().collect::<Vec<_>>();
        json!({
            "server": server, "watch": watch, "asked": self.asked, "heard": self.heard, "problem": self.problem,
            "changed": told(self.standings.changed.keys().collect()), "gone": told(self.standings.gone.iter().collect()),
            "new": told(self.standings.new.iter().collect()), "n_new": self.standings.new.len(),
            "nameless": self.n_nameless,
        })
    }
}

/// A quarantined tool as a document.
pub(super) fn quarantined(tool: &str, differing: Differing, is_declared: bool) -> Value {
    json!({"tool": tool, "approved": differing.approved, "announced": differing.announced, "declared": is_declared})
}
