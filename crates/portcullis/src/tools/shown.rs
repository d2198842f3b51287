//! Words of strangers for people: nothing hides in them, nothing steers a terminal, and what is cut says so.

pub(super) use crate::approve::plain;

/// Longest name that is shown, in characters.
const MAX_NAME: usize = 128;

/// A name in one line of plain ASCII.
pub(super) fn name(text: &str) -> String {
    cut(text, MAX_NAME)
}

/// The front of a text, in plain ASCII, with a mark and the length if there is more. The mark holds a sign that is no ASCII: no
/// text can write it.
pub(super) fn cut(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return plain(text) };
    format!("{}… [cut: {} characters in all]", plain(text.get(..end).unwrap_or_default()), grouped(text.chars().count()))
}

/// A text of JSON in ASCII: other characters stand in its strings only, and are written as escapes there. It means the same.
pub(super) fn ascii(json: &str) -> String {
    escaped(json, |character| matches!(character, '\n' | ' '..='~'))
}

/// A text of JSON in which what cannot be seen, or may be taken for something else that is there, is written as escapes.
pub(super) fn seen(json: &str) -> String {
    escaped(json, |character| matches!(character, '\n' | ' '..='~') || is_seen(character))
}

fn escaped(json: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if stays(character) {
            shown.push(character);
        } else {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        }
    }
    shown
}

/// Whether a character beyond ASCII has ink of its own: letters, digits and the usual signs of printed text.
fn is_seen(character: char) -> bool {
    // Letters by their category that show nothing.
    let is_filler = matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    let is_usual = "–—‘’“”„«»…·•°§€£©®×→←≤≥✓".contains(character);
    is_usual || (character.is_alphanumeric() && !is_filler)
}

/// A number with commas between thousands.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let front = digits.len() % 3;
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == front {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{ascii, cut, grouped, seen};

    #[test]
    fn what_is_cut_says_so() {
        for (text, most, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "abc… [cut: 4 characters in all]"),
            ("\u{202e}\u{1b}[2J", 9, "\\u{202e}\\u{1b}[2J"),
            ("a… [cut: 9 characters in all]", 99, "a\\u{2026} [cut: 9 characters in all]"),
        ] {
            assert_eq!(cut(text, most), expected, "{text}");
        }
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (123_456_789, "123,456,789")] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "{\"k\": \"caf\u{e9} \u{202e}\u{200b}\u{3164}\u{2800}\u{85}\u{7f} \u{e0041} 中 — \\u001b\"}";
        for shown in [ascii(text), seen(text)] {
            let same = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
            assert_eq!(same(&shown), same(text));
            for hidden in ['\u{202e}', '\u{200b}', '\u{3164}', '\u{2800}', '\u{85}', '\u{7f}', '\u{e0041}'] {
                assert!(!shown.contains(hidden), "{shown:?} has {hidden:?}");
            }
        }
        assert!(ascii(text).is_ascii());
        assert!(seen(text).contains("caf\u{e9} ") && seen(text).contains("中 —"), "{}", seen(text));
    }
}
