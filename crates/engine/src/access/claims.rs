//! What an enforcement point says, held against what operators have declared: undeclared is not seen, another shape is refused.

use std::collections::{BTreeMap, BTreeSet};

use model::{Access, Claims, Foreign, ReasonCode, Refusal, Shape, Value};
use serde_json::Map;

use crate::ports::Said;

/// Longest text that a policy sees, in bytes.
const MAX_TEXT: usize = 4096;
/// Most texts of a set.
const MAX_TEXTS: usize = 256;

/// The declared part of what is said, with the declared shapes. A number that is none of 64 bits, a null, a text for a number:
/// refused, never rounded and never taken for absent.
///
/// # Errors
/// [`ReasonCode::FieldType`] with the place of the first value of another shape.
pub fn claims(access: &Access, foreign: &Foreign, said: &Said) -> Result<Claims, Refusal> {
    let nothing = BTreeMap::new();
    let action = access.actions.get(&foreign.action).map_or(&nothing, |verb| &verb.properties);
    let resource = access.resources.get(&foreign.kind).map_or(&nothing, |kind| &kind.properties);
    Ok(Claims {
        subject: declared(&access.subject, &said.subject, "/subject/properties")?,
        action: declared(action, &said.action, "/action/properties")?,
        resource: declared(resource, &said.resource, "/resource/properties")?,
        context: declared(&access.context, &said.context, "/context")?,
    })
}

fn declared(
    shapes: &BTreeMap<String, Shape>,
    said: &Map<String, serde_json::Value>,
    place: &str,
) -> Result<BTreeMap<String, Value>, Refusal> {
    let found = shapes.iter().filter_map(|(name, shape)| Some((name, shape, said.get(name)?)));
    found
        .map(|(name, shape, value)| {
            let value = of_shape(*shape, value)
                .map_err(|what| Refusal::because(ReasonCode::FieldType, format!("{place}/{name}: {what}")))?;
            Ok((name.clone(), value))
        })
        .collect()
}

fn of_shape(shape: Shape, value: &serde_json::Value) -> Result<Value, String> {
    match shape {
        Shape::Text => text(value).map(|text| Value::Text(text.to_owned())),
        Shape::Number => value.as_i64().map(Value::Number).ok_or_else(|| "expected a whole number of 64 bits".to_owned()),
        Shape::Flag => value.as_bool().map(Value::Flag).ok_or_else(|| "expected true or false".to_owned()),
        Shape::Texts => {
            let items = value.as_array().filter(|items| items.len() <= MAX_TEXTS);
            let items = items.ok_or_else(|| format!("expected a list of at most {MAX_TEXTS} strings"))?;
            let texts = items.iter().map(|item| text(item).map(ToOwned::to_owned));
            texts.collect::<Result<BTreeSet<_>, _>>().map(Value::Texts)
        }
        // Parties are the gate's own: nobody declares that a point may name one.
        Shape::Party(_) | Shape::Parties(_) => Err("cannot be told from outside".to_owned()),
    }
}

fn text(value: &serde_json::Value) -> Result<&str, String> {
    let text = value.as_str().filter(|text| text.len() <= MAX_TEXT);
    text.ok_or_else(|| format!("expected a string of at most {MAX_TEXT} bytes"))
}

#[cfg(test)]
mod tests {
    use model::{Shape, Value};
    use serde_json::json;

    use super::{MAX_TEXT, of_shape};

    #[test]
    fn a_value_has_its_shape_or_none() {
        let long = "a".repeat(MAX_TEXT + 1);
        let facts = [
            (Shape::Text, json!("a"), Some(Value::Text("a".to_owned()))),
            (Shape::Text, json!(1), None),
            (Shape::Text, json!(null), None),
            (Shape::Text, json!(long), None),
            (Shape::Number, json!(-7), Some(Value::Number(-7))),
            (Shape::Number, json!(i64::MAX), Some(Value::Number(i64::MAX))),
            (Shape::Number, json!(9_223_372_036_854_775_808_u64), None),
            (Shape::Number, json!(1.0), None),
            (Shape::Number, json!("1"), None),
            (Shape::Flag, json!(true), Some(Value::Flag(true))),
            (Shape::Flag, json!(0), None),
            (Shape::Flag, json!("true"), None),
            (Shape::Texts, json!(["b", "a", "b"]), Some(Value::Texts(["a".to_owned(), "b".to_owned()].into()))),
            (Shape::Texts, json!(["a", 1]), None),
            (Shape::Texts, json!("a"), None),
            (Shape::Party(model::PrincipalKind::User), json!("user:ada"), None),
        ];
        for (shape, value, expected) in facts {
            assert_eq!(of_shape(shape, &value).ok(), expected, "{shape:?} {value}");
        }
    }
}
