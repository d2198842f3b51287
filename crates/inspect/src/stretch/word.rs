//! The words of a stream: what could carry something in disguise, and what is prose.

use text::Look;

/// Fewest characters of a word that could be encoded whatever it looks like.
const LONG: u32 = 16;
/// Fewest of one whose letters and digits, or small letters and capitals, are mixed: what seven bytes are written as, or a word
/// in leet that names a value.
const MIXED: u32 = 8;
/// Fewest digits of one that could be a part of a number.
const DIGITS: u32 = 3;

/// What a word says of the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Something may be written in it in another way.
    Suspicious,
    /// A letter, a pair of hex digits, signs: many of them in a row may write something.
    Short,
    /// Nobody would write a value like this.
    Plain,
}

/// A word as far as it has been read: what stands between two spaces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Word {
    n_characters: u32,
    n_letters: u32,
    n_digits: u32,
    /// Letters of ASCII that are no hex digits.
    n_beyond_hex: u32,
    /// Kinds of characters that it has, see below.
    marks: u8,
    /// The character before.
    last: Last,
    /// It is a dot behind a letter.
    is_dot: bool,
}

const SIGN: u8 = 1;
const ODD: u8 = 2;
const FOREIGN: u8 = 4;
const IS_MIXED: u8 = 8;
/// A dot between letters: a name of the network, whichever way it is written.
const IS_DOTTED: u8 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Other,
    Small,
    Capital,
    Digit,
    Foreign,
}

impl Last {
    const fn is_letter(self) -> bool {
        matches!(self, Self::Small | Self::Capital | Self::Foreign)
    }
}

impl Word {
    /// Whether it has begun.
    pub(super) const fn is_begun(&self) -> bool {
        self.n_characters > 0
    }

    /// Adds a byte of ASCII that is no space.
    pub(super) fn push_ascii(&mut self, byte: u8) {
        self.n_characters = self.n_characters.saturating_add(1);
        let last = match byte {
            b'a'..=b'z' => Last::Small,
            b'A'..=b'Z' => Last::Capital,
            b'0'..=b'9' => Last::Digit,
            _ => Last::Other,
        };
        match last {
            Last::Small | Last::Capital => {
                self.n_letters = self.n_letters.saturating_add(1);
                self.n_beyond_hex = self.n_beyond_hex.saturating_add(u32::from(!byte.is_ascii_hexdigit()));
            }
            Last::Digit => self.n_digits = self.n_digits.saturating_add(1),
            Last::Other | Last::Foreign if matches!(byte, b'&' | b'<' | b'%' | b'=' | b'\\' | b'@') => self.marks |= SIGN,
            Last::Other | Last::Foreign => {}
        }
        let is_digit = |of: Last| of == Last::Digit;
        let changes = (is_digit(last) && matches!(self.last, Last::Small | Last::Capital))
            || (is_digit(self.last) && matches!(last, Last::Small | Last::Capital));
        if changes || (self.last, last) == (Last::Small, Last::Capital) {
            self.marks |= IS_MIXED;
        }
        self.follow(last, byte == b'.');
    }

    fn follow(&mut self, last: Last, is_dot: bool) {
        if self.is_dot && last.is_letter() {
            self.marks |= IS_DOTTED;
        }
        self.is_dot = is_dot && self.last.is_letter();
        self.last = last;
    }

    /// Adds a character that is not ASCII.
    pub(super) fn push_wide(&mut self, look: Look) {
        self.n_characters = self.n_characters.saturating_add(1);
        self.follow(if look == Look::Letter { Last::Foreign } else { Last::Other }, false);
        self.marks |= match look {
            Look::Letter => FOREIGN,
            Look::Odd => ODD,
            Look::Sign | Look::Own => 0,
        };
    }

    const fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// What it is, now that it has ended.
    pub(super) const fn class(&self) -> Class {
        let n_marks = self.n_letters.saturating_add(self.n_digits);
        if self.has(ODD)
            || self.n_characters >= LONG
            || self.n_digits >= DIGITS
            || (self.has(IS_DOTTED) && self.n_characters >= MIXED)
            || (self.has(SIGN) && n_marks > 0)
            || (self.has(IS_MIXED) && self.n_characters >= MIXED)
            || (self.has(FOREIGN) && self.n_digits > 0)
        {
            return Class::Suspicious;
        }
        let is_hex = self.n_beyond_hex == 0 && n_marks <= 2;
        let is_short = n_marks <= 1 || is_hex || (self.n_digits > 0 && n_marks <= 4);
        if is_short && (!self.has(FOREIGN) || self.n_characters == 1) { Class::Short } else { Class::Plain }
    }
}

#[cfg(test)]
mod tests {
    use text::Look;

    use super::{Class, Word};

    fn class(word: &str) -> Class {
        let mut read = Word::default();
        for character in word.chars() {
            match u8::try_from(character) {
                Ok(byte) if byte.is_ascii() => read.push_ascii(byte),
                _ => read.push_wide(Look::of(character)),
            }
        }
        read.class()
    }

    #[test]
    fn prose_is_plain() {
        for word in
            "Please keep these (two) of them, don’t \u{201C}lose\u{201D} Übrigens été привет iPhone x.y? specification".split(' ')
        {
            assert_eq!(class(word), Class::Plain, "{word}");
        }
        for word in "a I 12 4B 0x4f, \\ = - & de ad 3rd".split(' ') {
            assert_eq!(class(word), Class::Short, "{word}");
        }
        for word in "c2VjcmV0 p455w0rd 2024 a&b x=y jane@b.co internationalisation jjj.rknzcyr.pbz ехаmрlе.com ＡＫＩＡ а1 A\u{200B}K \\x41 %41".split(' ') {
          assert_eq!(class(word), Class::Suspicious, "{word}");
      }
    }
}
