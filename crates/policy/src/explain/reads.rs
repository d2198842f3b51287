//! What a policy's conditions read, and what they hold it against: from Cedar's own syntax tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::Policy;
use serde_json::Value;

/// Most nodes of one policy that are looked at; a policy that loads has fewer.
const MAX_NODES: usize = 20_000;

/// Most literals that are kept of one place; a set in a policy may be long.
const MAX_LITERALS: usize = 32;

/// A place that a condition reads: a variable, and the attributes below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    /// `principal`, `action`, `resource` or `context`.
    pub(super) root: String,
    /// Attributes, outermost first.
    pub(super) steps: Vec<Step>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Attribute(String),
    /// What operators say of a party, by name.
    Tag(String),
}

/// Something that is written out in a condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Literal {
    /// A string, or the text of a date.
    Text(String),
    Number(i64),
    /// Type and id.
    Entity(String, String),
}

/// Every place that a policy's conditions read, with what they hold it against.
#[derive(Debug, Default)]
pub(super) struct Reads(pub(super) BTreeMap<Path, BTreeSet<Literal>>);

impl Path {
    /// The attributes below `context`, if that is what it reads.
    pub(super) fn in_context(&self) -> Option<Vec<&str>> {
        let attribute = |step: &'_ Step| match step {
            Step::Attribute(name) => Some(name.clone()),
            Step::Tag(_) => None,
        };
        let is_plain = self.root == "context" && self.steps.iter().all(|step| attribute(step).is_some());
        let name = |step| match step {
            &Step::Attribute(ref name) | &Step::Tag(ref name) => name.as_str(),
        };
        is_plain.then(|| self.steps.iter().map(name).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.root)?;
        for step in &self.steps {
            match step {
                Step::Attribute(name) if is_identifier(name) => write!(formatter, ".{name}")?,
                Step::Attribute(name) => write!(formatter, "[\"{}\"]", name.escape_debug())?,
                Step::Tag(name) => write!(formatter, ".getTag(\"{}\")", name.escape_debug())?,
            }
        }
        Ok(())
    }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Reads {
    /// What `policy` reads. What cannot be read is left out: then less is told of it.
    pub(super) fn of(policy: &Policy) -> Self {
        let mut reads = Self::default();
        let tree = policy.to_json().unwrap_or_default();
        let Some(conditions) = tree.get("conditions") else { return reads };
        let mut todo = vec![conditions];
        for _ in 0..MAX_NODES {
            let Some(node) = todo.pop() else { break };
            if let Some(path) = path(node) {
                reads.0.entry(path).or_default();
                continue;
            }
            if let Some((left, right)) = sides(node) {
                reads.hold(left, right);
                reads.hold(right, left);
            }
            if let Some((left, text)) = pattern(node) {
                for path in leaves(left).into_iter().filter_map(path) {
                    reads.0.entry(path).or_default().insert(Literal::Text(text.clone()));
                }
            }
            todo.extend(children(node));
        }
        reads
    }

    /// Notes that every place in `left` is held against every literal in `right`.
    fn hold(&mut self, left: &Value, right: &Value) {
        let literals: BTreeSet<Literal> = leaves(right).into_iter().filter_map(literal).collect();
        for path in leaves(left).into_iter().filter_map(path) {
            let known = self.0.entry(path).or_default();
            known.extend(literals.iter().take(MAX_LITERALS.saturating_sub(known.len())).cloned());
        }
    }
}

/// The two sides of an operator; of `is … in …` the entity and the group.
fn sides(node: &Value) -> Option<(&Value, &Value)> {
    let fields = node.as_object().filter(|fields| fields.len() == 1)?;
    let (operator, body) = fields.iter().next()?;
    match operator.as_str() {
        "&&" | "||" | "." | "has" | "getTag" | "hasTag" => None,
        "is" => Some((body.get("left")?, body.get("in")?)),
        _ => Some((body.get("left")?, body.get("right")?)),
    }
}

/// Of `left like pattern` the left side, and the shortest text that matches; none where that says nothing.
fn pattern(node: &Value) -> Option<(&Value, String)> {
    let body = node.as_object().filter(|fields| fields.len() == 1)?.get("like")?;
    let parts = body.get("pattern")?.as_array()?;
    let text: String = parts.iter().filter_map(|part| part.get("Literal")?.as_str()).collect();
    Some((body.get("left")?, text)).filter(|(_, text)| !text.is_empty())
}

/// The places and literals of a subtree, or the node itself.
fn leaves(node: &Value) -> Vec<&Value> {
    let (mut found, mut todo) = (Vec::new(), vec![node]);
    for _ in 0..MAX_NODES {
        let Some(node) = todo.pop() else { break };
        if path(node).is_some() || literal(node).is_some() {
            found.push(node);
        } else {
            todo.extend(children(node));
        }
    }
    found
}

fn children(node: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match node {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

/// `context.a.b`, `context.a has b`, `principal.getTag("a")`, `principal`.
fn path(node: &Value) -> Option<Path> {
    let fields = node.as_object().filter(|fields| fields.len() == 1)?;
    let (operator, body) = fields.iter().next()?;
    let below = |steps: Vec<Step>| {
        let mut path = path(body.get("left")?)?;
        path.steps.extend(steps);
        Some(path)
    };
    // `has a.b` names several.
    let names = |names: &Value| -> Option<Vec<Step>> {
        let name = |name: &Value| name.as_str().map(|name| Step::Attribute(name.to_owned()));
        names.as_array().map_or_else(|| Some(vec![name(names)?]), |names| names.iter().map(name).collect())
    };
    match operator.as_str() {
        "Var" => Some(Path { root: body.as_str()?.to_owned(), steps: Vec::new() }),
        "." | "has" => below(names(body.get("attr")?)?),
        "getTag" | "hasTag" => below(vec![Step::Tag(body.get("right")?.get("Value")?.as_str()?.to_owned())]),
        _ => None,
    }
}

fn literal(node: &Value) -> Option<Literal> {
    let value = node.as_object().filter(|fields| fields.len() == 1)?.get("Value")?;
    match value {
        Value::String(text) => Some(Literal::Text(text.clone())),
        Value::Number(number) => number.as_i64().map(Literal::Number),
        Value::Object(entity) => {
            let entity = entity.get("__entity")?;
            Some(Literal::Entity(entity.get("type")?.as_str()?.to_owned(), entity.get("id")?.as_str()?.to_owned()))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::Reads;

    #[test]
    fn places_and_what_they_are_held_against() {
        let facts = [
            ("when { context.flow.level > resource.clearance }", "context.flow.level [], resource.clearance []"),
            ("when { 2 < context.flow.level }", "context.flow.level [Number(2)]"),
            ("unless { context.answered.approval }", "context.answered.approval []"),
            ("when { context.content.kinds.containsAny([\"A\", \"B\"]) }", "context.content.kinds [Text(\"A\"), Text(\"B\")]"),
            ("when { context.now > datetime(\"2026-01-01\") }", "context.now [Text(\"2026-01-01\")]"),
            ("when { principal in Portcullis::Group::\"g\" }", "principal [Entity(\"Portcullis::Group\", \"g\")]"),
            (
                "when { principal is Portcullis::User in Portcullis::Group::\"g\" && principal.hasTag(\"a b\") && principal.getTag(\"a b\") == \"x\" }",
                "principal [Entity(\"Portcullis::Group\", \"g\")], principal.getTag(\"a b\") [Text(\"x\")]",
            ),
            ("when { context has pep && context.pep has name }", "context.pep [], context.pep.name []"),
            ("when { context.input.n >= -5 && context.input.n < 7 }", "context.input.n [Number(-5), Number(7)]"),
            ("when { context.input has to.host }", "context.input.to.host []"),
            (
                "when { context.input.to like \"*@ours*\" && context.auth.acr like \"*\" }",
                "context.auth.acr [], context.input.to [Text(\"@ours\")]",
            ),
        ];
        for (condition, expected) in facts {
            let policy = Policy::parse(None, format!("forbid (principal, action, resource) {condition};")).unwrap();
            let found: Vec<String> = Reads::of(&policy)
                .0
                .iter()
                .map(|(path, literals)| format!("{path} {:?}", literals.iter().collect::<Vec<_>>()))
                .collect();
            assert_eq!(found.join(", "), expected, "{condition}");
        }
    }
}
