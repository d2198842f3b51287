//! Dates of birth: a date where the words before speak of a birth.

use crate::class::Class;
use crate::pii::view::View;
use crate::pii::words::{self, LONGEST_MONTH, is_month};

/// The end of the date of birth that begins at `start`, with a digit or with a month's name.
pub(super) fn of_birth(view: &View<'_>, start: usize) -> Option<usize> {
    if !view.stands_apart_before(start) || !may_go_on(view, start) {
        return None;
    }
    let is_told = || view.near(start).topics.has(words::BIRTH);
    // Words cost more than a date; but where a text may go on, what no word tells of has to hold nothing back.
    if !view.is_final() && !is_told() {
        return None;
    }
    let end = date(view, start).filter(|end| view.stands_apart_behind(*end))?;
    is_told().then_some(end)
}

/// The end of the date that begins at `start`.
fn date(view: &View<'_>, start: usize) -> Option<usize> {
    match view.run(start, Class::DIGIT, 5) {
        0 => month_first(view, start),
        digits @ (1 | 2) => numbers(view, start, digits).or_else(|| day_first(view, start, digits)),
        4 => year_first(view, start),
        _ => None,
    }
}

/// Whether the bytes behind the first digits can belong to a date; a month's name can. Most numbers end here, before their words
/// are read.
fn may_go_on(view: &View<'_>, start: usize) -> bool {
    let digits = view.run(start, Class::DIGIT, 5);
    let next = start + digits;
    match view.at(next) {
        _ if digits == 0 => true,
        Some(b'/' | b'.' | b'-') => digits < 5 && view.has(next + 1, Class::DIGIT),
        Some(b' ') => digits < 3 && view.at(next + 1).is_some_and(|byte| b"jfmasond".contains(&byte.to_ascii_lowercase())),
        Some(byte) => digits < 3 && b"snrtSNRT".contains(&byte),
        None => false,
    }
}

const fn is_day(day: u32) -> bool {
    day >= 1 && day <= 31
}

const fn is_year(year: u32) -> bool {
    year >= 1850 && year <= 2099
}

/// Day and month, in one order or the other.
fn is_day_and_month(first: u32, second: u32) -> bool {
    is_day(first) && is_day(second) && first.min(second) <= 12
}

/// `8/31/1970`, `31.8.70`.
fn numbers(view: &View<'_>, start: usize, length: usize) -> Option<usize> {
    let separator = view.at(start + length).filter(|byte| b"/.-".contains(byte))?;
    let second = start + length + 1;
    let second_length = view.run(second, Class::DIGIT, 3);
    let third = second + second_length + 1;
    if !(1..=2).contains(&second_length) || view.at(third - 1) != Some(separator) {
        return None;
    }
    let third_length = view.run(third, Class::DIGIT, 5);
    let has_year = third_length == 2 || (third_length == 4 && is_year(view.number(third, third + 4)));
    let has_day = is_day_and_month(view.number(start, start + length), view.number(second, second + second_length));
    (has_year && has_day).then_some(third + third_length)
}

/// `1970-08-31`.
fn year_first(view: &View<'_>, start: usize) -> Option<usize> {
    let separator = view.at(start + 4).filter(|byte| b"/.-".contains(byte))?;
    let second = start + 5;
    let second_length = view.run(second, Class::DIGIT, 3);
    let third = second + second_length + 1;
    if !(1..=2).contains(&second_length) || view.at(third - 1) != Some(separator) {
        return None;
    }
    let third_length = view.run(third, Class::DIGIT, 3);
    let has_day = (1..=2).contains(&third_length)
        && (1..=12).contains(&view.number(second, second + second_length))
        && is_day(view.number(third, third + third_length));
    (is_year(view.number(start, start + 4)) && has_day).then_some(third + third_length)
}

/// The end of a month's name that begins at `start`; a dot may end a short one.
fn month(view: &View<'_>, start: usize) -> Option<usize> {
    let length = view.run(start, Class::LETTER, LONGEST_MONTH + 1);
    is_month(view.slice(start, start + length)).then_some(start + length)
}

/// The place behind `st`, `nd`, `rd` or `th`, if one stands here.
fn ordinal(view: &View<'_>, at: usize) -> usize {
    let letters = [view.at(at), view.at(at + 1)].map(|byte| byte.unwrap_or_default().to_ascii_lowercase());
    if [*b"st", *b"nd", *b"rd", *b"th"].contains(&letters) { at + 2 } else { at }
}

/// A year of four digits behind a space, with a comma before it or not.
fn year(view: &View<'_>, at: usize) -> Option<usize> {
    let at = if view.at(at) == Some(b',') { at + 1 } else { at };
    let start = if view.at(at) == Some(b' ') { at + 1 } else { return None };
    let is_one = view.run(start, Class::DIGIT, 5) == 4 && is_year(view.number(start, start + 4));
    is_one.then_some(start + 4)
}

/// `31 August 1970`, `31st Aug 1970`.
fn day_first(view: &View<'_>, start: usize, length: usize) -> Option<usize> {
    let at = ordinal(view, start + length);
    if !is_day(view.number(start, start + length)) || view.at(at) != Some(b' ') {
        return None;
    }
    year(view, month(view, at + 1)?)
}

/// `August 31, 1970`.
fn month_first(view: &View<'_>, start: usize) -> Option<usize> {
    let name = month(view, start)?;
    let day = if view.at(name) == Some(b' ') { name + 1 } else { return None };
    let length = view.run(day, Class::DIGIT, 3);
    if !(1..=2).contains(&length) || !is_day(view.number(day, day + length)) {
        return None;
    }
    year(view, ordinal(view, day + length))
}
