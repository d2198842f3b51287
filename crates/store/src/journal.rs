//! Reading the journal: segments of records, named by the index of their first entry.

use std::sync::Arc;

use crate::error::StoreError;
use crate::port::FilePort;
use crate::record::{self, Found};

/// A segment that has reached this length is followed by a new one. Small, so that a record in it is found by walking.
pub(crate) const SEGMENT_LIMIT: u64 = 16 * 1024 * 1024;

/// Bytes read at once.
const WINDOW: usize = 1024 * 1024;

/// The name of the segment that begins with entry `first`.
pub(crate) fn segment(first: u64) -> String {
    format!("journal/{first:020}.seg")
}

/// The first entries of all segments, ascending.
pub(crate) fn segments(port: &dyn FilePort) -> Result<Vec<u64>, StoreError> {
    let names = port.list("journal").map_err(read_error("journal"))?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(".seg")?.parse().ok()).collect())
}

/// Reads a whole segment.
pub(crate) fn read_segment(port: &dyn FilePort, first: u64) -> Result<Vec<u8>, StoreError> {
    let name = segment(first);
    let length = port.length(&name).map_err(read_error(&name))?.unwrap_or(0);
    port.read_at(&name, 0, usize::try_from(length).unwrap_or(usize::MAX)).map_err(read_error(&name))
}

pub(crate) fn read_error(name: &str) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
    let path = name.into();
    move |source| StoreError::Io { act: "read", path, source }
}

/// One entry with its encrypted content, read from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) index: u64,
    pub(crate) entry: Vec<u8>,
    pub(crate) content: Vec<u8>,
}

/// Walks the journal from an entry onwards, as far as it has been written.
#[derive(Debug)]
pub(crate) struct Follower {
    port: Arc<dyn FilePort>,
    /// First entry of the segment that is read.
    first: u64,
    /// Offset in the segment of the first byte of `window`.
    offset: u64,
    window: Vec<u8>,
    /// How much of `window` has been walked over.
    walked: usize,
    /// Entries that had been written when `window` was read. What stood behind them may have been a failed write, which is cut
    /// off and written over: it is read again.
    settled: u64,
    next: u64,
}

impl Follower {
    /// Stands before entry `index`.
    pub(crate) fn new(port: Arc<dyn FilePort>, index: u64) -> Result<Self, StoreError> {
        let first = segments(port.as_ref())?.into_iter().take_while(|first| *first <= index).last().unwrap_or(0);
        let mut follower = Self { port, first, offset: 0, window: Vec::new(), walked: 0, settled: 0, next: first };
        while follower.next < index {
            // Heads alone: the records on the way are not looked into.
            let Some(length) = follower.head(index)? else {
                return Err(follower.damaged(&format!("ends before entry {index}")));
            };
            follower.step(length);
        }
        Ok(follower)
    }

    /// The next entry below `limit`, which must have been written. Steps over a record whose checksum is wrong, after telling.
    pub(crate) fn read(&mut self, limit: u64) -> Result<Option<Item>, StoreError> {
        if self.next >= limit {
            return Ok(None);
        }
        let Some(length) = self.head(limit)? else {
            return Err(self.damaged(&format!("ends before entry {}", self.next)));
        };
        self.fill(length)?;
        let record = match record::read(&self.window, self.walked) {
            Found::Sound(record) if record.index == self.next => record,
            Found::Sound(record) => {
                return Err(self.damaged(&format!("entry {} stands where {} belongs", record.index, self.next)));
            }
            Found::Short => return Err(self.damaged(&format!("ends within entry {}", self.next))),
            Found::Broken(what) => {
                let error = self.damaged(&format!("entry {}: {what}", self.next));
                self.step(length);
                return Err(error);
            }
        };
        let bytes = |range: std::ops::Range<usize>| self.window.get(range).unwrap_or_default().to_vec();
        let item = Item { index: record.index, entry: bytes(record.entry), content: bytes(record.content) };
        self.step(length);
        Ok(Some(item))
    }

    /// As [`Follower::read`], without content and without the check: for what this process has written, or checked at its start.
    pub(crate) fn read_entry(&mut self, limit: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        if self.next >= limit {
            return Ok(None);
        }
        let Some(length) = self.head(limit)? else {
            return Err(self.damaged(&format!("ends before entry {}", self.next)));
        };
        self.fill(length)?;
        match record::entry(&self.window, self.walked) {
            Some((index, entry)) if index == self.next => {
                let found = (index, entry.to_vec());
                self.step(length);
                Ok(Some(found))
            }
            _ => Err(self.damaged(&format!("entry {}: another record stands here", self.next))),
        }
    }

    /// The length of the record ahead; moves on to the next segment at the end of one.
    fn head(&mut self, limit: u64) -> Result<Option<usize>, StoreError> {
        if self.next >= self.settled {
            self.window.truncate(self.walked);
            self.settled = limit;
        }
        self.fill(record::HEAD)?;
        let is_at_end = self.window.len() <= self.walked;
        if is_at_end && self.next > self.first {
            let name = segment(self.next);
            if self.port.length(&name).map_err(read_error(&name))?.is_some() {
                (self.first, self.offset, self.walked) = (self.next, 0, 0);
                self.window.clear();
                self.fill(record::HEAD)?;
            }
        }
        let Some(head) = self.window.get(self.walked..).filter(|head| head.len() >= record::HEAD) else { return Ok(None) };
        match record::length(head) {
            Some(length) => Ok(Some(length)),
            None => Err(self.damaged(&format!("entry {}: no record begins here", self.next))),
        }
    }

    fn step(&mut self, length: usize) {
        self.walked = self.walked.saturating_add(length);
        self.next = self.next.saturating_add(1);
    }

    /// Has at least `needed` bytes ahead in the window, unless the segment ends before.
    fn fill(&mut self, needed: usize) -> Result<(), StoreError> {
        if self.window.len().saturating_sub(self.walked) >= needed {
            return Ok(());
        }
        self.offset = self.offset.saturating_add(u64::try_from(self.walked).unwrap_or(u64::MAX));
        self.walked = 0;
        let name = segment(self.first);
        self.window = self.port.read_at(&name, self.offset, needed.max(WINDOW)).map_err(read_error(&name))?;
        Ok(())
    }

    fn damaged(&self, what: &str) -> StoreError {
        let at = self.offset.saturating_add(u64::try_from(self.walked).unwrap_or(0));
        StoreError::damaged(format!("log/{}, byte {at}", segment(self.first)), what)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Follower, segment};
    use crate::port::{DiskPort, FilePort as _};
    use crate::record;

    /// A failed write may leave whole records behind what was accepted. They are cut off, and others are written in their place.
    #[test]
    fn what_was_never_accepted_is_never_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("journal")).unwrap();
        let port = Arc::new(DiskPort::new(dir.path()));
        let write = |index: u64, entry: &[u8]| {
            let mut bytes = Vec::new();
            record::write(&mut bytes, index, 0, entry, b"content");
            port.append(&segment(0), &bytes).unwrap();
            bytes.len() as u64
        };
        let accepted = write(0, b"accepted");
        write(1, b"failed..");
        let mut trusting = Follower::new(Arc::clone(&port) as _, 0).unwrap();
        let mut checking = Follower::new(Arc::clone(&port) as _, 0).unwrap();
        assert_eq!(trusting.read_entry(1).unwrap(), Some((0, b"accepted".to_vec())));
        assert_eq!(checking.read(1).unwrap().unwrap().entry, b"accepted");
        assert_eq!(trusting.read_entry(1).unwrap(), None);
        port.truncate(&segment(0), accepted).unwrap();
        write(1, b"returned");
        assert_eq!(trusting.read_entry(2).unwrap(), Some((1, b"returned".to_vec())));
        assert_eq!(checking.read(2).unwrap().unwrap().entry, b"returned");
    }
}
