//! Logistic regression over the best window of each text, by Adagrad.
//!
//! What is scored is the best window, so what is trained is the best window: of an attack the one that looks most like one (where it
//! is known to stand, one that touches it), of a harmless text the same. Weights are a sum of one table for all texts and one for
//! the kind of text (users' or data). Everything is in `f64`, in one thread, in a fixed order.

use std::collections::BTreeMap;

use inspect::signal::learning::{Prepared, at_end, divisor};
use inspect::signal::{Table, TextKind, exponential};

use crate::data::Row;
use crate::random::Random;

/// A table has two to the power of so many weights.
pub(crate) const BITS: u32 = 19;
const EPOCHS: usize = 14;
/// The first epochs look at any window, for no window is better than others yet.
const BLIND: usize = 1;
const RATE: f64 = 0.15;
/// Pulls weights towards 0: of all texts, of the kind.
const DECAY: [f64; 2] = [2e-6, 6e-6];
/// A feature has to stand in texts of so many groups.
const FEWEST_GROUPS: u8 = 3;
/// Longest text that is trained on, in segments.
const MOST_SEGMENTS: usize = 1500;
/// Most other windows of a harmless text that are learned from in each epoch.
const MORE: usize = 2;

struct Text {
    buckets: Vec<u32>,
    segments: Vec<(usize, (u32, bool))>,
    /// Segments that the attack touches.
    place: Option<std::ops::Range<usize>>,
    is_attack: bool,
    kind: usize,
    weight: f64,
}

/// Before rounding: what a feature weighs in users' texts and in data, and the biases.
pub(crate) struct Learned {
    tables: [Vec<f64>; 2],
    biases: [f64; 2],
}

const fn table(kind: TextKind) -> usize {
    match kind {
        TextKind::User => 0,
        TextKind::ToolOutput | TextKind::Document => 1,
    }
}

/// Learns from rows.
pub(crate) fn learn(rows: &[Row]) -> Learned {
    let texts = prepared(rows);
    let size = 1_usize << BITS;
    // All texts, users' texts, data.
    let mut weights = [vec![0.0; size], vec![0.0; size], vec![0.0; size]];
    let mut squares = [vec![1e-3; size], vec![1e-3; size], vec![1e-3; size]];
    let mut sums = [vec![0.0; size], vec![0.0; size], vec![0.0; size]];
    let mut biases = [0.0; 2];
    let mut random = Random(41);
    let mut n_summed = 0.0;
    for epoch in 0..EPOCHS {
        for at in random.order(texts.len()) {
            let text = &texts[at];
            if text.segments.is_empty() {
                continue;
            }
            let mut windows = vec![best(text, &weights, epoch < BLIND, &mut random)];
            if !text.is_attack {
                // All of a harmless text is harmless.
                let more = (text.segments.len() / 3).min(MORE);
                windows.extend((0..more).map(|_| best(text, &weights, true, &mut random)));
            }
            for (range, n_words) in windows {
                let buckets: Vec<usize> = text.buckets[range].iter().map(|bucket| *bucket as usize).collect();
                let scale = 1.0 / divisor(n_words);
                let sum: f64 = buckets.iter().map(|bucket| weights[0][*bucket] + weights[1 + text.kind][*bucket]).sum();
                let margin = biases[text.kind] + sum * scale;
                let wanted = f64::from(u8::from(text.is_attack));
                let slope = (1.0 / (1.0 + exponential(-margin)) - wanted) * text.weight;
                biases[text.kind] -= 0.01 * slope;
                for (which, decay) in [(0, DECAY[0]), (1 + text.kind, DECAY[1])] {
                    for bucket in &buckets {
                        let weight = weights[which][*bucket];
                        let step = slope * scale + decay * weight;
                        squares[which][*bucket] += step * step;
                        weights[which][*bucket] = weight - RATE * step / squares[which][*bucket].sqrt();
                    }
                }
            }
        }
        if epoch >= EPOCHS / 2 {
            n_summed += 1.0;
            for (sums, weights) in sums.iter_mut().zip(&weights) {
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
            }
        }
    }
    let of = |kind: usize| sums[0].iter().zip(&sums[1 + kind]).map(|(all, own)| (all + own) / n_summed).collect();
    Learned { tables: [of(0), of(1)], biases }
}

impl Learned {
    /// As signed bytes: the largest weights of one in ten thousand are cut.
    pub(crate) fn rounded(&self) -> [Table; 2] {
        let table = |kind: usize| {
            let weights = &self.tables[kind];
            let mut sizes: Vec<f64> = weights.iter().map(|weight| weight.abs()).filter(|size| *size > 0.0).collect();
            sizes.sort_by(f64::total_cmp);
            let most = sizes.get(sizes.len() - sizes.len() / 5000 - 1).copied().unwrap_or(1.0);
            let scale = most / 127.0;
            let rounded = weights.iter().map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8).collect();
            Table { scale, bias: self.biases[kind], weights: rounded }
        };
        [table(0), table(1)]
    }
}

/// The window to learn from: its features, and its words.
fn best(text: &Text, weights: &[Vec<f64>; 3], is_any: bool, random: &mut Random) -> (std::ops::Range<usize>, u32) {
    let mut sums = Vec::with_capacity(text.segments.len());
    let mut start = 0;
    for (end, _) in &text.segments {
        let sum: f64 = if is_any {
            0.0
        } else {
            text.buckets[start..*end]
                .iter()
                .map(|bucket| weights[0][*bucket as usize] + weights[1 + text.kind][*bucket as usize])
                .sum()
        };
        sums.push(sum);
        start = *end;
    }
    let mut found: Option<(f64, std::ops::Range<usize>, u32)> = None;
    let mut n_seen = 0;
    for last in 0..text.segments.len() {
        let mut counted = 0;
        let mut sum = 0.0;
        for (count, n_words) in at_end(text.segments[..=last].iter().rev().map(|(_, words)| *words), text.kind == 1) {
            while counted < count {
                sum += sums[last - counted];
                counted += 1;
            }
            let first = last + 1 - count;
            if text.place.as_ref().is_some_and(|place| first >= place.end || last < place.start) {
                continue;
            }
            n_seen += 1;
            let margin = sum / divisor(n_words);
            let is_better = match &found {
                None => true,
                Some(_) if is_any => random.below(n_seen) == 0,
                Some((most, ..)) => margin > *most,
            };
            if is_better {
                let begins = if first == 0 { 0 } else { text.segments[first - 1].0 };
                found = Some((margin, begins..text.segments[last].0, n_words));
            }
        }
    }
    found.map_or((0..text.segments[0].0, text.segments[0].1.0), |(_, range, words)| (range, words))
}

/// Rows as texts: features that stand in few groups are left out, and every source counts by the root of its size.
fn prepared(rows: &[Row]) -> Vec<Text> {
    let shift = 64 - BITS;
    let mut n_groups = vec![0_u8; 1 << BITS];
    let mut last = vec![0_u32; 1 << BITS];
    let mut names: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut counts: BTreeMap<(usize, bool, &str), f64> = BTreeMap::new();
    for row in rows {
        let next = u32::try_from(names.len() + 1).unwrap_or(u32::MAX);
        names.entry((&row.source, &row.group)).or_insert(next);
        *counts.entry((table(row.kind), row.is_attack, &row.source)).or_default() += row.weight;
    }
    let mut texts = Vec::new();
    for row in rows {
        let prepared = Prepared::of(&row.text);
        let group = if row.group.is_empty() {
            u32::try_from(texts.len()).unwrap_or_default() | 1 << 31
        } else {
            names[&(row.source.as_str(), row.group.as_str())]
        };
        let n_segments = prepared.segments.len().min(MOST_SEGMENTS);
        let n_features = prepared.segments.get(n_segments.wrapping_sub(1)).map_or(0, |segment| segment.0);
        let buckets: Vec<u32> = prepared.features[..n_features].iter().map(|hash| (hash >> shift) as u32).collect();
        for bucket in &buckets {
            let at = *bucket as usize;
            if last[at] != group {
                last[at] = group;
                n_groups[at] = n_groups[at].saturating_add(1);
            }
        }
        let place = row.place.as_ref().map(|place| {
            let first = prepared.segments.iter().position(|(_, segment)| segment.span.end > place.start).unwrap_or_default();
            let end = prepared
                .segments
                .iter()
                .position(|(_, segment)| segment.span.start >= place.end)
                .unwrap_or(prepared.segments.len());
            first..end.max(first + 1)
        });
        let kind = table(row.kind);
        let total = |is_attack: bool| {
            counts
                .iter()
                .filter(|((of, attack, _), _)| *of == kind && *attack == is_attack)
                .map(|(_, count)| count.sqrt())
                .sum::<f64>()
        };
        let count = counts[&(kind, row.is_attack, row.source.as_str())];
        // Attacks and harmless texts of a kind count the same, and so much that a text has weight 1 in the mean.
        let all: f64 = counts.iter().filter(|((of, ..), _)| *of == kind).map(|(_, count)| count).sum();
        let weight = (row.weight * all / 2.0 / total(row.is_attack) / count.sqrt()).min(6.0);
        let segments =
            prepared.segments[..n_segments].iter().map(|(end, segment)| (*end, (segment.n_words, segment.joins))).collect();
        texts.push(Text { buckets, segments, place, is_attack: row.is_attack, kind, weight });
    }
    for text in &mut texts {
        let mut kept = Vec::with_capacity(text.buckets.len());
        let mut start = 0;
        for (end, _) in &mut text.segments {
            kept.extend(text.buckets[start..*end].iter().filter(|bucket| n_groups[**bucket as usize] >= FEWEST_GROUPS));
            start = *end;
            *end = kept.len();
        }
        text.buckets = kept;
    }
    texts
}
