//! One call that a model asks for: decided on like a call of the tool, approved if need be, recorded, and only then released.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evidence::{Capped, EntryKind, IntentContent, Observed, QUESTION_NOTE};
use model::{Action, Around, Ask, Awaited, DecisionInput, ReasonCode, Refusal, RequestId, Resource, Verdict};
use response::{Standing, Wanted};

use super::offered::shown;
use super::weigh::{Weighed, weigh};
use super::{ClientMode, ClientTool, RefusedCall, Said, given};
use crate::account;
use crate::admit::Identified;
use crate::approval::{self, Exact};
use crate::decide::{Judgement, told};
use crate::guard::Guard;
use crate::inspection::count;
use crate::label;
use crate::origins::Known;
use crate::ports::{ApprovalError, CallAsked, Fate, Record, World};
use crate::record::{self, Recorded};
use crate::snapshot::Snapshot;
use crate::tools;

/// Longest wait for the log, or for the record of a request for approval.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many seconds a client may ask again whether somebody has approved.
const RETRY_AFTER: u64 = 5;
/// How often a call is decided anew because operators have changed something meanwhile.
const MAX_TURNS: usize = 8;

/// Who asks, and in which call of a model.
pub(crate) struct Asking<'a> {
    pub(crate) identified: &'a Identified,
    pub(crate) recorded: &'a Recorded,
}

/// Whether the answer of this call is looked at for calls.
pub(crate) fn governs(snapshot: &Snapshot, identified: &Identified) -> bool {
    snapshot.client_tools.governs(identified.chain())
}

/// What was decided on one call.
struct Judged {
    /// The tool, if operators know it.
    tool: Option<Arc<ClientTool>>,
    judgement: Option<Judgement>,
    /// Why not; none if it may be made.
    refusal: Option<Refusal>,
    /// What would have to be approved.
    wanted: Option<Box<Wanted>>,
    /// The approval that it rests on.
    standing: Option<Standing>,
}

impl Judged {
    fn refused(tool: Option<Arc<ClientTool>>, judgement: Option<Judgement>, refusal: Refusal) -> Self {
        Self { tool, judgement, refusal: Some(refusal), wanted: None, standing: None }
    }

    fn aim(&self) -> Option<Resource> {
        self.tool.as_ref().map(|tool| aim(tool))
    }
}

fn aim(tool: &ClientTool) -> Resource {
    Resource::Tool(format!("{}/{}", tool.server, tool.tool))
}

/// What becomes of a call, and what the outcome of the model's call says of it. In the log before this returns.
///
/// # Errors
/// Nothing can be said: a lock on the whole call, a log that cannot be written.
pub(crate) async fn decided<W: World>(
    world: &W,
    asking: &Asking<'_>,
    said: &mut Said,
    guard: &mut Guard,
    call: &CallAsked,
) -> Result<(Fate, String), Refusal> {
    let id = RequestId::new(world.now(), world.random());
    for _ in 0..MAX_TURNS {
        guard.check(world)?;
        let snapshot = world.snapshot();
        let tools = &snapshot.client_tools;
        let known = tools.named(asking.identified.chain(), &call.name).map(Arc::clone);
        if known.is_none() && tools.mode != ClientMode::Enforce {
            return Ok((Fate::Pass, format!("asked: {} unknown", shown(&call.name))));
        }
        let mut origins = said.asked(world, &snapshot, asking.identified, call);
        let ledger = &asking.identified.credential().ledger;
        if let Some(tool) = &known {
            world.origins().raise(ledger, (aim(tool).id(), given(&call.arguments)), &mut origins, world.now());
        }
        // What stands in the conversation is in the task: joined before it is decided what it may do.
        let observed = label::of_conversation(asking.identified, &origins);
        label::join(world, asking.identified, observed.clone());
        let mut judged = judge(world, &snapshot, asking, (call, &origins), known, id);
        if let Some(aim) = judged.aim() {
            world.origins().keep(ledger, &snapshot.digest, (aim.id(), given(&call.arguments)), origins, world.now());
        }
        approve(world, &snapshot, asking, guard, &mut judged).await?;
        if let Some(standing) = judged.standing.as_ref().filter(|_| judged.tool.as_ref().is_some_and(|tool| tool.runs_at_client))
            && !use_up(world, asking, guard, standing, id).await?
        {
            continue;
        }
        if let (Some(_), Some(judgement)) = (&judged.standing, &judged.judgement) {
            world.origins().approved(ledger, &judgement.input, world.now());
        }
        write(world, &snapshot, asking, guard, (&judged, call, id), observed.clone()).await?;
        // Writing was a wait: what holds now decides.
        if !Arc::ptr_eq(&world.snapshot(), &snapshot) {
            continue;
        }
        if let Some(reason) = stopped(world, asking, &judged).filter(|_| judged.refusal.is_none()) {
            judged.refusal = Some(reason.into());
            write(world, &snapshot, asking, guard, (&judged, call, id), observed.clone()).await?;
        }
        return Ok(fate(&snapshot, &judged, call, id));
    }
    Err(Refusal::because(ReasonCode::Internal, "policies change faster than a call of a tool is decided on"))
}

/// What the client sees of it, and what the record of the model's call does.
fn fate(snapshot: &Snapshot, judged: &Judged, call: &CallAsked, id: RequestId) -> (Fate, String) {
    let name = judged.aim().map_or_else(|| shown(&call.name), |aim| aim.id().to_owned());
    let Some(refusal) = &judged.refusal else { return (Fate::Pass, format!("asked: {name} permit {id}")) };
    let note = format!("asked: {name} {} {id}", refusal.code.as_str());
    let fate = match snapshot.client_tools.refused {
        RefusedCall::Annotate => Fate::Pass,
        RefusedCall::Strip => Fate::Strip,
        RefusedCall::Replace => Fate::Replace(sentence(refusal, call, id)),
    };
    (fate, note)
}

/// What stands in the place of a refused call. The model reads it when the conversation goes on, so it says what to do.
fn sentence(refusal: &Refusal, call: &CallAsked, id: RequestId) -> String {
    let waits = refusal.awaited.as_ref().map(|awaited| {
        format!(" It waits for approval {}: ask for exactly the same call again once it is approved.", awaited.id)
    });
    let (name, code, line) = (shown(&call.name), refusal.code.as_str(), refusal.code.text());
    format!("[portcullis] The call of `{name}` was refused: {line} ({code}).{} Request {id}.", waits.unwrap_or_default())
}

fn stopped<W: World>(world: &W, asking: &Asking<'_>, judged: &Judged) -> Option<ReasonCode> {
    let identified = asking.identified;
    let aim = judged.aim()?;
    world.locks().stops(&identified.credential().id, identified.chain(), Some(&aim))
}

/// May it? Synchronous, by one snapshot.
fn judge<W: World>(
    world: &W,
    snapshot: &Snapshot,
    asking: &Asking<'_>,
    (call, origins): (&CallAsked, &Known),
    known: Option<Arc<ClientTool>>,
    id: RequestId,
) -> Judged {
    let Some(tool) = known else { return Judged::refused(None, None, ReasonCode::ClientToolUnknown.into()) };
    let identified = asking.identified;
    let arguments = given(&call.arguments);
    let hides = || tools::hides(snapshot, identified, &aim(&tool));
    let input = |findings: &[model::Finding]| input(world, snapshot, asking, (&tool, origins), (arguments, findings));
    let Weighed { plain, lifted, refusal } = weigh(snapshot, &tool, arguments, input, hides);
    let (plain, lifted) = match (plain, lifted, refusal) {
        (plain, _, Some(refusal)) => return Judged::refused(Some(tool), plain, refusal),
        (None, ..) => return Judged::refused(Some(tool), None, ReasonCode::Internal.into()),
        (Some(plain), None, None) => {
            return Judged { tool: Some(tool), judgement: Some(plain), refusal: None, wanted: None, standing: None };
        }
        (Some(plain), Some(lifted), None) => (plain, lifted),
    };
    let explains = snapshot.refusals.explains(identified.chain());
    let exact = Exact { server: &tool.server, tool: &tool.tool, request: id };
    match approval::wanted_for(world, snapshot, identified, &exact, &plain, &message(&tool.tool, arguments)) {
        Err(refusal) => Judged::refused(Some(tool), Some(plain), refusal),
        Ok(wanted) => match world.approval_of_call(&wanted, id) {
            Some(standing) => {
                Judged { tool: Some(tool), judgement: Some(lifted), refusal: None, wanted: None, standing: Some(standing) }
            }
            None => {
                let refusal = Some(told(explains, &plain.answer));
                Judged { tool: Some(tool), judgement: Some(plain), refusal, wanted: Some(Box::new(wanted)), standing: None }
            }
        },
    }
}

/// The call as a message to a tool server would hold it: what is approved of the one is approved of the other.
fn message(tool: &str, arguments: &str) -> Bytes {
    let name = text::quote(tool);
    let body = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{{"name":{name},"arguments":{arguments}}}}}"#);
    Bytes::from(body)
}

/// The complete input, as of a call through the gate.
fn input<W: World>(
    world: &W,
    snapshot: &Snapshot,
    asking: &Asking<'_>,
    (tool, known): (&ClientTool, &Known),
    (arguments, findings): (&str, &[model::Finding]),
) -> DecisionInput {
    let identified = asking.identified;
    let call = &asking.recorded.permit().judgement().input;
    let (label, ledger_version) = world.effective(&identified.credential().ledger);
    let now = world.now();
    let facts = model::Facts {
        now,
        credential_age: now.since(identified.credential().created) / 1000,
        dialect: None,
        stream: false,
        findings: count(findings),
        label,
        ledger_version,
        answered: BTreeSet::new(),
        arguments: Some(arguments.to_owned()),
        around: Around {
            budget: account::left(world, snapshot, identified, None),
            origin: call.facts.around.origin.clone(),
            sinks: known.sinks.clone(),
            untrusted: known.untrusted.clone(),
            traced: known.origins.clone(),
            ..Around::default()
        },
        ..call.facts.clone()
    };
    let asks = vec![Ask { action: Action::CallTool, resource: aim(tool) }];
    DecisionInput { chain: identified.chain().clone(), asks, facts }
}

/// Asks for the approval that would let the call pass. It is told at once: an answer of a model waits for nobody.
async fn approve<W: World>(
    world: &W,
    snapshot: &Snapshot,
    asking: &Asking<'_>,
    guard: &mut Guard,
    judged: &mut Judged,
) -> Result<(), Refusal> {
    let Some(wanted) = judged.wanted.take() else { return Ok(()) };
    // What would pass all the same asks nobody.
    if snapshot.client_tools.refused == RefusedCall::Annotate || stopped(world, asking, judged).is_some() {
        return Ok(());
    }
    let credential = &asking.identified.credential().id;
    let asking = world.ask_approval(*wanted, credential, &snapshot.approvals);
    let answered = guard.wait(world, PATIENCE, ReasonCode::EvidenceUnavailable, asking).await?;
    judged.refusal = match answered {
        Ok(looked) => {
            let ask = &looked.request.ask;
            let awaited = Awaited { id: ask.id.clone(), ends: ask.ends, retry_after: RETRY_AFTER };
            judged.refusal.take().map(|refusal| refusal.until(awaited))
        }
        Err(error) => Some(approval::refused(&error)),
    };
    Ok(())
}

/// Uses the approval up where the gate sees nothing of the execution. `false`: it is there no longer.
async fn use_up<W: World>(
    world: &W,
    asking: &Asking<'_>,
    guard: &mut Guard,
    standing: &Standing,
    id: RequestId,
) -> Result<bool, Refusal> {
    let identified = asking.identified;
    let using = world.use_approval(standing, &identified.credential().id, identified.chain(), id);
    match guard.wait(world, PATIENCE, ReasonCode::EvidenceUnavailable, using).await? {
        Ok(()) => Ok(true),
        Err(ApprovalError::Ask(_)) => Ok(false),
        Err(ApprovalError::Record(_)) => Err(ReasonCode::EvidenceUnavailable.into()),
    }
}

/// Records what was decided, before anything comes of it. Many refusals are only counted.
async fn write<W: World>(
    world: &W,
    snapshot: &Snapshot,
    asking: &Asking<'_>,
    guard: &mut Guard,
    (judged, call, id): (&Judged, &CallAsked, RequestId),
    observed: Option<Observed>,
) -> Result<(), Refusal> {
    if snapshot.off.evidence {
        return Ok(());
    }
    let identified = asking.identified;
    let mut header = record::header(EntryKind::Intent, identified, snapshot, guard.seen());
    header.request = Some(id);
    header.at = world.now();
    header.observed.extend(observed);
    header.notes.extend([QUESTION_NOTE.to_owned(), format!("asked for by a model: {}", asking.recorded.request())]);
    let (verdict, reason) = match (&judged.refusal, &judged.judgement) {
        (None, _) => (Verdict::Permit, ReasonCode::Permitted),
        (Some(_), Some(Judgement { answer, .. })) if answer.verdict != Verdict::Permit => (answer.verdict, answer.reason),
        (Some(refusal), _) => (Verdict::Deny, refusal.code),
    };
    (header.verdict, header.reason) = (Some(verdict), Some(reason));
    header.notes.extend(judged.standing.iter().flat_map(approval::notes));
    header.notes.extend(
        judged.refusal.as_ref().and_then(|refusal| refusal.awaited.as_ref()).map(|awaited| format!("waits for: {}", awaited.id)),
    );
    let mut content = None;
    if let Some(Judgement { input, answer, findings }) = &judged.judgement {
        header = header.with_asks(&record::plain_asks(snapshot, &input.asks)).with_findings(findings);
        header.ledger_version = Some(input.facts.ledger_version);
        let outbound = Capped::new(call.arguments.as_bytes(), snapshot.limits.content_bytes);
        content = Some(record::serialise(&IntentContent {
            input: Cow::Borrowed(input),
            answer: Cow::Borrowed(answer),
            shadow: record::shadow(world, snapshot, id, input, answer),
            findings: Cow::Borrowed(findings),
            destinations: Vec::new(),
            outbound: Some(outbound),
        })?);
    } else {
        let tool = judged.aim().map_or_else(|| shown(&call.name), |aim| aim.id().to_owned());
        header.notes.push(format!("tool: {tool}"));
    }
    let length = content.as_ref().map_or(0, Vec::len);
    if judged.refusal.is_some() && record::is_flood(world, identified, reason, length) {
        return Ok(());
    }
    // As of every refusal: what somebody else makes long does not fill the log.
    if judged.refusal.is_some() && length > record::MAX_REFUSED_CONTENT {
        header.notes.push(format!("content left off: {length} bytes"));
        content = None;
    }
    let accepted = world.accept(Record { header, content });
    let accepted = guard.wait(world, PATIENCE, ReasonCode::EvidenceUnavailable, accepted).await?;
    accepted.map(|_| ()).map_err(record::unrecorded)
}
