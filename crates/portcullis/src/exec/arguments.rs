//! The command line of `portcullis exec`.

use std::path::PathBuf;

use clap::Args;

/// Options of `exec`.
#[derive(Debug, Args)]
#[command(
    after_help = "Its standard input and output are the program's: put `portcullis exec --profile FILE --` in front of the command in a \
                  client's configuration. What is refused is told on standard error.\n\nExit codes: the program's own, 128 and the number \
                  of the signal that ended it, 137 ended for a limit, 125 no sandbox (nothing ran), 3 invalid input."
)]
pub(crate) struct Exec {
    /// What the program may reach (docs/EXEC.md).
    #[arg(long, value_name = "FILE", required_unless_present_any = ["probe", "stage"])]
    pub(crate) profile: Option<PathBuf>,
    /// Write into this file, as JSON, what was refused and how it ended.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Only say what the program could reach.
    #[arg(long, conflicts_with_all = ["report", "probe"])]
    pub(crate) explain: bool,
    /// Try which layers this machine has.
    #[arg(long, conflicts_with_all = ["profile", "report", "command"])]
    pub(crate) probe: bool,
    /// A part of the sandbox plays a stage.
    #[arg(long, hide = true, value_parser = ["threshold", "inside"], conflicts_with_all = ["profile", "command"])]
    pub(crate) stage: Option<String>,
    /// The program and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
