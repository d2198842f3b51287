//! `portcullis connect`: what a client needs to reach tool servers (and models) through the gate. Needs no running gate, and writes
//! no credential: what is written names the environment variable, or the question, that holds the client's key.

mod file;
mod form;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::files::{self, Folder};
use crate::output;
use crate::policies::told;
use crate::scan::visible;

/// Longest file of a client that is read, in bytes.
const MAX_FILE: usize = 1 << 20;

/// The clients whose configuration is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// Claude Code: `.mcp.json` of a project.
    Claude,
    /// Cursor: `.cursor/mcp.json` of a project.
    Cursor,
    /// Visual Studio Code: `.vscode/mcp.json` of a folder; it asks for the key.
    Vscode,
    /// Codex: lines for `~/.codex/config.toml`, models among them.
    Codex,
    /// A Python program with the official SDK.
    Python,
}

/// The command line.
#[derive(Debug, Args)]
#[command(
    after_help = "The key itself is written nowhere: make one with `portcullis key issue`, and put it into the environment of the client.

Exit codes: 0 printed or written, or nothing to write; 1 not written; 3 invalid input."
)]
pub(crate) struct Connect {
    /// The client.
    #[arg(value_enum)]
    client: Client,
    /// Only this tool server, or virtual server; may stand several times. Default: every virtual server; without one, every tool server
    /// that has an upstream.
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// The gate's address as the client reaches it.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7700")]
    url: String,
    /// The environment variable of the client that holds its key of the gate.
    #[arg(long, value_name = "NAME", default_value = "PORTCULLIS_KEY")]
    key_env: String,
    /// Write into the client's file below this folder, beside what stands there. The file as it was stays beside it (`.before`).
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// With --write: take the entries of the gate out again.
    #[arg(long, requires = "write")]
    remove: bool,
}

/// What is to be said to a client.
pub(crate) struct Wanted {
    /// Tool servers, sorted.
    servers: Vec<String>,
    url: String,
    key_env: String,
}

impl Wanted {
    /// Where a tool server is reached.
    fn address(&self, server: &str) -> String {
        if server == "mcp" { format!("{}/mcp", self.url) } else { format!("{}/mcp/{server}", self.url) }
    }
}

/// Runs it.
pub(crate) fn command(cli: &Cli, data: &Path, options: &Connect) -> anyhow::Result<Exit> {
    let wanted = match wanted(data, options) {
        Ok(wanted) => wanted,
        Err(problems) => return Ok(told(cli, &problems)),
    };
    match &options.write {
        None => {
            print(cli, options.client, &wanted);
            Ok(Exit::Ok)
        }
        Some(folder) => write(cli, options, folder, &wanted),
    }
}

/// What is asked for, as far as it makes sense.
fn wanted(data: &Path, options: &Connect) -> Result<Wanted, Problems> {
    let mut problems = Problems::new();
    let url = options.url.trim_end_matches('/').to_owned();
    if !is_address(&url) {
        problems.push(format!(
            "--url `{}`: expected such as `http://127.0.0.1:7700` or `https://gate.example`",
            visible(&options.url)
        ));
    }
    let is_word = |name: &str| {
        let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        starts_well && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !is_word(&options.key_env) {
        problems.push(format!("--key-env `{}` is no name of an environment variable", visible(&options.key_env)));
    }
    let folder = Folder::new(data.to_owned());
    let told = |problems: Vec<config::Problem>| problems.iter().map(ToString::to_string).collect::<Problems>();
    let declared = config::declared_tool_servers(&folder).map_err(told)?;
    let virtual_servers = config::declared_virtual_servers(&folder).map_err(told)?;
    let reached = declared.iter().filter(|(_, server)| server.upstream.is_some()).map(|(name, _)| name);
    let reached: Vec<&String> = reached.chain(&virtual_servers).collect();
    for named in &options.servers {
        if !reached.contains(&named) {
            let near = rulefile::suggestion(named, reached.iter().map(|name| name.as_str()));
            let what = "portcullis.yaml declares no tool server of this name that has an `upstream`";
            problems.push(format!("--server `{}`: {what}{}", visible(named), visible(&near)));
        }
    }
    if reached.is_empty() && options.client != Client::Codex {
        let what = "portcullis.yaml declares no tool server that has an `upstream`";
        problems.push(format!("{what}: docs/TOOLS.md says how to put one behind the gate"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let servers = match (options.servers.as_slice(), virtual_servers.as_slice()) {
        ([], []) => reached.into_iter().cloned().collect(),
        ([], all) => all.to_vec(),
        (named, _) => named.to_vec(),
    };
    Ok(Wanted { servers, url, key_env: options.key_env.clone() })
}

/// A scheme, a host and perhaps a port, and nothing else: it stands in files as it is.
fn is_address(url: &str) -> bool {
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    authority.is_some_and(|authority| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        !authority.is_empty() && authority.len() <= 255 && authority.bytes().all(is_plain)
    })
}

fn print(cli: &Cli, client: Client, wanted: &Wanted) {
    let (text, place) = (form::text(client, wanted), form::place(client));
    if cli.json {
        output::line(&json!({"client": form::name(client), "file": place, "content": text}).to_string());
        return;
    }
    output::line(text.trim_end());
    let into = place.map(|place| format!("for {place}; ")).unwrap_or_default();
    let shows = if client == Client::Vscode {
        "it asks for the key".to_owned()
    } else {
        format!("the key is read from ${}", wanted.key_env)
    };
    output::note(&format!("{into}{shows}"));
}

/// Brings the entries into the client's file, or takes them out.
fn write(cli: &Cli, options: &Connect, folder: &Path, wanted: &Wanted) -> anyhow::Result<Exit> {
    let Some(place) = form::place(options.client).filter(|_| form::is_json(options.client)) else {
        let what =
            format!("--write: `{}` has no file that is JSON: print it, and put it where you need it", form::name(options.client));
        return Ok(told(cli, &vec![what]));
    };
    let path = folder.join(place);
    let shown = visible(&path.to_string_lossy());
    let before = match files::read_bounded(&path, MAX_FILE) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Ok(told(cli, &vec![format!("`{shown}` cannot be read: {error}")])),
    };
    let changed = match file::changed(options.client, before.as_deref(), wanted, options.remove) {
        Ok(changed) => changed,
        Err(what) => return Ok(told(cli, &vec![format!("`{shown}`: {what}; nothing was written")])),
    };
    let Some(bytes) = changed else {
        tell(cli, &shown, false);
        return Ok(Exit::Ok);
    };
    if let Some(parent) = path.parent() {
        files::create_folder(parent)?;
    }
    if let Some(before) = before {
        let mut kept = path.clone().into_os_string();
        kept.push(".before");
        files::replace_or_make(Path::new(&kept), &before)
            .with_context(|| format!("cannot keep `{shown}` as it was; nothing was written"))?;
    }
    files::replace_or_make(&path, &bytes).with_context(|| format!("cannot write `{shown}`"))?;
    tell(cli, &shown, true);
    Ok(Exit::Ok)
}

fn tell(cli: &Cli, shown: &str, is_written: bool) {
    if cli.json {
        output::line(&json!({"file": shown, "written": is_written}).to_string());
    } else if is_written {
        output::line(&format!("wrote {shown}"));
    } else {
        output::line(&format!("{shown}: nothing to change"));
    }
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        let facts = [
            ("http://127.0.0.1:7700", true),
            ("https://gate.example", true),
            ("http://[::1]:7700", true),
            ("gate.example", false),
            ("https://gate.example/mcp", false),
            ("https://a@gate.example", false),
            ("https://", false),
            ("ftp://gate.example", false),
            ("https://gate\".example", false),
        ];
        for (url, expected) in facts {
            assert_eq!(is_address(url), expected, "{url}");
        }
    }
}
