//! From the JSON Schema of a tool's arguments to Cedar types: what has an exact type gets it, everything else is reported.
//!
//! Nothing is guessed: an argument whose schema has no Cedar type that holds exactly its values is left out of `context.input`,
//! and told, so that its name shows in `context.unmodelled` when a call carries it. Keywords that only narrow a type (lengths,
//! patterns, ranges, choices) are not enforced here: they are the tool server's to check, and a wider type permits no more.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// Deepest nesting of objects, lists and references.
const MAX_DEPTH: usize = 8;
/// Most arguments of one tool, nested ones included.
const MAX_ARGUMENTS: usize = 512;
/// Most reports of one tool; the rest is unmodelled all the same.
const MAX_REPORTS: usize = 1_000;
/// Longest name of an argument, in bytes.
const MAX_NAME: usize = 128;

/// Keywords that say nothing about the type, or narrow it.
const NARROWING: [&str; 26] = [
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "contentEncoding",
    "contentMediaType",
    "$comment",
    "enum",
];
/// Keywords that are read where they stand.
const READ: [&str; 12] = [
    "type",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "$ref",
    "anyOf",
    "oneOf",
];

/// A type that Cedar has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Bool,
    /// A whole number of 64 bits.
    Long,
    /// A number of at most four decimals, below 10^11 either way. Never required: what does not fit exactly is unmodelled in its call.
    Decimal,
    Text,
    /// Order and repetition are not seen by policies.
    Set(Box<Self>),
    Record(Record),
}

/// The fields of an object; others may stand in a call, and are unmodelled then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record(pub(crate) BTreeMap<String, Field>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) shape: Shape,
    pub(crate) is_required: bool,
}

/// What has no Cedar type, and where it stands in the schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmodelled {
    /// A JSON pointer into the schema.
    pub pointer: String,
    /// Why, in one line.
    pub why: String,
}

impl fmt::Display for Unmodelled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.pointer, self.why)
    }
}

/// Reads the schema of a tool's arguments.
///
/// # Errors
/// One line, where the schema is not that of an object, or exceeds a bound.
pub(crate) fn read(schema: &Value) -> Result<(Record, Vec<Unmodelled>), String> {
    let mut reader = Reader { root: schema, reports: Vec::new(), n_arguments: 0 };
    let Some(object) = schema.as_object() else { return Err("the schema of the arguments is no object".to_owned()) };
    if object.get("type").and_then(Value::as_str) != Some("object") {
        return Err("the arguments of a tool are an object: expected `\"type\": \"object\"`".to_owned());
    }
    reader.told_keywords(object, "");
    for keyword in ["$ref", "anyOf", "oneOf"] {
        if object.contains_key(keyword) {
            reader.report(&format!("/{keyword}"), format!("`{keyword}` beside the arguments themselves is not read"));
        }
    }
    let record = reader.record(object, "", 0);
    if reader.n_arguments > MAX_ARGUMENTS {
        return Err(format!("a tool has at most {MAX_ARGUMENTS} arguments, nested ones included"));
    }
    reader.reports.sort();
    reader.reports.dedup();
    Ok((record, reader.reports))
}

struct Reader<'a> {
    root: &'a Value,
    reports: Vec<Unmodelled>,
    n_arguments: usize,
}

impl Reader<'_> {
    fn report(&mut self, pointer: &str, why: String) {
        if self.reports.len() >= MAX_REPORTS {
            return;
        }
        self.reports.push(Unmodelled { pointer: if pointer.is_empty() { "/".to_owned() } else { pointer.to_owned() }, why });
    }

    /// Tells keywords that are not read; whether there are none.
    fn told_keywords(&mut self, object: &Map<String, Value>, pointer: &str) -> bool {
        let is_unread = |keyword: &&String| !READ.contains(&keyword.as_str()) && !NARROWING.contains(&keyword.as_str());
        // `const` narrows like a choice of one.
        let unread: Vec<&String> = object.keys().filter(is_unread).filter(|keyword| *keyword != "const").collect();
        for keyword in &unread {
            self.report(&join(pointer, keyword), format!("`{}` is not read", keyword.escape_debug()));
        }
        unread.is_empty()
    }

    fn record(&mut self, object: &Map<String, Value>, pointer: &str, depth: usize) -> Record {
        if object.get("additionalProperties").is_some_and(Value::is_object) {
            self.report(&join(pointer, "additionalProperties"), "arguments without fixed names have no Cedar type".to_owned());
        }
        let empty = Map::new();
        let properties = object.get("properties").map_or(Some(&empty), Value::as_object).unwrap_or_else(|| {
            self.report(&join(pointer, "properties"), "`properties` is no object".to_owned());
            &empty
        });
        let required = object.get("required").map_or(Some(Vec::new()), texts).unwrap_or_else(|| {
            self.report(&join(pointer, "required"), "`required` is no list of names".to_owned());
            Vec::new()
        });
        let mut record = Record::default();
        for (name, schema) in properties {
            self.n_arguments = self.n_arguments.saturating_add(1);
            let pointer = join(&join(pointer, "properties"), name);
            if self.n_arguments > MAX_ARGUMENTS {
                break;
            }
            if !is_plain(name) {
                self.report(&pointer, "the name is empty, too long, or one that Cedar keeps for itself".to_owned());
                continue;
            }
            if let Some((shape, may_be_absent)) = self.shape(schema, &pointer, depth.saturating_add(1)) {
                let is_required = required.contains(&name.as_str()) && !may_be_absent && shape != Shape::Decimal;
                record.0.insert(name.clone(), Field { shape, is_required });
            }
        }
        record
    }

    /// The type, and whether `null` may stand for it. `None` where there is no exact one, which is told.
    fn shape(&mut self, schema: &Value, pointer: &str, depth: usize) -> Option<(Shape, bool)> {
        if depth > MAX_DEPTH {
            self.report(pointer, format!("nested more than {MAX_DEPTH} deep, or in a circle"));
            return None;
        }
        let Some(object) = schema.as_object() else {
            self.report(pointer, "a schema that is true or false has no Cedar type".to_owned());
            return None;
        };
        if !self.told_keywords(object, pointer) {
            return None;
        }
        // Below it `#` means another schema.
        if object.contains_key("$id") {
            self.report(&join(pointer, "$id"), "`$id` below the schema itself is not read".to_owned());
            return None;
        }
        if let Some(target) = object.get("$ref") {
            return self.referred(object, target, pointer, depth);
        }
        if let Some((keyword, choices)) = ["anyOf", "oneOf"].into_iter().find_map(|word| Some((word, object.get(word)?))) {
            return self.choice(object, keyword, choices, pointer, depth);
        }
        let (kind, may_be_null) = self.kind(object, pointer)?;
        let shape = match kind {
            "boolean" => Shape::Bool,
            "integer" => Shape::Long,
            "string" => Shape::Text,
            "array" => {
                let Some(items) = object.get("items") else {
                    self.report(pointer, "a list whose items have no schema has no Cedar type".to_owned());
                    return None;
                };
                let (item, may_be_null) = self.shape(items, &join(pointer, "items"), depth.saturating_add(1))?;
                if may_be_null {
                    self.report(&join(pointer, "items"), "items that may be null have no Cedar type".to_owned());
                    return None;
                }
                if item == Shape::Decimal {
                    self.report(&join(pointer, "items"), "a list of `number` has no Cedar type; one of `integer` has".to_owned());
                    return None;
                }
                Shape::Set(Box::new(item))
            }
            "object" => Shape::Record(self.record(object, pointer, depth)),
            "number" => Shape::Decimal,
            other => {
                self.report(pointer, format!("type `{}` has no Cedar type", other.escape_debug()));
                return None;
            }
        };
        Some((shape, may_be_null))
    }

    /// The one type that is named, and whether null is beside it.
    fn kind<'s>(&mut self, object: &'s Map<String, Value>, pointer: &str) -> Option<(&'s str, bool)> {
        let kinds: Option<Vec<&str>> = match object.get("type") {
            None => Some(Vec::new()),
            Some(Value::String(kind)) => Some(vec![kind]),
            Some(kinds) => texts(kinds),
        };
        let Some(kinds) = kinds else {
            self.report(&join(pointer, "type"), "`type` is neither a name nor a list of names".to_owned());
            return None;
        };
        let others: Vec<&str> = kinds.iter().copied().filter(|kind| *kind != "null").collect();
        let [kind] = others.as_slice() else {
            let why = if others.is_empty() { "no type is named" } else { "several types have no common Cedar type" };
            self.report(pointer, why.to_owned());
            return None;
        };
        Some((kind, kinds.len() > others.len()))
    }

    /// A choice is one type, if null is all that stands beside it.
    fn choice(
        &mut self,
        object: &Map<String, Value>,
        keyword: &str,
        choices: &Value,
        pointer: &str,
        depth: usize,
    ) -> Option<(Shape, bool)> {
        let choices: Vec<&Value> = choices.as_array().into_iter().flatten().collect();
        let is_null = |choice: &&&Value| choice.get("type").and_then(Value::as_str) == Some("null");
        let others: Vec<(usize, &&Value)> = choices.iter().enumerate().filter(|(_, choice)| !is_null(choice)).collect();
        let is_alone = ["type", "anyOf", "oneOf"].iter().filter(|word| object.contains_key(**word)).count() == 1;
        let [(at, choice)] = others.as_slice() else {
            self.report(pointer, format!("a choice of types (`{keyword}`) has no Cedar type"));
            return None;
        };
        if !is_alone {
            self.report(pointer, format!("`{keyword}` beside another type is not read"));
            return None;
        }
        if let Some(beside) =
            ["properties", "required", "items", "additionalProperties"].iter().find(|word| object.contains_key(**word))
        {
            self.report(&join(pointer, beside), format!("`{beside}` beside a choice of types is not read"));
            return None;
        }
        let pointer = join(&join(pointer, keyword), &at.to_string());
        let (shape, may_be_null) = self.shape(choice, &pointer, depth.saturating_add(1))?;
        Some((shape, may_be_null || choices.len() > others.len()))
    }

    /// A reference within the same schema.
    fn referred(&mut self, object: &Map<String, Value>, target: &Value, pointer: &str, depth: usize) -> Option<(Shape, bool)> {
        let beside = object.keys().find(|keyword| *keyword != "$ref" && !NARROWING.contains(&keyword.as_str()));
        if let Some(beside) = beside {
            self.report(&join(pointer, beside), format!("`{}` beside a reference is not read", beside.escape_debug()));
            return None;
        }
        let written = target.as_str().and_then(|target| target.strip_prefix('#'));
        let found = written.filter(|path| path.starts_with("/$defs/") || path.starts_with("/definitions/"));
        let Some((path, schema)) = found.and_then(|path| Some((path, self.root.pointer(path)?))) else {
            self.report(pointer, "a reference that does not lead to `#/$defs/…` or `#/definitions/…`".to_owned());
            return None;
        };
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at).filter(|above| !above.is_empty()));
        if above.filter_map(|above| self.root.pointer(above)?.get("$id")).any(Value::is_string) {
            self.report(pointer, "a reference into a schema with an `$id` of its own".to_owned());
            return None;
        }
        self.shape(schema, path, depth.saturating_add(1))
    }
}

/// The texts of a list that holds nothing else.
fn texts(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

/// A name that can stand in a record, and cannot be taken for an escape of Cedar's JSON.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !matches!(name, "__entity" | "__extn" | "__expr")
}

fn join(pointer: &str, step: &str) -> String {
    format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1").escape_debug())
}
