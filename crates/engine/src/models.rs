//! Listing models: what this caller may call, and nothing else.
//!
//! Decided model by model with the same input as a call, so a model is listed exactly when a plain call would be permitted.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use model::{Action, Answer, Ask, DecisionInput, Dialect, Facts, ModelName, Name, ReasonCode, Refusal, Resource, Verdict};

use crate::admit::{Identified, admit};
use crate::decide::{Judgement, asked, told};
use crate::guard::Guard;
use crate::interaction::Call;
use crate::ports::{Client, Head, Protocol, World};
use crate::record;
use crate::release;
use crate::respond::stamp;
use crate::snapshot::Snapshot;

/// Answers a request for the list.
pub(crate) async fn list<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    let (identified, mut guard) = admit(world, head, call.request, call.at).await?;
    let identified = call.identified.insert(identified);
    let listed = callable(world, &call.snapshot, identified, protocol.dialect(), call.snapshot.routes.keys());
    call.is_recorded = record::listing(world, &call.snapshot, identified, &listed, &guard).await?;
    guard.check(world)?;
    let names: Vec<ModelName> = listed.into_iter().filter(|(_, judged)| judged.is_listed).map(|(model, _)| model).collect();
    answer(world, client, call, &mut guard, protocol.model_list(&names)).await
}

/// Answers a request for one model: as the list would show it, or as if it were not there.
pub(crate) async fn one<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    head: &Head,
    client: &mut C,
    call: &mut Call,
    id: &str,
) -> Result<(), Refusal> {
    let (identified, mut guard) = admit(world, head, call.request, call.at).await?;
    let identified = call.identified.insert(identified);
    let wanted = Name::new(id).map_err(|_| ReasonCode::ModelNotFound)?;
    let known = call.snapshot.routes.keys().filter(|name| **name == wanted);
    let judged = callable(world, &call.snapshot, identified, protocol.dialect(), known);
    let [(_, only)] = judged.as_slice() else { return Err(ReasonCode::ModelNotFound.into()) };
    if !only.is_listed {
        // By policy, or by a lock: the list does not tell which, and neither does this where callers are told nothing.
        let explains = only.answer.verdict != Verdict::Permit && call.snapshot.refusals.explains(identified.chain());
        let refusal = if explains { told(true, &only.answer) } else { ReasonCode::ModelNotFound.into() };
        let (input, answer) = (only.input.clone(), only.answer.clone());
        call.judgement = Some(Box::new(Judgement { input, answer, findings: Vec::new() }));
        return Err(refusal);
    }
    call.is_recorded = record::listing(world, &call.snapshot, identified, &judged, &guard).await?;
    guard.check(world)?;
    answer(world, client, call, &mut guard, protocol.model_item(&wanted)).await
}

/// Sends a document of the gate's own.
pub(crate) async fn answer<W: World, C: Client>(
    world: &W,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    (mut headers, body): (HeaderMap, Bytes),
) -> Result<(), Refusal> {
    call.status = 200;
    call.has_begun = true;
    call.timings.overhead = world.monotonic().saturating_sub(call.started);
    stamp(&mut headers, call);
    client.begin(StatusCode::OK, headers, Some(body.len()));
    let patience = call.snapshot.limits.client_write;
    guard.wait(world, patience, ReasonCode::ClientTooSlow, client.write(release::own_document(body))).await??;
    Ok(())
}

/// Each of `models` with its answer for `identified`.
fn callable<'m, W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    dialect: Dialect,
    models: impl Iterator<Item = &'m ModelName>,
) -> Vec<(ModelName, Judged)> {
    let credential = identified.credential();
    let now = world.now();
    let (label, ledger_version) = world.effective(&credential.ledger);
    let facts = Facts {
        now,
        credential: credential.id.clone(),
        credential_age: now.since(credential.created) / 1000,
        dialect: Some(dialect),
        stream: false,
        findings: BTreeMap::new(),
        label,
        ledger_version,
        answered: BTreeSet::new(),
        mandate: identified.mandate().clone(),
        arguments: None,
        around: Default::default(),
    };
    let locks = world.locks();
    let judge = |model: &ModelName| {
        let asks = vec![Ask { action: Action::CallModel, resource: Resource::Model(model.clone()) }];
        let input = DecisionInput { chain: identified.chain().clone(), asks, facts: facts.clone() };
        let answer = asked(snapshot, &input);
        let is_free = locks.stops(&credential.id, identified.chain(), Some(model)).is_none();
        let is_listed = is_free && answer.verdict == Verdict::Permit;
        (model.clone(), Judged { input, answer, is_listed })
    };
    models.map(judge).collect()
}

/// One model of the list: what was asked and answered, and whether a lock takes it away all the same.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) input: DecisionInput,
    pub(crate) answer: Answer,
    pub(crate) is_listed: bool,
}
