//! `portcullis policy pack`: policies to begin with. They are compiled in, tested in `packs/`, and once written the operator's own.

use std::collections::BTreeMap;
use std::path::Path;

use cedar_policy::PolicySet;
use serde_json::json;

use super::Ready;
use crate::bring;
use crate::cli::{Cli, Pack as Command};
use crate::commands::Exit;
use crate::files;
use crate::output;

/// Longest file that is compared with one of a pack, in bytes.
const MAX_FILE: usize = 1 << 20;

/// Policies that belong together.
struct Pack {
    name: &'static str,
    about: &'static str,
    /// Name without ending, and text.
    files: &'static [(&'static str, &'static str)],
}

/// A file of the baseline pack.
macro_rules! baseline {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../packs/baseline/policies/", $name, ".cedar")))
    };
}

const PACKS: [Pack; 1] = [Pack {
    name: "baseline",
    about: "what hardly anybody wants agents to do; forbids only, so it never permits anything",
    files: &[
        baseline!("separation-of-duties"),
        baseline!("lethal-trifecta"),
        baseline!("external-egress"),
        baseline!("high-impact"),
        baseline!("unmanaged-device"),
        baseline!("step-up"),
        baseline!("budget-ceilings"),
    ],
}];

/// Runs one of the commands.
pub(super) fn command(cli: &Cli, folder: &Path, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List => list(cli),
        Command::Show { name } => show(cli, name),
        Command::Add { name, only } => add(cli, folder, name, only),
    }
}

/// A policy's id and what its author says of it.
fn described(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let policies: PolicySet = text.parse()?;
    let said = |policy: &cedar_policy::Policy, name| policy.annotation(name).unwrap_or_default().to_owned();
    let mut described: Vec<_> = policies.policies().map(|policy| (said(policy, "id"), said(policy, "description"))).collect();
    described.sort();
    Ok(described)
}

fn list(cli: &Cli) -> anyhow::Result<Exit> {
    let mut packs = Vec::new();
    for pack in &PACKS {
        let mut files = Vec::new();
        for (name, text) in pack.files {
            files.push((*name, described(text)?));
        }
        packs.push((pack, files));
    }
    if cli.json {
        let policy = |(id, description): &(String, String)| json!({"id": id, "description": description});
        let file = |(name, policies): &(&str, Vec<(String, String)>)| json!({"name": name, "policies": policies.iter().map(policy).collect::<Vec<_>>()});
        let of_packs = packs.iter().map(
            |(pack, files)| json!({"name": pack.name, "about": pack.about, "files": files.iter().map(file).collect::<Vec<_>>()}),
        );
        output::line(&json!({"packs": of_packs.collect::<Vec<_>>()}).to_string());
        return Ok(Exit::Ok);
    }
    for (pack, files) in packs {
        output::line(&format!("{}: {}", pack.name, pack.about));
        for (name, policies) in files {
            output::line(&format!("  {name}"));
            policies.iter().for_each(|(id, description)| output::line(&format!("    {id}: {description}")));
        }
    }
    Ok(Exit::Ok)
}

fn show(cli: &Cli, name: &str) -> anyhow::Result<Exit> {
    let Some(pack) = find(name) else { return Ok(Exit::Invalid) };
    if cli.json {
        let files: BTreeMap<String, &str> = pack.files.iter().map(|(file, text)| (target(pack, file), *text)).collect();
        output::line(&json!({"name": pack.name, "files": files}).to_string());
    } else {
        let texts: Vec<String> = pack.files.iter().map(|(file, text)| format!("// {}\n{text}", target(pack, file))).collect();
        output::line(texts.join("\n").trim_end());
    }
    Ok(Exit::Ok)
}

fn find(name: &str) -> Option<&'static Pack> {
    let found = PACKS.iter().find(|pack| pack.name == name);
    if found.is_none() {
        let names: Vec<&str> = PACKS.iter().map(|pack| pack.name).collect();
        output::note(&format!("`{name}` is no pack: expected {}", names.join(", ")));
    }
    found
}

/// Where a file of a pack stands in a configuration's folder.
fn target(pack: &Pack, file: &str) -> String {
    format!("policies/{}-{file}.cedar", pack.name)
}

/// Writes the files that are not there yet; all of them or none. One that differs is the operator's, and stays.
fn add(cli: &Cli, folder: &Path, name: &str, only: &[String]) -> anyhow::Result<Exit> {
    let Some(pack) = find(name) else { return Ok(Exit::Invalid) };
    if let Some(unknown) = only.iter().find(|only| !pack.files.iter().any(|(file, _)| file == only)) {
        let names: Vec<&str> = pack.files.iter().map(|(file, _)| *file).collect();
        output::note(&format!("`{unknown}` is no file of the pack: expected {}", names.join(", ")));
        return Ok(Exit::Invalid);
    }
    let ready = match Ready::read(folder) {
        Ok(ready) => ready,
        Err(problems) => return Ok(super::told(cli, &problems)),
    };
    let (mut new, mut same, mut changed) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (file, text) in pack.files.iter().filter(|(file, _)| only.is_empty() || only.iter().any(|only| only == file)) {
        let path = target(pack, file);
        match folder.join(&path) {
            there if there.symlink_metadata().is_err() => drop(new.insert(path, (*text).to_owned())),
            there if files::read_text(&there, MAX_FILE).is_ok_and(|kept| kept == *text) => same.push(path),
            _ => changed.push(path),
        }
    }
    // With the policies that are there already: nothing is written that would not load.
    let mut bundle = ready.bundle;
    bundle.policies.extend(new.clone());
    if let Err(problems) = bring::compile(&bundle) {
        return Ok(super::told(cli, &problems));
    }
    files::write_new(folder, &new)?;
    let written: Vec<&String> = new.keys().collect();
    // What no pattern of the configuration names would stand there and do nothing.
    let loaded = Ready::read(folder).map(|ready| ready.bundle.policies).unwrap_or_default();
    let unread: Vec<&String> = written.iter().copied().filter(|path| !loaded.contains_key(*path)).collect();
    if cli.json {
        output::line(&json!({"written": written, "same": same, "changed_by_you": changed, "not_loaded": unread}).to_string());
    } else {
        written.iter().for_each(|path| output::line(&format!("wrote {path}")));
        same.iter().for_each(|path| output::line(&format!("there already: {path}")));
        changed.iter().for_each(|path| output::line(&format!("left as it is, it was changed since or is another: {path}")));
        unread
            .iter()
            .for_each(|path| output::note(&format!("`policies` in portcullis.yaml does not name {path}: it is not loaded")));
        output::line("they are yours now: read them, change them; then `policy test`, `policy diff`, `check`, `apply`");
    }
    Ok(if unread.is_empty() { Exit::Ok } else { Exit::Failure })
}
