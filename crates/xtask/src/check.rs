//! What must hold before a change lands, besides the tests.

use anyhow::Result;

use crate::table::table;
use crate::{layers, run, schema, sizes, status};

/// Runs every check, also after one has failed, and prints a table.
pub(crate) fn check() -> Result<bool> {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut all = true;
    let mut note = |name: &str, result: Result<bool>| {
        let (word, why) = match result {
            Ok(true) => ("ok", String::new()),
            Ok(false) => ("FAILED", "see above".to_owned()),
            Err(error) => ("FAILED", format!("{error:#}").lines().next().unwrap_or_default().to_owned()),
        };
        all &= word == "ok";
        rows.push([name.to_owned(), word.to_owned(), why]);
    };
    note("fmt", cargo("fmt", &["fmt", "--all", "--check"], None));
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    note("clippy", cargo("clippy", &clippy, None));
    let doc = ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
    note("doc", cargo("doc", &doc, Some("-D warnings")));
    note("layers", started("layers", layers::layers));
    note("sizes", started("sizes", sizes::sizes));
    note("schema", started("schema", || schema::schema(true)));
    note("status", started("status", || status::status(true)));
    if run::has_cargo("deny") {
        let deny = ["deny", "--offline", "check", "bans", "licenses", "sources"];
        note("deny", cargo("deny", &deny, None));
    } else {
        rows.push(["deny".to_owned(), "not run".to_owned(), "cargo-deny is not installed here (optional)".to_owned()]);
    }
    println!("\n{}", table(["check", "result", "why"], &rows));
    Ok(all)
}

fn started(name: &str, check: impl FnOnce() -> Result<bool>) -> Result<bool> {
    println!("\n[check] {name}");
    check()
}

fn cargo(name: &str, arguments: &[&str], rustdocflags: Option<&str>) -> Result<bool> {
    started(name, || {
        let mut command = run::cargo();
        command.args(arguments);
        if let Some(flags) = rustdocflags {
            command.env("RUSTDOCFLAGS", flags);
        }
        Ok(run::tee(&mut command)?.ok)
    })
}
