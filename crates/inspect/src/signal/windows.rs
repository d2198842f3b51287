//! Windows over segments: one segment, or a few in a row, up to about 320 characters.
//!
//! An instruction in a long document is diluted when the document is looked at as a whole, and torn when it is cut at fixed places.
//! So windows end where segments end, and begin where segments begin.

use super::words::{Sink, walk};

pub use super::words::Segment;

/// How many segments windows have.
const COUNTS: [bool; 9] = [false, true, true, true, true, false, true, false, true];
/// Most words of a window of several segments.
const MOST_WORDS: u32 = 64;
/// Added to the number of words: what little a single word says does not count as much as what a sentence says.
const SHRINK: f64 = 5.0;

/// What a sum of weights over a window of so many words is divided by.
#[must_use]
pub fn divisor(n_words: u32) -> f64 {
    (f64::from(n_words) + SHRINK).sqrt()
}

/// The windows that end with the last of some segments, by their number of segments and of words. `segments` tells the words of each
/// from the last one backwards, and whether it goes on in the field of the one before it. No window reaches over fields when
/// `is_within_fields`.
pub fn at_end(segments: impl Iterator<Item = (u32, bool)>, is_within_fields: bool) -> impl Iterator<Item = (usize, u32)> {
    let sums = segments.take(COUNTS.len() - 1).scan((0_u32, true), move |(sum, joins), (words, next_joins)| {
        if is_within_fields && !*joins {
            return None;
        }
        (*sum, *joins) = (sum.saturating_add(words), next_joins);
        Some(*sum)
    });
    let counted = (1..).zip(sums).filter(|(count, _)| COUNTS.get(*count).is_some_and(|is_one| *is_one));
    counted.take_while(|(count, words)| *count == 1 || *words <= MOST_WORDS)
}

/// A text as training sees it: its features, and where its segments lie in them.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// Hashes of features, in order.
    pub features: Vec<u64>,
    /// The segments, each with how many features there are up to its end.
    pub segments: Vec<(usize, Segment)>,
}

impl Prepared {
    /// Reads a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut prepared = Self::default();
        walk(text, &mut prepared);
        prepared
    }
}

impl Sink for Prepared {
    fn feature(&mut self, hash: u64) {
        self.features.push(hash);
    }

    fn end_segment(&mut self, segment: Segment) {
        if !segment.is_language {
            self.features.truncate(self.segments.last().map_or(0, |(end, _)| *end));
        }
        self.segments.push((self.features.len(), segment));
    }
}
