//! Profiles of `portcullis exec`, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::exec::Layer;

/// A tool server over stdio: one process per session, and one for all messages of the revision without sessions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exec {
    /// The profile of its sandbox, relative to this file.
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) profile: String,
    /// The program and its arguments; no place for a secret.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) command: Vec<String>,
    /// Most processes at the same time.
    #[serde(default = "sixteen")]
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) children: u64,
    /// Seconds after which a session that nobody uses is ended.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 1, max = 86400))]
    pub(crate) idle_seconds: u64,
    /// Longest message in bytes, both ways.
    #[serde(default = "four_mebibytes")]
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub(crate) message_bytes: u64,
    /// Longest time until it says something about a call, in seconds.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 1, max = 86400))]
    pub(crate) call_seconds: u64,
}

const fn sixteen() -> u64 {
    16
}

const fn ten_minutes() -> u64 {
    600
}

const fn five_minutes() -> u64 {
    300
}

const fn four_mebibytes() -> u64 {
    4 << 20
}

/// What a program in the sandbox may reach. Everything else is refused.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "profile of portcullis exec")]
pub(crate) struct Profile {
    /// The files that it may reach.
    pub(crate) files: Files,
    /// Its environment. Variables that are not named here do not reach it.
    pub(crate) env: Env,
    /// How much it may use.
    pub(crate) limits: Limits,
    /// What it may reach over a network.
    pub(crate) network: Network,
    /// What is watched, to be told what it was refused.
    pub(crate) report: Report,
    /// What weakens the sandbox.
    pub(crate) danger: Danger,
}

/// Files and folders; a folder stands for all below it. Relative to the profile, or absolute.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Files {
    /// Programs, libraries and the like of the system (`/usr`, `/lib`, some files of `/etc`, `/dev/null`, `/dev/urandom`).
    pub(crate) system: bool,
    /// May be read.
    pub(crate) read: Vec<String>,
    /// May be read, changed, made and removed.
    pub(crate) write: Vec<String>,
    /// May be read and run.
    pub(crate) execute: Vec<String>,
    /// Where it starts; the first of `write` if left out, else `/`.
    pub(crate) folder: Option<String>,
    /// Size of a folder of its own for temporary files, in MiB, in memory, gone at the end; `TMPDIR` names it. 0 for none.
    #[schemars(range(min = 0, max = 65536))]
    pub(crate) tmp_mb: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self { system: true, read: Vec::new(), write: Vec::new(), execute: Vec::new(), folder: None, tmp_mb: 64 }
    }
}

/// Environment variables.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Env {
    /// Names of variables that are passed on where they are set.
    pub(crate) pass: Vec<String>,
    /// Variables with fixed values; no place for a secret.
    pub(crate) set: BTreeMap<String, String>,
}

/// Bounds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Memory of all its processes, in MiB. One process is refused more; all of them together are ended.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub(crate) memory_mb: u64,
    /// Seconds of processor time of one process.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub(crate) cpu_seconds: u64,
    /// Processes and threads at the same time.
    #[schemars(range(min = 1, max = 32768))]
    pub(crate) processes: u64,
    /// Open files of one process.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub(crate) open_files: u64,
    /// Size of one file that it writes, in MiB.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub(crate) file_mb: u64,
    /// Seconds until it is ended, whatever it does; unbounded if left out.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub(crate) wall_seconds: Option<u64>,
    /// Seconds that it gets to end when its input has ended.
    #[schemars(range(min = 0, max = 3600))]
    pub(crate) grace_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mb: 1024,
            cpu_seconds: 3600,
            processes: 128,
            open_files: 1024,
            file_mb: 1024,
            wall_seconds: None,
            grace_seconds: 5,
        }
    }
}

/// What may be reached over a network.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    /// Nothing: no address, no socket of this machine, not even loopback.
    #[default]
    None,
}

/// What is watched.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Report {
    /// Refused files and refused system calls. Opening a file takes some microseconds longer.
    #[default]
    All,
    /// Refused system calls.
    Calls,
    /// Nothing: for programs that use real-time signals, which cannot be watched.
    None,
}

/// What weakens the sandbox; each is named in every report.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Danger {
    /// Layers that are left out: for machines that do not have them. Without this key a missing layer is a refusal.
    pub(crate) without: Vec<Layer>,
}
