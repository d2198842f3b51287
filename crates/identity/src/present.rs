//! Finds the one credential of a request.
//!
//! A gate that takes the first of two credentials can be made to judge one party and forward another's, so a second one is
//! refused wherever it stands, even if it is the same. A credential in the URL is never accepted: URLs end up in logs.

use model::ReasonCode;

/// Most bytes that a presented credential may have; whatever is longer is not ours.
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
    let token = if is_bearer { bearer(value) } else { Some(value.trim_ascii()) };
    token.filter(|token| is_token(token)).ok_or(ReasonCode::CredentialUnknown)
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
    !text.is_empty() && text.len() <= MAX_PRESENTED && text.iter().all(is_known)
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

    use super::{MAX_PRESENTED, credential_from_headers, credential_from_request};

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
