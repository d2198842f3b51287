//! What all processes of a sandbox use together, as `/proc` tells it.

use rustix::process::Pid;

/// Most processes that are looked at.
const MAX_SEEN: usize = 65_536;

/// Processes, threads, and bytes of memory of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) tasks: u64,
    pub(crate) memory: u64,
}

/// What the processes below `root` use; itself is not counted.
pub(crate) fn below(root: Pid) -> Usage {
    let mut usage = Usage::default();
    let mut open = children(root.as_raw_pid());
    let mut seen = 0;
    while let Some(pid) = open.pop() {
        seen += 1;
        if seen > MAX_SEEN {
            break;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        usage.tasks = usage.tasks.saturating_add(field(&status, "Threads:"));
        let kilobytes = field(&status, "RssAnon:").saturating_add(field(&status, "RssShmem:"));
        usage.memory = usage.memory.saturating_add(kilobytes.saturating_mul(1024));
        open.extend(children(pid));
    }
    usage
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_is_counted() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let own = rustix::process::getpid();
        let usage = super::below(own);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(usage.tasks >= 1 && usage.memory > 0, "{usage:?}");
    }
}
