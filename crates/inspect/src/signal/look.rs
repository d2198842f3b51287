//! One pass over one reading of a text: the sum of weights of every segment, and of the windows over them.

use std::ops::Range;

use super::weights::Table;
use super::windows::{at_end, divisor};
use super::words::{Segment, Sink, walk};

/// Most windows that are told of a text.
pub(super) const MAX_WINDOWS: usize = 8;
/// Segments that are kept at least: windows have no more.
const KEPT: usize = 8;

/// A window: bytes, and how far it is on one side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spot {
    pub(super) span: Range<usize>,
    pub(super) margin: f64,
}

/// The best window of a text, and others from `floor` on that do not touch each other, best first.
pub(super) fn spots(table: &Table, text: &str, is_within_fields: bool, floor: f64) -> Vec<Spot> {
    let shift = 64 - table.weights.len().ilog2();
    let mut looker =
        Looker { table, shift, sum: 0, segments: Vec::with_capacity(KEPT * 2), spots: Vec::new(), is_within_fields, floor };
    walk(text, &mut looker);
    looker.spots
}

/// Keeps `spot` in a bounded list of windows that do not touch each other, best first. Of those that touch, the better one stays.
pub(super) fn keep(spots: &mut Vec<Spot>, spot: Spot) {
    let touches = |other: &Spot| other.span.start < spot.span.end && spot.span.start < other.span.end;
    if spots.iter().any(|other| touches(other) && other.margin >= spot.margin) {
        return;
    }
    spots.retain(|other| !touches(other));
    let place = spots.partition_point(|other| other.margin >= spot.margin);
    spots.insert(place, spot);
    spots.truncate(MAX_WINDOWS);
}

struct Looker<'t> {
    table: &'t Table,
    shift: u32,
    sum: i64,
    /// Start, words and whether it goes on in a field, sum of weights.
    segments: Vec<(usize, (u32, bool), i64)>,
    spots: Vec<Spot>,
    is_within_fields: bool,
    floor: f64,
}

impl Sink for Looker<'_> {
    fn feature(&mut self, hash: u64) {
        let bucket = usize::try_from(hash >> self.shift).unwrap_or_default();
        self.sum += self.table.weights.get(bucket).copied().map_or(0, i64::from);
    }

    fn end_segment(&mut self, segment: Segment) {
        let Segment { span, n_words, joins, is_language } = segment;
        if self.segments.len() >= KEPT * 2 {
            self.segments.drain(..KEPT);
        }
        let sum = std::mem::take(&mut self.sum);
        self.segments.push((span.start, (n_words, joins), if is_language { sum } else { 0 }));
        let mut sums = self.segments.iter().rev().scan((0, 0), |(sum, start), (begins, _, weights)| {
            (*sum, *start) = (*sum + weights, *begins);
            Some((*sum, *start))
        });
        let mut n_read = 0;
        for (count, words) in at_end(self.segments.iter().rev().map(|(_, words, _)| *words), self.is_within_fields) {
            let Some((sum, start)) = sums.nth(count - n_read - 1) else { break };
            n_read = count;
            let sum = f64::from(i32::try_from(sum).unwrap_or(i32::MAX));
            let margin = self.table.bias + sum * self.table.scale / divisor(words);
            let is_better = self.spots.first().is_none_or(|best| margin > best.margin);
            if margin < self.floor {
                if is_better {
                    self.spots = vec![Spot { span: start..span.end, margin }];
                }
            } else {
                self.spots.retain(|spot| spot.margin >= self.floor);
                keep(&mut self.spots, Spot { span: start..span.end, margin });
            }
        }
    }
}
