//! Texts of a stream that clients join although each has a lane of its own: content blocks, parts, messages of one answer.
//!
//! One more lane hears all of them in the order in which they arrive, from the moment at which there are two. It changes nothing:
//! what it finds across two of them ends the stream before the second has left. Texts that come side by side are not read as one:
//! pieces of several, as they happen to arrive, spell what nobody says.

use std::collections::{HashSet, VecDeque};

use inspect::{Hit, Lane};

use super::track::Track;
use crate::ports::LaneId;

/// So much of what was said last is remembered, in bytes.
const TAIL: usize = 1024;
/// Most seams that are remembered.
const MAX_SEAMS: usize = 4096;

/// What was said, in whatever lane.
#[derive(Default)]
pub(super) struct Joint {
    last: Option<LaneId>,
    /// Texts in which something was said.
    heard: HashSet<LaneId>,
    /// One of them went on after another had begun.
    is_over: bool,
    /// The end of what was said, while one lane says all of it.
    tail: String,
    track: Option<Track>,
    /// How much the lane has heard.
    end: usize,
    /// Where it goes from one text to another.
    seams: VecDeque<usize>,
    is_spilt: bool,
}

impl Joint {
    /// Hears a piece of a lane. Gives its number if it has to be ready here too.
    pub(super) fn hear(&mut self, id: &LaneId, text: &str, lane: impl FnOnce() -> Lane) -> Option<u64> {
        if text.is_empty() || self.is_over {
            return None;
        }
        let is_other = self.last.as_ref().is_some_and(|last| last != id);
        if self.last.as_ref() != Some(id) {
            self.last = Some(id.clone());
            // The lanes of an answer are bounded, and so are these.
            self.is_over = !self.heard.insert(id.clone());
        }
        if self.is_over {
            self.finish();
            return None;
        }
        if self.track.is_none() {
            if !is_other {
                self.remember(text);
                return None;
            }
            let mut track = Track::new(lane(), false);
            track.push(&self.tail);
            self.end = self.tail.len();
            self.tail = String::new();
            self.track = Some(track);
        }
        if is_other {
            self.seams.push_back(self.end);
            if self.seams.len() > MAX_SEAMS {
                self.seams.pop_front();
            }
        }
        self.end = self.end.saturating_add(text.len());
        self.track.as_mut().map(|track| track.push(text))
    }

    /// Something was found across a seam: nothing more leaves.
    pub(super) const fn spill(&mut self) {
        self.is_spilt = true;
    }

    /// Whether something was.
    pub(super) const fn is_spilt(&self) -> bool {
        self.is_spilt
    }

    /// What became certain, and stands across a seam.
    pub(super) fn new_hits(&mut self) -> Vec<Hit> {
        let hits = self.track.as_mut().map(Track::new_hits).unwrap_or_default();
        let is_across = |hit: &Hit| self.seams.iter().any(|seam| hit.span.start < *seam && *seam < hit.span.end);
        hits.into_iter().filter(is_across).collect()
    }

    pub(super) fn is_ready(&self, number: u64) -> bool {
        self.track.as_ref().is_none_or(|track| track.is_ready(number))
    }

    /// The piece has left; it is not needed here any more.
    pub(super) fn let_go(&mut self, number: u64) {
        if let Some(track) = &mut self.track {
            // The first piece is what was said before there were two.
            if number == 1 {
                drop(track.take(0));
            }
            drop(track.take(number));
        }
    }

    pub(super) fn finish(&mut self) {
        if let Some(track) = &mut self.track {
            track.finish();
        }
    }

    fn remember(&mut self, text: &str) {
        self.tail.push_str(text);
        if self.tail.len() >= 2 * TAIL {
            let spent = self.tail.floor_char_boundary(self.tail.len().saturating_sub(TAIL));
            self.tail.drain(..spent);
        }
    }
}
