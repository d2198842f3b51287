//! Tables of tokens: one that is good, and every way in which one is not.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Chain, Grant, Holder, Mandate, Name, ReasonCode, UnixMillis};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Algorithm, Bearer, Ed25519Signer, Exchange, ExchangeError, Gate, GroupRule, IssuerRules, KeySet, KeySetError, Signer,
    TokenError, Unverified, derive, grant_of, mint, verify_access, verify_task,
};
use crate::{ENTROPY, issue};

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
const SECOND: u64 = 1_795_000_000;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn signer(seed: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&[seed; 32]).unwrap()
}

fn keys(signers: &[&Ed25519Signer]) -> KeySet {
    KeySet::of_ed25519(signers.iter().map(|signer| (signer.key_id(), signer.public())))
}

fn rules() -> IssuerRules {
    let map = BTreeMap::from([("eng".to_owned(), name("engineers")), ("ops".to_owned(), name("operations"))]);
    IssuerRules {
        name: name("okta"),
        url: "https://idp.example".to_owned(),
        audiences: BTreeSet::from(["https://gate.example".to_owned()]),
        algorithms: BTreeSet::from([Algorithm::EdDsa, Algorithm::Rs256]),
        any_type: false,
        skew: 30,
        groups: Some(GroupRule { claim: "groups".to_owned(), map }),
    }
}

fn gate() -> Gate {
    Gate { url: "https://gate.example".to_owned(), lifetime: 900 }
}

fn claims() -> Value {
    json!({
        "iss": "https://idp.example", "aud": "https://gate.example", "sub": "ada", "client_id": "app", "jti": "1",
        "iat": SECOND - 10, "exp": SECOND + 3600, "groups": ["eng", "unmapped"],
    })
}

fn header(signer: &Ed25519Signer) -> Value {
    json!({"alg": "EdDSA", "kid": signer.key_id(), "typ": "at+jwt"})
}

fn sign(signer: &Ed25519Signer, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = signer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The good token with members of the header and of the claims put in, or taken out by `null`.
fn changed(in_header: &Value, in_claims: &Value) -> String {
    let change = |mut value: Value, changes: &Value| {
        let members = value.as_object_mut().unwrap();
        for (key, change) in changes.as_object().unwrap() {
            members.insert(key.clone(), change.clone());
        }
        members.retain(|_, value| !value.is_null());
        value.to_string()
    };
    let signer = signer(1);
    sign(&signer, &change(header(&signer), in_header), &change(claims(), in_claims))
}

fn access(token: &str) -> Result<Bearer, TokenError> {
    verify_access(&Unverified::parse(token)?, &rules(), &keys(&[&signer(1)]), NOW)
}

fn bearer() -> Bearer {
    access(&changed(&json!({}), &json!({}))).unwrap()
}

#[test]
fn a_good_token_stands_for_its_subject() {
    let bearer = bearer();
    let Holder::Data { chain } = &bearer.credential.holder else { panic!("a token is of the data plane") };
    assert_eq!(chain.links(), ["user:okta:ada".parse().unwrap()]);
    assert_eq!(bearer.mandate.federated.unwrap().groups, BTreeSet::from([name("engineers")]));
    assert_eq!(bearer.credential.expires, Some(UnixMillis(NOW.0 + 3_600_000)));
    assert_eq!(bearer.issuer, Some(name("okta")));
}

#[test]
fn what_a_header_may_not_say() {
    let facts = [
        (json!({"alg": "none"}), TokenError::Algorithm),
        (json!({"alg": "None"}), TokenError::Algorithm),
        (json!({"alg": "HS256"}), TokenError::Algorithm),
        (json!({"alg": "eddsa"}), TokenError::Algorithm),
        (json!({"alg": ["EdDSA"]}), TokenError::Algorithm),
        (json!({"alg": null}), TokenError::Algorithm),
        (json!({"alg": "ES256"}), TokenError::AlgorithmNotAllowed),
        (json!({"alg": "RS256"}), TokenError::KeyUnknown),
        (json!({"crit": ["exp"]}), TokenError::HeaderRefused),
        (json!({"jku": "https://evil.example/keys"}), TokenError::HeaderRefused),
        (json!({"x5u": "https://evil.example/cert"}), TokenError::HeaderRefused),
        (json!({"jwk": {"kty": "OKP"}}), TokenError::HeaderRefused),
        (json!({"b64": false}), TokenError::HeaderRefused),
        (json!({"kid": "../../../dev/null"}), TokenError::KeyUnknown),
        (json!({"kid": "' OR 1=1 --"}), TokenError::KeyUnknown),
        (json!({"kid": 1}), TokenError::Json),
        (json!({"typ": "JWT"}), TokenError::Type),
        (json!({"typ": "id+jwt"}), TokenError::Type),
        (json!({"typ": null}), TokenError::Type),
    ];
    for (change, expected) in facts {
        assert_eq!(access(&changed(&change, &json!({}))), Err(expected), "{change}");
    }
    assert!(access(&changed(&json!({"typ": "application/AT+JWT"}), &json!({}))).is_ok());
    assert!(access(&changed(&json!({"alg": "Ed25519"}), &json!({}))).is_ok());
    assert!(access(&changed(&json!({"kid": null}), &json!({}))).is_ok(), "there is but one key that it can be");
}

#[test]
fn what_claims_may_not_say() {
    let facts = [
        (json!({"iss": "https://idp.example/"}), TokenError::IssuerUnknown),
        (json!({"iss": null}), TokenError::Claim("iss")),
        (json!({"aud": "https://gate.example/"}), TokenError::Audience),
        (json!({"aud": ["a", "b"]}), TokenError::Audience),
        (json!({"aud": []}), TokenError::Audience),
        (json!({"aud": null}), TokenError::Claim("aud")),
        (json!({"aud": {"https://gate.example": 1}}), TokenError::Claim("aud")),
        (json!({"sub": null}), TokenError::Claim("sub")),
        (json!({"sub": ""}), TokenError::Claim("sub")),
        (json!({"client_id": null}), TokenError::Claim("client_id")),
        (json!({"jti": null}), TokenError::Claim("jti")),
        (json!({"exp": null}), TokenError::Claim("exp")),
        (json!({"exp": "9999999999"}), TokenError::Claim("exp")),
        (json!({"exp": 1e300}), TokenError::Claim("exp")),
        (json!({"exp": -1}), TokenError::Claim("exp")),
        (json!({"iat": null}), TokenError::Claim("iat")),
        (json!({"cnf": {"jkt": "x"}}), TokenError::Bound),
        (json!({"act": {"sub": "agent:bot"}}), TokenError::Restricted("act")),
        (json!({"authorization_details": []}), TokenError::Restricted("authorization_details")),
        (json!({"groups": null, "_claim_names": {"groups": "src"}}), TokenError::Restricted("_claim_names")),
        (json!({"groups": {"eng": true}}), TokenError::Claim("groups")),
    ];
    for (change, expected) in facts {
        assert_eq!(access(&changed(&json!({}), &change)), Err(expected), "{change}");
    }
    assert!(access(&changed(&json!({}), &json!({"aud": ["other", "https://gate.example"]}))).is_ok());
}

#[test]
fn the_edges_of_time() {
    let facts = [
        (json!({"exp": SECOND - 29}), None),
        (json!({"exp": SECOND - 30}), Some(TokenError::Expired)),
        (json!({"iat": SECOND + 30}), None),
        (json!({"iat": SECOND + 31}), Some(TokenError::NotYet)),
        (json!({"nbf": SECOND + 30}), None),
        (json!({"nbf": SECOND + 31}), Some(TokenError::NotYet)),
        (json!({"exp": u64::MAX}), None),
    ];
    for (change, expected) in facts {
        assert_eq!(access(&changed(&json!({}), &change)).err(), expected, "{change}");
    }
}

#[test]
fn what_has_two_readings_is_no_token() {
    let signer = signer(1);
    let (good, head) = (claims().to_string(), header(&signer).to_string());
    let twice = good.replacen('{', "{\"sub\":\"eve\",", 1);
    let alg_twice = head.replacen('{', "{\"alg\":\"none\",", 1);
    let deep = good.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(40), "]".repeat(40)), 1);
    for (header, claims) in [(&head, &twice), (&alg_twice, &good), (&head, &deep), (&head, &"[]".to_owned())] {
        assert_eq!(Unverified::parse(&sign(&signer, header, claims)).unwrap_err(), TokenError::Json, "{claims}");
    }
    let token = sign(&signer, &head, &good);
    let long = format!("{token}{}", "A".repeat(super::MAX_TOKEN));
    let parts: Vec<&str> = token.split('.').collect();
    for text in [
        long.as_str(),
        "",
        "..",
        parts[0],
        token.strip_suffix(|_: char| true).unwrap(),
        &format!("{token}="),
        &format!("{token}.x"),
    ] {
        assert!(Unverified::parse(text).is_err(), "{}", text.len());
    }
    // Another signature over the same text, and the same signature over another text.
    let forged = format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([0_u8; 64]));
    let moved = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(good.replace("ada", "eve")), parts[2]);
    let other = sign(&self::signer(2), &head, &good);
    for token in [forged, moved, other] {
        assert_eq!(access(&token), Err(TokenError::Signature));
    }
}

#[test]
fn two_subjects_never_share_a_principal() {
    let subjects = ["ada", "ADA", "a d a", "ada:x", "/x", "x/y", "auth0|1", "ada@example.com", "ünï", &"x".repeat(300)];
    let mut seen = BTreeSet::new();
    for subject in subjects {
        let bearer = access(&changed(&json!({}), &json!({"sub": subject}))).unwrap();
        let principal = bearer.mandate.federated.unwrap().principal;
        assert!(principal.name.as_str().starts_with("okta:"), "{principal}");
        assert!(seen.insert(principal), "{subject}");
        assert!(seen.insert(format!("user:{}", bearer.credential.ledger).parse().unwrap()), "{subject}");
    }
    // A client's own token stands for a service, never for a human being.
    let client = access(&changed(&json!({}), &json!({"sub": "app"}))).unwrap();
    assert_eq!(client.mandate.federated.unwrap().principal.to_string(), "service:okta:app");
}

#[test]
fn a_subject_has_one_ledger_whatever_token_it_has() {
    let other = access(&changed(&json!({}), &json!({"jti": "2", "client_id": "other"}))).unwrap();
    assert_eq!(other.credential.ledger, bearer().credential.ledger);
    assert_ne!(other.credential.id, bearer().credential.id);
}

#[test]
fn key_sets() {
    let x = URL_SAFE_NO_PAD.encode(signer(1).public());
    let okp = |extra: Value| {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        key.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"keys": [key]}).to_string()
    };
    for (text, expected) in [
        (okp(json!({})), None),
        (okp(json!({"alg": "EdDSA", "use": "sig", "key_ops": ["verify"], "kid": "a"})), None),
        (okp(json!({"alg": "RS256"})), Some(KeySetError::NoKey)),
        (okp(json!({"use": "enc"})), Some(KeySetError::NoKey)),
        (okp(json!({"key_ops": ["sign"]})), Some(KeySetError::NoKey)),
        (okp(json!({"d": x})), Some(KeySetError::NoKey)),
        (okp(json!({"crv": "X25519"})), Some(KeySetError::NoKey)),
        (json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string(), Some(KeySetError::NoKey)),
        (json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": x}]}).to_string(), Some(KeySetError::NoKey)),
        (json!({"keys": [{"kty": "RSA", "n": x, "e": "AQAB"}]}).to_string(), Some(KeySetError::NoKey)),
        (json!({"keys": vec![json!({}); 65]}).to_string(), Some(KeySetError::TooMany)),
        ("{\"keys\":[],\"keys\":[]}".to_owned(), Some(KeySetError::Form)),
        ("[]".to_owned(), Some(KeySetError::Form)),
    ] {
        assert_eq!(KeySet::parse(text.as_bytes()).err(), expected, "{text}");
    }
    // Nobody says which of two keys with one id is meant.
    let twice = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": signer(1).key_id()},
        {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": signer(1).key_id()}]});
    let token = Unverified::parse(&changed(&json!({}), &json!({}))).unwrap();
    let keys = KeySet::parse(twice.to_string().as_bytes()).unwrap();
    assert_eq!(verify_access(&token, &rules(), &keys, NOW), Err(TokenError::KeyUnknown));
}

#[test]
fn details_are_a_closed_set() {
    let good = br#"[{"type":"call_model","models":["small"]},{"type":"delegate","agents":["sub"]}]"#;
    assert_eq!(grant_of(good).unwrap().lines(), ["callModel:small", "issueToken:sub"].map(ToOwned::to_owned).into());
    for text in [
        "{}",
        "",
        "[1]",
        r#"[{"models":["small"]}]"#,
        r#"[{"type":"payment","models":["small"]}]"#,
        r#"[{"type":"call_model"}]"#,
        r#"[{"type":"call_model","models":[]}]"#,
        r#"[{"type":"call_model","models":"small"}]"#,
        r#"[{"type":"call_model","models":["small"],"locations":["x"]}]"#,
        r#"[{"type":"call_model","models":["small"],"models":["*"]}]"#,
    ] {
        assert!(grant_of(text.as_bytes()).is_err(), "{text}");
    }
}

fn actor(agent: &str, expires: Option<u64>) -> model::Credential {
    let chain = Chain::new(vec![agent.parse().unwrap()]).unwrap();
    issue([7; ENTROPY], Holder::Data { chain }, NOW, expires.map(UnixMillis)).credential
}

fn granted(text: &str) -> Grant {
    grant_of(text.as_bytes()).unwrap()
}

fn exchange(subject: &Bearer, actor: &model::Credential, grant: Option<&str>) -> Result<super::TaskToken, ExchangeError> {
    let asked = Exchange { subject, actor, grant: grant.map(granted), purpose: None, audience: None, random: [5; 32] };
    derive(&asked, &gate(), NOW)
}

/// A task token as its holder presents it.
fn presented(token: &super::TaskToken) -> Bearer {
    let secret = mint(token, &gate(), &signer(9)).unwrap();
    verify_task(&Unverified::parse(secret.expose()).unwrap(), &gate(), &keys(&[&signer(9)]), NOW).unwrap()
}

const SMALL: &str = r#"[{"type":"call_model","models":["small"]},{"type":"delegate","agents":["sub"]}]"#;

#[test]
fn a_task_token_reads_back_as_it_was_made() {
    let token = exchange(&bearer(), &actor("agent:bot", None), Some(SMALL)).unwrap();
    let read = presented(&token);
    assert_eq!(read.credential.holder, Holder::Data { chain: token.chain.clone() });
    assert_eq!(
        read.mandate,
        Mandate { federated: token.federated.clone(), task: Some(token.task.clone()), ..Mandate::default() }
    );
    assert_eq!((&read.parents, &read.credential.id), (&token.parents, &token.id));
    let child = exchange(&read, &actor("agent:sub", None), None).unwrap();
    let links: Vec<String> = child.chain.links().iter().map(ToString::to_string).collect();
    assert_eq!(links, ["user:okta:ada", "agent:bot", "agent:sub"]);
    assert_eq!(child.task, token.task);
    assert!(child.parents.contains(&token.id) && token.parents.iter().all(|parent| child.parents.contains(parent)));
    assert_eq!(presented(&child).credential.holder, Holder::Data { chain: child.chain.clone() });
}

#[test]
fn an_exchange_never_widens_and_nothing_outlives_its_parents() {
    let subject = bearer();
    let token = exchange(&subject, &actor("agent:bot", None), Some(SMALL)).unwrap();
    assert_eq!(token.expires, NOW.plus_seconds(900));
    let short = exchange(&subject, &actor("agent:bot", Some(NOW.0 + 5_500)), Some(SMALL)).unwrap();
    assert_eq!(short.expires, NOW.plus_seconds(5));
    assert_eq!(exchange(&presented(&short), &actor("agent:sub", None), None).unwrap().expires, NOW.plus_seconds(5));
    let parent = presented(&token);
    let facts = [
        (&subject, "agent:bot", None, ExchangeError::NoGrant),
        (&subject, "service:cron", Some(SMALL), ExchangeError::Actor),
        (&subject, "user:eve", Some(SMALL), ExchangeError::Actor),
        (&parent, "agent:sub", Some(r#"[{"type":"call_model","models":["*"]}]"#), ExchangeError::Widened),
        (&parent, "agent:sub", Some(r#"[{"type":"call_model","models":["small","large"]}]"#), ExchangeError::Widened),
        (&parent, "agent:sub", Some(r#"[{"type":"use_beta","betas":["x"]}]"#), ExchangeError::Widened),
    ];
    for (subject, agent, grant, expected) in facts {
        assert_eq!(exchange(subject, &actor(agent, None), grant), Err(expected), "{agent} {grant:?}");
    }
    assert_eq!(exchange(&subject, &actor("agent:bot", Some(NOW.0 + 900)), Some(SMALL)), Err(ExchangeError::Expired));
    // The holder may narrow its own; an agent from the middle of the chain may not come back.
    let narrow = exchange(&parent, &actor("agent:bot", None), Some(r#"[{"type":"call_model","models":["small"]}]"#)).unwrap();
    assert_eq!(narrow.chain, token.chain);
    let child = presented(&exchange(&parent, &actor("agent:sub", None), None).unwrap());
    assert_eq!(exchange(&child, &actor("agent:bot", None), None), Err(ExchangeError::Chain));
}

#[test]
fn another_exchange_leads_to_the_same_ledger() {
    let first = exchange(&bearer(), &actor("agent:bot", None), Some(SMALL)).unwrap();
    let asked = Exchange {
        subject: &bearer(),
        actor: &actor("agent:bot", None),
        grant: Some(granted(SMALL)),
        purpose: None,
        audience: None,
        random: [6; 32],
    };
    let second = derive(&asked, &gate(), NOW).unwrap();
    assert_ne!((&first.id, &first.task.id), (&second.id, &second.task.id));
    assert_eq!(first.ledger(), second.ledger());
    assert_ne!(first.ledger(), exchange(&bearer(), &actor("agent:other", None), Some(SMALL)).unwrap().ledger());
}

#[test]
fn a_task_token_lacks_nothing_that_the_gate_writes() {
    let token = exchange(&bearer(), &actor("agent:bot", None), Some(SMALL)).unwrap();
    let signer = signer(9);
    let verify = |claims: &Value| {
        let text = sign(&signer, &header(&signer).to_string(), &claims.to_string());
        verify_task(&Unverified::parse(&text)?, &gate(), &keys(&[&signer]), NOW)
    };
    let good = token.claims(&gate());
    assert!(verify(&good).is_ok());
    for claim in ["act", "task", "authorization_details", "portcullis", "jti", "sub", "exp", "iat", "aud"] {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(claim);
        assert!(verify(&less).is_err(), "without {claim}");
    }
    for (claim, value) in [
        ("act", json!({})),
        ("act", json!({"sub": "user:eve"})),
        ("act", json!({"sub": "agent:bot", "act": {"sub": "agent:bot"}})),
        ("act", json!({"sub": "agent:bot", "act": null})),
        ("authorization_details", json!([{"type": "everything"}])),
        ("portcullis", json!({"parents": [], "groups": null})),
        ("portcullis", json!({"parents": ["x"]})),
        ("cnf", json!({"jkt": "x"})),
        ("exp", json!(SECOND)),
    ] {
        let mut other = good.clone();
        other.as_object_mut().unwrap().insert(claim.to_owned(), value.clone());
        assert!(verify(&other).is_err(), "{claim}: {value}");
    }
    let foreign = mint(&token, &gate(), &self::signer(8)).unwrap();
    let foreign = Unverified::parse(foreign.expose()).unwrap();
    assert_eq!(verify_task(&foreign, &gate(), &keys(&[&signer]), NOW), Err(TokenError::KeyUnknown));
    assert_eq!(TokenError::KeyUnknown.reason(), ReasonCode::TokenUnverified);
}

/// One key signs both, so their types keep them apart: whole claims of a token under the type of metadata are none.
#[test]
fn what_the_gate_says_of_itself_is_no_token() {
    let token = exchange(&bearer(), &actor("agent:bot", None), Some(SMALL)).unwrap();
    let attested = super::attest(&token.claims(&gate()), &signer(9)).unwrap();
    let verified = Unverified::parse(&attested).and_then(|read| verify_task(&read, &gate(), &keys(&[&signer(9)]), NOW));
    assert_eq!(verified, Err(TokenError::Type));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_may_come(text in "[A-Za-z0-9_.-]{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Unverified::parse(&text));
        let parts = format!("{}.{}.", URL_SAFE_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&text));
        drop(Unverified::parse(&parts));
        drop(KeySet::parse(&bytes));
        drop(grant_of(&bytes));
    }
}
