//! A text that arrives in pieces.
//!
//! One automaton for all rules is started at every character; where it still runs at the end of what is known, a match may still
//! come, and the text waits. Where it has died, everything that begins there is decided. So prose passes a word at a time, and
//! what is found does not depend on where the text was cut.

use std::fmt;
use std::ops::Range;

use regex_automata::hybrid::dfa::{self, Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::pool::Pool;
use regex_automata::util::primitives::PatternID;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;

use crate::compile::Rules;

/// Longest match in a text that arrives in pieces, in bytes: what is longer is cut there, or missed.
pub const MAX_MATCH: usize = 1000;
/// Bytes behind a match that say whether it ends there.
const BEHIND: usize = 4;
/// Most memory for the automaton of all rules, in bytes.
const ALL_SIZE: usize = 128 << 20;
/// Most memory for its states that are made while it looks, in bytes, per thread that looks.
const ALL_CACHE: usize = 8 << 20;

type Caches = Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>>;

/// The automaton of all rules, with memory for its states.
pub(crate) struct Live {
    automaton: DFA,
    caches: Caches,
}

impl Live {
    /// For the expressions of all rules, in their order.
    pub(crate) fn new<'h>(hirs: impl Iterator<Item = &'h Hir>) -> Result<Self, String> {
        let hirs: Vec<&Hir> = hirs.collect();
        let too_large = || format!("all rules together need more than {} MB", ALL_SIZE >> 20);
        let config = thompson::Config::new().nfa_size_limit(Some(ALL_SIZE)).which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(&hirs).map_err(|_| too_large())?;
        let config = dfa::Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(ALL_CACHE)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(None);
        let automaton = dfa::Builder::new().configure(config).build_from_nfa(nfa).map_err(|_| too_large())?;
        let made = automaton.clone();
        Ok(Self { automaton, caches: Pool::new(Box::new(move || made.create_cache())) })
    }

    /// Runs the automaton from `at` on: whether more text could change what begins there. `matched` is told the rules that match.
    fn run(&self, cache: &mut Cache, text: &[u8], at: usize, is_final: bool, matched: &mut Vec<usize>) -> Result<bool, ()> {
        let limit = (at + MAX_MATCH).min(text.len());
        let input = Input::new(text).range(at..limit).anchored(Anchored::Yes);
        let mut state = self.automaton.start_state_forward(cache, &input).map_err(|_| ())?;
        // A match is told one byte behind its end, where it is known what follows.
        let behind = text.get(at..text.len().min(limit + 1)).unwrap_or_default();
        for byte in behind {
            state = self.automaton.next_state(cache, state, *byte).map_err(|_| ())?;
            if state.is_tagged() {
                if state.is_match() {
                    self.matches(cache, state, matched);
                } else if state.is_dead() {
                    return Ok(false);
                }
            }
        }
        if limit == text.len() && is_final {
            state = self.automaton.next_eoi_state(cache, state).map_err(|_| ())?;
            if state.is_match() {
                self.matches(cache, state, matched);
            }
            return Ok(false);
        }
        Ok(text.len() - at < MAX_MATCH + BEHIND && !is_final)
    }

    fn matches(&self, cache: &Cache, state: regex_automata::hybrid::LazyStateID, matched: &mut Vec<usize>) {
        for index in 0..self.automaton.match_len(cache, state) {
            let rule = PatternID::as_usize(&self.automaton.match_pattern(cache, state, index));
            if !matched.contains(&rule) {
                matched.push(rule);
            }
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Live").finish_non_exhaustive()
    }
}

/// How far a text that arrives in pieces was looked at. Offsets count from the text's beginning.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Everything that begins below is decided.
    at: usize,
    /// By rule: the end of its latest match. Empty until there is one.
    covered: Vec<usize>,
    /// By rule: the end of its first keyword, `usize::MAX` if none was seen. Empty until there is one.
    called: Vec<usize>,
    /// Up to where keywords were looked for.
    words: usize,
}

impl Rules {
    /// Looks at more of a text: `text` begins at offset `base` and reaches to the end of what is known; nothing follows if
    /// `is_final`. Reports the matches that became certain, as [`scan`](Self::scan) does, and returns the offset below which
    /// everything that begins is decided: at most 1,003 bytes before the end. `text` reaches back to a character before that
    /// offset, or to the text's beginning. Work is linear: at most [`MAX_MATCH`] steps for each byte.
    ///
    /// What is found differs from a scan of the whole text in three ways: a match longer than [`MAX_MATCH`] is cut or missed; a
    /// keyword counts only up to a match's end; an allowlist of lines never holds.
    pub fn advance(
        &self,
        progress: &mut Progress,
        text: &[u8],
        base: usize,
        is_final: bool,
        report: &mut dyn FnMut(usize, Range<usize>),
    ) -> usize {
        // A character may be cut at the end only where a caller cuts it; what stands before is text.
        let Ok(whole) = std::str::from_utf8(text) else { return progress.at };
        self.call(progress, text, base);
        let mut cache = self.live.caches.get();
        let mut matched = Vec::new();
        let mut at = progress.at.saturating_sub(base);
        while at < text.len() {
            if !whole.is_char_boundary(at) {
                at += 1;
                continue;
            }
            matched.clear();
            match self.live.run(&mut cache, text, at, is_final, &mut matched) {
                Ok(true) => break,
                Ok(false) => {}
                // The automaton gave up, which it is told not to: every rule is asked.
                Err(()) if !is_final && text.len() - at < MAX_MATCH + BEHIND => break,
                Err(()) => matched.extend(0..self.rules.len()),
            }
            matched.sort_unstable();
            for rule in &matched {
                self.found(progress, whole, at, base, *rule, report);
            }
            at += 1;
        }
        progress.at = base + at;
        progress.at
    }

    /// A rule matches at `at`: reports it, unless it stands inside an earlier match of the rule or does not count.
    fn found(
        &self,
        progress: &mut Progress,
        text: &str,
        at: usize,
        base: usize,
        number: usize,
        report: &mut dyn FnMut(usize, Range<usize>),
    ) {
        let covered = progress.covered.get(number).copied().unwrap_or(0);
        let Some(rule) = self.rules.get(number).filter(|_| base + at >= covered) else { return };
        let limit = (at + MAX_MATCH).min(text.len());
        let limit = text.floor_char_boundary(limit);
        let Some(found) = rule.regex.find(Input::new(text).range(at..limit).anchored(Anchored::Yes)) else { return };
        if progress.covered.is_empty() {
            progress.covered.resize(self.rules.len(), 0);
        }
        if let Some(covered) = progress.covered.get_mut(number) {
            *covered = base + found.end();
        }
        let called = progress.called.get(number).copied().unwrap_or(usize::MAX);
        if rule.has_keywords && called > base + found.end() {
            return;
        }
        if let Some(secret) = rule.secret(text, found.range(), None, &mut rule.regex.create_captures()) {
            report(number, base + secret.start..base + secret.end);
        }
    }

    /// Notes the keywords in what is new.
    fn call(&self, progress: &mut Progress, text: &[u8], base: usize) {
        let Some(keywords) = &self.keywords else { return };
        let from = progress.words.saturating_sub(base).saturating_sub(keywords.longest);
        progress.words = base + text.len();
        let new = text.get(from..).unwrap_or_default();
        for found in keywords.automaton.find_overlapping_iter(new) {
            if progress.called.is_empty() {
                progress.called.resize(self.rules.len(), usize::MAX);
            }
            for rule in keywords.rules.get(found.pattern().as_usize()).into_iter().flatten() {
                if let Some(called) = progress.called.get_mut(*rule) {
                    *called = (*called).min(base + from + found.end());
                }
            }
        }
    }
}
