//! Check digits, dates and reserved ranges of identity numbers. Every function takes the number's letters and digits alone, letters
//! in upper case, in the number that the layout of its kind demands.

use crate::pii::view::decimal;

/// The value of a decimal digit.
fn digit(byte: u8) -> u32 {
    u32::from(byte.wrapping_sub(b'0'))
}

/// The value of a digit or letter: 0–9, then A = 10 … Z = 35.
fn value36(byte: u8) -> u32 {
    char::from(byte).to_digit(36).unwrap_or(0)
}

fn part(number: &[u8], from: usize, to: usize) -> u32 {
    decimal(number.get(from..to).unwrap_or_default())
}

fn at(number: &[u8], place: usize) -> u8 {
    number.get(place).copied().unwrap_or_default()
}

/// The sum of the digits, each times its weight; as many as there are weights.
fn weighted(number: &[u8], weights: &[u32]) -> u32 {
    number.iter().zip(weights).map(|(byte, weight)| digit(*byte) * weight).sum()
}

/// The number that at most 18 digits are, modulo something.
fn modulo(digits: &[u8], modulus: u32) -> u32 {
    digits.iter().fold(0, |rest, byte| (rest * 10 + digit(*byte)) % modulus)
}

fn last_digit(number: &[u8]) -> u32 {
    digit(number.last().copied().unwrap_or_default())
}

fn is_date(month: u32, day: u32) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

fn is_all_the_same(number: &[u8]) -> bool {
    number.windows(2).all(|pair| matches!(pair, [first, second] if first == second))
}

/// ISO/IEC 7812-1 annex B.
pub(super) fn luhn(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let value = digit(*byte) << (place % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// US individual taxpayer number: 9xx, and a group that is given out.
pub(super) fn us_itin(number: &[u8]) -> bool {
    let group = part(number, 3, 5);
    part(number, 0, 1) == 9 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// US national provider identifier: Luhn with `80840` before it.
pub(super) fn us_npi(number: &[u8]) -> bool {
    let mut whole = *b"808400000000000";
    for (place, byte) in whole.iter_mut().skip(5).zip(number) {
        *place = *byte;
    }
    matches!(at(number, 0), b'1' | b'2') && luhn(&whole)
}

/// Registration of the US Drug Enforcement Administration.
pub(super) fn dea(number: &[u8]) -> bool {
    let digits = number.get(2..).unwrap_or_default();
    let is_registrant = b"ABCDEFGHJKLMPRSTUX".contains(&at(number, 0));
    is_registrant && weighted(digits, &[1, 2, 1, 2, 1, 2]) % 10 == last_digit(digits)
}

/// German tax id: ISO/IEC 7064 MOD 11,10; of the first ten digits one stands there twice or three times, the others once at most.
pub(super) fn de_tax_id(number: &[u8]) -> bool {
    let body = number.get(..10).unwrap_or_default();
    let mut counts = [0_u8; 10];
    let mut product = 10;
    for byte in body {
        if let Some(count) = counts.get_mut(usize::from(byte.wrapping_sub(b'0'))) {
            *count += 1;
        }
        let sum = (digit(*byte) + product) % 10;
        product = (if sum == 0 { 10 } else { sum } * 2) % 11;
    }
    let n_repeated = counts.iter().filter(|count| **count > 1).count();
    let is_repeated = n_repeated == 1 && counts.iter().all(|count| *count <= 3);
    at(number, 0) != b'0' && is_repeated && (11 - product) % 10 == last_digit(number)
}

/// German identity card: nine of its letters and digits and their check digit with weights 7, 3, 1 (ICAO 9303).
pub(super) fn de_id_card(number: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte);
    b"LMNPRTVWXYCFGHJK".contains(&at(number, 0)) && number.iter().all(is_letter) && icao(number)
}

/// Whether the last digit is the check digit of what is before it (ICAO 9303 part 3, 4.9); `<` counts nothing.
pub(super) fn icao(field: &[u8]) -> bool {
    let Some((check, body)) = field.split_last() else { return false };
    let sum: u32 = body.iter().zip([7, 3, 1].into_iter().cycle()).map(|(byte, weight)| value36(*byte) * weight).sum();
    check.is_ascii_digit() && sum % 10 == digit(*check)
}

/// French social security number with its key: sex, month, and 97 less the remainder. Corsica counts as 19 and 18.
pub(super) fn fr_nir(number: &[u8]) -> bool {
    let mut plain = [b'0'; 13];
    for (place, byte) in plain.iter_mut().zip(number) {
        *place = *byte;
    }
    let [.., fifth, sixth, _, _, _, _, _, _] = &mut plain;
    match *sixth {
        b'A' => (*fifth, *sixth) = (b'1', b'9'),
        b'B' => (*fifth, *sixth) = (b'1', b'8'),
        _ => {}
    }
    let is_corsica = at(number, 6).is_ascii_uppercase();
    let is_department = !is_corsica || (at(number, 5) == b'2' && matches!(at(number, 6), b'A' | b'B'));
    let has_sex = matches!(at(number, 0), b'1'..=b'4' | b'7' | b'8');
    let has_month = matches!(part(number, 3, 5), 1..=12 | 20 | 30..=42 | 50..=99);
    has_sex
        && has_month
        && is_department
        && plain.iter().all(u8::is_ascii_digit)
        && 97 - modulo(&plain, 97) == part(number, 13, 15)
}

/// Italian fiscal code: letters where they belong, and the check letter.
pub(super) fn it_fiscal_code(code: &[u8]) -> bool {
    /// What a character counts in an odd place: 0–9 as A–J.
    const ODD: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let order = |byte: u8| if byte.is_ascii_digit() { digit(byte) } else { u32::from(byte.wrapping_sub(b'A')) };
    let odd = |byte: u8| usize::try_from(order(byte)).ok().and_then(|place| ODD.get(place)).copied().unwrap_or(0);
    // Digits that are replaced where two people would have the same code.
    let as_digit = |place: usize| match at(code, place) {
        byte @ b'0'..=b'9' => Some(digit(byte)),
        byte => b"LMNPQRSTUV".iter().zip(0..).find(|(letter, _)| **letter == byte).map(|(_, value)| value),
    };
    let two = |place: usize| Some(as_digit(place)? * 10 + as_digit(place + 1)?);
    let has_date = two(6).is_some()
        && b"ABCDEHLMPRST".contains(&at(code, 8))
        && two(9).is_some_and(|day| (1..=31).contains(&day) || (41..=71).contains(&day));
    let has_place = [12, 13, 14].iter().all(|place| as_digit(*place).is_some());
    let sum: u32 =
        code.iter().take(15).enumerate().map(|(place, byte)| if place % 2 == 0 { odd(*byte) } else { order(*byte) }).sum();
    has_date && has_place && sum % 26 == order(at(code, 15))
}

/// The letter of Spanish identity numbers, by the remainder modulo 23.
const ES_LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";

fn is_es_letter(number: u32, letter: u8) -> bool {
    usize::try_from(number % 23).ok().and_then(|place| ES_LETTERS.get(place)) == Some(&letter)
}

/// Spanish DNI: eight digits and their letter.
pub(super) fn es_nif(number: &[u8]) -> bool {
    is_es_letter(part(number, 0, 8), at(number, 8)) && !is_all_the_same(number.get(..8).unwrap_or_default())
}

/// Spanish number of a foreigner: X, Y or Z count as 0, 1, 2 before the seven digits.
pub(super) fn es_nie(number: &[u8]) -> bool {
    let first = at(number, 0);
    matches!(first, b'X'..=b'Z')
        && is_es_letter(u32::from(first.wrapping_sub(b'X')) * 10_000_000 + part(number, 1, 8), at(number, 8))
}

/// Polish PESEL: a date, of which the month tells the century, and a weighted sum.
pub(super) fn pl_pesel(number: &[u8]) -> bool {
    is_date(part(number, 2, 4) % 20, part(number, 4, 6))
        && weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Romanian CNP: sex, date, county, and a weighted sum modulo 11.
pub(super) fn ro_cnp(number: &[u8]) -> bool {
    let rest = weighted(number, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    let has_county = matches!(part(number, 7, 9), 1..=48 | 51 | 52 | 70);
    at(number, 0) != b'0'
        && is_date(part(number, 3, 5), part(number, 5, 7))
        && has_county
        && last_digit(number) == if rest == 10 { 1 } else { rest }
}

/// Dutch BSN: the eleven test, in which the last digit counts −1.
pub(super) fn nl_bsn(number: &[u8]) -> bool {
    let sum = weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == last_digit(number) % 11 && !is_all_the_same(number)
}

/// Belgian national number: a date, and 97 less the remainder, with a 2 before it for those born from 2000 on.
pub(super) fn be_national_number(number: &[u8]) -> bool {
    let body = number.get(..9).unwrap_or_default();
    let check = part(number, 9, 11);
    // 20 and 40 are added to the month of those whose sex or residence is not known; it may be unknown itself.
    let has_date = part(number, 2, 4) % 20 <= 12 && part(number, 4, 6) <= 31;
    let of_2000 = (2_u64 * 1_000_000_000 + u64::from(decimal(body))) % 97;
    has_date && (97 - modulo(body, 97) == check || u64::from(check) == 97 - of_2000)
}

/// Czech birth number: a date (women's months + 50, further numbers of a day + 20), and divisible by 11.
pub(super) fn cz_birth_number(number: &[u8]) -> bool {
    let month = part(number, 2, 4);
    let month = if month > 50 { month - 50 } else { month };
    let has_date = is_date(if month > 20 { month - 20 } else { month }, part(number, 4, 6));
    let rest = modulo(number.get(..9).unwrap_or_default(), 11) % 10;
    has_date && rest == last_digit(number)
}

/// Swedish personal number of ten digits, or twelve with the century: a date (co-ordination numbers' days + 60), and Luhn over ten.
pub(super) fn se_personnummer(number: &[u8]) -> bool {
    let ten = number.get(number.len().saturating_sub(10)..).unwrap_or_default();
    let has_century = number.len() == 10 || matches!(part(number, 0, 2), 18..=20);
    let day = part(ten, 4, 6);
    has_century && is_date(part(ten, 2, 4), if day > 60 { day - 60 } else { day }) && luhn(ten)
}

/// Portuguese NIF: a first digit that is given out to people, and a weighted sum modulo 11.
pub(super) fn pt_nif(number: &[u8]) -> bool {
    let rest = weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(at(number, 0), b'1' | b'2' | b'3' | b'4') && last_digit(number) == if rest < 2 { 0 } else { 11 - rest }
}

/// Greek AMKA: day, month, year, and Luhn.
pub(super) fn gr_amka(number: &[u8]) -> bool {
    is_date(part(number, 2, 4), part(number, 0, 2)) && luhn(number)
}

/// Greek AFM: powers of two, modulo 11, modulo 10.
pub(super) fn gr_afm(number: &[u8]) -> bool {
    weighted(number, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == last_digit(number) && !is_all_the_same(number)
}

/// UK NHS number: a weighted sum modulo 11.
pub(super) fn uk_nhs(number: &[u8]) -> bool {
    let check = 11 - weighted(number, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    check != 10 && check % 11 == last_digit(number) && !is_all_the_same(number)
}

/// UK national insurance number: a prefix that is given out, and a suffix A–D.
pub(super) fn uk_nino(number: &[u8]) -> bool {
    let (first, second) = (at(number, 0), at(number, 1));
    let barred = b"DFIQUV";
    let is_reserved = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[first, second]);
    !barred.contains(&first)
        && !barred.contains(&second)
        && second != b'O'
        && !is_reserved
        && matches!(number.last(), Some(b'A'..=b'D'))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&[u8]) -> bool;

    /// Numbers that issuers publish as examples, or made by their rule; and how many of the numbers that differ in one digit may pass.
    #[test]
    fn examples_pass_and_other_digits_do_not() {
        let facts: &[(&str, Check, usize, &[&str])] = &[
            ("luhn", luhn, 0, &["79927398713", "4111111111111111"]),
            ("npi", us_npi, 0, &["1234567893", "1245319599"]),
            ("dea", dea, 15, &["AB1234563", "F91234563"]),
            ("de tax", de_tax_id, 0, &["86095742719", "47036892816", "65929970489"]),
            ("icao", icao, 20, &["L898902C36", "7408122", "1204159"]),
            ("de card", de_id_card, 20, &["T220001293", "L01X00T471"]),
            ("nir", fr_nir, 0, &["269054958815780"]),
            ("codice fiscale", it_fiscal_code, 0, &["RSSMRA85T10A562S", "MRTMTT91D08F205J"]),
            ("nif", es_nif, 0, &["12345678Z", "00000001R"]),
            ("nie", es_nie, 0, &["X1234567L", "Y1234567X", "Z1234567R"]),
            ("pesel", pl_pesel, 0, &["44051401359", "02070803628"]),
            ("cnp", ro_cnp, 3, &["1800101221144"]),
            ("bsn", nl_bsn, 0, &["111222333", "123456782"]),
            ("be", be_national_number, 0, &["85073003328", "17073003384"]),
            ("cz", cz_birth_number, 3, &["7103192745"]),
            ("se", se_personnummer, 3, &["8112189876", "198112189876"]),
            ("pt", pt_nif, 3, &["123456789"]),
            ("amka", gr_amka, 0, &["01018012342"]),
            ("afm", gr_afm, 8, &["094259216"]),
            ("nhs", uk_nhs, 0, &["9434765919", "4010232137"]),
        ];
        for (name, check, most, numbers) in facts {
            for number in *numbers {
                assert!(check(number.as_bytes()), "{name} {number}");
                let n_passed = changed(number).filter(|other| check(other)).count();
                assert!(n_passed <= *most, "{name} {number}: {n_passed} others pass");
            }
        }
    }

    /// The numbers that differ from this one in one digit.
    fn changed(number: &str) -> impl Iterator<Item = Vec<u8>> {
        let places = number.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit());
        let others =
            places.flat_map(|(place, byte)| (b'0'..=b'9').filter(move |other| *other != byte).map(move |other| (place, other)));
        others.map(|(place, other)| {
            let mut changed = number.as_bytes().to_vec();
            changed[place] = other;
            changed
        })
    }

    #[test]
    fn no_input_of_the_right_length_breaks_a_check() {
        let checks: &[Check] = &[
            luhn,
            us_itin,
            us_npi,
            dea,
            de_tax_id,
            de_id_card,
            icao,
            fr_nir,
            it_fiscal_code,
            es_nif,
            es_nie,
            pl_pesel,
            ro_cnp,
            nl_bsn,
            be_national_number,
            cz_birth_number,
            se_personnummer,
            pt_nif,
            gr_amka,
            gr_afm,
            uk_nhs,
            uk_nino,
        ];
        for length in 0..=16 {
            for fill in *b"0189" {
                checks.iter().for_each(|check| {
                    check(&vec![fill; length]);
                });
            }
        }
        for ranges in [us_itin(b"912701234"), us_itin(b"999991234"), uk_nino(b"AB123456C"), uk_nino(b"CE123456A")] {
            assert!(ranges);
        }
        for ranges in
            [us_itin(b"912661234"), us_itin(b"812701234"), uk_nino(b"GB123456C"), uk_nino(b"AO123456C"), uk_nino(b"AB123456E")]
        {
            assert!(!ranges);
        }
    }
}
