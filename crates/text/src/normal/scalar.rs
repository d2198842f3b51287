//! Byte offsets and scalar offsets of one text.

/// Translates between byte offsets and offsets in Unicode scalar values (`char`s). Needs the text only to be made; for ASCII a
/// few bytes, otherwise a sixth of the text's bytes. Byte to scalar is O(1), scalar to byte O(log n).
#[derive(Debug, Clone)]
pub struct ScalarIndex {
    bytes: usize,
    scalars: usize,
    /// None of them for ASCII, where both offsets are the same.
    words: Vec<Word>,
}

/// 64 bytes of the text.
#[derive(Debug, Clone, Copy)]
struct Word {
    /// Bit `i` is set when byte `i` begins a scalar.
    starts: u64,
    /// Scalars that begin before these bytes.
    before: usize,
}

const WORD: usize = 64;

impl ScalarIndex {
    /// The index of `text`. One pass.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self { bytes: text.len(), scalars: text.len(), words: Vec::new() };
        }
        let mut scalars = 0;
        let words = text
            .as_bytes()
            .chunks(WORD)
            .map(|chunk| {
                let starts = chunk.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(byte & 0xC0 != 0x80));
                let word = Word { starts, before: scalars };
                scalars += count(starts);
                word
            })
            .collect();
        Self { bytes: text.len(), scalars, words }
    }

    /// How many scalars the text has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.scalars
    }

    /// Whether the text is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.scalars == 0
    }

    /// How many scalars begin before byte `byte`: for the first byte of a scalar, its offset. A byte beyond the text counts as
    /// its end.
    #[must_use]
    pub fn scalar(&self, byte: usize) -> usize {
        if self.words.is_empty() {
            return byte.min(self.scalars);
        }
        let below = (1u64 << (byte % WORD)) - 1;
        self.words.get(byte / WORD).map_or(self.scalars, |word| word.before + count(word.starts & below))
    }

    /// The byte at which scalar `scalar` begins; the length of the text for the offset one past the last, and beyond.
    #[must_use]
    pub fn byte(&self, scalar: usize) -> usize {
        if scalar >= self.scalars {
            return self.bytes;
        }
        if self.words.is_empty() {
            return scalar;
        }
        let nth = self.words.partition_point(|word| word.before <= scalar).saturating_sub(1);
        let Some(word) = self.words.get(nth) else { return self.bytes };
        let mut starts = word.starts;
        for _ in word.before..scalar {
            starts &= starts.wrapping_sub(1);
        }
        nth * WORD + usize::try_from(starts.trailing_zeros()).unwrap_or_default()
    }
}

fn count(bits: u64) -> usize {
    usize::try_from(bits.count_ones()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::ScalarIndex;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn both_ways_agree_with_char_indices(text in prop_oneof!["[ -~]{0,300}", "[a\u{e9}\u{4e00}\u{1f600}]{0,300}", ".{0,200}"]) {
            let index = ScalarIndex::new(&text);
            prop_assert_eq!(index.len(), text.chars().count());
            prop_assert_eq!(index.is_empty(), text.is_empty());
            for (scalar, (byte, character)) in text.char_indices().enumerate() {
                prop_assert_eq!(index.byte(scalar), byte);
                prop_assert_eq!(index.scalar(byte), scalar);
                prop_assert_eq!(index.scalar(byte + character.len_utf8()), scalar + 1);
            }
            prop_assert_eq!(index.byte(index.len()), text.len());
            prop_assert_eq!(index.byte(usize::MAX), text.len());
            prop_assert_eq!(index.scalar(usize::MAX), index.len());
        }
    }
}
