//! Tokens: as anybody may present them, and with claims of any kind behind a good signature.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::token::{
    Algorithm, Bearer, Ed25519Signer, Exchange, Gate, GroupRule, IssuerRules, KeySet, Signer, TokenError, Unverified, derive,
    details, grant_of, mint, verify_access, verify_task,
};
use model::{Chain, Credential, Digest, Holder, Name, UnixMillis};
use serde_json::{Map, Value};

use super::{Outcome, Target, ensure, magnitude, seen, texts};

/// The time at which every token is looked at.
pub(super) const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
/// The issuer.
pub(super) const ISSUER: &str = "https://idp.example";
const GATE: &str = "https://gate.example";

const ACCESS: &str = r#"{"iss":"https://idp.example","aud":["https://gate.example"],"sub":"ada","client_id":"app","jti":"1","iat":1794999990,"nbf":1794999990,"exp":1795003600,"groups":["eng","other"],"may_act":{"sub":"agent:bot"}}"#;
const TASK: &str = r#"{"iss":"https://gate.example","aud":"https://gate.example","sub":"user:ada","client_id":"agent:bot","act":{"sub":"agent:bot","act":{"sub":"agent:desk"}},"jti":"tok_1","iat":1794999990,"exp":1795000900,"task":"tsk_1","purpose":"travel","authorization_details":[{"type":"call_model","models":["small"]}],"portcullis":{"parents":["at.okta.1","k1"],"groups":["engineers"]}}"#;

pub(super) const TARGET: Target = Target {
    name: "tokens",
    what: "tokens as they are presented: nothing but what was signed is accepted, letter for letter",
    seeds: || {
        let header = |header: &str| signed(header, ACCESS.as_bytes()).into_bytes();
        let mut seeds: Vec<Vec<u8>> = GOOD.iter().map(|token| token.clone().into_bytes()).collect();
        seeds.push(header(r#"{"alg":"none"}"#));
        seeds.push(header(r#"{"alg":"HS256","kid":"k","typ":"at+jwt"}"#));
        seeds.push(header(r#"{"alg":"RS256","kid":"k","typ":"JWT","jku":"https://idp.example/k"}"#));
        seeds.push(header(r#"{"alg":"EdDSA","typ":"application/at+jwt","crit":["b64"],"b64":false}"#));
        seeds
    },
    words: &[".", "..", "=", "eyJ", "e30", "eyJhbGciOiJub25lIn0", "bnVsbA", "-", "_", "+", "/", "A", "ey", "\n"],
    max_len: 9000,
    run,
    hostile: &["eyJ", ".", "A", "e30."],
    floor: 2000.0,
};

pub(super) const CLAIMS: Target = Target {
    name: "claims",
    what: "claims that an issuer or the gate itself signed: restrictions are kept, chains bounded, exchange only narrows",
    seeds: || {
        let more = texts(&[
            r#"{"iss":"https://idp.example","aud":"https://gate.example","sub":"app","client_id":"app","jti":"1","iat":1,"exp":1795003600,"cnf":{"jkt":"a"}}"#,
            r#"{"iss":"https://idp.example","aud":"x","sub":"a b","jti":"1","iat":1,"exp":1,"act":{"sub":"x"},"authorization_details":[]}"#,
            r#"[{"type":"call_model","models":["*"]}]"#,
        ]);
        [texts(&[ACCESS, TASK]), more].concat()
    },
    words: &[
        "\"iss\":",
        "\"aud\":",
        "\"sub\":",
        "\"act\":{\"sub\":\"agent:bot\"}",
        "\"act\":",
        "\"exp\":1795003600",
        "\"nbf\":",
        "\"cnf\":",
        "\"authorization_details\":",
        "\"type\":\"call_model\"",
        "\"models\":[\"*\"]",
        "\"groups\":[\"eng\"]",
        "\"parents\":[]",
        "\"portcullis\":",
        "\"may_act\":",
        "user:ada",
        "agent:bot",
        "service:a",
        "null",
        "1.5",
        "-1",
        "1e3",
        ",",
        "{",
        "}",
        "[",
        "]",
        "\\u0000",
        "\\ud800",
    ],
    max_len: 3000,
    run: claims,
    hostile: &["{\"act\":", "[", "\"a\",", "{\"sub\":\"a\"},"],
    floor: 500.0,
};

static SIGNER: LazyLock<Option<Ed25519Signer>> = LazyLock::new(|| Ed25519Signer::from_seed(&[7; 32]).ok());
static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::of_ed25519(SIGNER.iter().map(|signer| (signer.key_id(), signer.public()))));
static RULES: LazyLock<Option<IssuerRules>> = LazyLock::new(|| rules().ok());
/// The only tokens that anybody has signed.
static GOOD: LazyLock<[String; 2]> = LazyLock::new(|| [ACCESS, TASK].map(|claims| signed(&good_header(), claims.as_bytes())));

fn gate() -> Gate {
    Gate { url: GATE.to_owned(), lifetime: 900 }
}

fn rules() -> Result<IssuerRules, model::IdError> {
    Ok(IssuerRules {
        name: Name::new("okta")?,
        url: ISSUER.to_owned(),
        audiences: BTreeSet::from([GATE.to_owned()]),
        algorithms: BTreeSet::from([Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256]),
        any_type: false,
        skew: 30,
        groups: Some(GroupRule {
            claim: "groups".to_owned(),
            map: BTreeMap::from([("eng".to_owned(), Name::new("engineers")?)]),
        }),
    })
}

fn good_header() -> String {
    let id = SIGNER.as_ref().map_or("", |signer| signer.key_id());
    format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"at+jwt"}}"#)
}

/// A token with these claims, whatever they are, and a good signature.
pub(super) fn signed(header: &str, claims: &[u8]) -> String {
    let body = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = SIGNER.as_ref().and_then(|signer| signer.sign(body.as_bytes()).ok()).unwrap_or_default();
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token that the issuer signed, and the public key as a set has it.
pub(super) fn issued() -> (String, String) {
    let jwk = SIGNER.as_ref().map(Signer::jwk).unwrap_or_default();
    (signed(&good_header(), ACCESS.as_bytes()), jwk.to_string())
}

/// Holds a token against the issuer and against the gate.
pub(super) fn verified(token: &Unverified, keys: &KeySet) -> Result<[Result<Bearer, TokenError>; 2], String> {
    let rules = RULES.as_ref().ok_or("no rules")?;
    Ok([verify_access(token, rules, keys, NOW), verify_task(token, &gate(), keys, NOW)])
}

fn run(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(seen("not text")) };
    let token = match Unverified::parse(text) {
        Ok(token) => token,
        Err(error) => return Ok(seen(error.to_string())),
    };
    let ways = verified(&token, &KEYS)?;
    let is_accepted = ways.iter().any(Result::is_ok);
    ensure(!is_accepted || GOOD.iter().any(|good| good == text), || "a token that nobody signed is accepted".to_owned())?;
    ensure(!format!("{token:?}").contains(ISSUER), || "a token's claims print".to_owned())?;
    Ok(seen(ways.map(|way| way.map(|bearer| bearer.parents.len()).map_err(|error| error.to_string()))))
}

fn claims(bytes: &[u8]) -> Outcome {
    let grant = grant_of(bytes);
    if let Ok(grant) = &grant {
        let again = grant_of(details(grant).to_string().as_bytes());
        ensure(again.as_ref() == Ok(grant), || "a grant that is written reads otherwise".to_owned())?;
    }
    let token = match Unverified::parse(&signed(&good_header(), bytes)) {
        Ok(token) => token,
        Err(error) => return Ok(seen((error.to_string(), grant.is_ok()))),
    };
    let claims: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| format!("claims that are no object: {error}"))?;
    let [access, task] = verified(&token, &KEYS)?;
    ensure(access.is_err() || task.is_err(), || "one token of two issuers".to_owned())?;
    let mut ways = Vec::new();
    for (is_task, verified) in [(false, access), (true, task)] {
        let bearer = match verified {
            Ok(bearer) => bearer,
            Err(error) => {
                ways.push((0, Err(error.to_string())));
                continue;
            }
        };
        if is_task {
            of_task(&claims, &bearer)?
        } else {
            of_issuer(&claims, &bearer)?
        }
        ways.push((magnitude(bearer.parents.len()), Ok(exchanged(&bearer)?)));
    }
    Ok(seen(ways))
}

fn links(bearer: &Bearer) -> Result<&Chain, String> {
    let Holder::Data { chain } = &bearer.credential.holder else { return Err("a token of an operator".to_owned()) };
    Ok(chain)
}

/// What an issuer's token stands for: one subject under the issuer's name, in declared groups.
fn of_issuer(claims: &Map<String, Value>, bearer: &Bearer) -> Result<(), String> {
    for restriction in ["cnf", "act", "authorization_details"] {
        ensure(!claims.contains_key(restriction), || format!("`{restriction}` is passed over"))?;
    }
    let subject = links(bearer)?.links().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let is_theirs = subject.starts_with("user:okta:") || subject.starts_with("service:okta:");
    ensure(is_theirs && !subject.contains(' '), || format!("an issuer vouches for `{subject}`"))?;
    let groups = bearer.mandate.federated.iter().flat_map(|federated| &federated.groups);
    ensure(groups.into_iter().all(|group| group.as_str() == "engineers"), || "an undeclared group".to_owned())?;
    ensure(bearer.mandate.task.is_none() && bearer.parents.is_empty(), || "an issuer's token with a task".to_owned())
}

/// What the gate's own token says is what its claims say.
fn of_task(claims: &Map<String, Value>, bearer: &Bearer) -> Result<(), String> {
    let chain = links(bearer)?;
    let mut actors = 0;
    let mut next = claims.get("act");
    while let Some(act) = next {
        actors += 1;
        next = act.get("act");
    }
    ensure(chain.links().len() == actors + 1, || format!("{actors} actors, a chain of {}", chain.links().len()))?;
    let subject = chain.subject().map(ToString::to_string);
    ensure(claims.get("sub").and_then(Value::as_str) == subject.as_deref(), || "another subject".to_owned())?;
    ensure((1..=32).contains(&bearer.parents.len()), || format!("{} parents", bearer.parents.len()))
}

/// What an agent gets for the token is less than the token, and is accepted as what it is.
fn exchanged(subject: &Bearer) -> Result<bool, String> {
    let Some(signer) = SIGNER.as_ref() else { return Ok(false) };
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let agent =
        Chain::new(vec!["agent:clerk".parse().map_err(|error: model::IdError| words(&error))?]).map_err(|error| words(&error))?;
    let actor = Credential {
        id: Name::new("k9").map_err(|error| words(&error))?,
        hash: Digest([1; 32]),
        holder: Holder::Data { chain: agent },
        ledger: Name::new("k9").map_err(|error| words(&error))?,
        created: UnixMillis(0),
        expires: Some(NOW.plus_seconds(600)),
    };
    let grant = grant_of(br#"[{"type":"call_model","models":["small"]}]"#)?;
    let asked = Exchange { subject, actor: &actor, grant: Some(grant.clone()), purpose: None, audience: None, random: [3; 32] };
    let Ok(made) = derive(&asked, &gate(), NOW) else { return Ok(false) };
    let ends = [subject.credential.expires, actor.expires].into_iter().flatten().min();
    ensure(ends.is_none_or(|end| made.expires <= end), || "a token outlives what it came from".to_owned())?;
    let parent = subject.mandate.task.as_ref().map_or(&grant, |task| &task.grant);
    ensure(made.task.grant.is_within(parent), || "a token grants more than what it came from".to_owned())?;
    ensure(made.chain.links().starts_with(links(subject)?.links()), || "a link of the chain is gone".to_owned())?;
    let minted = mint(&made, &gate(), signer).map_err(|error| words(&error))?;
    let presented = Unverified::parse(minted.expose()).map_err(|error| format!("its own token: {error}"))?;
    let again = verify_task(&presented, &gate(), &KEYS, NOW).map_err(|error| format!("its own token: {error}"))?;
    ensure(again.parents == made.parents && links(&again)? == &made.chain, || "its own token says something else".to_owned())?;
    Ok(true)
}
