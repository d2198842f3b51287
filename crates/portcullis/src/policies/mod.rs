//! `portcullis policy`: working with policies before they are in force. Nothing here needs a running gate.

mod cases;
mod diff;
mod format;
mod list;
mod matrix;
mod pack;
#[cfg(feature = "prove")]
mod prove;
mod shadow;
mod side;
mod test;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, Source, SourceError};
use evidence::sha256;
use model::{Bundle, FindingGroup, Verdict};
use policy::PolicySnapshot;
use serde_json::json;

use crate::bring::{self, Problems};
use crate::cli::{Cli, Policy};
use crate::commands::Exit;
use crate::explain;
use crate::files::Folder;
use crate::output;
use cases::Known;

/// Runs one of the commands.
pub(crate) async fn command(cli: &Cli, data: &Path, command: &Policy) -> anyhow::Result<Exit> {
    match command {
        #[cfg(not(feature = "prove"))]
        Policy::Prove(_) => {
            output::note("this build has no prover: it was made without the feature `prove`");
            Ok(Exit::Invalid)
        }
        #[cfg(feature = "prove")]
        Policy::Prove(options) => match Ready::read(data) {
            Ok(ready) => prove::prove(cli, &ready, options).await,
            Err(problems) => Ok(told(cli, &problems)),
        },
        Policy::Test { files } => prepared(cli, data, |ready| test::test(cli, ready, files)),
        Policy::Matrix { write } => prepared(cli, data, |ready| matrix::command(cli, ready, *write)),
        Policy::Explain { who, does, to, given } => {
            prepared(cli, data, |ready| explained(cli, ready, &[who, does, to, given].map(String::as_str)))
        }
        Policy::List { who } => prepared(cli, data, |ready| list::list(cli, ready, who)),
        Policy::Diff { old, new, to, since, enforce_shadow } => {
            let old = old.as_deref().map(|named| side::read(data, named)).transpose();
            let new = match (new, to) {
                (Some(named), _) => side::read(data, named),
                (None, folder) => Ready::read(folder.as_deref().unwrap_or(data)),
            };
            match (old, new) {
                (Ok(old), Ok(new)) => diff::diff(cli, data, old.as_ref(), &new, since.as_deref(), enforce_shadow.as_deref()),
                (Err(problems), _) | (_, Err(problems)) => Ok(told(cli, &problems)),
            }
        }
        Policy::Pack(command) => pack::command(cli, data, command),
        Policy::Fmt { files, check } => format::format(data, files, *check),
    }
}

/// The policies of a folder, compiled.
struct Ready {
    folder: PathBuf,
    bundle: Bundle,
    policies: PolicySnapshot,
}

/// The configuration of a folder in which secrets need not be there.
pub(crate) fn blindly(folder: &Path) -> Result<Config, Problems> {
    let source = Blind(Folder::new(folder.to_owned()));
    let lookup = |name: &str| Some(std::env::var(name).unwrap_or_else(|_| stand_in(name)));
    let read = Config::load(&source, &lookup).map(|(config, _)| config);
    read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

impl Ready {
    fn read(folder: &Path) -> Result<Self, Problems> {
        let config = blindly(folder)?;
        let policies = bring::compile(&config.bundle)?;
        Ok(Self { folder: folder.to_owned(), bundle: config.bundle, policies })
    }

    /// The group of a kind of finding; parts that no scanner reads are named by their type.
    fn group_of(&self, kind: &str) -> Option<FindingGroup> {
        if kind.starts_with("uninspected:") {
            return Some(FindingGroup::Uninspected);
        }
        let own = bring::rules(&self.bundle).unwrap_or_default();
        let known = inspect::Scanners::kinds().into_iter().find(|(known, _)| known.as_str() == kind).map(|(_, group)| group);
        known.or_else(|| own.iter().any(|rule| rule.kind() == kind).then_some(FindingGroup::Secret))
    }
}

/// A configuration's folder in which secrets need not be there: policies are checked where keys of providers have no place.
#[derive(Debug)]
struct Blind(Folder);

impl Source for Blind {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        self.0.read(path, limit)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        self.0.list(folder)
    }

    fn read_secret(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        self.0.read_secret(path, limit).or_else(|_| Ok(stand_in(path).into_bytes()))
    }
}

/// What stands for a value that is not set: it reads as an address and as a key. Nothing is ever sent to it or with it.
fn stand_in(name: &str) -> String {
    format!("https://{}.invalid", sha256(name.as_bytes()).to_string().get(..40).unwrap_or_default())
}

/// Reads the policies of `folder` and goes on with them.
fn prepared(cli: &Cli, folder: &Path, then: impl FnOnce(&Ready) -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    match Ready::read(folder) {
        Ok(ready) => then(&ready),
        Err(problems) => Ok(told(cli, &problems)),
    }
}

/// Tells what is wrong with the files.
pub(crate) fn told(cli: &Cli, problems: &Problems) -> Exit {
    if cli.json {
        output::line(&json!({"ok": false, "problems": problems}).to_string());
    } else {
        problems.iter().for_each(|problem| output::note(problem));
        output::note(&format!("{} problem(s)", problems.len()));
    }
    Exit::Invalid
}

/// Decides a call that nobody has made.
fn explained(cli: &Cli, ready: &Ready, call: &[&str; 4]) -> anyhow::Result<Exit> {
    let known = Known { group_of: &|kind| ready.group_of(kind), access: &ready.bundle.registry.access };
    let input = match cases::input(call, &known) {
        Ok(input) => input,
        Err(message) => {
            output::note(&message);
            return Ok(Exit::Invalid);
        }
    };
    let explanation = ready.policies.explanation_of_own(&input);
    let answer = &explanation.answer;
    let shadow = ready.policies.shadow(&input, answer);
    let mut lines = explanation.text();
    lines.extend(shadow.iter().map(|shadow| format!("shadow policies: {shadow}")));
    if cli.json {
        let (facts, changes) = (explain::facts(&explanation), explain::changes(&explanation));
        output::line(
            &json!({
                "verdict": answer.verdict, "reason": answer.reason, "answer": answer, "lines": lines, "facts": facts,
                "changes": changes, "shadow": shadow,
            })
            .to_string(),
        );
    } else {
        output::line(&format!("{} ({})", word(answer.verdict), answer.reason));
        lines.iter().for_each(|line| output::line(&format!("  {line}")));
    }
    Ok(if answer.verdict == Verdict::Deny { Exit::Deny } else { Exit::Ok })
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permit => "permit",
        Verdict::Challenge => "challenge",
        Verdict::Deny => "deny",
    }
}

/// The ids of the policies that took part, each once.
fn ids(answer: &model::Answer) -> Vec<&str> {
    let all = answer.links.iter().flat_map(|link| &link.policies).map(|policy| (policy.id.as_str(), ()));
    all.collect::<BTreeMap<_, _>>().into_keys().collect()
}
