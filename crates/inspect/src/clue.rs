//! Words that name a value, however they are written: what keys, personal data and links are known by.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::context::Clue;
use crate::pii::words;
use crate::secrets;

/// Shortest word that is looked for in disguise.
const SHORTEST: usize = 3;
/// A word of fewer letters counts only where no letter or digit stands next to it: it is a part of too many others.
const LONG: usize = 5;
/// Most words of one text that are looked at.
const MOST: usize = 4096;

/// Parts of links and of command lines. What begins with a dot ends a name.
const PARTS: &[&str] =
    &["https://", "http://", "www.", ".com", ".org", ".net", ".edu", ".gov", ".info", ".biz", "curl", "authorization", "bearer"];

/// Every word, in lower case.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    let assigned = secrets::SECRETS.iter().filter_map(|rule| match rule.clue {
        Clue::Assigned(words) => Some(words),
        Clue::None | Clue::Own(_) => None,
    });
    let words = words::telling().chain(assigned.flatten().copied()).chain(secrets::STRONG.iter().copied());
    words.chain(PARTS.iter().copied()).filter(|word| word.len() >= SHORTEST && word.is_ascii())
}

/// Endings of names that count in links alone: written with digits they are the ends of numbers.
pub(crate) const ENDINGS: &[&str] = &[
    ".de", ".es", ".be", ".it", ".at", ".ca", ".se", ".eu", ".ie", ".il", ".tr", ".tn", ".lt", ".ee", ".fi", ".si", ".io", ".ai",
    ".co", ".is", ".us", ".za", ".au", ".br", ".ae", ".site", ".online", ".website", ".store", ".app", ".tech",
];

/// Words that are ordinary ones when they are turned round.
const SEMORDNILAPS: &[&str] = &["tel", "mar", "nif", ".net", "may", "nie", "mob"];

/// Every word from its last letter to its first, and with letters moved on by thirteen.
static TURNED: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let reversed = all().filter(|word| !SEMORDNILAPS.contains(word)).map(|word| word.bytes().rev().collect::<Vec<u8>>());
    let moved = all().map(|word| word.bytes().map(moved).collect());
    let mut patterns: Vec<Vec<u8>> = reversed.chain(moved).collect();
    patterns.sort_unstable();
    patterns.dedup();
    AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .ascii_case_insensitive(true)
        .build(patterns)
        .ok()
});

/// Where words stand in `text` that are turned, sorted by start. Linear time.
pub(crate) fn turned(text: &str) -> Vec<Range<usize>> {
    let Some(automaton) = TURNED.as_ref() else { return Vec::new() };
    let found = automaton.find_overlapping_iter(text).map(|found| found.start()..found.end());
    let mut found: Vec<_> = found.filter(|at| stands_alone(text.as_bytes(), at)).take(MOST).collect();
    found.sort_unstable_by_key(|at| at.start);
    found
}

/// Whether a word can be one where it stands.
pub(crate) fn stands_alone(text: &[u8], at: &Range<usize>) -> bool {
    let is_part = |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(u8::is_ascii_alphanumeric);
    let goes_on = |inside: Option<usize>, outside: Option<usize>| is_part(inside) && is_part(outside);
    let begins = || goes_on(Some(at.start), at.start.checked_sub(1));
    at.len() >= LONG || !(begins() || goes_on(at.end.checked_sub(1), Some(at.end)))
}

/// A small letter moved on by thirteen.
const fn moved(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' => byte + 13,
        b'n'..=b'z' => byte - 13,
        _ => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::turned;

    #[test]
    fn turned_words_are_seen() {
        for (text, expected) in [
            ("7654 321 555 :enohp yM", vec!["enohp"]),
            ("zl cnffjbeq = x", vec!["cnffjbeq"]),
            ("qo_cnffjbeq: nss 1", vec!["cnffjbeq", "nss"]),
            ("the lesson of an affair, at 10:45; see https://example.org", vec![]),
            ("My PHONE and my password; let total be ten. Then may", vec![]),
        ] {
            let found: Vec<&str> = turned(text).into_iter().map(|at| &text[at]).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
