//! The golden matrix: what every declared party may call, with nothing else known of the call. A change of it is a change that
//! somebody should have meant.

use std::collections::BTreeSet;

use model::{
    Access, Action, Ask, Chain, CredentialId, Foreign, Mandate, Name, Point, PrincipalId, PrincipalKind, Resource, Verb,
};
use policy::{Listable, Listed, Lister};
use serde_json::json;

use super::cases::{self, Known};
use super::{Ready, ids, list, word};
use crate::cli::Cli;
use crate::commands::Exit;
use crate::files;
use crate::output;

/// The file, relative to the folder.
const FILE: &str = "policies/matrix.golden";
/// Most decisions of a matrix.
const MAX_DECISIONS: usize = 250_000;
/// Most bytes of the file.
const MAX_FILE: usize = 64 << 20;
/// Most differences that are shown.
const MAX_SHOWN: usize = 50;

/// How the matrix compares with the golden one.
pub(super) struct Compared {
    pub(super) n_lines: usize,
    pub(super) differences: Vec<String>,
}

/// Prints the matrix, or writes the golden file.
pub(super) fn command(cli: &Cli, ready: &Ready, write: bool) -> anyhow::Result<Exit> {
    let lines = lines(ready)?;
    if write {
        let path = ready.folder.join(FILE);
        std::fs::write(&path, format!("{}\n", lines.join("\n")))?;
        output::line(&format!("wrote {} decisions to {}", lines.len(), path.display()));
    } else if cli.json {
        output::line(&json!({"matrix": lines}).to_string());
    } else {
        output::line(&lines.join("\n"));
    }
    Ok(Exit::Ok)
}

/// Compares with the golden file, if there is one.
pub(super) fn compare(ready: &Ready) -> anyhow::Result<Option<Compared>> {
    let path = ready.folder.join(FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let text = files::read_text(&path, MAX_FILE)?;
    let now = lines(ready)?;
    let (golden, found): (BTreeSet<&str>, BTreeSet<&str>) = (text.lines().collect(), now.iter().map(String::as_str).collect());
    let gone = golden.difference(&found).map(|line| format!("{FILE}: - {line}"));
    let new = found.difference(&golden).map(|line| format!("{FILE}: + {line}"));
    let mut differences: Vec<String> = gone.chain(new).collect();
    let n_more = differences.len().saturating_sub(MAX_SHOWN);
    if n_more > 0 {
        differences.truncate(MAX_SHOWN);
        differences.push(format!("{FILE}: and {n_more} more; if all of it is meant: `portcullis policy matrix --write`"));
    }
    Ok(Some(Compared { n_lines: now.len(), differences }))
}

/// One line per party, on its own and through each agent, and per model; then per resource of other enforcement points that is
/// listed and action on it, as far as one of them may ask; then per tool, whether any call of it could be allowed.
fn lines(ready: &Ready) -> anyhow::Result<Vec<String>> {
    let registry = &ready.bundle.registry;
    let chains = chains(ready);
    let elsewhere = elsewhere(&registry.access);
    let n_tools: usize = registry.tool_servers.values().map(|server| server.tools.len()).sum();
    let per_chain = registry.models.len().saturating_add(elsewhere.len()).saturating_add(n_tools);
    let n_decisions = chains.len().saturating_mul(per_chain);
    if n_decisions > MAX_DECISIONS {
        anyhow::bail!("a matrix of {n_decisions} decisions is above the bound of {MAX_DECISIONS}: write cases instead");
    }
    let known = Known { group_of: &|_| None, access: &registry.access };
    let mut lines = Vec::with_capacity(n_decisions);
    for chain in chains {
        for model in registry.models.keys() {
            let ask = Ask { action: Action::CallModel, resource: Resource::Model(model.clone()) };
            lines.push(line(ready, &chain, ask, "", &known)?);
        }
        for foreign in &elsewhere {
            let Some(point) = point(&registry.access, &chain, foreign) else { continue };
            let ask = Ask { action: Action::Access, resource: Resource::Foreign(foreign.clone()) };
            lines.push(line(ready, &chain, ask, &format!("pep={point}"), &known)?);
        }
        if n_tools > 0 {
            lines.extend(tools(ready, chain)?);
        }
    }
    Ok(lines)
}

fn line(ready: &Ready, chain: &Chain, ask: Ask, given: &str, known: &Known<'_>) -> anyhow::Result<String> {
    let (verb, kind, id) = (ask.verb().to_owned(), ask.resource.type_name().to_owned(), ask.resource.id().to_owned());
    let input = cases::call(chain.clone(), ask, given, known).map_err(|message| anyhow::anyhow!(message))?;
    let answer = ready.policies.decide(&input);
    let because = ids(&answer).join(",");
    let line = format!("{} {verb} {kind}:{id} {} {} {because}", shown(chain), word(answer.verdict), answer.reason);
    Ok(line.trim_end().to_owned())
}

/// What could be allowed of each tool, with whatever arguments.
fn tools(ready: &Ready, chain: Chain) -> anyhow::Result<Vec<String>> {
    let who = shown(&chain);
    let lister = Lister { chain, credential: CredentialId::new("case")?, mandate: Mandate::default() };
    let listed = ready.policies.list(&lister, Listable::Tools);
    let line = |listed: &Listed| {
        let resource = &listed.ask.resource;
        let reason = listed.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
        let (verb, kind, id) = (listed.ask.verb(), resource.type_name(), resource.id());
        format!("{who} {verb} {kind}:{id} {}{reason}", list::word(listed.could))
    };
    Ok(listed.iter().map(line).collect())
}

fn shown(chain: &Chain) -> String {
    chain.links().iter().map(ToString::to_string).collect::<Vec<_>>().join("→")
}

/// Every action on every listed resource.
fn elsewhere(access: &Access) -> Vec<Foreign> {
    let of = |(action, verb): (&String, &Verb)| -> Vec<Foreign> {
        let kinds = verb.resources.iter().filter_map(|kind| Some((kind, access.resources.get(kind)?)));
        let each = kinds.flat_map(|(kind, declared)| declared.entities.keys().map(move |id| (kind.clone(), id.clone())));
        each.map(|(kind, id)| Foreign { action: action.clone(), kind, id }).collect()
    };
    access.actions.iter().flat_map(of).collect()
}

/// The first enforcement point that may ask this about a party of this kind; about an agent that acts for somebody, one that
/// names agents or shows credentials.
fn point<'a>(access: &'a Access, chain: &Chain, foreign: &Foreign) -> Option<&'a Name> {
    let kind = chain.subject()?.kind;
    let is_delegated = chain.links().len() > 1;
    let words = ["user", "agent", "service"].into_iter().chain(access.subjects.keys().map(String::as_str));
    let words: Vec<&str> = words.filter(|word| access.subject_kind(word) == Some(kind)).collect();
    let may = |point: &Point| {
        words.iter().any(|word| point.subjects.holds(word))
            && point.actions.holds(&foreign.action)
            && point.resources.holds(&foreign.kind)
            && (!is_delegated || point.agents || !point.routes.is_empty())
    };
    access.points.iter().find(|(_, point)| may(point)).map(|(name, _)| name)
}

fn chains(ready: &Ready) -> Vec<Chain> {
    let registry = &ready.bundle.registry;
    let of = |kind, name: &Name| PrincipalId::new(kind, name.clone());
    let users: Vec<PrincipalId> = registry.users.keys().map(|name| of(PrincipalKind::User, name)).collect();
    let agents: Vec<PrincipalId> = registry.agents.keys().map(|name| of(PrincipalKind::Agent, name)).collect();
    let services = registry.services.keys().map(|name| of(PrincipalKind::Service, name));
    let alone = users.iter().cloned().chain(agents.iter().cloned()).chain(services).map(|link| vec![link]);
    let through = users.iter().flat_map(|user| agents.iter().map(move |agent| vec![user.clone(), agent.clone()]));
    alone.chain(through).filter_map(|links| Chain::new(links).ok()).collect()
}
