//! Where an address may lead that somebody else has named: a key set in a discovery document, a token endpoint in metadata.
//!
//! An address that an operator has written leads where it leads. What a peer has written leads to the public internet, or to the
//! networks that operators have opened for it, and to nothing else: not to this machine, not to private or link-local networks, not to
//! the metadata service of a cloud, in no form that an address can be written in. A name is resolved once; every address that it
//! stands for has to be good, and those very addresses are connected to. So a name that means something else a moment later does so to
//! nobody.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use ipnet::IpNet;
use tower_service::Service;

/// Most addresses of one name.
const MAX_ADDRESSES: usize = 64;

type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
/// Asks what a name stands for.
type Lookup = Arc<dyn Fn(String) -> Addresses + Send + Sync>;

/// What may be reached.
#[derive(Clone)]
pub struct Screen {
    /// Networks beside the public internet that operators have opened.
    networks: Arc<[IpNet]>,
    /// Host (lower case) and port of addresses that operators have written themselves.
    own: Arc<[(String, u16)]>,
    lookup: Lookup,
}

impl fmt::Debug for Screen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Screen").field("networks", &self.networks).field("own", &self.own).finish_non_exhaustive()
    }
}

impl Screen {
    /// `networks` beside the public internet; `own`: addresses that operators have written.
    #[must_use]
    pub fn new<'a>(networks: &[IpNet], own: impl IntoIterator<Item = &'a str>) -> Self {
        let own = own.into_iter().filter_map(|address| place(&address.parse().ok()?)).collect();
        Self { networks: networks.into(), own, lookup: Arc::new(system) }
    }

    /// Whether an operator has written this very host and port.
    pub(crate) fn is_own(&self, uri: &Uri) -> bool {
        place(uri).is_some_and(|place| self.own.contains(&place))
    }

    /// Whether an address may be connected to.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Refuses an address that is written as one and may not be connected to. A name is looked at when it is resolved.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check(&self, uri: &Uri) -> io::Result<()> {
        match bare(uri.host().unwrap_or_default()).parse::<IpAddr>() {
            Ok(address) if !self.admits(address) => Err(refused()),
            _ => Ok(()),
        }
    }

    /// What a name stands for, if all of it may be connected to.
    fn resolve(&self, name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> {
        let (screen, looking) = (self.clone(), (self.lookup)(name.to_owned()));
        Box::pin(async move {
            let addresses = looking.await?;
            if addresses.is_empty() || addresses.len() > MAX_ADDRESSES || !addresses.iter().all(|address| screen.admits(*address))
            {
                return Err(refused());
            }
            Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
        })
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the address lies in a network that is not reached for others")
}

/// Host and port of an address, in one form.
fn place(uri: &Uri) -> Option<(String, u16)> {
    let port = uri.port_u16().or_else(|| Some(if uri.scheme_str()? == "https" { 443 } else { 80 }))?;
    Some((bare(uri.host()?).to_ascii_lowercase(), port))
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

fn system(name: String) -> Addresses {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
}

/// Whether an address is one of the public internet, by IANA's registries of special addresses.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

//= https://www.iana.org/assignments/iana-ipv4-special-registry/iana-ipv4-special-registry.xhtml
//# Globally Reachable
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    !matches!(
        (first, second, third),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 31, 196)
            | (192, 52, 193)
            | (192, 88, 99)
            | (192, 168, _)
            | (192, 175, 48)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

//= https://www.iana.org/assignments/iana-ipv6-special-registry/iana-ipv6-special-registry.xhtml
//# Globally Reachable
/// Global unicast is `2000::/3`; whatever lies outside is private, local, multicast, or holds an IPv4 address (mapped, NAT64).
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    // 2001::/23 (Teredo, ORCHID and others), documentation, 6to4, which holds an IPv4 address.
    let is_special =
        (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) || first == 0x2002 || (first == 0x3fff && second < 0x1000);
    is_global && !is_special
}

/// Resolves names: as the system does, or through a screen.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(Option<Screen>);

impl Resolver {
    /// As the system does.
    pub(crate) const fn system() -> Self {
        Self(None)
    }

    /// Through a screen.
    pub(crate) const fn through(screen: Screen) -> Self {
        Self(Some(screen))
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving: Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> = match &self.0 {
            Some(screen) => screen.resolve(name.as_str()),
            None => {
                let looking = system(name.as_str().to_owned());
                Box::pin(async move { Ok(looking.await?.into_iter().map(|address| SocketAddr::new(address, 0)).collect()) })
            }
        };
        Box::pin(async move { Ok(resolving.await?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{IpAddr, SocketAddr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Screen, is_public};

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_public() {
        for address in
            ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255"]
        {
            assert!(is_public(at(address)), "{address}");
        }
        for address in ["2606:4700::1111", "2001:4860::8888", "2a00::1", "2001:200::1", "::ffff:8.8.8.8"] {
            assert!(is_public(at(address)), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.9.9",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.1.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(at(address)), "{address}");
            assert!(!is_public(at(&format!("::ffff:{address}"))), "mapped {address}");
            assert!(!is_public(at(&format!("64:ff9b::{address}"))), "NAT64 {address}");
            assert!(!is_public(at(&format!("64:ff9b:1::{address}"))), "local NAT64 {address}");
            assert!(!is_public(at(&format!("::{address}"))), "compatible {address}");
        }
        for address in [
            "::",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "2002:a00:1::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "64:ff9b::808:808",
        ] {
            assert!(!is_public(at(address)), "{address}");
        }
    }

    #[test]
    fn operators_open_networks_and_their_own_addresses() {
        let screen = Screen::new(&["10.1.0.0/16".parse().unwrap()], ["https://idp.internal/a", "http://127.0.0.1:8080"]);
        let facts =
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("169.254.169.254", false), ("9.9.9.9", true)];
        for (address, expected) in facts {
            assert_eq!(screen.admits(at(address)), expected, "{address}");
        }
        let facts = [
            ("https://idp.internal/jwks", true),
            ("https://IDP.internal:443/", true),
            ("https://idp.internal:8443/", false),
            ("http://idp.internal/", false),
            ("http://127.0.0.1:8080/x", true),
            ("http://127.0.0.1:8081/x", false),
            ("http://idp.internal.evil.example/", false),
        ];
        for (uri, expected) in facts {
            assert_eq!(screen.is_own(&uri.parse().unwrap()), expected, "{uri}");
        }
        for (uri, is_good) in [
            ("https://[::1]/", false),
            ("https://127.0.0.1/", false),
            ("https://[::ffff:a9fe:a9fe]/", false),
            ("https://1.1.1.1/", true),
        ] {
            assert_eq!(screen.check(&uri.parse().unwrap()).is_ok(), is_good, "{uri}");
        }
    }

    fn answering(answers: Vec<Vec<&'static str>>) -> (Screen, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let lookup = move |_: String| -> super::Addresses {
            let turn = counted.fetch_add(1, Ordering::Relaxed);
            let answer: Vec<IpAddr> = answers.get(turn).into_iter().flatten().map(|address| at(address)).collect();
            Box::pin(async move { Ok(answer) })
        };
        (Screen { lookup: Arc::new(lookup), ..Screen::new(&[], []) }, asked)
    }

    #[tokio::test]
    async fn a_name_is_resolved_once_and_all_of_it_has_to_be_good() {
        // The second answer is the attacker's: nobody asks for it.
        let (screen, asked) = answering(vec![vec!["93.184.216.34"], vec!["127.0.0.1"]]);
        let found: io::Result<Vec<SocketAddr>> = screen.resolve("rebind.example").await;
        assert_eq!(found.unwrap(), [SocketAddr::new(at("93.184.216.34"), 0)]);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(screen.resolve("rebind.example").await.is_err(), "what it means then is refused");
        for answer in [vec!["93.184.216.34", "10.0.0.1"], vec!["::ffff:127.0.0.1"], vec![], vec!["1.1.1.1"; 65]] {
            assert!(answering(vec![answer.clone()]).0.resolve("x").await.is_err(), "{answer:?}");
        }
    }
}
