//! Text in disguise: what stands in a text as a reader has it who sees past unseen characters, look-alikes, markup and encodings.
//!
//! [`normalise_around`] makes the readings, and [`crate::leet`] one more; what is found in one is told where it was read from.

use std::ops::Range;

use model::FindingGroup;
use text::{Guesses, Look, NormalLimits, Step, View, normalise_around};

use crate::alone;
use crate::clue;
use crate::pii::{domain, phone, words};
use crate::scan::{SHORTEST, Scanners};
use crate::track::Match;

/// Adds every match in the readings of `text`, each with its end, at its place in `text`, and says whether these are all the
/// readings there are, and whether there is none at all. What reaches `within` from neither side may be left out. Linear time; the readings together hold at most
/// eight times the text and 128 KiB.
///
/// A text in which no word of a key names a value (not `is_named`) has none that is turned and named.
pub(crate) fn matches(
    scanners: &Scanners,
    text: &str,
    within: &Range<usize>,
    is_named: bool,
    matches: &mut Vec<Match>,
) -> Readings {
    let has_read_leet = scanners.leet().matches(scanners, text, matches);
    alone::matches(scanners, text, is_named, matches);
    let clues = clue::turned(text);
    let usual = NormalLimits::for_length(text.len());
    // Long documents with markup, look-alikes and escapes have many readings that are nearly the whole text.
    let max_bytes = usual.max_bytes.saturating_mul(2);
    let limits =
        NormalLimits { guesses: Guesses::Suspicious { from: within.start, to: within.end }, max_views: 48, max_bytes, ..usual };
    let normal = normalise_around(text, &clues, &limits);
    let are_none = normal.views.is_empty() && clues.is_empty();
    for view in normal.views {
        if view.text().len() >= SHORTEST {
            let counts = Counts::of(&view);
            let (found, is_named) = scanners.matches_telling(view.text(), usize::MAX, &mut |_| ());
            let found = found.into_iter().filter(|found| counts.has(text, &view, found));
            matches.extend(found.map(|found| at_origin(&view, found)));
            if is_decoded(&view) {
                let mut turned = Vec::new();
                alone::matches(scanners, view.text(), is_named, &mut turned);
                matches.extend(turned.into_iter().map(|found| at_origin(&view, found)));
            }
        }
    }
    Readings { are_all: has_read_leet && clues.len() < clue::MOST && !normal.is_cut, are_none }
}

/// What is known of the readings of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readings {
    /// They are all that there are.
    pub(crate) are_all: bool,
    /// There is none.
    pub(crate) are_none: bool,
}

/// Whether something in `text` names a value in disguise, be it one that stands behind it.
pub(crate) fn has_names(scanners: &Scanners, text: &str) -> bool {
    let is_other = |character: char| !character.is_ascii() && matches!(Look::of(character), Look::Letter | Look::Odd);
    (!text.is_ascii() && text.contains(is_other))
        || scanners.leet().is_in(text)
        || !clue::turned(text).is_empty()
        || alone::is_in(scanners, text)
}

/// Which matches in a view count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    All,
    /// Those that say enough of themselves: any text has such a reading.
    Telling,
    /// Those, and what has a word before it that says what it is. Turned round, one number in ten is a phone's.
    Told,
    /// Those in what was decoded: around it stands text as it is.
    Decoded,
}

impl Counts {
    fn of(view: &View) -> Self {
        let has = |test: fn(&Step) -> bool| view.steps().iter().any(test);
        if has(|step| matches!(step, Step::Leet)) {
            Self::Telling
        } else if has(|step| matches!(step, Step::Rot13 | Step::Reversed)) {
            Self::Told
        } else if has(|step| matches!(step, Step::Base64 | Step::Base32 | Step::Hex)) {
            Self::Decoded
        } else {
            Self::All
        }
    }

    fn has(self, text: &str, view: &View, found: &Match) -> bool {
        match self {
            Self::All => true,
            Self::Telling => says_enough(found),
            Self::Told => {
                says_enough(found)
                    || is_link(found, view)
                    || words::is_told(view.text().as_bytes(), found.start, clue::SEMORDNILAPS)
                    || is_called(found, view)
                    || stands_in_words(text, view, found)
            }
            Self::Decoded => {
                let range = found.start..found.end.unwrap_or(view.text().len());
                text.get(view.origin(range.clone())) != view.text().get(range)
            }
        }
    }
}

/// Whether a view is what was encoded or written in pieces, so that what stands in it may be turned where it stands.
fn is_decoded(view: &View) -> bool {
    view.steps().last().is_some_and(|step| matches!(step, Step::Base64 | Step::Base32 | Step::Hex | Step::Spaced))
}

/// Whether a match needs no words before it in a reading that any text has.
fn says_enough(found: &Match) -> bool {
    let kinds = ["CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS", "CRYPTO", "IT_FISCAL_CODE"];
    found.rule.group() == FindingGroup::Secret || kinds.contains(&found.rule.kind().as_str())
}

/// Words that stand in every text, none of which is another one when it is turned.
const ORDINARY: &[&str] = &[
    "the", "and", "to", "of", "is", "in", "it", "for", "you", "my", "this", "that", "with", "have", "are", "all", "can", "your",
    "please", "from", "will", "here",
];
/// Bytes around a match in which they are looked for.
const AROUND: usize = 64;
/// So many of them say that a text is meant to be read so.
const FEWEST: usize = 3;

/// Whether ordinary words stand around a match in a view, and do not where the view was read from.
fn stands_in_words(text: &str, view: &View, found: &Match) -> bool {
    let read = view.text();
    let end = found.end.unwrap_or(read.len());
    let near =
        read.floor_char_boundary(found.start.saturating_sub(AROUND))..read.ceil_char_boundary((end + AROUND).min(read.len()));
    let n_read = n_ordinary(read.get(near.clone()).unwrap_or_default());
    n_read >= FEWEST && n_ordinary(text.get(view.origin(near)).unwrap_or_default()) * 3 <= n_read
}

fn n_ordinary(text: &str) -> usize {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| ORDINARY.iter().any(|known| known.eq_ignore_ascii_case(word))).count()
}

/// Whether a match is a telephone number with a word behind it that says so.
fn is_called(found: &Match, view: &View) -> bool {
    let end = found.end.unwrap_or(view.text().len());
    found.rule.kind().as_str() == "PHONE_NUMBER" && phone::is_called_behind(view.text().as_bytes(), end, clue::SEMORDNILAPS)
}

/// Whether a match is a name that nobody writes by chance.
fn is_link(found: &Match, view: &View) -> bool {
    let written = view.text().get(found.start..found.end.unwrap_or(view.text().len())).unwrap_or_default();
    found.rule.kind().as_str() == "DOMAIN_NAME" && domain::is_telling(written)
}

fn at_origin(view: &View, found: Match) -> Match {
    let end = found.end.unwrap_or(view.text().len());
    found.at(&view.origin(found.start..end))
}
