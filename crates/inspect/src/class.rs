//! Byte classes: one table look-up per byte.

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
    let is_none = |chunk: &&[u8; 32]| chunk.iter().fold(0_u8, |any, byte| any | u8::from(test(*byte))) == 0;
    let plain = chunks.iter().take_while(is_none).count();
    let tail = chunks.get(plain).map_or(rest, |chunk| chunk.as_slice());
    tail.iter().position(|byte| test(*byte)).map(|at| plain * 32 + at)
}

/// The first ASCII digit.
pub(crate) fn digit(bytes: &[u8]) -> Option<usize> {
    position(bytes, |byte| byte.wrapping_sub(b'0') < 10)
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
