//! What is refused, what is only warned of, and how it reads.

use model::{Dialect, Level};

use super::{lines, load, load_with};
use crate::{Control, Refusals, Texts};

const GOOD: &str = "\
listen: {data: '0.0.0.0:0', tls: {certificate: tls/c, key: tls/k}, admin: '[::1]:0', hosts: [Gate.Example]}
upstreams:
  openai: {kind: openai, base_url: https://api.openai.com/v1, api_key: '${KEY}'}
  local: {kind: openai, dialects: [openai, anthropic], base_url: http://127.0.0.1:8080, connect_seconds: 2}
  claude: {kind: anthropic, base_url: https://api.anthropic.com, api_key: {file: keys/claude}}
models:
  small:
    upstreams: [{name: local, model: smol}, {name: openai, model: gpt-4.1-mini}]
    clearance: confidential
    groups: [everyday]
model_groups: {everyday: {}}
groups: {staff: {}, research: {groups: [staff]}}
users: {ada: {groups: [research]}}
agents: {desk: {autonomous: [callModel], user_text: verbatim}}
services: {billing: {}}
operators: {root: admin}
refusals: explain
fields: {openai: [user_profile]}
limits: {depth: 32}
evidence: {fsync_ms: 1}
logging: {format: json, level: debug}
";

#[test]
fn a_whole_configuration() {
    let texts = Texts::new()
        .with("policies/a.cedar", "permit(principal, action, resource);")
        .with("keys/claude", "Zk3vT9qLw2Rb7YxN4mHc\n")
        .with("tls/c", "")
        .with("tls/k", "");
    let (config, warnings) = load_with(texts, GOOD).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let settings = &config.settings;
    let model = config.bundle.registry.models.values().next().unwrap();
    assert_eq!(model.dialects, [Dialect::Openai, Dialect::Anthropic].into());
    assert_eq!(model.clearance, Level::Confidential);
    let routes: Vec<String> =
        settings.routes.values().flatten().map(|route| format!("{}={}", route.upstream, route.model)).collect();
    assert_eq!(routes, ["local=smol", "openai=gpt-4.1-mini"], "the order is that of the file");
    let upstreams: Vec<String> = settings.upstreams.values().map(|upstream| upstream.base_url.to_string()).collect();
    assert_eq!(upstreams, ["https://api.anthropic.com", "http://127.0.0.1:8080", "https://api.openai.com"]);
    let keys: Vec<Option<&str>> =
        settings.upstreams.values().map(|upstream| upstream.api_key.as_ref().map(identity::Secret::expose)).collect();
    assert_eq!(keys, [Some("Zk3vT9qLw2Rb7YxN4mHc"), None, Some("sk-Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1e")]);
    assert_eq!(settings.listen.hosts, ["gate.example".to_owned()].into());
    assert_eq!(settings.listen.tls.as_ref().map(|tls| (tls.key.as_str(), tls.client_ca.is_none())), Some(("tls/k", true)));
    assert_eq!(settings.refusals, Refusals::Explain);
    assert_eq!((settings.limits.depth, settings.limits.body_bytes), (32, 8 << 20));
    assert_eq!(config.bundle.policies.keys().collect::<Vec<_>>(), ["policies/a.cedar"]);
    assert_eq!(config.bundle.registry.agents.values().next().unwrap().autonomous.len(), 1);
    assert!(!format!("{config:?}").contains("Zk3vT9q"), "no secret in Debug");
    assert!(!serde_json::to_string(&config.bundle).unwrap().contains("Zk3vT9q"), "no secret in the bundle");
}

/// Each fact: what is added to an otherwise empty file, and every line that is said about it.
#[test]
fn what_is_refused() {
    let facts: &[(&str, &[&str])] = &[
        (
            "listen: {data: 0.0.0.0:80}\n",
            &[
                "portcullis.yaml:1:16: listen.data: `0.0.0.0:80` can be reached from other machines: give it a certificate and a key \
               under `listen.tls`, put a TLS proxy in front of a loopback address, or set `danger.plaintext_beyond_loopback: true`",
            ],
        ),
        (
            "listen: {data: 0.0.0.0:80, tls: {certificate: c, key: k}, admin: 0.0.0.0:81}\n",
            &[
                "portcullis.yaml:1:47: listen.tls.certificate: the file `c` cannot be read: no such file",
                "portcullis.yaml:1:55: listen.tls.key: the file `k` cannot be read: no such file",
                "portcullis.yaml:1:66: listen.admin: `0.0.0.0:81` can be reached from other machines: give it a certificate and a key \
               under `listen.admin_tls`, put a TLS proxy in front of a loopback address, or set \
               `danger.plaintext_beyond_loopback: true`",
            ],
        ),
        (
            "listen: {admin: '[::]:80'}\ndanger: {plaintext_beyond_loopback: true, scanners_off: [jwt]}\n",
            &[
                "portcullis.yaml:1:17: listen.admin: `[::]:80` can be reached from other machines, which is refused while controls \
               are off under `danger`",
            ],
        ),
        (
            "listen: {data: localhost:80}\n",
            &[
                "portcullis.yaml:1:16: listen.data: expected an address and a port such as `127.0.0.1:7700`, found `localhost:80`; \
               write `127.0.0.1` for `localhost`",
            ],
        ),
        (
            "listen: {data: 127.0.0.1:7701}\n",
            &[
                "portcullis.yaml:1:9: listen.admin: `127.0.0.1:7701` is taken by `listen.data`, the two planes do not share a port",
            ],
        ),
        (
            "listen: {hosts: ['a:80']}\n",
            &["portcullis.yaml:1:18: listen.hosts[0]: expected a host name without a port, found `a:80`"],
        ),
        (
            "upstreams: {openai: {kind: openai, base_url: https://x.example}}\nmodels: {m: {upstreams: [{name: openia, model: x}]}}\n",
            &["portcullis.yaml:2:33: models.m.upstreams[0].name: no upstream is named `openia`, did you mean `openai`?"],
        ),
        (
            "models: {m: {upstreams: [{name: x, model: x}], groups: [g]}}\n",
            &[
                "portcullis.yaml:1:33: models.m.upstreams[0].name: no upstream is named `x`, declare it under `upstreams`",
                "portcullis.yaml:1:57: models.m.groups[0]: no model group is named `g`, declare it under `model_groups`",
            ],
        ),
        (
            "groups: {a: {groups: [b]}, b: {groups: [a]}}\n",
            &["portcullis.yaml:1:10: groups.a: groups in a circle: `a` → `b` → `a`"],
        ),
        (
            "segments: {eu: {}, a: {groups: [b]}, b: {groups: [a]}}\ndestinations: {x.example: [eu], 'Y.example': [], z: [nowhere]}\n",
            &[
                "portcullis.yaml:1:20: segments.a: groups in a circle: `a` → `b` → `a`",
                "portcullis.yaml:2:33: destinations[\"Y.example\"]: is written `y.example`",
                "portcullis.yaml:2:54: destinations.z[0]: no segment is named `nowhere`, declare it under `segments`",
            ],
        ),
        (
            "groups: {a: {}}\nusers: {u: {groups: [a, a]}, U: {}, 'x y': {}}\n",
            &[
                "portcullis.yaml:2:9: users.u: `U` and `u` differ only by letter case",
                "portcullis.yaml:2:25: users.u.groups[1]: `a` stands twice in this list",
                "portcullis.yaml:2:37: users[\"x y\"]: `x y` is not a name: expected 1 to 128 of a-z, A-Z, 0-9, `.`, `_`, `-`, `@`, \
                 `:`, `/`, starting with a letter or digit",
            ],
        ),
        (
            "operators: {local: admin}\n",
            &["portcullis.yaml:1:13: operators.local: the name `local` is the gate's own, choose another"],
        ),
        (
            "upstreams: {u: {kind: openai, base_url: http://10.0.0.1, dialects: []}}\n",
            &[
                "portcullis.yaml:1:41: upstreams.u.base_url: `http` to another machine would show key and content to the network: \
                 write `https`, or set `danger.plaintext_upstreams: true`",
                "portcullis.yaml:1:68: upstreams.u.dialects: expected at least one of `openai`, `anthropic`, or no such key",
            ],
        ),
        (
            "upstreams: {u: {kind: openai, base_url: https://me:pw@x.example}}\n",
            &["portcullis.yaml:1:41: upstreams.u.base_url: not a URL for an upstream: a user or password is not allowed here"],
        ),
        (
            "policies: [policies/none.cedar]\n",
            &["portcullis.yaml:1:12: policies[0]: `policies/none.cedar` cannot be read: no such file"],
        ),
        ("policies: ['rules/*.cedar']\n", &["portcullis.yaml:1:12: policies[0]: no file matches `rules/*.cedar`"]),
        (
            "fields: {openai: ['a b']}\n",
            &["portcullis.yaml:1:19: fields.openai[0]: expected the name of a request field, found `a b`"],
        ),
        (
            "danger: {off: [audit]}\n",
            &["portcullis.yaml:1:16: danger.off[0]: expected one of `inspection`, `policy`, `evidence`, found the text `audit`"],
        ),
        (
            "danger: {scanners_off: [email, JWT, EMAIL_ADDRES]}\n",
            &[
                "portcullis.yaml:1:25: danger.scanners_off[0]: no scanner finds `email`",
                "portcullis.yaml:1:32: danger.scanners_off[1]: no scanner finds `JWT`, did you mean `jwt`?",
                "portcullis.yaml:1:37: danger.scanners_off[2]: no scanner finds `EMAIL_ADDRES`, did you mean `EMAIL_ADDRESS`?",
            ],
        ),
        // Shape and meaning at once, in the order of the file.
        (
            "lisen: {}\nusers: {u: {groups: [nobody]}}\nlimits: {depth: 1}\n",
            &[
                "portcullis.yaml:1:1: the key `lisen` is not known here, did you mean `listen`?",
                "portcullis.yaml:2:22: users.u.groups[0]: no group is named `nobody`, declare it under `groups`",
                "portcullis.yaml:3:17: limits.depth: expected a number from 8 to 128, found 1",
            ],
        ),
        // An upstream that is wrong itself does not make its models wrong.
        (
            "upstreams: {u: {kind: opnai, base_url: https://x.example}}\nmodels: {m: {upstreams: [{name: u, model: x}]}}\n",
            &[
                "portcullis.yaml:1:23: upstreams.u.kind: expected one of `openai`, `anthropic`, `mcp`, `a2a`, found the text `opnai`, did you mean \
               `openai`?",
            ],
        ),
        ("", &["portcullis.yaml:1:1: the file is empty"]),
        ("# nothing\n", &["portcullis.yaml:1:1: the file is empty"]),
    ];
    for (text, expected) in facts {
        assert_eq!(lines(&load(text).unwrap_err()), *expected, "{text}");
    }
}

#[test]
fn secrets_that_are_none_are_refused_and_never_quoted() {
    let facts = [
        (
            "sk-Zk3vT9qLw2Rb7YxN4mHc",
            "expected `${NAME}` or `{file: PATH}`, found something else: a secret does not stand in this file",
        ),
        ("$KEY", "expected `${NAME}` or `{file: PATH}`, found something else: a secret does not stand in this file"),
        ("'${KEY:-Zk3v}'", "expected `${NAME}` or `{file: PATH}`, found something else: a secret does not stand in this file"),
        ("'Zk3v${KEY}'", "expected `${NAME}` or `{file: PATH}`, found something else: a secret does not stand in this file"),
        ("'${UNSET}'", "the environment variable `UNSET` is not set"),
        ("'${EMPTY}'", "the value of the environment variable `EMPTY` cannot be used as a secret: it is empty"),
        ("'${DUMMY}'", "the value of the environment variable `DUMMY` cannot be used as a secret: it is a placeholder"),
        (
            "{file: k/same}",
            "the content of the file `k/same` cannot be used as a secret: it is a placeholder: one character or a \
                            simple sequence, over and over",
        ),
        (
            "{file: k/two}",
            "the content of the file `k/two` cannot be used as a secret: it holds white space or characters that a \
                           header cannot carry",
        ),
    ];
    for (secret, expected) in facts {
        let texts = Texts::new().with("k/same", "Zk3v-xxxxxxxxxxxx").with("k/two", "Zk3vT9qLw2Rb\nZk3vT9qLw2Rb\n");
        let main = format!("upstreams:\n  u: {{kind: openai, base_url: https://x.example, api_key: {secret}}}\n");
        let said = lines(&load_with(texts, &main).unwrap_err());
        assert_eq!(said, [format!("portcullis.yaml:2:59: upstreams.u.api_key: {expected}")], "{secret}");
        assert!(!said[0].contains("Zk3v"), "{said:?}");
    }
    // Not even where the shape is wrong.
    for wrong in ["12345678901234", "[Zk3vT9qLw2Rb]", "true"] {
        let main = format!("upstreams:\n  u: {{kind: openai, base_url: https://x.example, api_key: {wrong}}}\n");
        let said = lines(&load(&main).unwrap_err()).join("\n");
        assert!(said.contains("expected a text or a mapping") && !said.contains(wrong.trim_matches(['[', ']'])), "{said}");
    }
}

#[test]
fn what_is_only_warned_of() {
    let facts: &[(&str, &[&str])] = &[
        (
            "listen: {data: 0.0.0.0:80}\noperators: {root: admin}\ndanger: {plaintext_beyond_loopback: true}\n",
            &["portcullis.yaml:3:1: danger: `plaintext_beyond_loopback` is set: the gate is weaker than it could be"],
        ),
        (
            "operators: {root: admin}\ndanger: {off: [evidence, policy], scanners_off: [jwt]}\n",
            &[
                "portcullis.yaml:2:1: danger: `off:evidence` is set: the gate is weaker than it could be",
                "portcullis.yaml:2:1: danger: `off:policy` is set: the gate is weaker than it could be",
                "portcullis.yaml:2:1: danger: `scanners_off:jwt` is set: the gate is weaker than it could be",
            ],
        ),
        (
            "upstreams: {u: {kind: openai, base_url: http://10.0.0.1}}\noperators: {root: admin}\ndanger: {plaintext_upstreams: true}\n",
            &[
                "portcullis.yaml:1:13: upstreams.u: no `api_key`: calls go there without a credential",
                "portcullis.yaml:3:1: danger: `plaintext_upstreams` is set: the gate is weaker than it could be",
            ],
        ),
        (
            "operators: {watch: viewer}\n",
            &[
                "portcullis.yaml:1:1: operators: no operator has the role `admin`, so nobody can manage operators over the network",
            ],
        ),
        (
            "operators: {root: admin}\npolicies: []\n",
            &["portcullis.yaml:2:1: policies: there is no policy, so everything will be refused"],
        ),
    ];
    for (text, expected) in facts {
        let (config, warnings) = load(text).unwrap();
        let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(said, *expected, "{text}");
        let n_weak = said.iter().filter(|line| line.contains("weaker")).count();
        assert_eq!(config.settings.danger.names().len(), n_weak);
    }
    let (config, _) = load("danger: {off: [inspection]}\n").unwrap();
    assert_eq!(config.settings.danger.off, [Control::Inspection].into());
}

#[test]
fn files_that_are_no_text_or_not_there() {
    let facts: [(&[u8], &str); 3] = [
        (b"users: {}\nusers2\xFF: {}\n", "portcullis.yaml:2:7: not valid UTF-8"),
        (&[b' '; (4 << 20) + 1], "portcullis.yaml:1:1: cannot be read: larger than 4194304 bytes"),
        (b"a: [1\nb: 2", "portcullis.yaml:"),
    ];
    for (bytes, expected) in facts {
        let source = Texts::new().with("portcullis.yaml", bytes);
        let said = lines(&crate::Config::load(&source, &super::env).unwrap_err());
        assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?}");
    }
    let said = lines(&crate::Config::load(&Texts::new(), &super::env).unwrap_err());
    assert_eq!(said, ["portcullis.yaml:1:1: cannot be read: no such file"]);
    let said = lines(&load_with(Texts::new().with("policies/b.cedar", [0xFF]), "users: {}\n").unwrap_err());
    assert_eq!(said, ["policies/b.cedar:1:1: not valid UTF-8"]);
}

/// Every upstream is named by a model and warned of: with a look at all names for each it would take minutes.
#[test]
fn many_names_take_linear_time() {
    let count = 10_000;
    let mut text = "upstreams:\n".to_owned();
    (0..count).for_each(|n| text.push_str(&format!("  u{n}: {{kind: openai, base_url: 'https://u{n}.example'}}\n")));
    text.push_str("models:\n");
    (0..count).for_each(|n| text.push_str(&format!("  m{n}: {{upstreams: [{{name: u{n}, model: x}}]}}\n")));
    let begun = std::time::Instant::now();
    let (config, warnings) = load(&text).unwrap();
    assert_eq!(config.settings.routes.len(), count);
    assert!(warnings.len() >= count, "{}", warnings.len());
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}
