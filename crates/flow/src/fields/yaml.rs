//! YAML, by the events of its parser. What could be read two ways is not read: anchors, tags, directives, a second document.

use std::collections::BTreeSet;

use granit_parser::{Event, Parser, ScalarStyle};

use super::{Leaf, MAX_DEPTH, MAX_LEAVES, MAX_NAME};

pub(super) fn read(text: &str) -> Option<Vec<Leaf>> {
    // A comment would be text that no field holds.
    let is_comment =
        |(at, _): (usize, &str)| text.get(..at).is_none_or(|before| before.is_empty() || before.ends_with([' ', '\t', '\n']));
    if text.match_indices('#').any(is_comment) {
        return None;
    }
    // `repr` of Python escapes with a backslash where YAML does not: between the two a text could end its quotes.
    if text.trim_start().starts_with(['{', '[']) && text.contains('\\') {
        return None;
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut reading = Reading::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.ok()?;
        if event.tag().is_some() || event.anchor_id().is_some() {
            return None;
        }
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX).max(1);
        reading.take(event, line)?;
        if reading.leaves.len() > MAX_LEAVES || reading.open.len() > MAX_DEPTH {
            return None;
        }
    }
    // A bare scalar, as any prose is, has no fields.
    (reading.has_structure && reading.open.is_empty()).then_some(reading.leaves)
}

/// A list, or a map and the key that waits for its value.
enum Open {
    List,
    Map { waits: bool, names: BTreeSet<String> },
}

#[derive(Default)]
struct Reading {
    open: Vec<Open>,
    path: Vec<String>,
    leaves: Vec<Leaf>,
    has_structure: bool,
    n_documents: usize,
}

impl Reading {
    fn take(&mut self, event: Event<'_>, line: u32) -> Option<()> {
        match event {
            Event::DocumentStart(..) => {
                self.n_documents = self.n_documents.saturating_add(1);
                (self.n_documents <= 1).then_some(())?;
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => return None,
            Event::Scalar(text, ScalarStyle::SingleQuoted, ..) if text.contains('\\') => return None,
            Event::Scalar(text, ..) => self.scalar(text.into_owned(), line)?,
            Event::SequenceStart(..) => self.begin(Open::List)?,
            Event::MappingStart(..) => self.begin(Open::Map { waits: false, names: BTreeSet::new() })?,
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                self.valued();
            }
            _ => {}
        }
        Some(())
    }

    fn begin(&mut self, open: Open) -> Option<()> {
        // A collection as the name of a field.
        if let Some(Open::Map { waits: false, .. }) = self.open.last() {
            return None;
        }
        self.has_structure = true;
        self.open.push(open);
        Some(())
    }

    fn scalar(&mut self, text: String, line: u32) -> Option<()> {
        if let Some(Open::Map { waits, names }) = self.open.last_mut()
            && !*waits
        {
            *waits = true;
            // A name that stands twice: one of them was put there by whoever writes a value.
            (text.len() <= MAX_NAME && names.insert(text.clone())).then_some(())?;
            self.path.push(text.clone());
            self.leaves.push(Leaf { path: self.path.clone(), text, line, is_name: true });
            return Some(());
        }
        self.leaves.push(Leaf { path: self.path.clone(), text, line, is_name: false });
        self.valued();
        Some(())
    }

    /// A value is complete: the name that waited for it goes.
    fn valued(&mut self) {
        if let Some(Open::Map { waits, .. }) = self.open.last_mut()
            && std::mem::take(waits)
        {
            self.path.pop();
        }
    }
}
