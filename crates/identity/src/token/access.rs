//! Access tokens of trusted issuers: whom a token stands for, or why it stands for nobody.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Chain, Credential, CredentialId, Federated, Holder, Mandate, Name, PrincipalId, PrincipalKind, UnixMillis};
use serde_json::{Map, Value};

use super::jws::{Unverified, sha256, short};
use super::keys::KeySet;
use super::{Algorithm, At, Audience, TokenError};

/// Most values of a claim that is a list.
const MAX_LIST: usize = 1024;
/// Longest subject that stands in a principal's name as it is, in bytes.
const MAX_PLAIN_SUBJECT: usize = 80;

/// How an issuer's claim becomes membership in declared groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    /// The claim: a name, or a JSON Pointer if it begins with a slash.
    pub claim: String,
    /// Value of the claim → declared group. Other values say nothing.
    pub map: BTreeMap<String, Name>,
}

/// What is accepted from one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerRules {
    /// The operator's name for it: lower-case letters, digits and `-`, so that it ends at the first colon of a principal.
    pub name: Name,
    /// The `iss` of its tokens, letter for letter.
    pub url: String,
    /// What `aud` has to hold at least one of.
    pub audiences: BTreeSet<String>,
    /// What it may sign with.
    pub algorithms: BTreeSet<Algorithm>,
    /// Whether a token of another type than `at+jwt` is taken too: issuers before RFC 9068. An ID token for one of
    /// `audiences` then passes as well.
    pub any_type: bool,
    /// How far its clock may be off, in seconds; at most 60.
    pub skew: u64,
    /// How groups are told, if they are.
    pub groups: Option<GroupRule>,
}

/// The scopes of a token, as its issuer has granted them.
pub type Scopes = BTreeSet<String>;

/// Whom a token stands for, and within what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// As if it were a key: id, chain, ledger, times.
    pub credential: Credential,
    /// The credentials that it descends from: when one of them ends, so does this.
    pub parents: Vec<CredentialId>,
    /// What it says beside the chain.
    pub mandate: Mandate,
    /// Who may act for the subject, in the issuer's own words (RFC 8693, `may_act`).
    pub may_act: Option<PrincipalId>,
    /// The issuer's name; none for the gate itself.
    pub issuer: Option<Name>,
    /// For whom it is.
    pub audience: Audience,
    /// The scopes that an issuer has granted, to this token or to the one that it descends from; none where no issuer had a say.
    pub scopes: Option<Scopes>,
}

/// Holds a token for the gate as a whole against the rules and keys of its issuer, at `now`.
///
/// # Errors
/// As [`verify_access_at`].
pub fn verify_access(token: &Unverified, rules: &IssuerRules, keys: &KeySet, now: UnixMillis) -> Result<Bearer, TokenError> {
    verify_access_at(token, rules, keys, At::Gate, now)
}

/// Holds a token against the rules and keys of its issuer, at `now`, where it is shown.
///
/// # Errors
/// [`TokenError`]; the signature is looked at before any claim but `iss`.
pub fn verify_access_at(
    token: &Unverified,
    rules: &IssuerRules,
    keys: &KeySet,
    at: At<'_>,
    now: UnixMillis,
) -> Result<Bearer, TokenError> {
    if token.issuer != rules.url {
        return Err(TokenError::IssuerUnknown);
    }
    if !rules.algorithms.contains(&token.algorithm) {
        return Err(TokenError::AlgorithmNotAllowed);
    }
    keys.check(token)?;
    if !token.is_access_token && !rules.any_type {
        return Err(TokenError::Type);
    }
    let audience = Audience::read(&token.claims, &rules.audiences)?;
    audience.check(at)?;
    let times = Times::read(&token.claims, rules.skew, now)?;
    check_restrictions(&token.claims)?;
    if !rules.any_type {
        for name in ["client_id", "jti"] {
            text(&token.claims, name)?;
        }
    }
    let principal = principal(&token.claims, rules)?;
    let groups = groups(&token.claims, rules.groups.as_ref())?;
    let chain = Chain::new(vec![principal.clone()]).map_err(|_| TokenError::Claim("sub"))?;
    let id = format!("at.{}.{}", rules.name, hex::encode(token.digest().0.get(..16).unwrap_or_default()));
    let credential = Credential {
        id: Name::new(&id).map_err(|_| TokenError::Claim("iss"))?,
        hash: token.digest(),
        holder: Holder::Data { chain },
        ledger: ledger_of(&principal)?,
        created: times.issued,
        expires: Some(times.expires),
    };
    let mandate = Mandate { federated: Some(Federated { principal, groups }), ..Mandate::default() };
    let may_act = token.claims.get("may_act").and_then(|claim| claim.get("sub")?.as_str()?.parse().ok());
    let scopes = Some(scopes(&token.claims)?);
    Ok(Bearer { credential, parents: Vec::new(), mandate, may_act, issuer: Some(rules.name.clone()), audience, scopes })
}

/// The ledger of a subject without a task. It is the subject's and not the token's: another token does not start clean.
fn ledger_of(principal: &PrincipalId) -> Result<Name, TokenError> {
    Name::new(&format!("subject_{}", short(principal.to_string().as_bytes()))).map_err(|_| TokenError::Claim("sub"))
}

/// When a token begins and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) issued: UnixMillis,
    pub(super) expires: UnixMillis,
}

impl Times {
    /// Reads `iat`, `nbf` and `exp`, in whole seconds, and holds them against `now`, `skew` seconds either way.
    pub(super) fn read(claims: &Map<String, Value>, skew: u64, now: UnixMillis) -> Result<Self, TokenError> {
        let time = |name: &'static str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(|seconds| Some(UnixMillis(0).plus_seconds(seconds))).ok_or(TokenError::Claim(name)),
        };
        let issued = time("iat")?.ok_or(TokenError::Claim("iat"))?;
        let expires = time("exp")?.ok_or(TokenError::Claim("exp"))?;
        let begins = time("nbf")?.map_or(issued, |begins| begins.max(issued));
        if begins > now.plus_seconds(skew) {
            return Err(TokenError::NotYet);
        }
        if now >= expires.plus_seconds(skew) {
            return Err(TokenError::Expired);
        }
        Ok(Self { issued, expires })
    }
}

/// The text of a claim; not empty.
pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, TokenError> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or(TokenError::Claim(name))
}

/// The texts of a claim that is a text or a list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) if items.len() <= MAX_LIST => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

//= https://www.rfc-editor.org/rfc/rfc8693#section-4.2
//# The value of the "scope" claim is a JSON string containing a space-separated list of scopes associated with the token
/// The scopes that were granted: `scope`, and `scp`, which some issuers have in its place, as a text or a list.
fn scopes(claims: &Map<String, Value>) -> Result<Scopes, TokenError> {
    let mut scopes = Scopes::new();
    for name in ["scope", "scp"] {
        let Some(value) = claims.get(name) else { continue };
        let texts = texts(value).ok_or(TokenError::Claim("scope"))?;
        scopes.extend(texts.into_iter().flat_map(|text| text.split(' ')).filter(|scope| !scope.is_empty()).map(str::to_owned));
    }
    Ok(scopes)
}

/// What makes a token less than its chain says. To pass over it would make more of the token than its issuer did.
fn check_restrictions(claims: &Map<String, Value>) -> Result<(), TokenError> {
    if claims.contains_key("cnf") {
        return Err(TokenError::Bound);
    }
    // The issuer's own delegation: its actors are not declared here, and the subject alone would be a dropped link.
    for name in ["act", "authorization_details"] {
        if claims.contains_key(name) {
            return Err(TokenError::Restricted(name));
        }
    }
    Ok(())
}

/// `user:ISSUER:SUBJECT`; `service:…` where the token is a client's own.
///
/// A subject that is a plain name stands as it is, every other one as a digest behind a slash, which no plain name has: two
/// subjects never share a principal.
fn principal(claims: &Map<String, Value>, rules: &IssuerRules) -> Result<PrincipalId, TokenError> {
    let subject = text(claims, "sub")?;
    //= https://www.rfc-editor.org/rfc/rfc9068#section-5
    //# In cases of access tokens obtained through grants where no resource owner is involved, such as the client credentials grant, the value of "sub" SHOULD correspond to an identifier the authorization server uses to indicate the client application.
    let is_client = claims.get("client_id").is_some_and(|client| client == subject);
    let kind = if is_client { PrincipalKind::Service } else { PrincipalKind::User };
    let is_plain =
        subject.len() <= MAX_PLAIN_SUBJECT && subject.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
    let shown = if is_plain {
        format!("{}:{subject}", rules.name)
    } else {
        format!("{}:/{}", rules.name, URL_SAFE_NO_PAD.encode(sha256(subject.as_bytes()).0))
    };
    let name = Name::new(&shown).map_err(|_| TokenError::Claim("sub"))?;
    Ok(PrincipalId::new(kind, name))
}

/// The declared groups that the claim is mapped to.
fn groups(claims: &Map<String, Value>, rule: Option<&GroupRule>) -> Result<BTreeSet<Name>, TokenError> {
    let Some(rule) = rule else { return Ok(BTreeSet::new()) };
    let value = match rule.claim.strip_prefix('/') {
        None => claims.get(&rule.claim),
        Some(path) => {
            let (first, rest) = path.split_once('/').unwrap_or((path, ""));
            let whole = claims.get(first);
            if rest.is_empty() { whole } else { whole.and_then(|value| value.pointer(&format!("/{rest}"))) }
        }
    };
    match value {
        // Some issuers leave long lists out and say where to fetch them. Nobody in no group is not what they mean.
        None if claims.contains_key("_claim_names") => Err(TokenError::Restricted("_claim_names")),
        None => Ok(BTreeSet::new()),
        Some(value) => {
            let named = texts(value).ok_or(TokenError::Claim("groups"))?;
            Ok(named.into_iter().filter_map(|name| rule.map.get(name)).cloned().collect())
        }
    }
}
