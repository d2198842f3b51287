//! Stage 1, admit: who is it, and is anything of it locked?
//!
//! It stands before the body is read: a party that is not known costs the gate one hash or one signature, and no memory.

use std::sync::Arc;
use std::time::Duration;

use identity::token::{self, At, Bearer, IssuerRules, KeySet, Scopes, TokenError, Unverified};
use identity::{Plane, Shown};
use model::{Chain, Credential, CredentialId, Holder, Mandate, Name, ReasonCode, Refusal, RequestId, UnixMillis};

use crate::guard::Guard;
use crate::ports::{Head, World};
use crate::verified::{Basis, Kept};

/// Proof: a credential was presented, is known, valid now, for the data plane, and nothing of it was locked.
///
/// ```compile_fail
/// fn forge(credential: std::sync::Arc<model::Credential>, request: model::RequestId) -> engine::Identified {
///     engine::Identified { credential, request }
/// }
/// ```
/// The twin that differs only in the forbidden expression:
/// ```
/// fn forge(identified: engine::Identified, request: model::RequestId) -> engine::Identified {
///     identified
/// }
/// ```
#[derive(Debug)]
#[must_use = "an identity that is dropped was checked for nothing"]
pub struct Identified {
    request: RequestId,
    at: UnixMillis,
    credential: Arc<Credential>,
    chain: Chain,
    mandate: Mandate,
    scopes: Option<Scopes>,
}

impl Identified {
    /// The interaction's id.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// When it arrived.
    #[must_use]
    pub const fn at(&self) -> UnixMillis {
        self.at
    }

    /// The credential.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// On whose behalf who acts.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What a token says beside the chain; nothing where a key was presented.
    #[must_use]
    pub const fn mandate(&self) -> &Mandate {
        &self.mandate
    }

    /// The scopes that an issuer has granted; none where no issuer had a say.
    #[must_use]
    pub const fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// The same party, on behalf of whom it asks for a token: the chain that the token will have.
    pub(crate) fn on_behalf(mut self, chain: Chain, mandate: Mandate) -> Self {
        self.chain = chain;
        self.mandate = mandate;
        self
    }
}

/// Verifies the presented credential and looks at the locks. `place`: where it is shown, for a token that is not for all of the gate.
pub(crate) async fn admit<W: World>(
    world: &W,
    head: &Head,
    place: At<'_>,
    request: RequestId,
    at: UnixMillis,
) -> Result<(Identified, Guard), Refusal> {
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    match identity::shown_in_request(headers, head.query.as_deref())? {
        Shown::Key(key) => admit_key(world, key, request, at).map_err(Refusal::new),
        Shown::Token(token) => {
            let Bearer { credential, parents, mandate, issuer, scopes, .. } = verified(world, token, place, at).await?;
            // As long as the token would be taken: until its issuer's clock, which may be late, says that it has ended.
            let skew = issuer.and_then(|name| world.issuer_named(&name)).map_or(0, |rules| rules.skew);
            let seen = Seen { request, at, credential: Arc::new(credential), skew, parents, mandate, scopes };
            looked_at(world, seen).map_err(Refusal::new)
        }
    }
}

/// A credential that was verified; nobody has looked at the locks yet.
struct Seen {
    request: RequestId,
    at: UnixMillis,
    credential: Arc<Credential>,
    /// Seconds that it is taken for longer than it says.
    skew: u64,
    parents: Vec<CredentialId>,
    mandate: Mandate,
    scopes: Option<Scopes>,
}

/// Verifies a key.
pub(crate) fn admit_key<W: World>(
    world: &W,
    presented: &[u8],
    request: RequestId,
    at: UnixMillis,
) -> Result<(Identified, Guard), ReasonCode> {
    let presented = identity::parse(presented).map_err(|error| error.reason())?;
    let credential = world.credential(&presented.hash);
    identity::verify(&presented, credential.as_deref(), at, Plane::Data)?;
    let credential = credential.ok_or(ReasonCode::CredentialUnknown)?;
    looked_at(world, Seen { request, at, credential, skew: 0, parents: Vec::new(), mandate: Mandate::default(), scopes: None })
}

/// Looks at the locks: on the credential, on everybody in its chain, and on what it descends from.
fn looked_at<W: World>(world: &W, seen: Seen) -> Result<(Identified, Guard), ReasonCode> {
    let Seen { request, at, credential, skew, parents, mandate, scopes } = seen;
    let Holder::Data { chain } = &credential.holder else { return Err(ReasonCode::CredentialWrongPlane) };
    let chain = chain.clone();
    let task = mandate.task.as_ref().map(|task| task.id.clone());
    let ends = end(world, &credential, &parents, skew);
    let mut guard = Guard::new(credential.id.clone(), chain.clone()).descending(parents, task).until(ends);
    guard.check(world)?;
    Ok((Identified { request, at, credential, chain, mandate, scopes }, guard))
}

/// When a credential ends, or the first key that it descends from: on the clock that never goes back.
fn end<W: World>(world: &W, credential: &Credential, parents: &[CredentialId], skew: u64) -> Option<Duration> {
    let keys = parents.iter().filter_map(|parent| world.credential_by_id(parent)?.expires);
    let own = credential.expires.map(|expires| expires.plus_seconds(skew));
    let left = Duration::from_millis(own.into_iter().chain(keys).min()?.since(world.now()));
    Some(world.monotonic().saturating_add(left))
}

/// Verifies a token, shown at `place`: of the gate itself, or of an issuer that operators trust. What it descends from is looked at
/// as well.
pub(crate) async fn verified<W: World>(world: &W, token: &str, place: At<'_>, at: UnixMillis) -> Result<Bearer, Refusal> {
    let digest = token::digest_of(token);
    if let Some(kept) = world.verified().find(&digest).filter(|kept| kept.holds_at(at) && stands_on(world, kept, at)) {
        // It was accepted once, perhaps somewhere else.
        kept.bearer.audience.check(place).map_err(told)?;
        return stands(world, kept.bearer.clone(), &kept.basis, at);
    }
    let token = Unverified::parse(token).map_err(told)?;
    let (bearer, basis) = match world.issuing().filter(|issuing| issuing.gate.url == token.issuer()) {
        Some(issuing) => {
            let bearer = token::verify_task_at(&token, &issuing.gate, &issuing.keys, place, at).map_err(told)?;
            (bearer, Basis::Gate(issuing))
        }
        None => of_issuer(world, &token, place, at).await?,
    };
    world.verified().keep(digest, &bearer, basis.clone(), at);
    stands(world, bearer, &basis, at)
}

/// What is looked at in every call, whether or not the signature was.
fn stands<W: World>(world: &W, bearer: Bearer, basis: &Basis, at: UnixMillis) -> Result<Bearer, Refusal> {
    match basis {
        Basis::Gate(_) => still_stands(world, bearer, at),
        Basis::Issuer(..) => Ok(bearer),
    }
}

/// Whether what a kept token was verified by is what it would be verified by now.
fn stands_on<W: World>(world: &W, kept: &Kept, at: UnixMillis) -> bool {
    let basis = match &kept.basis {
        Basis::Gate(_) => world.issuing().map(Basis::Gate),
        Basis::Issuer(rules, _) => trusted(world, &rules.url, at).ok().map(|(rules, keys)| Basis::Issuer(rules, keys)),
    };
    basis.is_some_and(|basis| basis.is(&kept.basis))
}

async fn of_issuer<W: World>(world: &W, token: &Unverified, place: At<'_>, at: UnixMillis) -> Result<(Bearer, Basis), Refusal> {
    match by_issuer(world, token, place, at) {
        // The issuer may have a new key since its keys were fetched; asked once.
        Err(TokenError::KeyUnknown | TokenError::KeysStale) => {
            world.renew(token.issuer()).await;
            by_issuer(world, token, place, at).map_err(told)
        }
        verified => verified.map_err(told),
    }
}

fn by_issuer<W: World>(world: &W, token: &Unverified, place: At<'_>, at: UnixMillis) -> Result<(Bearer, Basis), TokenError> {
    let (rules, keys) = trusted(world, token.issuer(), at)?;
    let bearer = token::verify_access_at(token, &rules, &keys, place, at)?;
    Ok((bearer, Basis::Issuer(rules, keys)))
}

/// The rules and keys of an issuer, if they are not too old.
fn trusted<W: World>(world: &W, url: &str, at: UnixMillis) -> Result<(Arc<IssuerRules>, Arc<KeySet>), TokenError> {
    let trusted = world.issuer(url).ok_or(TokenError::IssuerUnknown)?;
    let (keys, fetched) = trusted.keys.ok_or(TokenError::KeysStale)?;
    // Nobody has said for so long that these are still the keys that a revoked one could be among them.
    if at.since(fetched) / 1000 > trusted.max_age {
        return Err(TokenError::KeysStale);
    }
    Ok((trusted.rules, keys))
}

/// A task token holds no longer than what it came from: the keys of its agents, the trust in the issuer of its subject and in
/// what that says of groups. Locks are looked at later, and again.
pub(crate) fn still_stands<W: World>(world: &W, bearer: Bearer, at: UnixMillis) -> Result<Bearer, Refusal> {
    for parent in bearer.parents.iter().filter(|parent| parent.as_str().starts_with(Plane::Data.prefix())) {
        let key = world.credential_by_id(parent).ok_or(ReasonCode::CredentialUnknown)?;
        if key.is_expired(at) {
            return Err(Refusal::because(ReasonCode::CredentialExpired, "the key of an agent of the chain has expired"));
        }
    }
    if let Some(federated) = &bearer.mandate.federated {
        let issuer = federated.principal.name.as_str().split(':').next().and_then(|name| Name::new(name).ok());
        let rules = issuer.and_then(|name| world.issuer_named(&name));
        // One group less may be one that a policy forbids something to; so it is not left out, the token is refused.
        let is_mapped = |rules: &IssuerRules| {
            let mapped = |group: &Name| rules.groups.as_ref().is_some_and(|rule| rule.map.values().any(|known| known == group));
            federated.groups.iter().all(mapped)
        };
        let is_vouched_for = rules.is_some_and(|rules| is_mapped(&rules));
        if !is_vouched_for {
            let what = "the issuer of the subject, or one of its groups, is no longer configured: exchange the token again";
            return Err(Refusal::because(ReasonCode::CredentialUnknown, what));
        }
    }
    Ok(bearer)
}

fn told(error: TokenError) -> Refusal {
    Refusal::because(error.reason(), error.to_string())
}
