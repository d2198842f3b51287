//! All requests for approval that may still matter.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{ApprovalAnswer, ApprovalAsk, ApprovalItem, CredentialId, Digest, Name, PrincipalId, RequestId, UnixMillis};

use crate::request::{Closed, Request, Status, View, Wanted, WantedItem};

/// Most things of one request.
pub const MAX_ITEMS: usize = 20;
/// Most requests that are kept of one point, and of all.
const MAX_REQUESTS: (usize, usize) = (1000, 10_000);
/// Most bytes of what they ask for.
const MAX_BYTES: (usize, usize) = (4 << 20, 32 << 20);
/// Most requests a minute for calls of the same parties: each is written to the disk before it is answered.
const MAX_A_MINUTE: usize = 60;

/// On which terms approvals are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How many operators have to approve; 1 to 10.
    pub quorum: u8,
    /// How long a request waits for them, in seconds.
    pub waits: u64,
    /// How long an approval holds, in seconds.
    pub holds: u64,
    /// Most requests of one chain, by one point, that wait at the same time.
    pub pending: usize,
    /// After so many refusals of the same by the same chain it can no longer be asked for, as long as they are remembered.
    pub refusals: usize,
}

impl Default for Terms {
    /// One operator, an hour to wait, 15 minutes to use it, 20 at a time, three refusals.
    fn default() -> Self {
        Self { quorum: 1, waits: 3600, holds: 900, pending: 20, refusals: 3 }
    }
}

/// Why an approval is not asked for or not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is no such request, or not for whoever asks.
    #[error("no request for approval has this name")]
    Unknown,
    /// It is over.
    #[error("the request is over")]
    Closed,
    /// The key of the sender stands for another request.
    #[error("the key stands for another request")]
    KeyTaken,
    /// Too much waits already, or is remembered.
    #[error("too many requests for approval wait or are remembered")]
    TooMany,
    /// The same was refused too often.
    #[error("this was refused too often to be asked for again")]
    Exhausted,
}

/// Why an operator's answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// There is no such request, or no such thing in it.
    #[error("no request for approval has this name, or it has no such thing")]
    Unknown,
    /// It is over.
    #[error("the request is over")]
    Closed,
    /// The operator is a party of what is to be approved.
    #[error("a party of your name acts in what is to be approved: somebody else has to answer")]
    Involved,
    /// What was shown is not what there is.
    #[error("what was shown is not what would be approved")]
    NotShown,
    /// The operator has approved it before.
    #[error("you have approved this before")]
    Twice,
    /// What it is in full cannot be read any more.
    #[error("what exactly is asked for was erased")]
    Erased,
}

/// An approval that holds, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub approval: Name,
    /// The request that it belongs to.
    pub id: Name,
    /// Who has approved.
    pub approvers: Vec<PrincipalId>,
    /// The last moment at which it holds.
    pub until: UnixMillis,
    /// For exactly this.
    pub scope: Digest,
    /// Under these policies as a whole.
    pub policies: Digest,
    /// The policies that it lifts.
    pub because: Vec<String>,
}

/// Why an approval does not hold for what it is presented for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// There is none of this name, or somebody else asked for it.
    Unknown,
    /// It is over: its time, taken back, or other policies are in force.
    Over,
    /// It is for something else, or lifts not all that would have to be lifted.
    Elsewhere,
}

/// Every request that may still matter, bounded in number and bytes, for each point and in all.
#[derive(Debug, Clone, Default)]
pub struct Approvals {
    requests: HashMap<Name, Request>,
    /// Which request an approval belongs to, and which of its things.
    by_approval: HashMap<Name, (Name, usize)>,
}

impl Approvals {
    /// How many requests are kept.
    #[must_use]
    pub fn n_requests(&self) -> usize {
        self.requests.len()
    }

    /// A request by its name.
    #[must_use]
    pub fn get(&self, id: &Name) -> Option<&Request> {
        self.requests.get(id)
    }

    /// Every request, the latest first.
    #[must_use]
    pub fn list(&self) -> Vec<&Request> {
        let mut all: Vec<&Request> = self.requests.values().collect();
        all.sort_unstable_by(|left, right| right.at.cmp(&left.at).then_with(|| left.ask.id.cmp(&right.ask.id)));
        all
    }

    /// The request that is there already for what is wanted, or why there can be none. `Ok(None)`: it may be asked for.
    ///
    /// # Errors
    /// [`AskError::KeyTaken`], [`AskError::TooMany`], [`AskError::Exhausted`].
    pub fn known(&mut self, wanted: &Wanted, view: &View<'_>) -> Result<Option<&Request>, AskError> {
        self.make_room(&wanted.by, wanted.n_bytes(), view);
        let of_point = || self.requests.values().filter(|request| request.by == wanted.by);
        let of_key = |known: &Wanted| wanted.key.is_some() && known.key == wanted.key;
        if let Some(known) = of_point().find(|request| request.wanted.as_deref().is_some_and(of_key)) {
            let is_same = known.wanted.as_deref().is_some_and(|known| is_same(known, wanted) && known.said == wanted.said);
            return if is_same { Ok(Some(known)) } else { Err(AskError::KeyTaken) };
        }
        let waits = |request: &&Request| request.status(view) == Status::Pending;
        let same = |request: &&Request| {
            request.ask.policies == wanted.policies && request.wanted.as_deref().is_some_and(|known| is_same(known, wanted))
        };
        if let Some(known) = of_point().filter(same).filter(waits).min_by_key(|request| request.at) {
            return Ok(Some(known));
        }
        let is_new = |request: &&Request| request.at.plus_seconds(60) > view.now;
        let of_parties = || of_point().filter(|request| request.chain == wanted.chain);
        if wanted.is_single_use && of_parties().filter(is_new).count() >= MAX_A_MINUTE {
            return Err(AskError::TooMany);
        }
        let n_waiting = of_parties().filter(waits).count();
        if !self.has_room(&wanted.by, wanted.n_bytes()) || n_waiting >= view.terms.pending {
            return Err(AskError::TooMany);
        }
        let of_chain = || self.requests.values().filter(|request| request.chain == wanted.chain);
        let refused = |topic: &Digest| of_chain().map(|request| refusals(request, topic, view)).sum::<usize>();
        let topics: BTreeSet<Digest> = wanted.items.iter().map(|item| item.topic).collect();
        if topics.iter().any(|topic| refused(topic) >= view.terms.refusals) {
            return Err(AskError::Exhausted);
        }
        Ok(None)
    }

    /// Takes a request that was recorded.
    pub fn asked(&mut self, request: Request) {
        for (index, item) in request.ask.items.iter().enumerate() {
            self.by_approval.insert(item.approval.clone(), (request.ask.id.clone(), index));
        }
        self.requests.insert(request.ask.id.clone(), request);
    }

    /// Whether an operator may answer so.
    ///
    /// # Errors
    /// [`AnswerError`]: an approval of what is over, was not shown, cannot be read, or is the operator's own. A refusal may come at
    /// any time before the approval has ended, and of anybody.
    pub fn may_answer(&self, operator: &Name, answer: &ApprovalAnswer, view: &View<'_>) -> Result<(), AnswerError> {
        let request = self.requests.get(&answer.id).ok_or(AnswerError::Unknown)?;
        let shown = request.shown(answer.item);
        let mut meant = request.meant(answer.item).map(|index| request.status_of(index, view));
        let is_open = |status: Status| match status {
            Status::Approved { until, .. } => view.now <= until,
            status => status == Status::Pending,
        };
        match answer.is_approved {
            _ if shown.is_empty() => Err(AnswerError::Unknown),
            false if meant.any(is_open) => Ok(()),
            false => Err(AnswerError::Closed),
            true if !meant.any(|status| status == Status::Pending) => Err(AnswerError::Closed),
            true if request.wanted.is_none() => Err(AnswerError::Erased),
            true if request.involves(operator) => Err(AnswerError::Involved),
            true if request.is_told(operator, answer.item, view) => Err(AnswerError::Twice),
            true if shown != answer.shown => Err(AnswerError::NotShown),
            true => Ok(()),
        }
    }

    /// Takes an answer that was recorded.
    pub fn answered(&mut self, by: &PrincipalId, credential: &CredentialId, at: UnixMillis, answer: &ApprovalAnswer) {
        if let Some(request) = self.requests.get_mut(&answer.id) {
            request.add(by, credential, at, answer);
        }
    }

    /// Whether `by` may cancel.
    ///
    /// # Errors
    /// [`AskError::Unknown`], [`AskError::Closed`].
    pub fn may_cancel(&self, by: &PrincipalId, id: &Name, view: &View<'_>) -> Result<(), AskError> {
        let request = self.requests.get(id).filter(|request| request.by == *by).ok_or(AskError::Unknown)?;
        if request.status(view) == Status::Pending { Ok(()) } else { Err(AskError::Closed) }
    }

    /// Takes a cancellation that was recorded.
    pub fn cancelled(&mut self, id: &Name, at: UnixMillis) {
        if let Some(request) = self.requests.get_mut(id) {
            request.cancel(at);
        }
    }

    /// What an approval holds for, now. It is no key: only `by`, who asked for it, can present it, and what for is the caller's to
    /// compare.
    ///
    /// # Errors
    /// [`Misfit::Unknown`], [`Misfit::Over`].
    pub fn standing(&self, by: &PrincipalId, approval: &str, view: &View<'_>) -> Result<Standing, Misfit> {
        let approval = Name::new(approval).map_err(|_| Misfit::Unknown)?;
        let (id, index) = self.by_approval.get(&approval).ok_or(Misfit::Unknown)?;
        // What is used up by a call is found by what the call is, and presented by nobody.
        let is_theirs = |request: &&Request| request.by == *by && !request.ask.is_single_use;
        let request = self.requests.get(id).filter(is_theirs).ok_or(Misfit::Unknown)?;
        match request.status_of(*index, view) {
            Status::Approved { until, .. } if view.now <= until => held(request, *index, until, view).ok_or(Misfit::Over),
            Status::Pending => Err(Misfit::Unknown),
            Status::Approved { .. } | Status::TakenBack { .. } | Status::Closed(_) | Status::Partial => Err(Misfit::Over),
        }
    }

    /// The approval that holds for a call, now, if there is one: for exactly this, of these parties, by the policies that ask for it
    /// and no other, and used up by no other call. Of several the one that ends first.
    #[must_use]
    pub fn of_call(&self, wanted: &Wanted, call: RequestId, view: &View<'_>) -> Option<Standing> {
        let [item] = wanted.items.as_slice() else { return None };
        let is_for = |request: &&Request| {
            let lifts = |known: &WantedItem| {
                known.scope == item.scope && item.because.iter().all(|policy| known.because.contains(policy))
            };
            let is_same = request.by == wanted.by && request.chain == wanted.chain && request.ask.policies == wanted.policies;
            request.ask.is_single_use
                && is_same
                && request.wanted.as_ref().is_some_and(|known| matches!(known.items.as_slice(), [known] if lifts(known)))
        };
        let holding = self.requests.values().filter(is_for).filter_map(|request| standing_for(request, 0, call, view));
        holding.min_by(|left, right| left.until.cmp(&right.until).then_with(|| left.id.cmp(&right.id)))
    }

    /// Whether an approval still is there for a call; `Some(true)` if this very call has used it up already.
    #[must_use]
    pub fn is_there_for(&self, approval: &Name, call: RequestId, view: &View<'_>) -> Option<bool> {
        let (id, index) = self.by_approval.get(approval)?;
        let request = self.requests.get(id).filter(|request| request.ask.is_single_use)?;
        standing_for(request, *index, call, view).map(|_| request.used(*index).is_some())
    }

    /// Uses an approval up. From here on it is there for no other call.
    pub fn used(&mut self, approval: &Name, at: UnixMillis, call: RequestId) {
        let Some((id, _)) = self.by_approval.get(approval) else { return };
        if let Some(request) = self.requests.get_mut(id) {
            request.use_up(approval, at, call);
        }
    }

    /// Forgets what exactly was asked for wherever `is_theirs` says so: nobody can approve or use it any more.
    pub fn erase(&mut self, is_theirs: impl Fn(&Request) -> bool) {
        for request in self.requests.values_mut() {
            if is_theirs(request) {
                request.wanted = None;
            }
        }
    }

    /// Whether one more request of a point has room.
    fn has_room(&self, by: &PrincipalId, n_bytes: usize) -> bool {
        let of_all = Size::of(self.requests.values());
        let of_point = Size::of(self.requests.values().filter(|request| request.by == *by));
        let fits =
            |size: &Size, requests: usize, bytes: usize| size.requests < requests && size.bytes.saturating_add(n_bytes) <= bytes;
        fits(&of_point, MAX_REQUESTS.0, MAX_BYTES.0) && fits(&of_all, MAX_REQUESTS.1, MAX_BYTES.1)
    }

    /// Forgets what is over long since; and, where a point has no more room, what of its own was cancelled or nobody has answered,
    /// oldest first. What was refused stays: it must not be asked for again and again.
    fn make_room(&mut self, by: &PrincipalId, n_bytes: usize, view: &View<'_>) {
        self.requests.retain(|_, request| view.now < request.forgotten());
        while !self.has_room(by, n_bytes) {
            let idle = |request: &&Request| matches!(request.status(view), Status::Closed(Closed::Cancelled | Closed::Expired));
            let own = self.requests.values().filter(|request| request.by == *by).filter(idle);
            let Some(oldest) = own.min_by_key(|request| request.at).map(|request| request.ask.id.clone()) else { break };
            self.requests.remove(&oldest);
        }
        let requests = &self.requests;
        self.by_approval.retain(|_, (id, _)| requests.contains_key(id));
    }
}

/// How much is kept.
#[derive(Default)]
struct Size {
    requests: usize,
    bytes: usize,
}

impl Size {
    fn of<'r>(requests: impl Iterator<Item = &'r Request>) -> Self {
        requests.fold(Self::default(), |size, request| {
            let bytes = request.wanted.as_ref().map_or(0, |wanted| wanted.n_bytes());
            Self { requests: size.requests.saturating_add(1), bytes: size.bytes.saturating_add(bytes) }
        })
    }
}

/// What an approval that holds until then holds for; none where nobody can read any more what that was.
fn held(request: &Request, index: usize, until: UnixMillis, view: &View<'_>) -> Option<Standing> {
    let item = request.wanted.as_ref()?.items.get(index)?;
    Some(Standing {
        approval: request.ask.items.get(index)?.approval.clone(),
        id: request.ask.id.clone(),
        approvers: request.approvers(index, view),
        until,
        scope: item.scope,
        policies: request.ask.policies,
        because: item.because.clone(),
    })
}

/// The approval of one thing, if it holds now and no other call has used it up.
fn standing_for(request: &Request, index: usize, call: RequestId, view: &View<'_>) -> Option<Standing> {
    let Status::Approved { until, .. } = request.status_of(index, view) else { return None };
    let is_there = view.now <= until && request.is_unused_but_by(index, call);
    if is_there { held(request, index, until, view) } else { None }
}

/// Whether two are about the same things of the same parties.
fn is_same(known: &Wanted, wanted: &Wanted) -> bool {
    let scopes = |wanted: &Wanted| wanted.items.iter().map(|item| item.scope).collect::<Vec<_>>();
    let shape = |wanted: &Wanted| (wanted.is_list, wanted.is_single_use);
    known.by == wanted.by && known.chain == wanted.chain && shape(known) == shape(wanted) && scopes(known) == scopes(wanted)
}

/// How often a topic was refused in a request.
fn refusals(request: &Request, topic: &Digest, view: &View<'_>) -> usize {
    let Some(wanted) = &request.wanted else { return 0 };
    let of_topic = wanted.items.iter().enumerate().filter(|(_, item)| item.topic == *topic);
    of_topic.filter(|(index, _)| request.status_of(*index, view) == Status::Closed(Closed::Refused)).count()
}

/// A request out of what is wanted: names and time are the caller's.
#[must_use]
pub fn request(wanted: Arc<Wanted>, id: Name, approvals: Vec<Name>, terms: &Terms, now: UnixMillis) -> Request {
    let items = wanted.items.iter().zip(approvals);
    let items = items.map(|(item, approval)| ApprovalItem { approval, commitment: item.commitment, request: item.request });
    let ask = ApprovalAsk {
        id,
        items: items.collect(),
        is_list: wanted.is_list,
        policies: wanted.policies,
        quorum: terms.quorum,
        ends: now.plus_seconds(terms.waits),
        holds: terms.holds,
        is_single_use: wanted.is_single_use,
    };
    let (by, chain) = (wanted.by.clone(), wanted.chain.clone());
    Request::restored(ask, by, chain, now, Some(wanted))
}
