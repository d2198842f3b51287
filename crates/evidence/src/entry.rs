//! The leaf: one version byte, then the header as compact JSON with a fixed order of fields.

use crate::header::Header;

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
    let Some((&FORMAT, json)) = bytes.split_first() else {
        return Err(EntryError::Version(bytes.first().copied()));
    };
    let header: Header = serde_json::from_slice(json).map_err(|error| EntryError::Header(error.to_string()))?;
    if encode(&header)? != bytes {
        return Err(EntryError::NotCanonical);
    }
    Ok(header)
}
