//! `portcullis tools approve`: what a server says now becomes what is approved, after somebody has looked at it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::diff::{Compared, Row, Standing};
use super::gate::Heard;
use super::merge::merged;
use super::said::{MAX_BYTES, Said};
use super::server::{Server, declared, known};
use super::shown::{ascii, name};
use crate::bring::Problems;
use crate::cli::Cli;
use crate::commands::Exit;
use crate::files;
use crate::output;
use crate::scan::visible;

/// Shows the difference, asks, and writes the definitions of declared tools. What is wrong with files is told, and nothing written.
pub(super) fn approve(cli: &Cli, data: &Path, heard: &Heard, named: &str, yes: bool) -> Result<anyhow::Result<Exit>, Problems> {
    let declared = declared(data)?;
    let server = Server::named(data, &declared, named)?;
    let said = &heard.said;
    let mut compared = Compared::new(named, &server, said, &known(&declared, named, said));
    compared.warnings.splice(0..0, heard.warnings.iter().cloned());
    // With --json, standard output is for the one document at the end.
    let tell = |line: &str| if cli.json { output::note(line) } else { output::line(line) };
    compared.warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    compared.lines(named).iter().for_each(|line| tell(line));
    let wanted = wanted(&compared, said);
    let definitions = visible(&server.declared.definitions);
    if wanted.is_empty() {
        tell_written(cli, named, &compared, &definitions, None);
        return Ok(Ok(Exit::Ok));
    }
    let bytes = merged(server.bytes.as_deref(), &wanted).map_err(|what| vec![format!("{definitions}: {what}")])?;
    if bytes.len() > MAX_BYTES {
        return Err(vec![format!("{definitions}: it would be larger than {MAX_BYTES} bytes; nothing was written")]);
    }
    Ok(confirmed(yes, heard.is_input, wanted.len(), &definitions).and_then(|is_confirmed| {
        if !is_confirmed {
            output::note("not approved; nothing was written");
            return Ok(Exit::Failure);
        }
        let before = write(&server, &bytes)?;
        tell_written(cli, named, &compared, &definitions, Some(before.as_deref()));
        Ok(Exit::Ok)
    }))
}

/// The definitions that are brought in, as the server's file has them.
fn wanted<'s>(compared: &'s Compared, said: &'s Said) -> BTreeMap<&'s str, &'s str> {
    let rows = compared.rows.iter().filter(|row| row.is_to_write());
    rows.filter_map(|row| Some((row.tool.as_str(), said.tools.get(&row.tool)?.lexeme.as_str()))).collect()
}

/// Whether somebody has said yes.
fn confirmed(yes: bool, is_input: bool, n_wanted: usize, definitions: &str) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if is_input || !io::stdin().is_terminal() {
        bail!("nobody is there to say yes, and nothing was written: look at what `portcullis tools diff` shows, then add --yes");
    }
    output::note(&format!("Approve {} in `{definitions}`? Type `yes`:", definitions_of(n_wanted)));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

fn definitions_of(count: usize) -> String {
    if count == 1 { "this 1 definition".to_owned() } else { format!("these {count} definitions") }
}

/// Writes the file whole or not at all; the one before stays beside it. Gives where that is.
fn write(server: &Server, bytes: &[u8]) -> anyhow::Result<Option<PathBuf>> {
    let shown = visible(&server.path.to_string_lossy());
    let Some(before) = &server.bytes else {
        if fs::symlink_metadata(&server.path).is_ok() {
            bail!("`{shown}` was made meanwhile, and nothing was written: look at the difference again");
        }
        if let Some(folder) = server.path.parent() {
            files::create_folder(folder)?;
        }
        files::replace_or_make(&server.path, bytes).with_context(|| format!("cannot write `{shown}`"))?;
        return Ok(None);
    };
    // A link stays one.
    let path = match server.path.is_symlink() {
        true => fs::canonicalize(&server.path).with_context(|| format!("cannot find `{shown}`"))?,
        false => server.path.clone(),
    };
    let now = files::read_bounded(&path, MAX_BYTES).with_context(|| format!("cannot read `{shown}`"))?;
    if now != *before {
        bail!("`{shown}` was changed meanwhile, and nothing was written: look at the difference again");
    }
    let mut kept = path.clone().into_os_string();
    kept.push(".before");
    let kept = PathBuf::from(kept);
    files::replace_or_make(&kept, before).with_context(|| format!("cannot keep `{shown}` as it was; nothing was written"))?;
    files::replace_or_make(&path, bytes).with_context(|| format!("cannot write `{shown}`"))?;
    Ok(Some(kept))
}

/// Says what was done, and what comes next. `kept` is `None` if nothing was written.
fn tell_written(cli: &Cli, named: &str, compared: &Compared, definitions: &str, kept: Option<Option<&Path>>) {
    let written: Vec<&str> =
        compared.rows.iter().filter(|row| kept.is_some() && row.is_to_write()).map(|row| row.tool.as_str()).collect();
    let before = kept.flatten().map(|path| path.to_string_lossy().into_owned());
    if cli.json {
        let document = json!({"server": named, "definitions": definitions, "written": written, "before": before});
        output::line(&ascii(&document.to_string()));
    } else if kept.is_none() {
        output::line("nothing to write");
    } else {
        let beside = before.map(|path| format!("; as it was: {}", visible(&path))).unwrap_or_default();
        output::line(&format!(
            "\nwrote {} of {} into {definitions}{beside}\nnothing is in force yet: portcullis check, then portcullis apply",
            if written.len() == 1 { "1 definition".to_owned() } else { format!("{} definitions", written.len()) },
            name(named)
        ));
    }
    hints(&compared.rows).iter().for_each(|hint| output::note(hint));
}

/// What approving leaves as it is.
fn hints(rows: &[Row]) -> Vec<String> {
    let named = |is_meant: &dyn Fn(&Row) -> bool| {
        let names: Vec<String> = rows.iter().filter(|row| is_meant(row)).map(|row| format!("`{}`", name(&row.tool))).collect();
        names.join(", ")
    };
    let mut hints = Vec::new();
    let mut hint = |names: String, what: &str| {
        if !names.is_empty() {
            hints.push(format!("left as it is: {names}: {what}"));
        }
    };
    hint(
        named(&|row| !row.is_withdrawn && row.standing == Standing::Gone),
        "the server does not name it; `withdrawn: true` in portcullis.yaml denies it",
    );
    hint(
        named(&|row| !row.is_withdrawn && matches!(row.standing, Standing::Refused(_))),
        "what the server says cannot be pinned, so what was approved stays",
    );
    hint(named(&|row| row.is_withdrawn && row.standing != Standing::Same), "it is withdrawn");
    hint(
        named(&|row| row.standing == Standing::New),
        "declare it under `tools` in portcullis.yaml to approve it (portcullis tools propose)",
    );
    hints
}
