//! The format of a data folder, and the steps from an older one to this one. Forward only.
//!
//! `DIR/format` says `portcullis-data+N`; a folder without it is of format 1. Each step leaves the folder in the older format or
//! in the newer one, whenever it is broken off, and keeps a copy of what it writes anew. A folder of a newer format is refused:
//! what this version does not know it could only damage.

use std::fs;
use std::path::Path;

use crate::error::StoreError;
use crate::keys::KeyProvider;
use crate::layout::{Layout, write_atomic};
use crate::wrapped::{unwrap, wrap};

/// The format that this version reads and writes.
pub(crate) const FORMAT: u32 = 2;

const NAME: &str = "portcullis-data+";

/// One step to the next format.
struct Step {
    from: u32,
    run: fn(&Layout, &dyn KeyProvider) -> Result<(), StoreError>,
}

/// Every step, in order.
const STEPS: [Step; 1] = [Step { from: 1, run: subjects_name_their_last_day }];

/// The format of a folder.
///
/// # Errors
/// [`StoreError`] when `format` is something else, or says that the folder is of a newer one.
pub(crate) fn format(layout: &Layout) -> Result<u32, StoreError> {
    let path = layout.format();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(1),
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    };
    let number = text.trim_end().strip_prefix(NAME).and_then(|number| number.parse::<u32>().ok()).filter(|number| *number > 0);
    match number {
        Some(found) if found > FORMAT => Err(StoreError::Newer { path: layout.root().to_path_buf(), found, known: FORMAT }),
        Some(found) => Ok(found),
        None => Err(StoreError::damaged("format", format!("expected `{NAME}N`"))),
    }
}

/// Writes down the format.
pub(crate) fn write_format(layout: &Layout, format: u32) -> Result<(), StoreError> {
    let path = layout.format();
    write_atomic(&path, format!("{NAME}{format}\n").as_bytes(), 0o600).map_err(StoreError::io("write", &path))
}

/// Brings a locked folder to this version's format; gives the one that it had, if it was older.
pub(crate) fn migrate(layout: &Layout, keys: &dyn KeyProvider) -> Result<Option<u32>, StoreError> {
    let found = format(layout)?;
    for Step { from, run } in STEPS.iter().filter(|step| step.from >= found) {
        run(layout, keys)?;
        write_format(layout, from.saturating_add(1))?;
    }
    Ok((found < FORMAT).then_some(found))
}

/// 1 to 2: every line of `content/subjects` says until when its key seals; those that are there have no end.
fn subjects_name_their_last_day(layout: &Layout, keys: &dyn KeyProvider) -> Result<(), StoreError> {
    let path = layout.subjects();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    };
    keep(&path, &bytes, 1)?;
    let epochs = keys.content()?;
    let mut lines = Vec::new();
    // A line without an end is a torn write; its key was never used.
    for (number, line) in (1_u32..).zip(bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))) {
        let damaged = |what: String| StoreError::damaged(format!("content/subjects, line {number}"), what);
        let (key, epoch) = unwrap(line, &epochs).map_err(damaged)?;
        let epoch = epochs.iter().find(|known| known.id == epoch);
        lines.extend_from_slice(&wrap(&key, epoch.ok_or_else(|| damaged("its content key is not there".to_owned()))?)?);
    }
    write_atomic(&path, &lines, 0o600).map_err(StoreError::io("write", &path))
}

/// Keeps a copy beside the file, unless an earlier attempt has.
fn keep(path: &Path, bytes: &[u8], format: u32) -> Result<(), StoreError> {
    let copy = path.with_added_extension(format!("format-{format}"));
    if copy.exists() { Ok(()) } else { write_atomic(&copy, bytes, 0o600).map_err(StoreError::io("write", &copy)) }
}
