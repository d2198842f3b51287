//! What is wrong with a rule file, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a file; line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// Something that keeps a rule file from being used, or, as a warning, something that an author should know of.
///
/// Reads `rules/own.toml:12:1: rule `acme-token`: …`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column } = &self.place;
        write!(formatter, "{file}:{line}:{column}: {}", self.message)
    }
}

/// What an author wrote, safe to print on one line: control characters escaped, long texts cut.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut escaped: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        escaped.push('…');
    }
    escaped
}

/// `, did you mean …?` for the known name nearest to `found`, if one is near; empty otherwise.
pub(crate) fn suggestion<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&found.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 2.max(name.chars().count() / 3))
        .min();
    near.map(|(_, name)| format!(", did you mean `{}`?", shown(name))).unwrap_or_default()
}
