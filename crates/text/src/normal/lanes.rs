//! Looking at many bytes at a time, without branches, which the compiler does with the machine's wide registers.

use std::hint::black_box;

/// Bytes looked at together.
pub(super) const LANES: usize = 32;

/// The first of the places from `from` to `end` at which something is. `look` says it of the [`LANES`] places from one on (0 or 1
/// each; `None` is never), `is_there` of a single one, where fewer are left.
pub(super) fn first(
    from: usize,
    end: usize,
    look: impl Fn(usize) -> Option<[u8; LANES]>,
    is_there: impl Fn(usize) -> bool,
) -> Option<usize> {
    if end < from.saturating_add(LANES) {
        return (from..end).find(|at| is_there(*at));
    }
    let mut at = from;
    while at < end {
        // The last look goes back a little, over places at which nothing is.
        let start = at.min(end - LANES);
        if let Some(nth) = first_set(&look(start)?) {
            return Some(start + nth);
        }
        at = start + LANES;
    }
    None
}

/// The first lane that is not 0, found eight lanes at a time: the lowest bit that is set is of the first of them.
pub(super) fn first_set(lanes: &[u8; LANES]) -> Option<usize> {
    // Otherwise the compiler would compute each lane for itself to put it into its eight.
    let eights = black_box(lanes).as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight));
    let (group, bits) = eights.enumerate().find(|(_, bits)| *bits != 0)?;
    Some(group * 8 + bits.trailing_zeros() as usize / 8)
}

/// [`first`] by one byte.
pub(super) fn first_byte(bytes: &[u8], from: usize, test: impl Fn(u8) -> bool) -> Option<usize> {
    let look = |at: usize| Some(bytes.get(at..)?.first_chunk::<LANES>()?.map(|byte| u8::from(test(byte))));
    first(from, bytes.len(), look, |at| bytes.get(at).is_some_and(|byte| test(*byte)))
}

/// [`first`] by a byte and the one `ahead` bytes behind it, which has to be there.
pub(super) fn first_pair(bytes: &[u8], from: usize, ahead: usize, test: impl Fn(u8, u8) -> bool) -> Option<usize> {
    let others = bytes.get(ahead..)?;
    let look = |at: usize| {
        let (ones, others) = (bytes.get(at..)?.first_chunk::<LANES>()?, others.get(at..)?.first_chunk::<LANES>()?);
        let mut lanes = [0; LANES];
        for (lane, (one, other)) in lanes.iter_mut().zip(ones.iter().zip(others)) {
            *lane = u8::from(test(*one, *other));
        }
        Some(lanes)
    };
    let is_there = |at: usize| bytes.get(at).zip(others.get(at)).is_some_and(|(one, other)| test(*one, *other));
    first(from, others.len(), look, is_there)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{first_byte, first_pair};

    proptest! {
        #[test]
        fn the_first_is_found_as_one_by_one(bytes in prop::collection::vec(0_u8..12, 0..150), from in 0..160_usize, ahead in 1..5_usize) {
            let plain = (from..bytes.len()).find(|at| bytes[*at] == 3);
            prop_assert_eq!(first_byte(&bytes, from, |byte| byte == 3), plain);
            let plain = (from..bytes.len().saturating_sub(ahead)).find(|at| bytes[*at] == bytes[at + ahead]);
            prop_assert_eq!(first_pair(&bytes, from, ahead, |one, other| one == other), plain);
        }
    }
}
