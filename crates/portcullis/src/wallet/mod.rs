//! Credentials for upstreams that are a user's or an agent's own: whose a call gets, and renewing those that end.
//!
//! Whose it is, is a matter of the chain alone: the user at its head, or the agent that holds the connection. It goes to the place that it
//! was given for and to no other: an upstream that operators have moved, or given another authorization server, is connected anew.
//! A renewal runs to its end even if the call that wanted it is over, for the server may have changed what renews it next time; one at
//! a time for each credential, and what it led to is on the disk before it is used.

mod connecting;
mod exchanging;
mod orders;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use config::{LendingSource, OauthSettings, Per, Settings};
use engine::ports::{Head, Lending, Lent, Step, WebPage};
use gateway::outgoing::{ClientConfig, OauthClient, Tokens};
use identity::Secret;
use model::{Chain, Name, PrincipalId, PrincipalKind, ReasonCode, Refusal, UnixMillis};
use serde::{Deserialize, Serialize};
use store::{KeptCredential, Secrets, StoreError};
use tokio::runtime::Handle;
use zeroize::{Zeroize, Zeroizing};

use crate::bring;
use crate::gate::{Gate, now};
use connecting::Flows;
use exchanging::Exchanged;

/// A token is renewed so many seconds before it ends.
const EARLY: u64 = 30;
/// After a failure nobody asks the server again so soon.
const PAUSE: Duration = Duration::from_secs(5);
/// Most clients of authorization servers, and most renewals that are remembered, before those that nobody uses are forgotten.
const MAX_CLIENTS: usize = 256;
const MAX_TURNS: usize = 4096;

/// Credentials that are lent, and those on their way.
pub(crate) struct Wallet {
    secrets: Arc<Secrets>,
    /// Lives as long as the gate.
    runtime: Handle,
    clients: Mutex<HashMap<String, Arc<OauthClient>>>,
    turns: Mutex<HashMap<String, Turn>>,
    exchanged: Mutex<HashMap<[u8; 32], Exchanged>>,
    flows: Mutex<Flows>,
}

/// Whose turn it is to renew a credential, and how the last attempt failed.
type Turn = Arc<tokio::sync::Mutex<Option<(Instant, Refusal)>>>;

impl fmt::Debug for Wallet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wallet").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

/// Tokens as they are kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    access: String,
    /// When it ends; nobody has said, if absent.
    expires: Option<UnixMillis>,
    refresh: Option<String>,
    /// The server has refused to renew it.
    ended: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.access.zeroize();
        self.refresh.zeroize();
    }
}

impl Held {
    /// As a server has answered; `before` renews it where the answer does not say what does.
    fn of(tokens: &Tokens, before: Option<&Secret>) -> Self {
        let refresh = tokens.refresh.as_ref().or(before).map(|token| token.expose().to_owned());
        let expires = tokens.expires_in.map(|seconds| now().plus_seconds(seconds));
        Self { access: tokens.access.expose().to_owned(), expires, refresh, ended: false }
    }

    fn is_fresh(&self, at: UnixMillis) -> bool {
        !self.ended && self.expires.is_none_or(|expires| at.plus_seconds(EARLY) < expires)
    }

    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(bytes).map_err(|_| Refusal::because(ReasonCode::ConnectionEnded, "what is kept cannot be read"))
    }

    fn written(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        serde_json::to_vec(self).map(Zeroizing::new).map_err(|_| ReasonCode::Internal.into())
    }
}

/// Whether the clients of a configuration can be made.
pub(crate) fn check(lending: &config::Lending, settings: &Settings) -> Result<(), String> {
    match &lending.source {
        LendingSource::Static => Ok(()),
        LendingSource::Oauth(oauth) => client(oauth, settings).map(drop).map_err(|problem| format!("oauth.{problem}")),
        LendingSource::Exchange(oauth) => client(oauth, settings).map(drop).map_err(|problem| format!("exchange.{problem}")),
    }
}

fn client(oauth: &OauthSettings, settings: &Settings) -> Result<OauthClient, String> {
    let proxy = oauth.proxy.as_deref().map(bring::proxy).transpose().map_err(|problem| format!("proxy.{problem}"))?;
    let config = ClientConfig {
        issuer: oauth.issuer.clone(),
        authorization_endpoint: oauth.authorization_endpoint.clone(),
        token_endpoint: oauth.token_endpoint.clone(),
        client_id: oauth.client_id.clone(),
        client_secret: oauth.client_secret.clone(),
        secret_in_form: oauth.secret_in_form,
        scopes: oauth.scopes.clone(),
        resource: Some(oauth.resource.clone()),
        audience: oauth.audience.clone(),
        ca: oauth.ca.clone(),
        proxy,
        networks: settings.private_networks.clone(),
    };
    OauthClient::new(config).map_err(|problem| problem.to_string())
}

/// What a credential was given for, as a digest: kind and address of the upstream, and who hands it out.
fn place(upstream: &config::Upstream, lending: &config::Lending) -> String {
    let mut text = format!("portcullis place v1\n{}\n", upstream.base_url);
    match &lending.source {
        LendingSource::Static => text.push_str("static"),
        LendingSource::Oauth(oauth) | LendingSource::Exchange(oauth) => {
            let OauthSettings { issuer, client_id, resource, .. } = &**oauth;
            let token_endpoint = oauth.token_endpoint.as_deref().unwrap_or("-");
            // What was given for other scopes is another credential, wider or narrower.
            let (scopes, audience) = (oauth.scopes.join(" "), oauth.audience.as_deref().unwrap_or("-"));
            text.push_str(&format!("oauth\n{issuer}\n{token_endpoint}\n{client_id}\n{resource}\n{scopes}\n{audience}"));
        }
    }
    hex::encode(digest(&SHA256, text.as_bytes()))
}

/// Whose credential a call of `chain` gets.
fn holder<'c>(upstream: &Name, per: Per, chain: &'c Chain) -> Result<&'c PrincipalId, Refusal> {
    let found = match per {
        Per::User => chain.user(),
        Per::Agent => chain.actor().filter(|actor| actor.kind == PrincipalKind::Agent),
    };
    let whose = if per == Per::User { "user" } else { "agent" };
    let none = || format!("`{upstream}` wants a credential of each {whose}, and this call is made for none");
    found.ok_or_else(|| Refusal::because(ReasonCode::ConnectionMissing, none()))
}

fn missing(upstream: &Name, holder: &PrincipalId, command: &str) -> Refusal {
    let what = format!("{holder} at `{upstream}`; an operator can: portcullis credential {command} {upstream} --for {holder}");
    Refusal::because(ReasonCode::ConnectionMissing, what)
}

fn ended(upstream: &Name, holder: &PrincipalId, command: &str) -> Refusal {
    let what = format!("{holder} at `{upstream}`; an operator can: portcullis credential {command} {upstream} --for {holder}");
    Refusal::because(ReasonCode::ConnectionEnded, what)
}

fn unreadable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "a credential for an upstream cannot be read or kept");
    Refusal::because(ReasonCode::Internal, "a credential cannot be read or kept")
}

impl Wallet {
    pub(crate) fn new(secrets: Arc<Secrets>, runtime: Handle) -> Self {
        Self {
            secrets,
            runtime,
            clients: Mutex::default(),
            turns: Mutex::default(),
            exchanged: Mutex::default(),
            flows: Mutex::default(),
        }
    }

    /// The client of an authorization server, made once for a place.
    fn client(&self, place: &str, oauth: &OauthSettings, settings: &Settings) -> Result<Arc<OauthClient>, Refusal> {
        // What else may have changed about it is part of the key: a secret is not, so it is compared by what it is.
        let mut text =
            Zeroizing::new(format!("{place}\n{:?}\n{:?}\n{:?}\n", oauth.scopes, oauth.audience, settings.private_networks));
        text.push_str(oauth.authorization_endpoint.as_deref().unwrap_or_default());
        text.push_str(oauth.client_secret.as_ref().map_or("", Secret::expose));
        text.push_str(&format!("{:?}{:?}{}", oauth.ca, oauth.proxy, oauth.secret_in_form));
        let key = hex::encode(digest(&SHA256, text.as_bytes()));
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(Arc::clone(client));
        }
        let made = client(oauth, settings).map_err(|problem| Refusal::because(ReasonCode::Internal, problem))?;
        let made = Arc::new(made);
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn turn(&self, key: &str) -> Turn {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MAX_TURNS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(key.to_owned()).or_default())
    }

    /// What is kept, if it is for this place.
    fn kept(
        &self,
        upstream: &Name,
        holder: &PrincipalId,
        (place, command): (&str, &str),
    ) -> Result<(KeptCredential, Zeroizing<Vec<u8>>), Refusal> {
        let found = self.secrets.find(upstream, holder).map_err(|error| unreadable(&error))?;
        let (told, secret) = found.ok_or_else(|| missing(upstream, holder, command))?;
        if told.place == place { Ok((told, secret)) } else { Err(ended(upstream, holder, command)) }
    }

    /// Tokens that hold for a while, renewed if need be.
    async fn tokens(self: Arc<Self>, client: Arc<OauthClient>, asked: Asked) -> Result<(Name, Secret), Refusal> {
        let Asked { upstream, holder, place } = &asked;
        let turn = self.turn(&format!("{upstream} {holder}"));
        let mut failed = turn.lock().await;
        // Whoever had the turn before may have renewed it.
        let (told, bytes) = self.kept(upstream, holder, (place, "connect"))?;
        let held = Held::read(&bytes)?;
        if held.is_fresh(now()) {
            return Ok((told.id, Secret::new(held.access.clone())));
        }
        if let Some((_, refusal)) = failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            return Err(refusal.clone());
        }
        let Some(refresh) = held.refresh.clone().filter(|_| !held.ended).map(Secret::new) else {
            return Err(ended(upstream, holder, "connect"));
        };
        let next = match client.refresh(&refresh).await {
            Ok(tokens) => Held::of(&tokens, Some(&refresh)),
            Err(error) if error.is_final() => Held { access: String::new(), expires: None, refresh: None, ended: true },
            Err(error) => {
                tracing::warn!(%upstream, %error, "a credential cannot be renewed now");
                let refusal = Refusal::because(ReasonCode::UpstreamUnavailable, "the credential for it cannot be renewed now");
                *failed = Some((Instant::now(), refusal.clone()));
                return Err(refusal);
            }
        };
        *failed = None;
        let (secrets, written, renewed) = (Arc::clone(&self.secrets), next.written()?, told.clone());
        let writing = tokio::task::spawn_blocking(move || secrets.renew(&renewed, &written, now())).await;
        match writing.map_err(|_| Refusal::new(ReasonCode::Internal))?.map_err(|error| unreadable(&error))? {
            // An operator has taken it away meanwhile.
            false => Err(missing(upstream, holder, "connect")),
            true if next.ended => Err(ended(upstream, holder, "connect")),
            true => Ok((told.id, Secret::new(next.access.clone()))),
        }
    }
}

/// Whose tokens are wanted, and for where.
#[derive(Debug, Clone)]
struct Asked {
    upstream: Name,
    holder: PrincipalId,
    place: String,
}

impl Lending for Gate {
    async fn lend(&self, upstream: &Name, chain: &Chain, token: Option<&Secret>) -> Result<Option<Lent>, Refusal> {
        let in_force = self.in_force.load_full();
        let settings = &in_force.config.settings;
        let Some(declared) = settings.upstreams.get(upstream) else { return Ok(None) };
        let Some(lending) = &declared.lending else { return Ok(None) };
        let holder = holder(upstream, lending.per, chain)?.clone();
        let place = place(declared, lending);
        let wallet = &self.wallet;
        let (kind, id, secret) = match &lending.source {
            LendingSource::Static => {
                let (told, bytes) = wallet.kept(upstream, &holder, (&place, "set"))?;
                let text = String::from_utf8(bytes.to_vec()).map_err(|_| ended(upstream, &holder, "set"))?;
                ("static", told.id, Secret::new(text))
            }
            LendingSource::Oauth(oauth) => {
                let client = wallet.client(&place, oauth, settings)?;
                let (told, bytes) = wallet.kept(upstream, &holder, (&place, "connect"))?;
                let held = Held::read(&bytes)?;
                let (id, secret) = if held.is_fresh(now()) {
                    (told.id, Secret::new(held.access.clone()))
                } else {
                    let asked = Asked { upstream: upstream.clone(), holder: holder.clone(), place };
                    let renewing = wallet.runtime.spawn(Arc::clone(wallet).tokens(client, asked));
                    renewing.await.map_err(|_| Refusal::new(ReasonCode::Internal))??
                };
                ("oauth", id, secret)
            }
            LendingSource::Exchange(oauth) => {
                let client = wallet.client(&place, oauth, settings)?;
                let without = || "the caller has shown no token of an issuer of its own that could be exchanged";
                let subject = token.ok_or_else(|| Refusal::because(ReasonCode::ConnectionMissing, without()))?;
                let exchanging = wallet.runtime.spawn(Arc::clone(wallet).exchanged(client, place, subject.clone()));
                let (id, secret) = exchanging.await.map_err(|_| Refusal::new(ReasonCode::Internal))??;
                ("exchange", id, secret)
            }
        };
        Ok(Some(Lent { id, kind, holder, place: declared.base_url.to_string().into(), secret }))
    }

    async fn connect(&self, step: Step, head: &Head) -> Option<WebPage> {
        match step {
            Step::Show(ticket) => self.show_connecting(&ticket),
            Step::Begin(ticket) => self.begin_connecting(&ticket, head).await,
            Step::Return(upstream) => self.come_back(&upstream, head).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use config::Per;
    use model::{Chain, Name, ReasonCode, UnixMillis};

    use super::{Held, holder};

    fn chain(links: &[&str]) -> Chain {
        Chain::new(links.iter().map(|link| link.parse().unwrap()).collect()).unwrap()
    }

    #[test]
    fn whose_credential_a_call_gets() {
        let facts: [(&[&str], Option<&str>, Option<&str>); 6] = [
            (&["user:a"], Some("user:a"), None),
            (&["user:a", "agent:b"], Some("user:a"), Some("agent:b")),
            (&["user:a", "agent:b", "agent:c"], Some("user:a"), Some("agent:c")),
            (&["agent:b"], None, Some("agent:b")),
            (&["service:s", "agent:b"], None, Some("agent:b")),
            (&["service:s"], None, None),
        ];
        let kb = Name::new("kb").unwrap();
        for (links, user, agent) in facts {
            let chain = chain(links);
            for (per, expected) in [(Per::User, user), (Per::Agent, agent)] {
                let found = holder(&kb, per, &chain);
                assert_eq!(found.as_ref().ok().map(ToString::to_string).as_deref(), expected, "{links:?} {per:?}");
                assert!(found.is_ok() || found.is_err_and(|refusal| refusal.code == ReasonCode::ConnectionMissing));
            }
        }
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let held = |expires, ended| Held { access: "x".to_owned(), expires, refresh: None, ended };
        let now = UnixMillis(1_000_000);
        let facts = [
            (None, false, true),
            (Some(31), false, true),
            (Some(30), false, false),
            (Some(0), false, false),
            (None, true, false),
        ];
        for (seconds, ended, expected) in facts {
            assert_eq!(held(seconds.map(|seconds| now.plus_seconds(seconds)), ended).is_fresh(now), expected, "{seconds:?}");
        }
    }
}
