//! Domain names: the host of a URL, or a name that ends like one.

use memchr::memchr;

use crate::bounded::Input;
use crate::class::Class;
use crate::pii::view::View;

/// Most bytes of a name (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
/// Most bytes of a label.
const LONGEST_LABEL: usize = 63;
/// Most bytes of a scheme with its `://`.
const LONGEST_SCHEME: usize = 8;

/// Bytes that names are made of.
const NAME: Class = Class::ALNUM.or(Class::DOT).or(Class::DASH);

const SCHEMES: &[&[u8]] = &[b"https://", b"http://", b"ftp://", b"wss://", b"ws://"];

/// Endings that make a name of two labels a domain's. Those that are also words, members or suffixes of file names are left out.
static ENDINGS: &[&str] = &[
    "com", "org", "net", "edu", "gov", "mil", "biz", "xyz", "online", "shop", "site", "website", "club", "eu", "de", "fr", "es",
    "nl", "se", "fi", "dk", "cz", "ch", "uk", "ca", "au", "nz", "jp", "cn", "br", "mx", "za", "ru", "ua", "kr", "tw", "sg", "hk",
    "il", "tr", "gr", "hu", "ro", "bg", "hr", "sk", "lt", "lv", "ee", "lu", "us", "cl", "uy", "tn", "ae", "ng", "vn", "ph",
];

/// Endings that do so for a name of three labels or more.
static LONG_ENDINGS: &[&str] = &["io", "ai", "app", "dev", "co", "it", "be", "at", "pl", "pt", "ie", "si", "no", "in", "info"];

/// Endings of names that nobody writes by chance.
static TELLING_ENDINGS: &[&str] =
    &[".com", ".org", ".net", ".edu", ".gov", ".co.uk", ".org.uk", ".ac.uk", ".gov.uk", ".com.au", ".com.br", ".co.jp", ".co.za"];

/// First labels of names in programs.
static NO_DOMAINS: &[&str] = &[
    "self", "this", "cls", "java", "javax", "kotlin", "system", "asp", "ado", "vb", "com", "org", "net", "edu", "io", "std",
    "torch", "nn", "app", "config", "request", "response", "window", "document", "process", "module", "node", "data", "obj",
    "args", "params",
];

/// A finder: see [`crate::bounded::Find`].
pub(crate) fn scan(input: Input<'_>, report: &mut dyn FnMut(usize, usize, usize)) -> usize {
    let Input { text, from, is_final, .. } = input;
    let view = &View::new(text, is_final);
    let mut at = from;
    while let Some(offset) = memchr(b'.', text.get(at..).unwrap_or_default()) {
        let dot = at + offset;
        let run = Run::around(view, dot);
        if run.is_too_long() {
            view.take_reached_end();
            at = dot + NAME.run(text.get(dot..).unwrap_or_default());
            continue;
        }
        let found = run.domain(view);
        if view.take_reached_end() {
            return run.start_with_scheme(view);
        }
        if let Some((start, end)) = found {
            report(0, start, end);
        }
        at = run.end;
    }
    if is_final { text.len() } else { at_end(text).max(from) }
}

/// A run of name bytes around a dot.
struct Run {
    start: usize,
    /// Behind its last byte; behind [`LONGEST`] + 1 bytes of a longer one.
    end: usize,
}

impl Run {
    /// The run that the dot at an offset stands in.
    fn around(view: &View<'_>, dot: usize) -> Self {
        let start = dot - NAME.run_back(view.slice(0, dot), LONGEST + 1);
        let end = dot + view.run(dot, NAME, (LONGEST + 1).saturating_sub(dot - start));
        Self { start, end }
    }

    const fn is_too_long(&self) -> bool {
        self.end - self.start > LONGEST
    }

    /// Where the scheme in front of the run begins; the run's start if there is none.
    fn start_with_scheme(&self, view: &View<'_>) -> usize {
        let before = view.slice(self.start.saturating_sub(LONGEST_SCHEME), self.start);
        let scheme = SCHEMES.iter().find(|scheme| {
            let at = before.len().checked_sub(scheme.len());
            at.and_then(|at| before.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(scheme))
        });
        let start = scheme.map_or(self.start, |scheme| self.start - scheme.len());
        if view.has_before(start, Class::ALNUM) { self.start } else { start }
    }

    /// The start and end of the domain name in it.
    fn domain(&self, view: &View<'_>) -> Option<(usize, usize)> {
        let run = view.slice(self.start, self.end);
        let name = trimmed(run);
        let (n_labels, last) = labels(name)?;
        let start = self.start_with_scheme(view);
        let end = self.start + name.len();
        if start < self.start {
            return is_ending(last).then(|| (start, end + usize::from(has_bare_slash(view, end))));
        }
        let is_one = is_domain_alone(name, n_labels, last) && self.stands_alone(view, end);
        is_one.then_some((start, end))
    }

    /// Whether the bytes around a name without a scheme let it be a domain's.
    fn stands_alone(&self, view: &View<'_>, end: usize) -> bool {
        let before = view.before(self.start);
        let is_joined = before.is_some_and(|byte| b"_@/\\$#&%~+".contains(&byte));
        let is_scope = before == Some(b':') && view.before(self.start - 1) == Some(b':');
        !is_joined && !is_scope && !view.at(end).is_some_and(|byte| b"_@([".contains(&byte))
    }
}

/// A run without the dots and dashes at its end.
fn trimmed(run: &[u8]) -> &[u8] {
    let length = run.iter().rposition(|byte| Class::ALNUM.has(*byte)).map_or(0, |last| last + 1);
    run.get(..length).unwrap_or_default()
}

/// How many labels a name has, and the last; `None` unless there are two, each as a label has to be.
fn labels(name: &[u8]) -> Option<(usize, &[u8])> {
    let is_label =
        |label: &[u8]| (1..=LONGEST_LABEL).contains(&label.len()) && label.first() != Some(&b'-') && label.last() != Some(&b'-');
    let (mut n_labels, mut last) = (0, name);
    for label in name.split(|byte| *byte == b'.') {
        if !is_label(label) {
            return None;
        }
        (n_labels, last) = (n_labels + 1, label);
    }
    (n_labels > 1).then_some((n_labels, last))
}

/// Whether a label can be a top-level domain: letters, or the ASCII form of others (RFC 5890).
fn is_ending(label: &[u8]) -> bool {
    let is_encoded = label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--"));
    is_encoded || ((2..=24).contains(&label.len()) && label.iter().all(u8::is_ascii_alphabetic))
}

/// Whether a name without a scheme is a domain's: `www.`, or an ending that little else has.
fn is_domain_alone(name: &[u8], n_labels: usize, last: &[u8]) -> bool {
    let first = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    if first.eq_ignore_ascii_case(b"www") && n_labels > 2 {
        return is_ending(last);
    }
    let is_in = |words: &[&str], word: &[u8]| words.iter().any(|known| known.as_bytes() == word);
    let second = name.rsplit(|byte| *byte == b'.').nth(1).unwrap_or_default();
    let has_ending = is_in(ENDINGS, last) || (n_labels > 2 && is_in(LONG_ENDINGS, last));
    let has_name = second.len() > 1 && second.iter().any(u8::is_ascii_alphabetic);
    has_ending && has_name && !is_in(NO_DOMAINS, &first.to_ascii_lowercase())
}

/// Whether the slash that ends a URL without a path stands here.
fn has_bare_slash(view: &View<'_>, at: usize) -> bool {
    const PATH: &[u8] = b"-_~%?#&=+/@:";
    view.at(at) == Some(b'/') && !view.at(at + 1).is_some_and(|byte| Class::ALNUM.has(byte) || PATH.contains(&byte))
}

/// From where a domain name can still begin, at the end of a text that goes on.
fn at_end(text: &[u8]) -> usize {
    let view = View::new(text, true);
    let length = NAME.run_back(text, LONGEST + 1);
    if length > LONGEST {
        return text.len();
    }
    let run = Run { start: text.len() - length, end: text.len() };
    let start = run.start_with_scheme(&view);
    let parts = SCHEMES.iter().flat_map(|scheme| [1, 2].map(|missing| scheme.get(..scheme.len() - missing).unwrap_or_default()));
    match parts.into_iter().find(|part| ends_with(text, part)) {
        Some(part) if length == 0 => text.len() - part.len(),
        _ => start,
    }
}

/// Whether a name is a domain's in a text that is read in a way in which nobody may have written it.
pub(crate) fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = || TELLING_ENDINGS.iter().any(|ending| name.trim_end_matches('/').ends_with(ending));
    name.contains("://") || name.starts_with("www.") || ends()
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len().checked_sub(end.len()).and_then(|at| text.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}
