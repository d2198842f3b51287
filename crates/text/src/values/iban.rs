//! International bank account numbers (ISO 13616): the country's length and the ISO 7064 check.

use super::Found;
use super::reader::{Reader, is_space};

/// The countries of the SWIFT registry, and how many characters an account number has there.
const LENGTHS: [(&str, usize); 89] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// The account number that the text begins with. Single spaces or hyphens may stand anywhere behind the country's letters.
pub(super) fn at(text: &str) -> Option<Found> {
    // Most words end here.
    if text.as_bytes().get(2).is_none_or(u8::is_ascii_alphabetic) {
        return None;
    }
    let country = text.get(..2)?.to_ascii_uppercase();
    let length = LENGTHS.binary_search_by_key(&country.as_str(), |(code, _)| code).ok()?;
    let (_, length) = LENGTHS.get(length)?;
    let mut reader = Reader::new(text);
    reader.skip(2);
    let mut normal = country;
    while normal.len() < *length {
        reader.eat_if(|next| is_space(next) || next == '-');
        let is_check = normal.len() < 4;
        let next = reader.eat_if(|next| if is_check { next.is_ascii_digit() } else { next.is_ascii_alphanumeric() })?;
        normal.push(next.to_ascii_uppercase());
    }
    (reader.is_word_end() && is_checked(&normal)).then(|| Found { len: reader.at(), normal })
}

/// ISO 7064 mod 97-10: the first four characters moved to the end, letters as 10 to 35, leave 1.
fn is_checked(compact: &str) -> bool {
    let (head, body) = compact.split_at_checked(4).unwrap_or((compact, ""));
    let step = |rest: u32, character: char| {
        let value = character.to_digit(36).unwrap_or(0);
        if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 }
    };
    body.chars().chain(head.chars()).fold(0, step) == 1
}

#[cfg(test)]
mod tests {
    use super::{LENGTHS, at};

    #[test]
    fn examples_of_the_registry() {
        let facts = [
            ("DE89370400440532013000", Some("DE89370400440532013000")),
            ("DE89 3704 0044 0532 0130 00", Some("DE89370400440532013000")),
            ("de89-3704-0044-0532-0130-00 and", Some("DE89370400440532013000")),
            ("GB29 NWBK 6016 1331 9268 19", Some("GB29NWBK60161331926819")),
            ("NO93 8601 1117 947.", Some("NO9386011117947")),
            ("FR14 2004 1010 0505 0001 3M02 606", Some("FR1420041010050500013M02606")),
            ("CH93 0076 2011 6238 5295 7", Some("CH9300762011623852957")),
            ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", Some("MT84MALT011000012345MTLCAST001S")),
            ("LC55HEMM000100010012001200023015", Some("LC55HEMM000100010012001200023015")),
            ("DE88370400440532013000", None),
            ("DE8937040044053201300", None),
            ("DE893704004405320130001", None),
            ("DE89  370400440532013000", None),
            ("XX89370400440532013000", None),
            ("DEA9370400440532013000", None),
        ];
        for (text, expected) in facts {
            assert_eq!(at(text).map(|found| found.normal).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn countries_are_sorted() {
        assert!(LENGTHS.is_sorted_by(|left, right| left.0 < right.0));
    }
}
