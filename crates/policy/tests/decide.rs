//! Facts about decisions: truth table, index against full scan, problems, monotony.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Action, Agent, Ask, Bundle, Chain, Challenge, DecisionInput, Dialect, Facts, Group, Label, Level, Model, Name, Party,
    PrincipalId, ReasonCode, Registry, Resource, UnixMillis, UserText, Verdict,
};
use policy::PolicySnapshot;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

fn registry() -> Registry {
    let group = |parents: &[&str]| Group { groups: parents.iter().map(|parent| name(parent)).collect() };
    let agent = |autonomous: &[Action]| Agent {
        groups: set([name("bots")]),
        autonomous: autonomous.iter().copied().collect(),
        user_text: UserText::Mixed,
    };
    let model = |groups: &[&str], clearance| Model {
        groups: groups.iter().map(|group| name(group)).collect(),
        dialects: set([Dialect::Openai]),
        clearance,
    };
    Registry {
        groups: BTreeMap::from([
            (name("all"), group(&[])),
            (name("staff"), group(&["all"])),
            (name("bots"), group(&[])),
            (name("deep1"), group(&["staff"])),
            (name("deep2"), group(&["deep1", "all"])),
        ]),
        users: BTreeMap::from([
            (name("ada"), Party { groups: set([name("staff")]) }),
            (name("eve"), Party::default()),
            (name("deep"), Party { groups: set([name("deep2")]) }),
        ]),
        services: BTreeMap::from([(name("cron"), Party::default())]),
        agents: BTreeMap::from([
            (name("bot"), agent(&[])),
            (name("sub"), agent(&[])),
            (name("free"), agent(&[Action::CallModel])),
        ]),
        model_groups: BTreeMap::from([(name("open"), group(&[])), (name("inner"), group(&["open"]))]),
        models: BTreeMap::from([
            (name("small"), model(&["inner"], Level::Internal)),
            (name("large"), model(&[], Level::Restricted)),
        ]),
        operators: BTreeMap::new(),
    }
}

fn targets() -> BTreeSet<String> {
    set(["secret", "pii", "CREDIT_CARD"].map(ToOwned::to_owned))
}

fn bundle(text: &str) -> Bundle {
    Bundle { format: 1, registry: registry(), policies: BTreeMap::from([("policies/p.cedar".to_owned(), text.to_owned())]) }
}

fn load(text: &str) -> PolicySnapshot {
    PolicySnapshot::load(&bundle(text), &targets()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn input(links: &[&str], model: &str) -> DecisionInput {
    let links: Vec<PrincipalId> = links.iter().map(|link| link.parse().unwrap()).collect();
    DecisionInput {
        chain: Chain::new(links).unwrap(),
        asks: vec![Ask { action: Action::CallModel, resource: Resource::Model(name(model)) }],
        facts: Facts {
            now: UnixMillis(1_795_000_000_000),
            credential: name("abc"),
            credential_age: 60,
            dialect: Some(Dialect::Openai),
            stream: false,
            findings: BTreeMap::new(),
            label: Label::default(),
            ledger_version: 0,
            answered: BTreeSet::new(),
        },
    }
}

/// What a policy file says about one party, for the truth table.
const SAYS: [(&str, &str, Verdict, ReasonCode); 6] = [
    ("permit", "permit (P, action, resource);", Verdict::Permit, ReasonCode::Permitted),
    ("duty", "@obligation(\"both:redact:pii\") permit (P, action, resource);", Verdict::Permit, ReasonCode::Permitted),
    ("silence", "", Verdict::Deny, ReasonCode::PolicyDenied),
    ("forbid", "permit (P, action, resource); forbid (P, action, resource);", Verdict::Deny, ReasonCode::PolicyForbidden),
    (
        "challenge",
        "permit (P, action, resource); @challenge(\"approval\") forbid (P, action, resource) unless { context.answered.approval };",
        Verdict::Challenge,
        ReasonCode::ApprovalRequired,
    ),
    (
        "error",
        "permit (P, action, resource); permit (P, action, resource) when { context.credential.ageSeconds + 9223372036854775807 > 0 };",
        Verdict::Deny,
        ReasonCode::PolicyError,
    ),
];

fn says(party: &str, text: &str) -> String {
    let (kind, id) = party.split_once(':').unwrap();
    let kind = if kind == "user" { "User" } else { "Agent" };
    text.replace("(P,", &format!("(principal == Portcullis::{kind}::\"{id}\","))
}

#[test]
fn truth_table_over_three_links() {
    let links = ["user:ada", "agent:bot", "agent:sub"];
    for first in SAYS {
        for second in SAYS {
            for third in SAYS {
                let text: String = links.iter().zip([first, second, third]).map(|(link, row)| says(link, row.1)).collect();
                let answer = load(&text).decide(&input(&links, "small"));
                let strictest = [first, second, third].map(|row| row.2).into_iter().max().unwrap();
                let rows = [first.0, second.0, third.0];
                assert_eq!(answer.verdict, strictest, "{rows:?}");
                let expected = [first, second, third].into_iter().find(|row| row.2 == strictest).unwrap().3;
                assert_eq!(answer.reason, expected, "{rows:?}");
                let n_duties = [first, second, third].iter().filter(|row| row.0 == "duty").count();
                assert_eq!(answer.links.iter().filter(|link| !link.duties.is_empty()).count(), n_duties, "{rows:?}");
            }
        }
    }
}

#[test]
fn an_answered_challenge_is_a_plain_evaluation() {
    let snapshot = load(&says("user:ada", SAYS[4].1));
    let mut asked = input(&["user:ada"], "small");
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Challenge);
    asked.facts.answered.insert(Challenge::Approval);
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Permit);
    // A challenge in front of nothing that permits is a deny: nobody is asked to approve what stays refused.
    let lonely = load("@challenge(\"approval\") forbid (principal, action, resource) unless { context.answered.approval };");
    assert_eq!(lonely.decide(&input(&["user:ada"], "small")).verdict, Verdict::Deny);
}

#[test]
fn what_nobody_declared_is_refused() {
    let snapshot = load("permit (principal, action, resource);");
    let facts: [(&[&str], &str, ReasonCode); 7] = [
        (&["user:ada"], "small", ReasonCode::Permitted),
        (&["user:mallory"], "small", ReasonCode::PrincipalUnknown),
        (&["user:ada"], "huge", ReasonCode::ModelNotFound),
        (&["agent:bot"], "small", ReasonCode::AgentWithoutUser),
        (&["service:cron", "agent:bot"], "small", ReasonCode::AgentWithoutUser),
        (&["agent:free"], "small", ReasonCode::Permitted),
        (&["agent:free", "agent:bot"], "small", ReasonCode::AgentWithoutUser),
    ];
    for (links, model, reason) in facts {
        assert_eq!(snapshot.decide(&input(links, model)).reason, reason, "{links:?} {model}");
    }
    let mut nothing = input(&["user:ada"], "small");
    nothing.asks.clear();
    assert_eq!(snapshot.decide(&nothing).verdict, Verdict::Deny);
}

#[test]
fn clearance_is_a_baseline_that_explains_itself() {
    let snapshot = load("permit (principal, action, resource);");
    let mut secretive = input(&["user:ada"], "small");
    secretive.facts.label.level = Level::Confidential;
    let answer = snapshot.decide(&secretive);
    assert_eq!(answer.reason, ReasonCode::PolicyForbidden);
    assert_eq!(answer.links[0].policies[0].to_string(), "baseline-clearance (baseline.cedar:2)");
    secretive.asks[0].resource = Resource::Model(name("large"));
    assert_eq!(snapshot.decide(&secretive).verdict, Verdict::Permit);
}

/// The same decision without the index: Cedar over every policy, entities and context as the snapshot makes them.
#[test]
fn the_index_changes_nothing() {
    let principals = [
        "principal",
        "principal == Portcullis::User::\"ada\"",
        "principal in Portcullis::Group::\"all\"",
        "principal is Portcullis::Agent",
        "principal is Portcullis::User in Portcullis::Group::\"deep1\"",
    ];
    let actions = [
        "action",
        "action == Portcullis::Action::\"callModel\"",
        "action in [Portcullis::Action::\"storeRemotely\", Portcullis::Action::\"callModel\"]",
        "action == Portcullis::Action::\"storeRemotely\"",
    ];
    let resources = [
        "resource",
        "resource == Portcullis::Model::\"large\"",
        "resource in Portcullis::ModelGroup::\"open\"",
        "resource is Portcullis::Model",
        "resource is Portcullis::Model in Portcullis::ModelGroup::\"inner\"",
    ];
    let callers: [&[&str]; 5] = [&["user:ada"], &["user:deep"], &["user:eve"], &["user:ada", "agent:bot"], &["agent:free"]];
    // One scope at a time: the scope's own truth, restated by hand, must decide.
    for (p, principal) in principals.iter().enumerate() {
        for (a, action) in actions.iter().enumerate() {
            for (r, resource) in resources.iter().enumerate() {
                let snapshot = load(&format!("permit ({principal}, {action}, {resource});"));
                for links in callers {
                    for model in ["small", "large"] {
                        let answer = snapshot.decide(&input(links, model));
                        for link in &answer.links {
                            let user = link.principal.name.as_str();
                            let is_agent = link.principal.to_string().starts_with("agent:");
                            let matches_principal =
                                [true, user == "ada", matches!(user, "ada" | "deep"), is_agent, user == "deep"][p];
                            let matches_action = [true, true, true, false][a];
                            let matches_resource = [true, model == "large", model == "small", true, model == "small"][r];
                            let expected = matches_principal && matches_action && matches_resource;
                            assert_eq!(link.verdict == Verdict::Permit, expected, "{principal} {action} {resource} {link:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn problems_say_where_and_what() {
    let facts = [
        ("permit (principal, action, resource)", "policies/p.cedar:1:"),
        ("\n\npermit (principal, action, resource) when { context.flow.levle > 1 };", "policies/p.cedar:3:1:"),
        ("@obligation(\"both:redact:dogs\") permit (principal, action, resource);", "`dogs` is no finding kind or group"),
        ("@obligation(\"both:redact:pii\") forbid (principal, action, resource);", "`@obligation` belongs to a permit"),
        ("@challenge(\"approval\") forbid (principal, action, resource);", "could never be lifted"),
        ("@challenge(\"prayer\") forbid (principal, action, resource);", "`prayer` is not a challenge"),
        ("@challenge(\"approval\") permit (principal, action, resource);", "`@challenge` belongs to a forbid"),
        ("@owner(\"me\") permit (principal, action, resource);", "annotation `@owner` is not known"),
        (
            "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") permit (principal, action, resource);",
            "policy id `a` is taken: policies/p.cedar:1",
        ),
        ("@id(\"baseline-clearance\") permit (principal, action, resource);", "is taken: baseline.cedar:2"),
        ("permit (principal == ?principal, action, resource);", "policies/p.cedar:1:"),
        ("permit (principal == Portcullis::Usr::\"ada\", action, resource);", "policies/p.cedar:1:"),
    ];
    for (text, expected) in facts {
        let problems = PolicySnapshot::load(&bundle(text), &targets()).err().unwrap_or_default();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|problem| problem.contains(expected)), "{text}: {shown:?}");
    }
}

#[test]
fn a_recorded_input_decides_equal() {
    let snapshot = load(
        "@obligation(\"response:mask:pii\") permit (principal, action, resource) when { context.now > datetime(\"2026-01-01\") };",
    );
    let asked = input(&["user:ada", "agent:bot"], "small");
    let read: DecisionInput = serde_json::from_str(&serde_json::to_string(&asked).unwrap()).unwrap();
    assert_eq!(read, asked);
    assert_eq!(snapshot.decide(&read), snapshot.decide(&asked));
    assert_eq!(snapshot.decide(&read).verdict, Verdict::Permit);
}

#[test]
fn removing_what_allows_never_allows() {
    let texts: Vec<String> = SAYS.iter().map(|row| says("user:ada", row.1) + &says("agent:bot", row.1)).collect();
    for text in texts {
        let snapshot = load(&text);
        let full = snapshot.decide(&input(&["user:ada", "agent:bot"], "small"));
        let without_user = snapshot.decide(&input(&["agent:bot"], "small"));
        assert!(without_user.verdict >= full.verdict, "a dropped user link never widens: {text}");
        let mut bundle = bundle(&text);
        bundle.registry.agents.get_mut(&name("free")).unwrap().autonomous.clear();
        let stripped = PolicySnapshot::load(&bundle, &targets()).unwrap();
        assert!(
            stripped.decide(&input(&["agent:free"], "small")).verdict
                >= snapshot.decide(&input(&["agent:free"], "small")).verdict
        );
    }
}

#[test]
fn the_schema_is_a_public_format() {
    expect_test::expect_file!["golden/schema.cedarschema"].assert_eq(policy::SCHEMA);
    for action in Action::ALL.into_iter().filter(|action| *action != Action::Administer) {
        assert!(policy::SCHEMA.contains(action.as_str()), "{action:?} is in the schema");
    }
}
