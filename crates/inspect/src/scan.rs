//! The set of scanners, and a scan of one whole text.

use std::fmt;

use model::{FindingGroup, FindingKind, Span};

use crate::leet::Leet;
use crate::nested;
use crate::rules::{N_TOKENS, RuleId, Shape, TokenRule};
use crate::tokens::TOKENS;
use crate::track::{Match, Tracker, Window};
use crate::unite::{Distinct, unite};

/// No match is shorter than the shortest e-mail address.
pub(crate) const SHORTEST: usize = 6;

/// One match of one rule inside a [`Hit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: FindingKind,
    /// The group that duties may name.
    pub group: FindingGroup,
    /// Where it stands.
    pub span: Span,
}

/// Something that was found: one match, or several that overlap, united. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What it is; of several, the kind of the one that begins first. See `docs/SCANNERS.md` for ties.
    pub kind: FindingKind,
    /// The group of that kind.
    pub group: FindingGroup,
    /// Byte offsets in the scanned text; of several, from the first start to the last end.
    pub span: Span,
    /// All united matches in order, the naming one first; empty if there is only one.
    pub parts: Vec<Part>,
}

impl Hit {
    /// Every match in it: itself if there is only one.
    pub fn matches(&self) -> impl Iterator<Item = (&FindingKind, FindingGroup, Span)> {
        let alone = self.parts.is_empty().then_some((&self.kind, self.group, self.span));
        alone.into_iter().chain(self.parts.iter().map(|part| (&part.kind, part.group, part.span)))
    }
}

/// The scanners: immutable, to be shared by `Arc`.
pub struct Scanners {
    enabled: u128,
    /// Which token rules have a literal with this byte at its first, second and third place.
    places: [Box<[u128; 256]>; 3],
    /// The token rules whose matches inside another one need not be looked at.
    swallowing: u128,
    leet: Leet,
}

impl Scanners {
    /// Every scanner.
    #[must_use]
    pub fn all() -> Self {
        Self::of(RuleId::all().fold(0, |rules, rule| rules | rule.bit()))
    }

    /// Every kind that some scanner finds, with its group, in the order of the rules.
    #[must_use]
    pub fn kinds() -> Vec<(FindingKind, FindingGroup)> {
        RuleId::all().map(|rule| (rule.kind(), rule.group())).collect()
    }

    /// The same scanners but for those that find these kinds.
    #[must_use]
    pub fn without(self, kinds: &[&str]) -> Self {
        let removed = RuleId::all().filter(|rule| kinds.contains(&rule.kind().as_str()));
        Self::of(removed.fold(self.enabled, |rules, rule| rules & !rule.bit()))
    }

    /// What stands in a whole text: sorted, disjoint. Linear time.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Hit> {
        if text.len() < SHORTEST {
            return Vec::new();
        }
        hits(self.matches(text), text.len())
    }

    /// As [`scan`](Self::scan), and what stands behind layers of JSON escapes, as in every leaf of a document.
    #[must_use]
    pub fn scan_layers(&self, text: &str) -> Vec<Hit> {
        nested::scan(self, text)
    }

    /// Every match in a whole text, in no order.
    pub(crate) fn matches(&self, text: &str) -> Vec<Match> {
        let mut matches = Vec::new();
        let window = Window { bytes: text.as_bytes(), base: 0, is_final: true };
        Tracker::new().advance(self, window, &mut matches);
        matches
    }

    fn of(enabled: u128) -> Self {
        let mut places = [const { [0_u128; 256] }; 3].map(Box::new);
        for rule in (0..N_TOKENS).map(RuleId).filter(|rule| enabled & rule.bit() != 0) {
            for shape in TOKENS.get(rule.index()).map_or(&[][..], |token| token.shapes) {
                let mut literal = shape.prefix().bytes();
                for place in &mut places {
                    match literal.next() {
                        Some(byte) => place.get_mut(usize::from(byte)).into_iter().for_each(|rules| *rules |= rule.bit()),
                        None => place.iter_mut().for_each(|rules| *rules |= rule.bit()),
                    }
                }
            }
        }
        let swallowing = RuleId::all()
            .filter(|rule| TOKENS.get(rule.index()).is_some_and(TokenRule::swallows_itself))
            .fold(0, |rules, rule| rules | rule.bit());
        let rules = (0..N_TOKENS).map(RuleId).filter(|rule| enabled & rule.bit() != 0);
        let literals = rules.filter_map(|rule| TOKENS.get(rule.index())).flat_map(|token| token.shapes).map(Shape::prefix);
        Self { enabled, places, swallowing, leet: Leet::new(literals) }
    }

    pub(crate) const fn leet(&self) -> &Leet {
        &self.leet
    }

    pub(crate) const fn enabled(&self) -> u128 {
        self.enabled
    }

    pub(crate) const fn has(&self, rule: RuleId) -> bool {
        self.enabled & rule.bit() != 0
    }

    pub(crate) const fn swallows_itself(&self, rule: RuleId) -> bool {
        self.swallowing & rule.bit() != 0
    }

    pub(crate) const fn wants_numbers(&self) -> bool {
        self.has(RuleId::CARD) || self.has(RuleId::IBAN) || self.has(RuleId::SSN)
    }

    /// The token rules that may match where these bytes stand; a byte that is not known fits every rule.
    pub(crate) fn candidates(&self, first: u8, second: Option<u8>, third: Option<u8>) -> u128 {
        let [firsts, seconds, thirds] = &self.places;
        let of = |place: &[u128; 256], byte: u8| place.get(usize::from(byte)).copied().unwrap_or(0);
        of(firsts, first) & second.map_or(u128::MAX, |byte| of(seconds, byte)) & third.map_or(u128::MAX, |byte| of(thirds, byte))
    }
}

/// The hits that matches in a text of `length` bytes make up: sorted, disjoint.
pub(crate) fn hits(mut matches: Vec<Match>, length: usize) -> Vec<Hit> {
    if matches.is_empty() {
        return Vec::new();
    }
    matches.sort_unstable_by_key(Match::order);
    let mut distinct = Distinct::default();
    matches.retain(|found| distinct.admits(found));
    let parts = matches.into_iter().map(|found| Part {
        kind: found.rule.kind(),
        group: found.rule.group(),
        span: Span { start: found.start, end: found.end.unwrap_or(length) },
    });
    unite(parts, |part| part.span)
        .into_iter()
        .filter_map(|(span, parts)| {
            let first = parts.first()?.clone();
            Some(Hit { kind: first.kind, group: first.group, span, parts: if parts.len() > 1 { parts } else { Vec::new() } })
        })
        .collect()
}

impl fmt::Debug for Scanners {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Scanners").field(&format_args!("{:#x}", self.enabled)).finish()
    }
}
