//! What is wrong with a configuration, and where: file, line, column, field, what was expected and what was found.

use std::fmt;

pub(crate) use rulefile::{shown, suggestion};

/// A position in a file; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// Something that keeps a configuration from being used.
///
/// Reads `portcullis.yaml:12:5: models.small.upstreams[0].name: no upstream is named `openia`, did you mean `openai`?`. Never
/// holds a secret: values of fields that take secrets are not quoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, relative to the configuration's folder.
    pub file: String,
    /// Where in the file.
    pub position: Position,
    /// The field, `models.small.upstreams[0]`; empty if the file itself is meant.
    pub field: String,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file may bear any name, and a terminal would obey some.
        write!(formatter, "{}:{}:{}: ", self.file.escape_debug(), self.position.line, self.position.column)?;
        if !self.field.is_empty() {
            write!(formatter, "{}: ", self.field)?;
        }
        formatter.write_str(&self.message)
    }
}

/// Something that works and that an operator should know of. Reads like a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning(pub Problem);

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The way from the top of a file to a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    pub(crate) fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        let mut longer = self.clone();
        longer.0.push(Step::Key(key.to_owned()));
        longer
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        let mut longer = self.clone();
        longer.0.push(Step::Index(index));
        longer
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether what stands here may be a secret, so that it is not quoted in a message.
    pub(crate) fn is_secret(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Key(key) if key == "api_key" || key == "password" || key == "headers"))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if !is_plain(key) || key.is_empty() => write!(formatter, "[\"{}\"]", shown(key))?,
                Step::Key(key) if position == 0 => formatter.write_str(key)?,
                Step::Key(key) => write!(formatter, ".{key}")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn paths_read_like_the_file() {
        let path = Path::of(&["models", "small", "upstreams"]).index(0).key("name");
        assert_eq!(path.to_string(), "models.small.upstreams[0].name");
        assert_eq!(Path::of(&["models", "gpt-4.1"]).to_string(), "models[\"gpt-4.1\"]");
        assert_eq!(Path::of(&["a\nb", ""]).to_string(), "[\"a\\nb\"][\"\"]");
    }
}
