//! The way to the writer: bounded for calls that can wait, open for what must not be lost.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evidence::RecordError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::progress::Answer;

/// Who is told, and when.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Nobody.
    Nobody,
    /// When it is written.
    Accepted(Answer),
    /// When it is fsynced.
    Durable(Answer),
}

impl Reply {
    /// Tells that it was not recorded.
    pub(crate) fn refuse(self, error: RecordError) {
        match self {
            Self::Nobody => {}
            Self::Accepted(answer) | Self::Durable(answer) => drop(answer.send(Err(error))),
        }
    }
}

/// How an entry is treated when the log is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Something that has not happened yet: refused.
    Call,
    /// Something that has happened: kept until the log returns.
    Happened,
    /// An act of administration: has the reserve, is refused when nothing can be written.
    Admin,
    /// A tightening act that is in force already: has the reserve and is kept.
    InForce,
    /// Counted noise: dropped first.
    Noise,
}

/// One entry on its way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) entry: Vec<u8>,
    pub(crate) content: Vec<u8>,
    pub(crate) class: Class,
    pub(crate) reply: Reply,
    /// Room in the queue, given back when the writer is done.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// How the writer's thread sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sleep {
    /// For a moment: what is left for later is written at its end.
    #[default]
    Nap,
    /// For long; whoever leaves an entry for later has to wake it.
    Doze,
    /// No more: somebody wants it now.
    Over,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: VecDeque<Job>,
    is_closed: bool,
    /// A call writes what it has taken, and looks again after that.
    is_served: bool,
    sleep: Sleep,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
    room: Arc<Semaphore>,
}

impl Queue {
    /// Room for `capacity` entries whose callers wait.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { inner: Mutex::default(), filled: Condvar::new(), room: Arc::new(Semaphore::new(capacity)) }
    }

    /// Waits for room.
    pub(crate) async fn room(&self) -> Result<OwnedSemaphorePermit, RecordError> {
        Arc::clone(&self.room).acquire_owned().await.map_err(|_| RecordError::Closed)
    }

    /// Adds an entry and wakes the writer's thread. What needs room brings it.
    pub(crate) fn push(&self, job: Job) {
        if self.push_quietly(job) {
            self.wake();
        }
    }

    /// Adds an entry without waking anybody; `false` if it was refused. The caller sees to it that somebody writes it.
    pub(crate) fn push_quietly(&self, job: Job) -> bool {
        let mut inner = self.lock();
        if inner.is_closed {
            drop(inner);
            job.reply.refuse(RecordError::Closed);
            return false;
        }
        inner.jobs.push_back(job);
        true
    }

    /// Adds an entry that nobody waits for: whoever writes next takes it along, at the latest the thread after its nap.
    pub(crate) fn push_for_later(&self, job: Job) {
        if self.push_quietly(job) && self.lock().sleep == Sleep::Doze {
            self.wake();
        }
    }

    /// Wakes the writer's thread; if it is not asleep, its next sleep ends at once.
    pub(crate) fn wake(&self) {
        if std::mem::replace(&mut self.lock().sleep, Sleep::Over) != Sleep::Over {
            self.filled.notify_one();
        }
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Whether a call is writing that has not looked yet whether more has come.
    pub(crate) fn is_served(&self) -> bool {
        self.lock().is_served
    }

    /// A call has written what it took; `true` if nothing has come meanwhile.
    pub(crate) fn served(&self) -> bool {
        let mut inner = self.lock();
        inner.is_served = false;
        inner.jobs.is_empty()
    }

    /// As [`Queue::take`], if it is so little that a call may write it; all or nothing. [`Queue::served`] must follow.
    pub(crate) fn take_few(&self, entries: usize, bytes: usize) -> Option<VecDeque<Job>> {
        let mut inner = self.lock();
        let length = |job: &Job| job.entry.len().saturating_add(job.content.len());
        let is_few = inner.jobs.len() <= entries && inner.jobs.iter().map(length).fold(0, usize::saturating_add) <= bytes;
        inner.is_served |= is_few;
        is_few.then(|| std::mem::take(&mut inner.jobs))
    }

    /// Takes everything that is there, without waiting.
    pub(crate) fn take(&self) -> VecDeque<Job> {
        std::mem::take(&mut self.lock().jobs)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `time`, or until somebody wakes it; `false` when the queue is closed and empty. In a long sleep (`is_doze`)
    /// entries that are left for later wake it too.
    pub(crate) fn sleep(&self, time: Duration, is_doze: bool) -> bool {
        let mut inner = self.lock();
        // Entries that came before the doze began would wake nobody.
        let is_late = is_doze && !inner.jobs.is_empty();
        let time = if is_late { Duration::ZERO } else { time };
        if inner.sleep != Sleep::Over && !inner.is_closed {
            inner.sleep = if is_doze && !is_late { Sleep::Doze } else { Sleep::Nap };
            inner = self.filled.wait_timeout(inner, time).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.sleep = Sleep::Nap;
        !(inner.jobs.is_empty() && inner.is_closed)
    }

    /// Takes no more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_one();
        self.room.close();
    }
}
