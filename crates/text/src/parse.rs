//! The reader: one pass, no recursion, memory bounded by the limits.

use std::collections::HashMap;

use memchr::memchr2;

use crate::document::{Document, Kind, NONE, Node, NodeId, SMALL, Tables, pointer_escape, wide};
use crate::escape::{Decoded, EscapeFault, decode, escape};

/// Bounds of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many objects and arrays may stand inside one another.
    pub max_depth: usize,
    /// How many values there may be in all, containers included.
    pub max_nodes: usize,
}

impl Default for Limits {
    /// 64 levels, 200,000 values.
    fn default() -> Self {
        Self { max_depth: 64, max_nodes: 200_000 }
    }
}

/// Why bytes are not an acceptable document. Offsets are byte offsets. Holds no content but the pointer of a duplicate key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The first byte that belongs to no character.
        offset: usize,
    },
    /// Something else stands where the grammar wants `expected`.
    #[error("expected {expected} at byte {offset}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What would have been right.
        expected: &'static str,
    },
    /// More objects and arrays inside one another than allowed.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// [`Limits::max_depth`].
        limit: usize,
    },
    /// More values than allowed, or more bytes than 4 GiB.
    #[error("more than {limit} values")]
    TooMany {
        /// [`Limits::max_nodes`].
        limit: usize,
    },
    /// An object has the same key twice, compared decoded.
    #[error("the key at `{pointer}` stands twice in its object")]
    DuplicateKey {
        /// The JSON Pointer of the member.
        pointer: String,
    },
    /// Half of a surrogate pair stands alone in an escape.
    #[error("unpaired surrogate escape at byte {offset}")]
    Surrogate {
        /// The backslash.
        offset: usize,
    },
}

/// Longer keys with escapes are hashed, not compared one by one.
const LONG_KEY: usize = 256;

pub(crate) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { offset: error.valid_up_to() })?;
    if u32::try_from(bytes.len()).is_err() {
        return Err(JsonError::TooMany { limit: limits.max_nodes });
    }
    // A guess that fits ordinary bodies and cannot be abused: at most 4096 nodes are reserved ahead of need.
    let nodes = Vec::with_capacity((bytes.len() / 24 + 4).min(4096).min(limits.max_nodes.saturating_add(1)));
    let document = Document { text, nodes, tables: Tables::default() };
    let mut parser = Parser { bytes, limits: *limits, at: 0, depth: 0, current: NONE, key: None, document };
    parser.run()?;
    Ok(parser.document)
}

/// A string literal, quotes included.
#[derive(Clone, Copy)]
struct Literal {
    start: u32,
    end: u32,
    escaped: bool,
}

/// What the grammar wants next.
#[derive(Clone, Copy)]
enum Want {
    Value,
    Member,
    /// A comma or the end of the current container; the end of the document at top level.
    More,
}

struct Parser<'a> {
    bytes: &'a [u8],
    limits: Limits,
    at: usize,
    depth: usize,
    /// The container that is open, or [`NONE`].
    current: u32,
    /// The key of the value that comes next.
    key: Option<Literal>,
    document: Document<'a>,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), JsonError> {
        let mut want = Want::Value;
        loop {
            self.skip_space();
            want = match want {
                Want::Value => self.value()?,
                Want::Member => self.member()?,
                Want::More if self.current == NONE => break,
                Want::More => self.more()?,
            };
        }
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.expected("the end of the document")) }
    }

    fn value(&mut self) -> Result<Want, JsonError> {
        match self.peek() {
            Some(b'"') => {
                let literal = self.string()?;
                let id = self.push(Kind::String, literal.start, literal.end)?;
                self.edit(id, |node| node.escaped = literal.escaped);
                Ok(Want::More)
            }
            Some(b'{') => self.open(Kind::Object, b'}', Want::Member),
            Some(b'[') => self.open(Kind::Array, b']', Want::Value),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.offset();
                self.number()?;
                self.push(Kind::Number, start, self.offset()).map(|_| Want::More)
            }
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(b'n') => self.word(b"null", Kind::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn open(&mut self, kind: Kind, close: u8, then: Want) -> Result<Want, JsonError> {
        if self.depth >= self.limits.max_depth {
            return Err(JsonError::TooDeep { limit: self.limits.max_depth });
        }
        let start = self.offset();
        self.current = self.push(kind, start, start)?;
        self.depth = self.depth.saturating_add(1);
        self.at = self.at.saturating_add(1);
        self.skip_space();
        if self.peek() == Some(close) {
            self.close();
            return Ok(Want::More);
        }
        Ok(then)
    }

    fn close(&mut self) {
        self.at = self.at.saturating_add(1);
        let id = self.current;
        let (end, after) = (self.offset(), self.next_id());
        self.edit(id, |node| {
            node.end = end;
            node.after = after;
        });
        let node = *self.document.node(NodeId(id));
        if node.kind == Kind::Array && node.count > SMALL {
            let elements = self.document.children(NodeId(id)).map(|child| child.0).collect();
            self.document.tables.arrays.insert(id, elements);
        }
        self.current = node.parent;
        self.depth = self.depth.saturating_sub(1);
    }

    fn more(&mut self) -> Result<Want, JsonError> {
        let is_object = self.document.kind(NodeId(self.current)) == Kind::Object;
        match (self.peek(), is_object) {
            (Some(b','), true) => {
                self.at = self.at.saturating_add(1);
                Ok(Want::Member)
            }
            (Some(b','), false) => {
                self.at = self.at.saturating_add(1);
                Ok(Want::Value)
            }
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.close();
                Ok(Want::More)
            }
            (_, true) => Err(self.expected("`,` or `}`")),
            (_, false) => Err(self.expected("`,` or `]`")),
        }
    }

    fn member(&mut self) -> Result<Want, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key"));
        }
        let key = self.string()?;
        self.refuse_duplicate(key)?;
        self.key = Some(key);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at = self.at.saturating_add(1);
        Ok(Want::Value)
    }

    /// Small objects are compared key by key, without allocation; large ones, and those with a long key that has to be decoded,
    /// through a table that [`Document::get`] uses again. Linear in the bytes either way.
    fn refuse_duplicate(&mut self, key: Literal) -> Result<(), JsonError> {
        let object = NodeId(self.current);
        let next = self.next_id();
        let document = &mut self.document;
        let inside = document.text.get(wide(key.start) + 1..wide(key.end) - 1).unwrap_or_default();
        let has_table = document.tables.objects.contains_key(&object.0);
        let wants_table = document.node(object).count >= SMALL || (key.escaped && inside.len() > LONG_KEY);
        if wants_table && !has_table {
            let keys: HashMap<_, _> =
                document.children(object).filter_map(|child| Some((document.key(child)?, child.0))).collect();
            document.tables.objects.insert(object.0, keys);
        }
        let is_duplicate = match document.tables.objects.get_mut(&object.0) {
            Some(table) => table.insert(decode(inside), next).is_some(),
            None if key.escaped => document.children(object).any(|child| document.key_is(child, Decoded::new(inside))),
            None => document.children(object).any(|child| document.key_is_plain(child, inside)),
        };
        if !is_duplicate {
            return Ok(());
        }
        let mut pointer = document.pointer(object);
        pointer.push('/');
        pointer_escape(&decode(inside), &mut pointer);
        Err(JsonError::DuplicateKey { pointer })
    }

    /// A string literal; `at` stands on its opening quote.
    fn string(&mut self) -> Result<Literal, JsonError> {
        let start = self.offset();
        let mut escaped = false;
        self.at = self.at.saturating_add(1);
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let length = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            let plain = rest.get(..length).unwrap_or_default();
            // Folded without a branch so that it vectorises; the position is looked for only when there is one.
            if plain.iter().fold(false, |found, byte| found | (*byte < 0x20)) {
                self.at += plain.iter().position(|byte| *byte < 0x20).unwrap_or_default();
                return Err(self.expected("an escape instead of a control character"));
            }
            self.at += length;
            match self.peek() {
                Some(b'"') => break,
                Some(_) => {
                    escaped = true;
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    self.at += match escape(rest) {
                        Ok((_, length)) => length,
                        Err(EscapeFault::Malformed) => return Err(self.expected("an escape of RFC 8259")),
                        Err(EscapeFault::Surrogate) => return Err(JsonError::Surrogate { offset: self.at }),
                    };
                }
                None => return Err(self.expected("`\"`")),
            }
        }
        self.at += 1;
        Ok(Literal { start, end: self.offset(), escaped })
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.accept(|byte| byte == b'-');
        if !self.accept(|byte| byte == b'0') {
            self.digits()?;
        }
        if self.accept(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.accept(|byte| matches!(byte, b'e' | b'E')) {
            self.accept(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.accept(|byte| byte.is_ascii_digit()) {
            return Err(self.expected("a digit"));
        }
        while self.accept(|byte| byte.is_ascii_digit()) {}
        Ok(())
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Want, JsonError> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.expected("a value"));
        }
        let start = self.offset();
        self.at += word.len();
        self.push(kind, start, self.offset()).map(|_| Want::More)
    }

    /// A new child of the current container, under the key that was read before it.
    fn push(&mut self, kind: Kind, start: u32, end: u32) -> Result<u32, JsonError> {
        if self.document.nodes.len() >= self.limits.max_nodes {
            return Err(JsonError::TooMany { limit: self.limits.max_nodes });
        }
        let id = self.next_id();
        let key = self.key.take();
        let mut ordinal = 0;
        let parent = self.current;
        self.edit(parent, |node| {
            ordinal = node.count;
            node.count = node.count.saturating_add(1);
        });
        self.document.nodes.push(Node {
            kind,
            escaped: false,
            key_escaped: key.is_some_and(|key| key.escaped),
            parent,
            start,
            end,
            key_start: key.map_or(NONE, |key| key.start),
            key_end: key.map_or(NONE, |key| key.end),
            after: id.saturating_add(1),
            ordinal,
            count: 0,
        });
        Ok(id)
    }

    fn edit(&mut self, id: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.document.nodes.get_mut(wide(id)) {
            change(node);
        }
    }

    fn accept(&mut self, wanted: impl FnOnce(u8) -> bool) -> bool {
        let accepted = self.peek().is_some_and(wanted);
        self.at += usize::from(accepted);
        accepted
    }

    fn skip_space(&mut self) {
        while self.accept(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {}
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// `parse` refused longer input, so every offset fits.
    fn offset(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(NONE)
    }

    /// There are never more nodes than bytes.
    fn next_id(&self) -> u32 {
        u32::try_from(self.document.nodes.len()).unwrap_or(NONE)
    }

    const fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Malformed { offset: self.at, expected }
    }
}
