//! One record of the journal: an entry and its encrypted content, with enough around them to tell a torn write from damage.
//!
//! ```text
//! "PEv1"  entry length u32  content length u32  index u64  durable u64  check u32  entry  content     (big endian)
//! ```
//! `check` is the CRC-32 of everything else: it is against torn writes. Against people there are the tree and the commitments, and a
//! checksum that anybody can compute would add nothing. `durable` says how many entries were known to be fsynced when the
//! record was written: a record that cannot be read, but that a later one calls durable, was damaged and not torn.

use std::ops::Range;

use crc32fast::Hasher;
use evidence::MAX_ENTRY;

const MAGIC: &[u8; 4] = b"PEv1";

/// Bytes before the entry.
pub(crate) const HEAD: usize = 32;

/// Most bytes of content, encrypted.
pub(crate) const MAX_CONTENT: usize = 16 * 1024 * 1024;

/// The parts of a record, as ranges of the bytes that were scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) index: u64,
    pub(crate) durable: u64,
    pub(crate) entry: Range<usize>,
    pub(crate) content: Range<usize>,
}

impl Record {
    /// One past its last byte.
    pub(crate) const fn end(&self) -> usize {
        self.content.end
    }
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A sound record.
    Sound(Record),
    /// The bytes end before the record does.
    Short,
    /// Not a record, or one whose check is wrong.
    Broken(&'static str),
}

/// Appends a record to `out`.
pub(crate) fn write(out: &mut Vec<u8>, index: u64, durable: u64, entry: &[u8], content: &[u8]) {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    for length in [entry.len(), content.len()] {
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
    out.extend_from_slice(&index.to_be_bytes());
    out.extend_from_slice(&durable.to_be_bytes());
    let check = check(out.get(start..).unwrap_or_default(), entry, content);
    out.extend_from_slice(&check);
    out.extend_from_slice(entry);
    out.extend_from_slice(content);
}

/// Reads the record at `start`.
pub(crate) fn read(bytes: &[u8], start: usize) -> Found {
    let Some(head) = bytes.get(start..).and_then(<[u8]>::first_chunk::<HEAD>) else { return Found::Short };
    let Some(lengths) = lengths(head) else { return Found::Broken("no record begins here") };
    let (entry_length, content_length) = lengths;
    let entry_start = start.saturating_add(HEAD);
    let entry = entry_start..entry_start.saturating_add(entry_length);
    let content = entry.end..entry.end.saturating_add(content_length);
    let (Some(entry_bytes), Some(content_bytes)) = (bytes.get(entry.clone()), bytes.get(content.clone())) else {
        return Found::Short;
    };
    let (fields, claimed) = head.split_at(HEAD - 4);
    if check(fields, entry_bytes, content_bytes) != claimed {
        return Found::Broken("the record's checksum is wrong");
    }
    Found::Sound(Record { index: number(head, 12), durable: number(head, 20), entry, content })
}

/// The index and the entry of the record at `start`, without looking at its check: for records that were checked before.
pub(crate) fn entry(bytes: &[u8], start: usize) -> Option<(u64, &[u8])> {
    let head = bytes.get(start..)?.first_chunk::<HEAD>()?;
    let (entry_length, _) = lengths(head)?;
    let entry = bytes.get(start.saturating_add(HEAD)..)?.get(..entry_length)?;
    Some((number(head, 12), entry))
}

/// The length of the record whose first [`HEAD`] bytes these are, if it is one.
pub(crate) fn length(head: &[u8]) -> Option<usize> {
    let (entry, content) = lengths(head.first_chunk::<HEAD>()?)?;
    Some(HEAD.saturating_add(entry).saturating_add(content))
}

/// Places behind `start` at which a record might begin.
pub(crate) fn candidates(bytes: &[u8], start: usize) -> impl Iterator<Item = usize> {
    let rest = bytes.get(start..).unwrap_or_default();
    let is_magic = |(_, window): &(usize, &[u8])| window == MAGIC;
    rest.windows(MAGIC.len()).enumerate().filter(is_magic).map(move |(at, _)| start.saturating_add(at))
}

fn lengths(head: &[u8; HEAD]) -> Option<(usize, usize)> {
    let word = |at: usize| {
        let bytes = head.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    };
    let (entry, content) = (word(4)?, word(8)?);
    (head.starts_with(MAGIC) && entry <= MAX_ENTRY && content <= MAX_CONTENT).then_some((entry, content))
}

fn number(head: &[u8; HEAD], at: usize) -> u64 {
    head.get(at..).and_then(<[u8]>::first_chunk::<8>).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn check(fields: &[u8], entry: &[u8], content: &[u8]) -> [u8; 4] {
    let mut check = Hasher::new();
    for part in [fields, entry, content] {
        check.update(part);
    }
    check.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Found, read, write};

    #[test]
    fn a_record_reads_back_and_nothing_else_does() {
        let mut bytes = b"before".to_vec();
        write(&mut bytes, 7, 3, b"entry", b"content");
        let Found::Sound(record) = read(&bytes, 6) else { panic!("not sound") };
        assert_eq!((record.index, record.durable, record.end()), (7, 3, bytes.len()));
        assert_eq!((&bytes[record.entry], &bytes[record.content]), (&b"entry"[..], &b"content"[..]));
        for cut in 6..bytes.len() {
            assert_eq!(read(&bytes[..cut], 6), Found::Short, "{cut}");
        }
        for at in 6..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 4;
            assert!(!matches!(read(&altered, 6), Found::Sound(_)), "{at}");
        }
    }
}
