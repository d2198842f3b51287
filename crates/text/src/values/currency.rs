//! Currencies: ISO 4217 codes (and `BTC`), symbols and English words. `$` alone is the US dollar, `¥` the yen; `kr` stays ambiguous.

use super::reader::{is_space, is_word_end};

/// `kr` is written for three currencies; the normal form names them all, so it equals none of them.
const CROWNS: &str = "DKK|NOK|SEK";

const CODES: [&str; 65] = [
    "AED", "ARS", "AUD", "BDT", "BGN", "BHD", "BRL", "BTC", "BYN", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CRC", "CZK", "DKK",
    "DOP", "DZD", "EGP", "EUR", "GBP", "GEL", "GHS", "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JOD", "JPY", "KES", "KRW", "KWD",
    "KZT", "LKR", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "OMR", "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR",
    "SEK", "SGD", "THB", "TND", "TRY", "TWD", "UAH", "USD", "UYU", "VND", "ZAR",
];

/// Codes that are also words or names: they count in capitals only.
const WORDLIKE: [&str; 8] = ["COP", "GEL", "LKR", "MAD", "PEN", "PHP", "RON", "TRY"];

/// Bytes before the first digit of an amount, at most: our own longest form, a wide space, a sign.
pub(super) const MAX_BEFORE: usize = CROWNS.len() + 8;

/// Longer ones first where one begins with another.
const SYMBOLS: [(&str, &str); 34] = [
    ("US$", "USD"),
    ("AU$", "AUD"),
    ("CA$", "CAD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("NT$", "TWD"),
    ("MX$", "MXN"),
    ("A$", "AUD"),
    ("C$", "CAD"),
    ("S$", "SGD"),
    ("R$", "BRL"),
    ("$", "USD"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("￥", "JPY"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("₽", "RUB"),
    ("₺", "TRY"),
    ("₴", "UAH"),
    ("₪", "ILS"),
    ("₫", "VND"),
    ("₦", "NGN"),
    ("₱", "PHP"),
    ("฿", "THB"),
    ("₿", "BTC"),
    ("₸", "KZT"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("kr.", CROWNS),
    ("kr", CROWNS),
    ("Ft", "HUF"),
    ("Rs", "INR"),
];

const WORDS: [(&str, &str); 27] = [
    ("dollar", "USD"),
    ("dollars", "USD"),
    ("bucks", "USD"),
    ("euro", "EUR"),
    ("euros", "EUR"),
    ("pound", "GBP"),
    ("pounds", "GBP"),
    ("quid", "GBP"),
    ("yen", "JPY"),
    ("yuan", "CNY"),
    ("renminbi", "CNY"),
    ("rmb", "CNY"),
    ("franc", "CHF"),
    ("francs", "CHF"),
    ("franken", "CHF"),
    ("rupee", "INR"),
    ("rupees", "INR"),
    ("zloty", "PLN"),
    ("zlotys", "PLN"),
    ("zlotych", "PLN"),
    ("kronor", "SEK"),
    ("kroner", "DKK|NOK"),
    ("rubles", "RUB"),
    ("roubles", "RUB"),
    ("shekels", "ILS"),
    ("bitcoin", "BTC"),
    ("bitcoins", "BTC"),
];

/// Whether a character outside ASCII, or `$`, can begin money.
pub(super) const fn is_symbol(character: char) -> bool {
    matches!(character, '$' | '€' | '£' | '¥' | '￥' | '₹' | '₩' | '₽' | '₺' | '₴' | '₪' | '₫' | '₦' | '₱' | '฿' | '₿' | '₸')
}

/// The currency that stands before an amount at the start of the text, and its length in bytes.
pub(super) fn before_amount(text: &str) -> Option<(usize, &'static str)> {
    // Most words end here: the longest form is shorter than this.
    let mut near = text.bytes().take(MAX_BEFORE);
    if text.starts_with(|first: char| first.is_ascii_digit()) || !near.any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    ambiguous(text).or_else(|| symbol(text)).or_else(|| code(text)).filter(|(length, _)| opens_amount(text.get(*length..)))
}

/// The currency that stands behind an amount, and its length in bytes. No word goes on behind it.
pub(super) fn after_amount(text: &str) -> Option<(usize, &'static str)> {
    if !text.starts_with(|first: char| first.is_alphabetic() || is_symbol(first)) {
        return None;
    }
    let found = symbol(text).or_else(|| code(text)).filter(|(length, _)| ends(text, *length));
    found.or_else(|| word(text).filter(|(length, _)| ends(text, *length)))
}

fn ends(text: &str, length: usize) -> bool {
    text.get(length..).is_some_and(is_word_end)
}

/// A digit, a sign or a parenthesis, behind one space at most.
fn opens_amount(rest: Option<&str>) -> bool {
    let rest = rest.unwrap_or_default();
    let rest = rest.strip_prefix(is_space).unwrap_or(rest);
    rest.starts_with(|next: char| next.is_ascii_digit() || matches!(next, '-' | '\u{2212}' | '('))
}

/// Our own normal forms of what has several readings.
fn ambiguous(text: &str) -> Option<(usize, &'static str)> {
    [CROWNS, "DKK|NOK"].into_iter().find(|form| text.starts_with(form)).map(|form| (form.len(), form))
}

fn symbol(text: &str) -> Option<(usize, &'static str)> {
    SYMBOLS.iter().find(|(symbol, _)| text.starts_with(symbol)).map(|(symbol, code)| (symbol.len(), *code))
}

fn code(text: &str) -> Option<(usize, &'static str)> {
    let letters = text.get(..3).filter(|letters| letters.bytes().all(|byte| byte.is_ascii_alphabetic()))?;
    let code = *CODES.iter().find(|code| code.eq_ignore_ascii_case(letters))?;
    let is_clear = letters == code || !WORDLIKE.contains(&code) && letters.bytes().all(|byte| byte.is_ascii_lowercase());
    is_clear.then_some((3, code))
}

fn word(text: &str) -> Option<(usize, &'static str)> {
    let length = text.bytes().take(10).take_while(u8::is_ascii_alphabetic).count();
    let written = text.get(..length)?;
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(written)).map(|(_, code)| (length, *code))
}

#[cfg(test)]
mod tests {
    use super::{CODES, CROWNS, after_amount, before_amount};

    #[test]
    fn before_and_behind() {
        let facts = [
            ("$5", Some("USD")),
            ("EUR 5", Some("EUR")),
            ("USD5", Some("USD")),
            ("usd 5", Some("USD")),
            ("kr 5", Some(CROWNS)),
            ("A$5", Some("AUD")),
            ("try 5", None),
            ("TRY 5", Some("TRY")),
            ("Eur 5", None),
            ("EURO", None),
            ("EUR  5", None),
        ];
        for (text, expected) in facts {
            assert_eq!(before_amount(text).map(|(_, code)| code), expected, "{text}");
        }
        let facts = [("euros.", Some("EUR")), ("€", Some("EUR")), ("zł", Some("PLN")), ("USDs", None), ("krona", None)];
        for (text, expected) in facts {
            assert_eq!(after_amount(text).map(|(_, code)| code), expected, "{text}");
        }
    }

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(CODES.is_sorted_by(|left, right| left < right));
    }
}
