//! The leaf: one version byte, then the header as compact JSON with a fixed order of fields.

use model::{RequestId, UnixMillis, Verdict};
use serde::Deserialize;

use crate::header::{EntryKind, Header, Observed, is_awaited};

/// The version byte of this format.
pub const FORMAT: u8 = 1;

/// Longest entry in bytes.
///
//= https://c2sp.org/tlog-tiles#log-entries
//# Entry bundles are sequences of big-endian uint16 length-prefixed log entries.
pub const MAX_ENTRY: usize = 65_535;

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The version byte is another one.
    #[error("an entry begins with version byte {FORMAT}, found {0:?}")]
    Version(Option<u8>),
    /// The header cannot be read.
    #[error("the header cannot be read: {0}")]
    Header(String),
    /// The header reads, but these are not the bytes that would be written for it.
    #[error("the header is not in canonical form")]
    NotCanonical,
    /// The entry is too long for a leaf.
    #[error("the entry has {0} bytes, a leaf holds at most {MAX_ENTRY}")]
    TooLarge(usize),
}

/// Writes an entry.
///
/// # Errors
/// [`EntryError::TooLarge`] above [`MAX_ENTRY`] bytes.
pub fn encode(header: &Header) -> Result<Vec<u8>, EntryError> {
    let mut bytes = Vec::with_capacity(640);
    bytes.push(FORMAT);
    serde_json::to_writer(&mut bytes, header).map_err(|error| EntryError::Header(error.to_string()))?;
    if bytes.len() > MAX_ENTRY {
        return Err(EntryError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// Reads an entry. Unknown or repeated fields, another order and other spacing are refused: one header has one form, so two
/// readers can never see two things in one leaf.
///
/// # Errors
/// [`EntryError`].
pub fn decode(bytes: &[u8]) -> Result<Header, EntryError> {
    let header = decode_trusted(bytes)?;
    if encode(&header)? != bytes {
        return Err(EntryError::NotCanonical);
    }
    Ok(header)
}

/// Reads an entry that this very process, or the log's own start, has checked before: faster, and not strict.
///
/// # Errors
/// [`EntryError`] when it is not an entry at all.
pub fn decode_trusted(bytes: &[u8]) -> Result<Header, EntryError> {
    serde_json::from_slice(json(bytes)?).map_err(|error| EntryError::Header(error.to_string()))
}

/// What a reader needs who follows calls from intent to outcome, and what they add to ledgers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    /// What the entry tells.
    pub kind: EntryKind,
    /// When it was drafted.
    pub at: UnixMillis,
    /// The interaction.
    pub request: Option<RequestId>,
    /// As [`Header::expects_outcome`].
    pub expects_outcome: bool,
    /// What is added to ledgers.
    pub observed: Vec<Observed>,
}

impl From<&Header> for Peek {
    fn from(header: &Header) -> Self {
        Self {
            kind: header.kind,
            at: header.at,
            request: header.request,
            expects_outcome: header.expects_outcome(),
            observed: header.observed.clone(),
        }
    }
}

/// Reads only what [`Peek`] holds, of an entry that was checked before.
///
/// # Errors
/// [`EntryError`] when it is not an entry at all.
pub fn peek(bytes: &[u8]) -> Result<Peek, EntryError> {
    #[derive(Deserialize)]
    struct Fields {
        kind: EntryKind,
        at: UnixMillis,
        request: Option<RequestId>,
        verdict: Option<Verdict>,
        #[serde(default)]
        notes: Vec<String>,
        #[serde(default)]
        observed: Vec<Observed>,
    }
    let fields: Fields = serde_json::from_slice(json(bytes)?).map_err(|error| EntryError::Header(error.to_string()))?;
    let expects_outcome = is_awaited(fields.kind, fields.verdict, &fields.notes);
    Ok(Peek { kind: fields.kind, at: fields.at, request: fields.request, expects_outcome, observed: fields.observed })
}

fn json(bytes: &[u8]) -> Result<&[u8], EntryError> {
    match bytes.split_first() {
        Some((&FORMAT, json)) => Ok(json),
        _ => Err(EntryError::Version(bytes.first().copied())),
    }
}
