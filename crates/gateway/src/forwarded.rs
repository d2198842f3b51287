//! Whose request it is when trusted proxies stand in front of the gate.
//!
//! Anybody can write `X-Forwarded-For`; only what a trusted proxy has added can be believed, and proxies add on the right. So the
//! header is read from the right, and the first address that is no trusted proxy is the client. The address is for counting and
//! for logs; nothing is permitted because of it, and the headers reach no upstream.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Most addresses that are looked at.
const MAX_HOPS: usize = 16;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The one header that the trusted proxies write. A client may fill in the other, which they may leave as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: CLIENT, PROXY`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=CLIENT, for=PROXY` (RFC 7239)
    Forwarded,
}

/// Who is believed about the address of a client.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// Their networks; none by default, and then no header is read.
    pub networks: Vec<IpNet>,
    /// What they write.
    pub header: ForwardedHeader,
}

impl TrustedProxies {
    /// The client's address, as far as it is known: `peer` unless that is a trusted proxy.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        if !self.trusts(nearest) {
            return nearest;
        }
        for hop in self.hops(headers).into_iter().rev().take(MAX_HOPS) {
            // What cannot be read was not written by a proxy that speaks for an address; who handed it on is the last known.
            let Some(address) = hop else { break };
            nearest = address.to_canonical();
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }

    /// Whether an address is such a proxy's.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The addresses in the header, from the client's end to ours.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        };
        let mut hops = Vec::new();
        for line in headers.get_all(name) {
            match (line.to_str(), self.header) {
                (Err(_), _) => hops.push(None),
                (Ok(line), ForwardedHeader::XForwardedFor) => hops.extend(line.split(',').map(node)),
                (Ok(line), ForwardedHeader::Forwarded) => match elements(line) {
                    Some(elements) => hops.extend(elements.iter().map(|element| named_for(element))),
                    None => hops.push(None),
                },
            }
        }
        hops
    }
}

/// The elements of a `Forwarded` line; `None` if a quoted text has no end.
fn elements(line: &str) -> Option<Vec<String>> {
    split(line, ',')
}

/// The address behind `for` of one element.
fn named_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        //= https://www.rfc-editor.org/rfc/rfc7239#section-4
        //# Each parameter MUST NOT occur more than once per field-value.
        if name.trim().eq_ignore_ascii_case("for") && found.replace(value.trim().to_owned()).is_some() {
            return None;
        }
    }
    let value = found?;
    let plain = match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // An address needs no escapes.
        Some(inner) if inner.contains(['\\', '"']) => return None,
        Some(inner) => inner,
        None => &value,
    };
    node(plain)
}

/// Splits at `separator` outside quoted texts; `None` if one has no end.
fn split(text: &str, separator: char) -> Option<Vec<String>> {
    let (mut parts, mut part, mut is_quoted, mut is_escaped) = (Vec::new(), String::new(), false, false);
    for character in text.chars() {
        if character == separator && !is_quoted {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        part.push(character);
    }
    parts.push(part);
    (!is_quoted).then_some(parts)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; `None` for `unknown` and for made-up names.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{ForwardedHeader, TrustedProxies};

    fn client(header: ForwardedHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        TrustedProxies { networks, header }.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxy() {
        const XFF: &str = "x-forwarded-for";
        type Fact = (&'static str, &'static [(&'static str, &'static str)], &'static str);
        let facts: &[Fact] = &[
            ("192.0.2.9", &[(XFF, "198.51.100.1")], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("::ffff:10.0.0.1", &[(XFF, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(XFF, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(XFF, "203.0.113.7, 198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(XFF, "203.0.113.7, 198.51.100.1, 10.9.9.9")], "198.51.100.1"),
            ("10.0.0.1", &[(XFF, "203.0.113.7"), (XFF, "198.51.100.1,fd12::1")], "198.51.100.1"),
            ("10.0.0.1", &[(XFF, "10.0.0.2, 10.0.0.3")], "10.0.0.2"),
            ("10.0.0.1", &[(XFF, "198.51.100.1:4711")], "198.51.100.1"),
            ("10.0.0.1", &[(XFF, "[2001:db8::1]:4711")], "2001:db8::1"),
            ("10.0.0.1", &[(XFF, "::ffff:198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(XFF, "198.51.100.1, unknown")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "198.51.100.1, unknown, 10.0.0.7")], "10.0.0.7"),
            ("10.0.0.1", &[(XFF, "198.51.100.1,")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "198.51.100.1, 1.2.3")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=198.51.100.1")], "10.0.0.1"),
        ];
        for (peer, lines, expected) in facts {
            assert_eq!(client(ForwardedHeader::XForwardedFor, peer, lines), *expected, "{peer} {lines:?}");
        }
        let many = vec!["10.0.0.2"; 40].join(",");
        let spoofed = format!("198.51.100.1,{many}");
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &[(XFF, &spoofed)]), "10.0.0.2", "sixteen are looked at");
    }

    #[test]
    fn the_standard_header() {
        let facts = [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"198.51.100.1:80\";proto=https;by=10.0.0.1", "198.51.100.1"),
            ("proto=https; for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("for=203.0.113.7, for=198.51.100.1", "198.51.100.1"),
            ("for=203.0.113.7, for=198.51.100.1, for=10.0.0.5", "198.51.100.1"),
            ("for=\"a, for=198.51.100.1\"", "10.0.0.1"),
            ("for=\"a, for=198.51.100.1", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown, for=10.0.0.5", "10.0.0.5"),
            ("for=198.51.100.1;for=203.0.113.7", "10.0.0.1"),
            ("for=\"198.51.100.\\1\"", "10.0.0.1"),
            ("by=198.51.100.1", "10.0.0.1"),
            ("198.51.100.1", "10.0.0.1"),
        ];
        for (line, expected) in facts {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]), expected, "{line}");
        }
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &[("x-forwarded-for", "198.51.100.1")]), "10.0.0.1");
    }
}
