//! Texts that are read as one although they stand in several values: the parts of a message.
//!
//! A value is inspected alone, so a secret with half of it in each of two parts is in neither. Clients and models join the parts.
//! Whatever stands across a seam is found here, and counts in both values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use inspect::{Hit, Leaf, LeafHits, Scanners};
use model::Span;
use text::{Document, NodeId};

/// So many bytes before a seam are looked at, and more where something that was found reaches up to it.
const BEFORE: usize = 1024;
/// So many bytes behind it: longer than any key in its armour, most of which may stand there.
const BEHIND: usize = 4096;
/// Longest stretch before a seam that something found may reach back.
const REACH: usize = 16 << 10;

/// Adds to `found` what stands across the seams of each group. A group is a list of string values in the order in which they are
/// read. Linear in their length, however many parts there are.
pub(crate) fn across(scanners: &Scanners, document: &Document<'_>, groups: &[Vec<NodeId>], found: &mut Vec<LeafHits>) {
    let mut places: Option<HashMap<NodeId, usize>> = None;
    for group in groups {
        let texts = group.iter().filter_map(|node| Some((*node, document.text(*node)?)));
        let texts: Vec<(NodeId, Cow<'_, str>)> = texts.filter(|(_, text)| !text.is_empty()).collect();
        if texts.len() > 1 {
            // Made once: there may be as many groups as values.
            one(scanners, &texts, places.get_or_insert_with(|| places_of(found)), found);
        }
    }
}

/// Where among `found` the text of each value stands.
fn places_of(found: &[LeafHits]) -> HashMap<NodeId, usize> {
    found.iter().enumerate().filter(|(_, leaf)| leaf.leaf == Leaf::Text).map(|(place, leaf)| (leaf.node, place)).collect()
}

fn one(scanners: &Scanners, texts: &[(NodeId, Cow<'_, str>)], places: &mut HashMap<NodeId, usize>, found: &mut Vec<LeafHits>) {
    let joined: String = texts.iter().map(|(_, text)| &**text).collect();
    let parts = parts(texts);
    let windows = windows(&joined, &parts, |node| places.get(&node).and_then(|place| found.get(*place)));
    for window in windows {
        let hits = scanners.scan_layers(joined.get(window.clone()).unwrap_or_default());
        for (kind, group, span) in hits.iter().flat_map(Hit::matches) {
            let whole = window.start.saturating_add(span.start)..window.start.saturating_add(span.end);
            let touched: Vec<_> = parts.iter().filter(|(_, part)| part.start < whole.end && whole.start < part.end).collect();
            if touched.len() < 2 {
                continue;
            }
            for (node, part) in touched {
                let inside = |offset: usize| offset.clamp(part.start, part.end).saturating_sub(part.start);
                let span = Span { start: inside(whole.start), end: inside(whole.end) };
                let place = *places.entry(*node).or_insert_with(|| {
                    found.push(LeafHits { node: *node, leaf: Leaf::Text, hits: Vec::new(), is_cut: false });
                    found.len().saturating_sub(1)
                });
                if let Some(leaf) = found.get_mut(place) {
                    leaf.hits.push(Hit { kind: kind.clone(), group, span, parts: Vec::new() });
                }
            }
        }
    }
}

/// Where each text stands in all of them.
fn parts(texts: &[(NodeId, Cow<'_, str>)]) -> Vec<(NodeId, Range<usize>)> {
    let mut end = 0_usize;
    let place = |(node, text): &(NodeId, Cow<'_, str>)| {
        let start = end;
        end = start.saturating_add(text.len());
        (*node, start..end)
    };
    texts.iter().map(place).collect()
}

/// The stretches around the seams, those that meet as one.
fn windows<'f>(
    joined: &str,
    parts: &[(NodeId, Range<usize>)],
    found: impl Fn(NodeId) -> Option<&'f LeafHits>,
) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = Vec::new();
    for (node, part) in parts.iter().take(parts.len().saturating_sub(1)) {
        let seam = part.end;
        let reaching = found(*node).and_then(|leaf| leaf.hits.iter().find(|hit| hit.span.end >= part.len()));
        let back = reaching.map_or(0, |hit| part.len().saturating_sub(hit.span.start).min(REACH));
        let start = joined.floor_char_boundary(seam.saturating_sub(BEFORE.max(back)));
        let end = joined.ceil_char_boundary(seam.saturating_add(BEHIND).min(joined.len()));
        match windows.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => windows.push(start..end),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use inspect::{Scanners, inspect_document, redact_document};
    use model::{Duties, Side};
    use text::{Document, Limits, NodeId, Splices};

    use super::across;

    const SECRET: &str = "AKIAQ3EGRVYP2TQ7XN5K";

    /// The parts as they are passed on.
    fn redacted(parts: &[&str]) -> Vec<String> {
        let body = serde_json::to_vec(parts).unwrap();
        let document = Document::parse(&body, &Limits::default()).unwrap();
        let scanners = Scanners::all();
        let mut hits = inspect_document(&scanners, &document);
        let group: Vec<NodeId> = document.children(document.root()).collect();
        across(&scanners, &document, &[group], &mut hits);
        let mut splices = Splices::new();
        redact_document(&document, &hits, &Duties::default(), Side::Request, &mut splices).unwrap();
        serde_json::from_slice(&splices.apply(&body).unwrap()).unwrap()
    }

    #[test]
    fn a_secret_cut_anywhere_is_in_no_part() {
        let hidden = "[redacted:aws-access-token]";
        for cut in 1..SECRET.len() {
            let (left, right) = SECRET.split_at(cut);
            let (first, second) = (format!("the key is {left}"), format!("{right} and \u{e9} no other"));
            let expected = [format!("the key is {hidden}"), format!("{hidden} and \u{e9} no other")];
            assert_eq!(redacted(&[&first, &second]), expected, "{cut}");
            assert_eq!(redacted(&[&first, "", &second]).last(), expected.last(), "nothing between them is no part");
        }
        let letters: Vec<String> = format!("x {SECRET} y").chars().map(String::from).collect();
        let letters = redacted(&letters.iter().map(String::as_str).collect::<Vec<_>>()).concat();
        assert!(letters.starts_with("x [redacted") && letters.ends_with("] y") && !letters.contains('A'), "{letters}");
    }

    #[test]
    fn parts_without_a_finding_across_them_are_left_alone() {
        let far = "word ".repeat(3000);
        for parts in [["AKIA", " Q3EGRVYP2TQ7XN5K"], ["4111 1111", "\n\nis half of a number"], [&far, &far]] {
            assert_eq!(redacted(&parts), parts);
        }
        assert_eq!(redacted(&[SECRET, SECRET]).concat().matches("[redacted").count(), 2, "each is found alone");
    }

    #[test]
    fn a_key_in_its_armour_goes_on_behind_the_seam() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n".repeat(40);
        let (left, right) = body.split_at(1900);
        let first = format!("here: -----BEGIN PRIVATE KEY-----\n{left}");
        let second = format!("{right}-----END PRIVATE KEY-----\nend");
        let parts = redacted(&[&first, &second]);
        assert!(!parts.concat().contains("MIIE") && parts[1].ends_with("end"), "{parts:?}");
    }
}
