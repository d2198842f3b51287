//! The smallest change that would flip a verdict: found by trying, and told only if it does.

use std::collections::BTreeSet;

use model::{Action, Answer, DecisionInput, PrincipalId, ReasonCode, Resource, Verdict};

use super::candidates::{self, refuses};
use super::trial::{By, Candidate, Edit, Trials};
use crate::decide::PolicySnapshot;

/// Most links whose refusals are looked into.
pub(super) const MAX_LINKS: usize = 16;
/// Most changes that are told.
const MAX_SHOWN: usize = 3;
/// Most candidates that are tried as the first of two.
const MAX_FIRST: usize = 16;
/// Most that are tried as the second of two.
const MAX_SECOND: usize = 24;

/// Most candidates of one answer; more than are ever tried.
const MAX_CANDIDATES: usize = 1_000;

/// One change, or two together, with which the verdict would be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What would have to be otherwise, each as the end of "if …"; both of them, if there are two.
    pub parts: Vec<(By, String)>,
    /// The verdict that there would be then.
    pub verdict: Verdict,
}

/// What a search has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The smallest first: what callers can do, what time and tasks bring, what operators declare, what policies say. At most
    /// three; two parts only if no single change does it.
    pub found: Vec<Change>,
    /// How many decisions were made on the way.
    pub n_tried: usize,
    /// Whether there was more to try than the bound of 200.
    pub is_cut: bool,
}

/// Looks for changes that would make `answer`, which was given to `input`, less strict.
pub(super) fn search(snapshot: &PolicySnapshot, input: &DecisionInput, answer: &Answer) -> Changes {
    let candidates = candidates(snapshot, input, answer);
    let mut trials = Trials::new(snapshot, input);
    let flips = |after: &Answer| after.verdict < answer.verdict;
    let mut changes = Changes::default();
    let mut topics: Vec<&str> = Vec::new();
    for candidate in &candidates {
        if changes.found.len() >= MAX_SHOWN || !trials.has_room() {
            break;
        }
        if topics.contains(&candidate.topic.as_str()) {
            continue;
        }
        changes.found.extend(tried(&mut trials, &[candidate], flips).inspect(|_| topics.push(&candidate.topic)));
    }
    if changes.found.is_empty() {
        changes.found.extend(pair(snapshot, &mut trials, (input, answer), &candidates, flips));
    }
    (changes.n_tried, changes.is_cut) = (trials.n_tried, !trials.has_room() && changes.found.len() < MAX_SHOWN);
    changes
}

/// The first two that do it together: one that gets further, and what is then in the way.
fn pair(
    snapshot: &PolicySnapshot,
    trials: &mut Trials<'_>,
    (input, answer): (&DecisionInput, &Answer),
    candidates: &[Candidate],
    flips: impl Fn(&Answer) -> bool + Copy,
) -> Option<Change> {
    let before = refusals(answer);
    for first in candidates.iter().take(MAX_FIRST) {
        let Some(after) = trials.decide(&[first]) else { break };
        if refusals(&after) == before {
            continue;
        }
        let mut changed = input.clone();
        if let Edit::Input(edit) = &first.edit {
            edit(&mut changed);
        }
        let further = self::candidates(snapshot, &changed, &after);
        let found = further.iter().take(MAX_SECOND).filter(|second| second.topic != first.topic);
        for second in found {
            let Some(both) = tried(trials, &[first, second], flips) else { continue };
            // What shows only behind the first may do without it.
            return Some(tried(trials, &[second], flips).unwrap_or(both));
        }
    }
    side_by_side(trials, candidates, flips)
}

/// The first two of what a call could be that do it together, where neither shows alone that it gets further: two parts of one
/// condition.
fn side_by_side(trials: &mut Trials<'_>, candidates: &[Candidate], flips: impl Fn(&Answer) -> bool + Copy) -> Option<Change> {
    let of_call: Vec<&Candidate> = candidates.iter().filter(|candidate| matches!(candidate.edit, Edit::Input(_))).collect();
    for (at, first) in (1_usize..).zip(of_call.iter().copied()) {
        let others = of_call.iter().copied().skip(at).filter(|second| second.topic != first.topic);
        for second in others {
            if !trials.has_room() {
                return None;
            }
            if let Some(both) = tried(trials, &[first, second], flips) {
                return Some(both);
            }
        }
    }
    None
}

/// Who refuses what, and why.
fn refusals(answer: &Answer) -> Vec<(&PrincipalId, Action, &Resource, ReasonCode)> {
    let refusing = answer.links.iter().filter(|link| refuses(link));
    refusing.map(|link| (&link.principal, link.action, &link.resource, link.reason)).collect()
}

/// The change that `candidates` are, if it flips the verdict by what is declared in full.
fn tried(trials: &mut Trials<'_>, candidates: &[&Candidate], flips: impl Fn(&Answer) -> bool) -> Option<Change> {
    let after = trials.decide(candidates).filter(&flips)?;
    let is_declared = candidates.iter().any(|candidate| matches!(candidate.edit, Edit::Registry(_)));
    let after = if is_declared { trials.confirm(candidates).filter(&flips)? } else { after };
    let parts = candidates.iter().map(|candidate| (candidate.by, candidate.text.clone())).collect();
    Some(Change { parts, verdict: after.verdict })
}

/// What could be otherwise for any link that refuses, what costs least first; of every link some.
fn candidates(snapshot: &PolicySnapshot, input: &DecisionInput, answer: &Answer) -> Vec<Candidate> {
    // A call can ask for hundreds of things; what is in the way of the first few is told.
    let refusing = answer.links.iter().filter(|link| refuses(link) && link.verdict == answer.verdict).take(MAX_LINKS);
    let mut by_link: Vec<std::vec::IntoIter<Candidate>> = refusing
        .map(|link| {
            let mut found = candidates::of(snapshot, input, link);
            found.sort_by_key(|candidate| candidate.by);
            found.into_iter()
        })
        .collect();
    let (mut all, mut texts): (Vec<Candidate>, BTreeSet<String>) = (Vec::new(), BTreeSet::new());
    while all.len() < MAX_CANDIDATES {
        let round: Vec<Candidate> = by_link.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        all.extend(round.into_iter().filter(|candidate| texts.insert(candidate.text.clone())));
    }
    all.sort_by_key(|candidate| candidate.by);
    all
}
