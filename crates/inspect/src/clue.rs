//! Words that name a value, however they are written: what keys, personal data and links are known by.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memchr_iter;

use crate::class;
use crate::context::{Clue, Item};
use crate::pii::words;
use crate::secrets;

/// Shortest word that is looked for in disguise.
const SHORTEST: usize = 3;
/// A word of fewer letters counts only where no letter or digit stands next to it: it is a part of too many others.
const LONG: usize = 5;
/// Most words of one text that are looked at.
pub(crate) const MOST: usize = 4096;

/// Parts of links and of command lines. What begins with a dot ends a name.
const PARTS: &[&str] = &[
    "https://",
    "http://",
    "ftp://",
    "www.",
    ".com",
    ".org",
    ".net",
    ".edu",
    ".gov",
    ".info",
    ".biz",
    ".co.uk",
    ".org.uk",
    "curl",
    "authorization",
    "bearer",
];

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

/// Parts of values, of links and of files that are put right where they are written with digits, and are nothing when they are
/// turned.
pub(crate) fn parts() -> impl Iterator<Item = &'static str> {
    let items = secrets::SECRETS.iter().flat_map(|rule| rule.forms).flat_map(|form| &form.items);
    let literals = items.filter_map(|item| match item {
        Item::Text(literal) if literal.len() >= SHORTEST && !literal.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Some(*literal)
        }
        Item::Text(_) | Item::Run { .. } => None,
    });
    let wide = words::telling().filter(|word| !word.is_ascii());
    literals.chain(wide).chain(["kind: secret", "data:", "value="])
}

/// Words that are ordinary ones when they are turned round.
pub(crate) const SEMORDNILAPS: &[&str] = &["tel", "mar", "nif", ".net", "may", "nie", "mob"];

/// Ordinary words that say, turned, that the text around them is. Few, and of the rarest three letters.
const ORDINARY: &[&str] = &["this", "that", "with", "your", "have"];

/// Every word from its last letter to its first, and with letters moved on by thirteen.
static TURNED: LazyLock<Turned> = LazyLock::new(Turned::new);

/// Words by their first three bytes. Nearly every place of a text is ruled out by one bit.
struct Turned {
    /// Bit [`gram`]: whether some word begins so.
    grams: Box<[u64; 512]>,
    /// By its gram: the place of the first word that begins so.
    firsts: Vec<u16>,
    /// Sorted by their grams, in lower case, of three bytes or more.
    words: Vec<(usize, Vec<u8>)>,
    /// By the place of the first word of a gram: the fourth bytes of all its words, a bit each ([`fourth`]); all bits for one of
    /// three.
    fourths: Vec<u32>,
}

/// The bit of a byte, the same for a letter in both cases.
const fn fourth(byte: u8) -> u32 {
    1 << (byte & 31)
}

impl Turned {
    fn new() -> Self {
        let every = || all().chain(ORDINARY.iter().copied());
        let reversed = every().filter(|word| !SEMORDNILAPS.contains(word)).map(|word| word.bytes().rev().collect::<Vec<u8>>());
        let moved = every().map(|word| word.bytes().map(moved).collect());
        let with_gram = |word: Vec<u8>| Some((gram(word.first_chunk()?), word));
        let mut words: Vec<(usize, Vec<u8>)> = reversed.chain(moved).filter_map(with_gram).collect();
        words.sort_unstable();
        words.dedup();
        let (mut grams, mut firsts) = (Box::new([0; 512]), vec![0; 1 << 15]);
        for (place, (gram, _)) in words.iter().enumerate().rev() {
            grams.get_mut(gram / 64).into_iter().for_each(|bits| *bits |= 1 << (gram % 64));
            firsts.get_mut(*gram).into_iter().for_each(|first| *first = u16::try_from(place).unwrap_or(u16::MAX));
        }
        let of_one_gram = words.chunk_by(|(one, _), (other, _)| one == other).flat_map(|words| {
            let bits = words.iter().fold(0, |bits, (_, word)| bits | word.get(3).map_or(u32::MAX, |byte| fourth(*byte)));
            std::iter::repeat_n(bits, words.len())
        });
        let fourths = of_one_gram.collect();
        Self { grams, firsts, words, fourths }
    }

    fn begins(&self, gram: usize) -> bool {
        self.grams.get(gram / 64).is_some_and(|bits| bits >> (gram % 64) & 1 == 1)
    }

    /// How long the words are that stand at the beginning of `text`, which begins with `gram`.
    fn at<'a>(&'a self, text: &'a [u8], gram: usize) -> impl Iterator<Item = usize> + 'a {
        let from = self.firsts.get(gram).map_or(0, |first| usize::from(*first));
        // Most places are ruled out by one byte more.
        let may_be = self.fourths.get(from).is_some_and(|bits| bits & text.get(3).map_or(u32::MAX, |byte| fourth(*byte)) != 0);
        let words = self.words.get(from..).filter(|_| may_be).unwrap_or_default().iter();
        let words = words.take_while(move |(known, _)| *known == gram);
        words
            .filter(|(_, word)| text.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word)))
            .map(|(_, word)| word.len())
    }
}

/// Three bytes as a number below 32,768, the same in both letter cases.
fn gram(bytes: &[u8; 3]) -> usize {
    bytes.iter().fold(0, |gram, byte| gram << 5 | usize::from(byte & 31))
}

/// Where words stand in `text` that are turned, sorted by start. Linear time.
pub(crate) fn turned(text: &str) -> Vec<Range<usize>> {
    let (turned, bytes) = (&*TURNED, text.as_bytes());
    let mut found = Vec::new();
    if !may_hold_a_value(bytes) {
        return found;
    }
    let mut gram = 0;
    for (end, byte) in bytes.iter().enumerate() {
        gram = (gram << 5 | usize::from(byte & 31)) & 0x7fff;
        if !turned.begins(gram) {
            continue;
        }
        let Some(at) = end.checked_sub(2) else { continue };
        let words = turned.at(bytes.get(at..).unwrap_or_default(), gram).map(|length| at..at + length);
        found.extend(words.filter(|word| stands_alone(bytes, word)).take(1));
        if found.len() >= MOST {
            break;
        }
    }
    found
}

/// Every value that words name holds a digit, but for the names of links, which hold a dot between letters.
fn may_hold_a_value(text: &[u8]) -> bool {
    let is_letter = |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(u8::is_ascii_alphabetic);
    class::digit(text).is_some() || memchr_iter(b'.', text).any(|dot| is_letter(dot.checked_sub(1)) && is_letter(Some(dot + 1)))
}

/// Whether a word can be one where it stands.
pub(crate) fn stands_alone(text: &[u8], at: &Range<usize>) -> bool {
    let is_part = |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(u8::is_ascii_alphanumeric);
    let goes_on = |inside: Option<usize>, outside: Option<usize>| is_part(inside) && is_part(outside);
    let begins = || goes_on(Some(at.start), at.start.checked_sub(1));
    at.len() >= LONG || !(begins() || goes_on(at.end.checked_sub(1), Some(at.end)))
}

/// A letter moved on by thirteen.
pub(crate) const fn moved(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
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
            ("zl cnffjbeq = 1", vec!["cnffjbeq"]),
            ("zl cnffjbeq = x", vec![]),
            ("moc.elpmaxe ta", vec!["moc."]),
            ("qo_cnffjbeq: nss 1", vec!["cnffjbeq", "nss"]),
            ("the lesson of an affair, at 10:45; see https://example.org", vec![]),
            ("My PHONE and my password; let total be ten. Then may", vec![]),
        ] {
            let found: Vec<&str> = turned(text).into_iter().map(|at| text.get(at).unwrap()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
