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
const MAX_PATTERN: usize = 1 << 20;
/// Keywords by which a schema says what members there may be beside those that it names.
const OPEN: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
/// Keywords that name members elsewhere than in `properties`.
const ELSEWHERE: [&str; 9] = ["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "patternProperties", "dependentSchemas"];

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
        let cost = Cost::of(schema)?;
        let schema = closed(schema);
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

    /// Holds arguments against the schema.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, arguments: &Value) -> Result<(), Misfit> {
        let (values, depth) = size(arguments);
        if self.cost.of_arguments(values, depth) > MAX_LOOKS {
            return Err(Misfit::TooMuch);
        }
        self.validator.validate(arguments).map_err(|error| Misfit::Keyword {
            place: error.instance_path().to_string(),
            keyword: error.kind().keyword().to_owned(),
        })
    }
}

/// The schema as it holds here: what it does not name may not stand there. Older dialects can say so only where all names stand in
/// one place.
fn closed(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    if OPEN.iter().any(|keyword| keywords.contains_key(*keyword)) {
        return schema.clone();
    }
    let dialect = keywords.get("$schema").and_then(Value::as_str).unwrap_or("2020-12");
    let knows_unevaluated = ["2019-09", "2020-12"].iter().any(|known| dialect.contains(known));
    let has_others = ELSEWHERE.iter().any(|keyword| keywords.contains_key(*keyword));
    let keyword = match (has_others, knows_unevaluated) {
        (false, _) => "additionalProperties",
        (true, true) => "unevaluatedProperties",
        (true, false) => return schema.clone(),
    };
    let mut closed: Map<String, Value> = keywords.clone();
    closed.insert(keyword.to_owned(), Value::Bool(false));
    Value::Object(closed)
}

/// How many values there are, and how many steps down the deepest is.
fn size(value: &Value) -> (usize, usize) {
    let (mut values, mut deepest) = (0_usize, 0_usize);
    let mut todo = vec![(value, 0_usize)];
    while let Some((value, depth)) = todo.pop() {
        values = values.saturating_add(1);
        deepest = deepest.max(depth);
        let below = depth.saturating_add(1);
        match value {
            Value::Array(items) => todo.extend(items.iter().map(|item| (item, below))),
            Value::Object(members) => todo.extend(members.values().map(|member| (member, below))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    (values, deepest)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::{Arguments, Misfit, SchemaError};

    fn told(schema: &Value, arguments: &Value) -> Result<(), (String, String)> {
        Arguments::of(schema).unwrap().check(arguments).map_err(|misfit| match misfit {
            Misfit::Keyword { place, keyword } => (place, keyword),
            other => (other.to_string(), String::new()),
        })
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
            (json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {}}}), [true, false]),
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
        let begun = Instant::now();
        assert_eq!(Arguments::of(&doubling).unwrap().check(&deep), Err(Misfit::TooMuch));
        assert!(told(&pattern, &text).is_err());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
