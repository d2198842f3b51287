//! Byte-span edits: replace chosen ranges, leave every other byte as it was.

use std::fmt;
use std::ops::Range;

/// Why edits cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// A range ends before it begins or beyond the bytes.
    #[error("the edit {start}..{end} lies outside the {length} bytes")]
    OutOfRange {
        /// First byte of the edit.
        start: usize,
        /// One past its last byte.
        end: usize,
        /// How many bytes there are.
        length: usize,
    },
    /// Two edits touch the same byte.
    #[error("two edits overlap at byte {at}")]
    Overlap {
        /// The first byte that both touch.
        at: usize,
    },
}

/// A set of edits over one byte string, in any order. Two edits may meet but not overlap; insertions (empty ranges) at the
/// same place stand in the order in which they were added.
#[derive(Clone, Default)]
pub struct Splices {
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl Splices {
    /// No edit.
    #[must_use]
    pub const fn new() -> Self {
        Self { edits: Vec::new() }
    }

    /// Puts `bytes` in the place of `range`.
    pub fn replace(&mut self, range: Range<usize>, bytes: impl Into<Vec<u8>>) {
        self.edits.push((range, bytes.into()));
    }

    /// Whether there is nothing to change.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// How many edits there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.edits.len()
    }

    /// `bytes` with every edit made.
    ///
    /// # Errors
    /// An edit outside of `bytes`, or two that overlap; nothing is applied then.
    pub fn apply(&self, bytes: &[u8]) -> Result<Vec<u8>, SpliceError> {
        let mut edits: Vec<&(Range<usize>, Vec<u8>)> = self.edits.iter().collect();
        edits.sort_by_key(|(range, _)| (range.start, range.end));
        let added: usize = edits.iter().map(|(_, new)| new.len()).sum();
        let mut result = Vec::with_capacity(bytes.len().saturating_add(added));
        let mut copied = 0;
        for (range, new) in edits {
            let outside = || SpliceError::OutOfRange { start: range.start, end: range.end, length: bytes.len() };
            if range.end > bytes.len() || range.start > range.end {
                return Err(outside());
            }
            if range.start < copied {
                return Err(SpliceError::Overlap { at: range.start });
            }
            result.extend_from_slice(bytes.get(copied..range.start).ok_or_else(outside)?);
            result.extend_from_slice(new);
            copied = range.end;
        }
        result.extend_from_slice(bytes.get(copied..).unwrap_or_default());
        Ok(result)
    }
}

impl fmt::Debug for Splices {
    /// Ranges and lengths only, never content.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.edits.iter().map(|(range, new)| (range, new.len()))).finish()
    }
}
