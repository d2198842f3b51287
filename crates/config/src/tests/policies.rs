//! The policies of samples and examples compile, and the sample organisation answers as its comments say.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Action, Ask, Bundle, Chain, DecisionInput, Dialect, Facts, FindingGroup, Label, Name, PrincipalId, Resource, UnixMillis,
    Verdict,
};
use policy::PolicySnapshot;

use super::env;
use super::examples::{Folder, examples};
use crate::templates::{SampleUpstream, init, quickstart};
use crate::{Config, Texts};

fn compiled(bundle: &Bundle) -> PolicySnapshot {
    let groups = [FindingGroup::Secret, FindingGroup::Pii, FindingGroup::Uninspected].map(|group| group.as_str().to_owned());
    let kinds = inspect::Scanners::kinds().into_iter().map(|(kind, _)| kind.to_string());
    let texts = &bundle.rules.texts;
    let own = inspect::load_rules(&bundle.rules.files, &mut |name| texts.get(name).cloned().ok_or_else(String::new)).unwrap();
    let own = own.rules.iter().map(|rule| rule.kind().to_owned());
    PolicySnapshot::load(bundle, &kinds.chain(groups).chain(own).collect()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn loaded(files: BTreeMap<String, String>) -> Bundle {
    let texts = files.into_iter().fold(Texts::new(), |texts, (path, text)| texts.with(path, text));
    Config::load(&texts, &env).unwrap().0.bundle
}

fn sample() -> BTreeMap<String, String> {
    let base_url = "https://api.example".to_owned();
    quickstart(&SampleUpstream { kind: "openai".to_owned(), base_url, key_variable: None, model: "m".to_owned() })
}

fn call(chain: &str, model: &str) -> DecisionInput {
    let links: Vec<PrincipalId> = chain.split(' ').map(|link| link.parse().unwrap()).collect();
    DecisionInput {
        chain: Chain::new(links).unwrap(),
        asks: vec![Ask { action: Action::CallModel, resource: Resource::Model(Name::new(model).unwrap()) }],
        facts: Facts {
            now: UnixMillis(1_700_000_000_000),
            credential: Name::new("pcl_000000000000").unwrap(),
            credential_age: 60,
            dialect: Some(Dialect::Openai),
            stream: false,
            findings: BTreeMap::new(),
            label: Label::default(),
            ledger_version: 0,
            answered: BTreeSet::new(),
            mandate: Default::default(),
            arguments: None,
            around: Default::default(),
        },
    }
}

#[test]
fn the_sample_organisation_answers_as_it_says() {
    let snapshot = compiled(&loaded(sample()));
    let facts = [
        ("user:alice", "small", "permit permitted [response:redact:pii]"),
        ("user:alice", "large", "deny policy-denied []"),
        ("user:bob", "small", "permit permitted [response:redact:pii]"),
        ("user:bob", "large", "permit permitted []"),
        ("user:alice agent:assistant", "small", "permit permitted [response:redact:pii]"),
        ("user:alice agent:assistant", "large", "deny policy-denied []"),
        ("user:bob agent:assistant", "large", "permit permitted []"),
        ("agent:assistant", "small", "deny agent-without-user []"),
        ("agent:nightly", "small", "permit permitted [request:deny:secret]"),
        ("agent:nightly", "large", "deny policy-denied []"),
        ("user:carol", "small", "deny principal-unknown []"),
    ];
    for (chain, model, expected) in facts {
        let answer = snapshot.decide(&call(chain, model));
        let duties: Vec<String> = answer.links.iter().flat_map(|link| link.duties.iter().map(ToString::to_string)).collect();
        let verdict = match answer.verdict {
            Verdict::Permit => "permit",
            Verdict::Challenge => "challenge",
            Verdict::Deny => "deny",
        };
        let shown = if answer.verdict == Verdict::Permit { duties.join(", ") } else { String::new() };
        assert_eq!(format!("{verdict} {} [{shown}]", answer.reason), expected, "{chain} {model}");
    }
}

#[test]
fn init_permits_nothing() {
    let bundle = loaded(init("root"));
    assert_eq!(compiled(&bundle).decide(&call("user:alice", "small")).verdict, Verdict::Deny);
}

#[test]
fn the_policies_of_every_example_compile() {
    for folder in examples() {
        let (config, _) = Config::load(&Folder(folder), &env).unwrap();
        assert!(compiled(&config.bundle).n_policies() > 1);
    }
}

/// The first policy that `init` shows in a comment is one that works.
#[test]
fn the_commented_policy_of_init_compiles() {
    let mut files = init("root");
    let uncommented =
        |text: &str| text.lines().skip(2).map(|line| format!("{}\n", line.trim_start_matches("//"))).collect::<String>();
    let policy = files.get_mut("policies/baseline.cedar").unwrap();
    *policy = uncommented(policy);
    assert!(policy.contains("@id"), "{policy}");
    // Two more than in an empty configuration would be wrong: the baseline and this one.
    let with = compiled(&loaded(files)).n_policies();
    assert_eq!(with, compiled(&loaded(init("root"))).n_policies() + 1);
}
