//! Threads that serve connections: one runtime each, and nothing shared between them but the gate itself.
//!
//! A call lives on one thread from its first byte to its last: connection, interaction and the connection to the upstream
//! wake each other without crossing a core. A connection goes to the thread that has the fewest. Calls with a large body leave
//! their thread for the shared runtime, so that scanning them holds up nobody else. See `docs/decisions/0013`.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Most threads that serve connections.
const MAX_WORKERS: usize = 64;

thread_local! {
    /// Which worker this thread is, from 1; 0 on every other thread.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// How many threads serve connections: one per core that the process had when this was first asked, at least one.
pub(crate) fn count() -> usize {
    static COUNT: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS));
    *COUNT
}

/// One slot per worker and one for all other threads: for what each thread has of its own.
pub(crate) fn n_slots() -> usize {
    count().saturating_add(1)
}

/// The slot of the thread that asks, below [`n_slots`].
pub(crate) fn slot() -> usize {
    NUMBER.get()
}

/// A connection with what belongs to it, on its way to a worker.
pub(crate) struct Accepted<T> {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) with: T,
}

/// The workers.
#[derive(Debug)]
pub(crate) struct Workers<T> {
    workers: Vec<Worker<T>>,
}

#[derive(Debug)]
struct Worker<T> {
    queue: mpsc::UnboundedSender<Accepted<T>>,
    n_open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Workers<T> {
    /// Starts the threads; `serve` is called on one of them for each connection. When the queue has closed, running connections
    /// get at most `drain` to end.
    pub(crate) fn start<F, S>(serve: S, drain: Duration) -> io::Result<Self>
    where
        S: Fn(TcpStream, T) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let workers = (1..=count()).map(|number| Worker::start(number, serve.clone(), drain));
        Ok(Self { workers: workers.collect::<io::Result<_>>()? })
    }

    /// Hands over a connection. How many there are is bounded by whoever accepts them.
    pub(crate) fn give(&self, accepted: Accepted<T>) {
        let running = self.workers.iter().filter(|worker| !worker.queue.is_closed());
        let least_busy = running.min_by_key(|worker| worker.n_open.load(Ordering::Relaxed));
        if let Some(worker) = least_busy {
            worker.n_open.fetch_add(1, Ordering::Relaxed);
            // A worker that has ended closes the connection by dropping it.
            worker.queue.send(accepted).ok();
        }
    }

    /// Waits until every connection has ended, or the time to drain is over.
    pub(crate) async fn join(self) {
        let threads: Vec<JoinHandle<()>> = self.workers.into_iter().map(|worker| worker.thread).collect();
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().try_for_each(JoinHandle::join));
        if !joined.await.is_ok_and(|ended| ended.is_ok()) {
            tracing::error!("a thread that served connections ended badly");
        }
    }
}

impl<T: Send + 'static> Worker<T> {
    fn start<F, S>(number: usize, serve: S, drain: Duration) -> io::Result<Self>
    where
        S: Fn(TcpStream, T) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (queue, accepted) = mpsc::unbounded_channel();
        let n_open = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_open);
        let run = move || {
            NUMBER.set(number);
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // Its queue closes, and the others serve its connections.
                Err(error) => return tracing::error!(%error, "a thread that serves connections cannot start"),
            };
            runtime.block_on(work(accepted, serve, &counter, drain));
            // Interactions that outlived their connections have the same bound.
            runtime.shutdown_timeout(Duration::ZERO);
        };
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(run)?;
        Ok(Self { queue, n_open, thread })
    }
}

/// The loop of one worker.
async fn work<T, F, S>(mut queue: mpsc::UnboundedReceiver<Accepted<T>>, serve: S, n_open: &Arc<AtomicUsize>, drain: Duration)
where
    S: Fn(TcpStream, T) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = queue.recv() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Some(Accepted { stream, with }) = accepted else { break };
        let open = Open(Arc::clone(n_open));
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let served = serve(stream, with);
        connections.spawn(async move {
            served.await;
            drop(open);
        });
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(drain, ended).await.ok();
}

/// One open connection; counts itself off, however it ends.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where an interaction runs: on the thread of its connection, or beside all of them if there is much to scan.
pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(shared: &Handle, is_large: bool, interaction: F) {
    if is_large {
        shared.spawn(interaction);
    } else {
        tokio::spawn(interaction);
    }
}
