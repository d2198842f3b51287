//! Quarantine: tools of which a server says something else than was approved. Nobody calls them until an operator has looked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// What was approved of a tool, and what its server says of it instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differing {
    /// SHA-256 of the approved definition (RFC 8785).
    pub approved: Digest,
    /// SHA-256 of the announced one; where that has no such form, of the bytes that came.
    pub announced: Digest,
}

/// Why a quarantine ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// What the server says was approved since: it stands in the bundle that is in force.
    Approved,
    /// An operator has said so, in these words.
    Operator(String),
}

/// The quarantined tools at one moment, by `SERVER/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quarantines {
    now: BTreeMap<String, Differing>,
    /// What operators have let servers go on to say although it was not approved.
    tolerated: BTreeMap<String, Differing>,
}

impl Quarantines {
    /// Whether no tool is quarantined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }

    /// Why a tool, `SERVER/NAME`, is quarantined; `None` if it is not.
    #[must_use]
    pub fn of(&self, tool: &str) -> Option<Differing> {
        self.now.get(tool).copied()
    }

    /// Every quarantined tool, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Differing)> {
        self.now.iter().map(|(tool, differing)| (tool.as_str(), *differing))
    }

    /// Whether an operator has let exactly this stand.
    #[must_use]
    pub fn tolerates(&self, tool: &str, differing: Differing) -> bool {
        self.tolerated.get(tool) == Some(&differing)
    }

    /// Whether what is approved of a tool now, and was not when it was quarantined, is what its server says: an operator has looked
    /// at that and brought it in force. A server that goes back by itself to what was approved before lifts nothing.
    #[must_use]
    pub fn is_settled(&self, tool: &str, now: Differing) -> bool {
        self.of(tool).is_some_and(|then| now.approved == now.announced && now.approved != then.approved)
    }

    pub(crate) fn begin(&mut self, tool: String, differing: Differing) {
        self.tolerated.remove(&tool);
        self.now.insert(tool, differing);
    }

    pub(crate) fn end(&mut self, tool: &str, tolerated: Option<Differing>) -> bool {
        let was_there = self.now.remove(tool).is_some();
        if was_there && let Some(tolerated) = tolerated {
            self.tolerated.insert(tool.to_owned(), tolerated);
        }
        was_there
    }
}

#[cfg(test)]
mod tests {
    use super::Differing;
    use crate::{Chain, Digest, LockKind, LockSet, LockTarget, Name, ReasonCode, Resource};

    fn differing(approved: u8, announced: u8) -> Differing {
        Differing { approved: Digest([approved; 32]), announced: Digest([announced; 32]) }
    }

    fn stops(locks: &LockSet, tool: &str) -> Option<ReasonCode> {
        let chain = Chain::new(vec!["user:a".parse().unwrap()]).unwrap();
        locks.stops(&Name::new("pk_1").unwrap(), &chain, Some(&Resource::Tool(tool.to_owned())))
    }

    #[test]
    fn a_quarantine_stops_its_tool_and_no_other() {
        let mut locks = LockSet::default();
        locks.quarantine("kb/search".to_owned(), differing(1, 2));
        assert_eq!(locks.version(), 1);
        assert_eq!(stops(&locks, "kb/search"), Some(ReasonCode::ToolQuarantined));
        for other in ["kb/search2", "kb/Search", "k/search", "kb/sear"] {
            assert_eq!(stops(&locks, other), None, "{other}");
        }
        let chain = Chain::new(vec!["user:a".parse().unwrap()]).unwrap();
        let server = Resource::ToolServer(Name::new("kb").unwrap());
        assert_eq!(locks.stops(&Name::new("pk_1").unwrap(), &chain, Some(&server)), None);
        let free = locks.released("kb/search", None).unwrap();
        assert_eq!((stops(&free, "kb/search"), free.version()), (None, 2));
        assert_eq!(free.released("kb/search", None), None, "once");
    }

    #[test]
    fn no_lock_lifts_a_quarantine_and_no_release_a_lock() {
        let target: LockTarget = "tool:kb/search".parse().unwrap();
        let mut locks = LockSet::default();
        locks.quarantine("kb/search".to_owned(), differing(1, 2));
        let both = locks.with(target.clone(), LockKind::Kill);
        assert_eq!(stops(&both, "kb/search"), Some(ReasonCode::ToolLocked), "what an operator did is told first");
        assert_eq!(stops(&both.without(&target).unwrap(), "kb/search"), Some(ReasonCode::ToolQuarantined));
        assert_eq!(stops(&both.released("kb/search", None).unwrap(), "kb/search"), Some(ReasonCode::ToolLocked));
        assert_eq!(locks.without(&target), None, "it is no kill");
    }

    #[test]
    fn what_was_let_stand_is_exactly_that() {
        let mut locks = LockSet::default();
        locks.quarantine("kb/search".to_owned(), differing(1, 2));
        let free = locks.released("kb/search", Some(differing(1, 2))).unwrap();
        let tolerates = |tool: &str, of| free.quarantines().tolerates(tool, of);
        assert!(tolerates("kb/search", differing(1, 2)));
        for (tool, of) in [("kb/search", differing(1, 3)), ("kb/search", differing(3, 2)), ("kb/write", differing(1, 2))] {
            assert!(!tolerates(tool, of), "{tool} {of:?}");
        }
        let mut again = free.clone();
        again.quarantine("kb/search".to_owned(), differing(1, 3));
        assert!(!again.quarantines().tolerates("kb/search", differing(1, 2)), "a new quarantine ends what was let stand before");
        assert!(LockSet::default().released("kb/search", Some(differing(1, 2))).is_none(), "nothing is let stand beforehand");
    }

    #[test]
    fn only_what_was_approved_since_settles_it() {
        let mut locks = LockSet::default();
        locks.quarantine("kb/search".to_owned(), differing(1, 2));
        // (approved now, announced now): whether that ends it.
        for (approved, announced, is_settled) in
            [(1, 2, false), (1, 1, false), (1, 3, false), (2, 2, true), (3, 3, true), (2, 3, false), (3, 2, false)]
        {
            let found = locks.quarantines().is_settled("kb/search", differing(approved, announced));
            assert_eq!(found, is_settled, "{approved} {announced}");
        }
        assert!(!locks.quarantines().is_settled("kb/other", differing(2, 2)));
    }
}
