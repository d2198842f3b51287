//! What the running gate knows of tool servers: what one announces now, and what is quarantined.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::{Value, json};

use super::said::{Said, called, from_file, is_input};
use super::shown::{name, plain};
use crate::admin_client::{self, AdminAnswer};
use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::{Exit, ask, show};
use crate::output;

/// What a server says, and how it is known.
pub(super) struct Heard {
    /// Its tools.
    pub(super) said: Said,
    /// What people call the place that it comes from.
    pub(super) called: String,
    /// Whether it came from standard input, so that nobody can answer there.
    pub(super) is_input: bool,
    /// What to know of it.
    pub(super) warnings: Vec<String>,
}

/// Reads what a server says: from a file, or from the running gate, which asks the server.
pub(super) async fn heard(data: &Path, file: Option<&PathBuf>, server: &str) -> Result<Heard, Problems> {
    if let Some(file) = file {
        let said = from_file(file)?;
        return Ok(Heard { said, called: called(file), is_input: is_input(file), warnings: Vec::new() });
    }
    let what = "or name a file with what the server answers to `tools/list`";
    let asked = ask(data, "/admin/v1/tools/announced", &json!({"server": server})).await;
    let told = match asked.map_err(|error| vec![format!("{error:#}; {what}")])? {
        AdminAnswer::Done(told) => told,
        AdminAnswer::Refused { code, message } => return Err(vec![format!("{}: {}; {what}", plain(&code), plain(&message))]),
    };
    let text = |key: &str| told.get(key).and_then(Value::as_str);
    let problem = text("problem").map(plain);
    let Some(list) = text("list") else {
        let why = problem.unwrap_or_else(|| "nothing was heard of it yet".to_owned());
        return Err(vec![format!("{}: {why}; {what}", name(server))]);
    };
    let mut said = Said::read(list.as_bytes()).map_err(|what| vec![format!("what the gate has heard: {what}")])?;
    let mut warnings = Vec::new();
    let is_fresh = told.get("fresh").and_then(Value::as_bool).unwrap_or(false);
    match (is_fresh, problem) {
        (true, None) => {}
        (true, Some(problem)) => {
            said.has_more = true;
            warnings.push(format!("this is not everything: {problem}"));
        }
        (false, problem) => {
            let at = told.get("heard").and_then(Value::as_u64).map_or_else(|| "before".to_owned(), output::time);
            let why = problem.unwrap_or_default();
            warnings.push(format!("it cannot be asked now, and this is what it said {at}: {why}"));
        }
    }
    Ok(Heard { said, called: "what the gate has heard".to_owned(), is_input: false, warnings })
}

/// What the gate knows, if one runs.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What is said in the place of what was approved, by `SERVER/NAME`.
    pub(super) quarantined: BTreeMap<String, String>,
    /// Why servers cannot be asked.
    pub(super) unasked: BTreeMap<String, String>,
}

/// Asks the gate that runs on this folder. None runs, or it does not say: nothing is known.
pub(super) async fn known(data: &Path) -> Known {
    let Ok(AdminAnswer::Done(told)) = admin_client::call(data, Method::GET, "/admin/v1/tools", None).await else {
        return Known::default();
    };
    let rows = |key: &str| told.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let pair = |row: &Value, key: &str, value: &str| {
        let text = |key: &str| row.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        Some((text(key)?, text(value)?))
    };
    Known {
        quarantined: rows("quarantined").iter().filter_map(|row| pair(row, "tool", "announced")).collect(),
        unasked: rows("servers").iter().filter_map(|row| pair(row, "server", "problem")).collect(),
    }
}

/// Ends a quarantine without approving anything.
pub(super) async fn release(cli: &Cli, data: &Path, tool: &str, reason: &str) -> anyhow::Result<Exit> {
    let answer = ask(data, "/admin/v1/tools/release", &json!({"tool": tool, "reason": reason})).await?;
    Ok(show(cli, answer, |value| {
        let stands = match value.get("tolerated").and_then(Value::as_str) {
            Some(digest) => {
                format!("its server may go on to say {}; anything else is quarantined again", digest.get(..12).unwrap_or(digest))
            }
            None => "anything else than what is approved is quarantined again".to_owned(),
        };
        format!("released {}: {stands}", name(tool))
    }))
}
