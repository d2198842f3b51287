//! What a server says of its tools, from a file: its answer to MCP's `tools/list`, or the definitions that were approved.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use mcp::{Definition, DefinitionError, definition};
use text::{Document, Kind, Limits, NodeId};

use super::shown::{name, plain};
use crate::bring::Problems;
use crate::files;
use crate::scan::visible;

/// Longest file in bytes, as for files of definitions in the configuration.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// What people call standard input.
pub(super) const INPUT: &str = "standard input";
/// What is expected of a file.
const SHAPE: &str = "expected what a server answers to `tools/list`: `{\"tools\": [{\"name\": …, \"inputSchema\": {…}}]}`";

/// Tools as a server announces them.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Those whose definition can be pinned, by name.
    pub(super) tools: BTreeMap<String, Announced>,
    /// The others.
    pub(super) refused: Vec<Refused>,
    /// Whether there is more than this: it is one page of several.
    pub(super) has_more: bool,
    /// Whether it is a whole JSON-RPC answer, and not the result alone.
    pub(super) is_whole_answer: bool,
    /// Whether it is a request to a model, and the tools are functions that it offers.
    pub(super) is_request: bool,
}

/// One tool.
#[derive(Debug)]
pub(super) struct Announced {
    /// What is pinned of it.
    pub(super) definition: Definition,
    /// The same as the file has it.
    pub(super) lexeme: String,
}

/// A tool that cannot be pinned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its name, if it has one.
    pub(super) tool: Option<String>,
    /// Why; nothing in it steers a terminal.
    pub(super) reason: String,
}

impl Said {
    /// Reads what a server answers, whole or the result of it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let document = Document::parse(bytes, &Limits::default()).map_err(|error| plain(&error.to_string()))?;
        let (root, member) = (document.root(), |key: &str| document.get(document.root(), key));
        let (result, is_whole_answer) = match (member("tools"), member("result")) {
            (Some(_), Some(_)) => return Err(format!("it has `tools` and `result`, so readers differ on what it says; {SHAPE}")),
            (None, Some(result)) => (result, true),
            (None, None) if member("error").is_some() => {
                return Err(format!("the server has answered with an error, and named no tools; {SHAPE}"));
            }
            (Some(_), None) | (None, None) => (root, false),
        };
        let tools = document.get(result, "tools").filter(|tools| document.kind(*tools) == Kind::Array).ok_or(SHAPE)?;
        let has_more = document.get(result, "nextCursor").is_some_and(|cursor| document.kind(cursor) != Kind::Null);
        let (good, bad) = definition::read_list(&document, tools);
        let mut refused = nameless(&document, tools);
        refused.extend(bad.iter().filter_map(|wrong| {
            wrong.tool().map(|tool| Refused { tool: Some(tool.to_owned()), reason: plain(&wrong.to_string()) })
        }));
        Ok(Self { tools: announced(&document, tools, good), refused, has_more, is_whole_answer, is_request: false })
    }

    /// Why a tool that was announced cannot be pinned.
    pub(super) fn refusal(&self, tool: &str) -> Option<&str> {
        self.refused.iter().find(|refused| refused.tool.as_deref() == Some(tool)).map(|refused| refused.reason.as_str())
    }
}

/// The definitions, each with its own bytes. A name that stands twice has no definition here.
fn announced(document: &Document<'_>, tools: NodeId, good: Vec<Definition>) -> BTreeMap<String, Announced> {
    let mut lexemes: BTreeMap<String, &str> =
        document.children(tools).filter_map(|tool| Some((name_of(document, tool)?, document.lexeme(tool)))).collect();
    let announced = good.into_iter().map(|definition| {
        let lexeme = lexemes.remove(definition.name()).unwrap_or_default().to_owned();
        (definition.name().to_owned(), Announced { definition, lexeme })
    });
    announced.collect()
}

fn name_of(document: &Document<'_>, tool: NodeId) -> Option<String> {
    document.get(tool, "name").and_then(|name| document.text(name)).map(std::borrow::Cow::into_owned)
}

/// The elements without a name that can be told, by their places.
fn nameless(document: &Document<'_>, tools: NodeId) -> Vec<Refused> {
    let reason = |(index, tool): (usize, NodeId)| match Definition::read(document, tool) {
        Err(wrong @ (DefinitionError::NotAnObject | DefinitionError::BadName)) => {
            let found = name_of(document, tool).map(|found| format!(", not `{}`", name(&found))).unwrap_or_default();
            Some(Refused { tool: None, reason: format!("/tools/{index}: {wrong}{found}") })
        }
        Ok(_) | Err(_) => None,
    };
    document.children(tools).enumerate().filter_map(reason).collect()
}

/// Reads what a server says from a file, or from standard input for `-`.
pub(super) fn from_file(file: &Path) -> Result<Said, Problems> {
    let called = called(file);
    let bytes = bytes(file).map_err(|error| vec![format!("`{called}` cannot be read: {error}")])?;
    let listed = of_request(&bytes);
    let said = Said::read(listed.as_deref().unwrap_or(&bytes)).map_err(|what| vec![format!("{called}: {what}")])?;
    Ok(Said { is_request: listed.is_some(), ..said })
}

/// What a request to a model offers, in the form of a server's list; none if it is no such request.
fn of_request(bytes: &[u8]) -> Option<Vec<u8>> {
    let document = Document::parse(bytes, &Limits::default()).ok()?;
    let is_request = ["model", "messages", "input"].iter().any(|key| document.get(document.root(), key).is_some());
    gateway::dialect::listed(&document).filter(|_| is_request).map(String::into_bytes)
}

/// What people call a file.
pub(super) fn called(file: &Path) -> String {
    if is_input(file) { INPUT.to_owned() } else { visible(&file.to_string_lossy()) }
}

/// Whether standard input is meant.
pub(super) fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

pub(super) fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    if !is_input(file) {
        return files::read_bounded(file, MAX_BYTES);
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        return Err(io::Error::other(format!("larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn an_answer_is_read_whole_or_as_its_result() {
        let tool = r#"{"name":"read","inputSchema":{"minimum": 1e20}}"#;
        for (text, is_whole_answer, has_more) in [
            (format!(r#"{{"tools":[{tool}]}}"#), false, false),
            (format!(r#"{{"tools":[{tool}],"nextCursor":null}}"#), false, false),
            (format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tool}],"nextCursor":"2"}}}}"#), true, true),
        ] {
            let said = Said::read(text.as_bytes()).unwrap_or_else(|what| panic!("{text}: {what}"));
            assert_eq!((said.is_whole_answer, said.has_more), (is_whole_answer, has_more), "{text}");
            assert_eq!(said.tools["read"].lexeme, tool, "as it was written");
        }
    }

    #[test]
    fn a_request_to_a_model_lists_what_it_offers() {
        let schema = r#"{"type":"object","properties":{"to":{"type":"string"}}}"#;
        let requests = [
            format!(
                r#"{{"model":"m","messages":[],"tools":[{{"type":"function","function":{{"name":"send","description":"S.","parameters":{schema},"strict":true}}}}]}}"#
            ),
            format!(
                r#"{{"model":"m","input":"x","tools":[{{"type":"function","name":"send","description":"S.","parameters":{schema}}},{{"type":"web_search"}}]}}"#
            ),
            format!(
                r#"{{"model":"m","messages":[],"tools":[{{"name":"send","description":"S.","input_schema":{schema}}},{{"type":"bash_20250124","name":"bash"}}]}}"#
            ),
        ];
        let expected = format!(r#"{{"tools":[{{"name":"send","description":"S.","inputSchema":{schema}}}]}}"#);
        for request in requests {
            assert_eq!(super::of_request(request.as_bytes()), Some(expected.clone().into_bytes()), "{request}");
        }
        assert_eq!(super::of_request(expected.as_bytes()), None, "what a server says is read as it is");
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (text, expected) in [
            ("", "expected a value"),
            ("\u{feff}{}", "byte 0"),
            ("[]", "expected what a server answers"),
            ("{}", "expected what a server answers"),
            (r#"{"tools":{}}"#, "expected what a server answers"),
            (r#"{"result":[]}"#, "expected what a server answers"),
            (r#"{"error":{"code":1}}"#, "answered with an error"),
            (r#"{"tools":[],"result":{"tools":[]}}"#, "readers differ"),
            ("{\"tools\":[],\"a\\u001b\\u202e\":1,\"a\\u001b\u{202e}\":1}", "stands twice"),
        ] {
            let told = Said::read(text.as_bytes()).err().unwrap_or_else(|| panic!("{text} was read"));
            assert!(told.contains(expected) && told.replace('…', "").is_ascii() && !told.contains('\u{1b}'), "{text}: {told}");
        }
    }

    #[test]
    fn what_cannot_be_pinned_is_named_or_has_a_place() {
        let text = "{\"tools\":[{\"name\":\"a\",\"inputSchema\":{}},7,{\"name\":\"b\\u001b[2J\",\"inputSchema\":{}},{\"name\":\"c\"},\
                    {\"name\":\"d\",\"inputSchema\":{}},{\"name\":\"d\",\"inputSchema\":{\"x\":1}}]}";
        let said = Said::read(text.as_bytes()).unwrap();
        assert_eq!(said.tools.keys().collect::<Vec<_>>(), ["a"]);
        let reasons: Vec<_> = said.refused.iter().map(|refused| (refused.tool.as_deref(), refused.reason.as_str())).collect();
        assert_eq!(reasons.len(), 4, "{reasons:?}");
        assert_eq!(reasons[0], (None, "/tools/1: a tool is an object"));
        assert!(reasons[1].1.starts_with("/tools/2: ") && reasons[1].1.ends_with("not `b\\u{1b}[2J`"), "{reasons:?}");
        assert_eq!(said.refusal("c"), Some("`c`: `inputSchema` has to be an object"));
        assert_eq!(said.refusal("d"), Some("`d` stands twice in the list"));
        assert_eq!(said.refusal("a"), None);
    }
}
