//! Where a caller says something: an argument of a tool, or a property that an enforcement point tells.

use std::collections::BTreeMap;
use std::fmt;

use model::{Claims, DecisionInput, Resource, Shape as Told, Value};
use serde_json::{Map, Value as Json};

use super::super::trial::By;
use super::value::{Form, Given, Item, Sort};
use crate::decide::PolicySnapshot;
use crate::tools::edit::{get, least, put, remove, shape};
use crate::tools::{Record, Shape};

/// Changes what is said.
type Change = Box<dyn Fn(&mut DecisionInput)>;

/// One place.
pub(super) enum Place {
    /// The names of an argument, from the outside in, and the types of the tool.
    Argument(Vec<String>, Record),
    /// What is told of a part of the question.
    Told { part: Part, name: String, shape: Told },
}

/// What an enforcement point tells something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Subject,
    Action,
    Resource,
    Context,
}

impl Place {
    /// The place below `context` that `names` lead to; `None` where a caller has nothing to say.
    pub(super) fn of(names: &[&str], snapshot: &PolicySnapshot, resource: &Resource) -> Option<Self> {
        match (names, resource) {
            (["input", names @ ..], Resource::Tool(tool)) => {
                let record = snapshot.tools.record(tool)?;
                shape(record, names)?;
                Some(Self::Argument(names.iter().map(|name| (*name).to_owned()).collect(), record.clone()))
            }
            (["pep", part, name], Resource::Foreign(foreign)) => {
                let access = snapshot.access();
                let (part, declared) = match *part {
                    "subject" => (Part::Subject, &access.subject),
                    "action" => (Part::Action, &access.actions.get(&foreign.action)?.properties),
                    "resource" => (Part::Resource, &access.resources.get(&foreign.kind)?.properties),
                    "context" => (Part::Context, &access.context),
                    _ => return None,
                };
                Some(Self::Told { part, name: (*name).to_owned(), shape: *declared.get(*name)? })
            }
            _ => None,
        }
    }

    /// What kind of value stands there; `None` for an object, and for a list of other things than single values.
    pub(super) fn form(&self) -> Option<Form> {
        let one = |sort| Some(Form { sort, is_set: false });
        let many = |sort| Some(Form { sort, is_set: true });
        let sort = |shape: &Shape| match shape {
            Shape::Bool => Some(Sort::Flag),
            Shape::Long => Some(Sort::Number),
            Shape::Text => Some(Sort::Text),
            Shape::Decimal | Shape::Set(_) | Shape::Record(_) => None,
        };
        match self {
            Self::Argument(names, record) => match shape(record, names)? {
                Shape::Set(item) => sort(item).and_then(many),
                shape => sort(shape).and_then(one),
            },
            Self::Told { shape, .. } => match *shape {
                Told::Text => one(Sort::Text),
                Told::Number => one(Sort::Number),
                Told::Flag => one(Sort::Flag),
                Told::Texts => many(Sort::Text),
                Told::Party(kind) => one(Sort::Party(kind)),
                Told::Parties(kind) => many(Sort::Party(kind)),
            },
        }
    }

    /// Whether a call may come without it.
    pub(super) fn is_optional(&self) -> bool {
        match self {
            Self::Argument(names, record) => {
                let Some((last, above)) = names.split_last() else { return false };
                let fields = if above.is_empty() {
                    Some(record)
                } else {
                    shape(record, above).and_then(|shape| if let Shape::Record(record) = shape { Some(record) } else { None })
                };
                fields.and_then(|fields| fields.0.get(last)).is_some_and(|field| !field.is_required)
            }
            Self::Told { .. } => true,
        }
    }

    /// Who could say something else: of the call whoever makes it; what a subject or a resource is, is what it is.
    pub(super) const fn by(&self) -> By {
        match self {
            Self::Argument(..) | Self::Told { part: Part::Action | Part::Context, .. } => By::Caller,
            Self::Told { part: Part::Subject | Part::Resource, .. } => By::Circumstances,
        }
    }

    /// What stands there now.
    pub(super) fn now(&self, input: &DecisionInput) -> Option<Given> {
        match self {
            Self::Argument(names, _) => Some(given(get(&arguments(input)?, names)?)),
            Self::Told { part, name, .. } => {
                let claims = input.facts.mandate.asked_by.as_ref()?.claims.as_ref()?;
                let many = |items: &mut dyn Iterator<Item = Item>| Given::Many(items.collect());
                Some(match of_part(claims, *part).get(name)? {
                    Value::Text(text) => Given::One(Item::Text(text.clone())),
                    Value::Number(number) => Given::One(Item::Number(*number)),
                    Value::Flag(flag) => Given::One(Item::Flag(*flag)),
                    Value::Party(party) => Given::One(Item::Party(party.clone())),
                    Value::Texts(texts) => many(&mut texts.iter().cloned().map(Item::Text)),
                    Value::Parties(parties) => many(&mut parties.iter().cloned().map(Item::Party)),
                })
            }
        }
    }

    /// Makes it be `given`, or not be there.
    pub(super) fn edit(&self, given: Option<Given>) -> Change {
        match self {
            Self::Argument(names, record) => {
                let (names, record) = (names.clone(), record.clone());
                Box::new(move |input| {
                    let Some(mut fields) = arguments(input) else { return };
                    let done = match &given {
                        Some(Given::Least) => {
                            shape(&record, &names).and_then(|shape| put(&mut fields, &record, &names, least(shape)))
                        }
                        Some(given) => json(given).and_then(|value| put(&mut fields, &record, &names, value)),
                        None => remove(&mut fields, &record, &names),
                    };
                    if done.is_some() {
                        input.facts.arguments = Some(Json::Object(fields).to_string());
                    }
                })
            }
            Self::Told { part, name, .. } => {
                let (part, name) = (*part, name.clone());
                Box::new(move |input| {
                    let Some(claims) = input.facts.mandate.asked_by.as_mut().and_then(|asked| asked.claims.as_mut()) else {
                        return;
                    };
                    let said = match part {
                        Part::Subject => &mut claims.subject,
                        Part::Action => &mut claims.action,
                        Part::Resource => &mut claims.resource,
                        Part::Context => &mut claims.context,
                    };
                    match given.as_ref().and_then(value) {
                        Some(value) => drop(said.insert(name.clone(), value)),
                        None => drop(said.remove(&name)),
                    }
                })
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(names, _) => write!(formatter, "argument `{}`", names.join(".").escape_debug()),
            Self::Told { part, name, .. } => {
                let part = match part {
                    Part::Subject => "subject",
                    Part::Action => "action",
                    Part::Resource => "resource",
                    Part::Context => "context",
                };
                write!(formatter, "`pep.{part}.{}`", name.escape_debug())
            }
        }
    }
}

/// The arguments of a call; none where they are no object.
pub(super) fn arguments(input: &DecisionInput) -> Option<Map<String, Json>> {
    match serde_json::from_str(input.facts.arguments.as_deref().unwrap_or("{}")) {
        Ok(Json::Object(fields)) => Some(fields),
        _ => None,
    }
}

const fn of_part(claims: &Claims, part: Part) -> &BTreeMap<String, Value> {
    match part {
        Part::Subject => &claims.subject,
        Part::Action => &claims.action,
        Part::Resource => &claims.resource,
        Part::Context => &claims.context,
    }
}

fn given(value: &Json) -> Given {
    match value {
        Json::Array(items) => Given::Many(items.iter().filter_map(item).collect()),
        value => item(value).map_or(Given::Least, Given::One),
    }
}

fn item(value: &Json) -> Option<Item> {
    match value {
        Json::Bool(flag) => Some(Item::Flag(*flag)),
        Json::Number(number) => number.as_i64().map(Item::Number),
        Json::String(text) => Some(Item::Text(text.clone())),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn json(given: &Given) -> Option<Json> {
    let one = |item: &Item| match item {
        Item::Flag(flag) => Some(Json::Bool(*flag)),
        Item::Number(number) => Some(Json::from(*number)),
        Item::Text(text) => Some(Json::String(text.clone())),
        Item::Party(_) => None,
    };
    match given {
        Given::One(item) => one(item),
        Given::Many(items) => items.iter().map(one).collect::<Option<Vec<_>>>().map(Json::Array),
        Given::Least => None,
    }
}

fn value(given: &Given) -> Option<Value> {
    Some(match given {
        Given::One(Item::Flag(flag)) => Value::Flag(*flag),
        Given::One(Item::Number(number)) => Value::Number(*number),
        Given::One(Item::Text(text)) => Value::Text(text.clone()),
        Given::One(Item::Party(party)) => Value::Party(party.clone()),
        Given::Many(items) => return many(items),
        Given::Least => return None,
    })
}

/// A set of texts, or of parties.
fn many(items: &std::collections::BTreeSet<Item>) -> Option<Value> {
    let texts = items.iter().map(|item| if let Item::Text(text) = item { Some(text.clone()) } else { None });
    let parties = items.iter().map(|item| if let Item::Party(party) = item { Some(party.clone()) } else { None });
    texts.collect::<Option<_>>().map(Value::Texts).or_else(|| parties.collect::<Option<_>>().map(Value::Parties))
}
