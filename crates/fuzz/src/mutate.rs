//! New inputs from old ones.

use crate::random::Random;

/// Numbers at which readers change their mind.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "127",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "1e999",
    "00000000000000000000000000000000",
];
/// Characters that are more than one byte, not seen, or two in one.
const CHARACTERS: [&str; 16] = [
    "\u{0}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{e9}",
    "e\u{301}",
    "\u{200b}",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\u{ff10}",
    "\u{e0041}",
    "\u{1f600}",
    "\u{1d400}",
    "\u{10ffff}",
];

/// One to six changes to `input`, at most `max_len` bytes long. `others` lend pieces, `words` are the target's.
pub(crate) fn mutate(input: &[u8], others: &[Vec<u8>], words: &[&str], max_len: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(6) {
        change(&mut bytes, others, words, random);
        bytes.truncate(max_len);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let at = random.below(bytes.len().saturating_add(1));
    match random.below(12) {
        0 => flip(bytes, at, random),
        1 => drop(bytes.splice(random.range(bytes.len()), [])),
        2 => insert(bytes, at, random.next().to_le_bytes().split_at(random.below(8)).0),
        3 | 4 => insert(bytes, at, random.one(words).map_or("", |word| word).as_bytes()),
        5 => insert(bytes, at, random.one(&CHARACTERS).map_or("", |word| word).as_bytes()),
        6 => number(bytes, at, random),
        7 => {
            let piece = bytes.get(random.range(bytes.len())).unwrap_or_default().to_vec();
            insert(bytes, at, &piece.repeat(1 + random.below(4)));
        }
        8 => {
            let piece = bytes.get(random.range(bytes.len())).unwrap_or_default().to_vec();
            insert(bytes, at, &piece.repeat(1 + random.below(200)));
        }
        9 | 10 => {
            let other = random.one(others).map_or(&[][..], Vec::as_slice);
            let piece = other.get(random.range(other.len())).unwrap_or_default();
            drop(bytes.splice(random.range(bytes.len()), piece.iter().copied()));
        }
        _ => bytes.truncate(at),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let at = at.min(bytes.len());
    drop(bytes.splice(at..at, piece.iter().copied()));
}

fn flip(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1_u8 << random.below(8);
    }
}

/// The digits at or behind a place become another number.
fn number(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|offset| at + offset) else { return };
    let length = bytes.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count();
    let number = random.one(&NUMBERS).map_or("", |number| number);
    drop(bytes.splice(start..start + length, number.bytes()));
}
