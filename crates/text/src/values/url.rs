//! Web addresses in the normal form of RFC 3986 section 6.2, hosts read as a browser reads them.

use std::ops::Range;

use super::email;
use super::host::{self, Letters};
use super::path::{escaped, tail};
use super::reader::is_word;

/// Characters of the longest scheme in [`FOUND`].
const MAX_FOUND_SCHEME: usize = 6;
/// Schemes that count in running text, with their default ports. Any other is accepted only as a whole text.
const FOUND: [(&str, Option<u16>); 5] =
    [("http", Some(80)), ("https", Some(443)), ("ftp", Some(21)), ("ws", Some(80)), ("wss", Some(443))];
const MAILTO: &str = "mailto:";

/// What stands before the path of an address.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    /// Bytes of scheme, `://` and authority.
    len: usize,
    normal: String,
    /// Where the host stands.
    host: Range<usize>,
}

/// An address in running text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) range: Range<usize>,
    pub(super) normal: String,
    /// Where the host stands; empty for `mailto:`.
    pub(super) host: Range<usize>,
}

/// A text that is one address.
pub(super) fn whole(text: &str) -> Option<String> {
    if !text.chars().all(is_url_character) {
        return None;
    }
    if starts_with_mailto(text) {
        let (normal, length) = mailto(text)?;
        return (length == text.len()).then_some(normal);
    }
    let head = head(text)?;
    let rest = text.get(head.len..)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then(|| head.normal + &tail(rest))
}

/// The address in running text whose scheme ends before the colon at byte `colon`.
pub(super) fn around(text: &str, colon: usize) -> Option<Address> {
    let before = text.get(..colon)?;
    let n_letters = before.bytes().rev().take(MAX_FOUND_SCHEME + 1).take_while(u8::is_ascii_alphabetic).count();
    let start = colon - n_letters;
    if n_letters > MAX_FOUND_SCHEME || before.get(..start)?.chars().next_back().is_some_and(is_word) {
        return None;
    }
    let rest = text.get(start..)?;
    let scheme = text.get(start..colon)?;
    if starts_with_mailto(rest) {
        let (normal, length) = mailto(rest)?;
        return Some(Address { range: start..start + length, normal, host: colon + 1..colon + 1 });
    }
    let is_found = FOUND.iter().any(|(known, _)| known.eq_ignore_ascii_case(scheme));
    let head = if is_found { head(rest)? } else { return None };
    let length = extent(rest, head.len);
    // Trimmed into the authority: `http://a.example.` is read again without the dot, `http://[::1]` is not.
    let address = rest.get(..length)?;
    let head = if length < head.len { self::head(address)? } else { head };
    let normal = head.normal + &tail(address.get(head.len..)?);
    Some(Address { range: start..start + length, normal, host: start + head.host.start..start + head.host.end })
}

/// Where the address ends in running text: before white space, quotes or a bracket that it does not open, and without
/// punctuation at the end. Bytes up to `head` are scheme and authority.
fn extent(text: &str, head: usize) -> usize {
    let (before, after) = text.split_at_checked(head).unwrap_or((text, ""));
    let mut open = Brackets::default();
    let mut end = head;
    let mut trimmed = before.len();
    if !after.starts_with(['/', '?', '#']) {
        return before.trim_end_matches(['.', ':', '-', '_', '%']).len();
    }
    for character in after.chars() {
        if !is_url_character(character) || !open.admits(character) {
            break;
        }
        end += character.len_utf8();
        if !matches!(character, '.' | ',' | ';' | ':' | '!' | '?' | '\'') {
            trimmed = end;
        }
    }
    trimmed
}

/// How many brackets of each kind are open.
#[derive(Debug, Default)]
struct Brackets {
    round: usize,
    square: usize,
    curly: usize,
}

impl Brackets {
    /// Whether the character may stand here: any but a closing bracket whose opening one is not part of the address.
    fn admits(&mut self, character: char) -> bool {
        let (open, is_opening) = match character {
            '(' | ')' => (&mut self.round, character == '('),
            '[' | ']' => (&mut self.square, character == '['),
            '{' | '}' => (&mut self.curly, character == '{'),
            _ => return true,
        };
        let after = if is_opening { open.checked_add(1) } else { open.checked_sub(1) };
        *open = after.unwrap_or(0);
        after.is_some()
    }
}

/// What may stand in an address as people write it: no white space, controls, quotes, backslash or typographic punctuation.
fn is_url_character(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_graphic() && !matches!(character, '<' | '>' | '"' | '`' | '\\');
    }
    let is_punctuation = matches!(character, '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff65}');
    !is_punctuation && !character.is_control() && !character.is_whitespace()
}

fn starts_with_mailto(text: &str) -> bool {
    text.get(..MAILTO.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(MAILTO))
}

/// `mailto:` with its addresses and query, and the bytes read. In running text the query ends as other addresses do.
fn mailto(text: &str) -> Option<(String, usize)> {
    let mut normal = MAILTO.to_owned();
    let mut at = MAILTO.len();
    loop {
        let rest = text.get(at..)?;
        let sign = rest.bytes().take(65).position(|byte| byte == b'@')?;
        let (range, address) = email::around(rest, sign).filter(|(range, _)| range.start == 0)?;
        normal.push_str(&address);
        at += range.end;
        let next = text.get(at..).and_then(|rest| rest.strip_prefix(','));
        let is_list = next.is_some_and(is_address_next);
        if !is_list {
            break;
        }
        normal.push(',');
        at += 1;
    }
    let query = text.get(at..).filter(|rest| rest.starts_with('?')).map_or(0, |rest| extent(rest, 0));
    let query = text.get(at..at + query)?;
    Some((normal + query, at + query.len()))
}

fn is_address_next(text: &str) -> bool {
    let sign = text.bytes().take(65).position(|byte| byte == b'@');
    sign.and_then(|sign| email::around(text, sign)).is_some_and(|(range, _)| range.start == 0)
}

/// Reads scheme and authority: up to the first `/`, `?` or `#`, or what can stand neither in a host nor before an `@`.
fn head(text: &str) -> Option<Head> {
    let n_scheme = text.bytes().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    let scheme = text.get(..n_scheme)?.to_ascii_lowercase();
    let rest =
        text.get(n_scheme..)?.strip_prefix("://").filter(|_| scheme.starts_with(|first: char| first.is_ascii_alphabetic()))?;
    let n_authority = rest.find(|next: char| matches!(next, '/' | '?' | '#') || !is_url_character(next)).unwrap_or(rest.len());
    let authority = rest.get(..n_authority)?;
    // A browser takes the last `@`; so a name before it cannot pose as the host.
    let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let place = place.get(..place.find(|next| !is_place_character(next, place)).unwrap_or(place.len()))?;
    let start = n_scheme + 3 + user.len() + usize::from(authority.contains('@'));
    let (host, port) = host_and_port(place)?;
    let known = FOUND.iter().find(|(known, _)| *known == scheme);
    let normal_host = normal_host(host, known.is_some(), &scheme)?;
    let port = port_number(port)?.filter(|port| known.and_then(|(_, default)| *default) != Some(*port));
    let mut normal = format!("{scheme}://");
    if !user.is_empty() {
        normal.push_str(user);
        normal.push('@');
    }
    normal.push_str(&normal_host);
    if let Some(port) = port {
        normal.push_str(&format!(":{port}"));
    }
    Some(Head { len: start + place.len(), normal, host: start..start + host.len() })
}

/// Whether the character can stand in a host and its port.
fn is_place_character(character: char, place: &str) -> bool {
    match character {
        '[' | ']' => place.starts_with('['),
        '.' | '-' | '_' | '%' | ':' => true,
        other => other.is_alphanumeric(),
    }
}

/// Splits off `:port`, not the colons of an address in brackets.
fn host_and_port(place: &str) -> Option<(&str, &str)> {
    if place.starts_with('[') {
        let (host, rest) = place.split_at_checked(place.find(']')? + 1)?;
        let port = if rest.is_empty() { Some("") } else { rest.strip_prefix(':') };
        return port.map(|port| (host, port));
    }
    Some(place.split_once(':').unwrap_or((place, "")))
}

/// `Some(None)` when there is no port.
fn port_number(port: &str) -> Option<Option<u16>> {
    if port.is_empty() {
        return Some(None);
    }
    // A sign is no digit, though `parse` takes one.
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| port.parse().ok()).flatten().map(Some)
}

fn normal_host(host: &str, is_web: bool, scheme: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        return host::v6(address.strip_suffix(']')?).map(|address| format!("[{address}]"));
    }
    if host.is_empty() {
        return (scheme == "file").then(String::new);
    }
    let decoded = decoded_host(host)?;
    let name = host::name(&decoded, Letters::Any)?;
    if !is_web {
        return Some(name);
    }
    host::loose_v4(&name).ok().map(|address| address.unwrap_or(name))
}

/// The host without percent escapes, as browsers read it. `None` when what they stand for is not UTF-8.
fn decoded_host(host: &str) -> Option<String> {
    if !host.contains('%') {
        return Some(host.to_owned());
    }
    let mut bytes = Vec::with_capacity(host.len());
    let mut rest = host.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(3..)?;
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{around, whole};

    #[test]
    fn whole_texts() {
        let facts = [
            ("HTTP://Example.COM", Some("http://example.com/")),
            ("http://example.com:80/a", Some("http://example.com/a")),
            ("https://example.com:0443", Some("https://example.com/")),
            ("https://example.com:", Some("https://example.com/")),
            ("https://example.com:80/", Some("https://example.com:80/")),
            ("https://example.com./a", Some("https://example.com/a")),
            ("https://a.example/x/../y/./z/..", Some("https://a.example/y/")),
            ("https://a.example/../../x", Some("https://a.example/x")),
            ("https://a.example/%2e%2E/x", Some("https://a.example/x")),
            ("https://a.example//x//", Some("https://a.example//x//")),
            ("https://a.example/%7ea%2f%zz", Some("https://a.example/~a%2F%25zz")),
            ("https://a.example/%%32%65", Some("https://a.example/%252e")),
            ("https://a.example/ü", Some("https://a.example/%C3%BC")),
            ("https://a.example?Q=%7e/../#F/..", Some("https://a.example/?Q=%7e/../#F/..")),
            ("https://u:P@a.example@B.example/", Some("https://u:P@a.example@b.example/")),
            ("https://ex%61mple.com/", Some("https://example.com/")),
            ("https://0x7f.1/", Some("https://127.0.0.1/")),
            ("http://2130706433", Some("http://127.0.0.1/")),
            ("http://[2001:DB8::0:1]:80/", Some("http://[2001:db8::1]/")),
            ("http://localhost:8080", Some("http://localhost:8080/")),
            ("postgres://User@DB:5432/x", Some("postgres://User@db:5432/x")),
            ("file:///etc/../passwd", Some("file:///passwd")),
            ("mailto:Bob@Example.COM?subject=Hi", Some("mailto:Bob@example.com?subject=Hi")),
            ("MAILTO:a@b.example,c@D.example", Some("mailto:a@b.example,c@d.example")),
            ("https://ex%2fample.com/", None),
            ("https://a.example:70000/", None),
            ("https://a.example:+80/", None),
            ("https://a.example:8x/", None),
            ("https://1.2.3.4.5/", None),
            ("https://a..example/", None),
            ("https:///x", None),
            ("https://a.example\\@b.example/", None),
            ("https://a.example/ x", None),
            ("https:/a.example", None),
            ("1http://a.example", None),
            ("mailto:a@localhost", None),
            ("example.com/a", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn running_text_around_an_address() {
        let facts = [
            ("see https://a.example/x. Then", Some("https://a.example/x")),
            ("(https://a.example/x).Then", Some("https://a.example/x")),
            ("https://a.example/f_(x) is", Some("https://a.example/f_(x)")),
            ("[t](https://a.example/x?y=1)!", Some("https://a.example/x?y=1")),
            ("'https://a.example/x'", Some("https://a.example/x")),
            ("{\"u\":\"https://a.example\"}", Some("https://a.example")),
            ("https://a.example, b", Some("https://a.example")),
            ("https://a.example.", Some("https://a.example")),
            ("https://a.example/?", Some("https://a.example/")),
            ("https://a.example\\@b.example", Some("https://a.example")),
            ("http://[::1]:80, b", Some("http://[::1]:80")),
            ("git+ssh://a.example", None),
            ("xhttp://a.example", None),
            ("https://.", None),
            ("(https://a.example)x", Some("https://a.example")),
            ("https://a.example!", Some("https://a.example")),
            ("https://a.example: x", Some("https://a.example")),
            ("https://a.example,b!@c.example", Some("https://a.example,b!@c.example")),
            ("postgres://a.example", None),
            ("https://a.example/x。次", Some("https://a.example/x")),
        ];
        for (text, expected) in facts {
            let colon = text.find("://").unwrap();
            assert_eq!(around(text, colon).and_then(|found| text.get(found.range)), expected, "{text}");
        }
        let found = around("(mailto:a@b.example?subject=x.)", 7).unwrap();
        assert_eq!((found.range, found.normal.as_str()), (1..29, "mailto:a@b.example?subject=x"));
        let found = around("http://u@A.example:80/x", 4).unwrap();
        assert_eq!((found.host, found.normal.as_str()), (9..18, "http://u@a.example/x"));
    }
}
