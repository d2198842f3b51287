//! `import`: a configuration from that of another gateway, and a report on every key that did not come along.

use std::path::Path;

use config::litellm::{Fate, Imported, Remark};
use serde_json::json;

use crate::commands::Exit;
use crate::files;
use crate::output;

/// Longest source.
const MAX_SOURCE: usize = 4 << 20;

/// From LiteLLM; writes files only where asked to.
pub(crate) fn litellm(file: &Path, target: Option<&Path>, json: bool) -> anyhow::Result<Exit> {
    let name = file.file_name().map_or_else(|| "config.yaml".to_owned(), |name| name.to_string_lossy().into_owned());
    let text = match files::read_text(file, MAX_SOURCE) {
        Ok(text) => text,
        Err(error) => return Ok(invalid(&[format!("{}: cannot be read: {error}", file.display())], json)),
    };
    let imported = match config::litellm::import(&name, &text) {
        Ok(imported) => imported,
        Err(problems) => return Ok(invalid(&problems.iter().map(ToString::to_string).collect::<Vec<_>>(), json)),
    };
    let is_empty = imported.n_models == 0;
    if let Some(folder) = target.filter(|_| !is_empty) {
        files::create_folder(folder)?;
        files::write_new(folder, &imported.files)?;
    }
    if json {
        let remarks: Vec<_> = imported.remarks.iter().map(row).collect();
        output::line(
            &json!({"models": imported.n_models, "variables": imported.variables, "written": target.filter(|_| !is_empty), "files": imported.files,
                "remarks": remarks})
            .to_string(),
        );
    } else {
        tell(&name, &imported, target.filter(|_| !is_empty));
    }
    if is_empty && !json {
        output::note("error: no model of this file can be served by the gate; nothing was written");
    }
    Ok(if is_empty { Exit::Invalid } else { Exit::Ok })
}

fn row(remark: &Remark) -> serde_json::Value {
    json!({"line": remark.line, "field": remark.field, "fate": remark.fate.as_str(), "message": remark.message})
}

fn tell(name: &str, imported: &Imported, target: Option<&Path>) {
    if target.is_none() {
        for (path, text) in imported.files.iter().filter(|(path, _)| !path.ends_with(".schema.json")) {
            output::line(&format!("# --- {path}\n{text}"));
        }
    }
    for Remark { line, field, fate, message } in &imported.remarks {
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        output::note(&format!("{name}:{line}: {:<7} {field}{message}", fate.as_str()));
    }
    let count = |fate: Fate| imported.remarks.iter().filter(|remark| remark.fate == fate).count();
    let mut words = format!(
        "\n{} models; {} keys taken over, {} with a difference, {} left",
        imported.n_models,
        count(Fate::Taken),
        count(Fate::Changed),
        count(Fate::Left)
    );
    if !imported.variables.is_empty() {
        let names: Vec<&str> = imported.variables.iter().map(String::as_str).collect();
        words.push_str(&format!("\n  set          {}", names.join(", ")));
    }
    if let Some(folder) = target {
        let folder = folder.display();
        words.push_str(&format!(
            "\n  wrote        {folder}/portcullis.yaml, {folder}/policies/imported.cedar\n  next         declare users, agents and services; then portcullis --data {folder} check, portcullis --data {folder} init"
        ));
    }
    output::note(&words);
}

fn invalid(problems: &[String], json: bool) -> Exit {
    if json {
        output::line(&json!({"problems": problems}).to_string());
    } else {
        problems.iter().for_each(|problem| output::note(problem));
    }
    Exit::Invalid
}
