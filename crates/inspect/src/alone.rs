//! Values that are written turned among words that are not: `address 391.58.132.68`, `call 433-486 )88(`, `fax 555-0123k12`.
//!
//! The readings from the end and with letters moved on turn the words as well, and a number says too little without its words. So
//! what cannot be a number as it stands, and can be one when it is turned, is turned where it stands, and the scanners look again.
//! A number that reads as one in both directions is found as it stands, or could be any number.

use std::ops::Range;

use crate::class::{self, Class};
use crate::clue::moved;
use crate::pii::words::{LONGEST_LABEL, NETWORK, Near, REACH};
use crate::pii::{ip, phone};
use crate::scan::{Prepared, Scanners};
use crate::track::Match;

/// Longest value.
const LONGEST: usize = 48;
/// Bytes behind a value that are read with it: what it is called may stand there.
const BEHIND: usize = 2 * LONGEST_LABEL;
/// Fewest digits of a telephone number behind or before its extension.
const FEWEST: usize = 9;
/// Longest side of a picture or screen, in dots.
const LONGEST_SIDE: u32 = 4320;
/// What stands between the digits of a telephone number.
const SIGNS: &[u8] = b"-./()";

/// How a value is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Reversed,
    Moved,
}

/// What a value could be once it is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turned {
    Phone,
    /// An address of four numbers: also a version, an amount, a number of a list.
    Quad,
    /// An address of groups with colons between.
    Groups,
}

/// A value that could be turned.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    span: Range<usize>,
    turn: Turn,
    turned: Turned,
}

/// Adds the matches in values that are turned where they stand, each with its end. Linear time, without a bound on their number: of
/// each value a bounded number of bytes around it is looked at, for its one kind. What words of a key name is looked at only if
/// `is_named`: some of them stand before a value as they are.
pub(crate) fn matches(scanners: &Scanners, text: &str, is_named: bool, matches: &mut Vec<Match>) {
    if is_named {
        named(scanners, text, matches);
    }
    for chunk in Chunks::of(text) {
        let kind = if chunk.turned == Turned::Phone { "PHONE_NUMBER" } else { "IP_ADDRESS" };
        if let Some(span) = read(text, &chunk)
            && let Some(rule) = scanners.rule(kind)
        {
            matches.push(Match::known(rule, span));
        }
    }
}

/// Whether [`matches()`] would look at something, or find it.
pub(crate) fn is_in(scanners: &Scanners, text: &str) -> bool {
    let mut found = Vec::new();
    named(scanners, text, &mut found);
    !found.is_empty() || Chunks::of(text).next().is_some()
}

/// Adds the values that words of a key name.
fn named(scanners: &Scanners, text: &str, matches: &mut Vec<Match>) {
    for (scan, prepared) in scanners.scans().iter().enumerate() {
        if let Prepared::Context(contexts) = prepared {
            let found = |kind, start, end| matches.push(Match::known(crate::rules::RuleId::at(scan, kind), start..end));
            contexts.find_turned(text.as_bytes(), found);
        }
    }
}

/// Where the value of a chunk stands, if it is one once it is turned where it stands, and is none as it stands.
fn read(text: &str, chunk: &Chunk) -> Option<Range<usize>> {
    let Range { start, end } = chunk.span;
    let from = text.floor_char_boundary(start.saturating_sub(REACH));
    let to = text.floor_char_boundary(end.saturating_add(BEHIND));
    let (before, value, behind) = (text.get(from..start)?, text.get(start..end)?, text.get(end..to)?);
    let turned: String = match chunk.turn {
        Turn::Reversed => value.chars().rev().collect(),
        Turn::Moved => value.bytes().map(|byte| char::from(moved(byte))).collect(),
    };
    let (at, stop) = (before.len(), before.len() + value.len());
    let look = |value: &str| {
        let window = [before, value, behind].concat();
        let found = match chunk.turned {
            Turned::Phone => phone::turned(window.as_bytes(), at + class::digit(value.as_bytes())?),
            Turned::Groups => ip::first(window.as_bytes(), at),
            Turned::Quad => ip::first(window.as_bytes(), at).filter(|_| Near::before(before.as_bytes(), at).topics.has(NETWORK)),
        };
        found.filter(|found| found.start >= at && found.end <= stop)
    };
    let found = look(&turned)?;
    if chunk.turned == Turned::Groups && look(value).is_some() {
        return None;
    }
    Some(match chunk.turn {
        Turn::Reversed => end - (found.end - at)..end - (found.start - at),
        Turn::Moved => from + found.start..from + found.end,
    })
}

/// Whether digits are a number of an address, written without zeros before it.
fn is_octet<'a>(mut digits: impl ExactSizeIterator<Item = &'a u8> + Clone) -> bool {
    let value = digits.clone().fold(0_u32, |value, digit| value * 10 + u32::from(digit.wrapping_sub(b'0')));
    value < 256 && (digits.len() == 1 || digits.next() != Some(&b'0'))
}

/// Whether a number goes on behind or before this byte.
fn goes_on(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| Class::WORD.has(byte) || SIGNS.contains(&byte) || byte == b'+')
}

/// The values of a text that could be turned, by place.
struct Chunks<'a> {
    text: &'a [u8],
    at: usize,
    /// A second way to turn the one before.
    waiting: Option<Chunk>,
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        if let Some(waiting) = self.waiting.take() {
            return Some(waiting);
        }
        loop {
            let start = self.at + class::digit(self.text.get(self.at..)?)?;
            let end = start + Class::DIGIT.run(self.text.get(start..)?);
            self.at = end;
            if let Some(chunk) = self.around(start, end) {
                self.at = end.max(chunk.span.end);
                return Some(chunk);
            }
        }
    }
}

impl<'a> Chunks<'a> {
    const fn of(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, waiting: None }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn before(&self, at: usize) -> Option<u8> {
        self.byte(at.checked_sub(1)?)
    }

    fn has_digit(&self, at: usize) -> bool {
        self.byte(at).is_some_and(|byte| byte.is_ascii_digit())
    }

    /// The value that the digits from `start` to `end` tell of by what stands next to them.
    fn around(&mut self, start: usize, end: usize) -> Option<Chunk> {
        let (before, behind) = (self.before(start), self.byte(end));
        match behind {
            Some(b'(') if before == Some(b')') && end - start <= 5 => self.number_to(end + 1),
            Some(b'+') if !self.byte(end + 1).is_some_and(|next| Class::WORD.has(next) || next == b'+') => {
                self.number_to(end + 1)
            }
            Some(b'x' | b'X') if end - start <= 6 && self.has_digit(end + 1) && !goes_on(before) => {
                self.behind_extension(start, end + 1)
            }
            Some(b'k' | b'K') if self.has_digit(end + 1) => self.before_extension(end),
            Some(b'.') if before != Some(b'.') => self.quad(start),
            _ if before == Some(b':') || behind == Some(b':') => self.groups(start),
            _ => None,
        }
    }

    /// A telephone number that begins with the byte before `end` when it is read from its end.
    fn number_to(&self, end: usize) -> Option<Chunk> {
        let mut start = end;
        while let Some(byte) = self.before(start).filter(|_| end - start < LONGEST) {
            let is_doubled = byte == b' ' && self.byte(start) == Some(b' ');
            if !(byte.is_ascii_digit() || SIGNS.contains(&byte) || matches!(byte, b' ' | b'+')) || is_doubled {
                break;
            }
            start -= 1;
        }
        let skipped = self.text.get(start..end)?.iter().position(u8::is_ascii_digit)?;
        let span = start + skipped..end;
        // What opened before is closed by that: no `)` that is turned.
        let is_open = self.before(span.start) == Some(b'(');
        (self.n_digits(&span) >= 6 && !is_open).then_some(Chunk { span, turn: Turn::Reversed, turned: Turned::Phone })
    }

    /// `21x4567-321-555`: the extension from `start` to the `x`, and the number at `from`.
    fn behind_extension(&self, start: usize, from: usize) -> Option<Chunk> {
        let run = self.text.get(from..from + self.run(from, false))?;
        let may_end = |byte: &u8| byte.is_ascii_digit() || *byte == b'+' || (*byte == b'(' && run.contains(&b')'));
        let end = from + run.iter().rposition(may_end).map_or(0, |last| last + 1);
        // With its calling code there is no doubt.
        let is_picture = self.n_digits(&(from..end)) <= 10 && self.is_side(start) && self.is_side(from);
        let is_number = self.is_number(&(from..end)) && !is_picture;
        is_number.then_some(Chunk { span: start..end, turn: Turn::Reversed, turned: Turned::Phone })
    }

    /// Whether the digits that begin at a place could be the side of a picture, in dots.
    fn is_side(&self, at: usize) -> bool {
        let digits = self.text.get(at..).unwrap_or_default();
        let digits = digits.get(..Class::DIGIT.run(digits.get(..5).unwrap_or(digits))).unwrap_or_default();
        let side = digits.iter().fold(0_u32, |side, digit| side * 10 + u32::from(digit.wrapping_sub(b'0')));
        digits.first() != Some(&b'0') && (100..=LONGEST_SIDE).contains(&side)
    }

    /// `555-123-4567k12`: the number up to `end`, and the extension behind the `k`.
    fn before_extension(&self, end: usize) -> Option<Chunk> {
        let run = self.text.get(end - self.run(end, true)..end)?;
        let start = end - run.len() + run.iter().position(|byte| byte.is_ascii_digit() || b"(+".contains(byte))?;
        let extension = Class::DIGIT.run(self.text.get(end + 1..)?);
        let span = start..end + 1 + extension;
        let is_whole = extension <= 6 && !goes_on(self.byte(span.end).filter(|_| self.has_digit(span.end + 1)));
        (self.is_number(&(start..end)) && is_whole).then_some(Chunk { span, turn: Turn::Moved, turned: Turned::Phone })
    }

    /// How many digits and signs stand before or behind a place.
    fn run(&self, at: usize, is_back: bool) -> usize {
        let is_part = |byte: &&u8| byte.is_ascii_digit() || SIGNS.contains(byte) || **byte == b'+';
        if is_back {
            self.text.get(..at).unwrap_or_default().iter().rev().take(LONGEST).take_while(is_part).count()
        } else {
            self.text.get(at..).unwrap_or_default().iter().take(LONGEST).take_while(is_part).count()
        }
    }

    /// Whether a run has the digits of a telephone number, in groups.
    fn is_number(&self, span: &Range<usize>) -> bool {
        let n_digits = self.n_digits(span);
        n_digits >= FEWEST && span.len() >= n_digits + 2
    }

    fn n_digits(&self, span: &Range<usize>) -> usize {
        self.text.get(span.clone()).unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit()).count()
    }

    /// Four numbers with dots between, from `start` on, that are no address as they stand, and could be one from their end.
    fn quad(&self, start: usize) -> Option<Chunk> {
        let (mut at, mut is_address, mut is_turned) = (start, true, true);
        for place in 0..4 {
            if place > 0 {
                at += 1;
            }
            let length = self.text.get(at..)?.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
            let is_joined = place == 0 || self.before(at) == Some(b'.');
            if !(1..=3).contains(&length) || !is_joined {
                return None;
            }
            let group = self.text.get(at..at + length)?;
            is_address &= is_octet(group.iter());
            is_turned &= is_octet(group.iter().rev());
            at += length;
        }
        let goes_on = self.byte(at) == Some(b'.') && self.has_digit(at + 1);
        let is_apart = !goes_on && !self.before(start).is_some_and(|byte| Class::WORD.has(byte));
        (!is_address && is_turned && is_apart).then_some(Chunk { span: start..at, turn: Turn::Reversed, turned: Turned::Quad })
    }

    /// A word with colons around `digit`: groups of an address.
    fn groups(&mut self, digit: usize) -> Option<Chunk> {
        let class = Class::ALNUM.or(Class::COLON);
        let start = digit - class.run_back(self.text.get(..digit)?, LONGEST);
        let rest = self.text.get(start..)?;
        let length = class.run(rest.get(..LONGEST).unwrap_or(rest));
        let (span, word) = (start..start + length, rest.get(..length)?);
        self.at = self.at.max(span.end);
        let is_doubled = word.windows(2).any(|pair| pair == b"::");
        let n_colons = word.iter().filter(|byte| **byte == b':').count();
        let fits = |turn: fn(u8) -> u8| word.iter().all(|byte| *byte == b':' || turn(*byte).is_ascii_hexdigit());
        // A short one begins with four letters or digits.
        let may_begin = |group: Option<&[u8]>| !is_doubled || group.is_some_and(|group| group.len() == 4);
        let mut groups = word.split(|byte| *byte == b':');
        let is_moved = may_begin(groups.next()) && word.iter().any(u8::is_ascii_alphabetic) && fits(moved);
        let is_reversed = is_doubled && may_begin(groups.next_back()) && fits(|byte| byte);
        if length >= LONGEST || (n_colons < 7 && !is_doubled) {
            return None;
        }
        let chunk = |turn| Chunk { span: span.clone(), turn, turned: Turned::Groups };
        match (is_moved, is_reversed) {
            (true, true) => {
                self.waiting = Some(chunk(Turn::Moved));
                Some(chunk(Turn::Reversed))
            }
            (true, false) => Some(chunk(Turn::Moved)),
            (false, true) => Some(chunk(Turn::Reversed)),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scan::Scanners;

    fn found(text: &str) -> Vec<&str> {
        let mut matches = Vec::new();
        super::matches(&Scanners::all(), text, true, &mut matches);
        matches.iter().map(|found| text.get(found.start..found.end.unwrap()).unwrap()).collect()
    }

    #[test]
    fn a_value_is_turned_among_plain_words() {
        let facts = [
            ("They are not answering at 433-486 )88(", "433-486 )88("),
            ("Office\\,818x1582-880-847-100-Fax", "818x1582-880-847-100"),
            ("(978)645-9740k11144 mobile", "(978)645-9740k11144"),
            ("write to 028109 03 94+, please", "028109 03 94+"),
            ("keep getting address 391.58.132.68 blocked", "391.58.132.68"),
            ("address q80:r4o5:79qn:6ps6:71s3:51s7:9161:p319 blocked", "q80:r4o5:79qn:6ps6:71s3:51s7:9161:p319"),
            ("it is 71::8bd:1002 and up", "71::8bd:1002"),
            ("it is 2001:qo8::17 and up", "2001:qo8::17"),
            ("snyk_TOKEN ::= \"ba0987654321-dcba-dcba-dcba-87654321\"", "ba0987654321-dcba-dcba-dcba-87654321"),
            ("BUNDLE_GEMS__CONTRIBSYS__COM: p95p5750:sqp24171", "p95p5750:sqp24171"),
        ];
        for (text, expected) in facts {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn ordinary_numbers_are_not_turned() {
        for text in [
            "call on 2024-08-31 at 10:45:03, or +49 30 901820; fax (212) 555-2368 x12",
            "1920x1080, 1024x768-24-60, 3+4, f(1)(2), 10k5, 2.14.3.1 and 10.0.0.1",
            "00:1a:2b:3c:4d:5e at 12:34:56::, std::u32::MAX, snyk_TOKEN = 12345678",
            "Umsatz 1.231.521.412 EUR, lib 1.431.12.2 released, server version 1.431.12.2, OID 1.3.300.500",
            "fax resolution 200x1728-1145-98 dpi; mobile 1080x2400-120-6500, 1170x2532-460-326 and 1080x2400-120-650 specs",
            "call with weights 100-200-3000k5, 200-300-4000k50; we called 1000000+, 12345694+ or 12 345 694+ users",
            "call f(1234)567(8), 2001:db8::1000, 2001:db8::1002 up",
            "",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
