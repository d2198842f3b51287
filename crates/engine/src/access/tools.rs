//! Calls of tools that other enforcement points ask about: the arguments stand in the question and reach policies as they would from
//! a call, exactly or not at all.

use model::{ReasonCode, Refusal};
use serde_json::Value;

use crate::ports::Question;

/// The action and the kind of resource of such a question.
pub(super) const CALL: (&str, &str) = ("callTool", "Tool");
/// Where the arguments stand in it.
const PLACE: &str = "/action/properties/arguments";
/// Longest arguments of all questions of one request, in bytes: a batch may name the same for each of its questions.
const MAX_ARGUMENTS: usize = 1 << 20;
/// Longest arguments of a search, in bytes: each of its questions reads them.
const MAX_SEARCHED: usize = 32 << 10;
/// The first whole number that a double may have been rounded to.
const ROUNDED: f64 = 9_007_199_254_740_992.0;

/// The arguments of the call that is asked about, as JSON text; none where no tool is called. They have to be told: who forgot them
/// would be permitted what a call without any may do.
///
/// # Errors
/// [`ReasonCode::FieldMissing`]; [`ReasonCode::FieldType`] for what is no object, and for a number that was rounded when it was read.
pub(super) fn arguments(question: &Question) -> Result<Option<String>, Refusal> {
    let Some(given) = given(question) else { return Ok(None) };
    let given =
        given.ok_or_else(|| Refusal::because(ReasonCode::FieldMissing, format!("{PLACE}: `{{}}` says that there are none")))?;
    let wrong = |what: &str| Refusal::because(ReasonCode::FieldType, format!("{PLACE}: {what}"));
    if !given.is_object() {
        return Err(wrong("expected an object"));
    }
    if !all(given, &|number| !number.is_f64() || number.as_f64().is_some_and(|number| number.abs() < ROUNDED)) {
        return Err(wrong("a number of this size has to be a whole number of 64 bits, written as one"));
    }
    Ok(Some(given.to_string()))
}

/// Whether everything in the arguments can be bound to an approval: a number with a point is read as a double, and others read the same.
pub(super) fn can_be_bound(question: &Question) -> bool {
    given(question).flatten().is_none_or(|given| all(given, &|number| !number.is_f64()))
}

/// Bounds what the questions of one request make of it.
///
/// # Errors
/// [`ReasonCode::BodyTooLarge`].
pub(super) fn bounded(questions: &[Result<Question, Refusal>]) -> Result<(), Refusal> {
    let length = |question: &Question| arguments(question).ok().flatten().map_or(0, |text| text.len());
    let total = questions.iter().flatten().map(length).fold(0, usize::saturating_add);
    within(total, MAX_ARGUMENTS)
}

/// Looks at the arguments of a search before it asks anything.
///
/// # Errors
/// As [`arguments`], and [`ReasonCode::BodyTooLarge`].
pub(super) fn searched(question: &Question) -> Result<(), Refusal> {
    within(arguments(question)?.map_or(0, |text| text.len()), MAX_SEARCHED)
}

fn within(length: usize, most: usize) -> Result<(), Refusal> {
    if length <= most {
        return Ok(());
    }
    Err(Refusal::because(ReasonCode::BodyTooLarge, format!("{PLACE}: {length} bytes, at most {most} here")))
}

/// What stands in the place of the arguments, of a question that has such a place.
fn given(question: &Question) -> Option<Option<&Value>> {
    ((&*question.action, &*question.kind) == CALL).then(|| question.said.action.get("arguments"))
}

fn all(value: &Value, holds: &impl Fn(&serde_json::Number) -> bool) -> bool {
    match value {
        Value::Number(number) => holds(number),
        Value::Array(items) => items.iter().all(|item| all(item, holds)),
        Value::Object(members) => members.values().all(|member| all(member, holds)),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use model::ReasonCode;
    use serde_json::{Map, Value};

    use super::{MAX_ARGUMENTS, MAX_SEARCHED, arguments, bounded, can_be_bound, searched};
    use crate::ports::{Performs, Question, Said, Subject};

    fn question(action: &str, kind: &str, properties: &str) -> Question {
        let subject = Subject::Named { kind: "user".to_owned(), id: "alice".to_owned(), agent: None };
        let Ok(Value::Object(action_said)) = serde_json::from_str(properties) else { panic!("{properties}") };
        let said = Said { subject: Map::new(), action: action_said, resource: Map::new(), context: Map::new() };
        let performs = Performs { duties: false, step_up: false };
        let (action, kind, id) = (action.to_owned(), kind.to_owned(), "shop/order".to_owned());
        Question { subject, action, kind, id, said, performs, approval: None }
    }

    #[test]
    fn arguments_are_exact_or_refused() {
        let facts = [
            (r#"{}"#, Err(ReasonCode::FieldMissing)),
            (r#"{"Arguments": {}}"#, Err(ReasonCode::FieldMissing)),
            (r#"{"arguments": null}"#, Err(ReasonCode::FieldType)),
            (r#"{"arguments": []}"#, Err(ReasonCode::FieldType)),
            (r#"{"arguments": "{}"}"#, Err(ReasonCode::FieldType)),
            (r#"{"arguments": {}}"#, Ok("{}")),
            (r#"{"arguments": {"a": "\u00e9", "b": [true, null]}, "more": 1}"#, Ok(r#"{"a":"é","b":[true,null]}"#)),
            // Beyond 2^53, where doubles have gaps.
            (r#"{"arguments": {"n": 9007199254740993}}"#, Ok(r#"{"n":9007199254740993}"#)),
            (r#"{"arguments": {"n": 9223372036854775807}}"#, Ok(r#"{"n":9223372036854775807}"#)),
            (r#"{"arguments": {"n": -9223372036854775808}}"#, Ok(r#"{"n":-9223372036854775808}"#)),
            (r#"{"arguments": {"n": 18446744073709551616}}"#, Err(ReasonCode::FieldType)),
            (r#"{"arguments": {"n": [{"m": 9007199254740993.0}]}}"#, Err(ReasonCode::FieldType)),
            (r#"{"arguments": {"n": 1e300}}"#, Err(ReasonCode::FieldType)),
            (r#"{"arguments": {"n": 0.5}}"#, Ok(r#"{"n":0.5}"#)),
        ];
        for (properties, expected) in facts {
            let told = arguments(&question("callTool", "Tool", properties)).map_err(|refusal| refusal.code);
            assert_eq!(told, expected.map(|text: &str| Some(text.to_owned())), "{properties}");
        }
        for (action, kind) in [("callTool", "record"), ("callModel", "Tool"), ("read", "record")] {
            assert_eq!(arguments(&question(action, kind, "{}")).unwrap(), None);
        }
    }

    #[test]
    fn what_reads_like_another_cannot_be_approved() {
        let facts = [("{}", true), (r#"{"n": [1, -1, "0.5"]}"#, true), (r#"{"n": [0.5]}"#, false), (r#"{"n": -0}"#, false)];
        for (given, expected) in facts {
            let asks = question("callTool", "Tool", &format!(r#"{{"arguments": {given}}}"#));
            assert_eq!(can_be_bound(&asks), expected, "{given}");
        }
        assert!(can_be_bound(&question("read", "record", r#"{"arguments": 0.5}"#)));
    }

    #[test]
    fn a_batch_makes_no_more_of_a_request_than_one_call_may_have() {
        let of = |length: usize| question("callTool", "Tool", &format!(r#"{{"arguments": {{"a": "{}"}}}}"#, "x".repeat(length)));
        let one = MAX_ARGUMENTS / 4 - r#"{"a":""}"#.len();
        let batch = |length: usize| -> Vec<_> { (0..4).map(|_| Ok(of(length))).collect() };
        assert!(bounded(&batch(one)).is_ok());
        assert_eq!(bounded(&batch(one + 1)).unwrap_err().code, ReasonCode::BodyTooLarge);
        let one = MAX_SEARCHED - r#"{"a":""}"#.len();
        assert!(searched(&of(one)).is_ok());
        assert_eq!(searched(&of(one + 1)).unwrap_err().code, ReasonCode::BodyTooLarge);
        assert_eq!(searched(&question("callTool", "Tool", "{}")).unwrap_err().code, ReasonCode::FieldMissing);
    }
}
