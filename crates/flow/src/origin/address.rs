//! Addresses that lead somewhere: with a scheme, and without one, with the path that readers' programs make a part of the link.
//!
//! Scheme and host are compared without case and in the form of the name system (`xn--`); what is behind them letter by letter,
//! because a server tells `/aB` from `/ab` and whoever has planted one can have it say something.

use std::borrow::Cow;
use std::ops::Range;

use text::{Value, ValueKind, normal_form};

use super::value::{self, Key};

/// Longest address without a scheme.
const MAX_ADDRESS: usize = 2048;
/// Endings of the names of files that are no top-level domain: `report.docx`, `Node.js`. What is one (`zip`, `md`, `py`, `sh`, `rs`,
/// `pl`, `ps`, `mov`, `cab`, `app`) must not stand here: mail and chat programs make links of it.
const FILES: [&str; 68] = [
    "aac", "avi", "bak", "bat", "bmp", "cfg", "conf", "cpp", "csv", "dat", "db", "dll", "doc", "docm", "docx", "eml", "env",
    "epub", "exe", "flac", "gif", "gz", "htm", "html", "ics", "ini", "ipynb", "jar", "java", "jpeg", "jpg", "js", "json",
    "jsonl", "jsx", "kt", "lock", "log", "mjs", "msg", "odp", "ods", "odt", "ogg", "parquet", "pdf", "php", "png", "ppt", "pptx",
    "rtf", "sql", "svg", "tar", "tex", "tmp", "toml", "ts", "tsx", "txt", "wav", "webp", "xls", "xlsx", "xml", "yaml", "yml",
    "css",
];

/// An address in a text.
pub(super) struct Found {
    pub(super) span: Range<usize>,
    pub(super) key: Key,
    /// Whether readers could follow it; no if it is the name of a file.
    pub(super) is_link: bool,
}

/// Whether a value is an address.
pub(super) const fn leads(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Url | ValueKind::Host)
}

/// The links in a text, as they are written.
pub(super) fn links(text: &str) -> Vec<String> {
    let addresses: Vec<Value> = value::outer(text).into_iter().filter(leads).collect();
    let links = found(text, &addresses).into_iter().filter(|found| found.is_link);
    links.filter_map(|found| text.get(found.span)).map(str::to_owned).collect()
}

/// The addresses in a text: those that the reader of values has found, each with what belongs to it, and those that are written with
/// letters outside ASCII.
pub(super) fn found(text: &str, addresses: &[Value]) -> Vec<Found> {
    let mut end = 0;
    let mut found: Vec<Found> = Vec::new();
    for value in addresses {
        if value.span.start < end {
            continue;
        }
        let one = match value.kind {
            ValueKind::Host => bare(text, value),
            _ => Found { span: value.span.clone(), key: key(value.kind, value.normal.clone()), is_link: true },
        };
        end = one.span.end;
        found.push(one);
    }
    if !text.is_ascii() {
        let others = foreign(text);
        found.retain(|one| !others.iter().any(|other| other.span.start <= one.span.start && one.span.end < other.span.end));
        found.extend(
            others.into_iter().filter(|other| {
                addresses.iter().all(|value| !overlaps(&value.span, &other.span) || value.kind == ValueKind::Host)
            }),
        );
    }
    found
}

fn overlaps(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// A text that is one address without a scheme.
pub(super) fn whole(text: &str) -> Option<Key> {
    let text = text.trim();
    let host = text.split(['/', '?', '#', ':']).next()?;
    let is_rest = !text.contains("//") && text.len() > host.len() && text.len() <= MAX_ADDRESS;
    normal_form(ValueKind::Host, &dotted(host)).filter(|_| is_rest && host.contains('.'))?;
    with_scheme(text)
}

/// An address with and without its scheme is the same place; hosts in the form of the name system.
pub(super) fn key(kind: ValueKind, normal: String) -> Key {
    match kind {
        ValueKind::Url => {
            let bare = normal.strip_prefix("https://").or_else(|| normal.strip_prefix("http://")).unwrap_or(&normal);
            (ValueKind::Url, ascii(bare.strip_suffix('/').unwrap_or(bare)).into_owned())
        }
        ValueKind::Host => (ValueKind::Url, ascii(&normal).into_owned()),
        _ => (kind, normal),
    }
}

/// Whether an address says more than its host.
pub(super) fn has_path(key: &Key) -> bool {
    key.0 == ValueKind::Url && key.1.contains(['/', '?', '#'])
}

/// A host in running text and what belongs to it behind it.
fn bare(text: &str, value: &Value) -> Found {
    let rest = text.get(value.span.end..).unwrap_or_default();
    let mut next = rest.chars();
    let goes_on = match next.next() {
        Some('/' | '?' | '#') => next.next().is_some_and(|char| !char.is_whitespace()),
        Some(':') => next.next().is_some_and(|char| char.is_ascii_digit()),
        _ => false,
    };
    let written = text.get(value.span.clone()).unwrap_or_default();
    let ending = value.normal.rsplit('.').next().unwrap_or_default();
    let is_www = value.normal.starts_with("www.");
    let has_slash = rest.starts_with('/');
    if goes_on {
        let token = rest.split(|char: char| char.is_whitespace() || "\"'<>()[]{}|`".contains(char)).next().unwrap_or_default();
        let token = token.trim_end_matches(['.', ',', ';', '!', ':', '?']);
        let span = value.span.start..value.span.end + token.len();
        // Too long to be read: no key that anything has.
        let key =
            Some(token).filter(|token| token.len() <= MAX_ADDRESS).and_then(|token| with_scheme(&format!("{written}{token}")));
        let key = key.unwrap_or_else(|| (ValueKind::Url, text.get(span.clone()).unwrap_or_default().to_owned()));
        return Found { span, key, is_link: true };
    }
    let is_file = !is_www && !has_slash && FILES.contains(&ending);
    Found { span: value.span.clone(), key: key(value.kind, value.normal.clone()), is_link: !is_file }
}

/// Hosts with letters outside ASCII, without a scheme.
fn foreign(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let ends = |char: char| char.is_whitespace() || "\"'<>()[]{}|`,;«»“”„‘’‚、（）「」".contains(char);
    let mut start = 0;
    for token in text.split(ends) {
        let at = start;
        // Each sign that ends a token is one character.
        start += token.len();
        start += text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        if token.is_ascii() || token.contains(['@']) || token.contains("//") {
            continue;
        }
        let lead = token.len() - token.trim_start_matches(|char: char| !char.is_alphanumeric()).len();
        let trimmed = token.trim_matches(|char: char| !char.is_alphanumeric() && char != '/');
        let trimmed = trimmed.trim_start_matches('/');
        let host = dotted(trimmed.split(['/', '?', '#', ':']).next().unwrap_or_default());
        let is_host = host.contains('.') && !host.is_ascii() && normal_form(ValueKind::Host, &host).is_some();
        // Full-width letters and dots that a browser reads as plain ones.
        let is_mapped = trimmed.len() <= MAX_ADDRESS && ascii(&host).contains('.') && !trimmed.is_ascii() && host.contains('.');
        if is_host || is_mapped && normal_form(ValueKind::Host, &ascii(&host)).is_some() {
            let rest = trimmed.find(['/', '?', '#', ':']).and_then(|at| trimmed.get(at..)).unwrap_or_default();
            let plain = format!("{}{rest}", ascii(&host));
            let key = with_scheme(&plain).unwrap_or((ValueKind::Url, plain));
            found.push(Found { span: at + lead..at + lead + trimmed.len(), key, is_link: true });
        }
    }
    found
}

fn with_scheme(text: &str) -> Option<Key> {
    normal_form(ValueKind::Url, &format!("https://{text}")).map(|normal| key(ValueKind::Url, normal))
}

/// The signs that stand for a dot in names: UTS #46.
fn dotted(host: &str) -> String {
    host.replace(['\u{3002}', '\u{ff0e}', '\u{ff61}'], ".")
}

/// An address with its host in the form of the name system; as it is where that has none.
fn ascii(address: &str) -> Cow<'_, str> {
    let at = address.find(['/', '?', '#', ':']).unwrap_or(address.len());
    let (Some(host), Some(rest)) = (address.get(..at), address.get(at..)) else { return Cow::Borrowed(address) };
    if host.is_ascii() || host.len() > MAX_ADDRESS {
        return Cow::Borrowed(address);
    }
    idna::domain_to_ascii(host).map_or(Cow::Borrowed(address), |host| Cow::Owned(format!("{host}{rest}")))
}
