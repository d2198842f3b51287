//! Making an archive: everything below one signed checkpoint, read once and written once.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use evidence::{TILE_WIDTH, bundle_path, decode_bundle, encode_bundle, tile_path};
use model::UnixMillis;

use crate::archive::freeze::{Frozen, Seal, freeze};
use crate::archive::manifest::{CONFIG, FORM, KEYS, MANIFEST, Manifest, Measured, Member, SIGNATURE, longest};
use crate::archive::secret::{Passphrase, seal};
use crate::archive::{ArchiveError, Moved};
use crate::error::StoreError;
use crate::folder::lock;
use crate::journal::{read_segment, segment, segments};
use crate::layout::Layout;
use crate::migrate::format;
use crate::port::{DiskPort, FilePort};
use crate::record;
use crate::recover::inspect;
use crate::resume::read_whole;

/// What goes into an archive beside the log.
#[derive(Debug)]
pub struct Backup<'a> {
    /// The files that the configuration reads, relative to the folder, with `/`. No secrets.
    pub config: &'a [String],
    /// Takes the keys along, sealed under this.
    pub passphrase: Option<&'a Passphrase>,
    /// The version that makes the archive.
    pub version: &'a str,
    /// The time.
    pub now: UnixMillis,
}

/// Writes an archive of the folder to `out`. Holds the folder's lock if no gate does; else `seal` is called, which has the
/// gate seal its log. Blocks; memory is bounded by one segment of the journal and the list of members.
///
/// # Errors
/// [`ArchiveError`]; what was written until then is no archive.
pub fn backup(
    dir: &Path,
    out: &mut dyn Write,
    options: &Backup<'_>,
    seal_log: Seal<'_>,
    moved: &mut dyn FnMut(Moved),
) -> Result<Manifest, ArchiveError> {
    let layout = Layout::new(dir);
    if !layout.log().join("checkpoint").exists() {
        return Err(StoreError::NotInitialised(dir.to_path_buf()).into());
    }
    format(&layout)?;
    let held = match lock(&layout) {
        Ok(held) => Some(held),
        Err(StoreError::InUse(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let port = Arc::new(DiskPort::new(&layout.log()));
    let mut nobody = || Ok(());
    let frozen = freeze(&layout, &port, options.passphrase.is_some(), if held.is_some() { &mut nobody } else { seal_log })?;
    let mut pack = Pack { tar: tar::Builder::new(out), members: Vec::new(), bytes: 0, made: options.now, moved };
    if let Some(passphrase) = options.passphrase {
        pack.bytes(KEYS, &seal(&frozen.keys, passphrase, frozen.signer.name())?)?;
    }
    pack.configuration(dir, options.config)?;
    pack.log(&layout, port.as_ref(), &frozen)?;
    // Where nobody writes, what a crash has left behind the checkpoint comes along.
    let size = frozen.checkpoint.size;
    let end = if held.is_some() { inspect(port.as_ref(), size)?.next } else { size };
    pack.journal(&layout, port.as_ref(), end)?;
    pack.tiles(port.as_ref(), size)?;
    pack.bundles(&layout)?;
    let manifest = pack.finish(&frozen, options)?;
    drop(held);
    Ok(manifest)
}

struct Pack<'a> {
    tar: tar::Builder<&'a mut dyn Write>,
    members: Vec<Member>,
    bytes: u64,
    made: UnixMillis,
    moved: &'a mut dyn FnMut(Moved),
}

impl Pack<'_> {
    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.member(path, u64::try_from(bytes.len()).unwrap_or(u64::MAX), bytes)
    }

    fn member(&mut self, path: &str, length: u64, source: impl Read) -> Result<(), ArchiveError> {
        if longest(path).is_none_or(|longest| length > longest) {
            return Err(ArchiveError::damaged(path, format!("{length} bytes under this name do not fit into an archive")));
        }
        let failed = || ArchiveError::io("write", Path::new(path));
        let mut header = tar::Header::new_ustar();
        header.set_path(path).map_err(failed())?;
        header.set_size(length);
        header.set_mode(0o600);
        header.set_mtime(self.made.0 / 1000);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        let mut measured = Measured::new(source.take(length));
        self.tar.append(&header, &mut measured).map_err(failed())?;
        let (copied, sha256) = measured.end();
        if copied != length {
            return Err(ArchiveError::damaged(path, format!("{copied} of {length} bytes could be read")));
        }
        self.members.push(Member { path: path.to_owned(), length, sha256 });
        self.bytes = self.bytes.saturating_add(length);
        (self.moved)(Moved { bytes: self.bytes, of: None });
        Ok(())
    }

    fn configuration(&mut self, dir: &Path, paths: &[String]) -> Result<(), ArchiveError> {
        for path in paths {
            let from = dir.join(path);
            let bytes = fs::read(&from).map_err(ArchiveError::io("read", &from))?;
            self.bytes(&format!("{CONFIG}{path}"), &bytes)?;
        }
        Ok(())
    }

    /// The small files.
    fn log(&mut self, layout: &Layout, port: &DiskPort, frozen: &Frozen) -> Result<(), ArchiveError> {
        // Without it the folder is of the first format.
        if let Ok(format) = fs::read(layout.format()) {
            self.bytes("format", &format)?;
        }
        let verifier = read_whole(port, "verifier").ok_or_else(|| StoreError::damaged("log/verifier", "missing"))?;
        self.bytes("log/verifier", &verifier)?;
        self.bytes("log/checkpoint", &frozen.note)?;
        if let Some(resume) = &frozen.resume {
            self.bytes("log/resume", resume)?;
        }
        if frozen.subjects.is_empty() { Ok(()) } else { self.bytes("content/subjects", &frozen.subjects) }
    }

    /// Every entry below `end`. Segments that are followed by another do not change any more.
    fn journal(&mut self, layout: &Layout, port: &DiskPort, end: u64) -> Result<(), ArchiveError> {
        let firsts = segments(port)?;
        for (at, first) in firsts.iter().copied().enumerate().filter(|(at, first)| *first < end || *at == 0) {
            let name = segment(first);
            let path = format!("log/{name}");
            let is_whole = firsts.get(at.saturating_add(1)).is_some_and(|next| *next <= end);
            if is_whole {
                let from = layout.log().join(&name);
                let file = File::open(&from).map_err(ArchiveError::io("read", &from))?;
                let length = file.metadata().map_err(ArchiveError::io("read", &from))?.len();
                self.member(&path, length, file)?;
            } else {
                let bytes = read_segment(port, first)?;
                let length = length_of(&bytes, first, end)
                    .ok_or_else(|| StoreError::damaged(&path, format!("ends before entry {end}")))?;
                self.bytes(&path, bytes.get(..length).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// The tiles and bundles of a tree with `size` entries.
    fn tiles(&mut self, port: &DiskPort, size: u64) -> Result<(), ArchiveError> {
        for (index, width) in widths(size) {
            let part = |bytes: &[u8]| {
                let entries = decode_bundle(bytes).ok()?;
                let taken = entries.get(..usize::try_from(width).ok()?)?;
                encode_bundle(taken.iter().copied()).ok()
            };
            self.part(port, &bundle_path(index, width), width, &|width| bundle_path(index, width), &part)?;
        }
        let levels = (0..8_u8).map(|level| (level, size.checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0)));
        for (level, hashes) in levels.filter(|(_, hashes)| *hashes > 0) {
            for (index, width) in widths(hashes) {
                let part = |bytes: &[u8]| Some(bytes.get(..usize::try_from(width.saturating_mul(32)).ok()?)?.to_vec());
                self.part(port, &tile_path(level, index, width), width, &|width| tile_path(level, index, width), &part)?;
            }
        }
        Ok(())
    }

    /// A tile or bundle; if it has grown meanwhile, its beginning.
    fn part(
        &mut self,
        port: &DiskPort,
        path: &str,
        width: u64,
        path_of: &dyn Fn(u64) -> String,
        part: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<(), ArchiveError> {
        let exact = read_whole(port, path);
        let bytes = exact.or_else(|| (width..=TILE_WIDTH).rev().find_map(|width| part(&read_whole(port, &path_of(width))?)));
        let bytes = bytes.ok_or_else(|| StoreError::damaged(format!("log/{path}"), "missing"))?;
        self.bytes(&format!("log/{path}"), &bytes)
    }

    fn bundles(&mut self, layout: &Layout) -> Result<(), ArchiveError> {
        let port = DiskPort::new(&layout.bundles());
        let names = port.list("").map_err(ArchiveError::io("list", &layout.bundles()))?;
        for name in names.iter().filter(|name| name.ends_with(".json")) {
            let bytes = read_whole(&port, name).ok_or_else(|| StoreError::damaged(format!("bundles/{name}"), "missing"))?;
            self.bytes(&format!("bundles/{name}"), &bytes)?;
        }
        Ok(())
    }

    fn finish(mut self, frozen: &Frozen, options: &Backup<'_>) -> Result<Manifest, ArchiveError> {
        let manifest = Manifest {
            form: FORM,
            made: options.now,
            version: options.version.to_owned(),
            origin: frozen.signer.name().to_owned(),
            entries: frozen.checkpoint.size,
            has_keys: options.passphrase.is_some(),
            members: std::mem::take(&mut self.members),
        };
        let (bytes, signature) = manifest.sign(&frozen.signer)?;
        self.bytes(MANIFEST, &bytes)?;
        self.bytes(SIGNATURE, &signature)?;
        self.tar.finish().map_err(ArchiveError::io("write", Path::new(MANIFEST)))?;
        Ok(manifest)
    }
}

/// Indexes and widths of the tiles over `count` hashes.
fn widths(count: u64) -> impl Iterator<Item = (u64, u64)> {
    let full = count / TILE_WIDTH;
    let rest = count % TILE_WIDTH;
    (0..full).map(|index| (index, TILE_WIDTH)).chain((rest > 0).then_some((full, rest)))
}

/// The length of a segment's records below `end`.
fn length_of(bytes: &[u8], first: u64, end: u64) -> Option<usize> {
    let mut length = 0_usize;
    for _ in first..end {
        length = length.checked_add(record::length(bytes.get(length..)?)?)?;
    }
    (length <= bytes.len()).then_some(length)
}
