//! Which process serves which session, how many there are, and when the next one may start.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Settings;
use crate::server::{Notice, Server};

/// Longest wait after a process that failed.
const LONGEST: Duration = Duration::from_secs(60);
/// Doublings of the wait of a second until then.
const DOUBLINGS: u32 = 6;

/// Why there is no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoServer {
    /// Nobody knows this session, or no longer.
    #[error("no such session")]
    Unknown,
    /// There are as many as there may be.
    #[error("as many processes as may run ({0}) run already")]
    Full(usize),
    /// The last ones ended before they had answered anything.
    #[error("it ended before it had answered anything; the next one starts in {0} seconds")]
    Backoff(u64),
    /// It cannot be started.
    #[error("it cannot be started: {0}")]
    Start(String),
}

/// The processes of one upstream.
#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    settings: Settings,
    inner: Arc<Mutex<Inner>>,
    /// Processes that have not ended, whoever still uses them.
    alive: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Inner {
    /// For all messages without a session.
    one: Option<Arc<Server>>,
    sessions: HashMap<String, Arc<Server>>,
    /// Processes in a row that ended before they had answered anything.
    failures: u32,
    not_before: Option<Instant>,
}

impl Table {
    pub(crate) fn new(name: &str, settings: Settings) -> Self {
        Self { name: name.to_owned(), settings, inner: Arc::default(), alive: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process of a session.
    pub(crate) fn of(&self, session: &str) -> Result<Arc<Server>, NoServer> {
        let mut inner = self.inner();
        let server = inner.sessions.get(session).cloned().ok_or(NoServer::Unknown)?;
        // A session comes about by an answer.
        inner.failures = 0;
        if server.over().is_some() {
            inner.sessions.remove(session);
            return Err(NoServer::Unknown);
        }
        Ok(server)
    }

    /// A process for a new session, which is `session` once [`Table::keep`] has been called.
    pub(crate) fn open(&self) -> Result<Arc<Server>, NoServer> {
        let mut inner = self.inner();
        self.start(&mut inner, false)
    }

    /// From here on `server` is that of `session`.
    pub(crate) fn keep(&self, session: String, server: Arc<Server>) {
        self.inner().sessions.insert(session, server);
    }

    /// Ends a session; whether there was one.
    pub(crate) fn close(&self, session: &str) -> bool {
        let removed = self.inner().sessions.remove(session);
        removed.map(|server| server.end("its session was ended")).is_some()
    }

    /// The process for messages without a session.
    pub(crate) fn shared(&self) -> Result<Arc<Server>, NoServer> {
        let mut inner = self.inner();
        if let Some(server) = inner.one.as_ref().filter(|server| server.over().is_none()) {
            let (server, is_of_use) = (Arc::clone(server), server.is_of_use());
            if is_of_use {
                inner.failures = 0;
            }
            return Ok(server);
        }
        let server = self.start(&mut inner, true)?;
        inner.one = Some(Arc::clone(&server));
        Ok(server)
    }

    /// Ends what nobody has used for long, and forgets what has ended.
    pub(crate) fn sweep(&self, now: Instant) {
        let idle = self.settings.idle;
        let mut inner = self.inner();
        let is_kept = |server: &Arc<Server>| server.over().is_none() && server.idle(now) < idle;
        let (kept, gone): (HashMap<_, _>, HashMap<_, _>) =
            std::mem::take(&mut inner.sessions).into_iter().partition(|(_, server)| is_kept(server));
        inner.sessions = kept;
        if inner.one.as_ref().is_some_and(|server| !is_kept(server)) {
            inner.one.take().into_iter().for_each(|server| server.end("nobody used it"));
        }
        gone.into_values().for_each(|server| server.end("nobody used its session"));
    }

    fn start(&self, inner: &mut Inner, is_shared: bool) -> Result<Arc<Server>, NoServer> {
        if let Some(wait) = inner.not_before.and_then(|at| at.checked_duration_since(Instant::now())) {
            return Err(NoServer::Backoff(wait.as_secs().saturating_add(1)));
        }
        let most = self.settings.children;
        if self.alive.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < most).then_some(n.saturating_add(1))).is_err() {
            return Err(NoServer::Full(most));
        }
        let (alive, shared) = (Arc::clone(&self.alive), Arc::clone(&self.inner));
        let notify = move |notice: Notice| match notice {
            Notice::Gone => drop(alive.fetch_sub(1, Ordering::SeqCst)),
            Notice::Failed => failed(&shared, Instant::now()),
        };
        Server::start(&self.name, &self.settings, is_shared, Arc::new(notify)).map_err(|error: io::Error| {
            self.alive.fetch_sub(1, Ordering::SeqCst);
            NoServer::Start(error.to_string())
        })
    }
}

/// One has ended that never was of use: the next one waits, the longer the more of them there were.
fn failed(inner: &Mutex<Inner>, now: Instant) {
    let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
    inner.failures = inner.failures.saturating_add(1);
    let wait = Duration::from_secs(1 << inner.failures.min(DOUBLINGS).saturating_sub(1)).min(LONGEST);
    inner.not_before = now.checked_add(wait);
}
