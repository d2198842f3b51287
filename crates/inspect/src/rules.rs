//! How token rules are written down, the numbers of all rules, and sets of them. The token rules themselves are in
//! [`crate::tokens`], the scans for all other kinds in [`crate::bounded`].

use model::{FindingGroup, FindingKind};

use crate::bounded::{N_SCANS, SCANS};
use crate::class::Class;
use crate::tokens::TOKENS;

/// What may not stand directly before a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Anything may.
    Any,
    /// No letter, digit or `_`.
    Word,
    /// No letter, digit, `_` or `-`.
    UrlSafe,
}

impl Left {
    pub(crate) fn admits(self, before: Option<u8>) -> bool {
        let barred = match self {
            Self::Any => return true,
            Self::Word => Class::WORD,
            Self::UrlSafe => Class::URL_SAFE,
        };
        before.is_none_or(|byte| !barred.has(byte))
    }
}

/// One way in which a token can look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A literal, then at least `min` bytes of `class`; the match takes the whole run.
    Run { prefix: &'static str, left: Left, class: Class, min: usize, distinct: usize },
    /// Two base64url segments that both begin with `ey`, joined by a dot; see [`crate::token`].
    Segments,
    /// A PEM private key; see [`crate::token`].
    Pem,
}

impl Shape {
    /// The literal that every match begins with.
    pub(crate) const fn prefix(&self) -> &'static str {
        match self {
            Self::Run { prefix, .. } => prefix,
            Self::Segments => "ey",
            Self::Pem => "-----",
        }
    }
}

/// A kind of token with everything it can look like; the first shape that matches counts.
#[derive(Debug)]
pub(crate) struct TokenRule {
    pub(crate) kind: &'static str,
    pub(crate) shapes: &'static [Shape],
}

/// A literal and a run behind it that needs at least six distinct bytes among its first `min`.
pub(crate) const fn token(prefix: &'static str, left: Left, class: Class, min: usize) -> Shape {
    Shape::Run { prefix, left, class, min, distinct: 6 }
}

/// Characters of a compact JWS or JWE.
pub(crate) const JWT: Class = Class::URL_SAFE.or(Class::BASE64).or(Class::DOT);

/// A JOSE header whose first member can be told from its first ten characters.
pub(crate) const fn jose(prefix: &'static str) -> Shape {
    Shape::Run { prefix, left: Left::Any, class: JWT, min: 20, distinct: 0 }
}

/// A rule's number: the token rules first, then the kinds of every scan in their order, then the operators' own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleId(pub(crate) usize);

/// How many token rules there are.
pub(crate) const N_TOKENS: usize = TOKENS.len();

/// The number of the first kind of every scan, and of the one that would come next.
const FIRST: [usize; N_SCANS + 1] = first();

/// How many rules there are. At most what a [`RuleSet`] holds.
pub(crate) const N_RULES: usize = FIRST[N_SCANS];

#[expect(clippy::indexing_slicing, reason = "evaluated when the program is built")]
const fn first() -> [usize; N_SCANS + 1] {
    let mut first = [N_TOKENS; N_SCANS + 1];
    let mut scan = 0;
    while scan < N_SCANS {
        first[scan + 1] = first[scan] + SCANS[scan].finder.n_kinds();
        scan += 1;
    }
    first
}

impl RuleId {
    /// Every rule, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..N_RULES).map(Self)
    }

    /// Every token rule, in order.
    pub(crate) fn tokens() -> impl Iterator<Item = Self> {
        (0..N_TOKENS).map(Self)
    }

    /// The rule at this place of the operators' own.
    pub(crate) const fn own(place: usize) -> Self {
        Self(N_RULES + place)
    }

    /// Its place among the operators' own rules, if it is one.
    pub(crate) const fn own_place(self) -> Option<usize> {
        self.0.checked_sub(N_RULES)
    }

    /// The kinds of a scan, in order.
    pub(crate) fn of_scan(scan: usize) -> impl Iterator<Item = Self> {
        let end = FIRST.get(scan + 1).copied().unwrap_or(N_RULES);
        (Self::first_of(scan)..end).map(Self)
    }

    /// A scan's kind by its place in the scan's list.
    pub(crate) fn at(scan: usize, kind: usize) -> Self {
        Self(Self::first_of(scan) + kind)
    }

    fn first_of(scan: usize) -> usize {
        FIRST.get(scan).copied().unwrap_or(N_RULES)
    }

    /// Whether a match of the rule runs until it is terminated, however long that takes: token rules.
    pub(crate) const fn is_open_ended(self) -> bool {
        self.0 < N_TOKENS
    }

    /// Whether a match counts only where no token begins: kinds told by what stands before them.
    pub(crate) fn yields_to_tokens(self) -> bool {
        self.scan().is_some_and(|(_, finder, _)| finder.yields_to_tokens())
    }

    fn scan(self) -> Option<(FindingGroup, &'static crate::bounded::Finder, usize)> {
        let scan = FIRST.iter().rposition(|first| *first <= self.0)?;
        SCANS.get(scan).map(|of| (of.group, &of.finder, self.0 - Self::first_of(scan)))
    }

    fn name(self) -> &'static str {
        match TOKENS.get(self.0) {
            Some(token) => token.kind,
            None => self.scan().map_or("", |(_, finder, place)| finder.kind(place)),
        }
    }

    /// The kind of what it finds. Those of operators' own rules are told by [`Scanners`](crate::Scanners); here they are empty.
    pub(crate) fn kind(self) -> FindingKind {
        FindingKind::known(self.name())
    }

    pub(crate) fn group(self) -> FindingGroup {
        if self.is_open_ended() || self.own_place().is_some() {
            FindingGroup::Secret
        } else {
            self.scan().map_or(FindingGroup::Pii, |(group, ..)| group)
        }
    }
}

const N_WORDS: usize = 8;

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleSet([u64; N_WORDS]);

impl RuleSet {
    /// Most rules that a set can hold.
    #[cfg(test)]
    const MOST: usize = N_WORDS * 64;

    pub(crate) const EMPTY: Self = Self([0; N_WORDS]);

    pub(crate) fn has(&self, rule: RuleId) -> bool {
        self.0.get(rule.0 / 64).is_some_and(|word| word >> (rule.0 % 64) & 1 == 1)
    }

    pub(crate) fn set(&mut self, rule: RuleId, is_in: bool) {
        if let Some(word) = self.0.get_mut(rule.0 / 64) {
            let bit = 1 << (rule.0 % 64);
            *word = if is_in { *word | bit } else { *word & !bit };
        }
    }
}

impl FromIterator<RuleId> for RuleSet {
    fn from_iter<T: IntoIterator<Item = RuleId>>(rules: T) -> Self {
        let mut set = Self::EMPTY;
        rules.into_iter().for_each(|rule| set.set(rule, true));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::{N_RULES, RuleId, RuleSet};

    #[test]
    fn the_rules_are_numbered_without_a_gap() {
        const { assert!(N_RULES <= RuleSet::MOST) };
        let names: Vec<_> = RuleId::all().map(RuleId::name).collect();
        assert_eq!(names.len(), N_RULES);
        assert!(names.iter().all(|name| !name.is_empty()));
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), N_RULES, "a name stands twice");
        let set: RuleSet = RuleId::all().filter(|rule| rule.0 % 3 == 0).collect();
        assert!(RuleId::all().all(|rule| set.has(rule) == (rule.0 % 3 == 0)));
    }
}
