//! One request for approval: what was said about it, and what that adds up to.

use std::fmt;
use std::sync::Arc;

use model::{
    ApprovalAnswer, ApprovalAsk, ArgumentOrigin, Chain, CredentialId, Digest, Label, Name, PrincipalId, RequestId, UnixMillis,
};

use crate::approvals::Terms;

/// What is to be approved, before it has a name.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Who asks.
    pub by: PrincipalId,
    /// Who will act.
    pub chain: Chain,
    /// Digest of the bundle in force.
    pub policies: Digest,
    /// What; 1 to 20.
    pub items: Vec<WantedItem>,
    /// Whether they are asked for as a list, and answered as one.
    pub is_list: bool,
    /// The key by which the sender knows the request again.
    pub key: Option<Vec<u8>>,
    /// What the sender says of it, for whoever answers; untrusted.
    pub said: String,
    /// Whether an approval is used up by the call that it was asked for.
    pub is_single_use: bool,
    /// What the task had seen when it asked, for whoever answers; none where the gate does not know the task.
    pub seen: Option<Label>,
}

impl Wanted {
    /// How much it holds, in bytes.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let origin = |origin: &ArgumentOrigin| {
            let texts = [Some(&origin.at), origin.from.as_ref(), origin.field.as_ref()];
            texts.into_iter().flatten().map(String::len).sum::<usize>()
        };
        let items = self.items.iter().map(|item| {
            let because: usize = item.because.iter().map(String::len).sum();
            item.text.len() + because + item.origins.iter().map(origin).sum::<usize>()
        });
        items.sum::<usize>() + self.said.len() + self.key.as_ref().map_or(0, Vec::len)
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Wanted({}, {} items, {} bytes)", self.by, self.items.len(), self.n_bytes())
    }
}

/// One thing that is to be approved.
#[derive(Clone, PartialEq, Eq)]
pub struct WantedItem {
    /// SHA-256 of `text`. Never written down: whoever guesses the text would know that it was asked for.
    pub scope: Digest,
    /// SHA-256 of what is asked for without its details. Never written down.
    pub topic: Digest,
    /// The canonical text (RFC 8785) of exactly what is asked for.
    pub text: String,
    /// 32 random bytes, in hexadecimal digits.
    pub salt: String,
    /// SHA-256 of `salt` and `text`: what is written down, shown and approved.
    pub commitment: Digest,
    /// The policies that ask for the approval; it lifts no other.
    pub because: Vec<String>,
    /// The interaction that needed it.
    pub request: RequestId,
    /// Where each value of the call comes from, as it was when it was asked for first; empty where nobody knows.
    pub origins: Vec<ArgumentOrigin>,
}

impl fmt::Debug for WantedItem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WantedItem({}, {} bytes)", self.commitment, self.text.len())
    }
}

/// How a request, or one thing of it, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody, or not everybody, has answered.
    Pending,
    /// It was approved, and holds until a point in time.
    Approved {
        /// When the last one approved.
        at: UnixMillis,
        /// The last moment at which it holds.
        until: UnixMillis,
    },
    /// It was approved, and an operator has taken that back since: it holds no longer.
    TakenBack {
        /// When the last one approved.
        at: UnixMillis,
        /// The last moment at which it would have held.
        until: UnixMillis,
    },
    /// Over, without an approval.
    Closed(Closed),
    /// Of several things some were approved and some were not.
    Partial,
}

/// How a request ended that was not approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// An operator said no.
    Refused,
    /// Whoever asked wants it no longer.
    Cancelled,
    /// Nobody answered in time.
    Expired,
}

/// By what requests are looked at: the time, the terms in force, and who still counts.
#[derive(Clone, Copy)]
pub struct View<'v> {
    /// The time.
    pub now: UnixMillis,
    /// The terms in force. Where they are stricter than those under which something was asked for, they hold.
    pub terms: &'v Terms,
    /// Whether the yes of an operator, given with a credential, still counts.
    pub counts: &'v dyn Fn(&PrincipalId, &CredentialId) -> bool,
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "View({}, {:?})", self.now.0, self.terms)
    }
}

/// An answer of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answered {
    by: PrincipalId,
    credential: CredentialId,
    at: UnixMillis,
    item: Option<u8>,
    is_approved: bool,
}

impl Answered {
    fn is_about(&self, index: usize) -> bool {
        self.item.is_none_or(|item| usize::from(item) == index)
    }
}

/// One request. Its status is a function of the set of what was said and when, not of the order in which that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What was asked for.
    pub ask: ApprovalAsk,
    /// Who asked.
    pub by: PrincipalId,
    /// Who will act.
    pub chain: Chain,
    /// When it was asked for.
    pub at: UnixMillis,
    /// What it is in full; none where its subject was erased: then nobody can approve or use it.
    pub wanted: Option<Arc<Wanted>>,
    answers: Vec<Answered>,
    cancelled: Option<UnixMillis>,
    used: Vec<Used>,
}

/// An approval that was used up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Used {
    approval: Name,
    at: UnixMillis,
    by: RequestId,
}

impl Request {
    /// A request as it was recorded, before anything was said about it.
    #[must_use]
    pub const fn restored(ask: ApprovalAsk, by: PrincipalId, chain: Chain, at: UnixMillis, wanted: Option<Arc<Wanted>>) -> Self {
        Self { ask, by, chain, at, wanted, answers: Vec::new(), cancelled: None, used: Vec::new() }
    }

    /// How one of its things stands; `index` from 0.
    ///
    /// A cancellation ends what was not approved before it; a no ends everything, and takes back what was approved before it.
    #[must_use]
    pub fn status_of(&self, index: usize, view: &View<'_>) -> Status {
        let (quorum, holds) = (self.quorum(view.terms), self.ask.holds.min(view.terms.holds));
        let voters = self.voters(index, view);
        let approved = voters.get(usize::from(quorum).saturating_sub(1)).map(|(at, _)| (*at, at.plus_seconds(holds)));
        let no = self.answers.iter().filter(|answer| !answer.is_approved && answer.is_about(index)).map(|answer| answer.at).min();
        let (ended, how) = match (no, self.cancelled) {
            (Some(no), Some(cancelled)) if cancelled <= no => (Some(cancelled), Closed::Cancelled),
            (Some(no), _) => (Some(no), Closed::Refused),
            (None, cancelled) => (cancelled, Closed::Cancelled),
        };
        match (approved, ended) {
            (Some((at, until)), Some(end)) if at < end && no.is_some() => Status::TakenBack { at, until },
            (Some((at, until)), Some(end)) if at < end => Status::Approved { at, until },
            (_, Some(_)) => Status::Closed(how),
            (Some((at, until)), None) => Status::Approved { at, until },
            (None, None) if view.now >= self.ask.ends => Status::Closed(Closed::Expired),
            (None, None) => Status::Pending,
        }
    }

    /// How all of it stands: what is still pending decides, else what all things have in common.
    #[must_use]
    pub fn status(&self, view: &View<'_>) -> Status {
        let mut all = (0..self.ask.items.len()).map(|index| self.status_of(index, view));
        let first = all.next().unwrap_or(Status::Closed(Closed::Expired));
        all.fold(first, |so_far, next| match (so_far, next) {
            (Status::Pending, _) | (_, Status::Pending) => Status::Pending,
            (Status::Approved { at, until }, Status::Approved { at: later, until: other }) => {
                Status::Approved { at: at.max(later), until: until.min(other) }
            }
            (so_far, next) if so_far == next => so_far,
            _ => Status::Partial,
        })
    }

    /// How many operators have to approve: as many as were needed when it was asked for, and as are needed now.
    #[must_use]
    pub fn quorum(&self, terms: &Terms) -> u8 {
        self.ask.quorum.max(terms.quorum).max(1)
    }

    /// The interaction that has used up the approval of a thing, and when: the first that did.
    #[must_use]
    pub fn used(&self, index: usize) -> Option<(UnixMillis, RequestId)> {
        let item = self.ask.items.get(index)?;
        self.used.iter().filter(|used| used.approval == item.approval).map(|used| (used.at, used.by)).min()
    }

    /// Whether the approval of a thing is there for an interaction: nobody else has used it up.
    pub(crate) fn is_unused_but_by(&self, index: usize, by: RequestId) -> bool {
        self.ask
            .items
            .get(index)
            .is_some_and(|item| self.used.iter().filter(|used| used.approval == item.approval).all(|used| used.by == by))
    }

    pub(crate) fn use_up(&mut self, approval: &Name, at: UnixMillis, by: RequestId) {
        let used = Used { approval: approval.clone(), at, by };
        if !self.used.contains(&used) {
            self.used.push(used);
        }
    }

    /// Who has approved a thing, in a way that counts.
    #[must_use]
    pub fn approvers(&self, index: usize, view: &View<'_>) -> Vec<PrincipalId> {
        self.voters(index, view).into_iter().map(|(_, by)| by.clone()).collect()
    }

    /// How many operators have approved a thing.
    #[must_use]
    pub fn n_approved(&self, index: usize, view: &View<'_>) -> usize {
        self.voters(index, view).len()
    }

    /// The operators who approve a thing, each once, by the time of the first yes that counts. Whoever comes too late does not.
    fn voters(&self, index: usize, view: &View<'_>) -> Vec<(UnixMillis, &PrincipalId)> {
        let yes = self.answers.iter().filter(|answer| answer.is_approved && answer.is_about(index) && answer.at < self.ask.ends);
        let counted = yes.filter(|answer| (view.counts)(&answer.by, &answer.credential));
        let mut all: Vec<(UnixMillis, &PrincipalId)> = counted.map(|answer| (answer.at, &answer.by)).collect();
        all.sort_unstable();
        let mut voters: Vec<(UnixMillis, &PrincipalId)> = Vec::new();
        for (at, by) in all {
            if voters.iter().all(|(_, known)| *known != by) {
                voters.push((at, by));
            }
        }
        voters
    }

    /// Who has answered, in that order: the operator, and whether it was a yes.
    pub fn answers(&self) -> impl Iterator<Item = (&PrincipalId, bool)> {
        self.answers.iter().map(|answer| (&answer.by, answer.is_approved))
    }

    /// The commitments that an answer to `item`, or to all of it, has to name.
    #[must_use]
    pub fn shown(&self, item: Option<u8>) -> Vec<Digest> {
        self.meant(item).filter_map(|index| self.ask.items.get(index)).map(|item| item.commitment).collect()
    }

    /// The things that are meant by `item`, by index.
    pub(crate) fn meant(&self, item: Option<u8>) -> impl Iterator<Item = usize> {
        (0..self.ask.items.len()).filter(move |index| item.is_none_or(|item| usize::from(item) == *index))
    }

    /// When it can be forgotten: nobody can use it any more, and a day has passed.
    #[must_use]
    pub const fn forgotten(&self) -> UnixMillis {
        self.ask.ends.plus_seconds(self.ask.holds).plus_seconds(24 * 3600)
    }

    pub(crate) fn add(&mut self, by: &PrincipalId, credential: &CredentialId, at: UnixMillis, answer: &ApprovalAnswer) {
        // What the same operator says of the same with the same credential again says nothing more.
        let is_same = |known: &Answered| {
            (&known.by, &known.credential, known.item, known.is_approved) == (by, credential, answer.item, answer.is_approved)
        };
        match self.answers.iter_mut().find(|known| is_same(known)) {
            Some(known) => known.at = known.at.min(at),
            None => {
                let (by, credential) = (by.clone(), credential.clone());
                self.answers.push(Answered { by, credential, at, item: answer.item, is_approved: answer.is_approved });
            }
        }
    }

    pub(crate) fn cancel(&mut self, at: UnixMillis) {
        self.cancelled = Some(self.cancelled.map_or(at, |earlier| earlier.min(at)));
    }

    /// Whether an operator has approved just this before, in a way that counts.
    pub(crate) fn is_told(&self, by: &Name, item: Option<u8>, view: &View<'_>) -> bool {
        let counts = |answer: &Answered| answer.is_approved && (view.counts)(&answer.by, &answer.credential);
        self.answers.iter().any(|known| known.by.name == *by && known.item == item && counts(known))
    }

    /// Whether an operator is a party of what is to be approved: of the same name as a link of the chain, or as who asks.
    pub(crate) fn involves(&self, operator: &Name) -> bool {
        self.by.name == *operator || self.chain.links().iter().any(|link| link.name == *operator)
    }
}
