//! Credentials of somebody's own, scopes, and where addresses may lead that others have named.

use model::ToolEffect;

use super::{lines, load_with};
use crate::{LendingSource, Per, Texts};

const KB: &str = r#"{"tools": [{"name": "search", "inputSchema": {"type": "object"}}]}"#;
const OAUTH: &str = "{per: user, issuer: 'https://as.example', client_id: gate, client_secret: '${KEY}', scopes: [a, 'b:c']}";

fn loaded(upstream: &str, more: &str) -> Result<crate::Settings, Vec<String>> {
    let main = format!(
        "operators: {{root: admin}}\nupstreams:\n  kb: {{kind: mcp, base_url: 'https://kb.example/mcp', {upstream}}}\n\
         tool_servers:\n  kb:\n    upstream: kb\n    definitions: tools/kb.json\n    tools: {{search: {{effects: [read]}}}}\n{more}"
    );
    let texts = Texts::new().with("policies/a.cedar", "").with("tools/kb.json", KB);
    load_with(texts, &main).map(|(config, _)| config.settings).map_err(|problems| lines(&problems))
}

#[test]
fn each_way_is_read() {
    let lending = |text: &str| {
        let settings = loaded(&format!("credential: {text}"), "").unwrap_or_else(|problems| panic!("{problems:#?}"));
        settings.upstreams[&"kb".parse().unwrap()].lending.clone().unwrap()
    };
    let fixed = lending("{static: {per: agent}}");
    assert!(fixed.per == Per::Agent && matches!(fixed.source, LendingSource::Static));
    let LendingSource::Oauth(oauth) = lending(&format!("{{oauth: {OAUTH}}}")).source else { panic!("oauth") };
    assert_eq!((oauth.resource.as_str(), oauth.scopes.join(" ").as_str()), ("https://kb.example/mcp", "a b:c"));
    assert!(!format!("{oauth:?}").contains("sk-Zk3"));
    let exchange = lending("{exchange: {issuer: 'https://as.example', client_id: gate, audience: kb, secret_in: form}}");
    let LendingSource::Exchange(exchange) = exchange.source else { panic!("exchange") };
    assert!(exchange.secret_in_form && exchange.audience.as_deref() == Some("kb"));
    let scopes = "    scopes: {all: [kb], write: [w], tools: {search: [s]}}\nprivate_networks: ['10.0.0.0/8', '127.0.0.1']\n";
    let settings = loaded("api_key: '${KEY}'", scopes).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let scopes = &settings.tool_scopes[&"kb".parse().unwrap()];
    assert!(
        scopes.all.contains("kb") && scopes.effects[&ToolEffect::Write].contains("w") && scopes.tools["search"].contains("s")
    );
    assert_eq!(settings.private_networks.len(), 2);
}

#[test]
fn what_cannot_be_meant() {
    let oauth = |from: &str, to: &str| format!("credential: {{oauth: {}}}", OAUTH.replace(from, to));
    let facts = [
        ("credential: {}".to_owned(), "", "exactly one of `static`, `oauth`, `exchange`"),
        (format!("credential: {{static: {{per: user}}, oauth: {OAUTH}}}"), "", "exactly one of"),
        ("credential: {static: {per: service}}".to_owned(), "", "expected one of `user`, `agent`"),
        ("api_key: '${KEY}', credential: {static: {per: user}}".to_owned(), "", "not both"),
        (oauth("https://as.example", "http://as.example"), "", "oauth.issuer"),
        (oauth("scopes", "token_endpoint: 'http://10.0.0.1/t', scopes"), "", "oauth.token_endpoint"),
        (oauth("scopes", "authorization_endpoint: 'https://as.example/a', scopes"), "", "needs `token_endpoint`"),
        (oauth("[a, 'b:c']", "['a b']"), "", "`a b` is no scope"),
        (oauth("scopes", "resource: 'https://kb.example/#x', scopes"), "", "without a fragment"),
        (oauth("'${KEY}'", "plain"), "", "client_secret"),
        ("api_key: '${KEY}'".to_owned(), "    scopes: {tools: {serach: [s]}}\n", "`serach` is no approved tool"),
        ("api_key: '${KEY}'".to_owned(), "    scopes: {read: ['a\"b']}\n", "is no scope"),
        ("api_key: '${KEY}'".to_owned(), "private_networks: ['0.0.0.0/0']\n", "private_networks"),
        ("api_key: '${KEY}'".to_owned(), "private_networks: ['10.0.0.1/8']\n", "private_networks"),
    ];
    for (upstream, more, expected) in facts {
        let problems = loaded(&upstream, more).expect_err(expected);
        assert!(problems.iter().any(|line| line.contains(expected)), "{expected}: {problems:#?}");
    }
    // Models have one key for all, and so have servers over stdio.
    let model = "upstreams:\n  m: {kind: openai, base_url: 'https://m.example', credential: {static: {per: user}}}\n";
    let problems = load_with(Texts::new().with("policies/a.cedar", ""), model).map(drop).unwrap_err();
    assert!(lines(&problems).iter().any(|line| line.contains("is for a tool server")), "{problems:#?}");
}
