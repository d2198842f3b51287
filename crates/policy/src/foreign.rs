//! The words that operators declare for what is enforced elsewhere, as Cedar has them: namespace `Access`.
//!
//! A kind of resource `record` is `Access::record`, an action `read` is `Access::Action::"read"`. Their schema stands beside the
//! gate's own and refers to it: principals are the gate's, the context is the gate's with `pep` added. What an enforcement point
//! says is seen below `context.pep` and nowhere else; what operators say of a resource are its attributes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::str::FromStr;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use model::{Access, Asked, PrincipalId, PrincipalKind, Shape, Value};

use crate::entities::strings;
use crate::vocabulary::{PARSED, SCHEMA, principal_uid};

/// Where the gate's own facts stand in the schema's text.
const FACTS: (&str, &str) = ("  type Facts = {\n", "  };\n");

/// The declared words, compiled.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The gate's schema with theirs, as text and compiled; none if nothing is declared.
    schema: Option<(String, Schema)>,
    kinds: HashMap<String, EntityTypeName>,
    actions: HashMap<String, EntityUid>,
}

impl Words {
    /// Compiles them.
    pub(crate) fn of(access: &Access) -> Result<Self, String> {
        if access.resources.is_empty() && access.actions.is_empty() {
            return Ok(Self::default());
        }
        let text = schema(access).ok_or("the schema of declared resources cannot be made")?;
        let schema = Schema::from_cedarschema_str(&text).map(|(schema, _)| schema);
        let schema = schema.map_err(|error| format!("the schema of declared resources cannot be read: {error}"))?;
        let kind = |word: &String| {
            let name = EntityTypeName::from_str(&format!("Access::{word}")).map_err(|error| error.to_string())?;
            Ok((word.clone(), name))
        };
        let kinds: HashMap<String, EntityTypeName> = access.resources.keys().map(kind).collect::<Result<_, String>>()?;
        let action = EntityTypeName::from_str("Access::Action").map_err(|error| error.to_string())?;
        let uid = |word: &String| (word.clone(), EntityUid::from_type_name_and_id(action.clone(), EntityId::new(word)));
        Ok(Self { schema: Some((text, schema)), kinds, actions: access.actions.keys().map(uid).collect() })
    }

    /// The schema that policies and entities are held against, where there are no tools.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref().map(|(_, schema)| schema).or(PARSED.as_ref())
    }

    /// That schema as text, to be followed by the namespaces of tool servers.
    pub(crate) fn text(&self) -> &str {
        self.schema.as_ref().map_or(SCHEMA, |(text, _)| text)
    }

    /// Action and resource in Cedar's form; `None` for a word that nobody declared.
    pub(crate) fn pair(&self, foreign: &model::Foreign) -> Option<(EntityUid, EntityUid)> {
        Some((self.actions.get(&foreign.action)?.clone(), self.resource(&foreign.kind, &foreign.id)?))
    }

    fn resource(&self, kind: &str, id: &str) -> Option<EntityUid> {
        self.kinds.get(kind).map(|name| EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id)))
    }

    /// The listed resources.
    pub(crate) fn entities(&self, access: &Access) -> Result<Vec<Entity>, String> {
        let mut entities = Vec::new();
        for (kind, declared) in &access.resources {
            for (id, attributes) in &declared.entities {
                let uid = self.resource(kind, id).ok_or_else(|| format!("`{kind}` is no kind of resource"))?;
                let attributes = attributes.iter().map(|(name, value)| Ok((name.clone(), expression(value)?)));
                let attributes = attributes.collect::<Result<HashMap<_, _>, String>>()?;
                entities.push(Entity::new(uid, attributes, HashSet::new()).map_err(|error| error.to_string())?);
            }
        }
        Ok(entities)
    }
}

/// What an enforcement point says, as `context.pep`; none where it says nothing that was declared.
pub(crate) fn pep(asked: &Asked) -> Result<Option<RestrictedExpression>, String> {
    let Some(claims) = &asked.claims else { return Ok(None) };
    let group = |values: &BTreeMap<String, Value>| {
        let fields = values.iter().map(|(name, value)| Ok((name.clone(), expression(value)?)));
        record(fields.collect::<Result<Vec<_>, String>>()?)
    };
    let pep = record([
        ("name".to_owned(), RestrictedExpression::new_string(asked.pep.to_string())),
        ("subject".to_owned(), group(&claims.subject)?),
        ("action".to_owned(), group(&claims.action)?),
        ("resource".to_owned(), group(&claims.resource)?),
        ("context".to_owned(), group(&claims.context)?),
    ])?;
    Ok(Some(pep))
}

fn record(fields: impl IntoIterator<Item = (String, RestrictedExpression)>) -> Result<RestrictedExpression, String> {
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn expression(value: &Value) -> Result<RestrictedExpression, String> {
    let party = |id: &PrincipalId| {
        let uid = principal_uid(id).ok_or_else(|| format!("`{id}` is no party of policies"))?;
        Ok(RestrictedExpression::new_entity_uid(uid))
    };
    Ok(match value {
        Value::Text(text) => RestrictedExpression::new_string(text.clone()),
        Value::Number(number) => RestrictedExpression::new_long(*number),
        Value::Flag(flag) => RestrictedExpression::new_bool(*flag),
        Value::Texts(texts) => strings(texts.iter().map(String::as_str)),
        Value::Party(id) => party(id)?,
        Value::Parties(ids) => RestrictedExpression::new_set(ids.iter().map(party).collect::<Result<Vec<_>, String>>()?),
    })
}

/// The gate's schema, with what operators have declared.
fn schema(access: &Access) -> Option<String> {
    let facts = SCHEMA.split_once(FACTS.0)?.1.split_once(FACTS.1)?.0;
    let own = SCHEMA.trim_end().strip_suffix('}')?;
    let mut text = format!("{own}\n");
    let mut foreign = String::from("namespace Access {\n");
    for (kind, declared) in &access.resources {
        let attributes = fields(&declared.attributes);
        writeln!(foreign, "  entity {kind} = {{{attributes}}};").ok()?;
    }
    for (number, (word, verb)) in access.actions.iter().enumerate() {
        // The context belongs to an action: it holds what may be said of any resource that the action applies to.
        let kinds = verb.resources.iter().filter_map(|kind| access.resources.get(kind));
        let said: BTreeMap<String, Shape> = kinds.flat_map(|kind| kind.properties.clone()).collect();
        let [subject, action, resource, context] = [&access.subject, &verb.properties, &said, &access.context].map(fields);
        let pep = format!(
            "{{ name: String, subject: {{{subject}}}, action: {{{action}}}, resource: {{{resource}}}, context: {{{context}}} }}"
        );
        write!(text, "  type AccessFacts{number} = {{\n{facts}    pep: {pep},\n  }};\n").ok()?;
        let resources: Vec<&str> = verb.resources.iter().map(String::as_str).collect();
        let principals = "[Portcullis::User, Portcullis::Service, Portcullis::Agent]";
        let word = quoted(word);
        let resources = resources.join(", ");
        writeln!(
            foreign,
            "  action {word} appliesTo {{ principal: {principals}, resource: [{resources}], context: Portcullis::AccessFacts{number} }};"
        )
        .ok()?;
    }
    text.push_str("}\n");
    foreign.push_str("}\n");
    text.push_str(&foreign);
    Some(text)
}

fn fields(shapes: &BTreeMap<String, Shape>) -> String {
    let field = |(name, shape): (&String, &Shape)| format!(" {}?: {},", quoted(name), kind(*shape));
    shapes.iter().map(field).collect()
}

fn kind(shape: Shape) -> String {
    let party = |kind: PrincipalKind| match kind {
        PrincipalKind::User => "Portcullis::User",
        PrincipalKind::Agent => "Portcullis::Agent",
        // No other kind is a principal; configurations name none.
        PrincipalKind::Service | PrincipalKind::Operator | PrincipalKind::Pep => "Portcullis::Service",
    };
    match shape {
        Shape::Text => "String".to_owned(),
        Shape::Number => "Long".to_owned(),
        Shape::Flag => "Bool".to_owned(),
        Shape::Texts => "Set<String>".to_owned(),
        Shape::Party(of) => party(of).to_owned(),
        Shape::Parties(of) => format!("Set<{}>", party(of)),
    }
}

/// A word as a literal of the schema. Configurations take visible ASCII without quotes and backslashes.
fn quoted(word: &str) -> String {
    let plain: String = word.chars().filter(|letter| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\')).collect();
    format!("\"{plain}\"")
}
