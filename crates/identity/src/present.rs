//! Finds the one credential of a request.
//!
//! A gate that takes the first of two credentials can be made to judge one party and forward another's, so a second one is
//! refused wherever it stands, even if it is the same. A credential in the URL is never accepted: URLs end up in logs.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::ReasonCode;
use zeroize::Zeroizing;

use crate::Secret;
use crate::token::MAX_TOKEN;

/// Most bytes that a presented key may have; whatever is longer is not ours.
const MAX_PRESENTED: usize = 256;
/// Query parameters that other APIs take a credential from, lower case.
const QUERY_NAMES: [&str; 9] =
    ["key", "api_key", "apikey", "api-key", "x-api-key", "access_token", "token", "authorization", "bearer_token"];

/// The credential in `Authorization: Bearer`, `x-api-key` or `api-key`, as it was presented. Names match in any letter case.
///
/// # Errors
/// [`ReasonCode::CredentialMissing`] if there is none, [`ReasonCode::TwoCredentials`] if there are more, also if they are equal,
/// [`ReasonCode::CredentialUnknown`] if the only one is not even a token: another scheme, empty, too long, odd characters.
pub fn credential_from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<&'a [u8], ReasonCode> {
    credential_from_request(headers, None)
}

/// As [`credential_from_headers`], and refuses one in the query beside it.
///
/// # Errors
/// As [`credential_from_headers`]. A credential only in the query counts as missing.
pub fn credential_from_request<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    query: Option<&str>,
) -> Result<&'a [u8], ReasonCode> {
    match shown_in_request(headers, query)? {
        Shown::Key(key) => Ok(key),
        Shown::Token(_) => Err(ReasonCode::CredentialUnknown),
    }
}

/// What a request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// What may be a key of the gate.
    Key(&'a [u8]),
    /// What may be a signed token. Only `Authorization: Bearer` carries one: the other headers are those of API keys.
    Token(&'a str),
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(bytes) => write!(formatter, "Key({} bytes)", bytes.len()),
            Self::Token(text) => write!(formatter, "Token({} bytes)", text.len()),
        }
    }
}

/// The one credential of a request: a key, or a token.
///
/// # Errors
/// As [`credential_from_request`].
pub fn shown_in_request<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    query: Option<&str>,
) -> Result<Shown<'a>, ReasonCode> {
    let mut found: Option<(bool, &'a [u8])> = None;
    for (name, value) in headers {
        let is_bearer = name.eq_ignore_ascii_case("authorization");
        if !is_bearer && !name.eq_ignore_ascii_case("x-api-key") && !name.eq_ignore_ascii_case("api-key") {
            continue;
        }
        // A comma joins two field lines into one (RFC 9110, section 5.3); no credential has one.
        if found.is_some() || value.contains(&b',') {
            return Err(ReasonCode::TwoCredentials);
        }
        found = Some((is_bearer, value));
    }
    let (is_bearer, value) = found.ok_or(ReasonCode::CredentialMissing)?;
    if query.is_some_and(query_has_credential) {
        return Err(ReasonCode::TwoCredentials);
    }
    let shown = if is_bearer { bearer(value) } else { Some(value.trim_ascii()) };
    let shown = shown.filter(|shown| is_token(shown)).ok_or(ReasonCode::CredentialUnknown)?;
    match std::str::from_utf8(shown) {
        Ok(token) if is_bearer && is_compact(token) => Ok(Shown::Token(token)),
        _ if shown.len() <= MAX_PRESENTED => Ok(Shown::Key(shown)),
        _ => Err(ReasonCode::CredentialUnknown),
    }
}

/// Whether a text has the outer form of a signed token: a JSON object in base64url, and three parts. No key of the gate has.
fn is_compact(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The user and the password of `Authorization: Basic`, as RFC 6749 (section 2.3.1) has clients write them: form-encoded.
#[must_use]
pub fn basic(value: &[u8]) -> Option<(String, Secret)> {
    let (scheme, rest) = value.split_at_checked("basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || rest.len() > MAX_TOKEN {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(rest.trim_ascii()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((percent_decoded(user), Secret::new(percent_decoded(password))))
}

//= https://www.rfc-editor.org/rfc/rfc6750#section-2.1
//# credentials = "Bearer" 1*SP b64token
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && rest.starts_with(b" ");
    is_bearer.then(|| rest.trim_ascii())
}

/// The characters of RFC 6750's `b64token`, and a length that a credential can have.
fn is_token(text: &[u8]) -> bool {
    let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    !text.is_empty() && text.len() <= MAX_TOKEN && text.iter().all(is_known)
}

/// Whether a parameter has a credential's usual name, or its value has one of our prefixes.
fn query_has_credential(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(name).to_ascii_lowercase();
        let value = percent_decoded(value);
        QUERY_NAMES.contains(&name.as_str()) || value.contains("pcl_") || value.contains("pclop_")
    })
}

/// Decodes `%41` and `+`; what is no escape stays. Only compared with ASCII, so other bytes may come out as anything else.
fn percent_decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = String::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let escape = (byte == b'%').then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?))).flatten();
        decoded.push(match (byte, escape) {
            (_, Some((high, low))) => {
                bytes = ahead;
                char::from(high * 16 + low)
            }
            (b'+', None) => ' ',
            (_, None) => char::from(byte),
        });
    }
    decoded
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use model::ReasonCode::{CredentialMissing, CredentialUnknown, TwoCredentials};
    use proptest::prelude::*;

    use super::{MAX_PRESENTED, Shown, basic, credential_from_headers, credential_from_request, shown_in_request};

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn find<'a>(headers: Headers<'a>, query: Option<&str>) -> Result<&'a str, model::ReasonCode> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        credential_from_request(headers, query).map(|found| std::str::from_utf8(found).unwrap())
    }

    #[test]
    fn where_a_credential_may_stand() {
        let long = "a".repeat(MAX_PRESENTED + 1);
        let facts: &[(Headers<'_>, Result<&str, model::ReasonCode>)] = &[
            (&[("authorization", "Bearer abc")], Ok("abc")),
            (&[("Authorization", "bEARER   abc ")], Ok("abc")),
            (&[("X-Api-Key", "abc")], Ok("abc")),
            (&[("API-KEY", " abc ")], Ok("abc")),
            (&[("accept", "*/*"), ("x-api-key", "a-b_c.d~e+f/g=")], Ok("a-b_c.d~e+f/g=")),
            (&[], Err(CredentialMissing)),
            (&[("x-api-keys", "abc"), ("cookie", "x-api-key=abc")], Err(CredentialMissing)),
            (&[("authorization", "Bearer abc"), ("x-api-key", "abc")], Err(TwoCredentials)),
            (&[("authorization", "Bearer abc"), ("authorization", "Bearer abc")], Err(TwoCredentials)),
            (&[("x-api-key", "abc"), ("api-key", "")], Err(TwoCredentials)),
            (&[("authorization", "Basic YTpi"), ("x-api-key", "abc")], Err(TwoCredentials)),
            (&[("authorization", "Bearer abc, Bearer def")], Err(TwoCredentials)),
            (&[("authorization", "Basic YTpi")], Err(CredentialUnknown)),
            (&[("authorization", "Bearer")], Err(CredentialUnknown)),
            (&[("authorization", "Bearer ")], Err(CredentialUnknown)),
            (&[("authorization", "Bearerabc")], Err(CredentialUnknown)),
            (&[("authorization", "Bearer\tabc")], Err(CredentialUnknown)),
            (&[("authorization", "Bearer abc def")], Err(CredentialUnknown)),
            (&[("authorization", "abc")], Err(CredentialUnknown)),
            (&[("x-api-key", "")], Err(CredentialUnknown)),
            (&[("x-api-key", "a\"b")], Err(CredentialUnknown)),
            (&[("x-api-key", "caf\u{e9}")], Err(CredentialUnknown)),
            (&[("x-api-key", long.as_str())], Err(CredentialUnknown)),
        ];
        for (headers, expected) in facts {
            assert_eq!(find(headers, None), *expected, "{headers:?}");
        }
    }

    #[test]
    fn a_credential_in_the_query() {
        let with_header: Headers<'_> = &[("x-api-key", "abc")];
        for query in
            ["key=1", "a=1&api_key=x", "a=1;access_token=x", "%61pi%5Fkey=x", "API-KEY", "q=pcl_x", "q=%70clop_x", "q=1%20pcl%5F"]
        {
            assert_eq!(find(with_header, Some(query)), Err(TwoCredentials), "{query}");
            assert_eq!(find(&[], Some(query)), Err(CredentialMissing), "{query}");
        }
        for query in ["", "beta=true", "limit=20&after_id=x", "monkey=1", "%", "%4", "%zz=%"] {
            assert_eq!(find(with_header, Some(query)), Ok("abc"), "{query}");
        }
    }

    #[test]
    fn a_token_stands_behind_bearer_and_nowhere_else() {
        let token = "eyJhbGciOiJub25lIn0.e30.";
        let long = format!("eyJ{}.e30.", "a".repeat(8200));
        let facts: &[(&str, String, Result<Shown<'_>, model::ReasonCode>)] = &[
            ("authorization", format!("Bearer {token}"), Ok(Shown::Token(token))),
            ("x-api-key", token.to_owned(), Ok(Shown::Key(token.as_bytes()))),
            ("authorization", format!("Bearer {long}"), Err(CredentialUnknown)),
            ("authorization", "Bearer eyJ.eyJ".to_owned(), Ok(Shown::Key(b"eyJ.eyJ"))),
            ("authorization", format!("Bearer {}", "a".repeat(MAX_PRESENTED + 1)), Err(CredentialUnknown)),
        ];
        for (name, value, expected) in facts {
            assert_eq!(shown_in_request([(*name, value.as_bytes())], None), *expected, "{name} {value}");
        }
        assert_eq!(credential_from_headers([("authorization", format!("Bearer {token}").as_bytes())]), Err(CredentialUnknown));
    }

    #[test]
    fn basic_credentials() {
        let read = |text: &str| basic(text.as_bytes()).map(|(user, secret)| (user, secret.expose().to_owned()));
        let pair = |user: &str, secret: &str| Some((user.to_owned(), secret.to_owned()));
        assert_eq!(read("Basic YTpiOmM="), pair("a", "b:c"));
        assert_eq!(read("bAsIc YWdlbnQlM0Fib3Q6cA=="), pair("agent:bot", "p"));
        for text in ["Basic", "Basic YQ==", "Basic a:b", "Bearer YTpi", "Basic /w==", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_may_come(
            headers in prop::collection::vec(("(?i:authorization|x-api-key|api-key|x)", prop::collection::vec(any::<u8>(), 0..64)), 0..4),
            query in prop::option::of(".{0,40}"),
        ) {
            let pairs = || headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            if let Ok(token) = credential_from_request(pairs(), query.as_deref()) {
                // The regex also makes the Kelvin sign out of `k`; such a name is none of ours.
                let n_credentials = headers.iter().filter(|(name, _)| name.len() > 1 && name.is_ascii()).count();
                prop_assert_eq!(n_credentials, 1);
                prop_assert!(!token.is_empty() && token.iter().all(u8::is_ascii_graphic));
                prop_assert_eq!(credential_from_headers(pairs()), Ok(token));
            }
        }
    }
}
