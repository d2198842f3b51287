//! Where each byte of a view was read from: a sorted list of runs, composed from view to view.

use std::ops::Range;

/// Equal units in a row: unit `i` takes the view bytes `view + i * view_unit ..+ view_unit` and was read from the origin bytes
/// `origin + i * origin_unit ..+ origin_unit`. Bytes that were copied are units of one byte each; `%41%42` are two units of one
/// and three bytes. Sixteen bytes a run; every run takes at least one view byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    view: u32,
    origin: u32,
    view_unit: u32,
    origin_unit: u32,
}

fn wide(narrow: u32) -> usize {
    usize::try_from(narrow).unwrap_or(usize::MAX)
}

/// Saturating; `normalise` refuses texts for which this could saturate.
fn narrow(wide: usize) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}

impl Run {
    const fn is_copy(&self) -> bool {
        self.view_unit == 1 && self.origin_unit == 1
    }

    /// The origin of the unit that holds view byte `at`, which lies in this run.
    fn unit(&self, at: usize) -> Range<usize> {
        let nth = at.saturating_sub(wide(self.view)) / wide(self.view_unit).max(1);
        let start = wide(self.origin) + nth * wide(self.origin_unit);
        start..start + wide(self.origin_unit)
    }
}

/// A map from view bytes to origin bytes. The starts and the ends of origins never go down.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    runs: Vec<Run>,
    /// Bytes of the view.
    length: usize,
    /// Where the next unit must begin in the origin to belong to the last run.
    next: usize,
}

impl Map {
    /// The map of a text of `length` bytes onto itself.
    pub(super) fn identity(length: usize) -> Self {
        let mut map = Self::default();
        map.push(1, length, 0, 1);
        map
    }

    fn is_identity(&self) -> bool {
        match self.runs.as_slice() {
            [] => true,
            [run] => run.is_copy() && run.view == 0 && run.origin == 0,
            _ => false,
        }
    }

    /// The end of what was read last.
    pub(super) const fn end(&self) -> usize {
        self.next
    }

    /// Appends `count` units of `view_unit` view bytes, the first read from `origin`, each from `origin_unit` bytes.
    pub(super) fn push(&mut self, view_unit: usize, count: usize, origin: usize, origin_unit: usize) {
        if view_unit == 0 || count == 0 {
            return;
        }
        let run = Run {
            view: narrow(self.length),
            origin: narrow(origin),
            view_unit: narrow(view_unit),
            origin_unit: narrow(origin_unit),
        };
        let is_more = self
            .runs
            .last()
            .is_some_and(|last| self.next == origin && last.view_unit == run.view_unit && last.origin_unit == run.origin_unit);
        if !is_more {
            self.runs.push(run);
        }
        self.length += view_unit * count;
        self.next = origin + origin_unit * count;
    }

    /// The index of the run that holds view byte `at`.
    fn find(&self, at: usize) -> usize {
        self.runs.partition_point(|run| wide(run.view) <= at).saturating_sub(1)
    }

    fn end_of(&self, run: usize) -> usize {
        self.runs.get(run + 1).map_or(self.length, |next| wide(next.view))
    }

    /// The origin bytes of the view bytes `range`: from the beginning of its first unit to the end of its last, with what was
    /// left out between them. An empty range, or one beyond the view, gives an empty range. O(log runs).
    pub(super) fn origin(&self, range: &Range<usize>) -> Range<usize> {
        let Some(last) = self.length.checked_sub(1) else { return 0..0 };
        let at = |at: usize| self.runs.get(self.find(at)).map_or(0..0, |run| run.unit(at));
        if range.start > last {
            let end = at(last).end;
            return end..end;
        }
        let first = at(range.start);
        if range.is_empty() {
            return first.start..first.start;
        }
        first.start..at(range.end.min(self.length) - 1).end.max(first.start)
    }

    /// This map, whose origin is a view, over that view's own map `parent`: from our view to the parent's origin. O(units).
    pub(super) fn over(self, parent: &Self) -> Self {
        if parent.is_identity() {
            return self;
        }
        let mut composed = Self::default();
        let mut cursor = Cursor { map: parent, run: 0 };
        for (index, run) in self.runs.iter().enumerate() {
            let length = self.end_of(index) - wide(run.view);
            if run.is_copy() {
                let start = wide(run.origin);
                cursor.copy(start..start + length, &mut composed);
                continue;
            }
            for nth in 0..length / wide(run.view_unit).max(1) {
                let start = wide(run.origin) + nth * wide(run.origin_unit);
                let origin = cursor.origin(start..start + wide(run.origin_unit));
                composed.push(wide(run.view_unit), 1, origin.start, origin.len());
            }
        }
        composed
    }

    #[cfg(test)]
    pub(super) const fn n_runs(&self) -> usize {
        self.runs.len()
    }
}

/// Looks up rising places in a map without searching from the beginning.
struct Cursor<'a> {
    map: &'a Map,
    run: usize,
}

impl Cursor<'_> {
    fn seek(&mut self, at: usize) {
        if self.map.runs.get(self.run).is_some_and(|run| wide(run.view) > at) {
            self.run = self.map.find(at);
        }
        while self.map.end_of(self.run) <= at && self.run + 1 < self.map.runs.len() {
            self.run += 1;
        }
    }

    fn unit(&mut self, at: usize) -> Range<usize> {
        self.seek(at);
        self.map.runs.get(self.run).map_or(0..0, |run| run.unit(at))
    }

    fn origin(&mut self, range: Range<usize>) -> Range<usize> {
        if range.is_empty() || range.start >= self.map.length {
            return self.map.origin(&range);
        }
        let first = self.unit(range.start);
        let last = self.unit(range.end.min(self.map.length) - 1);
        first.start..last.end.max(first.start)
    }

    /// Appends to `composed` what maps the bytes `range` of this map's view, copied, to this map's origin.
    fn copy(&mut self, range: Range<usize>, composed: &mut Map) {
        let mut at = range.start;
        let end = range.end.min(self.map.length);
        while at < end {
            self.seek(at);
            let Some(run) = self.map.runs.get(self.run) else { return };
            let unit = wide(run.view_unit).max(1);
            let limit = self.map.end_of(self.run).min(end);
            let into = (at - wide(run.view)) % unit;
            let origin = run.unit(at).start;
            // A unit of which the copy takes only a part still stands for all of its origin.
            let (size, count) = match limit - at {
                left if into > 0 => (left.min(unit - into), 1),
                left if left < unit => (left, 1),
                left => (unit, left / unit),
            };
            composed.push(size, count, origin, wide(run.origin_unit));
            at += size * count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Map;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    /// One unit: view bytes, origin bytes left out before it, origin bytes.
    type Unit = (usize, usize, usize);

    fn map(units: &[Unit]) -> (Map, usize) {
        let mut map = Map::default();
        let mut origin = 0;
        for (view, gap, length) in units {
            origin += gap;
            map.push(*view, 1, origin, *length);
            origin += length;
        }
        (map, origin)
    }

    #[test]
    fn equal_units_are_one_run() {
        let (escapes, _) = map(&[(1, 0, 3); 50]);
        assert_eq!(escapes.n_runs(), 1);
        assert_eq!(escapes.origin(&(3..5)), 9..15);
        assert_eq!(escapes.origin(&(50..50)), 150..150);
        assert_eq!(escapes.origin(&(7..7)), 21..21);
        let (gaps, _) = map(&[(1, 0, 1), (1, 3, 1)]);
        assert_eq!(gaps.n_runs(), 2);
        assert_eq!((gaps.origin(&(0..1)), gaps.origin(&(0..2)), gaps.origin(&(1..2))), (0..1, 0..5, 4..5));
        assert_eq!(Map::default().origin(&(0..3)), 0..0);
    }

    fn units() -> impl Strategy<Value = Vec<Unit>> {
        prop::collection::vec(prop_oneof![Just((1, 0, 1)), Just((1, 0, 3)), (1..5usize, 0..3usize, 0..5usize)], 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_composed_map_is_one_map_after_the_other(parent in units(), child in units(), ranges in prop::collection::vec((0..200usize, 0..9usize), 30)) {
            let (parent, _) = map(&parent);
            let (child, reach) = map(&child);
            // A child that reads beyond its parent's view does not occur.
            prop_assume!(reach <= parent.length);
            let composed = child.clone().over(&parent);
            prop_assert_eq!(composed.length, child.length);
            for (start, length) in ranges {
                let start = start % child.length;
                let range = start..(start + length).min(child.length);
                let between = child.origin(&range);
                if range.is_empty() || child.origin(&(range.start..range.start + 1)).is_empty() || child.origin(&(range.end - 1..range.end)).is_empty() {
                    continue;
                }
                prop_assert_eq!(composed.origin(&range), parent.origin(&between), "{:?}", range);
            }
        }
    }
}
