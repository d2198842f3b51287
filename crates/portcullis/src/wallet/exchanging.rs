//! Tokens for upstreams that are given for the caller's own token (RFC 8693): kept in memory, for this very token and upstream, until
//! shortly before they end. The caller's token goes to the authorization server and to nobody else.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use gateway::outgoing::OauthClient;
use identity::Secret;
use model::{Name, ReasonCode, Refusal};

use crate::gate::random;
use crate::wallet::{EARLY, PAUSE, Wallet};

/// How long a token holds of which nobody has said how long.
const UNTOLD: u64 = 90;
/// Longest time that one is kept, and most of them.
const LONGEST: u64 = 3600;
const MAX_EXCHANGED: usize = 4096;

/// A token that was given for another.
pub(super) struct Exchanged {
    id: Name,
    secret: Secret,
    until: Instant,
}

impl Wallet {
    /// The token for an upstream that is given for `subject`.
    pub(super) async fn exchanged(
        self: Arc<Self>,
        client: Arc<OauthClient>,
        place: String,
        subject: Secret,
    ) -> Result<(Name, Secret), Refusal> {
        let key = key(&place, &subject);
        if let Some(found) = self.remembered(&key) {
            return Ok(found);
        }
        let turn = self.turn(&hex::encode(key));
        let mut failed = turn.lock().await;
        if let Some(found) = self.remembered(&key) {
            return Ok(found);
        }
        if let Some((_, refusal)) = failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            return Err(refusal.clone());
        }
        let tokens = match client.exchange(&subject).await {
            Ok(tokens) => tokens,
            Err(error) => {
                tracing::warn!(%error, "a token cannot be exchanged for an upstream");
                let what = "the authorization server of the upstream does not exchange the caller's token";
                let code = if error.is_final() { ReasonCode::ConnectionEnded } else { ReasonCode::UpstreamUnavailable };
                let refusal = Refusal::because(code, what);
                *failed = Some((Instant::now(), refusal.clone()));
                return Err(refusal);
            }
        };
        *failed = None;
        // Whoever gives back what it was shown has exchanged nothing: the caller's token would reach the upstream.
        if tokens.access.expose() == subject.expose() {
            return Err(Refusal::because(
                ReasonCode::ConnectionEnded,
                "the authorization server gave the caller's own token back",
            ));
        }
        let id = Name::new(&format!("ux_{}", hex::encode(random::<8>()?))).map_err(|_| ReasonCode::Internal)?;
        let holds = tokens.expires_in.unwrap_or(UNTOLD).min(LONGEST).saturating_sub(EARLY);
        let kept =
            Exchanged { id: id.clone(), secret: tokens.access.clone(), until: Instant::now() + Duration::from_secs(holds) };
        let mut exchanged = self.exchanged.lock().unwrap_or_else(PoisonError::into_inner);
        if exchanged.len() >= MAX_EXCHANGED {
            exchanged.retain(|_, kept| kept.until > Instant::now());
        }
        if exchanged.len() < MAX_EXCHANGED {
            exchanged.insert(key, kept);
        }
        drop(exchanged);
        Ok((id, tokens.access))
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<(Name, Secret)> {
        let exchanged = self.exchanged.lock().unwrap_or_else(PoisonError::into_inner);
        let found = exchanged.get(key).filter(|kept| kept.until > Instant::now())?;
        Some((found.id.clone(), found.secret.clone()))
    }
}

/// The very token, and the upstream.
fn key(place: &str, subject: &Secret) -> [u8; 32] {
    let mut text = zeroize::Zeroizing::new(format!("{place}\n"));
    text.push_str(subject.expose());
    <[u8; 32]>::try_from(digest(&SHA256, text.as_bytes()).as_ref()).unwrap_or_default()
}
