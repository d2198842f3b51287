//! Numbers of identity, tax, insurance and health, with their check digits; dates and telephone numbers.

#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

use crate::common::texts::Random;

const DIGITS: &str = "0123456789";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn digits(random: &mut Random, length: usize) -> String {
    random.string(DIGITS, length)
}

fn values(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.chars().map(|digit| digit.to_digit(36).unwrap())
}

fn weighted(text: &str, weights: &[u32]) -> u32 {
    values(text).zip(weights).map(|(digit, weight)| digit * weight).sum()
}

fn modulo(text: &str, modulus: u64) -> u64 {
    text.parse::<u64>().unwrap() % modulus
}

/// The digit that makes a number pass the check of ISO/IEC 7812.
fn luhn(body: &str) -> u32 {
    let doubled = |(place, digit): (usize, u32)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit };
    let sum: u32 = values(body).collect::<Vec<_>>().into_iter().rev().enumerate().map(doubled).sum();
    (10 - sum % 10) % 10
}

/// A day as `(year, month, day)`, between 1940 and 2009.
fn day(random: &mut Random) -> (usize, usize, usize) {
    (1940 + random.below(70), 1 + random.below(12), 1 + random.below(28))
}

fn short(random: &mut Random) -> String {
    let (year, month, day) = day(random);
    format!("{:02}{month:02}{day:02}", year % 100)
}

/// Makes values until one can have a check digit.
fn until(make: impl FnMut() -> Option<String>) -> String {
    std::iter::repeat_with(make).flatten().next().unwrap()
}

/// The value with another last letter or digit, so that its check fails.
pub(crate) fn other_last(value: &str, random: &mut Random) -> String {
    let (head, last) = value.split_at(value.len() - 1);
    let alphabet = if last.bytes().all(|byte| byte.is_ascii_digit()) { DIGITS } else { CAPITALS };
    // What checks modulo 11 may take two digits for one: 0 for 10.
    let other = until(|| Some(random.string(alphabet, 1)).filter(|other| other != last && (alphabet != DIGITS || other != "0")));
    format!("{head}{other}")
}

/// The value with a prefix that nobody has.
pub(crate) fn other_prefix(value: &str, random: &mut Random) -> String {
    format!("{}{}", random.pick::<&str>(&["QQ", "DA", "VX", "BG", "ZZ"]), &value[2..])
}

/// The value with a group that is not given out.
pub(crate) fn other_group(value: &str, random: &mut Random) -> String {
    let at = if value.len() == 9 { 3 } else { 4 };
    format!("{}{}{}", &value[..at], random.pick::<&str>(&["49", "66", "89", "93"]), &value[at + 2..])
}

/// IRS: 9, and a group that is given out; the check is the group.
pub(crate) fn us_itin(random: &mut Random) -> String {
    let group = *random.pick(&[50_u32, 59, 65, 70, 78, 88, 90, 92, 94, 99]);
    let (area, serial) = (digits(random, 2), digits(random, 4));
    let separator = *random.pick(&["-", " ", ""]);
    format!("9{area}{separator}{group}{separator}{serial}")
}

/// CMS: ten digits, Luhn with 80840 before.
pub(crate) fn us_npi(random: &mut Random) -> String {
    let body = format!("{}{}", 1 + random.below(2), digits(random, 8));
    format!("{body}{}", luhn(&format!("80840{body}")))
}

/// DEA: type of registrant, first letter of the name, six digits and their check.
pub(crate) fn dea(random: &mut Random) -> String {
    let body = digits(random, 6);
    let check = weighted(&body, &[1, 2, 1, 2, 1, 2]) % 10;
    format!("{}{}{body}{check}", random.string("ABCFGM", 1), random.string(CAPITALS, 1))
}

pub(crate) fn record(random: &mut Random) -> String {
    let length = 6 + random.below(4);
    format!("{}{}", random.pick::<&str>(&["", "", "A", "H"]), digits(random, length))
}

/// Nine digits (United States), or letters and digits as other countries give them.
pub(crate) fn passport(random: &mut Random) -> String {
    match random.below(4) {
        0 => digits(random, 9),
        1 => format!("C{}", digits(random, 8)),
        2 => format!("{}{}", random.string(CAPITALS, 2), digits(random, 7)),
        _ => format!("{}{}", random.string("CFGHJK", 1), digits(random, 7)),
    }
}

pub(crate) fn date(random: &mut Random) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (year, month, day) = day(random);
    let name = MONTHS[month - 1];
    match random.below(6) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{month}/{day}/{year}"),
        2 => format!("{day:02}.{month:02}.{year}"),
        3 => format!("{day} {name} {year}"),
        4 => format!("{name} {day}, {year}"),
        _ => format!("{day}.{month}.{:02}", year % 100),
    }
}

/// Federal tax office: eleven digits, of the first ten one stands there twice or three times; ISO/IEC 7064 MOD 11,10.
pub(crate) fn de_tax_id(random: &mut Random) -> String {
    until(|| {
        let body = digits(random, 10);
        let mut counts = [0; 10];
        values(&body).for_each(|digit| counts[usize::try_from(digit).unwrap()] += 1);
        let is_one =
            !body.starts_with('0') && counts.iter().filter(|count| **count > 1).count() == 1 && counts.iter().max() <= Some(&3);
        let product = values(&body).fold(10, |product, digit| {
            let sum = (digit + product) % 10;
            (if sum == 0 { 10 } else { sum }) * 2 % 11
        });
        is_one.then(|| format!("{body}{}", (11 - product) % 10))
    })
}

/// ICAO 9303: weights 7, 3, 1.
pub(crate) fn de_id_card(random: &mut Random) -> String {
    let body = format!("L{}", random.string("CFGHJKLMNPRTVWXYZ0123456789", 8));
    let check = values(&body).zip([7, 3, 1].into_iter().cycle()).map(|(value, weight)| value * weight).sum::<u32>() % 10;
    format!("{body}{check}")
}

/// INSEE: sex, year, month, place, order, and 97 less the remainder.
pub(crate) fn fr_nir(random: &mut Random) -> String {
    let (year, month, _) = day(random);
    let parts = [
        (1 + random.below(2)).to_string(),
        format!("{:02}", year % 100),
        format!("{month:02}"),
        format!("{:02}", 1 + random.below(95)),
        format!("{:03}", 1 + random.below(900)),
        format!("{:03}", 1 + random.below(999)),
    ];
    let key = format!("{:02}", 97 - modulo(&parts.concat(), 97));
    if random.below(2) == 0 { parts.concat() + &key } else { format!("{} {key}", parts.join(" ")) }
}

/// Decree of 23 December 1976: surname, name, date, place, check letter.
pub(crate) fn it_fiscal_code(random: &mut Random) -> String {
    let (year, month, day) = day(random);
    let day = day + 40 * random.below(2);
    let month = ["A", "B", "C", "D", "E", "H", "L", "M", "P", "R", "S", "T"][month - 1];
    let name = random.string("BCDFGLMNPRSTVZ", 6);
    let place = format!("{}{:03}", random.string("ABCDEFGHIL", 1), 1 + random.below(900));
    let code = format!("{name}{:02}{month}{day:02}{place}", year % 100);
    let odd = |letter: char| {
        let order = letter.to_digit(10).unwrap_or_else(|| u32::from(letter) - u32::from('A'));
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
            [usize::try_from(order).unwrap()]
    };
    let even = |letter: char| letter.to_digit(10).unwrap_or_else(|| u32::from(letter) - u32::from('A'));
    let sum: u32 = code.chars().enumerate().map(|(place, letter)| if place % 2 == 0 { odd(letter) } else { even(letter) }).sum();
    format!("{code}{}", char::from_u32(u32::from('A') + sum % 26).unwrap())
}

fn es_letter(number: u64) -> char {
    "TRWAGMYFPDXBNJZSQVHLCKE".chars().nth(usize::try_from(number % 23).unwrap()).unwrap()
}

pub(crate) fn es_nif(random: &mut Random) -> String {
    let number = digits(random, 8);
    let letter = es_letter(modulo(&number, 1 << 60));
    match random.below(3) {
        0 => format!("{number}{letter}"),
        1 => format!("{number}-{letter}"),
        _ => format!("{}.{}.{}-{letter}", &number[..2], &number[2..5], &number[5..]),
    }
}

pub(crate) fn es_nie(random: &mut Random) -> String {
    let (first, number) = (random.below(3), digits(random, 7));
    let letter = es_letter(modulo(&format!("{first}{number}"), 1 << 60));
    let first = ["X", "Y", "Z"][first];
    if random.below(2) == 0 { format!("{first}{number}{letter}") } else { format!("{first}-{number}-{letter}") }
}

pub(crate) fn pl_pesel(random: &mut Random) -> String {
    let (year, month, day) = day(random);
    let month = if year < 2000 { month } else { month + 20 };
    let body = format!("{:02}{month:02}{day:02}{}", year % 100, digits(random, 4));
    format!("{body}{}", (10 - weighted(&body, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10)
}

pub(crate) fn ro_cnp(random: &mut Random) -> String {
    let (year, month, day) = day(random);
    let sex = 1 + random.below(2) + if year < 2000 { 0 } else { 4 };
    let body = format!("{sex}{:02}{month:02}{day:02}{:02}{:03}", year % 100, 1 + random.below(46), 1 + random.below(998));
    let rest = weighted(&body, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    format!("{body}{}", if rest == 10 { 1 } else { rest })
}

/// The eleven test: weights 9 to 2, and −1.
pub(crate) fn nl_bsn(random: &mut Random) -> String {
    until(|| {
        let body = digits(random, 8);
        let check = weighted(&body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        (check < 10 && !body.starts_with('0')).then(|| format!("{body}{check}"))
    })
}

pub(crate) fn be_national(random: &mut Random) -> String {
    let (year, month, day) = day(random);
    let body = format!("{:02}{month:02}{day:02}{:03}", year % 100, 1 + random.below(997));
    let whole = if year < 2000 { body.clone() } else { format!("2{body}") };
    let check = format!("{:02}", 97 - modulo(&whole, 97));
    match random.below(2) {
        0 => format!("{body}{check}"),
        _ => format!("{:02}.{month:02}.{day:02}-{}.{check}", year % 100, &body[6..]),
    }
}

pub(crate) fn cz_birth(random: &mut Random) -> String {
    let (year, month, day) = day(random);
    let month = month + 50 * random.below(2);
    let body = format!("{:02}{month:02}{day:02}{}", year % 100, digits(random, 3));
    let number = format!("{body}{}", modulo(&body, 11) % 10);
    if random.below(2) == 0 { number } else { format!("{}/{}", &number[..6], &number[6..]) }
}

pub(crate) fn se_person(random: &mut Random) -> String {
    let ten = short(random) + &digits(random, 3);
    let check = luhn(&ten);
    match random.below(3) {
        0 => format!("{}-{}{check}", &ten[..6], &ten[6..]),
        1 => format!("19{}-{}{check}", &ten[..6], &ten[6..]),
        _ => format!("{ten}{check}"),
    }
}

pub(crate) fn pt_nif(random: &mut Random) -> String {
    let body = format!("{}{}", 1 + random.below(3), digits(random, 7));
    let rest = weighted(&body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let number = format!("{body}{}", if rest < 2 { 0 } else { 11 - rest });
    if random.below(2) == 0 { number } else { format!("{} {} {}", &number[..3], &number[3..6], &number[6..]) }
}

pub(crate) fn gr_amka(random: &mut Random) -> String {
    let (year, month, day) = day(random);
    let body = format!("{day:02}{month:02}{:02}{}", year % 100, digits(random, 4));
    format!("{body}{}", luhn(&body))
}

pub(crate) fn gr_afm(random: &mut Random) -> String {
    let body = format!("0{}", digits(random, 7));
    format!("{body}{}", weighted(&body, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10)
}

pub(crate) fn uk_nhs(random: &mut Random) -> String {
    let number = until(|| {
        let body = format!("4{}", digits(random, 8));
        let check = 11 - weighted(&body, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        (check != 10).then(|| format!("{body}{}", check % 11))
    });
    if random.below(2) == 0 { number } else { format!("{} {} {}", &number[..3], &number[3..6], &number[6..]) }
}

pub(crate) fn uk_nino(random: &mut Random) -> String {
    let prefix = *random.pick(&["AB", "CE", "JK", "PW", "SR", "YZ"]);
    let (number, suffix) = (digits(random, 6), random.string("ABCD", 1));
    match random.below(2) {
        0 => format!("{prefix}{number}{suffix}"),
        _ => format!("{prefix} {} {} {} {suffix}", &number[..2], &number[2..4], &number[4..]),
    }
}

/// As national plans write them, and international.
pub(crate) fn phone(random: &mut Random) -> String {
    let three = |random: &mut Random| format!("{}{}", 2 + random.below(7), digits(random, 2));
    let (area, exchange, line) = (three(random), three(random), digits(random, 4));
    match random.below(8) {
        0 => format!("({area}) {exchange}-{line}"),
        1 => format!("{area}-{exchange}-{line}"),
        2 => format!("+1 {area} {exchange} {line}"),
        3 => format!("+49 30 {}", digits(random, 8)),
        4 => format!(
            "0{} {} {} {} {}",
            1 + random.below(5),
            digits(random, 2),
            digits(random, 2),
            digits(random, 2),
            digits(random, 2)
        ),
        5 => format!("+44 20 7{} {}", digits(random, 3), digits(random, 4)),
        6 => format!("{area}.{exchange}.{line}"),
        _ => format!("+34 6{} {} {}", digits(random, 2), digits(random, 3), digits(random, 3)),
    }
}
