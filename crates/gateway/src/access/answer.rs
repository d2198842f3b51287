//! Answers of `AuthZEN`, written.

use bytes::Bytes;
use engine::ports::Answered;
use model::{ReasonCode, Verdict};
use serde_json::{Value, json};

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
    let Answered { request, verdict, chain: _, refusal, challenges, duties } = answered;
    let mut context = json!({"request_id": request, "reason": refusal.code});
    let mut set = |key: &str, value: Value| {
        if let Some(context) = context.as_object_mut() {
            context.insert(key.to_owned(), value);
        }
    };
    if !challenges.is_empty() {
        set("challenges", json!(challenges));
    }
    if is_fault(refusal.code) {
        set("error", json!({"status": status(refusal.code).as_u16(), "message": refusal.to_string()}));
    }
    let obligation = |(number, duty): (usize, &model::Duty)| json!({"id": format!("duty-{number}"), "type": "custom", "properties": {"vendor": "portcullis", "duty": duty.to_string()}});
    let obligations: Vec<Value> = duties.iter().enumerate().map(obligation).collect();
    if !obligations.is_empty() {
        set("obligations", json!(obligations));
    }
    json!({"decision": *verdict == Verdict::Permit, "context": context})
}

/// Whether a question could not be decided as it was asked.
const fn is_fault(code: ReasonCode) -> bool {
    use ReasonCode as C;
    matches!(code, C::FieldMissing | C::FieldType | C::KeyConfusable | C::QuestionUnknown | C::PrincipalUnknown | C::PolicyError)
}
