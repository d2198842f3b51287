//! `authorization_details` (RFC 9396) and grants: the same thing, written for others and for us.

use model::{Grant, GrantError, Reach};
use serde_json::{Map, Value, json};

use super::jws::strict;

/// Most elements of `authorization_details`.
const MAX_DETAILS: usize = 16;
/// Longest `authorization_details` in bytes.
const MAX_BYTES: usize = 16 << 10;

/// Reads `authorization_details`; everything that is not known is refused, in words for the caller.
///
/// # Errors
/// What is wrong, without a value of the request.
//= https://www.rfc-editor.org/rfc/rfc9396#section-5
//# The AS MUST refuse to process any unknown authorization details type or authorization details not conforming to the respective type definition.
pub fn grant_of(bytes: &[u8]) -> Result<Grant, String> {
    let value = Some(bytes).filter(|bytes| bytes.len() <= MAX_BYTES).and_then(strict);
    read(value.as_ref().ok_or_else(|| "expected a JSON array without a member that stands twice".to_owned())?)
}

/// As [`grant_of`], of a value that was read strictly.
pub(super) fn read(value: &Value) -> Result<Grant, String> {
    let elements = value.as_array().filter(|elements| elements.len() <= MAX_DETAILS);
    let elements = elements.ok_or_else(|| format!("expected an array of at most {MAX_DETAILS} objects"))?;
    let mut grant = Grant::nothing();
    for (index, element) in elements.iter().enumerate() {
        let object = element.as_object().ok_or_else(|| format!("/{index}: expected an object"))?;
        add(&mut grant, object).map_err(|what| format!("/{index}: {what}"))?;
    }
    Ok(grant)
}

fn add(grant: &mut Grant, object: &Map<String, Value>) -> Result<(), String> {
    let told = object.get("type").and_then(Value::as_str).ok_or("`type` is missing")?;
    let known = Grant::TYPES.into_iter().find(|(name, ..)| *name == told);
    let (_, action, member) = known.ok_or_else(|| {
        let names: Vec<&str> = Grant::TYPES.iter().map(|(name, ..)| *name).collect();
        format!("the type is none of {}", names.join(", "))
    })?;
    if object.keys().any(|key| key != "type" && key != member) {
        return Err(format!("a `{told}` has the members `type` and `{member}` and no others"));
    }
    let listed = object.get(member).and_then(Value::as_array);
    let listed = listed.ok_or_else(|| format!("`{member}` is missing or no list; `[\"*\"]` is everything"))?;
    let names: Option<Vec<String>> = listed.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect();
    let names = names.ok_or_else(|| format!("`{member}` lists texts"))?;
    let told = |error: GrantError| format!("`{member}`: {error}");
    Reach::new(names).map_err(told).and_then(|reach| grant.add(action, reach).map_err(told))
}

/// A grant as `authorization_details`.
#[must_use]
pub fn details(grant: &Grant) -> Value {
    let detail = |(name, member, reach): (&str, &str, &Reach)| json!({"type": name, member: reach.names().collect::<Vec<_>>()});
    Value::Array(grant.details().map(detail).collect())
}
