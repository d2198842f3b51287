//! What policies, the approved schema and the duties say of a call that a model asks for: one function for calls as they are asked for
//! and for calls of long ago (`portcullis replay`).

use model::{DecisionInput, Duties, Finding, ReasonCode, Refusal, Side, Verdict};
use text::{Document, Kind, Splices};

use super::ClientTool;
use crate::approval;
use crate::decide::{Judgement, asked, told};
use crate::inspection::count;
use crate::snapshot::Snapshot;

/// What was found.
pub(super) struct Weighed {
    /// The decision as it is; none where the arguments could not be read.
    pub(super) plain: Option<Judgement>,
    /// The decision as it would be if somebody approved; there only where that makes the difference.
    pub(super) lifted: Option<Judgement>,
    /// Why not, whoever approves.
    pub(super) refusal: Option<Refusal>,
}

impl Weighed {
    const fn refused(plain: Option<Judgement>, refusal: Refusal) -> Self {
        Self { plain, lifted: None, refusal: Some(refusal) }
    }
}

/// Weighs a call. `input` makes the complete input of what scanners found in the arguments; `hides` says whether whoever asks may know
/// of the tool at all, and is asked only where the call is not permitted.
pub(super) fn weigh(
    snapshot: &Snapshot,
    tool: &ClientTool,
    arguments: &str,
    input: impl FnOnce(&[Finding]) -> DecisionInput,
    hides: impl FnOnce() -> bool,
) -> Weighed {
    let document = match Document::parse(arguments.as_bytes(), &snapshot.limits.json()) {
        Ok(document) if document.kind(document.root()) == Kind::Object => document,
        Ok(_) => return Weighed::refused(None, unreadable("they are no object")),
        Err(error) => return Weighed::refused(None, unreadable(&error.to_string())),
    };
    let Ok(scanners) = snapshot.scanners.ready() else { return Weighed::refused(None, ReasonCode::RulesPending.into()) };
    let hits = inspect::inspect_document(scanners, &document);
    let findings = inspect::findings(&document, &hits, Side::Request);
    let input = input(&findings);
    let answer = asked(snapshot, &input);
    let plain = Judgement { input, answer, findings };
    let is_permit = plain.answer.verdict == Verdict::Permit;
    if !is_permit && hides() {
        return Weighed::refused(Some(plain), ReasonCode::ToolNotFound.into());
    }
    // Not before: only who could make some call learns what the schema demands.
    if let Err(misfit) = tool.pinned.arguments().read(arguments) {
        let refusal = Refusal::because(ReasonCode::ArgumentsInvalid, misfit.to_string());
        return Weighed::refused(Some(plain), refusal);
    }
    let is_challenge = plain.answer.verdict == Verdict::Challenge;
    let lifted = if is_challenge { approval::lifted_by(snapshot, &plain) } else { None };
    if !is_permit && lifted.is_none() {
        let refusal = told(snapshot.refusals.explains(&plain.input.chain), &plain.answer);
        return Weighed::refused(Some(plain), refusal);
    }
    let duties = Duties::new(lifted.as_ref().unwrap_or(&plain).answer.duties().links().to_vec());
    let redacted = inspect::redact_document(&document, &hits, &duties, Side::Request, &mut Splices::new());
    if redacted.is_err() || redacted.is_ok_and(|changed| !changed.is_empty()) {
        let refusal = Refusal::because(ReasonCode::ContentDenied, "something in the arguments may not leave");
        return Weighed::refused(Some(plain), refusal);
    }
    Weighed { plain: Some(plain), lifted, refusal: None }
}

fn unreadable(why: &str) -> Refusal {
    Refusal::because(ReasonCode::ArgumentsInvalid, why.to_owned())
}

/// What became, or would become, of a call that a model asks for.
#[derive(Debug)]
pub struct Trial {
    /// Permit; challenge where an approval would let it pass; else deny.
    pub verdict: Verdict,
    /// Why.
    pub reason: ReasonCode,
    /// The decision, where it came to one.
    pub answer: Option<model::Answer>,
    /// What speaks against it beside the decision: where in the arguments, and what.
    pub detail: Option<String>,
}

/// Decides on a call of a declared tool as if a model had just asked for it. `facts` are its circumstances but for what scanners find in
/// the arguments, and the arguments.
#[must_use]
pub fn trial(snapshot: &Snapshot, tool: &ClientTool, chain: &model::Chain, facts: &model::Facts, arguments: &str) -> Trial {
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    let input = |findings: &[Finding]| {
        let facts = model::Facts { findings: count(findings), arguments: Some(arguments.to_owned()), ..facts.clone() };
        let resource = model::Resource::Tool(format!("{}/{}", tool.server, tool.tool));
        let asks = vec![model::Ask { action: model::Action::CallTool, resource }];
        DecisionInput { chain: chain.clone(), asks, facts }
    };
    let Weighed { plain, lifted, refusal } = weigh(snapshot, tool, arguments, input, || false);
    let answer = plain.map(|plain| plain.answer);
    let detail = refusal.as_ref().and_then(|refusal| refusal.detail.clone());
    let (verdict, reason) = match (&answer, &refusal) {
        (Some(answer), Some(_)) if answer.verdict == Verdict::Deny => (Verdict::Deny, answer.reason),
        (_, Some(refusal)) => (Verdict::Deny, refusal.code),
        (Some(answer), None) if lifted.is_some() => (Verdict::Challenge, answer.reason),
        (Some(answer), None) => (answer.verdict, answer.reason),
        (None, None) => (Verdict::Deny, ReasonCode::Internal),
    };
    Trial { verdict, reason, answer, detail }
}
