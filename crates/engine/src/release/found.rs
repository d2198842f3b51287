//! What was found in an answer, as far as it is kept one by one.

use std::collections::HashSet;

use model::{Finding, FindingKind};

/// Most findings that one batch keeps one by one. Later ones still act; of each kind the first one more is kept, for the labels
/// that it brings.
const MAX_FINDINGS: usize = 1024;

/// Findings of one batch, bounded. INVARIANT: every kind that was found is among them, because labels are made from them.
#[derive(Default)]
pub(super) struct Found {
    pub(super) kept: Vec<Finding>,
    /// The kinds of which one more was kept above the bound.
    beyond: HashSet<FindingKind>,
}

impl Found {
    pub(super) fn add(&mut self, finding: Finding) {
        if self.kept.len() < MAX_FINDINGS || self.beyond.insert(finding.kind.clone()) {
            self.kept.push(finding);
        }
    }

    pub(super) fn extend(&mut self, findings: Vec<Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }
}
