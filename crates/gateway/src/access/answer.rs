//! Answers of `AuthZEN`, written, with what they ask an enforcement point to perform (obligations profile, draft 1).

use bytes::Bytes;
use engine::ports::{Answered, Requestable, StepUp};
use model::{Duty, ReasonCode, Verdict};
use response::{Misfit, Standing};
use serde_json::{Value, json};

use super::question::{CUSTOM, STEP_UP};
use super::requests::time;
use super::voice::status;

/// One decision, or the list of all.
pub(super) fn decisions(answers: &[Answered], is_list: bool) -> Bytes {
    let told: Vec<Value> = answers.iter().map(decision).collect();
    let body = if is_list {
        json!({"evaluations": told})
    } else {
        told.into_iter().next().unwrap_or_else(|| json!({"decision": false}))
    };
    Bytes::from(body.to_string())
}

/// A decision: a challenge is a no that names what would lift it.
fn decision(answered: &Answered) -> Value {
    let Answered { request, verdict, chain: _, refusal, challenges, duties, step_up, approval, requestable } = answered;
    let mut context = json!({"request_id": request, "reason": refusal.code});
    let mut set = |key: &str, value: Value| {
        if let Some(context) = context.as_object_mut() {
            context.insert(key.to_owned(), value);
        }
    };
    if !challenges.is_empty() {
        set("challenges", json!(challenges));
    }
    if let Some(Requestable { expires, token }) = requestable {
        //= authzen-access-request-approval-profile-1_0#requestable-denial-context
        //# A requestable denial therefore MUST include expires_at and MUST either include an integrity-protected binding_token
        set("evaluation_id", json!(request));
        set("access_request", json!({"expires_at": time(*expires), "binding_token": token}));
    }
    match approval {
        Some(Ok(standing)) if *verdict == Verdict::Permit => {
            set("approval", json!({"id": standing.approval, "approved_until": time(standing.until)}));
        }
        Some(presented) => {
            let (reason, next) = next(presented, requestable.is_some());
            set("reason_code", json!(refusal.code));
            set("reason", json!(reason));
            set("next_action", json!(next));
        }
        None => {}
    }
    if is_fault(refusal.code) {
        set("error", json!({"status": status(refusal.code).as_u16(), "message": refusal.to_string()}));
    }
    let mut obligations = obligations(duties);
    obligations.extend(step_up.as_deref().map(stepping_up));
    if !obligations.is_empty() {
        set("obligations", json!(obligations));
    }
    json!({"decision": *verdict == Verdict::Permit, "context": context})
}

/// Why an approval that was presented has not led to a permit, and what the point should do.
const fn next(presented: &Result<Standing, Misfit>, is_requestable: bool) -> (&'static str, &'static str) {
    match (presented, is_requestable) {
        (Ok(_), _) => ("policy_denied", "none"),
        (Err(Misfit::Unknown), _) => ("approval_unverifiable", "none"),
        (Err(Misfit::Over), true) => ("approval_expired", "request"),
        (Err(Misfit::Over), false) => ("approval_expired", "none"),
        (Err(Misfit::Elsewhere), true) => ("out_of_scope", "request"),
        (Err(Misfit::Elsewhere), false) => ("out_of_scope", "none"),
    }
}

/// The duties of a permit.
pub(super) fn obligations(duties: &[Duty]) -> Vec<Value> {
    let obligation = |(number, duty): (usize, &Duty)| {
        let properties = json!({"vendor": "portcullis", "duty": duty.to_string()});
        json!({"id": format!("duty-{number}"), "type": CUSTOM, "properties": properties})
    };
    duties.iter().enumerate().map(obligation).collect()
}

/// What would lift a denial that asks the subject to authenticate anew.
fn stepping_up(step_up: &StepUp) -> Value {
    let StepUp { acr, amr } = step_up;
    let properties = if amr.is_empty() { json!({"acr_value": acr}) } else { json!({"acr_value": acr, "amr_values": amr}) };
    json!({"id": "step-up", "type": STEP_UP, "properties": properties})
}

/// Whether a question could not be decided as it was asked.
const fn is_fault(code: ReasonCode) -> bool {
    use ReasonCode as C;
    matches!(code, C::FieldMissing | C::FieldType | C::KeyConfusable | C::QuestionUnknown | C::PrincipalUnknown | C::PolicyError)
}
