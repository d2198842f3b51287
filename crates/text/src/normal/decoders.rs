//! Base64, base32 and hex.

use std::ops::Range;

use super::blocks::{Block, SHORTEST, finish, texts, write};
use super::draft::Draft;
use super::suspects::SHORT;

/// The texts that blocks of base64 write, a line each: both alphabets, with or without padding, wrapped or not. `None` without one. `blocks` are those
/// of the text.
pub(super) fn base64<'t>(text: &'t str, blocks: &[Block], room: usize) -> Option<Draft<'t>> {
    let mut draft = Draft::new(text, room);
    for block in blocks {
        // The block may begin with letters that do not belong to it, so all four ways to cut it into quanta are tried.
        let best = (0..4).map(|skip| {
            let decoded = unpack(&block.letters, skip, 6, &BASE64);
            let found = texts(&decoded);
            (skip, decoded, found)
        });
        let length = |found: &[Range<usize>]| found.iter().map(Range::len).sum::<usize>();
        let best = best
            .filter(|(skip, _, found)| *skip == 0 || length(found) >= 12)
            .max_by_key(|(skip, _, found)| (length(found), 3 - skip));
        match best {
            Some((skip, decoded, found)) if !found.is_empty() => {
                for range in found {
                    write(&mut draft, &decoded, range, 3, |nth| quantum(block, skip + nth * 4, 4));
                }
            }
            Some(_) | None => between_signs(&mut draft, block),
        }
    }
    finish(draft)
}

/// What the letters between `-`, `_`, `+` and `/` of a block write that says nothing as a whole: other words may hang on it, as in
/// `NTU1LTEyMzQ-Office`.
fn between_signs(draft: &mut Draft<'_>, block: &Block) {
    let is_part = |letter: u8| letter.is_ascii_alphanumeric();
    if block.letters.iter().all(|letter| is_part(*letter)) {
        return;
    }
    each_part(block, SHORT, is_part, |part| {
        let decoded = unpack(&part.letters, 0, 6, &BASE64);
        for range in texts(&decoded) {
            write(draft, &decoded, range, 3, |nth| quantum(part, nth * 4, 4));
        }
    });
}

/// The texts that blocks of base32 write, a line each. `None` without one.
pub(super) fn base32<'t>(text: &'t str, blocks: &[Block], room: usize) -> Option<Draft<'t>> {
    fifths(text, blocks, room, &BASE32)
}

/// The same in the other alphabet of base32, which keeps the order of what is written.
pub(super) fn base32_hex<'t>(text: &'t str, blocks: &[Block], room: usize) -> Option<Draft<'t>> {
    fifths(text, blocks, room, &BASE32_HEX)
}

fn fifths<'t>(text: &'t str, blocks: &[Block], room: usize, values: &Values) -> Option<Draft<'t>> {
    let mut draft = Draft::new(text, room);
    for block in blocks {
        each_part(
            block,
            SHORTEST,
            |letter| values.has(letter),
            |part| {
                let decoded = unpack(&part.letters, 0, 5, values);
                for range in texts(&decoded) {
                    write(&mut draft, &decoded, range, 5, |nth| quantum(part, nth * 8, 8));
                }
            },
        );
    }
    finish(draft)
}

/// The texts that hex digits write, a line each: in one run, or in pairs behind `\x` or `0x` or between separators.
pub(super) fn hex<'t>(text: &'t str, blocks: &[Block], room: usize) -> Option<Draft<'t>> {
    let mut draft = Draft::new(text, room);
    let mut rows: Vec<(Vec<u8>, Vec<Range<usize>>)> = Vec::new();
    super::pairs::each_row(text, |decoded, spans| rows.push((decoded.to_vec(), spans.to_vec())));
    let start = |spans: &[Range<usize>]| spans.first().map_or(0, |span| span.start);
    rows.sort_by_key(|(_, spans)| start(spans));
    let mut rows = rows.into_iter().peekable();
    for block in blocks {
        each_part(
            block,
            SHORTEST,
            |letter| letter.is_ascii_hexdigit(),
            |part| {
                // With an odd digit, either end may not belong.
                let decoded = [0, part.letters.len() % 2].map(|skip| (skip, unpack(&part.letters, skip, 4, &HEX)));
                let found =
                    decoded.iter().map(|(skip, bytes)| (skip, bytes, texts(bytes))).find(|(_, _, found)| !found.is_empty());
                let Some((skip, decoded, found)) = found else { return };
                // Both kinds in the order in which they stand: a map never goes back.
                let here = part.places.first().copied().unwrap_or(0);
                while let Some((decoded, spans)) = rows.next_if(|(_, spans)| start(spans) < here) {
                    write_row(&mut draft, &decoded, &spans);
                }
                for range in found {
                    write(&mut draft, decoded, range, 1, |nth| quantum(part, skip + nth * 2, 2));
                }
            },
        );
    }
    rows.for_each(|(decoded, spans)| write_row(&mut draft, &decoded, &spans));
    finish(draft)
}

fn write_row(draft: &mut Draft<'_>, decoded: &[u8], spans: &[Range<usize>]) {
    for range in texts(decoded) {
        write(draft, decoded, range, 1, |nth| spans.get(nth).cloned().unwrap_or_default());
    }
}

/// What letters of base64 write.
pub(super) fn bytes_of_base64(letters: &[u8]) -> Vec<u8> {
    unpack(letters, 0, 6, &BASE64)
}

/// The place of `size` letters of a block from `first` on, or of those that are left.
fn quantum(block: &Block, first: usize, size: usize) -> Range<usize> {
    let last = (first + size).min(block.letters.len()).saturating_sub(1);
    block.span(first.min(last), last)
}

/// Calls `visit` with every run of at least `shortest` letters of a block that `is_member`.
fn each_part(block: &Block, shortest: usize, is_member: impl Fn(u8) -> bool, mut visit: impl FnMut(&Block)) {
    if block.letters.iter().all(|letter| is_member(*letter)) {
        visit(block);
        return;
    }
    let mut at = 0;
    for letters in block.letters.split(|letter| !is_member(*letter)) {
        let end = at + letters.len();
        if letters.len() >= shortest {
            let places = block.places.get(at..end).unwrap_or_default().to_vec();
            visit(&Block { letters: letters.to_vec(), places });
        }
        at = end + 1;
    }
}

/// The bytes that letters of `bits` bits each write, most significant bit first; bits that fill no byte are left out.
fn unpack(letters: &[u8], skip: usize, bits: u32, values: &Values) -> Vec<u8> {
    let letters = letters.get(skip..).unwrap_or_default();
    let mut bytes = Vec::with_capacity(letters.len());
    let mut held = 0u32;
    let mut n_held = 0;
    for letter in letters {
        held = (held << bits | u32::from(values.of(*letter))) & 0xFFFF;
        n_held += bits;
        if n_held >= 8 {
            n_held -= 8;
            bytes.push((held >> n_held).to_le_bytes()[0]);
        }
    }
    bytes
}

/// What each letter of an alphabet stands for: one look-up a letter.
struct Values([u8; 256]);

/// The value of what is no letter.
const NO_LETTER: u8 = u8::MAX;

static BASE64: Values = Values::new(&[
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
]);
static BASE32: Values = Values::new(&[b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"abcdefghijklmnopqrstuvwxyz234567"]);
static BASE32_HEX: Values = Values::new(&[b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"0123456789abcdefghijklmnopqrstuv"]);
static HEX: Values = Values::new(&[b"0123456789ABCDEF", b"0123456789abcdef"]);

impl Values {
    /// For letters in the order of their values, written in one way or another.
    #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated when the program is built")]
    const fn new(alphabets: &[&[u8]]) -> Self {
        let mut values = [NO_LETTER; 256];
        let mut nth = 0;
        while nth < alphabets.len() {
            let mut value = 0;
            while value < alphabets[nth].len() {
                values[alphabets[nth][value] as usize] = value as u8;
                value += 1;
            }
            nth += 1;
        }
        Self(values)
    }

    fn has(&self, letter: u8) -> bool {
        self.0.get(usize::from(letter)).is_some_and(|value| *value != NO_LETTER)
    }

    /// The letter's value; of what is none, 0.
    fn of(&self, letter: u8) -> u8 {
        self.0.get(usize::from(letter)).copied().filter(|value| *value != NO_LETTER).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Draft};
    use crate::normal::blocks::blocks;

    fn read<'t>(reading: fn(&'t str, &[Block], usize) -> Option<Draft<'t>>, text: &'t str) -> Option<Draft<'t>> {
        reading(text, &blocks(text), 999)
    }

    fn base64(text: &str) -> Option<Draft<'_>> {
        read(super::base64, text)
    }

    fn base32(text: &str) -> Option<Draft<'_>> {
        read(super::base32, text)
    }

    fn hex(text: &str) -> Option<Draft<'_>> {
        read(super::hex, text)
    }

    #[test]
    fn encoded_text_is_read() {
        let facts = [
            ("say c2VjcmV0IHRva2VuIGhlcmU= now", Some("say secret token here now")),
            ("c2VjcmV0IHRva2VuIGhlcmU", Some("secret token here")),
            ("Pz8/Pz8/fn5-fn5-Pz8_", Some("??????~~~~~~???")),
            ("https://a.example/abc/c2VjcmV0IHRva2VuIGhlcmUgYW5kIG1vcmUgb2YgaXQ", Some("secret token here and more of it")),
            ("x/c2VjcmV0IHRva2VuIGhlcmU=", Some("secret token here")),
            ("xy/c2VjcmV0IHRva2VuIGhlcmU=", Some("secret token here")),
            ("xyzab-c2VjcmV0IHRva2VuIGhlcmU=", Some("secret token here")),
            ("The internationalisation of documentation/specifications", None),
            ("my ssn NTUtMTIzNA, iPhone16ProMax", Some("my ssn 55-1234, iPhone16ProMax")),
            ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", None),
            ("to MDYtMTA0NDY5MDQ-Office, x", Some("to 06-10446904 -Office, x")),
            ("to MDYtMTA0NDY5MDQ=-Office\\,001-748-088-2851x818", Some("to 06-10446904 -Office")),
        ];
        for (text, expected) in facts {
            let draft = base64(text);
            let found = draft.as_ref().map(Draft::text);
            assert!(
                found == expected || found.zip(expected).is_some_and(|(found, expected)| found.ends_with(expected)),
                "{text} {found:?}"
            );
        }
        assert_eq!(base32("ONSWG4TFOQQHI33LMVXA====").unwrap().text(), "secret token");
        assert_eq!(base32("x-onswg4tfoqqhi33lmvxa").unwrap().text(), "x-\nsecret token");
        assert_eq!(read(super::base32_hex, "EDIM6SJ5EGG78RRBCLN0====").unwrap().text(), "secret token");
        assert_eq!(read(super::base32_hex, "edim6sj5egg78rrbcln0").unwrap().text(), "secret token");
        let hexes = [
            ("73656372657420746f6b656e", Some("secret token")),
            ("0x73656372657420746F6B656E", Some("secret token")),
            ("id-73656372657420746f6b656e", Some("id-\nsecret token")),
            ("the key = \"73656372657420746f6b656e", Some("the key = \"secret token")),
            ("no 12345678 by 3132333435363738", Some("no 12345678 by 12345678")),
            ("x73656372657420746f6b656ef", Some("x\nsecret token\nf")),
            ("73 65 63 72 65 74", Some("secret")),
            ("73:65:63:72:65:74", Some("secret")),
            ("faf 73 65 63 72 65 74 cfnap", Some("faf secret cfnap")),
            (r"\x73\x65\x63\x72\x65\x74", Some("secret")),
            ("0x73, 0x65, 0x63, 0x72, 0x65, 0x74", Some("secret")),
            ("0x73 0x65 0x63 0x72 0x65 0x74", Some("secret")),
            ("00 01 02 03 04 05 06", None),
        ];
        for (text, expected) in hexes {
            assert_eq!(hex(text).as_ref().map(Draft::text), expected, "{text}");
        }
    }
}
