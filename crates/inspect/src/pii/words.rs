//! The words around a number that say what it is.

use std::collections::HashMap;
use std::sync::LazyLock;

/// How many bytes before a match are looked at for words.
pub(crate) const REACH: usize = 64;

/// Longest word of the table, in bytes.
const LONGEST: usize = 32;

/// A set of things that words speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Topics(u64);

impl Topics {
    pub(crate) const fn topic(number: u32) -> Self {
        Self(1 << number)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among them.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

macro_rules! topics {
    ($($name:ident $number:literal),* $(,)?) => { $(pub(crate) const $name: Topics = Topics::topic($number);)* };
}

topics! {
    SSN 0, ITIN 1, DRIVER 2, LICENCE 3, PASSPORT 4, MEDICAL 5, RECORD 6, NPI 7, DEA 8, BIRTH 9, TAX 10, ID_CARD 11, NIR 12,
    PESEL 13, CNP 14, BSN 15, NATIONAL_BE 16, BIRTH_NUMBER 17, PERSONNUMMER 18, NIF_PT 19, AMKA 20, AFM 21, NHS 22, WALLET 23,
    NETWORK 24, VERSION 25, SOCIAL 26, SECURITY 27, PATIENT 28, DNI 29, PHONE 40, CALL 41, NUMBER 42, OTHER 43,
}

/// The words of each topic, in lower case, with spaces between them.
pub(crate) static WORDS: &[(Topics, &str)] = &[
    (SSN, "ssn ssns"),
    (SOCIAL, "social"),
    (SECURITY, "security"),
    (ITIN, "itin taxpayer"),
    (DRIVER, "driver drivers driving dl"),
    (LICENCE, "license licence licenses licences lic dl"),
    (PASSPORT, "passport passports passeport reisepass reisepassnummer pasaporte passaporto paszport paspoort"),
    (MEDICAL, "medical mrn"),
    (RECORD, "record records mrn"),
    (PATIENT, "patient patients"),
    (NPI, "npi"),
    (DEA, "dea prescriber"),
    (
        BIRTH,
        "birth born dob birthday birthdate bday geboren geburtsdatum geburtstag geb naissance née né nacimiento \
         nacido nacida nascita nato nata geboortedatum urodzenia födelsedatum",
    ),
    (TAX, "steuer steuerid steueridentifikationsnummer steuernummer identifikationsnummer idnr tin tax"),
    (ID_CARD, "personalausweis personalausweisnummer ausweis ausweisnummer perso"),
    (NIR, "nir sécurité securite sociale insee sécu secu"),
    (PESEL, "pesel"),
    (CNP, "cnp"),
    (BSN, "bsn burgerservicenummer sofinummer sofi"),
    (NATIONAL_BE, "rijksregister rijksregisternummer rrn niss insz registre bisnummer"),
    (BIRTH_NUMBER, "rodné rodne rodného rodneho rč"),
    (PERSONNUMMER, "personnummer pnr samordningsnummer"),
    (NIF_PT, "nif contribuinte"),
    (AMKA, "amka αμκα ΑΜΚΑ"),
    (AFM, "afm αφμ ΑΦΜ"),
    (NHS, "nhs"),
    (DNI, "dni nif nie"),
    (WALLET, "wallet wallets ethereum eth ether crypto erc20 usdt usdc address coinbase"),
    (NETWORK, "ip ips ipv4 address addresses host hosts server servers dns gateway resolver ping"),
    (VERSION, "version versions ver v release rev revision build firmware section chapter clause"),
    (
        PHONE,
        "phone phones telephone tel cell cellphone cellular mobile mob fax dial dialed whatsapp hotline landline \
         voicemail sms ph telefon telefono teléfono téléphone telefax telefonnummer handy handynummer rufnummer \
         mobil mobilnummer móvil movil cellulare telefoon",
    ),
    (
        CALL,
        "call calls called calling callback reach reached contact contacted text texted ring rang answer answering \
         message messages pager office signal telegram",
    ),
    (NUMBER, "number numbers nummer no nr numéro numero número"),
    (
        OTHER,
        "order orders invoice account accounts acct card credit debit visa mastercard amex ssn social security \
         passport license licence iban bic swift routing id ids uid ticket case tracking reference ref sku part \
         serial model version zip zipcode postcode postal isbn issn doi ean upc policy claim flight booking \
         reservation confirmation room suite apt apartment unit box page pages port ports line lines issue bug \
         error code codes date dates born birth dob birthday time timestamp epoch price total amount sum usd eur \
         gbp size bytes hash md5 sha sha256 commit build ip vin imei mac tax vat npi dea mrn nhs score range \
         average count seed uuid coordinates latitude longitude lat lon lng itin street road avenue year years pin \
         cvv otp product item asin pmid cas",
    ),
];

static TABLE: LazyLock<HashMap<&'static [u8], Topics>> = LazyLock::new(|| {
    let mut table: HashMap<&[u8], Topics> = HashMap::new();
    for (topic, words) in WORDS {
        for word in words.split_whitespace() {
            let known = table.entry(word.as_bytes()).or_default();
            *known = known.and(*topic);
        }
    }
    table
});

/// What the nearest telling word makes of a number that could be a telephone's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Calls {
    /// Nothing.
    #[default]
    Unsaid,
    /// `number`, and no word that says of what.
    Number,
    /// A word of calling.
    Call,
    /// A word for a telephone.
    Phone,
    /// A word for another kind of number.
    Other,
}

/// The words within [`REACH`] bytes before an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Near {
    /// Of the words behind the last one that holds a digit.
    pub(crate) topics: Topics,
    /// Whether one of the last two words speaks of a version.
    pub(crate) is_version: bool,
    pub(crate) calls: Calls,
}

impl Near {
    pub(crate) fn before(text: &[u8], at: usize) -> Self {
        let mut near = Self::default();
        let mut has_digit = false;
        for (place, word) in words_before(text, at).enumerate() {
            let topics = topics_of(word);
            has_digit |= word.iter().any(u8::is_ascii_digit);
            if !has_digit {
                near.topics = near.topics.and(topics);
                near.is_version |= place < 2 && topics.has(VERSION);
            }
            near.calls = match near.calls {
                Calls::Unsaid | Calls::Number if topics.has(PHONE) => Calls::Phone,
                Calls::Unsaid | Calls::Number if topics.has(OTHER) => Calls::Other,
                Calls::Unsaid if topics.has(CALL) => Calls::Call,
                Calls::Number if topics.has(CALL) => Calls::Call,
                Calls::Unsaid if topics.has(NUMBER) => Calls::Number,
                known => known,
            };
        }
        near
    }

    /// Whether every topic of one of the sets was spoken of; an empty list asks for none.
    pub(crate) fn speaks_of(&self, any: &[Topics]) -> bool {
        any.is_empty() || any.iter().any(|all| self.topics.has(*all))
    }
}

/// The topics of a word in any letter case; of a non-ASCII letter the case matters.
pub(crate) fn topics_of(word: &[u8]) -> Topics {
    let mut lower = [0_u8; LONGEST];
    let Some(buffer) = lower.get_mut(..word.len()) else { return Topics::default() };
    buffer.copy_from_slice(word);
    buffer.make_ascii_lowercase();
    TABLE.get(&*buffer).copied().unwrap_or_default()
}

/// Letters and digits, and every byte of a non-ASCII character.
const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// The words that lie whole in the last [`REACH`] bytes before an offset, the nearest first. A word that the offset cuts is one
/// up to there.
fn words_before(text: &[u8], at: usize) -> impl Iterator<Item = &[u8]> {
    let from = at.saturating_sub(REACH);
    let is_cut = from.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|byte| is_word_byte(*byte));
    let window = text.get(from..at).unwrap_or_default();
    let skipped = if is_cut { window.iter().take_while(|byte| is_word_byte(**byte)).count() } else { 0 };
    let window = window.get(skipped..).unwrap_or_default();
    window.rsplit(|byte| !is_word_byte(*byte)).filter(|word| !word.is_empty())
}

/// A word that stands directly behind a telephone number and says that it is one.
static LABELS: &[&str] =
    &["office", "fax", "mobile", "cell", "tel", "phone", "telephone", "telefon", "telefax", "handy", "mobil"];

/// Longest label.
pub(crate) const LONGEST_LABEL: usize = 9;

pub(crate) fn is_label(word: &[u8]) -> bool {
    LABELS.iter().any(|label| label.as_bytes().eq_ignore_ascii_case(word))
}

static MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "mar",
    "apr",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
];

pub(crate) fn is_month(word: &[u8]) -> bool {
    MONTHS.iter().any(|month| month.as_bytes().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::{Calls, LABELS, LONGEST, LONGEST_LABEL, Near, PASSPORT, REACH, SECURITY, SOCIAL, SSN, Topics, WORDS};

    fn near(text: &str) -> Near {
        Near::before(text.as_bytes(), text.len())
    }

    #[test]
    fn words_fit_the_table() {
        for (_, words) in WORDS {
            assert!(
                words.split_whitespace().all(|word| word.len() <= LONGEST && !word.bytes().any(|byte| byte.is_ascii_uppercase()))
            );
        }
        assert_eq!(LABELS.iter().map(|label| label.len()).max(), Some(LONGEST_LABEL));
    }

    #[test]
    fn the_nearest_word_says_what_is_called() {
        let facts = [
            ("call me at ", Calls::Call),
            ("Phone: ", Calls::Phone),
            ("phone number is ", Calls::Phone),
            ("order number ", Calls::Other),
            ("my number: ", Calls::Number),
            ("call about order ", Calls::Other),
            ("order, phone ", Calls::Phone),
            ("nothing said ", Calls::Unsaid),
            ("phone 555 1234 or ", Calls::Phone),
        ];
        for (text, expected) in facts {
            assert_eq!(near(text).calls, expected, "{text}");
        }
    }

    #[test]
    fn topics_end_at_a_number_and_at_the_reach() {
        let has = |text: &str, topics: Topics| near(text).topics.has(topics);
        assert!(has("Passport no. ", PASSPORT));
        assert!(has("social-security ", SOCIAL.and(SECURITY)));
        assert!(!has("social ", SOCIAL.and(SECURITY)));
        assert!(!has("passport C01X00T47, born ", PASSPORT));
        assert!(has(&format!("ssn{}", " ".repeat(REACH - 3)), SSN));
        assert!(!has(&format!("ssn{}", " ".repeat(REACH - 2)), SSN));
        assert!(!has(&format!("xssn{}", " ".repeat(REACH - 3)), SSN));
    }
}
