//! The JSON Schema of `portcullis.yaml`, generated from the types of `raw`.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value};

use crate::{raw, raw_budgets, raw_exec};

/// The schema as committed in `schema/portcullis.schema.json`: pretty, keys sorted, one line break at the end.
///
/// The loader reads files by this very schema, so an editor that knows it and the gate agree on what may be written where.
#[must_use]
pub fn json_schema() -> String {
    format!("{:#}\n", schema())
}

/// The schema as a value, keys sorted whatever features `serde_json` was built with.
pub(crate) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(tidy));
    sorted(settings.into_generator().into_root_schema_for::<raw::File>().to_value())
}

/// The schema of a price file.
pub(crate) fn prices() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(tidy));
    sorted(settings.into_generator().into_root_schema_for::<raw_budgets::PriceFile>().to_value())
}

/// The schema of a profile of `portcullis exec`.
pub(crate) fn profile() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(tidy));
    sorted(settings.into_generator().into_root_schema_for::<raw_exec::Profile>().to_value())
}

/// Takes `null` out and unwraps comment lines.
///
/// `serde` reads a missing `Option` and a null one alike; in this file an empty value is most often one that somebody forgot.
fn tidy(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get("type")
        && let [only] = types.iter().filter(|kind| *kind != "null").cloned().collect::<Vec<_>>().as_slice()
    {
        schema.insert("type".to_owned(), only.clone());
    }
    if let Some(Value::Array(branches)) = schema.get("anyOf")
        && let [Value::Object(only)] = branches
            .iter()
            .filter(|branch| branch.get("type") != Some(&Value::from("null")))
            .cloned()
            .collect::<Vec<_>>()
            .as_slice()
    {
        schema.remove("anyOf");
        for (key, value) in only {
            if schema.get(key).is_none() {
                schema.insert(key.clone(), value.clone());
            }
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    // `uint64` and the like: noise for editors, and the loader checks the range itself.
    schema.remove("format");
    if let Some(Value::String(text)) = schema.get("description") {
        let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
        schema.insert("description".to_owned(), Value::from(paragraphs.join("\n\n")));
    }
}

/// The same value with the keys of every object in order.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
