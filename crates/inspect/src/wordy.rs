//! Names that begin like a token and go on in words: `npm_configRegistryCacheDirectory…`.
//!
//! Random letters hardly ever look like that: of 36 small letters and digits one in a thousand has at most two digits, and of letters
//! of both cases three in a million stand in runs of small ones for eight tenths. Three letters in ten are vowels in words, two in
//! chance.

use crate::class::Class;

/// Fewest letters and digits of a token that are asked for more than their number.
const FEWEST: usize = 32;
/// Most digits of a name.
const DIGITS: usize = 2;
/// Fewest letters of a word, without its capital.
const WORD: usize = 3;
/// Prefixes of tokens whose last six characters are a checksum of the thirty before.
const CHECKED: &[&str] = &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_"];
/// Characters before the checksum.
const BODY: usize = 30;

/// Whether what stands behind `prefix` are words, and no checksum says that it is a token all the same. A wrong one says nothing:
/// samples and older tokens have none.
pub(crate) fn is_name(prefix: &str, class: Class, body: &[u8]) -> bool {
    class == Class::ALNUM && body.len() >= FEWEST && are_words(body) && !(CHECKED.contains(&prefix) && is_checked(body))
}

/// At most two digits, three vowels in ten letters, and eight in ten bytes in runs of small letters, each with the capital before it.
fn are_words(body: &[u8]) -> bool {
    let n_digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    let n_vowels = body.iter().filter(|byte| b"aeiouy".contains(&byte.to_ascii_lowercase())).count();
    if n_digits > DIGITS || n_vowels * 10 < (body.len() - n_digits) * 3 {
        return false;
    }
    let mut n_in_words = 0;
    let mut has_capital = false;
    for part in body.chunk_by(|one, other| one.is_ascii_lowercase() && other.is_ascii_lowercase()) {
        let is_small = part.first().is_some_and(u8::is_ascii_lowercase);
        if is_small && part.len() >= WORD {
            n_in_words += part.len() + usize::from(has_capital);
        }
        has_capital = part.first().is_some_and(u8::is_ascii_uppercase);
    }
    n_in_words * 10 >= body.len() * 8
}

/// Whether the last six of 36 characters are the CRC-32 of the thirty before, in base 62.
fn is_checked(body: &[u8]) -> bool {
    let Some((random, written)) = body.split_at_checked(BODY) else { return false };
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let value = |byte: &u8| digits.iter().position(|digit| digit == byte).and_then(|place| u64::try_from(place).ok());
    let sum = written.iter().take(6).try_fold(0, |sum: u64, byte| Some(sum * 62 + value(byte)?));
    written.len() >= 6 && sum == Some(u64::from(crc32(random)))
}

/// The CRC of zip and PNG.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::{crc32, is_name};
    use crate::class::Class;

    #[test]
    fn names_are_told_from_tokens() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        // The right checksum of thirty letters that are words; and another one.
        let words = "correctHorseBatteryStapleAgain";
        let facts = [
            ("npm_", "configRegistryCacheDirectoryAndPrefix1", true),
            ("hf_", "transformerAttentionHeadProjectionLayer", true),
            ("hf_", "servingcellpriorityparametersdescription", true),
            ("hf_", "jCBaQngSHiHDRYOcsMcifUcysGyaiybUWz", false),
            ("gho_", "vrten3v3dgomcvsd4isn3f12dcf16xhlasth", false),
            ("ghp_", &format!("{words}AaBbCc"), true),
            ("ghp_", &format!("{words}1YtCoF"), false),
            ("p8e-", "eurAAaqAlvrh0QPRrawobyqkWiLaqtvr", false),
            ("npm_", "shortWords", false),
        ];
        for (prefix, body, expected) in facts {
            assert_eq!(is_name(prefix, Class::ALNUM, body.as_bytes()), expected, "{body}");
        }
        assert!(!is_name("hf_", Class::WORD, b"transformerAttentionHeadProjectionLayer"));
    }
}
