//! Words written a few letters at a time, with the same signs between: `p, a, s, s`, `p - a - s - s`, `pas:swo:rd1`.
//!
//! Groups of digits and of hex digits alone are left as they are: so are dumps, tables and fingerprints written.

use std::cmp::Reverse;
use std::ops::Range;

use super::draft::Draft;
use super::lanes::{LANES, first_set};
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
/// How far the last of the bytes has to be followed that are looked at together.
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
    let mut at = from;
    // The last of the nearest ones has to be there.
    while at + 2 * (REPEATS - 1) < bytes.len() {
        let rest = bytes.get(at..)?;
        let hits = match rest.first_chunk::<WINDOW>() {
            Some(window) => hits(window),
            None => {
                // What is behind the end is no sign.
                let mut window = [u8::MAX; WINDOW];
                window.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
                hits(&window)
            }
        };
        if let Some(nth) = first_set(&hits) {
            return Some(at + nth);
        }
        at += LANES;
    }
    None
}

/// Which of the first [`LANES`] bytes are such. Arithmetic without branches, which the compiler does for many bytes at once.
fn hits(window: &[u8; WINDOW]) -> [u8; LANES] {
    let mut lanes = [0; LANES];
    repeated::<2>(window, &mut lanes);
    repeated::<3>(window, &mut lanes);
    repeated::<4>(window, &mut lanes);
    repeated::<5>(window, &mut lanes);
    repeated::<6>(window, &mut lanes);
    for (lane, byte) in lanes.iter_mut().zip(window) {
        *lane &= u8::from(is_sign(*byte) & (*byte != 0));
    }
    lanes
}

/// Adds which of the first [`LANES`] bytes stand there again three times, each `DISTANCE` bytes on.
fn repeated<const DISTANCE: usize>(window: &[u8; WINDOW], lanes: &mut [u8; LANES]) {
    let from = |nth: usize| window.get(nth * DISTANCE..).and_then(<[u8]>::first_chunk::<LANES>);
    let (Some(first), Some(second), Some(third), Some(fourth)) = (from(0), from(1), from(2), from(3)) else { return };
    for (lane, ((first, second), (third, fourth))) in lanes.iter_mut().zip(first.iter().zip(second).zip(third.iter().zip(fourth)))
    {
        *lane |= u8::from((first == second) & (first == third) & (first == fourth));
    }
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
    // A bit for each place, so that none is looked at twice.
    let repeated = (0..(REPEATS + 1) * distance).fold(0_u64, |bits, nth| bits | u64::from(is_repeated(&(hit + nth))) << nth);
    let length = |nth: usize| (repeated >> nth).trailing_ones() as usize;
    let lengths = (0..REPEATS * distance).map(|nth| (hit + nth, length(nth).min(distance)));
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
        let groups = if self.size > 1 && self.separator.iter().all(u8::is_ascii_whitespace) {
            // Between blanks, a group with a blank in it is where words meet that happen to be of one length (`    let mut sum = 0`).
            let has_blank =
                |group: &Range<usize>| text.get(group.clone()).is_none_or(|group| group.contains(char::is_whitespace));
            groups.split(has_blank).find(|stretch| stretch.len() >= GROUPS)?.to_vec()
        } else {
            groups
        };
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
    use proptest::prelude::*;

    use super::{LONGEST, REPEATS, is_sign, join, may_join, next};

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
            "{\n    let mut sum = 0x1f_u64; // running\n    for (at, item) in items {\n",
            "",
        ];
        for text in facts {
            assert_eq!(joined(text), None, "{text}");
        }
    }

    proptest! {
        /// Many bytes at once are looked at as one by one.
        #[test]
        fn the_next_repeated_sign_is_found(text in "([ab1 ]|, |[é\\x00-]|x, ){0,70}", from in 0..90_usize) {
            let bytes = text.as_bytes();
            let is_repeated = |at: usize, distance: usize| (1..REPEATS).all(|nth| bytes.get(at + nth * distance) == bytes.get(at));
            let is_hit = |at: &usize| {
                bytes[*at] != 0 && is_sign(bytes[*at]) && (2..=2 * LONGEST).any(|distance| is_repeated(*at, distance))
            };
            prop_assert_eq!(next(bytes, from), (from..bytes.len()).find(is_hit));
        }
    }

    #[test]
    fn the_shortest_row_at_the_very_end_is_seen() {
        for before in [0, 31, 32, 33, 64] {
            let text = "b".repeat(before) + "-a-a-a-";
            assert_eq!(next(text.as_bytes(), 0), Some(before), "{before}");
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
