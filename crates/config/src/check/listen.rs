//! Listeners: their addresses, their TLS, and what may be reached from other machines.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ipnet::IpNet;

use crate::check::proxy::network;
use crate::check::upstreams::Vault;
use crate::check::{Report, url};
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_net;
use crate::settings::{Danger, ForwardedHeader, Listen, Tls};

/// Longest PEM file, in bytes.
pub(super) const MAX_PEM: usize = 1 << 20;

pub(super) fn listen(file: &raw::File, danger: &Danger, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Listen> {
    let section = Path::of(&["listen"]);
    let raw = &file.listen;
    let tls = raw.tls.as_ref().map(|raw| tls(raw, &section.key("tls"), vault, report));
    let admin_tls = raw.admin_tls.as_ref().map(|raw| self::tls(raw, &section.key("admin_tls"), vault, report));
    let data = address(&raw.data, &section, "data", tls.is_some(), danger, report);
    let admin = address(&raw.admin, &section, "admin", admin_tls.is_some(), danger, report);
    let hosts = hosts(&raw.hosts, &section.key("hosts"), report);
    let trusted_proxies = trusted_proxies(&raw.trusted_proxies, &section.key("trusted_proxies"), report);
    let forwarded_header = match raw.forwarded_header {
        raw_net::ForwardedHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
        raw_net::ForwardedHeader::Forwarded => ForwardedHeader::Forwarded,
    };
    let (data, admin) = (data?, admin?);
    if data == admin && data.port() != 0 {
        report.problem(&section.key("admin"), format!("`{admin}` is taken by `listen.data`, the two planes do not share a port"));
    }
    let ext_authz = raw.ext_authz.as_ref().and_then(|raw| ext_authz(raw, [data, admin], &section.key("ext_authz"), report));
    Some(Listen { data, tls, admin, admin_tls, ext_authz, hosts, trusted_proxies, forwarded_header })
}

/// Checks hold the credentials of those whom they are about, and travel without TLS.
fn ext_authz(raw: &str, taken: [SocketAddr; 2], path: &Path, report: &mut Report<'_>) -> Option<SocketAddr> {
    let Ok(address) = raw.parse::<SocketAddr>() else {
        let message = format!("expected an address and a port such as `127.0.0.1:7703`, found `{}`", shown(raw));
        report.problem(path, message);
        return None;
    };
    if !address.ip().to_canonical().is_loopback() {
        report.problem(path, format!("`{address}` can be reached from other machines, and this port speaks no TLS"));
    }
    if address.port() != 0 && taken.contains(&address) {
        report.problem(path, format!("`{address}` is taken by another listener"));
    }
    Some(address)
}

/// Networks in which addresses may lie that others have named.
pub(super) fn private_networks(raw: &[String], report: &mut Report<'_>) -> Vec<IpNet> {
    trusted_proxies(raw, &Path::of(&["private_networks"]), report)
}

/// Networks of proxies. Whoever may write the header may choose an address, so a network that is nearly everybody is an error.
fn trusted_proxies(raw: &[String], path: &Path, report: &mut Report<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for (index, text) in raw.iter().enumerate() {
        let path = path.index(index);
        match network(text) {
            Some(network) if network.prefix_len() < 8 => {
                report.problem(&path, format!("`{text}` is nearly everybody: expected a network with a prefix of at least 8"));
            }
            Some(network) => networks.push(network),
            None => {
                let expected = "expected an address or a network without bits behind its prefix, such as `10.0.0.0/8`";
                report.problem(&path, format!("{expected}, found `{}`", shown(text)));
            }
        }
    }
    networks
}

fn hosts(raw: &[String], path: &Path, report: &mut Report<'_>) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for (index, host) in raw.iter().enumerate() {
        let path = path.index(index);
        match url::host_name(host) {
            Ok(host) if hosts.insert(host.clone()) => {}
            Ok(host) => report.problem(&path, format!("`{host}` stands twice in this list")),
            Err(_) => report.problem(&path, format!("expected a host name without a port, found `{}`", shown(host))),
        }
    }
    hosts
}

fn address(
    written: &str,
    section: &Path,
    key: &str,
    is_tls: bool,
    danger: &Danger,
    report: &mut Report<'_>,
) -> Option<SocketAddr> {
    let path = &section.key(key);
    let Ok(address) = written.parse::<SocketAddr>() else {
        let hint = if written.starts_with("localhost") { "; write `127.0.0.1` for `localhost`" } else { "" };
        report
            .problem(path, format!("expected an address and a port such as `127.0.0.1:7700`, found `{}`{hint}", shown(written)));
        return None;
    };
    if address.ip().to_canonical().is_loopback() {
        return Some(address);
    }
    if !is_tls && !danger.plaintext_beyond_loopback {
        let tls = if key == "data" { "listen.tls" } else { "listen.admin_tls" };
        let message = format!(
            "`{address}` can be reached from other machines: give it a certificate and a key under `{tls}`, put a TLS proxy in \
             front of a loopback address, or set `danger.plaintext_beyond_loopback: true`"
        );
        report.problem(path, message);
    }
    if !danger.off.is_empty() || !danger.scanners_off.is_empty() {
        let message =
            format!("`{address}` can be reached from other machines, which is refused while controls are off under `danger`");
        report.problem(path, message);
    }
    Some(address)
}

/// The paths, after a look at whether the files can be read and the key by nobody else.
fn tls(raw: &raw_net::Tls, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Tls {
    let files = [("certificate", Some(&raw.certificate)), ("key", Some(&raw.key)), ("client_ca", raw.client_ca.as_ref())];
    for (field, file) in files {
        let Some(file) = file else { continue };
        let read = if field == "key" { vault.source.read_secret(file, MAX_PEM) } else { vault.source.read(file, MAX_PEM) };
        if let Err(error) = read {
            report.problem(&path.key(field), format!("the file `{}` cannot be read: {error}", shown(file)));
        }
    }
    Tls { certificate: raw.certificate.clone(), key: raw.key.clone(), client_ca: raw.client_ca.clone() }
}
