//! Byte classes: one table look-up per byte.

use std::hint::black_box;

/// A set of ASCII bytes. Bytes of non-ASCII characters are in no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(u32);

impl Class {
    pub(crate) const DIGIT: Self = Self(1);
    pub(crate) const HEX_LETTER: Self = Self(1 << 1);
    pub(crate) const UPPER: Self = Self(1 << 2);
    pub(crate) const LOWER: Self = Self(1 << 3);
    pub(crate) const UNDERSCORE: Self = Self(1 << 4);
    pub(crate) const DASH: Self = Self(1 << 5);
    pub(crate) const DOT: Self = Self(1 << 6);
    pub(crate) const SLASH: Self = Self(1 << 7);
    pub(crate) const PLUS: Self = Self(1 << 8);
    pub(crate) const EQUALS: Self = Self(1 << 9);
    pub(crate) const PERCENT: Self = Self(1 << 10);
    pub(crate) const SPACE: Self = Self(1 << 11);
    pub(crate) const COLON: Self = Self(1 << 12);
    pub(crate) const PIPE: Self = Self(1 << 13);
    pub(crate) const TILDE: Self = Self(1 << 14);
    pub(crate) const AT: Self = Self(1 << 15);
    /// Tab, line feed, carriage return.
    pub(crate) const BREAK: Self = Self(1 << 16);
    /// Quotes, and the backslash that may stand before one.
    pub(crate) const QUOTE: Self = Self(1 << 17);
    /// `>` and `,`.
    pub(crate) const ARROW: Self = Self(1 << 18);
    /// Round and square brackets, `?`.
    pub(crate) const BRACKET: Self = Self(1 << 19);
    /// Every other printable byte: `!` `#` `$` `&` `*` `;` `<` `^` `{` `}`.
    pub(crate) const SIGN: Self = Self(1 << 20);
    pub(crate) const TAB: Self = Self(1 << 21);

    pub(crate) const LETTER: Self = Self::UPPER.or(Self::LOWER);
    pub(crate) const ALNUM: Self = Self::LETTER.or(Self::DIGIT);
    pub(crate) const WORD: Self = Self::ALNUM.or(Self::UNDERSCORE);
    pub(crate) const HEX: Self = Self::DIGIT.or(Self::HEX_LETTER);
    /// Letters, digits, `_`, `-`.
    pub(crate) const URL_SAFE: Self = Self::WORD.or(Self::DASH);
    /// Letters, digits, `+`, `/`, `=`.
    pub(crate) const BASE64: Self = Self::ALNUM.or(Self::PLUS).or(Self::SLASH).or(Self::EQUALS);

    /// Every printable byte but quotes, the backslash and the space.
    pub(crate) const VISIBLE: Self = Self::URL_SAFE
        .or(Self::BASE64)
        .or(Self::DOT)
        .or(Self::PERCENT)
        .or(Self::COLON)
        .or(Self::PIPE)
        .or(Self::TILDE)
        .or(Self::AT)
        .or(Self::ARROW)
        .or(Self::BRACKET)
        .or(Self::SIGN);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, byte: u8) -> bool {
        TABLE.get(usize::from(byte)).is_some_and(|bits| bits & self.0 != 0)
    }

    /// How many bytes from the start of `bytes` belong to the class.
    pub(crate) fn run(self, bytes: &[u8]) -> usize {
        bytes.iter().position(|byte| !self.has(*byte)).unwrap_or(bytes.len())
    }

    /// How many bytes from the end of `bytes` belong to the class, counted up to `most`.
    pub(crate) fn run_back(self, bytes: &[u8], most: usize) -> usize {
        bytes.iter().rev().take(most).take_while(|byte| self.has(**byte)).count()
    }
}

/// The first byte that passes; most texts hold few, so many bytes are looked at at once. `test` must be free of branches for that.
pub(crate) fn position(bytes: &[u8], test: impl Fn(u8) -> bool) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    for (nth, chunk) in chunks.iter().enumerate() {
        let mut lanes = [0_u8; 32];
        lanes.iter_mut().zip(chunk).for_each(|(lane, byte)| *lane = u8::from(test(*byte)));
        // Otherwise the compiler would compute each lane for itself to put it into its eight.
        let eights = black_box(&lanes).as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight));
        if let Some((group, bits)) = eights.enumerate().find(|(_, bits)| *bits != 0) {
            return Some(nth * 32 + group * 8 + bits.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| test(*byte)).map(|at| chunks.len() * 32 + at)
}

/// The first ASCII digit. Eight bytes at a time, for there are texts in which the next one is never far.
pub(crate) fn digit(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x80 * ONES;
    let (eights, rest) = bytes.as_chunks::<8>();
    for (nth, eight) in eights.iter().enumerate() {
        let bytes = u64::from_le_bytes(*eight);
        // Of each byte without its top bit: adding what is missing to 0x80 sets that bit if it is not below `0`, or above `9`.
        let low = bytes & !TOPS;
        let from_zero = low.wrapping_add((0x80 - 0x30) * ONES);
        let above_nine = low.wrapping_add((0x80 - 0x3A) * ONES);
        let digits = from_zero & !above_nine & !bytes & TOPS;
        if digits != 0 {
            return Some(nth * 8 + digits.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(u8::is_ascii_digit).map(|at| eights.len() * 8 + at)
}

static TABLE: [u32; 256] = table();

const fn bits(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => Class::DIGIT.0,
        b'A'..=b'F' => Class::UPPER.0 | Class::HEX_LETTER.0,
        b'G'..=b'Z' => Class::UPPER.0,
        b'a'..=b'f' => Class::LOWER.0 | Class::HEX_LETTER.0,
        b'g'..=b'z' => Class::LOWER.0,
        b'_' => Class::UNDERSCORE.0,
        b'-' => Class::DASH.0,
        b'.' => Class::DOT.0,
        b'/' => Class::SLASH.0,
        b'+' => Class::PLUS.0,
        b'=' => Class::EQUALS.0,
        b'%' => Class::PERCENT.0,
        b' ' => Class::SPACE.0,
        b':' => Class::COLON.0,
        b'|' => Class::PIPE.0,
        b'~' => Class::TILDE.0,
        b'@' => Class::AT.0,
        b'\t' => Class::TAB.0 | Class::BREAK.0,
        b'\n' | b'\r' => Class::BREAK.0,
        b'\'' | b'"' | b'`' | b'\\' => Class::QUOTE.0,
        b'>' | b',' => Class::ARROW.0,
        b'(' | b')' | b'[' | b']' | b'?' => Class::BRACKET.0,
        b'!' | b'#' | b'$' | b'&' | b'*' | b';' | b'<' | b'^' | b'{' | b'}' => Class::SIGN.0,
        _ => 0,
    }
}

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated when the program is built; byte < 256")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = bits(byte as u8);
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_byte_is_found_as_one_by_one(bytes in prop::collection::vec(0_u8..40, 0..100)) {
            prop_assert_eq!(super::position(&bytes, |byte| byte == 7), bytes.iter().position(|byte| *byte == 7));
        }

        #[test]
        fn a_digit_is_found_as_one_by_one(bytes in prop::collection::vec(prop_oneof![0x2D..0x3D_u8, any::<u8>(), Just(0x20)], 0..40)) {
            let others: Vec<u8> = bytes.iter().map(|byte| if byte.is_ascii_digit() { byte + 0x80 } else { *byte }).collect();
            prop_assert_eq!(super::digit(&bytes), bytes.iter().position(u8::is_ascii_digit));
            prop_assert_eq!(super::digit(&others), None);
        }
    }
}
