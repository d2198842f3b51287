//! Addresses of crypto currencies, by their checksums.

use aws_lc_rs::digest::{SHA256, digest};
use sha3::{Digest, Keccak256};

use crate::pii::view::View;
use crate::pii::words;

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Bytes of a decoded address: version, hash, checksum.
const BASE58_BYTES: usize = 25;
/// Bytes of the versions that are in use: Bitcoin, Litecoin, Dogecoin, Tron, Dash.
const VERSIONS: &[u8] = &[0x00, 0x05, 0x30, 0x32, 0x1e, 0x16, 0x41, 0x4c, 0x10];
/// What segregated-witness addresses begin with.
const HUMAN_PARTS: &[&[u8]] = &[b"bc", b"ltc", b"tb"];

/// Whether the word between two offsets is an address.
pub(super) fn is_address(view: &View<'_>, start: usize, end: usize) -> bool {
    let word = view.slice(start, end);
    if !matches!(word.len(), 26..=35 | 42..=64) || !view.stands_apart_before(start) {
        return false;
    }
    let is_one = match word {
        [b'0', b'x', hex @ ..] => is_ethereum(view, start, hex),
        _ => is_base58check(word) || is_bech32(word),
    };
    is_one && view.stands_apart_behind(end)
}

/// 40 hex digits: with the checksum of mixed case (ERC-55), or where the words before speak of it.
fn is_ethereum(view: &View<'_>, start: usize, hex: &[u8]) -> bool {
    if hex.len() != 40 || !hex.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let is_mixed = hex.iter().any(u8::is_ascii_lowercase) && hex.iter().any(u8::is_ascii_uppercase);
    if is_mixed { has_erc55_case(hex) } else { view.near(start).topics.has(words::WALLET) }
}

/// A letter is a capital where the digit of the hash of the lower-case form is 8 or more.
fn has_erc55_case(hex: &[u8]) -> bool {
    let hash = Keccak256::digest(hex.to_ascii_lowercase());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    hex.iter().zip(nibbles).all(|(byte, nibble)| byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble >= 8))
}

/// A number of base 58 whose last four bytes are the beginning of a double SHA-256 of the others.
fn is_base58check(word: &[u8]) -> bool {
    let Some(bytes) = base58(word) else { return false };
    let (body, checksum) = bytes.split_at(BASE58_BYTES - 4);
    if !bytes.first().is_some_and(|version| VERSIONS.contains(version)) {
        return false;
    }
    let hash = digest(&SHA256, digest(&SHA256, body).as_ref());
    hash.as_ref().starts_with(checksum)
}

/// The 25 bytes that a word of base 58 stands for; a leading `1` is a leading zero byte.
fn base58(word: &[u8]) -> Option<[u8; BASE58_BYTES]> {
    let mut bytes = [0_u8; BASE58_BYTES];
    if word.len() > 35 {
        return None;
    }
    for letter in word {
        let mut carry = u32::try_from(BASE58.iter().position(|known| known == letter)?).ok()?;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = u8::try_from(carry & 0xff).ok()?;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    let n_ones = word.iter().take_while(|letter| **letter == b'1').count();
    let n_zeroes = bytes.iter().take_while(|byte| **byte == 0).count();
    (n_ones == n_zeroes).then_some(bytes)
}

/// A segregated-witness address (BIP 173, BIP 350): one letter case, and the checksum of its version.
fn is_bech32(word: &[u8]) -> bool {
    let has_case = |is_case: fn(&u8) -> bool| word.iter().any(is_case);
    if has_case(u8::is_ascii_lowercase) && has_case(u8::is_ascii_uppercase) {
        return false;
    }
    let lower = word.to_ascii_lowercase();
    HUMAN_PARTS.iter().any(|human| {
        let data = lower.strip_prefix(*human).and_then(|rest| rest.strip_prefix(b"1"));
        data.is_some_and(|data| is_checked_bech32(human, data))
    })
}

fn is_checked_bech32(human: &[u8], data: &[u8]) -> bool {
    let mut state = 1_u32;
    human.iter().for_each(|byte| state = step(state, u32::from(byte >> 5)));
    state = step(state, 0);
    human.iter().for_each(|byte| state = step(state, u32::from(byte & 31)));
    for byte in data {
        let Some(value) = BECH32.iter().zip(0_u32..).find(|(letter, _)| *letter == byte).map(|(_, value)| value) else {
            return false;
        };
        state = step(state, value);
    }
    // Version 0 has the checksum of BIP 173, the others that of BIP 350.
    let wanted = if data.first() == Some(&b'q') { 1 } else { 0x2bc8_30a3 };
    state == wanted
}

/// The checksum's next state.
fn step(state: u32, value: u32) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = state >> 25;
    let shifted = ((state & 0x01ff_ffff) << 5) ^ value;
    GENERATOR.iter().enumerate().filter(|(bit, _)| (top >> bit) & 1 == 1).fold(shifted, |next, (_, word)| next ^ word)
}

#[cfg(test)]
mod tests {
    use super::is_address;
    use crate::pii::view::View;

    #[test]
    fn addresses_of_the_standards() {
        let facts = [
            // The first block's, and of the standards' own examples.
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", true),
            ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", true),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", false),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", true),
            ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", true),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", false),
            ("bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", false),
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", true),
            ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", true),
            ("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", true),
            ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", false),
            ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", false),
            ("wallet 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", true),
        ];
        for (text, expected) in facts {
            let start = text.rfind(' ').map_or(0, |space| space + 1);
            let view = View::new(text.as_bytes(), true);
            assert_eq!(is_address(&view, start, text.len()), expected, "{text}");
        }
    }
}
