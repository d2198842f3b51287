//! How far the log has come: one small piece of shared state between the threads of the log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evidence::RecordError;
use tokio::sync::oneshot;

/// The answer to an entry: its index.
pub(crate) type Answer = oneshot::Sender<Result<u64, RecordError>>;

/// Somebody who waits for an fsync.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) index: u64,
    pub(crate) answer: Answer,
    /// Waits on after a failure: an act of administration that is written takes effect when it is durable, and not before.
    /// If it were told to have failed, the log and the state in force would part.
    pub(crate) is_patient: bool,
}

/// What somebody asks a thread for; the thread takes it back.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// An fsync, without an answer.
    pub(crate) sync: bool,
    /// A checkpoint now.
    pub(crate) seal: bool,
    /// That the projection catches up now.
    pub(crate) projection: bool,
}

/// Which threads have ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Nothing more will be accepted.
    pub(crate) writer: bool,
    /// Nothing more will be sealed.
    pub(crate) integrator: bool,
    /// Nothing more will be projected.
    pub(crate) projector: bool,
}

/// The state; every number only ever grows.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Entries that were written.
    pub(crate) accepted: u64,
    /// Entries that were fsynced.
    pub(crate) durable: u64,
    /// Entries under the newest checkpoint.
    pub(crate) sealed: u64,
    /// Segments with bytes that were not fsynced yet, oldest first.
    pub(crate) dirty: Vec<u64>,
    /// Who waits for an fsync.
    pub(crate) waiting: Vec<Waiting>,
    /// Entries in the projection.
    pub(crate) projected: u64,
    /// What somebody asks for.
    pub(crate) wanted: Wanted,
    /// An fsync failed; the writer has to write everything since the last good one again.
    pub(crate) sync_failed: Option<String>,
    /// The log cannot be written.
    pub(crate) broken: Option<String>,
    /// Free space is below the reserve: calls are refused.
    pub(crate) is_space_low: bool,
    /// Who has ended.
    pub(crate) ended: Ended,
}

/// The state and its bell.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether an fsync is running.
    is_syncing: AtomicBool,
    /// Until when, in milliseconds since `began`, writes beside an fsync are taken to be slow, as one was.
    wary: AtomicU64,
    began: Instant,
}

/// A write that takes longer than this beside an fsync has waited for it: some file systems let it, most do not.
const SLOW: Duration = Duration::from_millis(10);
/// So long calls then leave writing beside an fsync to the thread.
const WARY: Duration = Duration::from_secs(2);

impl Progress {
    /// At the start, everything that is in the journal is accepted.
    pub(crate) fn new(accepted: u64, durable: u64, sealed: u64) -> Self {
        let state = State { accepted, durable, sealed, ..State::default() };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            is_syncing: AtomicBool::new(false),
            wary: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// Whether a write would have to wait for the fsync that is running, as far as that is known.
    pub(crate) fn holds_up(&self) -> bool {
        self.is_syncing.load(Ordering::Relaxed) && self.millis() < self.wary.load(Ordering::Relaxed)
    }

    /// Runs a write, and remembers if it has waited for an fsync.
    pub(crate) fn watch<T>(&self, write: impl FnOnce() -> T) -> T {
        if !self.is_syncing.load(Ordering::Relaxed) {
            return write();
        }
        let before = Instant::now();
        let written = write();
        self.took(before.elapsed());
        written
    }

    fn took(&self, time: Duration) {
        if time > SLOW {
            let wary = u64::try_from(WARY.as_millis()).unwrap_or(u64::MAX);
            self.wary.store(self.millis().saturating_add(wary), Ordering::Relaxed);
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and rings.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Changes the state and rings only if `change` says so: the rest is what others look at from time to time, not at once. A bell
    /// for every batch would wake three threads for nothing.
    pub(crate) fn update_if(&self, change: impl FnOnce(&mut State) -> bool) {
        let is_urgent = change(&mut self.lock());
        if is_urgent {
            self.changed.notify_all();
        }
    }

    /// Waits until `ready` or the time is over; gives the state as it then is.
    pub(crate) fn wait(&self, timeout: Duration, mut ready: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let end = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        while !ready(&state) {
            let Some(left) = end.and_then(|end| end.checked_duration_since(Instant::now())) else { break };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

/// The thread that fsyncs. While one fsync runs, the next ones gather: that is the group, and nobody waits for a timer.
pub(crate) fn run_syncer(port: &dyn crate::port::FilePort, progress: &Progress) {
    loop {
        let (target, dirty) = {
            let is_due = |state: &State| state.sync_failed.is_none() && (!state.waiting.is_empty() || state.wanted.sync);
            let mut state = progress.wait(Duration::from_secs(3600), |state| is_due(state) || state.ended.writer);
            if !is_due(&state) {
                if state.ended.writer {
                    return;
                }
                continue;
            }
            state.wanted.sync = false;
            (state.accepted, state.dirty.clone())
        };
        progress.is_syncing.store(true, Ordering::Relaxed);
        let synced = dirty.iter().try_for_each(|first| port.sync(&crate::journal::segment(*first)));
        progress.is_syncing.store(false, Ordering::Relaxed);
        progress.update(|state| match synced {
            Ok(()) => succeed(state, target, &dirty),
            Err(error) => fail(state, &error.to_string()),
        });
    }
}

fn succeed(state: &mut State, target: u64, synced: &[u64]) {
    state.durable = state.durable.max(target);
    // The newest of the synced segments may have grown meanwhile.
    let newest = synced.last().copied();
    let has_grown = state.accepted > target;
    state.dirty.retain(|first| !synced.contains(first) || (has_grown && Some(*first) == newest));
    let (ready, waiting): (Vec<Waiting>, Vec<Waiting>) =
        std::mem::take(&mut state.waiting).into_iter().partition(|waiting: &Waiting| waiting.index < target);
    state.waiting = waiting;
    for Waiting { index, answer, .. } in ready {
        // The one who asked may have gone; the entry stands all the same.
        drop(answer.send(Ok(index)));
    }
}

fn fail(state: &mut State, error: &str) {
    let what = format!("fsync failed: {error}");
    let (patient, others): (Vec<Waiting>, Vec<Waiting>) =
        std::mem::take(&mut state.waiting).into_iter().partition(|waiting| waiting.is_patient);
    state.waiting = patient;
    for Waiting { answer, .. } in others {
        drop(answer.send(Err(RecordError::Unavailable(what.clone()))));
    }
    state.sync_failed = Some(what.clone());
    state.broken = Some(what);
}

/// Entries after which work that nobody waits for lets others have the core: some 50 microseconds. A scheduler may let a thread end
/// its slice, which takes milliseconds, before a call that has become ready goes on, however low the thread's priority is.
const YIELD_EVERY: u64 = 8;

/// Called for every entry by work that nobody waits for.
pub(crate) fn breathe(index: u64) {
    if index.is_multiple_of(YIELD_EVERY) {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Ordering, Progress, SLOW};

    #[test]
    fn calls_write_beside_an_fsync_until_one_has_waited_for_it() {
        let progress = Progress::new(0, 0, 0);
        progress.is_syncing.store(true, Ordering::Relaxed);
        progress.took(SLOW);
        assert!(!progress.holds_up());
        progress.took(SLOW.saturating_add(Duration::from_micros(1)));
        assert!(progress.holds_up());
        progress.is_syncing.store(false, Ordering::Relaxed);
        assert!(!progress.holds_up(), "nothing to wait for");
    }
}
