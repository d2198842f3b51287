//! The ledgers of all tasks.

use std::collections::BTreeMap;

use model::{Label, Name, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::act::NamedAct;
use crate::ledger::Ledger;

/// One ledger per task, up to a bound.
///
/// A ledger is never dropped: to forget one would wash its task clean. When the bound is reached, every task that has no
/// ledger yet shares one common ledger with all the others that came too late, and stays there for good, even if a later
/// version of the gate reads this with a greater bound. So a task at the bound is as tainted as all of them together: more
/// than it deserves, never less. [`Ledgers::n_shared`] says that it happened.
///
/// Reading makes no ledger, so only tasks that saw something count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledgers {
    most: usize,
    ledgers: BTreeMap<Name, Ledger>,
    shared: Ledger,
    n_shared: u64,
}

impl Ledgers {
    /// No ledger yet; up to `most` tasks get one of their own.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, ledgers: BTreeMap::new(), shared: Ledger::default(), n_shared: 0 }
    }

    /// The effective label of a task and the version at which it was read. A task that saw nothing is at version 0.
    #[must_use]
    pub fn effective(&self, task: &Name) -> (Label, u64) {
        self.ledger(task).map_or_else(|| (Label::default(), 0), |ledger| (ledger.effective(), ledger.version()))
    }

    /// Joins what `task` saw from `origin`. Returns the version of its ledger; never less than any that was returned before.
    pub fn observe(&mut self, task: &Name, origin: &str, label: &Label, at: Option<UnixMillis>) -> u64 {
        self.grow(task).observe_at(origin, label, at)
    }

    /// Whether [`Ledgers::observe`] with the same arguments would change no label and no version. As [`Ledger::holds`].
    #[must_use]
    pub fn holds(&self, task: &Name, origin: &str, label: &Label, at: Option<UnixMillis>) -> bool {
        self.ledger(task).is_some_and(|ledger| ledger.holds(origin, label, at))
    }

    /// Puts an act into the ledger of the task that it names.
    pub fn act(&mut self, act: NamedAct) -> u64 {
        self.grow(&act.task.clone()).act(act)
    }

    /// Joins another copy of a task's ledger, as it comes from the log or from another node.
    pub fn merge(&mut self, task: &Name, copy: &Ledger) -> u64 {
        self.grow(task).merge(copy)
    }

    /// Lets `child` inherit everything that `parent` has seen so far.
    pub fn inherit(&mut self, child: &Name, parent: &Name) -> u64 {
        match self.ledger(parent).cloned() {
            Some(parent) => self.grow(child).inherit(&parent),
            None => self.effective(child).1,
        }
    }

    /// The ledger that stands for `task`, if anything was seen.
    #[must_use]
    pub fn ledger(&self, task: &Name) -> Option<&Ledger> {
        self.ledgers.get(task).or_else(|| self.is_full().then_some(&self.shared))
    }

    /// The ledgers of single tasks, sorted by key; the common one is not among them.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Ledger)> {
        self.ledgers.iter()
    }

    /// How often something was joined to the common ledger; 0 as long as every task has its own.
    #[must_use]
    pub const fn n_shared(&self) -> u64 {
        self.n_shared
    }

    /// Whether a task without a ledger belongs to the common one. INVARIANT: once true, true for good.
    fn is_full(&self) -> bool {
        self.n_shared > 0 || self.ledgers.len() >= self.most
    }

    fn grow(&mut self, task: &Name) -> &mut Ledger {
        if self.is_full() && !self.ledgers.contains_key(task) {
            self.n_shared = self.n_shared.saturating_add(1);
            return &mut self.shared;
        }
        self.ledgers.entry(task.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use model::{Label, Level, Name};

    use super::Ledgers;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn level(level: Level) -> Label {
        Label { level, ..Label::default() }
    }

    #[test]
    fn at_the_bound_late_tasks_share_and_nothing_is_forgotten() {
        let mut ledgers = Ledgers::new(2);
        ledgers.observe(&name("a"), "request", &level(Level::Internal), None);
        assert_eq!(ledgers.effective(&name("late")), (Label::default(), 0), "reading makes no ledger");
        ledgers.observe(&name("b"), "request", &level(Level::Public), None);
        assert!(!ledgers.holds(&name("late"), "request", &Label::default(), None), "the common ledger is empty still");
        let first = ledgers.observe(&name("late"), "request", &level(Level::Restricted), None);
        assert!(ledgers.holds(&name("later"), "request", &level(Level::Internal), None));
        assert!(!ledgers.holds(&name("b"), "request", &level(Level::Internal), None));
        assert_eq!(ledgers.n_shared(), 1);
        // Early tasks are as they were; late ones are as tainted as any late one.
        assert_eq!(ledgers.effective(&name("a")).0.level, Level::Internal);
        assert_eq!(ledgers.effective(&name("b")).0.level, Level::Public);
        let (label, version) = ledgers.effective(&name("later"));
        assert_eq!((label.level, version), (Level::Restricted, first));
        assert!(ledgers.observe(&name("later"), "model:small", &level(Level::Public), None) > first);
        assert_eq!(ledgers.effective(&name("late")).0.level, Level::Restricted);
        for number in 0..10_000 {
            ledgers.observe(&name(&format!("task{number}")), "request", &level(Level::Public), None);
        }
        assert_eq!(ledgers.iter().count(), 2);
    }

    #[test]
    fn a_greater_bound_does_not_wash_late_tasks_clean() {
        let mut ledgers = Ledgers::new(1);
        ledgers.observe(&name("a"), "request", &Label::default(), None);
        ledgers.observe(&name("late"), "request", &level(Level::Restricted), None);
        let text = serde_json::to_string(&ledgers).unwrap().replace("\"most\":1", "\"most\":100");
        let mut grown: Ledgers = serde_json::from_str(&text).unwrap();
        assert_eq!(grown.effective(&name("late")).0.level, Level::Restricted);
        grown.observe(&name("new"), "request", &Label::default(), None);
        assert_eq!(grown.iter().count(), 1);
    }

    #[test]
    fn a_child_inherits_what_its_parent_saw() {
        let mut ledgers = Ledgers::new(10);
        assert_eq!(ledgers.inherit(&name("child"), &name("nobody")), 0);
        ledgers.observe(&name("parent"), "model:large", &level(Level::Confidential), None);
        ledgers.inherit(&name("child"), &name("parent"));
        assert_eq!(ledgers.effective(&name("child")).0.level, Level::Confidential);
        ledgers.observe(&name("child"), "request", &level(Level::Restricted), None);
        assert_eq!(ledgers.effective(&name("parent")).0.level, Level::Confidential, "and not the other way");
    }
}
