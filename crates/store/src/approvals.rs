//! Requests for approval, over a restart: what the log says of those that may still matter.

use std::collections::BTreeMap;

use evidence::Header;
use model::{AdminAct, Name, UnixMillis};

/// Everything that the log says of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedBefore {
    /// The index of the entry in which it was asked for; its content says what exactly.
    pub index: u64,
    /// That entry's header.
    pub asked: Header,
    /// What was said about it since, in the order of the log.
    pub since: Vec<Header>,
}

/// Collects them from the acts of administration, in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    requests: BTreeMap<Name, AskedBefore>,
    /// What is older matters no more.
    after: UnixMillis,
}

/// How far back requests for approval matter, in milliseconds: longer than any of them waits, holds and is remembered.
const MEMORY: u64 = 10 * 24 * 3600 * 1000;

impl Collected {
    /// For a start at `now`.
    pub(crate) fn new(now: UnixMillis) -> Self {
        Self { after: UnixMillis(now.0.saturating_sub(MEMORY)), ..Self::default() }
    }

    /// Takes the next act.
    pub(crate) fn take(&mut self, index: u64, header: &Header) {
        match &header.admin {
            Some(AdminAct::ApprovalAsked { ask }) if header.at >= self.after => {
                let header = header.clone();
                self.requests.insert(ask.id.clone(), AskedBefore { index, asked: header, since: Vec::new() });
            }
            Some(AdminAct::ApprovalAnswered { answer }) => self.add(&answer.id, header),
            Some(AdminAct::ApprovalUsed { id, .. } | AdminAct::ApprovalCancelled { id }) => self.add(id, header),
            _ => {}
        }
    }

    fn add(&mut self, id: &Name, header: &Header) {
        if let Some(known) = self.requests.get_mut(id) {
            known.since.push(header.clone());
        }
    }

    /// All of them, oldest first.
    pub(crate) fn list(self) -> Vec<AskedBefore> {
        let mut all: Vec<AskedBefore> = self.requests.into_values().collect();
        all.sort_unstable_by_key(|known| known.index);
        all
    }
}
