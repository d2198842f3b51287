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
    let ours: BTreeSet<String> = Action::ALL
        .into_iter()
        // Said in operators' words, by a registration, and by a role.
        .filter(|action| !matches!(action, Action::Access | Action::Search | Action::Administer))
        .map(|action| action.as_str().to_owned())
        .collect();
    assert_eq!(declared, ours);
    let callers = BTreeSet::from(
        ["Portcullis::Agent", "Portcullis::Service", "Portcullis::User"].map(|kind| EntityTypeName::from_str(kind).unwrap()),
    );
    let mut table = String::new();
    for action in &declared {
        let uid = EntityUid::from_str(&format!("Portcullis::Action::\"{action}\"")).unwrap();
        assert_eq!(schema.principals_for_action(&uid).unwrap().cloned().collect::<BTreeSet<_>>(), callers, "{action}");
        let resources: Vec<String> = schema.resources_for_action(&uid).unwrap().map(ToString::to_string).collect();
        table.push_str(&format!("{action}: {}\n", resources.join(" ")));
    }
    // The same table as in `decide::an_action_on_a_resource_of_another_kind_is_refused`.
    let expected = "callModel: Portcullis::Model
fetchRemote: Portcullis::Destination
issueToken: Portcullis::Agent
storeRemotely: Portcullis::Model
useBeta: Portcullis::Beta
useHostedTool: Portcullis::HostedTool
";
    assert_eq!(table, expected);
}
