//! Payment card numbers: known issuers, right length, right check digit.

use super::Found;
use super::reader::Reader;

const MAX_DIGITS: usize = 19;

/// The card number that the text begins with: the longest one that ends with a group of digits.
pub(super) fn at(text: &str) -> Option<Found> {
    let mut digits = String::with_capacity(MAX_DIGITS);
    let mut ends = [None; 6];
    let mut reader = Reader::new(text);
    let mut separator = None;
    for end in &mut ends {
        let group = reader.digits(MAX_DIGITS + 1);
        if digits.len() + group.len() > MAX_DIGITS || !is_group(group.len(), &digits, separator) {
            break;
        }
        digits.push_str(group);
        *end = Some((digits.len(), reader));
        let next = reader.eat_if(|next| matches!(next, ' ' | '-' | '\u{a0}'));
        if next.is_none() || separator.is_some_and(|known| Some(known) != next) {
            break;
        }
        separator = next;
    }
    ends.iter().rev().flatten().find_map(|(n_digits, end)| {
        let number = digits.get(..*n_digits)?;
        let has_decimals = end.rest().strip_prefix('.').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
        let is_end = end.is_word_end() && !end.is_joined(&['-']) && !has_decimals;
        (is_end && is_card(number)).then(|| Found { len: end.at(), normal: number.to_owned() })
    })
}

/// One block, or a first group of four and then groups of three to six.
const fn is_group(length: usize, before: &str, separator: Option<char>) -> bool {
    match (before.len(), separator) {
        (0, _) => length == 4 || (length >= 12 && length <= MAX_DIGITS),
        (4.., Some(_)) => length >= 3 && length <= 6,
        _ => false,
    }
}

fn is_card(digits: &str) -> bool {
    has_issuer(digits) && has_check_digit(digits)
}

/// The Luhn check.
fn has_check_digit(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, factor)| u32::from(digit.wrapping_sub(b'0')) * factor)
        .map(|product| product / 10 + product % 10)
        .sum();
    sum.is_multiple_of(10)
}

/// Whether the first digits belong to a known scheme, and the length to it.
fn has_issuer(digits: &str) -> bool {
    let Some(prefix) = digits.get(..6).and_then(|prefix| prefix.parse::<u32>().ok()) else { return false };
    let length = digits.len();
    match prefix {
        // Visa
        400_000..=499_999 => matches!(length, 13 | 16 | 19),
        // Mastercard
        510_000..=559_999 | 222_100..=272_099 => length == 16,
        // American Express
        340_000..=349_999 | 370_000..=379_999 => length == 15,
        // JCB
        352_800..=358_999 => (16..=19).contains(&length),
        // Diners Club
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => (14..=19).contains(&length),
        // Discover and UnionPay
        601_100..=601_199 | 644_000..=659_999 | 620_000..=629_999 | 810_000..=817_199 => (16..=19).contains(&length),
        // Maestro
        500_000..=509_999 | 560_000..=589_999 | 600_000..=699_999 => (12..=19).contains(&length),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn test_numbers_of_the_schemes() {
        let facts = [
            "4111111111111111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "6200000000000005",
            "6759649826438453",
        ];
        for digits in facts {
            assert_eq!(at(digits).map(|found| found.normal).as_deref(), Some(digits), "{digits}");
        }
    }

    #[test]
    fn groups_and_ends() {
        let facts = [
            ("4111 1111 1111 1111", Some(19)),
            ("4111-1111-1111-1111", Some(19)),
            ("4111 1111 1111 1111 123", Some(19)),
            ("4111 1111 1111 1111 12/28", Some(19)),
            ("3782 822463 10005", Some(17)),
            ("4111-1111 1111-1111", None),
            ("4111 11 11 1111 1111", None),
            ("41 11111111111111", None),
            ("4111111111111112", None),
            ("1111111111111117", None),
            ("4111111111111111.5", None),
            ("4111111111111111.Then", Some(16)),
            ("4111-1111-1111-1111-ABCD", None),
            ("41111111111111111111111", None),
            ("411111111111111", None),
        ];
        for (text, expected) in facts {
            assert_eq!(at(text).map(|found| found.len), expected, "{text}");
        }
    }
}
