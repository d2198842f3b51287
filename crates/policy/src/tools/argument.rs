//! The arguments of a call as Cedar values: exactly, or not at all.

use std::collections::BTreeSet;

use cedar_policy::RestrictedExpression;
use serde_json::{Map, Value};

use super::shape::{Record, Shape};

/// Arguments as policies see them.
pub(super) struct Arguments {
    pub(super) input: RestrictedExpression,
    /// The names, from the outside in, joined by `.`, of what no policy can see.
    pub(super) unmodelled: BTreeSet<String>,
}

/// Reads the arguments of a call.
///
/// # Errors
/// One line, where an argument is not of its type: a number that does not fit exactly, null for one that is absent, a required
/// one that is not there.
pub(super) fn read(record: &Record, arguments: &Map<String, Value>) -> Result<Arguments, String> {
    let mut unmodelled = BTreeSet::new();
    let input = self::record(record, arguments, "", &mut unmodelled)?;
    Ok(Arguments { input, unmodelled })
}

fn record(
    record: &Record,
    values: &Map<String, Value>,
    path: &str,
    unmodelled: &mut BTreeSet<String>,
) -> Result<RestrictedExpression, String> {
    let mut fields = Vec::new();
    for (name, given) in values {
        let path = join(path, name);
        match record.0.get(name) {
            Some(field) if field.shape == Shape::Decimal => match decimal(given) {
                Some(exact) => fields.push((name.clone(), RestrictedExpression::new_decimal(exact))),
                None => {
                    unmodelled.insert(path);
                }
            },
            Some(field) => fields.push((name.clone(), value(&field.shape, given, &path, unmodelled)?)),
            None => {
                unmodelled.insert(path);
            }
        }
    }
    let missing = record.0.iter().find(|(name, field)| field.is_required && !values.contains_key(*name));
    if let Some((name, _)) = missing {
        return Err(format!("argument `{}` is required", join(path, name)));
    }
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn value(shape: &Shape, given: &Value, path: &str, unmodelled: &mut BTreeSet<String>) -> Result<RestrictedExpression, String> {
    let wrong = |wanted: &str| Err(format!("argument `{path}` is no {wanted}"));
    match (shape, given) {
        (Shape::Bool, Value::Bool(given)) => Ok(RestrictedExpression::new_bool(*given)),
        (Shape::Text, Value::String(given)) => Ok(RestrictedExpression::new_string(given.clone())),
        (Shape::Long, Value::Number(given)) => match given.as_i64() {
            Some(whole) => Ok(RestrictedExpression::new_long(whole)),
            None => wrong("whole number of 64 bits"),
        },
        (Shape::Set(item), Value::Array(given)) => {
            let items: Result<Vec<_>, String> = given.iter().map(|given| value(item, given, path, unmodelled)).collect();
            Ok(RestrictedExpression::new_set(items?))
        }
        (Shape::Record(fields), Value::Object(given)) => record(fields, given, path, unmodelled),
        (Shape::Bool, _) => wrong("boolean"),
        (Shape::Text, _) => wrong("text"),
        (Shape::Long | Shape::Decimal, _) => wrong("number"),
        (Shape::Set(_), _) => wrong("list"),
        (Shape::Record(_), _) => wrong("object"),
    }
}

/// A number as Cedar's decimal. What a double would round has been put aside before (`tools::with_exact_numbers`).
pub(super) fn decimal(given: &Value) -> Option<String> {
    const MOST: f64 = 100_000_000_000.0;
    let number = given.as_f64().filter(|number| number.abs() < MOST)?;
    // The shortest text that is read as the same double.
    let text = number.to_string();
    match text.split_once('.') {
        None => Some(format!("{text}.0")),
        Some((_, decimals)) if decimals.len() <= 4 => Some(text),
        Some(_) => None,
    }
}

/// Names are data of a caller: escaped, so that none looks like a path of others.
pub(super) fn join(path: &str, name: &str) -> String {
    let name = name.replace('.', "\\.");
    if path.is_empty() { name } else { format!("{path}.{name}") }
}
