//! Places outside: a host, and a port where it is not the usual one, written in one way only.
//!
//! Policies name places, so the reader is strict where two readers could see different hosts: no user information, no percent sign
//! or non-ASCII letter, no number that some resolvers take for an address.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest host name (RFC 1035).
const MAX_HOST: usize = 253;

/// `HOST` or `HOST:PORT` in its one form: lower case, no dot at the end, addresses as RFC 5952 writes them, a port without leading
/// zeros. `None` for what is none, or is ambiguous.
#[must_use]
pub fn place(text: &str) -> Option<String> {
    let (host, port) = split_port(text)?;
    let host = host_name(host)?;
    Some(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// The host of a place in its one form, where it has a port; `None` without one.
#[must_use]
pub fn host_of(place: &str) -> Option<&str> {
    let bracket = place.rfind(']').map_or(0, |at| at.saturating_add(1));
    let colon = place.get(bracket..)?.find(':')?;
    place.get(..bracket.saturating_add(colon))
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let Some(host) = host_of(authority) else { return Some((authority, None)) };
    let digits = authority.get(host.len().saturating_add(1)..)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = if is_number { digits.parse().ok().filter(|port| *port != 0)? } else { return None };
    Some((host, Some(port)))
}

fn host_name(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_ipv4_mapped().map_or_else(|| format!("[{address}]"), |mapped| mapped.to_string()));
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if host.len() > MAX_HOST || !host.split('.').all(is_label) {
        return None;
    }
    let last = host.rsplit('.').next()?;
    let is_numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if is_numeric && host.parse::<Ipv4Addr>().is_err() {
        return None;
    }
    Some(host)
}

#[cfg(test)]
mod tests {
    use super::{host_of, place};

    #[test]
    fn a_place_has_one_form() {
        let facts = [
            ("files.example.com", Some("files.example.com")),
            ("Files.Example.com.", Some("files.example.com")),
            ("files.example.com:8443", Some("files.example.com:8443")),
            ("files.example.com:0443", Some("files.example.com:443")),
            ("files.example.com:0", None),
            ("files.example.com:", None),
            ("files.example.com:99999", None),
            ("files.example.com:80:80", None),
            ("files..example.com", None),
            ("", None),
            (".", None),
            ("user@files.example.com", None),
            ("files%2eexample.com", None),
            ("b\u{fc}cher.example", None),
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.1", None),
            ("0x7f000001", None),
            ("[::FFFF:10.0.0.1]", Some("10.0.0.1")),
            ("[2001:DB8::1]:8443", Some("[2001:db8::1]:8443")),
            ("[2001:db8::1", None),
            ("2001:db8::1", None),
        ];
        for (text, expected) in facts {
            assert_eq!(place(text).as_deref(), expected, "{text}");
            if let Some(form) = expected {
                assert_eq!(place(form).as_deref(), Some(form), "a form is its own form");
            }
        }
        assert_eq!(host_of("a.example:8443"), Some("a.example"));
        assert_eq!(host_of("[2001:db8::1]:8443"), Some("[2001:db8::1]"));
        assert_eq!((host_of("a.example"), host_of("[2001:db8::1]")), (None, None));
    }
}
