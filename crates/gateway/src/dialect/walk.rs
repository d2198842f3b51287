//! Reads a request against a dialect's table: one pass, each value once, no deeper than the document.

use std::borrow::Cow;
use std::collections::BTreeSet;

use engine::ports::{Aim, ModelCall, Place, Understood};
use model::{Effect, ModelName, ReasonCode, Refusal};
use text::{Document, Kind, NodeId};

use super::api::Api;
use super::demand;
use super::functions;
use super::joined;
use super::remote;
use super::table::{Class, Consequence, Form, Holds, Row, Shape, TAG, Union, Variant};

/// Longest unknown key that a refusal repeats.
const MAX_SHOWN_KEY: usize = 64;

pub(super) fn understand(
    api: Api,
    deployment: Option<&str>,
    document: &Document<'_>,
    admitted: &BTreeSet<String>,
) -> Result<Understood, Refusal> {
    let root = document.root();
    let model_node = present(document, "model");
    let model =
        deployment.map(ToOwned::to_owned).or_else(|| model_node.and_then(|node| document.text(node)).map(Cow::into_owned));
    let mut walk = Walk { document, admitted, model, effects: BTreeSet::new(), uninspected: Vec::new(), handles: Vec::new() };
    walk.object(root, api.table().request)?;
    if model_node.is_none() && deployment.is_none() {
        return Err(Refusal::because(ReasonCode::FieldMissing, "/model"));
    }
    if present(document, api.said()).is_none() {
        return Err(Refusal::because(ReasonCode::FieldMissing, format!("/{}", api.said())));
    }
    if api.keeps() && document.get(root, "store").is_none_or(|store| document.kind(store) != Kind::False) {
        walk.store()?;
    }
    // Behind the opening brace: the table has seen to it that the root is an object.
    let inside = document.span(root).start.saturating_add(1);
    let demand = demand::demand(api, document, &walk.uninspected);
    Ok(Understood {
        aim: Aim::Model(ModelCall {
            model: walk.model.unwrap_or_default(),
            // A `null` is no model, and is in the way of one all the same.
            model_span: document.get(root, "model").map_or(inside..inside, |node| document.span(node)),
            handles: walk.handles,
            kept: None,
            unstored: unstored(api, document),
            demand,
            functions: functions::functions(api, document),
        }),
        stream: document.get(root, "stream").is_some_and(|node| document.kind(node) == Kind::True),
        effects: walk.effects.into_iter().collect(),
        uninspected: walk.uninspected,
        joined: joined::lists(document),
    })
}

/// Where a chat completion that says nothing of `store` says that it is not to be kept. To some providers nothing means yes; the
/// other API in which it does has its callers say it themselves.
fn unstored(api: Api, document: &Document<'_>) -> Option<Place> {
    let store = document.get(document.root(), "store");
    match store {
        _ if api != Api::Chat => None,
        None => Some(Place { span: demand::inside(document, document.root()), before: "\"store\":", after: "," }),
        Some(store) => (document.kind(store) == Kind::Null).then(|| demand::in_place(document.span(store))),
    }
}

/// A member of the request that is there and not `null`.
fn present(document: &Document<'_>, name: &str) -> Option<NodeId> {
    document.get(document.root(), name).filter(|node| document.kind(*node) != Kind::Null)
}

struct Walk<'w, 'd> {
    document: &'w Document<'d>,
    admitted: &'w BTreeSet<String>,
    /// The model that is asked for: what the path says, else the body.
    model: Option<String>,
    effects: BTreeSet<Effect>,
    uninspected: Vec<(String, String)>,
    handles: Vec<NodeId>,
}

impl Walk<'_, '_> {
    fn object(&mut self, node: NodeId, shape: &'static Shape) -> Result<(), Refusal> {
        if self.document.kind(node) != Kind::Object {
            return Err(self.mistyped(node, "an object"));
        }
        match &shape.form {
            Form::Fields(rows) => self.members(node, rows, None),
            Form::Union(union) => {
                let variant = self.variant(node, union)?;
                self.class(node, variant.class)?;
                self.stands_alone(node, variant)?;
                self.members(node, variant.rows, Some(TAG))
            }
        }
    }

    /// Whether an object that has an id brings along what the id stands for.
    fn stands_alone(&self, node: NodeId, variant: &Variant) -> Result<(), Refusal> {
        let is_there = |name: &str| self.document.get(node, name).filter(|found| self.document.kind(*found) != Kind::Null);
        let is_empty = |node: NodeId| self.document.text(node).is_some_and(|text| text.is_empty());
        match (variant.whole, is_there("id")) {
            (Some(whole), Some(id)) if is_there(whole).is_none_or(is_empty) => {
                Err(Refusal::because(ReasonCode::StatefulIdRefused, self.document.pointer(id)))
            }
            _ => Ok(()),
        }
    }

    /// The variant that an object says it is.
    fn variant(&self, node: NodeId, union: &Union) -> Result<&'static Variant, Refusal> {
        let tag = self.document.get(node, TAG).filter(|tag| self.document.kind(*tag) != Kind::Null);
        let find = |value: &str| union.variants.iter().find(|variant| variant.value == value);
        let Some(tag) = tag else {
            let pointer = format!("{}/{TAG}", self.document.pointer(node));
            return union.absent.and_then(find).ok_or_else(|| Refusal::because(ReasonCode::FieldMissing, pointer));
        };
        let Some(value) = self.document.text(tag) else { return Err(self.mistyped(tag, "a string")) };
        find(&value).ok_or_else(|| Refusal::because(union.unknown, self.document.pointer(tag)))
    }

    fn members(&mut self, node: NodeId, rows: &'static [&'static [Row]], tag: Option<&str>) -> Result<(), Refusal> {
        let document = self.document;
        for child in document.children(node) {
            let key = document.key(child).unwrap_or_default();
            if tag == Some(&*key) {
                continue;
            }
            match rows.iter().copied().flatten().find(|row| row.name == key) {
                Some(row) => self.row(child, row)?,
                None => self.unknown(node, child, &key, rows, tag)?,
            }
        }
        Ok(())
    }

    fn row(&mut self, node: NodeId, row: &'static Row) -> Result<(), Refusal> {
        if self.document.kind(node) == Kind::Null {
            return Ok(());
        }
        self.holds(node, row.holds)?;
        self.class(node, row.class)
    }

    /// What a value means, once its type is known to be right.
    fn class(&mut self, node: NodeId, class: Class) -> Result<(), Refusal> {
        match class {
            Class::Inert | Class::Text => Ok(()),
            Class::Uninspected(kind) => {
                self.uninspected.push((self.document.pointer(node), kind.to_owned()));
                Ok(())
            }
            Class::Handle => {
                self.handles.push(node);
                Ok(())
            }
            Class::Refused(_) if self.document.kind(node) == Kind::False => Ok(()),
            Class::Refused(code) => Err(Refusal::because(code, self.document.pointer(node))),
            Class::Effect(consequence) => self.effect(node, consequence),
        }
    }

    fn effect(&mut self, node: NodeId, consequence: Consequence) -> Result<(), Refusal> {
        let document = self.document;
        let effect = match consequence {
            Consequence::Store if document.kind(node) == Kind::True => return self.store(),
            // Betas come by header; a table that puts one on a field would be wrong, and a test says so.
            // What is kept unless it says otherwise is looked at in the end, be it there or not.
            Consequence::Store | Consequence::StoreUnlessFalse | Consequence::Beta => return Ok(()),
            Consequence::HostedTool(tool) => Effect::hosted_tool(tool.to_owned()),
            Consequence::Remote => {
                let url = document.text(node).unwrap_or_default();
                if remote::is_data(&url) {
                    return Ok(());
                }
                let malformed = || Refusal::because(ReasonCode::RemoteMalformed, document.pointer(node));
                Effect::remote(remote::destination(&url).ok_or_else(malformed)?)
            }
        };
        self.effects.insert(effect);
        Ok(())
    }

    /// The provider keeps the exchange with this model.
    fn store(&mut self) -> Result<(), Refusal> {
        let model = self.model.as_deref().ok_or_else(|| Refusal::because(ReasonCode::FieldMissing, "/model"))?;
        self.effects.insert(Effect::store(ModelName::new(model).map_err(|_| ReasonCode::ModelNotFound)?));
        Ok(())
    }

    fn holds(&mut self, node: NodeId, holds: Holds) -> Result<(), Refusal> {
        let kind = self.document.kind(node);
        let is_boolean = matches!(kind, Kind::True | Kind::False);
        match holds {
            Holds::Free => Ok(()),
            Holds::Text | Holds::TextOrTexts | Holds::TextOrOne(_) | Holds::TextOrMany(_) | Holds::TextOrTokens
                if kind == Kind::String =>
            {
                Ok(())
            }
            Holds::TextOrTokens if kind == Kind::Array => self.texts_or_tokens(node),
            Holds::Boolean | Holds::BooleanOrTexts if is_boolean => Ok(()),
            Holds::Number if kind == Kind::Number => Ok(()),
            Holds::Integer if kind == Kind::Number && is_integer(self.document.lexeme(node)) => Ok(()),
            Holds::Texts | Holds::TextOrTexts | Holds::BooleanOrTexts if kind == Kind::Array => self.strings(node),
            Holds::One(shape) | Holds::TextOrOne(shape) | Holds::OneOrMany(shape) if kind == Kind::Object => {
                self.object(node, shape)
            }
            Holds::Many(shape) | Holds::TextOrMany(shape) | Holds::OneOrMany(shape) if kind == Kind::Array => {
                let document = self.document;
                document.children(node).try_for_each(|child| self.object(child, shape))
            }
            _ => Err(self.mistyped(node, holds.expected())),
        }
    }

    fn strings(&self, node: NodeId) -> Result<(), Refusal> {
        let other = self.document.children(node).find(|child| self.document.kind(*child) != Kind::String);
        other.map_or(Ok(()), |child| Err(self.mistyped(child, "a string")))
    }

    /// Strings, numbers of tokens, or lists of numbers: all of one kind.
    fn texts_or_tokens(&mut self, node: NodeId) -> Result<(), Refusal> {
        let document = self.document;
        let first = document.children(node).next().map_or(Kind::String, |child| document.kind(child));
        let is_token = |node: NodeId| document.kind(node) == Kind::Number && is_integer(document.lexeme(node));
        let is_right = |child: NodeId| match first {
            Kind::String => document.kind(child) == Kind::String,
            Kind::Number => is_token(child),
            Kind::Array => document.kind(child) == Kind::Array && document.children(child).all(is_token),
            _ => false,
        };
        if let Some(wrong) = document.children(node).find(|child| !is_right(*child)) {
            return Err(self.mistyped(wrong, "strings only, or numbers of tokens only"));
        }
        if first != Kind::String {
            self.uninspected.push((document.pointer(node), "tokens".to_owned()));
        }
        Ok(())
    }

    /// A member that no row names.
    fn unknown(
        &self,
        object: NodeId,
        node: NodeId,
        key: &str,
        rows: &'static [&'static [Row]],
        tag: Option<&str>,
    ) -> Result<(), Refusal> {
        let folded = fold(key);
        let mut known = rows.iter().copied().flatten().map(|row| row.name).chain(tag);
        if known.any(|name| name == folded) {
            return Err(Refusal::because(ReasonCode::KeyConfusable, self.shown(object, key)));
        }
        let is_admitted = object == self.document.root() && self.admitted.contains(key);
        match self.document.kind(node) {
            Kind::String | Kind::Number | Kind::False | Kind::Null => Ok(()),
            Kind::True | Kind::Object | Kind::Array if is_admitted => Ok(()),
            Kind::True | Kind::Object | Kind::Array => Err(Refusal::because(ReasonCode::FieldUnknown, self.shown(object, key))),
        }
    }

    /// The pointer of an unknown member. All above it are known names; its own key is repeated only if it is a plain word.
    fn shown(&self, object: NodeId, key: &str) -> String {
        let is_plain =
            key.len() <= MAX_SHOWN_KEY && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        format!("{}/{}", self.document.pointer(object), if is_plain { key } else { "…" })
    }

    fn mistyped(&self, node: NodeId, expected: &str) -> Refusal {
        let pointer = self.document.pointer(node);
        let separator = if pointer.is_empty() { "the body" } else { "" };
        Refusal::because(ReasonCode::FieldType, format!("{pointer}{separator}: expected {expected}"))
    }
}

impl Holds {
    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Boolean => "true or false",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Texts => "an array of strings",
            Self::TextOrTexts => "a string or an array of strings",
            Self::BooleanOrTexts => "true, false or an array of strings",
            Self::TextOrTokens => "a string, strings, or numbers of tokens",
            Self::Free => "anything",
            Self::One(_) => "an object",
            Self::Many(_) => "an array of objects",
            Self::TextOrOne(_) => "a string or an object",
            Self::TextOrMany(_) => "a string or an array of objects",
            Self::OneOrMany(_) => "an object or an array of objects",
        }
    }
}

/// A JSON number without fraction and exponent.
fn is_integer(lexeme: &str) -> bool {
    lexeme.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The key as a reader that ignores case sees it. Upper case first, so that the long s and the Kelvin sign, which some
/// readers take for `s` and `k`, fold as well.
fn fold(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}
