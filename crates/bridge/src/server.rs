//! One process that speaks MCP over stdio.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp::Id;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use crate::message::{self, Heard, Sent};
use crate::{Settings, line};

/// Most messages that wait to be written to a process.
const WAITING: usize = 64;
/// Most notifications that wait for one caller; further ones are lost, and told in the log.
const UNREAD: usize = 256;
/// Most calls that one process has at the same time.
const CALLS: usize = 256;
/// Longest line that a process may write to its standard error, with what `portcullis exec` adds.
const MAX_SAID: usize = 1 << 20;
/// Longest text of a process's standard error that is put in the log at once, in characters.
const MAX_LOGGED: usize = 2000;
/// How long the reason for its end may come after its end.
const LAST_WORD: Duration = Duration::from_millis(500);
/// JSON-RPC's code for a method that nobody has.
const UNKNOWN: i32 = -32601;

/// A process. Its input closes with the last of these, and then it has to end.
#[derive(Debug)]
pub(crate) struct Server {
    to: mpsc::Sender<Vec<u8>>,
    /// What writes to it: one that reads nothing would never see the end of its input otherwise.
    writing: AbortHandle,
    process: Arc<OwnedFd>,
    grace: Duration,
    shared: Arc<Shared>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// Ends a process that is still there; one that is not is nobody else's number.
fn kill(process: &OwnedFd) {
    rustix::process::pidfd_send_signal(process, Signal::KILL).ok();
}

/// What is told of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It is no more.
    Gone,
    /// It ended, or said what is no message, before it had answered anything.
    Failed,
}

/// What the tasks around a process share.
#[derive(Debug)]
struct Shared {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    pending: BTreeMap<u64, Pending>,
    /// Why it is no more.
    over: Option<String>,
    /// What it said before that it cannot be.
    last_word: Option<String>,
    used: Instant,
    /// Whether it has answered anything.
    has_answered: bool,
}

/// A call that waits.
#[derive(Debug)]
struct Pending {
    id: Id,
    /// The caller's progress token, as JSON.
    token: Option<String>,
    events: mpsc::Sender<Bytes>,
    answer: oneshot::Sender<Result<Bytes, String>>,
}

/// A caller that waits; a caller that goes gives the call up.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) events: mpsc::Receiver<Bytes>,
    pub(crate) answer: oneshot::Receiver<Result<Bytes, String>>,
    _call: Call,
}

#[derive(Debug)]
struct Call {
    server: Arc<Server>,
    number: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.server.shared.state().pending.remove(&self.number).is_some() {
            let params = format!(r#"{{"requestId":{},"reason":"the caller has gone"}}"#, self.number);
            let told = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
            self.server.to.try_send(message::line(told.into_bytes())).ok();
        }
    }
}

impl Waiting {
    /// Waits for what is said first: a notification, or nothing before the answer.
    pub(crate) async fn first(&mut self) -> Option<Bytes> {
        self.events.recv().await
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on nothing is asked of it; whoever waits is told.
    fn over(&self, why: &str) {
        let mut state = self.state();
        let why = match &state.last_word {
            Some(word) => format!("{why} ({word})"),
            None => why.to_owned(),
        };
        let why = state.over.get_or_insert(why).clone();
        for (_, Pending { answer, .. }) in std::mem::take(&mut state.pending) {
            answer.send(Err(why.clone())).ok();
        }
    }
}

impl Server {
    /// Starts a process. `notify` is called from any thread.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(
        name: &str,
        settings: &Settings,
        is_shared: bool,
        notify: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> io::Result<Arc<Self>> {
        let mut command = Command::new(&settings.start.program);
        command.args(&settings.start.arguments).env_clear();
        command.envs(settings.start.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process"))?;
        // Nobody has waited for it yet, so the number is its own.
        let process = Arc::new(rustix::process::pidfd_open(pid, PidfdFlags::empty())?);
        let none = || io::Error::other("a pipe is missing");
        let to = pipe::Sender::from_owned_fd(OwnedFd::from(child.stdin.take().ok_or_else(none)?))?;
        let from = pipe::Receiver::from_owned_fd(OwnedFd::from(child.stdout.take().ok_or_else(none)?))?;
        let said = pipe::Receiver::from_owned_fd(OwnedFd::from(child.stderr.take().ok_or_else(none)?))?;
        std::thread::Builder::new().name("tool-server".to_owned()).spawn({
            let notify = Arc::clone(&notify);
            move || reap(child, &*notify)
        })?;
        let state =
            State { next: 1, pending: BTreeMap::new(), over: None, last_word: None, used: Instant::now(), has_answered: false };
        let shared = Arc::new(Shared { name: name.to_owned(), state: Mutex::new(state) });
        let (sender, lines) = mpsc::channel(WAITING);
        let writing = tokio::spawn(write(to, lines)).abort_handle();
        let logging = tokio::spawn(log(said, Arc::clone(&shared)));
        let reading = Reading { to: sender.downgrade(), most: settings.message_bytes, is_shared, logging, notify };
        tokio::spawn(read(from, Arc::clone(&shared), reading));
        Ok(Arc::new(Self { to: sender, writing, process, grace: settings.grace, shared }))
    }

    /// Why it is no more.
    pub(crate) fn over(&self) -> Option<String> {
        self.shared.state().over.clone()
    }

    /// Whether it has answered anything.
    pub(crate) fn is_of_use(&self) -> bool {
        self.shared.state().has_answered
    }

    /// How long nobody has used it.
    pub(crate) fn idle(&self, now: Instant) -> Duration {
        let state = self.shared.state();
        if state.pending.is_empty() { now.saturating_duration_since(state.used) } else { Duration::ZERO }
    }

    /// Ends it: its input closes at once, whatever was still to be written, and whoever waits is told. What has not ended by itself in
    /// good time is ended.
    pub(crate) fn end(&self, why: &str) {
        self.shared.over(why);
        self.close();
    }

    fn close(&self) {
        self.writing.abort();
        let (process, grace) = (Arc::clone(&self.process), self.grace);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(grace).await;
                kill(&process);
            })),
            Err(_) => kill(&process),
        }
    }

    /// Asks something. `request` is what [`message::sent`] read in `body`.
    ///
    /// # Errors
    /// It is no more, or has too many calls.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        body: &[u8],
        id: Id,
        at: &std::ops::Range<usize>,
        token: Option<&(String, std::ops::Range<usize>)>,
    ) -> Result<Waiting, String> {
        let (events, heard) = mpsc::channel(UNREAD);
        let (answer, answered) = oneshot::channel();
        let number = {
            let mut state = self.shared.state();
            if let Some(why) = &state.over {
                return Err(why.clone());
            }
            if state.pending.len() >= CALLS {
                return Err(format!("it has {CALLS} calls already"));
            }
            let number = state.next;
            state.next = state.next.saturating_add(1);
            state.used = Instant::now();
            state.pending.insert(number, Pending { id, token: token.map(|(token, _)| token.clone()), events, answer });
            number
        };
        let waiting = Waiting { events: heard, answer: answered, _call: Call { server: Arc::clone(self), number } };
        let own = number.to_string();
        let mut edits = vec![(at, own.as_str())];
        edits.extend(token.map(|(_, at)| (at, own.as_str())));
        let changed = message::with(body, &edits).ok_or("the message could not be changed")?;
        self.to.send(message::line(changed)).await.map_err(|_| self.over().unwrap_or_else(|| "it has ended".to_owned()))?;
        Ok(waiting)
    }

    /// Tells something, or nothing if it is of no concern to it.
    ///
    /// # Errors
    /// It is no more.
    pub(crate) async fn tell(&self, body: &[u8], sent: &Sent) -> Result<(), String> {
        let line = match sent {
            Sent::Cancelled { id, at } => {
                let number = {
                    let state = self.shared.state();
                    state.pending.iter().find_map(|(number, pending)| (pending.id == *id).then_some(*number))
                };
                let Some(number) = number else { return Ok(()) };
                message::with(body, &[(at, &number.to_string())])
            }
            Sent::Told => Some(body.to_vec()),
            Sent::Answer | Sent::Request { .. } => None,
        };
        self.shared.state().used = Instant::now();
        let Some(line) = line else { return Ok(()) };
        self.to.send(message::line(line)).await.map_err(|_| self.over().unwrap_or_else(|| "it has ended".to_owned()))
    }
}

fn reap(mut child: Child, notify: &dyn Fn(Notice)) {
    child.wait().ok();
    notify(Notice::Gone);
}

/// Writes what is asked; ends, and closes the process's input, when nobody can ask any more.
async fn write(mut to: pipe::Sender, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if to.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// How a process is read.
struct Reading {
    to: mpsc::WeakSender<Vec<u8>>,
    /// Longest message in bytes.
    most: usize,
    is_shared: bool,
    logging: JoinHandle<()>,
    notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

/// Reads what a process says until it ends, or says something that is no message.
async fn read(from: pipe::Receiver, shared: Arc<Shared>, reading: Reading) {
    let Reading { to, most, is_shared, mut logging, notify } = reading;
    let mut from = BufReader::with_capacity(64 << 10, from);
    let why = loop {
        let line = match line::next(&mut from, most).await {
            Ok(Some(line)) => line,
            Ok(None) => break "it ended".to_owned(),
            Err(error) => break format!("it wrote {error}"),
        };
        if line.is_empty() {
            continue;
        }
        match message::heard(&line) {
            Ok(heard) => pass(&shared, &to, heard, line, is_shared),
            Err(fault) => break format!("it wrote a line that is no message: {fault}"),
        }
    };
    // Why it ended stands behind what it said last.
    tokio::time::timeout(LAST_WORD, &mut logging).await.ok();
    if shared.state().over.is_none() {
        tracing::warn!(upstream = %shared.name, why, "a tool server over stdio is no more");
        if !shared.state().has_answered {
            notify(Notice::Failed);
        }
    }
    shared.over(&why);
}

/// Hands on what a process said.
fn pass(shared: &Shared, to: &mpsc::WeakSender<Vec<u8>>, heard: Heard, line: Vec<u8>, is_shared: bool) {
    match heard {
        Heard::Answer { number, at } => {
            let pending = number.and_then(|number| {
                let mut state = shared.state();
                state.has_answered = true;
                state.pending.remove(&number)
            });
            let Some((Pending { id, answer, .. }, at)) = pending.zip(at) else { return };
            let whole = message::with(&line, &[(&at, &id.to_json())]);
            answer.send(whole.map(Bytes::from).ok_or_else(|| "its answer could not be changed".to_owned())).ok();
        }
        Heard::Progress { number, at } => {
            let state = shared.state();
            let Some(pending) = state.pending.get(&number) else { return };
            let Some(changed) = pending.token.as_ref().and_then(|token| message::with(&line, &[(&at, token)])) else { return };
            push(&shared.name, &pending.events, changed);
        }
        Heard::Told => {
            // With several callers nobody can say whom it concerns.
            let state = shared.state();
            if let Some(pending) = state.pending.values().next().filter(|_| !is_shared) {
                push(&shared.name, &pending.events, line);
            }
        }
        Heard::Asked { id, is_ping } => {
            let answer = if is_ping {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#).into_bytes()
            } else {
                message::error(&id, UNKNOWN, "nobody here can be asked for that")
            };
            // A process that asks more than it reads is not waited for.
            if let Some(to) = to.upgrade() {
                to.try_send(message::line(answer)).ok();
            }
        }
    }
}

fn push(name: &str, events: &mpsc::Sender<Bytes>, line: Vec<u8>) {
    if events.try_send(Bytes::from(line)).is_err() {
        tracing::warn!(upstream = name, "a notification of a tool server was lost: nobody reads as fast as it tells");
    }
}

/// Puts in the log what `portcullis exec` tells of a process.
async fn log(said: pipe::Receiver, shared: Arc<Shared>) {
    let mut said = BufReader::new(said);
    while let Ok(Some(line)) = line::next(&mut said, MAX_SAID).await {
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        let upstream = shared.name.as_str();
        match text("event") {
            "refused" => {
                let (call, target, by) = (text("call"), text("target"), text("by"));
                tracing::warn!(upstream, call, target, by, "the sandbox refused a tool server something");
            }
            "said" => {
                let said: String = text("text").escape_debug().take(MAX_LOGGED).collect();
                tracing::debug!(upstream, said, "a tool server wrote to its standard error");
            }
            "no-sandbox" => {
                let why = text("why").to_owned();
                tracing::error!(upstream, why, "a tool server has no sandbox, and does not run");
                shared.state().last_word = Some(why);
            }
            "ended" => {
                let message = text("message").to_owned();
                tracing::info!(upstream, message, "a tool server has ended");
                shared.state().last_word = Some(message);
            }
            _ => {}
        }
    }
}
