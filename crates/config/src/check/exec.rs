//! Profiles of `portcullis exec`: paths that mean one thing, names that are names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::check::Report;
use crate::exec::{Layer, SandboxLimits, SandboxProfile, Watched, sandbox_profile};
use crate::problem::{Path, shown};
use crate::raw::{Kind, Upstream};
use crate::raw_exec as raw;
use crate::settings::Exec;
use crate::source::Source;

/// Most bytes of a path.
const MAX_PATH: usize = 4095;
/// Most bytes of a variable's value.
const MAX_VALUE: usize = 32 << 10;

/// A tool server over stdio, with the profile that it names.
pub(super) fn exec(
    upstream: &Upstream,
    raw: &raw::Exec,
    path: &Path,
    source: &dyn Source,
    report: &mut Report<'_>,
) -> Option<Exec> {
    let at = path.key("exec");
    if !matches!(upstream.kind, Kind::Mcp) {
        report.problem(&at, "only a tool server (`kind: mcp`) is started by `exec`");
    }
    let of_addresses = [
        ("api_key", upstream.api_key.is_some()),
        ("key_header", upstream.key_header.is_some()),
        ("ca", upstream.ca.is_some()),
        ("client_certificate", upstream.client_certificate.is_some()),
        ("client_key", upstream.client_key.is_some()),
        ("server_name", upstream.server_name.is_some()),
    ];
    for (key, _) in of_addresses.iter().filter(|(_, is_there)| *is_there) {
        report.problem(&path.key(key), "a server that `exec` starts has no address that this could be for");
    }
    for (index, word) in raw.command.iter().enumerate().filter(|(_, word)| word.contains('\0')) {
        report.problem(&at.key("command").index(index), format!("`{}` holds a zero byte", shown(word)));
    }
    let profile = match sandbox_profile(source, &raw.profile) {
        Ok(profile) => profile,
        Err(problems) => {
            for problem in problems {
                let message =
                    if problem.field.is_empty() { problem.message } else { format!("{}: {}", problem.field, problem.message) };
                report.file_problem(&problem.file, problem.position, message);
            }
            return None;
        }
    };
    if profile.without.contains(&Layer::Seccomp) {
        // Without a filter of system calls the program finds the gate's own sockets: those that operators speak to it by.
        let message = "its profile leaves out `seccomp` (`danger.without`), and the gate itself would be in its reach: \
                       start such a server by hand with `portcullis exec`, away from the gate";
        report.problem(&at.key("profile"), message);
    } else if !profile.without.is_empty() {
        let names: Vec<&str> = profile.without.iter().map(|layer| layer.as_str()).collect();
        report.warn(&at, format!("`danger.without` in its profile: the sandbox has no {}", names.join(", ")));
    }
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Some(Exec {
        file: raw.profile.clone(),
        profile,
        command: raw.command.clone(),
        children: size(raw.children),
        idle: Duration::from_secs(raw.idle_seconds),
        message_bytes: size(raw.message_bytes),
        call: Duration::from_secs(raw.call_seconds),
    })
}

/// What a profile means; reports what it cannot mean.
pub(crate) fn profile(raw: &raw::Profile, report: &mut Report<'_>) -> SandboxProfile {
    let files = Path::of(&["files"]);
    for (key, list) in [("read", &raw.files.read), ("write", &raw.files.write), ("execute", &raw.files.execute)] {
        for (index, written) in list.iter().enumerate() {
            path(written, &files.key(key).index(index), key != "read", report);
        }
    }
    if let Some(folder) = &raw.files.folder {
        path(folder, &files.key("folder"), false, report);
    }
    // The one choice there is now; `egress` comes with the proxy.
    let raw::Network::None = raw.network;
    let raw::Limits { memory_mb, cpu_seconds, processes, open_files, file_mb, wall_seconds, grace_seconds } = raw.limits;
    let (pass, set) = environment(&raw.env, report);
    SandboxProfile {
        system: raw.files.system,
        read: raw.files.read.clone(),
        write: raw.files.write.clone(),
        execute: raw.files.execute.clone(),
        folder: raw.files.folder.clone(),
        tmp_bytes: raw.files.tmp_mb << 20,
        pass,
        set,
        limits: SandboxLimits {
            memory: memory_mb << 20,
            cpu_seconds,
            processes,
            open_files,
            file: file_mb << 20,
            wall_seconds,
            grace_seconds,
        },
        watched: match raw.report {
            raw::Report::All => Watched::All,
            raw::Report::Calls => Watched::Calls,
            raw::Report::None => Watched::None,
        },
        without: without(&raw.danger, report),
    }
}

fn path(written: &str, at: &Path, is_strong: bool, report: &mut Report<'_>) {
    let message = if written.is_empty() || written.len() > MAX_PATH || written.contains('\0') {
        format!("expected a path, found `{}`", shown(written))
    } else if written.split('/').any(|part| part == "..") {
        format!("`{}` leads up: write the whole path", shown(written))
    } else if written.starts_with('~') {
        "`~` means nothing here: write the whole path".to_owned()
    } else if is_strong && written.split('/').all(|part| part.is_empty() || part == ".") && written.starts_with('/') {
        format!("`{}` is all of this machine: name the folders that are meant", shown(written))
    } else {
        return;
    };
    report.problem(at, message);
}

fn environment(raw: &raw::Env, report: &mut Report<'_>) -> (BTreeSet<String>, BTreeMap<String, String>) {
    let section = Path::of(&["env"]);
    let mut pass = BTreeSet::new();
    for (index, name) in raw.pass.iter().enumerate() {
        let at = section.key("pass").index(index);
        if !is_variable(name) {
            report.problem(&at, format!("expected the name of a variable, found `{}`", shown(name)));
        } else if name.starts_with("LD_") || name == "GLIBC_TUNABLES" {
            report.problem(&at, format!("`{name}` says which code the program runs: set it under `set`, to what you have seen"));
        } else if !pass.insert(name.clone()) {
            report.problem(&at, format!("`{name}` stands twice in this list"));
        }
    }
    for (name, value) in &raw.set {
        let at = section.key("set").key(name);
        if !is_variable(name) {
            report.key_problem(&at, format!("expected the name of a variable, found `{}`", shown(name)));
        } else if pass.contains(name) {
            report.key_problem(&at, format!("`{name}` stands under `pass`, too"));
        } else if value.len() > MAX_VALUE || value.contains('\0') {
            report.problem(&at, format!("expected at most {MAX_VALUE} bytes without a zero byte"));
        }
    }
    (pass, raw.set.clone())
}

fn is_variable(name: &str) -> bool {
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    starts_well && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn without(raw: &raw::Danger, report: &mut Report<'_>) -> BTreeSet<Layer> {
    let mut without = BTreeSet::new();
    for (index, layer) in raw.without.iter().copied().enumerate() {
        if !without.insert(layer) {
            let at = Path::of(&["danger", "without"]).index(index);
            report.problem(&at, format!("`{layer}` stands twice in this list"));
        }
    }
    without
}
