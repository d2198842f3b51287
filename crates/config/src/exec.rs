//! Profiles of `portcullis exec`: what a program in the sandbox may reach. Checked; plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::{self, Report as Findings};
use crate::problem::{Position, Problem};
use crate::schema;
use crate::shape;
use crate::yaml;
use crate::{raw_exec, source::Source};

/// Longest profile in bytes.
const MAX_PROFILE: usize = 1 << 20;

/// A layer of the sandbox. The order is that in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Files, by Landlock.
    LandlockFiles,
    /// TCP, by Landlock.
    LandlockTcp,
    /// Signals and abstract sockets, by Landlock.
    LandlockScope,
    /// System calls.
    Seccomp,
    /// A user namespace: no rights beyond the sandbox.
    UserNamespace,
    /// Process and mount namespaces: other processes do not exist.
    PidNamespace,
    /// A network namespace: no network exists.
    NetworkNamespace,
    /// A namespace of shared memory and message queues.
    IpcNamespace,
    /// Bounds on memory, processor time, processes, files.
    Limits,
}

impl Layer {
    /// Every layer.
    pub const ALL: [Self; 9] = [
        Self::LandlockFiles,
        Self::LandlockTcp,
        Self::LandlockScope,
        Self::Seccomp,
        Self::UserNamespace,
        Self::PidNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::Limits,
    ];

    /// As it is written in `danger.without`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LandlockFiles => "landlock-files",
            Self::LandlockTcp => "landlock-tcp",
            Self::LandlockScope => "landlock-scope",
            Self::Seccomp => "seccomp",
            Self::UserNamespace => "user-namespace",
            Self::PidNamespace => "pid-namespace",
            Self::NetworkNamespace => "network-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::Limits => "limits",
        }
    }

    /// The layer of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.as_str() == name)
    }

    /// What it keeps a program from.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::LandlockFiles => "files that the profile does not name",
            Self::LandlockTcp => "TCP connections and ports",
            Self::LandlockScope => "signals and abstract sockets of other processes",
            Self::Seccomp => "system calls that tool servers do not need: sockets, ptrace, mount, keys, new namespaces",
            Self::UserNamespace => "rights of the user beyond files; capabilities",
            Self::PidNamespace => "seeing, tracing and outliving: all of it ends with its first process",
            Self::NetworkNamespace => "every network, loopback and abstract sockets included",
            Self::IpcNamespace => "shared memory and message queues of other programs",
            Self::Limits => "using up memory, processor time, processes, files",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What is watched, to tell what was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watched {
    /// Files and system calls.
    #[default]
    All,
    /// System calls.
    Calls,
    /// Nothing.
    None,
}

/// What a program in the sandbox may reach. Paths are as written: relative to the profile, or absolute; without `..`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SandboxProfile {
    /// Whether the system's own programs and libraries may be read and run.
    pub system: bool,
    /// May be read.
    pub read: Vec<String>,
    /// May be read and changed.
    pub write: Vec<String>,
    /// May be read and run.
    pub execute: Vec<String>,
    /// Where it starts.
    pub folder: Option<String>,
    /// Size of its folder for temporary files, in bytes; 0 for none.
    pub tmp_bytes: u64,
    /// Variables that are passed on.
    pub pass: BTreeSet<String>,
    /// Variables with fixed values.
    pub set: BTreeMap<String, String>,
    /// Bounds.
    pub limits: SandboxLimits,
    /// What is watched.
    pub watched: Watched,
    /// Layers that are left out.
    pub without: BTreeSet<Layer>,
}

/// Bounds of a program in the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SandboxLimits {
    /// Memory in bytes, of one process and of all.
    pub memory: u64,
    /// Seconds of processor time of one process.
    pub cpu_seconds: u64,
    /// Processes and threads at the same time.
    pub processes: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// Size of one written file, in bytes.
    pub file: u64,
    /// Seconds until it is ended.
    pub wall_seconds: Option<u64>,
    /// Seconds that it gets once its input has ended.
    pub grace_seconds: u64,
}

/// Reads and checks a profile through `source`, by its path there.
///
/// # Errors
/// Every problem, sorted by position.
pub fn sandbox_profile(source: &dyn Source, path: &str) -> Result<SandboxProfile, Vec<Problem>> {
    let at_start =
        |message: String| vec![Problem { file: path.to_owned(), position: Position::START, field: String::new(), message }];
    let bytes = source.read(path, MAX_PROFILE).map_err(|error| at_start(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| at_start("not valid UTF-8".to_owned()))?;
    profile(path, &text)
}

/// As [`sandbox_profile`], from the text of a file named `file`.
fn profile(file: &str, text: &str) -> Result<SandboxProfile, Vec<Problem>> {
    let mut problems = Vec::new();
    let node = yaml::read(file, text, &mut problems);
    let node = match node {
        Some(node) => node,
        None if problems.is_empty() => {
            let message = "the file is empty: write `{}` for a profile that allows nothing but the system's programs";
            problems.push(Problem {
                file: file.to_owned(),
                position: Position::START,
                field: String::new(),
                message: message.to_owned(),
            });
            return Err(problems);
        }
        None => return Err(problems),
    };
    let Some(fitting) = shape::fit(file, &schema::profile(), &node, &mut problems) else { return Err(problems) };
    let raw: raw_exec::Profile = match serde_json::from_value(fitting) {
        Ok(raw) => raw,
        Err(error) => {
            let message = format!("the schema and the reader disagree, please report this: {error}");
            problems.push(Problem { file: file.to_owned(), position: Position::START, field: String::new(), message });
            return Err(problems);
        }
    };
    let mut findings = Findings::new(file.to_owned(), &node, problems);
    let profile = check::profile(&raw, &mut findings);
    let (mut problems, _) = findings.finish();
    problems.sort();
    if problems.is_empty() { Ok(profile) } else { Err(problems) }
}

/// The JSON Schema of a profile: pretty, keys sorted, one line break at the end.
#[must_use]
pub fn profile_schema() -> String {
    format!("{:#}\n", schema::profile())
}

#[cfg(test)]
mod tests {
    use super::{Layer, Watched, profile};

    fn problems(text: &str) -> Vec<String> {
        profile("p", text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_written_is_meant() {
        let text = "files: {read: [/srv/kb], write: [data], folder: data, tmp_mb: 0}\nenv: {pass: [LANG], set: {A: b}}\n\
                    limits: {memory_mb: 64, wall_seconds: 9}\nnetwork: none\nreport: calls\ndanger: {without: [ipc-namespace]}\n";
        let read = profile("p", text).unwrap();
        assert_eq!(
            (read.read.as_slice(), read.write.as_slice()),
            (["/srv/kb".to_owned()].as_slice(), ["data".to_owned()].as_slice())
        );
        assert_eq!((read.system, read.tmp_bytes, read.limits.memory, read.limits.wall_seconds), (true, 0, 64 << 20, Some(9)));
        assert!(read.pass.contains("LANG") && read.set.contains_key("A") && read.without.contains(&Layer::IpcNamespace));
        assert_eq!(read.watched, Watched::Calls);
        assert_eq!(profile("p", "{}").unwrap().limits.processes, 128);
    }

    #[test]
    fn what_is_refused_and_where() {
        let facts = [
            ("", "p:1:1: the file is empty: write `{}` for a profile that allows nothing but the system's programs"),
            ("network: open\n", "p:1:10: network: expected one of `none`, found the text `open`"),
            ("files: {reed: [/]}\n", "p:1:9: files: the key `reed` is not known here, did you mean `read`?"),
            ("files: {write: [/]}\n", "p:1:17: files.write[0]: `/` is all of this machine: name the folders that are meant"),
            ("files: {read: ['../x']}\n", "p:1:16: files.read[0]: `../x` leads up: write the whole path"),
            ("files: {read: ['~/x']}\n", "p:1:16: files.read[0]: `~` means nothing here: write the whole path"),
            ("files: {read: ['']}\n", "p:1:16: files.read[0]: expected a path, found `` "),
            ("env: {pass: [A-B]}\n", "p:1:14: env.pass[0]: expected the name of a variable, found `A-B`"),
            (
                "env: {pass: [LD_PRELOAD]}\n",
                "p:1:14: env.pass[0]: `LD_PRELOAD` says which code the program runs: set it under `set`, to what you have seen",
            ),
            ("env: {pass: [A], set: {A: b}}\n", "p:1:24: env.set.A: `A` stands under `pass`, too"),
            ("danger: {without: [seccomp, seccomp]}\n", "p:1:29: danger.without[1]: `seccomp` stands twice in this list"),
        ];
        for (text, expected) in facts {
            assert_eq!(problems(text), [expected.trim_end()], "{text}");
        }
    }

    #[test]
    fn layers_have_one_name() {
        assert!(Layer::ALL.iter().all(|layer| Layer::named(layer.as_str()) == Some(*layer)));
        let schema = super::profile_schema();
        assert!(Layer::ALL.iter().all(|layer| schema.contains(&format!("\"{layer}\""))));
    }
}
