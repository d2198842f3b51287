//! Edits against a plain model of them.

#![cfg(test)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use text::{SpliceError, Splices};

fn splices(edits: &[(usize, usize, &str)]) -> Splices {
    let mut splices = Splices::new();
    for (start, end, new) in edits {
        splices.replace(*start..*end, *new);
    }
    splices
}

#[test]
fn edits_meet_but_do_not_overlap() {
    let overlap = |at| Err(SpliceError::Overlap { at });
    let outside = |start, end| Err(SpliceError::OutOfRange { start, end, length: 6 });
    type Fact<'a> = (&'a [(usize, usize, &'a str)], Result<&'a str, SpliceError>);
    let facts: Vec<Fact<'_>> = vec![
        (&[], Ok("abcdef")),
        (&[(0, 6, "")], Ok("")),
        (&[(2, 4, "XYZ")], Ok("abXYZef")),
        (&[(4, 6, "2"), (0, 2, "1")], Ok("1cd2")),
        (&[(2, 4, "1"), (4, 5, "2")], Ok("ab12f")),
        (&[(3, 3, "1"), (3, 3, "2")], Ok("abc12def")),
        (&[(2, 4, "1"), (2, 2, "0"), (4, 4, "2")], Ok("ab012ef")),
        (&[(6, 6, "!")], Ok("abcdef!")),
        (&[(2, 4, "1"), (3, 5, "2")], overlap(3)),
        (&[(2, 4, "1"), (2, 4, "2")], overlap(2)),
        (&[(2, 4, "1"), (3, 3, "2")], overlap(3)),
        (&[(5, 7, "")], outside(5, 7)),
        (&[(7, 7, "")], outside(7, 7)),
        (&[(4, 2, "")], outside(4, 2)),
        (&[(usize::MAX, usize::MAX, "")], outside(usize::MAX, usize::MAX)),
    ];
    for (edits, expected) in facts {
        let found = splices(edits).apply(b"abcdef");
        assert_eq!(found, expected.map(|text| text.as_bytes().to_vec()), "{edits:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn untouched_bytes_stay(pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9), prop::option::of(prop::collection::vec(any::<u8>(), 0..9))), 0..12), order in any::<u64>()) {
        let mut before = Vec::new();
        let mut after = Vec::new();
        let mut edits = Vec::new();
        for (old, new) in &pieces {
            let start = before.len();
            before.extend_from_slice(old);
            match new {
                Some(new) if !old.is_empty() => {
                    after.extend_from_slice(new);
                    edits.push((start..before.len(), new.clone()));
                }
                _ => after.extend_from_slice(old),
            }
        }
        if !edits.is_empty() {
            let turn = usize::try_from(order % u64::try_from(edits.len()).unwrap()).unwrap();
            edits.rotate_left(turn);
        }
        let mut splices = Splices::new();
        for (range, new) in edits {
            splices.replace(range, new);
        }
        prop_assert_eq!(splices.apply(&before).unwrap(), after);
    }
}

#[test]
fn debug_shows_no_content() {
    assert_eq!(format!("{:?}", splices(&[(1, 2, "secret")])), "[(1..2, 6)]");
}
