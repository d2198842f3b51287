//! Facts about the shape of the file.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::fit;
use crate::problem::Problem;
use crate::schema::schema;

fn problems(text: &str) -> Vec<String> {
    let mut problems: Vec<Problem> = Vec::new();
    let node = crate::yaml::read("f", text, &mut problems).unwrap();
    let fitting = fit("f", &schema(), &node, &mut problems);
    if let Some(fitting) = fitting {
        assert!(serde_json::from_value::<crate::raw::File>(fitting.clone()).is_ok(), "serde must take what fits: {fitting}");
    }
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_misfit_is_reported_with_its_place() {
    let facts: &[(&str, &[&str])] = &[
        ("listen: {data: 127.0.0.1:0}\n", &[]),
        ("lisen: {}\n", &["f:1:1: the key `lisen` is not known here, did you mean `listen`?"]),
        ("limits: {depht: 3}\n", &["f:1:10: limits: the key `depht` is not known here, did you mean `depth`?"]),
        ("logging: {colour: red}\n", &["f:1:11: logging: the key `colour` is not known here, known are `format`, `level`"]),
        ("limits: {depth: 1}\n", &["f:1:17: limits.depth: expected a number from 8 to 128, found 1"]),
        ("limits: {depth: -1}\n", &["f:1:17: limits.depth: expected a number from 8 to 128, found -1"]),
        ("limits: {depth: '64'}\n", &["f:1:17: limits.depth: expected a whole number, found the text `64`"]),
        ("limits: {depth: 64.0}\n", &["f:1:17: limits.depth: expected a whole number, found the number `64.0`"]),
        ("users:\n", &["f:1:6: users: expected a mapping, found nothing; write `{}` for none"]),
        (
            "users: {ada: {groups: staff}}\n",
            &["f:1:23: users.ada.groups: expected a list, found the text `staff`; write it as `[…]`"],
        ),
        (
            "users: {ada: {groups: [1]}}\n",
            &["f:1:24: users.ada.groups[0]: expected a text, found the number `1`; put it in quotes"],
        ),
        (
            "danger: {plaintext_upstreams: yes}\n",
            &["f:1:31: danger.plaintext_upstreams: expected `true` or `false`, found the text `yes`"],
        ),
        (
            "operators: {root: amdin}\n",
            &[
                "f:1:19: operators.root: expected one of `viewer`, `operator`, `approver`, `auditor`, `admin`, found the text `amdin`, \
             did you mean `admin`?",
            ],
        ),
        ("models: {m: {upstreams: []}}\n", &["f:1:25: models.m.upstreams: expected at least 1 in this list, found 0"]),
        ("models: {m: {}}\n", &["f:1:13: models.m: the key `upstreams` is missing"]),
        (
            "upstreams: {u: {kind: openai, base_url: x, api_key: 1}}\n",
            &["f:1:53: upstreams.u.api_key: expected a text or a mapping, found another value"],
        ),
        (
            "lisen: 1\nusers: 2\nlimits: {depth: 1, nodes: 1}\n",
            &[
                "f:1:1: the key `lisen` is not known here, did you mean `listen`?",
                "f:2:8: users: expected a mapping, found the number `2`",
                "f:3:17: limits.depth: expected a number from 8 to 128, found 1",
                "f:3:27: limits.nodes: expected a number from 100 to 5000000, found 1",
            ],
        ),
        ("[]\n", &["f:1:1: expected a mapping, found a list"]),
    ];
    for (text, expected) in facts {
        assert_eq!(problems(text), *expected, "{text}");
    }
}

/// A keyword that the walk does not know would be a promise to editors that the gate does not keep.
#[test]
fn the_schema_has_no_keyword_that_the_walk_ignores() {
    // Checked by the walk; annotations; and `pattern`, which the check of secrets enforces.
    const KNOWN: [&str; 22] = [
        "type",
        "properties",
        "additionalProperties",
        "required",
        "items",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "enum",
        "const",
        "oneOf",
        "anyOf",
        "$ref",
        "$defs",
        "$schema",
        "title",
        "description",
        "default",
        "pattern",
    ];
    fn collect(schema: &Json, keywords: &mut BTreeSet<String>) {
        let Some(object) = schema.as_object() else { return };
        for (keyword, value) in object {
            keywords.insert(keyword.clone());
            match keyword.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(|inner| collect(inner, keywords)),
                "oneOf" | "anyOf" => value.as_array().unwrap().iter().for_each(|inner| collect(inner, keywords)),
                "items" | "additionalProperties" => collect(value, keywords),
                _ => {}
            }
        }
        if object.get("type") == Some(&Json::from("object")) {
            assert!(object.contains_key("additionalProperties"), "an object is either closed or a map: {schema}");
        }
        assert!(!object.get("type").is_some_and(Json::is_array), "one type each: {schema}");
    }
    let mut keywords = BTreeSet::new();
    collect(&schema(), &mut keywords);
    let unknown: Vec<&String> = keywords.iter().filter(|keyword| !KNOWN.contains(&keyword.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(keywords.contains("maximum") && keywords.contains("required"), "the walk over the schema saw too little");
}
