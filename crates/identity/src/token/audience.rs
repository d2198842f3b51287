//! For whom a token is (RFC 8707): the gate as a whole, or only what is named in it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::TokenError;
use super::access::texts;

/// For whom a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// The gate, with everything behind it.
    Gate,
    /// Only these; what they name need not be here. Never empty.
    Resources(BTreeSet<String>),
}

/// Where a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At<'a> {
    /// At the gate, to something that is no resource of its own.
    Gate,
    /// At the resource of this name.
    Resource(&'a str),
    /// To be exchanged: at the gate, or at any resource whose name begins so.
    Below(&'a str),
    /// Nowhere: its holder asks what it says.
    Nowhere,
}

impl Audience {
    /// Reads `aud`: the gate, if one of `ours` is named.
    pub(super) fn read(claims: &Map<String, Value>, ours: &BTreeSet<String>) -> Result<Self, TokenError> {
        let named = claims.get("aud").and_then(texts).ok_or(TokenError::Claim("aud"))?;
        if named.iter().any(|name| ours.contains(*name)) {
            return Ok(Self::Gate);
        }
        if named.is_empty() {
            Err(TokenError::Audience)
        } else {
            Ok(Self::Resources(named.into_iter().map(str::to_owned).collect()))
        }
    }

    /// Whether a token for this audience counts where it is shown.
    #[must_use]
    pub fn opens(&self, at: At<'_>) -> bool {
        match (self, at) {
            (Self::Gate, _) | (_, At::Nowhere) => true,
            (Self::Resources(_), At::Gate) => false,
            (Self::Resources(names), At::Resource(name)) => names.contains(name),
            (Self::Resources(names), At::Below(beginning)) => names.iter().any(|name| name.starts_with(beginning)),
        }
    }

    /// As [`Audience::opens`].
    ///
    /// # Errors
    /// [`TokenError::Audience`].
    pub fn check(&self, at: At<'_>) -> Result<(), TokenError> {
        if self.opens(at) { Ok(()) } else { Err(TokenError::Audience) }
    }

    /// Whether everything that this opens is opened by `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Gate) => true,
            (Self::Gate, Self::Resources(_)) => false,
            (Self::Resources(names), Self::Resources(others)) => names.is_subset(others),
        }
    }

    /// As `aud` of a token of the gate called `gate`.
    #[must_use]
    pub fn claim(&self, gate: &str) -> Value {
        match self {
            Self::Gate => Value::from(gate),
            Self::Resources(names) => match (names.first(), names.len()) {
                (Some(name), 1) => Value::from(name.as_str()),
                _ => names.iter().cloned().collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{At, Audience};

    fn of(names: &[&str]) -> Audience {
        Audience::Resources(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>())
    }

    #[test]
    fn a_resource_is_not_its_neighbour() {
        let kb = of(&["https://g/mcp/kb"]);
        let facts = [
            (At::Gate, false),
            (At::Resource("https://g/mcp/kb"), true),
            (At::Resource("https://g/mcp/kb/"), false),
            (At::Resource("https://g/mcp/k"), false),
            (At::Resource("https://G/mcp/kb"), false),
            (At::Below("https://g/mcp/"), true),
            (At::Below("https://h/mcp/"), false),
            (At::Nowhere, true),
        ];
        for (at, expected) in facts {
            assert_eq!(kb.opens(at), expected, "{at:?}");
            assert!(Audience::Gate.opens(at), "{at:?}");
        }
    }

    #[test]
    fn less_is_within_more() {
        let (one, two) = (of(&["a"]), of(&["a", "b"]));
        let facts = [(&one, &two, true), (&two, &one, false), (&one, &Audience::Gate, true), (&Audience::Gate, &two, false)];
        for (less, more, expected) in facts {
            assert_eq!(less.is_within(more), expected, "{less:?} {more:?}");
            assert!(less.is_within(less));
        }
    }
}
