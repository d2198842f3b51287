//! `portcullis tools`: what is approved of tool servers, what they say now, and how one becomes the other. Nothing here connects to a
//! tool server: what it says comes in a file, or the running gate asks it.

mod annotate;
mod approve;
mod arguments;
mod card;
mod changes;
mod diff;
mod gate;
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
pub(crate) async fn command(cli: &Cli, data: &Path, command: &Tools) -> anyhow::Result<Exit> {
    let done = match command {
        Tools::List => list::list(cli, data, &gate::known(data).await).map(Ok),
        Tools::Annotate { server, write } => annotate::command(cli, data, server.as_deref(), write.as_deref()),
        Tools::Release { tool, reason } => return gate::release(cli, data, tool, reason).await,
        Tools::Propose { file, server } => propose::propose(cli, data, file, server).map(Ok),
        Tools::Diff { file, server } => {
            let heard = gate::heard(data, file.as_ref(), server).await;
            heard.and_then(|heard| diff::command(cli, data, &heard, server)).map(Ok)
        }
        Tools::Card { file, agent } => card::command(cli, data, file, agent).map(Ok),
        Tools::Approve { file, server, yes } => {
            let heard = gate::heard(data, file.as_ref(), server).await;
            heard.and_then(|heard| approve::approve(cli, data, &heard, server, *yes))
        }
    };
    done.unwrap_or_else(|problems| Ok(told(cli, &problems)))
}
