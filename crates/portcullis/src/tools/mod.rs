//! `portcullis tools`: what is approved of tool servers, what they say now, and how one becomes the other. Nothing here needs a
//! running gate, and nothing here connects to a tool server: what it says comes in a file.

mod approve;
mod arguments;
mod card;
mod changes;
mod diff;
mod list;
mod merge;
mod propose;
mod remarks;
mod said;
mod server;
mod shown;

use std::path::Path;

use crate::cli::Cli;
use crate::commands::Exit;
use crate::policies::told;
pub(crate) use arguments::Tools;

/// Runs one of the commands.
pub(crate) fn command(cli: &Cli, data: &Path, command: &Tools) -> anyhow::Result<Exit> {
    let done = match command {
        Tools::List => list::list(cli, data).map(Ok),
        Tools::Propose { file, server } => propose::propose(cli, data, file, server).map(Ok),
        Tools::Diff { file, server } => diff::command(cli, data, file, server).map(Ok),
        Tools::Card { file, agent } => card::command(cli, data, file, agent).map(Ok),
        Tools::Approve { file, server, yes } => approve::approve(cli, data, file, server, *yes),
    };
    done.unwrap_or_else(|problems| Ok(told(cli, &problems)))
}
