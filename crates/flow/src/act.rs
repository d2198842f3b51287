//! Named acts: what somebody did about one value on its way to one sink.

use std::collections::BTreeSet;

use model::{Digest, Name, PrincipalId, Resource, UnixMillis};
use serde::{Deserialize, Serialize};

/// Most acts that a ledger keeps: those that end last. An act that falls out is one that no longer helps, never one that harms.
pub const MAX_ACTS: usize = 256;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    /// What made the value secret was taken out of it.
    Redaction,
    /// Somebody vouches for the value.
    Endorsement,
    /// Somebody allows the value to go to the sink.
    Approval,
}

/// An act, bound to everything it was meant for. It never changes the label of the task: a decision about exactly this value,
/// sink and task may take it into account until it ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NamedAct {
    /// When it ends; at this instant it has ended. First in the order, which decides what is kept at the bound.
    pub expires: UnixMillis,
    /// What was done.
    pub kind: ActKind,
    /// SHA-256 of the value it was done to.
    pub value: Digest,
    /// Where the value may go.
    pub sink: Resource,
    /// The task, by its ledger key; a copy in another task's ledger means nothing.
    pub task: Name,
    /// Who did it.
    pub by: PrincipalId,
}

/// The acts of one ledger: the greatest [`MAX_ACTS`] of all that were ever put in, so the same whatever the order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Acts(BTreeSet<NamedAct>);

impl Acts {
    /// Puts an act in; says whether anything changed.
    pub(crate) fn insert(&mut self, act: NamedAct) -> bool {
        let is_too_early = self.0.len() >= MAX_ACTS && self.0.first().is_some_and(|first| act < *first);
        if is_too_early || !self.0.insert(act) {
            return false;
        }
        if self.0.len() > MAX_ACTS {
            self.0.pop_first();
        }
        true
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &NamedAct> {
        self.0.iter()
    }
}
