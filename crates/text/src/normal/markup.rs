//! HTML without its tags and comments, and what its author hid from who looks at it.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::{memchr, memmem};

use super::HiddenKind;
use super::attributes::{element_name, hides};
use super::draft::Draft;

/// What a reading of markup found: the text without tags and comments, and what was hidden, as ranges of the text read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) draft: Draft<'a>,
    pub(super) hidden: Vec<(HiddenKind, Range<usize>)>,
}

/// Reads `text` as HTML. Text in hidden elements stays: a model reads it. `None` without a tag or comment. Linear: a search that
/// found nothing up to the end is not made again.
pub(super) fn read(text: &str, room: usize) -> Option<Reading<'_>> {
    let mut reader = Reader {
        text,
        draft: Draft::new(text, room),
        hidden: Vec::new(),
        kept: 0,
        seen: 0,
        tags: Vec::new(),
        before: Side::Edge,
        inside: None,
        has_no_comment_end: false,
        has_open_quote: false,
        has_no_tag_end: false,
    };
    let mut at = 0;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| memchr(b'<', rest)) {
        at = reader.step(at + found);
    }
    reader.finish()
}

/// A hidden element whose end has not come.
struct Inside<'a> {
    name: &'a str,
    /// How many elements of the name are open.
    depth: usize,
    /// Where its content begins.
    start: usize,
}

/// What stands next to tags on their line, beyond blanks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// An end of the line.
    Edge,
    Text,
}

struct Reader<'a> {
    text: &'a str,
    draft: Draft<'a>,
    hidden: Vec<(HiddenKind, Range<usize>)>,
    kept: usize,
    /// The end of the tag or comment that was read last.
    seen: usize,
    /// The tags and comments behind the text that was read last, each with whether it may stay.
    tags: Vec<(Range<usize>, bool)>,
    /// What stands before them.
    before: Side,
    inside: Option<Inside<'a>>,
    has_no_comment_end: bool,
    has_open_quote: bool,
    has_no_tag_end: bool,
}

impl<'a> Reader<'a> {
    /// Reads the `<` at `at`; returns where to go on.
    fn step(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.starts_with("<!--") {
            return self.comment(at);
        }
        let is_tag = match rest.as_bytes().get(1) {
            Some(b'/') => rest.as_bytes().get(2).is_some_and(u8::is_ascii_alphabetic),
            Some(b'!' | b'?') => true,
            Some(first) => first.is_ascii_alphabetic(),
            None => false,
        };
        // Within a script only its own end is a tag.
        let is_raw = self.inside.as_ref().is_some_and(|inside| is_raw(inside.name) && !ends(rest, inside.name));
        if !is_tag || is_raw {
            return at + 1;
        }
        let Some(end) = self.tag_end(at) else { return at + 1 };
        self.take(at..end, self.is_name(&(at..end)));
        self.element(at..end);
        end
    }

    /// Whether a tag is no element of HTML and stands at a blank or an end of the text: maybe of XML, where it names what comes next.
    fn is_name(&self, range: &Range<usize>) -> bool {
        let is_edge = |next: Option<char>| next.is_none_or(char::is_whitespace);
        let (before, behind) = (self.text.get(..range.start), self.text.get(range.end..));
        let is_apart = is_edge(before.and_then(|before| before.chars().next_back()))
            || is_edge(behind.and_then(|behind| behind.chars().next()));
        let (_, name) = element_name(self.text.get(range.clone()).unwrap_or_default());
        is_apart
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && !ELEMENTS.contains(name.to_ascii_lowercase().as_str())
    }

    /// Takes a tag or comment, which may stay if it is a name.
    fn take(&mut self, range: Range<usize>, is_name: bool) {
        self.pass(range.start);
        self.seen = range.end;
        self.tags.push((range, is_name));
    }

    /// Goes on over the text up to `to`, where the next tag stands: with it, it is known what stands on both sides of those before.
    fn pass(&mut self, to: usize) {
        let text = self.text.get(self.seen..to).unwrap_or_default();
        let is_break = |character: char| matches!(character, '\n' | '\r');
        let Some(first) = text.chars().find(|character| is_break(*character) || !character.is_whitespace()) else { return };
        self.settle(if is_break(first) { Side::Edge } else { Side::Text });
        let line = text.rsplit(is_break).next().unwrap_or_default();
        self.before = if line.trim_start().is_empty() { Side::Edge } else { Side::Text };
    }

    /// Drops the tags behind the text that was read last. A name stays, unless text stands on both sides of it on its line: that is
    /// one text for who looks at it, as `4111<x> 1111` is.
    fn settle(&mut self, behind: Side) {
        let is_within = (self.before, behind) == (Side::Text, Side::Text);
        for (range, is_name) in std::mem::take(&mut self.tags) {
            if is_within || !is_name {
                self.draft.keep(self.kept..range.start);
                self.kept = range.end;
            }
        }
    }

    /// A comment goes; one without an end stays, though what follows is reported.
    fn comment(&mut self, at: usize) -> usize {
        if self.has_no_comment_end {
            return at + 4;
        }
        // `<!-->` and `<!--->` are whole.
        let body = at + 2;
        let Some(length) = self.text.as_bytes().get(body..).and_then(|rest| memmem::find(rest, b"-->")) else {
            self.has_no_comment_end = true;
            self.hidden.push((HiddenKind::HtmlComment, at..self.text.len()));
            return at + 4;
        };
        let end = body + length + 3;
        self.hidden.push((HiddenKind::HtmlComment, at..end));
        self.take(at..end, false);
        end
    }

    /// One past the `>` of the tag at `at`: outside of quotes, or any when a quote does not end.
    fn tag_end(&mut self, at: usize) -> Option<usize> {
        if self.has_no_tag_end {
            return None;
        }
        if !self.has_open_quote {
            match quoted_end(self.text.as_bytes(), at) {
                Some(end) => return Some(end),
                None => self.has_open_quote = true,
            }
        }
        let end = self.text.as_bytes().get(at..).and_then(|rest| memchr(b'>', rest));
        self.has_no_tag_end |= end.is_none();
        Some(at + end? + 1)
    }

    /// Keeps account of hidden elements over the tag `range`.
    fn element(&mut self, range: Range<usize>) {
        let tag = self.text.get(range.clone()).unwrap_or_default();
        let (is_end, name) = element_name(tag);
        match &mut self.inside {
            Some(inside) if inside.name.eq_ignore_ascii_case(name) => {
                if is_end {
                    inside.depth -= 1;
                } else {
                    inside.depth += 1;
                }
                if inside.depth == 0 {
                    let content = inside.start..range.start;
                    self.inside = None;
                    self.report(content);
                }
            }
            None if !is_end && !tag.ends_with("/>") && (is_unseen(name) || !is_void(name) && hides(tag)) => {
                self.inside = Some(Inside { name, depth: 1, start: range.end });
            }
            Some(_) | None => {}
        }
    }

    fn report(&mut self, content: Range<usize>) {
        if self.text.get(content.clone()).is_some_and(|content| !content.trim().is_empty()) {
            self.hidden.push((HiddenKind::HiddenMarkup, content));
        }
    }

    fn finish(mut self) -> Option<Reading<'a>> {
        if let Some(inside) = self.inside.take() {
            self.report(inside.start..self.text.len());
        }
        self.pass(self.text.len());
        self.settle(Side::Edge);
        if self.kept == 0 && self.hidden.is_empty() {
            return None;
        }
        self.draft.keep(self.kept..self.text.len());
        Some(Reading { draft: self.draft, hidden: self.hidden })
    }
}

/// One past the `>` that ends the tag at `at` and stands in no quotes.
fn quoted_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', bytes.get(at..)?)?;
        let found = *bytes.get(at)?;
        at += 1;
        if found == b'>' {
            return Some(at);
        }
        at += memchr(found, bytes.get(at..)?)? + 1;
    }
}

fn ends(rest: &str, name: &str) -> bool {
    rest.get(2..2 + name.len()).is_some_and(|found| rest.starts_with("</") && found.eq_ignore_ascii_case(name))
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Every element of HTML, and those that it had.
static ELEMENTS: LazyLock<HashSet<&str>> = LazyLock::new(|| HTML.split_whitespace().collect());
const HTML: &str = "\
    a abbr acronym address area article aside audio b base bdi bdo big blockquote body br button canvas caption \
    center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption \
    figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd \
    label legend li link main map mark marquee math menu meta meter nav nobr noframes noscript object ol optgroup \
    option output p param picture plaintext pre progress q rp rt ruby s samp script search section select slot small \
    source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr \
    track tt u ul var video wbr xmp";

/// Elements whose content is text up to their end tag.
fn is_raw(name: &str) -> bool {
    is_one_of(name, &["script", "style"])
}

/// Elements whose content no browser shows.
fn is_unseen(name: &str) -> bool {
    is_one_of(name, &["script", "style", "template", "head"])
}

/// Elements without content.
fn is_void(name: &str) -> bool {
    is_one_of(name, &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::normal::HiddenKind::{self, HiddenMarkup, HtmlComment};

    #[test]
    fn tags_go_and_what_is_hidden_is_told() {
        type Fact<'a> = (&'a str, Option<&'a str>, &'a [(HiddenKind, &'a str)]);
        let facts: &[Fact<'_>] = &[
            ("plain < 3 > 2 <3 a<>b", None, &[]),
            ("se<b>cr</b>et", Some("secret"), &[]),
            ("se<!-- x > -->cret", Some("secret"), &[(HtmlComment, "<!-- x > -->")]),
            ("<!-->a<!--->b", Some("ab"), &[(HtmlComment, "<!-->"), (HtmlComment, "<!--->")]),
            ("a<!-- b", Some("a<!-- b"), &[(HtmlComment, "<!-- b")]),
            ("<a title='x>y' href=\">\">z</a>", Some("z"), &[]),
            ("<p title='it>b", Some("b"), &[]),
            ("a <b and no end", None, &[]),
            ("<p style=\"color:red; Display : NONE\">do it</p>x", Some("do itx"), &[(HiddenMarkup, "do it")]),
            ("<span style='font-size:0px'>a<span>b</span>c</span>d", Some("abcd"), &[(HiddenMarkup, "a<span>b</span>c")]),
            ("<i style='opacity:0.5;font-size:0.8em'>a</i>", Some("a"), &[]),
            ("<i style=opacity:0>a</i>", Some("a"), &[(HiddenMarkup, "a")]),
            ("<div hidden>a</div><input hidden>b", Some("ab"), &[(HiddenMarkup, "a")]),
            ("<a data-x='hidden' class=hidden>a</a>", Some("a"), &[]),
            ("<script>if (a<b) x</script>y", Some("if (a<b) xy"), &[(HiddenMarkup, "if (a<b) x")]),
            ("<STYLE> </style>y", Some(" y"), &[]),
            ("<template>a", Some("a"), &[(HiddenMarkup, "a")]),
            ("<!DOCTYPE html><?xml?>a", Some("a"), &[]),
            ("<theToken>\n s<x></x>ecret\n</theToken> <p>", Some("<theToken>\n secret\n</theToken> "), &[]),
            ("4111<x-a> 1111 <x-a>1111<x><y> <x> <!-- -->1111", Some("4111 1111 1111  1111"), &[(HtmlComment, "<!-- -->")]),
            ("ssn 536<x> 90<x> 4399<x>\n<x> <x>", Some("ssn 536 90 4399<x>\n<x> <x>"), &[]),
            ("a <b>\n<aKey> 1<x></x>2 </aKey>\n\"<aKey> 3", Some("a \n<aKey> 12 </aKey>\n\" 3"), &[]),
            ("<theToken>s<!-- -->ecret</theToken>", Some("<theToken>secret</theToken>"), &[(HtmlComment, "<!-- -->")]),
        ];
        for (text, expected, hidden) in facts {
            let reading = read(text, 999);
            assert_eq!(reading.as_ref().map(|reading| reading.draft.text()), *expected, "{text}");
            let found: Vec<_> = reading
                .iter()
                .flat_map(|reading| &reading.hidden)
                .map(|(kind, span)| (*kind, text.get(span.clone()).unwrap()))
                .collect();
            assert_eq!(found, *hidden, "{text}");
        }
    }
}
