//! HTML without its tags and comments, and what its author hid from who looks at it.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::{memchr, memmem, memrchr2};

use super::HiddenKind;
use super::attributes::{element_name, hides, is_left_out};
use super::draft::Draft;

/// What a reading of markup found: the text without tags and comments, the same without what is hidden, if something is, and what
/// was hidden, as ranges of the text read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) draft: Draft<'a>,
    pub(super) shown: Option<Draft<'a>>,
    pub(super) hidden: Vec<(HiddenKind, Range<usize>)>,
}

/// Reads `text` as HTML. Text in hidden elements stays, for a model reads it; who looks at the page does not, so there is a
/// reading without it too. `None` without a tag or comment. Linear: a search that found nothing up to the end is not made again.
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
        aside: None,
        gone: Vec::new(),
        unseen: Vec::new(),
        has_no_comment_end: false,
        has_open_quote: false,
        has_no_tag_end: false,
        room,
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
    /// The same of what only some readers do not have: told of nobody, and left out all the same.
    aside: Option<Inside<'a>>,
    /// Tags and comments that were left out, by place.
    gone: Vec<Range<usize>>,
    /// Contents of elements that are not shown.
    unseen: Vec<Range<usize>>,
    has_no_comment_end: bool,
    has_open_quote: bool,
    has_no_tag_end: bool,
    room: usize,
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
        let line = memrchr2(b'\n', b'\r', text.as_bytes()).and_then(|last| text.get(last + 1..)).unwrap_or(text);
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
                self.gone.push(range);
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
        let begins = !is_end && !tag.ends_with("/>");
        let is_told = begins && (is_unseen(name) || !is_void(name) && hides(tag));
        if let Some(content) = follow(&mut self.inside, name, is_end, is_told, &range) {
            self.report(content);
        }
        let is_aside = begins && !is_void(name) && (is_for_some(name) || is_left_out(tag));
        if let Some(content) = follow(&mut self.aside, name, is_end, is_aside, &range) {
            self.unseen.push(content);
        }
    }

    fn report(&mut self, content: Range<usize>) {
        if self.text.get(content.clone()).is_some_and(|content| !content.trim().is_empty()) {
            self.hidden.push((HiddenKind::HiddenMarkup, content.clone()));
        }
        self.unseen.push(content);
    }

    fn finish(mut self) -> Option<Reading<'a>> {
        if let Some(inside) = self.inside.take() {
            self.report(inside.start..self.text.len());
        }
        if let Some(aside) = self.aside.take() {
            self.unseen.push(aside.start..self.text.len());
        }
        self.pass(self.text.len());
        self.settle(Side::Edge);
        if self.kept == 0 && self.hidden.is_empty() {
            return None;
        }
        self.draft.keep(self.kept..self.text.len());
        let shown = self.shown();
        Some(Reading { draft: self.draft, shown, hidden: self.hidden })
    }

    /// The text without tags, comments and what is not shown. `None` if that leaves out nothing more.
    fn shown(&mut self) -> Option<Draft<'a>> {
        self.unseen.retain(|content| !content.is_empty());
        if self.unseen.is_empty() {
            return None;
        }
        let mut gone = std::mem::take(&mut self.gone);
        gone.append(&mut self.unseen);
        gone.sort_unstable_by_key(|range| range.start);
        let mut draft = Draft::new(self.text, self.room);
        let mut kept = 0;
        for range in gone {
            if range.start > kept {
                draft.keep(kept..range.start);
            }
            kept = kept.max(range.end);
        }
        draft.keep(kept..self.text.len());
        Some(draft)
    }
}

/// Keeps account of one kind of hidden element over the tag `range` of an element `name`; `begins` if it is one of the kind. Returns
/// the content of the outermost one that ends here.
fn follow<'a>(
    inside: &mut Option<Inside<'a>>,
    name: &'a str,
    is_end: bool,
    begins: bool,
    range: &Range<usize>,
) -> Option<Range<usize>> {
    match inside {
        Some(open) if open.name.eq_ignore_ascii_case(name) => {
            open.depth = if is_end { open.depth - 1 } else { open.depth + 1 };
            if open.depth > 0 {
                return None;
            }
            let content = open.start..range.start;
            *inside = None;
            Some(content)
        }
        None if begins => {
            *inside = Some(Inside { name, depth: 1, start: range.end });
            None
        }
        Some(_) | None => None,
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

/// Elements whose content only readers have that lack something: scripts, frames, pictures that move.
fn is_for_some(name: &str) -> bool {
    is_one_of(name, &["noscript", "noframes", "noembed", "iframe", "object", "audio", "video", "canvas", "datalist"])
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
    fn what_is_not_shown_is_left_out_too() {
        let facts = [
            ("a<span style='display:none'>x</span>b", Some("ab")),
            ("a<i hidden>x<i>y</i></i>b<b aria-hidden=\"true\">z</b>c", Some("abc")),
            ("a<i style='visibility:hidden'>x</i>b<i style=opacity:0>x</i>c<i style=font-size:0>y</i>d", Some("abcd")),
            ("a<script>if (b<c) x</script>b<style>y</style>c<template>z</template>d<noscript>u</noscript>e", Some("abcde")),
            ("a<p style='color:transparent'>x</p>b<p style='left:-9999px'>y</p>c<p style='max-height:0'>z</p>d", Some("abcd")),
            ("a<p aria-hidden=true>x<b hidden>y</b>z</p>b", Some("ab")),
            ("a<p hidden>x<b aria-hidden=true>y</p>z</b>b", Some("ab")),
            ("a<!-- b -->c <b hidden>x</b>d", Some("ac d")),
            ("\u{e9}<template>a", Some("\u{e9}")),
            ("a<p aria-hidden=false style='color:red;left:9px;height:10px'>x</p>b", None),
            ("a<p hidden></p>b<!-- x -->", None),
            ("a<b>b</b>", None),
        ];
        for (text, expected) in facts {
            let reading = read(text, 999).unwrap();
            assert_eq!(reading.shown.as_ref().map(super::Draft::text), expected, "{text}");
        }
    }

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
