//! URLs that a provider is asked to fetch.
//!
//! The destination is what policies name, so the reader is strict where two readers could see different hosts: no user
//! information, no backslash, space or control character, no percent sign or non-ASCII letter in the host, no number that some
//! resolvers take for an address.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest host name (RFC 1035).
const MAX_HOST: usize = 253;

/// Whether the URL holds its own content.
pub(super) fn is_data(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The host in lower case, and the port if it is not the scheme's own. `None` unless the URL is an absolute, unambiguous `http`
/// or `https` URL.
pub(super) fn destination(url: &str) -> Option<String> {
    if url.chars().any(|character| character <= ' ' || character == '\\' || character.is_control() || character.is_whitespace()) {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let own_port = match () {
        () if scheme.eq_ignore_ascii_case("http") => 80,
        () if scheme.eq_ignore_ascii_case("https") => 443,
        () => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = split_port(authority)?;
    let host = host_name(host)?;
    Some(match port.filter(|port| *port != own_port) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let bracket = authority.rfind(']').map_or(0, |at| at.saturating_add(1));
    let tail = authority.get(bracket..)?;
    let Some(colon) = tail.find(':') else { return Some((authority, None)) };
    let digits = tail.get(colon.saturating_add(1)..)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = if is_number { digits.parse().ok().filter(|port| *port != 0)? } else { return None };
    Some((authority.get(..bracket.saturating_add(colon))?, Some(port)))
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
