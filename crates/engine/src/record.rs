//! Stage 6, record: the intent before the effect, the outcome after it, one entry per finding in a stream in between.
//!
//! It stands behind the decision and before act: an interaction that cannot be recorded does not happen.

use std::borrow::Cow;
use std::time::Duration;

use evidence::{
    COULD_NOTE, Capped, Capture, EditContent, EntryKind, Header, IntentContent, LIST_NOTE, Observed, OutcomeContent,
    OutcomeResult, RecordError, Timings, sha256,
};
use identity::Plane;
use model::{
    Answer, Ask, Chain, Charge, DecisionInput, Finding, Foreign, Label, Name, ReasonCode, Refusal, RequestId, Resource,
    ShadowAnswer, Verdict,
};

use crate::admit::Identified;
use crate::approval;
use crate::decide::{Judgement, Permit, Target};
use crate::event::Event;
use crate::guard::Guard;
use crate::interaction::Call;
use crate::label;
use crate::lending;
use crate::ports::{Lent, Record, Voice, World};
use crate::snapshot::Snapshot;

/// Most entries of their own that the findings of one answer get, besides those that bring a new label; the rest is counted
/// in the outcome.
const MAX_EDITS: u32 = 64;
/// Room for the content of an entry that says little, in bytes.
const CONTENT: usize = 4096;
/// Most findings of a refused request that its record names one by one; all are counted by kind.
const MAX_REFUSED: usize = 64;
/// Longest content of a refusal, in bytes: always less than the room that is kept for a new reason (decision 0035).
pub(crate) const MAX_REFUSED_CONTENT: usize = 128 * 1024;
/// Most findings of an answer that its outcome names one by one.
const MAX_FINDINGS: usize = 1024;
/// Most calls that an answer asks for and its outcome names; each that is decided on has an entry of its own.
const MAX_ASKED: usize = 64;

/// Proof: the intent of this very permit is in the log.
///
/// ```compile_fail
/// fn skip(permit: engine::Permit, index: u64) -> engine::Recorded {
///     engine::Recorded { permit, index }
/// }
/// ```
/// The twin that differs only in the forbidden expression:
/// ```
/// fn skip(permit: engine::Permit, recorded: engine::Recorded) -> engine::Recorded {
///     recorded
/// }
/// ```
#[derive(Debug)]
#[must_use = "a recorded permit that is dropped leaves an outcome open"]
pub struct Recorded {
    permit: Permit,
    request: RequestId,
    index: Option<u64>,
    lent: Option<Lent>,
}

impl Recorded {
    /// The permit that was recorded.
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The interaction.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// The credential of somebody's own that was recorded with it.
    pub(crate) const fn lent(&self) -> Option<&Lent> {
        self.lent.as_ref()
    }

    /// The entry's index in the log; none when an operator has switched evidence off.
    #[must_use]
    pub const fn index(&self) -> Option<u64> {
        self.index
    }
}

/// What is known of the effect so far.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Which of the permit's destinations answered.
    pub(crate) position: Option<usize>,
    /// With which status.
    pub(crate) upstream_status: Option<u16>,
    /// What was found in the answer, bounded.
    findings: Vec<Finding>,
    n_edits: u32,
    /// The join of the labels that the edits of this answer have named.
    labelled: Label,
    /// What was released, bounded, with the digest of all of it.
    released: Option<Capture>,
    /// How much was released, in bytes.
    pub(crate) released_bytes: u64,
    /// Whether an answer is all that comes of it: then none is recorded.
    pub(crate) is_answer: bool,
    /// Calls that the answer asked for, and what became of them, bounded.
    asked: Vec<String>,
}

impl Outcome {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Self {
        Self {
            position: None,
            upstream_status: None,
            findings: Vec::new(),
            n_edits: 0,
            labelled: Label::default(),
            released: None,
            released_bytes: 0,
            is_answer: false,
            asked: Vec::new(),
        }
    }

    /// Notes a call that the answer asked for.
    pub(crate) fn asked_for(&mut self, note: String) {
        if self.asked.len() < MAX_ASKED {
            self.asked.push(note);
        }
    }

    /// Keeps what was released, up to `cap` bytes, and counts all of it.
    pub(crate) fn keep(&mut self, bytes: &[u8], cap: usize) {
        self.released_bytes = self.released_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.released.get_or_insert_with(|| Capture::new(cap)).push(bytes);
    }
}

/// Records the intent of a permit. `Err` means that it must not happen.
pub(crate) async fn intent<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    (permit, lent): (Permit, Option<Lent>),
    charge: Option<&Charge>,
    guard: &Guard,
) -> Result<Recorded, Refusal> {
    let judgement = permit.judgement();
    world.observe_event(&Event::Decided {
        request: identified.request(),
        verdict: judgement.answer.verdict,
        reason: ReasonCode::Permitted,
    });
    found(world, identified.request(), &judgement.findings);
    let with = (&permit, lent.as_ref());
    let index =
        if snapshot.off.evidence { None } else { Some(write_intent(world, snapshot, identified, with, charge, guard).await?) };
    Ok(Recorded { permit, request: identified.request(), index, lent })
}

async fn write_intent<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    (permit, lent): (&Permit, Option<&Lent>),
    charge: Option<&Charge>,
    guard: &Guard,
) -> Result<u64, Refusal> {
    let judgement = permit.judgement();
    let header = header(EntryKind::Intent, identified, snapshot, guard.seen())
        .with_asks(&plain_asks(snapshot, &judgement.input.asks))
        .with_findings(&judgement.findings);
    let cap = snapshot.limits.content_bytes;
    let header = Header {
        verdict: Some(judgement.answer.verdict),
        reason: Some(judgement.answer.reason),
        ledger_version: Some(judgement.input.facts.ledger_version),
        // The answer's label stands here already: should the gate end in the middle, the task is as tainted as it may be.
        charge: charge.cloned(),
        observed: label::of_request(identified, permit).into_iter().chain(label::of_answer(identified, permit)).collect(),
        ..header
    };
    let mut header = header;
    let kept = if permit.model().is_some() { "stored" } else { "session" };
    header.notes.extend(permit.target().act.map(|act| format!("{kept}: {act}")));
    let goes_on = permit.resumed().map(|resumed| &resumed.about);
    header.notes.extend(goes_on.map(|about| format!("goes on: {} {}", about.request, about.tool.as_deref().unwrap_or("news"))));
    header.notes.extend(permit.approval().into_iter().flat_map(approval::notes));
    header.notes.extend(permit.offered().iter().map(|note| plain(snapshot, note)));
    header.notes.extend(lent.map(lending::note));
    let content = IntentContent {
        input: Cow::Borrowed(&judgement.input),
        answer: Cow::Borrowed(&judgement.answer),
        shadow: shadow(world, snapshot, identified.request(), &judgement.input, &judgement.answer),
        findings: Cow::Borrowed(&judgement.findings),
        destinations: permit.outbound().iter().map(|outbound| outbound.upstream.to_string()).collect(),
        outbound: permit.outbound().first().map(|outbound| Capped::new(&sent(permit, &outbound.body), cap)),
    };
    world.accept(Record { header, content: Some(serialise(&content)?) }).await.map_err(unrecorded)
}

/// What shadow policies would make of a decision; counted, and written down beside it. Nothing waits for it, nothing reads it.
pub(crate) fn shadow<W: World>(
    world: &W,
    snapshot: &Snapshot,
    request: RequestId,
    input: &DecisionInput,
    answer: &Answer,
) -> Option<ShadowAnswer> {
    let shadow = if snapshot.off.policy { None } else { snapshot.policy.shadow(input, answer) }?;
    world.observe_event(&Event::Shadowed { request, shadow: &shadow });
    Some(shadow)
}

/// What goes out: the body, or the line that says everything where there is none.
fn sent<'b>(permit: &Permit, body: &'b [u8]) -> Cow<'b, [u8]> {
    let Target { method, path, act } = permit.target();
    act.map_or(Cow::Borrowed(body), |_| Cow::Owned(format!("{method} {path}").into_bytes()))
}

/// Records that a known party's request was refused before any effect. `false`: it is counted with others, and has no entry of its
/// own.
pub(crate) async fn refusal<W: World, V: Voice>(
    world: &W,
    voice: &V,
    call: &Call,
    identified: &Identified,
    refusal: &Refusal,
) -> Result<bool, Refusal> {
    let judged = call.judgement.as_deref();
    let verdict = judged.map_or(Verdict::Deny, |judgement| match judgement.answer.verdict {
        // A permit whose duties could not be performed is a deny.
        Verdict::Permit => Verdict::Deny,
        verdict => verdict,
    });
    let reason = judged.map_or(refusal.code, |judgement| match judgement.answer.reason {
        ReasonCode::Permitted => refusal.code,
        reason => reason,
    });
    world.observe_event(&Event::Decided { request: call.request, verdict, reason });
    if call.snapshot.off.evidence {
        return Ok(false);
    }
    let mut header = header(EntryKind::Intent, identified, &call.snapshot, world.locks().version());
    header.verdict = Some(verdict);
    header.reason = Some(reason);
    let is_own = |word: &str| voice.is_own_word(word) || call.snapshot.admitted.values().any(|names| names.contains(word));
    let told = |detail: &str| format!("detail: {}", bounded(&masked(&plain(&call.snapshot, detail), is_own)));
    header.notes.extend(refusal.detail.as_deref().map(told));
    let mut content = None;
    if let Some(Judgement { input, answer, findings }) = judged {
        found(world, call.request, findings);
        header = header.with_asks(&plain_asks(&call.snapshot, &input.asks)).with_findings(findings);
        header.ledger_version = Some(input.facts.ledger_version);
        let told = serialise(&IntentContent {
            input: Cow::Borrowed(input),
            answer: Cow::Borrowed(answer),
            shadow: shadow(world, &call.snapshot, call.request, input, answer),
            findings: Cow::Borrowed(findings.get(..MAX_REFUSED).unwrap_or(findings)),
            destinations: Vec::new(),
            outbound: None,
        })?;
        match told.len() {
            0..=MAX_REFUSED_CONTENT => content = Some(told),
            length => header.notes.push(format!("content left off: {length} bytes")),
        }
    }
    if is_flood(world, identified, reason, content.as_ref().map_or(0, Vec::len)) {
        return Ok(false);
    }
    world.accept(Record { header, content }).await.map(|_| true).map_err(unrecorded)
}

/// Whether a refusal, or a list, is only counted. Keys are made by operators, tokens by whoever holds something to get them with: the
/// refusals of all who act as the same party count together there.
pub(crate) fn is_flood<W: World>(world: &W, identified: &Identified, reason: ReasonCode, length: usize) -> bool {
    let id = &identified.credential().id;
    if id.as_str().starts_with(Plane::Data.prefix()) {
        return world.is_counted(Some(id), identified.chain(), reason, length);
    }
    let actor = identified.chain().actor().and_then(|actor| Chain::new(vec![actor.clone()]).ok());
    world.is_counted(None, actor.as_ref().unwrap_or(identified.chain()), reason, length)
}

/// Records a list of models: what is listed, as one decision in which every listed model is an ask. `false` if nothing is
/// to be recorded, or it is counted with others: a list costs its caller nothing.
pub(crate) async fn listing<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    (input, answer): (&DecisionInput, &Answer),
    guard: &Guard,
) -> Result<bool, Refusal> {
    if snapshot.off.evidence {
        return Ok(false);
    }
    let mut header = header(EntryKind::Intent, identified, snapshot, guard.seen()).with_asks(&input.asks);
    header.verdict = Some(answer.verdict);
    header.reason = Some(answer.reason);
    header.ledger_version = Some(input.facts.ledger_version);
    header.notes.extend([LIST_NOTE.to_owned(), COULD_NOTE.to_owned()]);
    let reason = answer.reason;
    let (input, answer) = (Cow::Borrowed(input), Cow::Borrowed(answer));
    // What could be allowed at all is no decision on a call: shadow policies are asked when one is made.
    let content =
        IntentContent { input, answer, shadow: None, findings: Cow::default(), destinations: Vec::new(), outbound: None };
    let content = serialise(&content)?;
    if is_flood(world, identified, reason, content.len()) {
        return Ok(false);
    }
    world.accept(Record { header, content: Some(content) }).await.map(|_| true).map_err(unrecorded)
}

/// Records what a client did that no policy decides on and that has no outcome of its own; before it is told of it.
pub(crate) async fn remark<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    what: String,
    guard: &Guard,
) -> Result<(), Refusal> {
    if snapshot.off.evidence {
        return Ok(());
    }
    // Without a verdict: nothing was decided, so nothing can be decided again and no outcome follows.
    let mut header = header(EntryKind::Intent, identified, snapshot, guard.seen());
    header.notes.push(what);
    world.accept(Record { header, content: None }).await.map(|_| ()).map_err(unrecorded)
}

/// Records findings of an answer as they become certain, before the bytes around them leave.
///
/// `observed` is what they add to the ledger. The first entry of an answer that names a label is handed back: the caller waits
/// until it is accepted, or releases nothing. So [`MAX_EDITS`] loses no label, and no end of the process does.
#[must_use = "an entry that is handed back is not recorded yet"]
pub(crate) fn edits<W: World>(
    world: &W,
    identified: &Identified,
    snapshot: &Snapshot,
    outcome: &mut Outcome,
    findings: &[Finding],
    observed: Option<Observed>,
    guard: &Guard,
) -> Option<Record> {
    found(world, identified.request(), findings);
    let room = MAX_FINDINGS.saturating_sub(outcome.findings.len());
    outcome.findings.extend(findings.iter().take(room).cloned());
    let labelled = observed.iter().fold(outcome.labelled.clone(), |label, observed| label.join(&observed.label));
    let is_news = labelled != outcome.labelled;
    if snapshot.off.evidence || (outcome.n_edits >= MAX_EDITS && !is_news) {
        return None;
    }
    outcome.n_edits = outcome.n_edits.saturating_add(1);
    outcome.labelled = labelled;
    let mut header = header(EntryKind::Edit, identified, snapshot, guard.seen()).with_findings(findings);
    header.observed.extend(observed);
    let content = serde_json::to_vec(&EditContent { findings: Cow::Borrowed(findings) }).ok();
    let record = Record { header, content };
    if is_news {
        return Some(record);
    }
    world.submit(record);
    None
}

/// Records how it ended; exactly when an intent was recorded, whatever holds by now.
pub(crate) fn outcome<W: World>(world: &W, call: &mut Call, reason: ReasonCode, charge: Option<Charge>) {
    let is_due = !call.outcome.is_answer && (call.intent.is_some() || (call.is_recorded && !call.snapshot.off.evidence));
    let Some(identified) = call.identified.as_ref().filter(|_| is_due) else { return };
    let outcome = std::mem::replace(&mut call.outcome, Outcome::new());
    call.outcome.released_bytes = outcome.released_bytes;
    let mut header =
        header(EntryKind::Outcome, identified, &call.snapshot, world.locks().version()).with_findings(&outcome.findings);
    header.at = world.now();
    header.reason = Some(reason);
    header.charge = charge;
    header.notes.extend(outcome.asked.iter().map(|note| plain(&call.snapshot, note)));
    header.result = Some(result(reason, &outcome, call.has_begun));
    let elapsed = world.monotonic().saturating_sub(call.started);
    let content = OutcomeContent {
        findings: outcome.findings,
        released: outcome.released.map(Capture::finish),
        attempt: outcome.position.and_then(|position| u32::try_from(position).ok()),
        status: outcome.upstream_status,
        timings: Timings {
            upstream_first_byte: micros(call.timings.upstream).filter(|_| outcome.upstream_status.is_some()),
            first_released: micros(call.timings.overhead.saturating_add(call.timings.upstream)).filter(|_| call.has_begun),
            total: micros(elapsed).unwrap_or(u64::MAX),
        },
    };
    world.submit(Record { header, content: serialise(&content).ok() });
}

/// How it ended, from the reason and from what had already happened.
const fn result(reason: ReasonCode, outcome: &Outcome, has_begun: bool) -> OutcomeResult {
    let was_sent = outcome.upstream_status.is_some();
    match reason {
        ReasonCode::Permitted => OutcomeResult::Executed,
        _ if was_sent && has_begun && outcome.released_bytes > 0 => OutcomeResult::Cut,
        // Nothing came back, but something may have arrived.
        ReasonCode::UpstreamUnavailable
        | ReasonCode::UpstreamBrokeOff
        | ReasonCode::UpstreamTimeout
        | ReasonCode::UpstreamResponseInvalid => OutcomeResult::Failed,
        _ if was_sent => OutcomeResult::Failed,
        _ => OutcomeResult::Refused,
    }
}

/// The part that every entry of an interaction has.
pub(crate) fn header(kind: EntryKind, identified: &Identified, snapshot: &Snapshot, epoch: u64) -> Header {
    Header {
        request: Some(identified.request()),
        credential: Some(identified.credential().id.clone()),
        chain: Some(identified.chain().clone()),
        task: identified.mandate().task.as_ref().map(|task| task.id.clone()),
        snapshot: Some(snapshot.digest),
        epoch: Some(epoch),
        notes: snapshot.off.names().into_iter().map(|control| format!("skipped: {control}")).collect(),
        ..Header::new(kind, identified.at())
    }
}

fn found<W: World>(world: &W, request: RequestId, findings: &[Finding]) {
    for finding in findings {
        world.observe_event(&Event::Found { request, side: finding.side, kind: finding.kind.as_str() });
    }
}

pub(crate) fn serialise<T: serde::Serialize>(content: &T) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::with_capacity(CONTENT);
    serde_json::to_writer(&mut bytes, content).map_err(|_| Refusal::new(ReasonCode::EvidenceUnavailable))?;
    Ok(bytes)
}

/// Why the log refused goes to the operator's own messages; the client learns that it did.
pub(crate) fn unrecorded(_: RecordError) -> Refusal {
    Refusal::new(ReasonCode::EvidenceUnavailable)
}

/// Text for the plain part of an entry. Clients invent names, of models, fields and hosts; one in which something is found is not
/// written down unencrypted.
fn plain(snapshot: &Snapshot, text: &str) -> String {
    let is_clean = snapshot.scanners.ready().is_ok_and(|scanners| scanners.scan(text).is_empty());
    if is_clean { text.to_owned() } else { "[redacted]".to_owned() }
}

/// A detail whose JSON Pointer names nothing that only the client knows: a key that is no name of the protocol's stands as the
/// beginning of its SHA-256, so that who knows it finds it. A pointer stands at the beginning, in backticks, or at the end.
fn masked(detail: &str, is_own: impl Fn(&str) -> bool) -> String {
    let (before, pointer, behind) = if detail.starts_with('/') {
        let end = detail.find(": ").unwrap_or(detail.len());
        ("", detail.get(..end), detail.get(end..))
    } else if let (Some(start), Some(end)) = (detail.find("`/"), detail.rfind('`')) {
        let (start, end) = (start.saturating_add(1), end);
        (detail.get(..start).unwrap_or_default(), detail.get(start..end), detail.get(end..))
    } else if let Some(start) = detail.find(" /") {
        let start = start.saturating_add(1);
        (detail.get(..start).unwrap_or_default(), detail.get(start..), Some(""))
    } else {
        return detail.to_owned();
    };
    let (Some(pointer), Some(behind)) = (pointer, behind) else { return "[not shown]".to_owned() };
    let step = |step: &str| {
        let is_plain = is_own(step) || step == "…" || step.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain { step.to_owned() } else { format!("~{}", sha256(step.as_bytes()).to_string().get(..8).unwrap_or_default()) }
    };
    let steps: Vec<String> = pointer.split('/').map(step).collect();
    format!("{before}{}{behind}", steps.join("/"))
}

/// What was asked, for the plain part of an entry; the encrypted part has it as it was.
pub(crate) fn plain_asks(snapshot: &Snapshot, asks: &[Ask]) -> Vec<Ask> {
    let resource = |resource: &Resource| match resource {
        Resource::Model(name) if snapshot.routes.contains_key(name) => resource.clone(),
        // A name cannot hold brackets.
        Resource::Model(name) => Name::new(plain(snapshot, name.as_str()).trim_matches(['[', ']']))
            .map_or_else(|_| Resource::Model(name.clone()), Resource::Model),
        Resource::HostedTool(id) => Resource::HostedTool(plain(snapshot, id)),
        Resource::Destination(id) => Resource::Destination(plain(snapshot, id)),
        Resource::Beta(id) => Resource::Beta(plain(snapshot, id)),
        Resource::Tool(id) => Resource::Tool(plain(snapshot, id)),
        Resource::Document(id) => Resource::Document(plain(snapshot, id)),
        // Kinds and verbs that nobody declared are texts of whoever asks, like ids.
        Resource::Foreign(Foreign { action, kind, id }) => {
            Resource::Foreign(Foreign { action: plain(snapshot, action), kind: plain(snapshot, kind), id: plain(snapshot, id) })
        }
        Resource::Agent(_) | Resource::ToolServer(_) | Resource::Collection(_) | Resource::Dataset(_) | Resource::Gate => {
            resource.clone()
        }
    };
    asks.iter().map(|ask| Ask { action: ask.action, resource: resource(&ask.resource) }).collect()
}

/// A detail names fields and limits; a long one is cut so that a header stays a header.
fn bounded(detail: &str) -> String {
    detail.chars().take(200).collect()
}

fn micros(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_detail_repeats_no_key_of_the_clients() {
        let facts = [
            ("/messages/0/content: expected a string", "/messages/0/content: expected a string"),
            ("/falcon", "/~a8457139"),
            ("/messages/12/falcon: expected", "/messages/12/~a8457139: expected"),
            ("the key at `/content/falcon` stands twice", "the key at `/content/~a8457139` stands twice"),
            ("the key at `/a `b` c` stands twice", "the key at `/~7cf88468` stands twice"),
            ("pii at /messages/0/my falcon: 12", "pii at /messages/0/~e82bb392"),
            ("/…", "/…"),
            ("more than 5 bytes", "more than 5 bytes"),
            ("no `model` and no docs/x", "no `model` and no docs/x"),
            ("", ""),
        ];
        let own = ["messages", "content"];
        for (detail, expected) in facts {
            let told = masked(detail, |word| own.contains(&word));
            assert_eq!(told, expected, "{detail}");
        }
    }
}
