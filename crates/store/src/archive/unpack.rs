//! A folder from an archive: unpacked beside its place, verified in every respect, and only then put in place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evidence::LogVerifier;
use model::UnixMillis;

use crate::archive::manifest::{CONFIG, KEYS, MANIFEST, Manifest, Measured, Member, SIGNATURE, longest};
use crate::archive::secret::{Keys, Passphrase, open as open_keys, read_keys, write_keys};
use crate::archive::{ArchiveError, Moved};
use crate::audit::{Audit, Report};
use crate::keys::random;
use crate::layout::{Layout, sync_folder};
use crate::options::Options;
use crate::store::Store;

/// One block of a tar archive; two of them, zeroed, end it.
const BLOCK: u64 = 512;

/// How to restore.
#[derive(Debug)]
pub struct Restore<'a> {
    /// Opens the keys in the archive.
    pub passphrase: Option<&'a Passphrase>,
    /// Leaves the keys in the archive alone.
    pub without_keys: bool,
    /// Takes the key files in this folder.
    pub keys: Option<&'a Path>,
    /// The log's public key as its auditors have kept it; without it the archive is only held against itself.
    pub trusted: Option<&'a str>,
    /// Does everything but put the folder in place.
    pub dry_run: bool,
    /// The length of the archive, for those who wait.
    pub length: Option<u64>,
    /// The version that restores.
    pub version: &'a str,
    /// The time.
    pub now: UnixMillis,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the archive said of itself.
    pub manifest: Manifest,
    /// What verifying the log in it has found; no problems.
    pub report: Report,
    /// Whether the folder has its keys; without them no gate can start on it.
    pub has_keys: bool,
}

/// Makes the folder `dir` from an archive. Blocks; memory is bounded by the manifest.
///
/// # Errors
/// [`ArchiveError`]; there is then nothing at `dir` that was not there before.
pub fn restore(
    archive: &mut dyn Read,
    dir: &Path,
    options: &Restore<'_>,
    moved: &mut dyn FnMut(Moved),
) -> Result<Restored, ArchiveError> {
    refuse_occupied(dir)?;
    let stage = Stage::new(dir)?;
    let mut unpack = Unpack { root: &stage.0, options, seen: Vec::new(), keys: None, manifest: None, signature: None };
    unpack.read(archive, moved)?;
    let (manifest, sealed) = unpack.check()?;
    let has_keys = place_keys(&stage.0, sealed.as_deref(), &manifest, options)?;
    let audit = Audit::open_offline(&stage.0, options.trusted)?;
    let report = if has_keys { audit.verify() } else { audit.verify_without_keys() };
    drop(audit);
    if !report.problems.is_empty() {
        return Err(ArchiveError::Unsound(report.problems));
    }
    if has_keys {
        open_once(&stage.0, &manifest, options)?;
    }
    if !options.dry_run {
        stage.put_in_place(dir)?;
    }
    Ok(Restored { manifest, report, has_keys })
}

/// Whoever finds a folder with less in it than he remembers finds in its log why.
fn open_once(stage: &Path, manifest: &Manifest, options: &Restore<'_>) -> Result<(), ArchiveError> {
    let now = options.now;
    let opened =
        Store::open(stage, Options { version: options.version.to_owned(), clock: Arc::new(move || now), ..Options::default() })?;
    opened.note(format!("restored: from an archive of {} with {} entries", manifest.made.0, manifest.entries))?;
    opened.close()?;
    Ok(())
}

/// Puts keys into the folder, if there are any.
fn place_keys(stage: &Path, sealed: Option<&[u8]>, manifest: &Manifest, options: &Restore<'_>) -> Result<bool, ArchiveError> {
    let keys = match (options.keys, sealed) {
        (Some(folder), _) => read_keys(folder)?,
        (None, Some(_)) if options.without_keys => Keys::new(),
        (None, Some(sealed)) => {
            let passphrase = options.passphrase.ok_or(ArchiveError::PassphraseMissing)?;
            open_keys(sealed, passphrase, &manifest.origin)?
        }
        (None, None) => Keys::new(),
    };
    Layout::new(stage).create()?;
    write_keys(&stage.join("keys"), &keys)?;
    Ok(!keys.is_empty())
}

fn refuse_occupied(dir: &Path) -> Result<(), ArchiveError> {
    match fs::read_dir(dir) {
        Ok(mut items) => match items.next() {
            None => Ok(()),
            Some(_) => Err(ArchiveError::Occupied(dir.to_path_buf())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(ArchiveError::Occupied(dir.to_path_buf())),
        Err(error) => Err(ArchiveError::io("look into", dir)(error)),
    }
}

/// The folder while it is made, on the file system of its place; removed unless it was put there.
struct Stage(PathBuf);

impl Stage {
    fn new(dir: &Path) -> Result<Self, ArchiveError> {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(parent).map_err(ArchiveError::io("make", parent))?;
        let name = dir.file_name().map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned());
        let stage = parent.join(format!(".{name}.restore-{}", hex::encode(random::<8>()?)));
        fs::DirBuilder::new().mode(0o700).create(&stage).map_err(ArchiveError::io("make", &stage))?;
        Ok(Self(stage))
    }

    /// Makes everything durable, then moves it: there is the whole folder or none.
    fn put_in_place(self, dir: &Path) -> Result<(), ArchiveError> {
        let root = File::open(&self.0).map_err(ArchiveError::io("open", &self.0))?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&root).map_err(|error| ArchiveError::io("sync", &self.0)(error.into()))?;
        root.sync_all().map_err(ArchiveError::io("sync", &self.0))?;
        // A folder is only ever moved over an empty one.
        fs::rename(&self.0, dir).map_err(ArchiveError::io("put in place", dir))?;
        sync_folder(dir).map_err(ArchiveError::io("sync", dir))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %self.0.display(), "an unfinished restore cannot be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Counts what is read.
struct Counted<'a> {
    inner: &'a mut dyn Read,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

struct Unpack<'a> {
    root: &'a Path,
    options: &'a Restore<'a>,
    seen: Vec<Member>,
    keys: Option<Vec<u8>>,
    manifest: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

impl Unpack<'_> {
    /// Reads every member; refuses what no archive of ours holds.
    fn read(&mut self, archive: &mut dyn Read, moved: &mut dyn FnMut(Moved)) -> Result<(), ArchiveError> {
        let mut counted = Counted { inner: archive, bytes: 0 };
        let mut end = 0_u64;
        let mut tar = tar::Archive::new(&mut counted);
        // Raw: extensions of the format are not followed, and as members they are refused.
        let entries = tar.entries().map_err(|error| at(end, error.to_string()))?.raw(true);
        for entry in entries {
            let mut entry = entry.map_err(|error| at(end, error.to_string()))?;
            self.member(&mut entry, end)?;
            let length = entry.size();
            end = entry.raw_file_position().saturating_add(length.div_ceil(BLOCK).saturating_mul(BLOCK));
            moved(Moved { bytes: end, of: self.options.length });
        }
        if self.signature.is_none() {
            return Err(at(end, "it ends without its manifest: cut off, or not made by `portcullis backup`"));
        }
        let limit = BLOCK.saturating_mul(4);
        io::copy(&mut (&mut counted).take(limit), &mut io::sink()).map_err(|error| at(end, error.to_string()))?;
        match counted.bytes.checked_sub(end.saturating_add(BLOCK.saturating_mul(2))) {
            Some(0) => Ok(()),
            Some(_) => Err(at(end, "there is something behind its end")),
            None => Err(at(end, "its end is cut off")),
        }
    }

    fn member(&mut self, entry: &mut tar::Entry<'_, impl Read>, position: u64) -> Result<(), ArchiveError> {
        let path =
            String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| at(position, "a member without a readable name"))?;
        let wrong = |what: String| ArchiveError::damaged(format!("`{}` at byte {position}", path.escape_debug()), what);
        let length = entry.size();
        let longest = longest(&path).ok_or_else(|| wrong("no archive has a member of this name".to_owned()))?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(wrong("not a plain file".to_owned()));
        }
        if length > longest {
            return Err(wrong(format!("{length} bytes, at most {longest} are expected")));
        }
        if self.signature.is_some() || (self.manifest.is_some() && path != SIGNATURE) {
            return Err(wrong("it stands behind the manifest".to_owned()));
        }
        if path == KEYS && self.options.passphrase.is_none() && self.options.keys.is_none() && !self.options.without_keys {
            return Err(ArchiveError::PassphraseMissing);
        }
        let mut measured = Measured::new(entry);
        match path.as_str() {
            KEYS => self.keys = Some(whole(&mut measured).map_err(|error| wrong(error.to_string()))?),
            MANIFEST => self.manifest = Some(whole(&mut measured).map_err(|error| wrong(error.to_string()))?),
            SIGNATURE => self.signature = Some(whole(&mut measured).map_err(|error| wrong(error.to_string()))?),
            _ => self.file(&path, &mut measured).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => wrong("it stands twice".to_owned()),
                io::ErrorKind::UnexpectedEof => wrong("it is cut off".to_owned()),
                _ => ArchiveError::io("write", &self.root.join(&path))(error),
            })?,
        }
        let (copied, sha256) = measured.end();
        if copied != length {
            return Err(wrong(format!("it is cut off: {copied} of {length} bytes")));
        }
        if path != MANIFEST && path != SIGNATURE {
            self.seen.push(Member { path, length, sha256 });
        }
        Ok(())
    }

    fn file(&self, path: &str, source: &mut dyn Read) -> io::Result<()> {
        let (path, mode) = match path.strip_prefix(CONFIG) {
            Some(path) => (path, 0o644),
            None if path == "log/verifier" => (path, 0o644),
            None => (path, 0o600),
        };
        let target = self.root.join(path);
        if let Some(folder) = target.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&target)?;
        io::copy(source, &mut file).map(|_| ())
    }

    /// Holds what was read against what the manifest says, and the manifest against the log's key.
    fn check(self) -> Result<(Manifest, Option<Vec<u8>>), ArchiveError> {
        let path = Layout::new(self.root).log().join("verifier");
        let text = match self.options.trusted {
            Some(text) => text.to_owned(),
            None => fs::read_to_string(path).map_err(|_| ArchiveError::damaged("log/verifier", "missing"))?,
        };
        let verifier = LogVerifier::parse(&text).map_err(|error| ArchiveError::damaged("log/verifier", error.to_string()))?;
        let (bytes, signature) = (self.manifest.unwrap_or_default(), self.signature.unwrap_or_default());
        let manifest = Manifest::open(&bytes, &signature, &verifier)?;
        for (read, told) in self.seen.iter().zip(&manifest.members) {
            if read.path != told.path {
                return Err(ArchiveError::damaged(&read.path, format!("the manifest says that `{}` stands here", told.path)));
            }
            if read != told {
                return Err(ArchiveError::damaged(&read.path, "its bytes are not those that the manifest names: it was altered"));
            }
        }
        match (self.seen.len(), manifest.members.len()) {
            (read, told) if read == told => Ok((manifest, self.keys)),
            (read, told) => Err(ArchiveError::damaged(MANIFEST, format!("it names {told} members, there are {read}"))),
        }
    }
}

fn at(position: u64, what: impl Into<String>) -> ArchiveError {
    ArchiveError::damaged(format!("byte {position}"), what)
}

/// Bounded by the longest length of its name.
fn whole(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(bytes)
}
