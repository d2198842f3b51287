//! Exact decimal numbers, with and without grouping.

use super::Found;
use super::reader::{Reader, is_minus};

/// More digits than this are an identifier or noise, not a number.
pub(super) const MAX_DIGITS: usize = 40;

/// Where plain spaces may group digits: `1 234` in running text is as often two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spaces {
    /// The text is known to be one number, or money.
    Group,
    /// Running text: only where a decimal part follows, as in `1 234,5`.
    GroupDecimals,
}

/// The number, with its sign, that the text begins with. It ends where no word goes on.
pub(super) fn at(text: &str, spaces: Spaces) -> Option<Found> {
    signed(text, |rest| amount(rest, spaces))
}

/// As [`at`], but commas separate and do not group.
pub(super) fn plain_at(text: &str) -> Option<Found> {
    signed(text, plain)
}

fn signed(text: &str, read: impl FnOnce(&str) -> Option<Found>) -> Option<Found> {
    let mut reader = Reader::new(text);
    let is_negative = reader.eat_if(is_minus).is_some();
    let unsigned = read(reader.rest())?;
    reader.skip(unsigned.len);
    let normal = if is_negative { negated(unsigned.normal) } else { unsigned.normal };
    reader.is_word_end().then_some(Found { len: reader.at(), normal })
}

/// The digits with grouping and decimals that the text begins with, whatever follows.
pub(super) fn amount(text: &str, spaces: Spaces) -> Option<Found> {
    let spaced = lex(text, true).and_then(|lexed| {
        let is_clear = spaces == Spaces::Group || !lexed.has_plain_space() || lexed.decimals().is_some();
        if is_clear { lexed.found() } else { None }
    });
    spaced.or_else(|| lex(text, false)?.found())
}

/// Digits and at most one `.` with decimals, whatever follows.
pub(super) fn plain(text: &str) -> Option<Found> {
    let mut reader = Reader::new(text);
    let whole = reader.digits(MAX_DIGITS + 1);
    let mark = reader;
    let mut decimals = if reader.eat('.') { reader.digits(MAX_DIGITS + 1) } else { "" };
    if decimals.is_empty() || reader.is_joined(&['.']) {
        (reader, decimals) = (mark, "");
    }
    let is_number = !whole.is_empty() && whole.len() + decimals.len() <= MAX_DIGITS;
    is_number.then(|| Found { len: reader.at(), normal: written(whole.as_bytes(), decimals) })
}

/// How far digits and their separators go, for at most [`MAX_DIGITS`] digits and one group.
pub(super) fn extent(text: &str) -> usize {
    let mut reader = Reader::new(text);
    reader.eat_if(is_minus);
    let mut n_digits = 0;
    while n_digits <= MAX_DIGITS {
        let group = reader.digits(MAX_DIGITS + 1);
        n_digits += group.len();
        let mark = reader;
        if group.is_empty() || reader.eat_if(|next| matches!(next, ',' | '.')).is_none() {
            return mark.at();
        }
    }
    reader.at()
}

/// The groups of digits of one candidate, each with the separator before it.
struct Lexed<'a> {
    groups: Vec<(Option<char>, &'a str)>,
    len: usize,
}

/// `None` when there is no digit or too many.
fn lex(text: &str, with_plain_space: bool) -> Option<Lexed<'_>> {
    let mut reader = Reader::new(text);
    let mut group = reader.digits(MAX_DIGITS + 1);
    if group.is_empty() {
        return None;
    }
    let (mut groups, mut n_digits) = (vec![(None, group)], group.len());
    while n_digits <= MAX_DIGITS {
        let mark = reader;
        let Some(separator) = reader.eat_if(|next| is_separator(next, with_plain_space)) else { break };
        group = reader.digits(MAX_DIGITS + 1);
        let only_groups = !matches!(separator, ',' | '.');
        if group.is_empty() || (only_groups && group.len() != 3) {
            reader = mark;
            break;
        }
        n_digits += group.len();
        groups.push((Some(separator), group));
    }
    (n_digits <= MAX_DIGITS).then(|| Lexed { groups, len: reader.at() })
}

const fn is_separator(character: char, with_plain_space: bool) -> bool {
    match character {
        ',' | '.' | '\'' | '\u{2019}' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' => true,
        ' ' => with_plain_space,
        _ => false,
    }
}

impl<'a> Lexed<'a> {
    fn has_plain_space(&self) -> bool {
        self.groups.iter().any(|(separator, _)| *separator == Some(' '))
    }

    /// The last group, when it is the decimal part.
    fn decimals(&self) -> Option<&'a str> {
        let [.., (_, before), (Some(point @ ('.' | ',')), last)] = self.groups.as_slice() else { return None };
        if self.groups.iter().filter(|(separator, _)| *separator == Some(*point)).count() > 1 {
            return None;
        }
        // `1,234` counts as a thousand and more; `1.234` does not, or a number's own normal form would change its value.
        let looks_grouped = *point == ',' && self.groups.len() == 2 && last.len() == 3 && is_first_group(before, 3);
        (!looks_grouped).then_some(*last)
    }

    fn found(&self) -> Option<Found> {
        let decimals = self.decimals();
        let n_whole = self.groups.len() - usize::from(decimals.is_some());
        let whole = self.groups.get(..n_whole)?;
        if !is_grouped(whole) {
            return None;
        }
        let digits: Vec<u8> = whole.iter().flat_map(|(_, group)| group.bytes()).collect();
        Some(Found { len: self.len, normal: written(&digits, decimals.unwrap_or_default()) })
    }
}

fn is_first_group(group: &str, max: usize) -> bool {
    group.len() <= max && !group.starts_with('0')
}

/// One group; groups of three behind one kind of separator; or the Indian way, `12,34,567`.
fn is_grouped(groups: &[(Option<char>, &str)]) -> bool {
    let Some(((_, first), others)) = groups.split_first() else { return false };
    let Some(((separator, last), middle)) = others.split_last() else { return true };
    let is_uniform = others.iter().all(|(other, _)| other == separator);
    let has_middle = |size: usize| middle.iter().all(|(_, group)| group.len() == size);
    let is_western = is_first_group(first, 3) && has_middle(3);
    let is_indian = *separator == Some(',') && !middle.is_empty() && is_first_group(first, 2) && has_middle(2);
    is_uniform && last.len() == 3 && (is_western || is_indian)
}

/// The normal form of digits and decimals.
fn written(whole: &[u8], decimals: &str) -> String {
    let mut normal: String = whole.iter().map(|digit| char::from(*digit)).skip_while(|digit| *digit == '0').collect();
    if normal.is_empty() {
        normal.push('0');
    }
    let decimals = decimals.trim_end_matches('0');
    if !decimals.is_empty() {
        normal.push('.');
        normal.push_str(decimals);
    }
    normal
}

/// The normal form of the number below zero.
pub(super) fn negated(normal: String) -> String {
    if normal == "0" { normal } else { format!("-{normal}") }
}

/// The normal form, times ten to the power of `power`. `None` when it would have too many digits.
pub(super) fn shifted(normal: &str, power: usize) -> Option<String> {
    let (whole, decimals) = normal.split_once('.').unwrap_or((normal, ""));
    let moved = decimals.get(..power.min(decimals.len()))?;
    let zeros = "0".repeat(power.saturating_sub(decimals.len()));
    let digits = format!("{whole}{moved}{zeros}");
    let decimals = decimals.get(moved.len()..)?;
    (digits.len() + decimals.len() <= MAX_DIGITS).then(|| written(digits.as_bytes(), decimals))
}

#[cfg(test)]
mod tests {
    use super::{Spaces, at, extent, plain, shifted};

    #[test]
    fn whole_texts() {
        let facts = [
            ("0", Some("0")),
            ("-0.00", Some("0")),
            ("007", Some("7")),
            ("1,234.50", Some("1234.5")),
            ("1.234,50", Some("1234.5")),
            ("1 234,5", Some("1234.5")),
            ("1 234", Some("1234")),
            ("1\u{202f}234\u{202f}567,8", Some("1234567.8")),
            ("1'234'567.80", Some("1234567.8")),
            ("1\u{2019}234", Some("1234")),
            ("1,234", Some("1234")),
            ("0,123", Some("0.123")),
            ("1234,567", Some("1234.567")),
            ("1.234", Some("1.234")),
            ("1.234.567", Some("1234567")),
            ("1,5", Some("1.5")),
            ("12,34,567.8", Some("1234567.8")),
            ("\u{2212}5", Some("-5")),
            ("1,2,3", None),
            ("1.2.3", None),
            ("1,23,4.5", None),
            ("1,234.567,8", None),
            ("1e3", None),
            ("5%", None),
            (".5", None),
            ("--5", None),
            ("", None),
        ];
        for (text, expected) in facts {
            let found = at(text, Spaces::Group).filter(|found| found.len == text.len());
            assert_eq!(found.map(|found| found.normal).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn running_text_ends_a_number() {
        let facts = [
            ("5. Next", Some((1, "5"))),
            ("1 234 people", Some((1, "1"))),
            ("1 234,5 people", Some((7, "1234.5"))),
            ("12, 13", Some((2, "12"))),
            ("5% of", Some((1, "5"))),
            ("5kg", None),
        ];
        for (text, expected) in facts {
            let found = at(text, Spaces::GroupDecimals);
            assert_eq!(found.as_ref().map(|found| (found.len, found.normal.as_str())), expected, "{text}");
        }
    }

    #[test]
    fn digits_are_bounded() {
        assert!(at(&"7".repeat(40), Spaces::Group).is_some());
        assert!(at(&"7".repeat(41), Spaces::Group).is_none());
        assert!(extent(&"1,".repeat(1000)) < 100);
        assert_eq!(plain("1,2").map(|found| found.len), Some(1));
        assert_eq!(plain("1.2.3").map(|found| found.len), Some(1));
    }

    #[test]
    fn powers_of_ten_move_the_point() {
        let facts = [("1.5", 3, "1500"), ("0.0005", 3, "0.5"), ("2", 6, "2000000"), ("1.2345", 3, "1234.5"), ("0", 3, "0")];
        for (normal, power, expected) in facts {
            assert_eq!(shifted(normal, power).as_deref(), Some(expected), "{normal}");
        }
        assert_eq!(shifted(&"9".repeat(38), 3), None);
    }
}
