//! What is wrong with a policy file, and where.

use std::fmt;

/// One problem; loading reports all of them at once, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyProblem {
    /// The file, as named in the bundle.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong, one line.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl PolicyProblem {
    /// One of what the configuration declares, not of a policy.
    pub(crate) fn of_registry(message: String) -> Self {
        Self { file: "portcullis.yaml".to_owned(), line: 1, column: 1, message, help: None }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file may bear any name, and a terminal would obey some.
        write!(formatter, "{}:{}:{}: {}", self.file.escape_debug(), self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(formatter, "; {help}"))
    }
}

/// The known word that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are no slip of the finger, and comparing them costs.
    if word.len() > 64 {
        return None;
    }
    let similar = known.into_iter().map(|known| (strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase()), known));
    similar.filter(|(likeness, _)| *likeness > 0.8).max_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, known)| known)
}
