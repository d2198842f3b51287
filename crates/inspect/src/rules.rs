//! How rules are written down, and their numbers. The token rules themselves are in [`crate::tokens`].

use model::{FindingGroup, FindingKind};

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

/// The bounded rules, numbered after the tokens.
static BOUNDED: &[&str] = &["CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS"];

/// A rule's number: the token rules first, then the bounded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleId(pub(crate) u8);

/// How many rules there are. At most 128: sets of rules are bit masks.
pub(crate) const N_RULES: usize = 125;

/// How many of them are token rules.
pub(crate) const N_TOKENS: u8 = 121;

impl RuleId {
    pub(crate) const CARD: Self = Self(N_TOKENS);
    pub(crate) const IBAN: Self = Self(N_TOKENS + 1);
    pub(crate) const SSN: Self = Self(N_TOKENS + 2);
    pub(crate) const EMAIL: Self = Self(N_TOKENS + 3);

    /// Every rule, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..N_TOKENS + 4).map(Self)
    }

    /// Whether a match of the rule runs until it is terminated, however long that takes.
    pub(crate) const fn is_open_ended(self) -> bool {
        self.0 < N_TOKENS
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) const fn bit(self) -> u128 {
        1 << self.0
    }

    fn name(self) -> &'static str {
        let token = TOKENS.get(self.index()).map(|rule| rule.kind);
        token.or_else(|| BOUNDED.get(self.index().saturating_sub(TOKENS.len())).copied()).unwrap_or_default()
    }

    pub(crate) fn kind(self) -> FindingKind {
        FindingKind::known(self.name())
    }

    pub(crate) const fn group(self) -> FindingGroup {
        if self.is_open_ended() { FindingGroup::Secret } else { FindingGroup::Pii }
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDED, N_RULES, N_TOKENS, RuleId, TOKENS};

    #[test]
    fn the_rules_are_numbered_without_a_gap() {
        assert_eq!(TOKENS.len(), usize::from(N_TOKENS));
        assert_eq!(TOKENS.len() + BOUNDED.len(), N_RULES);
        const { assert!(N_RULES <= 128) };
        let names: Vec<_> = RuleId::all().map(RuleId::name).collect();
        assert_eq!(names.len(), N_RULES);
        assert_eq!(names.last(), Some(&"EMAIL_ADDRESS"));
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), N_RULES, "a name stands twice or is empty");
    }
}
