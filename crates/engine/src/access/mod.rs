//! Questions of other enforcement points, top to bottom: who asks, may it ask this, may the one it asks about do it, record, answer.
//!
//! ```text
//! admit (the point) ─► understand ─► per question: whom about, in which words ─► decide ─► record ─► answer
//! ```
//! A question is decided as the chain of the party that it is about; whether the point may ask is a link of the same decision.
//! What a point says of a call is seen by policies as `context.pep`, where operators have declared it, and nowhere else: no fact
//! of the gate comes from outside. An answer is recorded before it is told. It has no effect here, so no outcome follows.

mod carried;
mod claims;
mod judge;
mod publish;
mod requests;
mod scope;
mod search;
mod tools;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use evidence::{EntryKind, Header, IntentContent, QUESTION_NOTE};
use http::{HeaderMap, StatusCode};
use identity::token::At;
use model::{Challenge, DecisionInput, Name, Point, PrincipalKind, ReasonCode, Refusal, RequestId, Verdict};

use crate::admit::{admit, admit_key};
use crate::event::Event;
use crate::guard::Guard;
use crate::interaction::{Call, finish, readable};
use crate::ports::{Answered, Asking, Client, Head, Question, Questions, Record, Until, World};
use crate::record::{header, is_flood, plain_asks, serialise, shadow, unrecorded};
use crate::release;
use crate::respond::stamp;
use crate::snapshot::Snapshot;

pub use claims::claims;
use judge::{Judged, judge};
pub use publish::publish_access;
pub use requests::request_access;
use requests::requestable;
pub use search::search;

/// Longest request of an enforcement point, in bytes.
const MAX_BODY: usize = 256 << 10;

/// Answers the questions of one request. Returns the id of the first, under which it stands in the log.
pub async fn answer_questions<W: World, A: Asking, C: Client>(world: &W, asking: &A, head: &Head, client: &mut C) -> RequestId {
    let mut call = Call::begin(world);
    let ended = questions(world, asking, head, client, &mut call).await;
    finish(world, asking, head, client, call, ended).await
}

async fn questions<W: World, A: Asking, C: Client>(
    world: &W,
    asking: &A,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    let (pep, mut guard) = asks(world, asking.key(head), head, call).await?;
    call.snapshot.scanners.ready()?;
    let body = if asking.takes_body() { body(world, head, client, call, &mut guard).await? } else { Bytes::new() };
    let point = registered(&call.snapshot, &pep)?.clone();
    let Questions { each, until, is_list } = asking.understand(head, &body, &call.snapshot.limits.json(), &point)?;
    tools::bounded(&each)?;
    let mut answers = Vec::with_capacity(each.len());
    for question in each {
        // The first stands under the id of the request, each of the others under one of its own.
        let request = if answers.is_empty() { call.request } else { RequestId::new(call.at, world.random()) };
        let answered = one(world, call, &pep, &mut guard, request, question).await?;
        let is_permit = answered.verdict == Verdict::Permit;
        answers.push(answered);
        if matches!((until, is_permit), (Until::FirstDeny, false) | (Until::FirstPermit, true)) {
            break;
        }
    }
    tell(world, client, call, &mut guard, asking.answer(&answers, is_list)).await
}

/// Who asks: a registered enforcement point, or nobody.
async fn asks<W: World>(world: &W, key: Option<&[u8]>, head: &Head, call: &mut Call) -> Result<(Name, Guard), Refusal> {
    let (identified, guard) = match key {
        Some(key) => admit_key(world, key, call.request, call.at)?,
        None => admit(world, head, At::Gate, call.request, call.at).await?,
    };
    let identified = call.identified.insert(identified);
    call.timings.admit = world.monotonic().saturating_sub(call.started);
    let actor = identified.chain().actor().filter(|actor| actor.kind == PrincipalKind::Pep);
    let pep = actor.map(|actor| actor.name.clone()).ok_or(ReasonCode::PepUnregistered)?;
    registered(&call.snapshot, &pep)?;
    Ok((pep, guard))
}

/// A point's registration in the snapshot; one that operators have taken out asks nothing.
fn registered<'s>(snapshot: &'s Snapshot, pep: &Name) -> Result<&'s Point, ReasonCode> {
    snapshot.policy.access().points.get(pep).ok_or(ReasonCode::PepUnregistered)
}

async fn body<W: World, C: Client>(
    world: &W,
    head: &Head,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
) -> Result<Bytes, Refusal> {
    readable(&head.headers)?;
    let limits = &call.snapshot.limits;
    let limit = limits.body_bytes.min(MAX_BODY);
    let body = guard.wait(world, limits.body, ReasonCode::BodyTimeout, client.body(limit)).await??;
    // Reading was a wait.
    call.snapshot = world.snapshot();
    Ok(body)
}

/// Decides one question and records it, by a snapshot that holds when the record stands. `Err` ends the whole request.
async fn one<W: World>(
    world: &W,
    call: &mut Call,
    pep: &Name,
    guard: &mut Guard,
    request: RequestId,
    question: Result<Question, Refusal>,
) -> Result<Answered, Refusal> {
    loop {
        let snapshot = Arc::clone(&call.snapshot);
        let before = world.monotonic();
        let judged = match &question {
            Ok(question) => judge(world, &snapshot, call.identified()?, pep, request, question).await,
            Err(refusal) => Judged::unread(refusal.clone()),
        };
        let decided = world.monotonic();
        call.timings.decide = call.timings.decide.saturating_add(decided.saturating_sub(before));
        guard.check(world)?;
        if judged.is_noise {
            // Whoever has no credential must not be able to fill the log through a proxy.
            world.noise(&format!("pep:{pep}"), judged.reason);
        } else {
            recorded(world, &snapshot, call, pep, request, &judged, guard).await?;
        }
        call.timings.record = call.timings.record.saturating_add(world.monotonic().saturating_sub(decided));
        (call.is_recorded, call.outcome.is_answer) = (true, true);
        // Writing was a wait. If operators have changed something meanwhile, the question is decided once more.
        call.snapshot = world.snapshot();
        let stands = requests::still_stands(world, pep, judged.approval.as_ref());
        if stands && Arc::ptr_eq(&call.snapshot, &snapshot) {
            let question = question.as_ref().ok();
            let Judged { verdict, refusal, challenges, duties, judgement, approval, .. } = judged;
            let chain = judgement.map(|judgement| judgement.input.chain);
            let performs = question.is_some_and(|question| question.performs.step_up);
            let step_up = snapshot.step_up.clone().filter(|_| performs && challenges.contains(&Challenge::StepUp));
            let requestable = question.and_then(|question| requestable(world, &snapshot, pep, request, question, &challenges));
            return Ok(Answered { request, verdict, chain, refusal, challenges, duties, step_up, approval, requestable });
        }
    }
}

/// Writes the decision down: the complete input, the answer, who asked.
async fn recorded<W: World>(
    world: &W,
    snapshot: &Snapshot,
    call: &Call,
    pep: &Name,
    request: RequestId,
    judged: &Judged,
    guard: &Guard,
) -> Result<(), Refusal> {
    let (verdict, reason) = (judged.verdict, judged.reason);
    world.observe_event(&Event::Decided { request, verdict, reason });
    if snapshot.off.evidence {
        return Ok(());
    }
    let identified = call.identified()?;
    let mut header = Header {
        request: Some(request),
        verdict: Some(verdict),
        reason: Some(reason),
        ..header(EntryKind::Intent, identified, snapshot, guard.seen())
    };
    header.notes.extend([QUESTION_NOTE.to_owned(), format!("asked by: pep:{pep}")]);
    if let Some(Ok(standing)) = &judged.approval {
        header.notes.push(format!("approval: {}", standing.approval));
    }
    let mut content = None;
    if let Some(judgement) = &judged.judgement {
        header = header.with_asks(&plain_asks(snapshot, &judgement.input.asks));
        // It is about this chain, whoever asks: what is kept of it is kept, found and erased with it. A name that nobody has gets no
        // key of its own: a point could make as many as it likes.
        if is_known(snapshot, &judgement.input) {
            header.chain = Some(judgement.input.chain.clone());
        }
        header.ledger_version = Some(judgement.input.facts.ledger_version);
        content = Some(serialise(&IntentContent {
            input: Cow::Borrowed(&judgement.input),
            answer: Cow::Borrowed(&judgement.answer),
            shadow: shadow(world, snapshot, request, &judgement.input, &judgement.answer),
            findings: Cow::default(),
            destinations: Vec::new(),
            outbound: None,
        })?);
    }
    // Whoever is refused time and again has his own count; who is not known has the point's.
    let length = content.as_ref().map_or(0, Vec::len);
    let is_flood = match header.chain.as_ref().filter(|chain| *chain != identified.chain()) {
        _ if verdict == Verdict::Permit => false,
        Some(chain) => world.is_counted(None, chain, reason, length),
        None => is_flood(world, identified, reason, length),
    };
    if is_flood {
        return Ok(());
    }
    world.accept(Record { header, content }).await.map(|_| ()).map_err(unrecorded)
}

/// Whether every party of a chain is declared, or vouched for by a token that the gate has verified.
fn is_known(snapshot: &Snapshot, input: &DecisionInput) -> bool {
    let guest = input.facts.mandate.federated.as_ref().map(|federated| &federated.principal);
    input.chain.links().iter().all(|link| snapshot.policy.is_declared(link) || guest == Some(link))
}

/// Sends what the adapter wrote.
async fn tell<W: World, C: Client>(
    world: &W,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    (status, more, body): (StatusCode, HeaderMap, Bytes),
) -> Result<(), Refusal> {
    guard.check(world)?;
    call.status = status.as_u16();
    call.has_begun = true;
    call.timings.overhead = world.monotonic().saturating_sub(call.started);
    let mut headers = HeaderMap::new();
    stamp(&mut headers, call);
    headers.extend(more);
    client.begin(status, headers, Some(body.len()));
    if body.is_empty() {
        return Ok(());
    }
    let patience = call.snapshot.limits.client_write;
    guard.wait(world, patience, ReasonCode::ClientTooSlow, client.write(release::own_document(body))).await??;
    Ok(())
}
