//! Issuers of tokens: what holds together, and what is refused.

use identity::token::Algorithm;

use super::{lines, load};

const GOOD: &str = "\
groups: {research: {}}
issuers:
  okta:
    url: https://login.example.com/
    audiences: [https://gate.example]
    algorithms: [ES256]
    groups: {claim: /realm_access/roles, map: {eng: research}}
  old:
    url: http://127.0.0.1:9000
    audiences: [gate]
    typ: any
    clock_skew_seconds: 60
tokens: {url: https://gate.example}
";

#[test]
fn issuers_as_written() {
    let (config, warnings) = load(GOOD).unwrap();
    let [okta, old] = config.settings.issuers.as_slice() else { panic!("two issuers") };
    assert_eq!((okta.rules.url.as_str(), okta.rules.any_type, okta.rules.skew), ("https://login.example.com/", false, 30));
    assert_eq!(okta.rules.algorithms, [Algorithm::Es256].into());
    assert_eq!(okta.rules.groups.as_ref().map(|rule| rule.map.len()), Some(1));
    assert_eq!((old.rules.any_type, old.rules.skew, old.rules.algorithms.len()), (true, 60, 4));
    assert_eq!(config.settings.tokens.as_ref().map(|gate| gate.lifetime), Some(900));
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|warning| warning.contains("issuers.old.typ")), "{warnings:?}");
}

/// Each fact: an issuer, or what stands beside it, and what is said about it.
#[test]
fn what_is_refused() {
    let issuer = |name: &str, more: &str| format!("issuers: {{{name}: {{url: https://idp.example, audiences: [g]{more}}}}}\n");
    let facts = [
        (issuer("Okta", ""), "`Okta` is no name of an issuer"),
        (issuer("a:b", ""), "`a:b` is no name of an issuer"),
        (issuer("okta", ", algorithms: [HS256]"), "HS256"),
        (issuer("okta", ", algorithms: [none]"), "none"),
        (issuer("okta", ", algorithms: []"), "expected at least one"),
        (issuer("okta", ", clock_skew_seconds: 61"), "clock_skew_seconds"),
        (issuer("okta", ", audiences: []"), "audiences"),
        (issuer("okta", ", jwks_uri: http://idp.example/keys"), "would let the network choose the keys"),
        (issuer("okta", ", ca: missing.pem"), "the file `missing.pem` cannot be read"),
        ("issuers: {okta: {url: 'http://127.0.0.1:1', audiences: [g], ca: x}}\n".to_owned(), "there is no certificate to verify"),
        (issuer("okta", ", groups: {claim: groups, map: {eng: ghosts}}"), "no group is named `ghosts`"),
        ("issuers: {okta: {url: http://idp.example, audiences: [g]}}\n".to_owned(), "would let the network choose the keys"),
        ("issuers: {okta: {url: https://idp.example}}\n".to_owned(), "audiences"),
        (format!("{}users: {{'okta:ada': {{}}}}\n", issuer("okta", "")), "begins like the parties of the issuer `okta`"),
        (format!("{}services: {{'okta:x': {{}}}}\n", issuer("okta", "")), "begins like the parties of the issuer `okta`"),
        (
            format!("{}tokens: {{url: https://idp.example}}\n", issuer("okta", "")),
            "nobody could tell its tokens from the gate's own",
        ),
        ("tokens: {url: https://gate.example/}\n".to_owned(), "without a path"),
        ("tokens: {url: https://gate.example, lifetime_seconds: 100000}\n".to_owned(), "lifetime_seconds"),
        (
            "issuers: {a: {url: https://idp.example, audiences: [g]}, b: {url: https://idp.example, audiences: [g]}}\n"
                .to_owned(),
            "the issuer `a` has the same address",
        ),
    ];
    for (text, expected) in facts {
        let said = lines(&load(&text).map(|(config, _)| config.settings.issuers.len()).unwrap_err());
        assert!(said.iter().any(|line| line.contains(expected)), "{text}: {said:?}");
    }
    // A name that only begins with the same letters is nobody of the issuer.
    assert!(load(&format!("{}users: {{'oktavia': {{}}, 'other:ada': {{}}}}\n", issuer("okta", ""))).is_ok());
}

#[test]
fn the_way_to_an_issuer() {
    let issuer = |more: &str| format!("issuers: {{okta: {{url: 'https://idp.example', audiences: [g]{more}}}}}\n");
    let proxy = "proxy: {url: 'https://proxy.example', no_proxy: [direct.example]}\n";
    // (more of the issuer, whether it is reached through the proxy): what is asked is what counts.
    let facts = [
        ("", true),
        (", jwks_uri: 'https://direct.example/keys'", false),
        (", jwks_uri: 'https://keys.example/keys'", true),
        (", jwks_uri: 'http://127.0.0.1:1/keys'", false),
    ];
    for (more, is_proxied) in facts {
        let (config, _) = load(&format!("{}{proxy}", issuer(more))).unwrap();
        assert_eq!(
            config.settings.issuers.iter().map(|issuer| issuer.proxy.is_some()).collect::<Vec<_>>(),
            [is_proxied],
            "{more}"
        );
    }
}
