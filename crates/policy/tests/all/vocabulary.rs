//! The public format.

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{EntityTypeName, EntityUid, Schema};
use model::Action;

#[test]
fn the_schema_is_a_public_format() {
    expect_test::expect_file!["golden/schema.cedarschema"].assert_eq(policy::SCHEMA);
}

/// The schema and `model` name the same actions and the same resources for them.
#[test]
fn the_schema_holds_every_action_with_its_resource() {
    let (schema, warnings) = Schema::from_cedarschema_str(policy::SCHEMA).unwrap();
    assert_eq!(warnings.map(|warning| warning.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    let declared: BTreeSet<String> = schema.actions().map(|action| action.id().unescaped().to_owned()).collect();
    // Groups of tools and what stands for a tool in them; a tool is an action of its server.
    let groups = ["someTool", "read", "write", "egress", "destructive", "credential"].map(ToOwned::to_owned);
    // Said in operators' words, and by a registration.
    let is_elsewhere = |action: &Action| matches!(action, Action::Access | Action::Search);
    let ours = Action::ALL.into_iter().filter(|action| !is_elsewhere(action)).map(|action| action.as_str().to_owned());
    assert_eq!(declared, ours.chain(groups).collect());
    let callers = BTreeSet::from(
        ["Portcullis::Agent", "Portcullis::Service", "Portcullis::User"].map(|kind| EntityTypeName::from_str(kind).unwrap()),
    );
    let mut table = String::new();
    for action in &declared {
        if ["callTool", "read", "write", "egress", "destructive", "credential"].contains(&action.as_str()) {
            continue;
        }
        let uid = EntityUid::from_str(&format!("Portcullis::Action::\"{action}\"")).unwrap();
        let operators = BTreeSet::from([EntityTypeName::from_str("Portcullis::Admin").unwrap()]);
        let wanted = if action == "administer" { &operators } else { &callers };
        assert_eq!(schema.principals_for_action(&uid).unwrap().cloned().collect::<BTreeSet<_>>(), *wanted, "{action}");
        let resources: Vec<String> = schema.resources_for_action(&uid).unwrap().map(ToString::to_string).collect();
        table.push_str(&format!("{action}: {}\n", resources.join(" ")));
    }
    // The same table as in `decide::an_action_on_a_resource_of_another_kind_is_refused`.
    let expected = "administer: Portcullis::Gate
answerServer: Portcullis::ToolServer
callModel: Portcullis::Model
connect: Portcullis::Destination
fetchRemote: Portcullis::Destination
getPrompt: Portcullis::Document
issueToken: Portcullis::Agent
listTools: Portcullis::ToolServer
readResource: Portcullis::Document
releaseKey: Portcullis::Model
retrieve: Portcullis::Collection
sendMessage: Portcullis::Agent
someTool: Portcullis::Tool
startTraining: Portcullis::Dataset
storeRemotely: Portcullis::Model
useBeta: Portcullis::Beta
useHostedTool: Portcullis::HostedTool
";
    assert_eq!(table, expected);
}

/// Every kind of interaction that the gate knows has an action in the vocabulary; who may administer is said by roles alone, whatever
/// policies permit.
#[test]
fn administration_has_a_name_and_no_policy_decides_it() {
    let everything = "permit (principal, action, resource);
        permit (principal, action == Portcullis::Action::\"administer\", resource == Portcullis::Gate::\"gate\");";
    let snapshot = crate::world::load(everything);
    for links in [&["user:ada"][..], &["user:ada", "agent:bot"], &["service:cron"], &["agent:free"]] {
        let mut asked = crate::world::input(links, "small");
        asked.asks = vec![model::Ask { action: Action::Administer, resource: model::Resource::Gate }];
        let answer = snapshot.decide(&asked);
        assert_eq!(answer.verdict, model::Verdict::Deny, "{links:?}");
        assert!(answer.links.iter().all(|link| link.verdict == model::Verdict::Deny), "{answer:?}");
    }
    // An operator stands in no chain, so none can ask.
    assert!(model::Chain::new(vec!["operator:root".parse().unwrap()]).is_err());
}

/// What was released once is not changed: its names, types and the pairs of action and resource stand in every later version.
#[test]
fn later_versions_only_add() {
    let first = include_str!("../../src/schema-1.cedarschema");
    expect_test::expect_file!["golden/schema-1.cedarschema"].assert_eq(first);
    // Without comments and line ends: the statements of the first, each in the current one.
    let statements = |text: &str| -> Vec<String> {
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or("").trim()).collect();
        code.join(" ").split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let current: BTreeSet<String> = statements(policy::SCHEMA).into_iter().collect();
    let changed: Vec<String> = statements(first).into_iter().filter(|statement| !current.contains(statement)).collect();
    // These have more attributes, parents or tags than they had; one type has another name, which no policy can say.
    let grown =
        ["type Flow = ", "type Facts = ", "type Task = ", "entity Destination", "entity User", "entity Service", "entity Agent"];
    assert_eq!(changed.len(), grown.len(), "{changed:?}");
    for statement in changed {
        assert!(grown.iter().any(|grown| statement.starts_with(grown)), "{statement}");
    }
}

/// A policy that was taken by the first release is taken now, also one that lists every type of resource that there was: what
/// it says of types that came later is an error, so a deny.
#[test]
fn what_was_applied_once_is_loaded_again() {
    let text = "permit (principal, action, resource) when {
            resource is Portcullis::HostedTool || resource is Portcullis::Destination || resource is Portcullis::Beta
            || resource is Portcullis::Agent || resource.dialects.contains(\"openai\")
        };
        forbid (principal, action, resource) when { context.flow.level > 3 };";
    let schema = Schema::from_cedarschema_str(policy::SCHEMA).unwrap().0;
    let result = cedar_policy::Validator::new(schema).validate(&text.parse().unwrap(), cedar_policy::ValidationMode::Strict);
    assert!(!result.validation_passed(), "the current vocabulary alone refuses it");
    let snapshot = crate::tools::snapshot(text);
    let asked = crate::world::input(&["user:ada"], "small");
    assert_eq!(snapshot.decide(&asked).verdict, model::Verdict::Permit);
    // No tool server has dialects.
    let mut later = asked;
    let server = model::Resource::ToolServer(crate::world::name("github"));
    later.asks = vec![model::Ask { action: Action::ListTools, resource: server }];
    let answer = snapshot.decide(&later);
    assert_eq!((answer.verdict, answer.reason), (model::Verdict::Deny, model::ReasonCode::PolicyError));
}

/// What others vouch for is read where it is known; where it is not, no condition that needs it is satisfied.
#[test]
fn what_others_vouch_for() {
    use model::{Around, Origin, Posture, Remaining, Risk, SignIn, Spent, TaskBudget, Verdict};
    let known = Around {
        sign_in: Some(SignIn { class: "phr".to_owned(), means: ["hwk".to_owned()].into(), age: 60 }),
        posture: Some(Posture {
            device: crate::world::name("laptop"),
            is_managed: true,
            facts: ["disk-encrypted".to_owned()].into(),
            age: 30,
        }),
        risk: Some(Risk { user: 10, agent: 20, task: 0 }),
        origin: Some(Origin { peer: "10.0.0.1".to_owned(), segment: Some(crate::world::name("office")) }),
        spent: Some(Spent { calls: 3, tokens: 1_000, micros: 5 }),
        budget: Some(TaskBudget { tokens: Some(Remaining { most: 100, left: 40 }), ..TaskBudget::default() }),
        untrusted: ["body".to_owned()].into(),
        sinks: Some([(model::Sink::Payee, model::Integrity::User), (model::Sink::Content, model::Integrity::Identifier)].into()),
        traced: vec![model::ArgumentOrigin {
            at: "/to".to_owned(),
            sink: Some(model::Sink::Payee),
            integrity: model::Integrity::User,
            from: Some("user".to_owned()),
            line: Some(1),
            field: None,
        }],
    };
    let mut with = crate::world::input(&["user:ada"], "small");
    let without = with.clone();
    with.facts.around = known;
    let written = serde_json::to_string(&with).unwrap();
    assert_eq!(serde_json::from_str::<model::DecisionInput>(&written).unwrap(), with);
    let conditions = [
        "context.auth.acr == \"phr\" && context.auth.amr.contains(\"hwk\") && context.auth.ageSeconds < 300",
        "context.device.managed && context.device.id == \"laptop\" && context.device.facts.contains(\"disk-encrypted\")",
        "context.device.ageSeconds < 300",
        "context.risk.user < 50 && context.risk.agent < 50 && context.risk.task < 50",
        "context.network.segment == \"office\" && context.network.peer == \"10.0.0.1\"",
        "context.usage.calls < 10 && context.usage.tokens < 10000 && context.usage.micros < 10",
        "context.task has budget.tokens.left && context.task.budget.tokens.left < 50 && context.task.budget.tokens.most == 100",
        "context.flow.untrusted.contains(\"body\") && !context.flow.tainted",
        "context.flow has sinks.payee && context.flow.sinks.payee == 3 && context.flow has sinks.links && context.flow.sinks.links == 1",
    ];
    for condition in conditions {
        let snapshot = crate::world::load(&format!("permit (principal, action, resource) when {{ {condition} }};"));
        assert_eq!(snapshot.decide(&with).verdict, Verdict::Permit, "{condition}");
        assert_eq!(snapshot.decide(&without).verdict, Verdict::Deny, "{condition}");
        // The one after the other: a context that is kept for one is not the other's.
        assert_eq!(snapshot.decide(&with).verdict, Verdict::Permit, "{condition}");
    }
}
