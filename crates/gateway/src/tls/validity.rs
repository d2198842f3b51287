//! When a certificate ends: the one fact that this project reads out of X.509 by itself.
//!
//! It is told to operators and decides nothing; what cannot be read is simply not told.

/// The end of a certificate's validity, in seconds since 1970 UTC; `None` if it is not where it should be.
//= https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5
//# Both notBefore and notAfter may be encoded as UTCTime or GeneralizedTime.
#[must_use]
pub fn not_after(certificate: &[u8]) -> Option<u64> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        // Serial number, algorithm, issuer.
        (_, fields) = element(fields, tag)?;
    }
    let (validity, _) = element(fields, SEQUENCE)?;
    let behind = [UTC_TIME, GENERALIZED_TIME].iter().find_map(|tag| element(validity, *tag))?.1;
    match (element(behind, UTC_TIME), element(behind, GENERALIZED_TIME)) {
        (Some((text, _)), _) => {
            let text = std::str::from_utf8(text).ok()?;
            let century = if number(text, 0, 2)? >= 50 { "19" } else { "20" };
            seconds(&format!("{century}{text}"))
        }
        (None, Some((text, _))) => seconds(std::str::from_utf8(text).ok()?),
        (None, None) => None,
    }
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The content of the DER element with this tag at the front, and what stands behind it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x0f))?;
            (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The seconds of `YYYYMMDDHHMMSSZ`.
fn seconds(text: &str) -> Option<u64> {
    if text.len() != 15 || !text.ends_with('Z') {
        return None;
    }
    let [year, month, day] = [number(text, 0, 4)?, number(text, 4, 6)?, number(text, 6, 8)?];
    let [hour, minute, second] = [number(text, 8, 10)?, number(text, 10, 12)?, number(text, 12, 14)?];
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of the Gregorian calendar, with the year beginning in March so that a leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // 1970-01-01 is day 719,468 of that calendar.
    Some((days.checked_sub(719_468)?) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(text: &str, from: usize, to: usize) -> Option<u64> {
    let digits = text.get(from..to)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{element, not_after, seconds};

    #[test]
    fn times() {
        let facts = [
            ("19700101000000Z", Some(0)),
            ("20000229235959Z", Some(951_868_799)),
            ("20261121144014Z", Some(1_795_272_014)),
            ("99991231235959Z", Some(253_402_300_799)),
            ("19691231235959Z", None),
            ("20261321144014Z", None),
            ("20261121144014", None),
            ("2026112114401+Z", None),
        ];
        for (text, expected) in facts {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    /// The shape of a certificate: version, serial number, algorithm, issuer, validity.
    #[test]
    fn the_end_of_a_certificate() {
        let tlv = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let certificate = |validity: &[u8], version: &[u8]| {
            let fields = [version, &tlv(2, &[1]), &tlv(0x30, &[]), &tlv(0x30, &[]), &tlv(0x30, validity)].concat();
            tlv(0x30, &tlv(0x30, &fields))
        };
        let (utc, general) = (tlv(0x17, b"700101000000Z"), tlv(0x18, b"20700101000000Z"));
        let version = tlv(0xa0, &tlv(2, &[2]));
        assert_eq!(not_after(&certificate(&[utc.clone(), utc.clone()].concat(), &version)), Some(0));
        assert_eq!(not_after(&certificate(&[utc.clone(), general].concat(), &version)), Some(3_155_760_000));
        assert_eq!(not_after(&certificate(&[utc.clone(), tlv(0x17, b"490101000000Z")].concat(), &[])), Some(2_493_072_000));
        assert_eq!(not_after(&certificate(&utc, &version)), None);
        let whole = certificate(&[utc.clone(), utc].concat(), &version);
        for end in 0..whole.len() {
            assert_eq!(not_after(whole.get(..end).unwrap()), None, "cut at {end}");
        }
        assert_eq!(element(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 0x30), None);
        assert_eq!(element(&[0x30, 0x80, 0, 0], 0x30), None, "no length");
    }
}
