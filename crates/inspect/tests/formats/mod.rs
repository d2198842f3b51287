//! Credentials by the formats that their issuers publish, written down apart from the scanners and their page.
//!
//! A format is text with parts in angle brackets: `<class:n>` or `<class:n-m>` letters of a class, `<crc62>` the CRC-32 of what
//! stands behind the last `_` as six digits of base 62, `<crc16>` the same as eight hex digits, `<base64 …>` and `<base64url …>` what
//! they hold, encoded without padding. ` or ` stands between two formats.

#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

pub(crate) mod table;

use crate::common::texts::Random;

/// Letters of a class.
fn class(name: &str) -> &'static str {
    match name {
        "digit" => "0123456789",
        "hex" => "0123456789abcdef",
        "HEX" => "0123456789ABCDEF",
        "letter" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "base62" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "base36" => "abcdefghijklmnopqrstuvwxyz0123456789",
        "BASE36" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        "BECH32" => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        "url" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        "base64" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "visible" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%*+-.:;^_~",
        other => panic!("no class `{other}`"),
    }
}

/// What the letters of classes are drawn from.
pub(crate) enum Fill<'r> {
    Random(&'r mut Random),
    /// `x` for every one, as documentation does.
    Placeholder,
}

/// A value of one of the formats.
pub(crate) fn value(formats: &str, random: &mut Random) -> String {
    let formats: Vec<&str> = formats.split(" or ").collect();
    fill(random.pick::<&str>(&formats), &mut Fill::Random(random))
}

/// A format with its parts filled in.
pub(crate) fn fill(format: &str, with: &mut Fill<'_>) -> String {
    let mut written = String::new();
    let mut rest = format;
    while let Some((before, behind)) = rest.split_once('<') {
        written.push_str(before);
        let end = closing(behind);
        let part = &behind[..end];
        rest = &behind[end + 1..];
        let is_placeholder = matches!(with, Fill::Placeholder);
        let piece = match part.split_once(' ') {
            Some((_, inside)) if is_placeholder => "x".repeat(inside.len()),
            Some((alphabet, inside)) => encoded(alphabet, &fill(inside, with)),
            None if is_placeholder && part.starts_with("crc") => "x".repeat(6),
            None if part == "crc62" => base62(crc32(written.rsplit('_').next().unwrap().as_bytes())),
            None if part == "crc16" => format!("{:08x}", crc32(written.rsplit('_').next().unwrap().as_bytes())),
            None => letters(part, with),
        };
        written.push_str(&piece);
    }
    written + rest
}

/// Where the bracket ends that opened before `text`.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate() {
        depth += i32::from(byte == b'<') - i32::from(byte == b'>');
        if depth == 0 {
            return at;
        }
    }
    panic!("a bracket does not end in `{text}`");
}

fn letters(part: &str, with: &mut Fill<'_>) -> String {
    let (name, length) = part.split_once(':').unwrap();
    let (least, most) = length.split_once('-').unwrap_or((length, length));
    let (least, most): (usize, usize) = (least.parse().unwrap(), most.parse().unwrap());
    match with {
        Fill::Random(random) => {
            let length = least + random.below(most - least + 1);
            random.string(class(name), length)
        }
        Fill::Placeholder => "x".repeat(least),
    }
}

fn encoded(alphabet: &str, text: &str) -> String {
    let letters = class(if alphabet == "base64" { "base64" } else { "url" }).as_bytes();
    let mut written = String::new();
    for bytes in text.as_bytes().chunks(3) {
        let word = bytes.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
        let sextet = |place: usize| usize::try_from(word >> (18 - 6 * place) & 63).unwrap();
        written.extend((0..=bytes.len()).map(|place| char::from(letters[sextet(place)])));
    }
    written
}

/// CRC-32 of ISO 3309.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn base62(number: u32) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |place: u32| char::from(digits[usize::try_from(number / 62_u32.pow(place) % 62).unwrap()]);
    (0..6).rev().map(digit).collect()
}
