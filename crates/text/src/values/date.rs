//! Calendar dates, with a time of day in the ISO form.

use super::Found;
use super::reader::{Reader, is_space};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Day {
    year: u32,
    month: u32,
    day: u32,
}

/// The date that the text begins with.
pub(super) fn at(text: &str) -> Option<Found> {
    match text.bytes().next()? {
        b'0'..=b'9' => year_first(text).or_else(|| year_last(text)).or_else(|| day_month_word(text)),
        _ => month_word_first(text),
    }
}

/// A text that is one date, or both readings of one as this module writes them.
pub(super) fn whole(text: &str) -> Option<String> {
    if let Some((left, right)) = text.split_once('|') {
        let mut readings = [iso_day(left)?, iso_day(right)?];
        readings.sort_unstable();
        let [first, second] = readings;
        let is_swapped = first.year == second.year && first.month == second.day && first.day == second.month;
        return (is_swapped && first != second).then(|| format!("{}|{}", first.normal(), second.normal()));
    }
    at(text).filter(|found| found.len == text.len()).map(|found| found.normal)
}

fn iso_day(text: &str) -> Option<Day> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse().ok());
    let day = Day::new(parts.next()??, parts.next()??, parts.next()??)?;
    (day.normal() == text).then_some(day)
}

impl Day {
    fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let is_valid = (1..=9999).contains(&year) && (1..=days_in(year, month)).contains(&day);
        is_valid.then_some(Self { year, month, day })
    }

    fn normal(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn next(self) -> Option<Self> {
        Self::new(self.year, self.month, self.day + 1)
            .or_else(|| Self::new(self.year, self.month + 1, 1))
            .or_else(|| Self::new(self.year + 1, 1, 1))
    }

    fn previous(self) -> Option<Self> {
        Self::new(self.year, self.month, self.day.wrapping_sub(1))
            .or_else(|| Self::new(self.year, self.month.wrapping_sub(1), days_in(self.year, self.month.wrapping_sub(1))))
            .or_else(|| Self::new(self.year.wrapping_sub(1), 12, 31))
    }
}

/// 0 when there is no such month.
const fn days_in(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// One to `max` digits, and no more of them.
fn number(reader: &mut Reader<'_>, min: usize, max: usize) -> Option<u32> {
    let digits = reader.digits(max + 1);
    (min..=max).contains(&digits.len()).then(|| digits.parse().ok())?
}

/// `2026-02-03`, `2026/02/03`, `2026.2.3`; behind the first also a time.
fn year_first(text: &str) -> Option<Found> {
    let mut reader = Reader::new(text);
    let year = number(&mut reader, 4, 4)?;
    let separator = reader.eat_if(|next| matches!(next, '-' | '/' | '.'))?;
    let month = number(&mut reader, 1, 2)?;
    let day = reader.eat(separator).then(|| number(&mut reader, 1, 2))??;
    let day = Day::new(year, month, day)?;
    let timed = if separator == '-' { with_time(day, reader) } else { None };
    timed.or_else(|| {
        let is_end = reader.is_word_end() && !reader.is_joined(&[separator]);
        is_end.then(|| Found { len: reader.at(), normal: day.normal() })
    })
}

/// `03.02.2026` has the day first; `02/03/2026` and `02-03-2026` may have either.
fn year_last(text: &str) -> Option<Found> {
    let mut reader = Reader::new(text);
    let first = number(&mut reader, 1, 2)?;
    let separator = reader.eat_if(|next| matches!(next, '-' | '/' | '.'))?;
    let second = number(&mut reader, 1, 2)?;
    let year = reader.eat(separator).then(|| number(&mut reader, 4, 4))??;
    let day_first = Day::new(year, second, first);
    let month_first = Day::new(year, first, second).filter(|_| separator != '.');
    let normal = match (day_first, month_first) {
        (Some(one), Some(other)) if one != other => format!("{}|{}", one.min(other).normal(), one.max(other).normal()),
        (one, other) => one.or(other)?.normal(),
    };
    let is_end = reader.is_word_end() && !reader.is_joined(&[separator]);
    is_end.then(|| Found { len: reader.at(), normal })
}

/// `3 Feb 2026`, `3rd of February, 2026`, `3. Feb. 2026`, `03-Feb-2026`.
fn day_month_word(text: &str) -> Option<Found> {
    let mut reader = Reader::new(text);
    let day = number(&mut reader, 1, 2)?;
    if !skip_ordinal(&mut reader) {
        reader.eat('.');
    }
    gap(&mut reader)?;
    let mut ahead = reader;
    if ahead.letters(3).eq_ignore_ascii_case("of") && gap(&mut ahead).is_some() {
        reader = ahead;
    }
    let month = month_word(&mut reader)?;
    reader.eat('.');
    year_behind(day, month, reader)
}

/// `February 3, 2026`, `Feb 3rd 2026`, `Feb. 3 2026`.
fn month_word_first(text: &str) -> Option<Found> {
    let mut reader = Reader::new(text);
    let month = month_word(&mut reader)?;
    reader.eat('.');
    gap(&mut reader)?;
    let day = number(&mut reader, 1, 2)?;
    skip_ordinal(&mut reader);
    year_behind(day, month, reader)
}

fn year_behind(day: u32, month: u32, mut reader: Reader<'_>) -> Option<Found> {
    let has_comma = reader.eat(',');
    if gap(&mut reader).is_none() && !has_comma {
        return None;
    }
    let day = Day::new(number(&mut reader, 4, 4)?, month, day)?;
    let is_end = reader.is_word_end();
    is_end.then(|| Found { len: reader.at(), normal: day.normal() })
}

/// One space or hyphen.
fn gap(reader: &mut Reader<'_>) -> Option<char> {
    reader.eat_if(|next| is_space(next) || next == '-')
}

fn skip_ordinal(reader: &mut Reader<'_>) -> bool {
    let mut ahead = *reader;
    let is_ordinal = matches!(ahead.letters(3).to_ascii_lowercase().as_str(), "st" | "nd" | "rd" | "th");
    if is_ordinal {
        *reader = ahead;
    }
    is_ordinal
}

/// An English month, in full or by its first three letters.
fn month_word(reader: &mut Reader<'_>) -> Option<u32> {
    let letters = reader.letters(10);
    let mut short = [0; 3];
    short.copy_from_slice(letters.as_bytes().get(..3)?);
    short.make_ascii_lowercase();
    let (month, tail) = match &short {
        b"jan" => (1, "uary"),
        b"feb" => (2, "ruary"),
        b"mar" => (3, "ch"),
        b"apr" => (4, "il"),
        b"may" => (5, ""),
        b"jun" => (6, "e"),
        b"jul" => (7, "y"),
        b"aug" => (8, "ust"),
        b"sep" => (9, "tember"),
        b"oct" => (10, "ober"),
        b"nov" => (11, "ember"),
        b"dec" => (12, "ember"),
        _ => return None,
    };
    let written = letters.get(3..)?;
    let is_month = written.is_empty() || written.eq_ignore_ascii_case(tail) || (month == 9 && written.eq_ignore_ascii_case("t"));
    is_month.then_some(month)
}

/// The date with the time behind it: `T10:00`, ` 10:00:00.5`, with `Z` or an offset.
fn with_time(day: Day, mut reader: Reader<'_>) -> Option<Found> {
    reader.eat_if(|next| matches!(next, 'T' | 't' | ' '))?;
    let hour = number(&mut reader, 2, 2).filter(|hour| *hour < 24)?;
    let minute = reader.eat(':').then(|| number(&mut reader, 2, 2))?.filter(|minute| *minute < 60)?;
    let second = if reader.eat(':') { number(&mut reader, 2, 2).filter(|second| *second < 60)? } else { 0 };
    let mut ahead = reader;
    let fraction = if ahead.eat_if(|next| matches!(next, '.' | ',')).is_some() { ahead.digits(9) } else { "" };
    if !fraction.is_empty() {
        reader = ahead;
    }
    let fraction = fraction.trim_end_matches('0');
    let offset = zone(&mut reader);
    let (day, minutes) = in_utc(day, hour * 60 + minute, offset.unwrap_or(Offset { is_behind: false, minutes: 0 }))?;
    let (dot, end) = (if fraction.is_empty() { "" } else { "." }, if offset.is_some() { "Z" } else { "" });
    let normal = format!("{}T{:02}:{:02}:{second:02}{dot}{fraction}{end}", day.normal(), minutes / 60, minutes % 60);
    let is_end = reader.is_word_end() && !reader.is_joined(&[':']);
    is_end.then(|| Found { len: reader.at(), normal })
}

/// How far a zone's clock is from UTC.
#[derive(Debug, Clone, Copy)]
struct Offset {
    /// West of Greenwich.
    is_behind: bool,
    /// Less than a day.
    minutes: u32,
}

const DAY_MINUTES: u32 = 24 * 60;

fn in_utc(day: Day, local: u32, offset: Offset) -> Option<(Day, u32)> {
    // One day more, so that nothing goes below zero.
    let shifted = if offset.is_behind { DAY_MINUTES + local + offset.minutes } else { DAY_MINUTES + local - offset.minutes };
    let day = match shifted / DAY_MINUTES {
        0 => day.previous()?,
        1 => day,
        _ => day.next()?,
    };
    Some((day, shifted % DAY_MINUTES))
}

/// `Z`, `+02:00`, `-0530`, `+02`. What is no zone is left unread.
fn zone(reader: &mut Reader<'_>) -> Option<Offset> {
    let mut ahead = *reader;
    if ahead.eat_if(|next| matches!(next, 'Z' | 'z')).is_some() {
        *reader = ahead;
        return Some(Offset { is_behind: false, minutes: 0 });
    }
    let sign = ahead.eat_if(|next| matches!(next, '+' | '-' | '\u{2212}'))?;
    let hours: u32 = two_digits(&mut ahead).filter(|hours| *hours < 24)?;
    let mut further = ahead;
    further.eat(':');
    let minutes = match two_digits(&mut further) {
        Some(minutes) => {
            ahead = further;
            minutes
        }
        None => 0,
    };
    if minutes > 59 {
        return None;
    }
    *reader = ahead;
    Some(Offset { is_behind: sign != '+', minutes: hours * 60 + minutes })
}

fn two_digits(reader: &mut Reader<'_>) -> Option<u32> {
    let digits = reader.digits(2);
    (digits.len() == 2).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{at, whole};

    #[test]
    fn whole_texts() {
        let facts = [
            ("2026-02-03", Some("2026-02-03")),
            ("2026/02/03", Some("2026-02-03")),
            ("3 Feb 2026", Some("2026-02-03")),
            ("3. Feb. 2026", Some("2026-02-03")),
            ("3rd of February, 2026", Some("2026-02-03")),
            ("03-Feb-2026", Some("2026-02-03")),
            ("February 3, 2026", Some("2026-02-03")),
            ("Feb 3rd 2026", Some("2026-02-03")),
            ("SEPT 3 2026", Some("2026-09-03")),
            ("03.02.2026", Some("2026-02-03")),
            ("13.02.2026", Some("2026-02-13")),
            ("02.13.2026", None),
            ("02/03/2026", Some("2026-02-03|2026-03-02")),
            ("03/02/2026", Some("2026-02-03|2026-03-02")),
            ("2026-02-03|2026-03-02", Some("2026-02-03|2026-03-02")),
            ("2026-02-03|2026-02-03", None),
            ("2026-02-03|2026-04-02", None),
            ("02/02/2026", Some("2026-02-02")),
            ("13/02/2026", Some("2026-02-13")),
            ("02/13/2026", Some("2026-02-13")),
            ("13/13/2026", None),
            ("29.02.2024", Some("2024-02-29")),
            ("29.02.2026", None),
            ("29.02.2100", None),
            ("29.02.2000", Some("2000-02-29")),
            ("31 April 2026", None),
            ("2026-13-01", None),
            ("2026-02-00", None),
            ("0000-01-01", None),
            ("03.02.26", None),
            ("2026-02/03", None),
            ("Feb 2026", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times_go_to_utc() {
        let facts = [
            ("2026-02-03T10:00:00Z", Some("2026-02-03T10:00:00Z")),
            ("2026-02-03 10:00", Some("2026-02-03T10:00:00")),
            ("2026-02-03T10:00:00.2500", Some("2026-02-03T10:00:00.25")),
            ("2026-02-03T10:00:00.000z", Some("2026-02-03T10:00:00Z")),
            ("2026-02-03T10:00+02:00", Some("2026-02-03T08:00:00Z")),
            ("2026-03-01T01:00+0530", Some("2026-02-28T19:30:00Z")),
            ("2026-12-31T23:00-02", Some("2027-01-01T01:00:00Z")),
            ("9999-12-31T23:00-02", None),
            ("0001-01-01T01:00+02", None),
            ("2026-02-03T24:00", None),
            ("2026-02-03T10:60", None),
            ("2026-02-03T10", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn running_text_ends_a_date() {
        let facts = [
            ("2026-02-03, or", Some(10)),
            ("2026-02-03 at 10", Some(10)),
            ("2026-02-03 10:00:00, or", Some(19)),
            ("2026-02-03/2026-02-04", Some(10)),
            ("2026-02-03-17", None),
            ("2026-02-03T", None),
            ("2026/02/03/file", None),
            ("3 Feb 2026.", Some(10)),
        ];
        for (text, expected) in facts {
            assert_eq!(at(text).map(|found| found.len), expected, "{text}");
        }
    }
}
