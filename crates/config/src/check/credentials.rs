//! Credentials for upstreams that are somebody's own.

use crate::check::proxy::{Proxied, pem};
use crate::check::tools::is_scope;
use crate::check::upstreams::{Vault, resolved};
use crate::check::{Report, issuers};
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_credentials::{Exchange, Oauth, Per as RawPer, SecretIn};
use crate::settings::{BaseUrl, Lending, LendingSource, OauthSettings, Per};

/// Longest name of a resource or an audience, in bytes.
const MAX_TARGET: usize = 2048;

/// Where the credential of an upstream at `base_url` comes from; `None` if what is written is wrong.
pub(super) fn lending(
    raw: &raw::Upstream,
    written: &raw::Credential,
    base_url: Option<&BaseUrl>,
    path: &Path,
    (proxied, vault): (Option<&Proxied>, &Vault<'_>),
    report: &mut Report<'_>,
) -> Option<Lending> {
    if !matches!(raw.kind, raw::Kind::Mcp) || raw.exec.is_some() {
        report.problem(path, "a credential of somebody's own is for a tool server (`kind: mcp`) with `base_url`");
    }
    if raw.api_key.is_some() {
        report.problem(path, "an upstream is shown `api_key` or `credential`, not both");
    }
    let per = |per: RawPer| if matches!(per, RawPer::User) { Per::User } else { Per::Agent };
    let resource = base_url.map(ToString::to_string).unwrap_or_default();
    match (&written.fixed, &written.oauth, &written.exchange) {
        (Some(fixed), None, None) => Some(Lending { per: per(fixed.per), source: LendingSource::Static }),
        (None, Some(oauth), None) => {
            let settings = client(&of_oauth(oauth, resource), &path.key("oauth"), proxied, vault, report)?;
            Some(Lending { per: per(oauth.per), source: LendingSource::Oauth(Box::new(settings)) })
        }
        (None, None, Some(exchange)) => {
            let settings = client(&of_exchange(exchange, resource), &path.key("exchange"), proxied, vault, report)?;
            Some(Lending { per: Per::User, source: LendingSource::Exchange(Box::new(settings)) })
        }
        _ => {
            report.problem(path, "expected exactly one of `static`, `oauth`, `exchange`");
            None
        }
    }
}

/// What both have.
struct Written<'r> {
    issuer: &'r str,
    authorization_endpoint: Option<&'r String>,
    token_endpoint: Option<&'r String>,
    client_id: &'r str,
    client_secret: Option<&'r raw::Secret>,
    secret_in: SecretIn,
    scopes: &'r [String],
    resource: String,
    audience: Option<&'r String>,
    ca: Option<&'r String>,
}

fn of_oauth(raw: &Oauth, resource: String) -> Written<'_> {
    Written {
        issuer: &raw.issuer,
        authorization_endpoint: raw.authorization_endpoint.as_ref(),
        token_endpoint: raw.token_endpoint.as_ref(),
        client_id: &raw.client_id,
        client_secret: raw.client_secret.as_ref(),
        secret_in: raw.secret_in,
        scopes: &raw.scopes,
        resource: raw.resource.clone().unwrap_or(resource),
        audience: None,
        ca: raw.ca.as_ref(),
    }
}

fn of_exchange(raw: &Exchange, resource: String) -> Written<'_> {
    Written {
        issuer: &raw.issuer,
        authorization_endpoint: None,
        token_endpoint: raw.token_endpoint.as_ref(),
        client_id: &raw.client_id,
        client_secret: raw.client_secret.as_ref(),
        secret_in: raw.secret_in,
        scopes: &raw.scopes,
        resource: raw.resource.clone().unwrap_or(resource),
        audience: raw.audience.as_ref(),
        ca: raw.ca.as_ref(),
    }
}

fn client(
    written: &Written<'_>,
    path: &Path,
    proxied: Option<&Proxied>,
    vault: &Vault<'_>,
    report: &mut Report<'_>,
) -> Option<OauthSettings> {
    let issuer = issuers::address(written.issuer, &path.key("issuer"), report);
    for (key, address) in [("authorization_endpoint", written.authorization_endpoint), ("token_endpoint", written.token_endpoint)]
    {
        if let Some(address) = address {
            issuers::address(address, &path.key(key), report);
        }
    }
    if written.authorization_endpoint.is_some() && written.token_endpoint.is_none() {
        report.problem(&path.key("authorization_endpoint"), "needs `token_endpoint` beside it: without it the metadata say both");
    }
    let is_plain = |text: &str| (1..=MAX_TARGET).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !written.client_id.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        report.problem(&path.key("client_id"), "expected visible characters of ASCII");
    }
    for (key, target) in [("resource", Some(&written.resource)), ("audience", written.audience)] {
        if target.is_some_and(|target| !is_plain(target) || (key == "resource" && target.contains('#'))) {
            report.problem(&path.key(key), "expected an address without a fragment, of visible characters of ASCII");
        }
    }
    for (index, scope) in written.scopes.iter().enumerate().filter(|(_, scope)| !is_scope(scope)) {
        report.problem(&path.key("scopes").index(index), format!("`{}` is no scope", shown(scope)));
    }
    let client_secret = match written.client_secret {
        None => None,
        Some(secret) => Some(resolved(secret, &path.key("client_secret"), vault, report)?),
    };
    let ca = written.ca.and_then(|file| pem(file, &path.key("ca"), vault, report));
    let proxy = issuer.as_ref().zip(proxied).and_then(|(address, proxied)| proxied.proxy_for(address));
    issuer?;
    Some(OauthSettings {
        issuer: written.issuer.to_owned(),
        authorization_endpoint: written.authorization_endpoint.cloned(),
        token_endpoint: written.token_endpoint.cloned(),
        client_id: written.client_id.to_owned(),
        client_secret,
        secret_in_form: matches!(written.secret_in, SecretIn::Form),
        scopes: written.scopes.to_vec(),
        resource: written.resource.clone(),
        audience: written.audience.cloned(),
        ca,
        proxy,
    })
}
