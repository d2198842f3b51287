//! Upstreams: where keys and content go, and the keys themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use identity::Secret;
use model::Name;

use crate::check::listen::MAX_PEM;
use crate::check::models::{dialect, dialects_of};
use crate::check::proxy::{Proxied, pem};
use crate::check::{Report, credentials, exec, url};
use crate::placeholder::objection;
use crate::problem::{Path, shown};
use crate::raw;
use crate::settings::{BaseUrl, KeyHeader, Trust, Upstream};
use crate::source::Source;

/// Longest file that holds a secret, in bytes.
const MAX_SECRET_FILE: usize = 16 << 10;
/// The port that stands for the one that the bridge to a process takes.
const NOWHERE: u16 = 9;

/// Where secrets come from.
pub(super) struct Vault<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

pub(super) fn upstreams(
    file: &raw::File,
    proxied: Option<&Proxied>,
    vault: &Vault<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<Name, Upstream> {
    report.look_alikes("upstreams");
    let mut upstreams = BTreeMap::new();
    for (key, raw) in &file.upstreams {
        let path = Path::of(&["upstreams", key]);
        let name = report.name(&path, key);
        let exec = raw.exec.as_ref().map(|exec| exec::exec(raw, exec, &path, vault.source, report));
        let base_url = place(raw, &path, vault, report);
        let api_key = raw.api_key.as_ref().map(|secret| resolved(secret, &path.key("api_key"), vault, report));
        if let Some(url) = &base_url {
            if !url.is_tls && !url.is_loopback() && !file.danger.plaintext_upstreams {
                let message = "`http` to another machine would show key and content to the network: write `https`, or set \
                               `danger.plaintext_upstreams: true`";
                report.problem(&path.key("base_url"), message);
            }
            if api_key.is_none() && raw.credential.is_none() && !url.is_loopback() && exec.is_none() {
                report.warn(&path, "no `api_key`: calls go there without a credential");
            }
        }
        let trust = trust(raw, &path, base_url.as_ref(), vault, report);
        let proxy = base_url.as_ref().zip(proxied).and_then(|(url, proxied)| proxied.proxy_for(url));
        if proxy.is_some() && base_url.as_ref().is_some_and(|url| !url.is_tls) {
            let message = "a plain `http` upstream is not reached through a proxy, which would see key and content: write `https`, \
                           or except it in `proxy.no_proxy`";
            report.problem(&path.key("base_url"), message);
        }
        for (index, kind) in raw.dialects.iter().flatten().enumerate() {
            let serves_none = |kind: raw::Kind| matches!(kind, raw::Kind::Mcp | raw::Kind::A2a);
            if serves_none(*kind) || serves_none(raw.kind) {
                report.problem(
                    &path.key("dialects").index(index),
                    "a tool server (`kind: mcp`) or agent (`kind: a2a`) speaks no model API, and the reverse",
                );
            }
        }
        if raw.dialects.as_ref().is_some_and(Vec::is_empty) {
            report.problem(&path.key("dialects"), "expected at least one of `openai`, `anthropic`, or no such key");
        }
        let api_key = match api_key {
            None => Some(None),
            Some(resolved) => resolved.map(Some),
        };
        let lending = match &raw.credential {
            None => Some(None),
            Some(written) => {
                let place = path.key("credential");
                credentials::lending(raw, written, base_url.as_ref(), &place, (proxied, vault), report).map(Some)
            }
        };
        let exec = match exec {
            None => Some(None),
            Some(checked) => checked.map(Some),
        };
        let (Some(name), Some(base_url), Some(api_key)) = (name, base_url, api_key) else { continue };
        if let (Some(exec), Some(lending)) = (exec, lending) {
            let connect = Duration::from_secs(raw.connect_seconds);
            let key_header = key_header(raw);
            let (kind, dialects) = (dialect(raw.kind), dialects_of(raw));
            let declines_store = raw.decline_store.unwrap_or_else(|| keeps_by_default(&base_url.host));
            let upstream =
                Upstream { kind, dialects, base_url, exec, api_key, lending, key_header, declines_store, trust, proxy, connect };
            upstreams.insert(name, upstream);
        }
    }
    upstreams
}

/// Where it is: its address, or this machine for a process.
fn place(raw: &raw::Upstream, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<BaseUrl> {
    match (&raw.base_url, &raw.exec) {
        (Some(written), None) => {
            let read = if matches!(raw.kind, raw::Kind::Mcp | raw::Kind::A2a) { url::endpoint } else { url::base_url };
            base_url(written, read, &path.key("base_url"), vault, report)
        }
        (None, Some(_)) => Some(BaseUrl { is_tls: false, host: "127.0.0.1".to_owned(), port: NOWHERE, prefix: String::new() }),
        (Some(_), Some(_)) => {
            report.problem(&path.key("exec"), "a server is reached at `base_url` or started by `exec`, not both");
            None
        }
        (None, None) => {
            let or = if matches!(raw.kind, raw::Kind::Mcp) { ", or `exec` for a server over stdio" } else { "" };
            report.problem(path, format!("the key `base_url` is missing{or}"));
            None
        }
    }
}

/// Whether the provider at this host may keep chat completions that say nothing of it.
fn keeps_by_default(host: &str) -> bool {
    host == "api.openai.com" || host.ends_with(".api.openai.com")
}

/// How the upstream is verified, and what is shown to it; all of it is for `https`.
fn trust(raw: &raw::Upstream, path: &Path, url: Option<&BaseUrl>, vault: &Vault<'_>, report: &mut Report<'_>) -> Trust {
    let fields = [
        ("ca", &raw.ca),
        ("client_certificate", &raw.client_certificate),
        ("client_key", &raw.client_key),
        ("server_name", &raw.server_name),
    ];
    for (field, _) in fields.iter().filter(|(_, value)| value.is_some() && url.is_some_and(|url| !url.is_tls)) {
        report.problem(&path.key(field), "the upstream's address is `http`: there is no TLS to set up");
    }
    let ca = raw.ca.as_ref().and_then(|file| pem(file, &path.key("ca"), vault, report));
    let certificate = raw.client_certificate.as_ref().map(|file| pem(file, &path.key("client_certificate"), vault, report));
    let key = raw.client_key.as_ref().map(|file| private_key(file, &path.key("client_key"), vault, report));
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => certificate.zip(key),
        (Some(_), None) => {
            report.problem(&path.key("client_certificate"), "a `client_certificate` needs a `client_key`");
            None
        }
        (None, Some(_)) => {
            report.problem(&path.key("client_key"), "a `client_key` needs a `client_certificate`");
            None
        }
        (None, None) => None,
    };
    let name = raw.server_name.as_ref().and_then(|name| {
        let message = |message: &str| report.problem(&path.key("server_name"), format!("{message}, found `{}`", shown(name)));
        url::host_name(name).map_err(message).ok()
    });
    Trust { ca, client, server_name: name }
}

fn private_key(file: &str, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Secret> {
    match vault.source.read_secret(file, MAX_PEM).map(String::from_utf8) {
        Ok(Ok(text)) => return Some(Secret::new(text)),
        Ok(Err(_)) => report.problem(path, format!("the file `{}` is not a PEM file", shown(file))),
        Err(error) => report.problem(path, format!("the file `{}` cannot be read: {error}", shown(file))),
    }
    None
}

/// The address, from the file or from the variable that it names.
pub(super) fn base_url(
    written: &str,
    read: fn(&str) -> Result<BaseUrl, &'static str>,
    path: &Path,
    vault: &Vault<'_>,
    report: &mut Report<'_>,
) -> Option<BaseUrl> {
    let (address, origin) = match variable(written) {
        None => (read(written), "not a URL for an upstream".to_owned()),
        Some(name) => {
            let Some(value) = (vault.env)(name) else {
                report.problem(path, format!("the environment variable `{name}` is not set"));
                return None;
            };
            (read(&value), format!("the value of the environment variable `{name}` is not a URL for an upstream"))
        }
    };
    if let Err(message) = address {
        report.problem(path, format!("{origin}: {message}"));
    }
    address.ok()
}

/// The secret itself; reports why not without ever quoting what stands there.
pub(super) fn resolved(secret: &raw::Secret, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Secret> {
    let (text, origin) = match secret {
        raw::Secret::Variable(written) => {
            let Some(name) = variable(written) else {
                let message = "expected `${NAME}` or `{file: PATH}`, found something else: a secret does not stand in this file";
                report.problem(path, message);
                return None;
            };
            let Some(value) = (vault.env)(name) else {
                report.problem(path, format!("the environment variable `{name}` is not set"));
                return None;
            };
            (value, format!("the value of the environment variable `{name}`"))
        }
        raw::Secret::File(raw::SecretFile { file }) => {
            let path = path.key("file");
            match vault.source.read_secret(file, MAX_SECRET_FILE).map(String::from_utf8) {
                Ok(Ok(text)) => (text.trim_end().to_owned(), format!("the content of the file `{}`", shown(file))),
                Ok(Err(_)) => {
                    report.problem(&path, format!("the file `{}` is not a text", shown(file)));
                    return None;
                }
                Err(error) => {
                    report.problem(&path, format!("the file `{}` cannot be read: {error}", shown(file)));
                    return None;
                }
            }
        }
    };
    if let Some(why) = objection(&text) {
        report.problem(path, format!("{origin} cannot be used as a secret: {why}"));
        return None;
    }
    Some(Secret::new(text))
}

/// The name in `${NAME}`; nothing else is substituted, neither defaults nor parts of a text.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let is_name = starts_well && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

/// How the key is presented: as written, else as the kind's provider takes it.
const fn key_header(raw: &raw::Upstream) -> KeyHeader {
    match (raw.key_header, raw.kind) {
        (Some(raw::KeyHeader::Authorization), _) | (None, raw::Kind::Openai | raw::Kind::Mcp | raw::Kind::A2a) => {
            KeyHeader::Bearer
        }
        (Some(raw::KeyHeader::XApiKey), _) | (None, raw::Kind::Anthropic) => KeyHeader::XApiKey,
        (Some(raw::KeyHeader::ApiKey), _) => KeyHeader::ApiKey,
    }
}
