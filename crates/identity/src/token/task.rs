//! Task tokens: the gate's own, with the chain of actors, the task, and what it was granted.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Chain, Credential, CredentialId, Federated, Holder, Mandate, Name, PrincipalId, Task, UnixMillis};
use serde_json::{Map, Value, json};

use super::access::{Bearer, Scopes, Times, text};
use super::details::{details, read};
use super::jws::{Unverified, short};
use super::keys::KeySet;
use super::signer::{SignError, Signer};
use super::{Algorithm, At, Audience, TokenError};
use crate::Secret;

/// Most credentials that a token may descend from.
pub(super) const MAX_PARENTS: usize = 32;
/// The claim that holds what only the gate reads.
const OWN: &str = "portcullis";

/// The gate as an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its `iss`, and the `aud` of those of its tokens that are for no resource alone.
    pub url: String,
    /// Longest life of a token, in seconds.
    pub lifetime: u64,
}

/// What a task token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskToken {
    /// Its own id.
    pub id: CredentialId,
    /// Subject first, the holder last; two links at least.
    pub chain: Chain,
    /// The task.
    pub task: Task,
    /// The subject, where an issuer vouched for it.
    pub federated: Option<Federated>,
    /// For whom it is.
    pub audience: Audience,
    /// The scopes that the subject's issuer has granted, where it had a say.
    pub scopes: Option<Scopes>,
    /// Every credential that it descends from.
    pub parents: Vec<CredentialId>,
    /// When it was made.
    pub issued: UnixMillis,
    /// When it ends.
    pub expires: UnixMillis,
}

impl TaskToken {
    /// The claims of the token, without the signature no more than a record.
    #[must_use]
    pub fn claims(&self, gate: &Gate) -> Value {
        let links = self.chain.links();
        let act = links.iter().skip(1).fold(Value::Null, |inner, link| match inner {
            Value::Null => json!({"sub": link}),
            inner => json!({"sub": link, "act": inner}),
        });
        let mut claims = json!({
            "iss": gate.url, "aud": self.audience.claim(&gate.url), "sub": self.chain.subject(), "client_id": self.chain.actor(), "act": act,
            "jti": self.id, "iat": self.issued.seconds(), "exp": self.expires.seconds(),
            "task": self.task.id, "authorization_details": details(&self.task.grant),
            OWN: {"parents": self.parents, "groups": self.federated.as_ref().map(|federated| &federated.groups)},
        });
        if let (Some(purpose), Some(members)) = (&self.task.purpose, claims.as_object_mut()) {
            members.insert("purpose".to_owned(), json!(purpose));
        }
        if let Some(own) = claims.get_mut(OWN).and_then(Value::as_object_mut) {
            own.insert("scopes".to_owned(), json!(self.scopes));
        }
        claims
    }

    /// As what its holder presents.
    fn bearer(self, token: &Unverified) -> Result<Bearer, TokenError> {
        let credential = Credential {
            ledger: self.ledger().ok_or(TokenError::Claim("act"))?,
            id: self.id,
            hash: token.digest(),
            holder: Holder::Data { chain: self.chain },
            created: self.issued,
            expires: Some(self.expires),
        };
        let mandate = Mandate { federated: self.federated, task: Some(self.task), ..Mandate::default() };
        let (audience, scopes) = (self.audience, self.scopes);
        Ok(Bearer { credential, parents: self.parents, mandate, may_act: None, issuer: None, audience, scopes })
    }

    /// The ledger of every task that this holder has for this subject. It is nothing that the holder can choose: another exchange
    /// leads to the same one.
    #[must_use]
    pub fn ledger(&self) -> Option<Name> {
        task_ledger(self.chain.subject()?, self.chain.actor()?)
    }
}

/// The ledger of every task that `actor` has for `subject`, whatever stands between the two.
#[must_use]
pub fn task_ledger(subject: &PrincipalId, actor: &PrincipalId) -> Option<Name> {
    Name::new(&format!("task_{}", short(format!("{subject} {actor}").as_bytes()))).ok()
}

/// Signs a token.
///
/// # Errors
/// [`SignError`] when the key cannot be used now.
pub fn mint(token: &TaskToken, gate: &Gate, signer: &dyn Signer) -> Result<Secret, SignError> {
    signed("at+jwt", &token.claims(gate), signer).map(Secret::new)
}

/// Signs what the gate says of itself, with the key of its tokens. It is no token: its type is another one.
///
/// # Errors
/// [`SignError`] when the key cannot be used now.
//= https://www.rfc-editor.org/rfc/rfc8725#section-3.11
//# Explicit Typing
pub fn attest(claims: &Value, signer: &dyn Signer) -> Result<String, SignError> {
    signed("pdp-metadata+jwt", claims, signer)
}

fn signed(typ: &str, claims: &Value, signer: &dyn Signer) -> Result<String, SignError> {
    let header = json!({"alg": Algorithm::EdDsa.as_str(), "kid": signer.key_id(), "typ": typ});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(claims));
    let signature = signer.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Holds a token for the gate as a whole against the gate's own keys, at `now`.
///
/// # Errors
/// As [`verify_task_at`].
pub fn verify_task(token: &Unverified, gate: &Gate, keys: &KeySet, now: UnixMillis) -> Result<Bearer, TokenError> {
    verify_task_at(token, gate, keys, At::Gate, now)
}

/// Holds a token against the gate's own keys, at `now`, where it is shown. The clock is our own, so there is no skew.
///
/// # Errors
/// [`TokenError`]; everything that the gate writes into a token has to be there.
pub fn verify_task_at(token: &Unverified, gate: &Gate, keys: &KeySet, at: At<'_>, now: UnixMillis) -> Result<Bearer, TokenError> {
    if token.issuer != gate.url {
        return Err(TokenError::IssuerUnknown);
    }
    if token.algorithm != Algorithm::EdDsa || token.key_id.is_none() {
        return Err(TokenError::AlgorithmNotAllowed);
    }
    keys.check(token)?;
    if !token.is_access_token {
        return Err(TokenError::Type);
    }
    let audience = Audience::read(&token.claims, &BTreeSet::from([gate.url.clone()]))?;
    audience.check(at)?;
    let times = Times::read(&token.claims, 0, now)?;
    if token.claims.contains_key("cnf") {
        return Err(TokenError::Bound);
    }
    read_claims(&token.claims, times, audience)?.bearer(token)
}

fn read_claims(claims: &Map<String, Value>, times: Times, audience: Audience) -> Result<TaskToken, TokenError> {
    let subject: PrincipalId = parsed(claims, "sub")?;
    let chain = chain(subject.clone(), claims.get("act").ok_or(TokenError::Claim("act"))?)?;
    let grant = claims.get("authorization_details").and_then(|value| read(value).ok());
    let purpose = claims.contains_key("purpose").then(|| parsed(claims, "purpose")).transpose()?;
    let task = Task { id: parsed(claims, "task")?, purpose, grant: grant.ok_or(TokenError::Claim("authorization_details"))? };
    let own = claims.get(OWN).ok_or(TokenError::Claim(OWN))?;
    let parents: Vec<CredentialId> = names(own.get("parents")).ok_or(TokenError::Claim(OWN))?;
    let federated = match own.get("groups") {
        Some(Value::Null) => None,
        groups => {
            let groups: Vec<Name> = names(groups).ok_or(TokenError::Claim(OWN))?;
            Some(Federated { principal: subject, groups: groups.into_iter().collect() })
        }
    };
    // Tokens of an older version of the gate do not say; they end within a day, and nothing that asks for scopes is open to them.
    let scopes = match own.get("scopes") {
        Some(Value::Null) => None,
        None => federated.as_ref().map(|_| Scopes::new()),
        Some(scopes) => Some(serde_json::from_value(scopes.clone()).map_err(|_| TokenError::Claim(OWN))?),
    };
    if parents.is_empty() || parents.len() > MAX_PARENTS {
        return Err(TokenError::Claim(OWN));
    }
    let Times { issued, expires } = times;
    Ok(TaskToken { id: parsed(claims, "jti")?, chain, task, federated, audience, scopes, parents, issued, expires })
}

/// The chain: the subject, then the actors from the innermost `act` to the outermost, who holds the token.
//= https://www.rfc-editor.org/rfc/rfc8693#section-4.1
//# The outermost "act" claim represents the current actor while nested "act" claims represent prior actors.
fn chain(subject: PrincipalId, act: &Value) -> Result<Chain, TokenError> {
    let mut actors = Vec::new();
    let mut next = Some(act);
    while let Some(act) = next {
        let actor = act.get("sub").and_then(Value::as_str).and_then(|actor| actor.parse().ok());
        actors.push(actor.ok_or(TokenError::Claim("act"))?);
        next = act.get("act");
    }
    actors.push(subject);
    actors.reverse();
    Chain::new(actors).map_err(|_| TokenError::Claim("act"))
}

fn parsed<T: std::str::FromStr>(claims: &Map<String, Value>, name: &'static str) -> Result<T, TokenError> {
    text(claims, name)?.parse().map_err(|_| TokenError::Claim(name))
}

fn names(value: Option<&Value>) -> Option<Vec<Name>> {
    value?.as_array()?.iter().map(|item| Name::new(item.as_str()?).ok()).collect()
}
