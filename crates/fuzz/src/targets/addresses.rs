//! Addresses of documents: what is taken has one form, and a pattern fits what a slower reader says that it fits.

use ::mcp::uri::{Pattern, check, of_template};

use super::{Outcome, Target, ensure, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "addresses",
    what: "a pattern and an address below it: one that is taken is the same to a reader who normalises it; both readers of patterns agree",
    seeds: || {
        texts(&[
            "kb://handbook/*\nkb://handbook/leave",
            "kb://**/notes/*.md\nkb://a/b/notes/x.md",
            "file:///srv/**\nfile:///srv/a%20b/c?q=1&r=2",
            "kb://*/a/**b*c\nkb://q/a/r/s/b/t/bc",
            "urn:isbn:*\nurn:isbn:1",
            "kb://page/*\nkb://page/{id}{?q}",
        ])
    },
    words: &["kb://", "**", "*", "/", "..", "/./", "%2E", "%2f", "%20", "%25", "?", "#", "@", "{id}", "{+p}", "\\", ":", "//"],
    max_len: 300,
    run,
    hostile: &["*a", "**", "%41", "../"],
    floor: 5.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(0) };
    let (pattern, uri) = text.split_once('\n').unwrap_or((text, ""));
    let taken = check(uri);
    if taken.is_ok() {
        let again = normal(uri);
        ensure(again.as_deref() == Some(uri), || format!("`{uri}` is `{again:?}` to a reader who normalises"))?;
    }
    if let Ok(filled) = of_template(uri) {
        ensure(check(&filled).is_ok(), || format!("`{uri}` is filled to `{filled}`"))?;
    }
    let Ok(read) = Pattern::new(pattern) else { return Ok(seen((taken.err(), "no pattern"))) };
    let fits = read.fits(uri);
    let stars: Vec<char> = pattern.chars().collect();
    let expected = slow(&stars, &uri.chars().collect::<Vec<_>>());
    ensure(fits == expected, || format!("`{pattern}` and `{uri}`: {fits}, and {expected} to a second reader"))?;
    Ok(seen((taken.err(), fits)))
}

/// RFC 3986, section 6.2.2: the scheme in small letters, escapes of what needs none unescaped, dot segments removed.
fn normal(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let mut plain = String::new();
    let mut letters = rest.bytes();
    while let Some(byte) = letters.next() {
        if byte != b'%' {
            plain.push(char::from(byte));
            continue;
        }
        let digits = [letters.next()?, letters.next()?];
        let value = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
        if value.is_ascii_alphanumeric() || b"-._~/\\%".contains(&value) {
            plain.push(char::from(value));
        } else {
            plain.push_str(&format!("%{value:02X}"));
        }
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in plain.split('/') {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    Some(format!("{}:{}", scheme.to_ascii_lowercase(), kept.join("/")))
}

/// Whether the pattern fits, from the back and by a table of all ends.
fn slow(pattern: &[char], uri: &[char]) -> bool {
    // ends[j]: the rest of the pattern fits what stands from j on.
    let mut ends: Vec<bool> = (0..=uri.len()).map(|at| at == uri.len()).collect();
    let mut at = pattern.len();
    while let Some(before) = at.checked_sub(1) {
        let star = pattern.get(before) == Some(&'*');
        let start =
            if star { pattern.iter().take(at).rposition(|letter| *letter != '*').map_or(0, |last| last + 1) } else { before };
        let is_deep = at - start > 1;
        let fits = |from: usize| -> bool {
            if !star {
                return uri.get(from) == pattern.get(before) && ends.get(from + 1) == Some(&true);
            }
            let passed = uri.iter().skip(from).take_while(|letter| is_deep || **letter != '/').count();
            (from..=from + passed).any(|end| ends.get(end) == Some(&true))
        };
        ends = (0..=uri.len()).map(fits).collect();
        at = start;
    }
    ends.first() == Some(&true)
}
