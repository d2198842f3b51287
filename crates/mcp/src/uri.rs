//! Addresses of resources: one written form each, and patterns that they fit.
//!
//! What decides on a text and what opens it have to mean the same thing. Servers read addresses in their own ways (segments that
//! lead up, escapes of letters, other slashes), so an address that has a second form is refused, whatever it would lead to.
//! Syntax: RFC 3986; templates: RFC 6570.

/// Longest address in bytes.
const MAX_URI: usize = 2048;
/// Longest pattern in bytes.
const MAX_PATTERN: usize = 512;
/// Most stars of a pattern.
const MAX_STARS: usize = 16;

/// Why a text is no address that is decided on. Holds no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UriError {
    /// Empty, or too long.
    #[error("an address has 1 to 2048 bytes")]
    Length,
    /// Without a scheme in small letters.
    #[error("an address begins with a scheme in small letters, as in `kb://`")]
    Scheme,
    /// A blank, a control character, one beyond ASCII, or one that no address has.
    #[error("an address has no blanks, quotes, backslashes or letters beyond ASCII: they are written as `%20`")]
    Character,
    /// An escape that is broken, or of something that needs none, or that ends a segment.
    #[error("an address escapes only what it cannot hold otherwise, in capital letters: `%20`, never `%2E`, `%2F`, `%25`")]
    Escape,
    /// A segment that leads up or nowhere.
    #[error("an address has no segments `.` and `..`, and no empty ones")]
    Segment,
    /// A fragment, a user in front of a host, or a host in another form; a path without a host.
    #[error("an address has no fragment, and a host in small letters without a user, an empty port or a dot behind it")]
    Part,
    /// An expression of a template that is not closed, or is none.
    #[error("a template has names of variables between `{{` and `}}`, as RFC 6570 has them")]
    Template,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Empty, or too long, or too many stars.
    #[error("a pattern has 1 to 512 bytes and at most 16 stars")]
    Length,
    /// It could fit every server's addresses of every kind.
    #[error("a pattern begins with a scheme, as in `kb://**`: expected no star before or right behind the first `:`")]
    Scheme,
    /// What no address has, so nothing fits.
    #[error("nothing fits it: {0}")]
    Address(UriError),
}

/// Holds an address to its one form.
///
/// # Errors
/// What is wrong with it.
pub fn check(uri: &str) -> Result<(), UriError> {
    if uri.is_empty() || uri.len() > MAX_URI {
        return Err(UriError::Length);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(UriError::Scheme)?;
    let is_scheme = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    if !is_scheme || rest.is_empty() {
        return Err(UriError::Scheme);
    }
    if !rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return Err(UriError::Character);
    }
    escapes(rest)?;
    let hierarchy = rest.strip_prefix("//");
    let authority = hierarchy.and_then(|hierarchy| hierarchy.split(['/', '?']).next()).unwrap_or_default();
    if authority.contains('@') || rest.contains('#') {
        return Err(UriError::Part);
    }
    // A host has other forms: capitals, a dot behind it, a port that is none; a file is on this machine, whatever stands there.
    let is_host = !authority.ends_with([':', '.']) && !authority.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_nowhere = scheme == "file" && !authority.is_empty();
    if !is_host || is_nowhere || hierarchy.is_none() && rest.starts_with('/') {
        return Err(UriError::Part);
    }
    // What some readers take for a host is a segment to others.
    let path = hierarchy.unwrap_or(rest);
    if path.contains("//") || path.split(['/', '?', '&', '=', ';', ':']).any(is_upwards) {
        return Err(UriError::Segment);
    }
    Ok(())
}

/// Whether a segment is dots, or dots beside escapes, which some readers unescape and take off before they look.
fn is_upwards(segment: &str) -> bool {
    let mut rest = segment.split('%');
    let first = rest.next().unwrap_or_default();
    let dots: String = std::iter::once(first).chain(rest.filter_map(|escape| escape.get(2..))).collect();
    matches!(dots.as_str(), "." | "..")
}

/// Escapes are of what an address cannot hold as it is, and of nothing that would be read as something else once it is unescaped.
fn escapes(text: &str) -> Result<(), UriError> {
    for escape in text.split('%').skip(1) {
        let digits = escape.get(..2).ok_or(UriError::Escape)?;
        let is_capital = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
        let byte = u8::from_str_radix(digits, 16).map_err(|_| UriError::Escape)?;
        // What RFC 3986 lets a segment hold as it is (`pchar`).
        let is_needless = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
        if !is_capital || is_needless || byte.is_ascii_control() || b"/\\%".contains(&byte) {
            return Err(UriError::Escape);
        }
    }
    Ok(())
}

/// An address that a template could give, its expressions filled with a letter.
///
/// # Errors
/// As for [`check`]; an expression without an end.
pub fn of_template(template: &str) -> Result<String, UriError> {
    let mut uri = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let (expression, after) = behind.split_once('}').ok_or(UriError::Template)?;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_.,*:+/?&;#".contains(letter);
        if expression.is_empty() || !expression.chars().all(is_plain) || expression.contains("..") || expression.contains("//") {
            return Err(UriError::Template);
        }
        uri.push_str(before);
        uri.push_str(match expression.bytes().next() {
            Some(b'/') => "/x",
            Some(b'.') => ".x",
            Some(b';') => ";x=x",
            Some(b'?') => "?x=x",
            Some(b'&') => "&x=x",
            Some(b'#') => "",
            // A whole path, as files have it.
            Some(b'+') if uri.ends_with("://") => "/x",
            _ => "x",
        });
        rest = after;
    }
    uri.push_str(rest);
    check(&uri).map(|()| uri)
}

/// A pattern of addresses: `*` stands for any text without `/`, `**` for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands before the first star.
    before: String,
    /// What comes from there on.
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Any text; whether with `/`.
    Any(bool),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Too long, without a scheme, or one that no address fits.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let is_long = text.is_empty() || text.len() > MAX_PATTERN;
        if is_long || text.matches('*').count() > MAX_STARS {
            return Err(PatternError::Length);
        }
        // A star right behind the scheme would stand for every form that a host can have.
        let is_wide = |(scheme, rest): (&str, &str)| scheme.contains('*') || rest.starts_with('*');
        if text.split_once(':').is_none_or(is_wide) {
            return Err(PatternError::Scheme);
        }
        // What stands between stars is of the one form that addresses have.
        check(&text.replace("**", "x").replace('*', "x")).map_err(PatternError::Address)?;
        let at = text.find('*').unwrap_or(text.len());
        let (before, mut rest) = text.split_at_checked(at).unwrap_or((text, ""));
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let stars = rest.find(|letter| letter != '*').unwrap_or(rest.len());
            let (run, behind) = rest.split_at_checked(stars).unwrap_or((rest, ""));
            let plain = behind.find('*').unwrap_or(behind.len());
            let (plain, behind) = behind.split_at_checked(plain).unwrap_or((behind, ""));
            parts.push(Part::Any(run.len() > 1));
            parts.extend((!plain.is_empty()).then(|| Part::Text(plain.to_owned())));
            rest = behind;
        }
        Ok(Self { before: before.to_owned(), parts })
    }

    /// Whether an address that fits could begin so, as far as what stands before the first star tells.
    #[must_use]
    pub fn could_begin(&self, beginning: &str) -> bool {
        beginning.starts_with(self.before.as_str())
            || !self.parts.is_empty() && self.before.starts_with(beginning)
            || self.before == beginning
    }

    /// Whether `uri` fits. Most addresses that do not are told by what stands before the first star; behind it the work is bounded by the
    /// length of the address times that of the pattern.
    #[must_use]
    pub fn fits(&self, uri: &str) -> bool {
        let Some(rest) = uri.strip_prefix(self.before.as_str()) else { return false };
        match self.parts.as_slice() {
            [] => rest.is_empty(),
            [Part::Any(is_deep)] => *is_deep || !rest.contains('/'),
            parts => all_ends(parts, rest.as_bytes()),
        }
    }
}

/// Whether `parts` can stand for all of `rest`: by the set of all places that they can have come to, part by part.
fn all_ends(parts: &[Part], rest: &[u8]) -> bool {
    let length = rest.len().saturating_add(1);
    let (mut here, mut next) = (vec![false; length], vec![false; length]);
    if let Some(first) = here.first_mut() {
        *first = true;
    }
    for part in parts {
        next.fill(false);
        match part {
            Part::Text(text) => {
                for at in here.iter().enumerate().filter(|(_, is_here)| **is_here).map(|(at, _)| at) {
                    let end = at.saturating_add(text.len());
                    if rest.get(at..end) == Some(text.as_bytes())
                        && let Some(end) = next.get_mut(end)
                    {
                        *end = true;
                    }
                }
            }
            Part::Any(is_deep) => {
                let mut is_open = false;
                for (at, (is_here, is_next)) in here.iter().zip(&mut next).enumerate() {
                    // The star has passed what stands before this place.
                    let passed = at.checked_sub(1).and_then(|before| rest.get(before));
                    is_open = *is_here || is_open && (*is_deep || passed != Some(&b'/'));
                    *is_next = is_open;
                }
            }
        }
        std::mem::swap(&mut here, &mut next);
    }
    here.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::{Pattern, PatternError, UriError, check, of_template};

    #[test]
    fn an_address_has_one_form() {
        let plain =
            ["kb://handbook/leave", "file:///srv/a%20b", "test://static-text", "urn:isbn:1", "kb://a?q=1&r=2", "a+b-c.1:x"];
        for uri in plain {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
        let facts = [
            ("", UriError::Length),
            ("handbook", UriError::Scheme),
            ("KB://x", UriError::Scheme),
            ("1b://x", UriError::Scheme),
            ("kb:", UriError::Scheme),
            ("kb://a b", UriError::Character),
            ("kb://a\\b", UriError::Character),
            ("kb://ä", UriError::Character),
            ("kb://{id}", UriError::Character),
            ("kb://a/%2e%2e/b", UriError::Escape),
            ("kb://a/%2E", UriError::Escape),
            ("kb://a%2Fb", UriError::Escape),
            ("kb://a%5Cb", UriError::Escape),
            ("kb://a%252E", UriError::Escape),
            ("kb://%61", UriError::Escape),
            ("kb://a%00", UriError::Escape),
            ("kb://a%c3%a4", UriError::Escape),
            ("kb://a%2", UriError::Escape),
            ("kb://a%", UriError::Escape),
            ("kb://a/../b", UriError::Segment),
            ("kb://a/./b", UriError::Segment),
            ("kb://a/..", UriError::Segment),
            ("kb://a//b", UriError::Segment),
            ("file:////etc", UriError::Segment),
            ("kb://a?path=../b", UriError::Segment),
            ("kb:../b", UriError::Segment),
            ("kb://.", UriError::Part),
            ("kb://a/..%3B", UriError::Escape),
            ("kb://a/%20../b", UriError::Segment),
            ("kb://a/..%3F", UriError::Segment),
            ("kb://../b", UriError::Part),
            ("kb://u@a/b", UriError::Part),
            ("kb://hr%2Bpay/x", UriError::Escape),
            ("kb://a/x%40y", UriError::Escape),
            ("kb://vault:/x", UriError::Part),
            ("kb://vault./x", UriError::Part),
            ("kb://Vault/x", UriError::Part),
            ("kb:/vault/x", UriError::Part),
            ("file:/srv/x", UriError::Part),
            ("file://localhost/srv/x", UriError::Part),
            ("kb://a/b#c", UriError::Part),
        ];
        for (uri, expected) in facts {
            assert_eq!(check(uri), Err(expected), "{uri}");
        }
        assert_eq!(check(&format!("kb:{}", "a".repeat(2046))), Err(UriError::Length));
        assert_eq!(check(&format!("kb:{}", "a".repeat(2045))), Ok(()));
    }

    #[test]
    fn patterns_are_fitted() {
        let facts = [
            ("kb://handbook/*", "kb://handbook/leave", true),
            ("kb://handbook/*", "kb://handbook/", true),
            ("kb://handbook/*", "kb://handbook/a/b", false),
            ("kb://handbook/*", "kb://handbooks/a", false),
            ("kb://handbook/**", "kb://handbook/a/b", true),
            ("kb://**/notes/*.md", "kb://a/b/notes/x.md", true),
            ("kb://**/notes/*.md", "kb://a/b/notes/x/y.md", false),
            ("kb://*/a/**b*c", "kb://q/a/r/s/b/t/bc", true),
            ("kb://*/a/**b*c", "kb://q/a/r/s/b/t/c", false),
            ("kb://a", "kb://a", true),
            ("kb://a", "kb://a/", false),
            ("kb://a*", "kb://a", true),
            ("kb://***", "kb://a/b", true),
        ];
        for (pattern, uri, expected) in facts {
            assert_eq!(Pattern::new(pattern).unwrap().fits(uri), expected, "{pattern} {uri}");
        }
    }

    #[test]
    fn patterns_name_a_scheme_and_can_be_fitted() {
        assert_eq!(Pattern::new(""), Err(PatternError::Length));
        assert_eq!(Pattern::new(&format!("kb://{}", "*a".repeat(17))), Err(PatternError::Length));
        for text in ["*", "**", "k*://a", "handbook", "kb:**", "kb:*/a"] {
            assert_eq!(Pattern::new(text), Err(PatternError::Scheme), "{text}");
        }
        assert_eq!(Pattern::new("kb://a/../*"), Err(PatternError::Address(UriError::Segment)));
        assert_eq!(Pattern::new("kb://a b"), Err(PatternError::Address(UriError::Character)));
        assert_eq!(Pattern::new("kb://{id}"), Err(PatternError::Address(UriError::Character)));
    }

    #[test]
    fn templates_are_filled() {
        let facts = [
            ("kb://page/{id}", "kb://page/x"),
            ("kb://page{/a,b}{?q}", "kb://page/x?x=x"),
            ("file://{+path}", "file:///x"),
            ("kb://a", "kb://a"),
        ];
        for (template, expected) in facts {
            assert_eq!(of_template(template).as_deref(), Ok(expected), "{template}");
        }
        for template in ["kb://a/{id", "kb://a/{}", "kb://a/{../../staff/}", "kb://a/{x y}"] {
            assert_eq!(of_template(template), Err(UriError::Template), "{template}");
        }
        assert_eq!(of_template("kb://a/../{id}"), Err(UriError::Segment));
    }
}
