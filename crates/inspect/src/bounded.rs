//! The scans for kinds whose matches have an end: which there are, and what one of them is.
//!
//! To add kinds, write a finder and add a [`Scan`] to [`SCANS`]: numbers, duties, lanes and redaction follow from the list. A
//! finder is either a function of its own (as [`crate::email`]) or a table of [`ContextRule`]s, values that are told by what
//! stands before them (as [`crate::secrets`]).

use model::FindingGroup;

use crate::context::ContextRule;
use crate::pii::{self, domain, ip};
use crate::{email, number, secrets};

/// Bytes before an offset that finders may look at: what a lane keeps of released text.
pub(crate) const LOOK_BACK: usize = 256;

/// Every scan in the order of the rules' numbers.
pub(crate) static SCANS: [Scan; N_SCANS] = [
    Scan { group: FindingGroup::Secret, finder: Finder::Context(secrets::SECRETS) },
    Scan { group: FindingGroup::Pii, finder: Finder::Own { kinds: number::KINDS, find: number::scan } },
    Scan { group: FindingGroup::Pii, finder: Finder::Own { kinds: &["EMAIL_ADDRESS"], find: email::scan } },
    Scan { group: FindingGroup::Pii, finder: Finder::Own { kinds: &["IP_ADDRESS"], find: ip::scan } },
    Scan { group: FindingGroup::Pii, finder: Finder::Own { kinds: &["DOMAIN_NAME"], find: domain::scan } },
    Scan { group: FindingGroup::Pii, finder: Finder::Own { kinds: pii::NAMES, find: pii::scan } },
];

/// How many scans there are.
pub(crate) const N_SCANS: usize = 6;

/// Kinds of one group that are found together.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) group: FindingGroup,
    pub(crate) finder: Finder,
}

/// How a scan finds its kinds.
#[derive(Debug)]
pub(crate) enum Finder {
    /// By a function of its own; at most 64 kinds.
    Own { kinds: &'static [&'static str], find: Find },
    /// By what stands before a value, in the order of the table.
    Context(&'static [ContextRule]),
}

/// Reports every match that begins at or after `input.from` (the kind's place in the scan's list, start, end), and returns the
/// offset below which every start is decided: from where to look again when there is more text. That is the text's length if
/// `is_final`, and at most 1,024 bytes before its end otherwise. What is reported may depend on the text alone, never on where it
/// was cut: on at most [`LOOK_BACK`] bytes before a start and a bounded number behind it. Work is linear in the bytes from `from`.
pub(crate) type Find = fn(input: Input<'_>, report: &mut dyn FnMut(usize, usize, usize)) -> usize;

/// What a finder looks at.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    /// Holds up to [`LOOK_BACK`] bytes before `from`.
    pub(crate) text: &'a [u8],
    pub(crate) from: usize,
    /// The text does not go on behind `text`.
    pub(crate) is_final: bool,
    /// The scan's kinds that are switched on, by place: bit 0 is the first.
    pub(crate) enabled: u64,
}

impl Input<'_> {
    /// Whether the scan's kind at this place is switched on.
    pub(crate) const fn has(&self, kind: usize) -> bool {
        self.enabled >> kind & 1 == 1
    }
}

impl Finder {
    pub(crate) const fn n_kinds(&self) -> usize {
        match self {
            Self::Own { kinds, .. } => kinds.len(),
            Self::Context(rules) => rules.len(),
        }
    }

    pub(crate) fn kind(&self, place: usize) -> &'static str {
        match self {
            Self::Own { kinds, .. } => kinds.get(place).copied().unwrap_or_default(),
            Self::Context(rules) => rules.get(place).map_or("", |rule| rule.kind),
        }
    }

    pub(crate) const fn yields_to_tokens(&self) -> bool {
        matches!(self, Self::Context(_))
    }
}
