//! What stands before a value: a key, and a joint between them.

use crate::bounded::LOOK_BACK;
use crate::class::Class;

/// Bytes that can stand between a key and its value.
pub(crate) const JOINT: Class = OPERATOR.or(Class::QUOTE).or(Class::SPACE).or(Class::BREAK).or(Class::BRACKET).or(Class::PLUS);
/// Of these one at least stands between a key and the value that is assigned to it.
const OPERATOR: Class = Class::EQUALS.or(Class::COLON).or(Class::ARROW).or(Class::PIPE);
/// Bytes of a key.
const KEY: Class = Class::URL_SAFE.or(Class::DOT).or(Class::SPACE).or(Class::TAB);
const MAX_JOINT: usize = 24;
const MAX_KEY: usize = 64;

/// What stands before a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before<'a> {
    /// Up to [`LOOK_BACK`] bytes before the value.
    head: &'a [u8],
    /// Where the key ends in it.
    end: usize,
    has_operator: bool,
    is_sentence: bool,
}

impl<'a> Before<'a> {
    /// The key of a value that begins at `start`.
    pub(crate) fn new(text: &'a [u8], start: usize) -> Self {
        let head = text.get(start.saturating_sub(LOOK_BACK)..start).unwrap_or_default();
        let (before, joint) = head.split_at(head.len() - JOINT.run_back(head, MAX_JOINT));
        let has_operator = joint.iter().any(|byte| OPERATOR.has(*byte));
        // In a sentence, `is` joins as `=` does.
        let is_sentence = !has_operator && ends_with(before, b" is");
        let end = before.len() - if is_sentence { 3 } else { 0 };
        Self { head, end, has_operator: has_operator || is_sentence, is_sentence }
    }

    pub(crate) const fn has_operator(&self) -> bool {
        self.has_operator
    }

    /// Up to 64 bytes of letters, digits, `_`, `-`, `.`, spaces and tabs before the joint.
    pub(crate) fn key(&self) -> &'a [u8] {
        self.head.get(self.begin()..self.end).unwrap_or_default()
    }

    /// Where the key begins.
    fn begin(&self) -> usize {
        let joined = self.end + if self.is_sentence { 3 } else { 0 };
        let before = self.head.get(..joined).unwrap_or_default();
        (before.len() - KEY.run_back(before, MAX_KEY)).min(self.end)
    }

    /// Whether an operator other than a comma or `|` stands between key and value, or `is`: behind a comma alone stand names as
    /// well as values.
    pub(crate) fn is_assigned(&self) -> bool {
        let joint = self.head.get(self.end..).unwrap_or_default();
        self.has_operator && (self.is_sentence || joint.iter().any(|byte| matches!(byte, b'=' | b':' | b'>')))
    }

    /// Whether a quote stands directly before the value.
    pub(crate) fn is_quoted(&self) -> bool {
        matches!(self.head.last(), Some(b'"' | b'\'' | b'`'))
    }

    /// All that may be looked at, up to the value.
    pub(crate) const fn head(&self) -> &'a [u8] {
        self.head
    }

    /// Where words of the key begin: the key from there on, and its first byte. A letter begins a word behind anything but a
    /// letter; as a capital behind a small letter, and between a capital and a small letter.
    /// Only those whose first two bytes pass `may_begin`; none without something that joins the key to the value.
    pub(crate) fn words(&self, may_begin: impl Fn(u8, u8) -> bool) -> impl Iterator<Item = (&'a [u8], u8)> {
        let (head, first, last) = (self.head, self.begin(), self.end);
        let key = head.get(first..last).unwrap_or_default();
        // Behind a key stands what joins it to its value, which is no letter: nothing that a last letter's case is compared with.
        let seconds = head.get(first + 1..).unwrap_or_default();
        key.iter().zip(seconds).enumerate().filter_map(move |(place, (byte, next))| {
            if !may_begin(*byte, *next) {
                return None;
            }
            let before = (first + place).checked_sub(1).and_then(|at| head.get(at)).copied().unwrap_or_default();
            begins_word(before, *byte, *next).then(|| (key.get(place..).unwrap_or_default(), *byte))
        })
    }
}

/// Whether a word begins with `byte`, by its neighbours in the text (0 for none).
pub(crate) fn begins_word(before: u8, byte: u8, next: u8) -> bool {
    let is_hump = byte.is_ascii_uppercase() && (before.is_ascii_lowercase() || next.is_ascii_lowercase());
    Class::LETTER.has(byte) && (!Class::LETTER.has(before) || is_hump)
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len().checked_sub(end.len()).and_then(|at| text.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}
