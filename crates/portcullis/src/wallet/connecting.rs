//! Connecting somebody to an upstream: an operator begins, the person allows it at the authorization server, the code comes back.
//!
//! ```text
//! operator: connect ─► ticket ─► browser: /oauth/connect/TICKET ─► authorization server ─► /oauth/callback ─► redeemed, recorded, kept
//! ```
//! The ticket is opened once: whoever opens it is sent on and gets a cookie, and only the browser with that cookie can come back with
//! the state that it was sent with, once. So nobody finishes with a code of his own what somebody else has begun, and a code that was
//! shown before, or with another state, is a path of nothing. The answer has to come from the issuer that was asked (RFC 9207).

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use engine::ports::{Head, WebPage};
use gateway::admin::Operator;
use gateway::outgoing::OauthClient;
use http::header::COOKIE;
use identity::{Form, Pkce, Secret};
use model::{Name, PrincipalId, ReasonCode, Refusal};
use serde_json::{Value, json};
use store::KeptCredential;

use crate::gate::{Gate, now, random};
use crate::wallet::{Held, Wallet};

/// How long a ticket, and then the way back, holds.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long it is told how it ended.
const REMEMBERED: Duration = Duration::from_secs(1800);
/// Most connections on their way.
const MAX_FLOWS: usize = 64;
/// Longest code.
const MAX_CODE: usize = 4096;

/// Connections on their way, and how the last ones ended.
pub(super) type Flows = Vec<Flow>;

/// One connection on its way.
pub(super) struct Flow {
    id: String,
    what: What,
    begun: Instant,
    phase: Phase,
}

/// What is to be connected.
#[derive(Clone)]
pub(super) struct What {
    pub(super) upstream: Name,
    pub(super) holder: PrincipalId,
    pub(super) place: String,
    pub(super) client: Arc<OauthClient>,
    pub(super) by: Operator,
    /// The gate's own address, as people reach it.
    pub(super) base: String,
}

type Hash = [u8; 32];

enum Phase {
    /// Nobody has opened the ticket yet.
    Waiting {
        ticket: Hash,
    },
    /// Somebody was sent on.
    Sent {
        state: Hash,
        cookie: Hash,
        verifier: Secret,
    },
    /// One of the steps runs now.
    Working,
    Done(Name),
    Failed(&'static str),
}

impl What {
    fn redirect_uri(&self) -> String {
        // One of its own for each: what one authorization server gives is never brought to another (RFC 9700, section 4.4).
        format!("{}/oauth/callback/{}", self.base.trim_end_matches('/'), self.upstream)
    }

    fn is_tls(&self) -> bool {
        self.base.starts_with("https://")
    }
}

fn hash(secret: &str) -> Hash {
    <Hash>::try_from(digest(&SHA256, secret.as_bytes()).as_ref()).unwrap_or_default()
}

/// 32 random bytes as a text that stands in an address.
fn fresh() -> Result<String, ReasonCode> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// The cookie of a connection: its own, so that two can be on their way in one browser.
fn cookie_name(id: &str, is_tls: bool) -> String {
    // The prefix binds it to this host; browsers take it with TLS alone.
    if is_tls { format!("__Host-portcullis-{id}") } else { format!("portcullis-{id}") }
}

fn cookie<'h>(head: &'h Head, name: &str) -> Option<&'h str> {
    let values = head.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    found.find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl Wallet {
    /// Begins; gives the address to open, which is a secret, and the name under which it is told how far that has come.
    pub(super) fn begin(&self, what: What) -> Result<Value, Refusal> {
        let (ticket, id) = (fresh()?, format!("cn_{}", hex::encode(random::<8>()?)));
        let address = format!("{}/oauth/connect/{ticket}", what.base.trim_end_matches('/'));
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|flow| flow.begun.elapsed() < REMEMBERED);
        if flows.iter().filter(|flow| flow.is_open()).count() >= MAX_FLOWS {
            return Err(Refusal::because(ReasonCode::Overloaded, "too many connections are on their way"));
        }
        // The last of one holder counts: an older ticket that somebody has lost opens nothing any more.
        for flow in flows.iter_mut().filter(|flow| flow.what.upstream == what.upstream && flow.what.holder == what.holder) {
            if flow.is_open() {
                flow.phase = Phase::Failed("another one was begun");
            }
        }
        if flows.len() >= 4 * MAX_FLOWS {
            flows.remove(0);
        }
        flows.push(Flow { id: id.clone(), what, begun: Instant::now(), phase: Phase::Waiting { ticket: hash(&ticket) } });
        Ok(json!({"id": id, "address": address, "seconds": LIFETIME.as_secs()}))
    }

    /// How far a connection has come.
    pub(super) fn look(&self, id: &str) -> Option<Value> {
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let flow = flows.iter().find(|flow| flow.id == id)?;
        let (state, more) = match &flow.phase {
            Phase::Done(credential) => ("connected", json!(credential)),
            Phase::Failed(why) => ("failed", json!(why)),
            _ if !flow.is_open() => ("failed", json!("nobody came back in time")),
            Phase::Waiting { .. } => ("waiting", Value::Null),
            Phase::Sent { .. } | Phase::Working => ("opened", Value::Null),
        };
        Some(json!({"id": id, "state": state, "detail": more, "upstream": flow.what.upstream, "holder": flow.what.holder}))
    }

    /// What a ticket is for that nobody has gone on with yet.
    fn waiting(&self, ticket: &Secret) -> Option<What> {
        let shown = hash(ticket.expose());
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |flow: &&Flow| flow.is_open() && matches!(flow.phase, Phase::Waiting { ticket } if ticket == shown);
        flows.iter().find(is_it).map(|flow| flow.what.clone())
    }

    /// Takes the step that fits, once: nobody else finds it again.
    fn take<T>(&self, fits: impl Fn(&What, &Phase) -> Option<T>) -> Option<(String, What, T)> {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.iter_mut().filter(|flow| flow.is_open()).find_map(|flow| {
            let with = fits(&flow.what, &flow.phase)?;
            flow.phase = Phase::Working;
            Some((flow.id.clone(), flow.what.clone(), with))
        })
    }

    fn set(&self, id: &str, phase: Phase) {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was given up meanwhile stays so.
        if let Some(flow) = flows.iter_mut().find(|flow| flow.id == id && matches!(flow.phase, Phase::Working)) {
            flow.phase = phase;
        }
    }

    /// Whether a step still runs for what it was begun for.
    fn is_working(&self, id: &str) -> bool {
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.iter().any(|flow| flow.id == id && matches!(flow.phase, Phase::Working))
    }
}

impl Flow {
    fn is_open(&self) -> bool {
        self.begun.elapsed() < LIFETIME && !matches!(self.phase, Phase::Done(_) | Phase::Failed(_))
    }
}

fn page(text: &'static str) -> WebPage {
    WebPage { text: text.into(), ..WebPage::default() }
}

/// The cookie of somebody who has seen what a connection is for. No other site's page sends it along, so nobody goes on unasked.
fn asked_name(is_tls: bool) -> &'static str {
    if is_tls { "__Host-portcullis-asked" } else { "portcullis-asked" }
}

impl Gate {
    /// The ticket was opened: what comes of it if the person goes on. Programs that look at addresses change nothing by that.
    pub(super) fn show_connecting(&self, ticket: &Secret) -> Option<WebPage> {
        let what = self.wallet.waiting(ticket)?;
        let (upstream, holder) = (&what.upstream, &what.holder);
        let text = format!(
            "`{holder}` will use `{upstream}` with the account that you are signed in to there, or sign in to next. \
             Go on only if you are `{holder}`, or mean to lend your account to everything that acts in this name."
        );
        let secure = if what.is_tls() { "; Secure" } else { "" };
        let name = asked_name(what.is_tls());
        let cookie = format!("{name}=1; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}", LIFETIME.as_secs());
        Some(WebPage { text: text.into(), cookie: Some(cookie), asks: true, ..WebPage::default() })
    }

    /// The person goes on: to the authorization server.
    pub(super) async fn begin_connecting(&self, ticket: &Secret, head: &Head) -> Option<WebPage> {
        let what = self.wallet.waiting(ticket)?;
        if cookie(head, asked_name(what.is_tls())) != Some("1") {
            return Some(page("Not connected. Open the address itself, with cookies, and press the button there."));
        }
        let shown = hash(ticket.expose());
        let is_it = |_: &What, phase: &Phase| matches!(phase, Phase::Waiting { ticket } if *ticket == shown).then_some(());
        let (id, what, ()) = self.wallet.take(is_it)?;
        let sent = self.send_on(&id, &what).await;
        if sent.is_none() {
            self.wallet.set(&id, Phase::Failed("the authorization server cannot be asked where its users are sent"));
        }
        Some(sent.unwrap_or_else(|| page("The authorization server cannot be reached now. Ask for another address.")))
    }

    async fn send_on(&self, id: &str, what: &What) -> Option<WebPage> {
        let (state, cookie) = (fresh().ok()?, fresh().ok()?);
        let pkce = Pkce::new(&random::<32>().ok()?);
        let address = what.client.authorization_address(&what.redirect_uri(), &state, &pkce).await;
        let told =
            |error: &gateway::outgoing::ClientError| tracing::warn!(upstream = %what.upstream, %error, "nobody can be sent on");
        let location = address.inspect_err(told).ok()?;
        let (hashed, known_by) = (hash(&state), hash(&cookie));
        self.wallet.set(id, Phase::Sent { state: hashed, cookie: known_by, verifier: pkce.verifier });
        let secure = if what.is_tls() { "; Secure" } else { "" };
        let name = cookie_name(id, what.is_tls());
        let cookie = format!("{name}={cookie}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", LIFETIME.as_secs());
        Some(WebPage { location: Some(location), cookie: Some(cookie), ..page("You are sent on.") })
    }

    /// Somebody has come back from an authorization server.
    pub(super) async fn come_back(&self, upstream: &Name, head: &Head) -> Option<WebPage> {
        let query = Form::parse(head.query.as_deref().unwrap_or_default().as_bytes()).ok()?;
        let shown = hash(query.get("state")?);
        let is_it = |what: &What, phase: &Phase| match phase {
            Phase::Sent { state, cookie, verifier } if *state == shown && what.upstream == *upstream => {
                Some((*cookie, verifier.clone()))
            }
            _ => None,
        };
        // Whatever comes of it, this state is used.
        let (id, what, (known_by, verifier)) = self.wallet.take(is_it)?;
        let is_same = cookie(head, &cookie_name(&id, what.is_tls())).is_some_and(|cookie| hash(cookie) == known_by);
        let ended = if is_same {
            self.redeem(&id, &what, &query, &verifier).await
        } else {
            Err("somebody came back in another browser than was sent on")
        };
        let text = match &ended {
            Ok(_) => "Connected. You can close this page.",
            Err(_) => "Not connected. Ask for another address, and open it in the browser in which you are signed in.",
        };
        if let Err(why) = &ended {
            tracing::warn!(upstream = %what.upstream, holder = %what.holder, why, "a connection to an upstream did not come about");
        }
        self.wallet.set(&id, ended.map_or_else(Phase::Failed, Phase::Done));
        Some(page(text))
    }

    /// Redeems the code, and keeps what comes of it under the name that it was begun for.
    async fn redeem(&self, id: &str, what: &What, query: &Form, verifier: &Secret) -> Result<Name, &'static str> {
        let metadata = what.client.metadata().await.map_err(|_| "the authorization server cannot be reached")?;
        //= https://www.rfc-editor.org/rfc/rfc9207#section-2.4
        //# If the value does not match the expected issuer identifier, clients MUST reject the authorization response
        let is_theirs = match query.get("iss") {
            Some(issuer) => issuer == what.client.issuer(),
            None => !metadata.tells_issuer,
        };
        if !is_theirs {
            return Err("the answer is not of the authorization server that was asked");
        }
        if query.get("error").is_some() {
            return Err("the authorization server, or the person there, said no");
        }
        let is_code = |code: &&str| code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_graphic());
        let code = query.get("code").filter(is_code).ok_or("no code came back")?;
        let redeemed = what.client.redeem(code, verifier, &what.redirect_uri()).await;
        let told =
            |error: &gateway::outgoing::ClientError| tracing::warn!(upstream = %what.upstream, %error, "a code is not redeemed");
        let tokens = redeemed.inspect_err(told).map_err(|_| "the authorization server does not redeem the code")?;
        if !self.wallet.is_working(id) {
            return Err("another one was begun");
        }
        let told = KeptCredential {
            id: KeptCredential::new_id().map_err(|_| "no randomness")?,
            upstream: what.upstream.clone(),
            holder: what.holder.clone(),
            kind: "oauth".to_owned(),
            place: what.place.clone(),
            made: now(),
            changed: now(),
        };
        let secret = Held::of(&tokens, None).written().map_err(|_| "it cannot be kept")?;
        self.keep_credential(&what.by, told.clone(), secret).await.map_err(|_| "it cannot be recorded or kept")?;
        Ok(told.id)
    }
}

#[cfg(test)]
mod tests {
    use engine::ports::Head;
    use http::header::COOKIE;
    use http::{HeaderMap, HeaderValue};

    use super::{cookie, cookie_name};

    #[test]
    fn a_cookie_is_found_by_its_own_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; portcullis-cn_1=x; portcullis-cn_10=y"));
        headers.append(COOKIE, HeaderValue::from_static("portcullis-cn_2=z"));
        let head = Head { peer: String::new(), is_proxy: false, certificate: None, headers, query: None, trace: None };
        let facts = [("cn_1", Some("x")), ("cn_10", Some("y")), ("cn_2", Some("z")), ("cn_3", None)];
        for (id, expected) in facts {
            assert_eq!(cookie(&head, &cookie_name(id, false)), expected, "{id}");
            assert_eq!(cookie(&head, &cookie_name(id, true)), None, "{id}");
        }
    }
}
