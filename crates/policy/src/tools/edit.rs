//! Arguments of a call, as JSON, made others: only as the types of the tool have room for.

use serde_json::{Map, Value};

use super::argument::{decimal, join};
use super::shape::{Record, Shape};

/// The type of an argument, by its names from the outside in.
pub(crate) fn shape<'r, N: AsRef<str>>(record: &'r Record, names: &[N]) -> Option<&'r Shape> {
    let (first, rest) = names.split_first()?;
    let shape = &record.0.get(first.as_ref())?.shape;
    match (shape, rest) {
        (shape, []) => Some(shape),
        (Shape::Record(record), rest) => self::shape(record, rest),
        _ => None,
    }
}

/// As little as a type can be.
pub(crate) fn least(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => Value::Bool(false),
        Shape::Long | Shape::Decimal => Value::from(0),
        Shape::Text => Value::String(String::new()),
        Shape::Set(_) => Value::Array(Vec::new()),
        Shape::Record(record) => Value::Object(least_of(record)),
    }
}

/// The required fields alone, each as little as its type can be.
pub(crate) fn least_of(record: &Record) -> Map<String, Value> {
    let required = record.0.iter().filter(|(_, field)| field.is_required);
    required.map(|(name, field)| (name.clone(), least(&field.shape))).collect()
}

/// The value of an argument, if it is there.
pub(crate) fn get<'j, N: AsRef<str>>(fields: &'j Map<String, Value>, names: &[N]) -> Option<&'j Value> {
    let (first, rest) = names.split_first()?;
    let found = fields.get(first.as_ref())?;
    if rest.is_empty() { Some(found) } else { get(found.as_object()?, rest) }
}

/// Puts a value where the schema has room for one of its kind; what stands above it comes with it.
pub(crate) fn put<N: AsRef<str>>(fields: &mut Map<String, Value>, record: &Record, names: &[N], value: Value) -> Option<()> {
    let (first, rest) = names.split_first()?;
    let (first, shape) = (first.as_ref(), &record.0.get(first.as_ref())?.shape);
    if rest.is_empty() {
        fields.insert(first.to_owned(), value);
        return Some(());
    }
    let Shape::Record(below) = shape else { return None };
    put(fields.entry(first.to_owned()).or_insert_with(|| least(shape)).as_object_mut()?, below, rest, value)
}

/// Takes an optional value away.
pub(crate) fn remove<N: AsRef<str>>(fields: &mut Map<String, Value>, record: &Record, names: &[N]) -> Option<()> {
    let (first, rest) = names.split_first()?;
    let field = record.0.get(first.as_ref())?;
    match (&field.shape, rest) {
        (_, []) if field.is_required => None,
        (_, []) => fields.remove(first.as_ref()).map(|_| ()),
        (Shape::Record(below), rest) => remove(fields.get_mut(first.as_ref())?.as_object_mut()?, below, rest),
        _ => None,
    }
}

/// Takes those arguments away that no policy can see, as far as they are unwanted; told by the names of `context.unmodelled`.
pub(crate) fn strip(fields: &mut Map<String, Value>, record: &Record, is_unwanted: &dyn Fn(&str) -> bool) {
    strip_below(fields, record, "", is_unwanted);
}

fn strip_below(fields: &mut Map<String, Value>, record: &Record, path: &str, is_unwanted: &dyn Fn(&str) -> bool) {
    fields.retain(|name, value| {
        let path = join(path, name);
        match record.0.get(name) {
            Some(field) if field.shape == Shape::Decimal && decimal(value).is_none() => !is_unwanted(&path),
            Some(field) => {
                strip_value(&field.shape, value, &path, is_unwanted);
                true
            }
            None => !is_unwanted(&path),
        }
    });
}

fn strip_value(shape: &Shape, value: &mut Value, path: &str, is_unwanted: &dyn Fn(&str) -> bool) {
    match (shape, value) {
        (Shape::Record(record), Value::Object(fields)) => strip_below(fields, record, path, is_unwanted),
        (Shape::Set(item), Value::Array(items)) => items.iter_mut().for_each(|value| strip_value(item, value, path, is_unwanted)),
        _ => {}
    }
}
