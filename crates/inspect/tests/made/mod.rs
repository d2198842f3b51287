//! Values of personal data by the rules of their issuers, what breaks their check, and the sentences in which they stand.

mod coins;
mod numbers;

use crate::common::texts::Random;
use coins::coin;
use numbers as n;

/// A type of personal data.
pub(crate) struct Made {
    pub(crate) kind: &'static str,
    pub(crate) make: fn(&mut Random) -> String,
    /// The same value with a wrong check digit, if it has one.
    pub(crate) break_it: Option<fn(&str, &mut Random) -> String>,
    /// Sentences with `{}` for the value.
    pub(crate) places: &'static [&'static str],
}

const fn made(kind: &'static str, make: fn(&mut Random) -> String, places: &'static [&'static str]) -> Made {
    Made { kind, make, break_it: Some(n::other_last), places }
}

const fn unchecked(kind: &'static str, make: fn(&mut Random) -> String, places: &'static [&'static str]) -> Made {
    Made { kind, make, break_it: None, places }
}

/// Sentences that say nothing of the value.
const ANYWHERE: &[&str] =
    &["Please note {} for me.", "{}", "name;value\nMeier;{}\nSmith;none", "She wrote {} on the form, and left."];

pub(crate) const TYPES: &[Made] = &[
    Made {
        kind: "US_ITIN",
        make: n::us_itin,
        break_it: Some(n::other_group),
        places: &["His ITIN is {}.", "itin: {}", "Taxpayer number {} was given out late."],
    },
    made("US_NPI", n::us_npi, &["NPI {}", "The provider's NPI is {}, ask her.", "npi={}"]),
    made("MEDICAL_LICENSE", n::dea, &["DEA number {}", "The prescriber ({}) signed.", "medical license {}, valid"]),
    unchecked("MEDICAL_RECORD", n::record, &["MRN {}", "medical record number: {}", "patient record {} was opened"]),
    unchecked(
        "PASSPORT",
        n::passport,
        &["Passport no. {}", "My passport number is {}.", "Reisepass: {}", "pasaporte {}, Madrid"],
    ),
    unchecked("DATE_OF_BIRTH", n::date, &["Born {} in Lyon.", "date of birth: {}", "DOB {}", "geboren am {}, Köln"]),
    Made { kind: "CRYPTO", make: coin, break_it: Some(coins::broken), places: ANYWHERE },
    made("DE_TAX_ID", n::de_tax_id, &["Steuer-ID {}", "Meine Identifikationsnummer ist {}.", "IdNr: {}"]),
    made("DE_ID_CARD", n::de_id_card, &["Personalausweis {}", "Ausweisnummer: {}"]),
    made("FR_NIR", n::fr_nir, &["NIR {}", "numéro de sécurité sociale : {}", "Sécu: {}"]),
    made("IT_FISCAL_CODE", n::it_fiscal_code, ANYWHERE),
    made("ES_NIF", n::es_nif, ANYWHERE),
    made("ES_NIE", n::es_nie, ANYWHERE),
    made("PL_PESEL", n::pl_pesel, &["PESEL {}", "Mój PESEL to {}.", "pesel: {}"]),
    made("RO_CNP", n::ro_cnp, &["CNP {}", "cnp-ul meu este {}", "CNP: {}"]),
    made("NL_BSN", n::nl_bsn, &["BSN {}", "Mijn burgerservicenummer is {}.", "bsn: {}"]),
    made("BE_NATIONAL_NUMBER", n::be_national, &["Rijksregisternummer {}", "numéro de registre national : {}", "NISS {}"]),
    made("CZ_BIRTH_NUMBER", n::cz_birth, &["rodné číslo {}", "RČ {}", "moje rodné číslo je {}"]),
    made("SE_PERSONNUMMER", n::se_person, &["personnummer {}", "Mitt personnummer är {}.", "pnr: {}"]),
    made("PT_NIF", n::pt_nif, &["NIF {}", "número de contribuinte {}", "contribuinte: {}"]),
    made("GR_AMKA", n::gr_amka, &["AMKA {}", "ΑΜΚΑ: {}"]),
    made("GR_AFM", n::gr_afm, &["AFM {}", "ΑΦΜ: {}"]),
    made("UK_NHS", n::uk_nhs, &["NHS number {}", "Her NHS no. is {}.", "nhs: {}"]),
    Made { kind: "UK_NINO", make: n::uk_nino, break_it: Some(n::other_prefix), places: ANYWHERE },
    unchecked(
        "PHONE_NUMBER",
        n::phone,
        &["Call me at {} tomorrow.", "Phone: {}", "My number is {}, thanks", "Tel. {}", "reach us on {} (office)"],
    ),
];

/// Sentences in which a number is something else.
pub(crate) const OTHER_PLACES: &[&str] = &[
    "Order {} was shipped on Monday.",
    "Invoice no. {} is due.",
    "see ticket {} for the log",
    "commit {} fixes it",
    "version {} of the library",
    "\"id\": \"{}\",",
    "tracking number {}",
    "ISBN {}",
    "total: {} EUR",
    "at {} the server stopped",
    "sha256 {}",
    "row 12: {}",
];

/// A number that is no personal data: of an order, a version, a time, a hash, an account of a shop.
pub(crate) fn other(random: &mut Random) -> String {
    let digits = |random: &mut Random, length| random.string("0123456789", length);
    match random.below(12) {
        0 => digits(random, 8),
        1 => digits(random, 12),
        2 => format!("{}-{}", 2010 + random.below(16), digits(random, 6)),
        3 => format!("{}.{}.{}", random.below(20), random.below(40), random.below(99)),
        4 => format!("20{}-{:02}-{:02}", 10 + random.below(16), 1 + random.below(12), 1 + random.below(28)),
        5 => format!("{:02}:{:02}:{:02}", random.below(24), random.below(60), random.below(60)),
        6 => random.string("0123456789abcdef", 40),
        7 => random.string("0123456789abcdef", 64),
        8 => format!("17{}", digits(random, 8)),
        9 => format!("{},{}.{}", digits(random, 2), digits(random, 3), digits(random, 2)),
        10 => {
            let part = |random: &mut Random, length| random.string("0123456789abcdef", length);
            format!("{}-{}-4{}-8{}-{}", part(random, 8), part(random, 4), part(random, 3), part(random, 3), part(random, 12))
        }
        _ => format!("{}-{}", random.string("ABCDEFGHKLMNPQRSTUVWXYZ", 3), digits(random, 5)),
    }
}

/// Texts with what would be an address or a telephone number if it were written from its end, or with letters moved on.
pub(crate) const LOOK_TURNED: &[&str] = &[
    "Umsatz »1.231.521.412« EUR",
    "ventas »2.321.411.521« pesos",
    "Total »1.521.431.321« Ft",
    "lib »1.431.12.2« released",
    "OID »1.3.300.500« is ours",
    "server version »1.431.12.2« is out",
    "fax resolution »200x1728-1145-98« dpi",
    "mobile »1080x2400-120-6500« specs",
    "mobile »1080x2400-120-650« specs",
    "mobile »1170x2532-460-326« specs",
    "call with weights »100-200-3000k5« please",
    "call with weights »100-200-3000k50« please",
    "we called »1000000+« users",
    "used by »12345694+« people",
    "some »12 345 694+« of them",
    "call »f(1234)567(8)« of the library",
];

/// Texts in which the words of a value stand, and none of its values.
pub(crate) const NO_VALUES: &[&str] = &[
    "The passport office opens at 10:45, room 1204; bring two photographs.",
    "Passport control took 35 minutes on 2024-08-31.",
    "The medical record was 12 pages long, of 2,000 words.",
    "The DEA was founded in 1973.",
    "He was born in Berlin and moved in 1999.",
    "Her birthday party is on page 12 of the catalogue.",
    "The NHS treated 1.3 million people in 36 hours.",
    "NPI is short for new product introduction (since 2015).",
    "Call 42 functions in 1.5 ms, or 1,200,000 a second.",
    "Phone support is open from 9 to 17 on 5 days.",
    "The number is 3.14159265358979, more or less.",
    "Call the method at 0x7ffdf4d8 with argument 12345.",
    "We called at 2024-08-31 10:45:03 and on 31.08.2024.",
    "tax of 19 % on 12345678901 items",
    "BSN 5.2, PESEL 11 digits, CNP 13 digits",
    "wallet of leather, 1234567890 stitches, bc1 and 0x41",
];
