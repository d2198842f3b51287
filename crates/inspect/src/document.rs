//! Inspection and redaction of whole JSON documents.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use model::{Duties, Finding, FindingGroup, FindingKind, Side, Span};
use text::{Document, Kind, NodeId, Splices, quote};

use crate::nested::{self, Scan};
use crate::redact::{DeniedContent, Edit, apply, edits};
use crate::scan::{Hit, Scanners};

/// What kind of text was inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// A member's key, decoded.
    Key,
    /// A string value, decoded.
    Text,
    /// A number, as written.
    Number,
}

/// What was found in one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafHits {
    /// The value; for a key, the member's value.
    pub node: NodeId,
    /// Which text of it.
    pub leaf: Leaf,
    /// What stands there; empty only if `is_cut`.
    pub hits: Vec<Hit>,
    /// There are more ways to read the text than were read: something may be hidden in it all the same.
    pub is_cut: bool,
}

/// The kind of what is told of a text with more readings than were read.
pub const UNREAD: &str = "uninspected:readings";

/// Scans every string value, every key and every number of the document; strings and keys with escapes in them also as a second
/// reader would unescape them. In document order, a key before its value; only leaves
/// with a hit.
#[must_use]
pub fn inspect_document(scanners: &Scanners, document: &Document<'_>) -> Vec<LeafHits> {
    inspect_document_but(scanners, document, |_| false)
}

/// As [`inspect_document`], without the nodes (their keys and values) that `skip` names: what is inspected elsewhere.
#[must_use]
pub fn inspect_document_but(scanners: &Scanners, document: &Document<'_>, skip: impl Fn(NodeId) -> bool) -> Vec<LeafHits> {
    let mut found = Vec::new();
    if scanners.are_off() {
        return found;
    }
    let mut add = |node, leaf, scan: Scan| {
        if !scan.hits.is_empty() || scan.is_cut {
            found.push(LeafHits { node, leaf, hits: scan.hits, is_cut: scan.is_cut });
        }
    };
    for node in document.nodes().filter(|node| !skip(*node)) {
        if let Some(key) = document.key(node) {
            add(node, Leaf::Key, nested::scan(scanners, &key));
        }
        match document.kind(node) {
            Kind::String => {
                add(node, Leaf::Text, document.text(node).map(|text| nested::scan(scanners, &text)).unwrap_or_default())
            }
            Kind::Number => {
                add(node, Leaf::Number, Scan { hits: scanners.scan(document.lexeme(node)), is_cut: false });
            }
            Kind::Object | Kind::Array | Kind::True | Kind::False | Kind::Null => {}
        }
    }
    found
}

/// Adds to `splices` what the duties demand for `leaves`, and returns the nodes that change (for a key, its member's value), each
/// once, in order. Strings change only where something was found; a number becomes a JSON string; a changed key gets a number
/// behind it where it would otherwise equal another key of its object.
///
/// # Errors
/// A duty says `deny`; nothing has been added to `splices` then.
pub fn redact_document(
    document: &Document<'_>,
    leaves: &[LeafHits],
    duties: &Duties,
    side: Side,
    splices: &mut Splices,
) -> Result<Vec<NodeId>, DeniedContent> {
    let mut changed = Vec::new();
    let mut new = Vec::new();
    let mut keys = Keys { document, objects: HashMap::new() };
    for LeafHits { node, leaf, hits, .. } in leaves {
        let (node, leaf) = (*node, *leaf);
        let Some(content) = content(document, node, leaf) else { continue };
        let edits = edits(&content, hits, duties, side)
            .map_err(|kind| DeniedContent { kind, place: Places::new(leaves).of(document, node) })?;
        if edits.is_empty() {
            continue;
        }
        match leaf {
            Leaf::Text => replace_in_literal(document, &document.span(node), &edits, &mut new),
            Leaf::Number => new.push((document.span(node), quote(&apply(&content, &edits)))),
            Leaf::Key => {
                let span = document.key_span(node).unwrap_or_default();
                new.push((span, quote(&keys.rename(node, &content, apply(&content, &edits)))));
            }
        }
        if changed.last() != Some(&node) {
            changed.push(node);
        }
    }
    for (range, replacement) in new {
        splices.replace(range, replacement);
    }
    Ok(changed)
}

/// One finding for every match in `leaves`, and one of [`UNREAD`] for every leaf that was not read in full. A place names a key in
/// which something was found by what it is redacted to.
#[must_use]
pub fn findings(document: &Document<'_>, leaves: &[LeafHits], side: Side) -> Vec<Finding> {
    let places = Places::new(leaves);
    let mut findings = Vec::new();
    for LeafHits { node, hits, is_cut, .. } in leaves {
        let place = places.of(document, *node);
        findings.extend(hits.iter().flat_map(Hit::matches).map(|(kind, group, span)| Finding {
            kind: kind.clone(),
            group,
            side,
            place: place.clone(),
            span,
        }));
        findings.extend(is_cut.then(|| Finding {
            kind: FindingKind::made(UNREAD.to_owned()),
            group: FindingGroup::Uninspected,
            side,
            place,
            span: Span { start: 0, end: 0 },
        }));
    }
    findings
}

fn content<'a>(document: &Document<'a>, node: NodeId, leaf: Leaf) -> Option<std::borrow::Cow<'a, str>> {
    match leaf {
        Leaf::Key => document.key(node),
        Leaf::Text => document.text(node),
        Leaf::Number => Some(document.lexeme(node).into()),
    }
}

fn replace_in_literal(document: &Document<'_>, literal: &Range<usize>, edits: &[Edit], new: &mut Vec<(Range<usize>, String)>) {
    let decoded: Vec<Range<usize>> = edits.iter().map(|edit| edit.span.start..edit.span.end).collect();
    for (range, edit) in document.raw_ranges(literal, &decoded).into_iter().zip(edits) {
        let quoted = quote(&edit.replacement);
        let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
        new.push((range, inside.to_owned()));
    }
}

/// The keys of the objects in which one is renamed.
struct Keys<'d, 'a> {
    document: &'d Document<'a>,
    objects: HashMap<NodeId, Names>,
}

#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    /// The last number that was tried behind a name.
    numbers: HashMap<String, usize>,
}

impl Keys<'_, '_> {
    /// `wanted`, or `wanted` with a number behind it that makes it unique in the object. Old keys stay taken, so that the outcome
    /// does not depend on what else is renamed.
    fn rename(&mut self, node: NodeId, old: &str, wanted: String) -> String {
        let document = self.document;
        let object = document.parent(node).unwrap_or_else(|| document.root());
        let names = self.objects.entry(object).or_insert_with(|| Names {
            taken: document.children(object).filter_map(|child| document.key(child)).map(std::borrow::Cow::into_owned).collect(),
            numbers: HashMap::new(),
        });
        if wanted == old || names.taken.insert(wanted.clone()) {
            return wanted;
        }
        let number = names.numbers.entry(wanted.clone()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{wanted}#{number}");
            if names.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// JSON Pointers that show no key in which something was found.
struct Places<'l> {
    keys: HashMap<NodeId, &'l [Hit]>,
}

impl<'l> Places<'l> {
    fn new(leaves: &'l [LeafHits]) -> Self {
        let keys = leaves.iter().filter(|leaf| leaf.leaf == Leaf::Key);
        Self { keys: keys.map(|leaf| (leaf.node, leaf.hits.as_slice())).collect() }
    }

    fn of(&self, document: &Document<'_>, node: NodeId) -> String {
        let mut path = document.pointer(node);
        if self.keys.is_empty() {
            return path;
        }
        let mut tail = String::new();
        let mut here = Some(node);
        while let Some(step) = here {
            here = document.parent(step);
            let (rest, token) =
                path.rsplit_once('/').map(|(rest, token)| (rest.to_owned(), token.to_owned())).unwrap_or_default();
            if here.is_some() {
                let shown = self.keys.get(&step).and_then(|hits| hits.first()).map(|hit| format!("[redacted:{}]", hit.kind));
                tail.insert_str(0, &format!("/{}", shown.unwrap_or(token)));
            }
            path = rest;
        }
        tail
    }
}
