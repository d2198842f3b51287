//! Values that are told by what stands before them: mostly a key and an operator.
//!
//! Everything is decided at the value's start: by at most [`LOOK_BACK`](crate::bounded::LOOK_BACK) bytes before it and the bytes of
//! the value itself, so a lane that has already released the key decides as a scan of the whole text does. Every value holds a
//! digit, which is what is looked for first; ordinary words cost nothing.

mod before;
mod form;

pub(crate) use before::{Before, begins_word};
pub(crate) use form::{Fit, Form, Item, form, has_entropy, run, some, text};

use crate::bounded::Input;
use crate::class::{self, Class};
use crate::clue::moved;
use before::JOINT;

/// A kind of value that is told by what stands before it.
#[derive(Debug)]
pub(crate) struct ContextRule {
    pub(crate) kind: &'static str,
    pub(crate) clue: Clue,
    /// What the value looks like; the first form that fits counts.
    pub(crate) forms: &'static [Form],
}

/// What has to stand before a value.
#[derive(Debug)]
pub(crate) enum Clue {
    /// Nothing: the form alone says enough.
    None,
    /// One of these words in the key, and an operator between key and value. Words are lower case and begin with a letter; in the
    /// text they begin a word (also one inside `camelCase`), in any letter case.
    Assigned(&'static [&'static str]),
    /// A test of its own.
    Own(fn(&Before<'_>) -> bool),
}

/// Bytes between the end of a key's word and the joint.
const REACH: usize = 32;

/// A value does not begin behind one of these.
const INNER: Class = Class::URL_SAFE.or(Class::DOT).or(Class::TILDE);
/// A digit counts up to this many bytes behind a value's start.
const MAX_RUN: usize = 256;
/// Bytes of a value that are looked at before any rule is.
const QUICK_LOOK: usize = 32;

/// The rules of a table that are switched on.
pub(crate) struct Contexts {
    rules: &'static [ContextRule],
    /// Words by their first letter, with the rule's place.
    words: [Vec<(&'static str, usize)>; 26],
    /// By the first letter of a word: bit [`place_of`] of its second byte.
    seconds: [u32; 32],
    /// Rules without words: the bytes that a value begins with at least, and the place.
    others: Vec<(usize, usize)>,
    /// No value begins with fewer bytes that are neither blank nor a quote.
    least: usize,
}

impl Contexts {
    pub(crate) fn new(rules: &'static [ContextRule], is_on: impl Fn(usize) -> bool) -> Self {
        let mut words = [const { Vec::new() }; 26];
        let mut seconds = [0_u32; 32];
        let mut others = Vec::new();
        let mut least = MAX_RUN;
        for (place, rule) in rules.iter().enumerate().filter(|(place, _)| is_on(*place)) {
            let shortest = rule.forms.iter().map(Form::least).min().unwrap_or_default();
            least = least.min(shortest);
            let Clue::Assigned(list) = rule.clue else {
                others.push((shortest, place));
                continue;
            };
            for word in list {
                let [first, second] = [0, 1].map(|at| word.as_bytes().get(at).copied());
                let second = second.map_or(u32::MAX, |second| 1 << place_of(second));
                seconds.get_mut(place_of(first.unwrap_or_default())).into_iter().for_each(|seconds| *seconds |= second);
                if let Some(letter) = word.bytes().next().and_then(letter).and_then(|letter| words.get_mut(letter)) {
                    letter.push((*word, place));
                }
            }
        }
        Self { rules, words, seconds, others, least }
    }

    /// As [`Find`](crate::bounded::Find) says; sets `is_named` if some value could be that a word of a key names. Over a whole text
    /// at once that is every one which [`find_turned`](Self::find_turned) looks at.
    pub(crate) fn find(&self, input: Input<'_>, is_named: &mut bool, report: &mut dyn FnMut(usize, usize, usize)) -> usize {
        let Input { text, from, is_final, .. } = input;
        let (mut next, mut at) = (from, from);
        while let Some(offset) = class::digit(text.get(at..).unwrap_or_default()) {
            let digit = at + offset;
            for start in starts(text, next, digit) {
                match self.evaluate(text, start, is_final, is_named) {
                    None => {}
                    Some((_, Fit::Pending)) => return start,
                    Some((place, Fit::To(end))) => report(place, start, end),
                    Some((_, Fit::No)) => {}
                }
            }
            at = digit + 1;
            at += INNER.run(text.get(at..).unwrap_or_default());
            next = at;
        }
        if is_final {
            return text.len();
        }
        // The digit may still come.
        let mut open = starts(text, next, text.len());
        open.find(|start| matches!(self.evaluate(text, *start, false, is_named), Some((_, Fit::Pending)))).unwrap_or(text.len())
    }

    /// Reports the values that words name and that fit a form only when they are turned: letters moved on by thirteen, or from the
    /// last byte to the first (the kind's place, start, end). The words stand there as they are. Linear time.
    pub(crate) fn find_turned(&self, text: &[u8], mut report: impl FnMut(usize, usize, usize)) {
        let (mut next, mut at) = (0, 0);
        while let Some(offset) = class::digit(text.get(at..).unwrap_or_default()) {
            let digit = at + offset;
            for start in starts(text, next, digit) {
                let value = text.get(start..text.len().min(start + MAX_RUN)).unwrap_or_default();
                let is_joined = start.checked_sub(1).and_then(|at| text.get(at)).is_some_and(|byte| JOINT.has(*byte));
                if !is_joined || value.get(..self.least).is_none_or(|head| Class::VISIBLE.run(head) < head.len()) {
                    continue;
                }
                let before = Before::new(text, start);
                if let Some((place, length)) = before.has_operator().then(|| self.turned(&before, value)).flatten() {
                    report(place, start, start + length);
                }
            }
            at = digit + 1;
            at += INNER.run(text.get(at..).unwrap_or_default());
            next = at;
        }
    }

    /// The first rule that is clued and fits `value` turned, and the length of what fits.
    fn turned(&self, before: &Before<'_>, value: &[u8]) -> Option<(usize, usize)> {
        let mut places = Vec::new();
        self.clued(before, |place| places.push(place));
        if places.is_empty() {
            return None;
        }
        places.sort_unstable();
        let is_end = |byte: &u8| Class::QUOTE.or(Class::SPACE).or(Class::BREAK).has(*byte) || b",;<)]}".contains(byte);
        let length = value.iter().position(is_end).unwrap_or(value.len());
        let reversed: Vec<u8> = value.iter().take(length).rev().copied().collect();
        let moved: Vec<u8> = value.iter().map(|byte| moved(*byte)).collect();
        places.into_iter().find_map(|place| {
            let rule = self.rules.get(place)?;
            match (rule.fit(&reversed, 0, true), rule.fit(&moved, 0, true)) {
                (Fit::To(end), _) if end == length => Some((place, length)),
                (_, Fit::To(end)) => Some((place, end)),
                _ => None,
            }
        })
    }

    /// The first rule of the table whose clue and form fit at a start, or could with more text.
    fn evaluate(&self, text: &[u8], start: usize, is_final: bool, is_named: &mut bool) -> Option<(usize, Fit)> {
        // A cheap look first: what begins here is mostly too short.
        let rest = text.get(start..).unwrap_or_default();
        let length = Class::VISIBLE.run(rest.get(..QUICK_LOOK).unwrap_or(rest));
        let goes_on = length == QUICK_LOOK || (length == rest.len() && !is_final);
        let length = if goes_on { usize::MAX } else { length };
        if length < self.least {
            return None;
        }
        let mut best = None;
        let mut try_rule = |place: usize, before: Option<&Before<'_>>| {
            if best.is_some_and(|(known, _)| known <= place) {
                return;
            }
            let Some(rule) = self.rules.get(place) else { return };
            // The clue first: it costs less than the entropy of a value that hardly ever is one.
            if matches!(rule.clue, Clue::Own(test) if !before.is_some_and(test)) {
                return;
            }
            let fit = rule.fit(text, start, is_final);
            if fit != Fit::No {
                best = Some((place, fit));
            }
        };
        let is_joined = start.checked_sub(1).and_then(|at| text.get(at)).is_some_and(|byte| JOINT.has(*byte));
        let before = is_joined.then(|| Before::new(text, start));
        if let Some(before) = before.as_ref().filter(|before| before.has_operator()) {
            self.clued(before, |place| {
                *is_named = true;
                try_rule(place, Some(before));
            });
        }
        for (least, place) in &self.others {
            if *least <= length {
                try_rule(*place, before.as_ref());
            }
        }
        best
    }

    /// The rules whose words stand in the key.
    fn clued(&self, before: &Before<'_>, mut found: impl FnMut(usize)) {
        // One bit rules out most letters.
        let may_begin =
            |first, second| self.seconds.get(place_of(first)).is_some_and(|seconds| seconds >> place_of(second) & 1 == 1);
        for (rest, first) in before.words(may_begin) {
            for (word, place) in letter(first).and_then(|letter| self.words.get(letter)).into_iter().flatten() {
                let begin = rest.get(..word.len());
                let is_near = rest.len() <= word.len() + REACH;
                if is_near && begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes())) {
                    found(*place);
                }
            }
        }
    }
}

impl ContextRule {
    fn fit(&self, text: &[u8], start: usize, is_final: bool) -> Fit {
        let rest = text.get(start..).unwrap_or_default();
        let fits = self.forms.iter().map(|form| form.fit(rest, is_final));
        match fits.into_iter().find(|fit| *fit != Fit::No).unwrap_or(Fit::No) {
            Fit::To(length) => Fit::To(start + length),
            other => other,
        }
    }
}

/// Where a value can begin whose first digit stands at `digit`, from `least` on, in order.
fn starts(text: &[u8], least: usize, digit: usize) -> impl Iterator<Item = usize> + '_ {
    let open = text.get(least..digit).unwrap_or_default();
    let first = digit - Class::VISIBLE.run_back(open, MAX_RUN);
    (first..text.len().min(digit + 1)).filter(|start| {
        let may_begin = text.get(*start).is_some_and(|byte| Class::URL_SAFE.has(*byte));
        may_begin && start.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|byte| !INNER.has(*byte))
    })
}

/// A number below 32 for a byte, the same for a letter in both cases.
const fn place_of(byte: u8) -> usize {
    (byte & 31) as usize
}

/// A letter's place in the alphabet, in any case.
fn letter(byte: u8) -> Option<usize> {
    byte.is_ascii_alphabetic().then(|| usize::from(byte.to_ascii_lowercase() - b'a'))
}

#[cfg(test)]
mod tests;
