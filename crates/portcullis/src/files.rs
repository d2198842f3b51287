//! Files that people and the gate share: the configuration's folder, credential files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use config::{Source, SourceError};

/// Makes the data folder, for its owner only.
pub(crate) fn create_folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("cannot make `{}`", path.display()))
}

/// Writes files that must not exist yet; paths are relative to `folder`.
pub(crate) fn write_new(folder: &Path, files: &BTreeMap<String, String>) -> anyhow::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            create_folder(parent)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path)
            .with_context(|| format!("cannot write `{}` (an existing file is never overwritten)", path.display()))?;
        file.write_all(text.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

/// Replaces a file that holds credentials: 0600, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    fs::remove_file(&temporary).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Replaces a file that people write, whole or not at all; its permissions stay.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let written = fs::write(&temporary, bytes)
        .and_then(|()| fs::set_permissions(&temporary, fs::metadata(path)?.permissions()))
        .and_then(|()| fs::rename(&temporary, path));
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

/// Replaces or makes a file that people write, whole or not at all, also if the machine stops meanwhile. Its permissions stay.
pub(crate) fn replace_or_make(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    fs::remove_file(&temporary).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    // Made anew: what somebody else has put there is not written through.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| match fs::metadata(path) {
            Ok(metadata) => file.set_permissions(metadata.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Reads `KEY=VALUE` lines.
pub(crate) fn read_env(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Whether others than the owner can read a file.
pub(crate) fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & forbidden(path) != 0)
}

/// The permission bits that a file with a secret must not have.
fn forbidden(path: &Path) -> u32 {
    // Of what systemd hands over, the group's bits are the mask of an access list that names the gate's user alone.
    let handed = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
    let is_handed = handed.is_some_and(|folder| path.parent() == Some(Path::new(&folder)) && !is_open(Path::new(&folder)));
    if is_handed { 0o037 } else { 0o077 }
}

/// Whether everybody may enter a folder.
fn is_open(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

/// Permission bits of a file, if it is there.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

/// Free bytes where a file lies.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The configuration's folder on disk.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The configuration in `root`.
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Source for Folder {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        read_bounded(&self.root.join(path), limit).map_err(|error| SourceError(error.to_string()))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SourceError(error.to_string())),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| SourceError(error.to_string()))?;
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read_secret(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        read_private(&self.root.join(path), limit).map_err(|error| SourceError(error.to_string()))
    }
}

/// The configuration's folder, with a note of every file that was read as configuration. Files that hold secrets are not noted.
#[derive(Debug)]
pub(crate) struct Noting {
    folder: Folder,
    read: Mutex<BTreeSet<String>>,
}

impl Noting {
    /// The configuration in `root`.
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { folder: Folder::new(root), read: Mutex::new(BTreeSet::new()) }
    }

    /// What was read, by path relative to the folder.
    pub(crate) fn noted(self) -> BTreeSet<String> {
        self.read.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Noting {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        let bytes = self.folder.read(path, limit)?;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        self.folder.list(folder)
    }

    fn read_secret(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        self.folder.read_secret(path, limit)
    }
}

/// Reads a text that people name.
pub(crate) fn read_text(path: &Path, limit: usize) -> anyhow::Result<String> {
    String::from_utf8(read_bounded(path, limit)?).map_err(|_| anyhow::anyhow!("not valid UTF-8"))
}

/// Reads a secret that people hand to a command: from a file that only its owner can read.
pub(crate) fn read_secret_file(path: &Path) -> anyhow::Result<String> {
    if is_exposed(path) {
        bail!("others can read `{}`: run `chmod 600 {}`", path.display(), path.display());
    }
    let bytes = read_bounded(path, 64 << 10).with_context(|| format!("cannot read `{}`", path.display()))?;
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("`{}` is not text", path.display()))
}

/// Reads a file that holds a secret; one that others can read is refused.
pub(crate) fn read_private(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    read_file(path, limit, true)
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    read_file(path, limit, false)
}

fn read_file(path: &Path, limit: usize, is_private: bool) -> io::Result<Vec<u8>> {
    // Not to wait for a writer of a pipe.
    let file = OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a file"));
    }
    // Of the very file that is read, not of whatever stood there a moment ago.
    if is_private && metadata.permissions().mode() & forbidden(path) != 0 {
        return Err(io::Error::other("others can read it; make it 0600"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Refuses a data folder that belongs to somebody else.
pub(crate) fn check_owner(path: &Path) -> anyhow::Result<()> {
    let owner =
        fs::metadata(path).with_context(|| format!("`{}` is not there: make it with `portcullis init`", path.display()))?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        bail!("`{}` belongs to user {owner}, and the gate runs as {}", path.display(), rustix::process::geteuid().as_raw());
    }
    Ok(())
}
