//! How many tokens a text may have, without a tokeniser.
//!
//! Upper-ish and cheap: a token for three letters or spaces, one for every digit, every other ASCII character and every byte
//! beyond ASCII. Byte-pair vocabularies give English four to five characters per token and never more tokens than bytes; JSON's
//! own characters count too, and stand for what a chat template adds. Text made to be unusual can have up to three times as many.

/// Tokens reserved for a picture or another part that is no text. Providers bill pictures by their area, up to about this.
pub const IMAGE: u64 = 4096;

/// An estimate of the tokens in `bytes`.
#[must_use]
pub fn tokens(bytes: &[u8]) -> u64 {
    // Counted in blocks that fit a byte, so that the loop becomes a vector's.
    let light: u64 = bytes
        .chunks(255)
        .map(|block| {
            u64::from(block.iter().map(|byte| u8::from(byte.is_ascii_alphabetic() || *byte == b' ')).fold(0, u8::wrapping_add))
        })
        .sum();
    let all = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    all.saturating_sub(light).saturating_add(light.div_ceil(3))
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn estimates() {
        let facts = [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("a b c", 2), ("12345", 5), ("a,b", 2), ("äö", 4), ("日本", 6)];
        for (text, expected) in facts {
            assert_eq!(tokens(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(tokens(&b"x".repeat(3000)), 1000);
        assert_eq!(tokens(&b"7".repeat(3000)), 3000);
    }
}
