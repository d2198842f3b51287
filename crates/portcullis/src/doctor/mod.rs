//! `doctor`: everything about a data folder that somebody should look at, and what to do about it. Changes nothing.

mod folder;
mod running;

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::bring;
use crate::certificates;
use crate::cli::Doctor;
use crate::commands::{Exit, offline};
use crate::exec;
use crate::output;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Good.
    Ok,
    /// Was not looked at, or says something about the folder that is neither good nor bad.
    Note,
    /// Works, and should be mended.
    Warn,
    /// Does not work, or is not safe.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    check: &'static str,
    state: State,
    message: String,
    /// What to do; empty if there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Check>);

impl Findings {
    pub(crate) fn add(&mut self, check: &'static str, state: State, message: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Check { check, state, message: message.into(), fix: fix.into() });
    }

    pub(crate) fn ok(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, State::Ok, message, "");
    }

    pub(crate) fn note(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, State::Note, message, "");
    }

    fn is_sound(&self) -> bool {
        !self.0.iter().any(|check| matches!(check.state, State::Warn | State::Bad))
    }
}

/// Looks at everything.
pub(crate) async fn doctor(data: &Path, options: &Doctor, json: bool) -> anyhow::Result<Exit> {
    let mut findings = Findings::default();
    let config = configuration(data, &mut findings);
    let (folder, quick) = (data.to_owned(), options.quick);
    let settings = config.as_ref().map(|config| config.settings.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let mut findings = Findings::default();
        folder::permissions(&folder, &mut findings);
        folder::space(&folder, &mut findings);
        folder::clock(&folder, &mut findings);
        folder::log(&folder, quick, settings.as_ref(), &mut findings);
        findings
    });
    findings.0.extend(looked.await?.0);
    sandbox(&mut findings).await;
    running::gate(data, config.as_ref(), &mut findings).await;
    match &config {
        Some(_) if options.offline => findings.note("upstreams", "not looked at: --offline"),
        Some(config) => running::upstreams(&config.settings, &mut findings).await,
        None => findings.note("upstreams", "not looked at: the configuration cannot be read"),
    }
    tell(&findings, json);
    Ok(if findings.is_sound() { Exit::Ok } else { Exit::Failure })
}

/// Whether this machine has every layer of `portcullis exec`.
async fn sandbox(findings: &mut Findings) {
    let missing = tokio::task::spawn_blocking(exec::missing).await.unwrap_or_default();
    if missing.is_empty() {
        findings.ok("exec", "this machine has every layer of the sandbox");
    }
    for layer in missing {
        let fix = "profiles of `portcullis exec` have to name it in `danger.without` here; `portcullis exec --probe`";
        findings.add("exec", State::Note, format!("missing: {layer}"), fix);
    }
}

/// Reads and compiles the configuration.
fn configuration(data: &Path, findings: &mut Findings) -> Option<config::Config> {
    let (config, warnings) = match bring::read(data, &offline()) {
        Ok(read) => read,
        Err(problems) => {
            problems.into_iter().for_each(|problem| findings.add("config", State::Bad, problem, "portcullis check"));
            return None;
        }
    };
    // Those about `danger` are told below, each under its own name.
    for warning in warnings.into_iter().filter(|warning| !warning.contains(": danger: ")) {
        findings.add("config", State::Warn, warning, "");
    }
    match bring::snapshot(&config.bundle, &config.settings) {
        Ok((snapshot, _)) => {
            findings.ok("config", format!("{} policies, {} models", snapshot.policy.n_policies(), snapshot.routes.len()));
        }
        Err(problems) => {
            problems.into_iter().for_each(|problem| findings.add("config", State::Bad, problem, "portcullis check"));
        }
    }
    listeners(data, &config, findings);
    let danger = config.settings.danger.names();
    if danger.is_empty() {
        findings.ok("danger", "no control is weakened");
    }
    for name in danger {
        findings.add(
            "danger",
            State::Warn,
            format!("`{name}` is set: the gate is weaker than it could be"),
            "take it out of `danger`",
        );
    }
    Some(config)
}

/// Certificates of the listeners: readable, of a chain, not about to end.
fn listeners(data: &Path, config: &config::Config, findings: &mut Findings) {
    let (state, lines) = match certificates::check(data, &config.settings.listen) {
        Ok(warnings) if warnings.is_empty() => return findings.ok("certificates", "nothing to say of those of the listeners"),
        Ok(warnings) => (State::Warn, warnings),
        Err(problems) => (State::Bad, problems),
    };
    lines.into_iter().for_each(|line| findings.add("certificates", state, line, "renew it, or mend `listen` in portcullis.yaml"));
}

fn tell(findings: &Findings, json: bool) {
    if json {
        output::line(&json!({"ok": findings.is_sound(), "checks": findings.0}).to_string());
        return;
    }
    for Check { check, state, message, fix } in &findings.0 {
        let state = match state {
            State::Ok => "ok",
            State::Note => "note",
            State::Warn => "WARN",
            State::Bad => "BAD",
        };
        output::line(&format!("{state:<5} {check:<12} {message}"));
        if !fix.is_empty() {
            output::line(&format!("      {:<12} → {fix}", ""));
        }
    }
    let n_wrong = findings.0.iter().filter(|check| matches!(check.state, State::Warn | State::Bad)).count();
    output::line(&if n_wrong == 0 { "nothing to mend".to_owned() } else { format!("{n_wrong} to mend") });
}
