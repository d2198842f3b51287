//! Denials by what callers say: arguments of tools, and what enforcement points tell.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use model::{
    Access, Action, Ask, Asked, Bundle, Claims, DecisionInput, FindingCount, FindingGroup, Foreign, Point, PrincipalKind, Reach,
    Resource, ResourceKind, Shape, Value, Verb, Verdict,
};
use policy::PolicySnapshot;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

use crate::random;
use crate::tools::server;
use crate::world::{bundle, compiled, input, name};

/// Tools of one server, and orders that an enforcement point asks about.
fn world(text: &str) -> Bundle {
    let mut bundle = bundle(text);
    bundle.registry.tool_servers = BTreeMap::from([(name("github"), server())]);
    let every = || Reach::new(["*".to_owned()]).unwrap();
    let (subjects, actions, resources) = (every(), every(), every());
    let point = Point { subjects, actions, resources, agents: true, searches: 0, routes: Vec::new() };
    let shapes = |shapes: &[(&str, Shape)]| shapes.iter().map(|(name, shape)| ((*name).to_owned(), *shape)).collect();
    let purchase = ResourceKind {
        is_open: true,
        attributes: BTreeMap::new(),
        properties: shapes(&[("team", Shape::Parties(PrincipalKind::User)), ("kind", Shape::Text)]),
        entities: BTreeMap::new(),
    };
    let order = Verb {
        resources: BTreeSet::from(["purchase".to_owned()]),
        properties: shapes(&[("amount", Shape::Number), ("express", Shape::Flag), ("tags", Shape::Texts)]),
    };
    bundle.registry.access = Access {
        points: BTreeMap::from([(name("shop"), point)]),
        resources: BTreeMap::from([("purchase".to_owned(), purchase)]),
        actions: BTreeMap::from([("order".to_owned(), order)]),
        ..Access::default()
    };
    bundle
}

fn tool(tool: &str, arguments: &Json) -> DecisionInput {
    let mut input = input(&["user:ada"], "small");
    input.asks = vec![Ask { action: Action::CallTool, resource: Resource::Tool(format!("github/{tool}")) }];
    input.facts.arguments = Some(arguments.to_string());
    input
}

fn order(action: &[(&str, Value)], resource: &[(&str, Value)]) -> DecisionInput {
    let said = |said: &[(&str, Value)]| said.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let claims = Claims { action: said(action), resource: said(resource), ..Claims::default() };
    let foreign = Foreign { action: "order".to_owned(), kind: "purchase".to_owned(), id: "1".to_owned() };
    let mut input = input(&["user:ada"], "small");
    input.asks = vec![Ask { action: Action::Access, resource: Resource::Foreign(foreign) }];
    input.facts.mandate.asked_by = Some(Box::new(Asked { pep: name("shop"), subject: "user".to_owned(), claims: Some(claims) }));
    input
}

const TEXT: &str = r#"
@id("issues") permit (principal, action in [github::Action::"create_issue", github::Action::"read_issue"], resource);
@id("ceiling") forbid (principal, action == github::Action::"create_issue", resource)
when { context.input has priority && (context.input.priority < 0 || context.input.priority > 100) };
@id("never-secret") forbid (principal, action == github::Action::"create_issue", resource)
when { context.input has labels && context.input.labels.contains("secret") };
@id("ours") forbid (principal, action == github::Action::"create_issue", resource)
unless { context.input has target.repo && context.input.target.repo == "ours" };
@id("no-raw") forbid (principal, action == github::Action::"read_issue", resource) when { context.unmodelled.contains("raw") };
@id("not-from-outside") forbid (principal, action == github::Action::"read_issue", resource)
when { context.flow.untrusted.contains("number") };
@id("orders") permit (principal is Portcullis::User, action == Access::Action::"order", resource)
when { context.pep.resource has team && context.pep.resource.team.contains(principal) };
@id("amount") forbid (principal, action == Access::Action::"order", resource)
unless { context.pep.action has amount && context.pep.action.amount >= 0 && context.pep.action.amount <= 10000 };
"#;

fn check(snapshot: &PolicySnapshot, input: &DecisionInput, expected: &Expect) {
    let text = snapshot.explanation(input).text();
    let told: Vec<String> = text.into_iter().filter(|line| !line.starts_with("deny") && !line.starts_with("permit")).collect();
    expected.assert_eq(&told.join("\n"));
}

/// The nearest value that would do, from far above, from below, and where nothing is said.
#[test]
fn arguments_have_values_and_changes() {
    let snapshot = compiled(&world(TEXT));
    let ours = |more: Json| {
        let mut all = json!({"title": "a", "target": {"repo": "ours"}});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tool("create_issue", &all)
    };
    check(
        &snapshot,
        &ours(json!({"priority": 2_000_000})),
        &expect![[r#"
        read by ceiling (policies/p.cedar:3) for user:ada: context.input.priority = 2000000
        would be permitted if argument `priority` were 100 (caller)
        would be permitted if policy ceiling (policies/p.cedar:3) were gone (operators)"#]],
    );
    check(
        &snapshot,
        &ours(json!({"priority": -7})),
        &expect![[r#"
        read by ceiling (policies/p.cedar:3) for user:ada: context.input.priority = -7
        would be permitted if argument `priority` were 0 (caller)
        would be permitted if policy ceiling (policies/p.cedar:3) were gone (operators)"#]],
    );
    check(
        &snapshot,
        &ours(json!({"labels": ["a", "secret"]})),
        &expect![[r#"
        read by never-secret (policies/p.cedar:5) for user:ada: context.input.labels = ["a", "secret"]
        would be permitted if argument `labels` did not hold "secret" (caller)
        would be permitted if policy never-secret (policies/p.cedar:5) were gone (operators)"#]],
    );
    check(
        &snapshot,
        &tool("create_issue", &json!({"title": "a", "target": {"repo": "theirs"}})),
        &expect![[r#"
        read by ours (policies/p.cedar:7) for user:ada: context.input.target.repo = "theirs"
        would be permitted if argument `target.repo` were "ours" (caller)
        would be permitted if policy ours (policies/p.cedar:7) were gone (operators)"#]],
    );
    check(
        &snapshot,
        &tool("create_issue", &json!({"title": "a"})),
        &expect![[r#"
        read by ours (policies/p.cedar:7) for user:ada: context.input.target.repo = absent
        would be permitted if argument `target.repo` were "ours" (caller)
        would be permitted if policy ours (policies/p.cedar:7) were gone (operators)"#]],
    );
    // Two at once.
    check(
        &snapshot,
        &tool("create_issue", &json!({"title": "a", "priority": 101})),
        &expect![[r#"
        read by ceiling (policies/p.cedar:3) for user:ada: context.input.priority = 101
        read by ours (policies/p.cedar:7) for user:ada: context.input.target.repo = absent
        no single change would flip this; two together would:
        would be permitted if argument `priority` were 100 (caller) and argument `target.repo` were "ours" (caller)"#]],
    );
    // What no policy can see.
    check(
        &snapshot,
        &ours(json!({"\u{1b}[2Jextra": 1})),
        &expect![[r#"
        read by baseline-unmodelled (baseline.cedar:38) for user:ada: context.unmodelled = ["\u{1b}[2Jextra"]
        would be permitted if the call had no argument that policies cannot see (caller)"#]],
    );
    check(
        &snapshot,
        &tool("read_issue", &json!({"raw": 1, "cooked": 2})),
        &expect![[r#"
        read by no-raw (policies/p.cedar:9) for user:ada: context.unmodelled = ["cooked", "raw"]
        would be permitted if the call had no argument `raw` (caller)
        would be permitted if policy no-raw (policies/p.cedar:9) were gone (operators)"#]],
    );
    // What came from outside.
    let mut outside = tool("read_issue", &json!({"number": 1}));
    outside.facts.around.untrusted = ["number".to_owned(), "other".to_owned()].into();
    check(
        &snapshot,
        &outside,
        &expect![[r#"
            read by not-from-outside (policies/p.cedar:10) for user:ada: context.flow.untrusted = ["number", "other"]
            would be permitted if argument `number` came from nothing untrusted (task or time)
            would be permitted if the task were a new one that has seen nothing (task or time)
            would be permitted if policy not-from-outside (policies/p.cedar:10) were gone (operators)"#]],
    );
}

#[test]
fn what_enforcement_points_tell_has_values_and_changes() {
    let snapshot = compiled(&world(TEXT));
    let team = |names: &[&str]| ("team", Value::Parties(names.iter().map(|name| name.parse().unwrap()).collect()));
    let amount = |amount| ("amount", Value::Number(amount));
    check(
        &snapshot,
        &order(&[amount(15_000)], &[team(&["user:ada"])]),
        &expect![[r#"
        read by amount (policies/p.cedar:14) for user:ada: context.pep.action.amount = 15000
        would be permitted if `pep.action.amount` were 10000 (caller)
        would be permitted if policy amount (policies/p.cedar:14) were gone (operators)"#]],
    );
    check(
        &snapshot,
        &order(&[], &[team(&["user:ada"])]),
        &expect![[r#"
        read by amount (policies/p.cedar:14) for user:ada: context.pep.action.amount = absent
        would be permitted if `pep.action.amount` were 0 (caller)
        would be permitted if policy amount (policies/p.cedar:14) were gone (operators)"#]],
    );
    check(
        &snapshot,
        &order(&[amount(1)], &[team(&["user:eve"])]),
        &expect![[r#"
          near: policy orders (policies/p.cedar:12) concerns this call, but its condition does not hold
        read by orders (policies/p.cedar:12) for user:ada: context.pep.resource.team = [User "eve"]
        would be permitted if `pep.resource.team` held user:ada (task or time)"#]],
    );
    check(
        &snapshot,
        &order(&[amount(10_001)], &[]),
        &expect![[r#"
        read by amount (policies/p.cedar:14) for user:ada: context.pep.action.amount = 10001
        no single change would flip this; two together would:
        would be permitted if `pep.action.amount` were 10000 (caller) and `pep.resource.team` held user:ada (task or time)"#]],
    );
}

/// Where something was found in a recorded call, what its caller said is not repeated; whoever wrote a call knows what is in it.
#[test]
fn what_was_found_is_not_shown() {
    let snapshot = compiled(&world(TEXT));
    let mut asked = tool("create_issue", &json!({"title": "a", "target": {"repo": "4111 1111 1111 1111"}, "priority": 411_111}));
    assert!(snapshot.explanation(&asked).text().concat().contains("411"));
    asked.facts.findings.insert("CREDIT_CARD".to_owned(), FindingCount { group: FindingGroup::Pii, count: 1 });
    let told = snapshot.explanation(&asked).text().concat();
    assert!(!told.contains("411") && told.contains("not shown: something was found in the call"), "{told}");
    assert!(snapshot.explanation_of_own(&asked).text().concat().contains("4111 1111 1111 1111"));
}

/// Conditions on what callers say; every number is compared with constants alone.
const ARGUMENTS: [&str; 14] = [
    "context.input.title == \"a\"",
    "context.input.title != \"b\"",
    "context.input.title like \"*bug*\"",
    "[\"a\", \"c\"].contains(context.input.title)",
    "context.input has priority && context.input.priority < 3",
    "context.input has priority && context.input.priority >= 7",
    "context.input has priority && context.input.priority == 5",
    "context.input has labels && context.input.labels.contains(\"x\")",
    "context.input has labels && context.input.labels.containsAny([\"x\", \"y\"])",
    "context.input has labels && [\"x\", \"z\"].containsAll(context.input.labels)",
    "context.input has private && context.input.private",
    "context.input has target && context.input.target.repo == \"ours\"",
    "context.input has assignee",
    "context.unmodelled.contains(\"weight\")",
];
const TOLD: [&str; 7] = [
    "context.pep.action has amount && context.pep.action.amount <= 10",
    "context.pep.action has amount && context.pep.action.amount > 4",
    "context.pep.action has express && context.pep.action.express",
    "context.pep.action has tags && context.pep.action.tags.containsAll([\"a\", \"b\"])",
    "context.pep.resource has kind && context.pep.resource.kind == \"book\"",
    "principal is Portcullis::User && context.pep.resource has team && context.pep.resource.team.contains(principal)",
    "context.pep.resource has team && context.pep.resource.team.contains(Portcullis::User::\"eve\")",
];

fn policies() -> impl Strategy<Value = String> {
    let one =
        (any::<bool>(), select(vec!["permit", "permit", "forbid"]), select(vec!["when", "unless"]), 0..14_usize, 0..14_usize);
    proptest::collection::vec(one, 2..7).prop_map(|all| {
        let policy = |(is_tool, effect, when, first, second): &(bool, &str, &str, usize, usize)| {
            let (action, from): (&str, &[&str]) =
                if *is_tool { ("github::Action::\"create_issue\"", &ARGUMENTS) } else { ("Access::Action::\"order\"", &TOLD) };
            let condition = |at: usize| from[at % from.len()];
            let both = if first == second { String::new() } else { format!(" && ({})", condition(*second)) };
            format!("{effect} (principal, action == {action}, resource) {when} {{ ({}){both} }};\n", condition(*first))
        };
        all.iter().map(policy).collect()
    })
}

fn call() -> impl Strategy<Value = DecisionInput> {
    let fields = vec![
        ("priority", json!([0, 2, 5, 6, 9, 900])),
        ("labels", json!([[], ["x"], ["y", "z"], ["x", "y", "q"]])),
        ("private", json!([true, false])),
        ("target", json!([{"repo": "ours"}, {"repo": "theirs"}])),
        ("assignee", json!(["eve"])),
        ("weight", json!([1.000_05])),
    ];
    let fields = proptest::sample::subsequence(fields, 0..=4);
    let arguments = (select(vec!["a", "b", "a bug", "other"]), fields, 0..12_usize).prop_map(|(title, fields, at)| {
        let field = |(name, values): (&str, Json)| {
            let values = values.as_array().unwrap();
            (name.to_owned(), values[at % values.len()].clone())
        };
        let mut all: Map<String, Json> = fields.into_iter().map(field).collect();
        all.insert("title".to_owned(), json!(title));
        tool("create_issue", &Json::Object(all))
    });
    let party = |name: &str| name.parse().unwrap();
    let team = proptest::option::of(select(vec![vec!["user:ada"], vec!["user:eve"], vec![]]));
    let amount = proptest::option::of(select(vec![-3, 4, 10, 11, 5_000]));
    let tags = proptest::option::of(select(vec![vec!["a"], vec!["a", "b"], vec![]]));
    let told = (team, amount, tags, proptest::option::of(any::<bool>()), any::<bool>());
    let orders = told.prop_map(move |(team, amount, tags, express, is_book)| {
        let texts = |texts: Vec<&str>| texts.into_iter().map(ToOwned::to_owned).collect();
        let action: Vec<(&str, Value)> = [
            ("amount", amount.map(Value::Number)),
            ("tags", tags.map(|tags| Value::Texts(texts(tags)))),
            ("express", express.map(Value::Flag)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let team = team.map(|team| ("team", Value::Parties(team.into_iter().map(party).collect())));
        let kind = is_book.then(|| ("kind", Value::Text("book".to_owned())));
        order(&action, &team.into_iter().chain(kind).collect::<Vec<_>>())
    });
    prop_oneof![arguments, orders]
}

/// The call after what a text tells was done, by hand: with the number that was told, if it was one.
fn followed(input: &DecisionInput, text: &str) -> Option<(&'static str, DecisionInput, Option<i64>)> {
    let mut input = input.clone();
    if text == "the call had no argument that policies cannot see" || text == "the call had no argument `weight`" {
        let mut arguments: Map<String, Json> = serde_json::from_str(input.facts.arguments.as_deref().unwrap()).unwrap();
        arguments.remove("weight")?;
        input.facts.arguments = Some(Json::Object(arguments).to_string());
        return Some(("unmodelled", input, None));
    }
    let mut parts = text.split('`');
    let (subject, place, what) = (parts.next()?, parts.next()?, parts.next()?.trim());
    if subject != "argument " && !place.starts_with("pep.") {
        return None;
    }
    let before = match subject {
        "argument " => {
            let arguments: Json = serde_json::from_str(input.facts.arguments.as_deref().unwrap()).unwrap();
            arguments.pointer(&format!("/{}", place.replace('.', "/"))).cloned()
        }
        _ => said(&mut input, place).1.map(|value| plain(&value)),
    };
    let list = |text: &str| -> Vec<Json> {
        let quoted: Vec<String> =
            text.split(", ").map(|item| if item.starts_with('"') { item.to_owned() } else { format!("\"{item}\"") }).collect();
        serde_json::from_str(&format!("[{}]", quoted.join(", "))).unwrap()
    };
    let members = || before.clone().and_then(|value| value.as_array().cloned()).unwrap_or_default();
    let without = |gone: Vec<Json>| Json::Array(members().into_iter().filter(|item| !gone.contains(item)).collect());
    let (kind, value) = if what == "were not there" {
        ("gone", None)
    } else if let Some(such) = what.strip_prefix("were another text, such as ") {
        ("text", Some(serde_json::from_str(such).unwrap()))
    } else if what == "were empty" {
        ("set", Some(json!([])))
    } else if what.starts_with("were there") {
        ("there", Some(json!({"repo": ""})))
    } else if let Some(value) = what.strip_prefix("were ") {
        let value: Json = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        (
            if value.is_number() {
                "number"
            } else if value.is_string() {
                "text"
            } else {
                "flag"
            },
            Some(value),
        )
    } else if let Some(items) = what.strip_prefix("did not hold ").or_else(|| what.strip_prefix("held none of ")) {
        ("set", Some(without(list(items))))
    } else if let Some(items) = what.strip_prefix("held only ") {
        ("set", Some(Json::Array(list(items))))
    } else {
        let more = list(what.strip_prefix("held ")?);
        ("set", Some(Json::Array(without(more.clone()).as_array().unwrap().iter().cloned().chain(more).collect())))
    };
    let number = value.as_ref().and_then(Json::as_i64);
    Some((kind, put(input, subject, place, value), number))
}

/// What an enforcement point tells, by `pep.action.amount`.
fn said<'i>(input: &'i mut DecisionInput, place: &str) -> (&'i mut BTreeMap<String, Value>, Option<Value>) {
    let claims = input.facts.mandate.asked_by.as_mut().unwrap().claims.as_mut().unwrap();
    let (part, name) = place.strip_prefix("pep.").unwrap().split_once('.').unwrap();
    let part = if part == "action" { &mut claims.action } else { &mut claims.resource };
    let value = part.get(name).cloned();
    (part, value)
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Number(number) => json!(number),
        Value::Flag(flag) => json!(flag),
        Value::Texts(texts) => json!(texts),
        Value::Party(party) => json!(party.to_string()),
        Value::Parties(parties) => parties.iter().map(ToString::to_string).collect(),
    }
}

fn put(mut input: DecisionInput, subject: &str, place: &str, value: Option<Json>) -> DecisionInput {
    if subject == "argument " {
        let mut arguments: Json = serde_json::from_str(input.facts.arguments.as_deref().unwrap()).unwrap();
        let (above, last) = place.rsplit_once('.').map_or((None, place), |(above, last)| (Some(above), last));
        let fields = match above {
            Some(above) => &mut arguments[above],
            None => &mut arguments,
        };
        match value {
            Some(value) => fields[last] = value,
            None => drop(fields.as_object_mut().unwrap().remove(last)),
        }
        input.facts.arguments = Some(arguments.to_string());
        return input;
    }
    let texts = |items: &[Json]| items.iter().map(|item| item.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let name = place.rsplit_once('.').unwrap().1.to_owned();
    let value = value.map(|value| match value {
        Json::Array(items) if name == "team" => Value::Parties(texts(&items).iter().map(|item| item.parse().unwrap()).collect()),
        Json::Array(items) => Value::Texts(texts(&items).into_iter().collect()),
        Json::Bool(flag) => Value::Flag(flag),
        Json::Number(number) => Value::Number(number.as_i64().unwrap()),
        Json::String(text) => Value::Text(text),
        other => panic!("{other}"),
    });
    let part = said(&mut input, place).0;
    match value {
        Some(value) => drop(part.insert(name, value)),
        None => drop(part.remove(&name)),
    }
    input
}

/// What a place holds now, where that is a number.
fn number(input: &DecisionInput, text: &str) -> Option<i64> {
    let place = text.split('`').nth(1)?;
    if text.starts_with("argument ") {
        let arguments: Json = serde_json::from_str(input.facts.arguments.as_deref()?).unwrap();
        return arguments.get(place)?.as_i64();
    }
    plain(&said(&mut input.clone(), Some(place).filter(|place| place.starts_with("pep."))?).1?).as_i64()
}

/// Whoever says what is told gets the verdict that is told, and nothing nearer would have done.
#[test]
fn what_is_told_is_so_and_the_nearest() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(random::config(1));
    let (mut n_followed, mut n_nearer, mut n_pairs): (BTreeMap<&str, u32>, u32, u32) = Default::default();
    for _ in 0..150 {
        let bundle = world(&policies().new_tree(&mut runner).unwrap().current());
        let snapshot = compiled(&bundle);
        for _ in 0..8 {
            let input = call().new_tree(&mut runner).unwrap().current();
            let before = snapshot.decide(&input).verdict;
            for change in snapshot.explanation(&input).changes.found {
                let mut done = input.clone();
                for (_, text) in &change.parts {
                    let Some((kind, after, told)) = followed(&done, text) else { break };
                    *n_followed.entry(kind).or_default() += 1;
                    if let ([_], Some(told), Some(now)) = (change.parts.as_slice(), told, number(&input, text)) {
                        let subject = text.split('`').next().unwrap();
                        let place = text.split('`').nth(1).unwrap();
                        for nearer in [told - (told - now).signum(), now + (told - now) / 2] {
                            if nearer != told {
                                n_nearer += 1;
                                let nearer = put(input.clone(), subject, place, Some(json!(nearer)));
                                assert_eq!(snapshot.decide(&nearer).verdict, before, "nearer than {text}");
                            }
                        }
                    }
                    done = after;
                }
                if change.parts.iter().all(|(_, text)| followed(&input, text).is_some()) {
                    assert_eq!(snapshot.decide(&done).verdict, change.verdict, "{:?}", change.parts);
                    if let [_, _] = change.parts.as_slice() {
                        n_pairs += 1;
                        for (_, text) in &change.parts {
                            let (_, alone, _) = followed(&input, text).unwrap();
                            assert_eq!(snapshot.decide(&alone).verdict, before, "`{text}` is enough");
                        }
                    }
                }
            }
        }
    }
    let kinds: Vec<&str> = n_followed.keys().copied().collect();
    assert_eq!(kinds, ["flag", "gone", "number", "set", "text", "unmodelled"], "{n_followed:?}");
    assert!(
        n_followed.values().all(|count| *count >= 3) && n_nearer >= 50 && n_pairs >= 10,
        "{n_followed:?} {n_nearer} {n_pairs}"
    );
}

/// What is told was tried, and the work is bounded; the verdict of a call of which all is right needs none.
#[test]
fn long_lists_are_tried_in_bounds() {
    let words: Vec<String> = (0..2_000).map(|number| format!("\"w{number}\"")).collect();
    let text = format!(
        "permit (principal, action == github::Action::\"create_issue\", resource) when {{ [{}].contains(context.input.title) && context.input has priority && context.input.priority > 3 }};",
        words.join(", ")
    );
    let snapshot = compiled(&world(&text));
    let explanation = snapshot.explanation(&tool("create_issue", &json!({"title": "a"})));
    let changes = explanation.changes;
    assert!(changes.n_tried <= 200, "{}", changes.n_tried);
    assert_eq!(changes.found.first().map(|change| (change.verdict, change.parts.len())), Some((Verdict::Permit, 2)));
}
