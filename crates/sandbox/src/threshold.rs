//! The process between outside and inside: makes the namespaces, which only a process with one thread can, and waits.

use std::process::{Command, ExitStatus};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::outside::PLAN;
use crate::plan::Plan;
use crate::{SandboxError, capabilities, namespaces};

/// Crosses over; comes back when the sandbox is over, with the code to exit with.
pub(crate) fn cross(plan: &Plan, again: &mut Command) -> Result<u8, SandboxError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(SandboxError::other)?;
    // Until whoever watches is there.
    let mut go = [0_u8; 1];
    let got = rustix::io::read(std::io::stdin(), &mut go).map_err(SandboxError::other)?;
    if got != 1 {
        return Err(SandboxError::Other("nobody waits for it".to_owned()));
    }
    namespaces::leave(plan)?;
    capabilities::hand_on().map_err(SandboxError::other)?;
    again.env_clear().env(PLAN, plan.to_text()?);
    let status = again.status().map_err(SandboxError::other)?;
    Ok(code(status))
}

/// The exit code that tells of an end, as shells do.
pub(crate) fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let signalled = status.signal().map(|signal| signal.saturating_add(128));
    status.code().or(signalled).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
