//! The committed schema is the generated one.

use crate::json_schema;

#[test]
fn the_committed_schema_is_the_generated_one() {
    let committed = include_str!("../../../../schema/portcullis.schema.json");
    assert!(
        committed == json_schema(),
        "schema/portcullis.schema.json differs from the types: run `cargo xtask schema` and commit"
    );
}

/// The reference manual is the schema: a field without a description is a hole in it.
#[test]
fn every_field_is_described() {
    fn visit(schema: &serde_json::Value, place: &str, holes: &mut Vec<String>) {
        if let Some(fields) = schema.get("properties").and_then(serde_json::Value::as_object) {
            for (name, field) in fields {
                if field.get("description").is_none() {
                    holes.push(format!("{place}.{name}"));
                }
            }
        }
        if let Some(types) = schema.get("$defs").and_then(serde_json::Value::as_object) {
            for (name, inner) in types {
                visit(inner, name, holes);
            }
        }
    }
    let mut holes = Vec::new();
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    visit(&schema, "", &mut holes);
    assert!(holes.is_empty(), "{holes:?}");
}
