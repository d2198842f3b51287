//! Amounts with a currency: `EUR 1,234.50`, `$2m`, `2 million dollars`.

use std::ops::Range;

use super::reader::{Reader, is_minus, is_space};
use super::{Found, currency, number};

/// Money, and where in it the bare number stands, when the number is the whole amount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Money {
    pub(super) found: Found,
    pub(super) number: Option<(Range<usize>, String)>,
}

/// How commas in an amount are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commas {
    /// `1,234` is one amount.
    Group,
    /// They stand between the items of a list.
    Separate,
}

/// The money that the text begins with. Parentheses mean "below zero" only behind the currency: `EUR (5.00)`.
pub(super) fn at(text: &str, commas: Commas) -> Option<Money> {
    currency_first(text, commas).or_else(|| amount_first(text, commas))
}

/// A text that is one amount, where `($5.00)` and `(5 EUR)` are below zero too.
pub(super) fn whole(text: &str) -> Option<String> {
    let inside = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let found = at(inside.unwrap_or(text), Commas::Group)?.found;
    if found.len != inside.unwrap_or(text).len() {
        return None;
    }
    if inside.is_none() {
        return Some(found.normal);
    }
    let (code, amount) = found.normal.split_once(' ')?;
    (!amount.starts_with('-')).then(|| format!("{code} {}", number::negated(amount.to_owned())))
}

fn currency_first(text: &str, commas: Commas) -> Option<Money> {
    let mut reader = Reader::new(text);
    let outer_minus = reader.eat_if(is_minus).is_some();
    let (length, code) = currency::before_amount(reader.rest())?;
    reader.skip(length);
    reader.eat_if(is_space);
    let is_parenthesised = !outer_minus && reader.eat('(');
    let inner_minus = !outer_minus && !is_parenthesised && reader.eat_if(is_minus).is_some();
    let start = reader.at();
    let amount = amount(reader.rest(), commas)?;
    reader.skip(amount.len);
    let number = start..reader.at();
    let power = scale(&mut reader);
    if is_parenthesised && !reader.eat(')') {
        return None;
    }
    let is_negative = outer_minus || inner_minus || is_parenthesised;
    reader.is_word_end().then(|| money(code, &reader, amount.normal, power, is_negative, number))?
}

fn amount_first(text: &str, commas: Commas) -> Option<Money> {
    let mut reader = Reader::new(text);
    let is_negative = reader.eat_if(is_minus).is_some();
    let start = reader.at();
    let amount = amount(reader.rest(), commas)?;
    reader.skip(amount.len);
    let number = start..reader.at();
    let power = scale(&mut reader);
    reader.eat_if(is_space);
    let (length, code) = currency::after_amount(reader.rest())?;
    reader.skip(length);
    money(code, &reader, amount.normal, power, is_negative, number)
}

fn amount(text: &str, commas: Commas) -> Option<Found> {
    match commas {
        Commas::Group => number::amount(text, number::Spaces::Group),
        Commas::Separate => number::plain(text),
    }
}

/// Puts the parts together.
fn money(
    code: &str,
    reader: &Reader<'_>,
    amount: String,
    power: usize,
    is_negative: bool,
    number: Range<usize>,
) -> Option<Money> {
    let shifted = if power == 0 { amount.clone() } else { number::shifted(&amount, power)? };
    let signed = if is_negative { number::negated(shifted) } else { shifted };
    let found = Found { len: reader.at(), normal: format!("{code} {signed}") };
    Some(Money { found, number: (power == 0).then_some((number, amount)) })
}

/// The power of ten that `k`, `m`, `bn` right behind the amount, or a word behind a space, stands for; 0 when there is none.
fn scale(reader: &mut Reader<'_>) -> usize {
    let mut ahead = *reader;
    let is_apart = ahead.eat_if(is_space).is_some();
    let power = match ahead.letters(9) {
        "k" | "K" if !is_apart => 3,
        "m" | "M" | "mn" if !is_apart => 6,
        "b" | "B" if !is_apart => 9,
        "bn" => 9,
        "mln" | "mio" | "Mio" => 6,
        "mrd" | "Mrd" => 9,
        word if word.eq_ignore_ascii_case("thousand") => 3,
        word if word.eq_ignore_ascii_case("million") => 6,
        word if word.eq_ignore_ascii_case("billion") => 9,
        word if word.eq_ignore_ascii_case("trillion") => 12,
        _ => return 0,
    };
    if !ahead.is_word_end() {
        return 0;
    }
    *reader = ahead;
    power
}

#[cfg(test)]
mod tests {
    use super::{Commas, at, whole};

    #[test]
    fn whole_texts() {
        let facts = [
            ("EUR 1,234.50", Some("EUR 1234.5")),
            ("1.234,50 €", Some("EUR 1234.5")),
            ("5 euros", Some("EUR 5")),
            ("$5", Some("USD 5")),
            ("5 USD", Some("USD 5")),
            ("USD5", Some("USD 5")),
            ("5USD", Some("USD 5")),
            ("€1.5k", Some("EUR 1500")),
            ("1.5k EUR", Some("EUR 1500")),
            ("$2m", Some("USD 2000000")),
            ("2 million dollars", Some("USD 2000000")),
            ("$2.5 billion", Some("USD 2500000000")),
            ("-$5", Some("USD -5")),
            ("$-5", Some("USD -5")),
            ("\u{2212}5 USD", Some("USD -5")),
            ("EUR (5.00)", Some("EUR -5")),
            ("($5.00)", Some("USD -5")),
            ("(5.00 EUR)", Some("EUR -5")),
            ("($0)", Some("USD 0")),
            ("50 kr", Some("DKK|NOK|SEK 50")),
            ("DKK|NOK|SEK 50", Some("DKK|NOK|SEK 50")),
            ("12 zł", Some("PLN 12")),
            ("CHF 1'000.00", Some("CHF 1000")),
            ("R$ 5", Some("BRL 5")),
            ("1 234 EUR", Some("EUR 1234")),
            ("1.5k", None),
            ("(-$5)", None),
            ("-$-5", None),
            ("$5x", None),
            ("$", None),
            ("5", None),
            ("EUR", None),
            ("$5 kg", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_number_inside_is_known_when_it_is_the_amount() {
        let money = at("USD 1,200 each", Commas::Group).unwrap();
        assert_eq!(money.number, Some((4..9, "1200".to_owned())));
        assert_eq!(at("$2m", Commas::Group).unwrap().number, None);
        assert_eq!(at("$5 m", Commas::Group).unwrap().found.len, 2);
        assert_eq!(at("2,3 EUR", Commas::Separate), None);
    }
}
