//! What speaks for a finding: how likely something else only looks like it.

use std::collections::HashMap;
use std::sync::LazyLock;

use model::FindingKind;

use crate::bounded::{Finder, SCANS};
use crate::context::Clue;
use crate::tokens::TOKENS;

/// What speaks for a finding, the strongest first. Of several rules for one kind the weakest counts, unless the value tells which
/// one it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grounds {
    /// A checksum that at most one made-up value in ninety passes.
    Checksum,
    /// A literal that its issuer begins such values with, and enough different characters behind it.
    Mark,
    /// One check character: about one made-up value in ten to twenty-six passes.
    CheckCharacter,
    /// A form that little else has.
    Form,
    /// Words beside it; the form alone would say nothing.
    Words,
}

/// What speaks for the kinds of secrets.
static SECRETS: LazyLock<HashMap<&'static str, Grounds>> = LazyLock::new(|| {
    let tokens = TOKENS.iter().map(|token| (token.kind, Grounds::Mark));
    let rules = SCANS.iter().filter_map(|scan| if let Finder::Context(rules) = scan.finder { Some(rules) } else { None });
    let by_context = rules.flatten().map(|rule| match rule.clue {
        Clue::None => (rule.kind, Grounds::Mark),
        Clue::Assigned(_) | Clue::Own(_) => (rule.kind, Grounds::Words),
    });
    let mut grounds = HashMap::new();
    for (kind, ground) in tokens.chain(by_context) {
        let known = grounds.entry(kind).or_insert(ground);
        *known = ground.max(*known);
    }
    grounds
});

impl Grounds {
    /// What speaks for a finding of a kind that reads `value`. Of the operators' own rules nothing is known but that they match.
    #[must_use]
    pub fn of(kind: &FindingKind, value: &str) -> Self {
        let kind = kind.as_str();
        personal(kind, value).or_else(|| SECRETS.get(kind).copied()).unwrap_or(Self::Form)
    }
}

/// What speaks for kinds of personal data.
fn personal(kind: &str, value: &str) -> Option<Grounds> {
    Some(match kind {
        "IBAN_CODE" | "FR_NIR" | "BE_NATIONAL_NUMBER" => Grounds::Checksum,
        "CREDIT_CARD" | "US_NPI" | "MEDICAL_LICENSE" | "DE_TAX_ID" | "DE_ID_CARD" | "IT_FISCAL_CODE" | "ES_NIF" | "ES_NIE"
        | "PL_PESEL" | "RO_CNP" | "NL_BSN" | "CZ_BIRTH_NUMBER" | "SE_PERSONNUMMER" | "PT_NIF" | "GR_AMKA" | "GR_AFM"
        | "UK_NHS" => Grounds::CheckCharacter,
        "CRYPTO" if is_checked_wallet(value) => Grounds::Checksum,
        // The second line of a machine-readable zone holds three check digits.
        "PASSPORT" if value.len() >= 36 => Grounds::Checksum,
        "US_SSN" if value.contains('-') => Grounds::Form,
        "EMAIL_ADDRESS" | "IP_ADDRESS" | "DOMAIN_NAME" | "PHONE_NUMBER" | "UK_NINO" => Grounds::Form,
        "US_SSN" | "US_ITIN" | "CRYPTO" | "PASSPORT" | "US_DRIVER_LICENSE" | "MEDICAL_RECORD" | "DATE_OF_BIRTH" => Grounds::Words,
        _ => return None,
    })
}

/// Whether an address holds its checksum. One of Ethereum does if its letters are of both cases; in one case only words tell it.
fn is_checked_wallet(value: &str) -> bool {
    let Some(digits) = value.strip_prefix("0x") else { return true };
    digits.bytes().any(|byte| byte.is_ascii_uppercase()) && digits.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use model::{FindingGroup, FindingKind};

    use super::{Grounds, SECRETS, personal};
    use crate::scan::Scanners;

    #[test]
    fn something_is_known_of_every_kind() {
        for (kind, group) in Scanners::kinds() {
            let is_known = match group {
                FindingGroup::Pii => personal(kind.as_str(), "").is_some(),
                _ => SECRETS.contains_key(kind.as_str()),
            };
            assert!(is_known, "say in `grounds.rs` what speaks for {kind}");
        }
    }

    #[test]
    fn what_speaks_for_a_finding() {
        let facts = [
            ("IBAN_CODE", "DE89370400440532013000", Grounds::Checksum),
            ("CREDIT_CARD", "4111111111111111", Grounds::CheckCharacter),
            ("github-pat", "ghp_", Grounds::Mark),
            ("airtable-personnal-access-token", "pat", Grounds::Mark),
            ("adafruit-api-key", "a", Grounds::Words),
            ("US_SSN", "219-09-9999", Grounds::Form),
            ("US_SSN", "219099999", Grounds::Words),
            ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Grounds::Checksum),
            ("CRYPTO", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", Grounds::Checksum),
            ("CRYPTO", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", Grounds::Words),
            ("our-own-rule", "x", Grounds::Form),
        ];
        for (kind, value, grounds) in facts {
            assert_eq!(Grounds::of(&FindingKind::made(kind.to_owned()), value), grounds, "{kind} {value}");
        }
        assert!(Grounds::Checksum < Grounds::Form && Grounds::CheckCharacter < Grounds::Form && Grounds::Form < Grounds::Words);
    }
}
