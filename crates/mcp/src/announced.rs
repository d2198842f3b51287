//! What a server announces: the pages of its `tools/list` put together, and held against what was approved.
//!
//! Everything that stands in a page was written by the server. It is bounded here, and of each tool a digest is what counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use model::Digest;
use text::{Document, Kind, Limits, NodeId};

use crate::definition::{Definition, DefinitionError, read_list};

/// Most bytes of all pages together: as long as a file of definitions may be.
pub const MAX_ANNOUNCED: usize = 4 << 20;
/// Most pages that are asked for.
pub(crate) const MAX_PAGES: usize = 64;
/// Most tools of all pages together.
pub(crate) const MAX_TOOLS: usize = 4096;
/// Longest cursor that is sent back, in bytes.
const MAX_CURSOR: usize = 4096;

/// What one tool is announced as.
#[derive(Clone, PartialEq, Eq)]
pub enum Said {
    /// A definition that can be pinned.
    Defined(Definition),
    /// One that cannot, or a name that stands twice: SHA-256 of what came, and why.
    Undefined(Digest, String),
}

impl Said {
    /// The digest of the definition, or of what came in its place.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        match self {
            Self::Defined(definition) => definition.digest(),
            Self::Undefined(digest, _) => *digest,
        }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Said({})", self.digest())
    }
}

/// Why a page is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// There is no list of tools in it.
    #[error("its answer holds no list of tools")]
    NoList,
    /// What leads to the next page is no text that goes back to it.
    #[error("what leads to the next page is none")]
    BadCursor,
    /// A page leads to one that was there before.
    #[error("its pages lead in a circle")]
    Circle,
    /// More than 64.
    #[error("it has more than 64 pages")]
    TooManyPages,
    /// More than 4,096.
    #[error("it has more than 4,096 tools")]
    TooManyTools,
    /// More than 4 MiB, or than 200,000 values.
    #[error("it says more than 4 MiB or 200,000 values")]
    TooLong,
}

/// Pages as they come, in their order.
#[derive(Default)]
pub struct Pages {
    /// What stands between the brackets of all lists.
    list: String,
    cursors: BTreeSet<String>,
    n_pages: usize,
    n_tools: usize,
}

impl fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pages").field("pages", &self.n_pages).field("bytes", &self.list.len()).finish_non_exhaustive()
    }
}

impl Pages {
    /// Takes the `result` of the next page; gives what leads to the one behind it, if there is one.
    ///
    /// # Errors
    /// See [`PageError`]. What came before stays.
    pub fn take(&mut self, document: &Document<'_>, result: NodeId) -> Result<Option<String>, PageError> {
        let tools = document.get(result, "tools").filter(|tools| document.kind(*tools) == Kind::Array);
        let tools = tools.ok_or(PageError::NoList)?;
        self.n_tools = self.n_tools.saturating_add(document.count(tools));
        if self.n_tools > MAX_TOOLS {
            return Err(PageError::TooManyTools);
        }
        let length: usize = document.children(tools).map(|tool| document.lexeme(tool).len().saturating_add(1)).sum();
        if self.list.len().saturating_add(length) > MAX_ANNOUNCED {
            return Err(PageError::TooLong);
        }
        for tool in document.children(tools) {
            if !self.list.is_empty() {
                self.list.push(',');
            }
            self.list.push_str(document.lexeme(tool));
        }
        self.n_pages = self.n_pages.saturating_add(1);
        let next = document.get(result, "nextCursor").filter(|next| document.kind(*next) != Kind::Null);
        let Some(next) = next else { return Ok(None) };
        let cursor = document.text(next).filter(|cursor| cursor.len() <= MAX_CURSOR).ok_or(PageError::BadCursor)?;
        if self.n_pages >= MAX_PAGES {
            return Err(PageError::TooManyPages);
        }
        if !self.cursors.insert(cursor.clone().into_owned()) {
            return Err(PageError::Circle);
        }
        Ok(Some(cursor.into_owned()))
    }

    /// Whether a page was taken.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.n_pages > 0
    }

    /// Everything that was announced on these pages. `is_whole`: no page is missing.
    ///
    /// # Errors
    /// [`PageError::TooLong`]: all pages together hold too many values.
    pub fn end(self, is_whole: bool) -> Result<Announced, PageError> {
        let list = format!("{{\"tools\":[{}]}}", self.list);
        let document = Document::parse(list.as_bytes(), &Limits::default()).map_err(|_| PageError::TooLong)?;
        let (tools, n_nameless) = read(&document);
        drop(document);
        Ok(Announced { tools, n_nameless, is_whole, list })
    }
}

/// Every tool by its name, and how many elements have none.
fn read(document: &Document<'_>) -> (BTreeMap<String, Said>, usize) {
    let Some(list) = document.get(document.root(), "tools") else { return (BTreeMap::new(), 0) };
    let (good, bad) = read_list(document, list);
    let mut tools: BTreeMap<String, Said> = good.into_iter().map(|one| (one.name().to_owned(), Said::Defined(one))).collect();
    let n_nameless = bad.iter().filter(|wrong| wrong.tool().is_none()).count();
    let mut came = came(document, list, &bad.iter().filter_map(DefinitionError::tool).collect());
    for wrong in &bad {
        if let Some((tool, hash)) = wrong.tool().and_then(|tool| came.remove_entry(tool)) {
            tools.insert(tool, Said::Undefined(digest_of(hash), wrong.to_string()));
        }
    }
    (tools, n_nameless)
}

/// The hash of every element that bears one of these names, as it came.
fn came(document: &Document<'_>, list: NodeId, names: &BTreeSet<&str>) -> BTreeMap<String, Context> {
    let mut hashes: BTreeMap<String, Context> = BTreeMap::new();
    for node in document.children(list) {
        let name = document.get(node, "name").and_then(|name| document.text(name));
        let Some(name) = name.filter(|name| names.contains(name.as_ref())) else { continue };
        let hash = hashes.entry(name.into_owned()).or_insert_with(|| Context::new(&SHA256));
        hash.update(document.lexeme(node).as_bytes());
        hash.update(b"\n");
    }
    hashes
}

fn digest_of(hash: Context) -> Digest {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    Digest(bytes)
}

/// What a server announces.
#[derive(Clone)]
pub struct Announced {
    tools: BTreeMap<String, Said>,
    n_nameless: usize,
    is_whole: bool,
    list: String,
}

impl fmt::Debug for Announced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Announced")
            .field("tools", &self.tools.len())
            .field("is_whole", &self.is_whole)
            .finish_non_exhaustive()
    }
}

impl Announced {
    /// Every tool that bears a name.
    #[must_use]
    pub const fn tools(&self) -> &BTreeMap<String, Said> {
        &self.tools
    }

    /// How many elements have no name that can be told.
    #[must_use]
    pub const fn n_nameless(&self) -> usize {
        self.n_nameless
    }

    /// All elements as they came, in the form of one answer to `tools/list`.
    #[must_use]
    pub fn list(&self) -> &str {
        &self.list
    }
}

/// How announcements stand to what is approved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standings {
    /// Approved tools of which something else is said: the digest of that.
    pub changed: BTreeMap<String, Digest>,
    /// Approved tools of which exactly that is said.
    pub same: BTreeSet<String>,
    /// Approved tools that are not named; empty where pages are missing.
    pub gone: BTreeSet<String>,
    /// Tools that nobody has declared.
    pub new: BTreeSet<String>,
}

impl Standings {
    /// Holds what a server says, once or in several revisions, against the digests that are approved; `None` for a declared tool
    /// that is denied whatever is said of it. A server that says in one revision what was approved says that: revisions differ in
    /// what a definition has beside name, description and schema.
    #[must_use]
    pub fn of(approved: &BTreeMap<String, Option<Digest>>, announced: &[Announced]) -> Self {
        let mut standings = Self::default();
        let is_whole = announced.iter().all(|one| one.is_whole);
        for (tool, digest) in approved {
            let Some(digest) = digest else { continue };
            let mut said = announced.iter().filter_map(|one| one.tools.get(tool)).map(Said::digest);
            let Some(first) = said.next() else {
                standings.gone.extend(is_whole.then(|| tool.clone()));
                continue;
            };
            if first == *digest || said.any(|other| other == *digest) {
                standings.same.insert(tool.clone());
            } else {
                standings.changed.insert(tool.clone(), first);
            }
        }
        let named = announced.iter().flat_map(|one| one.tools.keys());
        standings.new.extend(named.filter(|tool| !approved.contains_key(*tool)).cloned());
        standings
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::Digest;
    use text::{Document, Limits};

    use super::{Announced, MAX_PAGES, MAX_TOOLS, PageError, Pages, Said, Standings};

    fn take(pages: &mut Pages, result: &str) -> Result<Option<String>, PageError> {
        let document = Document::parse(result.as_bytes(), &Limits::default()).unwrap();
        pages.take(&document, document.root())
    }

    fn tool(name: &str, more: &str) -> String {
        format!(r#"{{"name":"{name}","inputSchema":{{}}{more}}}"#)
    }

    fn announced(tools: &[String]) -> Announced {
        let mut pages = Pages::default();
        assert_eq!(take(&mut pages, &format!(r#"{{"tools":[{}]}}"#, tools.join(","))), Ok(None));
        pages.end(true).unwrap()
    }

    fn digest(tool: &str) -> Digest {
        let announced = announced(&[tool.to_owned()]);
        announced.tools().values().next().unwrap().digest()
    }

    #[test]
    fn pages_are_one_list() {
        let mut pages = Pages::default();
        assert_eq!(take(&mut pages, r#"{"tools":[],"nextCursor":"0"}"#), Ok(Some("0".to_owned())));
        let first = format!(r#"{{"tools":[{}],"nextCursor":"2"}}"#, tool("a", ""));
        assert_eq!(take(&mut pages, &first), Ok(Some("2".to_owned())));
        assert_eq!(take(&mut pages, &format!(r#"{{"tools":[{}],"nextCursor":null}}"#, tool("b", ""))), Ok(None));
        let announced = pages.end(true).unwrap();
        assert_eq!(announced.tools().keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(announced.list(), format!(r#"{{"tools":[{},{}]}}"#, tool("a", ""), tool("b", "")));
    }

    #[test]
    fn pages_have_bounds() {
        let many = vec![tool("a", ""); MAX_TOOLS + 1].join(",");
        let facts = [
            ("{}", PageError::NoList),
            (r#"{"tools":{}}"#, PageError::NoList),
            (r#"{"tools":null}"#, PageError::NoList),
            (r#"{"tools":[],"nextCursor":7}"#, PageError::BadCursor),
            (&format!(r#"{{"tools":[],"nextCursor":"{}"}}"#, "x".repeat(4097)), PageError::BadCursor),
            (&format!(r#"{{"tools":[{many}]}}"#), PageError::TooManyTools),
        ];
        for (result, expected) in facts {
            assert_eq!(take(&mut Pages::default(), result), Err(expected), "{result:.60}");
        }
        let mut pages = Pages::default();
        assert!(take(&mut pages, r#"{"tools":[],"nextCursor":"x"}"#).is_ok());
        assert_eq!(take(&mut pages, r#"{"tools":[],"nextCursor":"x"}"#), Err(PageError::Circle));
        let mut pages = Pages::default();
        let page = |number: usize| format!(r#"{{"tools":[],"nextCursor":"{number}"}}"#);
        assert!((1..MAX_PAGES).all(|number| take(&mut pages, &page(number)).is_ok()));
        assert_eq!(take(&mut pages, &page(0)), Err(PageError::TooManyPages));
        let mut pages = Pages::default();
        let long = format!(r#"{{"tools":["{}"],"nextCursor":"1"}}"#, "x".repeat(3 << 20));
        assert!(take(&mut pages, &long).is_ok());
        assert_eq!(take(&mut pages, &long.replace(r#""1""#, r#""2""#)), Err(PageError::TooLong));
        assert!(pages.end(false).unwrap().list().len() < 4 << 20);
    }

    #[test]
    fn what_cannot_be_pinned_has_a_digest_of_its_own() {
        let broken = r#"{"name":"a"}"#.to_owned();
        let said = announced(&[broken, tool("b", ""), "7".to_owned(), r#"{"name":"\u001b"}"#.to_owned()]);
        assert_eq!(said.n_nameless(), 2);
        assert!(matches!(said.tools().get("a"), Some(Said::Undefined(_, why)) if why.contains("inputSchema")));
        assert!(matches!(said.tools().get("b"), Some(Said::Defined(_))));
        let twice = announced(&[tool("a", ""), tool("a", r#","title":"A""#)]);
        assert!(matches!(twice.tools().get("a"), Some(Said::Undefined(_, why)) if why.contains("twice")));
        let other = announced(&[tool("a", ""), tool("a", r#","title":"B""#)]);
        assert_ne!(twice.tools()["a"].digest(), other.tools()["a"].digest());
        assert_ne!(twice.tools()["a"].digest(), digest(&tool("a", "")), "none of the two is what was approved");
    }

    #[test]
    fn every_standing() {
        let approved: BTreeMap<String, Option<Digest>> = [
            ("same", Some(digest(&tool("same", "")))),
            ("described", Some(digest(&tool("described", r#","description":"a""#)))),
            ("broken", Some(digest(&tool("broken", "")))),
            ("gone", Some(digest(&tool("gone", "")))),
            ("withdrawn", None),
        ]
        .into_iter()
        .map(|(name, digest)| (name.to_owned(), digest))
        .collect();
        let now = [
            tool("described", r#","description":"a\u200b""#),
            // Another order of members is the same definition.
            r#"{"inputSchema":{},"name":"same"}"#.to_owned(),
            r#"{"name":"broken"}"#.to_owned(),
            tool("withdrawn", r#","title":"W""#),
            tool("new", ""),
        ];
        let standings = Standings::of(&approved, &[announced(&now)]);
        assert_eq!(standings.changed.keys().collect::<Vec<_>>(), ["broken", "described"]);
        assert_eq!(standings.changed["described"], digest(&now[0]));
        let names = |of: &std::collections::BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>();
        let found = (names(&standings.same), names(&standings.gone), names(&standings.new));
        assert_eq!(found, (vec!["same".to_owned()], vec!["gone".to_owned()], vec!["new".to_owned()]));
        // What stands on a page that is missing is not gone; what was read counts.
        let mut pages = Pages::default();
        take(&mut pages, &format!(r#"{{"tools":[{}],"nextCursor":"1"}}"#, now[0])).unwrap();
        let part = Standings::of(&approved, &[pages.end(false).unwrap()]);
        assert_eq!((part.changed.len(), part.gone.len()), (1, 0));
    }

    #[test]
    fn one_revision_that_says_what_was_approved_is_enough() {
        let (old, new) = (tool("a", ""), tool("a", r#","execution":{}"#));
        let (one, other) = (announced(std::slice::from_ref(&new)), announced(std::slice::from_ref(&old)));
        let approved: BTreeMap<_, _> = [("a".to_owned(), Some(digest(&old)))].into();
        assert_eq!(Standings::of(&approved, std::slice::from_ref(&one)).changed, [("a".to_owned(), digest(&new))].into());
        assert!(Standings::of(&approved, &[one.clone(), other]).changed.is_empty());
        assert_eq!(Standings::of(&approved, &[one.clone(), one]).changed.len(), 1);
    }
}
