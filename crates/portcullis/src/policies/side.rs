//! One side of a comparison: a folder with a configuration, or a bundle that was in force.

use std::fs;
use std::path::{Path, PathBuf};

use evidence::sha256;
use model::Bundle;

use super::Ready;
use crate::bring::{self, Problems};

/// Longest file of a bundle in bytes.
const MAX_BUNDLE: u64 = 256 << 20;
/// Fewest digits that name a bundle.
const MIN_DIGITS: usize = 8;

/// Reads what `named` names: a folder, a file of a bundle, or a bundle of `data` by its digest or the front of it.
pub(super) fn read(data: &Path, named: &str) -> Result<Ready, Problems> {
    let path = Path::new(named);
    if path.is_dir() {
        return Ready::read(path);
    }
    let path = if path.is_file() { path.to_owned() } else { of_digest(data, named)? };
    let bundle = bundle(&path).map_err(|what| vec![format!("`{}`: {what}", path.display())])?;
    let policies = bring::compile(&bundle)?;
    Ok(Ready { folder: path, bundle, policies })
}

/// The file of the one bundle whose digest begins like this.
fn of_digest(data: &Path, named: &str) -> Result<PathBuf, Problems> {
    let folder = data.join("bundles");
    let is_digest = named.len() >= MIN_DIGITS && named.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found: Vec<PathBuf> =
        fs::read_dir(&folder).map(|files| files.flatten().map(|file| file.path()).collect()).unwrap_or_default();
    let is_bundle = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let is_front = |stem: &str| stem.len() == 64 && stem.starts_with(&named.to_ascii_lowercase());
    let is_named = |path: &&PathBuf| is_bundle(path) && stem(path).is_some_and(is_front);
    let mut found: Vec<&PathBuf> = found.iter().filter(|_| is_digest).filter(is_named).collect();
    found.sort();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(vec![format!(
            "`{named}` is no folder, no file, and names no bundle of `{}`: write at least {MIN_DIGITS} digits of one that \
             `portcullis bundles` shows",
            folder.display()
        )]),
        _ => Err(vec![format!("`{named}` is the front of several bundles of `{}`: write more digits", folder.display())]),
    }
}

/// A bundle, held against the digest that its file is named by, if it is.
fn bundle(path: &Path) -> Result<Bundle, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_BUNDLE {
        return Err(format!("{length} bytes, a bundle has at most {MAX_BUNDLE}"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let named = stem(path).filter(|stem| stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if named.is_some_and(|named| sha256(&bytes).to_string() != named) {
        return Err("it was altered: its content does not have the digest that it is named by".to_owned());
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("this is no bundle: {error}"))
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem().and_then(|stem| stem.to_str())
}
