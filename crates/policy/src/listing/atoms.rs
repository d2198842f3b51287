//! What a policy's conditions read of a call, and which values make a difference to them.
//!
//! A condition is read from Cedar's own JSON form into a tree of [`Atom`]s: tests of one value of the context against constants.
//! What tests principal, action, resource or a fact that no call of this chain can change is [`Node::Fixed`]; what is none of
//! these (arithmetic, one value against another) is [`Node::Opaque`]: nothing is concluded from it.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Policy;
use serde_json::Value as Json;

use super::read;

/// Where a value stands below `context`: `["input", "amount"]`.
pub(super) type Path = Vec<String>;

/// Something that can be one way or another in a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Var {
    /// Whether an optional value is there.
    Present(Path),
    /// The value.
    Value(Path),
    /// Whether a set holds this.
    Member(Path, Val),
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Val {
    Bool(bool),
    /// A number, or a time in milliseconds since 1970.
    Long(i64),
    Text(String),
}

/// A text that no policy is likely to name.
pub(super) const OTHER: &str = "other-than-named";

/// A test of one value against constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    /// Is `true`, equals, or is less than: the value, and `true` for less, `false` for equal.
    Equal(Path, Val),
    Less(Path, i64),
    LessEqual(Path, i64),
    Member(Path, Val),
    Present(Path),
    Empty(Path),
    /// A text that matches a pattern, by its parts: a literal, or nothing for a wildcard.
    Like(Path, Vec<Option<String>>),
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    If(Box<[Self; 3]>),
    Atom(Atom),
    /// Something about values that have few ways to be: all of them.
    Finite(Vec<(Var, Vec<Val>)>),
    Fixed,
    /// With the constants that it names, by path, as far as they can be told: they may help to guess.
    Opaque(Vec<(Var, Val)>),
}

/// The conditions of one policy.
#[derive(Debug)]
pub(super) struct Reading {
    /// All of them have to hold.
    whole: Node,
}

impl Reading {
    /// Reads a policy; what cannot be read is opaque.
    pub(super) fn of(policy: &Policy) -> Self {
        let json = policy.to_json().unwrap_or_default();
        let Some(conditions) = json.get("conditions").and_then(Json::as_array) else {
            return Self { whole: Node::Opaque(Vec::new()) };
        };
        let node = |condition: &Json| {
            let body = condition.get("body").map_or(Node::Opaque(Vec::new()), read::node);
            let is_unless = condition.get("kind").and_then(Json::as_str) == Some("unless");
            if is_unless { Node::Not(Box::new(body)) } else { body }
        };
        Self { whole: Node::All(conditions.iter().map(node).collect()) }
    }

    /// Of a policy that is not there.
    pub(super) const fn opaque() -> Self {
        Self { whole: Node::Opaque(Vec::new()) }
    }

    /// Whether it consists of atoms alone, so that their values decide it.
    pub(super) fn is_exact(&self) -> bool {
        self.whole.is_exact()
    }

    /// What texts are held against: patterns, or none for a text that stands for itself.
    pub(super) fn patterns(&self) -> Vec<(&Path, Option<&[Option<String>]>)> {
        let mut patterns = Vec::new();
        let mut todo = vec![&self.whole];
        while let Some(node) = todo.pop() {
            match node {
                Node::All(nodes) | Node::Any(nodes) => todo.extend(nodes),
                Node::Not(node) => todo.push(node),
                Node::If(nodes) => todo.extend(nodes.iter()),
                Node::Atom(Atom::Like(path, pattern)) => patterns.push((path, Some(pattern.as_slice()))),
                Node::Atom(Atom::Equal(path, Val::Text(_))) => patterns.push((path, None)),
                Node::Atom(_) | Node::Finite(_) | Node::Fixed | Node::Opaque(_) => {}
            }
        }
        patterns
    }

    /// For everything that it reads, values such that every way to answer its atoms is among the combinations of them.
    pub(super) fn vars(&self) -> BTreeMap<Var, BTreeSet<Val>> {
        let mut vars = BTreeMap::new();
        self.whole.collect(&mut vars);
        vars
    }

    /// Whether it holds for a call of these values, as far as they tell.
    pub(super) fn holds(&self, values: &BTreeMap<Var, Val>) -> Option<bool> {
        self.whole.holds(values, false)
    }

    /// The same, of a policy that held for another call of the same party for the same thing: then whatever is fixed and had to
    /// hold for that holds here too.
    pub(super) fn holds_again(&self, values: &BTreeMap<Var, Val>) -> Option<bool> {
        self.whole.holds(values, true)
    }

    /// Values that make it hold, or fail, if nothing else speaks against that.
    pub(super) fn wishes(&self, holds: bool) -> Vec<(Var, Val)> {
        let mut wishes = Vec::new();
        self.whole.wish(holds, &mut wishes);
        wishes
    }
}

impl Node {
    fn is_exact(&self) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().all(Self::is_exact),
            Self::Not(node) => node.is_exact(),
            Self::If(nodes) => nodes.iter().all(Self::is_exact),
            Self::Atom(_) | Self::Finite(_) | Self::Fixed => true,
            Self::Opaque(_) => false,
        }
    }

    fn collect(&self, vars: &mut BTreeMap<Var, BTreeSet<Val>>) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.collect(vars)),
            Self::Not(node) => node.collect(vars),
            Self::If(nodes) => nodes.iter().for_each(|node| node.collect(vars)),
            Self::Atom(atom) => {
                let (var, values) = atom.values();
                vars.entry(var).or_default().extend(values);
            }
            Self::Finite(all) => {
                for (var, values) in all {
                    vars.entry(var.clone()).or_default().extend(values.iter().cloned());
                }
            }
            Self::Opaque(hints) => {
                for (var, value) in hints {
                    vars.entry(var.clone()).or_default().insert(value.clone());
                }
            }
            Self::Fixed => {}
        }
    }

    /// As Cedar reads it, from the left; what might err in front of what is known leaves it unknown.
    fn holds(&self, values: &BTreeMap<Var, Val>, fixed_hold: bool) -> Option<bool> {
        match self {
            Self::All(nodes) => {
                let mut all = Some(true);
                for node in nodes {
                    match node.holds(values, fixed_hold) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => all = None,
                    }
                }
                all
            }
            Self::Any(nodes) => {
                let mut any = Some(false);
                for node in nodes {
                    match node.holds(values, false) {
                        Some(false) => {}
                        Some(true) => return Some(true),
                        None => any = None,
                    }
                }
                any
            }
            Self::Not(node) => node.holds(values, false).map(|holds| !holds),
            Self::If(nodes) => {
                let [test, then, otherwise] = nodes.as_ref();
                if test.holds(values, false)? { then.holds(values, false) } else { otherwise.holds(values, false) }
            }
            Self::Atom(atom) => atom.holds(values),
            Self::Fixed if fixed_hold => Some(true),
            Self::Finite(_) | Self::Fixed | Self::Opaque(_) => None,
        }
    }

    fn wish(&self, holds: bool, wishes: &mut Vec<(Var, Val)>) {
        match self {
            Self::Not(node) => node.wish(!holds, wishes),
            Self::All(nodes) if holds => nodes.iter().for_each(|node| node.wish(true, wishes)),
            Self::Any(nodes) if !holds => nodes.iter().for_each(|node| node.wish(false, wishes)),
            // One is enough: the first that the call can do something about.
            Self::All(nodes) | Self::Any(nodes) => {
                let before = wishes.len();
                for node in nodes {
                    node.wish(holds, wishes);
                    if wishes.len() > before {
                        break;
                    }
                }
            }
            Self::If(nodes) => {
                let [test, then, _] = nodes.as_ref();
                test.wish(true, wishes);
                then.wish(holds, wishes);
            }
            Self::Atom(atom) => wishes.push(atom.wish(holds)),
            Self::Opaque(hints) => wishes.extend(hints.iter().take(1).cloned()),
            Self::Finite(_) | Self::Fixed => {}
        }
    }
}

impl Atom {
    /// What it is about, and a value for each way to answer it.
    fn values(&self) -> (Var, Vec<Val>) {
        let around = |path: &Path, limit: i64| [-1, 0, 1].map(|steps| Val::Long(stepped(path, limit, steps))).to_vec();
        match self {
            Self::Equal(path, Val::Long(value)) => (Var::Value(path.clone()), around(path, *value)),
            // Closed: what else stands there is no dialect. A call of a tool has none.
            Self::Equal(path, Val::Text(_)) if is_dialect(path) => {
                (Var::Value(path.clone()), ["", "anthropic", "openai"].map(|known| Val::Text(known.to_owned())).to_vec())
            }
            Self::Equal(path, Val::Text(value)) => (Var::Value(path.clone()), texts(value)),
            Self::Equal(path, Val::Bool(_)) => (Var::Value(path.clone()), both()),
            Self::Less(path, limit) | Self::LessEqual(path, limit) => (Var::Value(path.clone()), around(path, *limit)),
            Self::Member(path, value) => (Var::Member(path.clone(), value.clone()), both()),
            Self::Empty(path) => (Var::Member(path.clone(), Val::Text(OTHER.to_owned())), both()),
            Self::Present(path) => (Var::Present(path.clone()), both()),
            Self::Like(path, pattern) => (Var::Value(path.clone()), texts(&sample(pattern))),
        }
    }

    fn holds(&self, values: &BTreeMap<Var, Val>) -> Option<bool> {
        let value = |path: &Path| values.get(&Var::Value(path.clone()));
        match self {
            Self::Equal(path, wanted) => value(path).map(|value| value == wanted),
            Self::Less(path, limit) => value(path).map(|value| *value < Val::Long(*limit)),
            Self::LessEqual(path, limit) => value(path).map(|value| *value <= Val::Long(*limit)),
            Self::Member(path, member) => {
                values.get(&Var::Member(path.clone(), member.clone())).map(|is_in| *is_in == Val::Bool(true))
            }
            Self::Present(path) => values.get(&Var::Present(path.clone())).map(|is_there| *is_there == Val::Bool(true)),
            // Other members, and other texts that match, are not known here.
            Self::Empty(_) | Self::Like(..) => None,
        }
    }

    fn wish(&self, holds: bool) -> (Var, Val) {
        let step = |path: &Path, limit: i64, up: i64| Val::Long(stepped(path, limit, up));
        match self {
            Self::Equal(path, value) => {
                let wished = match value {
                    Val::Bool(value) => Val::Bool(*value == holds),
                    value if holds => value.clone(),
                    Val::Long(value) => step(path, *value, 1),
                    Val::Text(value) if is_dialect(path) => {
                        Val::Text(if value == "openai" { "anthropic" } else { "openai" }.to_owned())
                    }
                    Val::Text(_) => Val::Text(OTHER.to_owned()),
                };
                (Var::Value(path.clone()), wished)
            }
            Self::Less(path, limit) => (Var::Value(path.clone()), step(path, *limit, if holds { -1 } else { 1 })),
            Self::LessEqual(path, limit) => (Var::Value(path.clone()), step(path, *limit, i64::from(!holds))),
            Self::Member(path, value) => (Var::Member(path.clone(), value.clone()), Val::Bool(holds)),
            Self::Empty(path) => (Var::Member(path.clone(), Val::Text(OTHER.to_owned())), Val::Bool(!holds)),
            Self::Present(path) => (Var::Present(path.clone()), Val::Bool(holds)),
            Self::Like(path, pattern) => {
                (Var::Value(path.clone()), Val::Text(if holds { sample(pattern) } else { OTHER.to_owned() }))
            }
        }
    }
}

fn is_dialect(path: &Path) -> bool {
    path.iter().eq(["request", "dialect"])
}

/// A number some steps beside a limit; times have whole seconds, as policies see them.
fn stepped(path: &Path, limit: i64, steps: i64) -> i64 {
    let is_time = path.iter().eq(["now"]);
    let (limit, step) = if is_time { (limit.saturating_sub(limit.rem_euclid(1000)), 1000) } else { (limit, 1) };
    limit.saturating_add(steps.saturating_mul(step))
}

/// The shortest text that matches: nothing for each wildcard.
fn sample(pattern: &[Option<String>]) -> String {
    pattern.iter().flatten().map(String::as_str).collect()
}

/// Whether a text begins, goes on and ends as a pattern says.
pub(super) fn matches(pattern: &[Option<String>], text: &str) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Some(literal), rest)) => text.strip_prefix(literal.as_str()).is_some_and(|text| matches(rest, text)),
        Some((None, rest)) => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .any(|at| text.get(at..).is_some_and(|text| matches(rest, text))),
    }
}

fn both() -> Vec<Val> {
    vec![Val::Bool(false), Val::Bool(true)]
}

fn texts(named: &str) -> Vec<Val> {
    vec![Val::Text(named.to_owned()), Val::Text(OTHER.to_owned())]
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::{OTHER, Reading, Val, Var};

    fn read(condition: &str) -> Reading {
        Reading::of(&Policy::parse(None, format!("permit (principal, action, resource) {condition};")).unwrap())
    }

    fn value(path: &str) -> Var {
        Var::Value(path.split('.').map(ToOwned::to_owned).collect())
    }

    #[test]
    fn values_that_make_a_difference() {
        let text = |text: &str| Val::Text(text.to_owned());
        let facts: [(&str, Var, &[Val]); 9] = [
            ("when { context.input.n > 5 }", value("input.n"), &[Val::Long(4), Val::Long(5), Val::Long(6)]),
            ("when { 5 <= context.input.n }", value("input.n"), &[Val::Long(4), Val::Long(5), Val::Long(6)]),
            ("unless { context.input.s == \"a\" }", value("input.s"), &[text("a"), text(OTHER)]),
            ("when { [\"a\", \"b\"].contains(context.input.s) }", value("input.s"), &[text("a"), text("b"), text(OTHER)]),
            ("when { context.input.s like \"a*c\" }", value("input.s"), &[text("ac"), text(OTHER)]),
            ("when { context.flow.tainted }", value("flow.integrity"), &[Val::Long(1), Val::Long(2), Val::Long(3)]),
            ("when { !context.answered.approval }", value("answered.approval"), &[Val::Bool(false), Val::Bool(true)]),
            (
                "when { context.now < datetime(\"1970-01-02\") }",
                value("now"),
                &[Val::Long(86_399_000), Val::Long(86_400_000), Val::Long(86_401_000)],
            ),
            (
                "when { context.content.kinds.containsAny([\"a\"]) }",
                Var::Member(vec!["content".to_owned(), "kinds".to_owned()], text("a")),
                &[Val::Bool(false), Val::Bool(true)],
            ),
        ];
        for (condition, var, values) in facts {
            let reading = read(condition);
            let vars = reading.vars();
            assert!(reading.is_exact(), "{condition}");
            assert_eq!(vars.len(), 1, "{condition}: {vars:?}");
            assert_eq!(vars[&var].iter().cloned().collect::<Vec<_>>(), values, "{condition}");
        }
    }

    #[test]
    fn what_no_call_changes_is_fixed() {
        for condition in [
            "when { principal has x && principal.x > 3 }",
            "when { context.chain.depth < 3 && context.task.purpose == \"p\" }",
            "when { context.credential.id == \"c\" }",
            "",
        ] {
            let reading = read(condition);
            assert!(reading.is_exact() && reading.vars().is_empty() && reading.wishes(true).is_empty(), "{condition}");
        }
    }

    #[test]
    fn what_is_not_understood_is_opaque() {
        for condition in [
            "when { context.input.a == context.input.b }",
            "when { context.input.a + 1 > 3 }",
            "when { context.now.toTime() > duration(\"9h\") }",
            "when { context == {} }",
            "when { context.input.a.b.contains(context.input.c) }",
        ] {
            assert!(!read(condition).is_exact(), "{condition}");
        }
    }

    #[test]
    fn a_level_against_a_clearance_has_four_ways() {
        let reading = read("when { context.flow.level > resource.clearance }");
        let levels = reading.vars().remove(&value("flow.level")).unwrap();
        assert!(reading.is_exact() && levels.into_iter().eq((0..4).map(Val::Long)));
    }

    #[test]
    fn wishes_hold() {
        let wishes =
            read("when { context.input.n > 5 && !(context.input.s == \"a\") } unless { context.request.stream }").wishes(true);
        let wanted = [
            (value("input.n"), Val::Long(6)),
            (value("input.s"), Val::Text(OTHER.to_owned())),
            (value("request.stream"), Val::Bool(false)),
        ];
        assert_eq!(wishes, wanted);
        assert_eq!(read("when { context.input.n > 5 && context.input.m > 5 }").wishes(false), [(value("input.n"), Val::Long(5))]);
    }
}
