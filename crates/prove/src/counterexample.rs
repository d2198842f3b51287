//! A case against a claim, as a person reads it.

use std::fmt;

use cedar_policy::{Entities, EntityUid, Request};
use serde_json::Value;

/// A request that a claim does not hold for, and the entities that matter to it.
#[derive(Debug, Clone)]
pub struct Counterexample {
    /// Who.
    pub principal: String,
    /// Does what.
    pub action: String,
    /// To what.
    pub resource: String,
    /// Under which circumstances; only what is not false, empty or zero is told to people.
    pub context: Value,
    /// Every entity, in Cedar's JSON form.
    pub entities: Value,
}

impl Counterexample {
    pub(crate) fn new(request: &Request, entities: &Entities) -> Self {
        let name = |uid: Option<&EntityUid>| uid.map_or_else(|| "anything".to_owned(), ToString::to_string);
        Self {
            principal: name(request.principal()),
            action: name(request.action()),
            resource: name(request.resource()),
            context: request.context().and_then(|context| context.to_json_value().ok()).unwrap_or(Value::Null),
            entities: entities.to_json_value().unwrap_or(Value::Null),
        }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} → {} → {}", self.principal, self.action, self.resource)?;
        let mut told = Vec::new();
        tell("context", &self.context, &mut told);
        for entity in self.entities.as_array().into_iter().flatten() {
            let uid = shown(entity.get("uid").unwrap_or(&Value::Null));
            let is_asked = [&self.principal, &self.resource].into_iter().any(|asked| *asked == uid);
            let parents: Vec<String> = entity.get("parents").and_then(Value::as_array).into_iter().flatten().map(shown).collect();
            if !parents.is_empty() {
                told.push(format!("{uid} in {}", parents.join(", ")));
            }
            if is_asked {
                tell(&uid, entity.get("attrs").unwrap_or(&Value::Null), &mut told);
            }
        }
        told.iter().try_for_each(|line| writeln!(formatter, "  {line}"))
    }
}

/// `Type::"id"` of a reference.
fn shown(uid: &Value) -> String {
    let part = |key: &str| uid.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("{}::{:?}", part("type"), part("id"))
}

/// Everything below `path` that says something.
fn tell(path: &str, value: &Value, told: &mut Vec<String>) {
    match value {
        Value::Object(fields) if fields.contains_key("__extn") || fields.contains_key("__entity") => {
            told.push(format!("{path} = {value}"));
        }
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| tell(&format!("{path}.{key}"), inner, told)),
        Value::Array(items) if items.is_empty() => {}
        Value::String(text) if text.is_empty() => {}
        Value::Number(number) if number.as_i64() == Some(0) => {}
        Value::Null | Value::Bool(false) => {}
        _ => told.push(format!("{path} = {value}")),
    }
}
