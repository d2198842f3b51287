//! A verdict for every call of a conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{ClientTool, Snapshot, Trial, trial};
use flow::{Call, CallFacts, Conversation, Origin};
use model::{
    Action, Around, Chain, CredentialId, Facts, Grant, Integrity, Label, Mandate, Name, PrincipalId, Reach, ReasonCode, Registry,
    Task, Tool, ToolEffect, UnixMillis, Verdict,
};
use serde_json::{Value, json};

use super::read::{Asked, Message, Trace};
use crate::bring::Problems;
use crate::gate::now;

/// Decides by one configuration.
pub(super) struct Judge {
    snapshot: Arc<Snapshot>,
    registry: Registry,
    /// The approved tools, by the names that they have at their servers; those of two servers with one name are none's.
    by_name: BTreeMap<String, Option<(Name, String)>>,
    credential: CredentialId,
    now: UnixMillis,
}

/// What came out, in all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) n_traces: u64,
    verdicts: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<String, u64>,
    unknown: BTreeSet<String>,
}

impl Tally {
    pub(super) fn n_calls(&self) -> u64 {
        self.verdicts.values().sum()
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let of = |word| self.verdicts.get(word).copied().unwrap_or(0);
        let mut lines = vec![format!(
            "{} conversations, {} calls: {} permitted, {} to be approved, {} denied",
            self.n_traces,
            self.n_calls(),
            of("permit"),
            of("challenge"),
            of("deny")
        )];
        lines.extend(self.reasons.iter().map(|(reason, n)| format!("  {n} {reason}")));
        if !self.unknown.is_empty() {
            let names: Vec<String> = self.unknown.iter().take(8).map(|name| format!("`{}`", name.escape_debug())).collect();
            lines.push(format!("no section under `tool_servers` declares {}", names.join(", ")));
        }
        lines
    }
}

/// A tool that is called in a conversation.
struct Known<'a> {
    tool: Arc<ClientTool>,
    declared: Option<&'a Tool>,
}

impl Judge {
    pub(super) fn new(snapshot: Arc<Snapshot>, registry: Registry) -> Result<Self, Problems> {
        let mut by_name: BTreeMap<String, Option<(Name, String)>> = BTreeMap::new();
        for (server, declared) in &registry.tool_servers {
            for tool in declared.tools.keys() {
                by_name
                    .entry(tool.clone())
                    .and_modify(|known| *known = None)
                    .or_insert_with(|| Some((server.clone(), tool.clone())));
            }
        }
        let credential = CredentialId::new("pk_replay").map_err(|error| vec![error.to_string()])?;
        Ok(Self { snapshot, registry, by_name, credential, now: now() })
    }

    /// One line per call, in the order in which they were asked for.
    pub(super) fn verdicts(&self, trace: &Trace, tally: &mut Tally) -> Vec<Value> {
        tally.n_traces = tally.n_traces.saturating_add(1);
        let chain = chain(trace);
        let mut conversation = Conversation::new(self.user_text(trace));
        let mandate = self.mandate(trace);
        let mut lines = Vec::new();
        for message in &trace.messages {
            match message {
                Message::System { content } => conversation.system(&content.text()),
                Message::User { content } => conversation.user(&content.text()),
                Message::Tool { tool_call_id, content } => {
                    conversation.answered(tool_call_id.as_deref().unwrap_or_default(), &content.text());
                }
                Message::Assistant { tool_calls } => {
                    for asked in tool_calls.iter().flatten() {
                        let line = self.verdict(&mut conversation, chain.as_ref(), &mandate, asked, tally);
                        lines.push(with(line, &trace.id, lines.len()));
                    }
                }
            }
        }
        lines
    }

    fn verdict(
        &self,
        conversation: &mut Conversation,
        chain: Result<&Chain, &String>,
        mandate: &Mandate,
        asked: &Asked,
        tally: &mut Tally,
    ) -> Value {
        let name = &asked.function.name;
        let known = chain.ok().and_then(|chain| self.known(chain, name));
        let id = asked.id.as_deref().unwrap_or_default();
        let shown = known.as_ref().map_or_else(|| name.clone(), |known| format!("{}/{}", known.tool.server, known.tool.tool));
        let keeps = known.as_ref().map_or("", |known| known.tool.server.as_str());
        let declared = known.as_ref().and_then(|known| known.declared);
        let call = Call {
            id,
            tool: &shown,
            keeps,
            annotation: declared.map(|tool| &tool.annotation),
            acts: declared.is_some_and(|tool| tool.effects.iter().any(|effect| *effect != ToolEffect::Read)),
            arguments: &asked.function.arguments,
        };
        let facts = match &known {
            Some(known) => conversation.asked_of(&call, &known.tool.declared),
            None => conversation.asked(&call),
        };
        let trial = match (chain, &known) {
            (Err(what), _) => refused(ReasonCode::PrincipalUnknown, Some(what.clone())),
            (Ok(_), None) => {
                tally.unknown.insert(name.clone());
                refused(ReasonCode::ClientToolUnknown, None)
            }
            (Ok(chain), Some(known)) => {
                let given = self.facts(mandate, &facts);
                trial(&self.snapshot, &known.tool, chain, &given, &asked.function.arguments)
            }
        };
        // Its answer follows in the conversation: it was made, whatever would have become of it here.
        conversation.made(id);
        let verdict = word(trial.verdict);
        let count = tally.verdicts.entry(verdict).or_default();
        *count = count.saturating_add(1);
        if trial.verdict != Verdict::Permit {
            let count = tally.reasons.entry(format!("{shown}: {verdict} {}", because(&trial).join(" "))).or_default();
            *count = count.saturating_add(1);
        }
        let origins: Vec<Value> = facts.origins.iter().map(|origin| told(conversation, origin)).collect();
        json!({
            "tool": name, "verdict": verdict, "reason": trial.reason, "because": because(&trial), "detail": trial.detail,
            "tainted": facts.is_tainted, "origins": origins,
        })
    }

    /// The tool that a name stands for: as models call it, else as its server calls it.
    fn known(&self, chain: &Chain, name: &str) -> Option<Known<'_>> {
        let tools = &self.snapshot.client_tools;
        let tool = match tools.named(chain, name) {
            Some(tool) => Arc::clone(tool),
            None => {
                let (server, tool) = self.by_name.get(name)?.as_ref()?;
                let pinned = Arc::clone(self.snapshot.servers.get(server)?.tools.get(tool)?);
                Arc::new(ClientTool::new(name, (server.clone(), tool.clone()), pinned, BTreeSet::new(), false))
            }
        };
        let declared = self.registry.tool_servers.get(&tool.server).and_then(|server| server.tools.get(&tool.tool));
        Some(Known { tool, declared })
    }

    fn facts(&self, mandate: &Mandate, facts: &CallFacts) -> Facts {
        let integrity = if facts.is_tainted { Integrity::Untrusted } else { Integrity::User };
        Facts {
            now: self.now,
            credential: self.credential.clone(),
            credential_age: 0,
            dialect: None,
            stream: false,
            findings: BTreeMap::new(),
            label: Label { integrity, ..Label::default() },
            ledger_version: 0,
            answered: BTreeSet::new(),
            mandate: mandate.clone(),
            arguments: None,
            around: Around { untrusted: facts.untrusted.clone(), sinks: facts.sinks.clone(), ..Around::default() },
        }
    }

    fn user_text(&self, trace: &Trace) -> flow::UserText {
        let agent = Name::new(&trace.agent).ok().and_then(|name| self.registry.agents.get(&name));
        match agent.map(|agent| agent.user_text) {
            Some(model::UserText::Verbatim) => flow::UserText::Verbatim,
            _ => flow::UserText::Mixed,
        }
    }

    /// What the task's credential granted.
    fn mandate(&self, trace: &Trace) -> Mandate {
        let Some(scope) = &trace.task else { return Mandate::default() };
        let chain = chain(trace);
        let known = |name: &String| self.known(chain.as_ref().ok()?, name);
        let names = scope.tools.iter().filter_map(known).map(|known| format!("{}/{}", known.tool.server, known.tool.tool));
        let mut grant = Grant::nothing();
        if let Ok(reach) = Reach::new(names.collect::<Vec<_>>()) {
            grant.add(Action::CallTool, reach).ok();
        }
        let task = Name::new("replay").ok().map(|id| Task { id, purpose: None, grant });
        Mandate { task, ..Mandate::default() }
    }
}

fn refused(reason: ReasonCode, detail: Option<String>) -> Trial {
    Trial { verdict: Verdict::Deny, reason, answer: None, detail }
}

/// The user, if there is one, and the agent.
fn chain(trace: &Trace) -> Result<Chain, String> {
    let of = |kind: &str, name: &str| format!("{kind}:{name}").parse::<PrincipalId>().map_err(|error| error.to_string());
    let user = trace.user.as_deref().map(|user| of("user", user));
    let links: Result<Vec<PrincipalId>, String> = user.into_iter().chain([of("agent", &trace.agent)]).collect();
    Chain::new(links?).map_err(|error| error.to_string())
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permit => "permit",
        Verdict::Challenge => "challenge",
        Verdict::Deny => "deny",
    }
}

/// The policies that spoke against it, or the code.
fn because(trial: &Trial) -> Vec<String> {
    let links = trial.answer.iter().flat_map(|answer| &answer.links).filter(|link| link.verdict != Verdict::Permit);
    let ids: BTreeSet<&str> = links.flat_map(|link| &link.policies).map(|policy| policy.id.as_str()).collect();
    if ids.is_empty() { vec![trial.reason.to_string()] } else { ids.into_iter().map(str::to_owned).collect() }
}

/// Where a value comes from. Never the value: verdicts are shown where conversations are not.
fn told(conversation: &Conversation, origin: &Origin) -> Value {
    let place = origin.grounding.place.as_ref();
    let source = place.and_then(|place| conversation.provenance().source(place.source));
    json!({
        "at": origin.at, "sink": origin.sink, "integrity": origin.grounding.integrity,
        "from": source.map(|source| &source.name), "line": place.map(|place| place.line), "field": place.and_then(|place| place.field.as_ref()),
    })
}

fn with(mut line: Value, id: &str, call: usize) -> Value {
    if let Some(line) = line.as_object_mut() {
        line.insert("id".to_owned(), json!(id));
        line.insert("call".to_owned(), json!(call));
    }
    line
}
