//! Which readings are made of which text, in what order, and within what bounds.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use super::blocks::{Block, blocks, rows};
use super::draft::{Draft, Stage};
use super::suspects::Suspects;
use super::{Guesses, Hidden, HiddenKind, Normal, NormalLimits, Step, View};
use super::{decoders, entities, escapes, hidden, markup, regions, skeleton, spaced, strides, whole};

/// How telling a reading is; the views are in this order, and limits cut the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The text read in full, or what is encoded in it. Only these are read again.
    Full,
    /// Spaced and Leet.
    Words,
    /// Rot13 and Reversed.
    Turned,
    /// What a single step gave on the way to the full reading.
    OnTheWay,
}

/// A reading that will be a view.
struct Found {
    stage: Rc<Stage<'static>>,
    rank: Rank,
    depth: usize,
    is_reversed: bool,
    is_read: bool,
    is_late: bool,
}

/// One step, as a function of text and room; `None` when it changes nothing.
type Reading = for<'t> fn(&'t str, usize) -> Option<Draft<'t>>;

/// What is read one after the other.
const CHAIN: &[(Step, Reading)] = &[
    (Step::Hidden, hidden::strip),
    (Step::Skeleton, skeleton::skeleton),
    (Step::Entities, entities::decode),
    (Step::UrlEscapes, escapes::url),
];

/// One step that reads the blocks of a text.
type Decoding = for<'t> fn(&'t str, &[Block], usize) -> Option<Draft<'t>>;

/// What is encoded in a text.
const ENCODED: &[(Step, Decoding)] = &[
    (Step::Base64, decoders::base64),
    (Step::Hex, decoders::hex),
    (Step::Base32, decoders::base32),
    (Step::Base32, decoders::base32_hex),
];

pub(super) struct Reader<'a> {
    text: &'a str,
    /// What in the text is a sign of something turned.
    clues: &'a [Range<usize>],
    limits: NormalLimits,
    found: Vec<Found>,
    hidden: Vec<Hidden>,
    /// Bytes of everything found.
    bytes: usize,
    is_cut: bool,
    /// What is read when all else is, so that it takes no room from it: a text without what is not shown, and its depth.
    late: VecDeque<(Rc<Stage<'static>>, usize)>,
    /// What is found from now on was read late.
    is_late: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, clues: &'a [Range<usize>], limits: &NormalLimits) -> Self {
        Self {
            text,
            clues,
            limits: *limits,
            found: Vec::new(),
            hidden: hidden::report(text),
            bytes: 0,
            is_cut: false,
            late: VecDeque::new(),
            is_late: false,
        }
    }

    pub(super) fn read(mut self) -> Normal {
        let original = Stage::original(self.text);
        self.stage(&original, 0);
        let mut at = self.again(0);
        while let Some((shown, depth)) = self.late.pop_front() {
            self.is_late = true;
            self.add(shown, Rank::Full, depth, false, false);
            at = self.again(at);
        }
        self.finish()
    }

    /// Reads again what was found from `at` on, and what that gives. Returns where there is nothing more.
    fn again(&mut self, mut at: usize) -> usize {
        while let Some(found) = self.found.get_mut(at) {
            at += 1;
            if found.rank == Rank::Full && !found.is_read {
                found.is_read = true;
                let (stage, depth) = (Rc::clone(&found.stage), found.depth);
                self.stage(&stage, depth);
            }
        }
        at
    }

    /// Reads one text at `depth` in every way.
    fn stage(&mut self, stage: &Stage<'_>, depth: usize) {
        if !Suspects::of(&stage.text).any() {
            self.finals(stage, depth);
            return;
        }
        let chain = self.chain(stage);
        self.keep_full(chain.last(), depth);
        let full: &Stage<'_> = chain.last().map_or(stage, |last| last);
        self.encoded(full, depth);
        self.markup(full, depth);
        self.one(full, depth, (Step::QuotedPrintable, escapes::quoted_printable), Rank::Full);
        self.one(stage, depth, (Step::Hidden, hidden::tags_as_ascii), Rank::Full);
        self.finals(full, depth);
        if !chain.is_empty() {
            // The chain could have changed what is encoded as it stands.
            self.encoded(stage, depth);
            if depth == 0
                && let Some(guessed) = self.guessed(stage)
            {
                self.turned(&guessed);
            }
        }
        for stage in chain {
            self.add(stage, Rank::OnTheWay, depth + 1, true, false);
        }
        self.one(stage, depth, (Step::Compatibility, skeleton::compatibility), Rank::OnTheWay);
    }

    /// The steps of [`CHAIN`], each on what the one before gave; only those that change something.
    fn chain(&mut self, stage: &Stage<'_>) -> Vec<Rc<Stage<'static>>> {
        let mut chain: Vec<Rc<Stage<'static>>> = Vec::new();
        for (step, reading) in CHAIN {
            let from: &Stage<'_> = chain.last().map_or(stage, |last| last);
            if let Some(next) = self.make(from, (*step, *reading)) {
                chain.push(Rc::new(next));
            }
        }
        chain
    }

    fn keep_full(&mut self, full: Option<&Rc<Stage<'static>>>, depth: usize) {
        let Some(full) = full else { return };
        // Unseen characters and look-alikes leave nothing of their kind; what was escaped may hold more escapes.
        let is_read = !full.steps.ends_with(&[Step::Entities]) && !full.steps.ends_with(&[Step::UrlEscapes]);
        self.add(Rc::clone(full), Rank::Full, depth + 1, is_read, false);
    }

    fn encoded(&mut self, stage: &Stage<'_>, depth: usize) {
        self.decoded(stage, depth, &blocks(&stage.text));
        let [without_rest, with_rest] = rows(&stage.text);
        for rows in [without_rest, with_rest].iter().filter(|rows| !rows.is_empty()) {
            self.decoded(stage, depth, rows);
        }
    }

    fn decoded(&mut self, stage: &Stage<'_>, depth: usize, blocks: &[Block]) {
        for (step, decoding) in ENCODED {
            let draft = decoding(&stage.text, blocks, self.room());
            if let Some(next) = draft.and_then(|draft| self.check(stage, *step, draft)) {
                self.add(Rc::new(next), Rank::Full, depth + 1, false, false);
            }
        }
    }

    fn one(&mut self, stage: &Stage<'_>, depth: usize, reading: (Step, Reading), rank: Rank) {
        if let Some(next) = self.make(stage, reading) {
            self.add(Rc::new(next), rank, depth + 1, false, false);
        }
    }

    fn markup(&mut self, stage: &Stage<'_>, depth: usize) {
        let Some(reading) = markup::read(&stage.text, self.room()) else { return };
        self.hidden.extend(reading.hidden.iter().map(|(kind, span)| Hidden { kind: *kind, span: stage.map.origin(span) }));
        let shown = reading.shown.and_then(|shown| self.check(stage, Step::Markup, shown));
        self.late.extend(shown.map(|shown| (Rc::new(shown), depth + 1)));
        if let Some(next) = self.check(stage, Step::Markup, reading.draft) {
            self.add(Rc::new(next), Rank::Full, depth + 1, false, false);
        }
    }

    /// Readings that are read no further.
    fn finals(&mut self, stage: &Stage<'_>, depth: usize) {
        for join in [spaced::join, strides::join] {
            if let Some(joined) = join(&stage.text, self.room()) {
                self.joined(stage, joined, depth);
            }
        }
        // Nobody encodes a text without a reason: there may be one more.
        let is_decoding = |step: &&Step| matches!(step, Step::Base64 | Step::Base32 | Step::Hex);
        if stage.steps.iter().filter(is_decoding).count() == 1 {
            self.turned(stage);
        }
        if depth > 0 && matches!(self.limits.guesses, Guesses::Suspicious { .. }) {
            return;
        }
        let Some(guessed) = self.guessed(stage) else { return };
        self.leet(&guessed, b'i');
        if guessed.text.contains('1') {
            self.leet(&guessed, b'l');
        }
        if depth == 0 {
            self.turned(&guessed);
        }
    }

    /// A text with joined words, and these turned.
    fn joined(&mut self, stage: &Stage<'_>, joined: spaced::Joined<'_>, depth: usize) {
        let Some(next) = self.check(stage, Step::Spaced, joined.draft) else { return };
        let next = Rc::new(next);
        self.add(Rc::clone(&next), Rank::Words, depth.min(self.limits.max_depth.saturating_sub(1)) + 1, false, false);
        if depth == 0
            && let Some(regions) = regions::suspicious(&next.text, &joined.runs, &(0..usize::MAX), self.room())
        {
            self.turned(&next.part(regions));
        }
    }

    /// What of a stage is read without a sign; `None` for nothing.
    fn guessed<'s>(&self, stage: &'s Stage<'_>) -> Option<Cow<'s, Stage<'s>>> {
        match self.limits.guesses {
            Guesses::Whole => Some(Cow::Borrowed(stage)),
            Guesses::Suspicious { from, to } => {
                let (clues, within) = if stage.steps.is_empty() { (self.clues, from..to) } else { (&[][..], 0..usize::MAX) };
                let regions = regions::suspicious(&stage.text, clues, &within, self.room())?;
                Some(Cow::Owned(stage.part(regions)))
            }
        }
    }

    fn leet(&mut self, stage: &Stage<'_>, one: u8) {
        if let Some(read) = whole::leet(&stage.text, one) {
            self.rewritten(stage, Step::Leet, read, Rank::Words);
        }
    }

    fn turned(&mut self, stage: &Stage<'_>) {
        if !whole::says_something(&stage.text) {
            return;
        }
        self.rewritten(stage, Step::Rot13, whole::rot13(&stage.text), Rank::Turned);
        let mut steps = stage.steps.clone();
        steps.push(Step::Reversed);
        let reversed = Stage { text: whole::reversed(&stage.text).into(), map: stage.map.clone(), steps };
        self.add(Rc::new(reversed), Rank::Turned, 0, true, true);
    }

    /// Keeps `text`, which has the bytes of `stage` at the same places.
    fn rewritten(&mut self, stage: &Stage<'_>, step: Step, text: String, rank: Rank) {
        let mut draft = Draft::new(&stage.text, text.len());
        draft.replace_all(text);
        self.add(Rc::new(stage.next(step, draft)), rank, 0, true, false);
    }

    fn make(&mut self, stage: &Stage<'_>, (step, reading): (Step, Reading)) -> Option<Stage<'static>> {
        let draft = reading(&stage.text, self.room())?;
        self.check(stage, step, draft)
    }

    /// The next stage, unless nothing changed.
    fn check(&mut self, stage: &Stage<'_>, step: Step, draft: Draft<'_>) -> Option<Stage<'static>> {
        self.is_cut |= draft.is_full();
        let is_new = !draft.is_empty() && draft.text() != stage.text;
        is_new.then(|| stage.next(step, draft))
    }

    fn add(&mut self, stage: Rc<Stage<'static>>, rank: Rank, depth: usize, is_read: bool, is_reversed: bool) {
        if stage.text == self.text {
            return;
        }
        if let Some(same) = self.found.iter_mut().find(|found| found.stage.text == stage.text) {
            same.is_read &= is_read || rank != Rank::Full || same.rank == Rank::Full;
            same.rank = same.rank.min(rank);
            return;
        }
        let is_beyond = depth > self.limits.max_depth || self.found.len() >= self.limits.max_views.saturating_mul(2);
        if is_beyond || stage.text.len() > self.room() {
            self.is_cut = true;
            return;
        }
        self.bytes += stage.text.len();
        self.found.push(Found { stage, rank, depth, is_reversed, is_read, is_late: self.is_late });
    }

    /// Bytes that one more reading may have.
    fn room(&self) -> usize {
        self.limits.max_bytes.saturating_mul(2).saturating_sub(self.bytes).min(self.limits.max_bytes)
    }

    fn finish(mut self) -> Normal {
        self.found.sort_by_key(|found| (found.is_late, found.rank));
        let mut normal = Normal { is_cut: self.is_cut, hidden: merged(self.hidden), ..Normal::default() };
        let mut room = self.limits.max_bytes;
        for found in self.found {
            match room.checked_sub(found.stage.text.len()) {
                Some(left) if normal.views.len() < self.limits.max_views => {
                    room = left;
                    normal.views.push(View { stage: Rc::unwrap_or_clone(found.stage), is_reversed: found.is_reversed });
                }
                _ => normal.is_cut = true,
            }
        }
        normal
    }
}

/// By place, with what overlaps or meets in one kind as one.
fn merged(mut hidden: Vec<Hidden>) -> Vec<Hidden> {
    let key = |hidden: &Hidden| -> (HiddenKind, usize) { (hidden.kind, hidden.span.start) };
    hidden.sort_unstable_by_key(key);
    let mut merged: Vec<Hidden> = Vec::with_capacity(hidden.len());
    for next in hidden {
        let Range { start, end } = next.span;
        match merged.last_mut() {
            Some(last) if last.kind == next.kind && start <= last.span.end => last.span.end = last.span.end.max(end),
            _ => merged.push(next),
        }
    }
    merged.sort_by_key(|hidden| hidden.span.start);
    merged
}
