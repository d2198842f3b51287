//! Which strings of an answer are pieces of one text.
//!
//! A lane is named by where its pieces stand: the JSON Pointer, with `#` before places in arrays. An element's own `index`
//! counts, not where it happens to stand, because that is what clients join by.

use std::borrow::Cow;

use engine::ports::{AnswerView, Form, LaneId, LeafUse};
use text::{Document, Kind, NodeId};

/// Members that are complete wherever they stand.
const COMPLETE: &[&str] = &[
    "type",
    "id",
    "role",
    "name",
    "index",
    "object",
    "model",
    "status",
    "finish_reason",
    "stop_reason",
    "stop_sequence",
    "signature",
    "encrypted_content",
    "service_tier",
    "system_fingerprint",
    "obfuscation",
];

/// Members of a tool call whose `name` clients join.
const NAMED: &[&str] = &["function", "custom", "function_call"];

/// Members that say which item and part an event is about, from the outside in.
const PLACES: &[&str] = &["output_index", "index", "summary_index", "content_index"];

/// How strings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Whole values.
    Whole,
    /// Whole values that some clients join.
    Told,
    /// Pieces of lanes.
    Delta,
}

impl Reading {
    /// How an event of this type is read.
    pub(super) fn of(kind: &str) -> Self {
        if says_delta(kind) { Self::Delta } else { Self::Whole }
    }

    fn under(self, key: &str) -> Self {
        if says_delta(key) { Self::Delta } else { self }
    }
}

/// Collects the pieces of one document.
pub(super) struct Lanes<'v, 'd> {
    document: &'v Document<'d>,
    pub(super) view: AnswerView,
    path: String,
    /// A string that is complete although it stands in a delta.
    except: Option<NodeId>,
    /// Whether the event is one that a table names.
    is_documented: bool,
    /// What its deltas are, as its type says.
    deltas: Form,
    /// Whether lists named `logprobs` are token records wherever they stand.
    pub(super) reads_tokens: bool,
}

impl<'v, 'd> Lanes<'v, 'd> {
    pub(super) fn new(document: &'v Document<'d>) -> Self {
        Self {
            document,
            view: AnswerView::default(),
            path: String::new(),
            except: None,
            is_documented: true,
            deltas: Form::Text,
            reads_tokens: false,
        }
    }

    /// Starts the names of the lanes that follow.
    pub(super) fn begin(&mut self, prefix: &str) {
        prefix.clone_into(&mut self.path);
    }

    /// A string that is a piece, named by the prefix and `place`.
    pub(super) fn piece(&mut self, node: NodeId, place: &str, choice: u32) {
        if self.document.kind(node) == Kind::String {
            let lane = LaneId(format!("{}{place}", self.path));
            let form = match lane.0.rsplit('/').next() {
                Some("arguments" | "partial_json") => Form::Json,
                Some("delta") => self.deltas,
                Some("text") if lane.0.starts_with("block/") => Form::Said,
                Some("name") => Form::Name,
                Some(_) | None => Form::Text,
            };
            self.view.pieces.push((node, LeafUse::Piece { lane, choice, form }));
        }
    }

    /// A string that is complete, and that some clients join all the same.
    pub(super) fn told(&mut self, node: NodeId, place: &str) {
        if self.document.kind(node) == Kind::String {
            self.view.pieces.push((node, LeafUse::Told { lane: LaneId(format!("{}{place}", self.path)) }));
        }
    }

    /// A lane that ends with this document.
    pub(super) fn end(&mut self, place: &str) {
        self.view.ends.push(LaneId(format!("{}{place}", self.path)));
    }

    /// Everything below a value that stands under `key`: strings below a member that says it is a delta are pieces.
    pub(super) fn below(&mut self, node: NodeId, key: &str, reading: Reading, choice: u32) {
        let length = self.path.len();
        self.push_key(key);
        self.value(node, key, reading.under(key), choice, "");
        self.path.truncate(length);
    }

    /// Everything below a member of a delta but one string.
    pub(super) fn below_except(&mut self, node: NodeId, key: &str, except: Option<NodeId>, choice: u32) {
        self.except = except;
        self.below(node, key, Reading::Delta, choice);
        self.except = None;
    }

    fn value(&mut self, node: NodeId, key: &str, reading: Reading, choice: u32, holder: &str) {
        match self.document.kind(node) {
            Kind::String if self.except == Some(node) => {}
            Kind::String => match reading {
                Reading::Whole => {}
                Reading::Delta if !is_complete(key, holder) => self.piece(node, "", choice),
                // A type is told for every delta anew, and nobody joins it.
                Reading::Delta | Reading::Told if self.is_documented && key != "type" => self.told(node, ""),
                Reading::Delta | Reading::Told => {}
            },
            Kind::Object => {
                let document = self.document;
                for child in document.children(node) {
                    let name = document.key(child).unwrap_or_default();
                    let length = self.path.len();
                    self.push_key(&name);
                    self.value(child, &name, reading.under(&name), choice, key);
                    self.path.truncate(length);
                }
            }
            Kind::Array if self.reads_tokens && key == "logprobs" => self.tokens(node, reading, choice),
            Kind::Array => {
                let document = self.document;
                for (ordinal, child) in document.children(node).enumerate() {
                    let length = self.path.len();
                    if reading != Reading::Whole {
                        self.notice_index(child);
                    }
                    let place = place(document, child, ordinal);
                    self.path.push('#');
                    self.path.push_str(&place);
                    self.value(child, key, reading, choice, holder);
                    self.path.truncate(length);
                }
            }
            Kind::Number | Kind::True | Kind::False | Kind::Null => {}
        }
    }

    /// An `index` that is no plain number (`0.0`, `-0`, `"0"`, `false`) is 0 to one reader and something else to the next.
    pub(super) fn notice_index(&mut self, object: NodeId) {
        let document = self.document;
        let index = document.get(object, "index").filter(|node| document.kind(*node) != Kind::Null);
        self.view.is_ambiguous |= index.is_some_and(|node| !is_plain_count(document, node));
    }

    /// What is said cannot be told apart from something else.
    pub(super) fn ambiguous(&mut self) {
        self.view.is_ambiguous = true;
    }

    fn push_key(&mut self, key: &str) {
        self.path.push('/');
        for character in key.chars() {
            match character {
                '~' => self.path.push_str("~0"),
                '/' => self.path.push_str("~1"),
                '#' => self.path.push_str("~2"),
                plain => self.path.push(plain),
            }
        }
    }

    /// An event that no table names. All of it is a delta if its type says so.
    pub(super) fn unknown_event(&mut self, kind: &str, choice: u32) {
        self.is_documented = false;
        self.deltas = match kind {
            "response.output_text.delta" => Form::Said,
            _ if kind.contains("arguments") => Form::Json,
            _ => Form::Text,
        };
        let prefix = self.event_prefix(kind);
        self.begin(&prefix);
        self.value(self.document.root(), "", Reading::of(kind), choice, "");
    }

    /// Ends the lanes that events of this type have opened for the item and part that this document is about.
    pub(super) fn end_events(&mut self, kind: &str) {
        let prefix = self.event_prefix(kind);
        self.view.ended_below.push(prefix);
    }

    /// Everything in the document as whole values, with their token records.
    pub(super) fn whole(&mut self) {
        self.begin("");
        self.value(self.document.root(), "", Reading::Whole, 0, "");
    }

    /// How the lanes of an event's strings begin: its type, and the item and part that it is about. Items that stream side by side
    /// are told apart by their places, in whatever order the members stand; without places by their ids.
    pub(super) fn event_prefix(&mut self, kind: &str) -> String {
        let document = self.document;
        let root = document.root();
        let mut prefix = format!("event/{kind}");
        for key in PLACES {
            let node = document.get(root, key).filter(|node| document.kind(*node) != Kind::Null);
            self.view.is_ambiguous |= node.is_some_and(|node| !is_plain_count(document, node));
            if let Some(place) = count(document, root, key) {
                prefix.push_str(&format!("#{key}={place}"));
            }
        }
        let id = document.get(root, "item_id").and_then(|id| document.text(id));
        if let Some(id) = id.filter(|_| document.get(root, "output_index").is_none()) {
            let is_plain = id.len() <= MAX_TYPE && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            prefix.push_str(&format!("#item={}", if is_plain { &id } else { "?" }));
        }
        prefix
    }

    /// A list of tokens with what else could have been said. It is given up when anything of the event is edited; the tokens that
    /// were said are a text of their own, which ends here unless the event says that it goes on.
    fn tokens(&mut self, list: NodeId, reading: Reading, choice: u32) {
        let document = self.document;
        if document.children(list).next().is_none() {
            return;
        }
        self.view.token_records.push((choice, list));
        for entry in document.children(list) {
            self.piece(document.get(entry, "token").unwrap_or(entry), "", choice);
        }
        if reading == Reading::Whole {
            self.end("");
        }
    }
}

/// Whether a key or an event's type says that what it holds continues something.
fn says_delta(name: &str) -> bool {
    name == "delta" || name.ends_with("_delta") || name.ends_with(".delta")
}

fn is_complete(key: &str, holder: &str) -> bool {
    if key == "name" && NAMED.contains(&holder) {
        return false;
    }
    COMPLETE.contains(&key) || key.ends_with("_id")
}

/// A number of up to nine digits, written in the one plain way.
fn is_plain_count(document: &Document<'_>, node: NodeId) -> bool {
    if document.kind(node) != Kind::Number {
        return false;
    }
    let text = document.lexeme(node);
    let is_short = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short && (text == "0" || !text.starts_with('0'))
}

/// The place of an element: its own `index`, else where it stands.
pub(super) fn place(document: &Document<'_>, element: NodeId, ordinal: usize) -> String {
    own_place(document, element).unwrap_or_else(|| ordinal.to_string())
}

/// The `index` that an object gives itself.
pub(super) fn own_place(document: &Document<'_>, object: NodeId) -> Option<String> {
    count(document, object, "index")
}

/// A member that counts. What is there and is no count is one place of its own: `?`.
fn count(document: &Document<'_>, object: NodeId, key: &str) -> Option<String> {
    let node = document.get(object, key).filter(|node| document.kind(*node) != Kind::Null)?;
    let number = document.lexeme(node).parse::<u64>().ok();
    Some(number.map_or_else(|| "?".to_owned(), |number| number.to_string()))
}

/// Longest type of an event that is told.
const MAX_TYPE: usize = 64;

/// The type of an event: what its data says, else its name. One that is not a plain word is not repeated.
pub(super) fn event_type<'e>(document: &'e Document<'_>, name: Option<&'e str>) -> Cow<'e, str> {
    let told = document.get(document.root(), "type").and_then(|kind| document.text(kind));
    let kind = told.unwrap_or_else(|| name.unwrap_or_default().into());
    let is_plain = kind.len() <= MAX_TYPE && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match is_plain {
        true => kind,
        false => Cow::Borrowed(if says_delta(&kind) { "?.delta" } else { "?" }),
    }
}
