//! One lane with the text as the client will read it.
//!
//! Tool arguments are JSON inside a JSON string: the client parses twice, so a secret may hide behind a second layer of
//! escapes, and an escape may be cut across two events. Such a lane is fed the unescaped text; edits are mapped back to the
//! raw text, and an escape is never torn.

use std::collections::VecDeque;
use std::ops::Range;

use inspect::{Hit, Lane};
use model::FindingKind;

/// A lane, its raw pieces, and how raw and unescaped text lie beside each other.
pub(super) struct Track {
    lane: Lane,
    is_json: bool,
    pieces: VecDeque<String>,
    /// The number of the first piece that is still here.
    first: u64,
    /// Raw offset at which the first piece begins.
    begin: u64,
    /// Raw offset behind the last piece.
    end: u64,
    /// Raw text that may be the beginning of an escape.
    pending: String,
    runs: VecDeque<Run>,
    /// Unescaped length so far.
    decoded: u64,
    /// Raw offset up to which an edit of an earlier piece has swallowed the text.
    swallowed: u64,
}

/// A stretch in which raw and unescaped text correspond: one to one, or as a whole.
#[derive(Debug, Clone)]
struct Run {
    raw: Range<u64>,
    decoded: Range<u64>,
    is_plain: bool,
}

/// A piece as it may be released.
pub(super) struct Taken {
    pub(super) text: String,
    pub(super) changed: bool,
}

impl Track {
    pub(super) const fn new(lane: Lane, is_json: bool) -> Self {
        Self {
            lane,
            is_json,
            pieces: VecDeque::new(),
            first: 0,
            begin: 0,
            end: 0,
            pending: String::new(),
            runs: VecDeque::new(),
            decoded: 0,
            swallowed: 0,
        }
    }

    /// Adds a piece and returns its number.
    pub(super) fn push(&mut self, text: &str) -> u64 {
        let number = self.first.saturating_add(length(self.pieces.len()));
        let begin = self.end;
        self.end = self.end.saturating_add(length(text.len()));
        self.pieces.push_back(text.to_owned());
        if self.is_json {
            self.unescape(text);
        } else {
            self.feed(begin..self.end, text, true);
        }
        number
    }

    /// Whether no text came yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// No more text will come.
    pub(super) fn finish(&mut self) {
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            let begin = self.end.saturating_sub(length(rest.len()));
            self.feed(begin..self.end, &rest, false);
        }
        self.lane.finish();
    }

    pub(super) fn new_hits(&mut self) -> Vec<Hit> {
        self.lane.new_hits()
    }

    pub(super) fn denied(&self) -> Option<&FindingKind> {
        self.lane.denied()
    }

    /// Whether nothing in the piece can change any more. Pieces become ready in order.
    pub(super) fn is_ready(&self, number: u64) -> bool {
        let Some(ahead) = number.checked_sub(self.first).and_then(|ahead| usize::try_from(ahead).ok()) else { return true };
        let pieces = self.pieces.iter().take(ahead.saturating_add(1));
        let end = self.begin.saturating_add(pieces.map(|piece| length(piece.len())).sum());
        let is_unescaped = self.end.saturating_sub(length(self.pending.len())) >= end;
        is_unescaped && self.decoded_end(end) <= self.lane.stable()
    }

    /// The next piece; `None` if it is not the next, or not ready.
    pub(super) fn take(&mut self, number: u64) -> Option<Taken> {
        if number != self.first || !self.is_ready(number) {
            return None;
        }
        let raw = self.pieces.pop_front()?;
        let range = self.begin..self.begin.saturating_add(length(raw.len()));
        (self.first, self.begin) = (self.first.saturating_add(1), range.end);
        let decoded = self.runs.front().map_or(self.decoded, |run| run.decoded.start)..self.decoded_end(range.end);
        // An escape that an earlier piece began belongs to that piece; this one may then own no run at all.
        let decoded = decoded.start..decoded.end.max(decoded.start);
        let piece = self.lane.take(decoded)?;
        let edits: Vec<(Range<u64>, String)> =
            piece.edits.iter().map(|(span, replacement)| (self.raw_range(span), replacement.clone())).collect();
        let text = self.apply(&raw, &range, edits);
        while self.runs.front().is_some_and(|run| run.raw.start < range.end) {
            self.runs.pop_front();
        }
        Some(Taken { changed: text != raw, text })
    }

    /// Writes a raw piece with its edits, without what earlier edits swallowed.
    fn apply(&mut self, raw: &str, range: &Range<u64>, edits: Vec<(Range<u64>, String)>) -> String {
        let mut text = String::with_capacity(raw.len());
        let mut copied = range.start.max(self.swallowed.min(range.end));
        for (span, replacement) in edits {
            text.push_str(slice(raw, range.start, copied..span.start.min(range.end)));
            text.push_str(&self.escaped(&replacement));
            self.swallowed = self.swallowed.max(span.end);
            copied = copied.max(span.end.min(range.end));
        }
        text.push_str(slice(raw, range.start, copied..range.end));
        text
    }

    fn escaped(&self, replacement: &str) -> String {
        if !self.is_json {
            return replacement.to_owned();
        }
        let quoted = text::quote(replacement);
        quoted.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or_default().to_owned()
    }

    /// Unescaped offset behind the last run that begins before the raw offset `end`.
    fn decoded_end(&self, end: u64) -> u64 {
        let before = self.runs.iter().take_while(|run| run.raw.start < end).last();
        before.map_or_else(|| self.runs.front().map_or(self.decoded, |run| run.decoded.start), |run| run.decoded.end)
    }

    fn raw_range(&self, span: &Range<u64>) -> Range<u64> {
        let inside = |offset: u64| self.runs.iter().find(|run| run.decoded.contains(&offset));
        let start = inside(span.start).map_or(self.begin, |run| {
            if run.is_plain { run.raw.start.saturating_add(span.start.saturating_sub(run.decoded.start)) } else { run.raw.start }
        });
        let last = span.end.saturating_sub(1).max(span.start);
        let end = inside(last).map_or(start, |run| {
            if run.is_plain { run.raw.start.saturating_add(span.end.saturating_sub(run.decoded.start)) } else { run.raw.end }
        });
        start..end.max(start)
    }

    fn feed(&mut self, raw: Range<u64>, text: &str, is_plain: bool) {
        if raw.is_empty() {
            return;
        }
        let start = self.decoded;
        self.decoded = start.saturating_add(length(text.len()));
        self.runs.push_back(Run { raw, decoded: start..self.decoded, is_plain });
        self.lane.push(text);
    }

    /// Feeds everything that is complete; the beginning of an escape waits for its end.
    fn unescape(&mut self, text: &str) {
        let mut all = std::mem::take(&mut self.pending);
        let mut at = self.end.saturating_sub(length(text.len())).saturating_sub(length(all.len()));
        all.push_str(text);
        let mut rest = all.as_str();
        while !rest.is_empty() {
            let plain = rest.find('\\').unwrap_or(rest.len());
            let (head, tail) = rest.split_at(plain);
            self.feed(at..at.saturating_add(length(plain)), head, true);
            at = at.saturating_add(length(plain));
            rest = tail;
            if rest.is_empty() {
                break;
            }
            let Some((n_raw, character)) = text::lenient_escape(rest) else { break };
            let mut buffer = [0_u8; 4];
            self.feed(at..at.saturating_add(length(n_raw)), character.encode_utf8(&mut buffer), false);
            at = at.saturating_add(length(n_raw));
            rest = rest.get(n_raw..).unwrap_or_default();
        }
        self.pending = rest.to_owned();
    }
}

fn slice(raw: &str, begin: u64, range: Range<u64>) -> &str {
    let at = |offset: u64| usize::try_from(offset.saturating_sub(begin)).unwrap_or(usize::MAX);
    if range.start >= range.end { "" } else { raw.get(at(range.start)..at(range.end)).unwrap_or_default() }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use inspect::{Lane, Scanners};
    use model::{Duties, Side};

    use super::Track;

    fn track(is_json: bool) -> Track {
        Track::new(Lane::new(Arc::new(Scanners::all()), Arc::new(Duties::default()), Side::Response), is_json)
    }

    fn run(pieces: &[&str]) -> String {
        let mut track = track(true);
        let numbers: Vec<u64> = pieces.iter().map(|piece| track.push(piece)).collect();
        track.finish();
        numbers.iter().map(|number| track.take(*number).unwrap().text).collect()
    }

    #[test]
    fn escapes_hide_nothing_under_any_split() {
        let facts = [
            (r#"{"city":"\u0041KIAQ3EGRVYP2TQ7XN5K end"}"#, r#"{"city":"[redacted:aws-access-token] end"}"#),
            (r#"{"a":"AKIAQ3EGRVYP2TQ7XN5\u004B","b":1}"#, r#"{"a":"[redacted:aws-access-token]","b":1}"#),
            (r#"{"a":"x\nAKIA\u00513EGRVYP2TQ7XN5K\t\"y\""}"#, r#"{"a":"x\n[redacted:aws-access-token]\t\"y\""}"#),
            (
                r#"{"a":"\ud83d\ude00 \u00e9 \\u0041 \q \ud83d x \u12"}"#,
                r#"{"a":"\ud83d\ude00 \u00e9 \\u0041 \q \ud83d x \u12"}"#,
            ),
            ("plain \\", "plain \\"),
        ];
        for (raw, expected) in facts {
            for cut in 0..=raw.len() {
                let (left, rest) = raw.split_at(cut);
                for second in 0..=rest.len() {
                    let (middle, right) = rest.split_at(second);
                    assert_eq!(run(&[left, middle, right]), expected, "{cut} {second} {raw}");
                }
            }
            let letters: Vec<String> = raw.chars().map(String::from).collect();
            assert_eq!(run(&letters.iter().map(String::as_str).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn a_piece_that_ends_in_an_escape_waits() {
        let mut track = track(true);
        let first = track.push("a. \\u00");
        assert!(!track.is_ready(first));
        let second = track.push("41. ");
        assert!(track.is_ready(first) && track.is_ready(second));
        assert_eq!(track.take(first).unwrap().text, "a. \\u00");
        assert_eq!(track.take(second).unwrap().text, "41. ");
    }

    #[test]
    fn plain_lanes_pass_through() {
        let mut track = track(false);
        let first = track.push("back\\slash \\u0041 ");
        track.finish();
        assert!(!track.take(first).unwrap().changed);
    }
}
