//! Runs a program so that it reaches what a profile names and nothing else, and says what it was refused.
//!
//! Three processes of one binary stand around the program. *Outside* (the caller: [`run`]) copies its input and output, watches it
//! and ends it. The *threshold* makes the namespaces, which only a process of its own can. *Inside*, process 1 of the sandbox, takes
//! every right away from itself, starts the program, and collects what is left behind; with it all of the sandbox ends.
//!
//! This crate enforces; it decides nothing. It speaks no protocol, knows no gate, and has no runtime: it needs a process with one
//! thread. There is no `unsafe` in it: that is why a program is watched by `ptrace` and not by a seccomp listener (decision 0043).

mod calls;
mod capabilities;
mod ending;
mod fence;
mod inside;
mod limits;
mod namespaces;
mod outside;
mod plan;
mod probe;
mod registers;
mod report;
mod syscalls;
mod threshold;
mod tracer;
mod usage;

pub use config::Layer;
pub use ending::Ending;
pub use inside::{Stage, stage};
pub use outside::{Launcher, run};
pub use plan::{Plan, PlanError};
pub use probe::{Presence, probe};
pub use report::{Event, Refused, Report};

/// Why there is no sandbox. Nothing ran then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A layer cannot be had on this machine.
    #[error("the layer `{layer}` cannot be had here: {why}; a profile can name it in `danger.without` to go without it")]
    Layer {
        /// Which.
        layer: Layer,
        /// What the kernel said.
        why: String,
    },
    /// It cannot be watched.
    #[error("the program cannot be watched here: {0}; a profile can say `report: none` to go without")]
    Watch(String),
    /// Something else went wrong.
    #[error("the sandbox could not be made: {0}")]
    Other(String),
}

impl SandboxError {
    fn layer(layer: Layer) -> impl Fn(rustix::io::Errno) -> Self {
        move |errno| Self::Layer { layer, why: errno.to_string() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "errors are handed to it by `map_err`")]
    fn other(error: impl ToString) -> Self {
        Self::Other(error.to_string())
    }
}
