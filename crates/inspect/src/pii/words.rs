//! The words around a number that say what it is.

use std::sync::LazyLock;

/// How many bytes before a match are looked at for words.
pub(crate) const REACH: usize = 64;

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
        "birth born dob birthday birthdate bday geboren geburtsdatum geburtstag geb naissance née né nÉe nÉ nacimiento \
         nacido nacida nascita nato nata geboortedatum urodzenia födelsedatum",
    ),
    (TAX, "steuer steuerid steueridentifikationsnummer steuernummer identifikationsnummer idnr tin tax"),
    (ID_CARD, "personalausweis personalausweisnummer ausweis ausweisnummer perso"),
    (NIR, "nir sécurité sÉcuritÉ securite sociale insee sécu sÉcu secu"),
    (PESEL, "pesel"),
    (CNP, "cnp"),
    (BSN, "bsn burgerservicenummer sofinummer sofi"),
    (NATIONAL_BE, "rijksregister rijksregisternummer rrn niss insz registre bisnummer"),
    (BIRTH_NUMBER, "rodné rodnÉ rodne rodného rodnÉho rodneho rč rČ"),
    (PERSONNUMMER, "personnummer pnr samordningsnummer"),
    (NIF_PT, "nif contribuinte"),
    (AMKA, "amka αμκα ΑΜΚΑ"),
    (AFM, "afm αφμ ΑΦΜ aφm aΦm"),
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
    (NUMBER, "number numbers nummer no nr numéro numÉro numero número nÚmero"),
    (
        OTHER,
        "order orders invoice account accounts acct card credit debit visa mastercard amex ssn social security \
         passport license licence iban bic swift routing id ids uid ticket case tracking reference ref sku part \
         serial model version zip zipcode postcode postal isbn issn doi ean upc policy claim flight booking \
         reservation confirmation room suite apt apartment unit box page pages port ports line lines issue bug \
         error code codes date dates born birth dob birthday time timestamp epoch price total amount sum usd eur \
         gbp size bytes hash md5 sha sha256 commit build ip vin imei mac tax vat npi dea mrn nhs score range \
         average count seed uuid coordinates latitude longitude lat lon lng itin street road avenue year years pin \
         cvv otp product item asin pmid cas \
         sécurité sÉcuritÉ securite sociale sécu sÉcu secu insee nir registre rijksregister rijksregisternummer niss \
         insz rrn contribuinte nif nie dni bsn burgerservicenummer sofinummer steuer steuerid steuernummer \
         steueridentifikationsnummer identifikationsnummer idnr tin ausweis ausweisnummer personalausweis \
         personalausweisnummer pesel cnp personnummer pnr amka afm rodné rodnÉ passeport reisepass reisepassnummer \
         pasaporte passaporto paszport paspoort",
    ),
];

/// The words that say by themselves what a value is, and the names of months.
pub(crate) fn telling() -> impl Iterator<Item = &'static str> {
    let telling = WORDS.iter().filter(|(topic, _)| ![OTHER, NUMBER, VERSION].contains(topic));
    telling.flat_map(|(_, words)| words.split_whitespace()).chain(MONTHS.iter().copied())
}

/// The other words of the table.
pub(crate) fn ordinary() -> impl Iterator<Item = &'static str> {
    let ordinary = WORDS.iter().filter(|(topic, _)| [OTHER, NUMBER, VERSION].contains(topic));
    ordinary.flat_map(|(_, words)| words.split_whitespace())
}

/// Whether a word within [`REACH`] bytes before an offset says by itself what stands behind it; the words `but` do not.
pub(crate) fn is_told(text: &[u8], at: usize, but: &[&str]) -> bool {
    let near = text.get(at.saturating_sub(REACH)..at).unwrap_or_default();
    let is_ordinary = |word: &[u8]| but.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word));
    near.split(|byte| !is_word_byte(*byte)).any(|word| TELLING.0 & topics_of(word).0 != 0 && !is_ordinary(word))
}

/// Every topic but those of [`OTHER`], [`NUMBER`] and [`VERSION`].
const TELLING: Topics = Topics(!(OTHER.0 | NUMBER.0 | VERSION.0));

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

/// The words in buckets by length, first and last byte: most words of a text meet an empty one, and none is hashed whole.
struct Table {
    buckets: Vec<Vec<(&'static [u8], Topics)>>,
}

impl Table {
    const N_BUCKETS: usize = 1024;

    fn new() -> Self {
        let mut buckets: Vec<Vec<(&[u8], Topics)>> = vec![Vec::new(); Self::N_BUCKETS];
        for (topic, words) in WORDS {
            for word in words.split_whitespace().map(str::as_bytes) {
                let Some(bucket) = buckets.get_mut(Self::bucket(word)) else { continue };
                match bucket.iter_mut().find(|(known, _)| *known == word) {
                    Some((_, known)) => *known = known.and(*topic),
                    None => bucket.push((word, *topic)),
                }
            }
        }
        Self { buckets }
    }

    /// The same in any letter case.
    fn bucket(word: &[u8]) -> usize {
        let end = |byte: Option<&u8>| usize::from(byte.map_or(0, u8::to_ascii_lowercase));
        (end(word.first()) + 32 * end(word.last()) + 7 * word.len()) % Self::N_BUCKETS
    }
}

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
    /// Of the words before an offset in a text of which nothing else is asked.
    pub(crate) fn before(text: &[u8], at: usize) -> Self {
        Words::default().near(text, at)
    }

    /// What words say, the nearest first.
    fn of(words: impl Iterator<Item = Word>) -> Self {
        let mut near = Self::default();
        let mut has_digit = false;
        for (place, Word { topics, has_digit: is_number, .. }) in words.enumerate() {
            has_digit |= is_number;
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
    let bucket = TABLE.buckets.get(Table::bucket(word)).map(Vec::as_slice).unwrap_or_default();
    let known = bucket.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.map(|(_, topics)| *topics).unwrap_or_default()
}

/// Letters and digits, and every byte of a non-ASCII character.
const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// A word that was read.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    start: usize,
    topics: Topics,
    has_digit: bool,
}

impl Word {
    fn read(text: &[u8], start: usize, end: usize) -> Self {
        let word = text.get(start..end).unwrap_or_default();
        Self { start, topics: topics_of(word), has_digit: word.iter().any(u8::is_ascii_digit) }
    }
}

/// Most words that lie within [`REACH`] bytes.
const MOST_WORDS: usize = REACH / 2;

/// The words of a text that were read last. Asked from left to right, it reads every word once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    latest: [Word; MOST_WORDS],
    /// How many were read; the last is at this place minus one, modulo [`MOST_WORDS`].
    n_read: usize,
    /// Up to where was read; no word goes on here.
    read: usize,
    /// Of what offset was asked last.
    asked: usize,
}

impl Words {
    /// What the words say that lie whole in the last [`REACH`] bytes before an offset. A word that the offset cuts is one up to
    /// there.
    pub(crate) fn near(&mut self, text: &[u8], at: usize) -> Near {
        let from = at.saturating_sub(REACH);
        let cut = self.read_to(text, from, at);
        let latest = (0..self.n_read.min(MOST_WORDS)).filter_map(|back| self.latest.get((self.n_read - 1 - back) % MOST_WORDS));
        Near::of(cut.into_iter().chain(latest.take_while(|word| word.start >= from).copied()))
    }

    /// Reads the words from `from` to `at` that were not read yet, and returns the one that goes up to `at`.
    fn read_to(&mut self, text: &[u8], from: usize, at: usize) -> Option<Word> {
        let has = |at: usize| text.get(at).is_some_and(|byte| is_word_byte(*byte));
        if at < self.asked || self.read < from {
            self.n_read = 0;
            self.read = from;
            // A word that began before is none.
            if from.checked_sub(1).is_some_and(has) {
                self.read += (from..at).take_while(|at| has(*at)).count();
                // If it goes on, its rest is none either: the next question skips it again, having read less than it reaches.
                if self.read == at && has(at) {
                    (self.read, self.asked) = (0, at);
                    return None;
                }
            }
        }
        self.asked = at;
        while let Some(unread) = text.get(self.read..at).filter(|unread| !unread.is_empty()) {
            let start = self.read + unread.iter().take_while(|byte| !is_word_byte(**byte)).count();
            let word = text.get(start..at).unwrap_or_default();
            let end = start + word.iter().take_while(|byte| is_word_byte(**byte)).count();
            self.read = start;
            if end == at {
                return (start < end).then(|| Word::read(text, start, end));
            }
            self.read = end;
            if let Some(place) = self.latest.get_mut(self.n_read % MOST_WORDS) {
                *place = Word::read(text, start, end);
                self.n_read += 1;
            }
        }
        None
    }
}

/// A word that stands directly behind a telephone number and says that it is one.
static LABELS: &[&str] =
    &["office", "fax", "mobile", "cell", "tel", "phone", "telephone", "telefon", "telefax", "handy", "mobil"];

/// Longest label.
pub(crate) const LONGEST_LABEL: usize = 9;

pub(crate) fn is_label(word: &[u8]) -> bool {
    LABELS.iter().any(|label| label.as_bytes().eq_ignore_ascii_case(word))
}

/// Longest name of a month.
pub(super) const LONGEST_MONTH: usize = 9;

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
    // Most words begin with another letter, or are longer.
    if word.len() > LONGEST_MONTH || !word.first().is_some_and(|first| b"jfmasond".contains(&first.to_ascii_lowercase())) {
        return false;
    }
    MONTHS.iter().any(|month| month.as_bytes().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::{Calls, LABELS, LONGEST_LABEL, Near, PASSPORT, REACH, SECURITY, SOCIAL, SSN, Topics, WORDS, Words, topics_of};
    use proptest::prelude::*;

    fn near(text: &str) -> Near {
        Near::before(text.as_bytes(), text.len())
    }

    #[test]
    fn words_fit_the_table() {
        for (_, words) in WORDS {
            assert!(!words.bytes().any(|byte| byte.is_ascii_uppercase()));
            assert!(
                words
                    .split_whitespace()
                    .all(|word| topics_of(word.to_uppercase().as_bytes()) != Topics::default() || !word.is_ascii())
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

    proptest! {
        /// However often and where it is asked before, the answer is the same.
        #[test]
        fn what_was_read_before_does_not_matter(
            text in "([a-z]{1,3}|ssn|phone|order|call|v|number|[0-9]{1,4}|é|[ ,.]| {30}){0,40}",
            places in prop::collection::vec(0_usize..400, 1..12),
        ) {
            let mut words = Words::default();
            for at in places.into_iter().map(|at| at.min(text.len())) {
                prop_assert_eq!(words.near(text.as_bytes(), at), Near::before(text.as_bytes(), at));
            }
        }
    }

    #[test]
    fn the_rest_of_a_word_longer_than_the_reach_is_no_word() {
        let text = format!("{}ssn", "a".repeat(REACH + 3));
        let mut words = Words::default();
        for at in [REACH + 3, REACH + 3, REACH + 5, REACH + 6] {
            assert_eq!(words.near(text.as_bytes(), at), Near::default(), "{at}");
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
