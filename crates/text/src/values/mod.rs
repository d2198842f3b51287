//! Values: pieces of text that mean one thing however they are written, and their normal forms.
//!
//! `1,234.50`, `1.234,50` and `1 234,5` are one [`ValueKind::Number`]; `3 Feb 2026` and `2026-02-03` one [`ValueKind::Date`].
//! [`normal_form`] reads a whole text as one value, so that two sources can be compared; [`values()`] finds those in running text.
//!
//! Time is linear in the input, memory too: at most [`MAX_VALUES`] values, each normal form at most three times as long as what
//! it was read from.
//!
//! What this module does not do: it undoes no disguise (see the normaliser), resolves no name, knows no clock and no locale.

mod card;
mod currency;
mod date;
mod email;
mod host;
mod iban;
mod id;
mod money;
mod number;
mod path;
mod phone;
mod reader;
mod scan;
#[cfg(test)]
mod tests;
mod url;

use std::ops::Range;

/// How many values [`values()`] returns at most. Numbers and identifiers take at most half of them, so that a flood of digits
/// cannot crowd out an account number; a caller that gets more than that half should treat the text as not fully read.
pub const MAX_VALUES: usize = 65_536;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueKind {
    /// An exact decimal of at most 40 digits: `-`, digits without leading zeros, `.` and decimals without trailing zeros.
    ///
    /// Groups of three may be set apart by commas, points, apostrophes and spaces. `1,234` has two readings and counts as 1234;
    /// `1.234` is a decimal. Plain spaces group in a whole text; in running text only before decimals or a currency.
    Number,
    /// A currency (ISO 4217) and a [`ValueKind::Number`]: `EUR 1234.5`. `$` is `USD`, `¥` is `JPY`, `kr` is `DKK|NOK|SEK`.
    ///
    /// A number with `k`, `m` or `million` but no currency is no value. Parentheses mean "below zero" behind a currency,
    /// `EUR (5)`; around both, `(5 EUR)`, only in a whole text: in a sentence they are just parentheses.
    Money,
    /// `2026-02-03`, with a time `2026-02-03T10:00:00`, and with `Z` and moved to UTC when a zone is written.
    ///
    /// `03.02.2026` has the day first. `02/03/2026` has two readings, both given in order: `2026-02-03|2026-03-02`.
    Date,
    /// The local part as it is, the domain in lower case.
    Email,
    /// E.164, `+` and 7 to 15 digits; 7 to 15 bare digits for a national number, which only [`normal_form`] reads.
    Phone,
    /// An address with a scheme, as RFC 3986 section 6.2 has it; hosts as browsers read them, query and fragment untouched.
    ///
    /// [`values()`] finds `http`, `https`, `ftp`, `ws`, `wss` and `mailto`; [`normal_form`] reads any scheme with `//`.
    Url,
    /// A domain name with a top-level domain of letters or `xn--`, or an IP address in canonical form, all lower-case.
    ///
    /// Names with letters outside ASCII are read by [`normal_form`] and inside a URL, not in running text.
    Host,
    /// An international bank account number, compact, in capitals, of the length of its country and with a right check.
    Iban,
    /// A payment card number: 12 to 19 digits, of a known issuer, with a right check digit.
    Card,
    /// An identifier of 4 to 128 letters, digits and `-_:./#`, at least one of them a digit; ASCII letters in lower case.
    ///
    /// What is a value of another kind is none. Digits with one separator, `12345-678`, are one for [`normal_form`] only.
    Id,
}

/// A value in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// The bytes that it was read from, on character boundaries.
    pub span: Range<usize>,
    /// What [`normal_form`] gives for it.
    pub normal: String,
}

/// Every value in a text, sorted by start, longer ones first.
///
/// Spans overlap only when one lies inside the other: the host in an address, the number in an amount of money, the date in an
/// identifier, up to four addresses in an address. At most [`MAX_VALUES`]; those found first are kept.
#[must_use]
pub fn values(text: &str) -> Vec<Value> {
    scan::scan(text)
}

/// The normal form of a text that is, but for white space around it, one value of the kind.
///
/// The normal form of a normal form is itself.
#[must_use]
pub fn normal_form(kind: ValueKind, text: &str) -> Option<String> {
    let text = text.trim();
    let is_whole = |found: &Found| found.len == text.len();
    match kind {
        ValueKind::Number => number::at(text, number::Spaces::Group).filter(is_whole).map(|found| found.normal),
        ValueKind::Money => money::whole(text),
        ValueKind::Date => date::whole(text),
        ValueKind::Email => email::whole(text),
        ValueKind::Phone => phone::whole(text),
        ValueKind::Url => url::whole(text),
        ValueKind::Host => host::whole(text),
        ValueKind::Iban => iban::at(text).filter(is_whole).map(|found| found.normal),
        ValueKind::Card => card::at(text).filter(is_whole).map(|found| found.normal),
        ValueKind::Id => id::whole(text),
    }
}

/// A value at the start of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Bytes.
    len: usize,
    normal: String,
}
