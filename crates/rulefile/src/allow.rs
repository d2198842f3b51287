//! Allowlists: matches that a rule's author does not mean.

use aho_corasick::AhoCorasick;
use regex_automata::Input;
use regex_automata::meta::Regex;

use crate::compile;
use crate::pattern::Pattern;
use crate::raw::{RawAllowlist, Target};

/// An allowlist, not compiled yet.
#[derive(Debug)]
pub(crate) struct Allowlist {
    is_and: bool,
    target: Target,
    patterns: Vec<Pattern>,
    stopwords: Vec<String>,
}

impl Allowlist {
    pub(crate) fn new(raw: &RawAllowlist, patterns: Vec<Pattern>) -> Self {
        Self { is_and: raw.is_and, target: raw.target, patterns, stopwords: raw.stopwords.clone() }
    }

    /// Its automata, or one line that says why they cannot be.
    pub(crate) fn compile(&self) -> Result<Allows, String> {
        let regex = if self.patterns.is_empty() { None } else { Some(compile::any_of(&self.patterns)?) };
        let stopwords = if self.stopwords.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder().ascii_case_insensitive(true).build(&self.stopwords);
            Some(built.map_err(|_| "its stop words are too many".to_owned())?)
        };
        Ok(Allows { is_and: self.is_and, target: self.target, regex, stopwords })
    }
}

/// What an allowlist looks at.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'t> {
    pub(crate) secret: &'t str,
    pub(crate) whole: &'t str,
    /// `None` where it is not known: in a stream, whose line may go on.
    pub(crate) line: Option<&'t str>,
}

/// A compiled allowlist.
#[derive(Debug)]
pub(crate) struct Allows {
    is_and: bool,
    target: Target,
    regex: Option<Regex>,
    stopwords: Option<AhoCorasick>,
}

impl Allows {
    /// Whether it lets the candidate pass.
    pub(crate) fn allows(&self, candidate: &Candidate<'_>) -> bool {
        let text = match self.target {
            Target::Secret => Some(candidate.secret),
            Target::Match => Some(candidate.whole),
            Target::Line => candidate.line,
        };
        // Memory for a search is taken from the expression's own store.
        let by_regex = self.regex.as_ref().map(|regex| text.is_some_and(|text| regex.is_match(Input::new(text))));
        let by_word = self.stopwords.as_ref().map(|words| words.is_match(candidate.secret));
        let mut checks = [by_regex, by_word].into_iter().flatten();
        if self.is_and { checks.all(|check| check) } else { checks.any(|check| check) }
    }

    pub(crate) fn looks_at_lines(&self) -> bool {
        self.target == Target::Line && self.regex.is_some()
    }
}
