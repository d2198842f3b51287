//! Files with too many production lines.
//!
//! A production line is any line of a `.rs` file that lies neither in a test file nor in a `#[cfg(test)]` item.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::spanned::Spanned;

use crate::run;

/// Most production lines a file may have without an entry.
const MOST: usize = 600;
/// The file of signed exceptions.
const EXCEPTIONS: &str = "sizes.toml";

/// One signed exception: `[[file]]` with `path`, `date` (YYYY-MM-DD) and `reason`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Exception {
    path: String,
    date: String,
    reason: String,
}

/// Prints the largest files; `false` if one is too large without an entry, or an entry is void.
pub(crate) fn sizes() -> Result<bool> {
    let root = run::root()?;
    let exceptions = match std::fs::read_to_string(root.join(EXCEPTIONS)) {
        Ok(text) => exceptions(&text)?,
        Err(_) => Vec::new(),
    };
    let mut sizes = Vec::new();
    for path in rust_files(&root.join("crates"))? {
        let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
        if !is_test_file(&name) {
            let text = std::fs::read_to_string(&path)?;
            sizes.push((production_lines(&text).with_context(|| name.clone())?, name));
        }
    }
    sizes.sort_by(|a, b| b.cmp(a));
    let mut ok = true;
    for (lines, name) in &sizes {
        let excepted = exceptions.iter().any(|entry| entry.path == *name);
        if *lines > MOST && !excepted {
            ok = false;
            println!("{name}: {lines} production lines, at most {MOST}: split it, or sign an entry in {EXCEPTIONS}");
        }
    }
    for entry in &exceptions {
        if !sizes.iter().any(|(lines, name)| *lines > MOST && *name == entry.path) {
            ok = false;
            println!("{EXCEPTIONS}: the entry for `{}` is no longer needed: remove it", entry.path);
        }
    }
    let total: usize = sizes.iter().map(|(lines, _)| lines).sum();
    println!("{} files, {total} production lines; largest:", sizes.len());
    for (lines, name) in sizes.iter().take(5) {
        println!("{lines:6}  {name}");
    }
    Ok(ok)
}

/// Every `.rs` file below a folder, sorted.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_test_file(name: &str) -> bool {
    name.split('/').any(|part| matches!(part, "tests" | "benches" | "examples" | "tests.rs"))
}

fn production_lines(text: &str) -> Result<usize> {
    let file = syn::parse_file(text)?;
    let in_tests: usize = file.items.iter().filter(|item| is_test_item(item)).map(item_lines).sum();
    Ok(text.lines().count().saturating_sub(in_tests))
}

fn item_lines(item: &syn::Item) -> usize {
    let span = item.span();
    (span.end().line + 1).saturating_sub(span.start().line)
}

fn is_test_item(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().trim() == "test")
    })
}

fn exceptions(text: &str) -> Result<Vec<Exception>> {
    let mut entries: Vec<Exception> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = || format!("{EXCEPTIONS}:{}", number + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "[[file]]" {
            entries.push(Exception::default());
            continue;
        }
        let (key, value) = line.split_once('=').with_context(|| format!("{}: expected `key = \"value\"`", at()))?;
        let value = value.trim().strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.with_context(|| format!("{}: expected a quoted value", at()))?.to_owned();
        let entry = entries.last_mut().with_context(|| format!("{}: expected `[[file]]` first", at()))?;
        match key.trim() {
            "path" => entry.path = value,
            "date" => entry.date = value,
            "reason" => entry.reason = value,
            other => bail!("{}: unknown key `{other}`, expected path, date or reason", at()),
        }
    }
    for entry in &entries {
        let dated = entry.date.len() == 10 && entry.date.split('-').count() == 3;
        if entry.path.is_empty() || !dated || entry.reason.split_whitespace().count() < 4 {
            bail!("{EXCEPTIONS}: `{}` needs a path, a date (YYYY-MM-DD) and a reason of at least four words", entry.path);
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::{exceptions, is_test_file, production_lines};

    #[test]
    fn test_items_do_not_count() {
        let text = "//! Docs.\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}\n";
        assert_eq!(production_lines(text).unwrap(), 4);
    }

    #[test]
    fn test_files_do_not_count() {
        for (name, expected) in [("crates/a/tests/b.rs", true), ("crates/a/src/b/tests.rs", true), ("crates/a/src/b.rs", false)] {
            assert_eq!(is_test_file(name), expected, "{name}");
        }
    }

    #[test]
    fn exceptions_are_dated_and_reasoned() {
        let good = "[[file]]\npath = \"a.rs\"\ndate = \"2026-11-21\"\nreason = \"one table, read top to bottom\"\n";
        assert_eq!(exceptions(good).unwrap().len(), 1);
        for bad in [
            "path = \"a.rs\"\n",
            "[[file]]\npath = \"a.rs\"\n",
            "[[file]]\npath = \"a.rs\"\ndate = \"2026-11-21\"\nreason = \"later\"\n",
            "[[file]]\nfile = \"a.rs\"\n",
        ] {
            assert!(exceptions(bad).is_err(), "{bad}");
        }
    }
}
