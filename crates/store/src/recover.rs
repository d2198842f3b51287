//! What a start makes of the end of the journal: a torn write is cut, damage is refused.

use crate::error::StoreError;
use crate::journal::{read_segment, segment, segments};
use crate::port::FilePort;
use crate::record::{self, Found};

/// Where writing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Index of the next entry.
    pub(crate) next: u64,
    /// First entry of the segment that is written next.
    pub(crate) first: u64,
    /// Length of that segment.
    pub(crate) length: u64,
    /// What was cut off.
    pub(crate) cut: Option<Cut>,
    /// How: the segment that is cut, the length that stays, and the segments behind it.
    plan: Option<(u64, usize, Vec<u64>)>,
}

/// A torn end that was cut off. It was never called durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// In which file, at which byte.
    pub place: String,
    /// How many bytes, over all segments.
    pub bytes: u64,
}

/// Reads the journal from the segment that holds entry `sealed`, where `sealed` entries are under a signed checkpoint.
///
/// A crash leaves a prefix of the last write, and a loss of power may leave holes in everything that was not fsynced yet.
/// Neither was ever called durable, so the first record that does not read ends the log, and what follows is cut. If however
/// the checkpoint or a later record says that this entry *was* durable, then somebody or something altered it since: that is
/// no crash, and nothing is cut.
pub(crate) fn recover(port: &dyn FilePort, sealed: u64) -> Result<Recovered, StoreError> {
    let recovered = inspect(port, sealed)?;
    if let Some((first, end, behind)) = &recovered.plan {
        cut(port, *first, *end, behind)?;
    }
    Ok(recovered)
}

/// As [`recover`], without cutting anything.
pub(crate) fn inspect(port: &dyn FilePort, sealed: u64) -> Result<Recovered, StoreError> {
    let all = segments(port)?;
    let begin = all.iter().copied().take_while(|first| *first <= sealed).last().unwrap_or(0);
    let mut next = begin;
    let mut last = (begin, 0_u64);
    let mut pending = all.into_iter().filter(|first| *first >= begin).peekable();
    while let Some(first) = pending.next() {
        let bytes = read_segment(port, first)?;
        let (end, reason) = if first == next { walk(&bytes, &mut next) } else { (0, "does not continue the segment before") };
        let is_whole = end == bytes.len() && first <= next && reason.is_empty();
        if is_whole {
            last = (first, u64::try_from(end).unwrap_or(u64::MAX));
            continue;
        }
        let place = format!("log/{}, byte {end}", segment(first));
        let mut bytes_cut = u64::try_from(bytes.len().saturating_sub(end)).unwrap_or(u64::MAX);
        refuse_if_durable(&bytes, end, next, &place, reason)?;
        let behind: Vec<u64> = pending.collect();
        for later in &behind {
            let bytes = read_segment(port, *later)?;
            bytes_cut = bytes_cut.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            refuse_if_durable(&bytes, 0, next, &place, reason)?;
        }
        refuse_if_sealed(sealed, next, &place, reason)?;
        let plan = Some((first, end, behind));
        let length = u64::try_from(end).unwrap_or(u64::MAX);
        let (first, length) = if end == 0 { last } else { (first, length) };
        return Ok(Recovered { next, first, length, cut: Some(Cut { place, bytes: bytes_cut }), plan });
    }
    refuse_if_sealed(sealed, next, &format!("log/{}", segment(last.0)), "ends too early")?;
    Ok(Recovered { next, first: last.0, length: last.1, cut: None, plan: None })
}

/// Walks over sound records; gives the end of the last one, and why the walk ended there if it is not the end.
fn walk(bytes: &[u8], next: &mut u64) -> (usize, &'static str) {
    let mut end = 0;
    while end < bytes.len() {
        match record::read(bytes, end) {
            Found::Sound(record) if record.index == *next => {
                end = record.end();
                *next = next.saturating_add(1);
            }
            Found::Sound(_) => return (end, "the entry does not continue the log"),
            Found::Short => return (end, "the record is torn"),
            Found::Broken(what) => return (end, what),
        }
    }
    (end, "")
}

/// Looks behind the place for a sound record that calls entry `next` durable.
fn refuse_if_durable(bytes: &[u8], start: usize, next: u64, place: &str, reason: &str) -> Result<(), StoreError> {
    for candidate in record::candidates(bytes, start) {
        match record::read(bytes, candidate) {
            Found::Sound(record) if record.durable > next => {
                let what = format!("entry {next} cannot be read ({reason}), and entry {} says that it was durable", record.index);
                return Err(StoreError::damaged(place, what));
            }
            Found::Sound(_) | Found::Short | Found::Broken(_) => {}
        }
    }
    Ok(())
}

fn refuse_if_sealed(sealed: u64, next: u64, place: &str, reason: &str) -> Result<(), StoreError> {
    if next >= sealed {
        return Ok(());
    }
    let what = format!("entry {next} cannot be read ({reason}), but the signed checkpoint covers {sealed} entries");
    Err(StoreError::damaged(place, what))
}

/// Later segments go first: a crash in between leaves what the next start cuts again.
fn cut(port: &dyn FilePort, first: u64, end: usize, behind: &[u64]) -> Result<(), StoreError> {
    let failed = |first: u64| move |source| StoreError::Io { act: "cut", path: segment(first).into(), source };
    for later in behind.iter().rev() {
        port.remove(&segment(*later)).map_err(failed(*later))?;
    }
    match u64::try_from(end).unwrap_or(u64::MAX) {
        0 if first > 0 => port.remove(&segment(first)).map_err(failed(first)),
        length => port.truncate(&segment(first), length).map_err(failed(first)),
    }
}
