//! Holds a tree against the schema, reports everything that does not fit, and keeps what does.
//!
//! `serde` stops at its first error and knows no position; so the schema that is generated from the types is walked instead, and
//! `serde` only ever sees what fits. A test holds that the schema has no keyword which this walk does not know.

use serde_json::{Map, Value as Json};

use crate::problem::{Path, Position, Problem, shown, suggestion};
use crate::yaml::{Entry, Node, Value};

/// Walks `node` along `schema`; gives the part that fits, or `None` if nothing does.
pub(crate) fn fit(file: &str, schema: &Json, node: &Node, problems: &mut Vec<Problem>) -> Option<Json> {
    Walk { file, root: schema, problems }.fit(schema, node, &Path::default())
}

struct Walk<'a> {
    file: &'a str,
    root: &'a Json,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn fit(&mut self, schema: &'a Json, node: &Node, path: &Path) -> Option<Json> {
        let schema = self.resolved(schema);
        if node.value == Value::Broken {
            return None;
        }
        if let Some(names) = names_of(schema) {
            return self.name(&names, node, path);
        }
        let schema = match schema.get("anyOf").and_then(Json::as_array) {
            Some(branches) => self.branch(branches, node, path)?,
            None => schema,
        };
        match (schema.get("type").and_then(Json::as_str), &node.value) {
            (Some("object"), Value::Map(entries)) => self.map(schema, node.position, entries, path),
            (Some("array"), Value::List(items)) => self.list(schema, node.position, items, path),
            (Some("string"), Value::Text(text)) => self.text(schema, node.position, text, path),
            (Some("boolean"), Value::Bool(flag)) => Some(Json::from(*flag)),
            (Some("integer"), Value::Integer(number)) => self.integer(schema, node.position, *number, path),
            (expected, _) => self.mismatch(expected.unwrap_or("any"), node, path),
        }
    }

    fn problem(&mut self, position: Position, path: &Path, message: String) {
        self.problems.push(Problem { file: self.file.to_owned(), position, field: path.to_string(), message });
    }

    fn mismatch(&mut self, expected: &str, node: &Node, path: &Path) -> Option<Json> {
        let found = found(node, path);
        let hint = match (expected, &node.value) {
            ("string", Value::Integer(_) | Value::Fraction(_) | Value::Bool(_)) => "; put it in quotes",
            ("object", Value::Null) => "; write `{}` for none",
            ("array", Value::Null) => "; write `[]` for none",
            ("array", Value::Text(_)) => "; write it as `[…]`",
            _ => "",
        };
        self.problem(node.position, path, format!("expected {}, found {found}{hint}", expectation(expected)));
        None
    }

    fn resolved(&self, schema: &'a Json) -> &'a Json {
        let target = schema.get("$ref").and_then(Json::as_str).and_then(|target| target.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    /// The branch of a choice whose type is that of the node.
    fn branch(&mut self, branches: &'a [Json], node: &Node, path: &Path) -> Option<&'a Json> {
        let branches: Vec<&'a Json> = branches.iter().map(|branch| self.resolved(branch)).collect();
        let type_of = |branch: &Json| branch.get("type").and_then(Json::as_str).unwrap_or("any").to_owned();
        if let Some(fitting) = branches.iter().find(|branch| is_of(&node.value, &type_of(branch))) {
            return Some(fitting);
        }
        let expected: Vec<&str> = branches.iter().map(|branch| expectation(&type_of(branch))).collect();
        self.problem(node.position, path, format!("expected {}, found {}", expected.join(" or "), found(node, path)));
        None
    }

    /// One of a closed set of names.
    fn name(&mut self, names: &[&str], node: &Node, path: &Path) -> Option<Json> {
        if let Value::Text(text) = &node.value
            && names.contains(&text.as_str())
        {
            return Some(Json::from(text.as_str()));
        }
        let near = if let Value::Text(text) = &node.value { suggestion(text, names.iter().copied()) } else { String::new() };
        let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        self.problem(node.position, path, format!("expected one of {}, found {}{near}", list.join(", "), found(node, path)));
        None
    }

    fn map(&mut self, schema: &'a Json, position: Position, entries: &[Entry], path: &Path) -> Option<Json> {
        let fields = schema.get("properties").and_then(Json::as_object);
        let names = || fields.into_iter().flat_map(Map::keys).map(String::as_str);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let required = schema.get("required").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut fitting = Map::new();
        for entry in entries {
            let Some(inner) = fields.and_then(|fields| fields.get(&entry.key)).or(others) else {
                let near = suggestion(&entry.key, names());
                let known = if near.is_empty() { known_keys(names()) } else { near };
                let key = shown(&entry.key);
                self.problem(entry.position, path, format!("the key `{key}` is not known here{known}"));
                continue;
            };
            if let Some(value) = self.fit(inner, &entry.node, &path.key(&entry.key)) {
                fitting.insert(entry.key.clone(), value);
            }
        }
        let mut is_whole = true;
        for key in required.iter().filter_map(Json::as_str) {
            if !entries.iter().any(|entry| entry.key == key) {
                self.problem(position, path, format!("the key `{key}` is missing"));
            }
            is_whole &= fitting.contains_key(key);
        }
        is_whole.then_some(Json::Object(fitting))
    }

    fn list(&mut self, schema: &'a Json, position: Position, items: &[Node], path: &Path) -> Option<Json> {
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        if u64::try_from(items.len()).is_ok_and(|count| count < least) {
            self.problem(position, path, format!("expected at least {least} in this list, found {}", items.len()));
            return None;
        }
        let most = schema.get("maxItems").and_then(Json::as_u64).unwrap_or(u64::MAX);
        if u64::try_from(items.len()).is_ok_and(|count| count > most) {
            self.problem(position, path, format!("expected at most {most} in this list, found {}", items.len()));
            return None;
        }
        let inner = schema.get("items")?;
        let mut fitting = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            fitting.extend(self.fit(inner, item, &path.index(index)));
        }
        // An item that does not fit is reported already; a list that loses all of them is no list to judge further.
        let is_usable = items.is_empty() || !fitting.is_empty();
        is_usable.then_some(Json::Array(fitting))
    }

    fn text(&mut self, schema: &Json, position: Position, text: &str, path: &Path) -> Option<Json> {
        let bound = |keyword: &str| schema.get(keyword).and_then(Json::as_u64);
        let (least, most) = (bound("minLength").unwrap_or(0), bound("maxLength").unwrap_or(u64::MAX));
        let count = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if count < least || count > most {
            self.problem(position, path, format!("expected {least} to {most} characters, found {count}"));
            return None;
        }
        Some(Json::from(text))
    }

    fn integer(&mut self, schema: &Json, position: Position, number: i128, path: &Path) -> Option<Json> {
        let bound = |keyword: &str| schema.get(keyword).and_then(Json::as_u64);
        let (least, most) = (bound("minimum").unwrap_or(0), bound("maximum").unwrap_or(u64::MAX));
        let fitting = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
        if fitting.is_none() {
            self.problem(position, path, format!("expected a number from {least} to {most}, found {number}"));
        }
        fitting.map(Json::from)
    }
}

/// The names, if the schema is an enumeration of texts.
fn names_of(schema: &Json) -> Option<Vec<&str>> {
    if let Some(names) = schema.get("enum").and_then(Json::as_array) {
        return names.iter().map(Json::as_str).collect();
    }
    let branches = schema.get("oneOf").and_then(Json::as_array)?;
    let mut names = Vec::new();
    for branch in branches {
        match (branch.get("const"), branch.get("enum").and_then(Json::as_array)) {
            (Some(name), _) => names.push(name.as_str()?),
            (None, Some(several)) => names.extend(several.iter().filter_map(Json::as_str)),
            (None, None) => return None,
        }
    }
    Some(names)
}

fn known_keys<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(|key| format!("`{key}`")).collect();
    names.sort_unstable();
    if names.is_empty() { String::new() } else { format!(", known are {}", names.join(", ")) }
}

fn is_of(value: &Value, kind: &str) -> bool {
    matches!(
        (value, kind),
        (Value::Map(_), "object")
            | (Value::List(_), "array")
            | (Value::Text(_), "string")
            | (Value::Bool(_), "boolean")
            | (Value::Integer(_), "integer")
    )
}

fn expectation(kind: &str) -> &'static str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        _ => "something else",
    }
}

/// What stands there, in the words of the file. Never a secret.
fn found(node: &Node, path: &Path) -> String {
    match &node.value {
        Value::Map(_) => "a mapping".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Null | Value::Broken => "nothing".to_owned(),
        _ if path.is_secret() => "another value".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Integer(number) => format!("the number `{number}`"),
        Value::Fraction(text) => format!("the number `{}`", shown(text)),
        Value::Text(text) => format!("the text `{}`", shown(text)),
    }
}

#[cfg(test)]
mod tests;
