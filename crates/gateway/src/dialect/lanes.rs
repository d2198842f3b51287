//! Which strings of an answer are pieces of one text.
//!
//! A lane is named by where its pieces stand: the JSON Pointer, with `#` before places in arrays. An element's own `index`
//! counts, not where it happens to stand, because that is what clients join by.

use std::borrow::Cow;

use engine::ports::{AnswerView, LaneId, LeafUse};
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

/// Those of them that some clients join all the same: told again, they have to be what they were.
const ONCE: &[&str] = &["id", "role", "name", "signature"];

/// Members of a tool call whose `name` clients join.
const NAMED: &[&str] = &["function", "custom", "function_call"];

/// Collects the pieces of one document.
pub(super) struct Lanes<'v, 'd> {
    document: &'v Document<'d>,
    pub(super) view: AnswerView,
    path: String,
    /// A string that is complete although it stands in a delta.
    except: Option<NodeId>,
    /// Whether the event is one that a table names.
    is_documented: bool,
}

impl<'v, 'd> Lanes<'v, 'd> {
    pub(super) fn new(document: &'v Document<'d>) -> Self {
        Self { document, view: AnswerView::default(), path: String::new(), except: None, is_documented: true }
    }

    /// Starts the names of the lanes that follow.
    pub(super) fn begin(&mut self, prefix: &str) {
        prefix.clone_into(&mut self.path);
    }

    /// A string that is a piece, named by the prefix and `place`.
    pub(super) fn piece(&mut self, node: NodeId, place: &str, choice: u32) {
        if self.document.kind(node) == Kind::String {
            let lane = LaneId(format!("{}{place}", self.path));
            let is_json = lane.0.ends_with("/arguments") || lane.0.ends_with("/partial_json");
            self.view.pieces.push((node, LeafUse::Piece { lane, choice, is_json }));
        }
    }

    /// A lane that ends with this document.
    pub(super) fn end(&mut self, place: &str) {
        self.view.ends.push(LaneId(format!("{}{place}", self.path)));
    }

    /// Everything below a value that stands under `key`: strings below a member that says it is a delta are pieces.
    pub(super) fn below(&mut self, node: NodeId, key: &str, is_delta: bool, choice: u32) {
        let length = self.path.len();
        self.push_key(key);
        self.value(node, key, is_delta || says_delta(key), choice, "");
        self.path.truncate(length);
    }

    /// Everything below a member of a delta but one string.
    pub(super) fn below_except(&mut self, node: NodeId, key: &str, except: Option<NodeId>, choice: u32) {
        self.except = except;
        self.below(node, key, true, choice);
        self.except = None;
    }

    fn value(&mut self, node: NodeId, key: &str, is_delta: bool, choice: u32, holder: &str) {
        match self.document.kind(node) {
            Kind::String if is_delta && self.except != Some(node) => {
                if !is_complete(key, holder) {
                    self.piece(node, "", choice);
                } else if self.is_documented && ONCE.contains(&key) {
                    self.view.pieces.push((node, LeafUse::Once { lane: LaneId(self.path.clone()) }));
                }
            }
            Kind::Object => {
                let document = self.document;
                for child in document.children(node) {
                    let name = document.key(child).unwrap_or_default();
                    let length = self.path.len();
                    self.push_key(&name);
                    self.value(child, &name, is_delta || says_delta(&name), choice, key);
                    self.path.truncate(length);
                }
            }
            Kind::Array => {
                let document = self.document;
                for (ordinal, child) in document.children(node).enumerate() {
                    let length = self.path.len();
                    self.notice_index(child);
                    let place = place(document, child, ordinal);
                    self.path.push('#');
                    self.path.push_str(&place);
                    self.value(child, key, is_delta, choice, holder);
                    self.path.truncate(length);
                }
            }
            Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {}
        }
    }

    /// An `index` that is no plain number (`0.0`, `-0`, `"0"`, `false`) is 0 to one reader and something else to the next.
    pub(super) fn notice_index(&mut self, object: NodeId) {
        let document = self.document;
        let index = document.get(object, "index").filter(|node| document.kind(*node) != Kind::Null);
        let is_plain = |text: &str| {
            let is_short = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            is_short && (text == "0" || !text.starts_with('0'))
        };
        self.view.is_ambiguous |=
            index.is_some_and(|node| document.kind(node) != Kind::Number || !is_plain(document.lexeme(node)));
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
        let document = self.document;
        let root = document.root();
        let mut prefix = format!("event/{kind}");
        if says_delta(kind) {
            // Items that stream side by side are told apart by their places, in whatever order the members stand.
            let keys = document.children(root).filter_map(|child| document.key(child).filter(|key| key.ends_with("index")));
            let mut places: Vec<String> =
                keys.filter_map(|key| count(document, root, &key).map(|count| format!("#{key}={count}"))).collect();
            places.sort_unstable();
            prefix.push_str(&places.concat());
        }
        self.begin(&prefix);
        self.value(root, "", says_delta(kind), choice, "");
    }
}

/// Whether a key or an event's type says that what it holds continues something.
pub(super) fn says_delta(name: &str) -> bool {
    name == "delta" || name.ends_with("_delta") || name.ends_with(".delta")
}

fn is_complete(key: &str, holder: &str) -> bool {
    if key == "name" && NAMED.contains(&holder) {
        return false;
    }
    COMPLETE.contains(&key) || key.ends_with("_id")
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
