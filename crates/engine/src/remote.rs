//! Agents outside: what is said to one, whose its tasks are, and what of its card a caller is shown.
//!
//! To an agent everybody behind the gate is one account, and whoever names a task of it can read, go on with and end it. So the ids of
//! its tasks and contexts reach callers sealed for the task (of the gate) that they were told to, as those of stored responses do
//! (decision 0014), and no other id is passed on. There is no table: nothing expires, and nothing is lost at a restart.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use inspect::LeafHits;
use model::{Action, Ask, DecisionInput, Duties, Facts, Name, ReasonCode, Refusal, Resource, Verdict};
use serde_json::{Value, json};
use text::{Document, Splices};

use crate::admit::Identified;
use crate::decide::{Outbound, asked as decided, redact};
use crate::guard::Guard;
use crate::inspection::Inspected;
use crate::interaction::Call;
use crate::models;
use crate::ports::{AgentCall, Aim, Client, Protocol, World};
use crate::snapshot::{RemoteAgent, Snapshot};
use crate::stored::Named;

/// Who is meant.
///
/// # Errors
/// [`ReasonCode::AgentNotFound`]: nobody of that name can be spoken to.
pub(crate) fn aim(snapshot: &Snapshot, call: &AgentCall) -> Result<Resource, Refusal> {
    let is_declared = snapshot.agents.contains_key(&call.agent);
    if is_declared { Ok(Resource::Agent(call.agent.clone())) } else { Err(ReasonCode::AgentNotFound.into()) }
}

/// What ids of an agent's tasks and contexts are bound to.
pub(crate) fn bound(agent: &Name) -> [u8; 32] {
    identity::digest_of(&["agent", agent.as_str()])
}

/// Opens every id of a request.
///
/// # Errors
/// [`ReasonCode::StateUnknown`]: one is not this task's. What is another's and what never was are told alike.
pub(crate) fn open<W: World>(world: &W, owner: &str, document: &Document<'_>, call: &AgentCall) -> Result<Named, Refusal> {
    let (handles, bound) = (world.handles(), bound(&call.agent));
    let mut named = Named::default();
    for node in &call.handles {
        let sealed = document.text(*node).unwrap_or_default();
        let foreign = || Refusal::because(ReasonCode::StateUnknown, document.pointer(*node));
        let opened = handles.open_bound(owner, &bound, &sealed).ok_or_else(foreign)?.to_owned();
        named.spans.push((document.span(*node), opened.clone()));
        named.names.push((opened, sealed.into_owned()));
    }
    Ok(named)
}

/// Why something that is permitted does not fit: it is meant for a skill that nobody has approved, or asks for a stream of an agent that
/// has none. Who may not say it is told nothing of what there is.
pub(crate) fn misfit(snapshot: &Snapshot, inspected: &Inspected<'_>) -> Option<Refusal> {
    let Aim::Agent(call) = &inspected.understood().aim else { return None };
    let agent = snapshot.agents.get(&call.agent)?;
    if inspected.understood().stream && !agent.card.streams() {
        return Some(Refusal::because(ReasonCode::RpcMethodUnknown, "the agent's card says that it does not stream"));
    }
    let skill = call.skill.as_ref().filter(|skill| !agent.skills.contains(*skill));
    skill.map(|_| Refusal::because(ReasonCode::AgentNotFound, "a skill that is not approved"))
}

/// The one destination; none for the card. What is found where nothing can be taken out refuses it.
pub(crate) fn outbound(
    snapshot: &Snapshot,
    inspected: &Inspected<'_>,
    duties: &Duties,
    call: &AgentCall,
) -> Result<Vec<Outbound>, Refusal> {
    let agent = snapshot.agents.get(&call.agent).ok_or(ReasonCode::AgentNotFound)?;
    if call.is_card {
        return Ok(Vec::new());
    }
    let document = inspected.document();
    let named = &inspected.named().spans;
    // An id is the gate's own text until here, and leaves as the agent's.
    let leaves = |hit: &&LeafHits| !named.iter().any(|(span, _)| *span == document.span(hit.node));
    let hits: Vec<LeafHits> = inspected.hits().iter().filter(leaves).cloned().collect();
    let mut splices = Splices::new();
    for node in redact(document, &hits, duties, &mut splices)? {
        let changed = document.span(node);
        let mut open = call.open.iter().map(|open| document.span(*open));
        if !open.any(|open| open.start <= changed.start && changed.end <= open.end) {
            let place = document.pointer(node);
            let told = format!("{place}, where nothing can be taken out of a message");
            return Err(Refusal::because(ReasonCode::ContentDenied, told));
        }
    }
    named.iter().for_each(|(span, name)| splices.replace(span.clone(), text::quote(name)));
    let body = splices.apply(document.bytes()).map_err(|_| Refusal::new(ReasonCode::DutyImpossible))?;
    Ok(vec![Outbound { upstream: agent.upstream.clone(), model: None, body: Bytes::from(body) }])
}

/// Tells a permitted request for the card: the approved one, as the gate serves it, signed with the key of the gate's tokens where it
/// has one.
pub(crate) async fn card<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    agent: &Name,
) -> Result<(), Refusal> {
    let snapshot = Arc::clone(&call.snapshot);
    let declared = snapshot.agents.get(agent).ok_or(ReasonCode::AgentNotFound)?;
    let shown = shown(world, &snapshot, call.identified()?, agent, declared);
    let card = protocol
        .agent_card(&declared.card, &shown)
        .ok_or_else(|| Refusal::because(ReasonCode::RouteUnknown, "the gate has no address to be told: `access.url` says it"))?;
    let card = signed(world, card)?;
    guard.check(world)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    models::answer(world, client, call, guard, (headers, Bytes::from(card.to_string()))).await
}

/// A card with the gate's signature, where the gate has a key that others know.
fn signed<W: World>(world: &W, mut card: Value) -> Result<Value, Refusal> {
    let Some(issuing) = world.issuing() else { return Ok(card) };
    let signature = identity::token::sign_detached(a2a::signed_form(&card).as_bytes(), &*issuing.signer);
    let (protected, signature) = signature.map_err(|_| Refusal::new(ReasonCode::Internal))?;
    if let Some(card) = card.as_object_mut() {
        card.insert("signatures".to_owned(), json!([{"protected": protected, "signature": signature}]));
    }
    Ok(card)
}

/// Those of the approved skills for which a first message of words would be permitted now, or once somebody has approved it.
fn shown<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    name: &Name,
    agent: &RemoteAgent,
) -> BTreeSet<String> {
    let credential = identified.credential();
    let now = world.now();
    let (label, ledger_version) = world.effective(&credential.ledger);
    let could = |skill: &&String| {
        let input = json!({"method": "SendMessage", "skill": skill, "parts": ["text"], "isBlocking": true, "isNew": true});
        let facts = Facts {
            now,
            credential: credential.id.clone(),
            credential_age: now.since(credential.created) / 1000,
            dialect: None,
            stream: false,
            findings: std::collections::BTreeMap::new(),
            label: label.clone(),
            ledger_version,
            answered: BTreeSet::new(),
            mandate: identified.mandate().clone(),
            arguments: Some(input.to_string()),
            around: model::Around::default(),
        };
        let asks = vec![Ask { action: Action::SendMessage, resource: Resource::Agent(name.clone()) }];
        let input = DecisionInput { chain: identified.chain().clone(), asks, facts };
        decided(snapshot, &input).verdict != Verdict::Deny
    };
    agent.skills.iter().filter(could).cloned().collect()
}
