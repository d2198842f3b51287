//! The network: TLS to upstreams, the proxy on the way, trusted proxies in front.

use identity::Secret;

use crate::{Config, ForwardedHeader, Texts, Warning};

fn load_in(environment: &[(&str, &str)], main: &str) -> (Config, Vec<Warning>) {
    let texts = Texts::new()
        .with("policies/a.cedar", "")
        .with("portcullis.yaml", format!("{main}operators: {{root: admin}}\n").as_str())
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

#[test]
fn telemetry() {
    let (config, _) = load_in(&[], "");
    assert!(config.settings.telemetry.is_none(), "off by default");
    let main = "telemetry: {endpoint: 'https://otel.example:4318/', headers: {X-Key: '${KEY}'}, ca: ca.pem}\n\
                proxy: {url: 'http://proxy:3128'}\n";
    let (config, warnings) = load_in(&[KEY], main);
    let telemetry = config.settings.telemetry.as_ref().unwrap();
    assert_eq!(telemetry.endpoint.to_string(), "https://otel.example:4318");
    assert_eq!(telemetry.headers.iter().map(|(name, key)| (name.as_str(), key.expose())).collect::<Vec<_>>(), [("x-key", KEY.1)]);
    assert_eq!((telemetry.signals.len(), telemetry.interval.as_secs(), telemetry.is_propagated), (3, 5, false));
    assert!(telemetry.proxy.is_some() && warnings.is_empty(), "{warnings:?}");
    assert!(!format!("{config:?}").contains("Zk3vT9q"), "no secret in Debug");
}

/// Each fact: what is added to an otherwise empty file, and every line that is said about it.
#[test]
fn what_is_refused() {
    let facts: &[(&str, &[&str])] = &[
        (
            "listen: {trusted_proxies: [10.0.0.0/8, 10.0.0.1, 10.0.0.1/8, '::/0', proxy]}\n",
            &[
                "portcullis.yaml:1:50: listen.trusted_proxies[2]: expected an address or a network without bits behind its prefix, \
               such as `10.0.0.0/8`, found `10.0.0.1/8`",
                "portcullis.yaml:1:62: listen.trusted_proxies[3]: `::/0` is nearly everybody: expected a network with a prefix of at \
               least 8",
                "portcullis.yaml:1:70: listen.trusted_proxies[4]: expected an address or a network without bits behind its prefix, \
               such as `10.0.0.0/8`, found `proxy`",
            ],
        ),
        (
            "proxy: enviroment\n",
            &["portcullis.yaml:1:8: proxy: expected `environment` or a mapping, found the text `enviroment`"],
        ),
        (
            "proxy: {url: 'http://a:b@proxy:1', user: me, no_proxy: ['10.0.0.1/8']}\n",
            &[
                "portcullis.yaml:1:14: proxy.url: not the address of a proxy: a user or password is not allowed here",
                "portcullis.yaml:1:42: proxy.user: a `user` needs a `password`",
                "portcullis.yaml:1:57: proxy.no_proxy[0]: expected `*`, a host name, an address or a network such as `10.0.0.0/8`, with a \
               port or without, found `10.0.0.1/8`",
            ],
        ),
        (
            "proxy: {url: 'http://proxy:1'}\nupstreams: {u: {kind: openai, api_key: '${K}', base_url: 'http://x.example', ca: c}}\n\
             danger: {plaintext_upstreams: true}\n",
            &[
                "portcullis.yaml:2:58: upstreams.u.base_url: a plain `http` upstream is not reached through a proxy, which would see key \
               and content: write `https`, or except it in `proxy.no_proxy`",
                "portcullis.yaml:2:82: upstreams.u.ca: the upstream's address is `http`: there is no TLS to set up",
                "portcullis.yaml:2:82: upstreams.u.ca: the file `c` cannot be read: no such file",
            ],
        ),
        (
            "upstreams: {u: {kind: openai, api_key: '${K}', base_url: 'https://x.example', client_key: k, server_name: 'a b'}}\n",
            &[
                "portcullis.yaml:1:91: upstreams.u.client_key: the file `k` cannot be read: no such file",
                "portcullis.yaml:1:91: upstreams.u.client_key: a `client_key` needs a `client_certificate`",
                "portcullis.yaml:1:107: upstreams.u.server_name: the host must be a name or an address, found `a b`",
            ],
        ),
    ];
    for (main, expected) in facts {
        assert_eq!(super::lines(&super::load(main).unwrap_err()), *expected, "{main}");
    }
}

#[test]
fn who_is_told_to_keep_nothing() {
    let main = "upstreams:
  known: {kind: openai, base_url: 'https://api.openai.com', api_key: '${KEY}'}
  region: {kind: openai, base_url: 'https://eu.api.openai.com', api_key: '${KEY}'}
  asked: {kind: openai, base_url: 'https://api.example', api_key: '${KEY}', decline_store: true}
  trusted: {kind: openai, base_url: 'https://api.openai.com', api_key: '${KEY}', decline_store: false}
  other: {kind: openai, base_url: 'https://fakeapi.openai.com.example', api_key: '${KEY}'}
";
    let (config, _) = load_in(&[KEY], main);
    let told = config.settings.upstreams.iter().filter(|(_, upstream)| upstream.declines_store);
    assert_eq!(told.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["asked", "known", "region"]);
}
