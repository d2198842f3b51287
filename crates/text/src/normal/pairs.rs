//! Hex digits in pairs: `41 42 43`, `41:42:43`, `\x41\x42`, `0x41, 0x42`.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::escapes::hex;
use super::suspects::next_pair;

/// Fewest pairs of a row: sixteen characters or more.
const FEWEST: usize = 6;
const FEWEST_PREFIXED: usize = 4;

/// What stands before a pair of some rows.
static PREFIXES: LazyLock<[Finder<'_>; 2]> = LazyLock::new(|| [&br"\x"[..], b"0x"].map(Finder::new));

/// Calls `visit` with the bytes of every row of pairs and the place of each pair.
pub(super) fn each_row(text: &str, mut visit: impl FnMut(&[u8], &[Range<usize>])) {
    let bytes = text.as_bytes();
    for prefix in PREFIXES.iter() {
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| prefix.find(rest)) {
            at = row(bytes, at + found, prefix.needle(), FEWEST_PREFIXED, &mut visit).max(at + found + 2);
        }
    }
    let mut at = 0;
    while let Some(separator) = next_pair(bytes, at) {
        at = row(bytes, beginning(bytes, separator), b"", FEWEST, &mut visit).max(separator + 1);
    }
}

/// Where the row begins whose separator is at `separator`: at a pair before it, else behind it.
fn beginning(bytes: &[u8], separator: usize) -> usize {
    let before = separator.checked_sub(2).filter(|start| {
        let is_apart = start.checked_sub(1).and_then(|at| bytes.get(at)).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        is_apart && pair(bytes, *start, b"").is_some()
    });
    before.unwrap_or(separator + 1)
}

/// Reads the row at `start`; returns its end.
fn row(bytes: &[u8], start: usize, prefix: &[u8], fewest: usize, visit: &mut impl FnMut(&[u8], &[Range<usize>])) -> usize {
    let mut decoded = Vec::new();
    let mut spans = Vec::new();
    let mut at = start;
    let mut separator: Option<usize> = None;
    while let Some(byte) = pair(bytes, at, prefix) {
        let end = at + prefix.len() + 2;
        decoded.push(byte);
        spans.push(at..end);
        let length = separator_length(bytes.get(end..).unwrap_or_default());
        at = end;
        // Without a prefix, pairs without separator are a run, which is read elsewhere.
        if *separator.get_or_insert(length) != length || prefix.is_empty() && length == 0 {
            break;
        }
        at += length;
    }
    if decoded.len() >= fewest {
        visit(&decoded, &spans);
    }
    at
}

fn pair(bytes: &[u8], at: usize, prefix: &[u8]) -> Option<u8> {
    let rest = bytes.get(at..)?.strip_prefix(prefix)?;
    match rest {
        // Without a prefix, a longer word is no pair.
        [_, _, more, ..] if prefix.is_empty() && more.is_ascii_alphanumeric() => None,
        [high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

fn separator_length(rest: &[u8]) -> usize {
    match rest {
        [b',', b' ', ..] => 2,
        [b' ' | b':' | b'-' | b',', ..] => 1,
        _ => 0,
    }
}
