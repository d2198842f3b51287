//! A file of definitions with some of them replaced: what nobody had a reason to change stays byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use text::{Document, Kind, Limits, NodeId, quote};

use super::said::Said;
use super::shown::{name, plain, seen};

/// Longest value that stands in one line, in characters.
const MAX_LINE: usize = 100;
/// How far a tool stands from the left in a file of ours.
const TOOL_INDENT: usize = 4;

/// The file with the definitions of `wanted` in the place of those of the same names, new ones behind the others. `None` is a file
/// that is not there yet.
pub(super) fn merged(file: Option<&[u8]>, wanted: &BTreeMap<&str, &str>) -> Result<Vec<u8>, String> {
    let mut written = BTreeMap::new();
    for (tool, lexeme) in wanted {
        written.insert(*tool, pretty(lexeme).ok_or_else(|| format!("`{}` cannot be written, please report this", name(tool)))?);
    }
    let text = match file {
        Some(bytes) => spliced(bytes, written)?,
        None => {
            let tools: Vec<String> = written.into_values().map(|tool| format!("{:TOOL_INDENT$}{tool}", "")).collect();
            format!("{{\n  \"tools\": [\n{}\n  ]\n}}\n", tools.join(",\n"))
        }
    };
    is_as_wanted(&text, wanted)?;
    Ok(text.into_bytes())
}

/// What was shown is what is written: both are read again, by the reader whose digests the gate pins.
fn is_as_wanted(text: &str, wanted: &BTreeMap<&str, &str>) -> Result<(), String> {
    let read = Said::read(text.as_bytes())?;
    let alone = |lexeme: &str| Said::read(format!("{{\"tools\":[{lexeme}]}}").as_bytes()).ok();
    for (tool, lexeme) in wanted {
        let digest = |said: &Said| said.tools.get(*tool).map(|announced| announced.definition.digest());
        let shown = alone(lexeme).as_ref().and_then(digest);
        if shown.is_none() || digest(&read) != shown {
            return Err(format!("`{}` would be written otherwise than it was shown, please report this", name(tool)));
        }
    }
    Ok(())
}

fn spliced(bytes: &[u8], mut written: BTreeMap<&str, String>) -> Result<String, String> {
    let document = Document::parse(bytes, &Limits::default()).map_err(|error| plain(&error.to_string()))?;
    let tools = document.get(document.root(), "tools").filter(|tools| document.kind(*tools) == Kind::Array);
    let tools = tools.ok_or("no `tools` in it")?;
    let source = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let piece = |from: usize, to: usize| source.get(from..to).unwrap_or_default();
    let (mut text, mut at) = (String::with_capacity(source.len()), 0);
    let (mut last, mut replaced) = (None, BTreeSet::new());
    for tool in document.children(tools) {
        let span = document.span(tool);
        last = Some(span.end);
        let called = document.get(tool, "name").and_then(|name| document.text(name));
        let Some(called) = called else { continue };
        if replaced.contains(called.as_ref()) {
            return Err(format!("`{}` stands twice in it: remove one, then approve again", name(&called)));
        }
        if let Some(new) = written.remove(called.as_ref()) {
            replaced.insert(called.into_owned());
            text.push_str(piece(at, span.start));
            text.push_str(&new);
            at = span.end;
        }
    }
    if !written.is_empty() {
        // Behind the last one, or between the brackets.
        let end = last.unwrap_or_else(|| document.span(tools).start.saturating_add(1));
        text.push_str(piece(at, end));
        at = end;
        for (index, tool) in written.values().enumerate() {
            let comma = if index > 0 || last.is_some() { "," } else { "" };
            text.push_str(&format!("{comma}\n{:TOOL_INDENT$}{tool}", ""));
        }
        if last.is_none() {
            text.push_str("\n  ");
        }
    }
    text.push_str(piece(at, source.len()));
    Ok(text)
}

/// A definition as people read it: indented, numbers as they were written, and what cannot be seen as escapes.
fn pretty(lexeme: &str) -> Option<String> {
    let document = Document::parse(lexeme.as_bytes(), &Limits::default()).ok()?;
    let mut text = String::with_capacity(lexeme.len().saturating_mul(2));
    write(&document, document.root(), TOOL_INDENT, true, &mut text);
    Some(text)
}

/// As deep as a document may be: 64 levels. `breaks` begins a line for each member, whatever room there is.
fn write(document: &Document<'_>, node: NodeId, indent: usize, breaks: bool, text: &mut String) {
    let (open, close) = match document.kind(node) {
        Kind::Object => ('{', '}'),
        Kind::Array => ('[', ']'),
        Kind::String => return text.push_str(&seen(&quote(&document.text(node).unwrap_or_default()))),
        Kind::Number | Kind::True | Kind::False | Kind::Null => return text.push_str(document.lexeme(node)),
    };
    let is_long = document.count(node) > 0 && (breaks || document.lexeme(node).chars().count() > MAX_LINE);
    let inner = indent.saturating_add(2);
    text.push(open);
    for (index, child) in document.children(node).enumerate() {
        match (is_long, index) {
            (true, 0) => text.push_str(&format!("\n{:inner$}", "")),
            (true, _) => text.push_str(&format!(",\n{:inner$}", "")),
            (false, 0) => {}
            (false, _) => text.push_str(", "),
        }
        if let Some(key) = document.key(child) {
            text.push_str(&seen(&quote(&key)));
            text.push_str(": ");
        }
        write(document, child, inner, false, text);
    }
    if is_long {
        text.push_str(&format!("\n{:indent$}", ""));
    }
    text.push(close);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::merged;

    fn text(file: Option<&str>, wanted: &[(&str, &str)]) -> Result<String, String> {
        let wanted: BTreeMap<&str, &str> = wanted.iter().copied().collect();
        merged(file.map(str::as_bytes), &wanted).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    const B: &str = r#"{"name":"b","inputSchema":{"maximum":1.0e2,"minimum":1e20}}"#;
    const B_PRETTY: &str = "{\n      \"name\": \"b\",\n      \"inputSchema\": {\"maximum\": 1.0e2, \"minimum\": 1e20}\n    }";

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let file =
            |b: &str| format!("{{ \"x\":1.50,\n\"tools\" : [ {{\"name\":\"a\",  \"inputSchema\":{{}} }},{b} , 7 ],\t\"y\":[] }}");
        let old = r#"{"n\u0061me":"b","inputSchema":{"a":1}}"#;
        assert_eq!(text(Some(&file(old)), &[("b", B)]), Ok(file(B_PRETTY)));
        assert_eq!(text(Some(&file(old)), &[]), Ok(file(old)));
    }

    #[test]
    fn what_is_new_stands_behind_the_others() {
        let new = format!("{{\n  \"tools\": [\n    {B_PRETTY}\n  ]\n}}\n");
        assert_eq!(text(None, &[("b", B)]), Ok(new.clone()));
        assert_eq!(text(Some("{\n  \"tools\": []\n}\n"), &[("b", B)]), Ok(new));
        let a = r#"{"name":"a","inputSchema":{}}"#;
        assert_eq!(
            text(Some(&format!("{{\"tools\":[{a} ]}}")), &[("b", B)]),
            Ok(format!("{{\"tools\":[{a},\n    {B_PRETTY} ]}}"))
        );
    }

    #[test]
    fn what_cannot_be_seen_is_written_as_escapes() {
        let hidden = "{\"name\":\"b\",\"description\":\"caf\u{e9}\u{200b}\u{e0041}\u{202e}\",\"inputSchema\":{\"\u{2028}\":1}}";
        let written = text(None, &[("b", hidden)]).unwrap();
        for expected in ["caf\u{e9}\\u200b\\udb40\\udc41\\u202e", "{\"\\u2028\": 1}"] {
            assert!(written.contains(expected), "{written}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_not_written() {
        let twice = r#"{"tools":[{"name":"b","inputSchema":{}},{"name":"b","inputSchema":{}}]}"#;
        let told = text(Some(twice), &[("b", B)]).unwrap_err();
        assert!(told.starts_with("`b` stands twice in it"), "{told}");
    }
}
