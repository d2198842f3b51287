//! Namespaces: what does not exist in the sandbox needs no rule.

use std::fs;
use std::path::Path;

use config::Layer;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::SandboxError;
use crate::plan::Plan;

/// Leaves the namespaces of the caller. Only for a process with one thread. The process namespace holds for the next child.
pub(crate) fn leave(plan: &Plan) -> Result<(), SandboxError> {
    if plan.has(Layer::UserNamespace) {
        own_user()?;
    }
    for (layer, flags) in [
        (Layer::PidNamespace, CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS),
        (Layer::NetworkNamespace, CloneFlags::CLONE_NEWNET),
        (Layer::IpcNamespace, CloneFlags::CLONE_NEWIPC),
    ] {
        if plan.has(layer) {
            unshare(flags).map_err(|errno| SandboxError::Layer { layer, why: errno.to_string() })?;
        }
    }
    Ok(())
}

/// A user namespace in which the caller's own user and group have the same numbers, and no other exists.
fn own_user() -> Result<(), SandboxError> {
    let failed = |what: &str, why: &dyn std::fmt::Display| SandboxError::Layer {
        layer: Layer::UserNamespace,
        why: format!("{what}: {why}"),
    };
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| failed("unshare", &errno))?;
    for (file, text) in
        [("setgroups", "deny".to_owned()), ("uid_map", format!("{user} {user} 1")), ("gid_map", format!("{group} {group} 1"))]
    {
        fs::write(format!("/proc/self/{file}"), text).map_err(|error| failed(file, &error))?;
    }
    Ok(())
}

/// What process 1 of a sandbox mounts: a `/proc` of its own, and memory over its folder for temporary files. Mounts reach nobody
/// outside.
pub(crate) fn mount_own(plan: &Plan) -> Result<(), SandboxError> {
    if !plan.has(Layer::PidNamespace) {
        return Ok(());
    }
    let failed = SandboxError::layer(Layer::PidNamespace);
    let quiet = MountFlags::NOSUID | MountFlags::NODEV;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(&failed)?;
    mount("proc", "/proc", "proc", quiet | MountFlags::NOEXEC, None).map_err(&failed)?;
    if let Some(tmp) = &plan.tmp {
        temporary(tmp, plan.tmp_bytes)?;
    }
    Ok(())
}

fn temporary(folder: &Path, bytes: u64) -> Result<(), SandboxError> {
    let options = std::ffi::CString::new(format!("size={bytes},nr_inodes=16384,mode=0700")).map_err(SandboxError::other)?;
    mount("tmpfs", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .map_err(SandboxError::layer(Layer::PidNamespace))
}
