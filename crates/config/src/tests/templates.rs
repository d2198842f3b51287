//! The configurations that the gate itself writes.

use std::collections::BTreeMap;

use model::{Action, Dialect, Name, OperatorRole};

use super::env;
use crate::templates::{SampleUpstream, init, quickstart};
use crate::{Config, Refusals, Texts};

fn sample(kind: &str, base_url: &str, key: Option<&str>) -> SampleUpstream {
    let key_variable = key.map(ToOwned::to_owned);
    SampleUpstream { kind: kind.to_owned(), base_url: base_url.to_owned(), key_variable, model: "m-1".to_owned() }
}

fn load(files: BTreeMap<String, String>) -> (Config, Vec<String>) {
    let texts = files.into_iter().fold(Texts::new(), |texts, (path, text)| texts.with(path, text));
    match Config::load(&texts, &env) {
        Ok((config, warnings)) => (config, warnings.iter().map(ToString::to_string).collect()),
        Err(problems) => panic!("{}", super::lines(&problems).join("\n")),
    }
}

#[test]
fn quickstart_holds_together_for_every_kind_of_upstream() {
    let odd = SampleUpstream { model: "a \"b\": {c}\n#'".to_owned(), ..sample("openai", "http://[::1]:9", None) };
    let facts = [
        (sample("openai", "https://api.openai.com", Some("OPENAI_API_KEY")), 1),
        (sample("anthropic", "https://api.anthropic.com", Some("ANTHROPIC_API_KEY")), 1),
        (sample("openai", "http://127.0.0.1:9/v1", None), 2),
        (sample("openai", "${LOCAL_URL}", None), 2),
        (odd, 2),
    ];
    for (upstream, n_dialects) in facts {
        let (config, warnings) = load(quickstart(&upstream));
        assert!(warnings.is_empty(), "{warnings:?}");
        let built = config.settings.upstreams.values().next().unwrap();
        let kind = built.kind.unwrap();
        assert_eq!((kind.as_str(), built.dialects.len()), (upstream.kind.as_str(), n_dialects));
        assert!(built.dialects.contains(&kind));
        assert_eq!(built.api_key.is_some(), upstream.key_variable.is_some());
        let models: Vec<&str> = config.settings.routes.values().flatten().map(|route| route.model.as_str()).collect();
        assert_eq!(models, [&upstream.model, &upstream.model]);
        assert_eq!(config.settings.refusals, Refusals::Hide, "the tour expects a denied model to be hidden");
    }
}

/// The names that `quickstart` issues keys for.
#[test]
fn quickstart_declares_its_principals() {
    let (config, _) = load(quickstart(&sample("anthropic", "https://api.example", None)));
    let registry = &config.bundle.registry;
    let names = |names: Vec<&Name>| names.into_iter().map(Name::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(names(registry.users.keys().collect()), "alice bob");
    assert_eq!(names(registry.agents.keys().collect()), "assistant nightly");
    assert_eq!(names(registry.models.keys().collect()), "large small");
    assert_eq!(registry.operators[&Name::new("olivia").unwrap()], OperatorRole::Admin);
    assert_eq!(registry.agents[&Name::new("nightly").unwrap()].autonomous, [Action::CallModel].into());
    assert_eq!(registry.models[&Name::new("small").unwrap()].dialects, [Dialect::Anthropic].into());
    assert_eq!(config.bundle.policies.len(), 2);
}

#[test]
fn init_is_empty_and_ready() {
    let (config, warnings) = load(init("root"));
    assert!(warnings.is_empty(), "{warnings:?}");
    let registry = &config.bundle.registry;
    assert_eq!((registry.users.len(), registry.agents.len(), registry.services.len(), registry.models.len()), (0, 0, 0, 0));
    assert_eq!(registry.operators.values().collect::<Vec<_>>(), [&OperatorRole::Admin]);
    assert!(config.settings.danger.names().is_empty());
}

/// What stands behind `#` in `init` is what people uncomment first.
#[test]
fn the_comments_of_init_hold_together_too() {
    let uncommented = |text: &str| {
        let lines = text.lines().map(|line| match line.strip_prefix("#  ") {
            Some(rest) => format!("  {rest}\n"),
            None => format!("{}\n", line.trim_end_matches(" {}")),
        });
        lines.collect::<String>().replace("services:\n", "services: {}\n")
    };
    let mut files = init("root");
    let main = files.get_mut("portcullis.yaml").unwrap();
    *main = uncommented(main);
    files.extend(["tls/gate.crt", "tls/gate.key"].map(|path| (path.to_owned(), "PEM".to_owned())));
    let (config, _) = load(files);
    assert_eq!((config.bundle.registry.users.len(), config.settings.routes.len()), (1, 1));
}

#[test]
fn the_first_line_names_the_schema_beside_it() {
    for files in [init("root"), quickstart(&sample("openai", "https://api.example", None))] {
        let schema = files["portcullis.yaml"].lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
        assert!(files.contains_key(schema));
    }
}
