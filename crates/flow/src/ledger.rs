//! One ledger.

use std::collections::BTreeMap;

use model::{Label, Origins};
use serde::{Deserialize, Serialize};

/// Most observations that a ledger keeps one by one.
pub const MAX_OBSERVATIONS: usize = 256;

/// What was seen from one origin: the join of everything that came from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Where it came from, such as `request` or `model:small`.
    pub origin: String,
    /// The joined label.
    pub label: Label,
}

/// The grow-only ledger of one task.
///
/// Per origin the join is kept, so seeing the same again changes nothing. Above [`MAX_OBSERVATIONS`] origins everything falls
/// into one summary whose origins are `Many`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    seen: BTreeMap<String, Label>,
    /// What fell together when the bound was hit; the neutral label before.
    summary: Label,
    version: u64,
}

impl Ledger {
    /// Joins what was seen from `origin`. Returns the version, which grows exactly when something changed.
    pub fn observe(&mut self, origin: &str, label: &Label) -> u64 {
        let named = Label { origins: Origins::These([origin.to_owned()].into()), ..Label::default() }.join(label);
        if self.is_collapsed() {
            let joined = self.summary.clone().join(&named);
            self.replace_summary(joined);
        } else {
            let before = self.seen.get(origin).cloned();
            let joined = before.clone().unwrap_or_default().join(&named);
            if before.as_ref() != Some(&joined) {
                self.seen.insert(origin.to_owned(), joined);
                self.version = self.version.saturating_add(1);
                self.collapse_if_full();
            }
        }
        self.version
    }

    /// Joins another copy of the same ledger, or the ledger of a parent.
    pub fn merge(&mut self, other: &Self) {
        for (origin, label) in &other.seen {
            self.observe(origin, label);
        }
        if other.is_collapsed() {
            self.collapse();
            let joined = self.summary.clone().join(&other.summary);
            self.replace_summary(joined);
        }
    }

    /// The effective label: the join of everything.
    #[must_use]
    pub fn effective(&self) -> Label {
        self.seen.values().fold(self.summary.clone(), Label::join)
    }

    /// Grows with every change; a decision names the version that it read.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Every observation that is still kept one by one, sorted by origin.
    pub fn observations(&self) -> impl Iterator<Item = Observation> + '_ {
        self.seen.iter().map(|(origin, label)| Observation { origin: origin.clone(), label: label.clone() })
    }

    fn is_collapsed(&self) -> bool {
        self.summary.origins == Origins::Many
    }

    fn collapse_if_full(&mut self) {
        if self.seen.len() > MAX_OBSERVATIONS {
            self.collapse();
        }
    }

    fn collapse(&mut self) {
        let mut joined = self.effective();
        joined.origins = Origins::Many;
        self.seen.clear();
        self.replace_summary(joined);
    }

    fn replace_summary(&mut self, joined: Label) {
        if joined != self.summary {
            self.summary = joined;
            self.version = self.version.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::{Integrity, Label, Level, Origins};
    use proptest::prelude::*;

    use super::{Ledger, MAX_OBSERVATIONS};

    fn label() -> impl Strategy<Value = Label> {
        let level = prop_oneof![Just(Level::Public), Just(Level::Internal), Just(Level::Restricted)];
        let integrity = prop_oneof![Just(Integrity::Untrusted), Just(Integrity::Trusted), Just(Integrity::User)];
        let compartments = proptest::collection::btree_set("[a-c]", 0..3);
        (level, integrity, compartments).prop_map(|(level, integrity, names): (_, _, BTreeSet<String>)| Label {
            level,
            integrity,
            compartments: names.iter().filter_map(|name| name.parse().ok()).collect(),
            ..Label::default()
        })
    }

    fn sights(most: usize) -> impl Strategy<Value = Vec<(String, Label)>> {
        proptest::collection::vec(("[a-z]{1,2}", label()), 0..most)
    }

    fn ledger(sights: &[(String, Label)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (origin, label) in sights {
            ledger.observe(origin, label);
        }
        ledger
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(sights in sights(40), seed in any::<u16>()) {
            let mut shuffled = sights.clone();
            shuffled.extend(sights.iter().take(5).cloned());
            let n = shuffled.len().max(1);
            for at in 0..shuffled.len() {
                shuffled.swap(at, (usize::from(seed).wrapping_mul(at + 7)) % n);
            }
            prop_assert_eq!(ledger(&sights).effective(), ledger(&shuffled).effective());
        }

        #[test]
        fn merging_is_observing_both(a in sights(20), b in sights(20), c in sights(20)) {
            let (la, lb, lc) = (ledger(&a), ledger(&b), ledger(&c));
            let merge = |x: &Ledger, y: &Ledger| { let mut x = x.clone(); x.merge(y); x };
            prop_assert_eq!(merge(&la, &lb).effective(), merge(&lb, &la).effective());
            prop_assert_eq!(merge(&merge(&la, &lb), &lc).effective(), merge(&la, &merge(&lb, &lc)).effective());
            prop_assert_eq!(merge(&la, &la).effective(), la.effective());
            prop_assert!(merge(&la, &lb).effective().level >= la.effective().level);
            prop_assert!(merge(&la, &lb).effective().integrity <= la.effective().integrity);
        }

        #[test]
        fn nothing_is_ever_lost(sights in sights(40), more in label()) {
            let mut grown = ledger(&sights);
            let before = grown.effective();
            grown.observe("later", &more);
            let after = grown.effective();
            prop_assert!(after.level >= before.level && after.integrity <= before.integrity);
            prop_assert!(before.compartments.is_subset(&after.compartments));
        }
    }

    #[test]
    fn at_the_bound_taint_stays_and_grounding_is_lost() {
        let mut ledger = Ledger::default();
        ledger.observe("secret", &Label { level: Level::Restricted, integrity: Integrity::Untrusted, ..Label::default() });
        for number in 0..=MAX_OBSERVATIONS {
            ledger.observe(&format!("origin {number}"), &Label::default());
        }
        let label = ledger.effective();
        assert_eq!((label.level, label.integrity, label.origins), (Level::Restricted, Integrity::Untrusted, Origins::Many));
        assert_eq!(ledger.observations().count(), 0);
        let version = ledger.version();
        assert_eq!(ledger.observe("secret", &Label::default()), version, "nothing new");
    }
}
