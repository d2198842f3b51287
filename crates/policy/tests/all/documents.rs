//! Documents and prompts of tool servers.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Context, Request, Schema};
use model::{
    Action, Address, Ask, DecisionInput, Document, Integrity, Label, Level, Mandate, ReasonCode, Resource, ToolServer, Verdict,
};
use policy::{Could, Listable, Lister, PolicySnapshot};
use serde_json::json;

use crate::world::{bundle, compiled, input, name};

fn snapshot(text: &str) -> PolicySnapshot {
    let pages = Document {
        address: Address::Resource("kb://pages/**".to_owned()),
        level: Level::Confidential,
        compartments: BTreeSet::from([name("hr")]),
    };
    let review = Document { address: Address::Prompt("review".to_owned()), level: Level::Public, compartments: BTreeSet::new() };
    let server = ToolServer {
        clearance: Level::Internal,
        documents: BTreeMap::from([(name("pages"), pages), (name("review"), review)]),
        ..ToolServer::default()
    };
    let mut bundle = bundle(text);
    bundle.registry.tool_servers.insert(name("kb"), server);
    compiled(&bundle)
}

fn asked(action: Action, resource: Resource, uri: Option<&str>) -> DecisionInput {
    let mut input = input(&["user:ada"], "small");
    input.asks = vec![Ask { action, resource }];
    input.facts.arguments = uri.map(|uri| json!({"uri": uri}).to_string());
    input
}

fn read(id: &str, uri: Option<&str>) -> DecisionInput {
    asked(Action::ReadResource, Resource::Document(id.to_owned()), uri)
}

#[test]
fn documents_are_decided_on_by_name_and_address() {
    let text = "permit (principal, action == Portcullis::Action::\"readResource\", resource in Portcullis::ToolServer::\"kb\")
            when { context.input.uri like \"kb://pages/open/*\" };
        permit (principal, action == Portcullis::Action::\"getPrompt\", resource == Portcullis::Document::\"kb/review\");
        forbid (principal, action, resource is Portcullis::Document)
            when { resource.compartments.contains(\"hr\") && context.flow.tainted };";
    let snapshot = snapshot(text);
    let prompt = |id: &str| asked(Action::GetPrompt, Resource::Document(id.to_owned()), None);
    let facts = [
        (read("kb/pages", Some("kb://pages/open/a")), ReasonCode::Permitted),
        (read("kb/pages", Some("kb://pages/closed/a")), ReasonCode::PolicyDenied),
        // Where the address is not said, nothing can be read from it.
        (read("kb/pages", None), ReasonCode::PolicyError),
        (read("kb/other", Some("kb://pages/open/a")), ReasonCode::PolicyDenied),
        (read("other/pages", Some("kb://pages/open/a")), ReasonCode::PolicyDenied),
        // What is read is not written, and the other way round.
        (read("kb/review", Some("kb://pages/open/a")), ReasonCode::PolicyDenied),
        (prompt("kb/review"), ReasonCode::Permitted),
        (prompt("kb/pages"), ReasonCode::PolicyDenied),
    ];
    for (input, expected) in facts {
        assert_eq!(snapshot.decide(&input).reason, expected, "{:?}", input.asks);
    }
    let mut tainted = read("kb/pages", Some("kb://pages/open/a"));
    tainted.facts.label = Label { integrity: Integrity::Untrusted, ..Label::default() };
    assert_eq!(snapshot.decide(&tainted).reason, ReasonCode::PolicyForbidden);
    let mut odd = read("kb/pages", Some("kb://pages/open/a"));
    odd.facts.arguments = Some(json!({"uri": "kb://pages/open/a", "more": 1}).to_string());
    assert_eq!(snapshot.decide(&odd).reason, ReasonCode::PolicyError);
}

/// An address, a prompt's arguments and an answer to a server's question go to the server too.
#[test]
fn data_above_a_servers_clearance_does_not_go_there() {
    let snapshot = snapshot("permit (principal, action, resource);");
    let all = [
        read("kb/pages", Some("kb://pages/a")),
        asked(Action::GetPrompt, Resource::Document("kb/review".to_owned()), None),
        asked(Action::AnswerServer, Resource::ToolServer(name("kb")), None),
    ];
    for mut input in all {
        assert_eq!(snapshot.decide(&input).verdict, Verdict::Permit, "{:?}", input.asks);
        input.facts.label.level = Level::Confidential;
        assert_eq!(snapshot.decide(&input).reason, ReasonCode::PolicyForbidden, "{:?}", input.asks);
    }
}

#[test]
fn what_could_be_read_is_listed() {
    let list = |text: &str| -> Vec<(String, Could)> {
        let chain = input(&["user:ada"], "small").chain;
        let lister = Lister { chain, credential: input(&["user:ada"], "small").facts.credential, mandate: Mandate::default() };
        let list = snapshot(text).list(&lister, Listable::Resources);
        list.iter().map(|listed| (listed.ask.resource.id().to_owned(), listed.could)).collect()
    };
    let both = |pages, review| vec![("kb/pages".to_owned(), pages), ("kb/review".to_owned(), review)];
    let some = "permit (principal, action == Portcullis::Action::\"readResource\", resource) when { context.input.uri == \"kb://pages/a\" };";
    assert_eq!(list(some), both(Could::Yes, Could::No));
    assert_eq!(list("permit (principal, action == Portcullis::Action::\"getPrompt\", resource);"), both(Could::No, Could::Yes));
    assert_eq!(list("permit (principal == Portcullis::User::\"bob\", action, resource);"), both(Could::No, Could::No));
}

/// What is built conforms to the public vocabulary.
#[test]
fn the_context_conforms_to_the_vocabulary() {
    let schema = Schema::from_cedarschema_str(policy::SCHEMA).unwrap().0;
    let text = "permit (principal, action == Portcullis::Action::\"readResource\", resource is Portcullis::Document)
        when { context.input.uri like \"kb://*\" && resource.level > 1 && resource.clearance == 1 };";
    let validator = cedar_policy::Validator::new(schema.clone());
    assert!(validator.validate(&text.parse().unwrap(), cedar_policy::ValidationMode::Strict).validation_passed());
    assert_eq!(snapshot(text).decide(&read("kb/pages", Some("kb://pages/a"))).verdict, Verdict::Permit);
    let action = "Portcullis::Action::\"readResource\"".parse().unwrap();
    let empty = Context::empty();
    let parts = ["Portcullis::User::\"ada\"", "Portcullis::Document::\"kb/pages\""].map(|uid| uid.parse().unwrap());
    let [principal, resource] = parts;
    assert!(Request::new(principal, action, resource, empty, Some(&schema)).is_err(), "a context without `input`");
}
