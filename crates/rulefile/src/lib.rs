//! Operators' own rules for secrets, in files of gitleaks' TOML format (version 8).
//!
//! [`load()`] reads files into checked rules, [`Rules::compile`] makes automata of them, and these look through texts: a whole one
//! at once, or one that arrives in pieces. `docs/SCANNERS.md` says what of the format is taken, and how it is meant here.
//!
//! What this crate does not do: it opens no file (texts come through a function), knows no duty, protocol or document, and keeps
//! no copy of what it finds. Regular expressions are automata without backtracking: their time is linear in a text.

mod allow;
mod compile;
mod entropy;
mod live;
mod load;
mod pattern;
mod problem;
mod raw;
mod reader;
mod scan;

pub use compile::Rules;
pub use live::{MAX_MATCH, Progress};
pub use load::{Kind, Loaded, Rule, kind_of, load};
pub use problem::{Place, Problem, shown, suggestion};

#[cfg(test)]
mod tests;
