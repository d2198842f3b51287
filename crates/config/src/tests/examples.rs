//! Every file under `examples` loads.

use std::fs;
use std::path::{Path, PathBuf};

use super::env;
use crate::{Config, Source, SourceError};

/// A folder on disk.
pub(super) struct Folder(pub(super) PathBuf);

impl Source for Folder {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        let bytes = fs::read(self.0.join(path)).map_err(|error| SourceError(error.to_string()))?;
        if bytes.len() > limit { Err(SourceError("too large".to_owned())) } else { Ok(bytes) }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        let Ok(entries) = fs::read_dir(self.0.join(folder)) else { return Ok(Vec::new()) };
        Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn read_secret(&self, _path: &str, _limit: usize) -> Result<Vec<u8>, SourceError> {
        Ok(b"Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1e\n".to_vec())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

pub(super) fn examples() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn every_example_loads_and_says_what_it_warns_of() {
    let mut n_loaded = 0;
    for folder in examples() {
        let main = fs::read_to_string(folder.join("portcullis.yaml")).unwrap();
        let first = main.lines().next().unwrap();
        assert_eq!(first, "# yaml-language-server: $schema=../../schema/portcullis.schema.json", "{}", folder.display());
        match Config::load(&Folder(folder.clone()), &env) {
            Ok((config, warnings)) => {
                // An example that weakens the gate says so in its text.
                assert!(warnings.is_empty() || main.contains("danger:"), "{}: {warnings:?}", folder.display());
                assert!(!config.bundle.policies.is_empty(), "{}", folder.display());
            }
            Err(problems) => panic!("{}:\n{}", folder.display(), super::lines(&problems).join("\n")),
        }
        n_loaded += 1;
    }
    assert!(n_loaded >= 3, "only {n_loaded} examples were found");
}

/// A policy file that no configuration names would rot.
#[test]
fn every_policy_of_an_example_is_loaded() {
    for folder in examples() {
        let (config, _) = Config::load(&Folder(folder.clone()), &env).unwrap();
        let mut on_disk = Folder(folder.clone()).list("policies").unwrap();
        // What they are tested with stands beside them.
        on_disk.retain(|name| !name.ends_with(".cases.md") && name != "matrix.golden");
        let loaded = config.bundle.policies.keys().filter(|name| name.starts_with("policies/")).count();
        assert_eq!(loaded, on_disk.len(), "{}", folder.display());
    }
}
