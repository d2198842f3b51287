//! From checked rules to automata.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_automata::meta::{self, Regex};
use regex_syntax::hir::Hir;

use crate::allow::{Allowlist, Allows};
use crate::live::Live;
use crate::load::Rule;
use crate::pattern::Pattern;
use crate::problem::{Place, Problem};

/// Most memory for the automaton of one rule, in bytes.
const RULE_SIZE: usize = 4 << 20;
/// Memory for the states of all rules that are made while they look, in bytes, per thread and direction; of one rule at most and
/// at least. Only what hostile texts call for is ever taken.
const CACHES: usize = 32 << 20;
const MOST_CACHE: usize = 1 << 20;
const LEAST_CACHE: usize = 64 << 10;

/// Compiled rules: immutable, to be shared by `Arc`.
pub struct Rules {
    pub(crate) rules: Vec<Compiled>,
    /// `None` if no rule has a keyword.
    pub(crate) keywords: Option<Keywords>,
    pub(crate) live: Live,
}

/// Which rules look at a text at all: those one of whose keywords stands in it.
pub(crate) struct Keywords {
    pub(crate) automaton: AhoCorasick,
    /// By keyword: the rules.
    pub(crate) rules: Vec<Vec<usize>>,
    /// Bytes of the longest keyword.
    pub(crate) longest: usize,
}

/// One compiled rule.
pub(crate) struct Compiled {
    pub(crate) kind: String,
    pub(crate) regex: Regex,
    pub(crate) group: usize,
    pub(crate) entropy: f64,
    pub(crate) has_keywords: bool,
    /// Bytes of the longest match, if there is a longest.
    pub(crate) most: Option<usize>,
    pub(crate) allowlists: Vec<Arc<Allows>>,
    pub(crate) needs_line: bool,
}

impl Rules {
    /// Compiles the rules: some milliseconds each.
    ///
    /// # Errors
    /// The rules whose automata are too large, each with its place.
    pub fn compile(rules: &[Rule]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut allows = BTreeMap::new();
        let mut compiled = Vec::with_capacity(rules.len());
        let cache = (CACHES / rules.len().max(1)).clamp(LEAST_CACHE, MOST_CACHE);
        for rule in rules {
            match Compiled::new(rule, cache, &mut allows) {
                Ok(rule) => compiled.push(rule),
                Err(message) => problems.push(told(rule, &message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let keywords = Keywords::new(rules).map_err(|message| whole(rules, message))?;
        let live = Live::new(rules.iter().map(|rule| rule.pattern.hir())).map_err(|message| whole(rules, message))?;
        Ok(Self { rules: compiled, keywords, live })
    }

    /// How many rules there are.
    #[must_use]
    pub fn n_rules(&self) -> usize {
        self.rules.len()
    }

    /// The kind of what a rule finds; empty for a number that no rule has.
    #[must_use]
    pub fn kind(&self, rule: usize) -> &str {
        self.rules.get(rule).map_or("", |rule| &rule.kind)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.rules.iter().map(|rule| &rule.kind)).finish()
    }
}

fn told(rule: &Rule, message: &str) -> Problem {
    Problem { place: rule.place.clone(), message: format!("rule `{}`: {message}", rule.id) }
}

fn whole(rules: &[Rule], message: String) -> Vec<Problem> {
    let nowhere = || Place { file: "".into(), line: 1, column: 1 };
    vec![Problem { place: rules.first().map_or_else(nowhere, |rule| rule.place.clone()), message }]
}

impl Compiled {
    fn new(rule: &Rule, cache: usize, known: &mut BTreeMap<*const Allowlist, Arc<Allows>>) -> Result<Self, String> {
        let regex = automaton(&[rule.pattern.hir()], cache)?;
        let mut allowlists = Vec::with_capacity(rule.allowlists.len());
        for list in &rule.allowlists {
            // A file's own is shared by all of its rules, and compiled once.
            let allows = match known.get(&Arc::as_ptr(list)) {
                Some(allows) => Arc::clone(allows),
                None => {
                    let made = list.compile().map_err(|message| format!("allowlist: {message}"))?;
                    let allows = Arc::new(made);
                    known.insert(Arc::as_ptr(list), Arc::clone(&allows));
                    allows
                }
            };
            allowlists.push(allows);
        }
        Ok(Self {
            kind: rule.kind.clone(),
            regex,
            group: rule.group,
            entropy: rule.entropy,
            has_keywords: !rule.keywords.is_empty(),
            most: rule.pattern.most(),
            needs_line: allowlists.iter().any(|allows| allows.looks_at_lines()),
            allowlists,
        })
    }
}

impl Keywords {
    fn new(rules: &[Rule]) -> Result<Option<Self>, String> {
        let mut by_word: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, rule) in rules.iter().enumerate() {
            for word in &rule.keywords {
                by_word.entry(word.to_ascii_lowercase()).or_default().push(number);
            }
        }
        if by_word.is_empty() {
            return Ok(None);
        }
        let (words, rules): (Vec<String>, Vec<Vec<usize>>) = by_word.into_iter().unzip();
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        // Of words that stand within one another each counts, so all of them are reported.
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words);
        let automaton = built.map_err(|_| "the keywords are too many".to_owned())?;
        Ok(Some(Self { automaton, rules, longest }))
    }
}

/// One automaton for any of several expressions.
pub(crate) fn any_of(patterns: &[Pattern]) -> Result<Regex, String> {
    automaton(&patterns.iter().map(Pattern::hir).collect::<Vec<_>>(), LEAST_CACHE)
}

fn automaton(hirs: &[&Hir], cache: usize) -> Result<Regex, String> {
    let config =
        meta::Config::new().nfa_size_limit(Some(RULE_SIZE)).onepass_size_limit(Some(RULE_SIZE / 4)).hybrid_cache_capacity(cache);
    meta::Builder::new().configure(config).build_many_from_hir(hirs).map_err(|error| {
        if error.size_limit().is_some() {
            format!("its automaton needs more than {} MB: write fewer or smaller repetitions", RULE_SIZE >> 20)
        } else {
            "its expression cannot be compiled".to_owned()
        }
    })
}
