//! Approvals: terms, who is told that something waits, and whose signed answers are taken.

use std::collections::BTreeMap;
use std::time::Duration;

use identity::webhook::WebhookKey;
use model::Name;
use response::Terms;

use crate::check::proxy::{Proxied, pem};
use crate::check::settings::size;
use crate::check::upstreams::{Vault, base_url, resolved};
use crate::check::{Report, url};
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_approvals::Webhook as RawWebhook;
use crate::settings::{Approving, Webhook};

/// Most operators who sign answers: every key is tried on every message.
const MAX_SIGNERS: usize = 32;

pub(super) fn terms(raw: &raw::Approvals) -> Terms {
    let raw::Approvals { quorum, wait_seconds, hold_seconds, pending, refusals, .. } = raw;
    Terms { quorum: *quorum, waits: *wait_seconds, holds: *hold_seconds, pending: size(*pending), refusals: size(*refusals) }
}

pub(super) fn approving(file: &raw::File, proxied: Option<&Proxied>, vault: &Vault<'_>, report: &mut Report<'_>) -> Approving {
    let raw = &file.approvals;
    let webhook = raw.webhook.as_ref().and_then(|raw| webhook(raw, proxied, vault, report));
    let signers = signers(file, webhook.as_ref(), vault, report);
    Approving { held: Duration::from_secs(raw.hold_calls_seconds), n_held: size(raw.held_calls), webhook, signers }
}

fn webhook(raw: &RawWebhook, proxied: Option<&Proxied>, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<Webhook> {
    let path = Path::of(&["approvals", "webhook"]);
    let key = key(&raw.secret, &path.key("secret"), vault, report);
    let ca = raw.ca.as_ref().and_then(|file| pem(file, &path.key("ca"), vault, report));
    let url = base_url(&raw.url, url::endpoint, &path.key("url"), vault, report)?;
    if !url.is_tls && !url.is_loopback() {
        report.problem(&path.key("url"), "`http` to another machine would show who waits for what to the network: write `https`");
    }
    if raw.ca.is_some() && !url.is_tls {
        report.problem(&path.key("ca"), "the address is `http`: there is no certificate to verify");
    }
    let proxy = proxied.and_then(|proxied| proxied.proxy_for(&url));
    Some(Webhook { url, key: key?, tells_content: raw.content, ca, proxy })
}

fn key(secret: &raw::Secret, path: &Path, vault: &Vault<'_>, report: &mut Report<'_>) -> Option<WebhookKey> {
    let secret = resolved(secret, path, vault, report)?;
    WebhookKey::parse(secret.expose()).map_err(|error| report.problem(path, error.to_string())).ok()
}

/// The operators who sign, each with a key of their own: a name that two share, or that whoever receives messages has, says nothing of
/// who it was.
fn signers(
    file: &raw::File,
    webhook: Option<&Webhook>,
    vault: &Vault<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<Name, WebhookKey> {
    let section = Path::of(&["approvals", "signed_answers"]);
    if file.approvals.signed_answers.len() > MAX_SIGNERS {
        report.problem(&section, format!("more than {MAX_SIGNERS} operators"));
    }
    let mut signers: BTreeMap<Name, WebhookKey> = BTreeMap::new();
    for (written, secret) in &file.approvals.signed_answers {
        let path = section.key(written);
        let Some(key) = key(secret, &path, vault, report) else { continue };
        match file.operators.get(written) {
            None => {
                report.key_problem(&path, format!("`{}` is no operator: declare it under `operators`", shown(written)));
                continue;
            }
            Some(raw::Role::Approver | raw::Role::Admin) => {}
            Some(_) => {
                let message = format!("the role of `{}` answers no approvals: expected `approver` or `admin`", shown(written));
                report.key_problem(&path, message);
                continue;
            }
        }
        if signers.values().any(|known| *known == key) || webhook.is_some_and(|webhook| webhook.key == key) {
            report.problem(&path, "this key stands twice: who has signed could not be told");
            continue;
        }
        if let Ok(name) = Name::new(written) {
            signers.insert(name, key);
        }
    }
    signers
}
