//! Payment cards, IBANs and US social security numbers: shapes with a check, found from their digits.

use crate::bounded::Input;
use crate::class::{self, Class};
use crate::pii::words::{self, Near};

/// What can be said about a bounded rule at one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    No,
    Pending,
    /// A match that ends here.
    At(usize),
}

/// Most digits of a card number.
const MAX_CARD: usize = 19;
/// Fewest digits of a card number.
const MIN_CARD: usize = 13;
/// Most groups of digits that a card number may be cut into.
const MAX_GROUPS: usize = 5;
/// Longest IBAN without its spaces.
const MAX_IBAN: usize = 34;

/// The kinds in the order in which [`scan`] numbers them.
pub(crate) const KINDS: &[&str] = &["CREDIT_CARD", "IBAN_CODE", "US_SSN"];
const CARD: usize = 0;
const IBAN: usize = 1;
const SSN: usize = 2;

/// A finder: see [`crate::bounded::Find`].
pub(crate) fn scan(input: Input<'_>, report: &mut dyn FnMut(usize, usize, usize)) -> usize {
    let Input { text, from, is_final, .. } = input;
    let mut at = from;
    while let Some(offset) = class::digit(text.get(at..).unwrap_or_default()) {
        at += offset;
        let run = Class::DIGIT.run(text.get(at..).unwrap_or_default());
        if !before(text, at).is_some_and(|byte| byte.is_ascii_digit()) {
            if let Some(start) = at.checked_sub(2).filter(|start| *start >= from && input.has(IBAN)) {
                match iban(text, start, is_final) {
                    Found::Pending => return start,
                    Found::At(end) => report(IBAN, start, end),
                    Found::No => {}
                }
            }
            let card = if input.has(CARD) { card(text, at, is_final) } else { Found::No };
            let ssn = if input.has(SSN) { ssn(text, at, is_final) } else { Found::No };
            if card == Found::Pending || ssn == Found::Pending {
                return at;
            }
            for (kind, found) in [(CARD, card), (SSN, ssn)] {
                if let Found::At(end) = found {
                    report(kind, at, end);
                }
            }
        }
        at += run;
    }
    if !is_final && input.has(IBAN) { country_at_end(text, from) } else { text.len() }
}

fn before(text: &[u8], at: usize) -> Option<u8> {
    text.get(at.checked_sub(1)?).copied()
}

/// 13 to 19 digits in at most five groups, joined by single spaces or dashes; the longest reading that an issuer could have
/// given out. `start` is a digit with no digit before it.
fn card(text: &[u8], start: usize, is_final: bool) -> Found {
    // The digits after a decimal point are a fraction, not a card.
    if before(text, start) == Some(b'.') && before(text, start - 1).is_some_and(|byte| byte.is_ascii_digit()) {
        return Found::No;
    }
    let mut number = Number::default();
    let mut groups = 1;
    let mut at = start;
    let mut best = Found::No;
    loop {
        match text.get(at) {
            None if !is_final => return Found::Pending,
            Some(digit) if digit.is_ascii_digit() => {
                if !number.push(*digit) {
                    return best;
                }
                at += 1;
                continue;
            }
            _ => {}
        }
        if number.is_card() {
            best = Found::At(at);
        }
        if !matches!(text.get(at), Some(b' ' | b'-')) || groups == MAX_GROUPS || number.length == MAX_CARD {
            return best;
        }
        match text.get(at + 1) {
            None if !is_final => return Found::Pending,
            Some(digit) if digit.is_ascii_digit() => {
                groups += 1;
                at += 1;
            }
            _ => return best,
        }
    }
}

/// The digits of a number read so far.
#[derive(Default)]
struct Number {
    digits: [u8; MAX_CARD],
    length: usize,
}

impl Number {
    /// Adds an ASCII digit; false if there is no more room.
    fn push(&mut self, digit: u8) -> bool {
        let Some(place) = self.digits.get_mut(self.length) else { return false };
        *place = digit - b'0';
        self.length += 1;
        true
    }

    fn is_card(&self) -> bool {
        let digits = self.digits.get(..self.length).unwrap_or_default();
        self.length >= MIN_CARD && is_issued(digits) && passes_luhn(digits)
    }
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(*digit) << (place % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether an issuer gives out numbers that begin like this and have this length.
fn is_issued(digits: &[u8]) -> bool {
    let head = digits.iter().take(4).fold(0_u32, |value, digit| value * 10 + u32::from(*digit));
    let length = digits.len();
    match head {
        // Visa
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard
        5100..=5599 | 2221..=2720 => length == 16,
        // American Express
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners Club
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => length >= 14,
        // JCB
        3528..=3589 => length >= 16,
        // Discover, UnionPay
        6011 | 6440..=6599 | 6200..=6299 | 8100..=8171 => length >= 16,
        // Maestro
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
        _ => false,
    }
}

/// Three, two and four digits with dashes between them; with spaces or nothing between them where the words before say what they
/// are. `start` is a digit with no digit before it.
fn ssn(text: &[u8], start: usize, is_final: bool) -> Found {
    /// Digits are nines.
    const LAYOUTS: [&[u8]; 3] = [b"999-99-9999", b"999 99 9999", b"999999999"];
    let rest = text.get(start..).unwrap_or_default();
    let fits = |layout: &[u8]| {
        layout.iter().zip(rest).all(|(wanted, byte)| if *wanted == b'9' { byte.is_ascii_digit() } else { byte == wanted })
    };
    let Some(layout) = LAYOUTS.into_iter().find(|layout| fits(layout)) else { return Found::No };
    let next = rest.get(layout.len());
    if next.is_none() && !is_final {
        return Found::Pending;
    }
    let whole = rest.get(..layout.len()).unwrap_or_default();
    if whole.is_empty() || next.is_some_and(u8::is_ascii_digit) {
        return Found::No;
    }
    let is_telling = layout.contains(&b'-');
    let is_told = || Near::before(text, start).speaks_of(&[words::SSN, words::SOCIAL.and(words::SECURITY)]);
    if is_issued_ssn(whole) && (is_telling || is_told()) { Found::At(start + layout.len()) } else { Found::No }
}

/// Area, group and serial that are given out.
fn is_issued_ssn(number: &[u8]) -> bool {
    let mut digits = number.iter().filter(|byte| byte.is_ascii_digit());
    let mut part = |length: usize| digits.by_ref().take(length).fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    let (area, group, serial) = (part(3), part(2), part(4));
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

/// A country code, two check digits and the country's number of letters and digits, with an optional space after every fourth
/// character; remainder 1 modulo 97.
fn iban(text: &[u8], start: usize, is_final: bool) -> Found {
    let missing = if is_final { Found::No } else { Found::Pending };
    if before(text, start).is_some_and(|byte| Class::ALNUM.has(byte)) {
        return Found::No;
    }
    let Some(length) = text.get(start..start + 2).and_then(country_length) else { return Found::No };
    let mut characters = [0_u8; MAX_IBAN];
    let mut n_read = 0;
    let mut at = start;
    while n_read < length {
        match text.get(at) {
            None => return missing,
            Some(b' ') if n_read > 0 && n_read.is_multiple_of(4) && text.get(at - 1) != Some(&b' ') => {}
            Some(byte) if Class::ALNUM.has(*byte) && (!matches!(n_read, 2 | 3) || byte.is_ascii_digit()) => {
                if let Some(place) = characters.get_mut(n_read) {
                    *place = byte.to_ascii_uppercase();
                }
                n_read += 1;
            }
            Some(_) => return Found::No,
        }
        at += 1;
    }
    match text.get(at) {
        None if !is_final => Found::Pending,
        Some(byte) if Class::ALNUM.has(*byte) => Found::No,
        _ if passes_mod_97(characters.get(..length).unwrap_or_default()) => Found::At(at),
        _ => Found::No,
    }
}

/// ISO 7064 MOD 97-10 as ISO 13616 applies it: the first four characters go to the end, letters count from 10.
fn passes_mod_97(characters: &[u8]) -> bool {
    let (head, body) = characters.split_at(characters.len().min(4));
    let remainder = body.iter().chain(head).fold(0_u32, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    });
    remainder == 1
}

fn country_length(code: &[u8]) -> Option<usize> {
    let [first, second] = code else { return None };
    // Most numbers have no letter two bytes before their first digit.
    if !first.is_ascii_alphabetic() || !second.is_ascii_alphabetic() {
        return None;
    }
    let code = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
    COUNTRIES.iter().find(|(country, _)| *country == code).map(|(_, length)| *length)
}

/// The start of an IBAN's country code, or a country code, that the text ends with.
fn country_at_end(text: &[u8], from: usize) -> usize {
    for length in [2_usize, 1] {
        let Some(start) = text.len().checked_sub(length).filter(|start| *start >= from) else { continue };
        let code = text.get(start..).unwrap_or_default();
        // A stream asks behind every piece, and most end within a word.
        if before(text, start).is_some_and(|byte| Class::ALNUM.has(byte)) || !code.iter().all(u8::is_ascii_alphabetic) {
            continue;
        }
        let begins = |country: &[u8; 2]| country.get(..length).is_some_and(|begin| begin.eq_ignore_ascii_case(code));
        if COUNTRIES.iter().any(|(country, _)| begins(country)) {
            return start;
        }
    }
    text.len()
}

/// Country codes and lengths of the IBAN registry (ISO 13616).
static COUNTRIES: &[([u8; 2], usize)] = &[
    (*b"AD", 24),
    (*b"AE", 23),
    (*b"AL", 28),
    (*b"AT", 20),
    (*b"AZ", 28),
    (*b"BA", 20),
    (*b"BE", 16),
    (*b"BG", 22),
    (*b"BH", 22),
    (*b"BI", 27),
    (*b"BR", 29),
    (*b"BY", 28),
    (*b"CH", 21),
    (*b"CR", 22),
    (*b"CY", 28),
    (*b"CZ", 24),
    (*b"DE", 22),
    (*b"DJ", 27),
    (*b"DK", 18),
    (*b"DO", 28),
    (*b"EE", 20),
    (*b"EG", 29),
    (*b"ES", 24),
    (*b"FI", 18),
    (*b"FK", 18),
    (*b"FO", 18),
    (*b"FR", 27),
    (*b"GB", 22),
    (*b"GE", 22),
    (*b"GI", 23),
    (*b"GL", 18),
    (*b"GR", 27),
    (*b"GT", 28),
    (*b"HN", 28),
    (*b"HR", 21),
    (*b"HU", 28),
    (*b"IE", 22),
    (*b"IL", 23),
    (*b"IQ", 23),
    (*b"IS", 26),
    (*b"IT", 27),
    (*b"JO", 30),
    (*b"KW", 30),
    (*b"KZ", 20),
    (*b"LB", 28),
    (*b"LC", 32),
    (*b"LI", 21),
    (*b"LT", 20),
    (*b"LU", 20),
    (*b"LV", 21),
    (*b"LY", 25),
    (*b"MC", 27),
    (*b"MD", 24),
    (*b"ME", 22),
    (*b"MK", 19),
    (*b"MN", 20),
    (*b"MR", 27),
    (*b"MT", 31),
    (*b"MU", 30),
    (*b"NI", 28),
    (*b"NL", 18),
    (*b"NO", 15),
    (*b"OM", 23),
    (*b"PK", 24),
    (*b"PL", 28),
    (*b"PS", 29),
    (*b"PT", 25),
    (*b"QA", 29),
    (*b"RO", 24),
    (*b"RS", 22),
    (*b"RU", 33),
    (*b"SA", 24),
    (*b"SC", 31),
    (*b"SD", 18),
    (*b"SE", 24),
    (*b"SI", 19),
    (*b"SK", 24),
    (*b"SM", 27),
    (*b"SO", 23),
    (*b"ST", 25),
    (*b"SV", 28),
    (*b"TL", 23),
    (*b"TN", 24),
    (*b"TR", 26),
    (*b"UA", 29),
    (*b"VA", 22),
    (*b"VG", 24),
    (*b"XK", 20),
    (*b"YE", 30),
];
