//! The parsed document: a flat table of nodes over borrowed bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::escape::{Decoded, decode};
use crate::parse::{JsonError, Limits, parse};

/// A value of one [`Document`]. Ids grow in document order. An id of another document is harmless and meaningless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number, as written.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// No node, and no key.
pub(crate) const NONE: u32 = u32::MAX;

/// Objects and arrays with more children than this have a lookup table of their own.
pub(crate) const SMALL: u32 = 16;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Whether the string value holds an escape.
    pub(crate) escaped: bool,
    pub(crate) key_escaped: bool,
    /// The containing node, or [`NONE`].
    pub(crate) parent: u32,
    /// The raw value.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The raw key with its quotes, or [`NONE`].
    pub(crate) key_start: u32,
    pub(crate) key_end: u32,
    /// The first node that is not inside this one: the next sibling, if the parent holds it.
    pub(crate) after: u32,
    /// The place among the parent's children, from 0.
    pub(crate) ordinal: u32,
    /// How many children there are.
    pub(crate) count: u32,
}

/// What an id of another document reads as.
const NOTHING: Node = Node {
    kind: Kind::Null,
    escaped: false,
    key_escaped: false,
    parent: NONE,
    start: 0,
    end: 0,
    key_start: NONE,
    key_end: NONE,
    after: 0,
    ordinal: 0,
    count: 0,
};

/// Lookup tables of the large objects and arrays, so that finding a child never walks all of them.
#[derive(Default)]
pub(crate) struct Tables<'a> {
    pub(crate) objects: HashMap<u32, HashMap<Cow<'a, str>, u32>>,
    pub(crate) arrays: HashMap<u32, Vec<u32>>,
}

/// One JSON value with everything in it, over the bytes it was read from.
///
/// Building is linear in the bytes. [`kind`](Self::kind), [`span`](Self::span), [`parent`](Self::parent) and each step of
/// [`children`](Self::children) take constant time, [`get`](Self::get) constant expected time in the number of children, and
/// [`pointer`](Self::pointer) and [`at`](Self::at) time linear in the pointer's length.
pub struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) nodes: Vec<Node>,
    pub(crate) tables: Tables<'a>,
}

impl<'a> Document<'a> {
    /// Reads exactly one JSON value, with nothing but space around it.
    ///
    /// # Errors
    /// See [`JsonError`]; bytes that are not UTF-8 are reported first, else the first fault in document order.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, JsonError> {
        parse(bytes, limits)
    }

    /// The bytes it was read from.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The value as a whole.
    #[must_use]
    pub const fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// What the value is.
    #[must_use]
    pub fn kind(&self, id: NodeId) -> Kind {
        self.node(id).kind
    }

    /// The bytes of the value as written, quotes and brackets included.
    #[must_use]
    pub fn span(&self, id: NodeId) -> Range<usize> {
        let node = self.node(id);
        range(node.start, node.end)
    }

    /// Every value in document order: a container stands before what it holds.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<'a> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(NONE)).map(NodeId)
    }

    /// The members' values, or the elements, in document order. Nothing for other kinds.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let count = self.node(id).count;
        let mut next = id.0.saturating_add(1);
        (0..count).map(move |_| {
            let child = NodeId(next);
            next = self.node(child).after;
            child
        })
    }

    /// How many members or elements the value has; 0 for other kinds.
    #[must_use]
    pub fn count(&self, id: NodeId) -> usize {
        wide(self.node(id).count)
    }

    /// The object or array that holds the value.
    #[must_use]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        Some(self.node(id).parent).filter(|parent| *parent != NONE).map(NodeId)
    }

    /// The decoded key of an object's member; borrowed when it holds no escape.
    #[must_use]
    pub fn key(&self, id: NodeId) -> Option<Cow<'a, str>> {
        let node = self.node(id);
        let inside = self.inside(&self.key_span(id)?);
        Some(if node.key_escaped { decode(inside) } else { Cow::Borrowed(inside) })
    }

    /// The bytes of a member's key as written, quotes included.
    #[must_use]
    pub fn key_span(&self, id: NodeId) -> Option<Range<usize>> {
        let node = self.node(id);
        (node.key_start != NONE).then(|| range(node.key_start, node.key_end))
    }

    /// The member of an object.
    #[must_use]
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        if self.node(id).kind != Kind::Object {
            return None;
        }
        if let Some(table) = self.tables.objects.get(&id.0) {
            return table.get(key).copied().map(NodeId);
        }
        self.children(id).find(|child| self.key_is_plain(*child, key))
    }

    /// The value at a JSON Pointer (RFC 6901); the empty pointer is the whole value. Array indices have no leading zero; `-`
    /// points at nothing.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<NodeId> {
        if pointer.is_empty() {
            return Some(self.root());
        }
        let mut steps = pointer.split('/');
        if steps.next() != Some("") {
            return None;
        }
        steps.try_fold(self.root(), |id, step| match self.kind(id) {
            Kind::Object => self.get(id, &pointer_unescape(step)?),
            Kind::Array => self.element(id, step),
            Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => None,
        })
    }

    /// The decoded text of a string; borrowed when it holds no escape.
    #[must_use]
    pub fn text(&self, id: NodeId) -> Option<Cow<'a, str>> {
        let node = self.node(id);
        if node.kind != Kind::String {
            return None;
        }
        let inside = self.inside(&self.span(id));
        Some(if node.escaped { decode(inside) } else { Cow::Borrowed(inside) })
    }

    /// The value as written: a number's digits, a string with its quotes and escapes, a container with all it holds.
    #[must_use]
    pub fn lexeme(&self, id: NodeId) -> &'a str {
        self.text.get(self.span(id)).unwrap_or_default()
    }

    /// The JSON Pointer (RFC 6901) of the value.
    #[must_use]
    pub fn pointer(&self, id: NodeId) -> String {
        let mut path = Vec::new();
        let mut here = id;
        while let Some(parent) = self.parent(here) {
            path.push(here);
            here = parent;
        }
        let mut pointer = String::new();
        for step in path.into_iter().rev() {
            pointer.push('/');
            match self.key(step) {
                Some(key) => pointer_escape(&key, &mut pointer),
                None => pointer.push_str(&self.node(step).ordinal.to_string()),
            }
        }
        pointer
    }

    /// Where ranges of a string literal's decoded text stand in the document's bytes. `literal` is the span of a string or a
    /// key of this document, quotes included; `decoded` are ranges of byte offsets in its decoded text, ascending. Offsets inside
    /// a character or beyond the end are moved up to the next character or the closing quote. Linear in the literal.
    #[must_use]
    pub fn raw_ranges(&self, literal: &Range<usize>, decoded: &[Range<usize>]) -> Vec<Range<usize>> {
        let mut characters = Decoded::new(self.inside(literal));
        let mut at_decoded = 0usize;
        let mut at_raw = literal.start.saturating_add(1);
        let mut seek = |offset: usize| {
            while at_decoded < offset
                && let Some((character, length)) = characters.step()
            {
                at_decoded = at_decoded.saturating_add(character.len_utf8());
                at_raw = at_raw.saturating_add(length);
            }
            at_raw
        };
        decoded.iter().map(|range| seek(range.start)..seek(range.end)).collect()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        usize::try_from(id.0).ok().and_then(|index| self.nodes.get(index)).unwrap_or(&NOTHING)
    }

    /// What stands between the quotes of a literal.
    fn inside(&self, literal: &Range<usize>) -> &'a str {
        self.text.get(literal.start.saturating_add(1)..literal.end.saturating_sub(1)).unwrap_or_default()
    }

    /// Whether the member's decoded key consists of these characters.
    pub(crate) fn key_is(&self, id: NodeId, key: impl Iterator<Item = char>) -> bool {
        self.key_span(id).is_some_and(|span| Decoded::new(self.inside(&span)).eq(key))
    }

    /// Whether the member's decoded key is `key`; without decoding when it holds no escape.
    pub(crate) fn key_is_plain(&self, id: NodeId, key: &str) -> bool {
        if self.node(id).key_escaped {
            return self.key_is(id, key.chars());
        }
        self.key_span(id).is_some_and(|span| self.inside(&span) == key)
    }

    fn element(&self, id: NodeId, step: &str) -> Option<NodeId> {
        if !step.bytes().all(|byte| byte.is_ascii_digit()) || (step.len() > 1 && step.starts_with('0')) {
            return None;
        }
        let index: usize = step.parse().ok()?;
        match self.tables.arrays.get(&id.0) {
            Some(table) => table.get(index).copied().map(NodeId),
            None => self.children(id).nth(index),
        }
    }
}

impl fmt::Debug for Document<'_> {
    /// Sizes only, never content.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Document").field("bytes", &self.text.len()).field("nodes", &self.nodes.len()).finish()
    }
}

/// `u32` offsets are `usize` on every platform with at least 32 bits.
pub(crate) fn wide(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn range(start: u32, end: u32) -> Range<usize> {
    wide(start)..wide(end)
}

pub(crate) fn pointer_escape(key: &str, pointer: &mut String) {
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            plain => pointer.push(plain),
        }
    }
}

/// A reference token decoded; none if a `~` is not followed by `0` or `1`.
fn pointer_unescape(step: &str) -> Option<Cow<'_, str>> {
    if !step.contains('~') {
        return Some(Cow::Borrowed(step));
    }
    let mut decoded = String::with_capacity(step.len());
    let mut characters = step.chars();
    while let Some(character) = characters.next() {
        decoded.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            plain => plain,
        });
    }
    Some(Cow::Owned(decoded))
}
