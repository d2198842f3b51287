//! Reads YAML into a tree that knows where everything stands, and refuses what makes YAML read two ways.
//!
//! Refused by looking at the parser's events, not at the text: anchors, aliases, tags, directives, several documents, keys that
//! are no plain texts, and the same key twice. Plain scalars follow the core schema of YAML 1.2, so `no` and `on` are texts.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::problem::{Path, Position, Problem, Step, shown};

/// Deepest nesting; the configuration's own is 5.
const MAX_DEPTH: usize = 32;
/// Most values in one file.
const MAX_NODES: usize = 500_000;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Already reported; whatever else could be said of it would only confuse.
    Broken,
    Null,
    Bool(bool),
    Integer(i128),
    /// A number with a fraction or an exponent; no field takes one.
    Fraction(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) position: Position,
    pub(crate) node: Node,
}

/// Where something stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its key; the item itself in a list.
    pub(crate) key: Position,
    /// Its value.
    pub(crate) value: Position,
}

impl Node {
    /// The entry of a map.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries, if this is a map.
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// Where `path` stands, or as much of it as is written.
    pub(crate) fn position_of(&self, path: &Path) -> Position {
        self.place(path.steps(), self.position).value
    }

    /// Where the steps lead, or as far as they are written; `key` is where the key of this node stands.
    pub(crate) fn place(&self, steps: &[Step], key: Position) -> Place {
        let mut node = self;
        let mut place = Place { key, value: node.position };
        for step in steps {
            let next = match (step, &node.value) {
                (Step::Key(key), _) => node.entry(key).map(|entry| (entry.position, &entry.node)),
                (Step::Index(index), Value::List(items)) => items.get(*index).map(|item| (item.position, item)),
                (Step::Index(_), _) => None,
            };
            let Some((key, next)) = next else { break };
            place = Place { key, value: next.position };
            node = next;
        }
        place
    }
}

/// Reads one document. A syntax error ends the reading; everything else is collected.
pub(crate) fn read(file: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder { file, problems, open: Vec::new(), root: None, n_documents: 0, n_nodes: 0 };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => builder.take(event, &span)?,
            Err(error) => {
                builder.syntax(&error);
                return None;
            }
        }
    }
    builder.root
}

/// A collection that is still open.
struct Open {
    position: Position,
    /// The key that waits for its value; only in maps.
    key: Option<Key>,
    /// Every key so far with its line; an index beside `entries`, so that large maps stay linear.
    seen: BTreeMap<String, u32>,
    /// `None` for a list.
    entries: Option<Vec<Entry>>,
    items: Vec<Node>,
}

struct Key {
    text: String,
    position: Position,
    /// Stands twice or is no text: reported, and its value is dropped.
    is_broken: bool,
}

struct Builder<'a> {
    file: &'a str,
    problems: &'a mut Vec<Problem>,
    open: Vec<Open>,
    root: Option<Node>,
    n_documents: usize,
    n_nodes: usize,
}

impl Builder<'_> {
    /// Takes one event; `None` ends the reading.
    fn take(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        let position = at(span);
        if event.tag().is_some() {
            self.problem(position, "tags such as `!!str` are refused here, write the plain value");
        }
        if event.anchor_id().is_some() {
            self.problem(position, "anchors (`&name`) are refused here, write the value where it is used");
        }
        self.n_nodes = self.n_nodes.saturating_add(1);
        if self.n_nodes > MAX_NODES || self.open.len() > MAX_DEPTH {
            self.problem(position, &format!("more than {MAX_NODES} values or {MAX_DEPTH} levels"));
            return None;
        }
        match event {
            Event::DocumentStart(..) => {
                self.n_documents = self.n_documents.saturating_add(1);
                if self.n_documents > 1 {
                    self.problem(position, "a second document begins here, expected one");
                    return None;
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.problem(position, "aliases (`*name`) are refused here, write the value where it is used");
                self.place(Node { position, value: Value::Broken });
            }
            Event::Scalar(text, style, _, tag) => {
                let value = if tag.is_some() { Value::Broken } else { resolved(&text, style) };
                self.scalar(position, &text, value);
            }
            Event::SequenceStart(..) => self.open(position, None),
            Event::MappingStart(..) => self.open(position, Some(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            // Comments and anchor names say nothing here; the anchor itself was reported with its node.
            _ => {}
        }
        Some(())
    }

    fn problem(&mut self, position: Position, message: &str) {
        let field = self.field();
        self.problems.push(Problem { file: self.file.to_owned(), position, field, message: message.to_owned() });
    }

    fn syntax(&mut self, error: &ScanError) {
        let mark = error.marker();
        let position = Position { line: number(mark.line()).max(1), column: number(mark.col()).saturating_add(1) };
        self.problem(position, &format!("not valid YAML: {}", error.info()));
    }

    /// The path to what is being read.
    fn field(&self) -> String {
        let steps = self.open.iter().fold(Path::default(), |path, open| match (&open.entries, &open.key) {
            (None, _) => path.index(open.items.len()),
            (Some(_), Some(key)) => path.key(&key.text),
            (Some(_), None) => path,
        });
        steps.to_string()
    }

    fn scalar(&mut self, position: Position, text: &str, value: Value) {
        let is_key = self.open.last().is_some_and(|open| open.entries.is_some() && open.key.is_none());
        if !is_key {
            self.place(Node { position, value });
            return;
        }
        let earlier = self.open.last().and_then(|open| open.seen.get(text)).copied();
        if let Some(line) = earlier {
            self.problem(position, &format!("the key `{}` stands twice, first in line {line}", shown(text)));
        }
        if let Some(open) = self.open.last_mut() {
            open.seen.entry(text.to_owned()).or_insert(position.line);
            open.key = Some(Key { text: text.to_owned(), position, is_broken: earlier.is_some() });
        }
    }

    fn open(&mut self, position: Position, entries: Option<Vec<Entry>>) {
        self.open.push(Open { position, key: None, seen: BTreeMap::new(), entries, items: Vec::new() });
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let value = closed.entries.map_or(Value::List(closed.items), Value::Map);
        let is_key = self.open.last().is_some_and(|open| open.entries.is_some() && open.key.is_none());
        if is_key {
            self.problem(closed.position, "a key is a plain text here, found a list or mapping");
            self.break_key(closed.position);
            return;
        }
        self.place(Node { position: closed.position, value });
    }

    fn place(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match (&mut open.entries, open.key.take()) {
            (Some(_), Some(Key { is_broken: true, .. })) => {}
            (Some(entries), Some(Key { text, position, .. })) => entries.push(Entry { key: text, position, node }),
            // An alias where a key belongs: reported already.
            (Some(_), None) => open.key = Some(Key { text: String::new(), position: node.position, is_broken: true }),
            (None, _) => open.items.push(node),
        }
    }

    /// Something that is no text stands where a key belongs: its value is dropped.
    fn break_key(&mut self, position: Position) {
        if let Some(open) = self.open.last_mut() {
            open.key = Some(Key { text: String::new(), position, is_broken: true });
        }
    }
}

fn at(span: &Span) -> Position {
    Position { line: number(span.start.line()).max(1), column: number(span.start.col()).saturating_add(1) }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What a scalar means: quoted ones and block scalars are texts, plain ones follow the core schema.
fn resolved(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let radix = |digits: &str, radix| i128::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']));
    let integer = match text.split_at_checked(2) {
        Some(("0x", digits)) => radix(digits, 16),
        Some(("0o", digits)) => radix(digits, 8),
        _ => text.parse().ok(),
    };
    if let Some(integer) = integer {
        return Value::Integer(integer);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok();
    if is_number { Value::Fraction(text.to_owned()) } else { Value::Text(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::{Value, read};
    use crate::problem::{Path, Problem};

    fn problems(text: &str) -> Vec<String> {
        let mut problems: Vec<Problem> = Vec::new();
        let _: Option<super::Node> = read("f", text, &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_refused_and_where() {
        let facts = [
            ("a: &x 1\nb: 2\n", "f:1:7: a: anchors (`&name`) are refused here, write the value where it is used"),
            ("a: *x\n", "f:1:4: a: aliases (`*name`) are refused here, write the value where it is used"),
            ("a: [1, *x]\n", "f:1:8: a[1]: aliases (`*name`) are refused here, write the value where it is used"),
            ("a: !!str 1\n", "f:1:10: a: tags such as `!!str` are refused here, write the plain value"),
            ("a: !include x\n", "f:1:13: a: tags such as `!!str` are refused here, write the plain value"),
            ("a: {b: 1, b: 2}\n", "f:1:11: a: the key `b` stands twice, first in line 1"),
            ("a: 1\nb: 2\n\"a\": 3\n", "f:3:1: the key `a` stands twice, first in line 1"),
            ("? [a]\n: 1\n", "f:1:3: a key is a plain text here, found a list or mapping"),
            ("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here, expected one"),
        ];
        for (text, expected) in facts {
            assert_eq!(problems(text), [expected], "{text}");
        }
        for text in
            ["%YAML 1.2\n---\na: 1\n", "a: [1\n", "a: b: c\n", "a:\n\tb: 1\n", "a: \"x\n", "a: 1\n b: 2\n", "a: \"\\ud800\"\n"]
        {
            let found = problems(text);
            assert_eq!(found.len(), 1, "{text:?}: {found:?}");
            assert!(found[0].contains("not valid YAML"), "{found:?}");
        }
    }

    #[test]
    fn an_anchor_or_alias_inside_a_text_is_none() {
        for text in ["a: 'x &y *z'\n", "# &a *b !c\na: x&y\n", "a: |\n  &x *y !z\n", "a: x*y!z\n"] {
            assert_eq!(problems(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn deep_and_endless_inputs_end() {
        for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000), "a: &a [*a, *a]\n".to_owned()] {
            assert!(!problems(&text).is_empty());
        }
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let facts = [
            ("yes", Value::Text("yes".to_owned())),
            ("no", Value::Text("no".to_owned())),
            ("true", Value::Bool(true)),
            ("'true'", Value::Text("true".to_owned())),
            ("0x1F", Value::Integer(31)),
            ("0o17", Value::Integer(15)),
            ("-12", Value::Integer(-12)),
            ("1.5", Value::Fraction("1.5".to_owned())),
            ("1e3", Value::Fraction("1e3".to_owned())),
            ("1.2.3.4", Value::Text("1.2.3.4".to_owned())),
            ("12:30", Value::Text("12:30".to_owned())),
            ("~", Value::Null),
            ("", Value::Null),
            ("${KEY}", Value::Text("${KEY}".to_owned())),
        ];
        for (text, expected) in facts {
            let node = read("f", &format!("a: {text}\n"), &mut Vec::new()).unwrap();
            assert_eq!(node.entry("a").unwrap().node.value, expected, "{text}");
        }
    }

    #[test]
    fn positions() {
        let node = read("f", "models:\n  small:\n    upstreams:\n      - name: x\n", &mut Vec::new()).unwrap();
        let path = Path::of(&["models", "small", "upstreams"]).index(0).key("name");
        let found = node.place(path.steps(), node.position);
        assert_eq!((found.value.line, found.value.column), (4, 15));
        assert_eq!((found.key.line, found.key.column), (4, 9));
        let missing = node.position_of(&Path::of(&["models", "large"]));
        assert_eq!((missing.line, missing.column), (2, 3));
    }
}
