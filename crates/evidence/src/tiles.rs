//! Where tiles and entry bundles lie, and how a bundle is written (C2SP tlog-tiles).

use crate::entry::MAX_ENTRY;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// The path of a hash tile below the log's folder; `width` below 256 names a partial tile.
#[must_use]
pub fn tile_path(level: u8, index: u64, width: u64) -> String {
    format!("tile/{level}/{}", indexed(index, width))
}

/// The path of an entry bundle below the log's folder; `width` below 256 names a partial bundle.
#[must_use]
pub fn bundle_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}", indexed(index, width))
}

//= https://c2sp.org/tlog-tiles#merkle-tree
//# All but the last path element MUST begin with an `x`.
fn indexed(index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH { format!("{path}.p/{width}") } else { path }
}

/// Why bytes are not a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It ends within an entry.
    #[error("the bundle ends within its entry {0}")]
    Short(u64),
    /// It holds more entries than a bundle may.
    #[error("the bundle holds more than {TILE_WIDTH} entries")]
    TooMany,
    /// An entry is too long for its length prefix.
    #[error("an entry of {0} bytes does not fit a bundle")]
    TooLarge(usize),
}

/// Writes a bundle.
///
/// # Errors
/// [`BundleError::TooLarge`] for an entry above [`MAX_ENTRY`] bytes.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLarge(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Reads a bundle.
///
/// # Errors
/// [`BundleError`] when it ends within an entry or holds more than 256.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let position = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if position >= TILE_WIDTH {
            return Err(BundleError::TooMany);
        }
        let (length, tail) = rest.split_first_chunk::<2>().ok_or(BundleError::Short(position))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail.split_at_checked(length).ok_or(BundleError::Short(position))?;
        entries.push(entry);
        rest = tail;
    }
    Ok(entries)
}

const _: () = assert!(MAX_ENTRY == 0xFFFF, "the length prefix has 16 bits");

#[cfg(test)]
mod tests {
    use super::{BundleError, bundle_path, decode_bundle, encode_bundle, tile_path};

    /// The example of the specification, and the borders.
    #[test]
    fn paths() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(3, 0, 1), "tile/3/000.p/1");
        assert_eq!(bundle_path(999, 255), "tile/entries/999.p/255");
        assert_eq!(bundle_path(1000, 256), "tile/entries/x001/000");
    }

    #[test]
    fn bundles_read_back() {
        let entries: [&[u8]; 3] = [b"a", b"", b"ccc"];
        let bytes = encode_bundle(entries).unwrap();
        assert_eq!(decode_bundle(&bytes).unwrap(), entries);
        assert_eq!(decode_bundle(&bytes[..bytes.len() - 1]), Err(BundleError::Short(2)));
        let many = encode_bundle(vec![&b""[..]; 257]).unwrap();
        assert_eq!(decode_bundle(&many), Err(BundleError::TooMany));
        assert_eq!(encode_bundle([vec![0; 65_536].as_slice()]), Err(BundleError::TooLarge(65_536)));
    }
}
