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

/// Longest text that could be a misspelt name, in bytes.
const LONGEST_NAME: usize = 256;

/// What the author of a file wrote, safe to print on one line: control characters escaped, of long texts the first 60 characters.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut escaped: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        escaped.push('…');
    }
    escaped
}

/// `, did you mean …?` for the known name nearest to `found`, if one is near; empty otherwise. For rule files and every
/// other file in which people misspell names. What is longer than any name is near to none: comparing takes time and memory for
/// the product of both lengths.
#[must_use]
pub fn suggestion<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    if found.len() > LONGEST_NAME {
        return String::new();
    }
    let near = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&found.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 2.max(name.chars().count() / 3))
        .min();
    near.map(|(_, name)| format!(", did you mean `{}`?", shown(name))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{shown, suggestion};

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["openai", "anthropic", "local"];
        assert_eq!(suggestion("openia", known), ", did you mean `openai`?");
        assert_eq!(suggestion("OpenAI", known), ", did you mean `openai`?");
        assert_eq!(suggestion("bedrock", known), "");
        assert_eq!(shown(&"x".repeat(61)).chars().count(), 61);
        // A known name that is as long, and a comparison of them that would take a terabyte.
        let endless = "x".repeat(1 << 20);
        assert_eq!(suggestion(&endless, [endless.as_str()]), "");
    }
}
