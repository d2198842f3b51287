//! What a character is to somebody who reads prose: its usual letters and signs, or something that nobody writes without a reason.

use unicode_normalization::char::is_combining_mark;

use super::hidden::hidden_kind;
use super::look_alikes::read_as;

/// How a character that is not ASCII appears in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A letter of an alphabet with look-alikes of ASCII: Latin, Greek, Cyrillic.
    Letter,
    /// Read as signs or spaces of ASCII: typographic quotes and dashes, no-break spaces.
    Sign,
    /// Unseen, a mark, or a letter or digit of ASCII in an unusual form.
    Odd,
    /// Nothing that could be taken for ASCII.
    Own,
}

impl Look {
    /// How `character` appears. One of ASCII is taken for a letter.
    #[must_use]
    pub fn of(character: char) -> Self {
        match character {
            // Cheap, and most of what is not ASCII.
            '\u{AD}' => Self::Odd,
            '\0'..='\u{52F}' if character.is_alphabetic() || character.is_ascii() => Self::Letter,
            '\u{3041}'..='\u{3163}' | '\u{3165}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' => Self::Own,
            _ => Self::looked_up(character),
        }
    }

    fn looked_up(character: char) -> Self {
        if hidden_kind(character).is_some() || is_combining_mark(character) {
            return Self::Odd;
        }
        let mut reading = String::new();
        read_as(character, &mut reading);
        if reading.is_empty() || !reading.is_ascii() {
            Self::Own
        } else if reading.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            Self::Odd
        } else {
            Self::Sign
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Look;

    #[test]
    fn what_prose_is_written_with_is_told_from_the_rest() {
        for (characters, expected) in [
            ("aé\u{FC}жѕΩß", Look::Letter),
            ("\u{A0}\u{2019}\u{201C}\u{2013}\u{2014}\u{202F}\u{3000}", Look::Sign),
            ("\u{200B}\u{AD}\u{301}\u{FE0F}\u{E0041}\u{FF21}\u{FF10}\u{1D400}\u{24B6}\u{661}\u{3164}", Look::Odd),
            ("中の한\u{1F600}ש→", Look::Own),
        ] {
            for character in characters.chars() {
                assert_eq!(Look::of(character), expected, "{character:?}");
            }
        }
    }
}
