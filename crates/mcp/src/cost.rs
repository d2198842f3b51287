//! How much work a schema can make of arguments: a schema is small, and what it demands of a deep or a long text may not be.
//!
//! A schema may name another one, and itself, several times over: `anyOf` of two schemas that both demand the same of a member
//! doubles the work with every level. [`Cost`] counts, for each depth, how often at most one value at that depth is looked at,
//! so that whoever checks arguments knows beforehand what it will take.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Most schemas within one, counted where they are written.
const MAX_SCHEMAS: usize = 8192;
/// Most schemas that one value is held against, counted as often as they are named.
const MAX_AT_ONCE: usize = 1024;
/// Most validators within one another: each is a frame on the stack of whoever checks.
const MAX_NESTED: usize = 1000;
/// Deepest nesting of schemas for the same value below one that asks what they have looked at.
const MAX_MARKED: usize = 8;
/// How often, at most, schemas for the same value are looked at again to find out what they have looked at: once for each level.
const MARKS: usize = MAX_MARKED + 2;
/// Deepest arguments that are looked at.
const MAX_DEPTH: usize = 64;
/// From here on it makes no difference any more.
const TOO_MUCH: u64 = 1 << 40;

/// Keywords whose schemas look at the same value.
const IN_PLACE: [&str; 9] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"];
/// Keywords whose schemas look at any member or element.
const ANY_CHILD: [&str; 9] = [
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "contains",
    "unevaluatedItems",
    "additionalItems",
];
/// References that depend on where they are followed from. Nothing that writes schemas for tools writes them. `$anchor` names a place
/// for a `$ref` that is no pointer, and such a one leads to nothing here.
const DYNAMIC: [&str; 3] = ["$dynamicRef", "$recursiveRef", "$dynamicAnchor"];
/// Keywords that ask what other keywords have looked at, which is found out by looking again.
const MARKING: [&str; 2] = ["unevaluatedProperties", "unevaluatedItems"];
/// Keywords that change what references mean below them.
const BASES: [&str; 3] = ["$id", "id", "$schema"];

/// How often a value is looked at, by its depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cost {
    /// At index `n`: how often, at most, all values on a way of `n` steps down together.
    by_depth: Vec<u64>,
    /// The longest row of schemas that look at one value within one another.
    longest: usize,
    /// How many patterns there are.
    patterns: usize,
}

/// Why there is no bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unbounded {
    /// A reference that leads out of the schema, or nowhere.
    #[error("`$ref` at `{0}` leads out of the schema or to nothing")]
    Reference(String),
    /// A reference of a kind that is not followed.
    #[error("`{1}` at `{0}` is not taken there")]
    Dynamic(String, &'static str),
    /// It demands itself of the same value.
    #[error("the schema at `{0}` refers to itself for the same value")]
    Endless(String),
    /// It is held against too many schemas at once.
    #[error("the schema at `{0}` holds one value against more than 1,024 schemas")]
    TooWide(String),
    /// It has too many parts.
    #[error("it has more than 8,192 schemas in it")]
    TooMany,
}

impl Cost {
    /// Of a schema.
    ///
    /// # Errors
    /// See [`Unbounded`].
    pub(crate) fn of(schema: &Value) -> Result<Self, Unbounded> {
        let mut graph = Graph { root: schema, numbers: BTreeMap::new(), schemas: Vec::new(), todo: Vec::new() };
        graph.number(String::new())?;
        while let Some((number, place)) = graph.todo.pop() {
            let schema = graph.read(&place)?;
            if let Some(slot) = graph.schemas.get_mut(number) {
                *slot = Schema { place, ..schema };
            }
        }
        let flat = graph.flat()?;
        let longest = flat.iter().map(|flat| flat.longest).max().unwrap_or(0);
        let marks = graph.schemas.first().is_some_and(|schema| schema.is_marking);
        if marks && flat.first().is_some_and(|root| root.longest > MAX_MARKED) {
            return Err(Unbounded::TooWide(String::new()));
        }
        let patterns = graph.schemas.iter().map(|schema| schema.patterns).sum();
        Ok(Self { by_depth: by_depth(&graph, &flat), longest, patterns })
    }

    /// How often, at most, schemas look at `values` values of which the deepest is `depth` steps below the first.
    pub(crate) fn of_arguments(&self, values: usize, depth: usize) -> u64 {
        if self.longest.saturating_mul(depth.saturating_add(1)) > MAX_NESTED {
            return TOO_MUCH;
        }
        let once = self.by_depth.get(depth).copied().unwrap_or(TOO_MUCH);
        once.saturating_mul(u64::try_from(values).unwrap_or(u64::MAX))
    }

    /// How many bytes of text patterns look at, at most, where there are so many.
    pub(crate) const fn of_text(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.patterns)
    }
}

/// Every schema within one, by its JSON Pointer.
struct Graph<'v> {
    root: &'v Value,
    numbers: BTreeMap<String, usize>,
    schemas: Vec<Schema>,
    /// Those that were found and not yet read.
    todo: Vec<(usize, String)>,
}

/// One of them, with the numbers of those that it names.
#[derive(Debug, Default)]
struct Schema {
    place: String,
    /// For the same value.
    in_place: Vec<usize>,
    /// For the member of a name.
    members: BTreeMap<String, Vec<usize>>,
    /// For any member or element.
    any: Vec<usize>,
    /// What it compares a value with, beside itself.
    choices: u64,
    patterns: usize,
    is_marking: bool,
}

/// What is held against one value.
#[derive(Debug, Clone, Default)]
struct Flat {
    /// The schemas, as often as they are named.
    schemas: Vec<usize>,
    /// How many of them stand within one another, at most.
    longest: usize,
}

impl Graph<'_> {
    /// The number of the schema at a place; reads it if it is new.
    fn number(&mut self, place: String) -> Result<usize, Unbounded> {
        if let Some(number) = self.numbers.get(&place) {
            return Ok(*number);
        }
        if self.schemas.len() >= MAX_SCHEMAS {
            return Err(Unbounded::TooMany);
        }
        let number = self.schemas.len();
        self.numbers.insert(place.clone(), number);
        self.schemas.push(Schema::default());
        self.todo.push((number, place));
        Ok(number)
    }

    fn read(&mut self, place: &str) -> Result<Schema, Unbounded> {
        let mut schema = Schema::default();
        let Some(Value::Object(keywords)) = self.root.pointer(place) else { return Ok(schema) };
        if let Some(found) = DYNAMIC.into_iter().find(|keyword| keywords.contains_key(*keyword)) {
            return Err(Unbounded::Dynamic(place.to_owned(), found));
        }
        let refused = if place.is_empty() {
            None
        } else {
            base(keywords).or_else(|| MARKING.into_iter().find(|word| keywords.contains_key(*word)))
        };
        if let Some(found) = refused {
            return Err(Unbounded::Dynamic(place.to_owned(), found));
        }
        schema.is_marking = MARKING.iter().any(|word| keywords.contains_key(*word));
        schema.choices =
            keywords.get("enum").and_then(Value::as_array).map_or(0, |choices| u64::try_from(choices.len()).unwrap_or(TOO_MUCH));
        schema.patterns = usize::from(keywords.contains_key("pattern"))
            .saturating_add(keywords.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len));
        if let Some(target) = keywords.get("$ref") {
            schema.in_place.push(self.referred(target, place)?);
        }
        for (keyword, value) in keywords {
            let below = format!("{place}/{}", escaped(keyword));
            match keyword.as_str() {
                word if IN_PLACE.contains(&word) => schema.in_place.extend(self.within(value, &below)?),
                word if ANY_CHILD.contains(&word) => schema.any.extend(self.within(value, &below)?),
                "properties" => {
                    for name in value.as_object().into_iter().flat_map(Map::keys) {
                        let number = self.number(format!("{below}/{}", escaped(name)))?;
                        schema.members.entry(name.clone()).or_default().push(number);
                    }
                }
                _ => {}
            }
        }
        if schema.is_marking {
            schema.in_place = schema.in_place.repeat(MARKS);
        }
        Ok(schema)
    }

    /// The schemas of a keyword: itself, its elements, or its members where those have names.
    fn within(&mut self, value: &Value, place: &str) -> Result<Vec<usize>, Unbounded> {
        let has_names =
            ["/patternProperties", "/dependentSchemas", "/dependencies"].iter().any(|keyword| place.ends_with(keyword));
        match value {
            Value::Array(items) => (0..items.len()).map(|index| self.number(format!("{place}/{index}"))).collect(),
            Value::Object(members) if has_names => {
                members.keys().map(|name| self.number(format!("{place}/{}", escaped(name)))).collect()
            }
            Value::Object(_) | Value::Bool(_) => Ok(vec![self.number(place.to_owned())?]),
            _ => Ok(Vec::new()),
        }
    }

    fn referred(&mut self, target: &Value, place: &str) -> Result<usize, Unbounded> {
        let nowhere = || Unbounded::Reference(place.to_owned());
        let pointer = target.as_str().and_then(|target| target.strip_prefix('#')).ok_or_else(nowhere)?;
        // What is written otherwise than a plain pointer is read otherwise by somebody.
        let is_plain = pointer.is_empty() || pointer.starts_with('/');
        if !is_plain || pointer.contains('%') || self.root.pointer(pointer).is_none() {
            return Err(nowhere());
        }
        // Below another base the same words would lead elsewhere.
        let ends = pointer.match_indices('/').map(|(at, _)| at).skip(1).chain([pointer.len()]);
        let above = ends.filter_map(|end| self.root.pointer(pointer.get(..end)?)?.as_object());
        if above.into_iter().any(|above| !std::ptr::eq(above, self.root.as_object().unwrap_or(above)) && base(above).is_some()) {
            return Err(nowhere());
        }
        self.number(pointer.to_owned())
    }

    /// For each schema all that are held against the same value, itself among them.
    fn flat(&self) -> Result<Vec<Flat>, Unbounded> {
        let mut flat: Vec<Option<Flat>> = vec![None; self.schemas.len()];
        for number in 0..self.schemas.len() {
            self.flatten(number, &mut BTreeSet::new(), &mut flat)?;
        }
        Ok(flat.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn flatten(&self, number: usize, above: &mut BTreeSet<usize>, flat: &mut Vec<Option<Flat>>) -> Result<Flat, Unbounded> {
        if let Some(Some(known)) = flat.get(number) {
            return Ok(known.clone());
        }
        let Some(schema) = self.schemas.get(number) else { return Ok(Flat::default()) };
        if !above.insert(number) || above.len() > MAX_AT_ONCE {
            return Err(Unbounded::Endless(schema.place.clone()));
        }
        let mut all = Flat { schemas: vec![number], longest: 1 };
        for child in &schema.in_place {
            let below = self.flatten(*child, above, flat)?;
            all.schemas.extend(below.schemas);
            all.longest = all.longest.max(below.longest.saturating_add(1));
            if all.schemas.len() > MAX_AT_ONCE {
                return Err(Unbounded::TooWide(schema.place.clone()));
            }
        }
        above.remove(&number);
        if let Some(slot) = flat.get_mut(number) {
            *slot = Some(all.clone());
        }
        Ok(all)
    }
}

/// The keyword that gives what stands below another base, if there is one. In old drafts it is `id`; a property of that name has a
/// schema, and no text.
fn base(keywords: &Map<String, Value>) -> Option<&'static str> {
    BASES.into_iter().find(|keyword| keywords.get(*keyword).is_some_and(Value::is_string))
}

/// For each depth, from the deepest up: a schema's own look at a value, and at most the most expensive of its children.
fn by_depth(graph: &Graph<'_>, flat: &[Flat]) -> Vec<u64> {
    // For each schema: what is looked at in any child, and for each name what is looked at in that member beside it.
    type Steps<'s> = (Vec<usize>, BTreeMap<&'s str, Vec<usize>>);
    let steps: Vec<Steps<'_>> = flat
        .iter()
        .map(|at_once| {
            let schemas = at_once.schemas.iter().filter_map(|number| graph.schemas.get(*number));
            let (mut any, mut members) = (Vec::new(), BTreeMap::<&str, Vec<usize>>::new());
            for schema in schemas {
                any.extend(&schema.any);
                for (name, numbers) in &schema.members {
                    members.entry(name).or_default().extend(numbers);
                }
            }
            (any, members)
        })
        .collect();
    let own: Vec<u64> = flat
        .iter()
        .map(|at_once| {
            let schemas = at_once.schemas.iter().filter_map(|number| graph.schemas.get(*number));
            schemas.fold(0_u64, |sum, schema| sum.saturating_add(schema.choices).saturating_add(1).min(TOO_MUCH))
        })
        .collect();
    let mut below = vec![0_u64; flat.len()];
    let mut found = Vec::with_capacity(MAX_DEPTH);
    for _ in 0..MAX_DEPTH {
        let sum = |numbers: &[usize]| {
            let costs = numbers.iter().filter_map(|number| below.get(*number));
            costs.fold(0_u64, |sum, cost| sum.saturating_add(*cost).min(TOO_MUCH))
        };
        let here = |(own, (any, members)): (&u64, &Steps<'_>)| {
            let dearest = members.values().map(|numbers| sum(numbers)).max().unwrap_or(0);
            own.saturating_add(sum(any)).saturating_add(dearest).min(TOO_MUCH)
        };
        below = own.iter().zip(&steps).map(here).collect();
        found.push(below.first().copied().unwrap_or(TOO_MUCH));
    }
    found
}

/// A step of a JSON Pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Cost, TOO_MUCH, Unbounded};

    fn at(schema: &Value, depth: usize) -> u64 {
        Cost::of(schema).unwrap().of_arguments(1, depth)
    }

    #[test]
    fn ordinary_schemas_cost_little_at_any_depth() {
        let flat = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": [1, 2]}}, "required": ["a"]});
        assert_eq!([0, 1, 2, 63].map(|depth| at(&flat, depth)), [1, 4, 4, 4]);
        let tree = json!({"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"left": {"$ref": "#/$defs/n"}, "name": {}}}}});
        assert!(at(&tree, 63) < 300, "{}", at(&tree, 63));
        let filter = json!({"$defs": {"f": {"anyOf": [
            {"properties": {"is": {"type": "string"}}},
            {"properties": {"and": {"items": {"$ref": "#/$defs/f"}}}},
            {"properties": {"or": {"items": {"$ref": "#/$defs/f"}}}},
        ]}}, "$ref": "#/$defs/f"});
        assert!(at(&filter, 63) < 1000, "{}", at(&filter, 63));
    }

    #[test]
    fn what_doubles_with_every_level_is_seen() {
        let both = json!({"properties": {"c": {"$ref": "#/$defs/n"}}});
        let schema = json!({"$defs": {"n": {"anyOf": [both, both]}}, "$ref": "#/$defs/n"});
        assert!(at(&schema, 10) > 1 << 10 && at(&schema, 10) < 1 << 14, "{}", at(&schema, 10));
        assert_eq!(at(&schema, 63), TOO_MUCH);
        // Any member is every member.
        let both = json!({"additionalProperties": {"$ref": "#/$defs/n"}, "properties": {"c": {"$ref": "#/$defs/n"}}});
        assert_eq!(at(&json!({"$defs": {"n": both}, "$ref": "#/$defs/n"}), 63), TOO_MUCH);
        // One level, each named twice by the one before.
        let mut wide = serde_json::Map::new();
        for level in 0..20 {
            let next = format!("#/$defs/l{}", level + 1);
            wide.insert(format!("l{level}"), json!({"allOf": [{"$ref": next}, {"$ref": next}]}));
        }
        wide.insert("l20".to_owned(), json!({}));
        let schema = json!({"$defs": wide, "$ref": "#/$defs/l0"});
        assert!(matches!(Cost::of(&schema), Err(Unbounded::TooWide(_))));
    }

    #[test]
    fn what_asks_what_was_looked_at_looks_again() {
        let plain = json!({"allOf": [{"properties": {"c": {}}}], "additionalProperties": false});
        let marking = json!({"allOf": [{"properties": {"c": {}}}], "unevaluatedProperties": false});
        assert!(at(&marking, 1) > 5 * at(&plain, 1), "{} {}", at(&marking, 1), at(&plain, 1));
        let nested = (0..28).fold(json!({}), |inner, _| json!({"if": inner, "unevaluatedProperties": false}));
        assert!(matches!(Cost::of(&nested), Err(Unbounded::Dynamic(..))));
        let itself = json!({"allOf": [{"properties": {"c": {"$ref": "#"}}}], "unevaluatedProperties": false});
        assert_eq!(at(&itself, 63), TOO_MUCH);
        let deep = (0..9).fold(json!({}), |inner, _| json!({"allOf": [inner]}));
        assert!(matches!(Cost::of(&json!({"allOf": [deep], "unevaluatedProperties": false})), Err(Unbounded::TooWide(_))));
    }

    #[test]
    fn no_schema_takes_the_stack() {
        let mut chain = serde_json::Map::new();
        for level in 0..3000 {
            chain.insert(format!("l{level}"), json!({"$ref": format!("#/$defs/l{}", level + 1)}));
        }
        chain.insert("l3000".to_owned(), json!({}));
        assert!(matches!(Cost::of(&json!({"$defs": chain, "$ref": "#/$defs/l0"})), Err(Unbounded::Endless(_))));
        let row = (0..200).fold(json!({"properties": {"c": {"$ref": "#"}}}), |inner, _| json!({"allOf": [inner]}));
        let cost = Cost::of(&row).unwrap();
        assert!(cost.of_arguments(1, 3) < TOO_MUCH);
        assert_eq!(cost.of_arguments(1, 5), TOO_MUCH, "two hundred within one another, on each of six levels");
    }

    #[test]
    fn a_reference_does_not_pass_another_base() {
        for keyword in ["$id", "id", "$schema"] {
            let schema = json!({"$defs": {"o": {keyword: "https://o.example/", "$defs": {"inner": {}}}}, "properties": {"a": {"$ref": "#/$defs/o/$defs/inner"}}});
            assert!(matches!(Cost::of(&schema), Err(Unbounded::Reference(_))), "{keyword}");
        }
        let own = json!({"$id": "https://own.example/", "$defs": {"a": {"properties": {"id": {"type": "string"}}}}, "$ref": "#/$defs/a"});
        assert!(Cost::of(&own).is_ok());
    }

    #[test]
    fn references_lead_within_the_schema() {
        let reference = |target: &str| {
            Cost::of(&json!({"properties": {"a": {"$ref": target}}, "$defs": {"b": {"$anchor": "named"}}})).map(|_| ())
        };
        let nowhere = Err(Unbounded::Reference("/properties/a".to_owned()));
        let facts = [
            ("#/$defs/b", Ok(())),
            ("#", Ok(())),
            ("#/$defs/c", nowhere.clone()),
            ("https://example.com/s.json", nowhere.clone()),
            ("other.json#/a", nowhere.clone()),
            ("#b", nowhere.clone()),
            ("#named", nowhere.clone()),
            ("#/%24defs/b", nowhere),
        ];
        for (target, expected) in facts {
            assert_eq!(reference(target), expected, "{target}");
        }
        let endless =
            json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"});
        assert!(matches!(Cost::of(&endless), Err(Unbounded::Endless(_))));
        for keyword in ["$dynamicRef", "$dynamicAnchor", "$id", "id", "$schema", "unevaluatedProperties"] {
            let schema = json!({"properties": {"a": {keyword: "x"}}});
            assert!(matches!(Cost::of(&schema), Err(Unbounded::Dynamic(..))), "{keyword}");
        }
    }
}
