//! From Cedar's JSON form of a condition to atoms.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value as Json;

use super::atoms::{Atom, Node, Path, Val, Var};
use super::moments;

/// Whether a policy that concerns two resources which look alike says the same of both, whatever the calls' arguments are: it names
/// neither an action nor a tool or model, and reads no argument.
pub(super) fn is_general(policy: &Policy) -> bool {
    let json = policy.to_json().unwrap_or_default();
    let Some(conditions) = json.get("conditions") else { return false };
    let mut todo = vec![conditions];
    while let Some(part) = todo.pop() {
        let of_call = |part: &Json| {
            let root = path(part).and_then(|path| path.into_iter().next());
            root.is_some_and(|root| root == "input" || root == "unmodelled")
        };
        let names_one = part
            .get("__entity")
            .and_then(|entity| entity.get("type"))
            .and_then(Json::as_str)
            .is_some_and(|kind| kind.ends_with("::Action") || ["Portcullis::Tool", "Portcullis::Model"].contains(&kind));
        let var = part.get("Var").and_then(Json::as_str);
        // Whether anything is there that has no type can be for every tool; `context` as a whole holds the arguments.
        let is_any_unmodelled =
            part.get("isEmpty").and_then(|of| of.get("arg")).and_then(path).is_some_and(|path| path.iter().eq(["unmodelled"]));
        match part {
            _ if is_any_unmodelled => {}
            _ if names_one || of_call(part) || matches!(var, Some("action" | "context")) => return false,
            _ if path(part).is_some() => {}
            Json::Array(parts) => todo.extend(parts),
            Json::Object(parts) => todo.extend(parts.values()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    true
}

/// Whether a policy reads what an enforcement point says, or the context as a whole.
pub(super) fn hears(policy: &Policy) -> bool {
    let json = policy.to_json().unwrap_or_default();
    let Some(conditions) = json.get("conditions") else { return true };
    let mut todo = vec![conditions];
    while let Some(part) = todo.pop() {
        match (path(part), part) {
            (Some(path), _) if path.first().is_some_and(|first| first == "pep") => return true,
            (Some(_), _) => {}
            (None, part) if part.get("Var").and_then(Json::as_str) == Some("context") => return true,
            (None, Json::Array(parts)) => todo.extend(parts),
            (None, Json::Object(parts)) => todo.extend(parts.values()),
            (None, Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => {}
        }
    }
    false
}

/// Reads one expression. As deep as the author wrote it: loading bounds that.
pub(super) fn node(expression: &Json) -> Node {
    let sides = |of: &Json| of.get("left").zip(of.get("right")).map(|(left, right)| [left.clone(), right.clone()]);
    let Some((operator, operands)) = expression.as_object().and_then(|object| object.iter().next()) else {
        return Node::Opaque(Vec::new());
    };
    if let Some(path) = path(expression) {
        return about(path, |path| Atom::Equal(path, Val::Bool(true)));
    }
    match (operator.as_str(), sides(operands)) {
        ("&&", Some(sides)) => Node::All(sides.iter().map(node).collect()),
        ("||", Some(sides)) => Node::Any(sides.iter().map(node).collect()),
        ("!", _) => operands.get("arg").map_or(Node::Opaque(Vec::new()), |arg| Node::Not(Box::new(node(arg)))),
        ("if-then-else", _) => {
            let part = |name: &str| operands.get(name).map_or(Node::Opaque(Vec::new()), node);
            Node::If(Box::new([part("if"), part("then"), part("else")]))
        }
        ("has", _) => has(operands).unwrap_or_else(|| other(expression)),
        ("like", _) => like(operands).unwrap_or_else(|| other(expression)),
        ("isEmpty", _) => match operands.get("arg").and_then(path) {
            Some(path) => about(path, Atom::Empty),
            None => other(expression),
        },
        (operator, Some([left, right])) => compare(operator, &left, &right).unwrap_or_else(|| other(expression)),
        _ => other(expression),
    }
}

/// A comparison of a value with a constant, whichever side it stands on.
fn compare(operator: &str, left: &Json, right: &Json) -> Option<Node> {
    let not = |node: Node| Node::Not(Box::new(node));
    if let (Some(path), Some(constant)) = (path(left), constant(right)) {
        return Some(match (operator, constant) {
            ("==", constant) => equal(path, constant),
            ("!=", constant) => not(equal(path, constant)),
            ("contains", constant) => about(path, |path| Atom::Member(path, constant)),
            ("<", Val::Long(limit)) => about(path, |path| Atom::Less(path, limit)),
            ("<=", Val::Long(limit)) => about(path, |path| Atom::LessEqual(path, limit)),
            (">", Val::Long(limit)) => not(about(path, |path| Atom::LessEqual(path, limit))),
            (">=", Val::Long(limit)) => not(about(path, |path| Atom::Less(path, limit))),
            _ => return None,
        });
    }
    if let (Some(path), Some(constants)) = (path(left), constants(right)) {
        let members = constants.into_iter().map(|constant| about(path.clone(), |path| Atom::Member(path, constant))).collect();
        return match operator {
            "containsAll" => Some(Node::All(members)),
            "containsAny" => Some(Node::Any(members)),
            _ => None,
        };
    }
    if let (Some(constants), Some(path), "contains") = (constants(left), path(right), operator) {
        return Some(Node::Any(constants.into_iter().map(|constant| equal(path.clone(), constant)).collect()));
    }
    if let (Some(_), Some(_)) = (constant(left), path(right)) {
        let mirrored = match operator {
            "==" | "!=" => operator,
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            _ => return None,
        };
        return compare(mirrored, right, left);
    }
    None
}

fn equal(path: Path, constant: Val) -> Node {
    about(path, |path| Atom::Equal(path, constant))
}

fn has(operands: &Json) -> Option<Node> {
    let mut path = path(operands.get("left")?)?;
    let names: Vec<String> = match operands.get("attr")? {
        Json::String(name) => vec![name.clone()],
        Json::Array(names) => names.iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect(),
        _ => return None,
    };
    let mut all = Vec::new();
    for name in names {
        path.push(name);
        // Only arguments and budgets are optional; everything else that a context can have, it has.
        all.push(if path.first().is_some_and(|first| first == "input") || is_budget(&path) {
            Node::Atom(Atom::Present(path.clone()))
        } else {
            Node::Fixed
        });
    }
    Some(Node::All(all))
}

fn like(operands: &Json) -> Option<Node> {
    let path = path(operands.get("left")?)?;
    let pattern = operands.get("pattern")?.as_array()?;
    let part = |part: &Json| part.get("Literal").and_then(Json::as_str).map(ToOwned::to_owned);
    let parts: Vec<Option<String>> = pattern.iter().map(part).collect();
    // What matches everything tests nothing.
    if !parts.is_empty() && parts.iter().all(Option::is_none) {
        return Some(Node::All(Vec::new()));
    }
    Some(about(path, |path| Atom::Like(path, parts)))
}

/// An atom about what a call can change; a fact of the chain and its task is fixed, and what follows from another fact is read as
/// a test of that.
fn about(path: Path, atom: impl FnOnce(Path) -> Atom) -> Node {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names.as_slice() {
        // Of a task only what is left to it changes from call to call.
        ["task", "budget", ..] => Node::Atom(atom(path)),
        ["chain" | "task" | "pep", ..] | ["credential", "id"] => Node::Fixed,
        ["flow", "tainted"] => match atom(vec!["flow".to_owned(), "integrity".to_owned()]) {
            Atom::Equal(path, Val::Bool(value)) => {
                let tainted = Node::Atom(Atom::Less(path, 2));
                if value { tainted } else { Node::Not(Box::new(tainted)) }
            }
            _ => Node::Opaque(Vec::new()),
        },
        _ => Node::Atom(atom(path)),
    }
}

/// Whether a path leads to what is left to the task.
pub(super) fn is_budget(path: &[String]) -> bool {
    path.iter().map(String::as_str).take(2).eq(["task", "budget"])
}

/// What is no test of one value: fixed if nothing of the call is in it, else opaque.
fn other(expression: &Json) -> Node {
    let mut paths = BTreeSet::new();
    let mut found = Vec::new();
    let mut todo = vec![expression];
    while let Some(part) = todo.pop() {
        if let Some(path) = path(part) {
            paths.insert(path);
            continue;
        }
        if let Some(constant) = constant(part) {
            found.push(constant);
            continue;
        }
        if part.get("Var").and_then(Json::as_str) == Some("context") {
            return Node::Opaque(Vec::new());
        }
        match part {
            Json::Array(parts) => todo.extend(parts),
            Json::Object(parts) => todo.extend(parts.values()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    paths.retain(|path| about(path.clone(), Atom::Present) != Node::Fixed);
    if paths.is_empty() {
        return Node::Fixed;
    }
    if let Some(all) = paths.iter().map(finite).collect() {
        return Node::Finite(all);
    }
    let hint = |path: &Path| found.iter().map(|value| (Var::Value(path.clone()), value.clone())).collect::<Vec<_>>();
    Node::Opaque(paths.iter().flat_map(hint).collect())
}

/// A value with four ways to be, such as the level that a clearance is held against.
fn finite(path: &Path) -> Option<(Var, Vec<Val>)> {
    let is_small = path.iter().eq(["flow", "level"]) || path.iter().eq(["flow", "integrity"]);
    is_small.then(|| (Var::Value(path.clone()), (0..4).map(Val::Long).collect()))
}

/// `context.a.b` as `["a", "b"]`; nothing else.
fn path(expression: &Json) -> Option<Path> {
    let mut names = Vec::new();
    let mut at = expression;
    while let Some(access) = at.get(".") {
        names.push(access.get("attr")?.as_str()?.to_owned());
        at = access.get("left")?;
    }
    let is_context = at.get("Var").and_then(Json::as_str) == Some("context");
    names.reverse();
    (is_context && !names.is_empty()).then_some(names)
}

/// A constant: a boolean, a number, a text, a time.
fn constant(expression: &Json) -> Option<Val> {
    match expression.get("Value") {
        Some(Json::Bool(value)) => Some(Val::Bool(*value)),
        Some(Json::Number(value)) => value.as_i64().map(Val::Long),
        Some(Json::String(value)) => Some(Val::Text(value.clone())),
        Some(_) => None,
        None => {
            let text = expression.get("datetime")?.as_array()?.first()?.get("Value")?.as_str()?;
            moments::millis(text).map(Val::Long)
        }
    }
}

/// A set of constants, written out.
fn constants(expression: &Json) -> Option<Vec<Val>> {
    expression.get("Set")?.as_array()?.iter().map(constant).collect()
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::is_general;

    #[test]
    fn what_says_the_same_of_tools_that_look_alike() {
        let says_the_same = |condition: &str| {
            is_general(&Policy::parse(None, format!("permit (principal, action, resource) {condition};")).unwrap())
        };
        for condition in [
            "",
            "when { context.flow.level > resource.clearance && principal in Portcullis::Group::\"g\" }",
            "unless { context.unmodelled.isEmpty() }",
            "when { resource in Portcullis::ToolServer::\"s\" }",
        ] {
            assert!(says_the_same(condition), "{condition}");
        }
        for condition in [
            "when { context.input.a == 1 }",
            "when { context.input has a }",
            "when { context has input }",
            "when { context.unmodelled.contains(\"a\") }",
            "when { resource == Portcullis::Tool::\"a\" }",
            "when { [Portcullis::Tool::\"a\"].contains(resource) }",
            "when { action == Portcullis::Action::\"callTool\" }",
        ] {
            assert!(!says_the_same(condition), "{condition}");
        }
    }
}
