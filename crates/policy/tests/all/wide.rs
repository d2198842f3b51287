//! Random policies and calls of tools, of what other enforcement points ask about, and of parties that issuers vouch for.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Access, Action, Ask, Asked, Bundle, Claims, DecisionInput, Federated, Foreign, Name, Point, PrincipalKind, Reach, Resource,
    ResourceKind, Shape, Value, Verb,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value as Json, json};

use crate::random::{self, Reads};
use crate::tools::server;
use crate::world::{chain, name};

/// What operators declare, beside the random organisation: tools of `github`, records.
fn declare(bundle: &mut Bundle) {
    let every = || Reach::new(["*".to_owned()]).unwrap();
    let (subjects, actions, resources) = (every(), every(), every());
    let point = Point { subjects, actions, resources, agents: true, searches: 0, routes: Vec::new() };
    let shapes = |shapes: &[(&str, Shape)]| shapes.iter().map(|(name, shape)| ((*name).to_owned(), *shape)).collect();
    let owner = ("owner".to_owned(), Value::Party("user:u0".parse().unwrap()));
    let stage = ("stage".to_owned(), Value::Text("production".to_owned()));
    let record = ResourceKind {
        is_open: false,
        attributes: shapes(&[("owner", Shape::Party(PrincipalKind::User)), ("stage", Shape::Text)]),
        properties: shapes(&[("status", Shape::Text)]),
        entities: BTreeMap::from([
            ("1".to_owned(), BTreeMap::from([owner])),
            ("2".to_owned(), BTreeMap::from([stage])),
            ("3".to_owned(), BTreeMap::new()),
        ]),
    };
    let resources = || BTreeSet::from(["record".to_owned()]);
    let verb = |properties| Verb { resources: resources(), properties };
    bundle.registry.tool_servers = BTreeMap::from([(name("github"), server())]);
    bundle.registry.access = Access {
        points: BTreeMap::from([(name("app"), point)]),
        resources: BTreeMap::from([("record".to_owned(), record)]),
        actions: BTreeMap::from([
            ("read".to_owned(), verb(BTreeMap::new())),
            ("write".to_owned(), verb(shapes(&[("amount", Shape::Number)]))),
        ]),
        subject: shapes(&[("role", Shape::Text)]),
        ..Access::default()
    };
}

/// The same words as a schema, written by hand.
pub(crate) fn schema() -> String {
    let facts = policy::SCHEMA.split_once("type Facts = {").unwrap().1.split_once("};").unwrap().0;
    let principals = "principal: [Portcullis::User, Portcullis::Service, Portcullis::Agent]";
    let tool = |name: &str, groups: &[&str], input: &str| {
        let groups: Vec<String> = groups.iter().map(|group| format!("Portcullis::Action::\"{group}\"")).collect();
        format!(
            "action {name} in [{}] appliesTo {{ {principals}, resource: [Portcullis::Tool], context: {{ {facts} input: {{ {input} }}, unmodelled: Set<String> }} }};\n",
            groups.join(", ")
        )
    };
    let create = "title: String, priority?: Long, labels?: Set<String>, private?: Bool, target?: { repo: String, fork?: Bool }, assignee?: String, weight?: decimal";
    let verb = |name: &str, said: &str| {
        let pep = format!(
            "{{ name: String, subject: {{ role?: String }}, action: {{ {said} }}, resource: {{ status?: String }}, context: {{}} }}"
        );
        format!("action {name} appliesTo {{ {principals}, resource: [record], context: {{ {facts} pep: {pep} }} }};\n")
    };
    let tools = [
        tool("create_issue", &["callTool", "write", "egress"], create),
        tool("read_issue", &["callTool", "read"], "number?: Long"),
        tool("old_search", &["callTool", "read"], ""),
    ];
    format!(
        "{}\nnamespace github {{\n{}}}\nnamespace Access {{\nentity record = {{ owner?: Portcullis::User, stage?: String }};\n{}{}}}\n",
        policy::SCHEMA,
        tools.concat(),
        verb("read", ""),
        verb("write", "amount?: Long"),
    )
}

const PRINCIPALS: [&str; 9] = [
    "principal",
    "principal",
    "principal is Portcullis::User",
    "principal is Portcullis::Agent",
    "principal == Portcullis::User::\"u0\"",
    "principal == Portcullis::User::\"okta:ada\"",
    "principal in Portcullis::Group::\"g0\"",
    "principal in Portcullis::Group::\"g2\"",
    "principal is Portcullis::User in Portcullis::Group::\"g1\"",
];

/// Action, resources that go with it, and conditions on what it alone has.
type Aim<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);
const AIMS: [Aim<'_>; 6] = [
    (
        "action == github::Action::\"create_issue\"",
        &["resource", "resource == Portcullis::Tool::\"github/create_issue\"", "resource in Portcullis::ToolServer::\"github\""],
        &[
            "context.input.title like \"*bug*\"",
            "context.input has priority && context.input.priority < 3",
            "context.input has priority && context.input.priority + 9223372036854775800 > 0",
            "context.input has labels && context.input.labels.containsAny([\"x\", \"y\"])",
            "context.input has target && context.input.target.repo == \"ours\"",
            "context.input has private && context.input.private",
            "context.flow.level > 0",
        ],
    ),
    (
        "action == github::Action::\"read_issue\"",
        &["resource", "resource is Portcullis::Tool"],
        &["context.input has number && context.input.number > 6", "context.unmodelled.contains(\"raw\")"],
    ),
    (
        "action in Portcullis::Action::\"callTool\"",
        &["resource", "resource in Portcullis::ToolServer::\"github\"", "resource in Portcullis::ToolServer::\"ghost\""],
        &["resource.effects.contains(\"egress\")", "resource.clearance > 0", "!context.unmodelled.isEmpty()"],
    ),
    (
        "action in [Portcullis::Action::\"write\", Portcullis::Action::\"read\"]",
        &["resource", "resource is Portcullis::Tool"],
        &["context.answered.approval", "context.unmodelled.isEmpty()"],
    ),
    (
        "action == Access::Action::\"read\"",
        &["resource", "resource == Access::record::\"1\"", "resource is Access::record"],
        &[
            "resource has stage && resource.stage == \"production\"",
            "principal is Portcullis::User && resource has owner && resource.owner == principal",
            "context.pep.subject has role && context.pep.subject.role == \"admin\"",
        ],
    ),
    (
        "action == Access::Action::\"write\"",
        &["resource", "resource is Access::record", "resource in Access::record::\"2\""],
        &[
            "context.pep.action has amount && context.pep.action.amount <= 10",
            "context.pep.action has amount && context.pep.action.amount + 9223372036854775800 > 0",
            "context.pep.resource has status && context.pep.resource.status == \"archived\"",
            "context.pep.name == \"app\"",
        ],
    ),
];

fn policy() -> impl Strategy<Value = String> {
    let own = (select(&PRINCIPALS), select(&AIMS), any::<[usize; 2]>(), 0..9_u8, any::<bool>()).prop_map(
        |(principal, (action, resources, conditions), [resource, condition], kind, is_when)| {
            let resource = resources[resource % resources.len()];
            // One more than there are: none.
            let condition = conditions.get(condition % (conditions.len() + 1));
            let when = if is_when { "when" } else { "unless" };
            let condition = condition.map(|condition| format!("{when} {{ {condition} }}")).unwrap_or_default();
            let (head, answer) = match kind {
                0..=4 => ("permit", ""),
                5 => ("@obligation(\"both:redact:pii\") permit", ""),
                6 => ("forbid", ""),
                7 => ("@challenge(\"approval\") forbid", "unless { context.answered.approval }"),
                _ => ("@challenge(\"step-up\") forbid", "unless { context.answered.stepUp }"),
            };
            format!("{head} ({principal}, {action}, {resource}) {condition} {answer};")
        },
    );
    prop_oneof![4 => own, 1 => random::policy(Reads::Anything)]
}

/// A bundle of up to 30 policies, each on a line with its id.
pub(crate) fn bundle() -> impl Strategy<Value = Bundle> {
    (random::registry(), proptest::collection::vec(policy(), 5..30)).prop_map(|(registry, texts)| {
        let lines = texts.iter().enumerate().map(|(number, text)| format!("@id(\"p{number}\") {text}\n"));
        let policies = BTreeMap::from([("policies/p.cedar".to_owned(), lines.collect())]);
        let mut bundle = Bundle { format: 1, registry, policies, rules: model::RuleFiles::default() };
        declare(&mut bundle);
        bundle
    })
}

fn arguments() -> impl Strategy<Value = (&'static str, Json)> {
    let fields = vec![
        ("priority", json!([2, 5, 9_000])),
        ("labels", json!([[], ["x"], ["z", "x", "x"]])),
        ("private", json!([true, false])),
        ("target", json!([{"repo": "ours"}, {"repo": "theirs", "fork": true}, {"repo": "ours", "mode": 1}])),
        ("assignee", json!(["eve"])),
        ("weight", json!([1.5, 1.500_05, 40])),
    ];
    let create = (select(vec!["a bug", "a wish"]), subsequence(fields, 0..=4), 0..6_usize).prop_map(|(title, fields, at)| {
        let field = |(name, values): (&str, Json)| {
            let values = values.as_array().unwrap();
            (name.to_owned(), values[at % values.len()].clone())
        };
        let mut all: Map<String, Json> = fields.into_iter().map(field).collect();
        all.insert("title".to_owned(), json!(title));
        ("create_issue", Json::Object(all))
    });
    let read = select(vec![json!({}), json!({"number": 7}), json!({"number": 3, "raw": {"deep": 1}})]);
    prop_oneof![4 => create, 2 => read.prop_map(|arguments| ("read_issue", arguments)), 1 => Just(("old_search", json!({})))]
}

fn claims() -> impl Strategy<Value = Claims> {
    let text = |text: &str| Value::Text(text.to_owned());
    let amount = proptest::option::of(select(vec![-1, 10, 11, i64::MAX]));
    (proptest::option::of(select(vec!["admin", "clerk"])), amount, any::<bool>()).prop_map(move |(role, amount, is_archived)| {
        Claims {
            subject: role.map(|role| ("role".to_owned(), text(role))).into_iter().collect(),
            action: amount.map(|amount| ("amount".to_owned(), Value::Number(amount))).into_iter().collect(),
            resource: is_archived.then(|| ("status".to_owned(), text("archived"))).into_iter().collect(),
            context: BTreeMap::new(),
        }
    })
}

/// A call of a tool, or a question about a record; of declared parties, or with a guest in front.
pub(crate) fn input() -> impl Strategy<Value = DecisionInput> {
    let groups = subsequence((0..7).map(|at| name(&format!("g{at}"))).collect::<Vec<Name>>(), 0..=3);
    let guest = proptest::option::of((select(vec![&["user:okta:ada"][..], &["user:okta:ada", "agent:a0"]]), groups));
    let question = (select(vec!["read", "write"]), select(vec!["1", "2", "3", "ghost"]), claims());
    let asked = prop_oneof![arguments().prop_map(Ok), question.prop_map(Err)];
    (random::some_chain(), guest, random::facts(), asked).prop_map(|(some_chain, guest, mut facts, asked)| {
        let chain = match guest {
            None => some_chain,
            Some((links, groups)) => {
                let principal = links[0].parse().unwrap();
                facts.mandate.federated = Some(Federated { principal, groups: groups.into_iter().collect() });
                chain(links)
            }
        };
        let ask = match asked {
            Ok((tool, arguments)) => {
                facts.arguments = Some(arguments.to_string());
                Ask { action: Action::CallTool, resource: Resource::Tool(format!("github/{tool}")) }
            }
            Err((action, id, mut claims)) => {
                if action == "read" {
                    claims.action.clear();
                }
                facts.mandate.asked_by =
                    Some(Box::new(Asked { pep: name("app"), subject: "user".to_owned(), claims: Some(claims) }));
                let (action, kind, id) = (action.to_owned(), "record".to_owned(), id.to_owned());
                Ask { action: Action::Access, resource: Resource::Foreign(Foreign { action, kind, id }) }
            }
        };
        DecisionInput { chain, asks: vec![ask], facts }
    })
}

/// What policies see of a call beside its facts, written by hand.
pub(crate) fn beside(input: &DecisionInput, ask: &Ask) -> Vec<(&'static str, Json)> {
    match &ask.resource {
        Resource::Tool(tool) => {
            let all: Map<String, Json> = serde_json::from_str(input.facts.arguments.as_deref().unwrap()).unwrap();
            let known: &[&str] = match tool.as_str() {
                "github/create_issue" => &["title", "priority", "labels", "private", "target", "assignee", "weight"],
                "github/read_issue" => &["number"],
                _ => &[],
            };
            let (mut seen, unseen): (Map<_, _>, Map<_, _>) =
                all.into_iter().partition(|(name, _)| known.contains(&name.as_str()));
            let mut unseen = unseen;
            match seen.remove("weight") {
                // One decimal too many.
                Some(weight) if weight == json!(1.500_05) => {
                    unseen.insert("weight".to_owned(), weight);
                }
                Some(weight) => {
                    let text = if weight == json!(40) { "40.0".to_owned() } else { weight.to_string() };
                    seen.insert("weight".to_owned(), json!({"__extn": {"fn": "decimal", "arg": text}}));
                }
                None => {}
            }
            let mut names: Vec<String> = unseen.into_iter().map(|(name, _)| name).collect();
            if let Some(target) = seen.get_mut("target").and_then(Json::as_object_mut)
                && target.remove("mode").is_some()
            {
                names.push("target.mode".to_owned());
            }
            vec![("input", Json::Object(seen)), ("unmodelled", json!(names))]
        }
        Resource::Foreign(_) => {
            let asked = input.facts.mandate.asked_by.as_ref().unwrap();
            let claims = asked.claims.as_ref().unwrap();
            let said = |said: &BTreeMap<String, Value>| -> Json {
                let value = |value: &Value| match value {
                    Value::Text(text) => json!(text),
                    Value::Number(number) => json!(number),
                    other => panic!("{other:?} is not generated"),
                };
                said.iter().map(|(name, said)| (name.clone(), value(said))).collect::<Map<_, _>>().into()
            };
            let pep = json!({
                "name": asked.pep, "subject": said(&claims.subject), "action": said(&claims.action),
                "resource": said(&claims.resource), "context": {},
            });
            vec![("pep", pep)]
        }
        _ => Vec::new(),
    }
}

/// The tools, records and the guest as entities, written by hand.
pub(crate) fn entities(input: &DecisionInput) -> Vec<Json> {
    let tool = |name: &str, effects: &[&str]| {
        json!({
            "uid": {"type": "Portcullis::Tool", "id": format!("github/{name}")}, "attrs": {"effects": effects, "clearance": 1},
            "parents": [{"type": "Portcullis::ToolServer", "id": "github"}],
        })
    };
    let record =
        |id: &str, attributes: Json| json!({"uid": {"type": "Access::record", "id": id}, "attrs": attributes, "parents": []});
    let mut all = vec![
        json!({"uid": {"type": "Portcullis::ToolServer", "id": "github"}, "attrs": {"clearance": 1}, "parents": []}),
        tool("create_issue", &["write", "egress"]),
        tool("read_issue", &["read"]),
        tool("old_search", &["read"]),
        record("1", json!({"owner": {"__entity": {"type": "Portcullis::User", "id": "u0"}}})),
        record("2", json!({"stage": "production"})),
        record("3", json!({})),
    ];
    all.extend(input.facts.mandate.federated.iter().map(|guest| {
        let parents: Vec<Json> = guest.groups.iter().map(|group| json!({"type": "Portcullis::Group", "id": group})).collect();
        json!({"uid": {"type": "Portcullis::User", "id": guest.principal.name}, "attrs": {}, "parents": parents})
    }));
    all
}
