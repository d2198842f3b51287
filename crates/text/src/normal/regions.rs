//! The stretches of a text in which a key, an account or an address could stand, however its letters are written.

use std::ops::Range;

use super::draft::Draft;
use super::lanes::first_byte;
use super::suspects::{is_letter, next_full};

/// Fewest letters of a run that could be a key.
const RUN: usize = 15;
/// Fewest digits of a group that could be a number of an account.
const DIGITS: usize = 9;
/// Bytes around a find that are taken too: what names a key stands before it, or behind it when it is read from the end.
const AROUND: usize = 64;
/// Bytes before a find that may belong to what is found: the name of an address, the letters of an account.
const REACH: usize = 128;
/// Furthest that a region is stretched to whitespace.
const STRETCH: usize = 64;

/// Whether there is no suspicious region in `source`.
pub(super) fn are_none(source: &str) -> bool {
    let bytes = source.as_bytes();
    next_run(bytes, 0).is_none() && next_digits(bytes, 0).is_none() && next_at(bytes, 0).is_none()
}

/// The suspicious regions of `source` around what could reach into `within`, and those around `clues` (sorted by start), one
/// behind the other with line breaks between. `None` without one. Linear.
pub(super) fn suspicious<'a>(source: &'a str, clues: &[Range<usize>], within: &Range<usize>, room: usize) -> Option<Draft<'a>> {
    let mut draft = Draft::new(source, room);
    let mut last: Option<Range<usize>> = None;
    for find in Finds::of(source.as_bytes(), clues, within) {
        let around = around(source, &find);
        match last.as_mut() {
            Some(region) if around.start <= region.end => region.end = region.end.max(around.end),
            _ => {
                keep(&mut draft, last.replace(around));
            }
        }
    }
    keep(&mut draft, last);
    (!draft.is_empty()).then_some(draft)
}

fn keep(draft: &mut Draft<'_>, region: Option<Range<usize>>) {
    let Some(region) = region else { return };
    let end = region.end;
    draft.keep(region);
    draft.put("\n", end..end);
}

/// `find` with what stands around it, to whitespace where that is near.
fn around(source: &str, find: &Range<usize>) -> Range<usize> {
    let bytes = source.as_bytes();
    let (start, end) = (find.start.saturating_sub(AROUND), find.end.saturating_add(AROUND).min(bytes.len()));
    let before = bytes.get(start.saturating_sub(STRETCH)..start).unwrap_or_default();
    let behind = bytes.get(end..bytes.len().min(end + STRETCH)).unwrap_or_default();
    let start = start - before.iter().rev().position(u8::is_ascii_whitespace).unwrap_or(before.len());
    let end = end + behind.iter().position(u8::is_ascii_whitespace).unwrap_or(behind.len());
    source.floor_char_boundary(start)..source.ceil_char_boundary(end)
}

/// Gives the next find at or behind a place.
type Next = fn(&[u8], usize) -> Option<Range<usize>>;

/// What a region is made around, of each kind in order, and merged by place.
struct Finds<'a> {
    bytes: &'a [u8],
    /// What is found has to begin before its end, and to end behind its start; clues are meant wherever they stand.
    within: &'a Range<usize>,
    run: Option<Range<usize>>,
    digits: Option<Range<usize>>,
    at_sign: Option<Range<usize>>,
    clues: &'a [Range<usize>],
}

impl<'a> Finds<'a> {
    fn of(bytes: &'a [u8], clues: &'a [Range<usize>], within: &'a Range<usize>) -> Self {
        let mut finds = Self { bytes, within, clues, run: None, digits: None, at_sign: None };
        (finds.run, finds.digits, finds.at_sign) = (finds.look(next_run, 0), finds.look(next_digits, 0), finds.look(next_at, 0));
        finds
    }

    /// The next find of one kind at or behind `from` that is meant.
    fn look(&self, next: Next, from: usize) -> Option<Range<usize>> {
        let mut at = from;
        loop {
            let find = next(self.bytes, at)?;
            if find.start >= self.within.end.saturating_add(REACH) {
                return None;
            }
            if find.end > self.within.start {
                return Some(find);
            }
            at = find.end;
        }
    }
}

impl Iterator for Finds<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let signs = [&self.run, &self.digits, &self.at_sign].into_iter().flatten().map(|find| find.start).min();
        if let Some((clue, rest)) = self.clues.split_first().filter(|(clue, _)| signs.is_none_or(|first| clue.start <= first)) {
            self.clues = rest;
            return Some(clue.clone());
        }
        let first = signs?;
        let is_first = |find: &Option<Range<usize>>| find.as_ref().is_some_and(|find| find.start == first);
        if is_first(&self.run) {
            let taken = self.run.take()?;
            self.run = self.look(next_run, taken.end);
            Some(taken)
        } else if is_first(&self.digits) {
            let taken = self.digits.take()?;
            self.digits = self.look(next_digits, taken.end);
            Some(taken)
        } else {
            let taken = self.at_sign.take()?;
            self.at_sign = self.look(next_at, taken.end);
            Some(taken)
        }
    }
}

/// The next run of letters of base64 that is long enough and no word: it has a digit, or a capital behind a small letter.
fn next_run(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let hit = next_full(bytes, at)?;
        // A path is no key: of most keys with slashes, what is between two of them is long enough.
        let is_of_key = |byte: &&u8| is_letter(**byte) && **byte != b'/';
        let before = bytes.get(at..hit)?.iter().rev().take_while(is_of_key).count();
        let behind = bytes.get(hit..)?.iter().take_while(is_of_key).count();
        let run = hit - before..hit + behind;
        if run.len() >= RUN && is_mixed(bytes.get(run.clone())?) {
            return Some(run);
        }
        at = run.end.max(hit + 1);
    }
}

fn is_mixed(run: &[u8]) -> bool {
    run.iter().any(u8::is_ascii_digit) || run.windows(2).any(|pair| matches!(pair, [b'a'..=b'z', b'A'..=b'Z']))
}

/// The next group of enough digits, with one of ` -./` at most between two.
fn next_digits(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = first_byte(bytes, at, |byte| byte.wrapping_sub(b'0') < 10)?;
        let (mut end, mut n_digits, mut gap) = (start, 0, 0);
        for byte in bytes.get(start..)? {
            gap = if byte.is_ascii_digit() { 0 } else { gap + 1 };
            if gap > 1 || (gap == 1 && !matches!(byte, b' ' | b'-' | b'.' | b'/')) {
                break;
            }
            n_digits += usize::from(gap == 0);
            end += 1;
        }
        if n_digits >= DIGITS && !is_time(bytes, start) {
            return Some(start..end);
        }
        at = end.max(start + 1);
    }
}

/// Whether a day and an hour stand there (`2024-05-17 10:45`), which have ten digits and are in every log; from their end, too,
/// they are no account.
fn is_time(bytes: &[u8], start: usize) -> bool {
    let form = b"dddd-dd-dd dd:dd";
    let is_of = |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
    let is_whole = start.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|before| !is_letter(*before));
    is_whole && bytes.get(start..start + form.len()).is_some_and(|found| found.iter().zip(form).all(is_of))
}

fn next_at(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let at = from + memchr::memchr(b'@', bytes.get(from..)?)?;
    Some(at..at + 1)
}

#[cfg(test)]
mod tests {
    use super::suspicious;

    fn regions(text: &str) -> Option<String> {
        suspicious(text, &[], &(0..usize::MAX), usize::MAX).map(|draft| draft.text().to_owned())
    }

    #[test]
    fn only_what_could_hold_something_is_taken() {
        let padding = "some words ".repeat(80);
        for text in [
            "",
            "plain",
            &padding,
            "https://example.org/reports/2024/summary.html",
            "internationalization of antidisestablishmentarianism",
            "12 boxes, 2024-05-17",
            "on 2024-05-17 10:45:03 and [2024-05-18 08:02]",
        ] {
            assert_eq!(regions(text), None, "{text}");
        }
        for find in [
            "x2024-05-17 10:45",
            "2024-05-17 10",
            "2024-05-17 100:45",
            "nxvndrteilc6gd2ghktrt",
            "moc.elpmaxe@enaj",
            "4111 1111 1111 1111",
            "QmFzZTYfGVuYdkZXhQ",
        ] {
            let taken = regions(&format!("{padding}{find} {padding}")).unwrap();
            assert!(taken.contains(find) && taken.len() < 400, "{find}: {} bytes", taken.len());
            let at_the_ends = regions(&format!("{find}\u{E9}")).unwrap();
            assert_eq!(at_the_ends, format!("{find}\u{E9}\n"));
        }
    }

    #[test]
    fn a_clue_is_a_find_like_others() {
        let text = format!("{0}enohp {0}a@b.cd {0}", "some words ".repeat(40));
        let clue = text.find("enohp").unwrap();
        let clues = [clue..clue + 5, clue + 1..clue + 3, text.len() - 1..text.len()];
        for n_clues in 1..=clues.len() {
            let taken = suspicious(&text, &clues[..n_clues], &(0..usize::MAX), usize::MAX).unwrap();
            assert!(taken.text().contains(" enohp ") && taken.text().contains(" a@b.cd ") && taken.text().len() < text.len());
        }
    }

    #[test]
    fn every_run_is_seen_wherever_it_begins() {
        for before in 0..40 {
            let text = format!("{}. {}", "x ".repeat(before), "nxvndrteilc6gd2");
            assert!(regions(&text).is_some(), "{before}");
        }
    }

    #[test]
    fn only_what_reaches_into_what_is_asked_for_counts() {
        let text = format!("4111 1111 1111 1111 {0}nxvndrteilc6gd2ghktrt {0}moc.elpmaxe@enaj", "word ".repeat(60));
        let key = text.find("nx").unwrap();
        for (within, expected) in [
            (0..usize::MAX, [true, true, true]),
            (0..20, [true, false, false]),
            // A sign behind the digits could be one between them.
            (20..key, [false, true, false]),
            (19..key, [true, true, false]),
            (key + 20..text.len(), [false, true, true]),
            (key + 21..text.len(), [false, false, true]),
            (text.len()..text.len(), [false, false, false]),
        ] {
            let taken = suspicious(&text, &[], &within, usize::MAX).map(|draft| draft.text().to_owned()).unwrap_or_default();
            assert_eq!(["4111", "nxvn", "@"].map(|find| taken.contains(find)), expected, "{within:?}");
        }
    }

    #[test]
    fn regions_that_meet_are_one() {
        let text = format!("a@b {} c@d", "word ".repeat(20));
        assert_eq!(regions(&text).unwrap(), format!("{text}\n"));
    }
}
