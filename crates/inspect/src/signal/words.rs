//! Text as words, and what a linear model sees of them.
//!
//! A word gives itself, its beginning, pairs and triples with the words before it, pairs of beginnings over a gap, and its runs of
//! four bytes: whoever writes another word for the same thing mostly keeps some of these. Words stand in segments: sentences, lines,
//! values of a document's fields, or [`LONGEST`] words. Triples do not reach over the end of a segment; that a word begins one is a
//! feature of its own, for what is said to somebody mostly begins with a verb.
//!
//! One pass, constant memory.

use std::ops::Range;

/// Most words of a segment.
const LONGEST: usize = 24;
/// Bytes of a word that count as its beginning.
const STEM: usize = 5;
/// A word of more bytes is a key, an encoded block or a mistake: one of a class.
const LONG_WORD: usize = 40;

/// Takes what a text consists of, in order.
pub(super) trait Sink {
    /// A feature of the segment that is being read, by its hash.
    fn feature(&mut self, hash: u64);
    /// The segment has ended.
    fn end_segment(&mut self, segment: Segment);
}

/// A sentence, a line, the value of a field, or so many words of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Bytes from its first word to its last.
    pub span: Range<usize>,
    /// How many words it has.
    pub n_words: u32,
    /// It goes on in the field in which the one before stands.
    pub joins: bool,
    /// Most of it are words, not digits and single letters: what is encoded says nothing as it stands.
    pub is_language: bool,
}

/// Hands every word of `text` to `sink`.
pub(super) fn walk(text: &str, sink: &mut impl Sink) {
    let mut walker = Walker {
        sink,
        word: Vec::with_capacity(LONG_WORD + 2),
        shape: Shape::default(),
        before: Before::default(),
        gap: Gap::Start,
        segment: 0..0,
        n_words: 0,
        n_pieces: 0,
        joins: false,
        word_start: 0,
        was_piece: false,
    };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or_default();
        at += match byte {
            b'a'..=b'z' | b'0'..=b'9' => walker.letter(at, byte),
            b'A'..=b'Z' => walker.letter(at, byte.to_ascii_lowercase()),
            b'\'' if walker.is_in_word() && next.is_ascii_alphabetic() => 1,
            b'\\' if matches!(next, b'n' | b'r' | b't') => walker.other(at, b'\n', b' ').max(2),
            b'\\' if next == b'"' => walker.other(at, b'"', b' ').max(2),
            0..=127 => walker.other(at, byte, next),
            _ => walker.wide(at, text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(char::REPLACEMENT_CHARACTER)),
        };
    }
    walker.end_word(bytes.len());
    walker.end_segment();
}

/// What stands between two words, by how much it parts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Space,
    Quote,
    /// A sentence or a line.
    Line,
    /// A field of a document, a tag.
    Field,
    Start,
}

/// What a word consists of.
#[derive(Debug, Default)]
struct Shape {
    has_letter: bool,
    has_digit: bool,
    is_long: bool,
}

/// The words before: hashes, and hashes of beginnings, the last one first.
#[derive(Debug, Default)]
struct Before {
    words: [u64; 2],
    stems: [u64; 5],
}

struct Walker<'s, S> {
    sink: &'s mut S,
    word: Vec<u8>,
    shape: Shape,
    before: Before,
    gap: Gap,
    segment: Range<usize>,
    n_words: usize,
    n_pieces: usize,
    joins: bool,
    word_start: usize,
    was_piece: bool,
}

impl<S: Sink> Walker<'_, S> {
    const fn is_in_word(&self) -> bool {
        !self.word.is_empty()
    }

    fn letter(&mut self, at: usize, lower: u8) -> usize {
        self.begin(at);
        self.push(lower);
        self.shape.has_digit |= lower.is_ascii_digit();
        self.shape.has_letter |= !lower.is_ascii_digit();
        1
    }

    fn begin(&mut self, at: usize) {
        if self.word.is_empty() {
            self.word_start = at;
            self.shape = Shape::default();
        }
    }

    fn push(&mut self, byte: u8) {
        if self.word.len() < LONG_WORD {
            self.word.push(byte);
        } else {
            self.shape.is_long = true;
        }
    }

    fn wide(&mut self, at: usize, character: char) -> usize {
        let length = character.len_utf8();
        if character == '’' {
            return length;
        }
        if !character.is_alphanumeric() {
            self.end_word(at);
            self.parted(if matches!(character, '。' | '！' | '？') { Gap::Line } else { Gap::Space });
            return length;
        }
        // Scripts without spaces: every character is a word.
        let is_alone = matches!(u32::from(character), 0x2E80..=0xA4CF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF);
        if is_alone {
            self.end_word(at);
        }
        self.begin(at);
        for lower in character.to_lowercase() {
            let mut buffer = [0; 4];
            lower.encode_utf8(&mut buffer).bytes().for_each(|byte| self.push(byte));
        }
        self.shape.has_letter = true;
        if is_alone {
            self.end_word(at + length);
        }
        length
    }

    fn other(&mut self, at: usize, byte: u8, next: u8) -> usize {
        self.end_word(at);
        self.parted(match byte {
            b'\n' | b';' => Gap::Line,
            b'.' | b'!' | b'?' if next.is_ascii_whitespace() || matches!(next, b'"' | b'\'' | b'\\' | 0) => Gap::Line,
            b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b'|' => Gap::Field,
            b'"' | b'\'' if matches!(next, b':' | b',' | b'}' | b']') => Gap::Field,
            b':' | b',' if matches!(next, b'"' | b'\'') => Gap::Field,
            b'"' | b'\'' | b'`' => Gap::Quote,
            _ => Gap::Space,
        });
        1
    }

    fn parted(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn end_word(&mut self, at: usize) {
        if self.word.is_empty() {
            return;
        }
        let gap = std::mem::replace(&mut self.gap, Gap::Space);
        if gap >= Gap::Line || self.n_words >= LONGEST {
            self.end_segment();
            self.segment.start = self.word_start;
            self.joins = gap < Gap::Field;
        }
        if gap >= Gap::Line {
            self.before.words = [START, 0];
        }
        if gap >= Gap::Field {
            self.before.stems = [0; 5];
        }
        self.segment.end = at;
        self.n_words += 1;
        self.tell(gap);
        self.word.clear();
    }

    /// The features of the word that has ended.
    fn tell(&mut self, gap: Gap) {
        let is_class = self.shape.is_long || self.shape.has_digit;
        let class = u64::from(self.shape.is_long) << 1 | u64::from(self.shape.has_letter);
        let (word, stem) = if is_class {
            (mixed(0, class, 1), mixed(0, class, 2))
        } else {
            (hashed(&self.word), hashed(self.word.get(..STEM).unwrap_or(&self.word)))
        };
        // Digits and single letters in a row are no language: what they write is read elsewhere, if anything.
        let is_piece = is_class || self.word.len() == 1 || (self.word.len() == 2 && self.was_piece);
        let was_piece = std::mem::replace(&mut self.was_piece, is_piece);
        self.n_pieces += usize::from(is_piece);
        if is_piece && was_piece {
            self.before = Before::default();
            return;
        }
        let Before { words: [one, two], stems } = self.before;
        let sink = &mut *self.sink;
        sink.feature(mixed(1, word, 0));
        sink.feature(mixed(2, stem, 0));
        sink.feature(mixed(3, one, word));
        if two != 0 {
            sink.feature(mixed(4, mixed(4, two, one), word));
        }
        for (gap, before) in stems.into_iter().enumerate().filter(|(_, before)| *before != 0) {
            sink.feature(mixed(if gap == 0 { 5 } else { 6 }, before, stem));
        }
        if gap >= Gap::Quote {
            sink.feature(mixed(7, if gap == Gap::Quote { 1 } else { 2 }, stem));
        }
        if !is_class {
            self.word.insert(0, b'^');
            self.word.push(b'$');
            for run in self.word.windows(4) {
                sink.feature(run.iter().fold(8, |hash, byte| hash << 8 | u64::from(*byte)).wrapping_mul(SPREAD));
            }
        }
        let [first, second, third, fourth, _] = stems;
        self.before = Before { words: [word, one], stems: [stem, first, second, third, fourth] };
    }

    fn end_segment(&mut self) {
        if self.n_words > 0 {
            self.sink.end_segment(Segment {
                span: self.segment.clone(),
                n_words: u32::try_from(self.n_words).unwrap_or(u32::MAX),
                joins: self.joins,
                is_language: self.n_pieces * 2 <= self.n_words,
            });
        }
        (self.n_words, self.n_pieces) = (0, 0);
    }
}

/// Stands in the place of the word before the first one.
const START: u64 = 0x9E6D_62D0_6F6A_02CB;
/// Odd, without a pattern: multiplied by it, neighbouring numbers lie far apart in the upper bits.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>), 64 bits.
fn hashed(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3))
}

/// A feature of one sort, of two hashes.
const fn mixed(sort: u64, first: u64, second: u64) -> u64 {
    let hash = (first ^ sort.wrapping_mul(0xD6E8_FEB8_6659_FD93)).wrapping_mul(SPREAD);
    let hash = (hash ^ hash >> 32 ^ second).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (hash ^ hash >> 32).wrapping_mul(SPREAD)
}
