//! Limits that the kernel holds for each process. What holds for all of them together is [`crate::usage`]'s.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::plan::Limits;

/// Puts the limits on this process and all that it starts.
pub(crate) fn set(limits: &Limits) -> Result<(), Errno> {
    let fixed = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, fixed(0))?;
    // What a process can write to, not what it reserves: Node reserves terabytes and uses none of it.
    setrlimit(Resource::Data, fixed(limits.memory))?;
    // First a signal that can be handled, a second later the end.
    let cpu = Rlimit { current: Some(limits.cpu_seconds), maximum: Some(limits.cpu_seconds.saturating_add(1)) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Nproc, fixed(limits.processes))?;
    setrlimit(Resource::Nofile, fixed(limits.open_files))?;
    setrlimit(Resource::Fsize, fixed(limits.file))
}
