//! Operators, scripted: a real state of approvals, and what they do while a call waits.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use engine::ports::Looked;
use model::{ApprovalAnswer, CredentialId, Name, PrincipalId, RequestId, UnixMillis};
use response::{Approvals, AskError, Request, Standing, Status, Terms, View, Wanted};

/// What happens while a call waits.
#[derive(Debug, Clone)]
pub(crate) enum Meanwhile {
    /// Somebody approves what waits.
    Yes,
    /// Somebody refuses it.
    No,
    /// Somebody approves it, and another call uses that up.
    Taken,
    /// An operator stops something.
    Kill(&'static str),
    /// The gate is about to end.
    Ends,
    /// Something that concerns others.
    Nothing,
}

#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) approvals: Mutex<Approvals>,
    /// What happens, and when.
    pub(crate) meanwhile: Mutex<VecDeque<(Duration, Meanwhile)>>,
    /// The use of an approval cannot be recorded.
    pub(crate) fails: AtomicBool,
    /// Operators take back everything while the next entry is written.
    pub(crate) refuses_after_record: AtomicBool,
    version: AtomicU64,
    /// How many calls there were.
    calls: AtomicU8,
}

fn all_count(_: &PrincipalId, _: &CredentialId) -> bool {
    true
}

const TERMS: Terms = Terms { quorum: 1, waits: 3600, holds: 900, pending: 20, refusals: 3 };

fn view(now: UnixMillis) -> View<'static> {
    View { now, terms: &TERMS, counts: &all_count }
}

impl Desk {
    pub(crate) fn ask(&self, wanted: Wanted, now: UnixMillis) -> Result<Looked, AskError> {
        let mut approvals = self.approvals.lock().unwrap();
        if let Some(known) = approvals.known(&wanted, &view(now))? {
            return Ok(looked(known, now));
        }
        let name = |prefix: &str| Name::new(&format!("{prefix}_{}", approvals.n_requests())).unwrap();
        let request = response::request(std::sync::Arc::new(wanted), name("arq"), vec![name("apr")], &TERMS, now);
        approvals.asked(request.clone());
        Ok(looked(&request, now))
    }

    pub(crate) fn look(&self, id: &str, now: UnixMillis) -> Option<Looked> {
        self.approvals.lock().unwrap().get(&Name::new(id).ok()?).map(|request| looked(request, now))
    }

    pub(crate) fn of_call(&self, wanted: &Wanted, call: RequestId, now: UnixMillis) -> Option<Standing> {
        self.approvals.lock().unwrap().of_call(wanted, call, &view(now))
    }

    pub(crate) fn use_up(&self, approval: &Name, call: RequestId, now: UnixMillis) -> Result<(), AskError> {
        let mut approvals = self.approvals.lock().unwrap();
        approvals.is_there_for(approval, call, &view(now)).ok_or(AskError::Closed)?;
        approvals.used(approval, now, call);
        Ok(())
    }

    pub(crate) fn is_there(&self, approval: &Name, call: RequestId, now: UnixMillis) -> bool {
        self.approvals.lock().unwrap().is_there_for(approval, call, &view(now)).is_some()
    }

    /// What tells the next call from others.
    pub(crate) fn next(&self) -> u8 {
        self.calls.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// Answers everything that waits.
    pub(crate) fn say(&self, is_approved: bool, now: UnixMillis) {
        let mut approvals = self.approvals.lock().unwrap();
        let waiting: Vec<Request> =
            approvals.list().into_iter().filter(|one| one.status(&view(now)) == Status::Pending).cloned().collect();
        for request in waiting {
            let answer = ApprovalAnswer { id: request.ask.id.clone(), item: None, shown: request.shown(None), is_approved };
            approvals.answered(&"operator:otto".parse().unwrap(), &Name::new("key").unwrap(), now, &answer);
        }
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Approves everything that waits; another call is faster.
    pub(crate) fn take(&self, now: UnixMillis) {
        self.say(true, now);
        let mut approvals = self.approvals.lock().unwrap();
        let names: Vec<Name> =
            approvals.list().into_iter().flat_map(|request| request.ask.items.iter().map(|item| item.approval.clone())).collect();
        names.iter().for_each(|name| approvals.used(name, now, RequestId::new(now, [77; 10])));
    }
}

impl Desk {
    /// Takes back everything.
    pub(crate) fn take_back(&self, now: UnixMillis) {
        let mut approvals = self.approvals.lock().unwrap();
        let all: Vec<Name> = approvals.list().into_iter().map(|request| request.ask.id.clone()).collect();
        for id in all {
            let answer = ApprovalAnswer { id, item: None, shown: Vec::new(), is_approved: false };
            approvals.answered(&"operator:otto".parse().unwrap(), &Name::new("key").unwrap(), now.plus_seconds(1), &answer);
        }
    }
}

fn looked(request: &Request, now: UnixMillis) -> Looked {
    let view = view(now);
    Looked {
        request: request.clone(),
        each: vec![request.status_of(0, &view)],
        status: request.status(&view),
        steps: (request.n_approved(0, &view), 1),
    }
}
