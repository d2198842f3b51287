//! Structured personal data: kinds that a form, a checksum, and the words before them tell.
//!
//! [`scan`] goes from word to word that holds a digit, as nearly all of the kinds do; [`domain`] from dot to dot, [`ip`] from dot or
//! colon to the next. Each looks at one candidate with a [`View`]: if that asked for a byte that is not there yet, the scan stops
//! before the candidate and begins there again when there is more text. So a stream finds what a whole text holds, and holds back no
//! byte that does not have to be.

mod check;
mod crypto;
mod date;
pub(crate) mod domain;
pub(crate) mod ip;
mod layout;
pub(crate) mod phone;
mod view;
pub(crate) mod words;

use crate::bounded::Input;
use crate::class::{self, Class};
use crate::pii::view::View;

/// A kind of structured personal data, by its place in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(usize);

macro_rules! kinds {
    ($($number:literal $name:ident)*) => {
        /// The names of the kinds, in their order.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),*];

        impl Kind {
            $(const $name: Self = Self($number);)*

            /// Every kind, in order.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    0 PHONE_NUMBER 1 DATE_OF_BIRTH 2 CRYPTO 3 PASSPORT 4 US_DRIVER_LICENSE 5 US_ITIN 6 US_NPI 7 MEDICAL_LICENSE 8 MEDICAL_RECORD
    9 DE_TAX_ID 10 DE_ID_CARD 11 FR_NIR 12 IT_FISCAL_CODE 13 ES_NIF 14 ES_NIE 15 PL_PESEL 16 RO_CNP 17 NL_BSN 18 BE_NATIONAL_NUMBER
    19 CZ_BIRTH_NUMBER 20 SE_PERSONNUMMER 21 PT_NIF 22 GR_AMKA 23 GR_AFM 24 UK_NHS 25 UK_NINO
}

/// Longest word that is looked at; the longest address of a currency has 62 letters and digits.
const LONGEST_WORD: usize = 64;

/// A finder: see [`crate::bounded::Find`].
pub(crate) fn scan(input: Input<'_>, report: &mut dyn FnMut(usize, usize, usize)) -> usize {
    let Input { text, from, is_final, .. } = input;
    let view = &View::new(text, is_final);
    let mut found: Vec<(Kind, usize, usize)> = Vec::new();
    let mut at = from;
    while let Some(offset) = class::digit(text.get(at..).unwrap_or_default()) {
        let digit = at + offset;
        let before = Class::ALNUM.run_back(view.slice(0, digit), LONGEST_WORD);
        let start = digit - before;
        let length = view.run(start, Class::ALNUM, LONGEST_WORD + 1);
        if length > LONGEST_WORD || before == LONGEST_WORD {
            view.take_reached_end();
            at = digit + Class::ALNUM.run(text.get(digit..).unwrap_or_default());
            continue;
        }
        let lead = if before == 0 { lead(view, start) } else { start };
        scan_word(view, start, length, lead, &mut |kind, start, end| found.push((kind, start, end)));
        if view.take_reached_end() {
            return if before == 0 { lead.min(phone::earliest(view, start)) } else { start };
        }
        for (Kind(kind), start, end) in found.drain(..) {
            if input.has(kind) {
                report(kind, start, end);
            }
        }
        at = start + length;
    }
    if is_final { text.len() } else { word_at_end(text, from) }
}

/// Everything that begins with a word, or with the short word `lead` before it.
fn scan_word(view: &View<'_>, start: usize, length: usize, lead: usize, report: &mut impl FnMut(Kind, usize, usize)) {
    layout::scan(view, start, length, &mut *report);
    layout::scan_plain(view, start, start + length, &mut *report);
    layout::scan_mrz(view, start, &mut *report);
    if crypto::is_address(view, start, start + length) {
        report(Kind::CRYPTO, start, start + length);
    }
    if !view.has(start, Class::DIGIT) {
        return;
    }
    if lead < start {
        layout::scan(view, lead, start - lead - 1, &mut *report);
        if let Some(end) = date::of_birth(view, lead) {
            report(Kind::DATE_OF_BIRTH, lead, end);
        }
    }
    if let Some(end) = date::of_birth(view, start) {
        report(Kind::DATE_OF_BIRTH, start, end);
    }
    if let Some((start, end)) = phone::at(view, start) {
        report(Kind::PHONE_NUMBER, start, end);
    }
}

/// The start of one or two capital letters, or a month's name, with a space or dash between it and `start`; `start` if there are none.
fn lead(view: &View<'_>, start: usize) -> usize {
    let is_joint = matches!(view.before(start), Some(b' ' | b'-'));
    let length = if is_joint { Class::ALNUM.run_back(view.slice(0, start - 1), words::LONGEST_MONTH + 1) } else { 0 };
    let first = start.saturating_sub(length + 1);
    let word = view.slice(first, first + length);
    let is_lead = (1..=2).contains(&length) && word.iter().all(u8::is_ascii_uppercase);
    if is_lead || (length > 0 && words::is_month(word)) { first } else { start }
}

/// From where something that begins with a word can still begin, at the end of a text that goes on.
fn word_at_end(text: &[u8], from: usize) -> usize {
    let end = text.len();
    let view = View::new(text, true);
    let word = Class::ALNUM.run_back(text, LONGEST_WORD + 1);
    let held = match word {
        0 => lead(&view, end).min(phone::earliest(&view, end)),
        1..=LONGEST_WORD => end - word,
        _ => end,
    };
    held.max(from)
}

#[cfg(test)]
mod tests {
    use super::{Kind, NAMES};

    #[test]
    fn the_kinds_are_numbered_as_they_are_named() {
        assert_eq!(Kind::ALL.len(), NAMES.len());
        assert!(Kind::ALL.iter().enumerate().all(|(place, kind)| kind.0 == place));
    }
}
