//! Which ASCII a character looks like, or stands for.

use unicode_normalization::char::{canonical_combining_class, decompose_compatible, is_combining_mark};

/// Zeros of the decimal digits outside ASCII: Unicode `Nd`, each followed by its one to nine.
const ZEROS: &[u32] = &[
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20, 0x1040,
    0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0,
    0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650,
    0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0,
    0x16B50, 0x16D70, 0x1CCF0, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// Letters in shapes for which Unicode has no decomposition: first of 26 in a row, and the ASCII letter it stands for.
const ALPHABETS: &[(u32, u8)] =
    &[(0x249C, b'a'), (0x1F110, b'A'), (0x1F130, b'A'), (0x1F150, b'A'), (0x1F170, b'A'), (0x1F1E6, b'A')];

/// Rows of enclosed numbers: first, how many, and the number of the first.
const NUMBERS: &[(u32, u32, u32)] =
    &[(0x2474, 20, 1), (0x24EB, 10, 11), (0x24F5, 10, 1), (0x24FF, 1, 0), (0x2776, 10, 1), (0x2780, 10, 1), (0x278A, 10, 1)];

/// Small capitals, in the order of `SMALL_LATIN`.
const SMALL_CAPITALS: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ";
const SMALL_LATIN: &str = "abcdefghijklmnopqrstuvwyz";

/// Cyrillic and Greek letters that UTS 39 tells from the Latin ones whose shape they nearly have.
const NEARLY: &str = "квмнтєзβεηικτω";
const NEARLY_LATIN: &str = "kbmhte3benikt\u{77}";

/// The ASCII that `character`, itself not ASCII, is read as: letters, digits, a sign or a space. Writes nothing, and says so,
/// when there is none; the character is then written without its marks. UTS 39 maps some ASCII too; that is left alone here.
pub(super) fn read_as(character: char, out: &mut String) {
    if let Some(sign) = sign(character) {
        out.push_str(sign);
    } else if let Some(digit) = digit(u32::from(character)) {
        out.push(digit);
    } else if !enclosed(u32::from(character), out) {
        // Hangul would fall apart into its letters.
        if matches!(character, '\u{AC00}'..='\u{D7A3}') {
            out.push(character);
        } else {
            decompose_compatible(character, |part| read_part(part, out));
        }
    }
}

/// Whether a mark on `base` is left out: always on what reads as ASCII, else only what is set above, below or through a letter
/// (Indic vowel signs are letters in their own right).
pub(super) fn is_mark_on(character: char, base: Option<char>) -> bool {
    is_combining_mark(character)
        && (base.is_none_or(|base| base.is_ascii()) || !matches!(canonical_combining_class(character), 0 | 7 | 9))
}

/// One scalar of a decomposition.
fn read_part(part: char, out: &mut String) {
    if part.is_ascii() {
        out.push(part);
        return;
    }
    // A mark that stands first was kept by the caller.
    if !out.is_empty() && is_mark_on(part, out.chars().next_back()) {
        return;
    }
    if let Some(sign) = sign(part) {
        out.push_str(sign);
    } else if let Some(digit) = digit(u32::from(part)) {
        out.push(digit);
    } else if let Some(nearly) = in_rows(part, NEARLY, NEARLY_LATIN).or_else(|| in_rows(part, SMALL_CAPITALS, SMALL_LATIN)) {
        out.push(nearly);
    } else {
        prototype(part, out);
    }
}

fn in_rows(character: char, from: &str, to: &str) -> Option<char> {
    from.chars().zip(to.chars()).find(|(from, _)| *from == character).map(|(_, to)| to)
}

/// The UTS 39 prototype of `part` without marks where that is ASCII, else `part`.
fn prototype(part: char, out: &mut String) {
    let mut buffer = [0; 4];
    let before = out.len();
    for scalar in unicode_security::skeleton(part.encode_utf8(&mut buffer)) {
        if scalar.is_ascii() {
            out.push(scalar);
        } else if !is_combining_mark(scalar) {
            out.truncate(before);
            break;
        }
    }
    // The prototype of all bars is `l`, and of `m` it is `rn`.
    let better = match out.get(before..) {
        None | Some("") => Some(part),
        Some("l") if part.is_uppercase() => Some('I'),
        Some("rn") => Some('m'),
        Some(_) => None,
    };
    if let Some(better) = better {
        out.truncate(before);
        out.push(better);
    }
}

/// The ASCII digit for a decimal digit of another script.
fn digit(scalar: u32) -> Option<char> {
    let row = ZEROS.partition_point(|zero| *zero <= scalar).checked_sub(1)?;
    let value = scalar.checked_sub(*ZEROS.get(row)?)?;
    if value > 9 { None } else { char::from_digit(value, 10) }
}

/// Writes the letter or number that an enclosed one stands for.
fn enclosed(scalar: u32, out: &mut String) -> bool {
    if !(0x2474..0x1F200).contains(&scalar) {
        return false;
    }
    let letter = ALPHABETS.iter().find_map(|(first, letter)| {
        let nth = u8::try_from(scalar.checked_sub(*first)?).ok()?;
        (nth < 26).then(|| char::from(letter + nth))
    });
    let number = NUMBERS.iter().find_map(|(first, count, value)| {
        let nth = scalar.checked_sub(*first)?;
        (nth < *count).then(|| value + nth)
    });
    match (letter, number) {
        (Some(letter), _) => out.push(letter),
        (None, Some(number)) => out.push_str(&number.to_string()),
        (None, None) => return false,
    }
    true
}

/// Spaces, and signs for which UTS 39 has another prototype or none.
const fn sign(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\u{2800}' => " ",
        '\u{85}' | '\u{2028}' | '\u{2029}' => "\n",
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '\u{30FC}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}' | '\u{58A}' => "-",
        '\u{3002}' | '\u{FF61}' | '\u{2024}' | '\u{B7}' | '\u{2022}' | '\u{2027}' | '\u{2219}' | '\u{22C5}' => ".",
        '\u{30FB}' | '\u{FF65}' | '\u{387}' | '\u{6D4}' | '\u{66B}' | '\u{FE52}' | '\u{FF0E}' => ".",
        '\u{60C}' | '\u{66C}' | '\u{3001}' | '\u{FF64}' => ",",
        '\u{2215}' | '\u{2044}' | '\u{29F8}' | '\u{2571}' => "/",
        '\u{2236}' | '\u{2D0}' | '\u{A789}' | '\u{589}' | '\u{FE55}' => ":",
        '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}' | '\u{2032}' | '\u{2BC}' => "'",
        '\u{201C}'..='\u{201F}' | '\u{AB}' | '\u{BB}' | '\u{2033}' => "\"",
        '\u{1C3}' => "!",
        '\u{2223}' | '\u{23D0}' | '\u{1C0}' => "|",
        '\u{FE6B}' | '\u{FF20}' => "@",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{NEARLY, NEARLY_LATIN, SMALL_CAPITALS, SMALL_LATIN, ZEROS, read_as};

    #[test]
    fn tables_are_in_step() {
        assert_eq!(SMALL_CAPITALS.chars().count(), SMALL_LATIN.len());
        assert_eq!(NEARLY.chars().count(), NEARLY_LATIN.len());
        assert!(ZEROS.windows(2).all(|pair| pair[0] + 9 < pair[1]));
    }

    #[test]
    fn look_alikes_read_as_ascii() {
        let facts = [
            ("\u{FF33}\u{FF45}\u{FF43}", "Sec"),
            ("\u{1D40C}\u{1D426}\u{1D7CE}\u{1D7D9}", "Mm01"),
            ("\u{430}\u{435}\u{43E}\u{440}\u{441}\u{445}\u{443}\u{456}\u{455}", "aeopcxyis"),
            ("\u{406}\u{41C}\u{422}", "IMT"),
            ("\u{3B1}\u{3BF}\u{391}\u{399}", "aoAI"),
            ("\u{585}\u{57D}\u{578}", "oun"),
            ("\u{24D0}\u{1F170}\u{249C}\u{1F1E6}\u{2460}\u{2776}\u{246A}", "aAaA1111"),
            ("\u{1D00}\u{299}\u{A731}\u{280}", "absr"),
            ("\u{661}\u{665}\u{6F7}\u{96A}\u{1FBF9}", "15749"),
            ("\u{2024}\u{FF20}\u{2010}\u{2015}\u{3002}\u{A0}\u{3000}\u{2028}", ".@--.  \n"),
            ("\u{E9}\u{F8}\u{142}\u{111}\u{131}", "eoldi"),
            ("\u{FB01}\u{2122}\u{217F}", "fiTMm"),
            ("\u{AC00}\u{4E2D}\u{439}", "\u{AC00}\u{4E2D}\u{438}"),
        ];
        for (text, expected) in facts {
            let mut out = String::new();
            text.chars().for_each(|character| read_as(character, &mut out));
            assert_eq!(out, expected, "{text}");
        }
    }
}
