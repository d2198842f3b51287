//! Shannon entropy, as gitleaks counts it.

use std::collections::HashMap;

/// Bits per byte: characters are counted, and their share is of the bytes. Of ASCII text it is the entropy per character.
pub(crate) fn bits(text: &str) -> f64 {
    let mut counts: HashMap<char, u32> = HashMap::new();
    for character in text.chars() {
        let count = counts.entry(character).or_default();
        *count = count.saturating_add(1);
    }
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let mut shares: Vec<u32> = counts.into_values().collect();
    // Sums of floating point depend on their order, and a map has none.
    shares.sort_unstable();
    shares.into_iter().map(|count| f64::from(count) / length).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn of_known_texts() {
        let facts = [("", 0.0), ("a", 0.0), ("aaaa", 0.0), ("ab", 1.0), ("abcd", 2.0), ("aabb", 1.0), ("0123456789abcdef", 4.0)];
        for (text, expected) in facts {
            assert!((bits(text) - expected).abs() < 1e-9, "{text} {}", bits(text));
        }
        // Two characters of two bytes each: half a share each of the four bytes' quarter.
        assert!((bits("éü") - 1.0).abs() < 1e-9);
    }
}
