//! `portcullis tools card`: what an agent says of itself now, held against the card that is approved.

use std::path::Path;

use a2a::{Card, MAX_CARD};
use config::DeclaredAgent;
use identity::token::{KeySet, MAX_KEY_SET};
use serde_json::json;
use text::{Document, Limits};

use super::changes::{Change, between};
use super::said::{bytes, called};
use super::shown::{ascii, name, plain};
use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::files::{self, Folder};
use crate::output;
use crate::scan::visible;

/// Most changes that are shown.
const MAX_CHANGES: usize = 200;

/// Runs the command.
pub(super) fn command(cli: &Cli, data: &Path, file: &Path, agent: &str) -> Result<Exit, Problems> {
    let source = Folder::new(data.to_owned());
    let declared = config::declared_agents(&source);
    let declared = declared.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Problems>())?;
    let found = declared.get(agent).ok_or_else(|| {
        let near = rulefile::suggestion(agent, declared.keys().map(String::as_str));
        vec![format!("portcullis.yaml declares no remote agent `{}`{}", name(agent), visible(&near))]
    })?;
    let said = bytes(file).map_err(|error| vec![format!("`{}` cannot be read: {error}", called(file))])?;
    let said = card(&said, &called(file))?;
    let approved = card(&of_folder(data, &found.card, MAX_CARD)?, &visible(&found.card))?;
    let (old, new) = (approved.canonical(), said.canonical());
    let changes = between(&document(&old)?, &document(&new)?);
    let unsigned = unsigned(data, found, &said)?;
    let gone: Vec<&String> = found.skills.iter().filter(|skill| !said.skills().contains(skill)).collect();
    if cli.json {
        let changes: Vec<_> = changes.iter().map(Change::document).collect();
        let signed = found.card_keys.is_some().then_some(unsigned.is_none());
        output::line(&ascii(
            &json!({"agent": agent, "changes": changes, "signed": signed, "because": unsigned, "gone": gone}).to_string(),
        ));
    } else {
        tell(agent, found, &changes, unsigned.as_deref(), &gone);
    }
    Ok(if changes.is_empty() && unsigned.is_none() { Exit::Ok } else { Exit::Failure })
}

fn tell(agent: &str, found: &DeclaredAgent, changes: &[Change], unsigned: Option<&str>, gone: &[&String]) {
    let what = if changes.is_empty() { "says what is approved".to_owned() } else { format!("{} changes", changes.len()) };
    output::line(&format!("{}: {what}; approved in {}", name(agent), visible(&found.card)));
    changes.iter().take(MAX_CHANGES).flat_map(Change::lines).for_each(|line| output::line(&line));
    if changes.len() > MAX_CHANGES {
        let n_more = changes.len().saturating_sub(MAX_CHANGES);
        output::line(&format!("    … [cut: {n_more} changes more; --json has all]"));
    }
    gone.iter().for_each(|skill| output::line(&format!("  gone: the approved skill `{}`", name(skill))));
    match (unsigned, &found.card_keys) {
        (Some(why), _) => output::line(&format!("  not signed: {}", plain(why))),
        (None, Some(keys)) => output::line(&format!("  signed by a key of {}", visible(keys))),
        (None, None) => output::line("  no `card_keys`: signatures are not looked at"),
    }
}

/// Why the card is not signed as it has to be; none if it is, or need not be.
fn unsigned(data: &Path, found: &DeclaredAgent, said: &Card) -> Result<Option<String>, Problems> {
    let Some(written) = &found.card_keys else { return Ok(None) };
    let keys = KeySet::parse(&of_folder(data, written, MAX_KEY_SET)?);
    let keys = keys.map_err(|error| vec![format!("{}: {error}", visible(written))])?;
    Ok(config::is_signed(said, &keys).err())
}

fn of_folder(data: &Path, written: &str, most: usize) -> Result<Vec<u8>, Problems> {
    files::read_bounded(&data.join(written), most)
        .map_err(|error| vec![format!("`{}` cannot be read: {error}", visible(written))])
}

fn card(bytes: &[u8], called: &str) -> Result<Card, Problems> {
    Card::read(bytes).map_err(|error| vec![format!("{called}: {}", plain(&error.to_string()))])
}

fn document(text: &str) -> Result<Document<'_>, Problems> {
    Document::parse(text.as_bytes(), &Limits::default()).map_err(|error| vec![error.to_string()])
}
