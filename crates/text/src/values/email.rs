//! E-mail addresses: the dot-atom form of RFC 5322, without comments, quotes and address literals.

use std::ops::Range;

use super::host::{self, Letters};
use super::reader::is_word;

const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;
/// How many labels that cannot end a domain are given up.
const MAX_TAILS: usize = 3;

/// A text that is one address: the local part as it is, the domain in lower case.
pub(super) fn whole(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let domain = if domain.ends_with('.') { None } else { host::domain(domain, Letters::Ascii) };
    is_local(local).then(|| domain.map(|domain| format!("{local}@{domain}")))?
}

/// RFC 5322, `dot-atom-text`.
fn is_local(local: &str) -> bool {
    let is_atom_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.len() <= MAX_LOCAL && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte))
}

/// The address around the `@` at byte `sign` of a text.
///
/// In running text the local part has only letters, digits and `._%+-~&`, and begins with a letter, a digit or `_`, so that
/// quotes, `to=` and list marks around an address are not read as parts of it.
pub(super) fn around(text: &str, sign: usize) -> Option<(Range<usize>, String)> {
    let (before, after) = (text.get(..sign)?, text.get(sign + 1..)?);
    let n_local = before.bytes().rev().take(MAX_LOCAL + 1).take_while(|byte| is_plain(*byte)).count();
    let run_start = sign - n_local;
    if n_local > MAX_LOCAL || before.get(..run_start)?.chars().next_back().is_some_and(is_word) {
        return None;
    }
    let local = before.get(run_start..)?.trim_start_matches(|first: char| !is_word(first));
    let start = sign - local.len();
    let n_domain =
        after.bytes().take(MAX_DOMAIN + 1).take_while(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte)).count();
    let mut domain = if n_domain > MAX_DOMAIN { return None } else { after.get(..n_domain)?.trim_end_matches(['.', '-', '_']) };
    // `a@example.com.2`: what is no top-level domain belongs to what follows.
    for _ in 0..MAX_TAILS {
        if host::domain(domain, Letters::Ascii).is_some() {
            break;
        }
        domain = domain.rsplit_once('.')?.0;
    }
    let end = sign + 1 + domain.len();
    whole(text.get(start..end)?).map(|normal| (start..end, normal))
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'~' | b'&')
}

#[cfg(test)]
mod tests {
    use super::{around, whole};

    #[test]
    fn whole_texts() {
        let facts = [
            ("Bob@Example.COM", Some("Bob@example.com")),
            ("a.b+c@x-y.example", Some("a.b+c@x-y.example")),
            ("o'neil=x@example.com", Some("o'neil=x@example.com")),
            ("a@b.xn--p1ai", Some("a@b.xn--p1ai")),
            ("a@localhost", None),
            ("a@example.com.", None),
            ("a..b@example.com", None),
            (".a@example.com", None),
            ("a@b@example.com", None),
            ("a b@example.com", None),
            ("\"a\"@example.com", None),
            ("a@[127.0.0.1]", None),
            ("a@1.2.3.4", None),
            ("@example.com", None),
        ];
        for (text, expected) in facts {
            assert_eq!(whole(text).as_deref(), expected, "{text}");
        }
        assert!(whole(&format!("{}@example.com", "a".repeat(64))).is_some());
        assert!(whole(&format!("{}@example.com", "a".repeat(65))).is_none());
    }

    #[test]
    fn running_text_around_an_address() {
        let facts = [
            ("<bob@example.com>", Some("bob@example.com")),
            ("to=bob@example.com,", Some("bob@example.com")),
            ("-bob@example.com.", Some("bob@example.com")),
            ("'_bob@example.com'", Some("_bob@example.com")),
            ("bob@example.com.2", Some("bob@example.com")),
            ("bob@example.com/x", Some("bob@example.com")),
            ("übob@example.com", None),
            ("-@example.com", None),
            ("bob@-", None),
        ];
        for (text, expected) in facts {
            let sign = text.find('@').unwrap();
            assert_eq!(around(text, sign).and_then(|(range, _)| text.get(range)), expected, "{text}");
        }
        let long = format!("{}bob@example.com", "a".repeat(64));
        assert_eq!(around(&long, 67), None);
    }
}
