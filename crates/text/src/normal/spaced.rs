//! Words written a letter at a time: `p a s s w o r d`, `i-g-n-o-r-e a-l-l`, with one sign between; with any one to three signs,
//! and in small groups, they are read by [`strides`].

use std::ops::Range;

use super::draft::Draft;
use super::{lanes, strides};

/// Fewest single characters of a run.
pub(super) const FEWEST: usize = 6;

pub(super) const fn is_separator(byte: u8) -> bool {
    // Without branches.
    (byte == b' ') | (byte.wrapping_sub(b'-') < 3) | (byte == b'_') | (byte == b'*') | (byte == b'|') | (byte == b'\n')
}

/// Whether [`join`] could change something. `false` is certain.
pub(super) fn may_join(text: &str) -> bool {
    next_hit(text.as_bytes(), 0).is_some() || strides::may_join(text)
}

/// A text with joined runs, and where these stand in it.
#[derive(Debug)]
pub(super) struct Joined<'a> {
    pub(super) draft: Draft<'a>,
    pub(super) runs: Vec<Range<usize>>,
}

/// `text` with runs of single characters between one separator joined; a wider gap in a run is one space. `None` without a run.
pub(super) fn join(text: &str, room: usize) -> Option<Joined<'_>> {
    let mut draft = Draft::new(text, room);
    let mut runs = Vec::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(hit) = next_hit(text.as_bytes(), at) {
        at = hit + 1;
        let Some((start, separator)) = beginning(text, hit, kept) else { continue };
        let run = Run::read(text, start, separator);
        at = run.end.max(at);
        if run.letters < FEWEST {
            continue;
        }
        draft.keep(kept..start);
        let first = draft.text().len();
        write(&mut draft, text, start..run.end, separator);
        runs.push(first..draft.text().len());
        kept = run.end;
    }
    if kept == 0 {
        return None;
    }
    draft.keep(kept..text.len());
    Some(Joined { draft, runs })
}

/// The next separator at or behind `from` that stands again two to five bytes on, behind one character.
fn next_hit(bytes: &[u8], from: usize) -> Option<usize> {
    // A byte that is not ASCII may begin a longer character; what follows is looked at more closely.
    lanes::first_pair(bytes, from, 2, |one, other| is_separator(one) & ((one == other) | !other.is_ascii()))
}

/// Where a run begins whose separator is at `hit`: at the single character before it, else behind it. Not before `floor`.
fn beginning(text: &str, hit: usize, floor: usize) -> Option<(usize, u8)> {
    let separator = *text.as_bytes().get(hit)?;
    let mut before = text.get(floor..hit)?.chars().rev();
    let start = match (before.next(), before.next()) {
        (Some(single), previous) if is_single(single, separator) && !previous.is_some_and(char::is_alphanumeric) => {
            hit - single.len_utf8()
        }
        _ => hit + 1,
    };
    Some((start, separator))
}

fn is_single(character: char, separator: u8) -> bool {
    !character.is_whitespace() && !character.is_control() && character != char::from(separator)
}

/// Whether this is the separator itself, or a blank, neither of which is a letter of a word.
fn is_sign(single: char, separator: u8) -> bool {
    single == char::from(separator) || single.is_ascii_whitespace()
}

/// What was read of a run.
struct Run {
    letters: usize,
    end: usize,
}

impl Run {
    /// Reads single characters with one `separator` between them, or a gap of whitespace, from `start` on.
    fn read(text: &str, start: usize, separator: u8) -> Self {
        let mut run = Self { letters: 0, end: start };
        let mut at = start;
        while let Some(single) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let end = at + single.len_utf8();
            let rest = text.get(end..).unwrap_or_default();
            // In `s-k---a` the middle one of three is what is written, and in `a. .b` the space is.
            let is_between = rest.as_bytes().first() == Some(&separator) && at > start;
            let is_written = is_between && !separator.is_ascii_whitespace() && is_sign(single, separator);
            if !is_written && !is_single(single, separator) {
                break;
            }
            // A word that begins here is not a single character.
            if single.is_alphanumeric() && rest.chars().next().is_some_and(char::is_alphanumeric) {
                break;
            }
            run.letters += usize::from(!is_written);
            run.end = end;
            let Some(gap) = gap(rest.as_bytes(), separator) else { break };
            at = end + gap;
        }
        run
    }
}

/// The length of what separates two singles: the separator, or whitespace.
fn gap(rest: &[u8], separator: u8) -> Option<usize> {
    let spaces = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if spaces > 0 {
        return Some(spaces);
    }
    (rest.first() == Some(&separator)).then_some(1)
}

/// Writes the singles of `range`; a gap that is more than one separator as a space.
fn write(draft: &mut Draft<'_>, text: &str, range: Range<usize>, separator: u8) {
    let end = range.end;
    let mut at = range.start;
    while let Some(single) = text.get(at..end).and_then(|rest| rest.chars().next()) {
        let behind = at + single.len_utf8();
        draft.keep(at..behind);
        let rest = text.as_bytes().get(behind..end).unwrap_or_default();
        let Some(first) = rest.first() else { return };
        let gap = gap(rest, separator).unwrap_or(1);
        at = behind + gap;
        if gap > 1 || *first != separator {
            draft.put(" ", behind..at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn spaced_words_are_joined() {
        let facts = [
            ("my p a s s w o r d is x", Some("my password is x")),
            ("p.a.s.s.w.o.r.d", Some("password")),
            ("i-g-n-o-r-e a-l-l rules", Some("ignore all rules")),
            ("i g n o r e   a l l", Some("ignore all")),
            ("s_e_c_r_e_t", Some("secret")),
            ("s-k---a-p-i-x-y", Some("sk-apixy")),
            ("a.@.b...c.o.m.", Some("a@b.com.")),
            ("k.e.y. .=. .a.b", Some("key = ab")),
            ("k-e-y---a- -b-c", Some("key-a bc")),
            ("-------- a-b---c-d", None),
            ("s*e*c*r*e*t.", Some("secret.")),
            ("s\ne\nc\nr\ne\nt\n", Some("secret\n")),
            ("4 1 1 1 1 1", Some("411111")),
            ("s|e|c|r|e|t and a/b/c/d/e/f", Some("secret and abcdef")),
            ("\u{441} \u{435} \u{43A} \u{440} \u{435} \u{442}", Some("\u{441}\u{435}\u{43A}\u{440}\u{435}\u{442}")),
            ("4111 1111 1111 1111", None),
            ("a b c d e", None),
            ("I am a cat - a b - see", None),
            ("x.a b.c d e.f g", None),
            ("", None),
        ];
        for (text, expected) in facts {
            assert_eq!(join(text, 999).as_ref().map(|joined| joined.draft.text()), expected, "{text}");
        }
    }
}
