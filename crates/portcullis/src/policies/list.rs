//! `portcullis policy list`: what a chain could be allowed to do at all, whatever a call says.

use model::{CredentialId, Mandate};
use policy::{Could, Listable, Listed, Lister};
use serde_json::{Value, json};

use super::{Ready, cases};
use crate::cli::Cli;
use crate::commands::Exit;
use crate::output;

/// Lists every model, every tool, and every action on what is declared for other enforcement points, for `who`.
pub(super) fn list(cli: &Cli, ready: &Ready, who: &str) -> anyhow::Result<Exit> {
    let chain = match cases::chain(who) {
        Ok(chain) => chain,
        Err(message) => {
            output::note(&message);
            return Ok(Exit::Invalid);
        }
    };
    let lister = Lister { chain, credential: CredentialId::new("case")?, mandate: Mandate::default() };
    let all: Vec<Listed> = [Listable::Models, Listable::Tools, Listable::Documents]
        .into_iter()
        .flat_map(|what| ready.policies.list(&lister, what).iter().cloned().collect::<Vec<_>>())
        .collect();
    if cli.json {
        let list: Vec<Value> = all.iter().map(document).collect();
        output::line(&json!({"who": who, "list": list}).to_string());
        return Ok(Exit::Ok);
    }
    for listed in &all {
        output::line(&line(listed));
    }
    if all.is_empty() {
        output::note("nothing is declared that could be listed: no models, no tools, no resources of other enforcement points");
    }
    Ok(Exit::Ok)
}

pub(super) const fn word(could: Could) -> &'static str {
    match could {
        Could::Yes => "could",
        Could::No => "never",
        Could::Unknown => "unknown",
    }
}

fn line(listed: &Listed) -> String {
    let resource = &listed.ask.resource;
    let reason = listed.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
    format!("{:<8} {} {}:{}{reason}", word(listed.could), listed.ask.verb(), resource.type_name(), resource.id().escape_debug())
}

fn document(listed: &Listed) -> Value {
    let resource = &listed.ask.resource;
    json!({
        "does": listed.ask.verb(), "to": format!("{}:{}", resource.type_name(), resource.id()), "could": word(listed.could),
        "reason": listed.reason,
    })
}
