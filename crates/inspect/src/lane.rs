//! The machine for one stream of text: finds what a scan of the whole text would find, and says how much can be released.
//!
//! Three modes, of which the matches decide (DESIGN 2.10): text passes up to where a match could still begin; from a redacted
//! match on it is swallowed to the match's end, without waiting for it; a masked match is held until its end is known, up to
//! [`MAX_MASKED`] bytes, and a denied one stops the lane.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use model::{Act, Duties, FindingGroup, FindingKind, Side, Span};

use crate::document::UNREAD;
use crate::redact::{Edit, MAX_MASKED, replacement};
use crate::rules::RuleId;
use crate::scan::{Hit, Scanners};
use crate::stretch::{Kept, Stretches, WINDOW};
use crate::track::{CONTEXT, Match, Tracker, Window};
use crate::unite::Distinct;

/// Most bytes a lane holds back while no masked match is open: the longest stretch in which some rule cannot be decided.
pub const MAX_UNDECIDED: usize = 1024;

/// Most bytes a lane that reads disguised text holds back while no masked match is open.
pub const MAX_DISGUISED: usize = WINDOW + MAX_CHARACTER;

/// Most bytes a lane holds back: an open masked match, and an undecided stretch behind it.
pub const MAX_HELD: usize = MAX_MASKED + MAX_DISGUISED;

/// Most bytes of a character.
const MAX_CHARACTER: usize = 4;

/// Spent text is let go of in steps of at least this many bytes.
const TRIM: usize = 1024;

/// A piece of the lane's text after redaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What may be released. A replacement stands in the piece in which its match begins.
    pub text: String,
    /// Whether it differs from what came in.
    pub changed: bool,
    /// What was replaced, in the lane's offsets and cut to the piece; a replacement that stands in an earlier piece is empty here.
    pub edits: Vec<(Range<u64>, String)>,
}

/// One stream of text: a choice's or item's text, tool arguments or reasoning.
///
/// The pieces that [`take`](Self::take) gives out are, joined, [`redact_text`](crate::redact_text) of the whole text, however it
/// was cut. Work per [`push`](Self::push) is linear in the piece, plus at most [`MAX_UNDECIDED`] bytes that are looked at again.
pub struct Lane {
    scanners: Arc<Scanners>,
    duties: Arc<Duties>,
    side: Side,
    /// The text from offset `base` on, as far as it is still needed.
    text: String,
    base: usize,
    /// How much text came in.
    end: usize,
    /// Everything below was given out.
    taken: usize,
    stable: usize,
    is_finished: bool,
    tracker: Tracker,
    /// What reads text in disguise, if the lane does.
    stretches: Option<Stretches>,
    /// Matches that are not judged yet, or not ended.
    matches: Vec<Match>,
    distinct: Distinct,
    /// The latest union, while it may still grow.
    union: Option<Union>,
    /// What to do with finished unions that were not given out, in order.
    edits: VecDeque<Edit>,
    denied: Option<(usize, FindingKind)>,
    hits: Vec<Hit>,
}

/// Overlapping matches whose duty is to mask or to redact.
#[derive(Debug, Clone, Copy)]
struct Union {
    /// The rule of the first match.
    rule: RuleId,
    start: usize,
    /// The last end that is known.
    end: usize,
    /// Whether a match in it goes on.
    is_open: bool,
    act: Act,
}

impl Union {
    const fn reach(&self) -> usize {
        if self.is_open { usize::MAX } else { self.end }
    }

    fn edit(&self, scanners: &Scanners, found: &str) -> Edit {
        let replacement = replacement(&scanners.kind(self.rule), self.act, found);
        Edit { span: Span { start: self.start, end: self.reach() }, replacement }
    }
}

impl Lane {
    /// A lane without text.
    #[must_use]
    pub fn new(scanners: Arc<Scanners>, duties: Arc<Duties>, side: Side) -> Self {
        Self {
            scanners,
            duties,
            side,
            text: String::new(),
            base: 0,
            end: 0,
            taken: 0,
            stable: 0,
            is_finished: false,
            tracker: Tracker::new(),
            stretches: None,
            matches: Vec::new(),
            distinct: Distinct::default(),
            union: None,
            edits: VecDeque::new(),
            denied: None,
            hits: Vec::new(),
        }
    }

    /// The lane, to be fed from its beginning, that finds text in disguise as well: what `stretch` reads of it.
    #[must_use]
    pub fn with_readings(mut self) -> Self {
        self.stretches = Some(Stretches::new());
        self
    }

    /// Adds a piece and returns its offsets. After [`finish`](Self::finish) or a denial the piece is only counted, and never
    /// becomes stable.
    pub fn push(&mut self, text: &str) -> Range<u64> {
        let start = self.end;
        self.end = self.end.saturating_add(text.len());
        if !text.is_empty() && !self.is_finished && self.denied.is_none() {
            self.text.push_str(text);
            self.advance();
        }
        offset(start)..offset(self.end)
    }

    /// No more text will come: everything becomes stable, unless something was denied.
    pub fn finish(&mut self) {
        if !self.is_finished && self.denied.is_none() {
            self.is_finished = true;
            self.advance();
        }
    }

    /// Every edit that begins below is final, and nothing below can still change.
    #[must_use]
    pub fn stable(&self) -> u64 {
        offset(self.stable)
    }

    /// The kind of the first match that a duty denies; [`stable`](Self::stable) never passes its start.
    #[must_use]
    pub fn denied(&self) -> Option<&FindingKind> {
        self.denied.as_ref().map(|(_, kind)| kind)
    }

    /// A piece after redaction: pieces as [`push`](Self::push) returned them, in order and without a gap, or several of them
    /// joined. `None` while the piece is not stable, and for a piece out of order.
    pub fn take(&mut self, piece: Range<u64>) -> Option<Piece> {
        let (start, end) = (usize::try_from(piece.start).ok()?, usize::try_from(piece.end).ok()?);
        if start != self.taken || end < start || end > self.stable {
            return None;
        }
        let mut text = String::with_capacity(end - start);
        let mut edits = Vec::new();
        let mut copied = start;
        let growing = self.union.filter(|union| union.act == Act::Redact).map(|union| union.edit(&self.scanners, ""));
        for edit in self.edits.iter().chain(&growing).skip_while(|edit| edit.span.end <= start) {
            if edit.span.start >= end {
                break;
            }
            let here = offset(edit.span.start.max(start))..offset(edit.span.end.min(end));
            let begins_here = edit.span.start >= start;
            edits.push((here, if begins_here { edit.replacement.clone() } else { String::new() }));
            if begins_here {
                text.push_str(self.slice(copied, edit.span.start));
                text.push_str(&edit.replacement);
            }
            copied = edit.span.end.min(end);
        }
        text.push_str(self.slice(copied, end));
        self.taken = end;
        while self.edits.front().is_some_and(|edit| edit.span.end <= end) {
            self.edits.pop_front();
        }
        self.trim();
        Some(Piece { text, changed: !edits.is_empty(), edits })
    }

    /// The matches that became certain since the last call, in the order in which they ended; not united. Offsets count from the
    /// lane's beginning.
    pub fn new_hits(&mut self) -> Vec<Hit> {
        std::mem::take(&mut self.hits)
    }

    /// How many bytes are held back now; at most [`MAX_HELD`], and none once something was denied.
    #[must_use]
    pub fn held(&self) -> usize {
        if self.denied.is_some() || self.is_finished { 0 } else { self.end.saturating_sub(self.stable) }
    }

    fn advance(&mut self) {
        let window = Window { bytes: self.text.as_bytes(), base: self.base, is_final: self.is_finished };
        self.tracker.advance(&self.scanners, window, &mut self.matches);
        self.read();
        let decided = self.decided();
        self.end_matches();
        self.judge(decided);
        self.settle(decided);
        if self.denied.is_none() {
            self.trim();
        }
    }

    fn read(&mut self) {
        let Some(stretches) = &mut self.stretches else { return };
        let kept = Kept { text: &self.text, base: self.base, is_final: self.is_finished };
        stretches.advance(&self.scanners, kept, &mut self.matches);
        if stretches.take_cut() {
            let kind = FindingKind::made(UNREAD.to_owned());
            let span = Span { start: 0, end: 0 };
            self.hits.push(Hit { kind, group: FindingGroup::Uninspected, span, parts: Vec::new() });
        }
    }

    /// Every match that begins below is known.
    fn decided(&self) -> usize {
        self.stretches.as_ref().map_or(usize::MAX, Stretches::decided).min(self.tracker.decided())
    }

    /// Removes the judged matches that ended with this piece.
    fn end_matches(&mut self) {
        let mut is_open = false;
        let (union, hits, scanners) = (&mut self.union, &mut self.hits, &self.scanners);
        self.matches.retain(|found| {
            let Some(act) = found.judged else { return true };
            let Some(end) = found.end else {
                is_open |= act != Act::Allow;
                return true;
            };
            hits.push(hit(scanners, found, end));
            // An open match that is not allowed belongs to the latest union: nothing can begin behind it.
            if let Some(union) = union.as_mut().filter(|_| act != Act::Allow) {
                union.end = union.end.max(end);
            }
            false
        });
        if let Some(union) = union {
            union.is_open = is_open;
        }
    }

    /// Judges every match that begins below `decided`, in order; no other can come to stand among them.
    fn judge(&mut self, decided: usize) {
        let mut ready: Vec<Match> =
            self.matches.extract_if(.., |found| found.judged.is_none() && found.start < decided).collect();
        ready.sort_unstable_by_key(Match::order);
        for mut found in ready {
            if !self.distinct.admits(&found) {
                continue;
            }
            let kind = self.scanners.kind(found.rule);
            let act = self.duties.act(self.side, &kind, found.rule.group());
            match act {
                Act::Deny => {
                    self.hits.push(hit(&self.scanners, &found, found.end.unwrap_or(self.end)));
                    self.denied = Some((found.start, kind));
                    return;
                }
                Act::Mask | Act::Redact => self.unite(&found, act),
                Act::Allow => {}
            }
            match found.end {
                Some(end) => self.hits.push(hit(&self.scanners, &found, end)),
                None => {
                    found.judged = Some(act);
                    self.matches.push(found);
                }
            }
        }
    }

    fn unite(&mut self, found: &Match, act: Act) {
        let is_open = found.end.is_none();
        let end = found.end.unwrap_or(found.start);
        if let Some(union) = self.union.as_mut().filter(|union| found.start < union.reach()) {
            union.end = union.end.max(end);
            union.is_open |= is_open;
            union.act = union.act.max(act);
            return;
        }
        self.close_union();
        self.union = Some(Union { rule: found.rule, start: found.start, end, is_open, act });
    }

    /// Ends the union if nothing can join it any more, and says how far the text is stable.
    fn settle(&mut self, decided: usize) {
        let mut stable = decided;
        if let Some(union) = &mut self.union {
            let extent = if union.is_open { self.end } else { union.end }.saturating_sub(union.start);
            if extent > MAX_MASKED {
                union.act = Act::Redact;
            }
            if union.reach() <= decided {
                self.close_union();
            } else if union.act == Act::Mask {
                stable = stable.min(union.start);
            }
        }
        if let Some((start, _)) = &self.denied {
            stable = stable.min(*start);
        }
        self.stable = self.stable.max(stable);
    }

    fn close_union(&mut self) {
        if let Some(union) = self.union.take() {
            let edit = union.edit(&self.scanners, self.slice(union.start, union.end));
            self.edits.push_back(edit);
        }
    }

    /// The text between two offsets; none of what is no longer kept.
    fn slice(&self, start: usize, end: usize) -> &str {
        let inside = |offset: usize| offset.saturating_sub(self.base);
        self.text.get(inside(start)..inside(end)).unwrap_or_default()
    }

    /// Lets go of text that nobody needs: amortised constant time per byte.
    fn trim(&mut self) {
        let resumes = self.matches.iter().filter_map(Match::resume).min().unwrap_or(usize::MAX);
        let masked = self.union.filter(|union| union.act == Act::Mask).map_or(usize::MAX, |union| union.start);
        let needed = self.taken.min(self.decided().saturating_sub(CONTEXT)).min(resumes).min(masked);
        let spent = self.text.floor_char_boundary(needed.saturating_sub(self.base));
        if spent >= TRIM && spent >= self.text.len() - spent {
            self.text.drain(..spent);
            self.base += spent;
        }
    }
}

fn hit(scanners: &Scanners, found: &Match, end: usize) -> Hit {
    let span = Span { start: found.start, end };
    Hit { kind: scanners.kind(found.rule), group: found.rule.group(), span, parts: Vec::new() }
}

fn offset(offset: usize) -> u64 {
    u64::try_from(offset).unwrap_or(u64::MAX)
}

impl fmt::Debug for Lane {
    /// Offsets only, never content.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Lane");
        fields.field("end", &self.end).field("stable", &self.stable).field("taken", &self.taken);
        fields.field("denied", &self.denied()).finish_non_exhaustive()
    }
}
