//! The network: TLS to upstreams, the proxy on the way, trusted proxies in front.

use identity::Secret;

use crate::{Config, ForwardedHeader, Texts, Warning};

fn load_in(environment: &[(&str, &str)], main: &str) -> (Config, Vec<Warning>) {
    let texts = Texts::new()
        .with("policies/a.cedar", "")
        .with("portcullis.yaml", main)
        .with("ca.pem", "authority")
        .with("c.pem", "certificate")
        .with("k.pem", "key-Zk3vT9qLw2Rb");
    let env = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Config::load(&texts, &env).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Which upstreams go through which proxy: `NAME=HOST:PORT USER/PASSWORD`.
fn routes(config: &Config) -> Vec<String> {
    let told = |(name, upstream): (&model::Name, &crate::Upstream)| {
        let proxy = upstream.proxy.as_ref()?;
        let credentials =
            proxy.credentials.as_ref().map(|(user, password): &(String, Secret)| format!(" {user}/{}", password.expose()));
        Some(format!("{name}={}:{}{}", proxy.host, proxy.port, credentials.unwrap_or_default()))
    };
    config.settings.upstreams.iter().filter_map(told).collect()
}

const UPSTREAMS: &str = "upstreams:
  far: {kind: openai, base_url: 'https://api.example', api_key: '${KEY}'}
  near: {kind: openai, base_url: 'https://models.corp.example', api_key: '${KEY}'}
  here: {kind: openai, base_url: 'http://127.0.0.1:8080'}
";
const KEY: (&str, &str) = ("KEY", "sk-Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1e");

#[test]
fn a_proxy_is_used_where_it_is_written_and_nowhere_else() {
    let environment = [KEY, ("HTTPS_PROXY", "http://me:hunter%212x@Proxy:3128"), ("no_proxy", "corp.example, 10.0.0.0/8")];
    let (config, warnings) = load_in(&environment, UPSTREAMS);
    assert!(routes(&config).is_empty() && warnings.is_empty(), "the environment alone says nothing");
    let (config, warnings) = load_in(&environment, &format!("{UPSTREAMS}proxy: environment\n"));
    assert_eq!(routes(&config), ["far=proxy:3128 me/hunter!2x"]);
    assert_eq!(warnings.len(), 1, "the password is sent in the clear: {warnings:?}");
    let (config, warnings) = load_in(&[KEY], &format!("{UPSTREAMS}proxy: environment\n"));
    assert!(routes(&config).is_empty() && warnings.len() == 1, "{warnings:?}");
    let written = "proxy: {url: 'https://proxy.example', user: me, password: '${KEY}', ca: ca.pem, no_proxy: [api.example]}\n";
    let (config, warnings) = load_in(&[KEY], &format!("{UPSTREAMS}{written}"));
    assert_eq!(routes(&config), [format!("near=proxy.example:443 me/{}", KEY.1)]);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(!format!("{config:?}").contains("Zk3vT9q"), "no secret in Debug");
}

#[test]
fn two_values_of_one_variable_are_one_too_many() {
    let environment = [("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:1")];
    let env = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let texts = Texts::new().with("policies/a.cedar", "").with("portcullis.yaml", "proxy: environment\n");
    let problems = Config::load(&texts, &env).unwrap_err();
    let expected = "portcullis.yaml:1:8: proxy: the environment variables `HTTPS_PROXY` and `https_proxy` differ";
    assert_eq!(super::lines(&problems), [expected]);
}

#[test]
fn tls_to_an_upstream() {
    let main = "upstreams: {u: {kind: openai, base_url: 'https://x.example', api_key: '${KEY}', ca: ca.pem, \
                client_certificate: c.pem, client_key: k.pem, server_name: Y.example}}\n";
    let (config, _) = load_in(&[KEY], main);
    let trust = &config.settings.upstreams.values().next().unwrap().trust;
    assert_eq!(trust.ca.as_deref(), Some(&b"authority"[..]));
    let (certificate, key) = trust.client.as_ref().unwrap();
    assert_eq!((certificate.as_slice(), key.expose()), (&b"certificate"[..], "key-Zk3vT9qLw2Rb"));
    assert_eq!(trust.server_name.as_deref(), Some("y.example"));
    assert!(!format!("{config:?}").contains("Zk3vT9q"), "no secret in Debug");
}

#[test]
fn trusted_proxies() {
    let main = "listen: {trusted_proxies: [10.0.0.0/8, '2001:db8::1'], forwarded_header: forwarded}\n";
    let (config, _) = load_in(&[], main);
    let listen = &config.settings.listen;
    assert_eq!(listen.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "2001:db8::1/128"]);
    assert_eq!(listen.forwarded_header, ForwardedHeader::Forwarded);
}
