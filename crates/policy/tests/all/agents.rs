//! Agents outside that messages go to.

use std::collections::BTreeSet;

use cedar_policy::{Context, Request, Schema};
use model::{Action, Ask, DecisionInput, Label, Level, ReasonCode, RemoteAgent, Resource, Verdict};
use policy::PolicySnapshot;
use serde_json::{Value, json};

use crate::world::{bundle, compiled, input, name};

fn snapshot(text: &str) -> PolicySnapshot {
    let travel = RemoteAgent { clearance: Level::Internal, card: "{}".to_owned(), skills: BTreeSet::new() };
    let mut bundle = bundle(text);
    bundle.registry.remote_agents.insert(name("travel"), travel);
    compiled(&bundle)
}

fn said(agent: &str, what: Option<Value>) -> DecisionInput {
    let mut input = input(&["user:ada"], "small");
    input.asks = vec![Ask { action: Action::SendMessage, resource: Resource::Agent(name(agent)) }];
    input.facts.arguments = what.map(|what| what.to_string());
    input
}

#[test]
fn messages_are_decided_on_by_what_is_said() {
    let snapshot = snapshot(
        "permit (principal, action == Portcullis::Action::\"sendMessage\", resource == Portcullis::Agent::\"travel\")
            when { context.input.skill != \"book\" && !context.input.parts.contains(\"file\") && context.input.bytes < 100 };",
    );
    let facts = [
        (said("travel", Some(json!({"method": "SendMessage", "parts": ["text"], "bytes": 7}))), ReasonCode::Permitted),
        // Who asks elsewhere and says nothing asks for an empty message.
        (said("travel", None), ReasonCode::Permitted),
        (said("travel", Some(json!({"skill": "book"}))), ReasonCode::PolicyDenied),
        (said("travel", Some(json!({"parts": ["text", "file"]}))), ReasonCode::PolicyDenied),
        (said("travel", Some(json!({"bytes": 100}))), ReasonCode::PolicyDenied),
        // What no policy can see is not left out, and nothing is taken for something else.
        (said("travel", Some(json!({"tone": "kind"}))), ReasonCode::PolicyError),
        (said("travel", Some(json!({"bytes": 1.5}))), ReasonCode::PolicyError),
        (said("travel", Some(json!({"parts": "file"}))), ReasonCode::PolicyError),
        (said("nobody", None), ReasonCode::PrincipalUnknown),
    ];
    for (asked, expected) in facts {
        let answer = snapshot.decide(&asked);
        assert_eq!(answer.reason, expected, "{:?}: {answer:?}", asked.facts.arguments);
    }
}

/// Somebody who is only spoken to is no party: nobody acts in that name, and no token is made for it.
#[test]
fn who_is_spoken_to_does_not_act() {
    let snapshot = snapshot("permit (principal, action, resource);");
    assert_eq!(snapshot.decide(&said("travel", None)).verdict, Verdict::Permit);
    let mut token = said("travel", None);
    token.asks = vec![Ask { action: Action::IssueToken, resource: Resource::Agent(name("travel")) }];
    assert_eq!(snapshot.decide(&token).reason, ReasonCode::PrincipalUnknown);
    let acting = input(&["user:ada", "agent:travel"], "small");
    assert_eq!(snapshot.decide(&acting).reason, ReasonCode::PrincipalUnknown);
    assert!(!snapshot.is_declared(&"agent:travel".parse().unwrap()));
}

#[test]
fn data_above_an_agents_clearance_does_not_go_there() {
    let snapshot = snapshot("permit (principal, action, resource);");
    for (level, expected) in [
        (Level::Public, Verdict::Permit),
        (Level::Internal, Verdict::Permit),
        (Level::Confidential, Verdict::Deny),
        (Level::Restricted, Verdict::Deny),
    ] {
        let mut asked = said("travel", None);
        asked.facts.label = Label { level, ..Label::default() };
        assert_eq!(snapshot.decide(&asked).verdict, expected, "{level:?}");
    }
}

/// What is built conforms to the public vocabulary.
#[test]
fn the_context_conforms_to_the_vocabulary() {
    let schema = Schema::from_cedarschema_str(policy::SCHEMA).unwrap().0;
    let text = "permit (principal, action == Portcullis::Action::\"sendMessage\", resource is Portcullis::Agent)
        when { context.input.method == \"GetTask\" && context.input.isNew && context.input.isBlocking
            && context.input.hosts.contains(\"h\") && context.input.bytes > 1 && resource has clearance && resource.clearance == 1 };";
    let validator = cedar_policy::Validator::new(schema.clone());
    assert!(validator.validate(&text.parse().unwrap(), cedar_policy::ValidationMode::Strict).validation_passed());
    let whole =
        json!({"method": "GetTask", "skill": "", "parts": [], "hosts": ["h"], "bytes": 2, "isBlocking": true, "isNew": true});
    assert_eq!(snapshot(text).decide(&said("travel", Some(whole))).verdict, Verdict::Permit);
    let action = "Portcullis::Action::\"sendMessage\"".parse().unwrap();
    let parts = ["Portcullis::User::\"ada\"", "Portcullis::Agent::\"travel\""].map(|uid| uid.parse().unwrap());
    let [principal, resource] = parts;
    assert!(Request::new(principal, action, resource, Context::empty(), Some(&schema)).is_err(), "a context without `input`");
}
