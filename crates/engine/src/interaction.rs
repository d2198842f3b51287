//! The path of one interaction, top to bottom.
//!
//! ```text
//! admit ─► understand ─► inspect ─► label ─► decide ─► record ─► act ─► inspect ─► label ─► release ─► record outcome
//! ```
//! Every refusal on the way ends in [`refuse`], the one place that tells the client and the log.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use identity::token::At;
use model::{Around, Name, ReasonCode, Refusal, RequestId, Resource, UnixMillis};
use text::Document;

use crate::account::{self, Account};
use crate::admit::{Identified, admit};
use crate::approval;
use crate::decide::{Judgement, Permit, decide};
use crate::event::{Event, Facts, Timings};
use crate::guard::{Guard, at_once, give_way};
use crate::inspection::inspect;
use crate::label;
use crate::lending;
use crate::meet::act_in_session;
use crate::models;
use crate::origins;
use crate::ports::{Aim, Catalogue, Client, Head, ModelCall, Protocol, Understood, Voice, World};
use crate::record::{self, Outcome};
use crate::release::{self, Released};
use crate::remote;
use crate::respond::respond;
use crate::snapshot::Snapshot;
use crate::stored::{self, Named};
use crate::streams;
use crate::tools;

/// Most bytes of a body where there should be none.
const NO_BODY: usize = 1024;

/// What is known of a call while it runs; what the outcome says in the end.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) request: RequestId,
    pub(crate) at: UnixMillis,
    pub(crate) started: Duration,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) identified: Option<Identified>,
    pub(crate) judgement: Option<Box<Judgement>>,
    /// How far it has come with an approval.
    pub(crate) approval: approval::Course,
    /// Whether what was decided last is in the log; an outcome follows then.
    pub(crate) is_recorded: bool,
    /// Where a permit's intent stands in the log, be it one that was judged anew: an outcome follows in any case.
    pub(crate) intent: Option<u64>,
    /// Whether the client has seen the head of an answer.
    pub(crate) has_begun: bool,
    /// What it asks for, once that is known to be a declared model.
    pub(crate) model: Option<Name>,
    /// Which upstream answered.
    pub(crate) upstream: Option<Name>,
    /// What it calls the model.
    pub(crate) upstream_model: Option<String>,
    /// What the client has sent, where the answer may hold calls that are decided on.
    pub(crate) body: Bytes,
    pub(crate) is_stream: bool,
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
    pub(crate) account: Account,
    pub(crate) timings: Timings,
}

/// Takes one request from its head to its recorded end. Returns the id under which everything stands in the log.
pub async fn interaction<W: World, P: Protocol, C: Client>(world: &W, protocol: &P, head: &Head, client: &mut C) -> RequestId {
    let mut call = Call::begin(world);
    let ended = path(world, protocol, head, client, &mut call).await;
    finish(world, protocol, head, client, call, ended).await
}

/// Refuses a request that has no path through the gate; a known party's request is recorded all the same.
pub async fn turn_away<W: World, V: Voice, C: Client>(
    world: &W,
    voice: &V,
    head: &Head,
    client: &mut C,
    refusal: &Refusal,
) -> RequestId {
    let mut call = Call::begin(world);
    let ended = match admit(world, head, place(voice.resource()), call.request, call.at).await {
        Ok((identified, _)) => {
            call.identified = Some(identified);
            Err(refusal.clone())
        }
        Err(unknown) => Err(unknown),
    };
    finish(world, voice, head, client, call, ended).await
}

/// Lists the models that the caller may call.
pub async fn list_models<W: World, P: Catalogue, C: Client>(world: &W, protocol: &P, head: &Head, client: &mut C) -> RequestId {
    let mut call = Call::begin(world);
    let ended = models::list(world, protocol, head, client, &mut call).await;
    finish(world, protocol, head, client, call, ended).await
}

/// Shows one model, if the caller may call it.
pub async fn show_model<W: World, P: Catalogue, C: Client>(
    world: &W,
    protocol: &P,
    head: &Head,
    client: &mut C,
    id: &str,
) -> RequestId {
    let mut call = Call::begin(world);
    let ended = models::one(world, protocol, head, client, &mut call, id).await;
    finish(world, protocol, head, client, call, ended).await
}

impl Call {
    pub(crate) fn begin<W: World>(world: &W) -> Self {
        let at = world.now();
        Self {
            request: RequestId::new(at, world.random()),
            at,
            started: world.monotonic(),
            snapshot: world.snapshot(),
            identified: None,
            judgement: None,
            approval: approval::Course::default(),
            is_recorded: false,
            intent: None,
            has_begun: false,
            model: None,
            upstream: None,
            upstream_model: None,
            body: Bytes::new(),
            is_stream: false,
            status: 0,
            outcome: Outcome::new(),
            account: Account::default(),
            timings: Timings::default(),
        }
    }

    /// Who calls; every stage behind admit has somebody.
    pub(crate) fn identified(&self) -> Result<&Identified, ReasonCode> {
        self.identified.as_ref().ok_or(ReasonCode::Internal)
    }
}

/// Refuses if need be, and writes the outcome.
pub(crate) async fn finish<W: World, V: Voice, C: Client>(
    world: &W,
    voice: &V,
    head: &Head,
    client: &mut C,
    mut call: Call,
    ended: Result<(), Refusal>,
) -> RequestId {
    let mut reason = ReasonCode::Permitted;
    if let Err(refusal) = ended {
        reason = refusal.code;
        refuse(world, voice, head, client, &mut call, &refusal).await;
    }
    // The last piece leaves first, and the end with it: nobody waits for the outcome.
    client.end();
    give_way().await;
    let seen = call.account.seen().clone();
    let charge = account::settle(world, &mut call, reason);
    record::outcome(world, &mut call, reason, charge.clone());
    let facts = Facts {
        api: voice.api(),
        model: call.model.as_ref(),
        upstream: call.upstream.as_ref(),
        answered_by: call.upstream_model.as_deref().map(|configured| seen.answered_by(configured)),
        finish: &seen.finish,
        charge: charge.as_ref(),
        is_stream: call.is_stream,
        at: call.at,
        took: world.monotonic().saturating_sub(call.started),
        trace: head.trace.as_ref(),
    };
    let (request, status, released) = (call.request, call.status, call.outcome.released_bytes);
    world.observe_event(&Event::Ended { request, reason, status, timings: &call.timings, released, facts: &facts });
    call.request
}

async fn path<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    // Who? Before anything of the body is read.
    let shown_at = place(protocol.resource());
    let (identified, mut guard) = admit(world, head, shown_at, call.request, call.at).await?;
    call.timings.admit = world.monotonic().saturating_sub(call.started);
    call.identified = Some(identified);

    // Before the body: nobody waits with a long one for scanners that are not there.
    call.snapshot.scanners.ready()?;

    // The body, bounded. Reading it is a wait, so the snapshot is taken again.
    let takes_body = protocol.takes_body();
    if takes_body {
        readable(&head.headers)?;
    }
    let limit = if takes_body { call.snapshot.limits.body_bytes } else { NO_BODY };
    let body = guard.wait(world, call.snapshot.limits.body, ReasonCode::BodyTimeout, client.body(limit)).await??;
    let body = if takes_body { body } else { nothing(&body)? };
    call.snapshot = world.snapshot();
    call.body = body.clone();

    let recorded = loop {
        let snapshot = Arc::clone(&call.snapshot);
        account::give_back(call);
        let permit = match judge(world, protocol, head, &body, call, &mut guard) {
            Ok(permit) => permit,
            // What somebody has to approve is asked for, and may be worth a wait. Whatever came of it, it is judged anew.
            Err(refusal) => {
                approval::awaited(world, client, call, &mut guard, refusal).await?;
                // It may have been a long wait: who calls is found out anew, too.
                let (identified, anew) = admit(world, head, shown_at, call.request, world.now()).await?;
                (call.identified, guard) = (Some(identified), anew);
                continue;
            }
        };
        // With whose credential, where the upstream wants somebody's own? Without one nothing is sent.
        let (permit, lent) = lending::lend(world, head, call, &mut guard, permit).await?;
        // How much? What a policy refuses costs nothing; what has no room is recorded as refused.
        let permit = account::reserve(world, &snapshot, call, permit)?;
        // The record stands before the effect; without it there is none.
        let before = world.monotonic();
        guard.check(world)?;
        // An approval is used up before that, and durably: no end of the process gives a second use.
        if !approval::use_up(world, call, &mut guard, &permit).await? {
            call.snapshot = world.snapshot();
            continue;
        }
        origins::endorse(world, call.identified()?, &permit);
        let recorded =
            record::intent(world, &snapshot, call.identified()?, (permit, lent), call.account.reserved(), &guard).await?;
        call.timings.record = world.monotonic().saturating_sub(before);
        // Writing was a wait. If operators have changed something meanwhile, the call is judged once more, by what holds now;
        // the intent that stands in the log then has no effect of its own, and the one that follows is what counts.
        call.intent = recorded.index().or(call.intent);
        call.snapshot = world.snapshot();
        call.is_recorded = Arc::ptr_eq(&call.snapshot, &snapshot);
        if call.is_recorded {
            break recorded;
        }
    };
    // What is sent has been seen by the task: its labels are joined before it leaves.
    label::request(world, call.identified()?, &recorded);
    guard.check(world)?;
    approval::still_stands(world, recorded.permit(), call.request)?;
    // It counts from here on: what the gate knows itself is asked of nobody, and a request all the same.
    let sent = world.monotonic();
    call.account.leaves(sent);
    if let Some(server) = recorded.permit().lists_tools_of() {
        return tools::list(world, protocol, client, call, &mut guard, server).await;
    }
    if let Some(agent) = recorded.permit().card_of() {
        return remote::card(world, protocol, client, call, &mut guard, agent).await;
    }
    protocol.opened(recorded.permit().names());
    if let Some(asked) = recorded.permit().resumed().and_then(|resumed| resumed.about.asked.as_deref()) {
        protocol.goes_on(asked);
    }
    if let Some(places) = recorded.permit().places() {
        protocol.may_show(places.to_vec());
    }
    let reply = act_in_session(world, protocol, client, &mut guard, &call.snapshot.limits, &recorded).await?;
    let answered = recorded.permit().outbound().get(reply.position);
    call.upstream = answered.map(|outbound| outbound.upstream.clone());
    call.upstream_model = answered.and_then(|outbound| outbound.model.clone());
    call.timings.upstream = world.monotonic().saturating_sub(sent);

    respond(world, protocol, client, call, &mut guard, &recorded, reply).await
}

/// Where a credential is shown.
const fn place(resource: Option<&str>) -> At<'_> {
    match resource {
        Some(name) => At::Resource(name),
        None => At::Gate,
    }
}

/// What is asked, what is in it, what does the task carry, may it? Synchronous, by one snapshot.
fn judge<W: World, P: Protocol>(
    world: &W,
    protocol: &P,
    head: &Head,
    body: &[u8],
    call: &mut Call,
    guard: &mut Guard,
) -> Result<Permit, Refusal> {
    let snapshot = Arc::clone(&call.snapshot);
    let begun = world.monotonic();
    let document = Document::parse(body, &snapshot.limits.json()).map_err(|error| unreadable(&error))?;
    let understood = protocol.understand(head, &document, &snapshot)?;
    let named = stored::open(world, &snapshot, call.identified()?, &document, &understood)?;
    let is_kept = understood.model().is_some_and(|call| call.kept.is_some());
    let aim = aim(&snapshot, &understood, &named)?;
    guard.touches(streams::aim(named.resumed.as_ref()).unwrap_or_else(|| aim.clone()));
    guard.passes(tools::through(&understood));
    // A name that nobody declared is a text of the client's.
    call.model = if let Resource::Model(model) = &aim { Some(model.clone()) } else { None };
    call.model.take_if(|model| !snapshot.routes.contains_key(model));
    call.is_stream = understood.stream;
    let parsed = world.monotonic();
    call.timings.understand = parsed.saturating_sub(begun);

    let inspected = inspect(world, &snapshot, call.identified()?, &document, understood, aim, named)?;
    let scanned = world.monotonic();
    call.timings.inspect = scanned.saturating_sub(parsed);

    let budget = account::left(world, &snapshot, call.identified()?, inspected.model());
    let origins = origins::around(world, &snapshot, call.identified()?, &inspected);
    let around = Around { budget, origin: head.origin(), ..origins };
    let decided = decide(world, &snapshot, protocol, head, call.identified()?, &inspected, around);
    call.timings.decide = world.monotonic().saturating_sub(scanned);
    decided.map_err(|refused| {
        call.judgement = Some(refused.judgement);
        call.approval.wanted = refused.wanted;
        // Nobody has named a model here: what is out of reach is what was asked for.
        let is_hidden = is_kept && refused.refusal.code == ReasonCode::ModelNotFound;
        if is_hidden { ReasonCode::StoredNotFound.into() } else { refused.refusal }
    })
}

/// What a request is aimed at, by the name that operators have given it.
fn aim(snapshot: &Snapshot, understood: &Understood, named: &Named) -> Result<Resource, Refusal> {
    match &understood.aim {
        Aim::Model(ModelCall { model, kept, .. }) => match &named.place {
            Some((model, _)) if kept.is_some() => Ok(Resource::Model(model.clone())),
            _ => Ok(Resource::Model(Name::new(model).map_err(|_| ReasonCode::ModelNotFound)?)),
        },
        Aim::Server(call) => tools::aim(snapshot, call),
        Aim::Agent(call) => remote::aim(snapshot, call),
    }
}

/// Tells the client and, if this was not done yet, the log. Everything that is not a permit ends here.
async fn refuse<W: World, V: Voice, C: Client>(
    world: &W,
    voice: &V,
    head: &Head,
    client: &mut C,
    call: &mut Call,
    refusal: &Refusal,
) {
    let mut refusal = refusal.clone();
    match &call.identified {
        None => {
            world.noise(&head.peer, refusal.code);
            world.observe_event(&Event::Unidentified { peer: &head.peer, reason: refusal.code });
        }
        // The record of a refusal stands before the refusal, like every other record before its effect.
        Some(identified) if !call.is_recorded => {
            let written = record::refusal(world, voice, call, identified, &refusal).await;
            call.is_recorded = matches!(written, Ok(true));
            if written.is_err() {
                refusal = Refusal::new(ReasonCode::EvidenceUnavailable);
            }
        }
        Some(_) => {}
    }
    if call.has_begun {
        let piece = release::stream_refusal(voice, &refusal, call.request);
        let is_lock = is_lock(refusal.code);
        let is_told = match (call.is_stream, is_lock) {
            (false, _) => false,
            // A lock does not wait for a slow reader.
            (true, true) => at_once(client.write(piece)).await.is_some_and(|written| written.is_ok()),
            (true, false) => last_word(world, client, piece, Duration::from_millis(250)).await.is_ok(),
        };
        match (is_told, is_lock) {
            (false, _) => client.abort(),
            (true, true) => client.hurry(),
            (true, false) => {}
        }
        return;
    }
    let (status, mut headers, piece) = release::refusal(voice, &refusal, call.request);
    call.account.tell(voice, refusal.code, &mut headers);
    call.status = status.as_u16();
    call.has_begun = true;
    client.begin(status, headers, Some(piece.len()));
    if last_word(world, client, piece, Duration::from_secs(10)).await.is_err() {
        client.abort();
    }
}

/// A bounded wait for the client that no lock ends: it carries the gate's own last word.
async fn last_word<W: World, C: Client>(
    world: &W,
    client: &mut C,
    piece: Released,
    patience: Duration,
) -> Result<(), ReasonCode> {
    let mut write = pin!(client.write(piece));
    let mut late = pin!(world.sleep(patience));
    poll_fn(|context| match write.as_mut().poll(context) {
        Poll::Ready(written) => Poll::Ready(written),
        Poll::Pending => late.as_mut().poll(context).map(|()| Err(ReasonCode::ClientTooSlow)),
    })
    .await
}

const fn is_lock(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::GateLocked
            | ReasonCode::CredentialLocked
            | ReasonCode::CredentialRevoked
            | ReasonCode::CredentialExpired
            | ReasonCode::PrincipalLocked
            | ReasonCode::ModelLocked
            | ReasonCode::ToolLocked
            | ReasonCode::ToolQuarantined
    )
}

/// A body where there should be none: some clients send an empty object all the same.
fn nothing(body: &[u8]) -> Result<Bytes, Refusal> {
    match body.trim_ascii() {
        b"" | b"{}" => Ok(Bytes::from_static(b"{}")),
        _ => Err(Refusal::because(ReasonCode::FieldUnknown, "this request takes no body")),
    }
}

/// Only JSON in plain sight is read: another type may be read otherwise behind the gate, an encoding hides the text.
pub(crate) fn readable(headers: &http::HeaderMap) -> Result<(), ReasonCode> {
    let values = |name: http::HeaderName| {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("").trim().to_ascii_lowercase())
    };
    let types: Vec<String> = values(http::header::CONTENT_TYPE).collect();
    let is_json = |text: &str| {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let parameters = parameters.trim();
        essence.trim() == "application/json" && matches!(parameters, "" | "charset=utf-8" | "charset=\"utf-8\"")
    };
    if !matches!(types.as_slice(), [only] if is_json(only)) {
        return Err(ReasonCode::ContentTypeRefused);
    }
    if values(http::header::CONTENT_ENCODING).any(|encoding| encoding != "identity") {
        return Err(ReasonCode::EncodingRefused);
    }
    Ok(())
}

/// Whose fault an unreadable body is, and where.
fn unreadable(error: &text::JsonError) -> Refusal {
    let code = match error {
        text::JsonError::NotUtf8 { .. } => ReasonCode::BodyNotUtf8,
        text::JsonError::Malformed { .. } => ReasonCode::BodyMalformed,
        text::JsonError::TooDeep { .. } | text::JsonError::TooMany { .. } => ReasonCode::BodyTooDeep,
        text::JsonError::DuplicateKey { .. } => ReasonCode::KeyDuplicate,
        text::JsonError::Surrogate { .. } => ReasonCode::SurrogateInvalid,
    };
    Refusal::because(code, error.to_string())
}
