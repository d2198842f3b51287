//! Text inside text: a string that its reader parses as JSON once more.
//!
//! Tool arguments are JSON inside a JSON string, and what a tool answers often is. A secret behind the second layer of escapes is
//! no secret to a scan of the first. So a text with a backslash is scanned as it stands *and* unescaped, as often as that changes
//! it, each of these in all its readings ([`crate::views`]), and what is found is mapped back. An escape is never torn: a match that touches one covers it. That holds for the text as it
//! stands too: in `\njane@b.co` the address begins with the `n`, and a backslash left behind would break its reader's JSON.

use std::cmp::Reverse;
use std::ops::Range;

use crate::scan::{Hit, Scanners, hits};
use crate::track::Match;
use crate::views::{self, Readings};

/// Most layers below the first. Each takes twice the backslashes of the one above, so text that really is nested deeper is mostly
/// backslashes.
const MAX_LAYERS: usize = 3;
const EVERYWHERE: Range<usize> = 0..usize::MAX;

/// What a scan of a text and its layers gives.
#[derive(Debug, Default)]
pub struct Scan {
    /// What stands there: sorted, disjoint.
    pub hits: Vec<Hit>,
    /// There are more ways to read the text than were read: something may be hidden in it all the same.
    pub is_cut: bool,
}

/// As [`Scanners::scan`], and what stands behind further layers of JSON escapes. Offsets are those of `text`. Linear time; apart
/// from the layers themselves, memory for what was found alone.
pub(crate) fn scan(scanners: &Scanners, text: &str) -> Scan {
    scan_telling(scanners, text, usize::MAX, &mut |_| ())
}

/// The same; how far it is with the text as it stands is told every `step` bytes.
pub(crate) fn scan_telling(scanners: &Scanners, text: &str, step: usize, told: &mut dyn FnMut(usize)) -> Scan {
    if scanners.is_too_short(text) || scanners.are_off() || scanners.is_clean(text) {
        return Scan::default();
    }
    let ended = |found: Match| found.at(&(found.start..found.end.unwrap_or(text.len())));
    let (matches, is_named) = scanners.matches_telling(text, step, told);
    let mut matches: Vec<Match> = matches.into_iter().map(ended).collect();
    widen(text, &mut matches, Offsets::AsItStands);
    let is_cut = !disguised(scanners, text, &EVERYWHERE, is_named, &mut matches).are_all;
    // A match that stands in several layers is there once, as its longest form: one that lies inside another does not count, but
    // the order in which matches are united says nothing of the length of open-ended ones.
    matches.sort_unstable_by_key(|found| (found.rule, found.start, Reverse(found.end)));
    matches.dedup_by_key(|found| (found.rule, found.start));
    Scan { hits: hits(scanners, matches, text.len()), is_cut }
}

/// Adds every match in the readings of `text`, in its layers and in their readings, each with its end, and says whether these are
/// all there are, and whether there is any. What stands in `text` as it stands is left out, and what reaches `within` from neither side may be.
/// A text in which no word of a key names a value (not `is_named`) has none that is turned and named.
pub(crate) fn disguised(
    scanners: &Scanners,
    text: &str,
    within: &Range<usize>,
    is_named: bool,
    matches: &mut Vec<Match>,
) -> Readings {
    let mut found = Vec::new();
    let mut readings = views::matches(scanners, text, within, is_named, &mut found);
    widen(text, &mut found, Offsets::AsItStands);
    matches.append(&mut found);
    let mut layers: Vec<String> = unescape(text).into_iter().collect();
    while let Some(layer) = layers.last() {
        readings.are_none = false;
        let mut found = whole_matches(scanners, layer, &mut readings.are_all);
        let above = layers.iter().rev().skip(1).map(String::as_str).chain([text]);
        above.for_each(|outer| widen(outer, &mut found, Offsets::Unescaped));
        matches.append(&mut found);
        let next = if layers.len() < MAX_LAYERS { unescape(layer) } else { None };
        match next {
            Some(next) => layers.push(next),
            None => break,
        }
    }
    readings
}

/// The matches in one layer, each with its end, none that begins or ends inside an escape.
fn whole_matches(scanners: &Scanners, layer: &str, is_whole: &mut bool) -> Vec<Match> {
    let ended = |found: Match| found.at(&(found.start..found.end.unwrap_or(layer.len())));
    let (matches, is_named) = scanners.matches_telling(layer, usize::MAX, &mut |_| ());
    let mut matches: Vec<Match> = matches.into_iter().map(ended).collect();
    *is_whole &= views::matches(scanners, layer, &EVERYWHERE, is_named, &mut matches).are_all;
    widen(layer, &mut matches, Offsets::AsItStands);
    matches
}

/// What offsets count.
#[derive(Clone, Copy)]
pub(crate) enum Offsets {
    /// Bytes of a text.
    AsItStands,
    /// Bytes of what it is unescaped to.
    Unescaped,
}

/// A stretch of text and what it is unescaped to.
enum Piece<'t> {
    Plain(&'t str),
    /// An escape of so many bytes.
    Escape(usize, char),
}

impl Piece<'_> {
    /// Length in bytes: as it stands, and unescaped.
    const fn lengths(&self) -> (usize, usize) {
        match self {
            Self::Plain(text) => (text.len(), text.len()),
            Self::Escape(length, character) => (*length, character.len_utf8()),
        }
    }
}

/// The text in pieces, in order, without gaps.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let piece = match memchr::memchr(b'\\', rest.as_bytes()) {
            Some(0) => match text::lenient_escape(rest) {
                Some((length, character)) if length > 1 => Piece::Escape(length, character),
                // A backslash that is no escape, or the beginning of one that never ends.
                Some(_) | None => Piece::Plain(rest.get(..1).unwrap_or(rest)),
            },
            Some(n_plain) => Piece::Plain(rest.get(..n_plain).unwrap_or(rest)),
            None => Piece::Plain(rest),
        };
        rest = rest.get(piece.lengths().0..).unwrap_or_default();
        Some(piece)
    })
}

/// The unescaped text; `None` if there is no escape in it.
pub(crate) fn unescape(text: &str) -> Option<String> {
    memchr::memchr(b'\\', text.as_bytes())?;
    let mut unescaped = String::with_capacity(text.len());
    let mut has_escape = false;
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => unescaped.push_str(plain),
            Piece::Escape(_, character) => {
                has_escape = true;
                unescaped.push(character);
            }
        }
    }
    has_escape.then_some(unescaped)
}

/// Moves matches to where they stand in `outer`, with every escape that they touch.
fn widen(outer: &str, matches: &mut [Match], offsets: Offsets) {
    if matches.is_empty() {
        return;
    }
    let spans = matches.iter().map(|found| found.start..found.end.unwrap_or(found.start)).collect::<Vec<_>>();
    for (found, span) in matches.iter_mut().zip(outer_spans(outer, &spans, offsets)) {
        *found = found.at(&span);
    }
}

/// Where ranges stand in `outer`; an escape that a range touches is covered whole. One walk over the text.
pub(crate) fn outer_spans(outer: &str, ranges: &[Range<usize>], offsets: Offsets) -> Vec<Range<usize>> {
    let mut spans = vec![0..outer.len(); ranges.len()];
    // Every first and last byte, in order of where it stands.
    let firsts = ranges.iter().enumerate().map(|(index, range)| (range.start, index, true));
    let lasts = ranges.iter().enumerate().map(|(index, range)| (range.end.saturating_sub(1), index, false));
    let mut places: Vec<(usize, usize, bool)> = firsts.chain(lasts).collect();
    places.sort_unstable();
    let mut places = places.into_iter().peekable();
    // Where the piece begins: in `outer`, and as the ranges count.
    let (mut at_outer, mut at) = (0, 0);
    for piece in pieces(outer) {
        let (n_outer, n_inner) = piece.lengths();
        let n = match offsets {
            Offsets::AsItStands => n_outer,
            Offsets::Unescaped => n_inner,
        };
        while let Some((place, index, is_first)) = places.next_if(|(place, ..)| *place < at + n) {
            let Some(span) = spans.get_mut(index) else { continue };
            let into = place.saturating_sub(at);
            match (&piece, is_first) {
                (Piece::Plain(_), true) => span.start = at_outer + into,
                (Piece::Plain(_), false) => span.end = at_outer + into + 1,
                (Piece::Escape(..), true) => span.start = at_outer,
                (Piece::Escape(..), false) => span.end = at_outer + n_outer,
            }
        }
        (at_outer, at) = (at_outer + n_outer, at + n);
    }
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Offsets, outer_spans, scan, unescape};
    use crate::scan::Scanners;

    /// Cut at two places, so that no scanner of other people's stops here.
    const KEY: [&str; 2] = ["AKIA", "Q3EGRVYP2TQ7XN5K"];

    fn spans(text: &str) -> Vec<&str> {
        scan(&Scanners::all(), text).hits.into_iter().map(|hit| text.get(hit.span.start..hit.span.end).unwrap()).collect()
    }

    #[test]
    fn escapes_hide_nothing_and_are_not_torn() {
        let key = KEY.concat();
        let (first, rest) = key.split_at(1);
        let last = key.strip_suffix('K').unwrap();
        let facts = [
            (format!("{{\"k\":\"{key}\"}}"), key.clone()),
            (format!(r#"{{"k":"\u0041{rest}"}}"#), format!(r"\u0041{rest}")),
            (format!(r#"{{"k":"\n{last}\u004b\n"}}"#), format!(r"{last}\u004b")),
            (format!(r"\\u0041{rest}"), format!(r"\\u0041{rest}")),
            (format!(r"\\\\u0041{rest}"), format!(r"\\\\u0041{rest}")),
            (format!(r"C:\new {first}{rest} \"), key.clone()),
            // What begins inside an escape, as it stands.
            (r"a\njane@b.co\n".to_owned(), r"\njane@b.co".to_owned()),
            (r"a\\njane@b.co".to_owned(), r"\\njane@b.co".to_owned()),
            // A letter that looks like one of an address belongs to it.
            (r"a\u00e1jane@b.co".to_owned(), r"a\u00e1jane@b.co".to_owned()),
            (r"C:\jane@b.co".to_owned(), "jane@b.co".to_owned()),
        ];
        for (text, expected) in facts {
            assert_eq!(spans(&text), [expected], "{text}");
        }
        // Deeper than the last layer that is looked at.
        assert_eq!(spans(&format!(r"\\\\\\\\u0041{rest}")), [] as [&str; 0]);
    }

    #[test]
    fn a_match_of_several_layers_is_told_once() {
        let key = KEY.concat();
        for text in [format!(r"{key}\n"), format!(r"{key}\u0041 \n"), format!(r"{key}\\u0041\u0042 ")] {
            let hits = scan(&Scanners::all(), &text).hits;
            let n_matches: usize = hits.iter().map(|hit| hit.matches().count()).sum();
            assert_eq!((hits.len(), n_matches), (1, 1), "{text} {hits:?}");
        }
    }

    #[test]
    fn text_without_an_escape_is_not_copied() {
        for text in ["", "plain", "back\\slash \\q", "\\", "\\u12"] {
            let text = text.replace("\\\\", "\\");
            assert!(unescape(&text).is_none(), "{text}");
        }
    }

    proptest! {
        /// What a JSON reader makes of a literal is what is scanned, and every character maps back to what it was written as.
        #[test]
        fn it_reads_what_a_reader_reads(value in any::<String>()) {
            let literal = serde_json::to_string(&value).unwrap();
            let inside = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            let Some(unescaped) = unescape(inside) else {
                prop_assert_eq!(inside, value);
                return Ok(());
            };
            prop_assert_eq!(&unescaped, &value);
            let inner: Vec<_> = value.char_indices().map(|(at, character)| at..at + character.len_utf8()).collect();
            let mut end = 0;
            for (outer, character) in outer_spans(inside, &inner, Offsets::Unescaped).into_iter().zip(value.chars()) {
                prop_assert_eq!(outer.start, end);
                end = outer.end;
                let read: String = serde_json::from_str(&format!("\"{}\"", inside.get(outer).unwrap())).unwrap();
                prop_assert_eq!(read, character.to_string());
            }
            prop_assert_eq!(end, inside.len());
        }
    }
}
