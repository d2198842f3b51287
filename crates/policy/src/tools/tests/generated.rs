//! Held against what `cedar-policy-mcp-schema-generator` 0.7.0 makes of the same ten definitions (`--objects-as-records`, made once
//! and committed: `golden/generated.cedarschema`). Every deviation stands here, and with its reason in decision 0027.

use std::collections::BTreeMap;

use cedar_policy::SchemaFragment;
use model::{Name, Tool, ToolServer};
use serde_json::Value;

use super::{Compiled, Record, Shape, compile};

const DEFINITIONS: &str = include_str!("golden/mcp-tools.json");
const GENERATED: &str = include_str!("golden/generated.cedarschema");

/// Where we differ: the argument, its type there, its type here (`-`: none, and told).
const DEVIATIONS: [(&str, &str, &str); 7] = [
    ("assign.id", "{typeChoice0?: String, typeChoice1?: Long}", "-"),
    ("assign.who", "{typeChoice0?: String, typeChoice1?: entity Null}", "?String"),
    ("list_issues.state", "?entity state", "?String"),
    ("schedule.at", "datetime", "String"),
    ("schedule.from", "?ipaddr", "?String"),
    ("set_price.amount", "entity Number", "?decimal"),
    ("tag.values", "?entity values", "?{}"),
];

/// A type of the generated schema, names followed.
fn theirs(kind: &Value, all: &Value, namespace: &str) -> String {
    match kind["type"].as_str().unwrap() {
        "Record" => {
            let field = |(name, kind): (&String, &Value)| {
                let mark = if kind["required"] == false { "?" } else { "" };
                format!("{name}{mark}: {}", theirs(kind, all, namespace))
            };
            let fields: Vec<String> = kind["attributes"].as_object().unwrap().iter().map(field).collect();
            format!("{{{}}}", fields.join(", "))
        }
        "Set" => format!("Set<{}>", theirs(&kind["element"], all, namespace)),
        other => {
            let name = kind["name"].as_str().unwrap_or(other).trim_start_matches("__cedar::");
            let (space, last) = name.rsplit_once("::").unwrap_or((namespace, name));
            let common = &all[space]["commonTypes"][last];
            match (last, common) {
                ("Long" | "String" | "Bool" | "datetime" | "ipaddr", _) => last.to_owned(),
                (_, Value::Null) => format!("entity {last}"),
                (_, common) => theirs(common, all, space),
            }
        }
    }
}

fn ours(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "Bool".to_owned(),
        Shape::Long => "Long".to_owned(),
        Shape::Decimal => "decimal".to_owned(),
        Shape::Text => "String".to_owned(),
        Shape::Set(item) => format!("Set<{}>", ours(item)),
        Shape::Record(Record(fields)) => {
            let field = |(name, field): (&String, &super::shape::Field)| {
                format!("{name}{}: {}", if field.is_required { "" } else { "?" }, ours(&field.shape))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

fn compiled() -> Compiled {
    let definitions: Value = serde_json::from_str(DEFINITIONS).unwrap();
    let tool = |one: &Value| {
        let pinned = Tool { input: one["inputSchema"].to_string(), ..Tool::default() };
        (one["name"].as_str().unwrap().to_owned(), pinned)
    };
    let tools = definitions["result"]["tools"].as_array().unwrap().iter().map(tool).collect();
    compile(&Name::new("github").unwrap(), &ToolServer { tools, ..ToolServer::default() }, 0).unwrap()
}

#[test]
fn names_and_types_are_the_generators_but_for_what_is_stated() {
    let compiled = compiled();
    let (generated, _) = SchemaFragment::from_cedarschema_str(GENERATED).unwrap();
    let all = generated.to_json_value().unwrap();
    let mut actions: BTreeMap<&String, &Value> = all["github"]["actions"].as_object().unwrap().iter().collect();
    actions.remove(&"callTool".to_owned()).unwrap();
    assert_eq!((actions.len(), compiled.tools.len()), (10, 10));
    let (mut deviations, mut n_equal) = (Vec::new(), 0);
    for (tool, action) in actions {
        // The action in the server's namespace, in the group of all tools.
        let declared = &compiled.tools[&format!("github/{tool}")];
        assert_eq!(declared.action.to_string(), format!("github::Action::\"{tool}\""));
        assert_eq!(action["memberOf"][0]["id"], "callTool", "{action}");
        assert!(compiled.text.contains(&format!("action \"{tool}\" in [Portcullis::Action::\"callTool\"")), "{tool}");
        // One resource, that of tools, and the arguments in `input`.
        assert_eq!(action["appliesTo"]["resourceTypes"].as_array().unwrap().len(), 1);
        let input = &action["appliesTo"]["context"]["attributes"]["input"];
        let mut fields = all["github"]["commonTypes"][format!("{tool}Input")]["attributes"].as_object().unwrap().clone();
        assert!(input["name"].as_str().unwrap().ends_with(&format!("{tool}Input")), "{input}");
        for (name, field) in &declared.arguments.0 {
            let mark = if field.is_required { "" } else { "?" };
            let there = fields.remove(name).unwrap_or_else(|| panic!("{tool}.{name} is here alone"));
            let mark_there = if there["required"] == false { "?" } else { "" };
            let (there, here) =
                (format!("{mark_there}{}", theirs(&there, &all, "github")), format!("{mark}{}", ours(&field.shape)));
            if there == here {
                n_equal += 1;
            } else {
                deviations.push((format!("{tool}.{name}"), there, here));
            }
        }
        for (name, kind) in &fields {
            // What has no type here is told by its place.
            let place = format!("/properties/{name}");
            let is_told = compiled.reports.iter().any(|report| {
                matches!(report, super::ToolReport::Unmodelled { tool: of, argument } if *of == format!("github/{tool}") && argument.pointer == place)
            });
            assert!(is_told, "{tool}.{name} is missing in silence");
            let mark = if kind["required"] == false { "?" } else { "" };
            deviations.push((format!("{tool}.{name}"), format!("{mark}{}", theirs(kind, &all, "github")), "-".to_owned()));
        }
    }
    deviations.sort();
    let stated = DEVIATIONS.map(|(place, there, here)| (place.to_owned(), there.to_owned(), here.to_owned()));
    assert_eq!(deviations, stated);
    assert_eq!(n_equal, 13, "arguments with the same name and type");
}

/// What the generator refuses a whole server for (tried with 0.7.0), and what is a name like any other here.
#[test]
fn names_that_the_generator_does_not_take() {
    let schema = r#"{"type": "object", "properties": {"in": {"type": "object", "properties": {"a": {"type": "string"}}}}}"#;
    let tools = BTreeMap::from([("list-issues".to_owned(), Tool { input: schema.to_owned(), ..Tool::default() })]);
    let compiled = compile(&Name::new("github").unwrap(), &ToolServer { tools, ..ToolServer::default() }, 0).unwrap();
    let declared = &compiled.tools["github/list-issues"];
    assert_eq!(declared.action.to_string(), "github::Action::\"list-issues\"");
    assert_eq!(ours(&Shape::Record(declared.arguments.clone())), "{in?: {a?: String}}");
}
