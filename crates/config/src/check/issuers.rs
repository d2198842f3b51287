//! Issuers: whose tokens are taken, and that none of them can speak for a declared party.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use identity::token::{Algorithm, Gate, GroupRule, IssuerRules};
use model::Name;

use crate::check::proxy::{Proxied, pem};
use crate::check::upstreams::Vault;
use crate::check::{Report, url};
use crate::problem::{Path, shown};
use crate::raw;
use crate::settings::{BaseUrl, Issuer};

/// Longest name of an issuer: it stands in ids beside a subject.
const MAX_NAME: usize = 32;

pub(super) fn issuers(file: &raw::File, proxied: Option<&Proxied>, vault: &Vault<'_>, report: &mut Report<'_>) -> Vec<Issuer> {
    report.look_alikes("issuers");
    let mut issuers = Vec::new();
    let mut urls: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, raw) in &file.issuers {
        let path = Path::of(&["issuers", key]);
        if let Some(earlier) = urls.insert(&raw.url, key) {
            report.problem(&path.key("url"), format!("the issuer `{}` has the same address", shown(earlier)));
        }
        let name = name(key, &path, report);
        check_declared(file, key, report);
        let mut fetched_at = address(&raw.url, &path.key("url"), report);
        if let Some(address) = &raw.jwks_uri {
            fetched_at = self::address(address, &path.key("jwks_uri"), report);
        }
        let ca = raw.ca.as_ref().and_then(|file| pem(file, &path.key("ca"), vault, report));
        if raw.ca.is_some() && fetched_at.as_ref().is_some_and(|address| !address.is_tls) {
            report.problem(&path.key("ca"), "the issuer's address is `http`: there is no certificate to verify");
        }
        let proxy = fetched_at.as_ref().zip(proxied).and_then(|(address, proxied)| proxied.proxy_for(address));
        if matches!(raw.typ, raw::Typ::Any) {
            report.warn(&path.key("typ"), "`any` takes ID tokens for one of `audiences` too; `at+jwt` does not");
        }
        let groups = groups(raw, &path, report);
        let Some(name) = name else { continue };
        let rules = IssuerRules {
            name,
            url: raw.url.clone(),
            audiences: raw.audiences.iter().cloned().collect(),
            algorithms: algorithms(raw, &path, report),
            any_type: matches!(raw.typ, raw::Typ::Any),
            skew: raw.clock_skew_seconds,
            groups,
        };
        let seconds = Duration::from_secs;
        issuers.push(Issuer {
            rules,
            jwks_uri: raw.jwks_uri.clone(),
            ca,
            proxy,
            refresh: seconds(raw.refresh_seconds),
            least_gap: seconds(raw.refetch_seconds),
            max_key_age: seconds(raw.max_key_age_seconds),
        });
    }
    issuers
}

pub(super) fn tokens(file: &raw::File, report: &mut Report<'_>) -> Option<Gate> {
    let raw = file.tokens.as_ref()?;
    let path = Path::of(&["tokens", "url"]);
    address(&raw.url, &path, report);
    let rest = raw.url.split_once("://").map_or("", |(_, rest)| rest);
    if rest.contains('/') {
        report.problem(&path, "an address without a path is expected, and without a slash at its end");
    }
    if file.issuers.values().any(|issuer| issuer.url == raw.url) {
        report.problem(&path, "one of `issuers` has the same address: nobody could tell its tokens from the gate's own");
    }
    Some(Gate { url: raw.url.clone(), lifetime: raw.lifetime_seconds })
}

/// `user:ISSUER:SUBJECT` reads in one way only, because no issuer's name holds a colon.
fn name(key: &str, path: &Path, report: &mut Report<'_>) -> Option<Name> {
    let is_plain = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_plain || key.is_empty() || key.starts_with('-') || key.len() > MAX_NAME {
        let message = format!("`{}` is no name of an issuer: expected 1 to {MAX_NAME} of a-z, 0-9, `-`", shown(key));
        report.key_problem(path, message);
        return None;
    }
    report.name(path, key)
}

/// A declared party of the form `ISSUER:…` could be taken for somebody of the issuer.
fn check_declared(file: &raw::File, issuer: &str, report: &mut Report<'_>) {
    for (section, names) in [("users", &file.users), ("services", &file.services)] {
        for name in names.keys().filter(|name| name.split_once(':').is_some_and(|(first, _)| first == issuer)) {
            let message = format!("`{}` begins like the parties of the issuer `{issuer}`, choose another name", shown(name));
            report.key_problem(&Path::of(&[section, name]), message);
        }
    }
}

pub(super) fn address(text: &str, path: &Path, report: &mut Report<'_>) -> Option<BaseUrl> {
    let read = url::base_url(text);
    match &read {
        Err(what) => report.problem(path, format!("not the address of an issuer: {what}")),
        Ok(address) if !address.is_tls && !address.is_loopback() => {
            report.problem(path, "`http` to another machine would let the network choose the keys: write `https`");
        }
        Ok(_) => {}
    }
    read.ok()
}

fn algorithms(raw: &raw::Issuer, path: &Path, report: &mut Report<'_>) -> BTreeSet<Algorithm> {
    let Some(written) = &raw.algorithms else {
        return BTreeSet::from([Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa]);
    };
    if written.is_empty() {
        report.problem(&path.key("algorithms"), "expected at least one, or no such key");
    }
    let named = |algorithm: &raw::Algorithm| match algorithm {
        raw::Algorithm::Rs256 => Algorithm::Rs256,
        raw::Algorithm::Rs384 => Algorithm::Rs384,
        raw::Algorithm::Rs512 => Algorithm::Rs512,
        raw::Algorithm::Ps256 => Algorithm::Ps256,
        raw::Algorithm::Ps384 => Algorithm::Ps384,
        raw::Algorithm::Ps512 => Algorithm::Ps512,
        raw::Algorithm::Es256 => Algorithm::Es256,
        raw::Algorithm::Es384 => Algorithm::Es384,
        raw::Algorithm::EdDsa => Algorithm::EdDsa,
    };
    written.iter().map(named).collect()
}

fn groups(raw: &raw::Issuer, path: &Path, report: &mut Report<'_>) -> Option<GroupRule> {
    let written = raw.groups.as_ref()?;
    let at = path.key("groups").key("map");
    let mut map = BTreeMap::new();
    for (value, group) in &written.map {
        if let Some(group) = report.reference(&at.key(value), group, "groups", "group") {
            map.insert(value.clone(), group);
        }
    }
    Some(GroupRule { claim: written.claim.clone(), map })
}
