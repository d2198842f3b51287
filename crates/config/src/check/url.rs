//! Base URLs of upstreams: read strictly, so that what is written is where keys and content go.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::settings::BaseUrl;

/// Longest URL in bytes.
const MAX_URL: usize = 2048;

/// Reads `https://host[:port][/path]`.
///
/// # Errors
/// What is wrong, as the second half of a message. Never quotes user or password.
pub(crate) fn base_url(text: &str) -> Result<BaseUrl, &'static str> {
    read(text, |path| if path == "v1" { "" } else { path.strip_suffix("/v1").unwrap_or(path) })
}

/// The address of an endpoint: the same, and nothing is appended to it, so a `/v1` at its end is part of it.
///
/// # Errors
/// As [`base_url`].
pub(crate) fn endpoint(text: &str) -> Result<BaseUrl, &'static str> {
    read(text, |path| path)
}

fn read(text: &str, kept: fn(&str) -> &str) -> Result<BaseUrl, &'static str> {
    if text.len() > MAX_URL || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '"', '<', '>', '`']) {
        return Err("it holds a character that a URL does not have, or is too long");
    }
    let (scheme, rest) = text.split_once("://").ok_or("expected one that begins with `https://`")?;
    let is_tls = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err("the scheme must be `https`, or `http` to this machine"),
    };
    if rest.contains(['?', '#']) {
        return Err("a query or fragment is not allowed");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err("a user or password is not allowed here");
    }
    let (host, port) = host_and_port(authority, is_tls)?;
    Ok(BaseUrl { is_tls, host, port, prefix: prefix(kept(path.trim_end_matches('/')))? })
}

fn host_and_port(authority: &str, is_tls: bool) -> Result<(String, u16), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']').ok_or("the bracket of the address is not closed")?;
            let address: Ipv6Addr = address.parse().map_err(|_| "the address in brackets is not an IPv6 address")?;
            let port = if behind.is_empty() {
                None
            } else {
                Some(behind.strip_prefix(':').ok_or("expected `:PORT` behind the bracket")?)
            };
            (address.to_string(), port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host_name(host)?, Some(port)),
            None => (host_name(authority)?, None),
        },
    };
    let port = match port {
        None if is_tls => 443,
        None => 80,
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok().filter(|port| *port != 0).ok_or("the port must be a number from 1 to 65535")?
        }
        Some(_) => return Err("the port must be a number from 1 to 65535"),
    };
    Ok((host, port))
}

/// A DNS name or a plain IPv4 address, lower case.
pub(crate) fn host_name(text: &str) -> Result<String, &'static str> {
    let host = text.to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_known) && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err("the host must be a name or an address");
    }
    // `127.1`, `0x7f.1` and `2130706433` are addresses to some resolvers and names to others.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("the host looks like a number, expected an address such as `127.0.0.1`");
    }
    Ok(host)
}

/// The path prefix: plain segments, without the slash at its end.
fn prefix(path: &str) -> Result<String, &'static str> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_known);
    if path.is_empty() {
        return Ok(String::new());
    }
    if !path.split('/').all(is_segment) {
        return Err("the path may hold letters, digits and `-._~`, without empty or dot segments");
    }
    Ok(format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::{base_url, endpoint};

    #[test]
    fn an_endpoint_is_called_as_it_is_written() {
        let facts = [("https://a.example/v1", "https://a.example/v1"), ("https://a.example/x/v1/", "https://a.example/x/v1")];
        for (text, expected) in facts {
            assert_eq!(endpoint(text).map(|url| url.to_string()), Ok(expected.to_owned()), "{text}");
        }
        assert!(endpoint("https://a.example/../v1").is_err());
    }

    #[test]
    fn what_is_read_is_what_is_called() {
        let facts = [
            ("https://api.openai.com", "https://api.openai.com"),
            ("https://api.openai.com/", "https://api.openai.com"),
            ("https://api.openai.com/v1", "https://api.openai.com"),
            ("https://api.openai.com/v1/", "https://api.openai.com"),
            ("https://api.groq.com/openai/v1", "https://api.groq.com/openai"),
            ("HTTPS://Api.OpenAI.com:443", "https://api.openai.com"),
            ("https://gw.example:8443/a/b", "https://gw.example:8443/a/b"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            ("http://localhost", "http://localhost"),
        ];
        for (text, expected) in facts {
            assert_eq!(base_url(text).map(|url| url.to_string()), Ok(expected.to_owned()), "{text}");
        }
        let loopback =
            ["http://127.0.0.1", "http://127.9.9.9", "http://[::1]", "http://LOCALHOST:1", "http://[::ffff:127.0.0.1]"];
        for text in loopback {
            assert!(base_url(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["http://10.0.0.1", "http://0.0.0.0", "http://localhost.example", "http://127.0.0.1.example", "http://[::]"] {
            assert!(!base_url(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        for text in [
            "",
            "api.openai.com",
            "ftp://x",
            "https://",
            "https:///v1",
            "https://user@x",
            "https://user:pass@x",
            "https://x?y",
            "https://x#y",
            "https://x:0",
            "https://x:65536",
            "https://x:",
            "https://x:8a",
            "https://x:+1",
            "https://[::1",
            "https://[::1]8",
            "https://[x]",
            "https://x/../y",
            "https://x/./y",
            "https://x//y",
            "https://x/%2e%2e",
            "https://x\\y",
            "https://x y",
            "https://x/é",
            "https://é",
            "http://127.1",
            "http://2130706433",
            "http://0x7f.0.0.1",
            "http://0x7f000001",
            "http://127.0.0.01",
            "https://-x",
            "https://x..y",
            "https://x.",
            "https://x,y",
            "https://x;y",
            "https://x/a;b",
            "https://a@b:c@d",
        ] {
            assert!(base_url(text).is_err(), "{text}: {:?}", base_url(text));
        }
    }
}
