//! The way into the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evidence::{EntryError, EntryKind, Header, MAX_ENTRY, RecordError, encode};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::progress::Progress;
use crate::queue::{Class, Job, Queue, Reply};
use crate::record::MAX_CONTENT;
use crate::retention::Day;
use crate::vault::Vault;
use crate::writer::{Writer, write_or_wake};

/// What is to be recorded.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The plain part; its link to the content is filled in here.
    pub header: Header,
    /// The part that is encrypted.
    pub content: Option<Content>,
}

impl Draft {
    /// An entry without content.
    #[must_use]
    pub const fn plain(header: Header) -> Self {
        Self { header, content: None }
    }
}

/// Content and whose it is.
#[derive(Clone)]
pub struct Content {
    /// The subject whose erasure takes it away: the user of the chain, else the agent, else `node`.
    pub subject: String,
    /// The plaintext.
    pub bytes: Vec<u8>,
}

impl Content {
    /// Content of the subject of a header: the human of its chain, else the party that acts, else `node`.
    #[must_use]
    pub fn of(header: &Header, bytes: Vec<u8>) -> Self {
        let chain = header.chain.as_ref();
        let subject = chain.and_then(|chain| chain.user().or_else(|| chain.actor()));
        Self { subject: subject.map_or_else(|| "node".to_owned(), ToString::to_string), bytes }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Content({}, {} bytes)", self.subject, self.bytes.len())
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its index, from 0.
    pub index: u64,
}

/// How far the log has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// Entries that were written.
    pub accepted: u64,
    /// Entries that were fsynced.
    pub durable: u64,
    /// Entries under the newest checkpoint.
    pub sealed: u64,
    /// Why nothing can be written, if nothing can.
    pub broken: Option<String>,
    /// Whether free space is below the reserve, so that calls are refused.
    pub is_space_low: bool,
}

/// A handle to the log; cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) queue: Arc<Queue>,
    pub(crate) writer: Arc<Mutex<Writer>>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) vault: Arc<Vault>,
}

impl Log {
    /// Ends when the entry is written, behind everything that was accepted before. It then survives the end of the process,
    /// not yet a loss of power.
    ///
    /// # Errors
    /// [`RecordError`]; the interaction must then not happen. A future that is dropped may leave the entry in the log.
    pub async fn accept(&self, draft: Draft) -> Result<Receipt, RecordError> {
        self.send(draft, Reply::Accepted).await
    }

    /// Ends when the entry survives a loss of power.
    ///
    /// # Errors
    /// [`RecordError`]; the effect must then not happen.
    pub async fn durable(&self, draft: Draft) -> Result<Receipt, RecordError> {
        self.send(draft, Reply::Durable).await
    }

    /// Hands over an entry about something that has happened. It is never dropped for want of room: while the log cannot be
    /// written it is kept, and the log refuses every new call until it is written. Content that cannot be sealed is left off,
    /// with a note that says so.
    pub fn submit(&self, draft: Draft) {
        let log = self.clone();
        let is_slow = self.needs_disk(&draft);
        let push = move || log.queue.push_for_later(log.prepare_anyway(draft));
        match Handle::try_current() {
            Ok(runtime) if is_slow => drop(runtime.spawn_blocking(push)),
            Ok(_) | Err(_) => push(),
        }
    }

    /// How far the log has come.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        let state = self.progress.lock();
        LogStatus {
            accepted: state.accepted,
            durable: state.durable,
            sealed: state.sealed,
            broken: state.broken.clone(),
            is_space_low: state.is_space_low,
        }
    }

    async fn send(
        &self,
        draft: Draft,
        reply: fn(oneshot::Sender<Result<u64, RecordError>>) -> Reply,
    ) -> Result<Receipt, RecordError> {
        let class = if draft.header.kind == EntryKind::Admin { Class::Admin } else { Class::Call };
        let (entry, content) = if self.needs_disk(&draft) {
            // The first content of a subject: its key is written and fsynced, which must not hold up other calls.
            let log = self.clone();
            tokio::task::spawn_blocking(move || log.prepare(draft)).await.map_err(|_| RecordError::Closed)??
        } else {
            self.prepare(draft)?
        };
        let room = Some(self.queue.room().await?);
        let (answer, answered) = oneshot::channel();
        self.push(Job { entry, content, class, reply: reply(answer), room });
        let index = answered.await.map_err(|_| RecordError::Closed)??;
        Ok(Receipt { index })
    }

    /// Waits, at most a second, until everything that was handed over before is written. Blocks.
    pub(crate) fn flush(&self) {
        for _ in 0..1000 {
            if self.queue.len() == 0 {
                // Whoever took the last entries may still be writing them.
                drop(self.writer.lock());
                return;
            }
            write_or_wake(&self.writer, &self.queue, &self.progress);
            drop(self.progress.wait(Duration::from_millis(1), |_| self.queue.len() == 0));
        }
    }

    fn push(&self, job: Job) {
        if self.queue.push_quietly(job) {
            write_or_wake(&self.writer, &self.queue, &self.progress);
        }
    }

    fn needs_disk(&self, draft: &Draft) -> bool {
        draft.content.as_ref().is_some_and(|content| !self.vault.knows(&content.subject, Day::of(draft.header.at)))
    }

    /// Seals the content and writes the entry's bytes.
    fn prepare(&self, draft: Draft) -> Result<(Vec<u8>, Vec<u8>), RecordError> {
        let Draft { mut header, content } = draft;
        let sealed = self.seal(&mut header, content)?;
        Ok((entry(&header)?, sealed))
    }

    fn seal(&self, header: &mut Header, content: Option<Content>) -> Result<Vec<u8>, RecordError> {
        header.content = None;
        let Some(content) = content else { return Ok(Vec::new()) };
        if content.bytes.len() > MAX_CONTENT / 2 {
            return Err(RecordError::TooLarge { found: content.bytes.len(), limit: MAX_CONTENT / 2 });
        }
        let sealed = self.vault.seal(&content.subject, &content.bytes, Day::of(header.at));
        let (sealed, bytes) = sealed.map_err(|error| RecordError::Seal(error.to_string()))?;
        header.content = Some(sealed);
        Ok(bytes)
    }

    /// As [`Log::prepare`], but something is always recorded.
    fn prepare_anyway(&self, draft: Draft) -> Job {
        let Draft { mut header, content } = draft;
        let class = if header.kind == EntryKind::Noise { Class::Noise } else { Class::Happened };
        let prepared = self.seal(&mut header, content).and_then(|sealed| Ok((entry(&header)?, sealed)));
        let (entry, content) = prepared.unwrap_or_else(|error| {
            tracing::error!(%error, "the content of an entry is left off");
            header.content = None;
            header.asks.clear();
            header.findings.clear();
            header.notes = vec![format!("content left off: {error}")];
            (entry(&header).unwrap_or_default(), Vec::new())
        });
        Job { entry, content, class, reply: Reply::Nobody, room: None }
    }
}

/// Writes the bytes of an entry.
pub(crate) fn entry(header: &Header) -> Result<Vec<u8>, RecordError> {
    encode(header).map_err(|error| match error {
        EntryError::TooLarge(found) => RecordError::TooLarge { found, limit: MAX_ENTRY },
        EntryError::Header(what) => RecordError::Seal(what),
        EntryError::Version(_) | EntryError::NotCanonical => RecordError::Seal(error.to_string()),
    })
}
