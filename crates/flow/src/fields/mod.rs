//! The fields of a result: its leaves, by the name of the field that they stand in.
//!
//! JSON, YAML (which the output of many tools is, and Python's `repr` of plain dictionaries too), and tables of comma- or
//! tab-separated values. Anything else has no fields. Bounds: [`MAX_BYTES`] of text, [`MAX_LEAVES`] leaves, [`MAX_DEPTH`] levels;
//! beyond them a text has no fields either, so nothing in it is more than the text as a whole is.

mod json;
mod table;
mod yaml;

/// Longest text that is read for fields.
pub const MAX_BYTES: usize = 1 << 20;
/// Most leaves of one text.
pub const MAX_LEAVES: usize = 16_384;
/// Longest name of a field, in bytes.
pub const MAX_NAME: usize = 128;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 32;

/// One leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The names of the fields around it from the outermost to its own; entries of lists have none.
    pub path: Vec<String>,
    /// Its text: a string without quotes and escapes, a number as it is written.
    pub text: String,
    /// The line on which it begins, from 1.
    pub line: u32,
    /// Whether it is the name of a field and not what stands in it.
    pub is_name: bool,
}

impl Leaf {
    /// The name of the field that it stands in; none for an entry of a list that is no field's, or for the text as a whole.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.path.last().map(String::as_str)
    }
}

/// The leaves of a text, or none if it has no structure that can be read whole and in one way: a name that stands twice in one map
/// or table, or signs that two writers mean differently, and nothing is a field. Names of fields are leaves too: whoever can write
/// a name can write what he likes there.
#[must_use]
pub fn fields(text: &str) -> Option<Vec<Leaf>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let text = undelimited(text);
    json::read(text).or_else(|| yaml::read(text)).or_else(|| table::read(text))
}

/// What stands between delimiters that a client has put around it: `<<` and `>>`, fences.
fn undelimited(text: &str) -> &str {
    const PAIRS: [(&str, &str); 3] = [("<<", ">>"), ("```", "```"), ("\"\"\"", "\"\"\"")];
    let trimmed = text.trim();
    let inner = PAIRS.iter().find_map(|(before, behind)| trimmed.strip_prefix(before)?.strip_suffix(behind));
    // Only lines at the edges: the place of an entry in a list is where it stands in its line.
    inner.unwrap_or(text).trim_matches(['\n', '\r'])
}

#[cfg(test)]
mod tests;
