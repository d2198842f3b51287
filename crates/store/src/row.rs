//! One entry as a line of a table, and what a query asks for.

use evidence::{EntryKind, Header, OutcomeResult};
use model::{AdminAct, RequestId, UnixMillis};
use serde::Serialize;

/// One entry of the log, flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The entry's index.
    pub index: u64,
    /// When it was drafted.
    pub at: UnixMillis,
    /// What it tells.
    pub kind: String,
    /// The interaction.
    pub request: Option<String>,
    /// The credential.
    pub credential: Option<String>,
    /// The links of the chain, subject first, with a space between; or the operator.
    pub principal: Option<String>,
    /// What was asked first.
    pub action: Option<String>,
    /// On what.
    pub resource: Option<String>,
    /// The decision.
    pub verdict: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// How it ended.
    pub result: Option<String>,
    /// How many refusals an entry of noise stands for.
    pub count: Option<u64>,
}

/// What to look for; everything that is given must hold. Newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// This interaction.
    pub request: Option<RequestId>,
    /// This kind.
    pub kind: Option<EntryKind>,
    /// This party stands in the chain, or is the operator; written `user:alice`.
    pub principal: Option<String>,
    /// This credential.
    pub credential: Option<String>,
    /// This resource was asked for first; its id, such as a model's name.
    pub resource: Option<String>,
    /// This verdict, `permit`, `challenge` or `deny`.
    pub verdict: Option<String>,
    /// This reason code.
    pub reason: Option<String>,
    /// This result.
    pub result: Option<OutcomeResult>,
    /// Not older.
    pub since: Option<UnixMillis>,
    /// Older.
    pub until: Option<UnixMillis>,
    /// With a lower index; for the next page.
    pub before: Option<u64>,
    /// At most so many; 0 means 100.
    pub limit: usize,
}

impl Filter {
    /// Most rows that are given.
    #[must_use]
    pub const fn limit(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit }
    }

    /// Whether a row is looked for.
    #[must_use]
    pub fn matches(&self, row: &Row) -> bool {
        let same =
            |wanted: Option<&str>, found: Option<&String>| wanted.is_none_or(|wanted| found.is_some_and(|found| found == wanted));
        let has_link = |wanted: &String| row.principal.as_ref().is_some_and(|found| found.split(' ').any(|link| link == wanted));
        same(self.request.map(|request| request.to_string()).as_deref(), row.request.as_ref())
            && self.kind.is_none_or(|kind| kind.as_str() == row.kind)
            && self.principal.as_ref().is_none_or(has_link)
            && same(self.credential.as_deref(), row.credential.as_ref())
            && same(self.resource.as_deref(), row.resource.as_ref())
            && same(self.verdict.as_deref(), row.verdict.as_ref())
            && same(self.reason.as_deref(), row.reason.as_ref())
            && same(self.result.map(OutcomeResult::as_str), row.result.as_ref())
            && self.since.is_none_or(|since| row.at >= since)
            && self.until.is_none_or(|until| row.at < until)
            && self.before.is_none_or(|before| row.index < before)
    }
}

impl Row {
    /// Flattens a header.
    #[must_use]
    pub fn new(index: u64, header: &Header) -> Self {
        let links = header.chain.as_ref().map(|chain| {
            let links: Vec<String> = chain.links().iter().map(ToString::to_string).collect();
            links.join(" ")
        });
        let noise = header.noise.as_ref();
        Self {
            index,
            at: header.at,
            kind: header.kind.as_str().to_owned(),
            request: header.request.map(|request| request.to_string()),
            credential: header.credential.as_ref().map(ToString::to_string),
            principal: links.or_else(|| header.operator.as_ref().map(ToString::to_string)),
            action: header.asks.first().map(|ask| ask.action.as_str().to_owned()).or_else(|| header.admin.as_ref().and_then(act)),
            resource: header
                .asks
                .first()
                .map(|ask| ask.resource.id().to_owned())
                .or_else(|| noise.map(|noise| noise.peer.clone()))
                .or_else(|| header.admin.as_ref().and_then(about)),
            verdict: header.verdict.as_ref().and_then(word),
            reason: header.reason.or_else(|| noise.map(|noise| noise.reason)).map(|reason| reason.as_str().to_owned()),
            result: header.result.map(|result| result.as_str().to_owned()),
            count: noise.map(|noise| noise.count),
        }
    }
}

/// The serialised form of a value that is written as one word.
fn word(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(ToOwned::to_owned)
}

/// Which request for approval, or which tool, an act is about.
fn about(act: &AdminAct) -> Option<String> {
    match act {
        AdminAct::ApprovalAsked { ask } => Some(ask.id.to_string()),
        AdminAct::ApprovalAnswered { answer } => Some(answer.id.to_string()),
        AdminAct::ApprovalUsed { id, .. } | AdminAct::ApprovalCancelled { id } => Some(id.to_string()),
        AdminAct::ToolQuarantined { tool, .. } | AdminAct::ToolReleased { tool, .. } => Some(tool.clone()),
        _ => None,
    }
}

/// The name of an act of administration.
fn act(act: &AdminAct) -> Option<String> {
    serde_json::to_value(act).ok()?.get("act")?.as_str().map(ToOwned::to_owned)
}
