//! Declared tool servers, with the definitions that are approved of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use config::DeclaredServer;
use mcp::Known;

use super::said::{MAX_BYTES, Said};
use super::shown::name;
use crate::bring::Problems;
use crate::files::{self, Folder};
use crate::scan::visible;

/// Every declared server, by name.
pub(super) type Declared = BTreeMap<String, DeclaredServer>;

/// One server of the folder's configuration.
#[derive(Debug)]
pub(super) struct Server {
    /// What the main file says of it.
    pub(super) declared: DeclaredServer,
    /// Its file of definitions.
    pub(super) path: PathBuf,
    /// What stands in that file; `None` if there is none.
    pub(super) bytes: Option<Vec<u8>>,
    /// The definitions in it.
    pub(super) approved: Said,
}

impl Server {
    /// Reads one server's file of definitions. That it is not there yet is no problem here.
    pub(super) fn read(data: &Path, declared: &DeclaredServer) -> Result<Self, Problems> {
        let path = data.join(&declared.definitions);
        let called = visible(&declared.definitions);
        let bytes = match files::read_bounded(&path, MAX_BYTES) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(vec![format!("`{called}` cannot be read: {error}")]),
        };
        let approved = bytes.as_deref().map(Said::read).transpose().map_err(|what| vec![format!("{called}: {what}")])?;
        let approved = approved.unwrap_or_default();
        if approved.is_whole_answer {
            let what = "it holds a whole JSON-RPC answer: only the `result` in it belongs there";
            return Err(vec![format!("{called}: {what}")]);
        }
        Ok(Self { declared: declared.clone(), path, bytes, approved })
    }

    /// The server that is called so.
    pub(super) fn named(data: &Path, declared: &Declared, named: &str) -> Result<Self, Problems> {
        let Some(server) = declared.get(named) else {
            let near = rulefile::suggestion(named, declared.keys().map(String::as_str));
            let hint = "`portcullis tools propose` makes a section to begin with";
            return Err(vec![format!("portcullis.yaml declares no tool server `{}`{}; {hint}", name(named), visible(&near))]);
        };
        Self::read(data, server)
    }
}

/// What the folder's main file declares.
pub(super) fn declared(data: &Path) -> Result<Declared, Problems> {
    let source = Folder::new(data.to_owned());
    config::declared_tool_servers(&source).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The tools of every server, with those that one says to have now.
pub(super) fn known(declared: &Declared, server: &str, said: &Said) -> Known {
    let approved = declared.iter().flat_map(|(server, at)| at.tools.keys().map(move |tool| (server.as_str(), tool.as_str())));
    let now = said.tools.keys().map(|tool| (server, tool.as_str()));
    // Twice in the list would be told twice.
    let all: std::collections::BTreeSet<(&str, &str)> = approved.chain(now).collect();
    Known::new(all)
}
