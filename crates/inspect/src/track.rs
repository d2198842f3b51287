//! The scan of one text that arrives in pieces: finds matches, and knows below which offset no match can still begin.

use std::ops::Range;

use model::Act;

use crate::bounded::{Input, LOOK_BACK, N_SCANS};
use crate::rules::{N_TOKENS, RuleId};
use crate::scan::{Prepared, Scanners};
use crate::token::{End, Eval, Tail};
use crate::tokens::TOKENS;

/// Bytes before an offset that rules look at.
pub(crate) const CONTEXT: usize = LOOK_BACK + 4;

/// A stretch of a text: `bytes` begin at offset `base` and reach to the end of what is known.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) base: usize,
    /// Nothing follows.
    pub(crate) is_final: bool,
}

/// A match. Its start and rule are certain; its end is, once it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) rule: RuleId,
    pub(crate) start: usize,
    pub(crate) end: Option<usize>,
    /// How an unended match goes on, and from where.
    tail: Option<(Tail, usize)>,
    /// What a lane decided to do with it.
    pub(crate) judged: Option<Act>,
}

impl Match {
    /// The order in which matches are united: by start; at the same start open-ended rules first (their length cannot matter,
    /// because it may not be known yet), then the longest, then the order of the rules.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        let is_bounded = !self.rule.is_open_ended();
        let end = if is_bounded { self.end.unwrap_or_default() } else { 0 };
        (self.start, is_bounded, std::cmp::Reverse(end), self.rule)
    }

    /// A match whose end is known.
    pub(crate) const fn known(rule: RuleId, span: Range<usize>) -> Self {
        Self { rule, start: span.start, end: Some(span.end), tail: None, judged: None }
    }

    /// The same match where it stands in another text.
    pub(crate) const fn at(mut self, span: &Range<usize>) -> Self {
        (self.start, self.end, self.tail) = (span.start, Some(span.end), None);
        self
    }

    /// From where the end of an open match is looked for.
    pub(crate) fn resume(&self) -> Option<usize> {
        self.tail.map(|(_, from)| from)
    }
}

/// The scans over one text. All offsets count from the text's beginning.
#[derive(Debug, Clone)]
pub(crate) struct Tracker {
    /// From where the scan for tokens goes on: no match that begins below is still unknown to it.
    tokens: usize,
    /// The same of every other scan.
    bounded: [usize; N_SCANS],
    /// Up to where the latest match of each token rule reaches, `usize::MAX` while it is open: a match inside another of the same
    /// rule does not count.
    covered: [usize; N_TOKENS],
    /// How far the operators' own rules are in a text that arrives in pieces; none until a piece has come that is not the last.
    own: Option<Box<rulefile::Progress>>,
    /// From where they go on.
    own_at: usize,
    /// Whether a word of a key may name some value, see [`Contexts::find`](crate::context::Contexts::find).
    is_named: bool,
}

impl Tracker {
    pub(crate) const fn new() -> Self {
        Self { tokens: 0, bounded: [0; N_SCANS], covered: [0; N_TOKENS], own: None, own_at: 0, is_named: false }
    }

    /// Whether a word of a key may name some value of a text that was read at once.
    pub(crate) const fn is_named(&self) -> bool {
        self.is_named
    }

    /// Every match that begins below is known.
    pub(crate) fn decided(&self) -> usize {
        self.bounded.iter().fold(self.tokens.min(self.own_at), |least, at| least.min(*at))
    }

    /// Takes the scans to the end of the window. Ends open matches of `matches` where it can, and adds new ones, in no
    /// particular order. The window reaches back to [`CONTEXT`] bytes before [`decided`](Self::decided), and to where every open
    /// match resumes.
    pub(crate) fn advance(&mut self, scanners: &Scanners, window: Window<'_>, matches: &mut Vec<Match>) {
        for open in matches.iter_mut() {
            self.resume(open, window);
        }
        self.tokens(scanners, window, matches);
        let Window { bytes: text, base, is_final } = window;
        for (scan, (at, prepared)) in self.bounded.iter_mut().zip(scanners.scans()).enumerate() {
            let from = at.saturating_sub(base);
            let mut report = |kind, start: usize, end: usize| {
                let rule = RuleId::at(scan, kind);
                matches.push(Match { rule, start: base + start, end: Some(base + end), tail: None, judged: None });
            };
            *at = base
                + match prepared {
                    Prepared::Off => text.len(),
                    Prepared::Own(find, enabled) => find(Input { text, from, is_final, enabled: *enabled }, &mut report),
                    Prepared::Context(contexts) => {
                        contexts.find(Input { text, from, is_final, enabled: u64::MAX }, &mut self.is_named, &mut report)
                    }
                };
        }
        self.own(scanners, window, matches);
    }

    /// The operators' own rules: over a whole text at once, over pieces as far as they are decided.
    fn own(&mut self, scanners: &Scanners, window: Window<'_>, matches: &mut Vec<Match>) {
        let Window { bytes, base, is_final } = window;
        let end = base + bytes.len();
        let Some(rules) = scanners.own() else {
            self.own_at = end;
            return;
        };
        let mut report = |place, span: Range<usize>| {
            matches.push(Match { rule: RuleId::own(place), start: span.start, end: Some(span.end), tail: None, judged: None });
        };
        if is_final && base == 0 && self.own.is_none() {
            rules.scan(bytes, &mut report);
            self.own_at = end;
            return;
        }
        let progress = self.own.get_or_insert_default();
        self.own_at = rules.advance(progress, bytes, base, is_final, &mut report);
    }

    fn resume(&mut self, open: &mut Match, window: Window<'_>) {
        let Some((tail, from)) = open.tail else { return };
        match tail.end(window.bytes, from.saturating_sub(window.base), window.is_final) {
            End::At(end) => {
                open.end = Some(window.base + end);
                open.tail = None;
                self.cover(open.rule, window.base + end);
            }
            End::Beyond { resume } => open.tail = Some((tail, window.base + resume)),
        }
    }

    fn tokens(&mut self, scanners: &Scanners, window: Window<'_>, matches: &mut Vec<Match>) {
        let Window { bytes, base, .. } = window;
        let index = scanners.tokens();
        let from = self.tokens.saturating_sub(base);
        let mut at = from;
        while let Some(offset) = bytes.get(at..).and_then(|rest| index.next(rest)) {
            let start = at + offset;
            at = start + 1;
            let [first, second, third] = [start, at, at + 1].map(|place| bytes.get(place).copied());
            let candidates = first.map_or(0, |first| index.candidates(first, second, third));
            if candidates != 0 && !self.tokens_at(scanners, start, candidates, window, matches) {
                self.tokens = base + start;
                return;
            }
        }
        // Of the last byte there is no pair.
        let tail = bytes.len().saturating_sub(1).max(from);
        for start in tail..bytes.len() {
            let Some(first) = bytes.get(start) else { break };
            let candidates = index.candidates(*first, None, None);
            if candidates != 0 && !self.tokens_at(scanners, start, candidates, window, matches) {
                self.tokens = base + start;
                return;
            }
        }
        self.tokens = base + bytes.len();
    }

    /// Evaluates the candidate rules at one start. False, and nothing added, if one of them needs more text.
    fn tokens_at(
        &mut self,
        scanners: &Scanners,
        start: usize,
        candidates: u64,
        window: Window<'_>,
        matches: &mut Vec<Match>,
    ) -> bool {
        let Window { bytes, base, is_final } = window;
        let known = matches.len();
        for rule in scanners.tokens().rules(candidates) {
            let covered = self.covered.get(rule.0).copied().unwrap_or_default();
            if base + start < covered && scanners.tokens().swallows_itself(rule) {
                continue;
            }
            match TOKENS.get(rule.0).map_or(Eval::No, |token| token.evaluate(bytes, start, is_final)) {
                Eval::No => {}
                Eval::Pending => {
                    matches.truncate(known);
                    return false;
                }
                // Inside another match of the rule: ends where that one ends.
                Eval::Met { from, .. } if base + from <= covered => {}
                Eval::Met { tail, from } => {
                    matches.push(Match { rule, start: base + start, end: None, tail: Some((tail, base + from)), judged: None });
                }
            }
        }
        for index in known..matches.len() {
            let Some(mut found) = matches.get(index).copied() else { break };
            self.cover(found.rule, usize::MAX);
            self.resume(&mut found, window);
            if let Some(place) = matches.get_mut(index) {
                *place = found;
            }
        }
        true
    }

    fn cover(&mut self, rule: RuleId, end: usize) {
        if let Some(covered) = self.covered.get_mut(rule.0) {
            *covered = end;
        }
    }
}
