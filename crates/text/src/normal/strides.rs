//! Words written a few letters at a time, with the same signs between: `p, a, s, s`, `p - a - s - s`, `pas:swo:rd1`.
//!
//! Groups of digits and of hex digits alone are left as they are: so are dumps, tables and fingerprints written.

use std::cmp::Reverse;
use std::ops::Range;

use super::draft::Draft;
use super::spaced::{FEWEST, Joined, is_separator};

/// Most bytes of a separator, and most characters of a group.
const LONGEST: usize = 3;
/// Fewest groups of more than one character.
const GROUPS: usize = 5;
/// Separators in a row that are looked for.
const REPEATS: usize = 4;
/// So many runs of single digits in a text are a table.
const TABLE: usize = 3;
/// A row of so many groups that is no word is not looked at again.
const MANY: usize = 16;
/// Bytes looked at together, and how far the last of them has to be followed.
const LANES: usize = 64;
const WINDOW: usize = LANES + (REPEATS - 1) * 2 * LONGEST;

/// Whether [`join`] could change something. `false` is certain.
pub(super) fn may_join(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(hit) = next(bytes, at) {
        match Stride::at(bytes, hit) {
            Ok(_) => return true,
            Err(end) => at = end,
        }
    }
    false
}

/// `text` with groups of one to three characters between equal separators joined. `None` without a run of them. Linear.
pub(super) fn join(text: &str, room: usize) -> Option<Joined<'_>> {
    let found = runs(text);
    let n_of_digits = found.iter().filter(|run| !run.has_letters).count();
    let is_kept = |run: &&Run| run.has_letters || n_of_digits < TABLE;
    let mut draft = Draft::new(text, room);
    let mut runs = Vec::new();
    let mut kept = 0;
    for run in found.iter().filter(is_kept) {
        let (Some(first), Some(last)) = (run.groups.first(), run.groups.last()) else { continue };
        draft.keep(kept..first.start);
        let start = draft.text().len();
        run.groups.iter().for_each(|group| draft.keep(group.clone()));
        runs.push(start..draft.text().len());
        kept = last.end;
    }
    if runs.is_empty() {
        return None;
    }
    draft.keep(kept..text.len());
    Some(Joined { draft, runs })
}

/// A row of groups.
struct Run {
    groups: Vec<Range<usize>>,
    has_letters: bool,
}

/// The rows of `text` that could be a word, by place.
fn runs(text: &str) -> Vec<Run> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut floor) = (0, 0);
    while let Some(hit) = next(bytes, at) {
        let (stride, place) = match Stride::at(bytes, hit) {
            Ok(found) => found,
            Err(end) => {
                at = end;
                continue;
            }
        };
        at = hit + 1;
        let groups = stride.groups(text, place, floor);
        if groups.len() >= MANY {
            at = at.max(groups.last().map_or(at, |last| last.end));
        }
        if let Some(run) = stride.run(text, groups)
            && let Some(last) = run.groups.last()
        {
            floor = last.end;
            at = at.max(floor);
            found.push(run);
        }
    }
    found
}

/// The next byte at or behind `from` that is no letter or digit, and stands there [`REPEATS`] times in all at one distance.
fn next(bytes: &[u8], from: usize) -> Option<usize> {
    let mut start = from;
    while start + 2 * REPEATS <= bytes.len() {
        if may_hit(bytes.get(start..).unwrap_or_default()) {
            let nearest = (2..=2 * LONGEST).filter_map(|distance| hit(bytes, start, distance)).min();
            if nearest.is_some() {
                return nearest;
            }
        }
        start += LANES;
    }
    None
}

/// Whether one of the first [`LANES`] bytes may be such a byte. Arithmetic without branches, which the compiler does for many bytes
/// at once.
fn may_hit(bytes: &[u8]) -> bool {
    // Signs as they are, all else as nothing, and nothing behind the end.
    let mut signs = [0_u8; WINDOW];
    for (sign, byte) in signs.iter_mut().zip(bytes) {
        *sign = byte & u8::from(is_sign(*byte)).wrapping_neg();
    }
    repeated::<2>(&signs) | repeated::<3>(&signs) | repeated::<4>(&signs) | repeated::<5>(&signs) | repeated::<6>(&signs)
}

/// Whether one of the first [`LANES`] signs stands there again three times, each `DISTANCE` bytes on.
fn repeated<const DISTANCE: usize>(signs: &[u8; WINDOW]) -> bool {
    let from = |nth: usize| signs.get(nth * DISTANCE..).and_then(<[u8]>::first_chunk::<LANES>);
    let (Some(first), Some(second), Some(third), Some(fourth)) = (from(0), from(1), from(2), from(3)) else { return true };
    let lanes = first.iter().zip(second).zip(third.iter().zip(fourth));
    let any = lanes.fold(0_u8, |any, ((first, second), (third, fourth))| {
        any | (first & u8::from((first == second) & (first == third) & (first == fourth)).wrapping_neg())
    });
    any != 0
}

/// The first hit of one distance among the [`LANES`] bytes from `start` on.
fn hit(bytes: &[u8], start: usize, distance: usize) -> Option<usize> {
    let last = (REPEATS - 1) * distance;
    let length = bytes.len().checked_sub(start + last)?.min(LANES);
    let from = |nth: usize| bytes.get(start + nth * distance..start + nth * distance + length);
    let lanes = from(0)?.iter().zip(from(1)?).zip(from(2)?.iter().zip(from(3)?));
    let is_hit = |((first, second), (third, fourth)): ((&u8, &u8), (&u8, &u8))| {
        is_sign(*first) & (first == second) & (first == third) & (first == fourth)
    };
    let any = lanes.clone().fold(0u8, |any, lane| any | u8::from(is_hit(lane)));
    if any == 0 {
        return None;
    }
    lanes.into_iter().position(is_hit).map(|nth| start + nth)
}

/// Whether a byte is ASCII and neither letter nor digit.
fn is_sign(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_digit = byte.wrapping_sub(b'0') < 10;
    (byte < 0x80) & !is_letter & !is_digit
}

/// Where bytes are repeated at a distance no more, but for the last few times: what follows may begin there.
fn skip(bytes: &[u8], hit: usize, distance: usize) -> usize {
    let mut at = hit;
    while let (Some(one), Some(next)) = (bytes.get(at..at + distance), bytes.get(at + distance..at + 2 * distance))
        && one == next
    {
        at += distance;
    }
    at.saturating_sub(REPEATS * distance).max(hit + 1)
}

/// Where a row of single characters with one sign between ends, but for the last few.
fn skip_read(bytes: &[u8], place: usize) -> usize {
    let mut at = place;
    while at + 2 < bytes.len() && bytes.get(at) == bytes.get(at + 2) {
        at += 2;
    }
    at.saturating_sub(REPEATS * 2)
}

/// What repeats at a distance from `hit` on: the characters of a group, the length of the separator, and its place. Blanks before the
/// first group may stand at the distance too, so the longest separator is looked for.
fn separator(bytes: &[u8], hit: usize, distance: usize) -> Option<(usize, usize, usize)> {
    let is_repeated = |at: &usize| {
        let byte = bytes.get(*at).copied();
        byte.is_some_and(is_sign) && (1..REPEATS).all(|nth| bytes.get(at + nth * distance).copied() == byte)
    };
    if !is_repeated(&hit) {
        return None;
    }
    let places = hit..hit + REPEATS * distance;
    let lengths = places.map(|at| (at, (at..at + distance).take_while(is_repeated).count()));
    // Where everything repeats, there are only signs; what follows may be a row.
    let lengths = lengths.filter(|(_, length)| *length < distance);
    let (place, length) = lengths.max_by_key(|(at, length)| (*length, Reverse(*at)))?;
    let size = distance.checked_sub(length)?;
    ((1..=LONGEST).contains(&length) && (1..=LONGEST).contains(&size)).then_some((size, length, place))
}

/// How a row is written.
struct Stride {
    /// The bytes between two groups.
    separator: Vec<u8>,
    /// Characters of a group.
    size: usize,
}

impl Stride {
    /// The row that is hit there and the place of its first separator: of those that repeat, the one with the smallest groups and
    /// the longest separator. Where to look again for what [`super::spaced`] reads, and for signs without anything between.
    fn at(bytes: &[u8], hit: usize) -> Result<(Self, usize), usize> {
        let strides = (2..=2 * LONGEST).filter_map(|distance| separator(bytes, hit, distance));
        let Some((size, length, place)) = strides.min_by_key(|(size, length, _)| (*size, Reverse(*length))) else {
            return Err((1..=2 * LONGEST).map(|distance| skip(bytes, hit, distance)).max().unwrap_or(hit + 1));
        };
        let separator = bytes.get(place..place + length).unwrap_or_default().to_vec();
        if size == 1 && matches!(*separator, [byte] if is_separator(byte)) {
            return Err(skip_read(bytes, place).max(hit + 1));
        }
        Ok((Self { separator, size }, place))
    }

    /// The groups around the separator at `hit`, none before `floor`.
    fn groups(&self, text: &str, hit: usize, floor: usize) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let mut at = self.first(text, hit, floor);
        while let Some(rest) = text.get(at..) {
            let length = rest.char_indices().nth(self.size).map_or(rest.len(), |(length, _)| length);
            let behind = rest.as_bytes().get(length..).unwrap_or_default();
            if behind.starts_with(&self.separator) {
                groups.push(at..at + length);
                at += length + self.separator.len();
                continue;
            }
            // The last one may be shorter, but is no longer word's beginning.
            let letters = rest.chars().take(self.size).take_while(|letter| !letter.is_whitespace());
            let length: usize = letters.map(char::len_utf8).sum();
            if length > 0 && !rest.get(length..).is_some_and(|behind| behind.starts_with(char::is_alphanumeric)) {
                groups.push(at..at + length);
            }
            break;
        }
        groups
    }

    /// Where the first group of the row begins that has a separator at `hit`: not within a word, and not before `floor`.
    fn first(&self, text: &str, hit: usize, floor: usize) -> usize {
        let (mut first, mut end) = (hit + self.separator.len(), hit);
        while let Some(before) = text.get(floor..end) {
            let Some((at, _)) = before.char_indices().rev().nth(self.size - 1) else { break };
            let head = before.get(..at).unwrap_or_default();
            if head.as_bytes().ends_with(&self.separator) {
                (first, end) = (floor + at, floor + at - self.separator.len());
                continue;
            }
            if !head.ends_with(char::is_alphanumeric) {
                first = floor + at;
            }
            break;
        }
        first
    }

    /// The row of these groups, if it could be a word: enough of them, most of it letters and digits, and groups of several
    /// characters not of hex digits alone.
    fn run(&self, text: &str, groups: Vec<Range<usize>>) -> Option<Run> {
        let (mut all, mut n_marks, mut has_letters, mut is_hex) = (0, 0, false, true);
        let written = groups.iter().filter_map(|group| text.get(group.clone()));
        for character in written.flat_map(str::chars) {
            all += 1;
            n_marks += usize::from(character.is_alphanumeric());
            has_letters |= character.is_alphabetic();
            is_hex &= !character.is_alphabetic() || character.is_ascii_hexdigit();
        }
        let is_enough = groups.len() >= if self.size == 1 { FEWEST } else { GROUPS };
        (is_enough && n_marks * 2 >= all && (self.size == 1 || !is_hex)).then_some(Run { groups, has_letters })
    }
}

#[cfg(test)]
mod tests {
    use super::{join, may_join};

    fn joined(text: &str) -> Option<String> {
        join(text, 9999).map(|joined| {
            let runs = joined.runs.iter().map(|run| joined.draft.text().get(run.clone()).unwrap());
            assert!(runs.clone().all(|run| run.len() > 4), "{text}");
            joined.draft.text().to_owned()
        })
    }

    #[test]
    fn any_short_separator_is_left_out() {
        let separators = [
            "  ", "   ", "\t", "\r\n", "\r", ". ", " - ", ", ", ",", ":", "+", "~", "'", ";", "#", "=", " | ", "', '", "::", "\\",
        ];
        for separator in separators.into_iter().filter(|separator| separator.len() <= 3) {
            for letters in ["sk9x2Q7k", "5 36-904399", "key= s.3-x_"] {
                let written = letters.chars().map(String::from).collect::<Vec<_>>().join(separator);
                for (before, behind) in [("see ", " then"), ("", ""), ("my key (", ")."), ("\u{e9} ", "\n")] {
                    let text = format!("{before}{written}{behind}");
                    assert_eq!(joined(&text), Some(format!("{before}{letters}{behind}")), "{text}");
                    assert!(may_join(&text), "{text}");
                }
            }
        }
    }

    #[test]
    fn small_groups_are_joined() {
        let facts = [
            ("is AK-IA-Q3-EG-RV-YP-2 now", "is AKIAQ3EGRVYP2 now"),
            ("is AKI AQ3 EGR VYP 2TQ 7XN 5K.", "is AKIAQ3EGRVYP2TQ7XN5K."),
            ("Pl, ea, se,  k, ee, p9, a", "Please keep9a"),
            ("{+\n+ + + + +\"+a+d+o+b+e+\"+:+ +\"+e+f+7+2+a+b+c+9+d+\"+\n+}", "{\n    \"adobe\": \"ef72abc9d\"\n}"),
        ];
        for (text, expected) in facts {
            assert_eq!(joined(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn dumps_tables_and_lists_stay() {
        let table = "3,5,2,1,4,4,5,2,1,3\n".repeat(4);
        let facts = [
            "00 01 02 03 04 05 06 07 08 09 0a 0b 0c",
            "00:1a:2b:3c:4d:5e",
            "43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8",
            "23 25 27 21 20 19 24 26 28",
            "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5",
            "2024-05-17,2024-05-18,2024-05-19",
            "192.168.100.200 192.168.100.201",
            "120 340 560 780 910 230",
            &table,
            "------------------------------",
            "= = = = = = = = = = = =",
            "a | b | c",
            "one, two, six and ten of them",
            "",
        ];
        for text in facts {
            assert_eq!(joined(text), None, "{text}");
        }
    }

    #[test]
    fn a_row_is_seen_wherever_it_begins() {
        for before in 0..70 {
            let text = format!("{}, {}", "word ".repeat(before), "s, k, 9, x, 2, Q");
            assert_eq!(joined(&text), Some(format!("{}, sk9x2Q", "word ".repeat(before))));
        }
    }
}
