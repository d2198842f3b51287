//! Listing models: what this caller could be allowed to call at all, and nothing else.
//!
//! A list-time answer: a model is shown exactly when some call of it would be permitted, whatever it says and whenever it is made.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use identity::token::At;
use model::{Action, Answer, Ask, DecisionInput, Dialect, Facts, ModelName, Name, ReasonCode, Refusal, Resource, Verdict};

use policy::{Could, Listable, Lister};

use crate::admit::{Identified, admit};
use crate::decide::{Judgement, asked, told};
use crate::guard::Guard;
use crate::interaction::Call;
use crate::ports::{Catalogue, Client, Head, World};
use crate::record;
use crate::release;
use crate::respond::stamp;
use crate::snapshot::Snapshot;

/// Answers a request for the list.
pub(crate) async fn list<W: World, P: Catalogue, C: Client>(
    world: &W,
    protocol: &P,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    let (identified, mut guard) = admit(world, head, At::Gate, call.request, call.at).await?;
    let identified = call.identified.insert(identified);
    let names = shown(world, &call.snapshot, identified, call.snapshot.routes.keys());
    let input = input(world, identified, protocol.dialect(), &names);
    call.is_recorded =
        record::listing(world, &call.snapshot, identified, (&input, &listed(&call.snapshot, &input)), &guard).await?;
    guard.check(world)?;
    answer(world, client, call, &mut guard, protocol.model_list(&names)).await
}

/// Answers a request for one model: as the list would show it, or as if it were not there.
pub(crate) async fn one<W: World, P: Catalogue, C: Client>(
    world: &W,
    protocol: &P,
    head: &Head,
    client: &mut C,
    call: &mut Call,
    id: &str,
) -> Result<(), Refusal> {
    let (identified, mut guard) = admit(world, head, At::Gate, call.request, call.at).await?;
    let identified = call.identified.insert(identified);
    let wanted = Name::new(id).map_err(|_| ReasonCode::ModelNotFound)?;
    if call.snapshot.routes.keys().all(|name| *name != wanted) {
        return Err(ReasonCode::ModelNotFound.into());
    }
    let input = input(world, identified, protocol.dialect(), std::slice::from_ref(&wanted));
    if shown(world, &call.snapshot, identified, std::iter::once(&wanted)).is_empty() {
        // By policy, or by a lock: the list does not tell which, and neither does this where callers are told nothing. The reason is
        // that of a plain call.
        let answer = asked(&call.snapshot, &input);
        let explains = answer.verdict != Verdict::Permit && call.snapshot.refusals.explains(identified.chain());
        let refusal = if explains { told(true, &answer) } else { ReasonCode::ModelNotFound.into() };
        call.judgement = Some(Box::new(Judgement { input, answer, findings: Vec::new() }));
        return Err(refusal);
    }
    call.is_recorded =
        record::listing(world, &call.snapshot, identified, (&input, &listed(&call.snapshot, &input)), &guard).await?;
    guard.check(world)?;
    answer(world, client, call, &mut guard, protocol.model_item(&wanted)).await
}

/// Sends a document of the gate's own.
pub(crate) async fn answer<W: World, C: Client>(
    world: &W,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    told: (HeaderMap, Bytes),
) -> Result<(), Refusal> {
    answer_with(world, client, call, guard, StatusCode::OK, told).await
}

/// The same with another status.
pub(crate) async fn answer_with<W: World, C: Client>(
    world: &W,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    status: StatusCode,
    (mut headers, body): (HeaderMap, Bytes),
) -> Result<(), Refusal> {
    call.status = status.as_u16();
    call.has_begun = true;
    call.timings.overhead = world.monotonic().saturating_sub(call.started);
    stamp(&mut headers, call);
    client.begin(status, headers, Some(body.len()));
    let patience = call.snapshot.limits.client_write;
    guard.wait(world, patience, ReasonCode::ClientTooSlow, client.write(release::own_document(body))).await??;
    Ok(())
}

/// Those of `models` that some call of `identified` could be allowed, by policy and by no lock forbidden.
fn shown<'m, W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    models: impl Iterator<Item = &'m ModelName>,
) -> Vec<ModelName> {
    let (credential, chain) = (identified.credential(), identified.chain());
    let lister = Lister { chain: chain.clone(), credential: credential.id.clone(), mandate: identified.mandate().clone() };
    // What was not found out is left to the call where callers are told why, and hidden where they are not.
    let shows = |could| could == Could::Yes || (could == Could::Unknown && snapshot.refusals.explains(chain));
    let list = (!snapshot.off.policy).then(|| snapshot.policy.list(&lister, Listable::Models));
    let listed: Option<HashSet<&str>> = list
        .as_ref()
        .map(|list| list.iter().filter(|listed| shows(listed.could)).map(|listed| listed.ask.resource.id()).collect());
    let locks = world.locks();
    let granted = |ask: &Ask| lister.mandate.task.as_ref().is_none_or(|task| task.grant.covers(ask));
    let could = |model: &ModelName| match &listed {
        Some(listed) => listed.contains(model.as_str()),
        None => granted(&call_of(model)),
    };
    let is_free = |model: &ModelName| locks.stops(&credential.id, chain, Some(&Resource::Model(model.clone()))).is_none();
    models.filter(|model| could(model) && is_free(model)).cloned().collect()
}

/// The answer that goes with what is shown.
fn listed(snapshot: &Snapshot, input: &DecisionInput) -> Answer {
    if snapshot.off.policy { asked(snapshot, input) } else { snapshot.policy.decide_list(input) }
}

fn call_of(model: &ModelName) -> Ask {
    Ask { action: Action::CallModel, resource: Resource::Model(model.clone()) }
}

/// Plain calls of `models`, as they would be decided now.
fn input<W: World>(world: &W, identified: &Identified, dialect: Option<Dialect>, models: &[ModelName]) -> DecisionInput {
    let credential = identified.credential();
    let now = world.now();
    let (label, ledger_version) = world.effective(&credential.ledger);
    let facts = Facts {
        now,
        credential: credential.id.clone(),
        credential_age: now.since(credential.created) / 1000,
        dialect,
        stream: false,
        findings: BTreeMap::new(),
        label,
        ledger_version,
        answered: BTreeSet::new(),
        mandate: identified.mandate().clone(),
        arguments: None,
        around: Default::default(),
    };
    DecisionInput { chain: identified.chain().clone(), asks: models.iter().map(call_of).collect(), facts }
}
