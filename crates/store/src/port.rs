//! The few things that the log asks of a disk, as a trait: a test can fill it, break it, or cut its power.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::layout::{sync_folder, write_atomic, write_beside};

/// A folder of files. Names are relative, with `/`.
pub trait FilePort: Send + Sync + std::fmt::Debug {
    /// Appends to a file; makes it if it is not there. One call, one write.
    ///
    /// # Errors
    /// Whatever the system says; the file may then hold a part of `bytes`.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything that was appended to the file, and the file's own entry, survives a loss of power.
    ///
    /// # Errors
    /// Whatever the system says; nothing that was not synced before may then be relied on.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Reads up to `length` bytes from `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// The length of a file; `None` if it is not there.
    ///
    /// # Errors
    /// Whatever the system says.
    fn length(&self, name: &str) -> io::Result<Option<u64>>;

    /// Cuts a file off; a file that is not there has length 0.
    ///
    /// # Errors
    /// Whatever the system says.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;

    /// Writes a whole file whose content never changes; there, and durable, after the next [`FilePort::replace`].
    ///
    /// # Errors
    /// Whatever the system says.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Replaces a whole file: after a crash it holds the old bytes or the new, after the return the new. Everything that was
    /// [`FilePort::put`] before is durable too.
    ///
    /// # Errors
    /// Whatever the system says.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file, if it is there, durably.
    ///
    /// # Errors
    /// Whatever the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Removes a folder with everything in it, if it is there.
    ///
    /// # Errors
    /// Whatever the system says.
    fn remove_folder(&self, name: &str) -> io::Result<()>;

    /// The names of the files in a folder, sorted; without its sub-folders.
    ///
    /// # Errors
    /// Whatever the system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Bytes that may still be written.
    ///
    /// # Errors
    /// Whatever the system says.
    fn free(&self) -> io::Result<u64>;
}

/// A real folder.
#[derive(Debug)]
pub struct DiskPort {
    root: PathBuf,
    open: Mutex<HashMap<String, Arc<File>>>,
    /// Files for appending that were opened, and those of them whose folder was not synced since.
    known: Mutex<HashSet<PathBuf>>,
    new: Mutex<Vec<PathBuf>>,
    /// Folders in which something was put and that were not synced yet.
    touched: Mutex<Vec<PathBuf>>,
    /// Files that were put and are not there yet.
    put: Mutex<Vec<Put>>,
}

/// A file that was written beside its place.
#[derive(Debug)]
struct Put {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

/// Most files that wait for being made durable together.
const MAX_PUT: usize = 512;

/// Most files kept open: the segment being written and the one before.
const MAX_OPEN: usize = 4;

impl DiskPort {
    /// The folder `root`, which must exist.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            open: Mutex::default(),
            known: Mutex::default(),
            new: Mutex::default(),
            touched: Mutex::default(),
            put: Mutex::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A file for appending; the folder's entry of one that is opened for the first time becomes durable with its first sync.
    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(name) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(name);
        let file = Arc::new(fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?);
        // One that is there may have come shortly before the process ended last time.
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
            self.new.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        }
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        open.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn prepare(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            // Every folder that has to be made is an entry in the one above it.
            for missing in folder.ancestors().take_while(|folder| !folder.is_dir()) {
                self.touch(missing.parent());
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            self.touch(Some(folder));
        }
        Ok(path)
    }

    fn touch(&self, folder: Option<&Path>) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folder.filter(|folder| !touched.iter().any(|known| known == folder)) {
            touched.push(folder.to_path_buf());
        }
    }
}

/// Makes every file durable, then moves each to its place: after a loss of power there is no half of one. After a failure none is
/// kept: what could not be made durable once may be lost, and whoever put it puts it again.
fn settle(put: &mut Vec<Put>) -> io::Result<()> {
    let put = std::mem::take(put);
    // All are on their way to the disk before the first is waited for: the file system then commits once, and not for each.
    #[cfg(target_os = "linux")]
    for Put { file, .. } in &put {
        if rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).is_err() {
            break;
        }
    }
    for Put { file, .. } in &put {
        file.sync_all()?;
    }
    for Put { temporary, path, .. } in put {
        fs::rename(temporary, path)?;
    }
    Ok(())
}

impl FilePort for DiskPort {
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(name)?;
        (&*file).write_all(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.file(name)?.sync_data()?;
        let path = self.path(name);
        let is_new = self.new.lock().unwrap_or_else(PoisonError::into_inner).contains(&path);
        if is_new {
            sync_folder(&path)?;
            self.new.lock().unwrap_or_else(PoisonError::into_inner).retain(|new| *new != path);
        }
        Ok(())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(name))?;
        let mut bytes = vec![0; length];
        let mut n_read = 0;
        while let Some(rest) = bytes.get_mut(n_read..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(n_read).unwrap_or(u64::MAX));
            match file.read_at(rest, at)? {
                0 => break,
                more => n_read = n_read.saturating_add(more),
            }
        }
        bytes.truncate(n_read);
        Ok(bytes)
    }

    fn length(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(name)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        if self.length(name)?.is_none() && length == 0 {
            return Ok(());
        }
        let file = self.file(name)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.prepare(name)?;
        let (file, temporary) = write_beside(&path, bytes, 0o600)?;
        let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        put.retain(|known| known.path != path);
        put.push(Put { file, temporary, path });
        if put.len() >= MAX_PUT { settle(&mut put) } else { Ok(()) }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.prepare(name)?;
        settle(&mut self.put.lock().unwrap_or_else(PoisonError::into_inner))?;
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in touched.iter().filter(|folder| folder.is_dir()) {
            File::open(folder)?.sync_all()?;
        }
        touched.clear();
        drop(touched);
        write_atomic(&path, bytes, 0o600)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(self.path(folder))? {
            let item = item?;
            if item.file_type()?.is_file() {
                names.extend(item.file_name().to_str().map(ToOwned::to_owned));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn free(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.root)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}
