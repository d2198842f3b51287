//! One ledger.

use std::collections::BTreeMap;

use model::{Digest, Label, Name, Origins, Readers, Resource, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::act::{Acts, NamedAct};

/// Most observations that a ledger keeps one by one.
pub const MAX_OBSERVATIONS: usize = 256;

/// Longest name of an origin, in bytes. Longer ones, and the empty one, count as origins that cannot be named.
pub const MAX_ORIGIN_BYTES: usize = 256;

/// What was seen from one origin: the join of everything that came from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Where it came from, such as `request` or `model:small`. Empty for origins that cannot be named.
    pub origin: String,
    /// The joined label.
    pub label: Label,
    /// When this origin was first seen, if anybody said so.
    pub since: Option<UnixMillis>,
}

/// The grow-only ledger of one task.
///
/// Per origin the join is kept, so seeing the same again changes nothing. Above [`MAX_OBSERVATIONS`] origins everything falls
/// into one summary whose origins are [`Origins::Many`]: as secret and as little trusted as before, but no longer grounded.
/// Compartments are not bounded here: they are names that operators declared.
///
/// As JSON it is what the log keeps; read back, it is joined afresh, so no text makes a ledger beyond its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Ledger {
    seen: BTreeMap<String, Seen>,
    /// What fell together when the bound was hit. INVARIANT: while it is there, `seen` is empty.
    summary: Option<Label>,
    acts: Acts,
    /// INVARIANT: the join of `seen` and `summary`, kept so that a read costs nothing.
    effective: Label,
    version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    label: Label,
    since: Option<UnixMillis>,
}

/// The form in the log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u64,
    observations: Vec<Observation>,
    summary: Option<Label>,
    acts: Vec<NamedAct>,
}

impl Ledger {
    /// Joins what was seen from `origin`, at a time that nobody noted. Returns the version, which grows exactly when something
    /// changed.
    pub fn observe(&mut self, origin: &str, label: &Label) -> u64 {
        self.observe_at(origin, label, None)
    }

    /// Joins what was seen from `origin` at `at`. Returns the version, which grows exactly when something changed.
    pub fn observe_at(&mut self, origin: &str, label: &Label, at: Option<UnixMillis>) -> u64 {
        if self.join(origin, label, at) {
            self.version = self.version.saturating_add(1);
        }
        self.version
    }

    /// Whether [`Ledger::observe_at`] with the same arguments would change nothing. Copies nothing.
    #[must_use]
    pub fn holds(&self, origin: &str, label: &Label, at: Option<UnixMillis>) -> bool {
        match &self.summary {
            Some(summary) => covers(summary, label),
            None => self.seen.get(if is_named(origin) { origin } else { "" }).is_some_and(|seen| {
                let is_since = at.is_none_or(|at| seen.since.is_some_and(|since| since <= at));
                is_since && covers(&seen.label, label)
            }),
        }
    }

    /// Puts an act in. Returns the version. At [`MAX_ACTS`](crate::MAX_ACTS) the one that ends first falls out.
    pub fn act(&mut self, act: NamedAct) -> u64 {
        if self.acts.insert(act) {
            self.version = self.version.saturating_add(1);
        }
        self.version
    }

    /// Joins another copy of the same ledger: observations and acts. The version is at least that of both, and greater than
    /// that of each copy which did not hold everything yet.
    pub fn merge(&mut self, other: &Self) -> u64 {
        let mut merged = self.clone();
        merged.join_all(other);
        for act in other.acts.iter() {
            merged.acts.insert(act.clone());
        }
        let after = |copy: &Self| copy.version.saturating_add(u64::from(!merged.holds_the_same(copy)));
        merged.version = after(self).max(after(other));
        *self = merged;
        self.version
    }

    /// Joins what another task has seen, when this task inherits from it. Acts are bound to their task and stay behind.
    pub fn inherit(&mut self, parent: &Self) -> u64 {
        if self.join_all(parent) {
            self.version = self.version.saturating_add(1);
        }
        self.version
    }

    /// The effective label: the join of every observation.
    #[must_use]
    pub fn effective(&self) -> Label {
        self.effective.clone()
    }

    /// Grows with every change; a decision names the version that it read. 0 for a ledger that holds nothing.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Every observation that is still kept one by one, sorted by origin; none once the bound was hit.
    pub fn observations(&self) -> impl Iterator<Item = Observation> + '_ {
        let observation = |(origin, seen): (&String, &Seen)| Observation {
            origin: origin.clone(),
            label: seen.label.clone(),
            since: seen.since,
        };
        self.seen.iter().map(observation)
    }

    /// The acts that speak of exactly this value, sink and task and have not ended at `now`.
    pub fn standing<'a>(
        &'a self,
        value: &'a Digest,
        sink: &'a Resource,
        task: &'a Name,
        now: UnixMillis,
    ) -> impl Iterator<Item = &'a NamedAct> {
        let speaks = move |act: &&NamedAct| act.value == *value && act.sink == *sink && act.task == *task;
        self.acts.iter().filter(speaks).filter(move |act| now < act.expires)
    }

    /// Whether both hold the same set, whatever their versions.
    fn holds_the_same(&self, other: &Self) -> bool {
        self.seen == other.seen && self.summary == other.summary && self.acts == other.acts
    }

    /// Joins one observation; says whether anything changed.
    fn join(&mut self, origin: &str, label: &Label, at: Option<UnixMillis>) -> bool {
        let (origin, origins) =
            if is_named(origin) { (origin, Origins::These([origin.to_owned()].into())) } else { ("", Origins::Many) };
        let label = Label { origins, ..Label::default() }.join(label);
        if self.summary.is_some() {
            return self.summarise(&label);
        }
        let before = self.seen.get(origin).cloned();
        let known = before.clone().unwrap_or_default();
        let since = known.since.into_iter().chain(at).min();
        let joined = Seen { label: known.label.join(&label), since };
        if before.as_ref() == Some(&joined) {
            return false;
        }
        self.effective = std::mem::take(&mut self.effective).join(&joined.label);
        self.seen.insert(origin.to_owned(), joined);
        if self.seen.len() > MAX_OBSERVATIONS {
            self.summarise(&Label::default());
        }
        true
    }

    /// Joins every observation of `other`; says whether anything changed.
    fn join_all(&mut self, other: &Self) -> bool {
        let mut has_changed = false;
        for (origin, seen) in &other.seen {
            has_changed |= self.join(origin, &seen.label, seen.since);
        }
        if let Some(summary) = &other.summary {
            has_changed |= self.summarise(summary);
        }
        has_changed
    }

    /// Lets everything fall together with `label`; says whether anything changed.
    fn summarise(&mut self, label: &Label) -> bool {
        let many = Label { origins: Origins::Many, ..Label::default() };
        let joined = many.join(&self.effective).join(label);
        let has_changed = self.summary.as_ref() != Some(&joined);
        self.seen.clear();
        self.effective = joined.clone();
        self.summary = Some(joined);
        has_changed
    }
}

fn is_named(origin: &str) -> bool {
    (1..=MAX_ORIGIN_BYTES).contains(&origin.len())
}

/// Whether joining `label` to `known` gives `known` again.
fn covers(known: &Label, label: &Label) -> bool {
    let readers = match (&known.readers, &label.readers) {
        (_, Readers::Everyone) => true,
        (Readers::Everyone, Readers::Only(_)) => false,
        (Readers::Only(known), Readers::Only(label)) => known.is_subset(label),
    };
    let origins = match (&known.origins, &label.origins) {
        (Origins::Many, _) => true,
        (Origins::These(_), Origins::Many) => false,
        (Origins::These(known), Origins::These(label)) => label.is_subset(known),
    };
    let is_level = label.level <= known.level && known.integrity <= label.integrity;
    is_level && label.compartments.is_subset(&known.compartments) && readers && origins
}

impl From<Written> for Ledger {
    fn from(written: Written) -> Self {
        let mut ledger = Self::default();
        for observation in &written.observations {
            ledger.observe_at(&observation.origin, &observation.label, observation.since);
        }
        if let Some(summary) = &written.summary {
            ledger.summarise(summary);
        }
        for act in written.acts {
            ledger.act(act);
        }
        ledger.version = written.version;
        ledger
    }
}

impl From<Ledger> for Written {
    fn from(ledger: Ledger) -> Self {
        Self {
            version: ledger.version,
            observations: ledger.observations().collect(),
            acts: ledger.acts.iter().cloned().collect(),
            summary: ledger.summary,
        }
    }
}

#[cfg(test)]
mod tests;
