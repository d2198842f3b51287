//! Where texts come from.

use std::borrow::Cow;
use std::path::Path;

use inspect::signal::TextKind;
use serde::Deserialize;
use serde_json::Value;

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 64;

/// One line of JSON Lines. Members that are not named here are somebody else's.
#[derive(Debug, Deserialize)]
pub(super) struct Row<'a> {
    /// Handed back as it came; the line's number if there is none.
    #[serde(default)]
    pub(super) id: Value,
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
    #[serde(default)]
    kind: Value,
}

impl<'a> Row<'a> {
    pub(super) fn read(line: &'a [u8], number: u64) -> Result<Self, String> {
        // The library's own words repeat what stands there.
        let wrong = |error: serde_json::Error| match error.classify() {
            serde_json::error::Category::Data => format!("no text where one belongs, column {}", error.column()),
            _ => format!("not JSON, column {}", error.column()),
        };
        let mut row: Self = serde_json::from_slice(line).map_err(wrong)?;
        if row.id.is_null() {
            row.id = Value::from(number);
        }
        Ok(row)
    }

    /// What the text is to a model: what is not said to be a user's text or a tool's output is a document.
    pub(super) fn kind(&self) -> TextKind {
        match self.kind.as_str() {
            Some("user") => TextKind::User,
            Some("tool_output") => TextKind::ToolOutput,
            Some(_) | None => TextKind::Document,
        }
    }

    /// The id for people: without quotes, and of bounded length.
    pub(super) fn shown_id(&self) -> String {
        let text = self.id.as_str().map_or_else(|| self.id.to_string(), ToOwned::to_owned);
        text.chars().take(64).collect()
    }
}

/// The bytes behind the mark that some programs begin a file of UTF-8 with.
pub(super) fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The bytes of a file as text: UTF-16 where its mark says so, else UTF-8. Nothing is left out because it looks like no text.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let unit = match bytes.first_chunk::<2>() {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        Some(_) | None => return String::from_utf8_lossy(bytes),
    };
    let units =
        bytes.get(2..).unwrap_or_default().chunks(2).map(|pair| pair.first_chunk::<2>().map_or(0xfffd, |pair| unit(*pair)));
    Cow::Owned(char::decode_utf16(units).map(|character| character.unwrap_or('\u{fffd}')).collect())
}

/// Every file at or below a path, in order of names. Links are followed where they are named, never where they are found;
/// `.git` is left out.
pub(super) fn files(path: &Path, take: &mut impl FnMut(Result<&Path, String>)) {
    below(path, 0, take);
}

fn below(path: &Path, depth: usize, take: &mut impl FnMut(Result<&Path, String>)) {
    let metadata = if depth == 0 { path.metadata() } else { path.symlink_metadata() };
    match metadata {
        Err(error) => take(Err(format!("{}: {error}", path.display()))),
        Ok(metadata) if metadata.is_dir() && depth >= MAX_DEPTH => {
            take(Err(format!("{}: more than {MAX_DEPTH} folders deep", path.display())));
        }
        Ok(metadata) if metadata.is_dir() => match std::fs::read_dir(path) {
            Err(error) => take(Err(format!("{}: {error}", path.display()))),
            Ok(items) => {
                let mut items: Vec<_> = items.flatten().map(|item| item.path()).collect();
                items.sort_unstable();
                for item in items.iter().filter(|item| item.file_name().is_some_and(|name| name != ".git")) {
                    below(item, depth.saturating_add(1), take);
                }
            }
        },
        Ok(metadata) if metadata.is_file() || depth == 0 => take(Ok(path)),
        // A link, a socket or a device that was found, not named.
        Ok(_) => {}
    }
}
