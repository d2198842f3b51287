//! Host names and IP addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Found;
use super::reader::is_word_end;

/// RFC 1035: bytes of a name without its trailing dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;
/// Bytes of the longest IPv6 literal, with an IPv4 tail.
const MAX_V6: usize = 45;

/// Which letters a name may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    Ascii,
    /// Labels that are not in their IDNA form yet.
    Any,
}

/// A text that is one host: a name with a top-level domain, or an address, IPv6 with or without brackets.
pub(super) fn whole(text: &str) -> Option<String> {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = inside.or_else(|| text.contains(':').then_some(text)) {
        return v6(address);
    }
    v4(text).or_else(|| domain(text, Letters::Any))
}

/// The IPv4 address in canonical form.
pub(super) fn v4(text: &str) -> Option<String> {
    text.parse::<Ipv4Addr>().ok().map(|address| address.to_string())
}

/// The IPv6 address in canonical form (RFC 5952).
pub(super) fn v6(text: &str) -> Option<String> {
    text.parse::<Ipv6Addr>().ok().map(|address| address.to_string())
}

/// A name with at least one dot and a top-level domain of letters, lower-case, without the trailing dot.
pub(super) fn domain(text: &str, letters: Letters) -> Option<String> {
    let normal = name(text, letters)?;
    let (_, top) = normal.rsplit_once('.')?;
    let is_letter = |character: char| match letters {
        Letters::Ascii => character.is_ascii_lowercase(),
        Letters::Any => character.is_alphabetic(),
    };
    let is_encoded = top.strip_prefix("xn--").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_ascii_label));
    let is_top = is_encoded || (top.chars().all(is_letter) && top.chars().nth(1).is_some());
    is_top.then_some(normal)
}

/// Any name of well-formed labels, lower-case, without the trailing dot.
pub(super) fn name(text: &str, letters: Letters) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > MAX_NAME || !text.split('.').all(|label| is_label(label, letters)) {
        return None;
    }
    let normal: String = text.chars().map(lower).collect();
    // A letter may be longer in lower case.
    (normal.len() <= MAX_NAME && normal.split('.').all(|label| label.len() <= MAX_LABEL)).then_some(normal)
}

fn is_label(label: &str, letters: Letters) -> bool {
    let is_inside = |character: char| match letters {
        _ if character.is_ascii() => u8::try_from(character).is_ok_and(is_ascii_label),
        Letters::Ascii => false,
        Letters::Any => character.is_alphanumeric(),
    };
    let has_edge = label.is_empty() || label.starts_with('-') || label.ends_with('-');
    !has_edge && label.len() <= MAX_LABEL && label.chars().all(is_inside)
}

const fn is_ascii_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The lower-case letter, where it is one letter.
fn lower(character: char) -> char {
    let mut letters = character.to_lowercase();
    letters.next().filter(|_| letters.next().is_none()).unwrap_or(character)
}

/// How many bytes of an ASCII host name, dots included, the text begins with.
pub(super) fn run(text: &str) -> usize {
    text.bytes().take_while(|byte| is_ascii_label(*byte) || *byte == b'.').count()
}

/// The name or IPv4 address in a run: the whole of it but dots and hyphens at its end.
pub(super) fn in_run(run: &str) -> Option<Found> {
    let host = run.trim_end_matches(['.', '-']);
    // The commonest case first: a word without any dot.
    if host.len() > MAX_NAME || !host.contains('.') {
        return None;
    }
    let normal = v4(host).or_else(|| domain(host, Letters::Ascii))?;
    Some(Found { len: host.len(), normal })
}

/// The IPv6 address that the text begins with. It has a digit, so that `a::b` in code is none.
pub(super) fn v6_at(text: &str) -> Option<Found> {
    // A group of at most four digits and a colon, before any more is read.
    let n_first = text.bytes().take(5).take_while(u8::is_ascii_hexdigit).count();
    if text.as_bytes().get(n_first) != Some(&b':') {
        return None;
    }
    let run = text.bytes().take(MAX_V6 + 2).take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')).count();
    let run = text.get(..run)?.trim_end_matches('.');
    let address = if run.ends_with("::") { run } else { run.strip_suffix(':').unwrap_or(run) };
    let is_likely = address.bytes().filter(|byte| *byte == b':').count() > 1 && address.bytes().any(|byte| byte.is_ascii_digit());
    let normal = if is_likely { v6(address)? } else { return None };
    text.get(address.len()..).is_some_and(is_word_end).then_some(Found { len: address.len(), normal })
}

/// The address that a browser reads from a name that ends in a number, as `0x7f.1` and `2130706433`.
///
/// The WHATWG URL standard, "IPv4 parser": up to four parts, decimal, octal or hexadecimal, the last one fills the rest.
/// `Err` when the name ends in a number and is no address.
pub(super) fn loose_v4(name: &str) -> Result<Option<String>, ()> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if last.is_empty() || !(is_hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(None);
    }
    let parts: Vec<Option<u64>> = name.splitn(5, '.').map(loose_part).collect();
    joined(&parts).map(Some).ok_or(())
}

fn loose_part(part: &str) -> Option<u64> {
    let (digits, radix) = match (part.strip_prefix("0x"), part.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) => (digits, 8),
        (None, None) => (part, 10),
    };
    match digits {
        "" if part.is_empty() => None,
        "" => Some(0),
        // A sign is no digit, though `from_str_radix` takes one.
        _ if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => None,
        _ => u64::from_str_radix(digits, radix).ok(),
    }
}

fn joined(parts: &[Option<u64>]) -> Option<String> {
    let (last, firsts) = parts.split_last()?;
    let n_rest = 4usize.checked_sub(firsts.len())?;
    let room = 256u64.checked_pow(u32::try_from(n_rest).ok()?)?;
    let last = (*last).filter(|last| *last < room)?;
    let head = firsts.iter().try_fold(0u64, |head, part| Some(head * 256 + (*part).filter(|part| *part < 256)?))?;
    let address = u32::try_from(head.checked_mul(room)?.checked_add(last)?).ok()?;
    Some(Ipv4Addr::from(address).to_string())
}

#[cfg(test)]
mod tests {
    use super::{in_run, loose_v4, run, v6_at, whole};

    #[test]
    fn whole_texts() {
        let facts = [
            ("Example.COM", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("a.xn--p1ai", Some("a.xn--p1ai")),
            ("Bücher.example", Some("bücher.example")),
            ("ПРИМЕР.РФ", Some("пример.рф")),
            ("192.168.0.1", Some("192.168.0.1")),
            ("2001:DB8:0:0::1", Some("2001:db8::1")),
            ("[::1]", Some("::1")),
            ("::ffff:1.2.3.4", Some("::ffff:1.2.3.4")),
            ("192.168.00.1", None),
            ("256.1.1.1", None),
            ("localhost", None),
            ("a.b", None),
            ("a.b2", None),
            ("-a.com", None),
            ("a-.com", None),
            ("a..com", None),
            (".com", None),
            ("a.xn--", None),
            ("", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
        assert!(whole(&format!("{}.com", "a".repeat(63))).is_some());
        assert!(whole(&format!("{}.com", "a".repeat(64))).is_none());
        assert!(whole(&format!("{}com", "aaa.".repeat(63))).is_none());
    }

    #[test]
    fn running_text() {
        let facts = [("example.com. Then", Some(11)), ("10.0.0.1:80", Some(8)), ("example.com-", Some(11)), ("word. Next", None)];
        for (text, expected) in facts {
            assert_eq!(in_run(text.get(..run(text)).unwrap()).map(|found| found.len), expected, "{text}");
        }
        let facts =
            [("::1.", Some(3)), ("fe80::1: yes", Some(7)), ("1:: ", Some(3)), ("a::b", None), ("10:30:15", None), ("::", None)];
        for (text, expected) in facts {
            assert_eq!(v6_at(text).map(|found| found.len), expected, "{text}");
        }
    }

    #[test]
    fn numbers_that_browsers_read_as_addresses() {
        let facts = [
            ("2130706433", Ok(Some("127.0.0.1"))),
            ("0x7f.1", Ok(Some("127.0.0.1"))),
            ("0177.0.0.01", Ok(Some("127.0.0.1"))),
            ("127.1.", Ok(Some("127.0.0.1"))),
            ("0", Ok(Some("0.0.0.0"))),
            ("1.2.3.4.5", Err(())),
            ("1.256.3", Err(())),
            ("4294967296", Err(())),
            ("08", Err(())),
            ("a.5", Err(())),
            ("example.com", Ok(None)),
            ("0xfg", Ok(None)),
        ];
        for (text, expected) in facts {
            assert_eq!(loose_v4(text), expected.map(|address| address.map(str::to_owned)), "{text}");
        }
    }
}
