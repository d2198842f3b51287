//! Every decision of the sample organisation in one file that is read as a whole: principal chain × action × resource.
//!
//! Chains and models come from the sample itself, so whoever adds a user adds lines. `UPDATE_GOLDEN=1` writes the file anew;
//! review every line of the difference.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use config::templates::{SampleUpstream, quickstart};
use config::{Config, Texts};
use model::{
    Action, Answer, Ask, Bundle, Chain, DecisionInput, Dialect, Facts, FindingGroup, Label, Name, PrincipalId, PrincipalKind,
    Registry, Resource, UnixMillis, Verdict,
};
use policy::PolicySnapshot;

const HEAD: &str = "\
# Who may do what in the organisation that `portcullis quickstart` makes. `UPDATE_GOLDEN=1 cargo nextest run -p portcullis-config`
# writes this file anew. Facts of every call: openai, no stream, no finding, a fresh label, nothing answered.
# chain  action  resource  verdict  reason  [duties]  (policies that determined it)
";

fn sample() -> Bundle {
    let base_url = "https://api.example".to_owned();
    let upstream = SampleUpstream { kind: "openai".to_owned(), base_url, key_variable: None, model: "m".to_owned() };
    let texts = quickstart(&upstream).into_iter().fold(Texts::new(), |texts, (path, text)| texts.with(path, text));
    let (config, _) = Config::load(&texts, &|_: &str| None).unwrap_or_else(|problems| panic!("{problems:?}"));
    config.bundle
}

fn compiled(bundle: &Bundle) -> PolicySnapshot {
    let groups = [FindingGroup::Secret, FindingGroup::Pii, FindingGroup::Uninspected].map(|group| group.as_str().to_owned());
    let kinds = inspect::Scanners::kinds().into_iter().map(|(kind, _)| kind.to_string());
    PolicySnapshot::load(bundle, &kinds.chain(groups).collect()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Every declared user, service and agent alone, every agent behind every user and every service, and one nobody declared.
fn chains(registry: &Registry) -> Vec<Vec<PrincipalId>> {
    let of = |kind: PrincipalKind, names: Vec<&Name>| -> Vec<PrincipalId> {
        names.into_iter().map(|name| PrincipalId::new(kind, name.clone())).collect()
    };
    let users = of(PrincipalKind::User, registry.users.keys().collect());
    let services = of(PrincipalKind::Service, registry.services.keys().collect());
    let agents = of(PrincipalKind::Agent, registry.agents.keys().collect());
    let undeclared = PrincipalId::new(PrincipalKind::User, Name::new("nobody").unwrap());
    let alone = users.iter().chain(&services).chain(&agents).chain([&undeclared]).map(|link| vec![link.clone()]);
    let behind = users.iter().chain(&services).flat_map(|first| agents.iter().map(|agent| vec![first.clone(), agent.clone()]));
    alone.chain(behind).collect()
}

/// Every action that policies decide, with every declared model and one that is not, or one resource of its kind.
fn asks(registry: &Registry) -> Vec<Ask> {
    let undeclared = Name::new("no-such-model").unwrap();
    let models = || registry.models.keys().chain([&undeclared]).cloned().map(Resource::Model).collect();
    let resources = |action: Action| -> Vec<Resource> {
        match action {
            Action::CallModel | Action::StoreRemotely => models(),
            Action::UseHostedTool => vec![Resource::HostedTool("openai/web_search".to_owned())],
            Action::FetchRemote => vec![Resource::Destination("files.example".to_owned())],
            Action::UseBeta => vec![Resource::Beta("anthropic/files-api-2025-04-14".to_owned())],
            Action::IssueToken => registry.agents.keys().cloned().map(Resource::Agent).collect(),
            // In words that the sample does not declare; by registration; by role.
            Action::Access | Action::Search | Action::Administer => Vec::new(),
            // Nothing of this kind is declared yet.
            Action::CallTool
            | Action::ListTools
            | Action::AnswerServer
            | Action::GetPrompt
            | Action::ReadResource
            | Action::Retrieve
            | Action::Connect
            | Action::ReleaseKey
            | Action::StartTraining
            | Action::SendMessage => Vec::new(),
        }
    };
    let each = |action: Action| resources(action).into_iter().map(move |resource| Ask { action, resource });
    Action::ALL.into_iter().flat_map(each).collect()
}

fn facts() -> Facts {
    Facts {
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
    }
}

fn joined(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().collect::<Vec<_>>().join(", ")
}

/// `permit permitted [duties] (policies)`, each duty and policy once.
fn shown(answer: &Answer) -> String {
    let verdict = match answer.verdict {
        Verdict::Permit => "permit",
        Verdict::Challenge => "challenge",
        Verdict::Deny => "deny",
    };
    // A permit of one link that the deny of another overrules has determined nothing, and its duties bind nobody.
    let strictest: Vec<_> = answer.links.iter().filter(|link| link.verdict == answer.verdict).collect();
    let duties: BTreeSet<String> = strictest.iter().flat_map(|link| link.duties.iter().map(ToString::to_string)).collect();
    let policies: BTreeSet<String> =
        strictest.iter().flat_map(|link| link.policies.iter().map(|policy| policy.id.clone())).collect();
    let errors: Vec<String> = answer.links.iter().flat_map(|link| link.errors.clone()).collect();
    assert_eq!(errors, Vec::<String>::new(), "no policy of the sample errs");
    format!("{verdict}  {}  [{}]  ({})", answer.reason, joined(duties), joined(policies))
}

fn table(bundle: &Bundle) -> String {
    let snapshot = compiled(bundle);
    let mut text = HEAD.to_owned();
    for links in chains(&bundle.registry) {
        let named = links.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> ");
        let chain = Chain::new(links).unwrap();
        text.push('\n');
        for ask in asks(&bundle.registry) {
            let (action, resource) = (ask.action.as_str(), format!("{}::\"{}\"", ask.resource.type_name(), ask.resource.id()));
            let answer = snapshot.decide(&DecisionInput { chain: chain.clone(), asks: vec![ask], facts: facts() });
            writeln!(text, "{named}  {action}  {resource}  {}", shown(&answer)).unwrap();
        }
    }
    text
}

#[test]
fn the_decisions_of_the_sample_are_the_committed_ones() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decisions.txt");
    let decided = table(&sample());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &decided).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let difference = changed(&committed, &decided);
    assert_eq!(difference, Vec::<String>::new(), "UPDATE_GOLDEN=1 writes it anew; review the difference");
    assert_eq!(decided, committed);
}

/// Lines that only one of the two has, with `-` for what was committed and `+` for what is decided.
fn changed(committed: &str, decided: &str) -> Vec<String> {
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (committed.lines().collect(), decided.lines().collect());
    let gone = before.difference(&after).map(|line| format!("- {line}"));
    gone.chain(after.difference(&before).map(|line| format!("+ {line}"))).collect()
}

/// The table shows every policy of the sample at work: without any one of them, or any one of their duties, it is another.
#[test]
fn the_table_depends_on_every_policy() {
    let whole = sample();
    let before = table(&whole);
    let mut n_policies = 0_usize;
    for (file, text) in &whole.policies {
        for id in text.lines().filter(|line| line.starts_with("@id(")) {
            n_policies += 1;
            let mut less = whole.clone();
            less.policies.insert(file.clone(), without(text, id));
            assert_ne!(table(&less), before, "{file}: {id}");
        }
        for duty in text.lines().filter(|line| line.starts_with("@obligation(")) {
            let mut less = whole.clone();
            less.policies.insert(file.clone(), text.replace(duty, ""));
            assert_ne!(table(&less), before, "{file}: {duty}");
        }
    }
    // The baseline is compiled in, and is not of the sample.
    assert_eq!(n_policies + 9, compiled(&whole).n_policies(), "every policy of the sample has an `@id` on a line of its own");
}

/// The file without the policy whose `@id` line is given.
fn without(text: &str, id: &str) -> String {
    let (before, rest) = text.split_once(id).unwrap();
    let (_, after) = rest.split_once(");\n").unwrap();
    format!("{before}{after}")
}
