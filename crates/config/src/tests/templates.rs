//! The configurations that the gate itself writes.

use model::{Action, Dialect, Name, OperatorRole};

use super::env;
use crate::templates::{SampleUpstream, TemplateFile, init, quickstart};
use crate::{Config, Texts};

fn sample(name: &'static str, kind: Dialect, key: Option<&'static str>) -> SampleUpstream<'static> {
    SampleUpstream {
        name,
        kind,
        dialects: &[],
        base_url: "https://api.example",
        api_key_variable: key,
        small: "s-1",
        large: "l-1",
    }
}

fn load(files: Vec<TemplateFile>) -> (Config, Vec<String>) {
    let texts = files.into_iter().fold(Texts::new(), |texts, (path, text)| texts.with(path, text));
    match Config::load(&texts, &env) {
        Ok((config, warnings)) => (config, warnings.iter().map(ToString::to_string).collect()),
        Err(problems) => panic!("{}", super::lines(&problems).join("\n")),
    }
}

#[test]
fn quickstart_holds_together_for_every_kind_of_upstream() {
    let (data, admin) = ("127.0.0.1:0".parse().unwrap(), "[::1]:7701".parse().unwrap());
    let both = [Dialect::Openai, Dialect::Anthropic];
    let openai = sample("openai", Dialect::Openai, Some("OPENAI_API_KEY"));
    let anthropic = sample("anthropic", Dialect::Anthropic, Some("ANTHROPIC_API_KEY"));
    let built_in = SampleUpstream { dialects: &both, base_url: "http://127.0.0.1:9", ..sample("sample", Dialect::Openai, None) };
    let odd = SampleUpstream { small: "a \"b\": {c}\n#", ..built_in };
    for upstreams in [&[openai][..], &[openai, anthropic], &[built_in], &[odd]] {
        let (config, warnings) = load(quickstart(upstreams, data, admin));
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(config.settings.listen.data, data);
        assert_eq!(config.settings.upstreams.len(), upstreams.len());
        let small = &config.settings.routes[&Name::new("small").unwrap()];
        assert_eq!(small.iter().map(|route| route.model.as_str()).collect::<Vec<_>>(), vec![upstreams[0].small; upstreams.len()]);
        let nightly = &config.bundle.registry.agents[&Name::new("nightly").unwrap()];
        assert!(nightly.autonomous.contains(&Action::CallModel));
        assert_eq!(config.bundle.policies.len(), 2);
    }
}

#[test]
fn init_is_empty_and_ready() {
    let (config, warnings) = load(init());
    assert!(warnings.is_empty(), "{warnings:?}");
    let registry = &config.bundle.registry;
    assert_eq!((registry.users.len(), registry.agents.len(), registry.services.len(), registry.models.len()), (0, 0, 0, 0));
    assert_eq!(registry.operators.values().collect::<Vec<_>>(), [&OperatorRole::Admin]);
    assert!(config.settings.danger.names().is_empty());
}

/// What stands behind `#` in `init` is what people uncomment first.
#[test]
fn the_comments_of_init_hold_together_too() {
    let files = init().into_iter().map(|(path, text)| {
        let lines = text.lines().map(|line| match line.strip_prefix("#  ") {
            Some(rest) => format!("  {rest}\n"),
            None => format!("{}\n", line.trim_end_matches(" {}")),
        });
        let is_main = path == "portcullis.yaml";
        (path, if is_main { lines.collect::<String>().replace("services:\n", "services: {}\n") } else { text.clone() })
    });
    let (config, _) = load(files.collect());
    assert_eq!((config.bundle.registry.users.len(), config.settings.routes.len()), (1, 1));
}

#[test]
fn the_first_line_names_the_schema_beside_it() {
    for files in [init(), quickstart(&[], "127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap())] {
        let main = &files.iter().find(|(path, _)| *path == "portcullis.yaml").unwrap().1;
        let schema = main.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
        assert!(files.iter().any(|(path, _)| *path == schema));
    }
}
