//! Finds the values of a text in two passes.
//!
//! Addresses have a sign inside that gives them away (`://`, `@`) and hold characters that end other values, so they are found
//! first. What lies between them is read once from left to right: at each start of a word the kinds are tried, clearest first.

use std::cmp::Reverse;
use std::ops::Range;

use memchr::{memchr, memchr2_iter};

use super::money::{Commas, Money};
use super::number::{self, Spaces};
use super::reader::{is_minus, is_word};
use super::{Found, MAX_VALUES, Value, ValueKind, card, currency, date, email, host, iban, id, money, phone, url};

/// How many addresses are given inside one address: enough for a chain of redirects, and a bound on the work.
const MAX_INNER: usize = 4;

/// Longer tokens are not looked at ahead of need, so that no byte is looked at more often than this.
const MAX_PLAIN: usize = 64;

pub(super) fn scan(text: &str) -> Vec<Value> {
    let mut bag = Bag::default();
    let islands = addresses(text, &mut bag);
    let mut start = 0;
    for island in &islands {
        Scanner::new(text, start..island.start, &mut bag).run();
        start = island.end;
    }
    Scanner::new(text, start..text.len(), &mut bag).run();
    bag.values.sort_by_key(|value| (value.span.start, Reverse(value.span.end)));
    bag.values
}

/// The values found so far.
#[derive(Debug, Default)]
struct Bag {
    values: Vec<Value>,
    n_weak: usize,
}

impl Bag {
    fn push(&mut self, kind: ValueKind, span: Range<usize>, normal: String) {
        let is_weak = matches!(kind, ValueKind::Number | ValueKind::Id);
        if self.values.len() >= MAX_VALUES || (is_weak && self.n_weak >= MAX_VALUES / 2) {
            return;
        }
        self.n_weak += usize::from(is_weak);
        self.values.push(Value { kind, span, normal });
    }
}

/// Web and e-mail addresses; returns where the outer ones stand, in order.
fn addresses(text: &str, bag: &mut Bag) -> Vec<Range<usize>> {
    let mut islands: Vec<Range<usize>> = Vec::new();
    for sign in memchr2_iter(b':', b'@', text.as_bytes()) {
        let from = islands.last().map_or(0, |island| island.end);
        if sign < from {
            continue;
        }
        let island = if text.as_bytes().get(sign) == Some(&b'@') {
            email::around(text, sign)
                .filter(|(range, _)| range.start >= from)
                .map(|(range, normal)| push_email(range, normal, text, bag))
        } else {
            web_address(text, sign).filter(|address| address.range.start >= from).map(|address| push_url(address, text, bag))
        };
        islands.extend(island);
    }
    islands
}

/// The address whose scheme ends at the colon; cheap where the colon is just a colon.
fn web_address(text: &str, colon: usize) -> Option<url::Address> {
    let is_web = text.get(colon..).is_some_and(|rest| rest.starts_with("://"));
    let is_mail = text.get(..colon).is_some_and(|before| before.ends_with(['o', 'O']));
    if is_web || is_mail { url::around(text, colon) } else { None }
}

fn push_email(range: Range<usize>, normal: String, text: &str, bag: &mut Bag) -> Range<usize> {
    let sign = text.get(range.clone()).and_then(|address| memchr(b'@', address.as_bytes())).unwrap_or(0);
    let domain = range.start + sign + 1..range.end;
    if let Some((_, name)) = normal.split_once('@') {
        bag.push(ValueKind::Host, domain, name.to_owned());
    }
    bag.push(ValueKind::Email, range.clone(), normal);
    range
}

/// Takes in an address with what lies inside: its host, and addresses behind the host.
fn push_url(address: url::Address, text: &str, bag: &mut Bag) -> Range<usize> {
    let outer = address.range.clone();
    let inside = address.host.end.max(outer.start)..outer.end;
    push_host(&address.host, text, bag);
    bag.push(ValueKind::Url, address.range, address.normal);
    let Some(rest) = text.get(inside.clone()) else { return outer };
    let (mut n_urls, mut n_emails, mut from) = (0, 0, 0);
    for sign in memchr2_iter(b':', b'@', rest.as_bytes()).filter(|sign| *sign > 0) {
        let is_mail = rest.as_bytes().get(sign) == Some(&b'@');
        if is_mail && sign >= from && n_emails < MAX_INNER {
            let Some((range, normal)) = email::around(rest, sign).filter(|(range, _)| range.start >= from) else { continue };
            n_emails += 1;
            from = range.end;
            push_email(shifted(&range, inside.start), normal, text, bag);
        } else if !is_mail && n_urls < MAX_INNER {
            let Some(found) = inner_address(rest, sign) else { continue };
            n_urls += 1;
            from = from.max(found.host.end);
            push_host(&shifted(&found.host, inside.start), text, bag);
            bag.push(ValueKind::Url, shifted(&found.range, inside.start), found.normal);
        }
    }
    outer
}

/// The address behind an outer one's host; as the value of a parameter it ends with the parameter.
fn inner_address(rest: &str, colon: usize) -> Option<url::Address> {
    let long = web_address(rest, colon)?;
    let written = rest.get(long.range.clone())?;
    match memchr(b'&', written.as_bytes()) {
        Some(length) => web_address(rest.get(..long.range.start + length)?, colon),
        None => Some(long),
    }
}

fn push_host(span: &Range<usize>, text: &str, bag: &mut Bag) {
    let normal = text.get(span.clone()).and_then(host::whole);
    if let Some(normal) = normal {
        bag.push(ValueKind::Host, span.clone(), normal);
    }
}

const fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// Reads one stretch between addresses.
struct Scanner<'a, 'b> {
    text: &'a str,
    /// Where the stretch begins in the whole text.
    base: usize,
    bag: &'b mut Bag,
    /// An identifier that is taken in when no clearer value reaches out of it.
    pending: Option<Found>,
    pending_start: usize,
    /// Up to where commas separate, because they did not group.
    plain_until: usize,
    /// Up to where a token has been read and judged: it is not read again from its middle.
    token_until: usize,
    host_until: usize,
}

impl<'a, 'b> Scanner<'a, 'b> {
    fn new(text: &'a str, stretch: Range<usize>, bag: &'b mut Bag) -> Self {
        let base = stretch.start;
        let text = text.get(stretch).unwrap_or_default();
        Self { text, base, bag, pending: None, pending_start: 0, plain_until: 0, token_until: 0, host_until: 0 }
    }

    fn run(mut self) {
        let mut at = 0;
        while let Some((start, first)) = self.next_start(at) {
            self.settle(start);
            at = self.value(start, first).unwrap_or(start + first.len_utf8());
        }
        self.settle(self.text.len());
    }

    /// The next place where a value may begin: no word reaches into it, and its character begins some kind.
    fn next_start(&self, from: usize) -> Option<(usize, char)> {
        let mut at = from;
        loop {
            let rest = self.text.as_bytes().get(at..)?;
            at += rest.iter().position(|byte| is_start_byte(*byte))?;
            let first = self.text.get(at..).and_then(|rest| rest.chars().next());
            match first {
                Some(first) if is_start(first) && self.is_open(at) => return Some((at, first)),
                Some(first) if first.is_ascii_alphanumeric() => at += self.word_length(at),
                Some(first) => at += first.len_utf8(),
                None => at += 1,
            }
        }
    }

    fn word_length(&self, at: usize) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len())
    }

    /// Whether no word reaches up to `at`. Inside an identifier `_` is a separator like others.
    fn is_open(&self, at: usize) -> bool {
        self.before(at).is_none_or(|before| !is_word(before) || (before == '_' && self.is_pending(at)))
    }

    fn before(&self, at: usize) -> Option<char> {
        self.text.get(..at)?.chars().next_back()
    }

    fn is_pending(&self, at: usize) -> bool {
        self.pending.as_ref().is_some_and(|pending| at < self.pending_start + pending.len)
    }

    /// Takes in the pending identifier when reading has come to its end.
    fn settle(&mut self, at: usize) {
        if self.is_pending(at) {
            return;
        }
        if let Some(pending) = self.pending.take() {
            let start = self.base + self.pending_start;
            self.bag.push(ValueKind::Id, start..start + pending.len, pending.normal);
        }
    }

    /// Takes in the value at `at`; returns where to read on.
    fn value(&mut self, at: usize, first: char) -> Option<usize> {
        let rest = self.text.get(at..)?;
        if self.is_pending(at) {
            return self.inner_value(at, first, rest);
        }
        if first.is_ascii_alphabetic() && at >= self.token_until {
            let token = id::run(rest, MAX_PLAIN);
            if token < MAX_PLAIN && is_plain_word(rest, token) {
                return Some(at + token);
            }
        }
        let clear = self.clear_value(at, first, rest);
        if clear.is_some() || !(first.is_ascii_alphanumeric() || is_minus(first)) {
            return clear;
        }
        if first.is_ascii_alphanumeric() && at >= self.token_until {
            let token = id::run(rest, usize::MAX);
            self.token_until = at + token;
            let token = id::trimmed(rest.get(..token)?);
            if let Some(normal) = id::is_found(token).then(|| id::whole(token)).flatten() {
                self.pending = Some(Found { len: token.len(), normal });
                self.pending_start = at;
                return None;
            }
        }
        self.number(at, rest)
    }

    /// A value inside a pending identifier. Cards and accounts may stand behind any separator, for they have check digits;
    /// others behind `:`, `/` and `#`, bare numbers behind `:`.
    fn inner_value(&mut self, at: usize, first: char, rest: &str) -> Option<usize> {
        match self.before(at)? {
            ':' => self.clear_value(at, first, rest).or_else(|| self.number(at, rest)),
            '/' | '#' => self.clear_value(at, first, rest),
            _ => self.checked_value(at, first, rest),
        }
    }

    fn checked_value(&mut self, at: usize, first: char, rest: &str) -> Option<usize> {
        match first {
            '0'..='9' => self.take(ValueKind::Card, at, card::at(rest)),
            'A'..='Z' | 'a'..='z' => self.take(ValueKind::Iban, at, iban::at(rest)),
            _ => None,
        }
    }

    /// Every kind but identifiers and numbers. What has check digits or a fixed form goes before host names, whose last label
    /// may be the first word of the next sentence.
    fn clear_value(&mut self, at: usize, first: char, rest: &str) -> Option<usize> {
        match first {
            '0'..='9' | 'A'..='Z' | 'a'..='z' => self
                .address6(at, rest)
                .or_else(|| self.checked_value(at, first, rest))
                .or_else(|| self.take(ValueKind::Date, at, date::at(rest)))
                .or_else(|| self.host(at, rest))
                .or_else(|| self.take(ValueKind::Phone, at, phone::at(rest)))
                .or_else(|| self.money(at, rest)),
            '+' => self.take(ValueKind::Phone, at, phone::at(rest)),
            ':' => self.address6(at, rest),
            _ => self.money(at, rest),
        }
    }

    fn take(&mut self, kind: ValueKind, at: usize, found: Option<Found>) -> Option<usize> {
        let Found { len, normal } = found?;
        // It reaches out of the identifier: then that is none.
        if self.pending.as_ref().is_some_and(|pending| at + len > self.pending_start + pending.len) {
            self.pending = None;
        }
        let start = self.base + at;
        self.bag.push(kind, start..start + len, normal);
        Some(at + len)
    }

    fn money(&mut self, at: usize, rest: &str) -> Option<usize> {
        let commas = if at < self.plain_until { Commas::Separate } else { Commas::Group };
        let Money { found, number } = money::at(rest, commas)?;
        if let Some((range, normal)) = number {
            let start = self.base + at;
            self.bag.push(ValueKind::Number, start + range.start..start + range.end, normal);
        }
        self.take(ValueKind::Money, at, Some(found))
    }

    /// An IPv6 address, not from the middle of something with colons.
    fn address6(&mut self, at: usize, rest: &str) -> Option<usize> {
        let is_middle = self.before(at) == Some(':');
        self.take(ValueKind::Host, at, if is_middle { None } else { host::v6_at(rest) })
    }

    fn host(&mut self, at: usize, rest: &str) -> Option<usize> {
        if at < self.host_until {
            return None;
        }
        let run = rest.get(..host::run(rest))?;
        self.host_until = at + run.len();
        self.take(ValueKind::Host, at, host::in_run(run))
    }

    fn number(&mut self, at: usize, rest: &str) -> Option<usize> {
        // `.5` and `5.-3`: half of something that is no number here.
        let is_tail = self.before(at) == Some('.') && at > self.plain_until;
        if is_tail || !rest.starts_with(|first: char| first.is_ascii_digit() || is_minus(first)) {
            return None;
        }
        let mut found = None;
        if at >= self.plain_until {
            found = number::at(rest, Spaces::GroupDecimals);
            if found.is_none() {
                self.plain_until = at + number::extent(rest);
            }
        }
        self.take(ValueKind::Number, at, found.or_else(|| number::plain_at(rest)))
    }
}

/// Whether no value can begin with this token, as with most words: no digit in it or near behind it, no dot or colon inside.
fn is_plain_word(rest: &str, token: usize) -> bool {
    let bytes = rest.as_bytes();
    let near = bytes.get(..token.max(currency::MAX_BEFORE)).unwrap_or(bytes);
    let token = id::trimmed(rest.get(..token).unwrap_or_default());
    !near.iter().any(u8::is_ascii_digit) && !token.bytes().any(|byte| matches!(byte, b'.' | b':'))
}

/// Bytes that begin a value, or a character that may.
const fn is_start_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'$' | b':') || byte >= 0xc2
}

fn is_start(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | ':') || is_minus(character) || currency::is_symbol(character)
}
