//! Agents outside: every one has an approved card, signed by whom operators say, and every approved skill stands in it.

use std::collections::{BTreeMap, BTreeSet};

use a2a::{Card, MAX_CARD};
use identity::token::{KeySet, MAX_KEY_SET, verify_detached};
use model::{Name, RemoteAgent};

use crate::check::{Report, models};
use crate::declared::DeclaredAgent;
use crate::problem::{Path, Position, shown, suggestion};
use crate::raw;
use crate::source::Source;

/// Most skills of one agent that are approved: each is decided on where the card is read.
const MAX_SKILLS: usize = 100;

/// The declared agents, with their approved cards.
pub(super) fn remote_agents(file: &raw::File, source: &dyn Source, report: &mut Report<'_>) -> BTreeMap<Name, RemoteAgent> {
    report.look_alikes("remote_agents");
    let mut agents = BTreeMap::new();
    for (key, raw) in &file.remote_agents {
        let path = Path::of(&["remote_agents", key]);
        let name = report.name(&path, key);
        if key.contains('/') {
            report.key_problem(&path, format!("`{}` is no name for an agent: it stands in a path", shown(key)));
        }
        let card = read(&raw.card, &path.key("card"), "agents/travel.json", MAX_CARD, source, report);
        let card = card.and_then(|bytes| match Card::read(&bytes) {
            Ok(card) => Some(card),
            Err(error) => {
                report.file_problem(&raw.card, Position::START, error.to_string());
                None
            }
        });
        let Some(card) = card else { continue };
        if let Some(written) = &raw.card_keys {
            signed(&card, written, &path.key("card_keys"), source, report);
        }
        let skills = skills(&raw.skills, &card, &path.key("skills"), report);
        if let Some(name) = name {
            agents.insert(name, RemoteAgent { clearance: models::level(raw.clearance), card: card.canonical(), skills });
        }
    }
    agents
}

/// Where each agent is reached.
pub(super) fn upstreams(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<Name, Name> {
    let mut upstreams = BTreeMap::new();
    for (key, raw) in &file.remote_agents {
        let path = Path::of(&["remote_agents", key, "upstream"]);
        let Some(upstream) = report.reference(&path, &raw.upstream, "upstreams", "upstream") else { continue };
        if file.upstreams.get(&raw.upstream).is_some_and(|upstream| !matches!(upstream.kind, raw::Kind::A2a)) {
            report.problem(&path, format!("`{}` is no agent: expected an upstream with `kind: a2a`", shown(&raw.upstream)));
        }
        if let Ok(agent) = Name::new(key) {
            upstreams.insert(agent, upstream);
        }
    }
    upstreams
}

/// Whether one of the keys has signed the card; told if not.
fn signed(card: &Card, written: &str, path: &Path, source: &dyn Source, report: &mut Report<'_>) {
    let Some(bytes) = read(written, path, "agents/travel-keys.json", MAX_KEY_SET, source, report) else { return };
    match KeySet::parse(&bytes) {
        Ok(keys) => drop(is_signed(card, &keys).map_err(|why| report.problem(path, why))),
        Err(error) => report.file_problem(written, Position::START, error.to_string()),
    }
}

/// Whether one of the keys has signed the card.
///
/// # Errors
/// Why not, as one line.
pub fn is_signed(card: &Card, keys: &KeySet) -> Result<(), String> {
    if card.signatures().is_empty() {
        return Err("the card has no signature: without keys it counts because you approved it".to_owned());
    }
    let payloads = card.payloads();
    let each = card.signatures().iter().flat_map(|signature| payloads.iter().map(move |payload| (signature, payload)));
    let mut last = String::new();
    for (signature, payload) in each {
        match verify_detached(&signature.protected, payload.as_bytes(), &signature.signature, keys) {
            Ok(()) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(format!("none of the card's signatures is of one of these keys: {last}"))
}

/// Agents as they are declared: what their cards are is left aside.
pub(crate) fn declared(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<String, DeclaredAgent> {
    let mut agents = BTreeMap::new();
    for (key, raw) in &file.remote_agents {
        let path = Path::of(&["remote_agents", key]);
        is_below(&raw.card, &path.key("card"), "agents/travel.json", report);
        if let Some(keys) = &raw.card_keys {
            is_below(keys, &path.key("card_keys"), "agents/travel-keys.json", report);
        }
        let agent = DeclaredAgent { card: raw.card.clone(), card_keys: raw.card_keys.clone(), skills: raw.skills.clone() };
        agents.insert(key.clone(), agent);
    }
    agents
}

fn skills(written: &[String], card: &Card, path: &Path, report: &mut Report<'_>) -> BTreeSet<String> {
    if written.len() > MAX_SKILLS {
        report.problem(path, format!("expected at most {MAX_SKILLS} skills, found {}", written.len()));
    }
    let mut skills = BTreeSet::new();
    for (index, skill) in written.iter().enumerate() {
        if !card.skills().contains(skill) {
            let near = suggestion(skill, card.skills().iter().map(String::as_str));
            report.problem(&path.index(index), format!("the card has no skill `{}`{near}", shown(skill)));
        } else if !skills.insert(skill.clone()) {
            report.problem(&path.index(index), format!("`{}` stands twice in this list", shown(skill)));
        }
    }
    skills
}

/// A JSON file below the main file; what is wrong is told.
fn read(written: &str, path: &Path, such_as: &str, most: usize, source: &dyn Source, report: &mut Report<'_>) -> Option<Vec<u8>> {
    if !is_below(written, path, such_as, report) {
        return None;
    }
    match source.read(written, most) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            report.problem(path, format!("`{}` cannot be read: {error}", shown(written)));
            None
        }
    }
}

/// Whether a JSON file stands below the main file; told if not.
fn is_below(written: &str, path: &Path, such_as: &str, report: &mut Report<'_>) -> bool {
    let leaves = written.split('/').any(|part| matches!(part, "" | "." | "..")) || written.contains(['\\', ':', '\0']);
    let is_below = !leaves && written.ends_with(".json");
    if !is_below {
        let message = format!("`{}` is not a JSON file below this file: expected such as `{such_as}`", shown(written));
        report.problem(path, message);
    }
    is_below
}
