//! Which layers this machine has. Each is tried out, in a process of its own.

use std::path::Path;

use config::{Layer, SandboxProfile};
use serde::Serialize;

use crate::outside::run;
use crate::{Launcher, Plan, SandboxError, fence};

/// Whether a layer can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// Its name.
    pub layer: &'static str,
    /// Whether it can be had.
    pub is_there: bool,
    /// What the kernel has, or what it said.
    pub note: String,
}

/// Tries every layer, and at last whether programs can be watched.
#[must_use]
pub fn probe(launcher: &Launcher) -> Vec<Presence> {
    let mut found: Vec<Presence> = Layer::ALL.into_iter().map(|layer| one(layer, launcher)).collect();
    let watched = attempt(&[], config::Watched::Calls, launcher);
    found.push(Presence {
        layer: "watching",
        is_there: watched.is_ok(),
        note: watched.err().map_or_else(|| "refusals can be told".to_owned(), |error| error.to_string()),
    });
    found
}

fn one(layer: Layer, launcher: &Launcher) -> Presence {
    // Namespaces need the rights that a user namespace gives, where the user has none.
    let with: &[Layer] = match layer {
        Layer::PidNamespace | Layer::NetworkNamespace | Layer::IpcNamespace => &[Layer::UserNamespace, layer],
        _ => &[layer],
    };
    let tried = attempt(with, config::Watched::None, launcher);
    let note = match (&tried, layer) {
        (Ok(()), Layer::LandlockFiles | Layer::LandlockTcp | Layer::LandlockScope) => {
            format!("Landlock version {} or later", fence::version())
        }
        (Ok(()), _) => String::new(),
        (Err(SandboxError::Layer { why, .. }), _) => why.clone(),
        (Err(error), _) => error.to_string(),
    };
    Presence { layer: layer.as_str(), is_there: tried.is_ok(), note }
}

/// Runs a program that does nothing under these layers alone.
fn attempt(with: &[Layer], watched: config::Watched, launcher: &Launcher) -> Result<(), SandboxError> {
    let without = Layer::ALL.into_iter().filter(|layer| !with.contains(layer)).collect();
    let limits = config::SandboxLimits {
        memory: 1 << 30,
        cpu_seconds: 10,
        processes: 64,
        open_files: 64,
        file: 0,
        wall_seconds: Some(10),
        grace_seconds: 10,
    };
    let profile = SandboxProfile { system: true, without, watched, limits, ..SandboxProfile::default() };
    let plan = Plan::new(&profile, Path::new("/"), &["true".to_owned()], &|_| None).map_err(SandboxError::other)?;
    run(plan, launcher, std::io::empty(), std::io::sink(), |_| ()).map(drop)
}
