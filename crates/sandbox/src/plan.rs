//! What one run of a sandbox is: paths as they are on this machine, the whole environment, which layers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use config::{Layer, SandboxLimits, SandboxProfile, Watched};
use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// Most bytes of a plan as it is handed on; the system takes 128 KiB for one variable.
const MAX_PLAN: usize = 100 << 10;
/// The system's programs and libraries: read and run.
const SYSTEM_RUN: [&str; 6] = ["/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin"];
/// What nearly every program reads; no file of it holds a secret.
const SYSTEM_READ: [&str; 17] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/dev/random",
    "/dev/urandom",
    "/sys/devices/system/cpu",
];
/// Devices that swallow what is written.
const SYSTEM_WRITE: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

/// Why a profile is no plan on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A path of the profile.
    #[error("`{field}`: `{path}` cannot be reached: {why}")]
    Path {
        /// The field of the profile.
        field: &'static str,
        /// As it was looked for.
        path: String,
        /// What the system said.
        why: String,
    },
    /// A path below a folder that the program writes.
    #[error(
        "`{path}` lies below a folder of `files.write`: the program could put something else there before the next start; name only the folder, or put it elsewhere"
    )]
    Nested {
        /// The path.
        path: String,
    },
    /// There is nothing to run.
    #[error("no command was given: write it behind `--`")]
    NoCommand,
    /// It does not fit into what is handed on.
    #[error("command, paths and environment are longer than {MAX_PLAN} bytes together")]
    TooLong,
}

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) command: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
    pub(crate) execute: Vec<PathBuf>,
    pub(crate) tmp_bytes: u64,
    /// The folder for temporary files; made and removed by the caller's side.
    pub(crate) tmp: Option<PathBuf>,
    pub(crate) limits: Limits,
    layers: BTreeSet<String>,
    pub(crate) watches: Watch,
}

/// See [`SandboxLimits`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) memory: u64,
    pub(crate) cpu_seconds: u64,
    pub(crate) processes: u64,
    pub(crate) open_files: u64,
    pub(crate) file: u64,
    pub(crate) wall_seconds: Option<u64>,
    pub(crate) grace_seconds: u64,
}

/// See [`Watched`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Watch {
    All,
    Calls,
    None,
}

impl Plan {
    /// A plan for `command` under a profile whose relative paths begin at `base`. `environment` looks a variable up.
    ///
    /// # Errors
    /// A path that is not there, no command, too much of all.
    pub fn new(
        profile: &SandboxProfile,
        base: &Path,
        command: &[String],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, PlanError> {
        if command.first().is_none_or(String::is_empty) {
            return Err(PlanError::NoCommand);
        }
        let paths = |field, list: &[String]| list.iter().map(|path| found(field, base, path)).collect::<Result<Vec<_>, _>>();
        let mut read = paths("files.read", &profile.read)?;
        let mut write = paths("files.write", &profile.write)?;
        let mut execute = paths("files.execute", &profile.execute)?;
        // What lies below a folder that it writes can be made to lead elsewhere before the next start.
        let below = |path: &&PathBuf| write.iter().any(|root| *path != root && path.starts_with(root));
        if let Some(path) = read.iter().chain(&execute).chain(&write).find(below) {
            return Err(PlanError::Nested { path: path.display().to_string() });
        }
        let folder = match &profile.folder {
            Some(folder) => found("files.folder", base, folder)?,
            None => write.iter().find(|path| path.is_dir()).cloned().unwrap_or_else(|| PathBuf::from("/")),
        };
        if profile.system {
            let there = |paths: &[&str]| paths.iter().filter_map(|path| std::fs::canonicalize(path).ok()).collect::<Vec<_>>();
            read.extend(there(&SYSTEM_READ));
            write.extend(there(&SYSTEM_WRITE));
            execute.extend(there(&SYSTEM_RUN));
        }
        for list in [&mut read, &mut write, &mut execute] {
            list.sort();
            list.dedup();
        }
        let limits = profile.limits;
        let plan = Self {
            command: command.to_vec(),
            environment: variables(profile, &folder, environment),
            folder,
            read,
            write,
            execute,
            tmp_bytes: profile.tmp_bytes,
            tmp: None,
            limits: limits.into(),
            layers: Layer::ALL.iter().filter(|layer| !profile.without.contains(layer)).map(ToString::to_string).collect(),
            watches: match profile.watched {
                Watched::All => Watch::All,
                Watched::Calls => Watch::Calls,
                Watched::None => Watch::None,
            },
        };
        if plan.to_text().map_err(|_| PlanError::TooLong)?.len() > MAX_PLAN { Err(PlanError::TooLong) } else { Ok(plan) }
    }

    /// Whether the program could change this file: what says what it may do has to lie elsewhere.
    #[must_use]
    pub fn could_change(&self, file: &Path) -> bool {
        self.write.iter().any(|root| file.starts_with(root))
    }

    /// Whether a layer is in force.
    #[must_use]
    pub fn has(&self, layer: Layer) -> bool {
        self.layers.contains(layer.as_str())
    }

    /// What the program could reach, one line each.
    #[must_use]
    pub fn explained(&self) -> Vec<String> {
        let mut lines =
            vec![format!("command      {}", self.command.join(" ")), format!("starts in    {}", self.folder.display())];
        for (title, paths) in [("reads", &self.read), ("writes", &self.write), ("runs", &self.execute)] {
            lines.extend(paths.iter().map(|path| format!("{title:<12} {}", path.display())));
        }
        if self.tmp_bytes > 0 {
            lines.push(format!("temporary    a folder of its own, {} MiB, gone at the end", self.tmp_bytes >> 20));
        }
        lines.push("network      nothing".to_owned());
        // Values may be secrets.
        let names: Vec<&str> = self.environment.keys().map(String::as_str).collect();
        lines.push(format!("variables    {}", names.join(" ")));
        let Limits { memory, cpu_seconds, processes, open_files, file, wall_seconds, grace_seconds } = self.limits;
        let wall = wall_seconds.map_or_else(|| "no".to_owned(), |seconds| format!("{seconds} s"));
        lines.push(format!(
            "limits       memory {} MiB, processor {cpu_seconds} s, processes {processes}, open files {open_files}, file {} MiB, \
             time {wall}, grace {grace_seconds} s",
            memory >> 20,
            file >> 20
        ));
        for layer in Layer::ALL {
            let state = if self.has(layer) { "on" } else { "OFF (danger.without)" };
            lines.push(format!("layer        {:<17} {state:<3}  {}", layer.as_str(), layer.purpose()));
        }
        lines
    }

    pub(crate) fn to_text(&self) -> Result<String, SandboxError> {
        serde_json::to_string(self).map_err(SandboxError::other)
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, SandboxError> {
        serde_json::from_str(text).map_err(SandboxError::other)
    }

    /// Whether a path lies where the profile says that it may be reached in some way.
    pub(crate) fn names(&self, path: &Path) -> bool {
        let lists = [&self.read, &self.write, &self.execute];
        lists.into_iter().flatten().chain(&self.tmp).any(|root| path.starts_with(root))
    }
}

impl From<SandboxLimits> for Limits {
    fn from(limits: SandboxLimits) -> Self {
        let SandboxLimits { memory, cpu_seconds, processes, open_files, file, wall_seconds, grace_seconds } = limits;
        Self { memory, cpu_seconds, processes, open_files, file, wall_seconds, grace_seconds }
    }
}

fn found(field: &'static str, base: &Path, written: &str) -> Result<PathBuf, PlanError> {
    let path = base.join(written);
    // What a link leads to is what is meant, and what the report shows.
    std::fs::canonicalize(&path).map_err(|error| PlanError::Path {
        field,
        path: path.display().to_string(),
        why: error.to_string(),
    })
}

fn variables(profile: &SandboxProfile, folder: &Path, environment: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HOME".to_owned(), folder.display().to_string()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ]);
    variables.extend(profile.pass.iter().filter_map(|name| Some((name.clone(), environment(name)?))));
    variables.extend(profile.set.clone());
    variables
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::{Layer, SandboxProfile};

    use super::{Plan, PlanError};

    fn plan(profile: &SandboxProfile) -> Result<Plan, PlanError> {
        Plan::new(profile, Path::new("/usr"), &["x".to_owned()], &|name| (name == "KEPT").then(|| "1".to_owned()))
    }

    #[test]
    fn nothing_is_handed_on_that_is_not_named() {
        let profile = SandboxProfile {
            read: vec!["bin".to_owned()],
            pass: ["KEPT", "ABSENT"].map(ToOwned::to_owned).into(),
            without: [Layer::Seccomp].into(),
            ..SandboxProfile::default()
        };
        let plan = plan(&profile).unwrap();
        assert_eq!(plan.environment.keys().collect::<Vec<_>>(), ["HOME", "KEPT", "LANG", "PATH"]);
        assert_eq!((plan.read.len(), plan.write.len(), plan.execute.len()), (1, 0, 0));
        assert!(plan.names(Path::new("/usr/bin/env")) && !plan.names(Path::new("/usr/binaries")));
        assert!(!plan.has(Layer::Seccomp) && plan.has(Layer::Limits));
        assert!(!plan.explained().join("\n").contains("KEPT=") && plan.explained().join("\n").contains("KEPT"));
        let again = Plan::from_text(&plan.to_text().unwrap()).unwrap();
        assert_eq!(again.to_text().unwrap(), plan.to_text().unwrap());
    }

    #[test]
    fn what_is_not_there_is_no_plan() {
        let profile = SandboxProfile { write: vec!["no-such".to_owned()], ..SandboxProfile::default() };
        assert!(matches!(plan(&profile), Err(PlanError::Path { field: "files.write", .. })));
        let none = Plan::new(&SandboxProfile::default(), Path::new("/"), &[], &|_| None);
        assert_eq!(none.unwrap_err(), PlanError::NoCommand);
        let profile = SandboxProfile { set: [("A".to_owned(), "x".repeat(200_000))].into(), ..SandboxProfile::default() };
        assert_eq!(plan(&profile).unwrap_err(), PlanError::TooLong);
    }
}
