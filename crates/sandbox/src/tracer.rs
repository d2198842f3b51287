//! Watches a sandbox: tells what the kernel refuses it.
//!
//! Nothing is enforced here. A refused call is not made, whether or not somebody watches; all that is done to the program is that such
//! a call returns an error instead of ending it. Should the watcher die, everything that it watches is ended by the kernel.

use std::collections::{HashMap, HashSet};
use std::io::IoSliceMut;
use std::path::{Component, Path, PathBuf};

use config::Layer;
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use rustix::process::{Pid, WaitOptions};

use crate::plan::{Plan, Watch};
use crate::registers::{self, Call};
use crate::report::Refused;
use crate::syscalls::{self, OfPath};

/// Longest path that the kernel takes, in bytes.
const MAX_PATH: usize = 4096;
/// Bytes of a page of memory: what is read at once does not cross into one that may not be there.
const PAGE: u64 = 4096;
/// Processes around the program: the threshold and process 1.
const AROUND: u64 = 2;
/// A stop at a system call, told apart from the signal of the same number.
const CALL_STOP: i32 = libc::SIGTRAP | 0x80;
/// `si_code` of the signal that a filter of system calls sends.
const BY_FILTER: i32 = 1;
/// A path relative to the folder that the program is in.
const HERE: i32 = libc::AT_FDCWD;

/// What is seen.
#[derive(Debug)]
pub(crate) enum Seen {
    Refused(Refused),
    /// More processes and threads than it may have.
    TooMany,
    /// It was sent a signal that cannot be handed on.
    Unwatchable,
}

/// Begins to watch a process and all that it will start.
pub(crate) fn seize(pid: Pid) -> Result<(), Errno> {
    let options = Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(of(pid), options)
}

fn of(pid: Pid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(pid.as_raw_pid())
}

/// Watches until `root` has ended; gives its status. Only in the thread that has begun.
pub(crate) fn trace(plan: &Plan, root: Pid, see: &mut dyn FnMut(Seen)) -> Option<i32> {
    let most = if plan.has(Layer::Limits) { plan.limits.processes.saturating_add(AROUND) } else { u64::MAX };
    let mut tracer = Tracer { plan, see, pending: HashMap::new(), tasks: HashSet::new(), most };
    // Threads as well as processes.
    let all = WaitOptions::from_bits_retain(libc::__WALL.cast_unsigned());
    loop {
        match rustix::process::wait(all) {
            Ok(Some((pid, status))) if status.stopped() => tracer.stopped(pid, status.as_raw()),
            Ok(Some((pid, status))) if pid == root => return Some(status.as_raw()),
            Ok(Some((pid, _))) => tracer.ended(pid),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

struct Tracer<'a> {
    plan: &'a Plan,
    see: &'a mut dyn FnMut(Seen),
    /// Calls of paths that are under way.
    pending: HashMap<Pid, (OfPath, Call)>,
    tasks: HashSet<Pid>,
    most: u64,
}

impl Tracer<'_> {
    fn ended(&mut self, pid: Pid) {
        self.tasks.remove(&pid);
        self.pending.remove(&pid);
    }

    /// One stop. Whatever fails from here on fails because the process is no more.
    fn stopped(&mut self, pid: Pid, status: i32) {
        self.tasks.insert(pid);
        if u64::try_from(self.tasks.len()).is_ok_and(|count| count > self.most) {
            (self.see)(Seen::TooMany);
        }
        let (signal, event) = ((status >> 8) & 0xff, status >> 16);
        match event {
            libc::PTRACE_EVENT_SECCOMP => self.begun(pid),
            0 if signal == CALL_STOP => {
                self.returned(pid);
                ptrace::cont(of(pid), None).ok();
            }
            0 => self.signalled(pid, signal),
            _ => {
                if event == libc::PTRACE_EVENT_EXEC {
                    self.pending.remove(&pid);
                }
                ptrace::cont(of(pid), None).ok();
            }
        }
    }

    /// A call of a path begins: what comes of it is seen when it returns.
    fn begun(&mut self, pid: Pid) {
        let call = registers::call(of(pid)).ok();
        let known = call.and_then(|call| Some((syscalls::of_path(call.number)?, call)));
        match known.filter(|_| self.plan.watches == Watch::All) {
            Some(pending) => {
                self.pending.insert(pid, pending);
                ptrace::syscall(of(pid), None).ok();
            }
            None => drop(ptrace::cont(of(pid), None)),
        }
    }

    fn returned(&mut self, pid: Pid) {
        let Some(((name, _, argument), call)) = self.pending.remove(&pid) else { return };
        if registers::result(of(pid)) != Ok(-i64::from(libc::EACCES)) {
            return;
        }
        let path = path(pid, &call, argument);
        let is_named = path.as_deref().is_some_and(|path| self.plan.names(path));
        // Where the profile names the path, it may have been named for less, or the user may not either.
        let is_fenced = self.plan.has(Layer::LandlockFiles) && !is_named;
        let by = if is_fenced { "landlock" } else { "landlock or permissions" };
        let shown = path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        (self.see)(Seen::Refused(Refused::new(name, &shown, by)));
    }

    /// A signal on its way: that of the filter is turned into an error of the call, others are handed on.
    fn signalled(&mut self, pid: Pid, number: i32) {
        let is_filter = number == libc::SIGSYS && ptrace::getsiginfo(of(pid)).is_ok_and(|info| info.si_code == BY_FILTER);
        if is_filter {
            if let Ok(call) = registers::call(of(pid)) {
                (self.see)(Seen::Refused(Refused::new(syscalls::name(call.number), &about(&call), "seccomp")));
            }
            registers::refuse(of(pid)).ok();
            ptrace::cont(of(pid), None).ok();
            return;
        }
        match Signal::try_from(number) {
            Ok(signal) => drop(ptrace::cont(of(pid), signal)),
            Err(_) => {
                (self.see)(Seen::Unwatchable);
                ptrace::cont(of(pid), None).ok();
            }
        }
    }
}

/// What a refused call was about.
fn about(call: &Call) -> String {
    let [first, second, ..] = call.arguments;
    match call.number {
        libc::SYS_socket | libc::SYS_socketpair => {
            let family = match i32::try_from(first) {
                Ok(libc::AF_UNIX) => "unix",
                Ok(libc::AF_INET) => "internet",
                Ok(libc::AF_INET6) => "internet, version 6",
                Ok(libc::AF_NETLINK) => "netlink",
                Ok(libc::AF_PACKET) => "packet",
                Ok(libc::AF_VSOCK) => "vsock",
                _ => "another family",
            };
            let kind = match second & 0xf {
                1 => "stream",
                2 => "datagram",
                3 => "raw",
                5 => "sequence",
                _ => "another kind",
            };
            format!("{family} {kind}")
        }
        libc::SYS_ioctl => "typing into a terminal".to_owned(),
        libc::SYS_clone => "new namespaces".to_owned(),
        _ => String::new(),
    }
}

/// The path that a call is about, made whole; `None` if there is none to read.
fn path(pid: Pid, call: &Call, argument: usize) -> Option<PathBuf> {
    let written = text(pid, *call.arguments.get(argument)?)?;
    let written = Path::new(&written);
    if written.is_absolute() {
        return Some(plain(written));
    }
    // The folder stands before the path, where a call has one; its upper half says nothing.
    let before = argument.checked_sub(1).and_then(|before| call.arguments.get(before));
    let folder = before.map_or(HERE, |folder| (folder & 0xffff_ffff) as u32 as i32);
    let link = if folder == HERE { "cwd".to_owned() } else { format!("fd/{folder}") };
    let base = std::fs::read_link(format!("/proc/{}/{link}", pid.as_raw_pid())).ok()?;
    Some(plain(&base.join(written)))
}

/// Without `.` and `..`, by the letters.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// Text up to a zero byte in the memory of a process.
fn text(pid: Pid, address: u64) -> Option<String> {
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < MAX_PATH {
        let at = address.checked_add(u64::try_from(bytes.len()).ok()?)?;
        let length = usize::try_from(PAGE - at % PAGE).ok()?;
        let mut page = vec![0; length];
        let from = RemoteIoVec { base: usize::try_from(at).ok()?, len: length };
        let n = process_vm_readv(of(pid), &mut [IoSliceMut::new(&mut page)], &[from]).ok()?;
        let read = page.get(..n)?;
        match read.iter().position(|byte| *byte == 0) {
            Some(end) => {
                bytes.extend_from_slice(read.get(..end)?);
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            None => bytes.extend_from_slice(read),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::plain;

    #[test]
    fn paths_are_made_plain() {
        for (written, expected) in [("/a/./b/../c", "/a/c"), ("/../etc/x", "/etc/x"), ("/a//b", "/a/b")] {
            assert_eq!(plain(Path::new(written)), Path::new(expected));
        }
    }
}
