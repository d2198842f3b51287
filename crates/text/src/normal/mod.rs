//! The ways in which a text can be read, each with a map back to the text.
//!
//! Whoever hides something from a scanner writes it so that a model, a browser or a mail client still reads it. [`normalise`]
//! makes *views*: the text as such a reader has it. Scanners run over the text and over its views; [`View::origin`] says where
//! in the text a finding stands. Escapes of JSON and of programming languages are not read here.
//!
//! Each text is read in a chain (unseen characters, look-alikes, character references, percent escapes), and what the chain
//! gives is read once more without markup, as quoted-printable, and for encoded blocks; all of these are read again, up to a
//! depth. Every reading is linear in its text, and the bytes of all views are bounded.

mod attributes;
mod blocks;
mod decoders;
mod draft;
mod entities;
mod escapes;
mod hidden;
mod lanes;
mod look;
mod look_alikes;
mod map;
mod markup;
mod pairs;
mod reader;
mod regions;
mod scalar;
mod skeleton;
mod spaced;
mod strides;
mod suspects;
#[cfg(test)]
mod tests;
mod whole;

use std::ops::Range;

use self::draft::Stage;
use self::reader::Reader;
use self::suspects::Suspects;

pub use self::look::Look;
pub use self::scalar::ScalarIndex;

/// Bounds of what [`normalise`] makes. Meeting one sets [`Normal::is_cut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormalLimits {
    /// Most views.
    pub max_views: usize,
    /// Most bytes of all views together. While views are made, up to three times this is held.
    pub max_bytes: usize,
    /// How many readings lie within one another: 1 reads the text only, 2 its views too.
    pub max_depth: usize,
    /// What is read as Rot13, Reversed and Leet, of which every text has a reading.
    pub guesses: Guesses,
}

/// Of what there are readings that need no sign that there is something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guesses {
    /// Of the whole text.
    Whole,
    /// Of the stretches of the text itself in which a key, an account or an address could stand. A view joins them with line
    /// breaks.
    Suspicious {
        /// What ends up to here is left out.
        from: usize,
        /// What begins behind it is too.
        to: usize,
    },
}

impl NormalLimits {
    /// The usual limits for a text of `length` bytes: 32 views, four times the text and 64 KiB, depth 3, guesses of the whole.
    #[must_use]
    pub const fn for_length(length: usize) -> Self {
        Self {
            max_views: 32,
            max_bytes: length.saturating_mul(4).saturating_add(64 * 1024),
            max_depth: 3,
            guesses: Guesses::Whole,
        }
    }
}

/// One way to read a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Without characters that are not seen, or with Unicode tags as the ASCII that they mirror.
    Hidden,
    /// Normal form NFKC.
    Compatibility,
    /// Without marks, and with look-alikes as ASCII.
    Skeleton,
    /// Character references of HTML as characters.
    Entities,
    /// Without tags and comments of HTML.
    Markup,
    /// Percent escapes as characters.
    UrlEscapes,
    /// Quoted-printable decoded.
    QuotedPrintable,
    /// Words written a letter at a time, joined.
    Spaced,
    /// Digits and signs as the letters they stand for.
    Leet,
    /// What blocks of base64 write.
    Base64,
    /// What blocks of base32 write.
    Base32,
    /// What hex digits write.
    Hex,
    /// Letters moved on by thirteen.
    Rot13,
    /// From the last character to the first.
    Reversed,
}

/// The text as a reader has it after some steps.
#[derive(Clone)]
pub struct View {
    stage: Stage<'static>,
    is_reversed: bool,
}

impl View {
    /// What is read. Never empty, and no two views of a text are the same.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.stage.text
    }

    /// How it was read, in order. At least one step.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.stage.steps
    }

    /// The bytes of the original text from which the bytes `range` of this view were read, on character boundaries. What was
    /// made out of an escape covers the escape, what was decoded covers the letters that carry it, and what was left out in the
    /// middle is covered. `range` is widened to characters and cut to the view. O(log n).
    #[must_use]
    pub fn origin(&self, range: Range<usize>) -> Range<usize> {
        let text = self.text();
        let end = text.ceil_char_boundary(range.end.min(text.len()));
        let start = text.floor_char_boundary(range.start.min(end));
        let read = if self.is_reversed { text.len() - end..text.len() - start } else { start..end };
        self.stage.map.origin(&read)
    }
}

impl std::fmt::Debug for View {
    /// Steps and length only, never content.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").field("steps", &self.steps()).field("bytes", &self.text().len()).finish_non_exhaustive()
    }
}

/// How something is hidden from who looks at a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HiddenKind {
    /// U+E0000 to U+E007F, which mirror ASCII.
    TagCharacter,
    /// Marks, embeddings, overrides and isolates of writing direction.
    BidiControl,
    /// Characters without width, soft hyphens, invisible operators.
    ZeroWidth,
    /// Selectors of a variant, where there is nothing to select.
    VariationSelector,
    /// Fillers of Hangul and others, and code points that are ignored by default.
    Filler,
    /// An HTML comment.
    HtmlComment,
    /// The content of an element that is not shown.
    HiddenMarkup,
}

/// Something hidden in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// How.
    pub kind: HiddenKind,
    /// Where: bytes of the original text, on character boundaries.
    pub span: Range<usize>,
}

/// What [`normalise`] found.
#[derive(Debug, Clone, Default)]
pub struct Normal {
    /// The views: first the text read in full and what is encoded in it, then joined words and letters for digits, then Rot13
    /// and the reversal, then what single steps give on the way.
    pub views: Vec<View>,
    /// What is hidden, by place; neighbours of a kind are one.
    pub hidden: Vec<Hidden>,
    /// Whether a limit was met: there may be more to read, or more hidden.
    pub is_cut: bool,
}

/// The views of `text`, and what is hidden in it. A text longer than 1 GiB is not read, and cut.
#[must_use]
pub fn normalise(text: &str, limits: &NormalLimits) -> Normal {
    normalise_around(text, &[], limits)
}

/// As [`normalise`]; what stands around `clues` is suspicious too (see [`Guesses::Suspicious`]). `clues` are sorted by start.
#[must_use]
pub fn normalise_around(text: &str, clues: &[Range<usize>], limits: &NormalLimits) -> Normal {
    if text.len() > 1 << 30 {
        return Normal { is_cut: true, ..Normal::default() };
    }
    Reader::new(text, clues, limits).read()
}

/// Whether a text has no view of a usual reading at all, and [`Guesses::Suspicious`] finds nothing in it. `true` is certain, `false`
/// is not. For a short text: reads it a few times.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    if spaced::may_join(text) || !regions::are_none(text) {
        return false;
    }
    if !Suspects::of(text).any() {
        return true;
    }
    let limits =
        NormalLimits { guesses: Guesses::Suspicious { from: 0, to: usize::MAX }, ..NormalLimits::for_length(text.len()) };
    let normal = normalise(text, &limits);
    // One quoted escape says nothing of itself; with another one, somewhere before, it does.
    normal.views.is_empty() && !normal.is_cut && !escapes::may_be_quoted(text)
}

/// Whether a text could have views beyond Rot13, Reversed, Leet and Spaced. `false` is certain, `true` is not. Reads at the
/// speed of memory.
#[must_use]
pub fn may_be_encoded(text: &str) -> bool {
    Suspects::of(text).any()
}
