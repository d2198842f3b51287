//! Text in disguise: what stands in a text as a reader has it who sees past unseen characters, look-alikes, markup and encodings.
//!
//! [`text::normalise`] makes the readings, and [`crate::leet`] one more; what is found in one is told where it was read from.

use model::FindingGroup;
use text::{Guesses, NormalLimits, Step, View, normalise};

use crate::scan::{SHORTEST, Scanners};
use crate::track::Match;

/// Adds every match in the readings of `text`, each with its end, at its place in `text`. Linear time; the readings together hold
/// at most what [`NormalLimits::for_length`] allows.
pub(crate) fn matches(scanners: &Scanners, text: &str, matches: &mut Vec<Match>) {
    scanners.leet().matches(scanners, text, matches);
    let limits = NormalLimits { guesses: Guesses::Suspicious, ..NormalLimits::for_length(text.len()) };
    for view in normalise(text, &limits).views {
        if view.text().len() >= SHORTEST {
            let is_guess = view.steps().iter().any(|step| matches!(step, Step::Rot13 | Step::Reversed | Step::Leet));
            let found = scanners.matches(view.text()).into_iter().filter(|found| !is_guess || is_telling(found));
            matches.extend(found.map(|found| at_origin(&view, found)));
        }
    }
}

/// Whether a match says enough of itself to count in a reading that any text has. Turned round, one number in ten is a phone's.
fn is_telling(found: &Match) -> bool {
    let kind = found.rule.kind();
    found.rule.group() == FindingGroup::Secret
        || matches!(kind.as_str(), "CREDIT_CARD" | "IBAN_CODE" | "US_SSN" | "EMAIL_ADDRESS" | "CRYPTO")
}

fn at_origin(view: &View, found: Match) -> Match {
    let end = found.end.unwrap_or(view.text().len());
    found.at(&view.origin(found.start..end))
}
