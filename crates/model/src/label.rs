//! One label for everything that carries data: documents, tasks, models, destinations.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::PrincipalId;

/// How secret data is. Joined by the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Anyone may see it.
    #[default]
    Public,
    /// Members of the organisation.
    Internal,
    /// A named circle.
    Confidential,
    /// Named persons.
    Restricted,
}

/// How far data can be trusted as an instruction. Joined by the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    /// Written by nobody we know.
    Untrusted,
    /// Shaped like an identifier, from an untrusted source.
    Identifier,
    /// From a source that an operator vouches for.
    Trusted,
    /// The user's own words. The neutral element of the join.
    #[default]
    User,
}

/// A named compartment such as `pii`, `phi`, `finance`, `region:eu`.
pub type Compartment = crate::Name;

/// Who may read data. Joined by the intersection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readers {
    /// Everyone; the neutral element.
    #[default]
    Everyone,
    /// Only these; an empty set means nobody.
    Only(BTreeSet<PrincipalId>),
}

/// Most origins that a label names one by one.
pub const MAX_ORIGINS: usize = 64;

/// Where data came from. Joined by the union; above [`MAX_ORIGINS`] it collapses to `Many`, which absorbs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origins {
    /// These sources.
    These(BTreeSet<String>),
    /// Too many to name: taint stays, grounding is lost.
    Many,
}

impl Default for Origins {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

/// The label: level, compartments, readers, integrity, origins. `Default` is the neutral element of [`Label::join`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Label {
    /// How secret.
    pub level: Level,
    /// Which compartments it touches.
    pub compartments: BTreeSet<Compartment>,
    /// Who may read it.
    pub readers: Readers,
    /// How far it can be trusted.
    pub integrity: Integrity,
    /// Where it came from.
    pub origins: Origins,
}

impl Label {
    /// The least label at least as strict as both. Associative, commutative, idempotent, monotone.
    #[must_use]
    pub fn join(self, other: &Self) -> Self {
        Self {
            level: self.level.max(other.level),
            compartments: self.compartments.union(&other.compartments).cloned().collect(),
            readers: join_readers(self.readers, &other.readers),
            integrity: self.integrity.min(other.integrity),
            origins: join_origins(self.origins, &other.origins),
        }
    }
}

fn join_readers(left: Readers, right: &Readers) -> Readers {
    match (left, right) {
        (Readers::Everyone, other) => other.clone(),
        (only @ Readers::Only(_), Readers::Everyone) => only,
        (Readers::Only(left), Readers::Only(right)) => Readers::Only(left.intersection(right).cloned().collect()),
    }
}

fn join_origins(left: Origins, right: &Origins) -> Origins {
    match (left, right) {
        (Origins::Many, _) | (_, Origins::Many) => Origins::Many,
        (Origins::These(left), Origins::These(right)) => {
            let union: BTreeSet<String> = left.union(right).cloned().collect();
            if union.len() > MAX_ORIGINS { Origins::Many } else { Origins::These(union) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Integrity, Label, Level, Origins, Readers};

    fn label() -> impl Strategy<Value = Label> {
        let level = prop_oneof![Just(Level::Public), Just(Level::Internal), Just(Level::Confidential), Just(Level::Restricted)];
        let integrity =
            prop_oneof![Just(Integrity::Untrusted), Just(Integrity::Identifier), Just(Integrity::Trusted), Just(Integrity::User)];
        let compartments = proptest::collection::btree_set("[a-d]", 0..3);
        let readers = proptest::option::of(proptest::collection::btree_set("user:[a-d]", 0..3));
        let origins = proptest::option::of(proptest::collection::btree_set("[a-z]{2}", 0..50));
        (level, compartments, readers, integrity, origins).prop_map(|(level, compartments, readers, integrity, origins)| Label {
            level,
            compartments: compartments.iter().filter_map(|name| name.parse().ok()).collect(),
            readers: readers.map_or(Readers::Everyone, |names: BTreeSet<String>| {
                Readers::Only(names.iter().filter_map(|name| name.parse().ok()).collect())
            }),
            integrity,
            origins: origins.map_or(Origins::Many, Origins::These),
        })
    }

    proptest! {
        #[test]
        fn join_is_a_semilattice(a in label(), b in label(), c in label()) {
            prop_assert_eq!(a.clone().join(&b), b.clone().join(&a));
            prop_assert_eq!(a.clone().join(&b).join(&c), a.clone().join(&b.clone().join(&c)));
            prop_assert_eq!(&a.clone().join(&a), &a);
            prop_assert_eq!(&a.clone().join(&Label::default()), &a);
            prop_assert!(a.clone().join(&b).level >= a.level);
            prop_assert!(a.clone().join(&b).integrity <= a.integrity);
        }
    }
}
