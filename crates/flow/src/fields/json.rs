//! JSON, and JSON that stands in a string of JSON.

use text::{Document, Kind, Limits, NodeId};

use super::{Leaf, MAX_DEPTH, MAX_LEAVES, MAX_NAME};

/// How often a string that is JSON itself is opened.
const MAX_INNER: usize = 2;

pub(super) fn read(text: &str) -> Option<Vec<Leaf>> {
    // A bare word, number or string is no structure.
    text.trim_start().starts_with(['{', '[']).then_some(())?;
    let mut leaves = Vec::new();
    into(text, &[], MAX_INNER, 1, &mut leaves)?;
    Some(leaves)
}

fn into(text: &str, above: &[String], inner: usize, line: u32, leaves: &mut Vec<Leaf>) -> Option<()> {
    let limits = Limits { max_depth: MAX_DEPTH, max_nodes: MAX_LEAVES };
    let document = Document::parse(text.as_bytes(), &limits).ok()?;
    let mut lines = Lines::new(text, line);
    let mut stack: Vec<(NodeId, Vec<String>)> = vec![(document.root(), above.to_vec())];
    while let Some((node, path)) = stack.pop() {
        let at = lines.of(document.span(node).start);
        match document.kind(node) {
            Kind::Object | Kind::Array => {
                let below = document.children(node).map(|child| {
                    let name = document.key(child).map(std::borrow::Cow::into_owned);
                    (child, path.iter().cloned().chain(name).collect::<Vec<_>>())
                });
                if document.children(node).filter_map(|child| document.key(child)).any(|name| name.len() > MAX_NAME) {
                    return None;
                }
                let below: Vec<_> = below.collect();
                let is_object = document.kind(node) == Kind::Object;
                for (_, path) in below.iter().filter(|_| is_object) {
                    let text = path.last().cloned().unwrap_or_default();
                    leaves.push(Leaf { path: path.clone(), text, line: at, is_name: true });
                }
                stack.extend(below.into_iter().rev());
            }
            Kind::String => {
                let text = document.text(node)?.into_owned();
                let opened = (inner > 0 && text.trim_start().starts_with(['{', '['])).then(|| {
                    let mut below = Vec::new();
                    into(&text, &path, inner - 1, at, &mut below).map(|()| below)
                });
                match opened.flatten() {
                    Some(below) => leaves.extend(below),
                    None => leaves.push(Leaf { path, text, line: at, is_name: false }),
                }
            }
            _ => leaves.push(Leaf { path, text: document.lexeme(node).to_owned(), line: at, is_name: false }),
        }
        if leaves.len() > MAX_LEAVES {
            return None;
        }
    }
    Some(())
}

/// Lines by byte offset; asked mostly in order.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    const fn new(text: &'a str, line: u32) -> Self {
        Self { text, at: 0, line }
    }

    fn of(&mut self, offset: usize) -> u32 {
        let between = self.text.as_bytes().get(self.at..offset).unwrap_or_default();
        let passed = memchr::memchr_iter(b'\n', between).count();
        self.line = self.line.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
        self.at = self.at.max(offset);
        self.line
    }
}
