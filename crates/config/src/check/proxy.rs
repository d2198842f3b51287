//! The proxy to upstreams: explicit, or the environment's if the file says so; and which upstreams it is for.

use std::net::IpAddr;
use std::sync::Arc;

use identity::Secret;
use ipnet::IpNet;

use crate::check::listen::MAX_PEM;
use crate::check::upstreams::{Vault, resolved};
use crate::check::{Report, url};
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_net;
use crate::settings::{BaseUrl, Proxy};

/// Most entries of a list of exceptions.
const MAX_EXCEPTIONS: usize = 1000;

/// A proxy and where it is not used.
pub(super) struct Proxied {
    proxy: Arc<Proxy>,
    exceptions: Vec<Exception>,
}

impl Proxied {
    /// The proxy, unless `target` is excepted or on this machine.
    pub(super) fn proxy_for(&self, target: &BaseUrl) -> Option<Arc<Proxy>> {
        let is_direct = target.is_loopback() || self.exceptions.iter().any(|exception| exception.covers(target));
        (!is_direct).then(|| Arc::clone(&self.proxy))
    }
}

pub(super) fn proxy(file: &raw::File, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Proxied> {
    let path = Path::of(&["proxy"]);
    match file.proxy.as_ref()? {
        raw_net::Proxy::Word(word) if word == "environment" => of_environment(&path, vault, report),
        raw_net::Proxy::Word(word) => {
            report.problem(&path, format!("expected `environment` or a mapping, found the text `{}`", shown(word)));
            None
        }
        raw_net::Proxy::Written(raw) => written(raw, &path, vault, report),
    }
}

fn written(raw: &raw_net::WrittenProxy, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Proxied> {
    let place = |message: &str| format!("not the address of a proxy: {message}");
    let address = url::base_url(&raw.url).and_then(plain).map_err(|message| report.problem(&path.key("url"), place(message)));
    let password = raw.password.as_ref().map(|secret| resolved(secret, &path.key("password"), vault, report));
    let credentials = match (&raw.user, password) {
        (None, None) => None,
        (Some(user), Some(password)) => password.map(|password| (user.clone(), password)),
        (Some(_), None) => {
            report.problem(&path.key("user"), "a `user` needs a `password`");
            None
        }
        (None, Some(_)) => {
            report.problem(&path.key("password"), "a `password` needs a `user`");
            None
        }
    };
    if raw.user.as_ref().is_some_and(|user| !is_user(user)) {
        report.problem(&path.key("user"), "a user's name holds no colon and no control characters");
    }
    let ca = raw.ca.as_ref().and_then(|file| pem(file, &path.key("ca"), vault, report));
    let exceptions = exceptions(raw.no_proxy.iter().map(String::as_str), &path.key("no_proxy"), true, report);
    let address = address.ok()?;
    if raw.ca.is_some() && !address.is_tls {
        report.problem(&path.key("ca"), "the proxy's address is `http`: there is no certificate to verify");
    }
    finished(address, credentials, ca, exceptions, path, report)
}

/// `HTTPS_PROXY` and `NO_PROXY`, in either case of letters.
fn of_environment(path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Proxied> {
    let address = variable("HTTPS_PROXY", path, vault, report);
    let without = variable("NO_PROXY", path, vault, report).unwrap_or_default();
    let Some(address) = address else {
        report.warn(path, "neither `HTTPS_PROXY` nor `https_proxy` is set: upstreams are reached directly");
        return None;
    };
    let entries = without.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let exceptions = exceptions(entries, path, false, report);
    let Some((address, credentials)) = with_credentials(&address) else {
        // What stands there may hold a password.
        report.problem(
            path,
            "the value of the environment variable `HTTPS_PROXY` is not the address of a proxy: expected \
                              `http://host:port` or `https://host:port`",
        );
        return None;
    };
    finished(address, credentials, None, exceptions, path, report)
}

/// A variable that programs write in capitals or in small letters; two different values are one too many.
fn variable(name: &str, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<String> {
    let small = name.to_ascii_lowercase();
    let values = [(vault.env)(name), (vault.env)(&small)].map(|value| value.filter(|value| !value.trim().is_empty()));
    if let [Some(one), Some(other)] = &values
        && one != other
    {
        report.problem(path, format!("the environment variables `{name}` and `{small}` differ"));
    }
    values.into_iter().flatten().next()
}

fn finished(
    address: BaseUrl,
    credentials: Option<(String, Secret)>,
    ca: Option<Vec<u8>>,
    exceptions: Vec<Exception>,
    path: &Path,
    report: &mut Report<'_>,
) -> Option<Proxied> {
    if credentials.is_some() && !address.is_tls && !address.is_loopback() {
        report.warn(path, "the password of the proxy crosses the network in the clear: its address is `http`");
    }
    let proxy = Arc::new(Proxy { is_tls: address.is_tls, host: address.host, port: address.port, credentials, ca });
    Some(Proxied { proxy, exceptions })
}

/// A proxy's address has no path.
fn plain(address: BaseUrl) -> Result<BaseUrl, &'static str> {
    if address.prefix.is_empty() { Ok(address) } else { Err("a path is not allowed") }
}

fn is_user(user: &str) -> bool {
    !user.is_empty() && user.len() <= 256 && !user.contains(':') && !user.chars().any(char::is_control)
}

/// Reads `http://[user:password@]host:port`; the scheme may be left out, as other programs allow.
fn with_credentials(text: &str) -> Option<(BaseUrl, Option<(String, Secret)>)> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let (before, address) = match rest.rsplit_once('@') {
        Some((before, address)) => (Some(before), address),
        None => (None, rest),
    };
    let address = url::base_url(&format!("{scheme}://{address}")).and_then(plain).ok()?;
    let Some(before) = before else { return Some((address, None)) };
    let (user, password) = before.split_once(':')?;
    let (user, password) = (unescaped(user)?, unescaped(password)?);
    let is_good = is_user(&user) && !password.is_empty() && !password.chars().any(char::is_control);
    is_good.then(|| (address, Some((user, Secret::new(password)))))
}

/// Undoes percent encoding; `None` if it is not right.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?].map(char::from);
            let [high, low] = digits.map(|digit| digit.to_digit(16));
            bytes.push(u8::try_from(high? * 16 + low?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A PEM file of certificates.
pub(super) fn pem(file: &str, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let read = vault.source.read(file, MAX_PEM);
    read.map_err(|error| report.problem(path, format!("the file `{}` cannot be read: {error}", shown(file)))).ok()
}

/// Where a proxy is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    place: Place,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Everywhere,
    /// A name, and every name below it.
    Name(String),
    Network(IpNet),
}

impl Exception {
    fn covers(&self, target: &BaseUrl) -> bool {
        if self.port.is_some_and(|port| port != target.port) {
            return false;
        }
        match &self.place {
            Place::Everywhere => true,
            Place::Name(name) => {
                target.host == *name || target.host.strip_suffix(name.as_str()).is_some_and(|before| before.ends_with('.'))
            }
            Place::Network(network) => {
                target.host.parse::<IpAddr>().is_ok_and(|address| network.contains(&address.to_canonical()))
            }
        }
    }
}

fn exceptions<'a>(entries: impl Iterator<Item = &'a str>, path: &Path, is_list: bool, report: &mut Report<'_>) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for (index, entry) in entries.enumerate() {
        let at = if is_list { path.index(index) } else { path.clone() };
        if index >= MAX_EXCEPTIONS {
            report.problem(&at, format!("more than {MAX_EXCEPTIONS} entries"));
            break;
        }
        match exception(entry) {
            Some(exception) => exceptions.push(exception),
            None => {
                let expected = "expected `*`, a host name, an address or a network such as `10.0.0.0/8`, with a port or without";
                report.problem(&at, format!("{expected}, found `{}`", shown(entry)));
            }
        }
    }
    exceptions
}

fn exception(text: &str) -> Option<Exception> {
    let whole = |place| Some(Exception { place, port: None });
    if text == "*" {
        return whole(Place::Everywhere);
    }
    if let Some(network) = network(text) {
        return whole(Place::Network(network));
    }
    let (place, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']')?;
            (address, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((place, port)) => (place, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map(str::parse).transpose().ok()?;
    if let Some(network) = network(place) {
        return Some(Exception { place: Place::Network(network), port });
    }
    let name = url::host_name(place.strip_prefix("*.").or(place.strip_prefix('.')).unwrap_or(place)).ok()?;
    Some(Exception { place: Place::Name(name), port })
}

/// An address, or a network whose address has no bits behind its prefix.
pub(super) fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(network) => (network.trunc() == network).then_some(network),
        Err(_) => text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical())),
    }
}

#[cfg(test)]
mod tests {
    use identity::Secret;

    use super::{exception, network, with_credentials};
    use crate::check::url::base_url;

    #[test]
    fn what_an_exception_covers() {
        let facts: &[(&str, &[&str], &[&str])] = &[
            ("*", &["https://x.example", "https://10.0.0.1"], &[]),
            ("x.example", &["https://x.example", "https://a.x.example:8443"], &["https://ax.example", "https://example"]),
            (".x.example", &["https://x.example", "https://a.b.x.example"], &["https://xx.example"]),
            ("*.x.example", &["https://a.x.example"], &["https://y.example"]),
            ("x.example:8443", &["https://x.example:8443"], &["https://x.example"]),
            ("10.0.0.0/8", &["https://10.1.2.3"], &["https://11.0.0.1", "https://10.example"]),
            ("10.1.2.3", &["https://10.1.2.3:1"], &["https://10.1.2.4"]),
            ("10.1.2.3:443", &["https://10.1.2.3"], &["https://10.1.2.3:444"]),
            ("fd00::/8", &["https://[fd12::1]"], &["https://[fe80::1]"]),
            ("[fd12::1]:443", &["https://[fd12::1]"], &["https://[fd12::1]:444"]),
            ("10.0.0.0/8", &["https://[::ffff:10.0.0.1]"], &[]),
        ];
        for (text, covered, others) in facts {
            let exception = exception(text).unwrap();
            let covers = |url: &str| exception.covers(&base_url(url).unwrap());
            assert!(covered.iter().all(|url| covers(url)), "{text}");
            assert!(!others.iter().any(|url| covers(url)), "{text}");
        }
        for text in ["", "x y", "10.0.0.1/8", "x:y", "x.example:99999", "[::1", "1.2.3", "*x", "a/b"] {
            assert_eq!(exception(text), None, "{text}");
        }
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }

    #[test]
    fn addresses_of_the_environment() {
        let read = |text: &str| {
            with_credentials(text).map(|(address, credentials)| {
                let credentials = credentials.map(|(user, password): (String, Secret)| format!("{user}/{}", password.expose()));
                (address.to_string(), credentials.unwrap_or_default())
            })
        };
        let facts = [
            ("http://proxy:3128", Some(("http://proxy:3128", ""))),
            ("https://Proxy.example/", Some(("https://proxy.example", ""))),
            ("proxy:3128", Some(("http://proxy:3128", ""))),
            ("http://me:p%40ss:x@proxy:3128", Some(("http://proxy:3128", "me/p@ss:x"))),
            ("http://me@proxy:3128", None),
            ("http://me:@proxy:3128", None),
            ("http://a:b%0d%0a@proxy", None),
            ("http://a:b%zz@proxy", None),
            ("socks5://proxy:1080", None),
            ("http://proxy/path", None),
        ];
        for (text, expected) in facts {
            let expected = expected.map(|(address, rest)| (address.to_owned(), rest.to_owned()));
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
