//! What a server says of a tool, pinned: one canonical text and its digest. Whoever changes a word of it has another tool.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use model::Digest;
use serde_json::{Map, Value};

use crate::heads::Mirror;

/// Longest definition in bytes of its canonical text.
pub const MAX_BYTES: usize = 64 << 10;
/// Deepest nesting of a definition.
const MAX_DEPTH: usize = 32;
/// Longest name of a tool in bytes.
const MAX_NAME: usize = 128;
/// Most parameters of a tool that headers repeat.
const MAX_MIRRORS: usize = 64;
/// Whole numbers beyond are read differently by readers of JSON, and have no canonical form (RFC 8785, RFC 7493).
const SAFE: u64 = (1 << 53) - 1;

/// One tool as its server announces it.
#[derive(Clone, PartialEq, Eq)]
pub struct Definition {
    name: String,
    /// Everything that was said, names sorted.
    said: Map<String, Value>,
    canonical: String,
    digest: Digest,
    mirrors: Vec<Mirror>,
}

/// Why a definition is not taken. Holds names only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// It is no object.
    #[error("a tool is an object")]
    NotAnObject,
    /// The name is missing, or is none.
    #[error("the name of a tool is 1 to 128 of the letters A-Z, a-z, 0-9, `_`, `-`, `.` and `/`")]
    BadName,
    /// No schema of arguments.
    #[error("`{0}`: `inputSchema` has to be an object")]
    NoSchema(String),
    /// Text members that are no text.
    #[error("`{0}`: `{1}` has the wrong type")]
    BadMember(String, &'static str),
    /// Longer than [`MAX_BYTES`].
    #[error("`{0}` is longer than 64 KiB")]
    TooLong(String),
    /// Nested deeper than 32 levels.
    #[error("`{0}` is nested deeper than 32 levels")]
    TooDeep(String),
    /// A number that readers of JSON read differently.
    #[error("`{0}` holds a whole number above 2^53")]
    BadNumber(String),
    /// A header for a parameter that can have none.
    #[error("`{0}`: `x-mcp-header` at `{1}`: {2}")]
    BadMirror(String, String, &'static str),
    /// The same name twice in one list.
    #[error("`{0}` stands twice in the list")]
    Twice(String),
}

impl Definition {
    /// Reads one element of `tools`.
    ///
    /// # Errors
    /// See [`DefinitionError`].
    pub fn read(value: Value) -> Result<Self, DefinitionError> {
        let Value::Object(said) = value else { return Err(DefinitionError::NotAnObject) };
        let name = said.get("name").and_then(Value::as_str).filter(|name| is_name(name));
        let name = name.ok_or(DefinitionError::BadName)?.to_owned();
        if !said.get("inputSchema").is_some_and(Value::is_object) {
            return Err(DefinitionError::NoSchema(name));
        }
        for member in ["title", "description"] {
            if said.get(member).is_some_and(|value| !value.is_string()) {
                return Err(DefinitionError::BadMember(name, member));
            }
        }
        for member in ["annotations", "outputSchema"] {
            if said.get(member).is_some_and(|value| !value.is_object()) {
                return Err(DefinitionError::BadMember(name, member));
            }
        }
        let whole = Value::Object(said);
        if depth(&whole) > MAX_DEPTH {
            return Err(DefinitionError::TooDeep(name));
        }
        if !has_canonical_numbers(&whole) {
            return Err(DefinitionError::BadNumber(name));
        }
        // It cannot fail for what was read: every key is a text, every number finite.
        let canonical = serde_json_canonicalizer::to_string(&whole).map_err(|_| DefinitionError::BadNumber(name.clone()))?;
        if canonical.len() > MAX_BYTES {
            return Err(DefinitionError::TooLong(name));
        }
        let mirrors = whole.get("inputSchema").map_or_else(|| Ok(Vec::new()), |schema| mirrors(&name, schema))?;
        let Value::Object(said) = whole else { return Err(DefinitionError::NotAnObject) };
        let digest = sha256(canonical.as_bytes());
        Ok(Self { name, said, canonical, digest, mirrors })
    }

    /// What the server calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything that was said, as one text (RFC 8785).
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// SHA-256 of the canonical text.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The schema of the arguments.
    #[must_use]
    pub fn input_schema(&self) -> Option<&Value> {
        self.said.get("inputSchema")
    }

    /// What the server says that it does. Suggestions only.
    #[must_use]
    pub fn hints(&self) -> Option<&Map<String, Value>> {
        self.said.get("annotations").and_then(Value::as_object)
    }

    /// Which parameters headers repeat.
    #[must_use]
    pub fn mirrors(&self) -> &[Mirror] {
        &self.mirrors
    }

    /// Every text that a model may read in it, with the JSON Pointer of its place; keys included.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, &str)> {
        let mut texts = Vec::new();
        for (key, value) in &self.said {
            collect(&format!("/{}", escape(key)), value, &mut texts);
        }
        texts
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Definition({} {} bytes {})", self.name, self.canonical.len(), self.digest)
    }
}

/// Reads `tools` of a list: what is wrong with one tool leaves out that tool alone; a name that stands twice leaves out both.
#[must_use]
pub fn read_list(tools: Vec<Value>) -> (Vec<Definition>, Vec<DefinitionError>) {
    let (mut good, mut bad) = (Vec::<Definition>::new(), Vec::new());
    for read in tools.into_iter().map(Definition::read) {
        match read {
            Ok(definition) => good.push(definition),
            Err(wrong) => bad.push(wrong),
        }
    }
    let mut names: Vec<&str> = good.iter().map(Definition::name).collect();
    names.sort_unstable();
    let twice: BTreeSet<String> =
        names.iter().zip(names.iter().skip(1)).filter(|(one, next)| one == next).map(|(one, _)| (*one).to_owned()).collect();
    good.retain(|definition| !twice.contains(definition.name()));
    bad.extend(twice.into_iter().map(DefinitionError::Twice));
    (good, bad)
}

/// `/` is not recommended by the protocol, and used.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_letter)
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = [0_u8; 32];
    for (target, source) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *target = *source;
    }
    Digest(hash)
}

/// How deep a value is nested. What was read has a bound of its own, so this comes to an end.
fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut todo = vec![(value, 1_usize)];
    while let Some((value, level)) = todo.pop() {
        deepest = deepest.max(level);
        match value {
            Value::Array(values) => todo.extend(values.iter().map(|value| (value, level + 1))),
            Value::Object(members) => todo.extend(members.values().map(|value| (value, level + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    deepest
}

fn has_canonical_numbers(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let is_safe = |number: u64| number <= SAFE;
            number.as_u64().is_none_or(is_safe) && number.as_i64().is_none_or(|number| is_safe(number.unsigned_abs()))
        }
        Value::Array(values) => values.iter().all(has_canonical_numbers),
        Value::Object(members) => members.values().all(has_canonical_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

fn collect<'v>(pointer: &str, value: &'v Value, texts: &mut Vec<(String, &'v str)>) {
    match value {
        Value::String(text) => texts.push((pointer.to_owned(), text)),
        Value::Array(values) => {
            for (nth, value) in values.iter().enumerate() {
                collect(&format!("{pointer}/{nth}"), value, texts);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                let pointer = format!("{pointer}/{}", escape(key));
                texts.push((pointer.clone(), key));
                collect(&pointer, value, texts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The parameters with an `x-mcp-header`, and whether every one of these may have one.
fn mirrors(tool: &str, schema: &Value) -> Result<Vec<Mirror>, DefinitionError> {
    let mut found: Vec<Mirror> = Vec::new();
    // Each schema, its path of properties, and whether nothing but properties leads to it.
    let mut todo = vec![(schema, Vec::<String>::new(), true)];
    while let Some((schema, path, is_reached)) = todo.pop() {
        let Some(members) = schema.as_object() else {
            todo.extend(schema.as_array().into_iter().flatten().map(|schema| (schema, path.clone(), false)));
            continue;
        };
        if let Some(name) = members.get("x-mcp-header") {
            let wrong = |what| DefinitionError::BadMirror(tool.to_owned(), path.join("/"), what);
            let name = name.as_str().filter(|name| is_token(name)).ok_or_else(|| wrong("not the name of a header"))?;
            if !is_reached || path.is_empty() {
                return Err(wrong("only for what `properties` alone lead to"));
            }
            if !matches!(members.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
                return Err(wrong("only for a string, an integer or a boolean"));
            }
            let header = format!("Mcp-Param-{name}");
            if found.iter().any(|other| other.header.eq_ignore_ascii_case(&header)) {
                return Err(wrong("the name stands twice"));
            }
            if found.len() >= MAX_MIRRORS {
                return Err(wrong("more than 64 of them"));
            }
            found.push(Mirror { header, path: path.clone() });
        }
        for (key, value) in members {
            match (key.as_str(), value.as_object()) {
                ("properties", Some(properties)) => {
                    todo.extend(properties.iter().map(|(name, schema)| {
                        let path = path.iter().chain([name]).cloned().collect();
                        (schema, path, is_reached)
                    }));
                }
                // Texts that look like schemas are none.
                ("default" | "const" | "enum" | "examples", _) => {}
                _ => todo.push((value, path.clone(), false)),
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// The name of a header (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Definition, DefinitionError, read_list};

    fn tool(more: &Value) -> Value {
        let mut tool = json!({"name": "send", "inputSchema": {"type": "object"}});
        if let (Some(tool), Some(more)) = (tool.as_object_mut(), more.as_object()) {
            tool.extend(more.clone());
        }
        tool
    }

    fn wrong(more: &Value) -> String {
        Definition::read(tool(more)).unwrap_err().to_string()
    }

    #[test]
    fn every_word_counts_and_no_order() {
        let pinned = Definition::read(tool(&json!({"description": "Sends.", "annotations": {"readOnlyHint": true}}))).unwrap();
        let same: Value = serde_json::from_str(
            r#"{"annotations":{"readOnlyHint":true},"inputSchema":{"type":"object"},"description":"Sends\u002e","name":"send"}"#,
        )
        .unwrap();
        assert_eq!(Definition::read(same).unwrap().digest(), pinned.digest());
        for other in [
            json!({"description": "Sends. ", "annotations": {"readOnlyHint": true}}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": false}}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": true}, "title": ""}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": true}, "_meta": {}}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": true}, "inputSchema": {"type": "object", "x": 1}}),
        ] {
            assert_ne!(Definition::read(tool(&other)).unwrap().digest(), pinned.digest(), "{other}");
        }
    }

    #[test]
    fn what_is_no_definition_is_told() {
        assert_eq!(Definition::read(json!([])), Err(DefinitionError::NotAnObject));
        for name in [json!(""), json!("a b"), json!("s\u{e9}nd"), json!("x".repeat(129)), json!(7), Value::Null] {
            assert_eq!(Definition::read(tool(&json!({"name": name}))), Err(DefinitionError::BadName), "{name}");
        }
        assert!(wrong(&json!({"inputSchema": null})).contains("inputSchema"));
        assert!(wrong(&json!({"description": 7})).contains("`description` has the wrong type"));
        assert!(wrong(&json!({"annotations": []})).contains("`annotations` has the wrong type"));
        assert!(wrong(&json!({"description": "x".repeat(64 << 10)})).contains("64 KiB"));
        assert!(wrong(&json!({"inputSchema": {"maximum": 9_007_199_254_740_993_u64}})).contains("2^53"));
        assert!(wrong(&json!({"inputSchema": {"minimum": -9_007_199_254_740_992_i64}})).contains("2^53"));
        let mut deep = json!({});
        for _ in 0..40 {
            deep = json!({"properties": deep});
        }
        assert!(wrong(&json!({"inputSchema": deep})).contains("32 levels"));
    }

    #[test]
    fn one_bad_tool_takes_no_other_with_it() {
        let named = |name: &str| tool(&json!({"name": name}));
        let (good, bad) = read_list(vec![named("b"), named("twice"), json!(1), named("a"), named("twice"), named("twice")]);
        assert_eq!(good.iter().map(Definition::name).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(bad, [DefinitionError::NotAnObject, DefinitionError::Twice("twice".to_owned())]);
    }

    #[test]
    fn parameters_in_headers() {
        let schema = |properties: Value| json!({"inputSchema": {"type": "object", "properties": properties}});
        let nested = schema(json!({
            "region": {"type": "string", "x-mcp-header": "Region"},
            "at": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "note": {"type": "string", "default": {"x-mcp-header": 7}},
        }));
        let read = Definition::read(tool(&nested)).unwrap();
        let found: Vec<_> = read.mirrors().iter().map(|mirror| (mirror.header.as_str(), mirror.path.join("/"))).collect();
        assert_eq!(found, [("Mcp-Param-N", "at/n".to_owned()), ("Mcp-Param-Region", "region".to_owned())]);
        for (properties, what) in [
            (json!({"a": {"type": "number", "x-mcp-header": "A"}}), "string, an integer or a boolean"),
            (json!({"a": {"type": "string", "x-mcp-header": ""}}), "name of a header"),
            (json!({"a": {"type": "string", "x-mcp-header": "A\r\nB"}}), "name of a header"),
            (json!({"a": {"type": "string", "x-mcp-header": 7}}), "name of a header"),
            (json!({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}), "`properties` alone"),
            (json!({"a": {"anyOf": [{"type": "string", "x-mcp-header": "A"}]}}), "`properties` alone"),
            (json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}), "stands twice"),
        ] {
            assert!(wrong(&schema(properties.clone())).contains(what), "{properties}");
        }
    }

    #[test]
    fn every_text_is_told_with_its_place() {
        let read = Definition::read(tool(&json!({"inputSchema": {"properties": {"a/b": {"description": "x"}}}}))).unwrap();
        let texts = read.texts();
        assert!(texts.contains(&("/inputSchema/properties/a~1b".to_owned(), "a/b")), "{texts:?}");
        assert!(texts.contains(&("/inputSchema/properties/a~1b/description".to_owned(), "x")), "{texts:?}");
        assert!(texts.contains(&("/name".to_owned(), "send")), "{texts:?}");
    }
}
