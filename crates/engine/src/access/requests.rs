//! Requests for approval by other enforcement points (`AuthZEN` access request and approval profile, draft 1).
//!
//! ```text
//! a denial that an approval would lift ─► a token bound to point, question and time ─► request ─► operators ─► the question again
//! ```
//! The denial stays a denial, and an approval is one fact of a new decision by the policies of that moment. What is bound is the
//! canonical text of the question; nothing is kept between denial and request, the token says it all.

use std::collections::BTreeSet;
use std::time::Duration;

use evidence::sha256;
use identity::{Handles, Mark};
use model::{Answer, Challenge, Digest, Name, PrincipalId, PrincipalKind, ReasonCode, Refusal, RequestId, UnixMillis, Verdict};
use response::{MAX_ITEMS, Misfit, Standing, Wanted, WantedItem};

use super::judge::judge_named;
use super::scope::{owner, scope};
use super::search::counted;
use super::{asks, body, tell};
use crate::approval::{because, refused};
use crate::guard::Guard;
use crate::interaction::{Call, finish};
use crate::ports::{Client, Denial, Head, Looked, Order, Question, Requestable, Requesting, Submission, World};
use crate::snapshot::Snapshot;

/// How long a denial can be turned into a request, in seconds.
const BINDING_WINDOW: u64 = 600;
/// Most bytes of everything that one request asks for.
const MAX_TEXTS: usize = 64 << 10;
/// Longest wait for the record of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most requests that a point makes a minute, their states and cancellations not counted.
const MAX_A_MINUTE: u64 = 60;

/// Answers one of the endpoints of requests. Returns the id under which it stands in the log.
pub async fn request_access<W: World, R: Requesting, C: Client>(
    world: &W,
    requesting: &R,
    head: &Head,
    client: &mut C,
) -> RequestId {
    let mut call = Call::begin(world);
    let ended = answered(world, requesting, head, client, &mut call).await;
    finish(world, requesting, head, client, call, ended).await
}

async fn answered<W: World, R: Requesting, C: Client>(
    world: &W,
    requesting: &R,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    let (pep, mut guard) = asks(world, None, head, call).await?;
    let by = PrincipalId::new(PrincipalKind::Pep, pep.clone());
    let looked = match requesting.order() {
        Order::Submit => submitted(world, requesting, head, client, call, &pep, &mut guard).await?,
        Order::Show(id) => world.approval_request(&by, &id).ok_or(ReasonCode::ApprovalUnknown)?,
        Order::Cancel(id) => {
            // What stands in the body is for people; it has to be read all the same.
            body(world, head, client, call, &mut guard).await?;
            let credential = call.identified()?.credential().id.clone();
            let cancelled = world.cancel_approval(&by, &credential, &id);
            guard.wait(world, PATIENCE, ReasonCode::EvidenceUnavailable, cancelled).await?.map_err(|error| refused(&error))?
        }
    };
    (call.is_recorded, call.outcome.is_answer) = (true, true);
    let url = call.snapshot.access_url.clone().unwrap_or_default();
    tell(world, client, call, &mut guard, requesting.answer(&looked, &url)).await
}

async fn submitted<W: World, R: Requesting, C: Client>(
    world: &W,
    requesting: &R,
    head: &Head,
    client: &mut C,
    call: &mut Call,
    pep: &Name,
    guard: &mut Guard,
) -> Result<Looked, Refusal> {
    call.snapshot.scanners.ready()?;
    let body = body(world, head, client, call, guard).await?;
    let snapshot = std::sync::Arc::clone(&call.snapshot);
    let submission = requesting.understand(head, &body, &snapshot.limits.json())?;
    // Each is written to the disk before it is answered.
    counted(world, call, "access-requests", MAX_A_MINUTE, ReasonCode::ApprovalLimit)?;
    let wanted = wanted(world, &snapshot, call, pep, submission)?;
    let credential = call.identified()?.credential().id.clone();
    guard.check(world)?;
    let asked = world.ask_approval(wanted, &credential, &snapshot.approvals);
    guard.wait(world, PATIENCE, ReasonCode::EvidenceUnavailable, asked).await?.map_err(|error| refused(&error))
}

/// What is to be approved: everything bound to a denial of this point, still challenged, and of one chain.
fn wanted<W: World>(world: &W, snapshot: &Snapshot, call: &Call, pep: &Name, submission: Submission) -> Result<Wanted, Refusal> {
    let Submission { each, is_list, key, said } = submission;
    if each.is_empty() || each.len() > MAX_ITEMS {
        return Err(Refusal::because(ReasonCode::FieldType, format!("/items: expected 1 to {MAX_ITEMS}")));
    }
    let mut chain = None;
    let mut items = Vec::with_capacity(each.len());
    for (question, denial) in &each {
        let scope = scope(snapshot.policy.access(), question)?;
        let request = bound(&world.handles(), world.now(), pep, &scope.digest, denial)?;
        let judged = judge_named(world, snapshot, call.identified()?, pep, question);
        let judgement = judged.judgement.filter(|_| judged.verdict == Verdict::Challenge);
        let judgement = judgement.filter(|_| judged.challenges.contains(&Challenge::Approval));
        // Permitted meanwhile, or forbidden for good: there is nothing to approve.
        let judgement = judgement.ok_or(ReasonCode::ApprovalNotRequestable)?;
        let because = because(&judgement.answer);
        let same = chain.get_or_insert_with(|| judgement.input.chain.clone());
        if judgement.input.chain != *same {
            return Err(Refusal::because(ReasonCode::ApprovalUnbound, "/items: all are of one subject and one agent"));
        }
        let salt = hex::encode(world.entropy().ok_or(ReasonCode::Internal)?);
        let commitment = sha256(format!("{salt}{}", scope.text).as_bytes());
        items.push(WantedItem {
            scope: scope.digest,
            topic: scope.topic,
            text: scope.text,
            salt,
            commitment,
            because,
            request,
            origins: Vec::new(),
        });
    }
    let n_bytes = items.iter().map(|item| item.text.len()).sum::<usize>();
    if n_bytes > MAX_TEXTS {
        let what = format!("what is to be approved has {n_bytes} bytes, at most {MAX_TEXTS} in one request");
        return Err(Refusal::because(ReasonCode::BodyTooLarge, what));
    }
    let mut seen = BTreeSet::new();
    if !items.iter().all(|item| seen.insert(item.scope)) {
        return Err(Refusal::because(ReasonCode::FieldType, "/items: the same stands there twice"));
    }
    let chain = chain.ok_or(ReasonCode::Internal)?;
    let by = PrincipalId::new(PrincipalKind::Pep, pep.clone());
    Ok(Wanted { by, chain, policies: snapshot.digest, items, is_list, key, said, is_single_use: false, seen: None })
}

/// The denied question that a submission is bound to.
fn bound(handles: &Handles, now: UnixMillis, pep: &Name, scope: &Digest, denial: &Denial) -> Result<RequestId, Refusal> {
    let opened = handles.open(&owner(pep, scope, denial.expires), &denial.token).ok_or(ReasonCode::ApprovalUnbound)?;
    let request: RequestId = opened.name.parse().map_err(|_| ReasonCode::ApprovalUnbound)?;
    if denial.evaluation.as_ref().is_some_and(|told| told != opened.name) {
        return Err(Refusal::because(ReasonCode::ApprovalUnbound, "/denial/evaluation_id is another one"));
    }
    if now > denial.expires {
        return Err(ReasonCode::ApprovalDenialExpired.into());
    }
    Ok(request)
}

/// How a denial can be lifted by an approval, if it can: of a question about a named party, where requests are taken at all.
pub(super) fn requestable<W: World>(
    world: &W,
    snapshot: &Snapshot,
    pep: &Name,
    request: RequestId,
    question: &Question,
    challenges: &[Challenge],
) -> Option<Requestable> {
    snapshot.access_url.as_ref().filter(|_| challenges.contains(&Challenge::Approval))?;
    let scope = scope(snapshot.policy.access(), question).ok()?;
    // Seconds, as RFC 3339 has them in the answer.
    let expires = UnixMillis(world.now().plus_seconds(BINDING_WINDOW).seconds().saturating_mul(1000));
    bind(&world.handles(), expires, pep, &scope.digest, request)
}

fn bind(handles: &Handles, expires: UnixMillis, pep: &Name, scope: &Digest, request: RequestId) -> Option<Requestable> {
    let token = handles.seal(&owner(pep, scope, expires), Mark::of("access", "request"), &request.to_string())?;
    Some(Requestable { expires, token })
}

/// Whether the approval that a point presents holds for what it asks; `plain` is the answer without it. It lifts the policies that were
/// shown to whoever approved, and no other that asks for an approval by now.
pub(super) fn presented<W: World>(
    world: &W,
    snapshot: &Snapshot,
    pep: &Name,
    question: &Question,
    plain: &Answer,
) -> Option<Result<Standing, Misfit>> {
    let approval = question.approval.as_deref()?;
    let by = PrincipalId::new(PrincipalKind::Pep, pep.clone());
    let standing = world.approval(&by, approval).and_then(|standing| {
        if standing.policies != snapshot.digest {
            return Err(Misfit::Over);
        }
        let is_same = scope(snapshot.policy.access(), question).is_ok_and(|scope| scope.digest == standing.scope);
        let is_lifted = because(plain).iter().all(|policy| standing.because.contains(policy));
        if is_same && is_lifted { Ok(standing) } else { Err(Misfit::Elsewhere) }
    });
    Some(standing)
}

/// Whether what was presented still is what it was, after a wait.
pub(super) fn still_stands<W: World>(world: &W, pep: &Name, presented: Option<&Result<Standing, Misfit>>) -> bool {
    let Some(Ok(standing)) = presented else { return true };
    let by = PrincipalId::new(PrincipalKind::Pep, pep.clone());
    world.approval(&by, standing.approval.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use identity::Handles;
    use model::{Digest, Name, ReasonCode, RequestId, UnixMillis};

    use super::{Denial, Requestable, bind, bound};

    const END: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_denial_is_bound_to_point_scope_time_and_question() {
        let handles = Handles::new(&[[7; 32].into()]);
        let (pep, scope, request) = (Name::new("app").unwrap(), Digest([1; 32]), RequestId::new(END, [5; 10]));
        let Requestable { expires, token } = bind(&handles, END, &pep, &scope, request).unwrap();
        assert_eq!(expires, END);
        let denial = Denial { token, expires, evaluation: Some(request.to_string()) };
        let ask =
            |now, pep: &Name, scope, denial: &Denial| bound(&handles, now, pep, &scope, denial).map_err(|refusal| refusal.code);
        assert_eq!(ask(END, &pep, scope, &denial), Ok(request));
        assert_eq!(ask(UnixMillis(END.0 + 1), &pep, scope, &denial), Err(ReasonCode::ApprovalDenialExpired));
        let unbound = Err(ReasonCode::ApprovalUnbound);
        assert_eq!(ask(END, &Name::new("other").unwrap(), scope, &denial), unbound);
        assert_eq!(ask(END, &pep, Digest([2; 32]), &denial), unbound);
        assert_eq!(ask(END, &pep, scope, &Denial { expires: UnixMillis(END.0 + 1000), ..denial.clone() }), unbound);
        assert_eq!(ask(END, &pep, scope, &Denial { evaluation: Some("req_1".to_owned()), ..denial.clone() }), unbound);
        // What binds a stored response to a task of the same name binds no denial.
        let token = handles.seal("app", identity::Mark::of("access", "request"), &request.to_string()).unwrap();
        assert_eq!(ask(END, &pep, scope, &Denial { token, ..denial }), unbound);
    }
}
