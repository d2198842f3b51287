//! A failing input made small: pieces are left out, then bytes made plain, as long as it still fails.

/// Most tries.
const MAX_TRIES: usize = 4000;

/// The smallest input found for which `fails` holds; it holds for `input`.
pub(crate) fn shrink(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut left = MAX_TRIES;
    let mut size = best.len().div_ceil(2).max(1);
    loop {
        let before = best.len();
        let mut at = 0;
        while at < best.len() && left > 0 {
            let mut shorter = best.clone();
            drop(shorter.splice(at..(at + size).min(best.len()), []));
            left -= 1;
            if fails(&shorter) { best = shorter } else { at += size }
        }
        if left == 0 || (size == 1 && best.len() == before) {
            return best;
        }
        size = size.div_ceil(2).max(1);
    }
}
