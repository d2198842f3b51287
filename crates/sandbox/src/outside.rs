//! The caller's side: starts the sandbox, copies input and output, ends it when it has to end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use config::Layer;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use serde::Deserialize;

use crate::plan::{Plan, Watch};
use crate::report::{Event, Refused, Report};
use crate::threshold::code;
use crate::{Ending, SandboxError, Stage, tracer, usage};

/// The variable that hands the plan on from stage to stage; the program does not get it.
pub(crate) const PLAN: &str = "PORTCULLIS_SANDBOX_PLAN";
/// Between two looks at what all processes use together.
const LOOK: Duration = Duration::from_millis(100);
/// Longest first line of the sandbox, which says whether all layers are in force.
const MAX_WORD: u64 = 8 << 10;
/// Bytes that are copied at once.
const CHUNK: usize = 64 << 10;

/// How this binary is started again for a stage.
#[derive(Debug, Clone)]
pub struct Launcher {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Launcher {
    /// This very binary, however it is named on disk, with `exec --stage STAGE`.
    #[must_use]
    pub fn own() -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), arguments: ["exec", "--stage"].map(ToOwned::to_owned).to_vec() }
    }

    /// Another binary that plays stages: `program ARGUMENTS STAGE`.
    #[must_use]
    pub const fn of(program: PathBuf, arguments: Vec<String>) -> Self {
        Self { program, arguments }
    }

    /// The command for a stage.
    #[must_use]
    pub fn command(&self, stage: Stage) -> Command {
        let mut command = Command::new(&self.program);
        command.arg0("portcullis").args(&self.arguments).arg(stage.as_str());
        command
    }
}

/// What the sandbox says of itself first; empty when all layers are in force.
#[derive(Debug, Deserialize)]
struct Word {
    layer: Option<String>,
    why: Option<String>,
}

/// What the watching thread is told.
enum News {
    InputEnded,
    OutputClosed,
    Over,
}

/// What threads share.
struct Shared {
    /// The first reason for which it was ended; [`Ending::number`].
    why: AtomicU8,
    report: Mutex<Report>,
    word: Mutex<Option<Word>>,
    threshold: OwnedFd,
    group: Pid,
    sink: Box<dyn Fn(Event<'_>) + Send + Sync>,
}

impl Shared {
    /// Ends all of it, for this reason if there was none before.
    fn end(&self, why: Ending) {
        self.why.compare_exchange(0, why.number(), Ordering::SeqCst, Ordering::SeqCst).ok();
        self.kill();
    }

    fn kill(&self) {
        // With the threshold process 1 ends, and with that everything; without a process namespace the group is what there is.
        rustix::process::pidfd_send_signal(&self.threshold, Signal::KILL).ok();
        rustix::process::kill_process_group(self.group, Signal::KILL).ok();
    }

    fn refused(&self, refused: &Refused) {
        let is_new = self.report.lock().unwrap_or_else(PoisonError::into_inner).add(refused);
        if is_new {
            (self.sink)(Event::Refused(refused));
        }
    }
}

/// Runs a plan to its end. `input` and `output` are the program's; `sink` is told what happens, from any thread.
///
/// # Errors
/// [`SandboxError`] when not every layer of the plan is in force: nothing ran then.
pub fn run(
    mut plan: Plan,
    launcher: &Launcher,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    sink: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> Result<Report, SandboxError> {
    let tmp = (plan.tmp_bytes > 0).then(Temporary::new).transpose().map_err(SandboxError::other)?;
    plan.tmp = tmp.as_ref().map(|tmp| tmp.0.clone());
    let mut command = launcher.command(Stage::Threshold);
    command.env_clear().env(PLAN, plan.to_text()?).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(SandboxError::other)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| SandboxError::other("no process"))?;
    let (Some(mut to), Some(from), Some(said)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(SandboxError::other("no pipes"));
    };
    let threshold = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(SandboxError::other)?;
    let shared = Arc::new(Shared {
        why: AtomicU8::new(0),
        report: Mutex::default(),
        word: Mutex::default(),
        threshold,
        group: pid,
        sink: Box::new(sink),
    });
    if plan.watches != Watch::None
        && let Err(errno) = tracer::seize(pid)
    {
        shared.kill();
        child.wait().ok();
        return Err(SandboxError::Watch(errno.to_string()));
    }
    to.write_all(b"g").map_err(SandboxError::other)?;
    let (tell, told) = channel();
    let copying = [copy_out(from, output, &shared, tell.clone()), copy_said(said, &shared)];
    let watching = watch(&plan, pid, &shared, told);
    copy_in(input, to, tell.clone());
    let status = if plan.watches == Watch::None { wait(pid) } else { trace(&plan, pid, &shared) };
    tell.send(News::Over).ok();
    shared.kill();
    for thread in copying.into_iter().chain([watching]) {
        thread.join().ok();
    }
    finish(&shared, status)
}

/// What came of it, from what the threads have left behind.
fn finish(shared: &Shared, status: Option<i32>) -> Result<Report, SandboxError> {
    let why = Ending::of_number(shared.why.load(Ordering::SeqCst));
    let word = shared.word.lock().unwrap_or_else(PoisonError::into_inner).take();
    match word {
        Some(Word { layer: None, why: None }) => {}
        Some(Word { layer, why }) => {
            let why = why.unwrap_or_default();
            return Err(match layer.as_deref().and_then(Layer::named) {
                Some(layer) => SandboxError::Layer { layer, why },
                None => SandboxError::Other(why),
            });
        }
        None if why.is_some() => {}
        None => return Err(SandboxError::other("it ended before all layers were in force")),
    }
    let mut report = std::mem::take(&mut *shared.report.lock().unwrap_or_else(PoisonError::into_inner));
    let exited = Ending::Exited(status.map_or(1, |raw| i32::from(code(ExitStatus::from_raw(raw)))));
    report.ended = Some(why.unwrap_or(exited));
    Ok(report)
}

/// Waits for the threshold. `None` if somebody else has.
fn wait(pid: Pid) -> Option<i32> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Some(status.as_raw()),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

fn trace(plan: &Plan, pid: Pid, shared: &Shared) -> Option<i32> {
    tracer::trace(plan, pid, &mut |seen| match seen {
        tracer::Seen::Refused(refused) => shared.refused(&refused),
        tracer::Seen::TooMany => shared.end(Ending::ProcessLimit),
        tracer::Seen::Unwatchable => shared.end(Ending::Unwatchable),
    })
}

/// Copies the program's input. The thread ends with the process: nobody can wake a reader of standard input.
fn copy_in(mut input: impl Read + Send + 'static, mut to: impl Write + Send + 'static, tell: Sender<News>) {
    thread::spawn(move || {
        copy(&mut input, &mut to).ok();
        drop(to);
        tell.send(News::InputEnded).ok();
    });
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(chunk.get(..n).unwrap_or_default())?;
        to.flush()?;
    }
}

/// Reads the sandbox's first word, then copies what the program writes.
fn copy_out(
    from: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
    shared: &Arc<Shared>,
    tell: Sender<News>,
) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut from = BufReader::with_capacity(CHUNK, from);
        let mut line = Vec::new();
        from.by_ref().take(MAX_WORD).read_until(b'\n', &mut line).ok();
        let word: Option<Word> = serde_json::from_slice(&line).ok();
        let is_in_force = matches!(word, Some(Word { layer: None, why: None }));
        *shared.word.lock().unwrap_or_else(PoisonError::into_inner) = word;
        if !is_in_force {
            return;
        }
        (shared.sink)(Event::InForce);
        if copy(&mut from, &mut output).is_err() {
            tell.send(News::OutputClosed).ok();
        }
    })
}

fn copy_said(mut said: impl Read + Send + 'static, shared: &Arc<Shared>) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        while let Ok(n @ 1..) = said.read(&mut chunk) {
            (shared.sink)(Event::Said(chunk.get(..n).unwrap_or_default()));
        }
    })
}

/// Ends it when its time is over, when its input has ended for long, or when all of it together uses too much.
fn watch(plan: &Plan, pid: Pid, shared: &Arc<Shared>, told: Receiver<News>) -> thread::JoinHandle<()> {
    let (shared, limits, is_limited) = (Arc::clone(shared), plan.limits, plan.has(Layer::Limits));
    thread::spawn(move || {
        let began = Instant::now();
        let over = limits.wall_seconds.map(|seconds| began + Duration::from_secs(seconds));
        let mut last: Option<Instant> = None;
        let caller = rustix::process::getppid();
        loop {
            match told.recv_timeout(LOOK) {
                Ok(News::Over) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(News::OutputClosed) => shared.end(Ending::OutputClosed),
                Ok(News::InputEnded) => last = Some(Instant::now() + Duration::from_secs(limits.grace_seconds)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            // A program that does not read keeps the end of its input from being seen; nobody is there to ask it all the same.
            if last.is_none() && rustix::process::getppid() != caller {
                last = Some(now + Duration::from_secs(limits.grace_seconds));
            }
            if over.is_some_and(|over| now >= over) {
                shared.end(Ending::WallLimit);
            }
            if last.is_some_and(|last| now >= last) {
                shared.end(Ending::InputClosed);
            }
            if is_limited {
                let used = usage::below(pid);
                // One for process 1.
                if used.tasks > limits.processes.saturating_add(1) {
                    shared.end(Ending::ProcessLimit);
                } else if used.memory > limits.memory {
                    shared.end(Ending::MemoryLimit);
                }
            }
        }
    })
}

/// A folder for temporary files, removed with this.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> io::Result<Self> {
        let parent = std::fs::canonicalize(std::env::temp_dir())?;
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = parent.join(format!("portcullis-exec-{}-{nanos:x}", std::process::id()));
        // Fails where something of this name is there already.
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        std::fs::remove_dir_all(path).ok();
    }
}
