//! A whole text, and what becomes of a match.

use std::ops::Range;

use memchr::{memchr, memrchr};
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};

use crate::allow::Candidate;
use crate::compile::{Compiled, Rules};
use crate::entropy;

/// Bytes of a line that are looked at on each side of a match.
const MAX_LINE: usize = 4096;
/// A rule without a longest match is looked for in stretches of this many bytes. One that reaches from the first half of a stretch
/// beyond its end is cut there.
const STRETCH: usize = 64 << 10;

impl Rules {
    /// Reports every match in a whole text, in no order: the rule's number, and where its secret stands. Of one rule the leftmost
    /// counts, and the next begins behind its end. Linear time: the work at each byte is bounded by the rules.
    pub fn scan(&self, text: &[u8], report: &mut dyn FnMut(usize, Range<usize>)) {
        let Ok(text) = std::str::from_utf8(text) else { return };
        let called = self.called(text);
        for (number, rule) in self.rules.iter().enumerate() {
            if !rule.has_keywords || called.get(number).is_some_and(|is_called| *is_called) {
                rule.scan(text, &mut |span| report(number, span));
            }
        }
    }

    /// The rules one of whose keywords stands in the text; empty if there are none.
    fn called(&self, text: &str) -> Vec<bool> {
        let Some(keywords) = &self.keywords else { return Vec::new() };
        let mut called = Vec::new();
        for found in keywords.automaton.find_overlapping_iter(text) {
            if called.is_empty() {
                called.resize(self.rules.len(), false);
            }
            for rule in keywords.rules.get(found.pattern().as_usize()).into_iter().flatten() {
                if let Some(is_called) = called.get_mut(*rule) {
                    *is_called = true;
                }
            }
        }
        called
    }
}

impl Compiled {
    fn scan(&self, text: &str, report: &mut dyn FnMut(Range<usize>)) {
        let mut captures = None;
        let mut at = 0;
        while at < text.len() {
            let stretch = self.stretch(text, at);
            let found = self.regex.find(Input::new(text).range(at..stretch));
            let half = at + STRETCH / 2;
            match found {
                // Close to the end of a stretch: it gets one of its own.
                Some(found) if stretch < text.len() && found.start() > half => at = found.start(),
                Some(found) => {
                    let captures = captures.get_or_insert_with(|| self.regex.create_captures());
                    let line = self.needs_line.then(|| line(text, &found.range()));
                    if let Some(secret) = self.secret(text, found.range(), line, captures) {
                        report(secret);
                    }
                    at = found.end();
                }
                None if stretch < text.len() => at = text.ceil_char_boundary(half),
                None => return,
            }
        }
    }

    /// Up to where is looked from `at` on.
    fn stretch(&self, text: &str, at: usize) -> usize {
        let is_long = self.most.is_none_or(|most| most > STRETCH / 2);
        if is_long { text.ceil_char_boundary((at + STRETCH).min(text.len())) } else { text.len() }
    }

    /// Where the secret of a match stands, unless the match does not count.
    pub(crate) fn secret(
        &self,
        text: &str,
        whole: Range<usize>,
        line: Option<&str>,
        captures: &mut Captures,
    ) -> Option<Range<usize>> {
        let secret = self.group(text, &whole, captures);
        let slice = |span: &Range<usize>| text.get(span.clone()).unwrap_or_default();
        if self.entropy > 0.0 && entropy::bits(slice(&secret)) <= self.entropy {
            return None;
        }
        let candidate = Candidate { secret: slice(&secret), whole: slice(&whole), line };
        let is_allowed = self.allowlists.iter().any(|allows| allows.allows(&candidate));
        (!is_allowed).then_some(secret)
    }

    /// The group that holds the secret: the one that is named, else the first that is not empty, else all of it.
    fn group(&self, text: &str, whole: &Range<usize>, captures: &mut Captures) -> Range<usize> {
        let n_groups = self.regex.captures_len();
        if n_groups < 2 {
            return whole.clone();
        }
        let input = Input::new(text).range(whole.clone()).anchored(Anchored::Yes);
        self.regex.search_captures(&input, captures);
        let span = |group: usize| captures.get_group(group).map(|span| span.range()).filter(|span| !span.is_empty());
        let found = if self.group > 0 { span(self.group) } else { (1..n_groups).find_map(span) };
        found.unwrap_or_else(|| whole.clone())
    }
}

/// The line or lines on which a match stands.
fn line<'t>(text: &'t str, whole: &Range<usize>) -> &'t str {
    let bytes = text.as_bytes();
    let first = whole.start.saturating_sub(MAX_LINE);
    let before = bytes.get(first..whole.start).unwrap_or_default();
    let start = memrchr(b'\n', before).map_or(first, |newline| first + newline + 1);
    let last = (whole.end + MAX_LINE).min(bytes.len());
    let behind = bytes.get(whole.end..last).unwrap_or_default();
    let end = memchr(b'\n', behind).map_or(last, |newline| whole.end + newline);
    text.get(text.floor_char_boundary(start)..text.ceil_char_boundary(end)).unwrap_or_default()
}
