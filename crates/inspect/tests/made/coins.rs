//! Addresses of crypto currencies: `Base58Check` (Bitcoin, BIP 13), bech32 (BIP 173) and bech32m (BIP 350), ERC-55.

use aws_lc_rs::digest::{SHA256, digest};
use sha3::{Digest, Keccak256};

use crate::common::texts::Random;

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

fn bytes(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}

/// An address of one of the kinds that are in use.
pub(crate) fn coin(random: &mut Random) -> String {
    match random.below(5) {
        0 => base58(random, 0x00),
        1 => base58(random, 0x05),
        2 => bech32(random, 0, 20, 1),
        3 => bech32(random, 1, 32, 0x2bc8_30a3),
        _ => ethereum(random),
    }
}

/// The address with another letter in its middle, in the same letter case.
pub(crate) fn broken(value: &str, random: &mut Random) -> String {
    let at = value.len() / 2;
    let (head, tail) = value.split_at(at);
    let letters = if value.starts_with("0x") { "0123456789" } else { "23456789" };
    let other = std::iter::repeat_with(|| random.string(letters, 1)).find(|other| !tail.starts_with(other.as_str())).unwrap();
    format!("{head}{other}{}", tail.get(1..).unwrap())
}

fn base58(random: &mut Random, version: u8) -> String {
    let mut payload = vec![version];
    payload.extend(bytes(random, 20));
    let sum = digest(&SHA256, digest(&SHA256, &payload).as_ref());
    payload.extend(&sum.as_ref()[..4]);
    let n_zeros = payload.iter().take_while(|byte| **byte == 0).count();
    let mut letters = Vec::new();
    while payload.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u32;
        for byte in &mut payload {
            let value = rest * 256 + u32::from(*byte);
            (*byte, rest) = (u8::try_from(value / 58).unwrap(), value % 58);
        }
        letters.push(BASE58[usize::try_from(rest).unwrap()]);
    }
    letters.extend(vec![b'1'; n_zeros]);
    letters.into_iter().rev().map(char::from).collect()
}

fn bech32(random: &mut Random, version: u8, length: usize, constant: u32) -> String {
    let program = bytes(random, length);
    let mut data = vec![version];
    let bits: Vec<u8> = program.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    data.extend(bits.chunks(5).map(|group| (0..5).fold(0, |value, place| value << 1 | group.get(place).copied().unwrap_or(0))));
    // `bc`, expanded.
    let head = [3, 3, 0, 2, 3];
    let state = head.iter().chain(&data).chain(&[0; 6]).fold(1, |state, value| polymod(state, u32::from(*value))) ^ constant;
    data.extend((0..6).map(|place| u8::try_from(state >> (5 * (5 - place)) & 31).unwrap()));
    let letters: String = data.into_iter().map(|value| char::from(BECH32[usize::from(value)])).collect();
    format!("bc1{letters}")
}

fn polymod(state: u32, value: u32) -> u32 {
    let top = state >> 25;
    let words = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let next = (state & 0x1ff_ffff) << 5 ^ value;
    (0..5).zip(words).fold(next, |next, (bit, word)| if top >> bit & 1 == 1 { next ^ word } else { next })
}

fn ethereum(random: &mut Random) -> String {
    let lower = random.string("0123456789abcdef", 40);
    let hash = Keccak256::digest(lower.as_bytes());
    let is_capital = |at: usize| (hash[at / 2] >> (4 * (1 - at % 2)) & 15) >= 8;
    let letters = lower.chars().enumerate().map(|(at, letter)| if is_capital(at) { letter.to_ascii_uppercase() } else { letter });
    format!("0x{}", letters.collect::<String>())
}
