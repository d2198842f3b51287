//! Headers that repeat parts of a body (Streamable HTTP, 2026-07-28): what stands in front has read only them, so they have to
//! say what the body says. The body is the truth; a header that differs is refused, never preferred.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use text::{Document, Kind, NodeId};

use crate::method::Method;

/// A header as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'h> {
    /// It is not there.
    Absent,
    /// Its value, without blanks at the ends.
    One(&'h [u8]),
    /// It stands there more than once: two readers could take different ones.
    Several,
}

/// The headers of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads<'h> {
    /// `MCP-Protocol-Version`.
    pub version: Head<'h>,
    /// `Mcp-Method`.
    pub method: Head<'h>,
    /// `Mcp-Name`.
    pub name: Head<'h>,
}

/// Which header does not say what the body says. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It has to be there.
    #[error("the header `{0}` is missing")]
    Missing(Cow<'static, str>),
    /// It stands twice.
    #[error("the header `{0}` stands there more than once")]
    Several(Cow<'static, str>),
    /// It holds what no value may hold.
    #[error("the header `{0}` is not written as a value of a header, or of its Base64 form")]
    Malformed(Cow<'static, str>),
    /// It says something else.
    #[error("the header `{0}` does not say what the body says")]
    Differs(Cow<'static, str>),
    /// The body has nothing that it could repeat.
    #[error("the header `{0}` repeats what the body does not have")]
    Unasked(Cow<'static, str>),
}

/// Longest value that is written into a header, in bytes.
const MAX_VALUE: usize = 4 << 10;

const VERSION: &str = "MCP-Protocol-Version";
const METHOD: &str = "Mcp-Method";
const NAME: &str = "Mcp-Name";

/// Holds the standard headers of a request against its body: `version` from `_meta`, the `method` as written, and the `name` or
/// `uri` of its params, a text that has to be there if the method has one.
///
/// # Errors
/// The first header that is missing, malformed or different.
pub fn check(heads: &Heads<'_>, version: &str, method: &str, name: Option<&str>) -> Result<(), Mismatch> {
    same(heads.version, VERSION, version, Encoding::Plain)?;
    same(heads.method, METHOD, method, Encoding::Plain)?;
    let has_name = Method::named(method).is_some_and(|method| method.name_member().is_some());
    match (name, has_name) {
        (Some(name), true) => same(heads.name, NAME, name, Encoding::Sentinel),
        (None, true) => Err(Mismatch::Missing(NAME.into())),
        // What a method without a name is called is not for others to say.
        _ if heads.name != Head::Absent => Err(Mismatch::Unasked(NAME.into())),
        _ => Ok(()),
    }
}

/// A parameter of a tool that a header repeats: what `x-mcp-header` names in the schema of its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The name of the header, `Mcp-Param-` included.
    pub header: String,
    /// The keys from the arguments down to the parameter.
    pub path: Vec<String>,
}

impl Mirror {
    /// The value that the arguments have for it; none where there is none, or null.
    #[must_use]
    pub fn value(&self, document: &Document<'_>, arguments: NodeId) -> Option<NodeId> {
        let value = self.path.iter().try_fold(arguments, |node, key| document.get(node, key))?;
        (document.kind(value) != Kind::Null).then_some(value)
    }

    /// Holds the header against the arguments.
    ///
    /// # Errors
    /// It is missing, malformed or different, or there is a header and no value.
    pub fn check(&self, head: Head<'_>, document: &Document<'_>, arguments: Option<NodeId>) -> Result<(), Mismatch> {
        let name = || Cow::Owned(self.header.clone());
        let value = arguments.and_then(|arguments| self.value(document, arguments));
        let Some(value) = value else {
            return if head == Head::Absent { Ok(()) } else { Err(Mismatch::Unasked(name())) };
        };
        let read = decode(one(head, name)?, Encoding::Sentinel).ok_or_else(|| Mismatch::Malformed(name()))?;
        let is_same = match document.kind(value) {
            Kind::String => document.text(value).is_some_and(|text| text == read),
            Kind::Number => whole(document.lexeme(value)).is_some_and(|number| whole(&read) == Some(number)),
            Kind::True => read == "true",
            Kind::False => read == "false",
            Kind::Object | Kind::Array | Kind::Null => false,
        };
        if is_same { Ok(()) } else { Err(Mismatch::Differs(name())) }
    }

    /// The header for these arguments; none where they have no value for it. What cannot be repeated, an object or more than 4 KiB,
    /// is an error.
    ///
    /// # Errors
    /// [`Mismatch::Malformed`].
    pub fn write(&self, document: &Document<'_>, arguments: NodeId) -> Result<Option<String>, Mismatch> {
        let Some(value) = self.value(document, arguments) else { return Ok(None) };
        let text = match document.kind(value) {
            Kind::String => document.text(value).unwrap_or_default(),
            Kind::Number => {
                let number = whole(document.lexeme(value)).ok_or_else(|| Mismatch::Malformed(self.header.clone().into()))?;
                Cow::Owned(number.to_string())
            }
            Kind::True => "true".into(),
            Kind::False => "false".into(),
            Kind::Object | Kind::Array | Kind::Null => return Err(Mismatch::Malformed(self.header.clone().into())),
        };
        if text.len() > MAX_VALUE {
            return Err(Mismatch::Malformed(self.header.clone().into()));
        }
        Ok(Some(encode(&text).into_owned()))
    }
}

/// How a value may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    /// Plain, or `=?base64?…?=`.
    Sentinel,
}

const BEGIN: &str = "=?base64?";
const END: &str = "?=";

/// A text as the value of `Mcp-Name` or `Mcp-Param-…`: as it is, or in Base64 where it could not stand there.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim_matches(' ') == text && !text.is_empty();
    let is_sentinel = text.starts_with(BEGIN) && text.ends_with(END);
    if is_plain && !is_sentinel { Cow::Borrowed(text) } else { format!("{BEGIN}{}{END}", STANDARD.encode(text)).into() }
}

/// What a value says. `None` for bytes that no value has, and for Base64 that is none or no text.
fn decode(value: &[u8], encoding: Encoding) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return None;
    }
    let inside = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    match inside.filter(|_| encoding == Encoding::Sentinel) {
        None => Some(Cow::Borrowed(text)),
        Some(inside) => String::from_utf8(STANDARD.decode(inside).ok()?).ok().map(Cow::Owned),
    }
}

fn one(head: Head<'_>, name: impl Fn() -> Cow<'static, str>) -> Result<&[u8], Mismatch> {
    match head {
        Head::Absent => Err(Mismatch::Missing(name())),
        Head::Several => Err(Mismatch::Several(name())),
        Head::One(value) => Ok(value),
    }
}

fn same(head: Head<'_>, name: &'static str, body: &str, encoding: Encoding) -> Result<(), Mismatch> {
    let value = one(head, || name.into())?;
    let read = decode(value, encoding).ok_or(Mismatch::Malformed(name.into()))?;
    if read == body { Ok(()) } else { Err(Mismatch::Differs(name.into())) }
}

/// Largest whole number that every reader of JSON reads alike.
const SAFE: i64 = (1 << 53) - 1;

/// The whole number that is written: `42` and `42.0` are the same. `None` beyond what every reader reads alike.
fn whole(lexeme: &str) -> Option<i64> {
    let (digits, rest) = lexeme.split_once('.').map_or((lexeme, ""), |(digits, rest)| (digits, rest));
    let is_whole = rest.bytes().all(|byte| byte == b'0') && (rest.is_empty() != lexeme.contains('.'));
    let number: i64 = digits.parse().ok().filter(|_| is_whole)?;
    // As JSON writes it: no zeros in front, no `+`, no `-0`.
    (number.to_string() == digits && (-SAFE..=SAFE).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use text::{Document, Limits};

    use super::{Encoding, Head, Heads, Mirror, Mismatch, check, decode, encode, whole};

    fn heads<'h>(version: &'h str, method: &'h str, name: Option<&'h str>) -> Heads<'h> {
        let one = |text: &'h str| Head::One(text.as_bytes());
        Heads { version: one(version), method: one(method), name: name.map_or(Head::Absent, one) }
    }

    #[test]
    fn headers_say_what_the_body_says() {
        let version = "2026-07-28";
        let call = |name| check(&heads(version, "tools/call", name), version, "tools/call", Some("send"));
        assert_eq!(call(Some("send")), Ok(()));
        assert_eq!(call(Some("=?base64?c2VuZA==?=")), Ok(()));
        assert_eq!(call(None), Err(Mismatch::Missing("Mcp-Name".into())));
        for (name, what) in [
            ("Send", Mismatch::Differs as fn(_) -> _),
            ("send ", Mismatch::Differs),
            ("=?BASE64?c2VuZA==?=", Mismatch::Differs),
            ("=?base64?c2VuZA?=", Mismatch::Malformed),
            ("=?base64?/w==?=", Mismatch::Malformed),
            ("s\u{e9}nd", Mismatch::Malformed),
        ] {
            assert_eq!(call(Some(name)), Err(what("Mcp-Name".into())), "{name}");
        }
        // Of the others no other form is read.
        let encoded = heads(version, "=?base64?dG9vbHMvbGlzdA==?=", None);
        assert_eq!(check(&encoded, version, "tools/list", None), Err(Mismatch::Differs("Mcp-Method".into())));
        assert_eq!(check(&heads(version, "tools/list", None), version, "tools/list", None), Ok(()));
        let asked = check(&heads(version, "tools/list", Some("x")), version, "tools/list", None);
        assert_eq!(asked, Err(Mismatch::Unasked("Mcp-Name".into())));
        let nameless = check(&heads(version, "tools/call", None), version, "tools/call", None);
        assert_eq!(nameless, Err(Mismatch::Missing("Mcp-Name".into())), "a call names its tool");
        let other = check(&heads("2025-11-25", "tools/list", None), version, "tools/list", None);
        assert_eq!(other, Err(Mismatch::Differs("MCP-Protocol-Version".into())));
        let twice = Heads { method: Head::Several, ..heads(version, "", None) };
        assert_eq!(check(&twice, version, "tools/list", None), Err(Mismatch::Several("Mcp-Method".into())));
    }

    #[test]
    fn parameters_are_held_against_their_headers() {
        let json = r#"{"region":"us-west1","at":{"n":42,"on":true,"no":null},"big":9007199254740993,"o":{}}"#;
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        let check = |path: &str, head: Option<&str>| {
            let path = path.split('.').map(ToOwned::to_owned).collect();
            let mirror = Mirror { header: "Mcp-Param-X".to_owned(), path };
            let head = head.map_or(Head::Absent, |head| Head::One(head.as_bytes()));
            mirror.check(head, &document, Some(document.root())).map_err(|wrong| wrong.to_string())
        };
        for (path, head) in [("region", "us-west1"), ("at.n", "42"), ("at.n", "42.0"), ("at.on", "true")] {
            assert_eq!(check(path, Some(head)), Ok(()), "{path} {head}");
        }
        for path in ["at.no", "none", "at.none", "region.x"] {
            assert_eq!(check(path, None), Ok(()), "{path}");
            assert!(check(path, Some("x")).unwrap_err().contains("does not have"), "{path}");
        }
        for (path, head) in [
            ("region", "us-west2"),
            ("at.n", "42.5"),
            ("at.n", "+42"),
            ("at.n", "042x"),
            ("at.on", "True"),
            ("big", "9007199254740993"),
            ("o", "{}"),
        ] {
            assert!(check(path, Some(head)).unwrap_err().contains("does not say"), "{path} {head}");
        }
        assert!(check("region", None).unwrap_err().contains("missing"));
    }

    #[test]
    fn whole_numbers() {
        for (text, expected) in
            [("42", Some(42)), ("-7", Some(-7)), ("42.000", Some(42)), ("9007199254740991", Some(9_007_199_254_740_991))]
        {
            assert_eq!(whole(text), expected, "{text}");
        }
        for text in ["", "42.", ".5", "4.2", "9007199254740992", "1e3", "+1", "--1", "0x10", "042", "-0", "99999999999999999999"]
        {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in any::<String>()) {
            let written = encode(&text).into_owned();
            prop_assert!(written.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{written}");
            let read = decode(written.as_bytes(), Encoding::Sentinel);
            prop_assert_eq!(read.as_deref(), Some(text.as_str()));
        }
    }
}
