//! Token exchange, top to bottom: who asks, on whose behalf, may it, record, make the token.
//!
//! ```text
//! client ─► subject ─► derive ─► decide (issueToken, every link) ─► record, durable ─► join the ledger ─► sign ─► answer
//! ```
//! The token is made of what was recorded, after it was recorded. The log holds its claims and never its signature.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidence::{Capped, EntryKind, Header, IntentContent, Observed};
use identity::Form;
use identity::token::{At, Audience, Bearer, Exchange, TaskToken, derive, details, grant_of, mint};
use model::{
    Action, Around, Ask, Credential, DecisionInput, Facts, Label, Mandate, Name, ReasonCode, Refusal, Resource, Verdict,
};
use serde_json::json;

use super::resource::{Base, SERVERS, path_of};
use super::{document, issuing, request, wrong};
use crate::account;
use crate::admit::{Identified, verified};
use crate::decide::{Judgement, asked, told};
use crate::event::Event;
use crate::guard::Guard;
use crate::interaction::Call;
use crate::models::answer;
use crate::ports::{Client, Head, Issuing, Record, World};
use crate::record;
use crate::snapshot::Snapshot;

/// The grant type of RFC 8693.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

pub(super) async fn exchange<W: World, C: Client>(
    world: &W,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    let issuing = issuing(world)?;
    let (form, _) = request(world, head, client, call).await?;
    let actor = call.identified()?.credential().clone();
    let base = Base::of(world, head);
    let wanted = wanted(&form, &issuing, &actor, |name| target(&call.snapshot, &issuing, base.as_ref(), name))?;
    let servers = base.as_ref().and_then(|base| base.resource(SERVERS));
    let shown_at = servers.as_deref().map_or(At::Gate, At::Below);
    let subject = verified(world, wanted.subject, shown_at, call.at).await.map_err(of_subject)?;
    // Reading and fetching were waits.
    call.snapshot = world.snapshot();
    let random = world.entropy().ok_or(ReasonCode::Internal)?;
    let Wanted { grant, purpose, audience, .. } = wanted;
    let asks_for = Exchange { subject: &subject, actor: &actor, grant, purpose, audience, random };
    let token = derive(&asks_for, &issuing.gate, world.now()).map_err(|error| error.refusal())?;
    let mut guard =
        Guard::new(actor.id.clone(), token.chain.clone()).descending(token.parents.clone(), Some(token.task.id.clone()));
    guard.check(world)?;
    let observed = loop {
        let snapshot = Arc::clone(&call.snapshot);
        let judgement = judge(world, call, &snapshot, &subject, &actor, &token, head)?;
        let observed = inherited(world, &subject, &actor, &token);
        guard.check(world)?;
        let index = record(world, &snapshot, call.identified()?, judgement, &token, &issuing, &observed, &guard).await?;
        // Writing was a wait: what operators have changed meanwhile judges the exchange once more.
        call.intent = index.or(call.intent);
        call.snapshot = world.snapshot();
        call.is_recorded = Arc::ptr_eq(&call.snapshot, &snapshot);
        if call.is_recorded {
            break observed;
        }
    };
    for Observed { ledger, origin, label } in observed {
        world.observe(&ledger, &origin, label, call.at);
    }
    guard.check(world)?;
    let secret = mint(&token, &issuing.gate, issuing.signer.as_ref()).map_err(|_| ReasonCode::Internal)?;
    let told = json!({
        "access_token": secret.expose(), "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
        "expires_in": token.expires.since(world.now()) / 1000, "authorization_details": details(&token.task.grant),
    });
    answer(world, client, call, &mut guard, document(&told)).await
}

/// What the form asks for.
struct Wanted<'a> {
    subject: &'a str,
    grant: Option<model::Grant>,
    purpose: Option<Name>,
    audience: Option<Audience>,
}

/// The gate, or a tool server behind it, by the name that the metadata of resources tell.
fn target(snapshot: &Snapshot, issuing: &Issuing, base: Option<&Base>, name: &str) -> Option<Audience> {
    if name == issuing.gate.url {
        return Some(Audience::Gate);
    }
    let is_it = |server: &Name| base.and_then(|base| base.resource(&path_of(server))).is_some_and(|resource| resource == name);
    snapshot.servers.keys().any(is_it).then(|| Audience::Resources(BTreeSet::from([name.to_owned()])))
}

fn wanted<'a>(
    form: &'a Form,
    issuing: &Issuing,
    actor: &Credential,
    target: impl Fn(&str) -> Option<Audience>,
) -> Result<Wanted<'a>, Refusal> {
    if form.get("grant_type") != Some(GRANT_TYPE) {
        return Err(wrong("grant_type", &format!("expected {GRANT_TYPE}")));
    }
    let is_type = |name: &str| form.get(name).is_some_and(|kind| kind == ACCESS_TOKEN || kind == JWT);
    let subject = form.get("subject_token").ok_or_else(|| wrong("subject_token", "is missing"))?;
    if !is_type("subject_token_type") {
        return Err(wrong("subject_token_type", &format!("expected {ACCESS_TOKEN}")));
    }
    if form.get("requested_token_type").is_some() && !is_type("requested_token_type") {
        return Err(wrong("requested_token_type", &format!("expected {ACCESS_TOKEN}")));
    }
    if form.get("audience").is_some_and(|audience| audience != issuing.gate.url) {
        return Err(wrong("audience", "a task token is for this gate alone; for a part of it write `resource`"));
    }
    //= https://www.rfc-editor.org/rfc/rfc8707#section-2
    //# The requested resource is invalid, missing, unknown, or malformed.
    let unknown = || wrong("resource", "names neither this gate nor a tool server behind it");
    let audience = form.get("resource").map(|name| target(name).ok_or_else(unknown)).transpose()?;
    if form.get("scope").is_some() {
        return Err(wrong("scope", "there are no scopes here, write authorization_details"));
    }
    // The client's own key says who acts. A second word on it has to be the same word.
    if let Some(told) = form.get("actor_token") {
        let is_own = identity::parse(told.as_bytes()).is_ok_and(|told| told.id == actor.id && told.hash == actor.hash);
        if !is_own || form.get("actor_token_type").is_none() {
            return Err(wrong("actor_token", "expected the client's own key, or no such parameter"));
        }
    }
    let grant = form.get("authorization_details").map(|text| grant_of(text.as_bytes())).transpose();
    let grant = grant.map_err(|what| Refusal::because(ReasonCode::GrantMalformed, format!("authorization_details: {what}")))?;
    let purpose = form.get("purpose").map(Name::new).transpose();
    let purpose = purpose.map_err(|_| wrong("purpose", "expected a word of letters, digits and ._-@:/"))?;
    Ok(Wanted { subject, grant, purpose, audience })
}

/// What is wrong with the subject's token is told as such: the client itself is known.
fn of_subject(refusal: Refusal) -> Refusal {
    let what = refusal.detail.unwrap_or_else(|| refusal.code.text().to_owned());
    Refusal::because(refusal.code, format!("subject_token: {what}"))
}

/// The decision: every link of the chain that the token will have must be permitted to hand it to the agent.
fn judge<W: World>(
    world: &W,
    call: &mut Call,
    snapshot: &Snapshot,
    subject: &Bearer,
    actor: &Credential,
    token: &TaskToken,
    head: &Head,
) -> Result<Judgement, Refusal> {
    let agent = token.chain.actor().ok_or(ReasonCode::Internal)?;
    let may_act = subject.may_act.as_ref() == Some(agent);
    let mandate = Mandate { may_act, asked: Some(token.task.clone()), ..subject.mandate.clone() };
    let identified = call.identified.take().ok_or(ReasonCode::Internal)?;
    call.identified = Some(identified.on_behalf(token.chain.clone(), mandate.clone()));
    let ledgers = [Some(&subject.credential.ledger), Some(&actor.ledger), token.ledger().as_ref()].map(|ledger| ledger.cloned());
    let (mut label, mut version) = (Label::default(), 0_u64);
    for (seen, at) in ledgers.iter().flatten().map(|ledger| world.effective(ledger)) {
        label = label.join(&seen);
        version = version.max(at);
    }
    let now = world.now();
    let budget = account::left(world, snapshot, call.identified()?, None);
    let facts = Facts {
        now,
        credential: actor.id.clone(),
        credential_age: now.since(actor.created) / 1000,
        dialect: None,
        stream: false,
        findings: BTreeMap::new(),
        label,
        ledger_version: version,
        answered: BTreeSet::new(),
        mandate,
        arguments: None,
        around: Around { budget, origin: head.origin(), ..Around::default() },
    };
    let asks = vec![Ask { action: Action::IssueToken, resource: Resource::Agent(agent.name.clone()) }];
    let input = DecisionInput { chain: token.chain.clone(), asks, facts };
    let answer = asked(snapshot, &input);
    let judgement = Judgement { input, answer, findings: Vec::new() };
    if judgement.answer.verdict != Verdict::Permit {
        let refusal = told(snapshot.refusals.explains(&token.chain), &judgement.answer);
        call.judgement = Some(Box::new(judgement));
        return Err(refusal);
    }
    Ok(judgement)
}

/// What the holder knows already: the new task begins with the labels of the subject, of the agent's own key, and of the task
/// that it was delegated from. Its own ledger is that of every task of this agent for this subject.
fn inherited<W: World>(world: &W, subject: &Bearer, actor: &Credential, token: &TaskToken) -> Vec<Observed> {
    let Some(ledger) = token.ledger() else { return Vec::new() };
    let seen = |(origin, from): (&str, &Name)| {
        let label = world.effective(from).0;
        (*from != ledger && label != Label::default()).then(|| Observed {
            ledger: ledger.clone(),
            origin: origin.to_owned(),
            label,
        })
    };
    [("subject", &subject.credential.ledger), ("client", &actor.ledger)].into_iter().filter_map(seen).collect()
}

/// Writes the intent and waits until it is durable.
#[expect(clippy::too_many_arguments, reason = "one call site, and each is another thing that the entry names")]
async fn record<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    judgement: Judgement,
    token: &TaskToken,
    issuing: &Issuing,
    observed: &[Observed],
    guard: &Guard,
) -> Result<Option<u64>, Refusal> {
    let (verdict, reason) = (judgement.answer.verdict, ReasonCode::Permitted);
    world.observe_event(&Event::Decided { request: identified.request(), verdict, reason });
    if snapshot.off.evidence {
        return Ok(None);
    }
    let header = record::header(EntryKind::Intent, identified, snapshot, guard.seen()).with_asks(&judgement.input.asks);
    let mut header = Header {
        verdict: Some(verdict),
        reason: Some(reason),
        ledger_version: Some(judgement.input.facts.ledger_version),
        observed: observed.to_vec(),
        task: Some(token.task.id.clone()),
        ..header
    };
    header.notes.push(format!("issues: {}", token.id));
    let claims = token.claims(&issuing.gate).to_string();
    let shadow = record::shadow(world, snapshot, identified.request(), &judgement.input, &judgement.answer);
    let content = IntentContent {
        input: Cow::Owned(judgement.input),
        answer: Cow::Owned(judgement.answer),
        shadow,
        findings: Cow::default(),
        destinations: Vec::new(),
        outbound: Some(Capped::new(claims.as_bytes(), snapshot.limits.content_bytes)),
    };
    let content = Some(record::serialise(&content)?);
    world.durable(Record { header, content }).await.map(Some).map_err(record::unrecorded)
}
