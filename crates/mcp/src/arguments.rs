//! What a definition demands of arguments, held against them (JSON Schema; 2020-12 where a schema does not say otherwise).
//!
//! An argument that the schema does not name is refused, unless the schema itself says what others may be: what nobody has declared,
//! nobody has decided on. Nothing is fetched, patterns run in linear time, and the work is known before it is begun ([`crate::cost`]).

use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::cost::{Cost, Unbounded};

/// Most looks of schemas at values for one call; a hundred million take about a second.
const MAX_LOOKS: u64 = 4_000_000;
/// Largest automaton that a pattern may become, in bytes.
const MAX_PATTERN: usize = 64 << 10;
/// Most bytes of text that patterns look at for one call.
const MAX_MATCHED: usize = 32 << 20;
/// Keywords that name members elsewhere than beside `additionalProperties`.
const ELSEWHERE: [&str; 9] = ["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies"];

/// The schema of a tool's arguments.
pub struct Arguments {
    validator: Validator,
    cost: Cost,
}

/// Why a schema is not taken. Holds places, no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is none, or uses a pattern that has no linear time, or a dialect that is not known.
    #[error("`inputSchema` is no JSON Schema that can be checked, at `{0}`")]
    Invalid(String),
    /// It cannot be told what it does not name.
    #[error("`inputSchema` is of an old draft and names its members in several places: what else there is cannot be refused")]
    Open,
    /// It demands more than can be bounded.
    #[error("`inputSchema`: {0}")]
    Unbounded(#[from] Unbounded),
}

/// What does not fit. Holds no values; the place may name a member that only the caller knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A value is not what a keyword demands.
    #[error("{place}: not what `{keyword}` demands")]
    Keyword {
        /// Where the value stands, as a JSON Pointer into the arguments.
        place: String,
        /// The keyword.
        keyword: String,
    },
    /// They do not read: a number is larger than any reader holds.
    #[error("a number that no reader holds")]
    Unreadable,
    /// To find out would take too long.
    #[error("too long and too deep to be held against the tool's schema")]
    TooMuch,
}

impl fmt::Debug for Arguments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Arguments").finish_non_exhaustive()
    }
}

impl Arguments {
    /// Reads the schema of a tool's arguments.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn of(schema: &Value) -> Result<Self, SchemaError> {
        let schema = closed(schema)?;
        let cost = Cost::of(&schema)?;
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN);
        let options = jsonschema::options().with_pattern_options(patterns).offline();
        let validator = options.build(&schema).map_err(|error| SchemaError::Invalid(error.instance_path().to_string()))?;
        Ok(Self { validator, cost })
    }

    /// Holds arguments, as they stand in a request, against the schema.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn read(&self, text: &str) -> Result<(), Misfit> {
        self.check(&serde_json::from_str(text).map_err(|_| Misfit::Unreadable)?)
    }

    /// Holds arguments that stand in a message, at a JSON Pointer, against the schema.
    ///
    /// # Errors
    /// The first thing that does not fit; that nothing stands there.
    pub fn read_within(&self, message: &[u8], place: &str) -> Result<(), Misfit> {
        let message: Value = serde_json::from_slice(message).map_err(|_| Misfit::Unreadable)?;
        self.check(message.pointer(place).ok_or(Misfit::Unreadable)?)
    }

    /// Holds arguments against the schema.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, arguments: &Value) -> Result<(), Misfit> {
        let Size { values, depth, bytes } = Size::of(arguments);
        if self.cost.of_arguments(values, depth) > MAX_LOOKS || self.cost.of_text(bytes) > MAX_MATCHED {
            return Err(Misfit::TooMuch);
        }
        self.validator.validate(arguments).map_err(|error| Misfit::Keyword {
            place: error.instance_path().to_string(),
            keyword: error.kind().keyword().to_owned(),
        })
    }
}

/// The schema as it holds here: what it does not name may not stand there, unless it says itself what may. Old drafts can say so
/// only of names that stand in one place, and pass over what stands beside a `$ref`.
fn closed(schema: &Value) -> Result<Value, SchemaError> {
    let Value::Object(keywords) = schema else { return Ok(schema.clone()) };
    let dialect = keywords.get("$schema").and_then(Value::as_str).unwrap_or("2020-12");
    let is_new = ["2019-09", "2020-12"].iter().any(|known| dialect.contains(known));
    let has_others = ELSEWHERE.iter().any(|keyword| keywords.contains_key(*keyword));
    let says = |keyword: &str| keywords.contains_key(keyword);
    let keyword = match (is_new, has_others) {
        (true, _) if says("additionalProperties") || says("unevaluatedProperties") => return Ok(schema.clone()),
        (false, _) if says("$ref") => return Err(SchemaError::Open),
        (false, _) if says("additionalProperties") => return Ok(schema.clone()),
        (true, true) => "unevaluatedProperties",
        (_, false) => "additionalProperties",
        (false, true) => return Err(SchemaError::Open),
    };
    let mut closed: Map<String, Value> = keywords.clone();
    closed.insert(keyword.to_owned(), Value::Bool(false));
    Ok(Value::Object(closed))
}

/// How much there is of arguments.
struct Size {
    values: usize,
    /// How many steps down the deepest is.
    depth: usize,
    /// Of texts and names.
    bytes: usize,
}

impl Size {
    fn of(value: &Value) -> Self {
        let mut size = Self { values: 0, depth: 0, bytes: 0 };
        let mut todo = vec![(value, 0_usize)];
        while let Some((value, depth)) = todo.pop() {
            size.values = size.values.saturating_add(1);
            size.depth = size.depth.max(depth);
            let below = depth.saturating_add(1);
            match value {
                Value::Array(items) => todo.extend(items.iter().map(|item| (item, below))),
                Value::Object(members) => {
                    size.bytes = members.keys().fold(size.bytes, |bytes, key| bytes.saturating_add(key.len()));
                    todo.extend(members.values().map(|member| (member, below)));
                }
                Value::String(text) => size.bytes = size.bytes.saturating_add(text.len()),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::{Arguments, Misfit, SchemaError};

    const OLD: &str = "http://json-schema.org/draft-07/schema#";

    fn told(schema: &Value, arguments: &Value) -> Result<(), (String, String)> {
        Arguments::of(schema).unwrap_or_else(|error| panic!("{schema}: {error}")).check(arguments).map_err(
            |misfit| match misfit {
                Misfit::Keyword { place, keyword } => (place, keyword),
                other => (other.to_string(), String::new()),
            },
        )
    }

    #[test]
    fn arguments_are_what_the_schema_demands() {
        let schema = json!({
            "type": "object",
            "properties": {
                "to": {"type": "string", "pattern": "^[a-z]+@example\\.com$"},
                "cents": {"type": "integer", "minimum": 1, "maximum": 100_000},
                "kind": {"enum": ["a", "b"]},
                "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}, "maxItems": 2},
            },
            "required": ["to"],
        });
        let facts = [
            (json!({"to": "a@example.com", "cents": 1, "kind": "a", "lines": [{"n": 1}]}), Ok(())),
            (json!({}), Err(("", "required"))),
            (json!({"to": "a@evil.example"}), Err(("/to", "pattern"))),
            (json!({"to": "a@example.com", "cents": 0}), Err(("/cents", "minimum"))),
            (json!({"to": "a@example.com", "cents": "1"}), Err(("/cents", "type"))),
            (json!({"to": "a@example.com", "cents": 1.5}), Err(("/cents", "type"))),
            (json!({"to": "a@example.com", "kind": "c"}), Err(("/kind", "enum"))),
            (json!({"to": "a@example.com", "lines": [{"n": 1}, {}]}), Err(("/lines/1", "required"))),
            (json!({"to": "a@example.com", "lines": [{"n": 1}, {"n": 1}, {"n": 1}]}), Err(("/lines", "maxItems"))),
            (json!({"to": "a@example.com", "bcc": "b@example.com"}), Err(("", "additionalProperties"))),
            (json!([]), Err(("", "type"))),
        ];
        for (arguments, expected) in facts {
            let expected = expected.map_err(|(place, keyword)| (place.to_owned(), keyword.to_owned()));
            assert_eq!(told(&schema, &arguments), expected, "{arguments}");
        }
    }

    #[test]
    fn what_is_not_named_may_not_stand_there() {
        let (known, unknown) = (json!({"a": 1}), json!({"a": 1, "b": 2}));
        let base = json!({"properties": {"a": {}}});
        let facts = [
            (json!({"type": "object"}), [false, false]),
            (base.clone(), [true, false]),
            (json!({"properties": {"a": {}}, "additionalProperties": true}), [true, true]),
            (json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}), [true, false]),
            (json!({"allOf": [base]}), [true, false]),
            (json!({"$ref": "#/$defs/base", "$defs": {"base": base}}), [true, false]),
            (json!({"patternProperties": {"^[ab]$": {}}}), [true, true]),
            (json!({"patternProperties": {"^a$": {}}}), [true, false]),
            (json!({"$schema": OLD, "properties": {"a": {}}}), [true, false]),
            (json!({"$schema": OLD, "properties": {"a": {}}, "unevaluatedProperties": true}), [true, false]),
            (json!({"$schema": OLD, "patternProperties": {"^a$": {}}}), [true, false]),
            (json!({"$schema": OLD, "allOf": [base], "additionalProperties": false, "properties": {"a": {}}}), [true, false]),
        ];
        for (schema, expected) in facts {
            let taken = [&known, &unknown].map(|arguments| told(&schema, arguments).is_ok());
            assert_eq!(taken, expected, "{schema}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_not_taken() {
        let facts = [
            json!({"type": "objekt"}),
            json!({"properties": 1}),
            json!({"properties": {"a": {"pattern": "(a"}}}),
            json!({"properties": {"a": {"pattern": "^(?=a)b"}}}),
            json!({"properties": {"a": {"$ref": "https://example.com/other.json"}}}),
            json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            json!({"$schema": "https://example.com/dialect"}),
            json!({"$schema": OLD, "allOf": [{"properties": {"a": {}}}]}),
            json!({"$schema": OLD, "$ref": "#/definitions/a", "definitions": {"a": {}}, "additionalProperties": false}),
        ];
        for schema in facts {
            assert!(Arguments::of(&schema).is_err(), "{schema}");
        }
        assert!(matches!(Arguments::of(&json!({"properties": {"a": {"$ref": "x"}}})), Err(SchemaError::Unbounded(_))));
    }

    #[test]
    fn hostile_schemas_and_arguments_take_no_time() {
        let both = json!({"properties": {"c": {"$ref": "#/$defs/n"}}, "required": ["d"]});
        let doubling = json!({"$defs": {"n": {"anyOf": [both, both]}}, "properties": {"c": {"$ref": "#/$defs/n"}}});
        let deep = (0..60).fold(json!({}), |inner, _| json!({"c": inner}));
        let pattern = json!({"properties": {"a": {"pattern": "^(a+)+$"}}});
        let text = json!({"a": format!("{}!", "a".repeat(100_000))});
        let long = json!({"a": "a".repeat(40 << 20)});
        let begun = Instant::now();
        assert_eq!(Arguments::of(&doubling).unwrap().check(&deep), Err(Misfit::TooMuch));
        assert!(told(&pattern, &text).is_err());
        assert_eq!(Arguments::of(&pattern).unwrap().check(&long), Err(Misfit::TooMuch));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
