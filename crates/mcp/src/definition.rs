//! What a server says of a tool, pinned: one canonical text and its digest. Whoever changes a word of it has another tool.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use model::Digest;
use text::{Document, Kind, Limits, NodeId};

use crate::arguments::{Arguments, SchemaError};
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
/// Bounds of the canonical text.
const LIMITS: Limits = Limits { max_depth: MAX_DEPTH, max_nodes: MAX_BYTES };

/// One tool as its server announces it.
#[derive(Clone, PartialEq, Eq)]
pub struct Definition {
    name: String,
    canonical: String,
    digest: Digest,
    mirrors: Vec<Mirror>,
}

/// Why a definition is not taken. Holds names and places, with what could not be printed escaped.
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
    /// A member of another type.
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

impl DefinitionError {
    /// The tool that is meant; `None` if it bears no name that can be told.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::NotAnObject | Self::BadName => None,
            Self::NoSchema(tool)
            | Self::BadMember(tool, _)
            | Self::TooLong(tool)
            | Self::TooDeep(tool)
            | Self::BadNumber(tool)
            | Self::BadMirror(tool, _, _)
            | Self::Twice(tool) => Some(tool),
        }
    }
}

impl Definition {
    /// Reads one element of `tools`. A [`Document`] has no name twice in one object, so nobody reads another definition in it.
    ///
    /// # Errors
    /// See [`DefinitionError`].
    pub fn read(document: &Document<'_>, tool: NodeId) -> Result<Self, DefinitionError> {
        if document.kind(tool) != Kind::Object {
            return Err(DefinitionError::NotAnObject);
        }
        let name = name(document, tool).ok_or(DefinitionError::BadName)?;
        if document.lexeme(tool).len() > 2 * MAX_BYTES {
            return Err(DefinitionError::TooLong(name));
        }
        let member = |key: &str| document.get(tool, key).map(|node| document.kind(node));
        if member("inputSchema") != Some(Kind::Object) {
            return Err(DefinitionError::NoSchema(name));
        }
        for (key, kind) in [
            ("title", Kind::String),
            ("description", Kind::String),
            ("annotations", Kind::Object),
            ("outputSchema", Kind::Object),
        ] {
            if member(key).is_some_and(|found| found != kind) {
                return Err(DefinitionError::BadMember(name, key));
            }
        }
        let whole: serde_json::Value =
            serde_json::from_str(document.lexeme(tool)).map_err(|_| DefinitionError::TooDeep(name.clone()))?;
        let canonical = serde_json_canonicalizer::to_string(&whole).map_err(|_| DefinitionError::BadNumber(name.clone()))?;
        if canonical.len() > MAX_BYTES {
            return Err(DefinitionError::TooLong(name));
        }
        let pinned = Document::parse(canonical.as_bytes(), &LIMITS).map_err(|_| DefinitionError::TooDeep(name.clone()))?;
        if !has_safe_numbers(document, tool) {
            return Err(DefinitionError::BadNumber(name));
        }
        let mirrors = mirrors(&name, &pinned)?;
        let digest = sha256(canonical.as_bytes());
        Ok(Self { name, canonical, digest, mirrors })
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

    /// Which parameters headers repeat, by path.
    #[must_use]
    pub fn mirrors(&self) -> &[Mirror] {
        &self.mirrors
    }

    /// The canonical text, read. `None` never happens: it was read before it was kept.
    #[must_use]
    pub fn document(&self) -> Option<Document<'_>> {
        Document::parse(self.canonical.as_bytes(), &LIMITS).ok()
    }
}

/// A tool that can be called: its definition, and its schema made ready.
#[derive(Debug)]
pub struct Pinned {
    definition: Definition,
    arguments: Arguments,
}

impl Pinned {
    /// Makes ready what was read.
    ///
    /// # Errors
    /// Arguments cannot be held against the schema.
    pub fn new(definition: Definition) -> Result<Self, SchemaError> {
        let whole: serde_json::Value = serde_json::from_str(&definition.canonical).unwrap_or_default();
        let arguments = Arguments::of(whole.get("inputSchema").unwrap_or(&serde_json::Value::Bool(false)))?;
        Ok(Self { definition, arguments })
    }

    /// Reads a canonical text again.
    ///
    /// # Errors
    /// In words: it is no definition, or none that arguments can be held against.
    pub fn of_canonical(text: &str) -> Result<Self, String> {
        let document = Document::parse(text.as_bytes(), &LIMITS).map_err(|error| error.to_string())?;
        let definition = Definition::read(&document, document.root()).map_err(|error| error.to_string())?;
        Self::new(definition).map_err(|error| error.to_string())
    }

    /// What the server says of it.
    #[must_use]
    pub const fn definition(&self) -> &Definition {
        &self.definition
    }

    /// What it demands of arguments.
    #[must_use]
    pub const fn arguments(&self) -> &Arguments {
        &self.arguments
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Definition({} {} bytes {})", self.name, self.canonical.len(), self.digest)
    }
}

/// Reads the elements of `tools`: what is wrong with one tool leaves out that tool alone; a name that stands twice leaves out all
/// that have it, be it that one of them is no definition.
#[must_use]
pub fn read_list(document: &Document<'_>, tools: NodeId) -> (Vec<Definition>, Vec<DefinitionError>) {
    let mut times = BTreeMap::<String, usize>::new();
    for name in document.children(tools).filter_map(|tool| name(document, tool)) {
        let seen = times.entry(name).or_default();
        *seen += 1;
    }
    let is_twice = |name: &str| times.get(name).is_some_and(|times| *times > 1);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for tool in document.children(tools).filter(|tool| !name(document, *tool).is_some_and(|name| is_twice(&name))) {
        match Definition::read(document, tool) {
            Ok(definition) => good.push(definition),
            Err(wrong) => bad.push(wrong),
        }
    }
    bad.extend(times.iter().filter(|(_, times)| **times > 1).map(|(name, _)| DefinitionError::Twice(name.clone())));
    (good, bad)
}

/// The name, if it is one. `/` is not recommended by the protocol, and used.
fn name(document: &Document<'_>, tool: NodeId) -> Option<String> {
    let name = document.get(tool, "name").and_then(|name| document.text(name))?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    ((1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_letter)).then(|| name.into_owned())
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = [0_u8; 32];
    for (target, source) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *target = *source;
    }
    Digest(hash)
}

/// Whether every whole number is one that all readers read alike. What has a point or an exponent is a double to all of them.
fn has_safe_numbers(document: &Document<'_>, tool: NodeId) -> bool {
    let mut todo = vec![tool];
    while let Some(node) = todo.pop() {
        todo.extend(document.children(node));
        let lexeme = document.lexeme(node);
        let is_whole = document.kind(node) == Kind::Number && !lexeme.contains(['.', 'e', 'E']);
        if is_whole && !lexeme.trim_start_matches('-').parse::<u64>().is_ok_and(|number| number <= SAFE) {
            return false;
        }
    }
    true
}

/// How a schema is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// By `properties` alone.
    Properties,
    /// By something else too.
    Otherwise,
}

/// The parameters with an `x-mcp-header`, and whether every one of these may have one.
fn mirrors(tool: &str, document: &Document<'_>) -> Result<Vec<Mirror>, DefinitionError> {
    let mut found = Vec::<Mirror>::new();
    let schema = document.get(document.root(), "inputSchema");
    let mut todo: Vec<(NodeId, Reach)> = schema.map(|schema| (schema, Reach::Properties)).into_iter().collect();
    while let Some((schema, reach)) = todo.pop() {
        if document.kind(schema) != Kind::Object {
            todo.extend(document.children(schema).map(|schema| (schema, Reach::Otherwise)));
            continue;
        }
        if let Some(name) = document.get(schema, "x-mcp-header") {
            let mirror = mirror(document, schema, name, reach, &found);
            found.push(mirror.map_err(|what| {
                let place = document.pointer(schema).chars().take(200).flat_map(char::escape_default).collect();
                DefinitionError::BadMirror(tool.to_owned(), place, what)
            })?);
        }
        for member in document.children(schema) {
            match document.key(member).unwrap_or_default().as_ref() {
                "properties" => todo.extend(document.children(member).map(|schema| (schema, reach))),
                // Schemas by name: the names are no keywords.
                "$defs" | "definitions" | "patternProperties" | "dependentSchemas" => {
                    todo.extend(document.children(member).map(|schema| (schema, Reach::Otherwise)));
                }
                // Values that look like schemas are none.
                "default" | "const" | "enum" | "examples" => {}
                _ => todo.push((member, Reach::Otherwise)),
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn mirror(document: &Document<'_>, schema: NodeId, name: NodeId, reach: Reach, found: &[Mirror]) -> Result<Mirror, &'static str> {
    let name = document.text(name).filter(|name| is_token(name)).ok_or("not the name of a header")?;
    let path = path(document, schema);
    if reach != Reach::Properties || path.is_empty() {
        return Err("only for what `properties` alone lead to");
    }
    let kind = document.get(schema, "type").and_then(|kind| document.text(kind));
    if !matches!(kind.as_deref(), Some("string" | "integer" | "boolean")) {
        return Err("only for a string, an integer or a boolean");
    }
    let header = format!("Mcp-Param-{name}");
    if found.iter().any(|other| other.header.eq_ignore_ascii_case(&header)) {
        return Err("the name stands twice");
    }
    if found.len() >= MAX_MIRRORS {
        return Err("more than 64 of them");
    }
    Ok(Mirror { header, path })
}

/// The names of the properties that lead to a schema which is reached by them alone: every second step.
fn path(document: &Document<'_>, schema: NodeId) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = schema;
    while let Some(properties) = document.parent(at)
        && document.key(properties).as_deref() == Some("properties")
        && let Some(above) = document.parent(properties)
    {
        path.push(document.key(at).unwrap_or_default().into_owned());
        at = above;
    }
    path.reverse();
    path
}

/// The name of a header (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use text::{Document, Limits};

    use super::{Definition, DefinitionError, read_list};

    fn read(json: &str) -> Result<Definition, DefinitionError> {
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        Definition::read(&document, document.root())
    }

    fn tool(more: &Value) -> Value {
        let mut tool = json!({"name": "send", "inputSchema": {"type": "object"}});
        if let (Some(tool), Some(more)) = (tool.as_object_mut(), more.as_object()) {
            tool.extend(more.clone());
        }
        tool
    }

    fn wrong(more: &Value) -> String {
        read(&tool(more).to_string()).unwrap_err().to_string()
    }

    #[test]
    fn every_word_counts_and_no_order() {
        let pinned = read(&tool(&json!({"description": "Sends.", "annotations": {"readOnlyHint": true}})).to_string()).unwrap();
        let same =
            r#"{"annotations":{"readOnlyHint":true},"inputSchema": {"type":"object"},"description":"Sends\u002e","name":"send"}"#;
        assert_eq!(read(same).unwrap().digest(), pinned.digest());
        for other in [
            json!({"description": "Sends. ", "annotations": {"readOnlyHint": true}}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": false}}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": true}, "title": ""}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": true}, "_meta": {}}),
            json!({"description": "Sends.", "annotations": {"readOnlyHint": true}, "inputSchema": {"type": "object", "x": 1}}),
        ] {
            assert_ne!(read(&tool(&other).to_string()).unwrap().digest(), pinned.digest(), "{other}");
        }
    }

    #[test]
    fn what_is_no_definition_is_told() {
        assert_eq!(read("[]"), Err(DefinitionError::NotAnObject));
        for name in [json!(""), json!("a b"), json!("s\u{e9}nd"), json!("x".repeat(129)), json!(7), Value::Null] {
            assert_eq!(read(&tool(&json!({"name": name})).to_string()), Err(DefinitionError::BadName), "{name}");
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
        let broken = json!({"name": "half", "inputSchema": 7});
        let list =
            json!([named("b"), named("twice"), 1, named("a"), named("twice"), named("twice"), named("half"), broken]).to_string();
        let document = Document::parse(list.as_bytes(), &Limits::default()).unwrap();
        let (good, bad) = read_list(&document, document.root());
        assert_eq!(good.iter().map(Definition::name).collect::<Vec<_>>(), ["b", "a"]);
        let twice = ["half", "twice"].map(|name| DefinitionError::Twice(name.to_owned()));
        assert_eq!(bad.iter().map(DefinitionError::tool).collect::<Vec<_>>(), [None, Some("half"), Some("twice")]);
        assert_eq!(bad, [vec![DefinitionError::NotAnObject], twice.to_vec()].concat());
    }

    #[test]
    fn parameters_in_headers() {
        let schema = |properties: Value| json!({"inputSchema": {"type": "object", "properties": properties}});
        let nested = schema(json!({
            "region": {"type": "string", "x-mcp-header": "Region"},
            "at": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "note": {"type": "string", "default": {"x-mcp-header": 7}},
        }));
        let read = read(&tool(&nested).to_string()).unwrap();
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
    fn numbers_that_are_read_in_two_ways_have_no_digest() {
        for number in ["9007199254740992", "-9007199254740992", "18446744073709551617", "-9223372036854775809"] {
            let said = format!(r#"{{"name":"send","inputSchema":{{"maximum":{number}}}}}"#);
            assert_eq!(read(&said), Err(DefinitionError::BadNumber("send".to_owned())), "{number}");
        }
        for number in ["9007199254740991", "1e300", "0.1", "-0.0"] {
            assert!(read(&format!(r#"{{"name":"send","inputSchema":{{"maximum":{number}}}}}"#)).is_ok(), "{number}");
        }
    }

    #[test]
    fn names_that_look_like_keywords_are_names() {
        for name in ["default", "properties", "const"] {
            let defs = json!({"inputSchema": {"$defs": {name: {"type": "string", "x-mcp-header": "A"}}}});
            assert!(wrong(&defs).contains("`properties` alone"), "{name}");
            let named = json!({"inputSchema": {"properties": {name: {"type": "string", "x-mcp-header": "A"}}}});
            let found = read(&tool(&named).to_string()).unwrap();
            assert_eq!(found.mirrors().first().unwrap().path, [name]);
        }
        let odd = json!({"inputSchema": {"properties": {"x\n\u{1b}[2J": {"x-mcp-header": 7}}}});
        assert!(wrong(&odd).contains(r"x\n\u{1b}[2J") && !wrong(&odd).contains('\n'), "{}", wrong(&odd));
    }

    #[test]
    fn long_keys_over_many_values_take_little_memory() {
        let values = "0,".repeat(14_000);
        let said =
            format!(r#"{{"name":"a","inputSchema":{{"properties":{{"{}":{{"anyOf":[{values}0]}}}}}}}}"#, "k".repeat(32_000));
        assert!(read(&said).is_ok());
    }
}
