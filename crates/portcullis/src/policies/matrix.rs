//! The golden matrix: what every declared party may call, with nothing else known of the call. A change of it is a change that
//! somebody should have meant.

use std::collections::BTreeSet;

use model::{Action, Ask, Chain, DecisionInput, PrincipalId, PrincipalKind, Resource};
use serde_json::json;

use super::{Ready, cases, ids, word};
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

/// One line per party, on its own and through each agent, and per model.
fn lines(ready: &Ready) -> anyhow::Result<Vec<String>> {
    let registry = &ready.bundle.registry;
    let chains = chains(ready);
    let n_decisions = chains.len().saturating_mul(registry.models.len());
    if n_decisions > MAX_DECISIONS {
        anyhow::bail!("a matrix of {n_decisions} decisions is above the bound of {MAX_DECISIONS}: write cases instead");
    }
    let facts = cases::facts("", &|_| None).map_err(|message| anyhow::anyhow!(message))?;
    let mut lines = Vec::with_capacity(n_decisions);
    for chain in chains {
        let who: Vec<String> = chain.links().iter().map(ToString::to_string).collect();
        for model in registry.models.keys() {
            let asks = vec![Ask { action: Action::CallModel, resource: Resource::Model(model.clone()) }];
            let input = DecisionInput { chain: chain.clone(), asks, facts: facts.clone() };
            let answer = ready.policies.decide(&input);
            let because = ids(&answer).join(",");
            let line = format!("{} callModel Model:{model} {} {} {because}", who.join("→"), word(answer.verdict), answer.reason);
            lines.push(line.trim_end().to_owned());
        }
    }
    Ok(lines)
}

fn chains(ready: &Ready) -> Vec<Chain> {
    let registry = &ready.bundle.registry;
    let of = |kind, name: &model::Name| PrincipalId::new(kind, name.clone());
    let users: Vec<PrincipalId> = registry.users.keys().map(|name| of(PrincipalKind::User, name)).collect();
    let agents: Vec<PrincipalId> = registry.agents.keys().map(|name| of(PrincipalKind::Agent, name)).collect();
    let services = registry.services.keys().map(|name| of(PrincipalKind::Service, name));
    let alone = users.iter().cloned().chain(agents.iter().cloned()).chain(services).map(|link| vec![link]);
    let through = users.iter().flat_map(|user| agents.iter().map(move |agent| vec![user.clone(), agent.clone()]));
    alone.chain(through).filter_map(|links| Chain::new(links).ok()).collect()
}
