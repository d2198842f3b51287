//! A text that is being read another way, and the texts that were.

use std::borrow::Cow;
use std::ops::Range;

use super::Step;
use super::map::Map;

/// A text on the way from the original: the original itself, or what some steps made of it.
#[derive(Debug, Clone)]
pub(super) struct Stage<'a> {
    pub(super) text: Cow<'a, str>,
    /// To the original.
    pub(super) map: Map,
    pub(super) steps: Vec<Step>,
}

impl<'a> Stage<'a> {
    pub(super) fn original(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), map: Map::identity(text.len()), steps: Vec::new() }
    }

    /// What `step` made of this text.
    pub(super) fn next(&self, step: Step, draft: Draft<'_>) -> Stage<'static> {
        let mut steps = self.steps.clone();
        steps.push(step);
        Stage { text: Cow::Owned(draft.text), map: draft.map.over(&self.map), steps }
    }
}

impl Stage<'_> {
    /// What `draft` kept of this text. No step of its own.
    pub(super) fn part(&self, draft: Draft<'_>) -> Stage<'static> {
        Stage { text: Cow::Owned(draft.text), map: draft.map.over(&self.map), steps: self.steps.clone() }
    }
}

/// Collects a reading of `source`: what is kept, and what is put in the place of something. At most `room` bytes.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    source: &'a str,
    text: String,
    map: Map,
    room: usize,
    is_full: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(source: &'a str, room: usize) -> Self {
        Self { source, text: String::new(), map: Map::default(), room, is_full: false }
    }

    /// What is read.
    pub(super) const fn source(&self) -> &'a str {
        self.source
    }

    /// Copies the bytes `range` of the source; nothing when it is no range of the source.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        let start = range.start;
        let Some(piece) = self.source.get(range) else { return };
        if self.has_room(piece.len()) {
            self.text.push_str(piece);
            self.map.push(1, piece.len(), start, 1);
        }
    }

    /// Writes `piece`, which was read from the bytes `origin` of the source as a whole.
    pub(super) fn put(&mut self, piece: &str, origin: Range<usize>) {
        if self.has_room(piece.len()) {
            self.text.push_str(piece);
            self.map.push(piece.len(), 1, origin.start, origin.len());
        }
    }

    /// [`Self::put`] of one character.
    pub(super) fn put_char(&mut self, character: char, origin: Range<usize>) {
        self.put(character.encode_utf8(&mut [0; 4]), origin);
    }

    /// Writes `text`, each byte of which was read from the byte of the source at the same place.
    pub(super) fn replace_all(&mut self, text: String) {
        if text.len() == self.source.len() && self.has_room(text.len()) {
            self.map = Map::identity(text.len());
            self.text = text;
        }
    }

    /// Makes room for the whole text with the first bytes: most readings find nothing to read.
    fn has_room(&mut self, bytes: usize) -> bool {
        if self.text.capacity() == 0 {
            self.text.reserve(self.source.len().min(self.room));
        }
        self.is_full |= self.text.len().saturating_add(bytes) > self.room;
        !self.is_full
    }

    /// The end of what was read last, in the source.
    pub(super) const fn end(&self) -> usize {
        self.map.end()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether something did not fit; everything behind it was left out too.
    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
