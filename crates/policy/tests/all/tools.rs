//! Tools with typed arguments.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;
use model::{
    Action, Answer, Ask, Bundle, DecisionInput, Level, Name, ReasonCode, Resource, Tool, ToolEffect, ToolServer, Verdict,
};
use policy::{PolicySnapshot, ToolReport, check_tool};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{bundle, compiled, input, name, targets};

fn tool(effects: &[ToolEffect], properties: &Value, required: &[&str]) -> Tool {
    let input = json!({"type": "object", "properties": properties, "required": required}).to_string();
    Tool { effects: effects.iter().copied().collect(), input, ..Tool::default() }
}

pub(crate) fn server() -> ToolServer {
    let create = json!({
        "title": {"type": "string"},
        "priority": {"type": "integer"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "private": {"type": "boolean"},
        "target": {"type": "object", "properties": {"repo": {"type": "string"}, "fork": {"type": "boolean"}}, "required": ["repo"]},
        "weight": {"type": "number"},
        "assignee": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    });
    let withdrawn = Tool { is_withdrawn: true, ..tool(&[ToolEffect::Read], &json!({}), &[]) };
    ToolServer {
        clearance: Level::Internal,
        tools: BTreeMap::from([
            ("create_issue".to_owned(), tool(&[ToolEffect::Write, ToolEffect::Egress], &create, &["title"])),
            ("read_issue".to_owned(), tool(&[ToolEffect::Read], &json!({"number": {"type": "integer"}, "raw": {}}), &[])),
            ("old_search".to_owned(), withdrawn),
        ]),
        ..ToolServer::default()
    }
}

fn with_tools(text: &str, servers: &[(&str, ToolServer)]) -> Bundle {
    let mut bundle = bundle(text);
    bundle.registry.tool_servers = servers.iter().map(|(name, server)| (Name::new(name).unwrap(), server.clone())).collect();
    bundle
}

pub(crate) fn snapshot(text: &str) -> PolicySnapshot {
    compiled(&with_tools(text, &[("github", server())]))
}

fn call(tool: &str, arguments: &Value) -> DecisionInput {
    let mut input = input(&["user:ada", "agent:bot"], "small");
    input.asks = vec![Ask { action: Action::CallTool, resource: Resource::Tool(tool.to_owned()) }];
    input.facts.arguments = Some(arguments.to_string());
    input
}

fn errors(answer: &Answer) -> String {
    answer.links.first().and_then(|link| link.errors.first()).cloned().unwrap_or_default()
}

/// Who may run tools alone sees which there are; who may do something else alone does not.
#[test]
fn an_agent_that_calls_alone_lists_alone() {
    for (alone, expected) in [(Action::CallTool, ReasonCode::Permitted), (Action::CallModel, ReasonCode::AgentWithoutUser)] {
        let mut bundle = with_tools("permit (principal, action, resource);", &[("github", server())]);
        bundle.registry.agents.get_mut(&name("free")).unwrap().autonomous = [alone].into();
        let mut asked = input(&["agent:free"], "small");
        asked.asks = vec![Ask { action: Action::ListTools, resource: Resource::ToolServer(name("github")) }];
        assert_eq!(compiled(&bundle).decide(&asked).reason, expected, "{alone:?}");
        // The list goes with the calls, and not the other way round.
        asked.asks = vec![Ask { action: Action::ListTools, resource: Resource::ToolServer(name("nobody")) }];
        assert_eq!(compiled(&bundle).decide(&asked).verdict, Verdict::Deny);
    }
}

#[test]
fn policies_read_typed_arguments() {
    let snapshot = snapshot(
        "permit (principal, action == github::Action::\"create_issue\", resource == Portcullis::Tool::\"github/create_issue\")
           when { context.input.title like \"*bug*\" && context.input has priority && context.input.priority < 3 }
           unless { context.input has labels && context.input.labels.contains(\"secret\") }
           unless { context.input has target && context.input.target.repo != \"ours\" };
         permit (principal, action in Portcullis::Action::\"read\", resource in Portcullis::ToolServer::\"github\");",
    );
    let facts = [
        ("github/create_issue", json!({"title": "a bug", "priority": 1}), Verdict::Permit),
        ("github/create_issue", json!({"title": "a bug", "priority": 3}), Verdict::Deny),
        ("github/create_issue", json!({"title": "a bug"}), Verdict::Deny),
        ("github/create_issue", json!({"title": "a wish", "priority": 1}), Verdict::Deny),
        ("github/create_issue", json!({"title": "bug", "priority": 1, "labels": ["a", "secret"]}), Verdict::Deny),
        ("github/create_issue", json!({"title": "bug", "priority": 1, "labels": []}), Verdict::Permit),
        ("github/create_issue", json!({"title": "bug", "priority": 1, "target": {"repo": "ours"}}), Verdict::Permit),
        ("github/create_issue", json!({"title": "bug", "priority": 1, "target": {"repo": "theirs"}}), Verdict::Deny),
        ("github/read_issue", json!({"number": 4}), Verdict::Permit),
        ("github/read_issue", json!({}), Verdict::Permit),
    ];
    for (tool, arguments, expected) in facts {
        let answer = snapshot.decide(&call(tool, &arguments));
        assert_eq!(answer.verdict, expected, "{tool} {arguments}: {answer:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_never_rounded() {
    let snapshot = snapshot("permit (principal, action, resource);");
    let facts = [
        (json!({"title": "a"}), ""),
        (json!({"title": "a", "priority": i64::MAX}), ""),
        (json!({"title": "a", "priority": i64::MIN}), ""),
        (json!({"title": "a", "priority": 9_223_372_036_854_775_808_u64}), "argument `priority` is no whole number of 64 bits"),
        (json!({"title": "a", "priority": 1.0}), ""),
        (json!({"title": "a", "priority": 1e17}), "argument `priority` is no whole number of 64 bits"),
        (json!({"title": "a", "priority": 1.5}), "argument `priority` is no whole number of 64 bits"),
        (json!({"title": "a", "priority": null}), "argument `priority` is no number"),
        (json!({"title": "a", "assignee": null}), "argument `assignee` is no text"),
        (json!({"title": "a", "priority": "1"}), "argument `priority` is no number"),
        (json!({"title": "a", "labels": "b"}), "argument `labels` is no list"),
        (json!({"title": "a", "labels": [1]}), "argument `labels` is no text"),
        (json!({"title": "a", "private": "yes"}), "argument `private` is no boolean"),
        (json!({"title": "a", "target": {"fork": true}}), "argument `target.repo` is required"),
        (json!({"title": "a", "target": []}), "argument `target` is no object"),
        (json!({}), "argument `title` is required"),
        (json!([]), "the arguments are no JSON object"),
    ];
    for (arguments, expected) in facts {
        let answer = snapshot.decide(&call("github/create_issue", &arguments));
        assert_eq!(errors(&answer), expected, "{arguments}");
        let reason = if expected.is_empty() { ReasonCode::Permitted } else { ReasonCode::PolicyError };
        assert_eq!(answer.reason, reason, "{arguments}");
    }
    for (text, expected) in [
        (r#"{"title": "a", "title": "b"}"#, "a name stands twice in the arguments"),
        (r#"{"title": "a", "t\u0069tle": "b"}"#, "a name stands twice in the arguments"),
        (r#"{"title": "a", "target": {"repo": "ours", "repo": "theirs"}}"#, "a name stands twice in the arguments"),
        (r#"{"title": "a", "weight": [{"any": {"k": 1, "k": 2}}]}"#, "a name stands twice in the arguments"),
        (r#"{"title": "\ud800"}"#, "the arguments cannot be read: unpaired surrogate escape at byte 11"),
        ("{\"title\": \"a\"} {}", "the arguments cannot be read: expected the end of the document at byte 15"),
        ("\u{feff}{\"title\": \"a\"}", "the arguments cannot be read: expected a value at byte 0"),
        ("{\"title\": \"a\",}", "the arguments cannot be read: expected a key at byte 14"),
    ] {
        let mut asked = call("github/create_issue", &json!({}));
        asked.facts.arguments = Some(text.to_owned());
        assert_eq!(errors(&snapshot.decide(&asked)), expected, "{text}");
    }
    let mut deep = call("github/create_issue", &json!({}));
    deep.facts.arguments = Some(format!("{{\"title\": \"a\", \"weight\": {}{}}}", "[".repeat(64), "]".repeat(64)));
    assert_eq!(errors(&snapshot.decide(&deep)), "the arguments cannot be read: nested deeper than 64 levels");
    let mut huge = call("github/create_issue", &json!({}));
    huge.facts.arguments = Some(format!("{{\"title\": \"{}\"}}", "a".repeat(2 << 20)));
    assert_eq!(errors(&snapshot.decide(&huge)), "arguments have at most 1048576 bytes");
    for tool in ["github/old_search", "github/nothing", "gitlab/create_issue", "create_issue", "\"; permit"] {
        let answer = snapshot.decide(&call(tool, &json!({"title": "a"})));
        assert_eq!(answer.reason, ReasonCode::PolicyError, "{tool}");
    }
}

/// A number is a decimal where it fits one exactly; where it does not, no policy can see it.
#[test]
fn numbers_are_decimals_or_unmodelled() {
    let text = "permit (principal, action == github::Action::\"create_issue\", resource)
        when { context.input has weight && context.input.weight.lessThanOrEqual(decimal(\"100.0\")) };";
    let snapshot = snapshot(text);
    let cases = [
        (json!(100), Verdict::Permit),
        (json!(99.9999), Verdict::Permit),
        (json!(-3.5), Verdict::Permit),
        (json!(100.0001), Verdict::Deny),
        (json!(99.99999), Verdict::Deny),
        (json!(1e11), Verdict::Deny),
        (json!(-1e300), Verdict::Deny),
        (json!("5"), Verdict::Deny),
        (json!(null), Verdict::Deny),
    ];
    for (weight, expected) in cases {
        let answer = snapshot.decide(&call("github/create_issue", &json!({"title": "a", "weight": weight})));
        assert_eq!(answer.verdict, expected, "{weight}: {answer:?}");
    }
    let none = snapshot.decide(&call("github/create_issue", &json!({"title": "a"})));
    assert_eq!(none.verdict, Verdict::Deny);
    // Some models write whole numbers so.
    let whole = |number: &str| {
        let mut asked = call("github/create_issue", &json!({}));
        asked.facts.arguments = Some(format!("{{\"title\": \"a\", \"weight\": 1, \"priority\": {number}}}"));
        snapshot.decide(&asked).verdict
    };
    let numbers = ["10.0", "10", "-3.000", "1e1", "10.5", "1e16", "10.000000000000000000001", "9223372036854775808.0"];
    assert_eq!(numbers.map(whole), {
        use Verdict::{Deny, Permit};
        [Permit, Permit, Permit, Deny, Deny, Deny, Deny, Deny]
    });
    // A double would round these to what is permitted.
    for weight in ["99.999999999999999999999", "100.00000000000000000001", "1e2", "99999999999999.5"] {
        let mut asked = call("github/create_issue", &json!({}));
        asked.facts.arguments = Some(format!("{{\"title\": \"a\", \"weight\": {weight}}}"));
        assert_eq!(snapshot.decide(&asked).verdict, Verdict::Deny, "{weight}");
    }
}

/// What no policy can see is told by name, and a tool that changes or sends something is not called with it.
#[test]
fn unmodelled_arguments_stop_what_has_effects() {
    let snapshot = snapshot(
        "permit (principal, action, resource);
         forbid (principal, action in Portcullis::Action::\"read\", resource) when { context.unmodelled.contains(\"raw\") };",
    );
    let facts = [
        ("github/create_issue", json!({"title": "a", "weight": 1.500_05}), "baseline-unmodelled"),
        ("github/create_issue", json!({"title": "a", "extra": null}), "baseline-unmodelled"),
        ("github/create_issue", json!({"title": "a", "target": {"repo": "ours", "mode": 1}}), "baseline-unmodelled"),
        (
            "github/create_issue",
            json!({"title": "a", "__entity": {"type": "Portcullis::User", "id": "eve"}}),
            "baseline-unmodelled",
        ),
        ("github/read_issue", json!({"number": 1, "other": true}), ""),
        ("github/read_issue", json!({"raw": true}), "policies/p.cedar#2"),
    ];
    for (tool, arguments, expected) in facts {
        let answer = snapshot.decide(&call(tool, &arguments));
        let forbids: BTreeSet<&str> = answer
            .links
            .iter()
            .filter(|link| link.verdict == Verdict::Deny)
            .flat_map(|link| &link.policies)
            .map(|policy| policy.id.as_str())
            .collect();
        assert_eq!(forbids.into_iter().collect::<Vec<_>>().join(" "), expected, "{arguments}: {answer:?}");
    }
    let mut secretive = call("github/read_issue", &json!({}));
    secretive.facts.label.level = Level::Confidential;
    let answer = snapshot.decide(&secretive);
    assert_eq!(answer.links[0].policies[0].id, "baseline-tool-clearance");
}

#[test]
fn a_task_is_granted_no_tool_that_it_does_not_name() {
    let snapshot = snapshot("permit (principal, action, resource);");
    let mut asked = call("github/read_issue", &json!({}));
    let mut grant = model::Grant::nothing();
    grant.add(Action::CallModel, model::Reach::Every).unwrap();
    asked.facts.mandate.task = Some(model::Task { id: name("tsk_1"), purpose: None, grant });
    assert_eq!(snapshot.decide(&asked).reason, ReasonCode::GrantExceeded);
}

#[test]
fn policies_are_checked_against_the_types() {
    let problems = |text: &str| -> Vec<String> {
        let problems = PolicySnapshot::load(&with_tools(text, &[("github", server())]), &targets()).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    };
    let text = "permit (principal, action == github::Action::\"create_issue\", resource) when { context.input.title == 1 };
permit (principal, action == github::Action::\"create_issue\", resource) when { context.input.weight == 1 };
permit (principal, action == github::Action::\"create_issue\", resource) when { context.input.priority == 1 };
permit (principal, action == github::Action::\"create_isue\", resource);";
    expect![[r#"
        policies/p.cedar:1:79: the types Long and String are not compatible; for policy `policies/p.cedar#1`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible
        policies/p.cedar:2:79: for policy `policies/p.cedar#2`, unable to guarantee safety of access to optional attribute `input.weight` in context for github::Action::"create_issue"; try testing for the attribute's presence with `context.input has weight && ..`
        policies/p.cedar:2:79: the types Long and decimal are not compatible; for policy `policies/p.cedar#2`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible
        policies/p.cedar:3:79: for policy `policies/p.cedar#3`, unable to guarantee safety of access to optional attribute `input.priority` in context for github::Action::"create_issue"; try testing for the attribute's presence with `context.input has priority && ..`
        policies/p.cedar:4:30: for policy `policies/p.cedar#4`, unrecognized action `github::Action::"create_isue"`; did you mean `github::Action::"create_issue"`?"#]]
    .assert_eq(&problems(text).join("\n"));
    // A group without a tool in it can be named.
    snapshot("forbid (principal, action in Portcullis::Action::\"destructive\", resource);");
    compiled(&bundle("forbid (principal, action in Portcullis::Action::\"destructive\", resource);"));
}

#[test]
fn what_has_no_type_is_reported() {
    let properties = json!({
        "n": {"type": "number"},
        "ns": {"type": "array", "items": {"type": "number"}},
        "any": {},
        "yes": true,
        "two": {"type": ["string", "integer"]},
        "either": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        "both": {"allOf": [{"type": "string"}]},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "tuple": {"type": "array", "prefixItems": [{"type": "string"}]},
        "bare": {"type": "array"},
        "holes": {"type": "array", "items": {"type": ["string", "null"]}},
        "far": {"$ref": "https://example.com/schema"},
        "gone": {"$ref": "#/$defs/gone"},
        "loop": {"$ref": "#/$defs/loop"},
        "mixed": {"$ref": "#/$defs/name", "type": "string"},
        "odd": {"type": "string", "x-kind": 1},
        "null": {"type": "null"},
        "__extn": {"type": "string"},
        "": {"type": "string"},
        "named": {"$ref": "#/$defs/name"},
        "maybe": {"type": ["string", "null"]},
        "when": {"type": "string", "format": "date-time"},
        "choice": {"type": "string", "enum": ["a", "b"]},
        "a/b~c": {"type": "float"},
        "odd-type": {"type": ["string", 5]},
        "numbered": {"type": 5},
        "renamed": {"$id": "https://example.com/other", "type": "string"},
        "within": {"$ref": "#/$defs/other/properties/b"},
        "holds": {"type": "object", "properties": [{"type": "string"}], "required": "a"},
        "needs": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", 1]},
        "beside": {"anyOf": [{"type": "object"}, {"type": "null"}], "properties": {"a": {"type": "string"}}},
    });
    let schema = json!({
        "type": "object",
        "properties": properties,
        "patternProperties": {"^x": {"type": "string"}},
        "$defs": {"name": {"type": "string", "minLength": 1}, "other": {"$id": "x", "type": "object", "properties": {"b": {"type": "string"}}}, "loop": {"type": "object", "properties": {"more": {"$ref": "#/$defs/loop"}}}},
    });
    let pinned = Tool { input: schema.to_string(), ..Tool::default() };
    let told: Vec<String> = check_tool(&name("github"), "t", &pinned).unwrap().iter().map(ToString::to_string).collect();
    expect![[r#"
        /$defs/loop/properties/more: nested more than 8 deep, or in a circle
        /patternProperties: `patternProperties` is not read
        /properties/: the name is empty, too long, or one that Cedar keeps for itself
        /properties/__extn: the name is empty, too long, or one that Cedar keeps for itself
        /properties/any: no type is named
        /properties/a~1b~0c: type `float` has no Cedar type
        /properties/bare: a list whose items have no schema has no Cedar type
        /properties/beside/properties: `properties` beside a choice of types is not read
        /properties/both/allOf: `allOf` is not read
        /properties/either: a choice of types (`oneOf`) has no Cedar type
        /properties/far: a reference that does not lead to `#/$defs/…` or `#/definitions/…`
        /properties/gone: a reference that does not lead to `#/$defs/…` or `#/definitions/…`
        /properties/holds/properties: `properties` is no object
        /properties/holds/required: `required` is no list of names
        /properties/holes/items: items that may be null have no Cedar type
        /properties/map/additionalProperties: arguments without fixed names have no Cedar type
        /properties/mixed/type: `type` beside a reference is not read
        /properties/needs/required: `required` is no list of names
        /properties/ns/items: a list of `number` has no Cedar type; one of `integer` has
        /properties/null: no type is named
        /properties/numbered/type: `type` is neither a name nor a list of names
        /properties/odd-type/type: `type` is neither a name nor a list of names
        /properties/odd/x-kind: `x-kind` is not read
        /properties/renamed/$id: `$id` below the schema itself is not read
        /properties/tuple/prefixItems: `prefixItems` is not read
        /properties/two: several types have no common Cedar type
        /properties/within: a reference into a schema with an `$id` of its own
        /properties/yes: a schema that is true or false has no Cedar type
    "#]]
    .assert_eq(&(told.join("\n") + "\n"));
}

/// One server's mistake is that server's alone; policies that name it stay, and what it has is denied.
#[test]
fn a_server_that_does_not_compile_is_disabled_alone() {
    let broken = |input: &str| ToolServer {
        tools: BTreeMap::from([("t".to_owned(), Tool { input: input.to_owned(), ..Tool::default() })]),
        ..ToolServer::default()
    };
    let deep = format!("{}{}", "{\"type\":\"object\",\"properties\":{\"a\":".repeat(200), "}".repeat(400));
    let cases = [
        ("gitlab", broken("{")),
        ("gitlab", broken("[]")),
        ("gitlab", broken("{\"type\": \"string\"}")),
        ("gitlab", broken(&deep)),
        ("gitlab", broken(&format!("{{\"type\": \"object\", \"title\": \"{}\"}}", "a".repeat(70_000)))),
        ("git-lab", broken("{\"type\": \"object\"}")),
        ("Portcullis", broken("{\"type\": \"object\"}")),
        ("in", broken("{\"type\": \"object\"}")),
        ("__cedar", broken("{\"type\": \"object\"}")),
    ];
    for (bad, definition) in cases {
        let Ok(bad_name) = Name::new(bad) else { continue };
        let text = format!(
            "permit (principal, action in [github::Action::\"read_issue\"], resource);
             {}",
            if bad == "gitlab" {
                "permit (principal, action == gitlab::Action::\"t\", resource) when { context.input.x > 1 };"
            } else {
                ""
            }
        );
        let loaded = compiled(&with_tools(&text, &[("github", server()), (bad, definition)]));
        let disabled: Vec<&ToolReport> =
            loaded.tool_reports().iter().filter(|report| matches!(report, ToolReport::Disabled { .. })).collect();
        assert!(
            matches!(disabled.as_slice(), [ToolReport::Disabled { server, .. }] if *server == bad_name),
            "{bad}: {disabled:?}"
        );
        assert_eq!(loaded.decide(&call("github/read_issue", &json!({}))).verdict, Verdict::Permit, "{bad}");
        assert_eq!(loaded.decide(&call(&format!("{bad}/t"), &json!({}))).reason, ReasonCode::PolicyError, "{bad}");
    }
}

/// Names are the server's: whatever they hold, they stay names.
#[test]
fn hostile_names_stay_names() {
    let hostile = [
        "a\"; action evil; //",
        "a\\",
        "a\n}",
        "\u{202e}gnp",
        "a b",
        "é",
        "}};",
        "${x}",
        "__cedar::String",
        "a'b",
        "\0",
        "in",
        "*/",
    ];
    for bad in hostile {
        let properties = json!({bad: {"type": "string"}, "plain": {"type": "integer"}});
        let server = ToolServer {
            clearance: Level::Internal,
            tools: BTreeMap::from([(bad.to_owned(), tool(&[ToolEffect::Write], &properties, &[]))]),
            ..ToolServer::default()
        };
        let text = "permit (principal, action in Portcullis::Action::\"write\", resource);";
        let loaded = compiled(&with_tools(text, &[("s", server)]));
        assert_eq!(loaded.tool_reports(), [], "{bad:?}");
        let answer = loaded.decide(&call(&format!("s/{bad}"), &json!({bad: "x", "plain": 1})));
        assert_eq!(answer.verdict, Verdict::Permit, "{bad:?}: {answer:?}");
        let answer = loaded.decide(&call(&format!("s/{bad}"), &json!({bad: 1})));
        assert!(errors(&answer).ends_with("is no text"), "{bad:?}: {answer:?}");
    }
}

#[test]
fn a_bundle_without_tools_is_written_as_before() {
    let text = serde_json::to_string(&bundle("")).unwrap();
    assert!(!text.contains("tool_servers"));
    let input = serde_json::to_string(&input(&["user:ada"], "small")).unwrap();
    assert!(!input.contains("arguments") && !input.contains("around"));
    let tools = with_tools("", &[("github", server())]);
    assert_eq!(serde_json::from_str::<Bundle>(&serde_json::to_string(&tools).unwrap()).unwrap(), tools);
}

/// JSON of any shape.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z\"\\\\é]{0,4}".prop_map(Value::from),
    ];
    let name = proptest::sample::select(vec!["title", "priority", "labels", "private", "target", "repo", "type", "items", "x"]);
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..4).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

/// Arguments of `create_issue`, most of them of their types.
fn arguments() -> impl Strategy<Value = Value> {
    let fields = [
        ("title", json!("a")),
        ("priority", json!(2)),
        ("private", json!(true)),
        ("labels", json!(["a"])),
        ("target", json!({"repo": "ours"})),
    ];
    let fields = proptest::sample::subsequence(fields.to_vec(), 0..=5);
    let other = proptest::option::weighted(
        0.5,
        (proptest::sample::select(vec!["title", "priority", "labels", "private", "target", "x"]), json_value()),
    );
    (fields, other).prop_map(|(fields, other)| {
        let mut object: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        object.extend(other.map(|(name, value)| (name.to_owned(), value)));
        object.into()
    })
}

proptest! {
    #![proptest_config(crate::random::config(60))]

    /// What is decided on are the arguments that conform to Cedar's own reading of the schema; all others are refused.
    #[test]
    fn arguments_are_exact(arguments in proptest::collection::vec(arguments(), 40)) {
        let snapshot = snapshot("permit (principal, action, resource);");
        for arguments in arguments {
            let answer = snapshot.decide(&call("github/create_issue", &arguments));
            let is = |name: &str, fits: fn(&Value) -> bool| arguments.get(name).is_none_or(fits);
            let fits = arguments.get("title").is_some_and(Value::is_string)
                && is("priority", |value| value.as_i64().is_some())
                && is("private", Value::is_boolean)
                && is("labels", |value| value.as_array().is_some_and(|labels| labels.iter().all(Value::is_string)))
                && is("target", |value| value.get("repo").is_some_and(Value::is_string));
            let is_modelled = is("repo", |_| false) && is("type", |_| false) && is("items", |_| false) && is("x", |_| false)
                && is("target", |value| value.as_object().is_some_and(|target| target.keys().all(|name| name == "repo")));
            let reason = match (fits, is_modelled) {
                (false, _) => ReasonCode::PolicyError,
                (true, false) => ReasonCode::PolicyForbidden,
                (true, true) => ReasonCode::Permitted,
            };
            prop_assert_eq!(answer.reason, reason, "{}: {:?}", arguments, answer);
        }
    }

    /// No definition, however odd, does more than disable its own server.
    #[test]
    fn any_definition_ends_in_an_answer(definition in json_value(), properties in json_value()) {
        for input in [definition.clone(), json!({"type": "object", "properties": properties}), json!({"type": "object", "properties": {"a": definition}})] {
            let tools = BTreeMap::from([("t".to_owned(), Tool { input: input.to_string(), ..Tool::default() })]);
            let odd = ToolServer { tools, ..ToolServer::default() };
            let loaded = compiled(&with_tools("permit (principal, action, resource);", &[("github", server()), ("odd", odd)]));
            prop_assert_eq!(loaded.decide(&call("github/read_issue", &json!({}))).verdict, Verdict::Permit);
        }
    }
}
