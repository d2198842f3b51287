//! Rule files as a configuration names them.

use super::{lines, load_with};
use crate::Texts;

const MAIN: &str = "operators: {root: admin}\ninspection: {rule_files: [rules/own.toml]}\n";
const OWN: &str = "[extend]\npath = \"more/base.toml\"\n[[rules]]\nid = \"acme\"\nregex = 'acme_[a-z]{8}'\n";
const BASE: &str = "[[rules]]\nid = \"base\"\nregex = 'base_[a-z]{8}'\npath = 'x'\n";

fn texts() -> Texts {
    let texts = Texts::new().with("policies/a.cedar", "permit(principal, action, resource);");
    texts.with("rules/own.toml", OWN).with("rules/more/base.toml", BASE)
}

#[test]
fn the_bundle_holds_what_was_read() {
    let (config, warnings) = load_with(texts(), MAIN).unwrap();
    let rules = &config.bundle.rules;
    assert_eq!(rules.files, ["rules/own.toml"]);
    assert_eq!(rules.texts.keys().collect::<Vec<_>>(), ["rules/more/base.toml", "rules/own.toml"]);
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["rules/more/base.toml:1:1: rule `base`: `path` is ignored: what passes the gate has no path"]);
    // A bundle of before reads as one without rules, and one without rules is written as it was before.
    let (without, _) = load_with(texts(), "operators: {root: admin}\n").unwrap();
    let written = serde_json::to_string(&without.bundle).unwrap();
    assert!(!written.contains("rules"), "{written}");
    assert_eq!(serde_json::from_str::<model::Bundle>(&written).unwrap(), without.bundle);
    let written = serde_json::to_string(&config.bundle).unwrap();
    assert_eq!(serde_json::from_str::<model::Bundle>(&written).unwrap(), config.bundle);
}

#[test]
fn what_is_wrong_with_them_is_told() {
    let named = |list: &str| format!("operators: {{root: admin}}\ninspection: {{rule_files: {list}}}\n");
    let facts: &[(&str, &str)] = &[
        (
            "[../own.toml]",
            "portcullis.yaml:2:27: inspection.rule_files[0]: `../own.toml` is not a rule file below this file: expected such as `rules/own.toml`",
        ),
        (
            "[/etc/own.toml]",
            "portcullis.yaml:2:27: inspection.rule_files[0]: `/etc/own.toml` is not a rule file below this file: expected such as `rules/own.toml`",
        ),
        (
            "[rules/own.yaml]",
            "portcullis.yaml:2:27: inspection.rule_files[0]: `rules/own.yaml` is not a rule file below this file: expected such as `rules/own.toml`",
        ),
        ("[rules/none.toml]", "portcullis.yaml:2:27: inspection.rule_files[0]: `rules/none.toml` cannot be read: no such file"),
        (
            "[rules/own.toml, rules/own.toml]",
            "portcullis.yaml:2:43: inspection.rule_files[1]: `rules/own.toml` stands twice in this list",
        ),
        ("[rules/bad.toml]", "rules/bad.toml:2:1: rule `x`: the field `regexes` is not known, did you mean `regex`?"),
    ];
    for (list, expected) in facts {
        let texts = texts().with("rules/bad.toml", "[[rules]]\nregexes = 'x'\nregex = 'x'\nid = 'x'\n");
        assert_eq!(lines(&load_with(texts, &named(list)).unwrap_err()), [*expected], "{list}");
    }
    let latin = texts().with("rules/own.toml", b"# \xe4".to_vec());
    assert_eq!(
        lines(&load_with(latin, MAIN).unwrap_err()),
        ["rules/own.toml:1:1: `rules/own.toml` cannot be read: not valid UTF-8"]
    );
}
