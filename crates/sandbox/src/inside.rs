//! Process 1 of a sandbox: takes every right away from itself, starts the program, and collects what is left behind.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use config::Layer;
use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal};

use crate::outside::PLAN;
use crate::plan::Plan;
use crate::threshold::code;
use crate::{SandboxError, calls, capabilities, fence, limits, namespaces, threshold};

/// First descriptor that is no standard one.
const FIRST: i32 = 3;
/// Code when there was no sandbox: nothing ran.
const FAILED: u8 = 125;
/// Code when the program could not be started, as shells have it.
const NOT_FOUND: u8 = 127;

/// A part that this process plays in the making of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Between outside and inside.
    Threshold,
    /// Process 1.
    Inside,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 2] = [Self::Threshold, Self::Inside];

    /// As it stands on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Inside => "inside",
        }
    }
}

/// Plays a stage, in a process that has one thread and was started for it alone. `again` starts this binary for the next stage. Gives
/// the code to exit with; what went wrong goes to standard output, where [`crate::run`] reads it before anything else.
#[must_use]
pub fn stage(stage: Stage, mut again: Command) -> u8 {
    let played = plan().and_then(|plan| match stage {
        Stage::Threshold => threshold::cross(&plan, &mut again),
        Stage::Inside => enter(&plan).map(|()| start(&plan)),
    });
    played.unwrap_or_else(|error| {
        tell(&error);
        FAILED
    })
}

fn plan() -> Result<Plan, SandboxError> {
    Plan::from_text(&std::env::var(PLAN).map_err(SandboxError::other)?)
}

/// One line: `ok`, or the layer that is missing and why.
fn tell(error: &SandboxError) {
    let (layer, why) = match error {
        SandboxError::Layer { layer, why } => (layer.as_str(), why.clone()),
        SandboxError::Watch(why) | SandboxError::Other(why) => ("", why.clone()),
    };
    let line = serde_json::json!({"layer": layer, "why": why}).to_string();
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Takes the rights away, each after what still needs it.
fn enter(plan: &Plan) -> Result<(), SandboxError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(SandboxError::other)?;
    close_inherited()?;
    namespaces::mount_own(plan)?;
    std::env::set_current_dir(&plan.folder).map_err(SandboxError::other)?;
    capabilities::drop_all().map_err(SandboxError::other)?;
    rustix::thread::set_no_new_privs(true).map_err(SandboxError::other)?;
    if plan.has(Layer::Limits) {
        limits::set(&plan.limits).map_err(SandboxError::layer(Layer::Limits))?;
    }
    fence::close(plan)?;
    // Last: what comes before makes calls that are refused from here on.
    calls::filter(plan)
}

/// Closes what the caller's caller left open.
fn close_inherited() -> Result<(), SandboxError> {
    let listed = std::fs::read_dir("/proc/self/fd").map_err(SandboxError::other)?;
    let names = listed.flatten().filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    let open: Vec<i32> = names.filter(|descriptor| *descriptor >= FIRST).collect();
    for descriptor in open {
        // That of the listing itself is closed already.
        nix::unistd::close(descriptor).ok();
    }
    Ok(())
}

/// Starts the program and waits for its end; orphans end here, and with this process all of the sandbox.
fn start(plan: &Plan) -> u8 {
    let Some((program, arguments)) = plan.command.split_first() else { return FAILED };
    writeln!(std::io::stdout(), "{{}}").ok();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&plan.environment);
    if let Some(tmp) = &plan.tmp {
        command.env("TMPDIR", tmp);
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            writeln!(std::io::stderr(), "portcullis exec: `{program}` cannot be started in the sandbox: {error}").ok();
            return NOT_FOUND;
        }
    };
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == child => return code(ExitStatus::from_raw(status.as_raw())),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return FAILED,
        }
    }
}
