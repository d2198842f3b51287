//! Approvals of calls: what exactly is approved, whether it was, the wait for it, and that it is used once.
//!
//! ```text
//! challenge ─► what would be sent, as one text ─► an approval of just that? ─► used up, durably ─► record ─► act
//!                                                  └─► asked for ─► held for a while, or told: the same call again finds out
//! ```
//! An approval is one fact of a new decision by the policies of that moment, of the call as it stands there: nothing of what was
//! decided before is kept. It is bound to the text of [`text()`], which holds what leaves the gate, so a call that differs in one
//! character, or in how a number is written, is another one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evidence::sha256;
use model::{Answer, Awaited, Challenge, Name, PrincipalId, ReasonCode, Refusal, RequestId, Verdict};
use response::{AskError, Closed, Standing, Status, Wanted, WantedItem};
use serde_json::{Map, Value, json};
use text::{Document, Kind, NodeId};

use crate::admit::Identified;
use crate::decide::{Judgement, Outbound, Permit, asked};
use crate::guard::{Guard, while_connected};
use crate::inspection::Inspected;
use crate::interaction::Call;
use crate::ports::{Aim, ApprovalError, Client, Looked, ServerCall, Wants, World};
use crate::snapshot::Snapshot;

/// Longest canonical text, in bytes: whoever approves has to read it.
pub(crate) const MAX_TEXT: usize = 32 << 10;
/// Longest wait for the record of a request or of a use.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many seconds a caller may try again whether somebody has answered.
const RETRY_AFTER: u64 = 5;
/// The member of `_meta` that the gate has read itself: a revision that it knows.
const REVISION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do, as far as the server is told: nothing, mostly.
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Members of `_meta` that change from call to call.
const TURNING_META: [&str; 2] = ["progressToken", "traceparent"];
/// Longest name of a call or of its progress that need not be looked at: that of a trace.
const MAX_TURNING: usize = 64;

/// How far a call has come with an approval.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// What would have to be approved, where that is why it is refused.
    pub(crate) wanted: Option<Box<Wanted>>,
    /// Whether it has waited.
    was_held: bool,
}

/// What a challenged call would be decided if it were approved; none where no approval makes a permit of it. Calls of tools can be
/// approved, and nothing that has effects beside.
pub(crate) fn lifted(snapshot: &Snapshot, inspected: &Inspected<'_>, plain: &Judgement) -> Option<Judgement> {
    let understood = inspected.understood();
    let is_call = matches!(&understood.aim, Aim::Server(call) if matches!(call.wants, Wants::Tool { .. }));
    let is_challenge = plain.answer.verdict == Verdict::Challenge && plain.answer.challenges() == [Challenge::Approval];
    if !is_call || !is_challenge || !understood.effects.is_empty() {
        return None;
    }
    lifted_by(snapshot, plain)
}

/// The same of a call that is nothing else.
pub(crate) fn lifted_by(snapshot: &Snapshot, plain: &Judgement) -> Option<Judgement> {
    if plain.answer.challenges() != [Challenge::Approval] {
        return None;
    }
    let mut input = plain.input.clone();
    // One fact more of a plain evaluation.
    input.facts.answered = BTreeSet::from([Challenge::Approval]);
    let answer = asked(snapshot, &input);
    let findings = plain.findings.clone();
    (answer.verdict == Verdict::Permit).then_some(Judgement { input, answer, findings })
}

/// What would have to be approved for a challenged call, of which `outbound` would leave.
///
/// # Errors
/// [`ReasonCode::ApprovalNotRequestable`]: it has no form of its own, or nobody could read it.
pub(crate) fn wanted<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    inspected: &Inspected<'_>,
    plain: &Judgement,
    outbound: &[Outbound],
) -> Result<Wanted, Refusal> {
    let (Aim::Server(ServerCall { server, wants: Wants::Tool { name, .. }, .. }), [outbound]) =
        (&inspected.understood().aim, outbound)
    else {
        return Err(ReasonCode::ApprovalNotRequestable.into());
    };
    let exact = Exact { server, tool: name, request: identified.request() };
    wanted_for(world, snapshot, identified, &exact, plain, &outbound.body)
}

/// A call of a tool, and the id under which it is decided on.
pub(crate) struct Exact<'a> {
    pub(crate) server: &'a Name,
    pub(crate) tool: &'a str,
    pub(crate) request: RequestId,
}

/// The same of any call of a tool, in the form of a message to its server: `body`.
pub(crate) fn wanted_for<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    exact: &Exact<'_>,
    plain: &Judgement,
    body: &[u8],
) -> Result<Wanted, Refusal> {
    let text = text(snapshot, identified, exact, body)?;
    // As of a question about the same call: who is refused there need not ask here.
    let topic = canonical(&json!(["callTool", "Tool", format!("{}/{}", exact.server, exact.tool)]))?;
    let salt = hex::encode(world.entropy().ok_or(ReasonCode::Internal)?);
    let item = WantedItem {
        scope: sha256(text.as_bytes()),
        topic: sha256(topic.as_bytes()),
        commitment: sha256(format!("{salt}{text}").as_bytes()),
        text,
        salt,
        because: because(&plain.answer),
        request: exact.request,
        origins: plain.input.facts.around.traced.clone(),
    };
    let by = identified.chain().actor().ok_or(ReasonCode::Internal)?;
    Ok(Wanted {
        by: by.clone(),
        chain: identified.chain().clone(),
        policies: snapshot.digest,
        items: vec![item],
        is_list: false,
        key: None,
        said: String::new(),
        is_single_use: true,
        seen: Some(plain.input.facts.label.clone()),
    })
}

/// The policies that ask for the approval.
pub(crate) fn because(answer: &Answer) -> Vec<String> {
    let asking = answer.links.iter().filter(|link| link.challenges.contains(&Challenge::Approval));
    let policies: BTreeSet<String> = asking.flat_map(|link| link.policies.iter().map(ToString::to_string)).collect();
    policies.into_iter().collect()
}

/// The canonical text of a call as it would leave: the tool, its arguments and everything else that the server is told, for whom and
/// in which task.
fn text(snapshot: &Snapshot, identified: &Identified, exact: &Exact<'_>, body: &[u8]) -> Result<String, Refusal> {
    if body.len() > snapshot.limits.body_bytes {
        return Err(too_long(body.len()));
    }
    let document = Document::parse(body, &snapshot.limits.json()).map_err(|_| ReasonCode::DutyImpossible)?;
    let params = document.get(document.root(), "params").ok_or(ReasonCode::DutyImpossible)?;
    let task = identified.mandate().task.as_ref().map_or(&identified.credential().ledger, |task| &task.id);
    let mut told = Map::new();
    told.insert("action".to_owned(), json!("callTool"));
    told.insert("tool".to_owned(), json!(format!("{}/{}", exact.server, exact.tool)));
    // The same bundle can stand before another server tomorrow.
    let place = snapshot.servers.get(exact.server).map(|server| server.place.as_str());
    told.insert("server".to_owned(), json!(place.unwrap_or_default()));
    told.insert("chain".to_owned(), json!(identified.chain()));
    told.insert("task".to_owned(), json!(task));
    // None are told as an empty object, by models always.
    let arguments = document.get(params, "arguments").map(|arguments| exactly(&document, arguments)).transpose()?;
    told.insert("arguments".to_owned(), arguments.unwrap_or_else(|| json!({})));
    // Whatever else goes with it, as answers to what the server asked and the state that it wants back.
    let is_more = |member: &NodeId| document.key(*member).is_none_or(|key| !["name", "arguments", "_meta"].contains(&&*key));
    for member in document.children(params).filter(is_more) {
        let key = document.key(member).unwrap_or_default();
        told.insert(format!("params/{key}"), exactly(&document, member)?);
    }
    let meta = document.get(params, "_meta").filter(|node| document.kind(*node) == Kind::Object);
    let mut beside = Map::new();
    for member in meta.into_iter().flat_map(|meta| document.children(meta)) {
        let key = document.key(member).unwrap_or_default();
        let is_turning = TURNING_META.contains(&&*key) && is_plain(&document, member);
        let is_nothing = key == CAPABILITIES && document.lexeme(member) == "{}";
        if key != REVISION && !is_turning && !is_nothing {
            beside.insert(key.into_owned(), exactly(&document, member)?);
        }
    }
    // A name in which something could be told is a part of what is told.
    if let Some(id) = document.get(document.root(), "id").filter(|id| !is_plain(&document, *id)) {
        told.insert("id".to_owned(), exactly(&document, id)?);
    }
    if !beside.is_empty() {
        told.insert("meta".to_owned(), Value::Object(beside));
    }
    let text = canonical(&Value::Object(told))?;
    if text.len() > MAX_TEXT { Err(too_long(text.len())) } else { Ok(text) }
}

/// Stands for a number that RFC 8785 would write otherwise: as the only member of an object, with the number as text.
const WRITTEN: &str = "number, written";

/// A value whose canonical text says how each number in it was written. RFC 8785 writes every number as a double: `1.0`, `1e2` and
/// `9007199254740993` would read like others, so those stand as text, in an object that no value of a call may look like. Bounded by the
/// depth to which documents are read.
fn exactly(document: &Document<'_>, node: NodeId) -> Result<Value, Refusal> {
    match document.kind(node) {
        Kind::Number if !is_canonical(document.lexeme(node)) => Ok(json!({ WRITTEN: document.lexeme(node) })),
        Kind::Array => document.children(node).map(|child| exactly(document, child)).collect::<Result<_, _>>().map(Value::Array),
        Kind::Object => {
            let mut members = Map::new();
            for child in document.children(node) {
                let key = document.key(child).unwrap_or_default().into_owned();
                if key == WRITTEN {
                    let what = format!("a member is called `{WRITTEN}`: nobody can approve exactly this call");
                    return Err(Refusal::because(ReasonCode::ApprovalNotRequestable, what));
                }
                members.insert(key, exactly(document, child)?);
            }
            Ok(Value::Object(members))
        }
        _ => serde_json::from_str(document.lexeme(node)).map_err(|_| ReasonCode::ApprovalNotRequestable.into()),
    }
}

/// Whether a value is a name that only tells calls apart: a number, or a few letters and digits.
fn is_plain(document: &Document<'_>, node: NodeId) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    match document.kind(node) {
        Kind::Number => document.lexeme(node).len() <= 20,
        Kind::String => document.text(node).is_some_and(|text| text.len() <= MAX_TURNING && text.bytes().all(is_name)),
        _ => false,
    }
}

fn is_canonical(lexeme: &str) -> bool {
    let value = serde_json::from_str::<Value>(lexeme).ok();
    value.and_then(|value| serde_json_canonicalizer::to_string(&value).ok()).is_some_and(|text| text == lexeme)
}

fn canonical(value: &Value) -> Result<String, Refusal> {
    serde_json_canonicalizer::to_string(value).map_err(|_| ReasonCode::Internal.into())
}

fn too_long(n_bytes: usize) -> Refusal {
    let what = format!("what is to be approved has {n_bytes} bytes, at most {MAX_TEXT} can be shown");
    Refusal::because(ReasonCode::ApprovalNotRequestable, what)
}

/// Asks for the approval that a refused call needs, and waits for it, where calls are held. `Ok`: the call is to be judged anew.
///
/// # Errors
/// What the caller is told: the refusal itself where no approval lifts it, else with the request that has to be answered first.
pub(crate) async fn awaited<W: World, C: Client>(
    world: &W,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    refusal: Refusal,
) -> Result<(), Refusal> {
    let Some(wanted) = call.approval.wanted.take() else { return Err(refusal) };
    let (by, chain) = (wanted.by.clone(), wanted.chain.clone());
    let credential = call.identified()?.credential().id.clone();
    let snapshot = Arc::clone(&call.snapshot);
    guard.check(world)?;
    let asked = world.ask_approval(*wanted, &credential, &snapshot.approvals);
    let asked = guard.wait(world, PATIENCE, ReasonCode::EvidenceUnavailable, asked).await?;
    let looked = asked.map_err(|error| refused(&error))?;
    let resumable = resumable(refusal, &looked);
    // Once: who was held and has to ask again, because other policies hold or somebody else has used the approval, is told.
    if snapshot.limits.held.is_zero() || call.approval.was_held {
        return Err(resumable);
    }
    let Some(place) = world.hold(&chain) else { return Err(resumable) };
    call.approval.was_held = true;
    let held = hold(world, client, guard, &snapshot, (&by, &looked)).await;
    drop(place);
    match held {
        // It was a wait: what holds now decides.
        Ok(true) => {
            call.snapshot = world.snapshot();
            Ok(())
        }
        Ok(false) => Err(resumable),
        Err(code) => Err(code.into()),
    }
}

/// Waits until a request is answered, other policies are in force, or calls are held no longer (`false`).
///
/// # Errors
/// It was refused; the client has left; a lock.
async fn hold<W: World, C: Client>(
    world: &W,
    client: &mut C,
    guard: &mut Guard,
    snapshot: &Arc<Snapshot>,
    (by, asked): (&PrincipalId, &Looked),
) -> Result<bool, ReasonCode> {
    let until = world.monotonic().saturating_add(snapshot.limits.held);
    loop {
        guard.check(world)?;
        // Before it is looked at: what moves meanwhile has moved past this.
        let seen = world.approvals_version();
        let status = world.approval_request(by, asked.request.ask.id.as_str()).map(|looked| looked.status);
        match status {
            Some(Status::Pending) => {}
            Some(Status::Approved { .. }) => return Ok(true),
            Some(Status::TakenBack { .. } | Status::Closed(Closed::Refused)) => return Err(ReasonCode::ApprovalRefused),
            Some(Status::Closed(Closed::Cancelled | Closed::Expired) | Status::Partial) | None => return Ok(false),
        }
        if !Arc::ptr_eq(&world.snapshot(), snapshot) {
            return Ok(true);
        }
        let left = until.saturating_sub(world.monotonic());
        if left.is_zero() {
            return Ok(false);
        }
        let moved = while_connected(client, world.approvals_moved_past(seen));
        match guard.wait(world, left, ReasonCode::ApprovalRequired, moved).await {
            Ok(Ok(true)) | Err(ReasonCode::ApprovalRequired) => {}
            Ok(Ok(false)) => return Ok(false),
            Ok(Err(code)) | Err(code) => return Err(code),
        }
    }
}

/// Uses the approval of a permit up, durably. `false`: it is there no longer, so the call is to be judged anew.
///
/// # Errors
/// It cannot be recorded; a lock.
pub(crate) async fn use_up<W: World>(world: &W, call: &Call, guard: &mut Guard, permit: &Permit) -> Result<bool, Refusal> {
    let Some(standing) = permit.approval() else { return Ok(true) };
    let identified = call.identified()?;
    let using = world.use_approval(standing, &identified.credential().id, identified.chain(), call.request);
    match guard.wait(world, PATIENCE, ReasonCode::EvidenceUnavailable, using).await? {
        Ok(()) => Ok(true),
        Err(ApprovalError::Ask(_)) => Ok(false),
        Err(ApprovalError::Record(_)) => Err(ReasonCode::EvidenceUnavailable.into()),
    }
}

/// Looks at the approval of a permit once more, right before the effect: writing the record was a wait, and whoever has approved may
/// have taken it back.
///
/// # Errors
/// It was.
pub(crate) fn still_stands<W: World>(world: &W, permit: &Permit, request: RequestId) -> Result<(), ReasonCode> {
    let stands = permit.approval().is_none_or(|standing| world.is_approved(standing, request));
    if stands { Ok(()) } else { Err(ReasonCode::ApprovalRefused) }
}

/// What the record of a permit says of its approval.
pub(crate) fn notes(standing: &Standing) -> Vec<String> {
    let by: Vec<String> = standing.approvers.iter().map(ToString::to_string).collect();
    vec![format!("approval: {} of {}", standing.approval, standing.id), format!("approved by: {}", by.join(", "))]
}

fn resumable(refusal: Refusal, looked: &Looked) -> Refusal {
    let ask = &looked.request.ask;
    refusal.until(Awaited { id: ask.id.clone(), ends: ask.ends, retry_after: RETRY_AFTER })
}

/// Why nobody can be asked, or it cannot be recorded.
pub(crate) fn refused(error: &ApprovalError) -> Refusal {
    let code = match error {
        ApprovalError::Record(_) => return ReasonCode::EvidenceUnavailable.into(),
        ApprovalError::Ask(AskError::Unknown) => ReasonCode::ApprovalUnknown,
        ApprovalError::Ask(AskError::Closed) => ReasonCode::ApprovalClosed,
        ApprovalError::Ask(AskError::KeyTaken) => ReasonCode::ApprovalKeyTaken,
        ApprovalError::Ask(AskError::TooMany) => ReasonCode::ApprovalLimit,
        ApprovalError::Ask(AskError::Exhausted) => ReasonCode::ApprovalNotRequestable,
    };
    Refusal::because(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use text::{Document, Limits};

    use super::{canonical, exactly, is_canonical};

    #[test]
    fn what_is_approved_says_how_a_number_was_written() {
        let text = |json: &str| {
            let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
            exactly(&document, document.root()).and_then(|value| canonical(&value))
        };
        let all = [
            "{\"a\":[12.5]}",
            "{\"a\":[12.50]}",
            "{\"a\":[\"12.50\"]}",
            "{\"a\":[125e-1]}",
            "{\"a\":[9007199254740993]}",
            "{\"a\":[9007199254740992]}",
            "{\"a\":12.50}",
            "{\"a\":[{\"number\":\"12.50\"}]}",
        ];
        let texts: std::collections::BTreeSet<String> = all.iter().map(|json| text(json).unwrap()).collect();
        assert_eq!(texts.len(), all.len());
        assert_eq!(text("{\"b\": 12.50, \"a\": \"\\u0041\"}").unwrap(), r#"{"a":"A","b":{"number, written":"12.50"}}"#);
        assert!(text(r#"{"a": {"number, written": "12.50"}}"#).is_err(), "it would read like the number");
    }

    #[test]
    fn a_number_says_how_it_was_written() {
        let same = ["0", "1", "-1", "12.5", "-0.001", "9007199254740991", "1e+21", "1e-7", "9007199254740992", "0.1"];
        for lexeme in same {
            assert!(is_canonical(lexeme), "{lexeme}");
        }
        let other = [
            "-0",
            "1.0",
            "12.50",
            "1e2",
            "1E2",
            "1e21",
            "9007199254740993",
            "18446744073709551616",
            "0.10",
            "1e400",
            "0.0000001",
            "100e-2",
            "9223372036854775807",
            "0.1000000000000000055",
        ];
        for lexeme in other {
            assert!(!is_canonical(lexeme), "{lexeme}");
        }
    }
}
