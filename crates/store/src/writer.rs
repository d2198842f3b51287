//! Who writes the journal: whoever has something to write, one at a time.
//!
//! A call that finds nobody writing writes its own entry, and what others have queued meanwhile: two changes of thread are
//! most of what an entry would cost otherwise. A thread of its own writes when a call must not be held up (writes wait for the
//! fsync that is running, much is queued, the log is in trouble), and looks after noise and after a log that cannot be written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use evidence::RecordError;

use crate::journal::{SEGMENT_LIMIT, segment};
use crate::noise::NoiseCounter;
use crate::port::FilePort;
use crate::progress::{Progress, State, Waiting};
use crate::queue::{Class, Job, Queue, Reply};
use crate::record::{self, HEAD};
use crate::recover::Recovered;

/// Most bytes in one write.
const MAX_BATCH: usize = 4 * 1024 * 1024;
/// Unsynced bytes above which an fsync is asked for.
const SYNC_ABOVE: usize = 2 * 1024 * 1024;
/// Unsynced bytes above which the writer waits for the fsync.
const WAIT_ABOVE: usize = 64 * 1024 * 1024;
/// Longest time that an entry which nobody waits for lies in the queue.
const NAP: Duration = Duration::from_millis(2);
/// The thread's sleep when nothing came for a while.
const DOZE: Duration = Duration::from_millis(500);
/// Turns without an entry after which the thread dozes.
const IDLE_TURNS: u32 = 50;
/// Least time between two attempts to write again after a failure.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// Least time between two looks at the free space.
const SPACE_EVERY: Duration = Duration::from_millis(50);
/// Most entries that a call writes for itself and others.
const MAX_SHORT: usize = 64;
/// Most bytes that it writes, contents included.
const MAX_SHORT_BYTES: usize = 1024 * 1024;
/// Most turns that a call takes: a call does not become the writer of all others.
const MAX_TURNS: usize = 2;
/// Most entries kept while the log cannot be written; tightening acts are kept beyond it.
const MAX_KEPT: usize = 100_000;

/// Bytes that were written and are not known to be durable: an fsync that fails may have dropped them.
#[derive(Debug)]
struct Unsynced {
    first: u64,
    offset: u64,
    /// One past the last entry in it.
    end: u64,
    bytes: Vec<u8>,
}

/// The writer's thread: runs until the queue is closed and empty. A writer in which somebody panicked writes no more: the
/// queue is closed, and everything is refused from then on.
pub(crate) fn run_writer(writer: &Mutex<Writer>, queue: &Queue, progress: &Progress) {
    let mut n_idle = 0_u32;
    let mut sleep = NAP;
    while queue.sleep(sleep, n_idle >= IDLE_TURNS) {
        let Ok(mut writer) = writer.lock() else { return give_up(queue, progress) };
        n_idle = if writer.turn(queue) || writer.broken.is_some() { 0 } else { n_idle.saturating_add(1) };
        sleep = match (&writer.broken, n_idle >= IDLE_TURNS) {
            (Some(_), _) => PROBE_EVERY,
            (None, true) => DOZE,
            (None, false) => NAP,
        };
    }
    match writer.lock() {
        Ok(mut writer) => writer.last_turn(),
        Err(_) => give_up(queue, progress),
    }
}

fn give_up(queue: &Queue, progress: &Progress) {
    queue.close();
    let jobs = queue.take();
    tracing::error!(n_lost = jobs.len(), "the log's writer has failed: everything is refused until the gate starts again");
    for job in jobs {
        job.reply.refuse(RecordError::Closed);
    }
    progress.update(|state| {
        state.broken = Some("the writer has failed".to_owned());
        state.ended.writer = true;
    });
}

/// Sees to it that everything in the queue is written: here if that is quick, else by the thread.
pub(crate) fn write_or_wake(writer: &Mutex<Writer>, queue: &Queue, progress: &Progress) {
    for _ in 0..MAX_TURNS {
        if progress.holds_up() {
            return queue.wake();
        }
        let is_written = match writer.try_lock() {
            Ok(mut writer) => writer.short_turn(queue),
            // A call that writes looks again when it is done; the thread does if it is woken.
            Err(TryLockError::WouldBlock) if queue.is_served() => return,
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => false,
        };
        if !is_written {
            return queue.wake();
        }
        // Only after the writer was let go: whoever has come before that relies on it.
        if queue.served() {
            return;
        }
    }
    queue.wake();
}

/// The state of the journal's end; touched by whoever holds its lock.
#[derive(Debug)]
pub(crate) struct Writer {
    port: Arc<dyn FilePort>,
    progress: Arc<Progress>,
    noise: Arc<NoiseCounter>,
    reserve: u64,
    next: u64,
    first: u64,
    length: u64,
    unsynced: VecDeque<Unsynced>,
    n_unsynced: usize,
    broken: Option<String>,
    probed: Option<Instant>,
    /// When the free space was last looked at, and what was told of it.
    looked: Option<Instant>,
    is_space_low: bool,
    kept: VecDeque<Job>,
}

impl Writer {
    pub(crate) fn new(
        port: Arc<dyn FilePort>,
        progress: Arc<Progress>,
        noise: Arc<NoiseCounter>,
        at: &Recovered,
        reserve: u64,
    ) -> Self {
        Self {
            port,
            progress,
            noise,
            reserve,
            next: at.next,
            first: at.first,
            length: at.length,
            unsynced: VecDeque::new(),
            n_unsynced: 0,
            broken: None,
            probed: None,
            looked: None,
            is_space_low: false,
            kept: VecDeque::new(),
        }
    }

    /// One turn of the thread: mends what is broken, writes what was kept, what is queued, and the noise that is due. `true` if
    /// there was anything.
    fn turn(&mut self, queue: &Queue) -> bool {
        self.notice_failed_sync();
        if self.broken.is_some() {
            self.try_again();
        }
        // Readiness depends on it, and without readiness no calls come that would look.
        let is_space_low = self.is_space_low();
        // Taken under the lock of the writer: two that write may not pass each other.
        let jobs = queue.take();
        let mut jobs = if self.broken.is_none() { self.with_kept(jobs) } else { jobs };
        // What could not be written now is counted on.
        if self.broken.is_none() && !is_space_low {
            jobs.extend(self.noise.due(false));
        }
        let had_any = !jobs.is_empty();
        self.write_all(jobs);
        self.forget_synced();
        had_any
    }

    /// One turn of a call. What would take long is left to the thread: `false`.
    fn short_turn(&mut self, queue: &Queue) -> bool {
        self.notice_failed_sync();
        // Far below where writing waits for an fsync.
        let is_well = self.broken.is_none() && self.kept.is_empty() && self.n_unsynced < WAIT_ABOVE / 4;
        let Some(jobs) = is_well.then(|| queue.take_few(MAX_SHORT, MAX_SHORT_BYTES)).flatten() else { return false };
        self.write_all(jobs);
        self.forget_synced();
        true
    }

    fn last_turn(&mut self) {
        if self.broken.is_some() {
            self.probed = None;
            self.try_again();
        }
        let kept = self.with_kept(self.noise.due(true).into());
        self.write_all(kept);
        self.progress.update(|state| {
            state.wanted.sync = true;
            state.ended.writer = true;
        });
    }

    /// What was kept goes first: it happened first.
    fn with_kept(&mut self, jobs: VecDeque<Job>) -> VecDeque<Job> {
        let mut all = std::mem::take(&mut self.kept);
        all.extend(jobs);
        all
    }

    fn write_all(&mut self, jobs: VecDeque<Job>) {
        let mut batch: Vec<Job> = Vec::with_capacity(jobs.len());
        let length = |job: &Job| HEAD.saturating_add(job.entry.len()).saturating_add(job.content.len());
        let mut bytes = Vec::with_capacity(jobs.iter().map(length).fold(0, usize::saturating_add).min(2 * MAX_BATCH));
        let durable = self.progress.lock().durable;
        for job in jobs {
            if let Some(what) = &self.broken {
                let error = RecordError::Unavailable(what.clone());
                self.keep_or_refuse(job, error);
                continue;
            }
            if self.is_reserved(job.class) {
                self.keep_or_refuse(job, RecordError::Reserve);
                continue;
            }
            let index = self.next.saturating_add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
            record::write(&mut bytes, index, durable, &job.entry, &job.content);
            batch.push(job);
            if bytes.len() >= MAX_BATCH {
                self.write(std::mem::take(&mut batch), std::mem::take(&mut bytes));
            }
        }
        if !batch.is_empty() {
            self.write(batch, bytes);
        }
    }

    /// One batch, one write. Nothing of it is answered before the write has returned.
    fn write(&mut self, batch: Vec<Job>, bytes: Vec<u8>) {
        if self.length >= SEGMENT_LIMIT {
            (self.first, self.length) = (self.next, 0);
        }
        if let Err(error) = self.progress.watch(|| self.port.append(&segment(self.first), &bytes)) {
            let what = error.to_string();
            tracing::error!(error = %what, "the log cannot be written: every call is refused until it can");
            self.progress.update(|state| state.broken = Some(what.clone()));
            self.broken = Some(what.clone());
            for job in batch {
                self.keep_or_refuse(job, RecordError::Unavailable(what.clone()));
            }
            return;
        }
        let index = self.next;
        self.next = index.saturating_add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        let offset = self.length;
        self.length = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.n_unsynced = self.n_unsynced.saturating_add(bytes.len());
        self.unsynced.push_back(Unsynced { first: self.first, offset, end: self.next, bytes });
        self.answer(batch, index);
        if self.n_unsynced > WAIT_ABOVE {
            let accepted = self.next;
            drop(self.progress.wait(Duration::from_secs(60), |state| state.durable >= accepted || state.sync_failed.is_some()));
        }
    }

    fn answer(&self, batch: Vec<Job>, index: u64) {
        let mut written = Vec::with_capacity(batch.len());
        let wants_sync = self.n_unsynced > SYNC_ABOVE;
        let is_durable = batch.iter().any(|job| matches!(job.reply, Reply::Durable(_)));
        let take = |state: &mut State| {
            state.accepted = self.next;
            // Who wants what is wanted already needs to wake nobody.
            let is_news = wants_sync && !state.wanted.sync;
            state.wanted.sync |= wants_sync;
            if state.dirty.last() != Some(&self.first) {
                state.dirty.push(self.first);
            }
            for (job, index) in batch.into_iter().zip(index..) {
                match job.reply {
                    Reply::Nobody => {}
                    Reply::Accepted(answer) => written.push((answer, index)),
                    Reply::Durable(answer) => {
                        let is_patient = matches!(job.class, Class::Admin | Class::InForce);
                        state.waiting.push(Waiting { index, answer, is_patient });
                    }
                }
            }
            is_durable || is_news
        };
        self.progress.update_if(take);
        for (answer, index) in written {
            // The one who asked may have gone; the entry stands all the same.
            drop(answer.send(Ok(index)));
        }
    }

    fn keep_or_refuse(&mut self, mut job: Job, error: RecordError) {
        std::mem::replace(&mut job.reply, Reply::Nobody).refuse(error);
        job.room = None;
        match job.class {
            Class::InForce => self.kept.push_back(job),
            Class::Happened if self.kept.len() < MAX_KEPT => self.kept.push_back(job),
            Class::Happened => tracing::error!("an outcome is lost: too many are kept for a log that cannot be written"),
            // A count has been taken out of its tally. Most of the room stays for outcomes.
            Class::Noise if self.kept.len() < MAX_KEPT / 4 => self.kept.push_back(job),
            Class::Call | Class::Admin | Class::Noise => {}
        }
    }

    /// Whether free space is so low that only administration, and what has happened already, is written.
    fn is_reserved(&mut self, class: Class) -> bool {
        self.reserve != 0 && matches!(class, Class::Call | Class::Noise) && self.is_space_low()
    }

    /// Looks at the free space, now and then, and tells when it comes to be low, or is no longer.
    fn is_space_low(&mut self) -> bool {
        if self.reserve == 0 || self.looked.is_some_and(|at| at.elapsed() < SPACE_EVERY) {
            return self.is_space_low;
        }
        self.looked = Some(Instant::now());
        let is_low = self.port.free().is_ok_and(|free| free < self.reserve);
        if is_low != self.is_space_low {
            self.is_space_low = is_low;
            self.progress.update(|state| state.is_space_low = is_low);
            match is_low {
                true => tracing::error!(reserve = self.reserve, "free space is below the reserve: every call is refused"),
                false => tracing::info!("there is free space again"),
            }
        }
        is_low
    }

    fn notice_failed_sync(&mut self) {
        if self.broken.is_none() {
            self.broken = self.progress.lock().sync_failed.clone();
        }
    }

    /// Writes a probe. If that works, the journal is brought back to what was answered for, and goes on.
    fn try_again(&mut self) {
        if self.probed.is_some_and(|at| at.elapsed() < PROBE_EVERY) {
            return;
        }
        self.probed = Some(Instant::now());
        if let Err(error) = self.probe().and_then(|()| self.rewrite()) {
            tracing::warn!(%error, "the log still cannot be written");
            return;
        }
        tracing::info!("the log can be written again");
        self.broken = None;
        self.looked = None;
        self.progress.update(|state| {
            state.broken = None;
            state.sync_failed = None;
            state.wanted.sync = true;
        });
    }

    fn probe(&self) -> std::io::Result<()> {
        self.port.append("probe", &[0; 4096])?;
        self.port.sync("probe")?;
        self.port.remove("probe")
    }

    /// Cuts off what a failed write may have left, and writes again what a failed fsync may have dropped.
    fn rewrite(&mut self) -> std::io::Result<()> {
        self.forget_synced();
        if self.progress.lock().sync_failed.is_some() {
            let mut cut = None;
            for chunk in &self.unsynced {
                if cut != Some(chunk.first) {
                    self.port.truncate(&segment(chunk.first), chunk.offset)?;
                    cut = Some(chunk.first);
                }
                self.port.append(&segment(chunk.first), &chunk.bytes)?;
            }
        }
        self.port.truncate(&segment(self.first), self.length)
    }

    fn forget_synced(&mut self) {
        let durable = self.progress.lock().durable;
        while let Some(chunk) = self.unsynced.pop_front_if(|chunk| chunk.end <= durable) {
            self.n_unsynced = self.n_unsynced.saturating_sub(chunk.bytes.len());
        }
    }
}
