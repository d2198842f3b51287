//! What is kept of an event until it is exported: codes, times, counts, and names from the configuration. Nothing else is asked
//! for, so nothing else can leak: no address, no party, no text of a client or of an upstream.

use std::time::Duration;

use engine::ports::Trace;
use engine::{Event, Facts};
use model::{Charge, Dialect, ReasonCode, UnixMillis, Usage};

/// One thing to export.
#[derive(Debug)]
pub(super) enum Record {
    Call(Box<Call>),
    Attempt(Attempt),
}

/// A call that ended.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) trace: Trace,
    pub(super) request: String,
    pub(super) reason: ReasonCode,
    pub(super) status: u16,
    /// Since 1970.
    pub(super) started: Duration,
    pub(super) took: Duration,
    pub(super) overhead: Duration,
    pub(super) released: u64,
    pub(super) operation: &'static str,
    pub(super) provider: &'static str,
    /// A declared model.
    pub(super) model: Option<String>,
    pub(super) upstream: Option<String>,
    /// What the upstream calls the model that answered.
    pub(super) answered_by: Option<String>,
    /// Why its texts ended.
    pub(super) finish: Vec<&'static str>,
    pub(super) used: Option<Used>,
    pub(super) is_stream: bool,
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    /// Read, from memory or anew.
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) is_estimate: bool,
}

impl Used {
    //= https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
    //# This value SHOULD include all types of input tokens, including cached tokens.
    fn of(charge: &Charge) -> Self {
        let Usage { input, cached, cache_write, output, .. } = charge.usage;
        Self { input: input.saturating_add(cached).saturating_add(cache_write), output, is_estimate: charge.is_estimate }
    }
}

/// An attempt at an upstream that failed.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Since 1970.
    pub(super) at: Duration,
    pub(super) request: String,
    pub(super) upstream: String,
    pub(super) reason: ReasonCode,
}

impl Record {
    /// What is exported of an event at `now`; `None` if nothing is.
    pub(super) fn of(event: &Event<'_>, now: UnixMillis) -> Option<Self> {
        match event {
            Event::Ended { request, reason, status, timings, released, facts } => {
                let trace = facts.trace.cloned()?;
                let (operation, provider) = (operation(facts), provider(facts.api.map(|(dialect, _)| dialect)));
                Some(Self::Call(Box::new(Call {
                    trace,
                    request: request.to_string(),
                    reason: *reason,
                    status: *status,
                    started: Duration::from_millis(facts.at.0),
                    took: facts.took,
                    overhead: timings.overhead,
                    released: *released,
                    operation,
                    provider,
                    model: facts.model.map(ToString::to_string),
                    upstream: facts.upstream.map(ToString::to_string),
                    answered_by: facts.answered_by.map(ToOwned::to_owned),
                    finish: facts.finish.to_vec(),
                    used: facts.charge.map(Used::of),
                    is_stream: facts.is_stream,
                })))
            }
            Event::AttemptFailed { request, upstream, reason } => Some(Self::Attempt(Attempt {
                at: Duration::from_millis(now.0),
                request: request.to_string(),
                upstream: (*upstream).to_owned(),
                reason: *reason,
            })),
            _ => None,
        }
    }
}

impl Call {
    pub(super) fn is_failed(&self) -> bool {
        self.reason != ReasonCode::Permitted
    }

    //= https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
    //# Span name SHOULD be `{gen_ai.operation.name} {gen_ai.request.model}`.
    pub(super) fn name(&self) -> String {
        match &self.model {
            Some(model) => format!("{} {model}", self.operation),
            None => "portcullis.request".to_owned(),
        }
    }
}

/// The operation, by the path of its API.
fn operation(facts: &Facts<'_>) -> &'static str {
    match facts.api.map_or("/oauth/token", |(_, path)| path) {
        "/v1/embeddings" => "embeddings",
        "/oauth/token" => "issue_token",
        "/v1/completions" => "text_completion",
        "/v1/messages/count_tokens" => "count_tokens",
        "/v1/responses/{id}" => "stored_response",
        _ => "chat",
    }
}

const fn provider(dialect: Option<Dialect>) -> &'static str {
    match dialect {
        Some(Dialect::Openai) => "openai",
        Some(Dialect::Anthropic) => "anthropic",
        None => "portcullis",
    }
}
