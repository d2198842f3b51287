//! Keys whose beginning is written with digits and signs for letters: `5k-4nt-…` for `sk-ant-…`.
//!
//! Behind its beginning a key is letters and digits anyway, so nothing is read there: reading its digits as letters would lose
//! keys of hex digits. The beginning alone is put right, and the rules are asked again. The same with words that name a value
//! (`p455w0rd`): they are put right, and nothing else is.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::class::{self, Class};
use crate::clue;
use crate::pii::words;
use crate::scan::Scanners;
use crate::track::Match;

/// Shortest literal that is looked for: what is shorter stands everywhere.
const SHORTEST: usize = 3;
/// Bytes behind a literal that the rules are shown. No rule needs more to tell that a match begins; what goes on, goes on to the
/// end of the word.
const BEHIND: usize = 192;
/// Most places of one text that are looked at.
const MOST: usize = 1 << 16;

/// Literals, to be found however their letters are written.
struct Literals {
    literals: Vec<&'static str>,
    /// `None` if it could not be built, which its size rules out.
    automaton: Option<AhoCorasick>,
}

impl Literals {
    fn new(literals: impl Iterator<Item = &'static str>) -> Self {
        let literals: Vec<_> = literals.filter(|literal| literal.len() >= SHORTEST && literal.bytes().any(is_leet)).collect();
        let folded = literals.iter().map(|literal| literal.bytes().map(folded).collect::<Vec<u8>>());
        let automaton =
            AhoCorasick::builder().match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::DFA)).build(folded).ok();
        Self { literals, automaton }
    }

    /// Every literal in `text` that is written with some sign. `bytes` are those of `text` from `base` on, folded.
    fn find<'a>(
        &'a self,
        text: &'a str,
        base: usize,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (Range<usize>, &'static str)> + 'a {
        let found = self.automaton.iter().flat_map(move |automaton| automaton.find_overlapping_iter(bytes));
        found.filter_map(move |found| {
            let at = base + found.start()..base + found.end();
            let literal = self.literals.get(found.pattern().as_usize())?;
            text.get(at.clone())?.bytes().any(is_sign).then_some((at, *literal))
        })
    }
}

/// The words that name a value.
static WORDS: LazyLock<Literals> = LazyLock::new(|| {
    let words = clue::all().chain(words::ordinary()).chain(clue::parts());
    Literals::new(words.chain(clue::ENDINGS.iter().copied()))
});

/// Those that need not stand alone: other letters of a value stand next to them.
static PARTS: LazyLock<HashSet<&str>> = LazyLock::new(|| clue::parts().filter(|part| part.is_ascii()).collect());

/// The beginnings of keys.
pub(crate) struct Leet {
    beginnings: Literals,
}

impl Leet {
    /// For the beginnings `literals`.
    pub(crate) fn new(literals: impl Iterator<Item = &'static str>) -> Self {
        Self { beginnings: Literals::new(literals) }
    }

    /// Whether [`matches`](Self::matches) would look at something. `text` ends with a word.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let mut bytes = Vec::new();
        stretches(text.as_bytes()).any(|stretch| {
            bytes.clear();
            bytes.extend(text.as_bytes().get(stretch.clone()).unwrap_or_default().iter().copied().map(folded));
            let mut finds = self.beginnings.find(text, stretch.start, &bytes).chain(WORDS.find(text, stretch.start, &bytes));
            finds.next().is_some()
        })
    }

    /// Adds the matches of keys that begin in such a way, and of values that are named so, each with its end, and says whether
    /// every beginning was looked at. Linear time; memory for one copy of the text.
    pub(crate) fn matches(&self, scanners: &Scanners, text: &str, matches: &mut Vec<Match>) -> bool {
        let mut bytes = Vec::new();
        let mut covered = 0;
        let mut named = None;
        let mut n_left = MOST;
        for stretch in stretches(text.as_bytes()) {
            bytes.clear();
            bytes.extend(text.as_bytes().get(stretch.clone()).unwrap_or_default().iter().copied().map(folded));
            for (at, literal) in self.beginnings.find(text, stretch.start, &bytes) {
                n_left = usize::saturating_sub(n_left, 1);
                if at.start < covered || n_left == 0 || text.get(at.clone()) == Some(literal) {
                    continue;
                }
                let known = matches.len();
                repaired(scanners, text, &at, literal, matches);
                covered = matches.iter().skip(known).filter_map(|found| found.end).max().unwrap_or(covered);
            }
            let is_word = |at: &Range<usize>, word: &str| {
                let is_part = PARTS.contains(word);
                (is_part || clue::stands_alone(text.as_bytes(), at))
                    && (!clue::ENDINGS.contains(&word) || ends_a_host(text, at.start))
            };
            if is_joined(text.as_bytes(), &stretch) {
                let place = named.get_or_insert_with(|| text.as_bytes().to_vec());
                place
                    .get_mut(stretch.start - IS.len()..stretch.start)
                    .into_iter()
                    .for_each(|place| place.copy_from_slice(b" is "));
            }
            for (at, word) in WORDS.find(text, stretch.start, &bytes).filter(|(at, word)| is_word(at, word)) {
                put_right(named.get_or_insert_with(|| text.as_bytes().to_vec()), &at, word);
            }
        }
        if let Some(named) = named.and_then(|named| String::from_utf8(named).ok()) {
            let ended = |found: Match| found.at(&(found.start..found.end.unwrap_or(text.len())));
            matches.extend(scanners.matches(&named).into_iter().map(ended));
        }
        n_left > 0
    }
}

/// `is`.
const IS: &[u8] = b" 15 ";

/// Whether `is` in leet stands before a short word in leet: behind a number, it would be one more of its groups.
fn is_joined(text: &[u8], word: &Range<usize>) -> bool {
    let letters = text.get(word.clone()).unwrap_or_default();
    let is_word = letters.len() <= LONGEST_WORD && letters.iter().all(u8::is_ascii_alphanumeric);
    is_word && text.get(..word.start).is_some_and(|before| before.ends_with(IS))
}

/// Longest such word.
const LONGEST_WORD: usize = 8;

/// Whether a link's host goes up to here. Linear in a host, which is short.
fn ends_a_host(text: &str, at: usize) -> bool {
    let before = text.as_bytes().get(at.saturating_sub(LONGEST_HOST)..at).unwrap_or_default();
    let host = Class::ALNUM.or(Class::DOT).or(Class::DASH).run_back(before, LONGEST_HOST);
    host > 0 && before.get(..before.len() - host).is_some_and(|rest| rest.ends_with(b"://"))
}

/// Most bytes of a host's name.
const LONGEST_HOST: usize = 256;

/// What stands behind a word, and how it is read.
const GLUE: [(&[u8], &[u8]); 2] = [(b" 15 ", b" is "), (b"'5 ", b"'s ")];

/// Writes `word` at `at`, where it is written otherwise in as many bytes. What joins it to the next is no number either.
fn put_right(bytes: &mut [u8], at: &Range<usize>, word: &str) {
    if let Some(place) = bytes.get_mut(at.clone()).filter(|place| place.len() == word.len()) {
        place.copy_from_slice(word.as_bytes());
    }
    for (sign, read) in GLUE {
        if let Some(place) = bytes.get_mut(at.end..at.end + sign.len()).filter(|place| **place == *sign) {
            place.copy_from_slice(read);
        }
    }
}

/// The words that could hold a beginning with signs in it: runs without whitespace that have both a sign and a letter. Numbers
/// and dates are none.
fn stretches(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let sign = at + class::position(text.get(at..)?, is_sign)?;
            let is_space = |byte: &u8| byte.is_ascii_whitespace();
            let before = text.get(at..sign)?;
            let start = before.iter().rposition(is_space).map_or(at, |space| at + space + 1);
            let rest = text.get(sign..)?;
            let end = sign + rest.iter().position(is_space).unwrap_or(rest.len());
            at = end;
            if text.get(start..end)?.iter().any(u8::is_ascii_alphabetic) {
                return Some(start..end);
            }
        }
    })
}

/// Adds the matches that begin at `at` if `literal` stands there.
fn repaired(scanners: &Scanners, text: &str, at: &Range<usize>, literal: &str, matches: &mut Vec<Match>) {
    let before = text.get(..at.start).and_then(|before| before.chars().next_back());
    let word = text.get(at.end..).unwrap_or_default();
    let behind = word.get(..word.floor_char_boundary(BEHIND)).unwrap_or(word);
    let repaired: String = before.into_iter().chain(literal.chars()).chain(behind.chars()).collect();
    let start = before.map_or(0, char::len_utf8);
    for found in scanners.matches(&repaired).into_iter().filter(|found| found.start == start) {
        let end = found.end.unwrap_or(repaired.len());
        let end = if end < repaired.len() { at.start + end - start } else { end_of_word(text, at.end + behind.len()) };
        matches.push(found.at(&(at.start..end)));
    }
}

fn end_of_word(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.find(char::is_whitespace).unwrap_or(rest.len())
}

/// Digits and signs that are read as letters.
const fn is_sign(byte: u8) -> bool {
    let is_digit = (byte.wrapping_sub(b'0') < 9) & (byte != b'2') & (byte != b'6');
    is_digit | (byte == b'@') | (byte == b'$') | (byte == b'!') | (byte == b'|')
}

/// Whether some sign is read as this letter.
const fn is_leet(byte: u8) -> bool {
    matches!(byte.to_ascii_lowercase(), b'o' | b'i' | b'l' | b'e' | b'a' | b's' | b't' | b'b')
}

/// One byte for all that are read as the same letter, in either case.
const fn folded(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' | b'!' | b'|' | b'l' | b'L' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        b'8' => b'b',
        _ => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use crate::scan::Scanners;

    fn found(text: &str) -> Vec<&str> {
        let scanners = Scanners::all();
        let mut matches = Vec::new();
        scanners.leet().matches(&scanners, text, &mut matches);
        matches.iter().map(|found| text.get(found.start..found.end.unwrap()).unwrap()).collect()
    }

    #[test]
    fn a_beginning_is_read_and_the_rest_is_not() {
        let body = "0123456789abcdef0123456789abcdef";
        let facts = [
            (format!("my 5hp47_{body}!"), format!("5hp47_{body}")),
            (format!("SHP4T_{body} x"), format!("SHP4T_{body}")),
            (format!("5hp47_{}", "0123456789abcdef".repeat(40)), format!("5hp47_{}", "0123456789abcdef".repeat(40))),
        ];
        for (text, expected) in facts {
            assert_eq!(found(&text), [expected], "{text}");
        }
        for text in [format!("shpat_{body}"), format!("SHPAT_{body}"), "5hp47_short".to_owned(), String::new()] {
            assert_eq!(found(&text), [""; 0], "{text}");
        }
    }

    #[test]
    fn words_are_put_right_and_values_are_not() {
        let text = "my p455w0rd = 7hx29sk4mq0z1vb8, 55n 536904399, in 2024";
        assert_eq!(found(text), ["7hx29sk4mq0z1vb8", "536904399"]);
        assert_eq!(found("in 2024 he was 1st of 33 and 4th of 10"), [""; 0]);
    }

    #[test]
    fn a_flood_of_beginnings_takes_linear_time() {
        let text = "5k-4n7-5hp47_".repeat(80_000);
        assert_eq!(found(&text), [""; 0]);
        // It is told: what was not looked at may be a key.
        let is_read = |text: &str| {
            let scanners = Scanners::all();
            scanners.leet().matches(&scanners, text, &mut Vec::new())
        };
        assert!(!is_read(&text) && is_read("5k-4n7-5hp47_ my p455w0rd"));
    }
}
