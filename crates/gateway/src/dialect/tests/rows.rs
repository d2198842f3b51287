//! One case per row: every field, type, header and beta of the tables, reached by a request that is built from them.

use std::collections::{BTreeMap, VecDeque};

use model::{Effect, ModelName, ReasonCode};
use serde_json::{Value, json};

use super::super::Api;
use super::super::table::{Class, Consequence, Form, HeaderClass, Holds, Row, Shape, TAG};
use super::{read, read_with, request_of};

/// An object of the tables: a shape, and the variant if it is a union.
pub(super) struct Place {
    pub(super) shape: &'static Shape,
    pub(super) variant: Option<&'static str>,
    pub(super) rows: Vec<&'static Row>,
    /// Puts an object into the request.
    way: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    variant: Option<&'static str>,
    field: &'static str,
    is_list: bool,
}

/// The shape that a field leads to, and whether through an array.
pub(super) const fn inside(holds: Holds) -> Option<(&'static Shape, bool)> {
    match holds {
        Holds::One(shape) | Holds::TextOrOne(shape) | Holds::OneOrMany(shape) => Some((shape, false)),
        Holds::Many(shape) | Holds::TextOrMany(shape) => Some((shape, true)),
        _ => None,
    }
}

/// Every object of a table, each with the shortest way to it.
pub(super) fn places(api: Api) -> Vec<Place> {
    let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
    let mut queue = VecDeque::from([(api.table().request, Vec::<Step>::new())]);
    let mut found = Vec::new();
    while let Some((shape, way)) = queue.pop_front() {
        if seen.insert(shape.name, ()).is_some() {
            continue;
        }
        let forms: Vec<(Option<&'static str>, Class, Vec<&'static Row>)> = match &shape.form {
            Form::Fields(rows) => vec![(None, Class::Inert, rows.iter().copied().flatten().collect())],
            Form::Union(union) => union
                .variants
                .iter()
                .map(|variant| (Some(variant.value), variant.class, variant.rows.iter().copied().flatten().collect()))
                .collect(),
        };
        for (variant, class, rows) in forms {
            for row in &rows {
                if let Some((next, is_list)) = inside(row.holds)
                    && !matches!(row.class, Class::Refused(_))
                    && !matches!(class, Class::Refused(_))
                {
                    queue.push_back((next, [way.clone(), vec![Step { variant, field: row.name, is_list }]].concat()));
                }
            }
            found.push(Place { shape, variant, rows, way: way.clone() });
        }
    }
    found
}

impl Place {
    /// A request that holds this object with these members.
    fn request(&self, api: Api, members: Value) -> Value {
        let mut value = members;
        if let Some(variant) = self.variant {
            value[TAG] = json!(variant);
            if let Some(whole) = self.whole().filter(|whole| value.get(*whole).is_none()) {
                value[whole] = json!("x");
            }
        }
        if self.way.is_empty() {
            return request_of(api, &value);
        }
        for step in self.way.iter().rev() {
            let held = if step.is_list { json!([value]) } else { value };
            value = match step.variant {
                Some(variant) => json!({TAG: variant, step.field: held}),
                None => json!({step.field: held}),
            };
        }
        request_of(api, &value)
    }

    fn whole(&self) -> Option<&'static str> {
        let Form::Union(union) = &self.shape.form else { return None };
        union.variants.iter().find(|variant| Some(variant.value) == self.variant).and_then(|variant| variant.whole)
    }

    fn class(&self) -> Class {
        match &self.shape.form {
            Form::Fields(_) => Class::Inert,
            Form::Union(union) => union.variants.iter().find(|variant| Some(variant.value) == self.variant).unwrap().class,
        }
    }
}

/// A value that a field takes, as plain as possible.
fn right(row: &Row) -> Value {
    match row.holds {
        _ if row.name == "model" => json!("small"),
        _ if row.class == Class::Effect(Consequence::Remote) => json!("https://files.example/a.png"),
        Holds::Text | Holds::TextOrOne(_) | Holds::TextOrMany(_) | Holds::TextOrTokens => json!("x"),
        Holds::Boolean | Holds::BooleanOrTexts => json!(true),
        Holds::Integer => json!(3),
        Holds::Number => json!(0.5),
        Holds::Texts | Holds::TextOrTexts => json!(["x"]),
        Holds::Free => json!({"a": [true]}),
        Holds::Many(_) => json!([]),
        Holds::One(shape) | Holds::OneOrMany(shape) => match &shape.form {
            Form::Fields(_) => json!({}),
            Form::Union(union) => {
                let first = union.variants.iter().find(|variant| !matches!(variant.class, Class::Refused(_))).unwrap();
                json!({TAG: first.value})
            }
        },
    }
}

/// Values that a field does not take.
fn wrong(holds: Holds) -> Vec<Value> {
    match holds {
        Holds::Free => vec![],
        Holds::Text => vec![json!(1), json!(true), json!({}), json!([])],
        Holds::Boolean => vec![json!("true"), json!(1), json!({}), json!([])],
        Holds::Integer => vec![json!("3"), json!(3.5), json!(1e30), json!(true), json!({}), json!([])],
        Holds::Number => vec![json!("0.5"), json!(false), json!({}), json!([])],
        Holds::Texts => vec![json!("x"), json!([1]), json!([["x"]]), json!({})],
        Holds::TextOrTokens => {
            vec![json!(1), json!(true), json!({}), json!([true]), json!([1, "x"]), json!([1.5]), json!([["x"]]), json!([[1], 1])]
        }
        Holds::TextOrTexts | Holds::BooleanOrTexts => vec![json!(1), json!([1]), json!({})],
        Holds::One(_) => vec![json!("x"), json!(1), json!(true), json!([])],
        Holds::Many(_) => vec![json!("x"), json!(1), json!({}), json!(["x"]), json!([null]), json!([[]])],
        Holds::TextOrOne(_) => vec![json!(1), json!(true), json!([])],
        Holds::TextOrMany(_) => vec![json!(1), json!({}), json!(["x"]), json!([null])],
        Holds::OneOrMany(_) => vec![json!("x"), json!(1), json!([1])],
    }
}

fn expected_effect(consequence: Consequence) -> Effect {
    match consequence {
        Consequence::Store | Consequence::StoreUnlessFalse => Effect::store(ModelName::new("small").unwrap()),
        Consequence::HostedTool(tool) => Effect::hosted_tool(tool.to_owned()),
        Consequence::Remote => Effect::remote("files.example".to_owned()),
        Consequence::Beta => panic!("betas stand in a header"),
    }
}

#[test]
fn every_row_means_what_its_class_says() {
    for api in Api::ALL {
        for place in places(api) {
            for row in &place.rows {
                let case = format!("{api:?} {}{:?}.{}", place.shape.name, place.variant, row.name);
                let answer = read(api, &place.request(api, json!({row.name: right(row)})));
                let code = |code| assert_eq!(answer.as_ref().unwrap_err().code, code, "{case}");
                match (place.class(), row.class) {
                    (Class::Refused(variant), _) => code(variant),
                    (_, Class::Refused(field)) => code(field),
                    (_, Class::Inert | Class::Text | Class::Handle) => assert!(answer.is_ok(), "{case}: {answer:?}"),
                    (_, Class::Uninspected(kind)) => {
                        let uninspected = answer.unwrap().uninspected;
                        assert!(uninspected.iter().any(|(_, found)| found == kind), "{case}: {uninspected:?}");
                    }
                    (_, Class::Effect(consequence)) => {
                        let effects = answer.unwrap().effects;
                        assert!(effects.contains(&expected_effect(consequence)), "{case}: {effects:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_row_has_its_type() {
    for api in Api::ALL {
        for place in places(api).iter().filter(|place| !matches!(place.class(), Class::Refused(_))) {
            for row in place.rows.iter().filter(|row| !matches!(row.class, Class::Refused(_))) {
                for value in wrong(row.holds) {
                    let case = format!("{api:?} {}{:?}.{} = {value}", place.shape.name, place.variant, row.name);
                    let refusal = read(api, &place.request(api, json!({row.name: value}))).unwrap_err();
                    assert_eq!(refusal.code, ReasonCode::FieldType, "{case}");
                    assert!(refusal.detail.unwrap().contains(row.name), "{case}");
                }
            }
        }
    }
}

#[test]
fn null_is_nothing() {
    for api in Api::ALL {
        for place in places(api).iter().filter(|place| !matches!(place.class(), Class::Refused(_))) {
            for row in &place.rows {
                let answer = read(api, &place.request(api, json!({row.name: null})));
                let case = format!("{api:?} {}.{}: {answer:?}", place.shape.name, row.name);
                match row.name {
                    name if place.way.is_empty() && (name == "model" || name == api.said()) => {
                        assert_eq!(answer.unwrap_err().code, ReasonCode::FieldMissing, "{case}");
                    }
                    _ => assert!(answer.is_ok(), "{case}"),
                }
            }
        }
    }
}

#[test]
fn every_object_refuses_what_it_does_not_know() {
    for api in Api::ALL {
        for place in places(api).iter().filter(|place| !matches!(place.class(), Class::Refused(_))) {
            let case = format!("{api:?} {}{:?}", place.shape.name, place.variant);
            let code =
                |value: Value| read(api, &place.request(api, json!({"brand_new": value}))).err().map(|refusal| refusal.code);
            for value in [json!("x"), json!(1.5), json!(false), json!(null)] {
                assert_eq!(code(value), None, "{case}: plain text and numbers pass");
            }
            for value in [json!(true), json!({}), json!([]), json!([1])] {
                assert_eq!(code(value), Some(ReasonCode::FieldUnknown), "{case}");
            }
            for row in &place.rows {
                let mut capital = row.name.to_owned();
                capital.get_mut(..1).unwrap().make_ascii_uppercase();
                for key in [row.name.to_uppercase(), capital] {
                    let refusal = read(api, &place.request(api, json!({&key: "x"}))).unwrap_err();
                    assert_eq!(refusal.code, ReasonCode::KeyConfusable, "{case} {key}");
                    assert!(refusal.detail.unwrap().ends_with(&format!("/{key}")), "{case} {key}");
                }
            }
        }
    }
}

#[test]
fn every_variant_means_what_its_class_says_and_others_are_refused() {
    for api in Api::ALL {
        for place in places(api) {
            let Form::Union(union) = &place.shape.form else { continue };
            let case = format!("{api:?} {}{:?}", place.shape.name, place.variant);
            let answer = read(api, &place.request(api, json!({})));
            match place.class() {
                Class::Inert | Class::Text | Class::Handle => assert!(answer.is_ok(), "{case}: {answer:?}"),
                Class::Refused(code) => assert_eq!(answer.unwrap_err().code, code, "{case}"),
                Class::Uninspected(kind) => assert!(answer.unwrap().uninspected.iter().any(|(_, found)| found == kind), "{case}"),
                Class::Effect(consequence) => {
                    assert!(answer.unwrap().effects.contains(&expected_effect(consequence)), "{case}");
                }
            }
            let strange =
                Place { variant: Some("brand_new_20990101"), rows: Vec::new(), way: place.way.clone(), shape: place.shape };
            let refusal = read(api, &strange.request(api, json!({}))).unwrap_err();
            assert_eq!(refusal.code, union.unknown, "{case}");
            let detail = refusal.detail.unwrap();
            assert!(detail.ends_with("/type") && !detail.contains("brand_new"), "{case}: {detail}");
            let untyped = Place { variant: None, rows: Vec::new(), way: place.way.clone(), shape: place.shape };
            let code = read(api, &untyped.request(api, json!({}))).err().map(|refusal| refusal.code);
            assert_eq!(code, union.absent.is_none().then_some(ReasonCode::FieldMissing), "{case} without a type");
            let numbered = read(api, &untyped.request(api, json!({"type": 5}))).unwrap_err();
            assert_eq!(numbered.code, ReasonCode::FieldType, "{case}");
        }
    }
}

#[test]
fn every_header_and_beta_has_its_meaning() {
    for api in Api::ALL {
        let body = request_of(api, &json!({})).to_string();
        for row in api.table().headers {
            let effects = read_with(api, &[(row.name, "x")], &body, &[]);
            match row.class {
                HeaderClass::Inert(_) => assert_eq!(effects.unwrap().effects, []),
                HeaderClass::Refused(code) => assert_eq!(effects.unwrap_err().code, code),
                HeaderClass::Betas => assert_eq!(effects.unwrap_err().code, ReasonCode::BetaRefused),
            }
        }
        for beta in api.table().betas {
            let answer = read_with(api, &[("anthropic-beta", beta.name)], &body, &[]);
            match beta.class {
                Class::Refused(code) => assert_eq!(answer.unwrap_err().code, code, "{}", beta.name),
                Class::Effect(Consequence::Beta) => {
                    assert_eq!(answer.unwrap().effects, [Effect::beta(format!("anthropic/{}", beta.name))]);
                }
                other => panic!("{}: {other:?}", beta.name),
            }
        }
    }
}

#[test]
fn the_tables_are_well_made() {
    for api in Api::ALL {
        for place in places(api) {
            let mut names: Vec<&str> = place.rows.iter().map(|row| row.name).collect();
            if place.variant.is_some() {
                names.push(TAG);
            }
            let case = format!("{api:?} {}{:?}: {names:?}", place.shape.name, place.variant);
            assert!(
                names.iter().all(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter))),
                "{case}"
            );
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{case}: a name stands twice");
            for row in &place.rows {
                match row.class {
                    Class::Effect(Consequence::Beta) => panic!("{case}: a beta is no field"),
                    Class::Effect(Consequence::Remote) => assert!(matches!(row.holds, Holds::Text), "{case}"),
                    Class::Effect(Consequence::Store | Consequence::StoreUnlessFalse) => {
                        assert!(matches!(row.holds, Holds::Boolean), "{case}")
                    }
                    _ => {}
                }
            }
        }
    }
}
