//! URLs that a provider is asked to fetch.
//!
//! The destination is what policies name, so the reader is strict where two readers could see different hosts: no user
//! information, no backslash, space or control character; and what [`model::place`] refuses.

/// Whether the URL holds its own content.
pub(super) fn is_data(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The host in lower case, and the port if it is not the scheme's own. `None` unless the URL is an absolute, unambiguous `http`
/// or `https` URL.
pub(crate) fn destination(url: &str) -> Option<String> {
    if url.chars().any(|character| character <= ' ' || character == '\\' || character.is_control() || character.is_whitespace()) {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let own_port = match () {
        () if scheme.eq_ignore_ascii_case("http") => ":80",
        () if scheme.eq_ignore_ascii_case("https") => ":443",
        () => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = model::place(authority)?;
    let usual = model::host_of(&place).filter(|host| place.strip_prefix(host) == Some(own_port)).map(ToOwned::to_owned);
    Some(usual.unwrap_or(place))
}
